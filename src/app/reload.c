/* Making a configuration hold, at start and while running.
 *
 * A reload reads everything before it changes anything; what is wrong in a file is said in one log line and nothing has
 * happened. What can still fail then is memory (or a user of a script): the steps are then taken back by applying the
 * old inputs again. Options that need a restart are named and keep their old value. */
#include "config.h" /* _GNU_SOURCE */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/server.h"
#include "base/log.h"
#include "io/supervisor.h"

/* Without ns_address the name servers of a domain are at the addresses that are really listened on. */
struct ns_addresses {
    uint8_t v4[CONFIG_LIST_MAX][4], v6[CONFIG_LIST_MAX][16];
    size_t n_v4, n_v6;
};

/* The same address with another port. */
static bool is_listened_before(const struct sockets *s, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (s->dns[k].is_v6 == s->dns[i].is_v6 &&
            memcmp(s->dns[k].address, s->dns[i].address, s->dns[i].is_v6 ? 16 : 4) == 0) {
            return true;
        }
    }
    return false;
}

static void ns_of_sockets(const struct sockets *s, struct ns_addresses *out)
{
    for (size_t i = 0; i < s->n_dns; i++) {
        if (listen_is_wildcard(&s->dns[i]) || is_listened_before(s, i)) {
            continue;
        }
        if (s->dns[i].is_v6) {
            memcpy(out->v6[out->n_v6++], s->dns[i].address, 16);
        } else {
            memcpy(out->v4[out->n_v4++], s->dns[i].address, 4);
        }
    }
}

/* Resolvers that are to be sent here by a delegation need the address. */
static void warn_of_ns(const struct names *n)
{
    for (size_t i = 0; i < n->n_domains; i++) {
        const struct publish_domain *d = &n->domains[i];
        struct dns_name ns = d->apex;
        char text[DNS_NAME_TEXT_MAX];
        if (dns_name_prepend(&ns, "ns", 2) != 0 ||
            (d->zone != NULL &&
             (zone_find(d->zone, &d->apex, DNS_NS) != NULL || zone_find(d->zone, &ns, DNS_A) != NULL ||
              zone_find(d->zone, &ns, DNS_AAAA) != NULL))) {
            continue;
        }
        log_event(LOG_LEVEL_WARN, "ns_without_address", "name", dns_name_text(ns.wire, text), "why",
                  "only wildcards are listened on; set [dns] ns_address if other servers delegate to this one", NULL);
    }
}

static int apply_names(struct server *s, const struct inputs *in)
{
    const struct config *c = in->config;
    struct ns_addresses ns = {.n_v4 = c->dns.n_ns_v4, .n_v6 = c->dns.n_ns_v6};
    memcpy(ns.v4, c->dns.ns_v4, sizeof(ns.v4));
    memcpy(ns.v6, c->dns.ns_v6, sizeof(ns.v6));
    if (ns.n_v4 + ns.n_v6 == 0) {
        ns_of_sockets(&s->sockets, &ns);
    }
    if (ns.n_v4 + ns.n_v6 == 0) {
        warn_of_ns(&in->names);
    }
    struct publish_options o = {
        .domains = in->names.domains,
        .n_domains = in->names.n_domains,
        .negative_ttl_s = c->dns.negative_ttl_s,
        .ttl_min_s = c->dns.ttl_min_s,
        .ttl_s = c->dns.policy.ttl_s,
        .ns_v4 = ns.v4,
        .n_ns_v4 = ns.n_v4,
        .ns_v6 = ns.v6,
        .n_ns_v6 = ns.n_v6,
        .limits = {.is_ra_always = c->dns.ra_always,
                   .has_chaos = c->dns.chaos,
                   .version = "rollcall " PACKAGE_VERSION,
                   .server_id = s->id},
    };
    return publish_configure(s->publisher, &o, turn_time(s->turn)->now_ms);
}

