/* When may be freed what readers could see? A grace period, in the manner of quiescent-state-based RCU:
 *
 *     reader    ──online┄┄┄┄┄┄┄┄┄┄┄┄offline──────────online┄┄┄┄┄┄┄┄offline──
 *               seen = 4            seen = 0         seen = 5
 *     control   ─────────unpublish, flush: epoch = 5, look ▲ ─── flush: look ▲ free
 *
 * A reader holds pointers to published memory only while it is online, that is from one poll to the next. What was
 * unpublished before an epoch began is held by nobody when every reader is offline or came online in it. One grace
 * period runs at a time; what is retired meanwhile waits for the next one. Nothing here allocates, waits or has a thread
 * of its own: the control thread looks when it flushes.
 *
 * A reader that stays online (its thread was stopped, or waits for a page from a disk) ends all this for as long: the
 * caller bounds what it retires meanwhile. */
#ifndef ENGINE_GRACE_H
#define ENGINE_GRACE_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/retire.h"

struct grace_reader {
    _Atomic uint64_t seen; /* the epoch in which it came online; 0: offline */
    struct grace_reader *next;
};

struct grace {
    _Atomic uint64_t epoch;      /* grows by one with every grace period */
    struct grace_reader *first;  /* all readers; none comes or goes while there are threads */
    struct retire_batch waiting; /* for the grace period `epoch` to end */
};

void grace_init(struct grace *g);
void grace_add(struct grace *g, struct grace_reader *r);

/* Reader's thread: from now on it may follow published pointers. It must be offline. */
void grace_online(const struct grace *g, struct grace_reader *r);
/* Reader's thread: it holds none any more. */
void grace_offline(struct grace_reader *r);

/* Control thread. Frees what the grace period that is over has waited for, and begins one for `*b`, if there is any and
 * none runs. Otherwise `*b` stays as it is and grows until a later flush. What was retired must have been unpublished by
 * release stores before. */
void grace_flush(struct grace *g, struct retire_batch *b);

#endif
