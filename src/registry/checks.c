/* What the checks of an instance say, and how it gets to them: probe results, reports, silence.
 *
 * The happy path: a result moves the memory of one check; if that makes another state of the whole the state is
 * proposed to the store, and applied when the store has answered, whatever it answered.
 *
 * What can go wrong: a result comes for an instance that is gone or has other checks by now (its epoch tells; it is
 * dropped). The instance is busy: only the memory moves, and the completion looks at the state again. */
#include "registry/private.h"

#include <stdlib.h>

void check_begin(struct check_state *c, const struct check_spec *spec, uint64_t now_ms)
{
    *c = (struct check_state){.since_ms = now_ms, .silent_ms = UINT64_MAX};
    if (spec->type == CHECK_TTL)
        c->silent_ms = now_ms + spec->interval_ms;
}

int checks_room(const struct description *d, struct instance_checks **out)
{
    /* One where it brings none: the service may have a check by the time it is installed. */
    size_t n = d->n_checks > 0 ? d->n_checks : 1;
    *out = calloc(1, sizeof(**out) + n * sizeof((*out)->states[0]));
    return *out != NULL ? 0 : ERR_NOMEM;
}

void checks_own(struct instance_checks *checks, struct description *owner, uint32_t epoch)
{
    checks->owner = description_ref(owner);
    checks->specs = owner->more->checks;
    checks->n = owner->n_checks;
    checks->epoch = epoch;
}

void checks_clear(struct instance_checks *checks)
{
    if (checks == NULL)
        return;
    for (size_t i = 0; i < checks->n; i++)
        free(checks->states[i].output);
    checks->n = 0;
    description_unref(checks->owner);
    checks->owner = NULL;
    checks->specs = NULL;
}

void checks_free(struct instance_checks *checks)
{
    checks_clear(checks);
    free(checks);
}

void checks_replace(struct entry *e, struct instance_checks *checks)
{
    checks->health = e->pub.checks != NULL ? e->pub.checks->health : NULL;
    checks_free(e->pub.checks);
    e->pub.checks = checks;
}

/* ── states ── */

enum instance_state check_health(const struct check_state *c)
{
    static const enum instance_state states[] = {STATE_STARTING, STATE_PASSING, STATE_WARNING, STATE_CRITICAL};
    return states[c->status];
}

enum instance_state health_state(const struct instance_checks *checks)
{
    enum instance_state worst = STATE_PASSING;
    for (size_t i = 0; checks != NULL && i < checks->n; i++) {
        enum instance_state one = check_health(&checks->states[i]);
        if (one == STATE_STARTING)
            return STATE_STARTING;
        worst = one > worst ? one : worst;
    }
    return worst;
}

enum instance_state entry_wanted_state(const struct entry *e)
{
    if (e->pub.state == STATE_LOST)
        return STATE_LOST;
    return e->pub.is_draining ? STATE_DRAINING : health_state(e->pub.checks);
}

/* ── deadlines ── */

uint64_t checks_due_ms(const struct entry *e)
{
    uint64_t due = UINT64_MAX;
    for (size_t i = 0; i < instance_n_checks(&e->pub); i++)
        due = e->pub.checks->states[i].silent_ms < due ? e->pub.checks->states[i].silent_ms : due;
    return due;
}

uint64_t remove_due_ms(const struct entry *e)
{
    uint64_t due = UINT64_MAX;
    for (size_t i = 0; i < instance_n_checks(&e->pub); i++) {
        const struct check_state *c = &e->pub.checks->states[i];
        uint32_t remove_ms = e->pub.checks->specs[i].remove_ms;
        if (c->status == CHECK_CRITICAL && remove_ms != 0 && c->since_ms + remove_ms < due)
            due = c->since_ms + remove_ms;
    }
    return due;
}

/* ── results ── */

static void feed(struct entry *e, size_t i, enum check_status status, bool decides_at_once, char *output,
                 uint64_t now_ms)
{
    struct check_state *c = &e->pub.checks->states[i];
    (void)check_step(c, &e->pub.checks->specs[i], status, decides_at_once, now_ms); /* the caller compares states */
    free(c->output);
    c->output = output;
}

