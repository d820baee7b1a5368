/* The registry: services, instances, leases, states and revisions, as a pure step function on virtual time.
 *
 *     event + now  ->  registry_step  ->  effects
 *
 * No clock, socket, file or thread in here. The caller (the control thread, or a test on virtual time) feeds events,
 * carries out the effects in their order and feeds completions back as events.
 *
 * A write, from request to reply:
 *
 *     EVENT_REGISTER ──► validate ──► EFFECT_PERSIST(op, ticket)
 *                                         │  the store commits, in order, or fails
 *     EVENT_COMMITTED(ticket, ok) ──► apply, revision ──► EFFECT_CHANGE (publish, check, notify) ──► EFFECT_REPLY
 *
 * Nothing is visible before it is committed. While an instance has an op on its way (it is "busy"), later writes for the
 * same instance wait in its queue, so that the order of the requests is the order of the effects. A failed commit changes
 * nothing and replies ERR_UNAVAILABLE. Two kinds of op cannot be refused by a store: the end of a lease and a change of state;
 * they are applied whatever the store says (an expired instance is not served while its delete is retried once a second).
 *
 * Renewal is O(1) and touches no store: it moves the deadline; the wheel entry is moved lazily when it fires.
 * Expiry is time-boxed: registry_step(EVENT_TIME) works off at most `expiry_slice` deadlines and reports by
 * registry_next_ms that more are due. */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "base/wheel.h"
#include "registry/check.h"
#include "registry/description.h"
#include "registry/store.h"

enum instance_state {
    STATE_NONE, /* not registered; only as `old` or `new` of a change */
    STATE_STARTING,
    STATE_PASSING,
    STATE_WARNING,
    STATE_CRITICAL,
    STATE_DRAINING,
    STATE_MAINTENANCE,
    STATE_HELD,
    STATE_LOST,
};
const char *instance_state_name(enum instance_state s); /* "starting", ... "none" */
/* Served in DNS: passing and warning, nothing else. */
static inline bool instance_state_is_served(enum instance_state s)
{
    return s == STATE_PASSING || s == STATE_WARNING;
}

enum answer_mode { ANSWER_FEW, ANSWER_ALL, ANSWER_ONE };
enum answer_order { ORDER_ROTATE, ORDER_RANDOM, ORDER_FIXED };
enum on_empty { ON_EMPTY_NODATA, ON_EMPTY_NXDOMAIN, ON_EMPTY_ALL };

/* How a service is answered: the [dns] options, overridden by its [service NAME] section. */
struct service_policy {
    uint32_t ttl_s;
    uint16_t max_answers;
    enum answer_mode answer;
    enum answer_order order;
    enum on_empty on_empty;
    const struct check_spec *check; /* for each instance that brings none of its own; NULL: none */
};

struct registry_options {
    uint32_t lease_default_ms, lease_min_ms, lease_max_ms, session_grace_ms;
    bool allow_permanent;
    uint32_t max_services, max_instances; /* of a service */
    struct description_limits limits;
    uint32_t expiry_slice; /* deadlines worked off per step at most */
};

struct registry;

/* The checks of an instance that has some. */
struct instance_checks {
    const struct check_spec *specs; /* n of them: the description's, or the service's own */
    struct description *owner;      /* what specs is part of: reference it to use a spec beyond the next step */
    uint32_t epoch;                 /* another number whenever the checks are other ones, never reused: results of another
                                       epoch are dropped. After CHANGE_POLICY compare it for each instance of the service */
    uint16_t n;                     /* 0: it has none any more */
    void *health;                   /* of engine/health, set by it; cleared before EFFECT_CHANGE `gone` returns */
    struct check_state states[];
};

/* Read-only outside registry/. Valid until the next step. Each is the head of a larger block (registry/private.h) that also
 * holds the op on its way, waiting requests, timer and session. */
struct instance {
    struct map_node node;      /* in the registry's map, by service and folded id */
    struct service *service;
    struct description *desc;  /* NULL while only reserved (first commit on its way), held by HOLD, or gone */
    uint64_t deadline_ms;      /* end of the lease, lease clock; UINT64_MAX: permanent. While held: end of the hold */
    struct instance_checks *checks; /* NULL: none */
    void *publish;             /* of engine/publish, set by it, cleared before EFFECT_CHANGE `gone` returns */
    struct list link;          /* in service->ordered, in order of first registration; only while registered */
    uint64_t registered_ms;    /* lease clock, first registration */
    uint64_t revision;         /* of its last change */
    uint64_t order : 48;       /* grows along service->ordered */
    enum instance_state state : 8; /* STATE_NONE while not registered */
    bool is_draining : 1;
};

