/* From query packets to their answers, in place, a batch at a time. Happy path of a query: read the question, find the
 * node of its name, choose the set of its type, write the header, append OPT. Every other outcome is a row of DESIGN
 * 2's table of packets, decided in answer_odd in the order in which a server can know it.
 *
 * With a million names nothing of a name is in a cache, and each step of a lookup needs what the step before it found.
 * So the batch goes through the steps together, and each step asks for the memory of the next:
 *
 *     read     questions, hashes       asks for the slots of the table
 *     find     slots                   asks for the nodes
 *     match    nodes, names            asks for the bodies and the rotation positions
 *     choose   set and turn            asks for the records; a few answers ahead of
 *     write    the answers
 *
 * A packet is foreign until question_read has been through it; after that only checked fields are used. An answer
 * never passes the limit: places for OPT are kept free from the start, records that do not fit are cut by reply_set, an
 * EDE that does not fit is dropped. */
#include "engine/answer.h"

#include <string.h>

#include "base/hash.h"
#include "base/must.h"
#include "dns/name.h"
#include "dns/wire.h"
#include "engine/reply.h"

#define KEEPALIVE_LEN 6  /* the option: code, length, timeout */
#define TSIG_FIXED    16 /* RDATA behind the algorithm's name, no MAC and no other data */
#define BODY_LINES    4  /* asked for at once: head, sets and groups of most bodies */
#define AHEAD         4  /* answers between choosing and writing: 4 x 20 lines fit into the first cache */

static const uint8_t ede_prohibited[] = {0, DNS_OPTION_EDE, 0, 2, 0, EDE_PROHIBITED};
static const uint8_t ede_not_ours[] = {0, DNS_OPTION_EDE, 0, 2, 0, EDE_NOT_AUTHORITATIVE};

/* ── the frame of an answer ── */

static size_t reply_limit(const struct question *q, bool is_tcp, size_t cap)
{
    size_t limit = DNS_TCP_MAX;
    if (!is_tcp) {
        limit = q->udp_size > DNS_UDP_MIN ? q->udp_size : DNS_UDP_MIN;
        limit = limit < DNS_UDP_MAX ? limit : DNS_UDP_MAX;
    }
    return limit < cap ? limit : cap;
}

static bool has_keepalive(const struct reply *y)
{
    return y->q->has_keepalive && y->rq->is_tcp && y->rq->tcp_keepalive != 0;
}

/* Sets what changes while the answer is written. */
static inline void reply_begin(struct reply *y, size_t cap)
{
    const struct question *q = y->q;
    y->at = y->packet + (q->end != 0 ? q->end : DNS_HEADER_LEN);
    y->limit = y->packet + reply_limit(q, y->rq->is_tcp, cap);
    y->end = y->limit - (q->has_opt ? DNS_OPT_LEN + (has_keepalive(y) ? KEEPALIVE_LEN : 0) : 0);
    if (y->end < y->at) /* a caller's buffer below the contract's minimum */
        y->end = y->at;
    y->is_cold = false;
    y->n_answers = y->n_authority = y->n_extra = 0;
    y->flags = 0;
    y->rcode = DNS_NOERROR;
    y->ede = NULL;
    y->ede_len = 0;
}

/* Behind the OPT that was just written. */
__attribute__((noinline)) static void put_options(struct reply *y)
{
    uint8_t *options = y->at;
    if (has_keepalive(y) && (size_t)(y->limit - y->at) >= KEEPALIVE_LEN) {
        wire_put16(y->at, DNS_OPTION_KEEPALIVE);
        wire_put16(y->at + 2, 2);
        wire_put16(y->at + 4, y->rq->tcp_keepalive);
        y->at += KEEPALIVE_LEN;
    }
    if (y->ede != NULL && (size_t)(y->limit - y->at) >= y->ede_len) {
        memcpy(y->at, y->ede, y->ede_len);
        y->at += y->ede_len;
    }
    wire_put16(options - 2, (uint16_t)(y->at - options));
}

