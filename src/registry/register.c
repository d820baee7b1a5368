/* REGISTER: a new instance, a new description of one that is there, or a renewal when nothing differs.
 *
 * The happy path: register_event finds or makes the service and the entry and submits an op; register_start validates
 * it against what is there and proposes the put; put_apply installs the description once it is committed.
 *
 * What can go wrong: a name that a static record or a hold keeps, an id that is a tag or the other way round, limits.
 * Tags and the entry are taken when the put is proposed, so two requests on their way cannot contradict each other. */
#include "registry/private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/must.h"

/* ── validation ── */

static int check_lease(const struct registry_options *o, uint32_t lease_ms, struct err *e)
{
    char min[DURATION_TEXT_MAX], max[DURATION_TEXT_MAX], given[DURATION_TEXT_MAX];
    duration_format(o->lease_min_ms, min);
    duration_format(o->lease_max_ms, max);
    if (lease_ms == 0 && o->allow_permanent)
        return 0;
    if (lease_ms == 0)
        return err_set(e, ERR_BADARG,
                       "TTL 0: permanent instances are not allowed here (allow_permanent); a TTL from %s to %s is", min,
                       max);
    if (lease_ms >= o->lease_min_ms && lease_ms <= o->lease_max_ms)
        return 0;
    return err_set(e, ERR_BADARG, "TTL %s: from %s to %s is expected", duration_format(lease_ms, given), min, max);
}

/* Is another instance there, or on its way, whose id is this tag? */
static bool is_id_taken(const struct entry *e, const char *tag)
{
    const struct entry *other = entry_find(service_of(e), tag);
    return other != NULL && other != e && (entry_is_registered(other) || other->busy != NULL);
}

static int check_clashes(const struct registry *r, const struct op *op, struct err *x)
{
    const struct entry *e = op->entry;
    const char *service = e->pub.service->name, *id = op->desc->id;
    if (is_reserved(r, service, NULL))
        return err_set(x, ERR_BADARG, "service \"%s\": a static name of the zone is equal; choose another name",
                       service);
    if (is_reserved(r, service, id))
        return err_set(x, ERR_BADARG, "id \"%s\": the static name %s.%s of the zone is equal; choose another id", id,
                       id, service);
    if (!entry_is_registered(e) && tags_has(r, service_of(e), id))
        return err_set(x, ERR_BADARG, "id \"%s\" is a tag of service \"%s\": both would be the same DNS name", id,
                       service);
    for (size_t i = 0; i < op->desc->n_tags; i++)
        if (tag_is_label(op->desc->more->tags[i]) && is_id_taken(e, op->desc->more->tags[i]))
            return err_set(x, ERR_BADARG, "tag \"%s\" is the id of another instance: both would be the same DNS name",
                           op->desc->more->tags[i]);
    return 0;
}

/* ── checks that stay, checks that come ── */

static struct description *owner_for(const struct entry *e, struct description *desc)
{
    return desc->n_checks > 0 ? desc : service_of(e)->check_owner;
}

/* Of the checks that the entry has, the one of this text. */
static struct check_state *same_check(const struct entry *e, const struct check_spec *spec)
{
    for (size_t i = 0; i < instance_n_checks(&e->pub); i++)
        if (strcmp(e->pub.checks->specs[i].text, spec->text) == 0)
            return &e->pub.checks->states[i];
    return NULL;
}

/* The state that an entry would have with this description now. */
static enum instance_state state_with(const struct entry *e, struct description *desc)
{
    const struct description *owner = owner_for(e, desc);
    enum instance_state state = STATE_PASSING;
    if (e->pub.is_draining)
        return STATE_DRAINING;
    for (size_t i = 0; owner != NULL && i < owner->n_checks; i++) {
        const struct check_state *kept = same_check(e, &owner->more->checks[i]);
        enum instance_state one = kept != NULL ? check_health(kept) : STATE_STARTING;
        if (one == STATE_STARTING)
            return STATE_STARTING;
        state = one > state ? one : state;
    }
    return state;
}