static inline uint16_t instance_n_checks(const struct instance *i)
{
    return i->checks != NULL ? i->checks->n : 0;
}

struct service {
    struct map_node node; /* by folded name */
    const char *name;     /* as first registered or configured */
    const char *folded;
    struct list ordered;  /* registered instances */
    uint32_t n_registered, n_served;
    uint32_t by_state[STATE_LOST + 1]; /* of the registered ones */
    struct service_policy policy;
    bool is_configured;   /* has a [service NAME] section: exists without instances */
    bool is_hidden;       /* a static name of the same name wins */
    uint64_t revision;    /* of the last change of any of its instances */
    void *publish;        /* of engine/publish */
};

/* ── events ── */

enum event_type {
    EVENT_REGISTER, EVENT_RENEW, EVENT_DEREGISTER, EVENT_DRAIN, EVENT_REPORT,
    EVENT_PROBE_RESULT,   /* from the prober */
    EVENT_SESSION_CLOSED, /* a connection ended */
    EVENT_COMMITTED,      /* from the store, in order of submission */
    EVENT_TIME,           /* deadlines */
};

struct event {
    enum event_type type;
    uint64_t request; /* comes back in EFFECT_REPLY; 0: no reply wanted */
    const char *service, *id; /* as given; validated here */
    union {
        struct {
            struct description *desc; /* borrowed; the registry takes its own reference */
            uint64_t session;         /* connection that owns it (SESSION), 0: none */
        } reg;
        struct { uint64_t hold_ms; } deregister;
        struct { bool off; } drain;
        struct { enum check_status status; const char *note; } report; /* note may be NULL */
        struct {
            uint16_t check;  /* index */
            uint32_t epoch;  /* instance->probe_epoch when the probe started */
            enum check_status status;
            const char *output; /* may be NULL; cut to CHECK_OUTPUT_MAX */
        } probe;
        struct { uint64_t session; } closed;
        struct { uint64_t ticket; bool ok; uint64_t revision; /* 0: the registry numbers it */ } committed;
    } u;
};

/* ── effects ── */

enum effect_type { EFFECT_REPLY, EFFECT_PERSIST, EFFECT_CHANGE, EFFECT_LEASE };

enum change_kind {
    CHANGE_REGISTERED, CHANGE_REPLACED, CHANGE_STATE, CHANGE_DEREGISTERED, CHANGE_EXPIRED,
    CHANGE_REMOVED, /* critical for `remove` */
    CHANGE_POLICY,  /* the service's options changed, or it was hidden or shown; no instance */
};
const char *change_kind_name(enum change_kind k); /* "registered", "replaced", ... */

struct effect {
    enum effect_type type;
    union {
        struct {
            uint64_t request;
            int code; /* 0 or ERR_* */
            uint64_t revision;
            uint32_t lease_ms;   /* REGISTER, RENEW; 0: permanent */
            uint32_t safe_s;     /* DRAIN: seconds until it is safe to stop */
            bool removed;        /* DEREGISTER: there was one */
            struct description *desc; /* REGISTER: what is registered; valid until the next step, or reference it */
            const char *text;    /* if code != 0: why; kept by the vector until effects_clear or effects_fini */
        } reply;
        struct store_op persist; /* pointers valid until the next step: the store copies or references */
        struct {
            enum change_kind kind;
            struct service *service;
            struct instance *instance;    /* NULL for CHANGE_POLICY; when `gone` it is freed by the next step */
            struct description *old_desc, *new_desc; /* NULL: none; valid until the next step, or reference it */
            enum instance_state old_state, new_state;
            uint64_t revision;
            bool gone;                    /* the instance is no longer registered */
            bool service_gone;            /* and the service no longer exists: freed by the next step, or later (a hold
                                             keeps its memory, and it may come back): clear service->publish */
        } change;
        struct { struct instance *instance; uint64_t old_deadline_ms; } lease; /* the deadline moved */
    } u;
};

