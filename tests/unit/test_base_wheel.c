/* The timing wheel against the obvious model: an array of deadlines. */
#include "base/wheel.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/rng.h"

#define YEAR_MS (UINT64_C(365) * 24 * 3600 * 1000)

struct model {
    struct wheel wheel;
    size_t n;
    struct wheel_entry *entries;
    bool *armed;
    uint64_t now_ms;
    uint64_t fired;
};

static void model_init(struct model *m, size_t n, uint64_t now_ms)
{
    *m = (struct model){.n = n, .now_ms = now_ms};
    m->entries = calloc(n, sizeof(m->entries[0]));
    m->armed = calloc(n, sizeof(m->armed[0]));
    assert_non_null(m->entries);
    assert_non_null(m->armed);
    wheel_init(&m->wheel, now_ms);
    for (size_t i = 0; i < n; i++)
        wheel_entry_init(&m->entries[i]);
}

static void model_fini(struct model *m)
{
    free(m->entries);
    free(m->armed);
}

static void arm(struct model *m, size_t i, uint64_t deadline_ms)
{
    wheel_arm(&m->wheel, &m->entries[i], deadline_ms);
    m->armed[i] = true;
}

/* Time goes to `now_ms`: all that is due by a tick must fire, nothing that is not due may. */
static void advance(struct model *m, uint64_t now_ms)
{
    struct wheel_entry *e;
    m->now_ms = now_ms;
    while ((e = wheel_pop(&m->wheel, now_ms)) != NULL) {
        size_t i = (size_t)(e - m->entries);
        assert_true(m->armed[i]);
        assert_true(e->deadline_ms <= now_ms);
        assert_false(wheel_is_armed(e));
        m->armed[i] = false;
        m->fired++;
    }
    uint64_t n_armed = 0, first_ms = UINT64_MAX;
    for (size_t i = 0; i < m->n; i++) {
        assert_int_equal(wheel_is_armed(&m->entries[i]), m->armed[i]);
        if (!m->armed[i])
            continue;
        n_armed++;
        assert_true(m->entries[i].deadline_ms + WHEEL_TICK_MS > now_ms);
        if (m->entries[i].deadline_ms < first_ms)
            first_ms = m->entries[i].deadline_ms;
    }
    assert_int_equal(m->wheel.n, n_armed);
    uint64_t next_ms = wheel_next_ms(&m->wheel);
    if (n_armed == 0) {
        assert_true(next_ms == UINT64_MAX);
        return;
    }
    assert_true(next_ms > now_ms);
    assert_true(next_ms < first_ms + WHEEL_TICK_MS);
}

/* Spans from within a tick to beyond the fourth level. */
static uint64_t random_span(struct rng *r)
{
    static const uint64_t spans[] = {2, 20, 300, 3000, 70000, 20000000, UINT64_C(5000000000), 2 * YEAR_MS};
    uint64_t span = spans[rng_below(r, sizeof(spans) / sizeof(spans[0]))];
    return rng_u64(r) % span;
}

static void random_run(uint64_t seed, uint64_t start_ms)
{
    struct rng r = {.state = seed};
    struct model m;
    model_init(&m, 60, start_ms);
    for (int step = 0; step < 3000; step++) {
        size_t i = rng_below(&r, (uint32_t)m.n);
        switch (rng_below(&r, 8)) {
        case 0:
        case 1:
        case 2:
        case 3:
            arm(&m, i, m.now_ms + random_span(&r));
            break;
        case 4:
            arm(&m, i, m.now_ms - rng_below(&r, 50)); /* in the past */
            break;
        case 5:
            wheel_disarm(&m.wheel, &m.entries[i]);
            m.armed[i] = false;
            break;
        default:
            advance(&m, m.now_ms + random_span(&r) / 4);
        }
    }
    assert_true(m.fired > 300);
    model_fini(&m);
}

static void test_agrees_with_the_model(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        random_run(seed, 1000 + seed * 977);
    random_run(99, (UINT64_C(1) << 32) * WHEEL_TICK_MS - 5000); /* across the far boundary */
}

