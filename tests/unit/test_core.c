/* engine/core alone, among fakes: what is carried out in which order, and what happens when a part says no. The fakes
 * stand in for the registry, publisher, health plan and history at link time and write what they are asked to a trace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/core.h"

#define TRACE_MAX      4096
#define BACKLOG_TICKET UINT64_C(999999)

static struct world {
    char trace[TRACE_MAX];
    int step_rc; /* of the next steps */
    int flush_rc, submit_rc, plan_rc, resync_rc;
    uint64_t next_ms; /* of the registry */
    uint64_t next_ticket;
    uint64_t submitted[2048];
    size_t n_submitted;
    size_t backlog; /* completions that the store has beside those, which do nothing */
    struct core *core;
    uint64_t feed_on_reply; /* request that the reply hook feeds once; 0: none */
    size_t n_replies;
    size_t n_waiting; /* effects that nobody waited for */
} w;

static const struct core_time now = {.now_ms = 1000, .mono_ms = 5000, .wall_us = 7};

static void note(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void note(const char *fmt, ...)
{
    size_t at = strlen(w.trace);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w.trace + at, sizeof(w.trace) - at, fmt, ap);
    va_end(ap);
}

/* Compares the trace since the last call. */
static void expect(const char *text)
{
    assert_string_equal(w.trace, text);
    w.trace[0] = '\0';
}

/* ── fakes ── */

static struct effect *effect_add(struct effects *x, enum effect_type type)
{
    if (x->n == x->cap) {
        x->cap = x->cap == 0 ? 8 : x->cap * 2;
        x->items = realloc(x->items, x->cap * sizeof(*x->items));
    }
    struct effect *e = &x->items[x->n++];
    memset(e, 0, sizeof(*e));
    e->type = type;
    return e;
}

static struct description *shown; /* of the latest reply; given back by each step, as a registry does it */

static void show(int n)
{
    if (shown != NULL && shown->refs == 1)
        memset(shown->id, 'x', strlen(shown->id));
    description_unref(shown);
    shown = NULL;
    if (n == 0)
        return;
    shown = calloc(1, sizeof(*shown) + 8);
    shown->refs = 1;
    snprintf(shown->id, 8, "id%d", n);
}

/* REGISTER persists; its ticket is the request. The commit changes and replies. RENEW moves a lease and replies at
 * once. */
int registry_step(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out)
{
    show(0);
    if (w.step_rc != 0) {
        note("step-fails ");
        return w.step_rc;
    }
    switch (ev->type) {
    case EVENT_REGISTER:
        effect_add(out, EFFECT_PERSIST)->u.persist.ticket = ev->request;
        break;
    case EVENT_RENEW:
        effect_add(out, EFFECT_LEASE);
        effect_add(out, EFFECT_REPLY)->u.reply.request = ev->request;
        break;
    case EVENT_COMMITTED: {
        if (ev->u.committed.ticket == BACKLOG_TICKET) {
            break;
        }
        note("%s(%d) ", ev->u.committed.ok ? "committed" : "failed", (int)ev->u.committed.ticket);
        if (ev->u.committed.ok) {
            effect_add(out, EFFECT_CHANGE);
        }
        struct effect *e = effect_add(out, EFFECT_REPLY);
        e->u.reply.request = ev->u.committed.ticket;
        e->u.reply.code = ev->u.committed.ok ? 0 : ERR_UNAVAILABLE;
        show((int)ev->u.committed.ticket);
        e->u.reply.desc = ev->u.committed.ok ? shown : NULL;
        break;
    }
    case EVENT_TIME:
        note("time ");
        w.next_ms = UINT64_MAX;
        effect_add(out, EFFECT_PERSIST)->u.persist.ticket = ++w.next_ticket;
        break;
    case EVENT_SESSION_CLOSED:
        note("closed(%d) ", (int)ev->u.closed.session);
        break;
    case EVENT_DRAIN:
        effect_add(out, EFFECT_CHANGE);
        break;
    default:
        break;
    }
    return 0;
}

uint64_t registry_next_ms(const struct registry *r)
{
    return w.next_ms;
}

void publish_effect(struct publisher *p, const struct effect *x, bool can_wait)
{
    w.n_waiting += can_wait;
    note(x->type == EFFECT_LEASE ? "mark-lease " : "mark ");
}

int publish_flush(struct publisher *p, uint64_t now_ms, uint64_t mono_ms)
{
    note(w.flush_rc == 0 ? "flush " : "flush-fails ");
    return w.flush_rc;
}

uint64_t publish_next_ms(const struct publisher *p)
{
    return 3000;
}

int health_effect(struct health *h, const struct effect *x, uint64_t now_ms)
{
    note("plan ");
    return w.plan_rc;
}

int health_resync(struct health *h, const struct registry *r, uint64_t now_ms)
{
    note("resync ");
    return w.resync_rc;
}

size_t health_due(struct health *h, uint64_t now_ms, struct probe_job *out, size_t cap)
{
    return 0;
}

