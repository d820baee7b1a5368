/* Instances that leave: DEREGISTER, the end of a lease, critical for longer than `remove`.
 *
 * The happy path: the delete is proposed, the store takes it, delete_apply takes the instance out and leaves a hold on
 * its id if one was asked for.
 *
 * What can go wrong: the store refuses. A DEREGISTER is then refused too. The end of a lease cannot be refused: the
 * instance becomes `lost`, is served no more, and the delete is tried again each second; a RENEW or REGISTER meanwhile
 * brings it back. */
#include "registry/private.h"

int deregister_start(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out)
{
    if (entry_is_registered(op->entry)) {
        op_persist(r, op, STORE_DELETE, out);
        return 0;
    }
    reply_ok(r, out, op->request); /* removed = false */
    op_free(r, op);
    return 0;
}

/* The store did not take the delete. */
static void delete_failed(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out)
{
    struct entry *e = op->entry;
    enum instance_state old = e->pub.state;
    if (op->cause == OP_DEREGISTER) {
        reply_error(r, out, op->request, ERR_UNAVAILABLE,
                    "the store did not take the change; nothing has changed, try again");
        return;
    }
    e->retry_ms = now_ms + RETRY_MS;
    if (op->cause != OP_EXPIRE || old == STATE_LOST)
        return;
    entry_set_state(r, e, STATE_LOST);
    revision_grow(r, 0);
    change_add(r, out, e, CHANGE_STATE, old);
    r->counts.state_changes++;
}

static void uninstall(struct registry *r, struct entry *e)
{
    entry_untie(r, e);
    tags_remove(r, service_of(e), e->pub.desc);
    checks_clear(e->pub.checks);
    r->dead_desc = e->pub.desc;
    cursors_leave(r, &e->pub.link);
    list_remove(&e->pub.link);
    e->pub.desc = NULL;
    e->pub.is_draining = e->is_unsaved = false;
    e->pub.deadline_ms = 0;
    e->retry_ms = 0;
    entry_set_state(r, e, STATE_NONE);
}

void delete_apply(struct registry *r, struct op *op, const struct event *ev, uint64_t now_ms, struct effects *out)
{
    struct entry *e = op->entry;
    enum change_kind kind = op->cause == OP_EXPIRE   ? CHANGE_EXPIRED
                            : op->cause == OP_REMOVE ? CHANGE_REMOVED
                                                     : CHANGE_DEREGISTERED;
    if (!ev->u.committed.ok) {
        delete_failed(r, op, now_ms, out);
        return;
    }
    enum instance_state old = e->pub.state;
    struct description *desc = e->pub.desc;
    uninstall(r, e);
    e->pub.deadline_ms = op->hold_ms > 0 ? now_ms + op->hold_ms : 0;
    revision_grow(r, ev->u.committed.revision);
    struct effect *at = change_add(r, out, e, kind, old);
    at->u.change.old_desc = desc;
    at->u.change.gone = true;
    at->u.change.service_gone = !service_exists(e->pub.service);
    r->counts.expiries += kind == CHANGE_EXPIRED;
    r->counts.deregisters += kind == CHANGE_DEREGISTERED;
    reply_ok(r, out, op->request)->u.reply.removed = true;
}
