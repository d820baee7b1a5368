/* Balancing as a property (DESIGN 2): with one worker, k equal instances and n*k questions each instance comes first
 * exactly n times; weights are exact; a lot is fair by chi-square. Whatever the number of instances, whoever else asks,
 * and across changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/scene.h"
#include "dns/wire.h"

#define INSTANCES_MAX 5000

static struct scene scene;
static unsigned firsts[65536]; /* by the low two bytes of the address, or by port */
static unsigned seen[65536];

static const struct service_policy rotate = {.ttl_s = 5, .max_answers = 8, .answer = ANSWER_FEW, .order = ORDER_ROTATE};

/* Instance i: 10.0.x.y and 2001:db8::x:y with its number in the low bytes, and as its port (plus one). */
static void add(unsigned i, unsigned weight, unsigned priority)
{
    char id[16], address[64];
    snprintf(id, sizeof(id), "n%u", i);
    snprintf(address, sizeof(address), "10.0.%u.%u,2001:db8::%x", i >> 8, i & 255, i);
    scene_add(
        &scene, "web",
        &(struct scene_instance){.id = id, .address = address, .port = i + 1, .weight = weight, .priority = priority});
}

static void add_equal(unsigned k)
{
    for (unsigned i = 0; i < k; i++)
        add(i, 1, 0);
    assert_int_equal(scene_flush(&scene), 0);
}

static void forget(void)
{
    memset(firsts, 0, sizeof(firsts));
    memset(seen, 0, sizeof(seen));
}

static void begin(const struct service_policy *policy)
{
    forget();
    scene_init(&scene, &(struct scene_options){.policy = *policy});
}

/* The number of the instance in the record at `at`, whose owner is a pointer. */
static unsigned number_at(size_t at)
{
    const uint8_t *rdata = scene.packet + at + 12;
    switch (wire_get16(scene.packet + at + 2)) {
    case DNS_A:
        return wire_get16(rdata + 2);
    case DNS_AAAA:
        return wire_get16(rdata + 14);
    default:
        return wire_get16(rdata + 4) - 1u;
    }
}

/* Asks once, counts who is first and who is there at all. Returns who is first. */
static unsigned ask_of(uint16_t type, bool is_tcp, unsigned reader)
{
    struct scene_query q = {.name = "web.service.local",
                            .type = type,
                            .has_edns = true,
                            .udp_size = 1232,
                            .is_tcp = is_tcp,
                            .reader = reader};
    assert_int_not_equal(scene_query_ask(&scene, &q), 0);
    unsigned n = scene_header(scene.packet).an;
    assert_int_not_equal(n, 0);
    size_t at = DNS_HEADER_LEN + 19 + 4;
    unsigned first = number_at(at);
    firsts[first]++;
    for (unsigned i = 0; i < n; i++) {
        seen[number_at(at)]++;
        at += 12 + (size_t)wire_get16(scene.packet + at + 10);
    }
    return first;
}

static void ask(uint16_t type, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        ask_of(type, false, 0);
}

static void expect_each(const unsigned *counts, unsigned k, unsigned times)
{
    for (unsigned i = 0; i < k; i++)
        assert_int_equal(counts[i], times);
}

static const unsigned sizes[] = {1, 2, 3, 10, 100, 5000};
static const uint16_t types[] = {DNS_A, DNS_AAAA, DNS_SRV};

static void test_equal_instances_take_turns(void **state)
{
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        unsigned k = sizes[s], times = k > 1000 ? 1 : 7;
        begin(&rotate);
        add_equal(k);
        for (size_t t = 0; t < 3; t++) {
            forget();
            ask(types[t], times * k);
            expect_each(firsts, k, times);
            if (types[t] != DNS_SRV) /* a subset is fair, too */
                expect_each(seen, k, times * (k < 8 ? k : 8));
        }
        scene_fini(&scene);
    }
}

static void test_dual_stack_pairs(void **state)
{
    begin(&rotate);
    add_equal(4);
    for (unsigned i = 0; i < 8; i++) { /* getaddrinfo: A and AAAA in turn, each type counts alone */
        ask(DNS_A, 1);
        ask(DNS_AAAA, 1);
    }
    expect_each(firsts, 4, 4);
    scene_fini(&scene);
}

static void test_weights_are_exact(void **state)
{
    static const unsigned weights[] = {3, 1, 6, 2, 1};
    begin(&rotate);
    for (unsigned i = 0; i < 5; i++)
        add(i, weights[i] * 10, 0);
    scene_flush(&scene);
    for (size_t t = 0; t < 3; t++) {
        forget();
        ask(types[t], 3 * 13);
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(firsts[i], 3 * weights[i]);
    }
    scene_fini(&scene);
}