/* Do results of probes that run now still say something about the instance? */
static bool is_same_target(const struct entry *e, const struct description *desc, const struct description *owner)
{
    const struct description *old = e->pub.desc;
    size_t n = owner->n_checks;
    if (old == NULL || n != instance_n_checks(&e->pub) || old->port != desc->port || old->has_v4 != desc->has_v4 ||
        old->has_v6 != desc->has_v6 || memcmp(old->v4, desc->v4, 4) != 0 ||
        (old->has_v6 && memcmp(old->more->v6, desc->more->v6, 16) != 0))
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(e->pub.checks->specs[i].text, owner->more->checks[i].text) != 0)
            return false;
    return true;
}

void entry_enlist(struct registry *r, struct entry *e, uint64_t now_ms)
{
    e->pub.registered_ms = now_ms;
    e->pub.order = ++r->last_order;
    list_push(&e->pub.service->ordered, &e->pub.link);
}

/* What the new checks begin with: the memory of those of the same text, or nothing. */
static void begin_checks(const struct entry *e, struct instance_checks *checks, uint64_t now_ms)
{
    for (size_t i = 0; i < checks->n; i++) {
        struct check_state *kept = same_check(e, &checks->specs[i]);
        if (kept != NULL) {
            checks->states[i] = *kept;
            kept->output = NULL; /* has moved */
        } else {
            check_begin(&checks->states[i], &checks->specs[i], now_ms);
        }
    }
}

void entry_install(struct registry *r, struct entry *e, struct description *desc, struct instance_checks *checks,
                   uint64_t now_ms)
{
    struct description *owner = owner_for(e, desc);
    if (owner != NULL) {
        bool is_same = is_same_target(e, desc, owner);
        checks_own(checks, owner, is_same ? e->pub.checks->epoch : ++r->next_epoch);
        begin_checks(e, checks, now_ms);
        checks_replace(e, checks);
    } else {
        checks_clear(e->pub.checks);
        checks_free(checks);
    }
    r->dead_desc = e->pub.desc;
    e->pub.desc = description_ref(desc);
}

/* ── the request ── */

static int make_entry(struct registry *r, const struct event *ev, struct entry **out, struct err *x)
{
    const char *id = ev->u.reg.desc->id;
    struct service_entry *s = service_find(r, ev->service);
    if (s == NULL) {
        if (r->services.len >= r->options.max_services)
            return err_set(x, ERR_LIMIT, "there are %u services, which is the most there may be",
                           r->options.max_services);
        int rc = service_make(r, ev->service, &s);
        if (rc != 0)
            return rc;
    }
    *out = entry_find(s, id);
    if (*out != NULL)
        return 0;
    int rc;
    if (s->n_entries >= r->options.max_instances)
        rc = err_set(x, ERR_LIMIT, "service \"%s\" has %u instances, which is the most there may be", s->pub.name,
                     r->options.max_instances);
    else
        rc = entry_make(r, s, id, out);
    if (rc != 0)
        service_discard_if_unused(r, s);
    return rc;
}

static int refuse(struct registry *r, const struct event *ev, const struct err *x, struct effects *out)
{
    int rc = effects_reserve(out, 1, 1);
    if (rc == 0)
        reply_err(r, out, ev->request, x);
    return rc;
}

static int submit(struct registry *r, struct entry *e, const struct event *ev, uint64_t now_ms, struct effects *out)
{
    struct op *op;
    int rc = op_new(OP_REGISTER, e, ev->request, &op);
    if (rc != 0)
        return rc;
    op->desc = description_ref(ev->u.reg.desc);
    if (ev->u.reg.session != 0)
        rc = tie_new(r, ev->u.reg.session, &op->tie);
    if (rc == 0)
        rc = op_submit(r, op, now_ms, out);
    if (rc != 0)
        op_free(r, op);
    return rc;
}

int register_event(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out)
{
    struct err x = {0};
    struct entry *e;
    int rc = service_name_check(ev->service, &x);
    if (rc == 0)
        rc = check_lease(&r->options, ev->u.reg.desc->lease_ms, &x);
    if (rc == 0)
        rc = make_entry(r, ev, &e, &x);
    if (rc == ERR_NOMEM)
        return rc;
    if (rc != 0)
        return refuse(r, ev, &x, out);
    rc = submit(r, e, ev, now_ms, out);
    if (rc != 0 && e->busy == NULL && !entry_is_registered(e) && e->pub.deadline_ms == 0)
        entry_discard(r, e);
    return rc;
}

