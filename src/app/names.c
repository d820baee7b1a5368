/* Zone files are read whole before anything is changed, so that a reload with a broken file changes nothing. */
#include "config.h" /* _GNU_SOURCE */

#include "app/names.h"

#include <stdlib.h>
#include <string.h>

static int no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
}

static int reserve(struct names *n, const char *name)
{
    if (n->n_reserved == n->cap_reserved) {
        size_t cap = n->cap_reserved == 0 ? 16 : n->cap_reserved * 2;
        char **grown = reallocarray(n->reserved, cap, sizeof(*grown));
        if (grown == NULL) {
            return ERR_NOMEM;
        }
        n->reserved = grown;
        n->cap_reserved = cap;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        return ERR_NOMEM;
    }
    n->reserved[n->n_reserved++] = copy;
    return 0;
}

/* The part of `owner` before the apex, as dotted labels without a final dot; "" for the apex itself. */
static void relative_text(const struct dns_name *owner, const struct dns_name *apex, char out[DNS_NAME_TEXT_MAX])
{
    uint8_t wire[DNS_NAME_MAX];
    size_t len = (size_t)owner->len - apex->len;
    memcpy(wire, owner->wire, len);
    wire[len] = 0;
    dns_name_text(wire, out);
    out[strlen(out) - 1] = '\0';
}

static int reserve_zone(struct names *n, const struct zone *z)
{
    char text[DNS_NAME_TEXT_MAX];
    for (size_t i = 0; i < z->n; i++) {
        relative_text(&z->rrsets[i].owner, &z->apex, text);
        if (text[0] != '\0' && reserve(n, text) != 0) {
            return ERR_NOMEM;
        }
    }
    return 0;
}

static int load_domain(const struct config *c, size_t i, struct names *n, struct err *e)
{
    struct dns_name apex = c->dns.domains[i];
    dns_name_fold_exact(&apex);
    if (c->dns.zone_files[i] != NULL) {
        int rc = zone_load(c->dns.zone_files[i], &apex, c->dns.policy.ttl_s, &n->zones[i], e);
        if (rc != 0) {
            return rc;
        }
        if (reserve_zone(n, n->zones[i]) != 0) {
            return no_memory(e);
        }
    }
    if ((n->zones[i] == NULL || zone_find(n->zones[i], &apex, DNS_NS) == NULL) && reserve(n, "ns") != 0) {
        return no_memory(e);
    }
    n->domains[i] = (struct publish_domain){.apex = apex, .zone = n->zones[i]};
    n->n_domains++;
    return 0;
}

int names_load(const struct config *c, struct names *out, struct err *e)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < c->dns.n_domains; i++) {
        int rc = load_domain(c, i, out, e);
        if (rc != 0) {
            names_fini(out);
            return rc;
        }
    }
    int rc = zone_check_between((const struct zone *const *)out->zones, (const char *const *)c->dns.zone_files,
                                c->dns.n_domains, e);
    if (rc != 0) {
        names_fini(out);
    }
    return rc;
}

void names_fini(struct names *n)
{
    for (size_t i = 0; i < CONFIG_LIST_MAX; i++) {
        zone_free(n->zones[i]);
    }
    for (size_t i = 0; i < n->n_reserved; i++) {
        free(n->reserved[i]);
    }
    free(n->reserved);
    memset(n, 0, sizeof(*n));
}
