/* Hierarchical timing wheel: arm, move and disarm in O(1), for millions of deadlines.
 *
 * Deadlines are milliseconds of whatever clock the owner passes; the tick is WHEEL_TICK_MS, so an entry fires less than
 * one tick late, or one spreading (below), and never early. Time never goes back.
 *
 * An entry sits at the level of the highest byte in which its tick differs from the current one:
 *
 *     tick of the entry     00 00 01 2c        level 1, slot 0x01
 *     current tick          00 00 00 ff
 *
 *     level 0: 256 slots of one tick    level 1: 256 slots of 256 ticks    ... 4 levels, and `far` beyond 2^32 ticks
 *
 * When time reaches a slot of level 0 its entries are due; a slot of a higher level is spread over the levels below, a
 * bounded number of entries at a time: a pop that has moved as many as it may returns NULL, and wheel_next_ms is 0.
 *
 * Firing is a pull, so the caller can stop after a time or a count:
 *
 *     while ((e = wheel_pop(&w, now_ms)) != NULL) { ...; if (enough) break; }
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

#define WHEEL_TICK_MS 8
#define WHEEL_SLOTS   256
#define WHEEL_LEVELS  4

struct wheel_entry {
    struct list link;
    uint64_t deadline_ms;
};

struct wheel {
    uint64_t now_ms;                               /* the latest time that pop was given */
    uint64_t tick;                                 /* every slot up to this tick is empty */
    uint64_t n;                                    /* armed entries */
    uint64_t far_tick;                             /* no entry of `far` is before it */
    struct list due;                               /* deadline_ms <= now_ms, not yet popped */
    struct list far;                               /* 2^32 ticks ahead or more */
    struct list spreading;                         /* of the slot that begins at `tick`, still to be placed */
    uint64_t used[WHEEL_LEVELS][WHEEL_SLOTS / 64]; /* bit set: the slot may have entries; clear: it has none */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

/* A wheel holds pointers into itself: it must not be moved. */
void wheel_init(struct wheel *w, uint64_t now_ms);
void wheel_entry_init(struct wheel_entry *e);
bool wheel_is_armed(const struct wheel_entry *e);
/* Arms, or moves an armed entry. A deadline at or before the latest pop's time fires at the next pop. */
void wheel_arm(struct wheel *w, struct wheel_entry *e, uint64_t deadline_ms);
void wheel_disarm(struct wheel *w, struct wheel_entry *e); /* harmless when not armed */
/* An entry that is due at `now_ms`, disarmed; NULL when there is none or when it has moved so many that others should have
 * their turn: wheel_next_ms tells. Entries come in no promised order. */
struct wheel_entry *wheel_pop(struct wheel *w, uint64_t now_ms);
/* When to pop again: 0 if an entry is due already or a slot is being spread, UINT64_MAX if nothing is armed; otherwise not
 * later than the moment at which the next entry fires, and after the time of the latest pop if that returned NULL. It may
 * be earlier than the
 * entry (a slot to be spread): pop, and ask again. */
uint64_t wheel_next_ms(const struct wheel *w);

#endif
