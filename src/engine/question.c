/* Reading a query. The common one (one question, no other record or a plain OPT of eleven bytes) is matched first and
 * costs a walk over the labels and a fold of sixteen bytes at a time; everything else takes the general walk over all
 * records.
 *
 * The packet is foreign: every read that counts is bounded by its length, names may not hold pointers in the question,
 * and records are skipped without following pointers, so the walk ends with the packet at the latest. What cannot be
 * read makes the query malformed; what could be read before (flags, question) stays, for the echo. */
#include "engine/question.h"

#include <string.h>

#include "base/hash.h"
#include "dns/name.h"
#include "dns/wire.h"

#define UNDERSCORE  0x5f
#define TO_HYPHEN   0x72 /* '_' ^ '-' */
#define LABEL_LIMIT 128  /* labels of a name at most: 255 / 2 */

#define QUESTION_FIXED 5                   /* the root, type, class */
#define ONE_QUESTION   (UINT64_C(1) << 48) /* the header's four counts as one number */

/* ── folding: length octets are below 64, so they are neither letters nor '_' and whole blocks can be folded ── */

typedef uint8_t block __attribute__((vector_size(HASH_BLOCK)));

_Static_assert((DNS_NAME_MAX + 1) % sizeof(block) == 0, "a name fits in whole blocks");

static block block_load(const uint8_t *at)
{
    block b;
    memcpy(&b, at, sizeof(b));
    return b;
}

static void block_store(uint8_t *at, block b)
{
    memcpy(at, &b, sizeof(b));
}

static block fold_case(block b)
{
    block is_upper = (block)(b - 'A' <= 'Z' - 'A');
    return b | (is_upper & 0x20);
}

static block hyphenate(block b)
{
    block is_underscore = (block)(b == UNDERSCORE);
    return b ^ (is_underscore & TO_HYPHEN);
}

/* The first `n` bytes of a block, 1 to all of them; zeros for the others. */
static block block_head(block b, size_t n)
{
    static const uint8_t mask[2 * HASH_BLOCK] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    };
    return b & block_load(mask + HASH_BLOCK - n);
}

static inline void fold_block(struct question *q, size_t at, block b)
{
    block exact = fold_case(b);
    block_store(q->exact + at, exact);
    block_store(q->loose + at, hyphenate(exact));
}

/* Whole blocks are read: what lies behind the name, in the packet or behind it, is masked. */
static inline void fold(struct question *q, const uint8_t *name, size_t len, size_t cap)
{
    q->name_len = (uint8_t)len;
    if (cap < (len + HASH_BLOCK - 1) / HASH_BLOCK * HASH_BLOCK) {
        memcpy(q->exact, name, len);
        name = q->exact;
    }
    size_t at = 0;
    for (; at + HASH_BLOCK < len; at += HASH_BLOCK)
        fold_block(q, at, block_load(name + at));
    fold_block(q, at, block_head(block_load(name + at), len - at));
}

/* A label that begins with '_' keeps it. */
__attribute__((noinline)) static void keep_leading(struct question *q)
{
    for (size_t at = 0; q->exact[at] != 0; at += (size_t)q->exact[at] + 1)
        if (q->exact[at + 1] == UNDERSCORE)
            q->loose[at + 1] = UNDERSCORE;
}

void question_fold(struct question *q, const uint8_t *name, size_t len, size_t cap)
{
    fold(q, name, len, cap);
    keep_leading(q);
}

/* ── the question section ── */

static bool read_question(struct question *q, const uint8_t *packet, size_t len, size_t cap)
{
    size_t at = DNS_HEADER_LEN, last = len - QUESTION_FIXED; /* where the root may stand */
    bool has_leading = false;
    for (; at <= last && packet[at] != 0; at += (size_t)packet[at] + 1) {
        if (packet[at] > DNS_LABEL_MAX)
            return false;
        has_leading |= packet[at + 1] == UNDERSCORE;
    }
    if (at > last || at - DNS_HEADER_LEN >= DNS_NAME_MAX)
        return false;
    at++;
    q->type = wire_get16(packet + at);
    q->class = wire_get16(packet + at + 2);
    q->end = (uint16_t)(at + 4);
    fold(q, packet + DNS_HEADER_LEN, at - DNS_HEADER_LEN, cap - DNS_HEADER_LEN);
    if (has_leading)
        keep_leading(q);
    return true;
}

/* ── the other records ── */

static void read_opt_fields(struct question *q, const uint8_t *class_at)
{
    q->has_opt = true;
    q->udp_size = wire_get16(class_at);
    q->edns_version = class_at[3];
    q->is_do = (wire_get16(class_at + 4) & DNS_EDNS_DO) != 0;
}

