/* A registry, a publisher and published answers without loop, clock or store, for tests of the DNS engine:
 *
 *     struct scene s;
 *     scene_init(&s, &(struct scene_options){0});          // service.local, default policy, two readers
 *     scene_add(&s, "web", &(struct scene_instance){.id = "a", .address = "10.0.0.1"});
 *     scene_flush(&s);
 *     size_t len = scene_ask(&s, "web.service.local", DNS_A);   // the answer is s.packet
 *
 * Commits succeed at once. Time is s.now_ms and moves only by scene_advance. Failures of the set-up abort the test. */
#ifndef TESTS_LIB_SCENE_H
#define TESTS_LIB_SCENE_H

#include "engine/answer.h"
#include "engine/publish.h"
#include "registry/registry.h"

#define SCENE_DOMAINS  4
#define SCENE_START_MS 100000
#define SCENE_LAG_MS   777000 /* clock_mono_ms less the lease clock */

struct scene_options {
    const char *domains[SCENE_DOMAINS]; /* none: "service.local" */
    const char *zones[SCENE_DOMAINS];   /* text of the zone files; NULL: none */
    struct service_policy policy;       /* ttl_s 0: the defaults of DESIGN */
    uint32_t negative_ttl_s;            /* 0: 5 */
    bool has_ra, no_chaos;
};

struct scene_instance {
    const char *id, *address;        /* address: "v4", "v6" or "v4,v6" */
    unsigned port, weight, priority; /* 0: 80, 1, 0 */
    uint32_t lease_ms;               /* 0: permanent */
    const char *tags[8];
    struct meta meta[8];
    struct port_input ports[8];
    const char *check; /* a ttl check: starts as `starting` */
};

/* heap_fail_at and heap_reset, for programs that are linked with them. */
struct scene_heap {
    void (*fail_at)(unsigned n);
    bool (*reset)(void);
};

struct scene {
    struct answers *answers;
    struct registry *registry;
    struct publisher *publisher;
    struct effects effects;
    struct zone *zones[SCENE_DOMAINS];
    uint64_t now_ms;
    int code;      /* of the last reply */
    bool can_wait; /* nobody waits for what the next events change */
    /* Only with `heap`: the n-th allocation, counted from 1, of the next effect or configuration
     * fails; 0: none. fail_configure_at becomes 0 when there were fewer. */
    const struct scene_heap *heap;
    unsigned fail_effects_at, fail_configure_at;
    uint8_t packet[DNS_TCP_MAX];
};

void scene_init(struct scene *s, const struct scene_options *o);
void scene_fini(struct scene *s);
/* Configures again, as a reload does. Returns publish_configure's result. */
int scene_configure(struct scene *s, const struct scene_options *o);
/* Feeds an event and carries out what follows. */
void scene_event(struct scene *s, struct event *ev);
void scene_add(struct scene *s, const char *service, const struct scene_instance *i);
void scene_remove(struct scene *s, const char *service, const char *id);
void scene_renew(struct scene *s, const char *service, const char *id);
void scene_report(struct scene *s, const char *service, const char *id, enum check_status status);
void scene_drain(struct scene *s, const char *service, const char *id, bool off);
void scene_advance(struct scene *s, uint64_t ms); /* in steps, with the deadlines in between */
int scene_flush(struct scene *s);
/* Sections as the configuration would give them. */
void scene_policy(struct scene *s, const struct service_policy *defaults, const struct service_section *sections,
                  size_t n);

/* ── questions ── */

struct scene_query {
    const char *name;
    uint16_t type, class; /* class 0: IN */
    bool has_edns, is_do, is_tcp;
    uint16_t udp_size;
    uint16_t option; /* an EDNS option of this code, four bytes; 0: none */
    bool is_refused;
    bool no_rd;
    unsigned reader;
};

/* Writes the query; returns its length. */
size_t scene_query(uint8_t *packet, const struct scene_query *q);
/* As long as the answer of `item` is not built: a flush, and it is asked again, as worker and control thread do. `query`:
 * as it came. */
void scene_ask_again(struct scene *s, struct answer_reader *reader, const struct answer_request *rq,
                     struct answer_item *item, const uint8_t *query, size_t len);
/* Asks; the answer is in s->packet. */
size_t scene_query_ask(struct scene *s, const struct scene_query *q);
size_t scene_ask(struct scene *s, const char *name, uint16_t type); /* UDP, EDNS 1232 */

struct scene_header {
    uint16_t id, flags, qd, an, ns, ar;
};
struct scene_header scene_header(const uint8_t *packet);

#endif
