/* The oracle's second half: which order the judged answer took and whether it may, and an encoder that writes the
 * packet record by record; see reference.h. */
#include "reference_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

static char complaint[512];

static const char *wrong(const char *fmt, ...) PRINTF_LIKE(1, 2);
static const char *wrong(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(complaint, sizeof(complaint), fmt, ap);
    va_end(ap);
    return complaint;
}

/* ── the order that the judged answer took ── */

static bool is_rotation(const size_t *order, size_t n, size_t first, size_t group)
{
    for (size_t i = 1; i < n; i++)
        if (order[i] != first + (order[0] - first + i) % group)
            return false;
    return true;
}

static const char *check_order(const struct ref_world *w, const struct ref_set *set, uint16_t type, const size_t *order,
                               size_t n)
{
    bool weights_differ = false;
    for (size_t i = 0; i < n; i++) {
        weights_differ |= set->rrs[order[i]].weight != set->rrs[0].weight;
        for (size_t k = 0; k < i; k++)
            if (order[k] == order[i])
                return wrong("a record comes twice");
    }
    for (size_t i = 0; i < set->n; i++)
        weights_differ |= set->rrs[i].weight != set->rrs[0].weight;
    if (!set->is_dynamic)
        return is_rotation(order, n, 0, set->n) && (set->is_rotated || n == 0 || order[0] == 0) ? NULL
                                                                                                : wrong("static order");
    for (size_t at = 0; at < n;) {
        size_t first = order[at], end = 0, count = at;
        while (first > 0 && set->rrs[first - 1].priority == set->rrs[order[at]].priority)
            first--;
        for (end = first; end < set->n && set->rrs[end].priority == set->rrs[first].priority; end++)
            ;
        while (count < n && set->rrs[order[count]].priority == set->rrs[first].priority)
            count++;
        if (type != T_SRV)
            first = 0, end = set->n, count = n;
        else if (first != at)
            return wrong("priorities are out of order");
        bool is_free = type != T_SRV && (w->policy.order == REF_RANDOM || (weights_differ && set->n_wanted < set->n));
        if (w->policy.order == REF_FIXED && order[at] != first)
            return wrong("fixed order begins elsewhere");
        if ((!is_free || w->policy.order == REF_FIXED) && !is_rotation(order + at, count - at, first, end - first))
            return wrong("not a rotation");
        at = count;
    }
    return NULL;
}

/* Reads `n` records with pointer owners and matches them with the set. */
static const char *read_order(const struct ref_set *set, const uint8_t *answer, size_t at, size_t len, size_t n,
                              size_t *order, uint32_t *ttl_s)
{
    for (size_t i = 0; i < n; i++) {
        if (at + 12 > len || at + 12 + ref_get16(answer + at + 10) > len)
            return wrong("answer section ends early");
        size_t rdlen = ref_get16(answer + at + 10), k = 0;
        while (k < set->n && !(set->rrs[k].len == rdlen && memcmp(set->rrs[k].rdata, answer + at + 12, rdlen) == 0))
            k++;
        if (k == set->n)
            return wrong("answer %zu is none of the %zu records", i, set->n);
        order[i] = k;
        *ttl_s = ref_get32(answer + at + 6);
        at += 12 + rdlen;
    }
    return NULL;
}

/* ── the encoder ── */

struct out {
    uint8_t bytes[70000];
    size_t len, end, limit;
    unsigned an, ns, ar;
    bool tc;
};

static bool put_rr(struct out *o, const uint8_t *owner, size_t owner_len, uint16_t type, uint32_t ttl_s,
                   const uint8_t *rdata, size_t len)
{
    if (o->len + owner_len + 10 + len > o->end)
        return false;
    memcpy(o->bytes + o->len, owner, owner_len);
    uint8_t *p = o->bytes + o->len + owner_len;
    ref_put16(p, type);
    ref_put16(p + 2, 1);
    ref_put32(p + 4, ttl_s);
    ref_put16(p + 8, (unsigned)len);
    memcpy(p + 10, rdata, len);
    o->len += owner_len + 10 + len;
    return true;
}

