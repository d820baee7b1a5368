/* From a set of records to the bytes of an answer. The common case is one memcpy of a stretch of the set's ring; when
 * something has to be different from what was stored (a shorter TTL, another owner, the pointers of additional
 * records), it is patched in the packet.
 *
 * Who comes first is decided by one number, the turn: a position that counts up, a random number, or zero. The same
 * turn gives the order of the additional records, which follow the answers.
 *
 * What does not fit: additional records are left out, silently. Answers are cut at whole records; on UDP that sets TC,
 * on TCP it is the fair subset that 64 KiB can hold. */
#include "engine/reply.h"

#include <string.h>

#include "dns/name.h"
#include "dns/wire.h"

#define PREFETCH_LINES 4
#define EXTRA_ONE      (RR_FIXED + 16) /* an AAAA: additional records of a target in no more bytes are one record */

/* ── who comes first ── */

void reply_prefetch_turn(const struct answer_reader *r, const struct answer_node *node)
{
    uint32_t id = atomic_load_explicit(&node->rotation, memory_order_acquire);
    if (id != 0)
        __builtin_prefetch(r->chunks[id / ROTATION_CHUNK][id % ROTATION_CHUNK], 1);
}

static uint32_t set_turn(struct answer_reader *r, const struct answer_node *node, const struct body_set *set)
{
    if (set->n == 1 || set->order == ORDER_FIXED)
        return 0;
    if (set->order == ORDER_RANDOM)
        return (uint32_t)(rng_u64(&r->rng) >> 32);
    uint32_t id = atomic_load_explicit(&node->rotation, memory_order_acquire);
    if (id == 0)
        return 0;
    uint32_t *position = &r->chunks[id / ROTATION_CHUNK][id % ROTATION_CHUNK][set->position];
    uint32_t turn = *position < set->wrap ? *position : *position - set->wrap;
    *position = turn + 1 < set->wrap ? turn + 1 : 0;
    return turn;
}

static uint32_t group_first(const struct answer_body *b, const struct body_group *g, uint32_t turn)
{
    if (g->n == 1)
        return 0;
    if (g->n_slots == 0)
        return turn % g->n;
    const uint16_t *slots = body_place(b, g->slots);
    return slots[turn % g->n_slots];
}

/* Where record `i` of a group begins in its ring. */
static size_t rr_at(const struct reply_set *from, const struct body_group *g, uint32_t i)
{
    if (from->set->rr_len != 0)
        return (size_t)from->set->rr_len * i;
    const uint32_t *at = body_place(from->body, g->at);
    return at[i];
}

static uint32_t set_ttl(const struct reply *y, const struct reply_set *from)
{
    uint64_t lapse_ms = atomic_load_explicit(&from->body->lapse_ms, memory_order_relaxed);
    if (lapse_ms >= y->lease_ms + (uint64_t)from->set->ttl_s * 1000)
        return from->set->ttl_s;
    uint64_t left_s = lapse_ms > y->lease_ms ? (lapse_ms - y->lease_ms) / 1000 : 0;
    return left_s > y->world->ttl_floor_s ? (uint32_t)left_s : y->world->ttl_floor_s;
}

static const struct body_set *node_set(const struct reply_set *from, uint16_t type)
{
    if (type != DNS_SRV && atomic_load_explicit(&from->node->is_srv_only, memory_order_relaxed))
        return NULL;
    return body_find(from->body, type);
}

/* The records that the turn will place: the processor's own prefetcher follows once it has seen the beginning. */
static void prefetch_records(const struct reply_set *from, const struct body_group *g)
{
    const uint8_t *ring = body_place(from->body, g->ring);
    const uint8_t *at = ring + rr_at(from, g, from->first);
    for (int i = 0; i < PREFETCH_LINES; i++)
        __builtin_prefetch(at + (size_t)i * 64);
}