bool health_done(struct health *h, uint64_t probe, enum check_status status, const char *output, uint64_t now_ms,
                 struct event *ev)
{
    *ev = (struct event){.type = EVENT_RENEW, .request = 99};
    return probe != 0;
}

uint64_t health_next_ms(const struct health *h)
{
    return 2000;
}

void changes_effect(struct changes *c, const struct effect *x, uint64_t wall_us)
{
    note("history ");
}

static int fake_submit(struct store *s, const struct store_op *op)
{
    note("submit(%d) ", (int)op->ticket);
    if (w.submit_rc == 0) {
        w.submitted[w.n_submitted++] = op->ticket;
    }
    return w.submit_rc;
}

static size_t fake_poll(struct store *s, struct store_completion *out, size_t cap)
{
    size_t n = w.n_submitted < cap ? w.n_submitted : cap;
    if (w.backlog > 0) {
        n = w.backlog < cap ? w.backlog : cap;
        for (size_t i = 0; i < n; i++) {
            out[i] = (struct store_completion){.ticket = BACKLOG_TICKET, .ok = true};
        }
        w.backlog -= n;
        return n;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct store_completion){.ticket = w.submitted[i], .ok = true};
    }
    memmove(w.submitted, w.submitted + n, (w.n_submitted - n) * sizeof(w.submitted[0]));
    w.n_submitted -= n;
    return n;
}

static void on_reply(void *arg, const struct effect *x)
{
    const struct effect *e = x;
    w.n_replies++;
    note("reply(%d,%s) ", (int)e->u.reply.request,
         e->u.reply.code != 0    ? "no"
         : e->u.reply.desc != NULL ? e->u.reply.desc->id
                                   : "ok");
    if (w.feed_on_reply != 0) {
        struct event ev = {.type = EVENT_RENEW, .request = w.feed_on_reply};
        w.feed_on_reply = 0;
        core_event(w.core, &ev, &now);
    }
}

static void on_probe(void *arg, const struct probe_job *job)
{
    note("probe ");
}

static void on_changed(void *arg)
{
    note("wake ");
}

static int setup(void **state)
{
    static const struct store_vtable vtable = {.submit = fake_submit, .poll = fake_poll};
    memset(&w, 0, sizeof(w));
    w.next_ms = UINT64_MAX;
    struct core_parts parts = {.store_vtable = &vtable};
    struct core_hooks hooks = {.reply = on_reply, .probe = on_probe, .changed = on_changed};
    return core_new(&parts, &hooks, &w.core);
}

static int teardown(void **state)
{
    core_free(w.core);
    show(0);
    return 0;
}

static void feed(enum event_type type, uint64_t request)
{
    struct event ev = {.type = type, .request = request};
    if (type == EVENT_SESSION_CLOSED) {
        ev.u.closed.session = request;
        ev.request = 0;
    }
    core_event(w.core, &ev, &now);
}

/* ── tests ── */

static void reply_follows_publication(void **state)
{
    feed(EVENT_REGISTER, 1);
    feed(EVENT_RENEW, 2);
    expect("submit(1) mark-lease ");
    core_turn(w.core, &now);
    expect("committed(1) mark plan history flush reply(2,ok) reply(1,id1) wake ");
    core_turn(w.core, &now);
    expect("flush ");
}

static void who_waits_is_told_to_the_publisher(void **state)
{
    feed(EVENT_REGISTER, 1);
    feed(EVENT_RENEW, 2);
    core_turn(w.core, &now);
    assert_int_equal(w.n_waiting, 0);
    feed(EVENT_DRAIN, 3); /* changes, but replies to nobody */
    assert_int_equal(w.n_waiting, 1);
    feed(EVENT_RENEW, 4);
    assert_int_equal(w.n_waiting, 1);
    core_turn(w.core, &now);
}

static void refused_op_is_fed_back(void **state)
{
    w.submit_rc = ERR_UNAVAILABLE;
    feed(EVENT_REGISTER, 1);
    feed(EVENT_RENEW, 2);
    feed(EVENT_REGISTER, 3);
    expect("submit(1) mark-lease submit(3) ");
    core_turn(w.core, &now);
    expect("failed(1) failed(3) flush reply(2,ok) reply(1,no) reply(3,no) ");
    assert_int_equal(core_next_ms(w.core), 2000);
}

static void request_without_memory_is_answered(void **state)
{
    w.step_rc = ERR_NOMEM;
    feed(EVENT_REGISTER, 1);
    expect("step-fails ");
    w.step_rc = 0;
    core_turn(w.core, &now);
    expect("flush reply(1,no) ");
}

static void completions_survive_lack_of_memory(void **state)
{
    feed(EVENT_REGISTER, 1);
    feed(EVENT_REGISTER, 2);
    expect("submit(1) submit(2) ");
    w.step_rc = ERR_NOMEM;
    core_turn(w.core, &now);
    expect("step-fails flush ");
    assert_in_range(core_next_ms(w.core), now.now_ms + 1, now.now_ms + 100); /* later, not in a busy loop */
    w.step_rc = 0;
    core_turn(w.core, &now);
    expect("committed(1) mark plan history committed(2) mark plan history flush reply(1,id1) reply(2,id2) wake ");
}

