/* Static names: the zone file of each domain, and what an apex must have and the file does not give: SOA, NS, and the
 * address of the name server (DESIGN 2). Built into a world that nobody sees yet, so the first failure ends it.
 *
 * Sets of addresses and name servers are rotated, others keep the order of the file. SRV, MX and NS records bring the
 * addresses of their targets along where the same file has them. */
#include "engine/publish_private.h"

#include <stdlib.h>
#include <string.h>

#include "dns/wire.h"

#define SOA_REFRESH_S 3600
#define SOA_RETRY_S   600
#define SOA_EXPIRE_S  86400

struct builder {
    struct publisher *p;
    struct world *w;
    struct world_domain *domain;
    const struct publish_options *o;
    const struct zone *zone; /* may be NULL */
    struct dns_name ns;      /* ns.D; len 0: the zone file names other servers */
    bool is_ns_ours;         /* the zone file has nothing at ns.D */
};

/* ── one set ── */

static uint8_t target_offset(uint16_t type)
{
    return type == DNS_SRV ? RR_FIXED + 6 : type == DNS_MX ? RR_FIXED + 2 : type == DNS_NS ? RR_FIXED : 0;
}

static void add_extras_of_type(struct builder *b, struct body_rr *rr, const struct dns_name *target, uint16_t type)
{
    const struct zone_rrset *set = b->zone != NULL ? zone_find(b->zone, target, type) : NULL;
    for (size_t i = 0; set != NULL && i < set->n; i++)
        body_source_extra(&b->p->source, rr, type, set->ttl, set->rdata[i].wire, set->rdata[i].len);
}

/* Of ns.D: what a question for it would get. */
static void add_ns_extras(struct builder *b, struct body_rr *rr)
{
    const struct publish_options *o = b->o;
    if (!b->is_ns_ours) {
        add_extras_of_type(b, rr, &b->ns, DNS_A);
        add_extras_of_type(b, rr, &b->ns, DNS_AAAA);
        return;
    }
    for (size_t i = 0; i < o->n_ns_v4; i++)
        body_source_extra(&b->p->source, rr, DNS_A, o->ttl_s, o->ns_v4[i], sizeof(o->ns_v4[i]));
    for (size_t i = 0; i < o->n_ns_v6; i++)
        body_source_extra(&b->p->source, rr, DNS_AAAA, o->ttl_s, o->ns_v6[i], sizeof(o->ns_v6[i]));
}

static bool target_of(const struct zone_rdata *rdata, size_t skip, struct dns_name *out)
{
    size_t len = rdata->len > skip ? dns_name_len(rdata->wire + skip, rdata->len - skip) : 0;
    if (len == 0)
        return false;
    out->len = (uint8_t)len;
    memcpy(out->wire, rdata->wire + skip, len);
    dns_name_fold_exact(out);
    return true;
}

/* A target that several records name gets its addresses once, with the first. */
static bool is_first_with_target(const struct zone_rrset *set, size_t index, size_t skip, const struct dns_name *target)
{
    struct dns_name other;
    for (size_t i = 0; i < index; i++)
        if (target_of(&set->rdata[i], skip, &other) && dns_name_is_equal(&other, target))
            return false;
    return true;
}

static void add_extras(struct builder *b, const struct zone_rrset *set, size_t index, struct body_rr *rr)
{
    size_t skip = (size_t)target_offset(set->type) - RR_FIXED;
    struct dns_name target;
    if (!target_of(&set->rdata[index], skip, &target) || !is_first_with_target(set, index, skip, &target))
        return;
    if (b->ns.len != 0 && dns_name_is_equal(&target, &b->ns)) {
        add_ns_extras(b, rr);
        return;
    }
    add_extras_of_type(b, rr, &target, DNS_A);
    add_extras_of_type(b, rr, &target, DNS_AAAA);
}

static bool is_rotated(uint16_t type)
{
    return type == DNS_A || type == DNS_AAAA || type == DNS_NS;
}

