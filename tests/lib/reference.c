/* The oracle; see reference.h. Three parts: which records a name has (brute force over all instances), which order the judged
 * answer took and whether it may, and an encoder that writes the packet record by record. */
#include "reference.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T_A = 1, T_NS = 2, T_CNAME = 5, T_SOA = 6, T_HINFO = 13, T_MX = 15, T_TXT = 16, T_AAAA = 28, T_SRV = 33,
       T_OPT = 41, T_ANY = 255 };

#define NAME_CAP  300
#define RRS_MAX   6000
#define LINKS_MAX 8

struct ref_rr {
    uint8_t rdata[600];
    size_t len;
    uint32_t weight;
    uint16_t priority;
    size_t target_at; /* in rdata, of the name that the extras belong to; 0 with no extras */
    struct {
        uint16_t type;
        uint32_t ttl_s;
        uint8_t data[16];
        size_t len;
    } extras[8];
    size_t n_extras;
};

/* What a name has of one type, or why not. */
struct ref_set {
    bool name_exists, is_dynamic, is_rotated;
    struct ref_rr *rrs;
    size_t n, n_wanted;
    uint32_t ttl_s;
    uint64_t end_ms;
    bool has_cname;
    char target[NAME_CAP];
    char ede_text[64];
    int ede; /* -1: none */
    bool is_any;
};

static char complaint[512];

static const char *wrong(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(complaint, sizeof(complaint), fmt, ap);
    va_end(ap);
    return complaint;
}

/* ── names as text ── */

static void fold(const char *in, bool loose, char out[NAME_CAP])
{
    size_t i = 0;
    for (; in[i] != '\0'; i++) {
        char c = (char)tolower((unsigned char)in[i]);
        bool leads = i == 0 || in[i - 1] == '.';
        out[i] = loose && c == '_' && !leads ? '-' : c;
    }
    out[i] = '\0';
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0 && (n == m || name[n - m - 1] == '.');
}

static const char *domain_of(const struct ref_world *w, const char *exact)
{
    for (size_t i = 0; w->domains[i] != NULL; i++)
        if (ends_with(exact, w->domains[i]))
            return w->domains[i];
    return NULL;
}

static size_t put_name(uint8_t *out, const char *name)
{
    size_t at = 0;
    while (*name != '\0') {
        size_t n = strcspn(name, ".");
        out[at++] = (uint8_t)n;
        memcpy(out + at, name, n);
        at += n;
        name += n + (name[n] == '.');
    }
    out[at++] = 0;
    return at;
}