static void test_a_sleeper_wakes_in_time(void **state)
{
    struct rng r = {.state = 7};
    struct model m;
    model_init(&m, 40, 5);
    for (size_t i = 0; i < m.n; i++)
        arm(&m, i, 5 + random_span(&r));
    size_t wakes = 0;
    for (uint64_t next_ms; (next_ms = wheel_next_ms(&m.wheel)) != UINT64_MAX; wakes++)
        advance(&m, next_ms > m.now_ms ? next_ms : m.now_ms);
    assert_int_equal(m.fired, m.n);
    assert_true(wakes <= m.n * (WHEEL_LEVELS + 1));
    model_fini(&m);
}

static void test_past_deadline_fires_at_next_pop(void **state)
{
    struct wheel w;
    struct wheel_entry e;
    wheel_init(&w, 1003);
    wheel_entry_init(&e);
    wheel_arm(&w, &e, 1003);
    assert_int_equal(wheel_next_ms(&w), 0);
    assert_ptr_equal(wheel_pop(&w, 1003), &e);
    assert_null(wheel_pop(&w, 1003));
    wheel_arm(&w, &e, 0);
    assert_ptr_equal(wheel_pop(&w, 0), &e);
}

static void test_time_does_not_go_back(void **state)
{
    struct wheel w;
    struct wheel_entry e;
    wheel_init(&w, 1000);
    wheel_entry_init(&e);
    assert_null(wheel_pop(&w, 5000));
    wheel_arm(&w, &e, 4000);
    assert_ptr_equal(wheel_pop(&w, 2000), &e); /* due since 4000, and it is 5000 whatever the caller says */
}

static void test_disarm_of_a_due_entry(void **state)
{
    struct wheel w;
    struct wheel_entry a, b;
    wheel_init(&w, 0);
    wheel_entry_init(&a);
    wheel_entry_init(&b);
    wheel_arm(&w, &a, 8);
    wheel_arm(&w, &b, 8);
    struct wheel_entry *first = wheel_pop(&w, 8);
    struct wheel_entry *other = first == &a ? &b : &a;
    wheel_disarm(&w, other);
    wheel_disarm(&w, other);
    assert_null(wheel_pop(&w, 8));
    assert_int_equal(w.n, 0);
}

static void test_far_entry_after_an_older_far_one_was_disarmed(void **state)
{
    struct wheel w;
    struct wheel_entry e;
    const uint64_t turn_ms = (UINT64_C(1) << 32) * WHEEL_TICK_MS;
    wheel_init(&w, 0);
    wheel_entry_init(&e);
    wheel_arm(&w, &e, turn_ms + 80);
    wheel_disarm(&w, &e);
    assert_null(wheel_pop(&w, 3 * turn_ms));
    wheel_arm(&w, &e, 6 * turn_ms + 80);
    assert_true(wheel_next_ms(&w) > 3 * turn_ms);
    assert_null(wheel_pop(&w, 6 * turn_ms + 79));
    assert_ptr_equal(wheel_pop(&w, 6 * turn_ms + 80), &e);
}

static bool is_any_used(const struct wheel *w)
{
    uint64_t any = 0;
    for (size_t level = 0; level < WHEEL_LEVELS; level++)
        for (size_t i = 0; i < WHEEL_SLOTS / 64; i++)
            any |= w->used[level][i];
    return any != 0;
}

/* The bits of disarmed entries do not pile up: every turn would look behind all of them. */
static void test_passed_slots_are_forgotten(void **state)
{
    struct wheel w;
    struct wheel_entry e;
    wheel_init(&w, 0);
    wheel_entry_init(&e);
    for (uint64_t span_ms = WHEEL_TICK_MS; span_ms < YEAR_MS / 4; span_ms *= 3) {
        wheel_arm(&w, &e, w.now_ms + span_ms);
        wheel_disarm(&w, &e);
        assert_true(is_any_used(&w));
        assert_null(wheel_pop(&w, w.now_ms + span_ms + WHEEL_TICK_MS));
        assert_false(is_any_used(&w));
    }
    wheel_init(&w, 0);
    wheel_arm(&w, &e, 200 * WHEEL_TICK_MS);
    wheel_disarm(&w, &e);
    assert_null(wheel_pop(&w, (WHEEL_SLOTS + 10) * WHEEL_TICK_MS)); /* the next turn: 200 is ahead again */
    assert_false(is_any_used(&w));
}

