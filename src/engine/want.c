#include "engine/want.h"

#include <string.h>

#include "base/hash.h"

bool want_post(struct want_ring *r, const uint8_t *name, uint8_t len)
{
    uint32_t at = atomic_load_explicit(&r->posted, memory_order_relaxed);
    uint32_t n_waiting = at - atomic_load_explicit(&r->taken, memory_order_acquire);
    uint32_t *recent = &r->recent[hash_bytes(name, len, 0) % WANTS_RECENT];
    const struct dns_name *same = &r->names[*recent % WANTS];
    if (at - *recent - 1 < n_waiting && same->len == len && memcmp(same->wire, name, len) == 0)
        return true;
    if (n_waiting == WANTS)
        return false;
    *recent = at;
    r->names[at % WANTS].len = len;
    memcpy(r->names[at % WANTS].wire, name, len);
    atomic_store_explicit(&r->posted, at + 1, memory_order_release);
    return true;
}

const struct dns_name *want_next(const struct want_ring *r)
{
    uint32_t at = atomic_load_explicit(&r->taken, memory_order_relaxed);
    return at != atomic_load_explicit(&r->posted, memory_order_acquire) ? &r->names[at % WANTS] : NULL;
}

void want_take(struct want_ring *r)
{
    atomic_store_explicit(&r->taken, atomic_load_explicit(&r->taken, memory_order_relaxed) + 1, memory_order_release);
}

bool want_serve(struct want_ring *r)
{
    uint32_t taken = atomic_load_explicit(&r->taken, memory_order_relaxed);
    if (atomic_load_explicit(&r->served, memory_order_relaxed) == taken)
        return false;
    atomic_store_explicit(&r->served, taken, memory_order_release);
    return true;
}