/* ── start and apply ── */

static void reply_registered(struct registry *r, const struct op *op, struct effects *out)
{
    struct effect *at = reply_ok(r, out, op->request);
    at->u.reply.desc = op->entry->pub.desc;
    at->u.reply.lease_ms = op->entry->pub.desc->lease_ms;
}

static void renew_same(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out)
{
    struct entry *e = op->entry;
    bool is_cut = tie_is_closed(op->tie);
    entry_tie(r, e, &op->tie);
    lease_renew(r, e, is_cut, now_ms, out);
    r->counts.renews++;
    reply_registered(r, op, out);
    op_free(r, op);
}

/* Room and tags are taken now, so that applying cannot fail and others see the tags. */
int put_start(struct registry *r, struct op *op, struct effects *out)
{
    struct entry *e = op->entry;
    int rc = checks_room(op->desc, &op->checks);
    if (rc != 0)
        return rc;
    rc = tags_add(r, service_of(e), op->desc);
    if (rc != 0) {
        checks_free(op->checks);
        op->checks = NULL;
        return rc;
    }
    op->has_tags = true;
    op->state = state_with(e, op->desc);
    op->is_draining = e->pub.is_draining;
    op_persist(r, op, STORE_PUT, out);
    return 0;
}

int register_start(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out)
{
    struct entry *e = op->entry;
    struct err x = {0};
    int rc = 0;
    if (!entry_is_registered(e) && e->pub.deadline_ms > now_ms)
        rc = err_set(&x, ERR_UNAVAILABLE, "id \"%s\" is held for %" PRIu64 "s more", op->desc->id,
                     (e->pub.deadline_ms - now_ms + 999) / 1000);
    else if (entry_is_registered(e) && e->pub.state != STATE_LOST && description_is_same(e->pub.desc, op->desc)) {
        renew_same(r, op, now_ms, out);
        return 0;
    } else {
        rc = check_clashes(r, op, &x);
    }
    if (rc == 0)
        return put_start(r, op, out);
    reply_err(r, out, op->request, &x);
    op_free(r, op);
    return 0;
}

static void put_failed(struct registry *r, const struct op *op, struct effects *out)
{
    reply_error(r, out, op->request, ERR_UNAVAILABLE,
                "the store did not take the registration; nothing has changed, try again");
}

void put_apply(struct registry *r, struct op *op, const struct event *ev, uint64_t now_ms, struct effects *out)
{
    struct entry *e = op->entry;
    if (!ev->u.committed.ok) {
        put_failed(r, op, out);
        return;
    }
    struct description *old_desc = e->pub.desc;
    enum instance_state old_state = e->pub.state;
    bool is_same = old_desc != NULL && description_is_same(old_desc, op->desc);
    if (old_desc != NULL)
        tags_remove(r, service_of(e), old_desc);
    op->has_tags = false; /* the entry's from now on */
    entry_install(r, e, op->desc, op->checks, now_ms);
    op->checks = NULL;
    if (old_desc == NULL)
        entry_enlist(r, e, now_ms);
    e->pub.deadline_ms = lease_end(r, e, tie_is_closed(op->tie), now_ms);
    if (op->cause == OP_REGISTER)
        entry_tie(r, e, &op->tie);
    e->retry_ms = 0;
    e->is_unsaved = false;
    entry_set_state(r, e, op->state);
    revision_grow(r, ev->u.committed.revision);
    change_add(r, out, e,
               old_desc == NULL ? CHANGE_REGISTERED
               : is_same        ? CHANGE_STATE
                                : CHANGE_REPLACED,
               old_state)
        ->u.change.old_desc = old_desc;
    r->counts.registers += op->cause == OP_REGISTER;
    r->counts.renews += op->cause == OP_RENEW;
    r->counts.state_changes += is_same;
    reply_registered(r, op, out);
}