static size_t get_name(const uint8_t *wire, char *out)
{
    size_t at = 0, n = 0;
    while (wire[at] != 0) {
        memcpy(out + n, wire + at + 1, wire[at]);
        n += wire[at];
        out[n++] = '.';
        at += (size_t)wire[at] + 1;
    }
    out[n > 0 ? n - 1 : 0] = '\0';
    return at + 1;
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

/* ── which names there are ── */

enum form { F_SERVICE, F_ID, F_TAG, F_ALIAS, F_TAG_ALIAS, F_PORT, F_END };

/* Loosely below the domain, which compares exactly. */
static bool fold_below(const char *text, const char *domain, char out[NAME_CAP])
{
    fold(text, true, out);
    memcpy(out + strlen(out) - strlen(domain), domain, strlen(domain));
    return true;
}

/* The name that an instance gives rise to, folded; false if there is none of that form and index. */
static bool instance_name(const struct ref_instance *i, enum form form, int k, const char *domain, char out[NAME_CAP])
{
    char text[4 * NAME_CAP];
    switch (form) {
    case F_SERVICE:
        snprintf(text, sizeof(text), "%s.%s", i->service, domain);
        return k == 0 && fold_below(text, domain, out);
    case F_ID:
        snprintf(text, sizeof(text), "%s.%s.%s", i->id, i->service, domain);
        return k == 0 && fold_below(text, domain, out);
    case F_TAG:
        if (k >= REF_TAGS || i->tags[k][0] == '\0')
            return false;
        snprintf(text, sizeof(text), "%s.%s.%s", i->tags[k], i->service, domain);
        break;
    case F_ALIAS:
        if (k > 1)
            return false;
        snprintf(text, sizeof(text), "_%s.%s.%s", i->service, k == 0 ? "_tcp" : "_udp", domain);
        break;
    case F_TAG_ALIAS:
        if (k >= REF_TAGS || i->tags[k][0] == '\0')
            return false;
        snprintf(text, sizeof(text), "_%s._%s.%s", i->service, i->tags[k], domain);
        break;
    case F_PORT:
        if (k >= REF_PORTS || i->ports[k].name[0] == '\0')
            return false;
        snprintf(text, sizeof(text), "_%s.%s.%s.%s", i->ports[k].name, i->ports[k].is_udp ? "_udp" : "_tcp", i->service,
                 domain);
        break;
    case F_END:
        return false;
    }
    return fold_below(text, domain, out);
}

static bool has_static(const struct ref_world *w, const char *name, bool loose)
{
    char a[NAME_CAP], b[NAME_CAP];
    fold(name, loose, a);
    for (size_t i = 0; i < w->n_statics; i++) {
        fold(w->statics[i].owner, loose, b);
        if (strcmp(a, b) == 0)
            return true;
    }
    return false;
}

/* Is somebody served among those of the same name? */
static bool form_is_served(const struct ref_world *w, enum form form, const char *domain, const char *name)
{
    char other[NAME_CAP];
    for (size_t i = 0; i < w->n_instances; i++)
        for (int k = 0; w->instances[i].is_served && instance_name(&w->instances[i], form, k, domain, other); k++)
            if (strcmp(other, name) == 0)
                return true;
    return false;
}

/* Does any name at or below this one have records? `loose` and `exact` are the question's name folded. */
static bool something_below(const struct ref_world *w, const char *domain, const char *loose, const char *exact,
                            bool or_equal)
{
    char name[NAME_CAP];
    for (size_t s = 0; s < w->n_statics; s++)
        if (ends_with(w->statics[s].owner, exact) && (or_equal || strcmp(w->statics[s].owner, exact) != 0))
            return true;
    for (size_t i = 0; i < w->n_instances; i++) {
        for (int form = F_SERVICE; form < F_END; form++) {
            for (int k = 0; instance_name(&w->instances[i], form, k, domain, name); k++) {
                if (!ends_with(name, loose) || (!or_equal && strcmp(name, loose) == 0) || has_static(w, name, true))
                    continue;
                bool vanishes = form != F_ID && w->policy.on_empty == REF_NXDOMAIN && !form_is_served(w, form, domain, name);
                if (!vanishes)
                    return true;
            }
        }
    }
    return false;
}

/* ── which records ── */

static struct ref_rr *new_rr(struct ref_set *set)
{
    struct ref_rr *rr = &set->rrs[set->n++];
    if (set->n > RRS_MAX)
        abort();
    memset(rr, 0, offsetof(struct ref_rr, extras));
    rr->n_extras = 0;
    rr->weight = 1;
    return rr;
}

static void add_extra(struct ref_rr *rr, uint16_t type, uint32_t ttl_s, const uint8_t *data, size_t len)
{
    rr->extras[rr->n_extras].type = type;
    rr->extras[rr->n_extras].ttl_s = ttl_s;
    memcpy(rr->extras[rr->n_extras].data, data, len);
    rr->extras[rr->n_extras++].len = len;
}

static void add_address(struct ref_set *set, const uint8_t *address, size_t len, uint16_t weight)
{
    for (size_t i = 0; i < set->n; i++) {
        if (memcmp(set->rrs[i].rdata, address, len) == 0) {
            set->rrs[i].weight += weight;
            return;
        }
    }
    struct ref_rr *rr = new_rr(set);
    memcpy(rr->rdata, address, len);
    rr->len = len;
    rr->weight = weight;
}

static void add_srv(struct ref_set *set, const struct ref_instance *i, uint16_t port, const char *domain)
{
    char target[4 * NAME_CAP];
    snprintf(target, sizeof(target), "%s.%s.%s", i->id, i->service, domain);
    struct ref_rr *rr = new_rr(set);
    put16(rr->rdata, i->priority);
    put16(rr->rdata + 2, i->weight);
    put16(rr->rdata + 4, port);
    rr->target_at = 6;
    rr->len = 6 + put_name(rr->rdata + 6, target);
    rr->priority = i->priority;
    rr->weight = i->weight;
    if (i->has_v4)
        add_extra(rr, T_A, set->ttl_s, i->v4, 4);
    if (i->has_v6)
        add_extra(rr, T_AAAA, set->ttl_s, i->v6, 16);
}

static void add_txt(struct ref_set *set, const struct ref_instance *i)
{
    struct ref_rr *rr = new_rr(set);
    for (size_t k = 0; k < REF_META && i->meta[k][0] != '\0'; k++) {
        rr->rdata[rr->len++] = (uint8_t)strlen(i->meta[k]);
        memcpy(rr->rdata + rr->len, i->meta[k], strlen(i->meta[k]));
        rr->len += strlen(i->meta[k]);
    }
    if (rr->len == 0)
        rr->rdata[rr->len++] = 0;
}

static void add_member(struct ref_set *set, const struct ref_instance *i, enum form form, int k, uint16_t type,
                       const char *domain)
{
    set->end_ms = i->end_ms < set->end_ms ? i->end_ms : set->end_ms;
    bool srv_only = form == F_ALIAS || form == F_TAG_ALIAS || form == F_PORT;
    if (type == T_SRV)
        add_srv(set, i, form == F_PORT ? i->ports[k].number : i->port, domain);
    else if (type == T_A && i->has_v4 && !srv_only)
        add_address(set, i->v4, 4, i->weight);
    else if (type == T_AAAA && i->has_v6 && !srv_only)
        add_address(set, i->v6, 16, i->weight);
    else if (type == T_TXT && form == F_ID)
        add_txt(set, i);
    set->is_any = true;
}

static int by_priority(const void *a, const void *b)
{
    const struct ref_rr *x = a, *y = b;
    return x->priority < y->priority ? -1 : x->priority > y->priority;
}

static bool find_form(const struct ref_world *w, enum form form, const char *domain, const char *loose, uint16_t type,
                      struct ref_set *set)
{
    unsigned n = 0, served = 0, starting = 0;
    char name[NAME_CAP];
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < w->n_instances; i++) {
            const struct ref_instance *at = &w->instances[i];
            for (int k = 0; instance_name(at, form, k, domain, name); k++) {
                if (strcmp(name, loose) != 0)
                    continue;
                bool is_in = form == F_ID || at->is_served || (w->policy.on_empty == REF_ALL && served == 0);
                if (pass == 0) {
                    n++;
                    served += at->is_served;
                    starting += at->is_starting;
                } else if (is_in) {
                    add_member(set, at, form, k, type, domain);
                }
                break;
            }
        }
    }
    if (n == 0)
        return false;
    set->is_dynamic = set->name_exists = true;
    bool is_address = type == T_A || type == T_AAAA;
    if (type == T_SRV && set->n > 1)
        qsort(set->rrs, set->n, sizeof(set->rrs[0]), by_priority); /* merge sort in glibc: stable */
    set->n_wanted = is_address && form != F_ID && w->policy.max_answers != 0 && w->policy.max_answers < set->n
                        ? w->policy.max_answers
                        : set->n;
    if (form != F_ID && served == 0 && w->policy.on_empty != REF_ALL) {
        set->ede = starting == n ? 14 : 0;
        snprintf(set->ede_text, sizeof(set->ede_text), starting == n ? "%u starting" : "%u registered, 0 served", n);
    }
    return true;
}