void reply_choose(struct answer_reader *r, struct reply_set *from, uint16_t type)
{
    from->set = NULL;
    if (from->body == NULL)
        return;
    from->set = node_set(from, type);
    if (from->set == NULL)
        from->set = node_set(from, DNS_CNAME);
    if (from->set == NULL)
        return;
    from->turn = set_turn(r, from->node, from->set);
    const struct body_group *g = body_groups(from->body, from->set);
    from->first = group_first(from->body, g, from->turn);
    prefetch_records(from, g);
}

/* ── answers ── */

/* `n` records of the ring from `first` on, or as many as fit. Returns how many. */
static inline uint32_t put_run(struct reply *y, const struct reply_set *from, const struct body_group *g,
                               uint32_t first, uint32_t n)
{
    size_t begin = rr_at(from, g, first), room = reply_room(y);
    if (rr_at(from, g, first + n) - begin > room) {
        uint32_t fits = 0;
        if (from->set->rr_len != 0)
            fits = (uint32_t)(room / from->set->rr_len);
        else
            while (rr_at(from, g, first + fits + 1) - begin <= room)
                fits++;
        n = fits;
    }
    size_t len = rr_at(from, g, first + n) - begin;
    memcpy(y->at, (const uint8_t *)body_place(from->body, g->ring) + begin, len);
    y->at += len;
    return n;
}

static uint32_t put_groups(struct reply *y, const struct reply_set *from)
{
    const struct body_set *set = from->set;
    const struct body_group *g = body_groups(from->body, set);
    uint32_t placed = 0;
    for (uint32_t i = 0; i < set->n_groups; i++, g++) {
        uint32_t want = set->n_answers - placed < g->n ? set->n_answers - placed : g->n;
        uint32_t n = put_run(y, from, g, group_first(from->body, g, from->turn), want);
        placed += n;
        if (n < want || placed == set->n_answers)
            break;
    }
    return placed;
}

static bool is_chosen(const uint16_t *chosen, uint32_t n, uint16_t i)
{
    for (uint32_t k = 0; k < n; k++)
        if (chosen[k] == i)
            return true;
    return false;
}

/* Distinct records by weight: along the schedule from the turn on, or by lot. Steps are bounded: a heavy member may
 * fill long stretches, so what is missing after them is taken in the order of the ring. */
static uint32_t choose(const struct reply *y, const struct reply_set *from, uint16_t chosen[BODY_PICKED_MAX])
{
    const struct body_set *set = from->set;
    const struct body_group *g = body_groups(from->body, set);
    uint32_t n = 1, turn = from->turn;
    chosen[0] = (uint16_t)group_first(from->body, g, turn);
    for (uint32_t step = 0; step < 4 * set->n_answers && n < set->n_answers; step++) {
        turn = set->order == ORDER_RANDOM ? (uint32_t)(rng_u64(&y->reader->rng) >> 32) : turn + 1;
        uint16_t i = (uint16_t)group_first(from->body, g, turn);
        if (!is_chosen(chosen, n, i))
            chosen[n++] = i;
    }
    for (uint32_t i = chosen[0]; n < set->n_answers; i++)
        if (!is_chosen(chosen, n, (uint16_t)(i % g->n)))
            chosen[n++] = (uint16_t)(i % g->n);
    return n;
}

__attribute__((noinline)) static uint32_t put_chosen(struct reply *y, const struct reply_set *from)
{
    uint16_t chosen[BODY_PICKED_MAX];
    uint32_t n = choose(y, from, chosen), placed = 0;
    while (placed < n && put_run(y, from, body_groups(from->body, from->set), chosen[placed], 1) == 1)
        placed++;
    return placed;
}

/* Returns how many records were placed. */
__attribute__((noinline)) static uint32_t put_parts(struct reply *y, const struct reply_set *from)
{
    return from->set->shape == BODY_PICKED ? put_chosen(y, from) : put_groups(y, from);
}

static inline uint32_t put_answers(struct reply *y, const struct reply_set *from)
{
    const struct body_set *set = from->set;
    size_t rr_len = set->rr_len, len = rr_len * set->n_answers;
    if (set->shape != BODY_RUN || len > reply_room(y))
        return put_parts(y, from);
    const uint8_t *ring = body_place(from->body, body_groups(from->body, set)->ring);
    memcpy(y->at, ring + rr_len * from->first, len);
    y->at += len;
    return set->n_answers;
}

