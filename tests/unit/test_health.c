/* The plan of all probes on virtual time, fed by a real registry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/heap.h"
#include "base/must.h"
#include "engine/health.h"

#define BATCH 64

static struct world {
    struct registry *registry;
    struct health *health;
    struct registry_options options;
    uint64_t now_ms;
    bool is_deaf; /* effects do not reach the plan */
    int plan_rc;  /* of the last health_effect */
} w;

static const struct service_policy policy = {.ttl_s = 5, .max_answers = 8};

static void start(uint32_t max_probes)
{
    memset(&w, 0, sizeof(w));
    w.now_ms = 1000;
    w.options = (struct registry_options){
        .lease_default_ms = 30000,
        .lease_min_ms = 1000,
        .lease_max_ms = 86400000,
        .session_grace_ms = 5000,
        .allow_permanent = true,
        .max_services = 100,
        .max_instances = 20000,
        .limits = {.tags = 8, .meta = 8, .ports = 8, .checks = 8, .meta_bytes = 1024},
        .expiry_slice = 1000,
    };
    assert_int_equal(registry_new(&w.options, &policy, 1, 7, w.now_ms, &w.registry), 0);
    assert_int_equal(health_new(max_probes, 42, w.now_ms, &w.health), 0);
}

static int finish(void **state)
{
    health_free(w.health);
    registry_free(w.registry);
    return 0;
}

/* ── the registry's side ── */

static void carry_out(struct effects *x)
{
    for (size_t i = 0; i < x->n; i++) {
        if (x->items[i].type == EFFECT_REPLY && x->items[i].u.reply.code != 0)
            fail_msg("%s", x->items[i].u.reply.text);
        if (!w.is_deaf)
            w.plan_rc = health_effect(w.health, &x->items[i], w.now_ms);
        if (x->items[i].type != EFFECT_PERSIST)
            continue;
        struct event done = {.type = EVENT_COMMITTED, .u.committed = {.ticket = x->items[i].u.persist.ticket, .ok = true}};
        struct effects after;
        effects_init(&after);
        assert_int_equal(registry_step(w.registry, &done, w.now_ms, &after), 0);
        carry_out(&after);
        effects_fini(&after);
    }
}

static void feed(const struct event *ev)
{
    struct effects x;
    effects_init(&x);
    assert_int_equal(registry_step(w.registry, ev, w.now_ms, &x), 0);
    carry_out(&x);
    effects_fini(&x);
}

/* REGISTER web ID ADDRESS 80 TTL 0 CHECK... */
static void put_at(const char *id, const char *address, const char *const *checks, size_t n_checks)
{
    struct description_input in = {.id = id, .address = address, .port = "80", .checks = checks, .n_checks = n_checks};
    struct description *d;
    struct err e;
    if (description_new(&in, &w.options.limits, &d, &e) != 0)
        fail_msg("%s", e.text);
    feed(&(struct event){.type = EVENT_REGISTER, .request = 1, .service = "web", .id = id, .u.reg = {.desc = d}});
    description_unref(d);
}

static void put(const char *id, const char *check)
{
    put_at(id, "10.0.0.1", &check, check != NULL ? 1 : 0);
}

static void drop(const char *id)
{
    feed(&(struct event){.type = EVENT_DEREGISTER, .request = 1, .service = "web", .id = id});
}

static void set_service_check(const char *check)
{
    struct check_spec spec;
    char room[CHECK_STRINGS_MAX];
    struct service_section web = {.name = "web", .policy = policy};
    if (check != NULL) {
        assert_int_equal(check_spec_parse(check, room, &spec, NULL), 0);
        web.policy.check = &spec;
    }
    struct effects x;
    effects_init(&x);
    assert_int_equal(registry_configure(w.registry, &w.options, &policy, &web, 1, w.now_ms, &x), 0);
    carry_out(&x);
    effects_fini(&x);
}

/* ── the prober's side ── */

