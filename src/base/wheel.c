/* The timing wheel of wheel.h.
 *
 * Happy path: arming computes the tick at which the entry fires (rounded up: never early), picks level and slot from
 * the highest byte in which it differs from the current tick, and links it in. Popping jumps from one occupied slot to
 * the next until it passes `now`. Because levels are chosen by byte position, the first occupied slot after the current
 * one, looked for from level 0 upwards, begins before all others; so jumps over idle time cost nothing.
 *
 *     level 0                  level 1                 level 2
 *     tick & ff, in order      the next 256-tick runs  ...
 *     |----now####|            |##########|            |#### ...
 *
 * A slot of a higher level is spread in batches, because the leases of a million instances may lie in one. Time stands
 * still at its beginning meanwhile; what other slots hold comes later by as long as the spreading takes.
 *
 * The `used` bits say which slots may have entries. Disarming leaves the bit alone (an entry does not know its slot),
 * so a set bit is looked behind; time clears it when it passes. */
#include "base/wheel.h"

#include <string.h>

#include "base/must.h"

#define LEVEL_BITS 8
#define FAR_BITS   (WHEEL_LEVELS * LEVEL_BITS)
#define FAR_MASK   ((UINT64_C(1) << FAR_BITS) - 1)
#define BATCH      2048 /* entries of a slot placed again by one pop: some 0.1 ms when none is in a cache */

/* The first tick at which everything up to `deadline_ms` has passed. */
static uint64_t tick_of(uint64_t deadline_ms)
{
    return deadline_ms / WHEEL_TICK_MS + (deadline_ms % WHEEL_TICK_MS != 0);
}

void wheel_init(struct wheel *w, uint64_t now_ms)
{
    memset(w->used, 0, sizeof(w->used));
    w->now_ms = now_ms;
    w->tick = now_ms / WHEEL_TICK_MS;
    w->n = 0;
    w->far_tick = UINT64_MAX;
    list_init(&w->due);
    list_init(&w->far);
    list_init(&w->spreading);
    for (size_t level = 0; level < WHEEL_LEVELS; level++)
        for (size_t slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&w->slots[level][slot]);
}

void wheel_entry_init(struct wheel_entry *e)
{
    list_init(&e->link);
    e->deadline_ms = 0;
}

bool wheel_is_armed(const struct wheel_entry *e)
{
    return !list_is_empty(&e->link);
}

/* Links an entry that is in no list to where its deadline belongs at the current tick. */
static void place(struct wheel *w, struct wheel_entry *e)
{
    uint64_t tick = tick_of(e->deadline_ms);
    if (e->deadline_ms <= w->now_ms || tick <= w->tick) {
        list_push(&w->due, &e->link);
        return;
    }
    uint64_t differs = tick ^ w->tick;
    if (differs > FAR_MASK) {
        if (list_is_empty(&w->far))
            w->far_tick = UINT64_MAX; /* that of entries since disarmed may lie in the past */
        if ((tick & ~FAR_MASK) < w->far_tick)
            w->far_tick = tick & ~FAR_MASK;
        list_push(&w->far, &e->link);
        return;
    }
    size_t level = (size_t)(63 - __builtin_clzll(differs)) / LEVEL_BITS;
    size_t slot = (tick >> (level * LEVEL_BITS)) & (WHEEL_SLOTS - 1);
    w->used[level][slot / 64] |= UINT64_C(1) << (slot % 64);
    list_push(&w->slots[level][slot], &e->link);
}

void wheel_arm(struct wheel *w, struct wheel_entry *e, uint64_t deadline_ms)
{
    wheel_disarm(w, e);
    e->deadline_ms = deadline_ms;
    place(w, e);
    w->n++;
}

void wheel_disarm(struct wheel *w, struct wheel_entry *e)
{
    if (!wheel_is_armed(e))
        return;
    list_remove(&e->link);
    w->n--;
}

/* A slot with entries: where it is, and the tick at which it begins. */
struct slot_pos {
    size_t level, slot;
    uint64_t tick;
};

