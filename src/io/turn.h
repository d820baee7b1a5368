/* The turns of the control thread's loop, and the clock of a turn.
 *
 *     poll ──► [time of the turn is read] ──► sockets, probes: events ──► hooks.end ──► poll, until hooks.next_ms
 *
 * All of a turn happens at one time. */
#ifndef IO_TURN_H
#define IO_TURN_H

#include <ev.h>

#include "base/err.h"
#include "engine/core.h"

struct turn;

struct turn_hooks {
    void *arg;
    /* Everything that this turn's events have prepared. */
    void (*end)(void *arg);
    /* Lease clock: when there is work without an event; now or earlier: at once, after a look at the sockets. */
    uint64_t (*next_ms)(void *arg);
};

int turn_new(struct ev_loop *loop, const struct turn_hooks *hooks, struct turn **out) MUST_CHECK;
void turn_free(struct turn *t); /* NULL is allowed */
/* Of the current turn; the pointer is good for the turn's life. */
const struct core_time *turn_time(const struct turn *t);
struct turn_counts {
    uint64_t turns;
    uint64_t longest_ms; /* of all: for so long nobody else was served */
    uint64_t recent_ms;  /* longest of this minute and the one before */
};
void turn_counts(const struct turn *t, struct turn_counts *out);
/* Another turn soon. Any thread; fits store_vtable.open. */
void turn_wake(void *t);

#endif
