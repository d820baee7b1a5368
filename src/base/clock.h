/* Clocks. Only io/ and app/ read them; everything else is handed `now`. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_mono_ms(void); /* CLOCK_BOOTTIME: counts suspend */
uint64_t clock_wall_us(void); /* since 1970, for display and first revisions */

/* The lease clock: follows clock_mono_ms but moves at most LEASE_CLOCK_STEP_MS per call of advance,
 * so that a process that was stopped or suspended does not wake up to expire everybody. One owner:
 * the control loop advances it once a turn. */
#define LEASE_CLOCK_STEP_MS 1000

struct lease_clock {
    uint64_t now_ms;
    uint64_t mono_ms; /* clock_mono_ms at the last advance */
};

void lease_clock_init(struct lease_clock *c, uint64_t mono_ms);
uint64_t lease_clock_advance(struct lease_clock *c, uint64_t mono_ms);

#endif
