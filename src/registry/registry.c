/* The registry itself: its making, its step, and reading it.
 *
 * registry_step only finds the function of the event; each subject has a file: register.c, lease.c, session.c,
 * checks.c, state.c, removal.c; op.c joins them with the store. private.h tells how an entry lives. */
#include "registry/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

/* ── life ── */

void registry_bury(struct registry *r)
{
    while (!list_is_empty(&r->dead_entries)) {
        struct instance *i = CONTAINER_OF(r->dead_entries.next, struct instance, link);
        list_remove(&i->link);
        entry_free(entry_of(i));
    }
    while (!list_is_empty(&r->dead_services)) {
        struct service_entry *s = CONTAINER_OF(r->dead_services.next, struct service_entry, link);
        list_remove(&s->link);
        service_free(s);
    }
    description_unref(r->dead_desc);
    r->dead_desc = NULL;
}

int registry_new(const struct registry_options *o, const struct service_policy *policy, uint64_t first_revision,
                 uint64_t key, uint64_t now_ms, struct registry **out)
{
    struct registry *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return ERR_NOMEM;
    r->options = *o;
    r->defaults = *policy;
    r->defaults.check = NULL;
    r->revision = first_revision;
    r->key = key;
    list_init(&r->order);
    list_init(&r->closing);
    list_init(&r->cursors);
    list_init(&r->dead_entries);
    list_init(&r->dead_services);
    wheel_init(&r->wheel, now_ms);
    int rc = map_init(&r->services);
    rc = rc != 0 ? rc : map_init(&r->instances);
    rc = rc != 0 ? rc : map_init(&r->ops);
    rc = rc != 0 ? rc : map_init(&r->sessions);
    rc = rc != 0 ? rc : map_init(&r->reserved);
    if (rc == 0 && policy->check != NULL)
        rc = check_block_new(policy->check, &r->default_check);
    if (rc != 0) {
        registry_free(r);
        return rc;
    }
    if (r->default_check != NULL)
        r->defaults.check = r->default_check->more->checks;
    *out = r;
    return 0;
}

static void free_entry_and_ops(struct registry *r, struct entry *e)
{
    op_free(r, e->busy);
    if (entry_is_registered(e))
        tags_remove(r, service_of(e), e->pub.desc);
    entry_untie(r, e);
    entry_free(e);
}

static void free_entries(struct registry *r)
{
    if (r->instances.buckets == NULL) /* never came to be */
        return;
    for (struct map_node *n = map_each(&r->instances, NULL), *next; n != NULL; n = next) {
        next = map_each(&r->instances, n);
        free_entry_and_ops(r, entry_of(CONTAINER_OF(n, struct instance, node)));
    }
}

void registry_free(struct registry *r)
{
    if (r == NULL)
        return;
    registry_bury(r);
    free_entries(r);
    while (!list_is_empty(&r->order)) {
        struct service_entry *s = CONTAINER_OF(r->order.next, struct service_entry, link);
        list_remove(&s->link);
        service_free(s);
    }
    reserved_free(&r->reserved);
    map_fini(&r->services);
    map_fini(&r->instances);
    map_fini(&r->ops);
    map_fini(&r->sessions);
    description_unref(r->default_check);
    free(r);
}

/* ── the step ── */

static void reply_missed(struct registry *r, const struct event *ev, struct effects *out)
{
    struct err x;
    if (service_name_check(ev->service, &x) != 0 || instance_id_check(ev->id, &x) != 0)
        reply_err(r, out, ev->request, &x);
    else if (ev->type == EVENT_DEREGISTER)
        reply_ok(r, out, ev->request); /* removed = false */
    else
        reply_error(r, out, ev->request, ERR_NOLEASE, "no instance \"%s\" of service \"%s\"; register again", ev->id,
                    ev->service);
}

/* DEREGISTER, DRAIN, REPORT: writes to an instance that should be there. */
static int write_event(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out)
{
    static const enum op_cause causes[] = {
        [EVENT_DEREGISTER] = OP_DEREGISTER, [EVENT_DRAIN] = OP_DRAIN, [EVENT_REPORT] = OP_REPORT};
    struct entry *e = entry_lookup(r, ev->service, ev->id);
    struct op *op;
    int rc = effects_reserve(out, 1, 1);
    if (rc != 0)
        return rc;
    if (e == NULL) {
        reply_missed(r, ev, out);
        return 0;
    }
    rc = op_new(causes[ev->type], e, ev->request, &op);
    if (rc != 0)
        return rc;
    if (ev->type == EVENT_DEREGISTER) {
        op->hold_ms = ev->u.deregister.hold_ms;
    } else if (ev->type == EVENT_DRAIN) {
        op->is_draining = !ev->u.drain.off;
    } else {
        op->status = ev->u.report.status;
        rc = check_output_copy(ev->u.report.note, &op->note);
    }
    if (rc == 0)
        rc = op_submit(r, op, now_ms, out);
    if (rc != 0)
        op_free(r, op);
    return rc;
}

