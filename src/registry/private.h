/* What the files of registry/ share and nobody else sees.
 *
 * An instance is the head of a `struct entry`. An entry lives from the first REGISTER of its id until nothing speaks for it:
 *
 *     reserved  ──commit──►  registered  ──commit of a delete──►  held (HOLD)  ──time──►  freed
 *     (desc NULL, busy)      (desc set)                           (desc NULL)
 *
 * At most one op of an entry is on its way to the store (`busy`); later requests wait with it, in `busy->waiting`, and are
 * started in order. An entry's single timer fires at the earliest of its deadlines; renewals do not move it, it looks again when it fires. What an
 * entry wants (another state, its removal) is level-triggered: entry_settle compares and proposes, after each event. */
#ifndef REGISTRY_PRIVATE_H
#define REGISTRY_PRIVATE_H

#include "registry/registry.h"

#define RETRY_MS 1000    /* after a failed delete, or a state that the store did not take */
#define START_EFFECTS 4  /* effects that starting one op, or settling an entry once, can append at most */

enum op_cause {
    OP_REGISTER, OP_RENEW, OP_DEREGISTER, OP_DRAIN, OP_REPORT, /* requests */
    OP_EXPIRE, OP_REMOVE, OP_STATE,                            /* of the registry itself */
};

/* A write: waiting in its entry, or on its way to the store. */
struct op {
    struct map_node node; /* in registry->ops, by ticket, while on its way */
    struct list link;     /* in the `waiting` of another */
    struct list waiting;  /* later ops of the entry, while this one is on its way */
    uint32_t n_waiting;
    struct entry *entry;
    enum op_cause cause;
    uint64_t request;
    enum instance_state state; /* proposed, with is_draining */
    bool is_draining;
    enum store_op_kind kind; /* once on its way */
    uint64_t ticket;
    struct description *desc;   /* REGISTER, and RENEW of a lost instance: a reference */
    struct instance_checks *checks; /* room for the checks of desc, taken before the op goes on its way */
    bool has_tags;              /* the tags of desc are counted in the service */
    struct tie *tie;            /* REGISTER with SESSION: owned, the entry's from the commit on */
    uint64_t hold_ms;           /* DEREGISTER */
    enum check_status status;   /* REPORT */
    char *note;                 /* REPORT: owned, as check_output_copy made it */
};

/* There are millions of these: what few have at a time is elsewhere (op, tie, instance_checks). */
struct entry {
    struct instance pub; /* first */
    struct wheel_entry timer;
    struct op *busy;    /* owned; NULL: none */
    struct tie *tie;    /* owned; NULL: tied to no session, or cut with it */
    uint64_t retry_ms : 63;  /* lease clock: nothing is proposed again before; 0: none */
    bool is_unsaved : 1; /* the store failed to take the present state */
    char folded[];      /* id */
};

struct service_entry {
    struct service pub; /* first */
    const struct registry *registry;
    struct list link;    /* in registry->order */
    uint32_t n_entries;  /* also reserved and held ones */
    struct map tags;     /* tag_ref by folded tag, of registered instances and of ops on their way; not made before the
                            first of them */
    struct description *check_owner; /* block of policy.check, NULL: none */
    uint64_t old_ttl_until_ms;       /* answers with a TTL of before a reload may be out there until then */
    char names[];                    /* as shown; and folded, unless that is the same */
};

struct tag_ref {
    struct map_node node;
    uint32_t refs;
    char folded[];
};

/* A connection that owns instances. Freed with its last tie. */
struct session {
    struct map_node node; /* in registry->sessions while open */
    struct list link;     /* in registry->closing while closed and instances are still to be cut */
    struct list ties;     /* of entries */
    uint64_t id;
    uint64_t cut_ms;      /* lease clock, once closed: when the leases of its instances end */
    size_t n_ties;        /* of entries and of ops */
    bool is_closed;
};

/* What ties one instance to a session. Made with the request, so that its commit needs no memory. */
struct tie {
    struct list link; /* in session->ties once it is an entry's */
    struct session *session;
    struct entry *entry;
};

struct reserved_name {
    struct map_node node;
    char folded[];
};

struct registry {
    struct registry_options options;
    struct service_policy defaults;
    struct description *default_check; /* block of defaults.check */
    uint64_t key, revision, next_ticket, last_order;
    uint32_t next_epoch;
    struct map services, instances, ops, sessions, reserved;
    struct list order;   /* of services */
    struct list closing; /* sessions */
    struct list cursors; /* of all walks */
    struct wheel wheel;
    struct registry_counts counts;
    struct list dead_entries, dead_services; /* effects may point to them until the next step */
    struct description *dead_desc;
    struct effect unwanted; /* replies to request 0 are written here */
};