static void closed_session_survives_lack_of_memory(void **state)
{
    w.step_rc = ERR_NOMEM;
    feed(EVENT_SESSION_CLOSED, 8);
    core_turn(w.core, &now);
    expect("step-fails step-fails flush ");
    w.step_rc = 0;
    core_turn(w.core, &now);
    expect("closed(8) flush ");
}

static void replies_wait_for_failed_publication(void **state)
{
    w.flush_rc = ERR_NOMEM;
    feed(EVENT_REGISTER, 1);
    core_turn(w.core, &now);
    expect("submit(1) committed(1) mark plan history flush-fails wake ");
    assert_in_range(core_next_ms(w.core), now.now_ms + 1, now.now_ms + 100);
    w.flush_rc = 0;
    core_turn(w.core, &now);
    expect("flush reply(1,id1) ");
}

static void deadlines_are_worked_off(void **state)
{
    w.next_ms = 1000;
    assert_int_equal(core_next_ms(w.core), 1000);
    core_turn(w.core, &now);
    expect("time submit(1) committed(1) mark plan history flush reply(1,id1) wake ");
    assert_int_equal(core_next_ms(w.core), 2000);
}

static void deadlines_do_not_wait_for_a_backlog(void **state)
{
    w.next_ms = 1000;
    w.backlog = 100000; /* more than one turn takes */
    core_turn(w.core, &now);
    assert_true(w.backlog > 0);
    assert_non_null(strstr(w.trace, "time "));
    assert_int_equal(core_next_ms(w.core), 0);
    w.backlog = 0;
    w.trace[0] = '\0';
}

static void events_from_a_reply_wait_for_the_next_turn(void **state)
{
    w.feed_on_reply = 7;
    feed(EVENT_RENEW, 1);
    feed(EVENT_RENEW, 2);
    core_turn(w.core, &now);
    expect("mark-lease mark-lease flush reply(1,ok) mark-lease reply(2,ok) ");
    assert_int_equal(core_next_ms(w.core), 0);
    core_turn(w.core, &now);
    expect("flush reply(7,ok) ");
}

static void plan_without_memory_is_made_later(void **state)
{
    w.plan_rc = w.resync_rc = ERR_NOMEM;
    feed(EVENT_REGISTER, 1);
    core_turn(w.core, &now);
    expect("submit(1) committed(1) mark plan history flush reply(1,id1) wake ");
    core_turn(w.core, &now);
    expect("flush resync ");
    w.resync_rc = 0;
    core_turn(w.core, &now);
    expect("flush resync ");
    core_turn(w.core, &now);
    expect("flush ");
}

static void useless_probe_result_is_dropped(void **state)
{
    core_probe_done(w.core, 0, CHECK_PASSING, NULL, &now);
    expect("");
    core_probe_done(w.core, 1, CHECK_PASSING, NULL, &now);
    core_turn(w.core, &now);
    expect("mark-lease flush reply(99,ok) ");
}

static void burst_is_answered_whole(void **state)
{
    for (uint64_t i = 1; i <= 10000; i++) {
        feed(EVENT_RENEW, i);
        w.trace[0] = '\0';
    }
    core_turn(w.core, &now);
    assert_int_equal(w.n_replies, 10000);
}

/* How many requests are fed until the turn is full; `most` if it is not. */
static size_t feed_until_full(enum event_type type, size_t most)
{
    size_t n = 0;
    while (n < most && !core_is_full(w.core)) {
        feed(type, ++n);
        w.trace[0] = '\0';
    }
    return n;
}

static void turn_takes_so_many_writes(void **state)
{
    assert_int_equal(feed_until_full(EVENT_RENEW, 10000), 10000);
    core_turn(w.core, &now);
    for (int turn = 0; turn < 3; turn++) {
        assert_in_range(feed_until_full(EVENT_REGISTER, 2000), 500, 1999);
        w.backlog = w.n_submitted; /* completions that trace nothing */
        w.n_submitted = 0;
        core_turn(w.core, &now);
        assert_int_equal(w.backlog, 0); /* all that were taken are committed in their turn */
        assert_false(core_is_full(w.core));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reply_follows_publication, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waits_is_told_to_the_publisher, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_op_is_fed_back, setup, teardown),
        cmocka_unit_test_setup_teardown(request_without_memory_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(completions_survive_lack_of_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(closed_session_survives_lack_of_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(replies_wait_for_failed_publication, setup, teardown),
        cmocka_unit_test_setup_teardown(deadlines_are_worked_off, setup, teardown),
        cmocka_unit_test_setup_teardown(deadlines_do_not_wait_for_a_backlog, setup, teardown),
        cmocka_unit_test_setup_teardown(events_from_a_reply_wait_for_the_next_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(plan_without_memory_is_made_later, setup, teardown),
        cmocka_unit_test_setup_teardown(useless_probe_result_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(burst_is_answered_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(turn_takes_so_many_writes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
