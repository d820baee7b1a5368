/* The life of the published answers: one block shared by the control thread and the workers, and one reader per worker,
 * each on cache lines of its own.
 *
 * Rotation positions live in the readers, in chunks that are found by a name's rotation id, so that a worker counts
 * without sharing. The control thread hands the ids out and allocates the chunk of every reader before a name with such
 * an id can be seen; a worker therefore never finds a missing chunk and never allocates. A freed id is used again: a
 * worker that still answers from the former name then moves a position that starts at random anyway.
 *
 * Memory may be short when a reader or an id is made; an id that could not be made for all readers is made again later.
 */
#include "engine/world.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

static int reader_new(struct answers *a, uint64_t seed, struct answer_reader **out)
{
    size_t size = (sizeof(**out) + 63) & ~(size_t)63;
    struct answer_reader *r = NULL;
    if (posix_memalign((void **)&r, 64, size) != 0)
        return ERR_NOMEM;
    memset(r, 0, size);
    r->answers = a;
    grace_add(&a->grace, &r->grace);
    r->rng.state = seed;
    *out = r;
    return 0;
}

int answers_new(unsigned n_readers, uint64_t seed, struct answers **out)
{
    struct answers *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return ERR_NOMEM;
    grace_init(&a->grace);
    struct rng rng = {.state = seed};
    a->key = rng_u64(&rng);
    a->rotation.rng.state = rng_u64(&rng);
    a->rotation.next = 1;
    a->readers = calloc(n_readers, sizeof(struct answer_reader *));
    int rc = a->readers == NULL ? ERR_NOMEM : 0;
    for (unsigned i = 0; i < n_readers && rc == 0; i++) {
        rc = reader_new(a, rng_u64(&rng), &a->readers[i]);
        a->n_readers += rc == 0;
    }
    if (rc != 0) {
        answers_free(a);
        return rc;
    }
    *out = a;
    return 0;
}

void answers_free(struct answers *a)
{
    if (a == NULL)
        return;
    struct world *w = atomic_load_explicit(&a->world, memory_order_relaxed);
    if (w != NULL)
        world_retire(a, w);
    retire_now(&a->batch);
    retire_now(&a->grace.waiting);
    for (unsigned i = 0; i < a->n_readers; i++) {
        for (size_t k = 0; k < ROTATION_CHUNKS; k++)
            free(a->readers[i]->chunks[k]);
        free(a->readers[i]);
    }
    free(a->readers);
    free(a->rotation.free);
    free(a);
}

struct answer_reader *answers_reader(struct answers *a, unsigned index)
{
    must(index < a->n_readers);
    return a->readers[index];
}

bool answers_take_news(struct answers *a, unsigned index)
{
    bool has_news = answers_reader(a, index)->has_news;
    a->readers[index]->has_news = false;
    return has_news;
}

const struct answer_counters *answer_reader_counters(const struct answer_reader *r)
{
    return &r->counters;
}

void answer_reader_online(struct answer_reader *r)
{
    grace_online(&r->answers->grace, &r->grace);
}

void answer_reader_offline(struct answer_reader *r)
{
    grace_offline(&r->grace);
}

size_t answers_retired(const struct answers *a)
{
    return a->batch.bytes + a->grace.waiting.bytes;
}

static rotation_position *chunk_new(struct rng *rng)
{
    rotation_position *chunk = malloc(ROTATION_CHUNK * sizeof(*chunk));
    for (size_t i = 0; chunk != NULL && i < ROTATION_CHUNK; i++)
        for (size_t k = 0; k < BODY_POSITIONS; k++)
            chunk[i][k] = (uint32_t)rng_u64(rng);
    return chunk;
}

static int rotation_grow(struct answers *a, uint32_t chunk)
{
    if (chunk >= ROTATION_CHUNKS)
        return ERR_NOMEM;
    size_t cap = ((size_t)chunk + 1) * ROTATION_CHUNK;
    if (a->rotation.cap < cap) {
        uint32_t *ids = realloc(a->rotation.free, cap * sizeof(*ids));
        if (ids == NULL)
            return ERR_NOMEM;
        a->rotation.free = ids;
        a->rotation.cap = (uint32_t)cap;
    }
    for (unsigned i = 0; i < a->n_readers; i++) {
        struct answer_reader *r = a->readers[i];
        if (r->chunks[chunk] == NULL)
            r->chunks[chunk] = chunk_new(&a->rotation.rng);
        if (r->chunks[chunk] == NULL)
            return ERR_NOMEM;
    }
    return 0;
}

int rotation_acquire(struct answers *a, uint32_t *id)
{
    if (a->rotation.n_free > 0) {
        *id = a->rotation.free[--a->rotation.n_free];
        return 0;
    }
    uint32_t chunk = a->rotation.next / ROTATION_CHUNK;
    if (a->rotation.next == 1 || a->rotation.next % ROTATION_CHUNK == 0) {
        int rc = rotation_grow(a, chunk);
        if (rc != 0)
            return rc;
    }
    *id = a->rotation.next++;
    return 0;
}

void rotation_release(struct answers *a, uint32_t id)
{
    if (id != 0)
        a->rotation.free[a->rotation.n_free++] = id;
}
