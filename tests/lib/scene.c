/* The set-up of tests of the DNS engine; see scene.h. */
#include "scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/wire.h"

#define CHECK(x) ((x) ? (void)0 : scene_fail(#x, __LINE__))

static void scene_fail(const char *what, int line)
{
    fprintf(stderr, "scene.c:%d: %s\n", line, what);
    abort();
}

static const struct service_policy default_policy = {
    .ttl_s = 5, .max_answers = 8, .answer = ANSWER_FEW, .order = ORDER_ROTATE, .on_empty = ON_EMPTY_NODATA};

static const struct registry_options registry_defaults = {
    .lease_default_ms = 30000,
    .lease_min_ms = 1000,
    .lease_max_ms = 86400000,
    .session_grace_ms = 5000,
    .allow_permanent = true,
    .max_services = 1000000,
    .max_instances = 2000000,
    .limits = {.tags = 64, .meta = 64, .ports = 32, .checks = 8, .meta_bytes = 16384},
    .expiry_slice = 100000,
};

/* ── registry ── */

/* All effects of a step before the next one, which frees what is gone. Moves what is to be committed to the front. */
static size_t carry_out_effects(struct scene *s)
{
    size_t n_commits = 0;
    for (size_t i = 0; i < s->effects.n; i++) {
        const struct effect *x = &s->effects.items[i];
        switch (x->type) {
        case EFFECT_PERSIST:
            s->effects.items[n_commits++] = *x;
            break;
        case EFFECT_CHANGE:
        case EFFECT_LEASE:
            if (s->fail_effects_at != 0)
                s->heap->fail_at(s->fail_effects_at - 1);
            publish_effect(s->publisher, x, s->can_wait);
            if (s->fail_effects_at != 0)
                s->heap->reset();
            break;
        case EFFECT_REPLY:
            s->code = x->u.reply.code;
            break;
        }
    }
    return n_commits;
}

static void carry_out(struct scene *s)
{
    size_t n;
    while ((n = carry_out_effects(s)) > 0) {
        uint64_t *tickets = malloc(n * sizeof(*tickets));
        CHECK(tickets != NULL);
        for (size_t i = 0; i < n; i++)
            tickets[i] = s->effects.items[i].u.persist.ticket;
        effects_clear(&s->effects);
        for (size_t i = 0; i < n; i++) {
            struct event ev = {.type = EVENT_COMMITTED, .u.committed = {.ticket = tickets[i], .ok = true}};
            CHECK(registry_step(s->registry, &ev, s->now_ms, &s->effects) == 0);
            size_t kept = carry_out_effects(s);
            effects_clear(&s->effects);
            CHECK(kept == 0);
        }
        free(tickets);
    }
    effects_clear(&s->effects);
}

void scene_event(struct scene *s, struct event *ev)
{
    ev->request = 1;
    CHECK(registry_step(s->registry, ev, s->now_ms, &s->effects) == 0);
    carry_out(s);
}

void scene_add(struct scene *s, const char *service, const struct scene_instance *i)
{
    char port[12], weight[12], priority[12];
    snprintf(port, sizeof(port), "%u", i->port != 0 ? i->port : 80);
    snprintf(weight, sizeof(weight), "%u", i->weight != 0 ? i->weight : 1);
    snprintf(priority, sizeof(priority), "%u", i->priority);
    struct description_input in = {.id = i->id,
                                   .address = i->address,
                                   .port = port,
                                   .lease_ms = i->lease_ms,
                                   .weight = weight,
                                   .priority = priority,
                                   .tags = i->tags,
                                   .meta = i->meta,
                                   .ports = i->ports,
                                   .checks = &i->check,
                                   .n_checks = i->check != NULL};
    while (in.n_tags < 8 && i->tags[in.n_tags] != NULL)
        in.n_tags++;
    while (in.n_meta < 8 && i->meta[in.n_meta].key != NULL)
        in.n_meta++;
    while (in.n_ports < 8 && i->ports[in.n_ports].name != NULL)
        in.n_ports++;
    struct err e;
    struct description *d = NULL;
    if (description_new(&in, &registry_defaults.limits, &d, &e) != 0)
        scene_fail(e.text, __LINE__);
    struct event ev = {.type = EVENT_REGISTER, .service = service, .id = i->id, .u.reg.desc = d};
    scene_event(s, &ev);
    description_unref(d);
}

