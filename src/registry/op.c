/* The life of a write: submitted, queued behind an earlier write for the same instance or sent to the store, committed,
 * applied, replied.
 *
 * The happy path: op_submit starts the op, which validates and appends EFFECT_PERSIST; the store's completion comes
 * back as EVENT_COMMITTED, op_committed applies it and settles the entry: requests that waited are started, then
 * whatever the entry wants by itself (another state, its removal) is proposed, and its timer is set.
 *
 * What can go wrong: the store refuses (the request is told and nothing has changed; what cannot be refused is applied
 * and tried again). Memory is short: op_submit and op_committed then change nothing and can be called again; a request
 * that waited and cannot be started is answered ERR_NOMEM; what an entry wants by itself waits for its timer. */
#include "registry/private.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/must.h"

static int (*const starters[])(struct registry *, struct op *, uint64_t, struct effects *) = {
    [OP_REGISTER] = register_start, [OP_RENEW] = renew_start,   [OP_DEREGISTER] = deregister_start,
    [OP_DRAIN] = drain_start,       [OP_REPORT] = report_start,
};

static void (*const appliers[])(struct registry *, struct op *, const struct event *, uint64_t, struct effects *) = {
    [STORE_PUT] = put_apply,
    [STORE_DELETE] = delete_apply,
    [STORE_STATE] = state_apply,
};

int op_new(enum op_cause cause, struct entry *e, uint64_t request, struct op **out)
{
    struct op *op = calloc(1, sizeof(*op));
    if (op == NULL)
        return ERR_NOMEM;
    op->cause = cause;
    op->entry = e;
    op->request = request;
    list_init(&op->link);
    list_init(&op->waiting);
    *out = op;
    return 0;
}

/* Gives back what it holds and keeps the memory, and those that wait with it. */
static void op_clear(struct registry *r, struct op *op)
{
    if (op->has_tags)
        tags_remove(r, service_of(op->entry), op->desc);
    description_unref(op->desc);
    checks_free(op->checks);
    free(op->note);
    tie_free(r, op->tie);
    op->desc = NULL;
    op->checks = NULL;
    op->note = NULL;
    op->tie = NULL;
    op->request = op->hold_ms = 0;
    op->has_tags = false;
}

static struct op *waiting_pop(struct op *op)
{
    struct op *first = CONTAINER_OF(op->waiting.next, struct op, link);
    list_remove(&first->link);
    op->n_waiting--;
    return first;
}

void op_free(struct registry *r, struct op *op)
{
    if (op == NULL)
        return;
    while (op->n_waiting > 0)
        op_free(r, waiting_pop(op));
    op_clear(r, op);
    free(op);
}

static uint64_t ticket_hash(const struct registry *r, uint64_t ticket)
{
    return hash_mix(ticket ^ r->key, UINT64_C(0x9e3779b97f4a7c15));
}

void op_persist(struct registry *r, struct op *op, enum store_op_kind kind, struct effects *out)
{
    struct entry *e = op->entry;
    must(e->busy == NULL);
    op->kind = kind;
    op->ticket = ++r->next_ticket;
    e->busy = op;
    map_insert(&r->ops, &op->node, ticket_hash(r, op->ticket));
    const struct description *d = op->desc != NULL ? op->desc : e->pub.desc;
    effects_add(out, EFFECT_PERSIST)->u.persist = (struct store_op){.ticket = op->ticket,
                                                                    .kind = kind,
                                                                    .service = e->pub.service->name,
                                                                    .id = d->id,
                                                                    .desc = kind == STORE_PUT ? op->desc : NULL,
                                                                    .state = (uint8_t)op->state,
                                                                    .is_draining = op->is_draining,
                                                                    .hold_ms = op->hold_ms};
}

int op_submit(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out)
{
    struct entry *e = op->entry;
    if (e->busy != NULL) {
        list_push(&e->busy->waiting, &op->link);
        e->busy->n_waiting++;
        return 0;
    }
    int rc = effects_reserve(out, 2 * START_EFFECTS, 1);
    if (rc == 0)
        rc = starters[op->cause](r, op, now_ms, out);
    if (rc == 0)
        entry_settle(r, e, NULL, now_ms, out);
    return rc;
}