int registry_step(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out)
{
    registry_bury(r);
    switch (ev->type) {
    case EVENT_REGISTER:
        return register_event(r, ev, now_ms, out);
    case EVENT_RENEW:
        return renew_event(r, ev, now_ms, out);
    case EVENT_DEREGISTER:
    case EVENT_DRAIN:
    case EVENT_REPORT:
        return write_event(r, ev, now_ms, out);
    case EVENT_PROBE_RESULT:
        return probe_event(r, ev, now_ms, out);
    case EVENT_SESSION_CLOSED:
        return session_closed_event(r, ev, now_ms, out);
    case EVENT_COMMITTED:
        return op_committed(r, ev, now_ms, out);
    case EVENT_TIME:
        return time_event(r, now_ms, out);
    }
    must(!"an event type of the enum");
    return 0;
}

/* ── what a store holds ── */

static int restore_entry(struct registry *r, struct entry *e, const struct store_record *rec, uint64_t now_ms,
                         struct effects *out)
{
    struct instance_checks *checks;
    int rc = effects_reserve(out, 1, 0);
    if (rc == 0)
        rc = checks_room(rec->desc, &checks);
    if (rc != 0)
        return rc;
    rc = tags_add(r, service_of(e), rec->desc);
    if (rc != 0) {
        checks_free(checks);
        return rc;
    }
    entry_install(r, e, rec->desc, checks, now_ms);
    e->pub.is_draining = rec->is_draining;
    entry_enlist(r, e, now_ms);
    e->pub.deadline_ms = lease_end(r, e, false, now_ms);
    entry_set_state(r, e, entry_wanted_state(e));
    change_add(r, out, e, CHANGE_REGISTERED, STATE_NONE)->u.change.old_desc = NULL;
    entry_arm(r, e, now_ms);
    return 0;
}

static void restore_hold(struct registry *r, struct entry *e, uint64_t hold_ms, uint64_t now_ms)
{
    uint64_t max_ms = r->options.lease_max_ms; /* as DEREGISTER has it, whatever the disk says */
    e->pub.deadline_ms = now_ms + (hold_ms < max_ms ? hold_ms : max_ms);
    entry_arm(r, e, now_ms);
}

int registry_restore(struct registry *r, const struct store_record *rec, uint64_t now_ms, struct effects *out)
{
    struct entry *e;
    registry_bury(r);
    const char *id = rec->desc != NULL ? rec->desc->id : rec->id;
    int rc = service_name_check(rec->service, NULL);
    if (rc == 0 && rec->desc == NULL)
        rc = rec->hold_ms == 0 ? ERR_BADARG : instance_id_check(id, NULL);
    struct service_entry *s = rc == 0 ? service_find(r, rec->service) : NULL;
    if (rc == 0 && s == NULL)
        rc = service_make(r, rec->service, &s);
    if (rc != 0)
        return rc;
    if (entry_find(s, id) != NULL)
        return ERR_BADARG;
    rc = entry_make(r, s, id, &e);
    if (rc != 0) {
        service_discard_if_unused(r, s);
        return rc;
    }
    if (rec->desc == NULL)
        restore_hold(r, e, rec->hold_ms, now_ms);
    else
        rc = restore_entry(r, e, rec, now_ms, out);
    if (rc != 0)
        entry_discard(r, e);
    return rc;
}

/* ── reading ── */

uint64_t registry_next_ms(const struct registry *r)
{
    return list_is_empty(&r->closing) ? wheel_next_ms(&r->wheel) : 0;
}

uint64_t registry_revision(const struct registry *r)
{
    return r->revision;
}

struct service *registry_service(const struct registry *r, const char *name)
{
    struct service_entry *s = service_find(r, name);
    return s != NULL && service_exists(&s->pub) ? &s->pub : NULL;
}

struct instance *registry_instance(const struct service *s, const char *id)
{
    struct entry *e = entry_find(CONTAINER_OF((struct service *)(uintptr_t)s, struct service_entry, pub), id);
    return e != NULL && entry_is_registered(e) ? &e->pub : NULL;
}

struct service *registry_each(const struct registry *r, const struct service *after)
{
    const struct list *at = &r->order;
    if (after != NULL)
        at = &CONTAINER_OF((struct service *)(uintptr_t)after, struct service_entry, pub)->link;
    for (at = at->next; at != &r->order; at = at->next) {
        struct service *s = &CONTAINER_OF((struct list *)(uintptr_t)at, struct service_entry, link)->pub;
        if (service_exists(s))
            return s;
    }
    return NULL;
}

void registry_counts(const struct registry *r, struct registry_counts *out)
{
    *out = r->counts;
}

const char *instance_state_name(enum instance_state s)
{
    static const char *const names[] = {"none",     "starting",    "passing", "warning", "critical",
                                        "draining", "maintenance", "held",    "lost"};
    must((size_t)s < sizeof(names) / sizeof(names[0]));
    return names[s];
}

const char *change_kind_name(enum change_kind k)
{
    static const char *const names[] = {"registered", "replaced", "state", "deregistered",
                                        "expired",    "removed",  "policy"};
    must((size_t)k < sizeof(names) / sizeof(names[0]));
    return names[k];
}
