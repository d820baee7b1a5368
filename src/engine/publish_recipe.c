/* Did a reload change any name? The domains, the records of their zone files, the addresses and TTLs that stand in
 * synthesised records and the smallest TTL of all answers are written down in one row of bytes, each of variable length
 * after its length, so that two rows are equal only if all of it is. Where in a file a record stands is left out; the
 * order of the records is not, because answers keep it.
 *
 * Exact bytes and not a hash: what takes two different files for the same serves the wrong one. They cost about what
 * the records cost in the zone itself. */
#include <string.h>

#include "engine/publish_private.h"

static void put_u32(struct buf *out, uint32_t n)
{
    buf_append(out, &n, sizeof(n));
}

static void put_bytes(struct buf *out, const void *bytes, size_t len)
{
    put_u32(out, (uint32_t)len);
    if (len > 0)
        buf_append(out, bytes, len);
}

static void put_text(struct buf *out, const char *text)
{
    put_bytes(out, text, text != NULL ? strlen(text) : 0);
}

static void put_rrset(struct buf *out, const struct zone_rrset *set)
{
    put_bytes(out, set->owner.wire, set->owner.len);
    put_u32(out, set->type);
    put_u32(out, set->ttl);
    put_u32(out, (uint32_t)set->n);
    for (size_t i = 0; i < set->n; i++)
        put_bytes(out, set->rdata[i].wire, set->rdata[i].len);
}

static void put_domain(struct buf *out, const struct publish_domain *d)
{
    size_t n = d->zone != NULL ? d->zone->n : 0;
    put_bytes(out, d->apex.wire, d->apex.len);
    put_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        put_rrset(out, &d->zone->rrsets[i]);
}

void pub_recipe_write(struct buf *out, const struct publish_options *o)
{
    put_u32(out, o->negative_ttl_s);
    put_u32(out, publish_ttl_floor_s(o));
    put_u32(out, o->ttl_s);
    put_bytes(out, o->ns_v4, o->n_ns_v4 * sizeof(o->ns_v4[0]));
    put_bytes(out, o->ns_v6, o->n_ns_v6 * sizeof(o->ns_v6[0]));
    put_text(out, o->limits.version);
    put_text(out, o->limits.server_id);
    put_u32(out, (uint32_t)o->n_domains);
    for (size_t d = 0; d < o->n_domains; d++)
        put_domain(out, &o->domains[d]);
}
