/* When which check is probed: the plan of all probes on virtual time. Pure: it opens nothing and reads no clock.
 *
 *     EFFECT_CHANGE ──► health_effect ──► plan ──► health_due ──► probe_job ──► io/prober
 *                                                                                  │ result
 *     registry_step ◄── EVENT_PROBE_RESULT ◄── health_done ◄──────────────────────┘
 *
 * The first probe of a check is due at once (of thousands that come together, two in a millisecond: those that run already
 * keep their time), later ones at `interval` +- 10 %, counted from the start of the one before; at most `max_probes` run at
 * a time, the longest waiting first. A probe that overruns its interval delays the next one, never doubles it. ttl checks are
 * never probed: the registry times them. Each call costs O(1) per probe, whatever the number of checks. Control thread only;
 * `now_ms` is one clock that never goes back. */
#ifndef ENGINE_HEALTH_H
#define ENGINE_HEALTH_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "registry/registry.h"

#define HEALTH_JITTER_PERCENT 10
#define HEALTH_LATE_STEPS 4
#define HEALTH_SLICE 1024 /* checks that one health_due finds to be due at most */
extern const uint32_t health_late_ms[HEALTH_LATE_STEPS]; /* grows */

struct health;

struct probe_job {
    uint64_t probe;                 /* handed back to health_done */
    const struct check_spec *spec;  /* valid until health_done of this probe: the plan holds its owner */
    const struct description *desc; /* likewise, by a reference; address and port of the instance */
    const char *service, *id;       /* likewise; as shown */
    uint16_t check;                 /* index of the check */
    uint64_t late_ms;               /* since it was due */
};

/* max_probes >= 1. ERR_NOMEM. */
int health_new(uint32_t max_probes, uint64_t seed, uint64_t now_ms, struct health **out) MUST_CHECK;
/* Probes that still run are forgotten. Touches no instance, so the registry may be gone already. */
void health_free(struct health *h);
/* From the next health_due on; probes above a lowered bound run to their end. */
void health_set_max_probes(struct health *h, uint32_t max_probes);
/* EFFECT_CHANGE; others are ignored. An instance whose checks and address stay keeps its schedule; other checks start
 * afresh, and what is in flight for the old ones is dropped when it ends. ERR_NOMEM: the instance has no probes until
 * health_resync. */
int health_effect(struct health *h, const struct effect *x, uint64_t now_ms) MUST_CHECK;
/* Makes up for a health_effect that found no memory: looks at every instance, so only then. ERR_NOMEM: again later. */
int health_resync(struct health *h, const struct registry *r, uint64_t now_ms) MUST_CHECK;
/* Up to `cap` probes to start now; each counts as running until health_done. Takes a slice of what is due
 * into the line of those that wait; health_next_ms is not in the future while there is more. */
size_t health_due(struct health *h, uint64_t now_ms, struct probe_job *out, size_t cap);
/* The probe ended. Fills `ev` (EVENT_PROBE_RESULT; pointers valid until the next call here, `output` as long as the
 * caller's) and returns true, or returns false if the result is of no use: the instance is gone or has other checks or
 * another address, or the probe could not be made (CHECK_NONE), which says nothing about the instance. */
bool health_done(struct health *h, uint64_t probe, enum check_status status, const char *output, uint64_t now_ms,
                 struct event *ev);
/* When health_due has work, never later than that; 0: now; UINT64_MAX: none before the next effect or result. */
uint64_t health_next_ms(const struct health *h);

struct health_counts {
    uint64_t started;     /* since the start */
    uint64_t failed;      /* of them: could not be made (CHECK_NONE) */
    uint64_t running;     /* now */
    uint64_t waiting;     /* due, but max_probes run */
    uint64_t checks;      /* that are probed, now */
    uint64_t skipped;     /* whole intervals that went by while a due probe waited for its start */
    uint64_t late[HEALTH_LATE_STEPS]; /* starts that were later than health_late_ms[i] */
    uint64_t late_max_ms; /* longest wait between due and started */
};
void health_counts(const struct health *h, struct health_counts *out);

#endif