/* True if the packet's rest is an OPT without options. */
static bool read_plain_opt(struct question *q, const uint8_t *p, size_t len)
{
    if (len != DNS_OPT_LEN || p[0] != 0 || wire_get16(p + 1) != DNS_OPT || wire_get16(p + 9) != 0)
        return false;
    read_opt_fields(q, p + 3);
    return true;
}

static bool read_options(struct question *q, const uint8_t *data, size_t len)
{
    struct wire_reader r = wire_reader(data, len);
    while (r.at < r.end && !r.failed) {
        uint16_t code = wire_u16(&r);
        wire_take(&r, wire_u16(&r));
        if (code == DNS_OPTION_KEEPALIVE)
            q->has_keepalive = true;
    }
    return !r.failed;
}

/* A name in any form; the bytes after it are next. */
static void skip_name(struct wire_reader *r)
{
    for (int labels = 0; labels < LABEL_LIMIT; labels++) {
        uint8_t n = wire_u8(r);
        if (n == 0)
            return; /* the root, or past the end */
        if (n >= 0xc0) {
            wire_u8(r);
            return;
        }
        if (n > DNS_LABEL_MAX)
            break;
        wire_take(r, n);
    }
    r->failed = true;
}

/* RFC 8945 section 4.2; names may not be compressed here, so that they can be given back as they are. */
static bool tsig_is_sound(const uint8_t *record, size_t owner_len, const uint8_t *rdata, size_t rdlen)
{
    size_t algorithm = dns_name_len(rdata, rdlen);
    if (algorithm == 0 || dns_name_len(record, owner_len) != owner_len)
        return false;
    struct wire_reader r = wire_reader(rdata + algorithm, rdlen - algorithm);
    wire_take(&r, 8); /* time, fudge */
    wire_take(&r, wire_u16(&r));
    wire_take(&r, 4); /* original id, error */
    wire_take(&r, wire_u16(&r));
    return !r.failed && r.at == r.end;
}

struct section {
    bool is_additional, is_last; /* is_last: the packet's last record */
};

static bool read_record(struct question *q, const uint8_t *packet, struct wire_reader *r, struct section where)
{
    const uint8_t *record = r->at;
    skip_name(r);
    size_t owner_len = (size_t)(r->at - record);
    const uint8_t *fixed = wire_take(r, DNS_RR_FIXED);
    if (fixed == NULL)
        return false;
    uint16_t rdlen = wire_get16(fixed + 8);
    const uint8_t *rdata = wire_take(r, rdlen);
    if (rdata == NULL)
        return false;
    switch (wire_get16(fixed)) {
    case DNS_OPT: /* RFC 6891 section 6.1.1 */
        if (!where.is_additional || q->has_opt || owner_len != 1)
            return false;
        read_opt_fields(q, fixed + 2);
        return read_options(q, rdata, rdlen);
    case DNS_TSIG:
        if (!where.is_additional || !where.is_last || !tsig_is_sound(record, owner_len, rdata, rdlen))
            return false;
        q->tsig_at = (uint16_t)(record - packet);
        q->tsig_len = (uint16_t)(r->at - record);
        return true;
    default:
        return true;
    }
}

static bool read_records(struct question *q, const uint8_t *packet, size_t len)
{
    uint32_t n_before = (uint32_t)wire_get16(packet + 6) + wire_get16(packet + 8);
    uint32_t n = n_before + wire_get16(packet + 10);
    struct wire_reader r = wire_reader(packet + q->end, len - q->end);
    for (uint32_t i = 0; i < n; i++) {
        struct section where = {.is_additional = i >= n_before, .is_last = i + 1 == n};
        if (!read_record(q, packet, &r, where)) {
            q->has_opt = q->has_keepalive = false; /* nothing of a malformed EDNS is believed */
            q->udp_size = 0;
            q->tsig_at = 0;
            return false;
        }
    }
    return r.at == r.end;
}

void question_read(struct question *q, const uint8_t *packet, size_t len, size_t cap)
{
    q->flags = wire_get16(packet + 2);
    q->end = q->tsig_at = q->tsig_len = 0;
    q->type = q->class = 0;
    q->udp_size = 0;
    q->edns_version = 0;
    q->has_opt = q->is_do = q->has_keepalive = q->is_malformed = false;
    uint64_t counts = wire_get64(packet + 4);
    /* QDCOUNT: RFC 9619. */
    if (counts >> 48 != 1 || len > DNS_TCP_MAX || !read_question(q, packet, len, cap)) {
        q->is_malformed = true;
        return;
    }
    if (counts == ONE_QUESTION && len == q->end)
        return;
    if (counts == ONE_QUESTION + 1 && read_plain_opt(q, packet + q->end, len - q->end))
        return;
    q->is_malformed = !read_records(q, packet, len);
}