/* The only probe that is due now, or NULL. */
static const struct probe_job *due(void)
{
    static struct probe_job job[2];
    size_t n = health_due(w.health, w.now_ms, job, 2);
    assert_true(n <= 1);
    return n == 1 ? &job[0] : NULL;
}

static uint64_t must_start(void)
{
    const struct probe_job *job = due();
    assert_non_null(job);
    return job->probe;
}

static bool done(uint64_t probe)
{
    struct event ev;
    return health_done(w.health, probe, CHECK_PASSING, "fine", w.now_ms, &ev);
}

/* Moves on until something is due (to the wheel's tick) and says how long that took; fails after `limit_ms`. */
static uint64_t wait_due(uint64_t limit_ms, uint64_t *probe)
{
    uint64_t begin = w.now_ms;
    for (;;) {
        const struct probe_job *job = due();
        if (job != NULL) {
            *probe = job->probe;
            return w.now_ms - begin;
        }
        uint64_t next_ms = health_next_ms(w.health);
        assert_true(next_ms != UINT64_MAX);
        w.now_ms = next_ms > w.now_ms ? next_ms : w.now_ms + 1;
        assert_true(w.now_ms - begin <= limit_ms);
    }
}

/* ── tests ── */

static void first_probe_is_due_at_once(void **state)
{
    start(10);
    assert_true(health_next_ms(w.health) == UINT64_MAX);
    put("a", "http://:8080/healthz interval=10s timeout=1s");
    assert_true(health_next_ms(w.health) <= w.now_ms);
    const struct probe_job *job = due();
    assert_non_null(job);
    assert_string_equal(job->service, "web");
    assert_string_equal(job->id, "a");
    assert_string_equal(job->spec->path, "/healthz");
    assert_int_equal(job->desc->port, 80);
    assert_int_equal(job->check, 0);
    assert_null(due()); /* not twice */
}

static void result_becomes_an_event(void **state)
{
    start(10);
    put_at("a", "10.0.0.1", (const char *const[]){"ttl 30s", "tcp:// interval=10s"}, 2);
    uint64_t probe = must_start();
    struct event ev;
    assert_true(health_done(w.health, probe, CHECK_WARNING, "so so", w.now_ms, &ev));
    assert_int_equal(ev.type, EVENT_PROBE_RESULT);
    assert_string_equal(ev.service, "web");
    assert_string_equal(ev.id, "a");
    assert_int_equal(ev.u.probe.check, 1);
    assert_int_equal(ev.u.probe.status, CHECK_WARNING);
    assert_string_equal(ev.u.probe.output, "so so");
    struct instance *i = registry_instance(registry_service(w.registry, "web"), "a");
    assert_int_equal(ev.u.probe.epoch, i->checks->epoch);
    feed(&ev);
    assert_int_equal(i->checks->states[1].status, CHECK_WARNING);
}

static void ttl_checks_are_not_probed(void **state)
{
    start(10);
    put("a", "ttl 30s");
    put("b", NULL);
    assert_null(due());
    assert_true(health_next_ms(w.health) == UINT64_MAX);
}

static void interval_has_jitter_of_ten_percent(void **state)
{
    start(10);
    put("a", "tcp:// interval=10s");
    uint64_t probe = must_start(), least = UINT64_MAX, most = 0, sum = 0;
    for (int i = 0; i < 1000; i++) {
        done(probe);
        uint64_t ms = wait_due(20000, &probe);
        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
        sum += ms;
    }
    assert_in_range(least, 9000, 9100);
    assert_in_range(most, 10900, 11000 + WHEEL_TICK_MS);
    assert_in_range(sum / 1000, 9950, 10050);
}

static void interval_counts_from_the_start(void **state)
{
    start(10);
    put("a", "tcp:// interval=10s");
    uint64_t probe = must_start();
    w.now_ms += 3000; /* the probe takes its time */
    assert_true(done(probe));
    assert_in_range(wait_due(20000, &probe), 6000, 8000 + WHEEL_TICK_MS);
}

