/* Hierarchical timing wheel: arm, move and disarm in O(1), for millions of deadlines.
 *
 * Deadlines are milliseconds of whatever clock the owner passes; the tick is WHEEL_TICK_MS, so an
 * entry fires at most one tick late and never early. Time never goes back.
 *
 *     level 0: 256 slots of one tick      level 1: 256 slots of 256 ticks    ... 4 levels, then a
 *     slot that is looked at again after 2^32 ticks
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
#define WHEEL_SLOTS 256
#define WHEEL_LEVELS 4

struct wheel_entry {
    struct list link;
    uint64_t deadline_ms;
};

struct wheel {
    uint64_t tick; /* the last tick whose slot was expired in full */
    uint64_t n;    /* armed entries */
    struct list due; /* taken from a slot, not yet popped */
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, uint64_t now_ms);
void wheel_entry_init(struct wheel_entry *e);
bool wheel_is_armed(const struct wheel_entry *e);
/* Arms, or moves an armed entry. A deadline in the past fires at the next pop. */
void wheel_arm(struct wheel *w, struct wheel_entry *e, uint64_t deadline_ms);
void wheel_disarm(struct wheel *w, struct wheel_entry *e); /* harmless when not armed */
/* The next entry whose deadline_ms <= now_ms, disarmed; NULL when there is none. */
struct wheel_entry *wheel_pop(struct wheel *w, uint64_t now_ms);
/* A lower bound of the next deadline, never later than it (it may be earlier by a cascade);
 * UINT64_MAX when nothing is armed. O(WHEEL_SLOTS) at worst. */
uint64_t wheel_next_ms(const struct wheel *w);

#endif