/* Policies, sections and reserved names; each step's effects are carried out before the next one. */
static int apply_registry(struct server *s, const struct inputs *in)
{
    const struct config *c = in->config;
    const struct core_time *t = turn_time(s->turn);
    struct effects x;
    struct service_section *sections = calloc(c->n_services + 1, sizeof(*sections));
    if (sections == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < c->n_services; i++) {
        sections[i] = (struct service_section){.name = c->services[i].name, .policy = c->services[i].policy};
    }
    effects_init(&x);
    int rc =
        registry_configure(s->registry, &c->registry.options, &c->dns.policy, sections, c->n_services, t->now_ms, &x);
    if (rc == 0) {
        core_effects(s->core, &x, t);
        rc =
            registry_reserve(s->registry, (const char *const *)in->names.reserved, in->names.n_reserved, t->now_ms, &x);
    }
    if (rc == 0) {
        core_effects(s->core, &x, t);
    }
    effects_fini(&x);
    free(sections);
    return rc;
}

void server_worker_options(const struct config *c, struct worker_options *out)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->acl.networks, c->dns.allow, sizeof(out->acl.networks));
    out->acl.n = c->dns.n_allow;
    out->tcp = (struct tcp_options){
        .idle_ms = c->dns.tcp_idle_ms,
        .clients = c->dns.tcp_clients,
        .clients_per_address = c->dns.tcp_clients_per_address,
    };
}

/* What cannot fail. */
static void apply_limits(struct server *s, const struct inputs *in)
{
    const struct config *c = in->config;
    struct worker_options o;
    struct control_limits limits = {
        .clients = c->registry.clients,
        .line_max = c->registry.line_max,
        .output_max = c->registry.output_max,
    };
    server_worker_options(c, &o);
    for (unsigned i = 0; s->workers != NULL && i < s->n_workers; i++) {
        worker_configure(s->workers[i], &o);
    }
    health_set_max_probes(s->health, c->health.max_probes);
    control_configure(s->control, &limits, &c->registry.options, in->password);
    log_set_level(c->server.log_level);
}

int server_apply(struct server *s, const struct inputs *in, struct err *e)
{
    int rc = prober_set_scripts(s->prober, in->config->scripts, in->config->n_scripts, e);
    if (rc != 0) {
        return rc;
    }
    rc = apply_registry(s, in);
    if (rc == 0) {
        rc = apply_names(s, in);
    }
    if (rc != 0) {
        return err_set(e, rc, "%s", err_meaning(rc));
    }
    apply_limits(s, in);
    return 0;
}

static int read_and_apply(struct server *s, struct err *e)
{
    struct inputs *next;
    if (publish_behind_since_ms(s->publisher) != 0) { /* a whole world more that could not be freed */
        return err_set(e, ERR_UNAVAILABLE, "the answers are behind: a worker thread stands still");
    }
    struct buf warnings, fixed;
    buf_init(&warnings, 0);
    int rc = inputs_load(&s->source, &next, &warnings, e);
    inputs_tell_warnings(&warnings, inputs_log_warning);
    buf_fini(&warnings);
    if (rc != 0) {
        return rc;
    }
    rc = server_apply(s, next, e);
    if (rc != 0) {
        struct err ignored;
        if (server_apply(s, s->inputs, &ignored) != 0) {
            log_event(LOG_LEVEL_ERROR, "reload_half", "why", ignored.text, NULL);
        }
        inputs_free(next);
        return rc;
    }
    buf_init(&fixed, 0);
    config_fixed_changes(s->first->config, next->config, &fixed);
    if (fixed.len > 0) {
        log_event(LOG_LEVEL_WARN, "restart_needed", "options", buf_cstr(&fixed), NULL);
    }
    buf_fini(&fixed);
    if (s->inputs != s->first) {
        inputs_free(s->inputs);
    }
    s->inputs = next;
    return 0;
}

void server_reload(struct server *s)
{
    struct err e;
    supervisor_tell_reloading();
    int rc = read_and_apply(s, &e);
    if (rc == 0) {
        s->reloads++;
        log_event(LOG_LEVEL_INFO, "reloaded", "file", s->source.path, NULL);
    } else {
        s->failed_reloads++;
        log_event(LOG_LEVEL_ERROR, "reload_failed", "why", e.text, "now", "everything is as before", NULL);
    }
    supervisor_tell("READY=1");
}
