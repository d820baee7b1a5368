/* Builds the answers of one name and swaps them in, domain by domain.
 *
 *     members ──► body_source ──► body_new ──► nodes: the name, and its aliases of SRV form
 *
 * A cold name gets its nodes all the same, because they say what exists; who asks for one of them makes it hot.
 *
 * First everything that needs memory: the body, nodes that are missing. Then the swap, which cannot fail. If memory is
 * short the nodes that were made are taken back, the old answer goes on being served, and the name stays marked.
 *
 * A static name of the same spelling wins (DESIGN 2), for each node on its own: the name may be hidden while its alias
 * is published. The node of a service then stays as an empty non-terminal, because its ids are below it. */
#include "engine/publish_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "dns/wire.h"

#define REST_NS 1200 /* for each member and domain: four times what building costs */

/* ── which nodes a name wants in a domain ── */

struct wanted {
    struct dns_name name;
    bool is_wanted, is_srv_only;
    bool is_hidden; /* by a static name: wanted only for the names below */
};

static bool name_of_labels(struct dns_name *out, const struct dns_name *apex, const char *const *labels)
{
    *out = *apex;
    for (; *labels != NULL; labels++) {
        size_t len = strlen(*labels);
        if (len > DNS_LABEL_MAX || dns_name_prepend(out, *labels, len) != 0)
            return false;
    }
    return true;
}

static bool underscored(char out[DNS_LABEL_MAX + 2], const char *label)
{
    return snprintf(out, DNS_LABEL_MAX + 2, "_%s", label) <= DNS_LABEL_MAX;
}

static void want(struct wanted *w, const struct dns_name *apex, bool is_srv_only, const char *const *labels)
{
    w->is_wanted = name_of_labels(&w->name, apex, labels);
    w->is_srv_only = is_srv_only;
}

#define LABELS(...)                                                                                                    \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }

static void want_names(const struct pub_name *n, const struct dns_name *apex, bool has_aliases, struct wanted *w)
{
    const char *service = n->service->folded;
    char under_service[DNS_LABEL_MAX + 2], under_label[DNS_LABEL_MAX + 2];
    bool fits = underscored(under_service, service);
    bool label_fits = underscored(under_label, n->label);
    switch (n->kind) {
    case PUB_SERVICE:
        want(&w[0], apex, false, LABELS(service));
        if (has_aliases && fits) {
            want(&w[1], apex, true, LABELS("_tcp", under_service));
            want(&w[2], apex, true, LABELS("_udp", under_service));
        }
        break;
    case PUB_LABEL:
        want(&w[0], apex, false, LABELS(service, n->label));
        if (has_aliases && fits && label_fits && n->owner == NULL)
            want(&w[1], apex, true, LABELS(under_label, under_service));
        break;
    case PUB_PORT:
        if (has_aliases && label_fits)
            want(&w[0], apex, true, LABELS(service, n->is_udp ? "_udp" : "_tcp", under_label));
        break;
    }
}

/* ── records ── */

static bool dedupe_reset(struct publisher *p, size_t n)
{
    size_t cap = 16;
    while (cap < 2 * n)
        cap *= 2;
    if (p->dedupe_cap < cap) {
        uint32_t *table = realloc(p->dedupe, cap * sizeof(*table));
        if (table == NULL)
            return false;
        p->dedupe = table;
        p->dedupe_cap = cap;
    }
    memset(p->dedupe, 0, cap * sizeof(p->dedupe[0]));
    p->dedupe_mask = cap - 1;
    return true;
}

/* An address is given once, with the weights of all instances that share it. */
static void add_address(struct publisher *p, const struct body_set_source *set, const uint8_t *address, size_t len,
                        uint32_t weight)
{
    struct body_source *s = &p->source;
    uint64_t at = hash_bytes(address, len, p->key);
    for (;; at++) {
        uint32_t *slot = &p->dedupe[at & p->dedupe_mask];
        if (*slot == 0) {
            struct body_rr *rr = body_source_rr(s);
            if (rr == NULL)
                return;
            rr->weight = weight;
            buf_append(&s->bytes, address, len);
            body_source_end(s, rr);
            *slot = (uint32_t)(s->n_rrs - set->first);
            return;
        }
        struct body_rr *rr = &s->rrs[set->first + *slot - 1];
        if (memcmp(s->bytes.data + rr->rdata, address, len) == 0) {
            rr->weight += weight;
            return;
        }
    }
}