static void overrun_delays_and_never_doubles(void **state)
{
    start(10);
    put("a", "tcp:// interval=1s");
    uint64_t probe = must_start();
    w.now_ms += 5000;
    assert_null(due());
    assert_true(done(probe));
    assert_int_equal(wait_due(1000, &probe), 0); /* the next at once, one only */
    assert_true(done(probe));
    assert_in_range(wait_due(2000, &probe), 900, 1100 + WHEEL_TICK_MS);
}

static void short_intervals_work(void **state)
{
    start(10);
    put("a", "tcp:// interval=100ms");
    uint64_t probe = must_start();
    for (int i = 0; i < 100; i++) {
        assert_true(done(probe));
        assert_in_range(wait_due(200, &probe), 90, 110 + WHEEL_TICK_MS);
    }
}

/* Ten checks that all want to run always, and room for three: nobody is probed again before all others were. */
static void the_longest_waiting_goes_first(void **state)
{
    start(3);
    unsigned probed[10] = {0};
    for (int i = 0; i < 10; i++)
        put((char[]){'i', (char)('0' + i), '\0'}, "tcp:// interval=100ms");
    struct probe_job jobs[BATCH];
    struct health_counts counts;
    for (int round = 0; round < 200; round++) {
        size_t n = health_due(w.health, w.now_ms, jobs, BATCH);
        assert_int_equal(n, 3);
        assert_int_equal(health_due(w.health, w.now_ms, jobs + n, BATCH - n), 0);
        health_counts(w.health, &counts);
        assert_int_equal(counts.running, 3);
        assert_int_equal(counts.waiting + counts.running, 10);
        w.now_ms += 1000;
        for (size_t i = 0; i < n; i++) {
            probed[jobs[i].id[1] - '0']++;
            assert_true(done(jobs[i].probe));
        }
        unsigned least = UINT32_MAX, most = 0;
        for (int i = 0; i < 10; i++) {
            least = probed[i] < least ? probed[i] : least;
            most = probed[i] > most ? probed[i] : most;
        }
        assert_true(most - least <= 1);
    }
    assert_true(counts.late_max_ms > 0);
}

static void max_probes_can_change(void **state)
{
    start(1);
    for (int i = 0; i < 4; i++)
        put((char[]){'i', (char)('0' + i), '\0'}, "tcp:// interval=1s");
    struct probe_job jobs[BATCH];
    assert_int_equal(health_due(w.health, w.now_ms, jobs, BATCH), 1);
    assert_true(health_next_ms(w.health) > w.now_ms);
    health_set_max_probes(w.health, 3);
    assert_true(health_next_ms(w.health) <= w.now_ms);
    assert_int_equal(health_due(w.health, w.now_ms, jobs + 1, BATCH), 2);
    health_set_max_probes(w.health, 1);
    assert_true(done(jobs[0].probe));
    assert_true(done(jobs[1].probe));
    assert_int_equal(health_due(w.health, w.now_ms, jobs, BATCH), 0);
    assert_true(done(jobs[2].probe));
    assert_int_equal(health_due(w.health, w.now_ms, jobs, BATCH), 1);
}

static void result_of_a_gone_instance_is_dropped(void **state)
{
    start(10);
    put("a", "tcp:// interval=1s");
    const struct probe_job *job = due();
    struct probe_job kept = *job;
    drop("a");
    put("b", NULL); /* the registry frees what is gone */
    assert_string_equal(kept.service, "web");
    assert_string_equal(kept.id, "a");
    assert_int_equal(kept.spec->type, CHECK_TCP);
    struct health_counts counts;
    health_counts(w.health, &counts);
    assert_int_equal(counts.running, 1);
    assert_false(done(kept.probe));
    health_counts(w.health, &counts);
    assert_int_equal(counts.running, 0);
    assert_true(health_next_ms(w.health) == UINT64_MAX);
}

