/* Builds a body from its source: one pass plans the groups and their schedules and adds up the bytes, one allocation,
 * one pass fills it in. Sizes of 5,000 records are a few hundred kilobytes, so nothing here is more than linear.
 *
 * Memory can be short at any point; then nothing is left behind and the caller goes on serving the old body. */
#include "engine/body.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "dns/proto.h"
#include "dns/wire.h"
#include "engine/schedule.h"

struct answer_body body_cold;

struct group_plan {
    size_t first, n;            /* records of the source */
    size_t ring_len, extra_len; /* of one round */
    bool has_extra_at;          /* they differ in length */
    struct schedule schedule;
};

struct set_plan {
    const struct body_set_source *source;
    size_t first_group, n_groups;
    size_t rr_len; /* 0: they differ */
};

struct body_plan {
    const struct body_source *source;
    struct group_plan *groups;
    size_t n_groups;
    struct set_plan sets[BODY_SETS_MAX];
    size_t n_sets;
};

/* Cuts the one allocation: groups and 32-bit tables first, then 16-bit ones, then bytes. */
struct body_cut {
    uint8_t *base;
    struct body_group *groups;
    uint32_t *words;
    uint16_t *halves;
    uint8_t *bytes;
};

static uint32_t place(const struct body_cut *cut, const void *at)
{
    return (uint32_t)((const uint8_t *)at - cut->base);
}

static int plan_group(struct body_plan *p, size_t first, size_t n, bool is_fixed, uint32_t *weights)
{
    struct group_plan *g = &p->groups[p->n_groups];
    *g = (struct group_plan){.first = first, .n = n};
    for (size_t i = 0; i < n; i++) {
        const struct body_rr *rr = &p->source->rrs[first + i];
        g->ring_len += RR_FIXED + rr->rdata_len;
        g->extra_len += rr->extra_len;
        g->has_extra_at |= rr->extra_len != p->source->rrs[first].extra_len;
        weights[i] = is_fixed ? 1 : rr->weight; /* a fixed order needs no schedule */
    }
    int rc = schedule_init(&g->schedule, weights, (uint32_t)n);
    if (rc == 0)
        p->n_groups++;
    return rc;
}

static size_t common_length(const struct body_rr *rrs, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (rrs[i].rdata_len != rrs[0].rdata_len)
            return 0;
    return RR_FIXED + (size_t)rrs[0].rdata_len;
}

static int plan_set(struct body_plan *p, const struct body_set_source *source, uint32_t *weights)
{
    const struct body_rr *rrs = p->source->rrs + source->first;
    size_t n = source->n < SCHEDULE_MEMBERS ? source->n : SCHEDULE_MEMBERS;
    struct set_plan *set = &p->sets[p->n_sets++];
    size_t rr_len = common_length(rrs, n);
    *set = (struct set_plan){.source = source, .first_group = p->n_groups, .rr_len = rr_len <= UINT16_MAX ? rr_len : 0};
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && rrs[end].priority == rrs[i].priority)
            end++;
        int rc = plan_group(p, source->first + i, end - i, source->order == ORDER_FIXED, weights);
        if (rc != 0)
            return rc;
        set->n_groups++;
        i = end;
    }
    return 0;
}

static size_t plan_size(const struct body_plan *p, struct body_cut *cut)
{
    size_t words = 0, halves = 0, bytes = p->source->ede_len;
    for (size_t s = 0; s < p->n_sets; s++) {
        for (size_t i = 0; i < p->sets[s].n_groups; i++) {
            const struct group_plan *g = &p->groups[p->sets[s].first_group + i];
            words += (p->sets[s].rr_len == 0 ? 2 * g->n + 1 : 0) + (g->has_extra_at ? 2 * g->n + 1 : 0);
            halves += g->schedule.n;
            bytes += 2 * (g->ring_len + g->extra_len);
        }
    }
    size_t at_groups = sizeof(struct answer_body) + p->n_sets * sizeof(struct body_set);
    size_t at_words = at_groups + p->n_groups * sizeof(struct body_group);
    size_t at_halves = at_words + words * sizeof(uint32_t);
    size_t at_bytes = at_halves + halves * sizeof(uint16_t);
    *cut = (struct body_cut){NULL, (void *)at_groups, (void *)at_words, (void *)at_halves, (void *)at_bytes};
    return at_bytes + bytes;
}