static inline void put_opt(struct reply *y)
{
    static const uint8_t plain[DNS_OPT_LEN] = {0, 0, DNS_OPT, DNS_UDP_MAX >> 8, DNS_UDP_MAX & 0xff};
    uint8_t *opt = y->at;
    if ((size_t)(y->limit - opt) < DNS_OPT_LEN)
        return;
    memcpy(opt, plain, sizeof(plain));
    opt[5] = (uint8_t)(y->rcode >> 4);
    opt[7] = (uint8_t)(y->q->is_do << 7); /* DNS_EDNS_DO */
    y->at += DNS_OPT_LEN;
    y->n_extra++;
    if (y->ede != NULL || has_keepalive(y))
        put_options(y);
}

static inline size_t reply_finish(struct reply *y)
{
    const struct question *q = y->q;
    if (q->has_opt)
        put_opt(y);
    bool is_ra = y->world != NULL && atomic_load_explicit(&y->world->is_ra_always, memory_order_relaxed);
    uint16_t ra = is_ra ? DNS_RA : 0;
    uint16_t copied = q->flags & (DNS_OPCODE_MASK | DNS_RD | DNS_CD);
    wire_put16(y->packet + 2, (uint16_t)(DNS_QR | copied | y->flags | ra | (y->rcode & DNS_RCODE_MASK)));
    wire_put16(y->packet + 4, q->end != 0);
    wire_put16(y->packet + 6, y->n_answers);
    wire_put16(y->packet + 8, y->n_authority);
    wire_put16(y->packet + 10, y->n_extra);
    return (size_t)(y->at - y->packet);
}

/* ── what is asked ── */

/* NOTAUTH with the query's TSIG, unsigned, error BADKEY (RFC 8945 section 5.2.1): we hold no keys. TSIG must be the
 * last record, so OPT is written first. */
static size_t answer_tsig(struct reply *y)
{
    uint8_t record[2 * DNS_NAME_MAX + DNS_RR_FIXED + TSIG_FIXED];
    const uint8_t *query = y->packet + y->q->tsig_at;
    size_t name_len = dns_name_len(query, y->q->tsig_len);
    const uint8_t *rdata = query + name_len + DNS_RR_FIXED;
    size_t algorithm_len = dns_name_len(rdata, y->q->tsig_len - name_len - DNS_RR_FIXED);
    struct wire_writer w = wire_writer(record, sizeof(record));
    wire_write(&w, query, name_len);
    wire_write_u16(&w, DNS_TSIG);
    wire_write_u16(&w, DNS_ANY_CLASS);
    wire_write_u32(&w, 0);
    wire_write_u16(&w, (uint16_t)(algorithm_len + TSIG_FIXED));
    wire_write(&w, rdata, algorithm_len + 8); /* with time and fudge */
    wire_write_u16(&w, 0);                    /* MAC */
    wire_write(&w, y->packet, 2);             /* original id */
    wire_write_u16(&w, DNS_BADKEY);
    wire_write_u16(&w, 0); /* other data */
    must(!w.failed);
    size_t len = (size_t)(w.at - record);
    y->rcode = DNS_NOTAUTH;
    if (y->q->has_opt)
        put_opt(y);
    y->q->has_opt = false;
    if ((size_t)(y->limit - y->at) >= len) {
        memcpy(y->at, record, len);
        y->at += len;
        y->n_extra++;
    }
    return reply_finish(y);
}

static void refuse(struct reply *y, const uint8_t *ede, uint8_t len)
{
    y->rcode = DNS_REFUSED;
    y->ede = ede;
    y->ede_len = len;
}

/* The name is in none of our nodes. */
static void answer_nobody(struct reply *y)
{
    const struct question *q = y->q;
    const struct world_domain *d = world_domain_of(y->world, q->exact, q->name_len);
    if (d == NULL) {
        refuse(y, ede_not_ours, sizeof(ede_not_ours));
        return;
    }
    if (reply_is_rostered(y, d)) {
        y->is_cold = true;
        return;
    }
    y->flags = DNS_AA;
    y->rcode = DNS_NXDOMAIN;
    reply_put_negative(y, d, DNS_HEADER_LEN, q->name_len);
}

