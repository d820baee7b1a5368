/* The control plane without a loop: registry, store, publisher, health plan and history joined, so that one thread (or
 * a test on virtual time) drives them all.
 *
 *     core_event ──► registry_step ──► effects ──► store, publisher, health, changes; replies are kept
 *     core_turn  ──► completions, deadlines ──► publish_flush ──► replies are given ──► probes to start
 *
 * Replies are given only after the flush of their turn: an acknowledged write is visible to the next DNS query. */
#ifndef ENGINE_CORE_H
#define ENGINE_CORE_H

#include "engine/changes.h"
#include "engine/health.h"
#include "engine/publish.h"
#include "registry/registry.h"

struct core;

struct core_hooks {
    void *arg;
    /* An EFFECT_REPLY, in the order of the effects, at the end of a turn. (When there is no memory even for keeping
     * replies, from within core_event of a later event, or, ERR_UNAVAILABLE, of the event itself.) Events may be fed
     * from within; their replies wait for a later turn. */
    void (*reply)(void *arg, const struct effect *reply);
    /* Start this probe; core_probe_done is called with its result later. From within only with CHECK_NONE: the probe
     * cannot be made, and is tried again after its interval. */
    void (*probe)(void *arg, const struct probe_job *job);
    /* Changes are in the history: wake the watchers. Once a turn, after the replies. */
    void (*changed)(void *arg);
    /* One line of log per change of state, registration, expiry; NULL: none. */
    void (*log)(void *arg, const struct effect *change);
};

struct core_parts { /* borrowed for the core's life */
    struct registry *registry;
    struct publisher *publisher;
    struct health *health;
    struct changes *changes;
    const struct store_vtable *store_vtable;
    struct store *store;
};

struct core_time {
    uint64_t now_ms;  /* lease clock */
    uint64_t mono_ms; /* clock_mono_ms of this turn */
    uint64_t wall_us;
};

/* ERR_NOMEM. Frees none of its parts. */
int core_new(const struct core_parts *parts, const struct core_hooks *hooks, struct core **out) MUST_CHECK;
void core_free(struct core *c);
/* Feeds an event; its reply (ERR_UNAVAILABLE if memory is short) comes at the end of the turn. */
void core_event(struct core *c, const struct event *ev, const struct core_time *t);
/* The turn has as many changes as it can carry through in about ten milliseconds; further requests should wait for the next
 * one. Never true right after core_turn. */
bool core_is_full(const struct core *c);
/* Effects of registry_configure, registry_reserve and registry_restore are carried out by this. */
void core_effects(struct core *c, struct effects *x, const struct core_time *t);
void core_probe_done(struct core *c, uint64_t probe, enum check_status status, const char *output,
                     const struct core_time *t);
/* The end of a loop turn: completions, one slice of deadlines, publication, replies, the watchers, probes to start. */
void core_turn(struct core *c, const struct core_time *t);
/* Lease clock: when core_turn has work without an event; 0: at once; UINT64_MAX: none. */
uint64_t core_next_ms(const struct core *c);
const struct core_parts *core_parts(const struct core *c);

#endif