static uint8_t *put_rr(uint8_t *at, const struct body_set_source *set, const struct body_rr *rr, const uint8_t *rdata)
{
    wire_put16(at, BODY_OWNER);
    wire_put16(at + 2, set->type);
    wire_put16(at + 4, DNS_IN);
    wire_put32(at + RR_TTL_AT, set->ttl_s);
    wire_put16(at + RR_LEN_AT, rr->rdata_len);
    memcpy(at + RR_FIXED, rdata, rr->rdata_len);
    return at + RR_FIXED + rr->rdata_len;
}

/* A table of 2n + 1 offsets, or NULL if none is needed. */
static uint32_t *cut_offsets(struct body_cut *cut, bool is_needed, size_t n)
{
    if (!is_needed)
        return NULL;
    uint32_t *at = cut->words;
    cut->words += 2 * n + 1;
    return at;
}

/* The second round, behind the first, which begins at `ring`. */
static void double_ring(struct body_cut *cut, const uint8_t *ring, uint32_t *at, size_t n)
{
    size_t len = (size_t)(cut->bytes - ring);
    memcpy(cut->bytes, ring, len);
    cut->bytes += len;
    if (at == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        at[n + i] = at[i] + (uint32_t)len;
    at[2 * n] = (uint32_t)(2 * len);
}

static void fill_ring(struct body_group *g, const struct body_plan *p, const struct set_plan *set,
                      const struct group_plan *plan, struct body_cut *cut)
{
    uint32_t *at = cut_offsets(cut, set->rr_len == 0, plan->n);
    const uint8_t *ring = cut->bytes;
    g->ring = place(cut, ring);
    g->at = at != NULL ? place(cut, at) : 0;
    for (size_t i = 0; i < plan->n; i++) {
        const struct body_rr *rr = &p->source->rrs[plan->first + i];
        if (at != NULL)
            at[i] = (uint32_t)(cut->bytes - ring);
        cut->bytes = put_rr(cut->bytes, set->source, rr, p->source->bytes.data + rr->rdata);
    }
    double_ring(cut, ring, at, plan->n);
}

static void fill_extra(struct body_group *g, const struct body_plan *p, const struct group_plan *plan,
                       struct body_cut *cut)
{
    if (plan->extra_len == 0)
        return;
    uint32_t *at = cut_offsets(cut, plan->has_extra_at, plan->n);
    const uint8_t *extra = cut->bytes;
    g->extra = place(cut, extra);
    g->extra_at = at != NULL ? place(cut, at) : 0;
    g->extra_len = at != NULL ? 0 : p->source->rrs[plan->first].extra_len;
    for (size_t i = 0; i < plan->n; i++) {
        const struct body_rr *rr = &p->source->rrs[plan->first + i];
        if (at != NULL)
            at[i] = (uint32_t)(cut->bytes - extra);
        if (rr->extra_len > 0)
            memcpy(cut->bytes, p->source->bytes.data + rr->extra, rr->extra_len);
        cut->bytes += rr->extra_len;
    }
    double_ring(cut, extra, at, plan->n);
}

static void fill_group(struct body_group *g, const struct body_plan *p, const struct set_plan *set,
                       const struct group_plan *plan, struct body_cut *cut)
{
    *g = (struct body_group){.n = (uint32_t)plan->n, .n_slots = plan->schedule.n};
    if (plan->schedule.n > 0) {
        g->slots = place(cut, cut->halves);
        memcpy(cut->halves, plan->schedule.slots, plan->schedule.n * sizeof(*cut->halves));
        cut->halves += plan->schedule.n;
    }
    fill_ring(g, p, set, plan, cut);
    fill_extra(g, p, plan, cut);
}

static uint8_t set_position(uint16_t type)
{
    return type == DNS_A ? 0 : type == DNS_AAAA ? 1 : 2;
}

/* Equal weights, or an answer that holds everybody: only who comes first matters, and a stretch of the ring does. SRV
 * is such an answer always; by lot, its clients draw again (RFC 2782). */
static bool is_picked(const struct body_set *set, const struct body_group *first)
{
    if (set->n == 1 || set->n_answers > BODY_PICKED_MAX || set->n_groups > 1 || set->type == DNS_SRV)
        return false;
    return set->order == ORDER_RANDOM || (set->order == ORDER_ROTATE && set->n_answers < set->n && first->n_slots > 0);
}

static void fill_set(struct body_set *set, const struct body_plan *p, const struct set_plan *plan, struct body_cut *cut)
{
    const struct body_set_source *source = plan->source;
    *set = (struct body_set){
        .type = source->type,
        .order = source->order,
        .target_at = source->target_at,
        .position = set_position(source->type),
        .rr_len = (uint16_t)plan->rr_len,
        .serial_at = source->serial_at,
        .n_groups = (uint16_t)plan->n_groups,
        .ttl_s = source->ttl_s,
        .groups = place(cut, cut->groups),
    };
    const struct body_group *first = cut->groups;
    for (size_t i = 0; i < plan->n_groups; i++) {
        const struct group_plan *g = &p->groups[plan->first_group + i];
        fill_group(cut->groups, p, plan, g, cut);
        set->n += cut->groups->n;
        cut->groups++;
    }
    set->n_answers = source->max_answers != 0 && source->max_answers < set->n ? source->max_answers : set->n;
    if (is_picked(set, first))
        set->shape = BODY_PICKED;
    else
        set->shape = set->n_groups == 1 && set->rr_len != 0 ? BODY_RUN : BODY_RUNS;
    uint32_t period = first->n_slots > 0 ? first->n_slots : first->n;
    set->wrap = UINT32_MAX - UINT32_MAX % period;
}

static int body_fill(const struct body_plan *p, struct answer_body **out)
{
    struct body_cut cut;
    size_t len = plan_size(p, &cut);
    struct answer_body *b = len <= UINT32_MAX ? malloc(len) : NULL;
    if (b == NULL)
        return ERR_NOMEM;
    uint8_t *base = (uint8_t *)b;
    cut.base = base;
    cut.groups = (void *)(base + (uintptr_t)cut.groups);
    cut.words = (void *)(base + (uintptr_t)cut.words);
    cut.halves = (void *)(base + (uintptr_t)cut.halves);
    cut.bytes = base + (uintptr_t)cut.bytes;
    b->n_sets = (uint16_t)p->n_sets;
    atomic_init(&b->lapse_ms, p->source->lapse_ms);
    b->is_nxdomain = p->source->is_nxdomain;
    atomic_init(&b->is_used, false);
    b->ede_len = p->source->ede_len;
    b->ede = place(&cut, cut.bytes);
    memcpy(cut.bytes, p->source->ede, b->ede_len);
    cut.bytes += b->ede_len;
    for (size_t i = 0; i < p->n_sets; i++)
        fill_set(&b->sets[i], p, &p->sets[i], &cut);
    must(cut.bytes == base + len);
    *out = b;
    return 0;
}

int body_new(const struct body_source *s, struct answer_body **out)
{
    if (s->failed)
        return ERR_NOMEM;
    struct body_plan p = {.source = s};
    int rc = ERR_NOMEM;
    uint32_t *weights = malloc((s->n_rrs + 1) * sizeof(*weights));
    p.groups = malloc((s->n_rrs + 1) * sizeof(*p.groups));
    if (weights == NULL || p.groups == NULL)
        goto out;
    rc = 0;
    for (size_t i = 0; i < s->n_sets && rc == 0; i++)
        if (s->sets[i].n > 0)
            rc = plan_set(&p, &s->sets[i], weights);
    if (rc == 0)
        rc = body_fill(&p, out);
out:
    for (size_t i = 0; i < p.n_groups; i++)
        schedule_fini(&p.groups[i].schedule);
    free(p.groups);
    free(weights);
    return rc;
}

void body_free(struct answer_body *b)
{
    free(b);
}