/* The answer of q's name is wanted; what was asked is put together again from what was read of it. */
__attribute__((noinline, cold)) static size_t answer_later(struct reply *y, struct answer_item *item)
{
    const struct question *q = y->q;
    if (y->rq->round >= ANSWER_ROUNDS) {
        reply_begin(y, item->cap);
        y->rcode = DNS_SERVFAIL;
        return reply_finish(y);
    }
    item->is_wanted = want_post(&y->reader->wants, q->exact, q->name_len);
    struct wire_writer w = wire_writer(y->packet + 4, item->cap - 4);
    wire_write_u16(&w, 1);
    wire_write_u32(&w, 0);
    wire_write_u16(&w, q->has_opt);
    w.at = y->packet + q->end;
    if (q->has_opt) {
        wire_write_u8(&w, 0);
        wire_write_u16(&w, DNS_OPT);
        wire_write_u16(&w, q->udp_size);
        wire_write_u16(&w, 0);
        wire_write_u16(&w, q->is_do ? DNS_EDNS_DO : 0);
        wire_write_u16(&w, 0);
    }
    must(!w.failed);
    item->again = (size_t)(w.at - y->packet);
    return 0;
}

static size_t answer_name(struct reply *y, const struct reply_set *from, struct answer_item *item)
{
    if (from->node == NULL) {
        answer_nobody(y);
    } else {
        y->flags = DNS_AA;
        answer_node(y, from);
    }
    return y->is_cold ? answer_later(y, item) : reply_finish(y);
}

/* A question for records of class IN, from who may ask, in a query that is sound. */
static bool asks_for_name(const struct question *q, bool is_refused)
{
    bool is_odd = ((q->flags & DNS_OPCODE_MASK) | q->is_malformed | q->edns_version | is_refused | q->tsig_at) != 0;
    return !is_odd && q->class == DNS_IN && q->type != DNS_AXFR && q->type != DNS_IXFR;
}

/* What answer_name is not for. */
__attribute__((cold, noinline)) static size_t answer_odd(struct reply *y)
{
    const struct question *q = y->q;
    if ((q->flags & DNS_OPCODE_MASK) != 0)
        y->rcode = DNS_NOTIMP;
    else if (q->is_malformed)
        y->rcode = DNS_FORMERR;
    else if (q->edns_version != 0)
        y->rcode = DNS_BADVERS;
    else if (y->is_refused)
        refuse(y, ede_prohibited, sizeof(ede_prohibited));
    else if (q->tsig_at != 0)
        return answer_tsig(y);
    else if (q->class == DNS_IN && y->world == NULL)
        y->rcode = DNS_SERVFAIL;
    else if (q->class == DNS_CH)
        answer_chaos(y);
    else
        y->rcode = DNS_REFUSED;
    return reply_finish(y);
}

/* ── counters: one addition per batch ── */

struct tally {
    uint32_t rcode[DNS_BADVERS + 1];
    uint32_t nodata, truncated, dropped, cold;
};

static void tally_reply(struct tally *t, const struct reply *y)
{
    t->rcode[y->rcode]++;
    t->nodata += y->rcode == DNS_NOERROR && y->n_answers == 0 && (y->flags & DNS_TC) == 0;
    t->truncated += (y->flags & DNS_TC) != 0;
}

