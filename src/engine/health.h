/* When which check is probed: the plan of all probes on virtual time. Pure: it opens nothing and reads no clock.
 *
 *     EFFECT_CHANGE ──► health_effect ──► plan ──► health_due ──► probe_job ──► io/prober
 *                                                                                  │ result
 *     registry_step ◄── EVENT_PROBE_RESULT ◄── health_done ◄──────────────────────┘
 *
 * The first probe of a check is due at once, later ones at `interval` with jitter, counted from the start of the one before;
 * at most `max_probes` run at a time, the longest waiting first. A probe that overruns its interval delays the next one, never
 * doubles it. ttl checks are never probed: the registry times them. */
#ifndef ENGINE_HEALTH_H
#define ENGINE_HEALTH_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "registry/registry.h"

struct health;

struct probe_job {
    uint64_t probe;                 /* handed back to health_done / health_cancelled */
    const struct check_spec *spec;  /* valid until health_done of this probe: the plan holds the description */
    const struct description *desc; /* likewise; address and port of the instance */
    const char *service, *id;       /* likewise; as shown */
    uint16_t check;                 /* index of the check */
};

int health_new(uint32_t max_probes, uint64_t seed, uint64_t now_ms, struct health **out) MUST_CHECK;
void health_free(struct health *h);
void health_set_max_probes(struct health *h, uint32_t max_probes);
/* EFFECT_CHANGE; others are ignored. ERR_NOMEM: the instance's checks are planned at the next call of health_due. */
int health_effect(struct health *h, const struct effect *x, uint64_t now_ms) MUST_CHECK;
/* Up to `cap` probes to start now; each counts as running until health_done. */
size_t health_due(struct health *h, uint64_t now_ms, struct probe_job *out, size_t cap);
/* The probe ended. Fills `ev` (EVENT_PROBE_RESULT; pointers valid until the next call here) and returns true, or returns
 * false if its instance is gone or has other checks: the result is of no use. */
bool health_done(struct health *h, uint64_t probe, enum check_status status, const char *output, uint64_t now_ms,
                 struct event *ev);
uint64_t health_next_ms(const struct health *h); /* when health_due has work; UINT64_MAX: none */

struct health_counts {
    uint64_t started, running, late_max_ms;
};
void health_counts(const struct health *h, struct health_counts *out);

#endif
