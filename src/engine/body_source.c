/* Collects what a body is made from: records as offsets into one byte buffer, so that both can grow. The publisher
 * keeps one source and resets it for each name; after a while it allocates nothing. Failure is sticky and is seen by
 * body_new. */
#include "engine/body.h"

#include <stdlib.h>

#include "base/must.h"
#include "dns/proto.h"
#include "dns/wire.h"

void body_source_init(struct body_source *s)
{
    *s = (struct body_source){.lapse_ms = UINT64_MAX};
    buf_init(&s->bytes, 0);
}

void body_source_fini(struct body_source *s)
{
    buf_fini(&s->bytes);
    free(s->rrs);
}

void body_source_reset(struct body_source *s)
{
    buf_reset(&s->bytes);
    s->n_rrs = s->n_sets = 0;
    s->lapse_ms = UINT64_MAX;
    s->is_nxdomain = s->failed = false;
    s->ede_len = 0;
}

struct body_set_source *body_source_set(struct body_source *s, uint16_t type, uint32_t ttl_s)
{
    if (s->n_sets == BODY_SETS_MAX)
        s->failed = true;
    if (s->failed)
        return NULL;
    struct body_set_source *set = &s->sets[s->n_sets++];
    *set = (struct body_set_source){.type = type, .order = ORDER_FIXED, .ttl_s = ttl_s, .first = s->n_rrs};
    return set;
}

static bool rrs_grow(struct body_source *s)
{
    size_t cap = s->rrs_cap == 0 ? 64 : 2 * s->rrs_cap;
    struct body_rr *rrs = realloc(s->rrs, cap * sizeof(*rrs));
    if (rrs == NULL)
        return false;
    s->rrs = rrs;
    s->rrs_cap = cap;
    return true;
}

struct body_rr *body_source_rr(struct body_source *s)
{
    must(s->failed || s->n_sets > 0);
    if (!s->failed && s->n_rrs == s->rrs_cap && !rrs_grow(s))
        s->failed = true;
    if (s->failed)
        return NULL;
    struct body_rr *rr = &s->rrs[s->n_rrs++];
    *rr = (struct body_rr){.rdata = s->bytes.len, .weight = 1};
    s->sets[s->n_sets - 1].n++;
    return rr;
}

void body_source_end(struct body_source *s, struct body_rr *rr)
{
    if (s->bytes.failed)
        s->failed = true;
    if (rr == NULL || s->failed)
        return;
    must(s->bytes.len - rr->rdata <= UINT16_MAX);
    rr->rdata_len = (uint16_t)(s->bytes.len - rr->rdata);
}

void body_source_extra(struct body_source *s, struct body_rr *rr, uint16_t type, uint32_t ttl_s, const void *rdata,
                       uint16_t len)
{
    if (rr == NULL || s->failed)
        return;
    if (rr->extra_len == 0)
        rr->extra = s->bytes.len;
    uint8_t head[RR_FIXED];
    wire_put16(head, BODY_OWNER);
    wire_put16(head + 2, type);
    wire_put16(head + 4, DNS_IN);
    wire_put32(head + RR_TTL_AT, ttl_s);
    wire_put16(head + RR_LEN_AT, len);
    buf_append(&s->bytes, head, sizeof(head));
    buf_append(&s->bytes, rdata, len);
    rr->extra_len = (uint32_t)(s->bytes.len - rr->extra);
    s->failed = s->bytes.failed;
}
