/* The publisher's own structures, shared by publish*.c.
 *
 *     publisher ──► pub_service ──► pub_name (NAME, tags, named ports; ids while they are hot) ──► a place in each
 * domain service->publish       │    ▲ │                   ▼    │ ▼                pub_carrier: one instance at one of
 * these names but NAME; an instance's are one roster             block, its pub_instance; instance->publish of ids
 *
 * A name is cold until it is asked for: it has its nodes, with &body_cold, and nothing is done for it but when it comes
 * and goes. A question makes it hot (publish_want.c): it has an answer, which each change of it marks and a flush
 * builds again, until nobody has asked for a while. An id has no pub_name at all while it is cold: the roster knows it.
 *
 * A pub_service outlives its service until its names are unpublished, and is found again by its folded name if the
 * service comes back in the same turn. */
#ifndef ENGINE_PUBLISH_PRIVATE_H
#define ENGINE_PUBLISH_PRIVATE_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/wheel.h"
#include "engine/publish.h"
#include "engine/world.h"

#define NODES_OF_NAME 3 /* the name and at most two aliases */

struct pub_place {            /* of one name in one domain */
    struct answer_body *body; /* NULL: cold, or not published */
    struct answer_node *nodes[NODES_OF_NAME];
};

enum pub_kind { PUB_SERVICE, PUB_LABEL, PUB_PORT };

/* What a name has while its answers are built. */
struct pub_hot {
    struct list link; /* in publisher->hot, in order of since_ms */
    struct pub_name *name;
    uint64_t since_ms;        /* when it was looked at whether it is asked for */
    uint64_t lapse_ms;        /* as published */
    struct wheel_entry bound; /* when the lapse bound is to be looked at */
    uint64_t looked_ms;
    uint64_t rest_ms; /* lease clock: until then it is not built again for changes that nobody waits for */
};

struct pub_name {
    struct map_node node; /* in publisher->names, by service, kind and label; not PUB_SERVICE */
    struct list link;     /* in pub_service->names; not PUB_SERVICE */
    struct list dirty;    /* in pub_service->dirty while marked */
    struct pub_service *service;
    uint8_t kind;             /* enum pub_kind */
    bool is_udp;              /* PUB_PORT */
    bool is_placed;           /* its nodes are there, or were found not to be wanted */
    bool is_awaited;          /* marked by a change that somebody waits for */
    bool is_unordered;        /* a carrier came out of order: pub_next puts it right */
    uint32_t pick;            /* position of PICK, counts up */
    struct list carriers;     /* pub_carriers; PUB_SERVICE: empty, it has service->ordered */
    struct instance *owner;   /* PUB_LABEL: the instance with this id; NULL: only a tag */
    struct pub_hot *hot;      /* owned; NULL: cold */
    struct pub_place *places; /* owned, one for each domain of the world */
    struct pub_place *next;   /* owned, of the world that is being built by publish_configure */
    char label[];             /* folded */
};

struct pub_carrier {
    struct list link; /* in name->carriers */
    struct pub_name *name;
    struct instance *instance;
};

struct pub_instance {
    size_t n;
    struct pub_carrier carried[]; /* tags, ports */
};

struct pub_service {
    struct map_node node;    /* in publisher->services, by folded name */
    struct list dirty_link;  /* in publisher->dirty while there is work, or ->resting while that may wait */
    struct list dirty;       /* marked names */
    struct list names;       /* all but its own */
    struct pub_name *self;   /* PUB_SERVICE */
    struct service *service; /* NULL: gone */
    struct roster *roster;   /* of the attached instances; nodes of `self` point to it */
    bool needs_sync;         /* memory was short: take the instances from the registry */
    uint8_t nodes_as;        /* pub_nodes_as of the service that the nodes are for; 0: not known */
    char folded[];
};

struct pub_member {
    struct instance *instance;
    uint32_t order;
    uint16_t port;
};

/* Who is in an answer; reused. */
struct pub_members {
    struct pub_member *items, *by_priority; /* owned; the second is sorted for SRV */
    size_t n, cap;
    uint32_t n_registered, n_served, n_starting; /* that carry the name */
    uint64_t lapse_ms;
    bool is_one_priority;
};

struct publisher {
    struct answers *answers;
    const struct registry *registry;
    uint64_t key;
    struct list dirty, resting;
    uint64_t resting_ms; /* lease clock: when one of `resting` is due */
    bool can_wait;       /* nobody waits for the effect at hand */
    struct map services, names;
    struct wheel bounds; /* of hot names */
    struct list hot;     /* pub_hots, the one that was looked at longest ago first */
    struct publish_counts counts;
    uint64_t visits;
    bool has_wants; /* some were left for the next turn */
    bool needs_sync;
    uint64_t now_ms;          /* of the latest flush */
    uint64_t retry_ms;        /* after a flush for which memory was short */
    uint64_t behind_since_ms; /* clock_mono_ms; 0: not behind */
    uint32_t ttl_floor_s;
    struct buf recipe; /* of the world */
    struct body_source source;
    struct pub_members members;
    uint32_t *dedupe;               /* owned: a hash table for addresses */
    size_t dedupe_cap, dedupe_mask; /* allocated; in use for the set at hand, less one */
};

