/* The table of published names. A lookup hashes to a shard, walks its slots from the hash's place and compares sixteen
 * bits before it touches a node; nearly always the first node it touches is the one.
 *
 * The writer never moves what readers may be walking: a new node goes into an empty slot or a tombstone, a removed one
 * leaves a tombstone, and when a shard gets too full a copy without tombstones replaces it, the old one being retired.
 * A reader that meets a slot in the middle of a change sees the old or the new word.
 *
 * Growing needs memory; when there is none the insert fails and nothing has changed. */
#include "engine/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

#define SLOT_EMPTY     UINT64_C(0)
#define SLOT_TOMBSTONE UINT64_C(1)
#define POINTER_MASK   ((UINT64_C(1) << 48) - 1)
#define SLOTS_MIN      16
#define GROW_AHEAD     16 /* slots: growing reads the hash of each node, and nodes are anywhere */

static const struct table_shard *shard_of(const struct table *t, uint64_t hash)
{
    return &t->shards[hash >> 58];
}

static uint64_t fingerprint(uint64_t hash)
{
    return hash << 16 & ~POINTER_MASK; /* bits 32..47 of the hash */
}

static struct answer_node *slot_node(uint64_t slot)
{
    return (struct answer_node *)(uintptr_t)(slot & POINTER_MASK);
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* memcmp for a dozen bytes, without the call: the first eight, the last eight, and those between them if there are. */
static inline bool is_same(const uint8_t *a, const uint8_t *b, size_t len)
{
    if (len < sizeof(uint64_t)) {
        while (len > 0 && a[len - 1] == b[len - 1])
            len--;
        return len == 0;
    }
    size_t last = len - sizeof(uint64_t);
    uint64_t differs = (load64(a) ^ load64(b)) | (load64(a + last) ^ load64(b + last));
    for (size_t at = sizeof(uint64_t); at < last; at += sizeof(uint64_t))
        differs |= load64(a + at) ^ load64(b + at);
    return differs == 0;
}

static inline bool node_is(const struct answer_node *n, const uint8_t *loose, const uint8_t *exact, size_t len)
{
    return n->len == len && is_same(n->name, loose, n->n_loose) &&
           is_same(n->name + n->n_loose, exact + n->n_loose, len - n->n_loose);
}

void table_init(struct table *t)
{
    memset(t, 0, sizeof(*t));
}

void table_prefetch_slots(const struct table *t, uint64_t hash)
{
    const struct table_slots *s = atomic_load_explicit(&shard_of(t, hash)->slots, memory_order_acquire);
    if (s != NULL)
        __builtin_prefetch(&s->slots[(uint32_t)hash & s->mask]);
}

/* The nodes that a hash may mean, one after the other: those behind slots with its fingerprint. */
struct probe {
    const struct table_slots *slots; /* NULL: the shard is empty */
    uint64_t fingerprint;
    uint32_t at;
};

static inline struct probe probe_begin(const struct table *t, uint64_t hash)
{
    const struct table_slots *s = atomic_load_explicit(&shard_of(t, hash)->slots, memory_order_acquire);
    return (struct probe){.slots = s, .fingerprint = fingerprint(hash), .at = (uint32_t)hash};
}

/* NULL: there is none any more. */
static inline struct answer_node *probe_next(struct probe *p)
{
    const struct table_slots *s = p->slots;
    if (s == NULL)
        return NULL;
    for (;;) {
        uint64_t slot = atomic_load_explicit(&s->slots[p->at++ & s->mask], memory_order_acquire);
        if (slot == SLOT_EMPTY)
            return NULL;
        if ((slot & ~POINTER_MASK) == p->fingerprint && slot != SLOT_TOMBSTONE)
            return slot_node(slot);
    }
}

const struct answer_node *table_guess(const struct table *t, uint64_t hash)
{
    struct probe p = probe_begin(t, hash);
    const struct answer_node *n = probe_next(&p);
    if (n != NULL) {
        __builtin_prefetch(n);
        __builtin_prefetch((const uint8_t *)n + 64); /* the name */
    }
    return n;
}

bool table_is_guess(const struct answer_node *n, const uint8_t *loose, const uint8_t *exact, size_t len)
{
    return node_is(n, loose, exact, len) && atomic_load_explicit(&n->body, memory_order_relaxed) != NULL;
}

const struct answer_node *table_find(const struct table *t, uint64_t hash, const uint8_t *loose, const uint8_t *exact,
                                     size_t len)
{
    struct probe p = probe_begin(t, hash);
    const struct answer_node *empty = NULL;
    for (const struct answer_node *n; (n = probe_next(&p)) != NULL;) {
        if (!node_is(n, loose, exact, len))
            continue;
        if (atomic_load_explicit(&n->body, memory_order_relaxed) != NULL)
            return n;
        empty = n;
    }
    return empty;
}

const struct roster *table_roster(const struct table *t, uint64_t hash, const uint8_t *loose, const uint8_t *exact,
                                  size_t len)
{
    struct probe p = probe_begin(t, hash);
    for (const struct answer_node *n; (n = probe_next(&p)) != NULL;) {
        const struct roster *r = atomic_load_explicit(&n->roster, memory_order_acquire);
        if (r != NULL && node_is(n, loose, exact, len))
            return r;
    }
    return NULL;
}

void table_each_hash(const struct table *t, uint64_t hash, void (*each)(void *arg, struct answer_node *n), void *arg)
{
    struct probe p = probe_begin(t, hash);
    for (struct answer_node *n; (n = probe_next(&p)) != NULL;)
        if (n->hash == hash)
            each(arg, n);
}

struct get {
    const struct dns_name *name;
    uint8_t n_loose;
    struct answer_node *found;
};

static void get_each(void *arg, struct answer_node *n)
{
    struct get *g = arg;
    if (n->n_loose == g->n_loose && n->len == g->name->len && memcmp(n->name, g->name->wire, n->len) == 0)
        g->found = n;
}

struct answer_node *table_get(const struct table *t, uint64_t hash, const struct dns_name *name, uint8_t n_loose)
{
    struct get g = {.name = name, .n_loose = n_loose};
    table_each_hash(t, hash, get_each, &g);
    return g.found;
}

/* The caller knows that there is an empty slot or a tombstone. */
static bool slots_put(struct table_slots *s, struct answer_node *n)
{
    uint32_t i = (uint32_t)n->hash & s->mask;
    uint64_t slot;
    while ((slot = atomic_load_explicit(&s->slots[i], memory_order_relaxed)) > SLOT_TOMBSTONE)
        i = (i + 1) & s->mask;
    uint64_t pointer = (uint64_t)(uintptr_t)n;
    must((pointer & ~POINTER_MASK) == 0);
    atomic_store_explicit(&s->slots[i], fingerprint(n->hash) | pointer, memory_order_release);
    return slot == SLOT_EMPTY;
}

static struct table_slots *slots_new(uint32_t n_live)
{
    uint32_t cap = SLOTS_MIN;
    while (cap < 4 * (uint64_t)n_live) /* at most half full after growing */
        cap *= 2;
    struct table_slots *s = calloc(1, sizeof(*s) + cap * sizeof(s->slots[0]));
    if (s != NULL)
        s->mask = cap - 1;
    return s;
}

static int shard_grow(struct table_shard *shard, struct retire_batch *batch)
{
    struct table_slots *old = atomic_load_explicit(&shard->slots, memory_order_relaxed);
    struct table_slots *s = slots_new(shard->n_live + 1);
    if (s == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; old != NULL && i <= old->mask; i++) {
        uint64_t slot = atomic_load_explicit(&old->slots[i], memory_order_relaxed);
        uint32_t ahead = (i + GROW_AHEAD) & old->mask;
        __builtin_prefetch(slot_node(atomic_load_explicit(&old->slots[ahead], memory_order_relaxed)));
        if (slot > SLOT_TOMBSTONE)
            slots_put(s, slot_node(slot));
    }
    shard->n_used = shard->n_live;
    atomic_store_explicit(&shard->slots, s, memory_order_release);
    if (old != NULL)
        retire(batch, &old->retired);
    return 0;
}

int table_reserve(struct table *t, const struct table *like)
{
    for (size_t k = 0; k < TABLE_SHARDS; k++) {
        must(atomic_load_explicit(&t->shards[k].slots, memory_order_relaxed) == NULL);
        struct table_slots *s = slots_new(like->shards[k].n_live);
        if (s == NULL)
            return ERR_NOMEM;
        atomic_store_explicit(&t->shards[k].slots, s, memory_order_release);
    }
    return 0;
}

int table_insert(struct table *t, struct answer_node *n, struct retire_batch *batch)
{
    struct table_shard *shard = &t->shards[n->hash >> 58];
    struct table_slots *s = atomic_load_explicit(&shard->slots, memory_order_relaxed);
    if (s == NULL || 10 * ((uint64_t)shard->n_used + 1) > 6 * ((uint64_t)s->mask + 1)) {
        int rc = shard_grow(shard, batch);
        if (rc != 0)
            return rc;
        s = atomic_load_explicit(&shard->slots, memory_order_relaxed);
    }
    shard->n_used += slots_put(s, n);
    shard->n_live++;
    t->n++;
    return 0;
}

void table_remove(struct table *t, struct answer_node *n)
{
    struct table_shard *shard = &t->shards[n->hash >> 58];
    struct table_slots *s = atomic_load_explicit(&shard->slots, memory_order_relaxed);
    for (uint32_t i = (uint32_t)n->hash & s->mask;; i = (i + 1) & s->mask) {
        uint64_t slot = atomic_load_explicit(&s->slots[i], memory_order_relaxed);
        must(slot != SLOT_EMPTY);
        if (slot == SLOT_TOMBSTONE || slot_node(slot) != n)
            continue;
        atomic_store_explicit(&s->slots[i], SLOT_TOMBSTONE, memory_order_release);
        shard->n_live--;
        t->n--;
        return;
    }
}

void table_each(const struct table *t, void (*each)(void *arg, struct answer_node *n), void *arg)
{
    for (size_t k = 0; k < TABLE_SHARDS; k++) {
        struct table_slots *s = atomic_load_explicit(&t->shards[k].slots, memory_order_relaxed);
        for (uint32_t i = 0; s != NULL && i <= s->mask; i++) {
            uint64_t slot = atomic_load_explicit(&s->slots[i], memory_order_relaxed);
            if (slot > SLOT_TOMBSTONE)
                each(arg, slot_node(slot));
        }
    }
}

struct clear {
    struct retire_batch *batch;
    void (*each)(void *arg, struct answer_node *n);
    void *arg;
};

static void clear_each(void *arg, struct answer_node *n)
{
    struct clear *c = arg;
    c->each(c->arg, n);
    retire(c->batch, &n->retired);
}

void table_clear(struct table *t, struct retire_batch *batch, void (*each)(void *arg, struct answer_node *n), void *arg)
{
    struct clear c = {.batch = batch, .each = each, .arg = arg};
    table_each(t, clear_each, &c);
    for (size_t k = 0; k < TABLE_SHARDS; k++) {
        struct table_slots *s = atomic_load_explicit(&t->shards[k].slots, memory_order_relaxed);
        if (s != NULL)
            retire(batch, &s->retired);
    }
}
