/* The rules between options, each a small function; the first that is broken refuses the configuration, at the line of
 * the option that would be changed to mend it. Single values were checked by their types before. */
#include "config/verify.h"

#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "config/option.h"

static int refuse(const struct draft *d, const char *section, const char *key, const char *why, struct err *e)
{
    return draft_refuse(d, draft_section(d, section), option_find(section, key), ERR_BADARG, why, e);
}

static const char *address_why(char out[ERR_TEXT_MAX], const char *fmt, const char *text)
{
    snprintf(out, ERR_TEXT_MAX, "%.120s %s", text, fmt);
    return out;
}

/* ── [dns] ── */

static int verify_domains(const struct draft *d, const struct config *c, struct err *e)
{
    for (size_t i = 0; i < c->dns.n_domains; i++) {
        for (size_t k = 0; k < c->dns.n_domains; k++) {
            struct dns_name a = c->dns.domains[i], b = c->dns.domains[k];
            dns_name_fold_exact(&a);
            dns_name_fold_exact(&b);
            if (i == k || !dns_name_is_under(&a, &b))
                continue;
            char why[ERR_TEXT_MAX], inner[DNS_NAME_TEXT_MAX], outer[DNS_NAME_TEXT_MAX];
            snprintf(why, sizeof(why),
                     a.len == b.len ? "%.100s is there twice" : "%.100s lies inside %.100s; domains may not be nested",
                     dns_name_text(a.wire, inner), dns_name_text(b.wire, outer));
            return refuse(d, "dns", "domain", why, e);
        }
    }
    return 0;
}

static int verify_zone_files(const struct draft *d, const struct config *c, struct err *e)
{
    for (size_t i = c->dns.n_domains; i < CONFIG_LIST_MAX; i++) {
        if (c->dns.zone_files[i] == NULL)
            continue;
        char why[ERR_TEXT_MAX];
        snprintf(why, sizeof(why),
                 "%.120s is file %zu of the list, but domain lists %zu: the first file belongs to the first domain",
                 c->dns.zone_files[i], i + 1, c->dns.n_domains);
        return refuse(d, "dns", "zone_file", why, e);
    }
    return 0;
}

static int verify_dns_listen(const struct draft *d, const struct config *c, struct err *e)
{
    char why[ERR_TEXT_MAX];
    if (c->dns.n_listen == 0)
        return refuse(d, "dns", "listen", "at least one address is needed, as 127.0.0.1:53", e);
    for (size_t i = 0; i < c->dns.n_listen; i++) {
        if (c->dns.listen[i].is_unix)
            return refuse(d, "dns", "listen",
                          address_why(why, "is for the protocol only: DNS needs address:port", c->dns.listen[i].text),
                          e);
    }
    return 0;
}

static int verify_ttl(const struct draft *d, const struct config *c, struct err *e)
{
    char why[ERR_TEXT_MAX];
    snprintf(why, sizeof(why), "is below ttl_min, which is %us", c->dns.ttl_min_s);
    if (c->dns.policy.ttl_s < c->dns.ttl_min_s)
        return refuse(d, "dns", "ttl", why, e);
    for (size_t i = 0, k = 0; i < d->n_sections; i++) {
        const struct draft_section *s = d->sections[i];
        if (s->section->kind == SECTION_SERVICE && c->services[k++].policy.ttl_s < c->dns.ttl_min_s)
            return draft_refuse(d, s, option_find("service", "ttl"), ERR_BADARG, why, e);
    }
    return 0;
}

/* ── [registry] ── */

static bool is_loopback(const struct config_listen *l)
{
    static const uint8_t v6_loopback[16] = {[15] = 1};
    return l->is_unix || (l->is_v6 ? memcmp(l->address, v6_loopback, 16) == 0 : l->address[0] == 127);
}