static struct body_rr *add_rr(struct builder *b, const void *rdata, size_t len)
{
    struct body_rr *rr = body_source_rr(&b->p->source);
    if (rr == NULL)
        return NULL;
    buf_append(&b->p->source.bytes, rdata, len);
    body_source_end(&b->p->source, rr);
    return rr;
}

static void add_set(struct builder *b, const struct zone_rrset *set)
{
    struct body_set_source *source = body_source_set(&b->p->source, set->type, set->ttl);
    if (source == NULL)
        return;
    source->order = is_rotated(set->type) ? ORDER_ROTATE : ORDER_FIXED;
    source->target_at = target_offset(set->type);
    for (size_t i = 0; i < set->n && !b->p->source.failed; i++) {
        struct body_rr *rr = add_rr(b, set->rdata[i].wire, set->rdata[i].len);
        if (rr != NULL && source->target_at != 0)
            add_extras(b, set, i, rr);
    }
}

static int publish_name(struct builder *b, const struct dns_name *name)
{
    struct node_state state = {.is_rotated = true};
    int rc = body_new(&b->p->source, &state.body);
    if (rc != 0)
        return rc;
    struct answer_node *node = NULL;
    rc = world_acquire(b->p->answers, b->w, &b->domain->apex, name, 0, &state, &node);
    if (rc != 0)
        body_free(state.body);
    return rc;
}

/* ── the apex ── */

static uint32_t smallest(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void synthesise_soa(struct builder *b, const struct zone_rrset *ns)
{
    uint8_t rdata[2 * DNS_NAME_MAX + 20];
    struct dns_name rname = b->domain->apex, primary = b->ns;
    if (ns != NULL && !target_of(&ns->rdata[0], 0, &primary))
        return;
    if (dns_name_prepend(&rname, "hostmaster", 10) != 0)
        return; /* domains are short enough */
    struct wire_writer w = wire_writer(rdata, sizeof(rdata));
    wire_write(&w, primary.wire, primary.len);
    wire_write(&w, rname.wire, rname.len);
    size_t serial_at = (size_t)(w.at - rdata);
    const uint32_t numbers[] = {0, SOA_REFRESH_S, SOA_RETRY_S, SOA_EXPIRE_S, b->o->negative_ttl_s};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        wire_write_u32(&w, numbers[i]);
    size_t len = (size_t)(w.at - rdata);
    struct body_set_source *set = body_source_set(&b->p->source, DNS_SOA, b->o->ttl_s);
    if (set == NULL)
        return;
    set->serial_at = (uint16_t)(RR_FIXED + serial_at);
    add_rr(b, rdata, len);
    world_soa_set(b->domain, rdata, len, smallest(b->o->ttl_s, b->o->negative_ttl_s), true);
}

static void take_soa(struct builder *b, const struct zone_rrset *soa)
{
    const struct zone_rdata *rdata = &soa->rdata[0];
    uint32_t minimum = wire_get32(rdata->wire + rdata->len - 4);
    uint32_t ttl_s = smallest(smallest(soa->ttl, minimum), b->o->negative_ttl_s);
    world_soa_set(b->domain, rdata->wire, rdata->len, ttl_s, false);
}

static void synthesise_ns(struct builder *b)
{
    struct body_set_source *set = body_source_set(&b->p->source, DNS_NS, b->o->ttl_s);
    if (set == NULL)
        return;
    set->target_at = target_offset(DNS_NS);
    struct body_rr *rr = add_rr(b, b->ns.wire, b->ns.len);
    if (rr != NULL)
        add_ns_extras(b, rr);
}

static void add_apex(struct builder *b)
{
    const struct dns_name *apex = &b->domain->apex;
    const struct zone_rrset *soa = b->zone != NULL ? zone_find(b->zone, apex, DNS_SOA) : NULL;
    const struct zone_rrset *ns = b->zone != NULL ? zone_find(b->zone, apex, DNS_NS) : NULL;
    if (soa != NULL)
        take_soa(b, soa);
    else
        synthesise_soa(b, ns);
    if (ns == NULL)
        synthesise_ns(b);
}

static int publish_ns_name(struct builder *b)
{
    const struct publish_options *o = b->o;
    body_source_reset(&b->p->source);
    struct body_set_source *set;
    if (o->n_ns_v4 > 0 && (set = body_source_set(&b->p->source, DNS_A, o->ttl_s)) != NULL)
        set->order = ORDER_ROTATE;
    for (size_t i = 0; i < o->n_ns_v4; i++)
        add_rr(b, o->ns_v4[i], sizeof(o->ns_v4[i]));
    if (o->n_ns_v6 > 0 && (set = body_source_set(&b->p->source, DNS_AAAA, o->ttl_s)) != NULL)
        set->order = ORDER_ROTATE;
    for (size_t i = 0; i < o->n_ns_v6; i++)
        add_rr(b, o->ns_v6[i], sizeof(o->ns_v6[i]));
    return publish_name(b, &b->ns);
}

/* ── a domain ── */

static int owner_compare(const void *a, const void *b)
{
    const struct zone_rrset *x = *(const struct zone_rrset *const *)a, *y = *(const struct zone_rrset *const *)b;
    struct dns_name m = x->owner, n = y->owner;
    dns_name_fold_exact(&m);
    dns_name_fold_exact(&n);
    if (m.len != n.len)
        return m.len - n.len;
    return memcmp(m.wire, n.wire, m.len);
}

/* `sets` are sorted by owner; publishes the names one by one, the apex with what it lacks. */
static int publish_owners(struct builder *b, const struct zone_rrset *const *sets, size_t n)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0;) {
        struct dns_name owner = sets[i]->owner;
        dns_name_fold_exact(&owner);
        body_source_reset(&b->p->source);
        size_t first = i;
        while (i < n && owner_compare(&sets[first], &sets[i]) == 0)
            add_set(b, sets[i++]);
        if (!dns_name_is_equal(&owner, &b->domain->apex))
            rc = publish_name(b, &owner);
    }
    return rc;
}

