/* The oracle's first half: which names there are and which records they have, by brute force over all instances. */
#include "reference_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ── names as text ── */

void ref_fold(const char *in, bool loose, char out[NAME_CAP])
{
    size_t i = 0;
    for (; in[i] != '\0'; i++) {
        char c = (char)tolower((unsigned char)in[i]);
        bool leads = i == 0 || in[i - 1] == '.';
        out[i] = loose && c == '_' && !leads ? '-' : c;
    }
    out[i] = '\0';
}

bool ref_ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0 && (n == m || name[n - m - 1] == '.');
}

const char *ref_domain_of(const struct ref_world *w, const char *exact)
{
    for (size_t i = 0; w->domains[i] != NULL; i++)
        if (ref_ends_with(exact, w->domains[i]))
            return w->domains[i];
    return NULL;
}

size_t ref_put_name(uint8_t *out, const char *name)
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

size_t ref_get_name(const uint8_t *wire, char *out)
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

/* ── which names there are ── */

enum form { F_SERVICE, F_ID, F_TAG, F_ALIAS, F_TAG_ALIAS, F_PORT, F_END };

/* Loosely below the domain, which compares exactly. */
static bool fold_below(const char *text, const char *domain, char out[NAME_CAP])
{
    ref_fold(text, true, out);
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
    ref_fold(name, loose, a);
    for (size_t i = 0; i < w->n_statics; i++) {
        ref_fold(w->statics[i].owner, loose, b);
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
        if (ref_ends_with(w->statics[s].owner, exact) && (or_equal || strcmp(w->statics[s].owner, exact) != 0))
            return true;
    for (size_t i = 0; i < w->n_instances; i++) {
        for (int form = F_SERVICE; form < F_END; form++) {
            for (int k = 0; instance_name(&w->instances[i], form, k, domain, name); k++) {
                if (!ref_ends_with(name, loose) || (!or_equal && strcmp(name, loose) == 0) || has_static(w, name, true))
                    continue;
                bool vanishes =
                    form != F_ID && w->policy.on_empty == REF_NXDOMAIN && !form_is_served(w, form, domain, name);
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
    snprintf(target, sizeof(target), "%s.%s", i->id, i->service);
    for (char *c = target; *c != '\0'; c++)
        *c = *c == '_' ? '-' : *c; /* a host name */
    strcat(strcat(target, "."), domain);
    struct ref_rr *rr = new_rr(set);
    ref_put16(rr->rdata, i->priority);
    ref_put16(rr->rdata + 2, i->weight);
    ref_put16(rr->rdata + 4, port);
    rr->target_at = 6;
    rr->len = 6 + ref_put_name(rr->rdata + 6, target);
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
    ref_get_name(rr->rdata + target_at, target);
    ref_fold(target, false, folded);
    for (size_t i = 0; i + 1 < set->n; i++) {
        ref_get_name(set->rrs[i].rdata + target_at, other);
        ref_fold(other, false, other);
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
        if (s->type == T_CNAME && type != T_CNAME) {
            set->has_cname = true;
            ref_get_name(s->rdata, set->target);
        } else if (s->type != type) {
            continue;
        }
        struct ref_rr *rr = new_rr(set);
        memcpy(rr->rdata, s->rdata, s->len);
        rr->len = s->len;
        set->ttl_s = s->ttl_s;
        if (s->type == T_SRV || s->type == T_MX || s->type == T_NS)
            add_static_extras(w, set, rr, s->type == T_SRV ? 6 : s->type == T_MX ? 2 : 0);
        if (s->type == T_SOA && ref_get32(rr->rdata + rr->len - 20) == 0)
            ref_put32(rr->rdata + rr->len - 20, w->serial);
    }
    set->n_wanted = set->n;
    set->is_rotated = type == T_A || type == T_AAAA || type == T_NS;
}

void ref_find(const struct ref_world *w, const char *domain, const char *name, uint16_t type, struct ref_set *set)
{
    struct ref_rr *rrs = set->rrs;
    *set = (struct ref_set){.rrs = rrs, .ede = -1, .end_ms = UINT64_MAX, .ttl_s = w->policy.ttl_s};
    char exact[NAME_CAP], loose[NAME_CAP];
    ref_fold(name, false, exact);
    size_t labels = strlen(exact) - strlen(domain);
    ref_fold(name, true, loose);
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
