/* The store that keeps nothing: for --dev and tests. It only turns each op into a completion, which waits in a ring
 * until it is polled, so that its user sees the same asynchrony as with a disk.
 *
 * What can go wrong: the ring cannot grow; the op is then not taken. */
#include <stdlib.h>

#include "registry/store.h"

#define RING_MIN 64

struct store {
    const struct store_vtable *vtable;
    void (*wake)(void *);
    void *wake_arg;
    struct store_completion *ring; /* cap is a power of two */
    size_t cap, first, n;
};

static int memory_open(const char *path, void (*wake)(void *), void *wake_arg, struct store **out, struct err *e)
{
    (void)path;
    struct store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    s->vtable = &store_memory;
    s->wake = wake;
    s->wake_arg = wake_arg;
    *out = s;
    return 0;
}

static void memory_close(struct store *s)
{
    if (s == NULL)
        return;
    free(s->ring);
    free(s);
}

static uint64_t memory_revision(const struct store *s)
{
    (void)s;
    return 0;
}

static int memory_load(struct store *s, int (*each)(const struct store_record *rec, void *arg), void *arg,
                       struct err *e)
{
    (void)s, (void)each, (void)arg, (void)e;
    return 0;
}

static int grow(struct store *s)
{
    size_t cap = s->cap > 0 ? s->cap * 2 : RING_MIN;
    struct store_completion *ring = malloc(cap * sizeof(*ring));
    if (ring == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < s->n; i++)
        ring[i] = s->ring[(s->first + i) & (s->cap - 1)];
    free(s->ring);
    s->ring = ring;
    s->cap = cap;
    s->first = 0;
    return 0;
}

static int memory_submit(struct store *s, const struct store_op *op)
{
    if (s->n == s->cap && grow(s) != 0)
        return ERR_NOMEM;
    s->ring[(s->first + s->n) & (s->cap - 1)] = (struct store_completion){.ticket = op->ticket, .ok = true};
    s->n++;
    if (s->n == 1 && s->wake != NULL)
        s->wake(s->wake_arg);
    return 0;
}

static size_t memory_poll(struct store *s, struct store_completion *out, size_t cap)
{
    size_t n = 0;
    while (n < cap && s->n > 0) {
        out[n++] = s->ring[s->first];
        s->first = (s->first + 1) & (s->cap - 1);
        s->n--;
    }
    return n;
}

const struct store_vtable store_memory = {
    .name = "memory",
    .is_durable = false,
    .open = memory_open,
    .close = memory_close,
    .revision = memory_revision,
    .load = memory_load,
    .submit = memory_submit,
    .poll = memory_poll,
};
