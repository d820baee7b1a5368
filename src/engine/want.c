#include "engine/want.h"

#include <string.h>

bool want_post(struct want_ring *r, const uint8_t *name, uint8_t len)
{
    uint32_t at = atomic_load_explicit(&r->posted, memory_order_relaxed);
    if (at - atomic_load_explicit(&r->taken, memory_order_acquire) == WANTS)
        return false;
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