static void gone_while_due_or_waiting(void **state)
{
    start(1);
    put("a", "tcp:// interval=1s");
    put("b", "tcp:// interval=1s");
    put("c", "tcp:// interval=1s");
    struct probe_job jobs[BATCH];
    assert_int_equal(health_due(w.health, w.now_ms, jobs, BATCH), 1);
    drop("b"); /* waits for a place */
    assert_true(done(jobs[0].probe));
    drop("a"); /* waits for its time */
    assert_int_equal(health_due(w.health, w.now_ms, jobs, BATCH), 1);
    assert_string_equal(jobs[0].id, "c");
    struct health_counts counts;
    health_counts(w.health, &counts);
    assert_int_equal(counts.waiting, 0);
}

static void same_checks_keep_their_schedule(void **state)
{
    start(10);
    put("a", "tcp:// interval=10s");
    uint64_t probe = must_start();
    put_at("a", "10.0.0.1", (const char *const[]){"tcp:// interval=10s"}, 1); /* a renewal */
    struct description_input in = {.id = "a", .address = "10.0.0.1", .port = "80", .weight = "7"};
    in.checks = (const char *const[]){"tcp:// interval=10s"};
    in.n_checks = 1;
    struct description *d;
    assert_int_equal(description_new(&in, &w.options.limits, &d, NULL), 0);
    feed(&(struct event){.type = EVENT_REGISTER, .request = 1, .service = "web", .id = "a", .u.reg = {.desc = d}});
    description_unref(d);
    assert_null(due());
    assert_true(done(probe));
    assert_in_range(wait_due(20000, &probe), 9000, 11000 + WHEEL_TICK_MS);
}

static void other_checks_start_afresh(void **state)
{
    start(10);
    put("a", "tcp:// interval=10s");
    uint64_t before = must_start();
    put("a", "http:///x interval=10s");
    const struct probe_job *job = due();
    assert_non_null(job);
    assert_int_equal(job->spec->type, CHECK_HTTP);
    uint64_t now = job->probe;
    assert_false(done(before));
    assert_true(done(now));
}

static void another_address_is_probed_at_once(void **state)
{
    start(10);
    put("a", "tcp:// interval=10s");
    uint64_t before = must_start();
    put_at("a", "10.0.0.2", (const char *const[]){"tcp:// interval=10s"}, 1);
    const struct probe_job *job = due();
    assert_non_null(job);
    assert_int_equal(job->desc->v4[3], 2);
    uint64_t now = job->probe;
    assert_false(done(before)); /* it tells of 10.0.0.1 */
    assert_true(done(now));
    assert_true(health_next_ms(w.health) > w.now_ms);
}

static void draining_is_still_checked(void **state)
{
    start(10);
    put("a", "tcp:// interval=10s");
    uint64_t probe = must_start();
    feed(&(struct event){.type = EVENT_DRAIN, .request = 1, .service = "web", .id = "a"});
    assert_null(due());
    assert_true(done(probe));
    assert_in_range(wait_due(20000, &probe), 9000, 11000 + WHEEL_TICK_MS);
}

static void check_of_the_service_comes_and_goes(void **state)
{
    start(10);
    put("a", NULL);
    assert_null(due());
    set_service_check("tcp:// interval=10s");
    const struct probe_job *job = due();
    assert_non_null(job);
    assert_int_equal(job->spec->type, CHECK_TCP);
    uint64_t probe = job->probe;
    set_service_check("http:///healthz interval=10s");
    assert_int_equal(job->spec->interval_ms, 10000); /* still readable */
    job = due();
    assert_int_equal(job->spec->type, CHECK_HTTP);
    assert_false(done(probe));
    probe = job->probe;
    set_service_check(NULL);
    assert_false(done(probe));
    assert_true(health_next_ms(w.health) == UINT64_MAX);
}

static void probe_that_could_not_be_made_says_nothing(void **state)
{
    start(10);
    put("a", "tcp:// interval=10s");
    uint64_t probe = must_start();
    struct event ev;
    assert_false(health_done(w.health, probe, CHECK_NONE, "too many open files", w.now_ms, &ev));
    assert_in_range(wait_due(20000, &probe), 9000, 11000 + WHEEL_TICK_MS);
    struct health_counts counts;
    health_counts(w.health, &counts);
    assert_int_equal(counts.failed, 1);
    assert_int_equal(counts.started, 2);
}