static void add_addresses(struct publisher *p, uint16_t type, uint32_t ttl_s, const struct service_policy *policy)
{
    const struct pub_members *m = &p->members;
    struct body_set_source *set = body_source_set(&p->source, type, ttl_s);
    if (set == NULL || !dedupe_reset(p, m->n)) {
        p->source.failed = true;
        return;
    }
    set->order = (uint8_t)policy->order;
    set->max_answers = policy->answer == ANSWER_ONE ? 1 : policy->answer == ANSWER_FEW ? policy->max_answers : 0;
    for (size_t i = 0; i < m->n && !p->source.failed; i++) {
        const struct description *d = m->items[i].instance->desc;
        if (type == DNS_A && d->has_v4)
            add_address(p, set, d->v4, sizeof(d->v4), d->weight);
        else if (type == DNS_AAAA && d->has_v6)
            add_address(p, set, d->more->v6, sizeof(d->more->v6), d->weight);
    }
}

/* What the targets of a service end with: they are ID.NAME.D, in the case that is shown, with '-' for '_': a target is
 * a host name (RFC 952, RFC 1123), and clients refuse '_' in those. Lookups take one for the other, so it resolves. */
static bool target_suffix(struct dns_name *out, const struct pub_service *s, const struct dns_name *apex)
{
    char host[SERVICE_NAME_MAX + 1];
    size_t len = strlen(s->service->name);
    for (size_t i = 0; i <= len; i++)
        host[i] = s->service->name[i] == '_' ? '-' : s->service->name[i];
    return name_of_labels(out, apex, LABELS(host));
}

static void add_srv_record(struct publisher *p, const struct pub_member *m, const struct dns_name *suffix,
                           uint32_t ttl_s)
{
    const struct description *d = m->instance->desc;
    size_t id_len = strlen(d->id);
    if (1 + id_len + suffix->len > DNS_NAME_MAX)
        return; /* cannot be with the limits of names and domains */
    struct body_rr *rr = body_source_rr(&p->source);
    if (rr == NULL)
        return;
    rr->priority = d->priority;
    rr->weight = d->weight;
    uint8_t head[7];
    wire_put16(head, d->priority);
    wire_put16(head + 2, d->weight);
    wire_put16(head + 4, m->port);
    head[6] = (uint8_t)id_len;
    buf_append(&p->source.bytes, head, sizeof(head));
    buf_append(&p->source.bytes, d->id, id_len);
    buf_append(&p->source.bytes, suffix->wire, suffix->len);
    body_source_end(&p->source, rr);
    if (d->has_v4)
        body_source_extra(&p->source, rr, DNS_A, ttl_s, d->v4, sizeof(d->v4));
    if (d->has_v6)
        body_source_extra(&p->source, rr, DNS_AAAA, ttl_s, d->more->v6, sizeof(d->more->v6));
}

static void add_srv(struct publisher *p, const struct pub_name *n, const struct dns_name *apex, uint32_t ttl_s)
{
    struct dns_name suffix;
    struct body_set_source *set = body_source_set(&p->source, DNS_SRV, ttl_s);
    if (set == NULL || !target_suffix(&suffix, n->service, apex))
        return;
    set->order = (uint8_t)n->service->service->policy.order;
    set->target_at = RR_FIXED + 6;
    for (size_t i = 0; i < p->members.n && !p->source.failed; i++)
        add_srv_record(p, &p->members.by_priority[i], &suffix, ttl_s);
}