static void add_static_extras(const struct ref_world *w, struct ref_set *set, struct ref_rr *rr, size_t target_at)
{
    char target[NAME_CAP], folded[NAME_CAP], other[NAME_CAP];
    get_name(rr->rdata + target_at, target);
    fold(target, false, folded);
    for (size_t i = 0; i + 1 < set->n; i++) {
        get_name(set->rrs[i].rdata + target_at, other);
        fold(other, false, other);
        if (strcmp(other, folded) == 0)
            return; /* with the first record of that target */
    }
    rr->target_at = target_at;
    for (uint16_t type = T_A; type <= T_AAAA; type += T_AAAA - T_A)
        for (size_t i = 0; i < w->n_statics; i++)
            if (w->statics[i].type == type && strcmp(w->statics[i].owner, folded) == 0)
                add_extra(rr, type, w->statics[i].ttl_s, w->statics[i].rdata, w->statics[i].len);
}

static void find_static(const struct ref_world *w, const char *exact, uint16_t type, struct ref_set *set)
{
    set->name_exists = true;
    for (size_t i = 0; i < w->n_statics; i++) {
        const struct ref_static *s = &w->statics[i];
        if (strcmp(s->owner, exact) != 0)
            continue;
        set->is_any = true;
        if (s->type == T_CNAME && type != T_CNAME && type != T_ANY) {
            set->has_cname = true;
            get_name(s->rdata, set->target);
        } else if (s->type != type) {
            continue;
        }
        struct ref_rr *rr = new_rr(set);
        memcpy(rr->rdata, s->rdata, s->len);
        rr->len = s->len;
        set->ttl_s = s->ttl_s;
        if (s->type == T_SRV || s->type == T_MX || s->type == T_NS)
            add_static_extras(w, set, rr, s->type == T_SRV ? 6 : s->type == T_MX ? 2 : 0);
        if (s->type == T_SOA && get32(rr->rdata + rr->len - 20) == 0)
            put32(rr->rdata + rr->len - 20, w->serial);
    }
    set->n_wanted = set->n;
    set->is_rotated = type == T_A || type == T_AAAA || type == T_NS;
}