static void no_memory_for_a_plan(void **state)
{
    start(10);
    w.is_deaf = true;
    put("a", "tcp:// interval=10s");
    w.is_deaf = false;
    heap_fail_at(0);
    assert_int_equal(health_resync(w.health, w.registry, w.now_ms), ERR_NOMEM);
    assert_true(heap_reset());
    assert_null(due());
    assert_int_equal(health_resync(w.health, w.registry, w.now_ms), 0);
    assert_int_equal(health_resync(w.health, w.registry, w.now_ms), 0); /* does no harm */
    uint64_t probe = must_start();
    assert_int_equal(health_resync(w.health, w.registry, w.now_ms), 0);
    assert_true(done(probe));
}

static void no_memory_for_a_probe(void **state)
{
    start(10);
    put("a", "tcp:// interval=10s");
    heap_fail_at(0);
    assert_null(due());
    assert_true(heap_reset());
    assert_in_range(health_next_ms(w.health), w.now_ms + 1, w.now_ms + 1000);
    uint64_t probe;
    assert_true(wait_due(1000, &probe) > 0);
    assert_true(done(probe));
}

static void no_memory_at_the_beginning(void **state)
{
    long before = heap_live();
    unsigned n = 0;
    for (;; n++) {
        struct health *h = NULL;
        heap_fail_at(n);
        int rc = health_new(10, 1, 0, &h);
        if (!heap_reset()) {
            health_free(h);
            break;
        }
        assert_int_equal(rc, ERR_NOMEM);
    }
    assert_true(n > 0);
    assert_int_equal(heap_live(), before);
}

/* 10,000 checks at 10 s for a minute, each probe 20 ms long, 256 at a time: nobody is late, nobody is forgotten, and what
 * runs at a time is bounded. */
static void ten_thousand_checks(void **state)
{
    start(256);
    char id[16];
    for (int i = 0; i < 10000; i++) {
        snprintf(id, sizeof(id), "i%d", i);
        put(id, "tcp:// interval=10s");
    }
    static struct probe_job running[256];
    uint64_t end_ms = w.now_ms + 60000, started = 0;
    struct health_counts counts;
    while (w.now_ms < end_ms) {
        size_t n = 0;
        do
            n += health_due(w.health, w.now_ms, running + n, 256 - n);
        while (n < 256 && health_next_ms(w.health) <= w.now_ms);
        started += n;
        w.now_ms += 20;
        for (size_t i = 0; i < n; i++)
            assert_true(done(running[i].probe));
        if (w.now_ms == end_ms - 51100)
            assert_int_equal(started, 10000); /* each once before the earliest second time, 9 s */
    }
    health_counts(w.health, &counts);
    assert_int_equal(counts.started, started);
    assert_in_range(started, 60000 - 10000 * 6 / 10, 60000 + 10000 * 6 / 10);
    assert_in_range(counts.late_max_ms, 0, 20 + WHEEL_TICK_MS); /* also in the first wave */
    assert_int_equal(counts.skipped, 0);
    assert_int_equal(counts.checks, 10000);
}

/* A thousand newcomers do not push aside a check that runs already. */
static void newcomers_wait_in_line(void **state)
{
    start(10000);
    static struct probe_job jobs[2000];
    char id[16];
    put("old", "tcp:// interval=1s");
    assert_true(done(must_start()));
    w.now_ms += 850;
    assert_int_equal(health_due(w.health, w.now_ms, jobs, 1), 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof(id), "i%d", i);
        put(id, "tcp:// interval=10s");
    }
    assert_int_equal(health_due(w.health, w.now_ms, jobs, 2000), 64);
    size_t started = 64;
    bool has_old = false;
    for (uint64_t end_ms = w.now_ms + 480; w.now_ms < end_ms;) {
        w.now_ms += WHEEL_TICK_MS;
        size_t n = health_due(w.health, w.now_ms, jobs, 2000);
        assert_in_range(n, 0, 4 * WHEEL_TICK_MS);
        for (size_t i = 0; i < n; i++)
            has_old |= strcmp(jobs[i].id, "old") == 0 && jobs[i].late_ms <= WHEEL_TICK_MS;
        started += n;
    }
    assert_int_equal(started, 1001);
    assert_true(has_old);
    put("alone", "tcp:// interval=10s");
    assert_non_null(due()); /* at once */
}

