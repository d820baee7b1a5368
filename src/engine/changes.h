/* The history of changes: a ring of the newest ones, for WATCH, SUBSCRIBE and, later, HTTP's blocking queries. Readers keep a
 * revision, not a position, so a reader that falls behind costs no memory: what the ring has lost it cannot get any more.
 * Revisions in the ring grow strictly. Control thread only. */
#ifndef ENGINE_CHANGES_H
#define ENGINE_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registry/registry.h"

struct change {
    uint64_t revision, wall_us;
    enum change_kind kind;
    enum instance_state old_state, new_state;
    char *service;            /* as shown */
    struct description *desc; /* a reference: the new one, or the last one if it is gone */
};

struct changes;

/* Keeps `cap` changes at most (at least one). What happened up to `first_revision` is not in the history. ERR_NOMEM. */
int changes_new(uint32_t cap, uint64_t first_revision, struct changes **out) MUST_CHECK;
void changes_free(struct changes *c); /* NULL is allowed */
/* EFFECT_CHANGE of an instance; others are ignored. When there is no memory the ring is emptied: readers then get a
 * snapshot, so that none misses a change unknowingly. */
void changes_effect(struct changes *c, const struct effect *x, uint64_t wall_us);
/* The oldest change with a revision above `after`; NULL if there is none. Valid until the next changes_effect. O(1) for
 * readers near the newest change, O(log n) for others. */
const struct change *changes_after(const struct changes *c, uint64_t after);
/* True if every change after that revision is still here. */
bool changes_reach(const struct changes *c, uint64_t after);

#endif
