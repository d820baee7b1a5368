/* Slots: exact where they can be, proportional where they cannot, nobody starved, evenly spread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/heap.h"
#include "base/rng.h"
#include "engine/schedule.h"

static uint32_t counts[6000];

static void count(const struct schedule *s)
{
    memset(counts, 0, sizeof(counts));
    for (uint32_t i = 0; i < s->n; i++)
        counts[s->slots[i]]++;
}

static void test_equal_weights_need_no_slots(void **state)
{
    struct schedule s;
    assert_int_equal(schedule_init(&s, (uint32_t[]){7, 7, 7}, 3), 0);
    assert_int_equal(s.n, 0);
    assert_int_equal(schedule_init(&s, (uint32_t[]){65535}, 1), 0);
    assert_int_equal(s.n, 0);
}

static void test_small_weights_are_exact(void **state)
{
    struct schedule s;
    assert_int_equal(schedule_init(&s, (uint32_t[]){30, 10, 50, 20}, 4), 0);
    assert_int_equal(s.n, 11);
    count(&s);
    assert_memory_equal(counts, ((uint32_t[]){3, 1, 5, 2}), 4 * sizeof(counts[0]));
    schedule_fini(&s);
}

static void test_large_weights_are_apportioned(void **state)
{
    struct schedule s;
    assert_int_equal(schedule_init(&s, (uint32_t[]){65535, 32768, 1}, 3), 0);
    assert_int_equal(s.n, SCHEDULE_SLOTS);
    count(&s);
    assert_int_equal(counts[2], 1); /* its share is less than a slot */
    assert_true(counts[0] >= 2729 && counts[0] <= 2731);
    assert_int_equal(counts[0] + counts[1] + counts[2], SCHEDULE_SLOTS);
    schedule_fini(&s);
}

static void test_many_members_all_get_slots(void **state)
{
    static uint32_t weights[5000];
    struct rng rng = {.state = 5};
    uint64_t sum = 0;
    for (int i = 0; i < 5000; i++)
        sum += weights[i] = 1 + rng_below(&rng, 60000);
    struct schedule s;
    assert_int_equal(schedule_init(&s, weights, 5000), 0);
    assert_int_equal(s.n, 20000);
    count(&s);
    for (int i = 0; i < 5000; i++) {
        double share = 20000.0 * weights[i] / (double)sum;
        assert_true(counts[i] >= 1 && counts[i] <= share + 1.5 && counts[i] >= share * 0.95 - 1.5);
    }
    schedule_fini(&s);
}

/* In any stretch of the cycle a member has its share, give or take two. */
static void test_slots_are_spread(void **state)
{
    static const uint32_t weights[] = {50, 20, 20, 5, 3, 1, 1};
    struct schedule s;
    assert_int_equal(schedule_init(&s, weights, 7), 0);
    assert_int_equal(s.n, 100);
    for (uint32_t from = 0; from < 100; from++) {
        uint32_t have[7] = {0};
        for (uint32_t len = 1; len <= 100; len++) {
            have[s.slots[(from + len - 1) % 100]]++;
            for (int i = 0; i < 7; i++) {
                double share = len * weights[i] / 100.0;
                assert_true(have[i] <= share + 2 && have[i] >= share - 2);
            }
        }
    }
    schedule_fini(&s);
}

static void test_without_memory(void **state)
{
    struct schedule s;
    long before = heap_live();
    for (unsigned n = 0;; n++) {
        heap_fail_at(n);
        int rc = schedule_init(&s, (uint32_t[]){1, 2}, 2);
        if (!heap_reset())
            break;
        assert_int_equal(rc, ERR_NOMEM);
        assert_int_equal(heap_live(), before);
    }
    schedule_fini(&s);
    assert_int_equal(heap_live(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_weights_need_no_slots),
        cmocka_unit_test(test_small_weights_are_exact),
        cmocka_unit_test(test_large_weights_are_apportioned),
        cmocka_unit_test(test_many_members_all_get_slots),
        cmocka_unit_test(test_slots_are_spread),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
