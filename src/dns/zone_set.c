/* From records to RRsets: sort, fold duplicates, group, and check what no record shows alone.
 *
 * Records are sorted by owner (case folded), type and rdata, so duplicates are neighbours, then within each set by
 * line: a set keeps the order of the file. Lookup is a binary search in the result. What can go wrong is a CNAME that
 * is not alone, a second SOA, and CNAMEs that lead in a circle or too far; each is told with the line to change. */
#include "dns/zone_record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

#define CNAME_LINKS_MAX 8 /* DESIGN 2: followed at most so many times */
#define LABEL_SHOWN     80

/* What zone_free releases; users see `zone`. */
struct zone_store {
    struct zone zone;
    struct zone_rdata *rdata; /* of all sets */
    uint8_t *wire;            /* of all rdata */
};

int zone_refuse(struct err *e, const char *label, size_t line, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    size_t len = strlen(label);
    const char *cut = len > LABEL_SHOWN ? "..." : "";
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0)
        text[0] = '\0';
    va_end(args);
    return err_set(e, ERR_FORMAT, "%s%s:%zu: %s", cut, label + (len > LABEL_SHOWN ? len - LABEL_SHOWN : 0), line, text);
}

void zone_records_init(struct zone_records *r)
{
    *r = (struct zone_records){.items = NULL};
    buf_init(&r->wire, 0);
}

void zone_records_fini(struct zone_records *r)
{
    free(r->items);
    buf_fini(&r->wire);
}

int zone_records_add(struct zone_records *r, const struct zone_record *record, const void *rdata)
{
    if (r->n == r->cap) {
        size_t cap = r->cap != 0 ? r->cap * 2 : 32;
        struct zone_record *items = realloc(r->items, cap * sizeof(*items));
        if (items == NULL)
            return ERR_NOMEM;
        r->items = items;
        r->cap = cap;
    }
    size_t wire_at = r->wire.len;
    buf_append(&r->wire, rdata, record->len);
    if (r->wire.failed)
        return ERR_NOMEM;
    r->items[r->n] = *record;
    r->items[r->n++].wire_at = wire_at;
    return 0;
}

static uint8_t fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Any total order in which equal names (RFC 4343) are equal. Length bytes are below 'A'. */
static int compare_owners(const struct dns_name *a, const struct dns_name *b)
{
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    for (size_t i = 0; i < a->len; i++)
        if (fold(a->wire[i]) != fold(b->wire[i]))
            return fold(a->wire[i]) < fold(b->wire[i]) ? -1 : 1;
    return 0;
}

static int compare_sets(const struct zone_record *a, const struct zone_record *b)
{
    int order = compare_owners(&a->owner, &b->owner);
    return order != 0 ? order : (a->type > b->type) - (a->type < b->type);
}

static int compare_rdata(const struct zone_record *a, const struct zone_record *b)
{
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return a->len != 0 ? memcmp(a->rdata, b->rdata, a->len) : 0;
}

static int by_line(const void *a, const void *b)
{
    size_t x = ((const struct zone_record *)a)->line, y = ((const struct zone_record *)b)->line;
    return (x > y) - (x < y);
}

static int by_set_and_rdata(const void *a, const void *b)
{
    int order = compare_sets(a, b);
    if (order == 0)
        order = compare_rdata(a, b);
    return order != 0 ? order : by_line(a, b);
}

/* The end of the set that begins at `from`. */
static size_t set_end(const struct zone_records *r, size_t from)
{
    size_t end = from + 1;
    while (end < r->n && compare_sets(&r->items[from], &r->items[end]) == 0)
        end++;
    return end;
}