__attribute__((noinline)) static void patch_records(uint8_t *at, const uint8_t *end, uint16_t owner, uint32_t ttl_s)
{
    while (at < end) {
        wire_put16(at, owner);
        wire_put32(at + RR_TTL_AT, ttl_s);
        at += RR_FIXED + wire_get16(at + RR_LEN_AT);
    }
}

/* ── additional records ── */

struct extras {
    const struct reply_set *from;
    uint32_t ttl_s;
    bool is_ttl_patched;
};

/* Points the records of one stretch to their target's name. */
static uint16_t patch_extra(uint8_t *at, const uint8_t *end, uint16_t pointer, const struct extras *x)
{
    uint16_t n = 0;
    for (; at < end; n++) {
        wire_put16(at, pointer);
        if (x->is_ttl_patched)
            wire_put32(at + RR_TTL_AT, x->ttl_s);
        at += RR_FIXED + wire_get16(at + RR_LEN_AT);
    }
    return n;
}

/* The same where the target is out of a pointer's reach (offset 16383, RFC 1035 section 4.1.4): owner names in full. */
__attribute__((noinline)) static bool put_extra_in_full(struct reply *y, const uint8_t *from, const uint8_t *end,
                                                        size_t target_at, const struct extras *x)
{
    const uint8_t *name = y->packet + target_at;
    size_t name_len = dns_name_len(name, (size_t)(y->at - name));
    uint8_t *start = y->at;
    uint16_t n = 0;
    for (; from < end; n++) {
        size_t body = RR_FIXED - 2 + (size_t)wire_get16(from + RR_LEN_AT);
        if (name_len + body > reply_room(y)) {
            y->at = start; /* all records of a target or none */
            return false;
        }
        memcpy(y->at, name, name_len);
        memcpy(y->at + name_len, from + 2, body);
        if (x->is_ttl_patched)
            wire_put32(y->at + name_len + RR_TTL_AT - 2, x->ttl_s);
        y->at += name_len + body;
        from += 2 + body;
    }
    y->n_extra = (uint16_t)(y->n_extra + n);
    return true;
}

static bool put_extra(struct reply *y, const uint8_t *from, const uint8_t *end, size_t target_at,
                      const struct extras *x)
{
    if (target_at > DNS_POINTER_MAX)
        return put_extra_in_full(y, from, end, target_at, x);
    size_t len = (size_t)(end - from);
    if (len > reply_room(y))
        return false;
    memcpy(y->at, from, len);
    y->n_extra = (uint16_t)(y->n_extra + patch_extra(y->at, y->at + len, (uint16_t)(0xc000 | target_at), x));
    y->at += len;
    return true;
}

/* Where the additional records of record `i` begin. */
static size_t extra_at(const struct reply_set *from, const struct body_group *g, uint32_t i)
{
    if (g->extra_len != 0)
        return (size_t)g->extra_len * i;
    const uint32_t *at = body_place(from->body, g->extra_at);
    return at[i];
}

/* The common case: all of one length, as their targets are, and all fit. One memcpy, then the pointers. */
static bool put_equal_extras(struct reply *y, const struct body_group *g, size_t answers_at, uint32_t first,
                             const struct extras *x)
{
    size_t step = g->extra_len, len = step * g->n, rr_len = x->from->set->rr_len;
    if (step == 0 || rr_len == 0 || len > reply_room(y) || answers_at + rr_len * g->n > DNS_POINTER_MAX)
        return false;
    memcpy(y->at, (const uint8_t *)body_place(x->from->body, g->extra) + step * first, len);
    size_t pointer = 0xc000 | (answers_at + x->from->set->target_at);
    uint16_t n = 0;
    uint8_t *at = y->at, *end = at + len;
    if (step <= EXTRA_ONE && !x->is_ttl_patched)
        for (n = (uint16_t)g->n; at < end; at += step, pointer += rr_len)
            wire_put16(at, (uint16_t)pointer);
    else
        for (; at < end; at += step, pointer += rr_len)
            n = (uint16_t)(n + patch_extra(at, at + step, (uint16_t)pointer, x));
    y->n_extra = (uint16_t)(y->n_extra + n);
    y->at = end;
    return true;
}

