/* From a query packet to its answer, in place. Happy path: read the question, find the node of its name, place the set
 * of its type, write the header, append OPT. Every other outcome is a row of DESIGN 2's table of packets, decided in
 * answer_query in the order in which a server can know it.
 *
 * The packet is foreign until question_read has been through it; after that only checked fields are used. An answer
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

static const uint8_t ede_prohibited[] = {0, DNS_OPTION_EDE, 0, 2, 0, EDE_PROHIBITED};
static const uint8_t ede_not_ours[] = {0, DNS_OPTION_EDE, 0, 2, 0, EDE_NOT_AUTHORITATIVE};

static void count(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* ── the frame of an answer ── */

static size_t reply_limit(const struct question *q, bool is_tcp, size_t cap)
{
    size_t limit = DNS_TCP_MAX;
    if (!is_tcp) {
        limit = q->has_opt && q->udp_size > DNS_UDP_MIN ? q->udp_size : DNS_UDP_MIN;
        limit = limit < DNS_UDP_MAX ? limit : DNS_UDP_MAX;
    }
    return limit < cap ? limit : cap;
}

static bool has_keepalive(const struct reply *y)
{
    return y->q->has_keepalive && y->rq->is_tcp && y->rq->tcp_keepalive != 0;
}

static void reply_begin(struct reply *y, size_t cap)
{
    const struct question *q = y->q;
    y->at = y->packet + (q->end != 0 ? q->end : DNS_HEADER_LEN);
    y->limit = y->packet + reply_limit(q, y->rq->is_tcp, cap);
    y->end = y->limit - (q->has_opt ? DNS_OPT_LEN + (has_keepalive(y) ? KEEPALIVE_LEN : 0) : 0);
    if (y->end < y->at) /* a caller's buffer below the contract's minimum */
        y->end = y->at;
    y->n_answers = y->n_authority = y->n_extra = 0;
    y->flags = 0;
    y->rcode = DNS_NOERROR;
    y->ede = NULL;
    y->ede_len = 0;
}

static void put_opt(struct reply *y)
{
    uint8_t *opt = y->at;
    if ((size_t)(y->limit - opt) < DNS_OPT_LEN)
        return;
    opt[0] = 0;
    wire_put16(opt + 1, DNS_OPT);
    wire_put16(opt + 3, DNS_UDP_MAX);
    opt[5] = (uint8_t)(y->rcode >> 4);
    opt[6] = 0;
    wire_put16(opt + 7, y->q->is_do ? DNS_EDNS_DO : 0);
    y->at += DNS_OPT_LEN;
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
    wire_put16(opt + 9, (uint16_t)(y->at - opt - DNS_OPT_LEN));
    y->n_extra++;
}

static size_t reply_finish(struct reply *y)
{
    const struct question *q = y->q;
    if (q->has_opt)
        put_opt(y);
    uint16_t ra = y->world != NULL && y->world->limits.is_ra_always ? DNS_RA : 0;
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

static void answer_name(struct reply *y)
{
    const struct question *q = y->q;
    if (y->world == NULL) {
        y->rcode = DNS_SERVFAIL;
        return;
    }
    if (q->type == DNS_AXFR || q->type == DNS_IXFR) {
        y->rcode = DNS_REFUSED;
        return;
    }
    uint64_t hash = hash_bytes(q->loose, q->name_len, y->reader->answers->key);
    const struct answer_node *node = table_find(&y->world->table, hash, q->loose, q->exact, q->name_len);
    if (node != NULL) {
        y->flags = DNS_AA;
        answer_node(y, node);
        return;
    }
    const struct world_domain *d = world_domain_of(y->world, q->exact, q->name_len);
    if (d == NULL) {
        refuse(y, ede_not_ours, sizeof(ede_not_ours));
        return;
    }
    y->flags = DNS_AA;
    y->rcode = DNS_NXDOMAIN;
    reply_put_negative(y, d, DNS_HEADER_LEN, q->name_len);
}

static size_t answer_query(struct reply *y)
{
    const struct question *q = y->q;
    if ((q->flags & DNS_OPCODE_MASK) != 0)
        y->rcode = DNS_NOTIMP;
    else if (q->is_malformed)
        y->rcode = DNS_FORMERR;
    else if (q->edns_version != 0)
        y->rcode = DNS_BADVERS;
    else if (y->rq->is_refused)
        refuse(y, ede_prohibited, sizeof(ede_prohibited));
    else if (q->tsig_at != 0)
        return answer_tsig(y);
    else if (q->class == DNS_IN)
        answer_name(y);
    else if (q->class == DNS_CH)
        answer_chaos(y);
    else
        y->rcode = DNS_REFUSED;
    return reply_finish(y);
}

static void count_reply(const struct reply *y)
{
    struct answer_counters *c = &y->reader->counters;
    switch (y->rcode) {
    case DNS_NOERROR:
        count(y->n_answers > 0 || (y->flags & DNS_TC) != 0 ? &c->noerror : &c->nodata);
        break;
    case DNS_NXDOMAIN:
        count(&c->nxdomain);
        break;
    case DNS_REFUSED:
    case DNS_NOTAUTH:
        count(&c->refused);
        break;
    case DNS_FORMERR:
        count(&c->formerr);
        break;
    case DNS_NOTIMP:
        count(&c->notimp);
        break;
    case DNS_BADVERS:
        count(&c->badvers);
        break;
    default:
        break;
    }
    if ((y->flags & DNS_TC) != 0)
        count(&c->truncated);
    if (y->rq->is_tcp)
        count(&c->tcp);
}

size_t answer_packet(struct answer_reader *r, const struct answer_request *rq, uint8_t *packet, size_t len, size_t cap)
{
    count(&r->counters.queries);
    if (len < DNS_HEADER_LEN || (packet[2] & (DNS_QR >> 8)) != 0) {
        count(&r->counters.dropped);
        return 0;
    }
    struct question q;
    question_read(&q, packet, len);
    uint64_t lag_ms = atomic_load_explicit(&r->answers->lease_lag_ms, memory_order_relaxed);
    struct reply y = {
        .reader = r,
        .rq = rq,
        .world = atomic_load_explicit(&r->answers->world, memory_order_acquire),
        .q = &q,
        .lease_ms = rq->now_ms > lag_ms ? rq->now_ms - lag_ms : 0,
        .packet = packet,
    };
    reply_begin(&y, cap);
    size_t n = answer_query(&y);
    count_reply(&y);
    return n;
}