void scene_remove(struct scene *s, const char *service, const char *id)
{
    scene_event(s, &(struct event){.type = EVENT_DEREGISTER, .service = service, .id = id});
}

void scene_renew(struct scene *s, const char *service, const char *id)
{
    scene_event(s, &(struct event){.type = EVENT_RENEW, .service = service, .id = id});
}

void scene_report(struct scene *s, const char *service, const char *id, enum check_status status)
{
    scene_event(s, &(struct event){.type = EVENT_REPORT, .service = service, .id = id, .u.report.status = status});
}

void scene_drain(struct scene *s, const char *service, const char *id, bool off)
{
    scene_event(s, &(struct event){.type = EVENT_DRAIN, .service = service, .id = id, .u.drain.off = off});
}

void scene_advance(struct scene *s, uint64_t ms)
{
    for (uint64_t end = s->now_ms + ms; s->now_ms < end;) {
        s->now_ms = end - s->now_ms > 50 ? s->now_ms + 50 : end;
        scene_event(s, &(struct event){.type = EVENT_TIME});
        CHECK(scene_flush(s) == 0);
    }
}

void scene_policy(struct scene *s, const struct service_policy *defaults, const struct service_section *sections,
                  size_t n)
{
    CHECK(registry_configure(s->registry, &registry_defaults, defaults, sections, n, s->now_ms, &s->effects) == 0);
    carry_out(s);
}

/* ── publisher ── */

int scene_flush(struct scene *s)
{
    return publish_flush(s->publisher, s->now_ms, s->now_ms + SCENE_LAG_MS);
}

static struct zone *parse_zone(const char *text, const struct dns_name *apex)
{
    struct zone *z = NULL;
    struct err e;
    if (text != NULL && zone_parse(text, strlen(text), "zone", apex, 300, &z, &e) != 0)
        scene_fail(e.text, __LINE__);
    return z;
}

int scene_configure(struct scene *s, const struct scene_options *o)
{
    static const uint8_t ns_v4[1][4] = {{192, 0, 2, 53}};
    static const uint8_t ns_v6[1][16] = {{0x20, 1, 0xd, 0xb8, [15] = 0x53}};
    struct publish_domain domains[SCENE_DOMAINS];
    struct zone *zones[SCENE_DOMAINS] = {0};
    size_t n = 0;
    do {
        const char *text = o->domains[n] != NULL ? o->domains[n] : "service.local";
        CHECK(dns_name_parse(text, &domains[n].apex, NULL) == 0);
        dns_name_fold_exact(&domains[n].apex);
        zones[n] = parse_zone(o->zones[n], &domains[n].apex);
        domains[n].zone = zones[n];
        n++;
    } while (n < SCENE_DOMAINS && o->domains[n] != NULL);
    struct publish_options po = {
        .domains = domains,
        .n_domains = n,
        .negative_ttl_s = o->negative_ttl_s != 0 ? o->negative_ttl_s : 5,
        .ttl_min_s = 1,
        .ttl_s = 5,
        .ns_v4 = ns_v4,
        .n_ns_v4 = 1,
        .ns_v6 = ns_v6,
        .n_ns_v6 = 1,
        .limits = {.is_ra_always = o->has_ra, .has_chaos = !o->no_chaos, .version = "rollcall 0", .server_id = "node1"},
    };
    if (s->fail_configure_at != 0)
        s->heap->fail_at(s->fail_configure_at - 1);
    int rc = publish_configure(s->publisher, &po, s->now_ms);
    if (s->fail_configure_at != 0 && !s->heap->reset())
        s->fail_configure_at = 0;
    for (size_t i = 0; i < SCENE_DOMAINS; i++) {
        struct zone **keep = rc == 0 ? &s->zones[i] : &zones[i];
        zone_free(*keep);
        *keep = NULL;
        if (rc == 0)
            s->zones[i] = zones[i];
    }
    return rc;
}