static int publish_apex(struct builder *b)
{
    body_source_reset(&b->p->source);
    for (size_t i = 0; b->zone != NULL && i < b->zone->n; i++) {
        struct dns_name owner = b->zone->rrsets[i].owner;
        dns_name_fold_exact(&owner);
        if (dns_name_is_equal(&owner, &b->domain->apex))
            add_set(b, &b->zone->rrsets[i]);
    }
    add_apex(b);
    return publish_name(b, &b->domain->apex);
}

static bool zone_has_name(const struct zone *z, const struct dns_name *name)
{
    for (size_t i = 0; z != NULL && i < z->n; i++) {
        struct dns_name owner = z->rrsets[i].owner;
        dns_name_fold_exact(&owner);
        if (dns_name_is_equal(&owner, name))
            return true;
    }
    return false;
}

static int publish_domain(struct builder *b)
{
    b->ns = b->domain->apex;
    if (dns_name_prepend(&b->ns, "ns", 2) != 0)
        return ERR_SPACE;
    bool is_named = b->zone != NULL && zone_find(b->zone, &b->domain->apex, DNS_NS) != NULL;
    b->is_ns_ours = !is_named && !zone_has_name(b->zone, &b->ns);
    int rc = 0;
    if (b->is_ns_ours)
        rc = publish_ns_name(b);
    else if (is_named)
        b->ns.len = 0;
    if (rc == 0)
        rc = publish_apex(b);
    if (rc != 0 || b->zone == NULL || b->zone->n == 0)
        return rc;
    const struct zone_rrset **sets = malloc(b->zone->n * sizeof(const struct zone_rrset *));
    if (sets == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < b->zone->n; i++)
        sets[i] = &b->zone->rrsets[i];
    qsort(sets, b->zone->n, sizeof(sets[0]), owner_compare);
    rc = publish_owners(b, sets, b->zone->n);
    free(sets);
    return rc;
}

int pub_static_build(struct publisher *p, struct world *w, const struct publish_options *o)
{
    int rc = 0;
    for (size_t d = 0; d < w->n_domains && rc == 0; d++) {
        struct builder b = {.p = p, .w = w, .domain = &w->domains[d], .o = o, .zone = o->domains[d].zone};
        rc = publish_domain(&b);
    }
    return rc;
}
