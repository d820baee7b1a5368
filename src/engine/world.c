/* The names of a world as a forest: a node for each published name and for each name between it and its apex, so that a
 * name without a node does not exist (RFC 8020), whatever its type. A node lives while it is published for itself or
 * has nodes right below it.
 *
 * Making a node makes its parents first, so a reader never finds a name whose parent is missing; removing goes the
 * other way. When memory is short in the middle, the parents that were made are taken back. */
#include "engine/world.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/must.h"
#include "dns/wire.h"

int world_new(size_t n_domains, struct world **out)
{
    struct world *w = calloc(1, sizeof(*w) + n_domains * sizeof(w->domains[0]));
    if (w == NULL)
        return ERR_NOMEM;
    table_init(&w->table);
    w->ttl_floor_s = 1;
    w->n_domains = n_domains;
    *out = w;
    return 0;
}

static uint64_t name_hash(const struct answers *a, const struct dns_name *name)
{
    struct dns_name loose = *name;
    dns_name_fold_loose(&loose);
    return hash_bytes(loose.wire, loose.len, a->key);
}

/* ── nodes ── */

static void node_drop(struct answers *a, struct world *w, struct answer_node *n)
{
    while (n != NULL && n->refs == 0 && !n->is_owned) {
        struct answer_node *parent = n->parent;
        table_remove(&w->table, n);
        rotation_release(a, n->rotation);
        retire(&a->batch, &n->retired);
        if (parent != NULL)
            parent->refs--;
        n = parent;
    }
}

static int node_new(struct answers *a, uint64_t hash, const struct dns_name *name, uint8_t n_loose,
                    const struct node_state *state, struct answer_node **out)
{
    struct answer_node *n = malloc(sizeof(*n) + name->len);
    if (n == NULL)
        return ERR_NOMEM;
    memset(n, 0, sizeof(*n));
    uint32_t rotation = 0;
    if (state->is_rotated && rotation_acquire(a, &rotation) != 0) {
        free(n);
        return ERR_NOMEM;
    }
    atomic_init(&n->rotation, rotation);
    atomic_init(&n->body, state->body);
    n->hash = hash;
    atomic_init(&n->is_srv_only, state->is_srv_only);
    n->n_loose = n_loose;
    n->len = name->len;
    memcpy(n->name, name->wire, name->len);
    *out = n;
    return 0;
}

static int node_ensure(struct answers *a, struct world *w, const struct dns_name *apex, const struct dns_name *name,
                       uint8_t n_loose, const struct node_state *state, struct answer_node **out);

/* The name one label up. */
static int parent_ensure(struct answers *a, struct world *w, const struct dns_name *apex, const struct dns_name *name,
                         uint8_t n_loose, struct answer_node **out)
{
    static const struct node_state empty;
    struct dns_name up;
    uint8_t skip = (uint8_t)(name->wire[0] + 1);
    up.len = (uint8_t)(name->len - skip);
    memcpy(up.wire, name->wire + skip, up.len);
    return node_ensure(a, w, apex, &up, (uint8_t)(n_loose > skip ? n_loose - skip : 0), &empty, out);
}

static int node_ensure(struct answers *a, struct world *w, const struct dns_name *apex, const struct dns_name *name,
                       uint8_t n_loose, const struct node_state *state, struct answer_node **out)
{
    uint64_t hash = name_hash(a, name);
    *out = table_get(&w->table, hash, name, n_loose);
    if (*out != NULL)
        return 0;
    struct answer_node *parent = NULL, *n = NULL;
    int rc = 0;
    if (name->len > apex->len)
        rc = parent_ensure(a, w, apex, name, n_loose, &parent);
    if (rc == 0)
        rc = node_new(a, hash, name, n_loose, state, &n);
    if (rc == 0)
        rc = table_insert(&w->table, n, &a->batch);
    if (rc != 0) {
        if (n != NULL)
            rotation_release(a, n->rotation);
        free(n);
        node_drop(a, w, parent);
        return rc;
    }
    n->parent = parent;
    if (parent != NULL)
        parent->refs++;
    *out = n;
    return 0;
}

void world_set(struct answers *a, struct answer_node *n, const struct node_state *state)
{
    atomic_store_explicit(&n->is_srv_only, state->is_srv_only, memory_order_relaxed);
    atomic_store_explicit(&n->body, state->body, memory_order_release);
    if (state->body == &body_cold && n->rotation != 0) {
        rotation_release(a, n->rotation);
        atomic_store_explicit(&n->rotation, 0, memory_order_relaxed);
    }
}

int world_acquire(struct answers *a, struct world *w, const struct dns_name *apex, const struct dns_name *name,
                  uint8_t n_loose, const struct node_state *state, struct answer_node **node)
{
    struct answer_node *n = *node;
    if (n == NULL) {
        int rc = node_ensure(a, w, apex, name, n_loose, state, &n);
        if (rc != 0)
            return rc;
    }
    if (state->is_rotated && n->rotation == 0) {
        uint32_t id;
        if (rotation_acquire(a, &id) != 0) {
            node_drop(a, w, n);
            return ERR_NOMEM;
        }
        atomic_store_explicit(&n->rotation, id, memory_order_release);
    }
    if (*node == NULL) {
        n->is_owned = true;
        world_set(a, n, state);
        *node = n;
    }
    return 0;
}