static inline struct entry *entry_of(struct instance *i)
{
    return CONTAINER_OF(i, struct entry, pub);
}
static inline struct service_entry *service_of(const struct entry *e)
{
    return CONTAINER_OF(e->pub.service, struct service_entry, pub);
}
static inline bool entry_is_registered(const struct entry *e)
{
    return e->pub.desc != NULL;
}
static inline bool entry_has_waiting(const struct entry *e)
{
    return e->busy != NULL && e->busy->n_waiting > 0;
}
static inline bool service_exists(const struct service *s)
{
    return s->n_registered > 0 || s->is_configured;
}

/* registry.c: frees what effects of the step before may have pointed to. */
void registry_bury(struct registry *r);

/* effects.c: appending never fails after effects_reserve; up to `replies` of the effects may be replies that are errors. */
int effects_reserve(struct effects *x, size_t more, size_t replies) MUST_CHECK;
struct effect *effects_add(struct effects *x, enum effect_type type);
/* A reply of success with the registry's present revision; its other fields are the caller's to set. */
struct effect *reply_ok(struct registry *r, struct effects *x, uint64_t request);
void reply_error(struct registry *r, struct effects *x, uint64_t request, int code, const char *fmt, ...) PRINTF_LIKE(5, 6);
void reply_err(struct registry *r, struct effects *x, uint64_t request, const struct err *e);
void lease_changed(struct effects *x, struct entry *e, uint64_t old_deadline_ms);

/* services.c: finding, making and discarding services and entries; their counts. */
#define FOLDED_MAX 64 /* a folded service name or id with its NUL */
/* The length, or 0 if `name` is longer than any of ours; out holds the folded name. */
size_t fold_name(const char *name, char out[FOLDED_MAX]);
struct service_entry *service_find(const struct registry *r, const char *name); /* also one that does not exist to others */
int service_make(struct registry *r, const char *name, struct service_entry **out) MUST_CHECK;
void service_discard_if_unused(struct registry *r, struct service_entry *s);
void service_free(struct service_entry *s);
struct entry *entry_find(const struct service_entry *s, const char *id);
struct entry *entry_lookup(const struct registry *r, const char *service, const char *id); /* in one go */
int entry_make(struct registry *r, struct service_entry *s, const char *id, struct entry **out) MUST_CHECK;
void entry_discard(struct registry *r, struct entry *e); /* registered no more; freed by the next step */
void entry_free(struct entry *e);
void entry_set_state(struct registry *r, struct entry *e, enum instance_state state);
bool is_reserved(const struct registry *r, const char *service, const char *id); /* any case; id may be NULL */
/* Counts the label-shaped tags of a description in the service, or nothing (ERR_NOMEM). */
int tags_add(struct registry *r, struct service_entry *s, const struct description *d) MUST_CHECK;
void tags_remove(struct registry *r, struct service_entry *s, const struct description *d);
bool tags_has(const struct registry *r, const struct service_entry *s, const char *name);
uint64_t name_hash(const struct registry *r, const char *folded, size_t len);
void service_begins(struct registry *r, struct service_entry *s); /* to exist: it becomes the last one */

/* cursor.c: before a node of registry->order or service->ordered leaves it; before a service is discarded */
void cursors_leave(struct registry *r, struct list *node);
void cursors_end(struct registry *r, const struct service *s);

/* op.c: the life of a write. */
int op_new(enum op_cause cause, struct entry *e, uint64_t request, struct op **out) MUST_CHECK;
void op_free(struct registry *r, struct op *op); /* gives back all that it holds */
void op_persist(struct registry *r, struct op *op, enum store_op_kind kind, struct effects *out);
/* Starts the op now or queues it behind others. On ERR_NOMEM nothing has changed and the op is the caller's. */
int op_submit(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out) MUST_CHECK;
int op_committed(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out) MUST_CHECK;
void revision_grow(struct registry *r, uint64_t from_store);
struct effect *change_add(struct registry *r, struct effects *out, struct entry *e, enum change_kind kind,
                          enum instance_state old_state);
/* Does all that is due for an entry that is not busy: requests that waited with `spare` first, then what it wants, then its
 * timer. `spare` (or NULL) is an op to reuse; it is consumed. Effects for it are reserved. Returns ERR_NOMEM if something is left to do; the
 * timer then is due at once. */