static size_t owner_of(uint8_t out[NAME_CAP], const uint8_t *packet, size_t at)
{
    if (at <= 0x3fff) {
        ref_put16(out, 0xc000 | (unsigned)at);
        return 2;
    }
    char text[NAME_CAP];
    ref_get_name(packet + at, text);
    return ref_put_name(out, text);
}

static void put_extras(struct out *o, const struct ref_set *set, const size_t *order, const size_t *at, size_t n,
                       uint32_t ttl_s)
{
    for (size_t i = 0; i < n; i++) {
        const struct ref_rr *rr = &set->rrs[order[i]];
        size_t len_before = o->len;
        unsigned ar_before = o->ar;
        uint8_t owner[NAME_CAP];
        size_t owner_len = rr->n_extras > 0 ? owner_of(owner, o->bytes, at[i] + 12 + rr->target_at) : 0;
        for (size_t k = 0; k < rr->n_extras; k++) {
            uint32_t extra_ttl = set->is_dynamic ? ttl_s : rr->extras[k].ttl_s;
            if (!put_rr(o, owner, owner_len, rr->extras[k].type, extra_ttl, rr->extras[k].data, rr->extras[k].len)) {
                o->len = len_before; /* all of a target or none, and none after it */
                o->ar = ar_before;
                return;
            }
            o->ar++;
        }
    }
}

/* The record that would have come next after a cut, or the longest of those that could. */
static size_t next_record(const struct ref_set *set, const size_t *order, size_t n)
{
    size_t first = 0, longest = 0;
    if (n > 0) {
        size_t last = order[n - 1], start = n - 1, end = last;
        while (end < set->n && set->rrs[end].priority == set->rrs[last].priority)
            end++;
        while (start > 0 && set->rrs[order[start - 1]].priority == set->rrs[last].priority)
            start--;
        for (first = last; first > 0 && set->rrs[first - 1].priority == set->rrs[last].priority; first--)
            ;
        if (n - start < end - first)
            return last + 1 < end ? last + 1 : first;
        first = end;
    }
    for (size_t k = longest = first; k < set->n && set->rrs[k].priority == set->rrs[first].priority; k++)
        longest = set->rrs[k].len > set->rrs[longest].len ? k : longest;
    return longest;
}

/* Writes the `n` records that the judged answer has, and checks that a cut was due where it made one. */
static const char *put_set(struct out *o, const struct ref_set *set, uint16_t type, const size_t *order, size_t n,
                           size_t name_at, uint32_t ttl_s, bool is_tcp)
{
    static size_t at[RRS_MAX];
    uint8_t owner[2];
    ref_put16(owner, 0xc000 | (unsigned)name_at);
    for (size_t i = 0; i < n; i++) {
        const struct ref_rr *rr = &set->rrs[order[i]];
        at[i] = o->len;
        if (!put_rr(o, owner, 2, type, ttl_s, rr->rdata, rr->len))
            return wrong("answer %zu passes the limit", i);
        o->an++;
    }
    if (n < set->n_wanted) {
        if (o->len + 12 + set->rrs[next_record(set, order, n)].len <= o->end)
            return wrong("cut after %zu of %zu though the next one fits", n, set->n_wanted);
        o->tc |= !is_tcp;
        return NULL;
    }
    put_extras(o, set, order, at, n, ttl_s);
    return NULL;
}

static void put_soa(struct out *o, const struct ref_world *w, const char *domain, size_t name_at, size_t name_len)
{
    for (size_t i = 0; i < w->n_statics; i++) {
        const struct ref_static *s = &w->statics[i];
        if (s->type != T_SOA || strcmp(s->owner, domain) != 0)
            continue;
        char mname[NAME_CAP], rname[NAME_CAP], folded[NAME_CAP];
        const char *names[2] = {mname, rname};
        size_t at = ref_get_name(s->rdata, mname);
        at += ref_get_name(s->rdata + at, rname);
        uint8_t rdata[600];
        size_t len = 0;
        unsigned apex_at = 0xc000 | (unsigned)(name_at + name_len - strlen(domain) - 2);
        for (int k = 0; k < 2; k++) {
            ref_fold(names[k], false, folded);
            len += ref_put_name(rdata + len, names[k]);
            if (ref_ends_with(folded, domain)) {
                len -= strlen(domain) + 2;
                ref_put16(rdata + len, apex_at);
                len += 2;
            }
        }
        memcpy(rdata + len, s->rdata + at, 20);
        if (ref_get32(rdata + len) == 0)
            ref_put32(rdata + len, w->serial);
        uint32_t minimum = ref_get32(rdata + len + 16), ttl_s = s->ttl_s < minimum ? s->ttl_s : minimum;
        uint8_t owner[2];
        ref_put16(owner, apex_at);
        if (put_rr(o, owner, 2, T_SOA, ttl_s < w->negative_ttl_s ? ttl_s : w->negative_ttl_s, rdata, len + 20))
            o->ns++;
        else
            o->tc = true;
    }
}