/* RFC 6763 section 6: one string for each pair, a single empty one if there is none. */
static void add_txt(struct publisher *p, const struct description *d, uint32_t ttl_s)
{
    if (body_source_set(&p->source, DNS_TXT, ttl_s) == NULL)
        return;
    struct body_rr *rr = body_source_rr(&p->source);
    if (rr == NULL)
        return;
    struct buf *out = &p->source.bytes;
    size_t start = out->len;
    for (unsigned i = 0; i < d->n_meta; i++) {
        size_t key = strlen(d->more->meta[i].key), value = strlen(d->more->meta[i].value);
        if (key + 1 + value > META_PAIR_MAX || out->len - start + key + value + 2 > UINT16_MAX)
            continue;
        buf_putc(out, (char)(key + 1 + value));
        buf_append(out, d->more->meta[i].key, key);
        buf_putc(out, '=');
        buf_append(out, d->more->meta[i].value, value);
    }
    if (out->len == start)
        buf_putc(out, 0);
    body_source_end(&p->source, rr);
}

/* RFC 8914: why there is nobody to serve. */
static void add_ede(struct publisher *p)
{
    const struct pub_members *m = &p->members;
    struct body_source *s = &p->source;
    bool is_starting = m->n_registered > 0 && m->n_starting == m->n_registered;
    char *text = (char *)s->ede + 6;
    int len =
        snprintf(text, sizeof(s->ede) - 6, is_starting ? "%u starting" : "%u registered, 0 served", m->n_registered);
    wire_put16(s->ede, DNS_OPTION_EDE);
    wire_put16(s->ede + 2, (uint16_t)(2 + len));
    wire_put16(s->ede + 4, is_starting ? EDE_NOT_READY : EDE_OTHER);
    s->ede_len = (uint8_t)(6 + len);
}

static void fill_source(struct publisher *p, const struct pub_name *n, const struct dns_name *apex)
{
    const struct service_policy *policy = &n->service->service->policy;
    uint32_t ttl_s = policy->ttl_s > p->ttl_floor_s ? policy->ttl_s : p->ttl_floor_s;
    body_source_reset(&p->source);
    if (p->members.n == 0) {
        add_ede(p);
        return;
    }
    if (n->kind != PUB_PORT) {
        add_addresses(p, DNS_A, ttl_s, policy);
        add_addresses(p, DNS_AAAA, ttl_s, policy);
    }
    add_srv(p, n, apex, ttl_s);
    if (n->owner != NULL)
        add_txt(p, n->owner->desc, ttl_s);
}

/* ── places ── */

static void unplace(struct publisher *p, struct world *w, struct pub_place *at)
{
    for (unsigned k = 0; k < NODES_OF_NAME; k++)
        if (at->nodes[k] != NULL)
            world_unpublish(p->answers, w, at->nodes[k]);
    if (at->body != NULL)
        retire(&p->answers->batch, &at->body->retired);
    *at = (struct pub_place){0};
}

static struct node_state state_of(const struct pub_name *n, const struct wanted *w, struct answer_body *body)
{
    body = w->is_hidden ? NULL : body;
    return (struct node_state){.body = body,
                               .is_srv_only = w->is_srv_only,
                               .is_rotated = body != NULL && body != &body_cold && n->owner == NULL};
}

/* Makes the wanted nodes that are missing; takes them back if one cannot be made. */
static int acquire_nodes(struct publisher *p, struct world *w, const struct dns_name *apex, const struct pub_name *n,
                         const struct wanted *wanted, struct answer_body *body, struct pub_place *at)
{
    struct answer_node *before[NODES_OF_NAME];
    memcpy(before, at->nodes, sizeof(before));
    int rc = 0;
    for (unsigned k = 0; k < NODES_OF_NAME && rc == 0; k++) {
        if (!wanted[k].is_wanted)
            continue;
        struct node_state state = state_of(n, &wanted[k], body);
        uint8_t n_loose = (uint8_t)(wanted[k].name.len - apex->len);
        rc = world_acquire(p->answers, w, apex, &wanted[k].name, n_loose, &state, &at->nodes[k]);
    }
    for (unsigned k = 0; k < NODES_OF_NAME && rc != 0; k++) {
        if (at->nodes[k] != NULL && before[k] == NULL)
            world_unpublish(p->answers, w, at->nodes[k]);
        at->nodes[k] = before[k];
    }
    return rc;
}