static int verify_registry_listen(const struct draft *d, const struct config *c, struct err *e)
{
    char why[ERR_TEXT_MAX];
    for (size_t i = 0; i < c->registry.n_listen; i++) {
        const struct config_listen *l = &c->registry.listen[i];
        if (!is_loopback(l) && c->registry.password_file == NULL && !c->registry.insecure)
            return refuse(
                d, "registry", "listen",
                address_why(why, "can be reached from other machines: set password_file, or insecure = yes", l->text),
                e);
        for (size_t k = 0; k < c->dns.n_listen; k++) {
            const struct config_listen *dns = &c->dns.listen[k];
            if (!l->is_unix && l->port != 0 && l->port == dns->port && l->is_v6 == dns->is_v6 &&
                memcmp(l->address, dns->address, sizeof(l->address)) == 0)
                return refuse(d, "registry", "listen", address_why(why, "is an address of [dns] listen", l->text), e);
        }
    }
    return 0;
}

static int verify_leases(const struct draft *d, const struct config *c, struct err *e)
{
    const struct registry_options *o = &c->registry.options;
    char low[DURATION_TEXT_MAX], high[DURATION_TEXT_MAX], why[ERR_TEXT_MAX];
    duration_format(o->lease_min_ms, low);
    duration_format(o->lease_max_ms, high);
    if (o->lease_min_ms > o->lease_max_ms) {
        snprintf(why, sizeof(why), "%s is more than lease_max, which is %s", low, high);
        return refuse(d, "registry", "lease_min", why, e);
    }
    if (o->lease_default_ms < o->lease_min_ms || o->lease_default_ms > o->lease_max_ms) {
        snprintf(why, sizeof(why), "is outside lease_min and lease_max, %s to %s", low, high);
        return refuse(d, "registry", "lease_default", why, e);
    }
    return 0;
}

/* ── [store] ── */

static int verify_store(const struct draft *d, const struct config *c, struct err *e)
{
    if (store_find(c->store.type) != NULL)
        return 0;
    char why[ERR_TEXT_MAX];
    snprintf(why, sizeof(why),
             "%s is not built yet, and would promise that registrations survive; use memory until then, which keeps "
             "none after exit",
             c->store.type);
    return refuse(d, "store", "type", why, e);
}

/* ── checks that name a script ── */

static bool has_script(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_scripts; i++) {
        if (strcmp(c->scripts[i].name, name) == 0)
            return true;
    }
    return false;
}

static int verify_scripts(const struct draft *d, const struct config *c, struct err *e)
{
    for (size_t i = 0, k = 0; i < d->n_sections; i++) {
        const struct draft_section *s = d->sections[i];
        if (s->section->kind != SECTION_SERVICE)
            continue;
        const struct check_spec *check = c->services[k++].policy.check;
        if (check == NULL || check->type != CHECK_SCRIPT || has_script(c, check->script))
            continue;
        char why[ERR_TEXT_MAX];
        snprintf(why, sizeof(why), "there is no section [script %s] that says what it runs", check->script);
        return draft_refuse(d, s, option_find("service", "check"), ERR_BADARG, why, e);
    }
    return 0;
}

/* A server that has become another user cannot change users any more. */
static int verify_script_users(const struct draft *d, const struct config *c, struct err *e)
{
    for (size_t i = 0, k = 0; i < d->n_sections && c->server.user != NULL; i++) {
        const struct draft_section *s = d->sections[i];
        if (s->section->kind != SECTION_SCRIPT)
            continue;
        const char *user = c->scripts[k++].user;
        if (user == NULL || strcmp(user, c->server.user) == 0 || strcmp(c->server.user, "root") == 0)
            continue;
        char why[ERR_TEXT_MAX];
        snprintf(why, sizeof(why),
                 "a server that runs as [server] user %.60s cannot run scripts as %.60s; leave one of "
                 "the two out",
                 c->server.user, user);
        return draft_refuse(d, s, option_find("script", "user"), ERR_BADARG, why, e);
    }
    return 0;
}

int config_verify(const struct draft *d, const struct config *c, struct err *e)
{
    static int (*const rules[])(const struct draft *, const struct config *, struct err *) = {
        verify_domains, verify_zone_files,      verify_dns_listen, verify_ttl,          verify_leases,
        verify_store,   verify_registry_listen, verify_scripts,    verify_script_users,
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        int rc = rules[i](d, c, e);
        if (rc != 0)
            return rc;
    }
    return 0;
}