/* publish_names.c: the names of services and instances, without building. */
struct pub_service *pub_service_get(struct publisher *p, struct service *s); /* NULL: no memory */
void pub_service_mark(struct publisher *p, struct pub_service *s);
void pub_service_mark_all(struct publisher *p, struct pub_service *s);
void pub_name_mark(struct publisher *p, struct pub_name *n);
/* Marks it if the change can be seen: not if it is cold and stays where it is. */
void pub_name_changed(struct publisher *p, struct pub_name *n);
struct pub_name *pub_name_find(const struct publisher *p, const struct pub_service *s, enum pub_kind kind,
                               const char *label, bool is_udp);
struct pub_name *pub_name_get(struct publisher *p, struct pub_service *s, enum pub_kind kind, const char *label,
                              bool is_udp); /* NULL: no memory */
bool pub_name_exists(const struct pub_name *n);
/* The name of the instance's id, NULL while it is cold and no tag either. */
struct pub_name *pub_id_find(const struct publisher *p, const struct pub_service *s, const char *id);
/* Of the instance's names but its id's: all that its state matters to. */
void pub_instance_changed(struct publisher *p, struct pub_service *s, struct instance *i);
/* Also for one that is attached and has another description; its id is known all the while. ERR_NOMEM: it is not wholly
 * attached. */
int pub_instance_attach(struct publisher *p, struct pub_service *s, struct instance *i) MUST_CHECK;
bool pub_instance_is_attached(const struct instance *i);
/* Takes back what attaching did, if it was attached, and marks its names. `id`: the instance may have no description
 * any more. */
void pub_instance_detach(struct publisher *p, struct pub_service *s, struct instance *i, const char *id);
/* After a build: frees the name if nobody carries it and it is not published, and the service when it is gone and
 * empty.
 */
void pub_name_sweep(struct publisher *p, struct pub_name *n);
void pub_service_sweep(struct publisher *p, struct pub_service *s);
void pub_service_free(struct publisher *p, struct pub_service *s); /* retires bodies */

/* What of a service, beside its instances, decides which nodes its names have; not 0. */
static inline uint8_t pub_nodes_as(const struct service *s)
{
    return (uint8_t)(2 + 2 * s->policy.on_empty + s->is_hidden);
}

/* publish_members.c */
/* The instances of a name in order of first registration: NULL in `*at` starts, NULL ends. */
struct instance *pub_next(struct pub_name *n, struct list **at);
int pub_members_gather(struct publisher *p, struct pub_name *n) MUST_CHECK; /* ERR_NOMEM */
void pub_members_fini(struct pub_members *m);
const struct named_port *pub_member_port(const struct instance *i, const char *name, bool is_udp);

/* publish_service.c: builds a name and swaps it into a world's places. */
int pub_name_place(struct publisher *p, struct world *w, struct pub_name *n, struct pub_place *places) MUST_CHECK;
void pub_name_unplace(struct publisher *p, struct world *w, struct pub_name *n, struct pub_place *places);

/* publish_want.c: what is asked for becomes hot, what is not asked for any more cold. */
int pub_name_warm(struct publisher *p, struct pub_name *n) MUST_CHECK;     /* ERR_NOMEM; marks it */
void pub_name_cool(struct publisher *p, struct pub_name *n);               /* without marking it */
int pub_wants_take(struct publisher *p, const struct world *w) MUST_CHECK; /* ERR_NOMEM: the others wait */
void pub_cool_run(struct publisher *p);
bool pub_has_wants(const struct publisher *p); /* not taken */
uint64_t pub_cool_next_ms(const struct publisher *p);

/* publish_static.c: zone files and apexes into a fresh world. */
int pub_static_build(struct publisher *p, struct world *w, const struct publish_options *o) MUST_CHECK;

/* publish_recipe.c: all of a configuration that a world is made of, as bytes; `out` may have failed. Worlds of the same
 * recipe are the same but for what changes while they are there. */
void pub_recipe_write(struct buf *out, const struct publish_options *o);

static inline uint32_t publish_ttl_floor_s(const struct publish_options *o)
{
    return o->ttl_min_s > 1 ? o->ttl_min_s : 1;
}

/* publish_lapse.c: lower bounds of the ends of leases. */
void pub_lapse_effect(struct publisher *p, const struct instance *i, uint64_t old_deadline_ms);
void pub_lapse_arm(struct publisher *p, struct pub_name *n); /* after lapse_ms has changed; only for hot names */
void pub_lapse_run(struct publisher *p);

static inline const struct world *publisher_world(const struct publisher *p)
{
    return atomic_load_explicit(&p->answers->world, memory_order_relaxed);
}

#endif