int op_committed(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out)
{
    uint64_t ticket = ev->u.committed.ticket;
    struct map_node *n = map_first(&r->ops, ticket_hash(r, ticket));
    while (n != NULL && CONTAINER_OF(n, struct op, node)->ticket != ticket)
        n = map_next(n);
    must(n != NULL); /* a store completes each ticket once */
    struct op *op = CONTAINER_OF(n, struct op, node);
    struct entry *e = op->entry;
    int rc = effects_reserve(out, (size_t)START_EFFECTS * (op->n_waiting + 2), op->n_waiting + 1);
    if (rc != 0)
        return rc;
    map_remove(&r->ops, n);
    e->busy = NULL;
    r->counts.store_failures += !ev->u.committed.ok;
    appliers[op->kind](r, op, ev, now_ms, out);
    op_clear(r, op);
    entry_settle(r, e, op, now_ms, out);
    return 0;
}

void revision_grow(struct registry *r, uint64_t from_store)
{
    r->revision = from_store > r->revision ? from_store : r->revision + 1;
}

struct effect *change_add(struct registry *r, struct effects *out, struct entry *e, enum change_kind kind,
                          enum instance_state old_state)
{
    struct effect *at = effects_add(out, EFFECT_CHANGE);
    e->pub.revision = r->revision;
    e->pub.service->revision = r->revision;
    at->u.change.kind = kind;
    at->u.change.service = e->pub.service;
    at->u.change.instance = &e->pub;
    at->u.change.old_desc = e->pub.desc;
    at->u.change.new_desc = e->pub.desc;
    at->u.change.old_state = old_state;
    at->u.change.new_state = e->pub.state;
    at->u.change.revision = r->revision;
    at->u.change.gone = false;
    at->u.change.service_gone = false;
    return at;
}

/* ── settling ── */

/* Starts those that waited with an op that is over, up to the first that goes on its way: the others wait with that. */
static void start_waiting(struct registry *r, struct entry *e, struct op *over, uint64_t now_ms, struct effects *out)
{
    while (e->busy == NULL && over->n_waiting > 0) {
        struct op *op = waiting_pop(over);
        if (starters[op->cause](r, op, now_ms, out) == 0)
            continue;
        reply_error(r, out, op->request, ERR_NOMEM, "out of memory");
        op_free(r, op);
    }
    if (over->n_waiting == 0)
        return;
    list_splice(&e->busy->waiting, &over->waiting);
    e->busy->n_waiting = over->n_waiting;
    over->n_waiting = 0;
}

/* What a registered entry wants by itself. */
static bool has_wish(const struct entry *e, uint64_t now_ms, enum op_cause *cause)
{
    bool may_retry = e->retry_ms <= now_ms;
    if (e->pub.deadline_ms <= now_ms && (may_retry || e->pub.state != STATE_LOST))
        *cause = OP_EXPIRE;
    else if (may_retry && remove_due_ms(e) <= now_ms)
        *cause = OP_REMOVE;
    else if (entry_wanted_state(e) != e->pub.state || (e->is_unsaved && may_retry))
        *cause = OP_STATE;
    else
        return false;
    return true;
}

static int propose(struct registry *r, struct entry *e, struct op **spare, uint64_t now_ms, struct effects *out)
{
    enum op_cause cause;
    int rc = 0;
    if (entry_due_ms(e, now_ms) > now_ms)
        return 0;
    if (*spare == NULL)
        rc = op_new(OP_STATE, e, 0, spare);
    if (rc == 0)
        rc = checks_lapse(e, now_ms);
    if (rc != 0 || !has_wish(e, now_ms, &cause))
        return rc;
    struct op *op = *spare;
    *spare = NULL;
    op->cause = cause;
    op->state = cause == OP_STATE ? entry_wanted_state(e) : e->pub.state;
    op->is_draining = e->pub.is_draining;
    op_persist(r, op, cause == OP_STATE ? STORE_STATE : STORE_DELETE, out);
    return 0;
}

int entry_settle(struct registry *r, struct entry *e, struct op *spare, uint64_t now_ms, struct effects *out)
{
    int rc = 0;
    if (spare != NULL)
        start_waiting(r, e, spare, now_ms, out);
    if (e->busy == NULL && entry_is_registered(e))
        rc = propose(r, e, &spare, now_ms, out);
    op_free(r, spare);
    if (e->busy == NULL && !entry_is_registered(e) && e->pub.deadline_ms <= now_ms)
        entry_discard(r, e);
    else
        entry_arm(r, e, now_ms);
    return rc;
}
