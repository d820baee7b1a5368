/* Why it is safe. Both sides store, then fence, then load what the other one stores: the control thread unpublishes and
 * looks at `seen`, a reader sets `seen` and looks at what is published. So at least one of them sees the other.
 *
 * - The control thread finds a reader offline that has just come online: then the reader finds only what is published now.
 * - It finds a reader in an older epoch: the reader may hold what was unpublished, and is waited for.
 * - It finds a reader in this epoch: the reader has read `epoch` (acquire) after it was stored (release), so it has seen
 * what was unpublished before, too.
 *
 * Both stores to `seen` release what the reader did before, and the control thread's load acquires it: the reader's
 * last look at an object comes before its free. */
#include "engine/grace.h"

#include <stdbool.h>
#include <stddef.h>

/* gcc's ThreadSanitizer does not model fences and warns of each one. It need not: it follows the releases and acquires
 * above, and the fence, which it does execute, only keeps a store from being delayed beyond a load. */
#ifdef __SANITIZE_THREAD__
#pragma GCC diagnostic ignored "-Wtsan"
#endif

void grace_init(struct grace *g)
{
    *g = (struct grace){.epoch = 1}; /* 0 would look like offline */
}

void grace_add(struct grace *g, struct grace_reader *r)
{
    atomic_init(&r->seen, 0);
    r->next = g->first;
    g->first = r;
}

void grace_online(const struct grace *g, struct grace_reader *r)
{
    uint64_t epoch = atomic_load_explicit(&g->epoch, memory_order_acquire);
    atomic_store_explicit(&r->seen, epoch, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
}

void grace_offline(struct grace_reader *r)
{
    atomic_store_explicit(&r->seen, 0, memory_order_release);
}

static bool is_over(const struct grace *g)
{
    uint64_t epoch = atomic_load_explicit(&g->epoch, memory_order_relaxed);
    for (const struct grace_reader *r = g->first; r != NULL; r = r->next) {
        uint64_t seen = atomic_load_explicit(&r->seen, memory_order_acquire);
        if (seen != 0 && seen != epoch)
            return false;
    }
    return true;
}

static void begin(struct grace *g, struct retire_batch *b)
{
    g->waiting = *b;
    *b = (struct retire_batch){0};
    atomic_fetch_add_explicit(&g->epoch, 1, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
}

void grace_flush(struct grace *g, struct retire_batch *b)
{
    while (g->waiting.first == NULL || is_over(g)) {
        retire_now(&g->waiting);
        if (b->first == NULL)
            return;
        begin(g, b);
    }
}
