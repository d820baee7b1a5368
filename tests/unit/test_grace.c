/* Grace periods: what is retired is freed when, and only when, no reader can hold it; and how much may wait for a reader
 * that stands still. Readers here go on- and offline by hand, on one thread; test_publish_threads has real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../lib/heap.h"
#include "../lib/scene.h"
#include "dns/wire.h"
#include "engine/grace.h"

/* ── grace periods ── */

#define N_READERS 3

static struct grace grace;
static struct grace_reader readers[N_READERS];
static struct retire_batch batch;
static long live_before;

static int setup(void **state)
{
    grace_init(&grace);
    for (unsigned i = 0; i < N_READERS; i++)
        grace_add(&grace, &readers[i]);
    live_before = heap_live();
    return 0;
}

static int teardown(void **state)
{
    for (unsigned i = 0; i < N_READERS; i++)
        grace_offline(&readers[i]);
    grace_flush(&grace, &batch);
    assert_int_equal(heap_live(), live_before);
    assert_int_equal(batch.bytes + grace.waiting.bytes, 0);
    return 0;
}

static void retire_some(unsigned n)
{
    for (; n > 0; n--) {
        struct retired *object = malloc(sizeof(*object) + 100);
        assert_non_null(object);
        retire(&batch, object);
    }
}

/* How many of what was retired are still there after a flush. */
static long left(void)
{
    grace_flush(&grace, &batch);
    return heap_live() - live_before;
}

static void test_nobody_online(void **state)
{
    retire_some(3);
    assert_true(batch.bytes >= 3 * (sizeof(struct retired) + 100));
    assert_int_equal(left(), 0);
    assert_int_equal(batch.bytes, 0);
}

static void test_a_reader_is_waited_for(void **state)
{
    grace_online(&grace, &readers[1]);
    retire_some(3);
    assert_int_equal(left(), 3);
    assert_int_equal(left(), 3);
    assert_int_equal(batch.bytes, 0);
    assert_true(grace.waiting.bytes >= 3 * (sizeof(struct retired) + 100));
    grace_offline(&readers[1]);
    assert_int_equal(left(), 0);
}

static void test_every_reader_is_waited_for(void **state)
{
    for (unsigned i = 0; i < N_READERS; i++)
        grace_online(&grace, &readers[i]);
    retire_some(1);
    for (unsigned i = 0; i < N_READERS; i++) {
        assert_int_equal(left(), 1);
        grace_offline(&readers[i]);
    }
    assert_int_equal(left(), 0);
}

/* It cannot have found what was gone when it came: readers that are always busy do not add up to one that never ends. */
static void test_a_reader_that_came_later_is_not_waited_for(void **state)
{
    grace_online(&grace, &readers[0]);
    retire_some(1);
    assert_int_equal(left(), 1);
    grace_online(&grace, &readers[1]);
    grace_offline(&readers[0]);
    grace_online(&grace, &readers[0]);
    assert_int_equal(left(), 0);
}

/* It may hold what is retired while another one is waited for. */
static void test_what_comes_meanwhile_waits_for_its_own(void **state)
{
    grace_online(&grace, &readers[0]);
    retire_some(1);
    assert_int_equal(left(), 1);
    grace_online(&grace, &readers[1]);
    retire_some(2);
    assert_int_equal(left(), 3);
    assert_true(batch.bytes > 0);
    grace_offline(&readers[0]);
    assert_int_equal(left(), 2);
    grace_online(&grace, &readers[0]);
    assert_int_equal(left(), 2);
    grace_offline(&readers[1]);
    assert_int_equal(left(), 0);
}

/* ── a worker that stands still ── */

#define N_CHANGES  100000
#define N_PERIOD   50 /* instances; a change of one is a change of an answer that names them all */
#define MOST_BYTES (2 * PUBLISH_RETIRED_MAX + (1 << 20))

static unsigned answers(struct scene *s, const char *name)
{
    scene_query_ask(s, &(struct scene_query){.name = name, .type = DNS_A, .is_tcp = true});
    return scene_header(s->packet).an;
}

static void change(struct scene *s, unsigned k, bool is_there)
{
    char id[16], address[16];
    snprintf(id, sizeof(id), "n%u", k);
    snprintf(address, sizeof(address), "10.0.0.%u", k);
    if (is_there)
        scene_add(s, "web", &(struct scene_instance){.id = id, .address = address});
    else
        scene_remove(s, "web", id);
}

static void test_a_reader_that_stands_still(void **state)
{
    struct scene s;
    scene_init(&s, &(struct scene_options){.policy = {.ttl_s = 5,
                                                      .max_answers = N_PERIOD + 1,
                                                      .answer = ANSWER_ALL,
                                                      .order = ORDER_ROTATE}});
    scene_add(&s, "web", &(struct scene_instance){.id = "stays", .address = "10.0.1.1"});
    assert_int_equal(scene_flush(&s), 0);
    assert_int_equal(answers(&s, "web.service.local"), 1); /* what is asked for is built at each change */
    answer_reader_online(answers_reader(s.answers, 1));
    unsigned n_published = 0, n_behind = 0;
    for (unsigned i = 0; i < N_CHANGES; i++) {
        change(&s, i % N_PERIOD, i / N_PERIOD % 2 == 0);
        int rc = scene_flush(&s);
        n_published += rc == 0;
        n_behind += rc == ERR_UNAVAILABLE;
        assert_int_equal(publish_behind_since_ms(s.publisher) != 0, rc == ERR_UNAVAILABLE);
        assert_true(answers_retired(s.answers) <= MOST_BYTES);
    }
    assert_true(n_published > 1000 && n_behind > 1000);
    assert_int_equal(n_published + n_behind, N_CHANGES);
    for (unsigned k = 0; k < N_PERIOD; k++)
        change(&s, k, k % 2 == 0);
    assert_int_equal(scene_flush(&s), ERR_UNAVAILABLE);
    assert_true(answers(&s, "web.service.local") > 0); /* others are answered, from what there is */
    answer_reader_offline(answers_reader(s.answers, 1));
    assert_int_equal(scene_flush(&s), 0);
    assert_int_equal(publish_behind_since_ms(s.publisher), 0);
    assert_int_equal(answers_retired(s.answers), 0);
    assert_int_equal(answers(&s, "web.service.local"), N_PERIOD / 2 + 1);
    assert_int_equal(answers(&s, "n0.web.service.local"), 1);
    assert_int_equal(answers(&s, "n1.web.service.local"), 0);
    scene_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_online, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reader_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_reader_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reader_that_came_later_is_not_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_comes_meanwhile_waits_for_its_own, setup, teardown),
        cmocka_unit_test(test_a_reader_that_stands_still),
    };
    return cmocka_run_group_tests_name("grace", tests, NULL, NULL);
}