void world_unpublish(struct answers *a, struct world *w, struct answer_node *n)
{
    n->is_owned = false;
    if (n->refs == 0) {
        node_drop(a, w, n);
        return;
    }
    atomic_store_explicit(&n->body, NULL, memory_order_release);
    atomic_store_explicit(&n->roster, NULL, memory_order_release);
}

/* ── static names ── */

struct static_search {
    const struct dns_name *loose;
    bool or_empty, found;
};

static void static_each(void *arg, struct answer_node *n)
{
    struct static_search *s = arg;
    if (n->n_loose != 0 || n->len != s->loose->len || !(n->is_owned || s->or_empty))
        return;
    struct dns_name folded = {.len = n->len};
    memcpy(folded.wire, n->name, n->len);
    dns_name_fold_loose(&folded);
    s->found |= dns_name_is_equal(&folded, s->loose);
}

bool world_has_static(const struct answers *a, const struct world *w, const struct dns_name *name, bool or_empty)
{
    struct dns_name loose = *name;
    dns_name_fold_loose(&loose);
    struct static_search s = {.loose = &loose, .or_empty = or_empty};
    table_each_hash(&w->table, hash_bytes(loose.wire, loose.len, a->key), static_each, &s);
    return s.found;
}

/* ── worlds ── */

struct hand_over {
    struct answers *answers;
    struct world *other;
};

static void hand_over_each(void *arg, struct answer_node *old)
{
    struct hand_over *h = arg;
    if (old->rotation == 0)
        return;
    struct dns_name name = {.len = old->len};
    memcpy(name.wire, old->name, old->len);
    struct answer_node *n = table_get(&h->other->table, old->hash, &name, old->n_loose);
    if (n == NULL || n->rotation == 0)
        return;
    uint32_t id = n->rotation;
    n->rotation = old->rotation;
    old->rotation = id;
}

static void release_each(void *arg, struct answer_node *n)
{
    struct hand_over *h = arg;
    rotation_release(h->answers, n->rotation);
    struct answer_body *body = atomic_load_explicit(&n->body, memory_order_relaxed);
    if (n->n_loose == 0 && body != NULL)
        retire(&h->answers->batch, &body->retired);
}

void world_hand_over(struct answers *a, struct world *old, struct world *next)
{
    struct hand_over h = {.answers = a, .other = next};
    table_each(&old->table, hand_over_each, &h);
}

void world_retire(struct answers *a, struct world *w)
{
    struct hand_over h = {.answers = a};
    table_clear(&w->table, &a->batch, release_each, &h);
    retire(&a->batch, &w->retired);
}

/* ── the SOA of negative answers ── */

/* Copies a name of the RDATA, its tail as a pointer if it is the apex or below it. Returns where the next name begins.
 */
static size_t soa_put_name(struct world_domain *d, const uint8_t *name, size_t len)
{
    struct world_soa *soa = &d->soa;
    struct dns_name folded = {.len = (uint8_t)len};
    memcpy(folded.wire, name, len);
    dns_name_fold_exact(&folded);
    bool is_under = dns_name_is_under(&folded, &d->apex);
    size_t copy = is_under ? len - d->apex.len : len;
    memcpy(soa->bytes + soa->len, name, copy);
    soa->len = (uint16_t)(soa->len + copy);
    if (is_under) {
        soa->pointers_at[soa->n_pointers++] = soa->len;
        soa->len += 2;
    }
    return len;
}

void world_soa_set(struct world_domain *d, const uint8_t *rdata, size_t len, uint32_t ttl_s, bool is_serial_ours)
{
    struct world_soa *soa = &d->soa;
    *soa = (struct world_soa){.len = RR_FIXED, .n_pointers = 1};
    size_t at = 0;
    for (int i = 0; i < 2; i++) {
        size_t name = dns_name_len(rdata + at, len - at);
        must(name != 0); /* zone.c checked it */
        at += soa_put_name(d, rdata + at, name);
    }
    must(len - at == 20);
    soa->serial_at = is_serial_ours ? soa->len : 0;
    memcpy(soa->bytes + soa->len, rdata + at, 20);
    soa->len += 20;
    wire_put16(soa->bytes + 2, DNS_SOA);
    wire_put16(soa->bytes + 4, DNS_IN);
    wire_put32(soa->bytes + RR_TTL_AT, ttl_s);
    wire_put16(soa->bytes + RR_LEN_AT, (uint16_t)(soa->len - RR_FIXED));
}

/* ── readers ── */

static bool is_label_start(const uint8_t *name, size_t at)
{
    size_t i = 0;
    while (i < at && name[i] != 0)
        i += (size_t)name[i] + 1;
    return i == at;
}

const struct world_domain *world_domain_of(const struct world *w, const uint8_t *exact, size_t len)
{
    for (size_t i = 0; i < w->n_domains; i++) {
        const struct dns_name *apex = &w->domains[i].apex;
        if (len >= apex->len && memcmp(exact + len - apex->len, apex->wire, apex->len) == 0 &&
            is_label_start(exact, len - apex->len))
            return &w->domains[i];
    }
    return NULL;
}
