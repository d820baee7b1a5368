/* Weighted rotation: a cyclic list of slots in which each member stands as often as its weight says, evenly spread.
 *
 * Exact when the sum of the weights over their greatest common divisor is at most SCHEDULE_SLOTS; otherwise the slots
 * are apportioned by largest remainder, at least one to each member, so that a small weight is never starved. More than
 * SCHEDULE_SLOTS / 4 members get four slots each on average. */
#ifndef ENGINE_SCHEDULE_H
#define ENGINE_SCHEDULE_H

#include <stdint.h>

#include "base/err.h"

#define SCHEDULE_SLOTS   4096
#define SCHEDULE_MEMBERS 65535 /* slots are 16-bit indexes */

struct schedule {
    uint32_t n;      /* slots; 0: all weights are equal, plain rotation does it */
    uint16_t *slots; /* owned: indexes of members; NULL if n is 0 */
};

/* Weights are at least 1; 1 <= n <= SCHEDULE_MEMBERS. ERR_NOMEM. */
int schedule_init(struct schedule *s, const uint32_t *weights, uint32_t n) MUST_CHECK;
void schedule_fini(struct schedule *s);
/* Greatest common divisor; of n and 0 it is n. */
uint64_t schedule_gcd(uint64_t a, uint64_t b);

#endif
