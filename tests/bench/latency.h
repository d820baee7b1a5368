/* A histogram of times with 3 % resolution: 32 steps in each power of two of nanoseconds. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <stdint.h>
#include <string.h>

#define LATENCY_STEPS   32
#define LATENCY_BUCKETS (64 * LATENCY_STEPS)

struct latency {
    uint64_t n, max_ns;
    uint32_t counts[LATENCY_BUCKETS];
};

static inline void latency_reset(struct latency *l)
{
    memset(l, 0, sizeof(*l));
}

static inline void latency_add(struct latency *l, uint64_t ns)
{
    unsigned power = ns < LATENCY_STEPS ? 0 : 63 - (unsigned)__builtin_clzll(ns) - 4;
    l->counts[power * LATENCY_STEPS / 2 + (ns >> power)]++;
    l->max_ns = ns > l->max_ns ? ns : l->max_ns;
    l->n++;
}

/* The time that `share` (0.99) of all needed at most. 0 if there were none. */
static inline double latency_us(const struct latency *l, double share)
{
    uint64_t seen = 0, wanted = (uint64_t)((double)l->n * share);
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += l->counts[i];
        if (seen > wanted) {
            unsigned power = i < LATENCY_STEPS ? 0 : i / (LATENCY_STEPS / 2) - 1;
            uint64_t step = i - power * LATENCY_STEPS / 2 + 1;
            return (double)(step << power) / 1000;
        }
    }
    return (double)l->max_ns / 1000;
}

#endif