static void find(const struct ref_world *w, const char *domain, const char *name, uint16_t type, struct ref_set *set)
{
    struct ref_rr *rrs = set->rrs;
    *set = (struct ref_set){.rrs = rrs, .ede = -1, .end_ms = UINT64_MAX, .ttl_s = w->policy.ttl_s};
    char exact[NAME_CAP], loose[NAME_CAP];
    fold(name, false, exact);
    size_t labels = strlen(exact) - strlen(domain);
    fold(name, true, loose);
    memcpy(loose + labels, domain, strlen(domain)); /* a domain compares exactly */
    if (has_static(w, exact, false)) {
        find_static(w, exact, type, set);
        return;
    }
    if (!has_static(w, loose, true)) {
        if (find_form(w, F_ID, domain, loose, type, set))
            return;
        for (int form = F_SERVICE; form < F_END; form++) {
            if (form == F_ID || !find_form(w, form, domain, loose, type, set))
                continue;
            bool is_nobody = set->ede >= 0 && w->policy.on_empty == REF_NXDOMAIN;
            bool is_plain = form == F_SERVICE || form == F_TAG;
            if (is_nobody && !something_below(w, domain, loose, exact, false))
                set->name_exists = false;
            if (is_nobody && !is_plain)
                set->ede = -1;
            return;
        }
    }
    set->name_exists = something_below(w, domain, loose, exact, true);
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
static const char *read_order(const struct ref_set *set, const uint8_t *answer, size_t at, size_t len, size_t n, size_t *order,
                              uint32_t *ttl_s)
{
    for (size_t i = 0; i < n; i++) {
        if (at + 12 > len || at + 12 + get16(answer + at + 10) > len)
            return wrong("answer section ends early");
        size_t rdlen = get16(answer + at + 10), k = 0;
        while (k < set->n && !(set->rrs[k].len == rdlen && memcmp(set->rrs[k].rdata, answer + at + 12, rdlen) == 0))
            k++;
        if (k == set->n)
            return wrong("answer %zu is none of the %zu records", i, set->n);
        order[i] = k;
        *ttl_s = get32(answer + at + 6);
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
    put16(p, type);
    put16(p + 2, 1);
    put32(p + 4, ttl_s);
    put16(p + 8, (unsigned)len);
    memcpy(p + 10, rdata, len);
    o->len += owner_len + 10 + len;
    return true;
}

static size_t owner_of(uint8_t out[NAME_CAP], const uint8_t *packet, size_t at)
{
    if (at <= 0x3fff) {
        put16(out, 0xc000 | (unsigned)at);
        return 2;
    }
    char text[NAME_CAP];
    get_name(packet + at, text);
    return put_name(out, text);
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
    put16(owner, 0xc000 | (unsigned)name_at);
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
        size_t at = get_name(s->rdata, mname);
        at += get_name(s->rdata + at, rname);
        uint8_t rdata[600];
        size_t len = 0;
        unsigned apex_at = 0xc000 | (unsigned)(name_at + name_len - strlen(domain) - 2);
        for (int k = 0; k < 2; k++) {
            fold(names[k], false, folded);
            len += put_name(rdata + len, names[k]);
            if (ends_with(folded, domain)) {
                len -= strlen(domain) + 2;
                put16(rdata + len, apex_at);
                len += 2;
            }
        }
        memcpy(rdata + len, s->rdata + at, 20);
        if (get32(rdata + len) == 0)
            put32(rdata + len, w->serial);
        uint32_t minimum = get32(rdata + len + 16), ttl_s = s->ttl_s < minimum ? s->ttl_s : minimum;
        uint8_t owner[2];
        put16(owner, apex_at);
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
    q->name_len = get_name(query + 12, q->name);
    q->type = get16(query + 12 + q->name_len);
    q->end = 12 + q->name_len + 4;
    q->has_opt = len > q->end;
    q->size = 512;
    if (!q->has_opt)
        return;
    const uint8_t *opt = query + q->end;
    q->size = get16(opt + 3) < 512 ? 512 : get16(opt + 3) > 1232 ? 1232 : get16(opt + 3);
    q->is_do = (opt[7] & 0x80) != 0;
    q->has_keepalive = get16(opt + 9) >= 4 && get16(opt + 11) == 11;
}

static void put_opt(struct out *o, const struct ref_world *w, const struct ref_query *q, int ede, const char *text)
{
    uint8_t *opt = o->bytes + o->len;
    memset(opt, 0, 11);
    put16(opt + 1, T_OPT);
    put16(opt + 3, 1232);
    opt[7] = q->is_do ? 0x80 : 0;
    size_t len = 0;
    if (q->has_keepalive && w->is_tcp) {
        put16(opt + 11, 11);
        put16(opt + 13, 2);
        put16(opt + 15, w->keepalive);
        len = 6;
    }
    if (ede >= 0 && o->len + 11 + len + 6 + strlen(text) <= o->limit) {
        put16(opt + 11 + len, 15);
        put16(opt + 13 + len, (unsigned)(2 + strlen(text)));
        put16(opt + 15 + len, (unsigned)ede);
        memcpy(opt + 17 + len, text, strlen(text));
        len += 6 + strlen(text);
    }
    put16(opt + 9, (unsigned)len);
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
                 at < len ? answer[at] : 0, at < o->len ? o->bytes[at] : 0, o->len, get16(answer + 2),
                 get16(o->bytes + 2), get16(answer + 6), get16(answer + 8), get16(answer + 10), o->an, o->ns, o->ar);
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
    size_t n = set->has_cname ? 1 : get16(j->answer + 6) > j->o->an ? get16(j->answer + 6) - j->o->an : 0;
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
        fold(name, false, exact);
        const char *domain = domain_of(j->w, exact);
        if (domain == NULL)
            return NULL;
        find(j->w, domain, name, j->q->type, set);
        if (links == LINKS_MAX && set->has_cname)
            return NULL;
        if (set->n > 0) {
            size_t at = j->o->len;
            const char *bad = judge_set(j, set, name_at);
            if (bad != NULL || !set->has_cname)
                return bad;
            name_at = at + 12;
            memcpy(name, set->target, sizeof(name));
            continue;
        }
        if (j->q->type == T_ANY && set->is_any) {
            static const uint8_t hinfo[] = "\7RFC8482";
            uint8_t owner[2];
            put16(owner, 0xc000 | (unsigned)name_at);
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
    fold(q.name, false, exact);
    bool is_ours = domain_of(w, exact) != NULL;
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
    uint16_t flags = get16(query + 2);
    put16(o.bytes + 2, 0x8000 | (flags & 0x0110) | (is_ours ? 0x0400 : 0) | (o.tc ? 0x0200 : 0) | j.rcode);
    put16(o.bytes + 6, o.an);
    put16(o.bytes + 8, o.ns);
    put16(o.bytes + 10, o.ar);
    return compare(&o, answer, answer_len);
}