/* Leaves the records grouped into sets, each in the order of the file, without duplicates. */
static void sort_and_fold(struct zone_records *r)
{
    size_t kept = 0;
    qsort(r->items, r->n, sizeof(r->items[0]), by_set_and_rdata);
    for (size_t i = 0; i < r->n; i++) {
        struct zone_record *last = kept > 0 ? &r->items[kept - 1] : NULL;
        if (last != NULL && compare_sets(last, &r->items[i]) == 0 && compare_rdata(last, &r->items[i]) == 0) {
            last->ttl_s = r->items[i].ttl_s < last->ttl_s ? r->items[i].ttl_s : last->ttl_s;
            continue;
        }
        r->items[kept++] = r->items[i];
    }
    r->n = kept;
    for (size_t from = 0, end; from < r->n; from = end) {
        end = set_end(r, from);
        qsort(r->items + from, end - from, sizeof(r->items[0]), by_line);
    }
}

/* The rules of one name, whose records are items[from, end). */
static int check_owner(const struct zone_records *r, size_t from, size_t end, const struct dns_name *apex,
                       const char *label, struct err *e)
{
    char text[DNS_NAME_TEXT_MAX];
    const struct zone_record *cname = NULL, *other = NULL;
    for (size_t i = from; i < end; i++) {
        const struct zone_record *at = &r->items[i];
        if (at->type == DNS_SOA && i > from && r->items[i - 1].type == DNS_SOA)
            return zone_refuse(e, label, at->line, "a second SOA (the first is on line %zu); a zone has one",
                               r->items[i - 1].line);
        if (at->type == DNS_CNAME && cname == NULL)
            cname = at;
        else
            other = at;
    }
    if (cname == NULL)
        return 0;
    dns_name_text(cname->owner.wire, text);
    if (other != NULL)
        return zone_refuse(e, label, cname->line > other->line ? cname->line : other->line,
                           "'%.80s' has a CNAME and other data (lines %zu and %zu); a CNAME stands alone", text,
                           cname->line, other->line);
    if (compare_owners(&cname->owner, apex) == 0)
        return zone_refuse(e, label, cname->line, "a CNAME at the apex stands beside SOA and NS; use A or AAAA");
    return 0;
}