struct ref_query {
    char name[NAME_CAP];
    size_t name_len, end;
    uint16_t type, size;
    bool has_opt, is_do, has_keepalive;
};

static void read_query(const uint8_t *query, size_t len, struct ref_query *q)
{
    memset(q, 0, sizeof(*q));
    q->name_len = ref_get_name(query + 12, q->name);
    q->type = ref_get16(query + 12 + q->name_len);
    q->end = 12 + q->name_len + 4;
    q->has_opt = len > q->end;
    q->size = 512;
    if (!q->has_opt)
        return;
    const uint8_t *opt = query + q->end;
    q->size = ref_get16(opt + 3) < 512 ? 512 : ref_get16(opt + 3) > 1232 ? 1232 : ref_get16(opt + 3);
    q->is_do = (opt[7] & 0x80) != 0;
    q->has_keepalive = ref_get16(opt + 9) >= 4 && ref_get16(opt + 11) == 11;
}

static void put_opt(struct out *o, const struct ref_world *w, const struct ref_query *q, int ede, const char *text)
{
    uint8_t *opt = o->bytes + o->len;
    memset(opt, 0, 11);
    ref_put16(opt + 1, T_OPT);
    ref_put16(opt + 3, 1232);
    opt[7] = q->is_do ? 0x80 : 0;
    size_t len = 0;
    if (q->has_keepalive && w->is_tcp) {
        ref_put16(opt + 11, 11);
        ref_put16(opt + 13, 2);
        ref_put16(opt + 15, w->keepalive);
        len = 6;
    }
    if (ede >= 0 && o->len + 11 + len + 6 + strlen(text) <= o->limit) {
        ref_put16(opt + 11 + len, 15);
        ref_put16(opt + 13 + len, (unsigned)(2 + strlen(text)));
        ref_put16(opt + 15 + len, (unsigned)ede);
        memcpy(opt + 17 + len, text, strlen(text));
        len += 6 + strlen(text);
    }
    ref_put16(opt + 9, (unsigned)len);
    o->len += 11 + len;
    o->ar++;
}

static const char *compare(const struct out *o, const uint8_t *answer, size_t len)
{
    size_t n = o->len < len ? o->len : len, at = 0;
    while (at < n && o->bytes[at] == answer[at])
        at++;
    if (at == o->len && at == len)
        return NULL;
    return wrong("byte %zu of %zu is %02x, expected %02x of %zu (flags %04x/%04x, counts %u %u %u / %u %u %u)", at, len,
                 at < len ? answer[at] : 0, at < o->len ? o->bytes[at] : 0, o->len, ref_get16(answer + 2),
                 ref_get16(o->bytes + 2), ref_get16(answer + 6), ref_get16(answer + 8), ref_get16(answer + 10), o->an,
                 o->ns, o->ar);
}

/* Places what `name` has and says where the chain goes on: false, or true with the next name in `set`. */
struct judgement {
    const struct ref_world *w;
    const struct ref_query *q;
    const uint8_t *answer;
    size_t answer_len;
    struct out *o;
    int ede;
    char ede_text[64];
    unsigned rcode;
};