/* Additional records of a group whose answers, from record `first` on, begin at `answers_at`. False when they no longer
 * fit. */
static bool put_group_extras(struct reply *y, const struct body_group *g, size_t answers_at, uint32_t first,
                             const struct extras *x)
{
    if (g->extra == 0 || put_equal_extras(y, g, answers_at, first, x))
        return true;
    const struct reply_set *from = x->from;
    const uint8_t *extra = body_place(from->body, g->extra);
    size_t begin = rr_at(from, g, first);
    for (uint32_t i = first; i < first + g->n; i++) {
        size_t target_at = answers_at + rr_at(from, g, i) - begin + from->set->target_at;
        size_t at = extra_at(from, g, i), end = extra_at(from, g, i + 1);
        if (at != end && !put_extra(y, extra + at, extra + end, target_at, x))
            return false;
    }
    return true;
}

__attribute__((noinline)) static void put_extras(struct reply *y, size_t answers_at, const struct extras *x)
{
    const struct body_group *g = body_groups(x->from->body, x->from->set);
    for (uint32_t k = 0; k < x->from->set->n_groups; k++, g++) {
        uint32_t first = k == 0 ? x->from->first : group_first(x->from->body, g, x->from->turn);
        if (!put_group_extras(y, g, answers_at, first, x))
            return;
        answers_at += rr_at(x->from, g, g->n);
    }
}

/* ── the whole ── */

void reply_put_set(struct reply *y, const struct reply_set *from, uint16_t owner)
{
    const struct body_set *set = from->set;
    uint32_t ttl_s = set_ttl(y, from);
    uint8_t *start = y->at;
    uint32_t placed = put_answers(y, from);
    y->n_answers = (uint16_t)(y->n_answers + placed);
    if (owner != BODY_OWNER || ttl_s != set->ttl_s)
        patch_records(start, y->at, owner, ttl_s);
    if (set->serial_at != 0 && placed > 0)
        wire_put32(start + set->serial_at, atomic_load_explicit(&y->reader->answers->serial, memory_order_relaxed));
    if (placed < set->n_answers) {
        y->flags |= y->rq->is_tcp ? 0 : DNS_TC;
        return;
    }
    if (set->target_at != 0)
        put_extras(y, (size_t)(start - y->packet),
                   &(struct extras){.from = from, .ttl_s = ttl_s, .is_ttl_patched = ttl_s != set->ttl_s});
}

void reply_put_record(struct reply *y, uint16_t owner, uint16_t type, uint16_t class, uint32_t ttl_s, const void *rdata,
                      uint16_t len)
{
    if (reply_room(y) < (size_t)RR_FIXED + len) {
        y->flags |= DNS_TC;
        return;
    }
    wire_put16(y->at, owner);
    wire_put16(y->at + 2, type);
    wire_put16(y->at + 4, class);
    wire_put32(y->at + RR_TTL_AT, ttl_s);
    wire_put16(y->at + RR_LEN_AT, len);
    memcpy(y->at + RR_FIXED, rdata, len);
    y->at += RR_FIXED + len;
    y->n_answers++;
}

void reply_put_negative(struct reply *y, const struct world_domain *d, size_t name_at, size_t name_len)
{
    const struct world_soa *soa = &d->soa;
    if (reply_room(y) < soa->len) {
        y->flags |= DNS_TC; /* RFC 2181 section 9: what was required is missing */
        return;
    }
    memcpy(y->at, soa->bytes, soa->len);
    uint16_t apex = (uint16_t)(0xc000 | (name_at + name_len - d->apex.len));
    for (unsigned i = 0; i < soa->n_pointers; i++)
        wire_put16(y->at + soa->pointers_at[i], apex);
    if (soa->serial_at != 0)
        wire_put32(y->at + soa->serial_at, atomic_load_explicit(&y->reader->answers->serial, memory_order_relaxed));
    y->at += soa->len;
    y->n_authority++;
}