static int check_owners(const struct zone_records *r, const struct dns_name *apex, const char *label, struct err *e)
{
    for (size_t from = 0, end; from < r->n; from = end) {
        for (end = from + 1; end < r->n; end++)
            if (compare_owners(&r->items[from].owner, &r->items[end].owner) != 0)
                break;
        int rc = check_owner(r, from, end, apex, label, e);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* A set is answered whole: over TCP it must fit behind a header and the longest question, before OPT. Owner names are
 * pointers to the question. */
static int check_sizes(const struct zone_records *r, const char *label, struct err *e)
{
    enum { ROOM = DNS_TCP_MAX - DNS_HEADER_LEN - (DNS_NAME_MAX + 4) - DNS_OPT_LEN, RR_HEAD = 2 + 10 };
    char text[DNS_NAME_TEXT_MAX];
    size_t used = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct zone_record *at = &r->items[i];
        if (i > 0 && compare_sets(&r->items[i - 1], at) != 0)
            used = 0;
        used += RR_HEAD + (size_t)at->len;
        if (used > ROOM)
            return zone_refuse(e, label, at->line,
                               "with this record '%.80s' takes %zu bytes for type %u; a DNS message has room for %d",
                               dns_name_text(at->owner.wire, text), used, at->type, ROOM);
    }
    return 0;
}

static size_t count_sets(const struct zone_records *r)
{
    size_t n = 0;
    for (size_t from = 0; from < r->n; from = set_end(r, from))
        n++;
    return n;
}

static void fill_sets(struct zone_store *s, const struct zone_records *r)
{
    struct zone_rrset *set = s->zone.rrsets;
    for (size_t from = 0, end; from < r->n; from = end, set++) {
        end = set_end(r, from);
        *set = (struct zone_rrset){
            .owner = r->items[from].owner,
            .type = r->items[from].type,
            .ttl = r->items[from].ttl_s,
            .line = r->items[from].line,
            .n = end - from,
            .rdata = s->rdata + from,
        };
        for (size_t i = from; i < end; i++) {
            s->rdata[i] = (struct zone_rdata){.len = r->items[i].len, .wire = r->items[i].rdata};
            if (r->items[i].ttl_s < set->ttl)
                set->ttl = r->items[i].ttl_s;
        }
    }
}

static struct zone_store *store_new(struct zone_records *r, const struct dns_name *apex)
{
    struct zone_store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->zone.apex = *apex;
    s->zone.n = count_sets(r);
    s->zone.rrsets = calloc(s->zone.n + 1, sizeof(s->zone.rrsets[0]));
    s->rdata = calloc(r->n + 1, sizeof(s->rdata[0]));
    if (s->zone.rrsets == NULL || s->rdata == NULL) {
        zone_free(&s->zone);
        return NULL;
    }
    s->wire = r->wire.data; /* moves here */
    buf_init(&r->wire, 0);
    fill_sets(s, r);
    return s;
}

/* The CNAME set that `set` points to inside the zones, or NULL. */
static const struct zone_rrset *next_link(const struct zone *const *zones, size_t n, const struct zone_rrset *set)
{
    struct dns_name target = {.len = (uint8_t)set->rdata[0].len};
    memcpy(target.wire, set->rdata[0].wire, target.len);
    const struct zone_rrset *next = NULL;
    for (size_t i = 0; i < n && next == NULL; i++)
        next = zones[i] != NULL ? zone_find(zones[i], &target, DNS_CNAME) : NULL;
    return next;
}

static int check_chain(const struct zone *const *zones, size_t n, const struct zone_rrset *first, const char *label,
                       struct err *e)
{
    char text[DNS_NAME_TEXT_MAX];
    const struct zone_rrset *at = first;
    for (size_t links = 1; (at = next_link(zones, n, at)) != NULL; links++) {
        dns_name_text(first->owner.wire, text);
        if (at == first)
            return zone_refuse(e, label, first->line, "the CNAME of '%.80s' leads back to itself", text);
        if (links == CNAME_LINKS_MAX)
            return zone_refuse(e, label, first->line,
                               "the CNAME of '%.80s' leads over more than %d links or into a loop; point it at the "
                               "last name",
                               text, CNAME_LINKS_MAX);
    }
    return 0;
}

int zone_check_between(const struct zone *const *zones, const char *const *labels, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; zones[i] != NULL && k < zones[i]->n; k++) {
            const struct zone_rrset *set = &zones[i]->rrsets[k];
            int rc = set->type == DNS_CNAME ? check_chain(zones, n, set, labels[i], e) : 0;
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

int zone_records_build(struct zone_records *r, const struct dns_name *apex, const char *label, struct zone **out,
                       struct err *e)
{
    for (size_t i = 0; i < r->n; i++)
        r->items[i].rdata = (const uint8_t *)buf_cstr(&r->wire) + r->items[i].wire_at; /* it grows no more */
    if (r->n > 0)
        sort_and_fold(r);
    int rc = check_owners(r, apex, label, e);
    if (rc == 0)
        rc = check_sizes(r, label, e);
    if (rc != 0)
        return rc;
    struct zone_store *s = store_new(r, apex);
    if (s == NULL)
        return err_set(e, ERR_NOMEM, "%.80s: %s", label, err_meaning(ERR_NOMEM));
    rc = zone_check_between(&(const struct zone *){&s->zone}, &label, 1, e);
    if (rc != 0) {
        zone_free(&s->zone);
        return rc;
    }
    *out = &s->zone;
    return 0;
}

void zone_free(struct zone *z)
{
    if (z == NULL)
        return;
    struct zone_store *s = CONTAINER_OF(z, struct zone_store, zone);
    free(z->rrsets);
    free(s->rdata);
    free(s->wire);
    free(s);
}

const struct zone_rrset *zone_find(const struct zone *z, const struct dns_name *owner_exact, uint16_t type)
{
    size_t low = 0, high = z->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct zone_rrset *set = &z->rrsets[mid];
        int order = compare_owners(&set->owner, owner_exact);
        if (order == 0)
            order = (set->type > type) - (set->type < type);
        if (order == 0)
            return set;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}