/* Twenty thousand are due at once, because time has jumped: no call takes more than its slice of them, the next one is
 * asked for as long as there is more, whether or not there is a place for a probe, and the order stays. */
static void what_is_due_is_taken_in_slices(void **state)
{
    enum { N = 20000 };
    start(1);
    char id[16];
    for (int i = 0; i < N; i++) {
        snprintf(id, sizeof(id), "i%d", i);
        put(id, "tcp:// interval=10m");
    }
    w.now_ms += 60000;
    uint64_t probe = must_start(), taken = 1, late_ms = UINT64_MAX;
    struct health_counts counts;
    for (;;) {
        health_counts(w.health, &counts);
        uint64_t all = counts.waiting + counts.running;
        assert_in_range(all - taken, 0, HEALTH_SLICE);
        taken = all;
        if (health_next_ms(w.health) > w.now_ms)
            break;
        assert_null(due());
    }
    assert_int_equal(taken, N);
    for (int i = 1; i < N; i++) {
        assert_true(done(probe));
        const struct probe_job *job = due();
        assert_non_null(job);
        assert_true(job->late_ms <= late_ms || job->late_ms - late_ms < WHEEL_TICK_MS);
        late_ms = job->late_ms;
        probe = job->probe;
    }
    assert_true(done(probe));
}

/* Targets that hang hold all the places: who waits is counted by how long, and every interval that went by. */
static void late_starts_are_counted(void **state)
{
    start(1);
    put("a", "tcp:// interval=1s");
    put("b", "tcp:// interval=1s");
    uint64_t probe = must_start();
    w.now_ms += 3500;
    assert_null(due());
    assert_true(done(probe));
    const struct probe_job *job = due();
    assert_non_null(job);
    assert_int_equal(job->late_ms, 3500);
    struct health_counts counts;
    health_counts(w.health, &counts);
    assert_int_equal(counts.skipped, 3);
    for (size_t i = 0; i < HEALTH_LATE_STEPS; i++)
        assert_int_equal(counts.late[i], 1);
    assert_true(done(job->probe));
    assert_int_equal(counts.checks, 2);
    drop("a");
    drop("b");
    health_counts(w.health, &counts);
    assert_int_equal(counts.checks, 0);
}

#define TEST(f) cmocka_unit_test_teardown(f, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_probe_is_due_at_once),
        TEST(result_becomes_an_event),
        TEST(ttl_checks_are_not_probed),
        TEST(interval_has_jitter_of_ten_percent),
        TEST(interval_counts_from_the_start),
        TEST(overrun_delays_and_never_doubles),
        TEST(short_intervals_work),
        TEST(the_longest_waiting_goes_first),
        TEST(max_probes_can_change),
        TEST(result_of_a_gone_instance_is_dropped),
        TEST(gone_while_due_or_waiting),
        TEST(same_checks_keep_their_schedule),
        TEST(other_checks_start_afresh),
        TEST(another_address_is_probed_at_once),
        TEST(draining_is_still_checked),
        TEST(check_of_the_service_comes_and_goes),
        TEST(probe_that_could_not_be_made_says_nothing),
        TEST(no_memory_for_a_plan),
        TEST(no_memory_for_a_probe),
        cmocka_unit_test(no_memory_at_the_beginning),
        TEST(ten_thousand_checks),
        TEST(newcomers_wait_in_line),
        TEST(what_is_due_is_taken_in_slices),
        TEST(late_starts_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