static void test_weights_are_exact_in_subsets(void **state)
{
    begin(&rotate);
    for (unsigned i = 0; i < 20; i++)
        add(i, i % 2 == 0 ? 3 : 1, 0);
    scene_flush(&scene);
    ask(DNS_A, 2 * 40);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(firsts[i], i % 2 == 0 ? 6 : 2);
    scene_fini(&scene);
}

static void test_first_priority_is_exact_and_first(void **state)
{
    begin(&rotate);
    for (unsigned i = 0; i < 4; i++)
        add(i, 1, 10);
    add(4, 3, 5);
    add(5, 1, 5);
    scene_flush(&scene);
    ask(DNS_SRV, 40);
    assert_int_equal(firsts[4], 30);
    assert_int_equal(firsts[5], 10);
    expect_each(seen, 6, 40);
    scene_fini(&scene);
}

static void test_lone_primary_does_not_stop_the_others(void **state)
{
    begin(&rotate);
    add(0, 1, 0);
    add(1, 1, 1);
    add(2, 1, 1);
    scene_flush(&scene);
    for (unsigned i = 0; i < 10; i++) {
        ask_of(DNS_SRV, false, 0);
        size_t second = DNS_HEADER_LEN + 19 + 4;
        second += 12 + (size_t)wire_get16(scene.packet + second + 10);
        seen[1000 + number_at(second)]++;
    }
    assert_int_equal(seen[1001], 5);
    assert_int_equal(seen[1002], 5);
    forget();
    scene_fini(&scene);
}

static void test_shared_address_weighs_the_sum(void **state)
{
    begin(&rotate);
    forget();
    for (unsigned i = 0; i < 3; i++) {
        char id[8];
        snprintf(id, sizeof(id), "s%u", i);
        scene_add(&scene, "web", &(struct scene_instance){.id = id, .address = "10.0.0.7", .port = 1000 + i});
    }
    add(1, 1, 0);
    scene_flush(&scene);
    ask(DNS_A, 40);
    assert_int_equal(scene_header(scene.packet).an, 2);
    assert_int_equal(firsts[7], 30);
    assert_int_equal(firsts[1], 10);
    scene_fini(&scene);
}

static void test_turns_go_on_across_changes(void **state)
{
    begin(&rotate);
    add_equal(5);
    forget();
    for (unsigned i = 0; i < 15; i++) { /* something else of the same service changes after each question */
        ask(DNS_A, 1);
        scene_add(&scene, "web",
                  &(struct scene_instance){.id = "n0", .address = "10.0.0.0,2001:db8::", .port = 9000 + i});
        scene_flush(&scene);
    }
    expect_each(firsts, 5, 3);
    forget();
    for (unsigned i = 0; i < 10; i++) { /* and across reloads */
        ask(DNS_A, 1);
        assert_int_equal(scene_configure(&scene, &(struct scene_options){.policy = rotate}), 0);
        scene_flush(&scene);
    }
    expect_each(firsts, 5, 2);
    scene_remove(&scene, "web", "n3");
    scene_flush(&scene);
    forget();
    ask(DNS_A, 8);
    assert_int_equal(firsts[3], 0);
    assert_int_equal(firsts[0] + firsts[1] + firsts[2] + firsts[4], 8);
    assert_int_equal(firsts[0], 2);
    scene_fini(&scene);
}

static void test_workers_count_alone(void **state)
{
    begin(&rotate);
    add_equal(3);
    forget();
    for (unsigned i = 0; i < 30; i++)
        ask_of(DNS_A, false, i % 2);
    expect_each(firsts, 3, 10);
    unsigned before = ask_of(DNS_A, false, 0); /* whatever the other one does in between */
    for (unsigned i = 0; i < 4; i++)
        ask_of(DNS_A, false, 1);
    assert_int_equal(ask_of(DNS_A, false, 0), (before + 1) % 3);
    scene_fini(&scene);
}

static void test_answer_modes(void **state)
{
    struct service_policy policy = rotate;
    policy.answer = ANSWER_ONE;
    begin(&policy);
    add_equal(5);
    forget();
    ask(DNS_A, 10);
    assert_int_equal(scene_header(scene.packet).an, 1);
    expect_each(seen, 5, 2);
    ask(DNS_SRV, 1);
    assert_int_equal(scene_header(scene.packet).an, 5);
    scene_fini(&scene);
    policy.answer = ANSWER_ALL;
    begin(&policy);
    add_equal(30);
    ask(DNS_A, 1);
    assert_int_equal(scene_header(scene.packet).an, 30);
    scene_fini(&scene);
}

/* Chi-square of the first place against the weights; 99.9 % of 9 degrees of freedom is 27.9. The generator is seeded.
 */
static double chi_square(const unsigned *weights, unsigned k, unsigned sum, unsigned times)
{
    double chi = 0;
    for (unsigned i = 0; i < k; i++) {
        double expected = (double)times * weights[i] / sum;
        chi += (firsts[i] - expected) * (firsts[i] - expected) / expected;
    }
    return chi;
}