struct effect_texts;

/* A reused vector; the registry appends. */
struct effects {
    struct effect *items; /* owned */
    size_t n, cap;
    struct effect_texts *texts; /* owned: blocks with the texts of replies that are errors, the newest first */
};
void effects_init(struct effects *x);
void effects_clear(struct effects *x); /* keeps the memory */
void effects_fini(struct effects *x);
/* Frees texts that were taken out of a vector (its `texts` set to NULL), to outlive what is appended meanwhile. */
void effect_texts_free(struct effect_texts *t);

/* ── the registry ── */

/* `first_revision`: where revisions go on (wall-clock microseconds for the memory store). `key`: for hashing names.
 * `policy` holds the defaults for services without a section. */
int registry_new(const struct registry_options *o, const struct service_policy *policy, uint64_t first_revision,
                 uint64_t key, uint64_t now_ms, struct registry **out) MUST_CHECK;
void registry_free(struct registry *r);

/* The heart. Appends effects to `out` (which the caller empties between calls by effects_clear). Returns 0, or ERR_NOMEM with
 * nothing changed and no effect appended (a request among them is answered by the caller). EVENT_COMMITTED, EVENT_TIME and
 * EVENT_SESSION_CLOSED that met ERR_NOMEM must be fed again later: nothing is lost. Bad requests are not errors of the
 * step: they are an EFFECT_REPLY with a code. Every request other than 0 gets exactly one reply. */
int registry_step(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out) MUST_CHECK;

/* When EVENT_TIME is due next, lease clock; now or earlier when more is due; UINT64_MAX when nothing is armed. */
uint64_t registry_next_ms(const struct registry *r);
uint64_t registry_revision(const struct registry *r);

/* Takes back what a store holds, before the first step: an instance as if registered now, a full lease, health from
 * `starting`; a held id for what is left of its hold, at most lease_max_ms. No revision grows. ERR_BADARG: a bad name, a
 * hold of nothing, or an id that is there already. */
int registry_restore(struct registry *r, const struct store_record *rec, uint64_t now_ms, struct effects *out) MUST_CHECK;

/* Configuration, at start and on reload. Appends CHANGE_POLICY for services that it touches. `sections` are all
 * [service NAME] sections; services that lost theirs fall back to `defaults`. */
struct service_section {
    const char *name;
    struct service_policy policy;
};
int registry_configure(struct registry *r, const struct registry_options *o, const struct service_policy *defaults,
                       const struct service_section *sections, size_t n_sections, uint64_t now_ms,
                       struct effects *out) MUST_CHECK;
/* Static names as dotted labels relative to the domain ("ns", "id.web", "_http._tcp.web"), replacing the former set.
 * REGISTER of an equal service or instance name is refused; services that are there are hidden (CHANGE_POLICY). */
int registry_reserve(struct registry *r, const char *const *names, size_t n, uint64_t now_ms, struct effects *out) MUST_CHECK;

/* Reading. Names in any case and with '_' or '-'. */
struct service *registry_service(const struct registry *r, const char *name);
struct instance *registry_instance(const struct service *s, const char *id); /* registered ones only */
/* Services in the order in which they began to exist: NULL starts, NULL ends. */
struct service *registry_each(const struct registry *r, const struct service *after);

/* A walk that may pause while anything changes: each that was there at its beginning and was not removed meanwhile is given
 * once, before those that came later. The cursor is the caller's, must not move, and ends by registry_walk_end, before the
 * registry. */
struct registry_cursor {
    struct registry *registry;
    struct service *service; /* whose instances; NULL: services */
    struct list *at;         /* of the last one given, or the list's head; NULL: the service is gone */
    struct list link;
};
void registry_walk(struct registry *r, struct service *s, struct registry_cursor *c); /* `s` NULL: over services */
struct service *registry_walk_service(struct registry_cursor *c);   /* NULL: no more now */
struct instance *registry_walk_instance(struct registry_cursor *c); /* likewise */
void registry_walk_end(struct registry_cursor *c);

struct registry_counts {
    uint64_t services, instances, served;
    uint64_t by_state[STATE_LOST + 1];
    uint64_t registers, renews, deregisters, expiries, state_changes, store_failures;
};
void registry_counts(const struct registry *r, struct registry_counts *out);

#endif