static struct entry *find_probed(const struct registry *r, const struct event *ev)
{
    struct entry *e = entry_lookup(r, ev->service, ev->id);
    if (e == NULL || !entry_is_registered(e) || instance_n_checks(&e->pub) == 0 || e->pub.checks->epoch != ev->u.probe.epoch ||
        ev->u.probe.check >= instance_n_checks(&e->pub) || e->pub.checks->specs[ev->u.probe.check].type == CHECK_TTL)
        return NULL;
    return e;
}

/* The op that may be needed is taken first, so that nothing has changed when memory is short. */
int probe_event(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out)
{
    struct entry *e = find_probed(r, ev);
    struct op *op = NULL;
    char *output;
    if (e == NULL)
        return 0;
    int rc = effects_reserve(out, 2 * START_EFFECTS, 0);
    if (rc == 0)
        rc = check_output_copy(ev->u.probe.output, &output);
    if (rc != 0)
        return rc;
    if (e->busy == NULL)
        rc = op_new(OP_STATE, e, 0, &op);
    if (rc != 0) {
        free(output);
        return rc;
    }
    feed(e, ev->u.probe.check, ev->u.probe.status, false, output, now_ms);
    if (e->busy == NULL)
        entry_settle(r, e, op, now_ms, out);
    return 0;
}

/* ── REPORT and silence ── */

/* The ttl checks that are silent at `until_ms`; all of them at UINT64_MAX. */
static bool is_silent(const struct entry *e, size_t i, uint64_t until_ms)
{
    return e->pub.checks->specs[i].type == CHECK_TTL && e->pub.checks->states[i].silent_ms <= until_ms;
}

static size_t count_silent(const struct entry *e, uint64_t until_ms)
{
    size_t n = 0;
    for (size_t i = 0; i < instance_n_checks(&e->pub); i++)
        n += is_silent(e, i, until_ms);
    return n;
}

/* One copy of the note for each of n checks, or ERR_NOMEM and none. */
static int copy_notes(const char *note, size_t n, char ***out)
{
    char **notes = calloc(n, sizeof(*notes));
    if (notes == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (check_output_copy(note, &notes[i]) == 0)
            continue;
        while (i-- > 0)
            free(notes[i]);
        free(notes);
        return ERR_NOMEM;
    }
    *out = notes;
    return 0;
}

/* A status for each of those checks, or ERR_NOMEM and nothing has changed. */
static int feed_silent(struct entry *e, uint64_t until_ms, enum check_status status, const char *note, uint64_t now_ms)
{
    char **notes;
    int rc = copy_notes(note, count_silent(e, until_ms), &notes);
    if (rc != 0)
        return rc;
    bool has_reported = until_ms == UINT64_MAX;
    for (size_t i = 0, at = 0; i < instance_n_checks(&e->pub); i++) {
        if (!is_silent(e, i, until_ms))
            continue;
        feed(e, i, status, true, notes[at++], now_ms);
        e->pub.checks->states[i].silent_ms = has_reported ? now_ms + e->pub.checks->specs[i].interval_ms : UINT64_MAX;
    }
    free(notes);
    return 0;
}

int checks_lapse(struct entry *e, uint64_t now_ms)
{
    return count_silent(e, now_ms) == 0 ? 0 : feed_silent(e, now_ms, CHECK_CRITICAL, "no report in time", now_ms);
}

int report_start(struct registry *r, struct op *op, uint64_t now_ms, struct effects *out)
{
    struct entry *e = op->entry;
    if (!entry_is_registered(e)) {
        reply_error(r, out, op->request, ERR_NOLEASE, "no instance \"%s\" of service \"%s\"; register again", e->folded,
                    e->pub.service->name);
    } else if (count_silent(e, UINT64_MAX) == 0) {
        reply_error(r, out, op->request, ERR_BADARG,
                    "instance \"%s\" has no ttl check to report to; register it with CHECK \"ttl 15s\"",
                    e->pub.desc->id);
    } else {
        int rc = feed_silent(e, UINT64_MAX, op->status, op->note, now_ms);
        if (rc != 0)
            return rc;
        op->state = entry_wanted_state(e);
        op->is_draining = e->pub.is_draining;
        if (op->state != e->pub.state) {
            op_persist(r, op, STORE_STATE, out);
            return 0;
        }
        reply_ok(r, out, op->request);
    }
    op_free(r, op);
    return 0;
}
