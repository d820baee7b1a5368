/* Leases: renewing them, and the timer of each entry.
 *
 * The happy path: RENEW finds the instance and moves its deadline; neither the store nor the wheel nor the heap is
 * touched. When the entry's timer fires it looks whether something is due; mostly it is not, and the timer is set to
 * the deadline of then.
 *
 * What can go wrong: the instance is not registered yet, is being deleted or is lost: then the renewal waits its turn
 * behind the op on its way. A renewal of a lost instance puts its description again, because a delete whose outcome
 * nobody knows may still be under way. A lease whose end has passed but has not been worked off yet may still be
 * renewed. */
#include "registry/private.h"

#include "base/must.h"

/* ── renewing ── */

uint64_t lease_end(const struct registry *r, const struct entry *e, bool is_cut, uint64_t now_ms)
{
    uint64_t end = e->pub.desc->lease_ms == 0 ? UINT64_MAX : now_ms + e->pub.desc->lease_ms;
    uint64_t cut = now_ms + r->options.session_grace_ms;
    return is_cut && cut < end ? cut : end;
}

void lease_renew(struct registry *r, struct entry *e, bool is_cut, uint64_t now_ms, struct effects *out)
{
    uint64_t old = e->pub.deadline_ms;
    if (tie_is_closed(e->tie))
        entry_untie(r, e); /* it was still to be cut */
    e->pub.deadline_ms = lease_end(r, e, is_cut, now_ms);
    lease_changed(out, e, old);
    if (e->pub.deadline_ms < old)
        entry_arm(r, e, now_ms);
}

static void reply_no_lease(struct registry *r, const struct event *ev, struct effects *out)
{
    struct err x;
    if (service_name_check(ev->service, &x) != 0 || instance_id_check(ev->id, &x) != 0)
        reply_err(r, out, ev->request, &x);
    else
        reply_error(r, out, ev->request, ERR_NOLEASE, "no instance \"%s\" of service \"%s\"; register again", ev->id,
                    ev->service);
}

static void reply_renewed(struct registry *r, uint64_t request, const struct entry *e, struct effects *out)
{
    r->counts.renews++;
    reply_ok(r, out, request)->u.reply.lease_ms = e->pub.desc->lease_ms;
}

int renew_event(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out)
{
    struct entry *e = entry_lookup(r, ev->service, ev->id);
    bool is_there = e != NULL && entry_is_registered(e);
    int rc = effects_reserve(out, 2, 1);
    if (rc != 0)
        return rc;
    if (e == NULL || (!is_there && e->busy == NULL)) {
        reply_no_lease(r, ev, out);
        return 0;
    }
    if (is_there && !entry_has_waiting(e) && e->pub.state != STATE_LOST &&
        (e->busy == NULL || e->busy->kind != STORE_DELETE)) {
        lease_renew(r, e, false, now_ms, out);
        reply_renewed(r, ev->request, e, out);
        return 0;
    }
    struct op *op;
    rc = op_new(OP_RENEW, e, ev->request, &op);
    if (rc == 0)
        rc = op_submit(r, op, now_ms, out);
    else
        op = NULL;
    if (rc != 0)
        op_free(r, op);
    return rc;
}

int renew_start(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out)
{
    struct entry *e = op->entry;
    if (!entry_is_registered(e)) {
        reply_error(r, out, op->request, ERR_NOLEASE, "no instance \"%s\" of service \"%s\"; register again", e->folded,
                    e->pub.service->name);
    } else if (e->pub.state == STATE_LOST) {
        op->desc = description_ref(e->pub.desc);
        int rc = put_start(r, op, out);
        if (rc != 0) {
            description_unref(op->desc);
            op->desc = NULL;
        }
        return rc;
    } else {
        lease_renew(r, e, false, now_ms, out);
        reply_renewed(r, op->request, e, out);
    }
    op_free(r, op);
    return 0;
}

/* ── the timer of an entry ── */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t entry_due_ms(const struct entry *e, uint64_t now_ms)
{
    if (e->busy != NULL)
        return UINT64_MAX;
    if (!entry_is_registered(e))
        return later(e->pub.deadline_ms, now_ms); /* the end of its hold */
    if (entry_wanted_state(e) != e->pub.state)
        return now_ms;
    uint64_t end = e->pub.state == STATE_LOST ? later(e->pub.deadline_ms, e->retry_ms) : e->pub.deadline_ms;
    uint64_t other = later(e->is_unsaved ? 0 : remove_due_ms(e), e->retry_ms);
    return earlier(checks_due_ms(e), earlier(end, other));
}

/* An armed timer is only ever moved to an earlier time: to a later one it moves by itself when it fires. */
void entry_arm(struct registry *r, struct entry *e, uint64_t now_ms)
{
    uint64_t due = entry_due_ms(e, now_ms);
    if (due == UINT64_MAX)
        wheel_disarm(&r->wheel, &e->timer);
    else if (!wheel_is_armed(&e->timer) || e->timer.deadline_ms > due)
        wheel_arm(&r->wheel, &e->timer, due);
}

/* Works off timers, at most expiry_slice of them less the cuts of closed sessions, which get up to half. An entry for which
 * memory is short is left due and ends the step. */
int time_event(struct registry *r, uint64_t now_ms, struct effects *out)
{
    int n_cut = sessions_cut(r, (r->options.expiry_slice + 1) / 2, now_ms, out);
    if (n_cut < 0)
        return n_cut;
    for (uint32_t n = (uint32_t)n_cut; n < r->options.expiry_slice; n++) {
        int rc = effects_reserve(out, START_EFFECTS, 0);
        struct wheel_entry *w = rc == 0 ? wheel_pop(&r->wheel, now_ms) : NULL;
        if (w == NULL)
            return n > 0 ? 0 : rc;
        struct entry *e = CONTAINER_OF(w, struct entry, timer);
        if (entry_settle(r, e, NULL, now_ms, out) != 0)
            return n > 0 ? 0 : ERR_NOMEM;
    }
    return 0;
}