static void test_the_end_of_time(void **state)
{
    struct wheel w;
    struct wheel_entry e;
    wheel_init(&w, 0);
    wheel_entry_init(&e);
    wheel_arm(&w, &e, UINT64_MAX);
    assert_null(wheel_pop(&w, 100 * YEAR_MS));
    wheel_disarm(&w, &e);
    wheel_arm(&w, &e, UINT64_MAX - WHEEL_TICK_MS);
    assert_ptr_equal(wheel_pop(&w, UINT64_MAX), &e);
}

static void test_a_million_entries(void **state)
{
    enum { N = 1000000 };
    struct wheel w;
    struct rng r = {.state = 3};
    struct wheel_entry *entries = calloc(N, sizeof(*entries));
    assert_non_null(entries);
    uint64_t began_ms = clock_mono_ms();
    wheel_init(&w, 0);
    for (size_t i = 0; i < N; i++) {
        wheel_entry_init(&entries[i]);
        wheel_arm(&w, &entries[i], rng_below(&r, 30000));
    }
    for (size_t i = 0; i < N; i++) /* everybody renews */
        wheel_arm(&w, &entries[i], 30000 + rng_below(&r, 30000));
    size_t fired = 0;
    for (uint64_t now_ms = 0; now_ms < 60000 + WHEEL_TICK_MS; now_ms += 10)
        while (wheel_pop(&w, now_ms) != NULL)
            fired++;
    assert_int_equal(fired, N);
    assert_true(clock_mono_ms() - began_ms < 5000); /* some 150 ms where it was written: quadratic would show */
    free(entries);
}

/* All in one slot of level 1: no pop may work for all of them. */
static void test_a_crowded_slot_is_spread_in_batches(void **state)
{
    enum { N = 20000, AT = 3000, BATCH = 2048 };
    struct wheel_entry *entries = calloc(N, sizeof(*entries));
    struct wheel w;
    wheel_init(&w, 0);
    for (size_t i = 0; i < N; i++) {
        wheel_entry_init(&entries[i]);
        wheel_arm(&w, &entries[i], AT);
    }
    uint64_t now_ms = 0;
    size_t pauses = 0;
    for (uint64_t next_ms; (next_ms = wheel_next_ms(&w)) < AT && pauses < N; pauses += next_ms == 0) {
        now_ms = next_ms > now_ms ? next_ms : now_ms;
        assert_null(wheel_pop(&w, now_ms)); /* nothing is due yet */
    }
    assert_in_range(pauses, N / BATCH - 1, N / BATCH + 1);

    /* What is armed, moved and disarmed meanwhile is as ever. */
    wheel_init(&w, 0);
    for (size_t i = 0; i < N; i++) {
        wheel_entry_init(&entries[i]);
        wheel_arm(&w, &entries[i], AT);
    }
    assert_null(wheel_pop(&w, AT));
    assert_int_equal(wheel_next_ms(&w), 0);
    wheel_disarm(&w, &entries[N - 1]); /* still to be moved */
    wheel_disarm(&w, &entries[0]);     /* moved already */
    wheel_arm(&w, &entries[N - 2], AT + 100000);
    wheel_arm(&w, &entries[0], 1);
    size_t fired = 0;
    while (wheel_next_ms(&w) <= AT)
        for (struct wheel_entry *e; (e = wheel_pop(&w, AT)) != NULL; fired++)
            assert_int_equal(e->deadline_ms, e == &entries[0] ? 1 : AT);
    assert_int_equal(fired, N - 2);
    assert_int_equal(w.n, 1);
    free(entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_the_model),
        cmocka_unit_test(test_a_sleeper_wakes_in_time),
        cmocka_unit_test(test_past_deadline_fires_at_next_pop),
        cmocka_unit_test(test_time_does_not_go_back),
        cmocka_unit_test(test_disarm_of_a_due_entry),
        cmocka_unit_test(test_far_entry_after_an_older_far_one_was_disarmed),
        cmocka_unit_test(test_passed_slots_are_forgotten),
        cmocka_unit_test(test_the_end_of_time),
        cmocka_unit_test(test_a_crowded_slot_is_spread_in_batches),
        cmocka_unit_test(test_a_million_entries),
    };
    return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