static void test_lots_are_fair(void **state)
{
    struct service_policy policy = rotate;
    policy.order = ORDER_RANDOM;
    unsigned weights[10], sum = 0;
    begin(&policy);
    for (unsigned i = 0; i < 10; i++) {
        weights[i] = 1 + i;
        sum += weights[i];
        add(i, weights[i], 0);
    }
    scene_flush(&scene);
    for (size_t t = 0; t < 3; t++) {
        forget();
        ask(types[t], 20000);
        double chi = chi_square(weights, 10, sum, 20000);
        assert_true(chi < 27.9);
        assert_true(chi > 0.5); /* a lot, not a rotation */
    }
    scene_fini(&scene);
}

/* By lot, each place is drawn: who stands second is not simply the next of the ring. */
static void test_each_place_is_drawn(void **state)
{
    struct service_policy policy = rotate;
    policy.order = ORDER_RANDOM;
    begin(&policy);
    add_equal(4);
    unsigned neighbours = 0;
    for (unsigned i = 0; i < 3000; i++) {
        unsigned first = ask_of(DNS_A, false, 0), second = number_at(DNS_HEADER_LEN + 19 + 4 + 16);
        neighbours += second == (first + 1) % 4;
    }
    assert_in_range(neighbours, 900, 1100);
    scene_fini(&scene);
}

/* Few of many: weights count for every place, not only for the first. */
static void test_weights_count_for_each_place(void **state)
{
    struct service_policy policy = rotate;
    policy.max_answers = 2;
    static const unsigned weights[] = {4, 4, 1, 1};
    begin(&policy);
    for (unsigned i = 0; i < 4; i++)
        add(i, weights[i], 0);
    scene_flush(&scene);
    forget();
    ask(DNS_A, 100);
    assert_true(seen[0] > 2 * seen[2]);
    assert_true(seen[1] > 2 * seen[3]);
    scene_fini(&scene);
}

static void test_fixed_order(void **state)
{
    struct service_policy policy = rotate;
    policy.order = ORDER_FIXED;
    begin(&policy);
    for (unsigned i = 0; i < 12; i++)
        add(i, 1 + 7 * (i == 5), 0);
    scene_flush(&scene);
    forget();
    ask(DNS_A, 5);
    assert_int_equal(firsts[0], 5);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(seen[i], i < 8 ? 5 : 0);
    scene_fini(&scene);
}

/* PICK on the same terms. */
static void test_pick(void **state)
{
    begin(&rotate);
    static const unsigned weights[] = {3, 1, 2};
    for (unsigned i = 0; i < 3; i++)
        add(i, weights[i], 0);
    add(3, 50, 1);
    scene_flush(&scene);
    forget();
    struct err e;
    for (unsigned i = 0; i < 18; i++) {
        struct publish_pick pick;
        assert_int_equal(publish_pick(scene.publisher, "web", NULL, NULL, &pick, &e), 0);
        firsts[pick.port - 1]++;
    }
    assert_int_equal(firsts[0], 9);
    assert_int_equal(firsts[1], 3);
    assert_int_equal(firsts[2], 6);
    struct publish_pick pick;
    assert_int_equal(publish_pick(scene.publisher, "web", "no-such-tag", NULL, &pick, &e), ERR_NOTFOUND);
    assert_int_equal(publish_pick(scene.publisher, "nobody", NULL, NULL, &pick, &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.text, "nobody"));
    for (unsigned i = 0; i < 4; i++) {
        char id[8];
        snprintf(id, sizeof(id), "n%u", i);
        scene_drain(&scene, "web", id, false);
    }
    scene_flush(&scene);
    assert_int_equal(publish_pick(scene.publisher, "web", NULL, NULL, &pick, &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.text, "4 registered, 0 served"));
    scene_fini(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_instances_take_turns),
        cmocka_unit_test(test_dual_stack_pairs),
        cmocka_unit_test(test_weights_are_exact),
        cmocka_unit_test(test_weights_are_exact_in_subsets),
        cmocka_unit_test(test_first_priority_is_exact_and_first),
        cmocka_unit_test(test_lone_primary_does_not_stop_the_others),
        cmocka_unit_test(test_shared_address_weighs_the_sum),
        cmocka_unit_test(test_turns_go_on_across_changes),
        cmocka_unit_test(test_workers_count_alone),
        cmocka_unit_test(test_answer_modes),
        cmocka_unit_test(test_lots_are_fair),
        cmocka_unit_test(test_each_place_is_drawn),
        cmocka_unit_test(test_weights_count_for_each_place),
        cmocka_unit_test(test_fixed_order),
        cmocka_unit_test(test_pick),
    };
    return cmocka_run_group_tests_name("answer_balance", tests, NULL, NULL);
}