/* Cannot fail. */
static void swap_nodes(struct publisher *p, struct world *w, const struct pub_name *n, const struct wanted *wanted,
                       struct answer_body *body, struct pub_place *at)
{
    for (unsigned k = 0; k < NODES_OF_NAME; k++) {
        struct node_state state = state_of(n, &wanted[k], body);
        if (wanted[k].is_wanted) {
            world_set(p->answers, at->nodes[k], &state);
        } else if (at->nodes[k] != NULL) {
            world_unpublish(p->answers, w, at->nodes[k]);
            at->nodes[k] = NULL;
        }
    }
    if (n->kind == PUB_SERVICE && at->nodes[0] != NULL)
        atomic_store_explicit(&at->nodes[0]->roster, n->service->roster, memory_order_release);
    if (at->body != NULL)
        retire(&p->answers->batch, &at->body->retired);
    at->body = body != &body_cold ? body : NULL;
}

/* Of a hot name. */
static int build(struct publisher *p, struct world *w, const struct pub_name *n, const struct dns_name *apex,
                 bool is_nxdomain, const struct answer_body *before, struct answer_body **out)
{
    fill_source(p, n, apex);
    p->source.lapse_ms = p->members.lapse_ms;
    p->source.is_nxdomain = is_nxdomain;
    int rc = body_new(&p->source, out);
    if (rc == 0 && before != NULL && atomic_load_explicit(&before->is_used, memory_order_relaxed))
        atomic_init(&(*out)->is_used, true);
    return rc;
}

/* `has_members`: of the name, gathered because somebody asks for it or its nodes depend on them. */
static int place(struct publisher *p, struct world *w, struct pub_name *n, size_t d, bool has_members,
                 struct pub_place *at)
{
    const struct dns_name *apex = &w->domains[d].apex;
    bool is_nxdomain = has_members && p->members.n == 0 && n->service->service->policy.on_empty == ON_EMPTY_NXDOMAIN;
    struct wanted wanted[NODES_OF_NAME] = {0};
    want_names(n, apex, !is_nxdomain, wanted);
    bool has_some = false;
    for (unsigned k = 0; k < NODES_OF_NAME; k++) {
        wanted[k].is_hidden = wanted[k].is_wanted && world_has_static(p->answers, w, &wanted[k].name, false);
        if (wanted[k].is_hidden)
            wanted[k].is_wanted = k == 0 && n->kind == PUB_SERVICE && n->service->roster != NULL;
        has_some |= wanted[k].is_wanted;
    }
    if (!has_some) {
        unplace(p, w, at);
        return 0;
    }
    struct answer_body *body = &body_cold;
    int rc = 0;
    if (n->hot != NULL) {
        is_nxdomain = is_nxdomain && (n->kind != PUB_SERVICE || p->members.n_registered == 0) &&
                      !world_has_static(p->answers, w, &wanted[0].name, true);
        body = NULL;
        rc = build(p, w, n, apex, is_nxdomain, at->body, &body);
    }
    if (rc == 0)
        rc = acquire_nodes(p, w, apex, n, wanted, body, at);
    if (rc == 0)
        swap_nodes(p, w, n, wanted, body, at);
    else if (body != NULL && body != &body_cold)
        retire(&p->answers->batch, &body->retired); /* a new node may have shown it */
    return rc;
}

void pub_name_unplace(struct publisher *p, struct world *w, struct pub_name *n, struct pub_place *places)
{
    for (size_t d = 0; d < w->n_domains; d++)
        unplace(p, w, &places[d]);
}

int pub_name_place(struct publisher *p, struct world *w, struct pub_name *n, struct pub_place *places)
{
    p->visits++;
    if (!pub_name_exists(n)) {
        pub_name_unplace(p, w, n, places);
        return 0;
    }
    bool has_members = n->hot != NULL || n->service->service->policy.on_empty == ON_EMPTY_NXDOMAIN;
    int rc = has_members ? pub_members_gather(p, n) : 0;
    for (size_t d = 0; d < w->n_domains && rc == 0; d++)
        rc = place(p, w, n, d, has_members, &places[d]);
    if (rc == 0 && n->hot != NULL) {
        n->hot->lapse_ms = p->members.lapse_ms;
        n->hot->rest_ms = p->now_ms + p->members.n_registered * (uint64_t)w->n_domains * REST_NS / 1000000;
    }
    return rc;
}