/* The first occupied slot after the current one on `level`. */
static bool find_on_level(const struct wheel *w, size_t level, struct slot_pos *out)
{
    size_t shift = level * LEVEL_BITS;
    size_t from = ((w->tick >> shift) & (WHEEL_SLOTS - 1)) + 1;
    for (size_t slot = from; slot < WHEEL_SLOTS; slot++) {
        uint64_t word = w->used[level][slot / 64] >> (slot % 64);
        if (word == 0) {
            slot |= 63;
            continue;
        }
        slot += (size_t)__builtin_ctzll(word);
        if (list_is_empty(&w->slots[level][slot]))
            continue;
        uint64_t above = w->tick >> shift >> LEVEL_BITS;
        *out = (struct slot_pos){level, slot, (above << LEVEL_BITS | slot) << shift};
        return true;
    }
    return false;
}

static bool find_next(const struct wheel *w, struct slot_pos *out)
{
    for (size_t level = 0; level < WHEEL_LEVELS; level++)
        if (find_on_level(w, level, out))
            return true;
    if (list_is_empty(&w->far))
        return false;
    *out = (struct slot_pos){WHEEL_LEVELS, 0, w->far_tick};
    return true;
}

/* Forgets the bits of the slots that time passes on its way to `tick`, and of those it is in: they are empty, and would
 * be looked behind a turn later. */
static void clear_used(struct wheel *w, uint64_t tick)
{
    uint64_t differs = tick ^ w->tick;
    for (size_t level = 0; level < WHEEL_LEVELS && differs >> (level * LEVEL_BITS) != 0; level++) {
        if (differs >> (level * LEVEL_BITS) >> LEVEL_BITS != 0) {
            memset(w->used[level], 0, sizeof(w->used[level])); /* this level begins a new turn */
            continue;
        }
        size_t upto = (tick >> (level * LEVEL_BITS)) & (WHEEL_SLOTS - 1);
        for (size_t i = 0; i < upto / 64; i++)
            w->used[level][i] = 0;
        w->used[level][upto / 64] &= ~UINT64_C(0) << (upto % 64) << 1;
    }
}

/* Moves time to the beginning of a slot. All of a slot of level 0 is due then; others are still to be spread. */
static void enter_slot(struct wheel *w, const struct slot_pos *at)
{
    struct list *from = at->level < WHEEL_LEVELS ? &w->slots[at->level][at->slot] : &w->far;
    list_splice(at->level == 0 ? &w->due : &w->spreading, from);
    clear_used(w, at->tick);
    w->tick = at->tick;
}

/* Moves a batch of entries to where they belong now. True if that was the last. */
static bool spread(struct wheel *w)
{
    for (int i = 0; i < BATCH && !list_is_empty(&w->spreading); i++) {
        struct list *node = w->spreading.next;
        list_remove(node);
        place(w, CONTAINER_OF(node, struct wheel_entry, link));
    }
    return list_is_empty(&w->spreading);
}

struct wheel_entry *wheel_pop(struct wheel *w, uint64_t now_ms)
{
    if (now_ms > w->now_ms)
        w->now_ms = now_ms;
    uint64_t now_tick = w->now_ms / WHEEL_TICK_MS;
    while (list_is_empty(&w->due)) {
        struct slot_pos next;
        if (!spread(w))
            return NULL;
        if (!list_is_empty(&w->due))
            break;
        if (!find_next(w, &next) || next.tick > now_tick) {
            clear_used(w, now_tick);
            w->tick = now_tick;
            return NULL;
        }
        enter_slot(w, &next);
    }
    struct wheel_entry *e = CONTAINER_OF(w->due.next, struct wheel_entry, link);
    must(e->deadline_ms <= w->now_ms);
    wheel_disarm(w, e);
    return e;
}

uint64_t wheel_next_ms(const struct wheel *w)
{
    struct slot_pos next;
    if (!list_is_empty(&w->due) || !list_is_empty(&w->spreading))
        return 0;
    if (!find_next(w, &next))
        return UINT64_MAX;
    return next.tick > UINT64_MAX / WHEEL_TICK_MS ? UINT64_MAX : next.tick * WHEEL_TICK_MS;
}
