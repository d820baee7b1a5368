/* Open addressing over 32-bit words. Entries never move while readers may look: a new one goes into an empty place or a
 * tombstone, a removed one leaves a tombstone. When more than three quarters are in use a copy without tombstones takes
 * its place, with room for an eighth more at least, so that copying costs each change a constant on average. */
#include "engine/roster.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/must.h"

#define PLACE_EMPTY     0
#define PLACE_TOMBSTONE 1
#define PLACES_MIN      4
#define PLACES_SPARE    64 /* larger blocks are given back when seven eighths of them are empty */

uint32_t roster_hash(const void *id, size_t len, uint64_t key)
{
    uint32_t hash = (uint32_t)hash_bytes(id, len, key);
    return hash > PLACE_TOMBSTONE ? hash : hash + 2;
}

/* The caller knows that there is an empty place or a tombstone. */
static void place(struct roster *r, uint32_t hash)
{
    uint32_t i = hash & r->mask, was;
    while ((was = atomic_load_explicit(&r->hashes[i], memory_order_relaxed)) > PLACE_TOMBSTONE)
        i = (i + 1) & r->mask;
    atomic_store_explicit(&r->hashes[i], hash, memory_order_release);
    r->n_live++;
    r->n_used += was == PLACE_EMPTY;
}

/* A copy with room for `n` entries and some more. */
static struct roster *copy(const struct roster *old, uint32_t n)
{
    uint32_t cap = PLACES_MIN;
    while (5 * (uint64_t)cap < 8 * (uint64_t)n)
        cap *= 2;
    struct roster *r = calloc(1, sizeof(*r) + cap * sizeof(r->hashes[0]));
    if (r == NULL)
        return NULL;
    r->mask = cap - 1;
    for (uint32_t i = 0; old != NULL && i <= old->mask; i++) {
        uint32_t hash = atomic_load_explicit(&old->hashes[i], memory_order_relaxed);
        if (hash > PLACE_TOMBSTONE)
            place(r, hash);
    }
    return r;
}

static void replace(struct roster **r, struct roster *next, struct retire_batch *batch)
{
    if (*r != NULL)
        retire(batch, &(*r)->retired);
    *r = next;
}

int roster_add(struct roster **r, uint32_t hash, struct retire_batch *batch)
{
    if (*r == NULL || 4 * ((uint64_t)(*r)->n_used + 1) > 3 * ((uint64_t)(*r)->mask + 1)) {
        struct roster *next = copy(*r, (*r != NULL ? (*r)->n_live : 0) + 1);
        if (next == NULL)
            return ERR_NOMEM;
        replace(r, next, batch);
    }
    place(*r, hash);
    return 0;
}

void roster_remove(struct roster **r, uint32_t hash, struct retire_batch *batch)
{
    struct roster *old = *r;
    uint32_t i = hash & old->mask, at;
    while ((at = atomic_load_explicit(&old->hashes[i], memory_order_relaxed)) != hash) {
        must(at != PLACE_EMPTY);
        i = (i + 1) & old->mask;
    }
    atomic_store_explicit(&old->hashes[i], PLACE_TOMBSTONE, memory_order_release);
    old->n_live--;
    if (old->n_live == 0) {
        replace(r, NULL, batch);
        return;
    }
    if (old->mask < PLACES_SPARE || 8 * (uint64_t)old->n_live > old->mask)
        return;
    struct roster *next = copy(old, old->n_live);
    if (next != NULL) /* else the large one will do */
        replace(r, next, batch);
}

bool roster_has(const struct roster *r, uint32_t hash)
{
    uint32_t i = hash & r->mask, at;
    while ((at = atomic_load_explicit(&r->hashes[i], memory_order_relaxed)) != PLACE_EMPTY) {
        if (at == hash)
            return true;
        i = (i + 1) & r->mask;
    }
    return false;
}