int entry_settle(struct registry *r, struct entry *e, struct op *spare, uint64_t now_ms, struct effects *out);

/* Starting an op of a cause: it is consumed (on its way, or replied and freed), or ERR_NOMEM and nothing has changed. */
int register_start(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out) MUST_CHECK; /* register.c */
int renew_start(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out) MUST_CHECK;    /* lease.c */
int deregister_start(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out) MUST_CHECK; /* removal.c */
int drain_start(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out) MUST_CHECK;    /* state.c */
int report_start(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out) MUST_CHECK;   /* checks.c */

/* Carrying out what the store committed or refused. Never fail. */
void put_apply(struct registry *r, struct op *op, const struct event *ev, uint64_t now_ms, struct effects *out);
void delete_apply(struct registry *r, struct op *op, const struct event *ev, uint64_t now_ms, struct effects *out);
void state_apply(struct registry *r, struct op *op, const struct event *ev, uint64_t now_ms, struct effects *out);

/* register.c */
int register_event(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out) MUST_CHECK;
/* Puts a description in place: tags, checks with the history of equal ones, deadline. `checks` is consumed. */
void entry_enlist(struct registry *r, struct entry *e, uint64_t now_ms); /* registered for the first time: last of its service */
void entry_install(struct registry *r, struct entry *e, struct description *desc, struct instance_checks *checks,
                   uint64_t now_ms);
/* The put of op->desc: REGISTER, and RENEW of a lost instance. */
int put_start(struct registry *r, struct op *op, struct effects *out) MUST_CHECK;

/* lease.c */
int renew_event(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out) MUST_CHECK;
/* The end of a lease that begins now; a closed session cuts it. */
uint64_t lease_end(const struct registry *r, const struct entry *e, bool is_cut, uint64_t now_ms);
void lease_renew(struct registry *r, struct entry *e, bool is_cut, uint64_t now_ms, struct effects *out);
int time_event(struct registry *r, uint64_t now_ms, struct effects *out) MUST_CHECK;
/* When the entry has something to do by itself; while it is busy, never: its completion looks at everything. */
uint64_t entry_due_ms(const struct entry *e, uint64_t now_ms);
void entry_arm(struct registry *r, struct entry *e, uint64_t now_ms);

/* session.c */
int tie_new(struct registry *r, uint64_t session, struct tie **out) MUST_CHECK; /* makes the session if need be */
void tie_free(struct registry *r, struct tie *t); /* NULL is allowed */
static inline bool tie_is_closed(const struct tie *t)
{
    return t != NULL && t->session->is_closed;
}
/* Ties the entry by *t, which is taken, instead of what tied it before. NULL or one of a closed session unties. */
void entry_tie(struct registry *r, struct entry *e, struct tie **t);
void entry_untie(struct registry *r, struct entry *e);
/* Cuts leases of closed sessions, at most `max` of them. Returns how many, or ERR_NOMEM if none could be. */
int sessions_cut(struct registry *r, uint32_t max, uint64_t now_ms, struct effects *out) MUST_CHECK;
int session_closed_event(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out) MUST_CHECK;

/* checks.c */
enum instance_state check_health(const struct check_state *c); /* what one check alone makes of an instance */
enum instance_state health_state(const struct instance_checks *checks);
enum instance_state entry_wanted_state(const struct entry *e);
uint64_t checks_due_ms(const struct entry *e); /* the next silence of a ttl check */
uint64_t remove_due_ms(const struct entry *e); /* when a `remove=` is over */
/* Makes ttl checks critical that have been silent for too long. ERR_NOMEM: nothing has changed. */
int checks_lapse(struct entry *e, uint64_t now_ms) MUST_CHECK;
int probe_event(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out) MUST_CHECK;
void check_begin(struct check_state *c, const struct check_spec *spec, uint64_t now_ms);
/* Room for the checks of an instance with this description, or for one of its service; nothing in it until checks_own. */
int checks_room(const struct description *d, struct instance_checks **out) MUST_CHECK;
void checks_own(struct instance_checks *checks, struct description *owner, uint32_t epoch); /* takes a reference */
void checks_replace(struct entry *e, struct instance_checks *checks); /* those that the entry had are freed */
void checks_clear(struct instance_checks *checks); /* leaves none, and `health`; NULL is allowed */
void checks_free(struct instance_checks *checks);  /* NULL is allowed */

/* policy.c */
/* A block that holds one check, to be referenced like the description of an instance. */
int check_block_new(const struct check_spec *spec, struct description **out) MUST_CHECK;
void reserved_free(struct map *names); /* entries and buckets */

#endif
