/* Small seeded generator (a Weyl sequence through a folded product). Injected wherever jitter or a
 * random choice is needed, so that tests repeat. Not for secrets: those use getrandom(2). */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

#include "base/hash.h"

struct rng {
    uint64_t state;
};

static inline uint64_t rng_u64(struct rng *r)
{
    r->state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_mix(r->state, r->state ^ UINT64_C(0xe7037ed1a0b428db));
}

/* Uniform in [0, n), n >= 1, by multiplication (bias below n / 2^32). */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
    return (uint32_t)(((rng_u64(r) >> 32) * n) >> 32);
}

#endif