void scene_init(struct scene *s, const struct scene_options *o)
{
    memset(s, 0, sizeof(*s));
    s->now_ms = SCENE_START_MS;
    effects_init(&s->effects);
    const struct service_policy *policy = o->policy.ttl_s != 0 ? &o->policy : &default_policy;
    CHECK(registry_new(&registry_defaults, policy, 1000, 42, s->now_ms, &s->registry) == 0);
    CHECK(answers_new(2, 4711, &s->answers) == 0);
    CHECK(publisher_new(s->answers, s->registry, &s->publisher) == 0);
    CHECK(scene_configure(s, o) == 0);
    CHECK(scene_flush(s) == 0);
}

void scene_fini(struct scene *s)
{
    publisher_free(s->publisher);
    answers_free(s->answers);
    registry_free(s->registry);
    effects_fini(&s->effects);
    for (size_t i = 0; i < SCENE_DOMAINS; i++)
        zone_free(s->zones[i]);
}

/* ── questions ── */

size_t scene_query(uint8_t *packet, const struct scene_query *q)
{
    struct dns_name name;
    CHECK(dns_name_parse(q->name, &name, NULL) == 0);
    struct wire_writer w = wire_writer(packet, 512);
    wire_write_u16(&w, 0xbeef);
    wire_write_u16(&w, q->no_rd ? 0 : DNS_RD);
    wire_write_u16(&w, 1);
    wire_write_u32(&w, 0);
    wire_write_u16(&w, q->has_edns);
    wire_write(&w, name.wire, name.len);
    wire_write_u16(&w, q->type);
    wire_write_u16(&w, q->class != 0 ? q->class : DNS_IN);
    if (q->has_edns) {
        wire_write_u8(&w, 0);
        wire_write_u16(&w, DNS_OPT);
        wire_write_u16(&w, q->udp_size);
        wire_write_u16(&w, 0);
        wire_write_u16(&w, q->is_do ? DNS_EDNS_DO : 0);
        wire_write_u16(&w, q->option != 0 ? 8 : 0);
        if (q->option != 0) {
            wire_write_u16(&w, q->option);
            wire_write_u16(&w, 4);
            wire_write_u32(&w, 0x01020304);
        }
    }
    CHECK(!w.failed);
    return (size_t)(w.at - packet);
}

void scene_ask_again(struct scene *s, struct answer_reader *reader, const struct answer_request *rq,
                     struct answer_item *item, const uint8_t *query, size_t len)
{
    struct answer_request again = *rq;
    while (item->again > 0) {
        CHECK(item->len == 0);
        again.round += item->is_wanted;
        CHECK(scene_flush(s) == 0);
        if (rq->is_tcp) /* connections keep the query, with options that only matter there */
            memcpy(item->packet, query, len);
        item->len = rq->is_tcp ? len : item->again;
        item->again = 0;
        answer_batch(reader, &again, item, 1);
    }
}

size_t scene_query_ask(struct scene *s, const struct scene_query *q)
{
    uint8_t query[512];
    size_t len = scene_query(s->packet, q);
    struct answer_item item = {
        .packet = s->packet, .len = len, .cap = q->is_tcp ? DNS_TCP_MAX : DNS_UDP_MAX, .is_refused = q->is_refused};
    struct answer_request rq = {.now_ms = s->now_ms + SCENE_LAG_MS, .is_tcp = q->is_tcp, .tcp_keepalive = 100};
    struct answer_reader *reader = answers_reader(s->answers, q->reader);
    memcpy(query, s->packet, len);
    answer_batch(reader, &rq, &item, 1);
    scene_ask_again(s, reader, &rq, &item, query, len);
    return item.len;
}

size_t scene_ask(struct scene *s, const char *name, uint16_t type)
{
    return scene_query_ask(s, &(struct scene_query){.name = name, .type = type, .has_edns = true, .udp_size = 1232});
}

struct scene_header scene_header(const uint8_t *packet)
{
    return (struct scene_header){wire_get16(packet),     wire_get16(packet + 2), wire_get16(packet + 4),
                                 wire_get16(packet + 6), wire_get16(packet + 8), wire_get16(packet + 10)};
}