static const char *judge_set(struct judgement *j, struct ref_set *set, size_t name_at)
{
    static size_t order[RRS_MAX];
    uint32_t ttl_s = set->ttl_s;
    size_t n = set->has_cname ? 1 : ref_get16(j->answer + 6) > j->o->an ? ref_get16(j->answer + 6) - j->o->an : 0;
    if (n > set->n_wanted)
        return wrong("%zu answers, %zu are wanted", n, set->n_wanted);
    const char *bad = read_order(set, j->answer, j->o->len, j->answer_len, n, order, &ttl_s);
    uint16_t type = set->has_cname ? T_CNAME : j->q->type;
    if (bad == NULL)
        bad = check_order(j->w, set, type, order, n);
    if (bad != NULL)
        return bad;
    if (set->is_dynamic && set->end_ms != UINT64_MAX) {
        uint64_t left_s = set->end_ms > j->w->now_ms ? (set->end_ms - j->w->now_ms) / 1000 : 0;
        uint32_t longest = left_s < 1 ? 1 : left_s < set->ttl_s ? (uint32_t)left_s : set->ttl_s;
        if (n > 0 && (ttl_s > longest || ttl_s < 1 || (j->w->is_ttl_exact && ttl_s != longest)))
            return wrong("TTL %u, may be %u", ttl_s, longest);
    } else {
        ttl_s = set->ttl_s;
    }
    return put_set(j->o, set, type, order, n, name_at, ttl_s, j->w->is_tcp);
}

static const char *judge_name(struct judgement *j, struct ref_set *set)
{
    char name[NAME_CAP], exact[NAME_CAP];
    memcpy(name, j->q->name, sizeof(name));
    size_t name_at = 12;
    for (int links = 0;; links++) {
        ref_fold(name, false, exact);
        const char *domain = ref_domain_of(j->w, exact);
        if (domain == NULL)
            return NULL;
        ref_find(j->w, domain, name, j->q->type, set);
        if (links == LINKS_MAX && set->has_cname)
            return NULL;
        if (set->n > 0) {
            size_t at = j->o->len;
            const char *bad = judge_set(j, set, name_at);
            if (bad != NULL || !set->has_cname || j->q->type == T_ANY)
                return bad;
            name_at = at + 12;
            memcpy(name, set->target, sizeof(name));
            continue;
        }
        if (j->q->type == T_ANY && set->is_any) {
            static const uint8_t hinfo[] = "\7RFC8482";
            uint8_t owner[2];
            ref_put16(owner, 0xc000 | (unsigned)name_at);
            j->o->an += put_rr(j->o, owner, 2, T_HINFO, 3600, hinfo, sizeof(hinfo));
            return NULL;
        }
        j->rcode = set->name_exists ? 0 : 3;
        j->ede = set->ede;
        snprintf(j->ede_text, sizeof(j->ede_text), "%s", set->ede_text);
        put_soa(j->o, j->w, domain, name_at, strlen(name) + 2);
        return NULL;
    }
}

const char *reference_judge(const struct ref_world *w, const uint8_t *query, size_t query_len, const uint8_t *answer,
                            size_t answer_len)
{
    static struct out o;
    static struct ref_rr rrs[RRS_MAX + 1];
    struct ref_query q;
    read_query(query, query_len, &q);
    memset(&o, 0, offsetof(struct out, len));
    o = (struct out){.len = q.end, .limit = w->is_tcp ? 65535 : q.size};
    memcpy(o.bytes, query, q.end);
    o.end = o.limit - (q.has_opt ? 11 + (q.has_keepalive && w->is_tcp ? 6 : 0) : 0);
    struct judgement j = {.w = w, .q = &q, .answer = answer, .answer_len = answer_len, .o = &o, .ede = -1};
    struct ref_set set = {.rrs = rrs};
    char exact[NAME_CAP];
    ref_fold(q.name, false, exact);
    bool is_ours = ref_domain_of(w, exact) != NULL;
    if (!is_ours) {
        j.rcode = 5;
        j.ede = 20;
    } else {
        const char *bad = judge_name(&j, &set);
        if (bad != NULL)
            return bad;
    }
    if (q.has_opt)
        put_opt(&o, w, &q, j.ede, j.ede_text);
    uint16_t flags = ref_get16(query + 2);
    ref_put16(o.bytes + 2, 0x8000 | (flags & 0x0110) | (is_ours ? 0x0400 : 0) | (o.tc ? 0x0200 : 0) | j.rcode);
    ref_put16(o.bytes + 6, o.an);
    ref_put16(o.bytes + 8, o.ns);
    ref_put16(o.bytes + 10, o.ar);
    return compare(&o, answer, answer_len);
}
