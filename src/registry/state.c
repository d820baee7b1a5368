/* Changes of state alone: DRAIN, and what the checks decide.
 *
 * The happy path: the new state is proposed, the store keeps it, state_apply makes it visible.
 *
 * What can go wrong: the store refuses. A DRAIN is then refused too. What the checks say cannot be refused: it is
 * applied, and the store is offered the state again each second until it takes it. */
#include "registry/private.h"

/* Seconds until no answer that names the instance can be in a cache: the TTL of now, or a longer one from before a
 * reload. */
static uint32_t safe_s(const struct service_entry *s, uint64_t now_ms)
{
    uint64_t old_s = s->old_ttl_until_ms > now_ms ? (s->old_ttl_until_ms - now_ms + 999) / 1000 : 0;
    return old_s > s->pub.policy.ttl_s ? (uint32_t)old_s : s->pub.policy.ttl_s;
}

static void reply_drained(struct registry *r, uint64_t request, const struct entry *e, uint64_t now_ms,
                          struct effects *out)
{
    reply_ok(r, out, request)->u.reply.safe_s = e->pub.is_draining ? safe_s(service_of(e), now_ms) : 0;
}

int drain_start(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out)
{
    struct entry *e = op->entry;
    if (!entry_is_registered(e)) {
        reply_error(r, out, op->request, ERR_NOLEASE, "no instance \"%s\" of service \"%s\"", e->folded,
                    e->pub.service->name);
    } else if (op->is_draining == e->pub.is_draining) {
        reply_drained(r, op->request, e, now_ms, out);
    } else {
        op->state = e->pub.state;
        if (op->state != STATE_LOST)
            op->state = op->is_draining ? STATE_DRAINING : health_state(e->pub.checks);
        op_persist(r, op, STORE_STATE, out);
        return 0;
    }
    op_free(r, op);
    return 0;
}

void state_apply(struct registry *r, struct op *op, const struct event *ev, uint64_t now_ms, struct effects *out)
{
    struct entry *e = op->entry;
    enum instance_state old = e->pub.state;
    bool ok = ev->u.committed.ok;
    if (!ok && op->cause == OP_DRAIN) {
        reply_error(r, out, op->request, ERR_UNAVAILABLE,
                    "the store did not take the change; nothing has changed, try again");
        return;
    }
    e->is_unsaved = !ok;
    e->retry_ms = ok ? 0 : now_ms + RETRY_MS;
    if (op->state != old || op->is_draining != e->pub.is_draining) {
        e->pub.is_draining = op->is_draining;
        entry_set_state(r, e, op->state);
        revision_grow(r, ev->u.committed.revision);
        change_add(r, out, e, CHANGE_STATE, old);
        r->counts.state_changes++;
    }
    if (op->cause == OP_DRAIN)
        reply_drained(r, op->request, e, now_ms, out);
    else
        reply_ok(r, out, op->request);
}