static void count(_Atomic uint64_t *counter, uint32_t n)
{
    if (n != 0)
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static void count_batch(struct answer_counters *c, const struct tally *t, uint32_t n, bool is_tcp)
{
    n -= t->cold;
    count(&c->cold, t->cold);
    count(&c->queries, n);
    count(&c->noerror, t->rcode[DNS_NOERROR] - t->nodata);
    count(&c->nodata, t->nodata);
    count(&c->nxdomain, t->rcode[DNS_NXDOMAIN]);
    count(&c->refused, t->rcode[DNS_REFUSED] + t->rcode[DNS_NOTAUTH]);
    count(&c->formerr, t->rcode[DNS_FORMERR]);
    count(&c->notimp, t->rcode[DNS_NOTIMP]);
    count(&c->badvers, t->rcode[DNS_BADVERS]);
    count(&c->truncated, t->truncated);
    count(&c->dropped, t->dropped);
    count(&c->tcp, is_tcp ? n - t->dropped : 0);
}

/* ── the steps of a batch ── */

enum pending_kind { PENDING_SILENT, PENDING_ODD, PENDING_NAME };

struct pending {
    enum pending_kind kind;
    uint64_t hash;
    struct reply_set from;
    struct question q;
};

struct batch {
    struct answer_reader *reader;
    const struct answer_request *rq;
    const struct world *world;
    uint64_t lease_ms;
    struct answer_item *items;
    size_t n;
    struct pending pending[ANSWER_BATCH];
};

static void read_question(const struct batch *b, const struct answer_item *item, struct pending *p)
{
    p->kind = PENDING_SILENT;
    if (item->len < DNS_HEADER_LEN || (item->packet[2] & (DNS_QR >> 8)) != 0)
        return;
    p->kind = PENDING_ODD;
    question_read(&p->q, item->packet, item->len, item->cap);
    if (b->world == NULL || !asks_for_name(&p->q, item->is_refused))
        return;
    p->kind = PENDING_NAME;
    p->hash = hash_padded(p->q.loose, p->q.name_len, b->reader->answers->key);
    table_prefetch_slots(&b->world->table, p->hash);
}

static void match_node(const struct batch *b, struct pending *p)
{
    const struct question *q = &p->q;
    if (p->from.node == NULL)
        return;
    if (!table_is_guess(p->from.node, q->loose, q->exact, q->name_len))
        p->from.node = table_find(&b->world->table, p->hash, q->loose, q->exact, q->name_len);
    if (p->from.node == NULL)
        return;
    p->from.body = node_body(p->from.node);
    for (int i = 0; i < BODY_LINES && p->from.body != NULL; i++)
        __builtin_prefetch((const uint8_t *)p->from.body + (size_t)i * 64);
    reply_prefetch_turn(b->reader, p->from.node);
}

static void choose_set(struct batch *b, size_t i)
{
    if (i >= b->n)
        return;
    struct pending *p = &b->pending[i];
    if (p->kind == PENDING_NAME && p->from.node != NULL)
        reply_choose(b->reader, &p->from, p->q.type);
}

static void write_answer(struct batch *b, struct tally *t, size_t i)
{
    struct answer_item *item = &b->items[i];
    struct pending *p = &b->pending[i];
    if (p->kind == PENDING_SILENT) {
        t->dropped++;
        item->len = 0;
        return;
    }
    struct reply y; /* the fields one by one: clearing them all at once costs more than an answer's header */
    y.reader = b->reader;
    y.rq = b->rq;
    y.world = b->world;
    y.q = &p->q;
    y.is_refused = item->is_refused;
    y.lease_ms = b->lease_ms;
    y.packet = item->packet;
    reply_begin(&y, item->cap);
    item->len = p->kind == PENDING_NAME ? answer_name(&y, &p->from, item) : answer_odd(&y);
    if (item->len != 0)
        tally_reply(t, &y);
    else
        t->cold++;
}

uint32_t answer_reader_posted(const struct answer_reader *r)
{
    return atomic_load_explicit(&r->wants.posted, memory_order_relaxed);
}

uint32_t answer_reader_served(const struct answer_reader *r)
{
    return atomic_load_explicit(&r->wants.served, memory_order_acquire);
}

void answer_batch(struct answer_reader *r, const struct answer_request *rq, struct answer_item *items, size_t n)
{
    must(n <= ANSWER_BATCH);
    uint64_t lag_ms = atomic_load_explicit(&r->answers->lease_lag_ms, memory_order_relaxed);
    struct batch b;
    b.reader = r;
    b.rq = rq;
    b.world = atomic_load_explicit(&r->answers->world, memory_order_acquire);
    b.lease_ms = rq->now_ms > lag_ms ? rq->now_ms - lag_ms : 0;
    b.items = items;
    b.n = n;
    for (size_t i = 0; i < n; i++)
        read_question(&b, &items[i], &b.pending[i]);
    for (size_t i = 0; i < n; i++)
        if (b.pending[i].kind == PENDING_NAME)
            b.pending[i].from.node = table_guess(&b.world->table, b.pending[i].hash);
    for (size_t i = 0; i < n; i++)
        if (b.pending[i].kind == PENDING_NAME)
            match_node(&b, &b.pending[i]);
    for (size_t i = 0; i < AHEAD; i++)
        choose_set(&b, i);
    struct tally t = {0};
    for (size_t i = 0; i < n; i++) {
        choose_set(&b, i + AHEAD);
        write_answer(&b, &t, i);
    }
    count_batch(&r->counters, &t, (uint32_t)n, rq->is_tcp);
}
