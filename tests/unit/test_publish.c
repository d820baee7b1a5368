/* The publisher: what a change touches, TTLs and leases, memory running out at every point, readers beside the writer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "../lib/heap.h"
#include "../lib/scene.h"
#include "dns/wire.h"

static struct scene scene;

static const struct service_policy policy = {.ttl_s = 5, .max_answers = 8, .answer = ANSWER_FEW, .order = ORDER_ROTATE};

static void begin(void)
{
    static const struct scene_heap heap = {.fail_at = heap_fail_at, .reset = heap_reset};
    scene_init(&scene, &(struct scene_options){.policy = policy});
    scene.heap = &heap;
}

static unsigned rcode(const char *name, uint16_t type)
{
    scene_ask(&scene, name, type);
    return scene_header(scene.packet).flags & DNS_RCODE_MASK;
}

static unsigned answers(const char *name, uint16_t type)
{
    scene_ask(&scene, name, type);
    return scene_header(scene.packet).an;
}

/* TTL of the first answer. */
static uint32_t ttl(const char *name, uint16_t type)
{
    assert_true(answers(name, type) > 0);
    return wire_get32(scene.packet + DNS_HEADER_LEN + strlen(name) + 2 + 4 + 6);
}

/* ── leases and TTLs ── */

static void add(const char *service, const char *id, const char *address, uint32_t lease_ms)
{
    scene_add(&scene, service, &(struct scene_instance){.id = id, .address = address, .lease_ms = lease_ms});
}

static void test_ttl_counts_down_to_the_lapse(void **state)
{
    begin();
    add("web", "a", "10.0.0.1", 8000);
    scene_flush(&scene);
    assert_int_equal(ttl("web.service.local", DNS_A), 5);
    scene_advance(&scene, 4000);
    assert_int_equal(ttl("web.service.local", DNS_A), 4);
    assert_int_equal(ttl("a.web.service.local", DNS_A), 4);
    assert_int_equal(ttl("_web._tcp.service.local", DNS_SRV), 4);
    scene_advance(&scene, 2500);
    assert_int_equal(ttl("web.service.local", DNS_A), 1);
    scene_advance(&scene, 1600);
    assert_int_equal(rcode("a.web.service.local", DNS_A), DNS_NXDOMAIN);
    scene_fini(&scene);
}

static void test_renewals_keep_the_ttl_up(void **state)
{
    begin();
    add("web", "a", "10.0.0.1", 10000);
    add("web", "b", "10.0.0.2", 10000);
    scene_flush(&scene);
    for (int i = 0; i < 40; i++) { /* renewed well before each TTL would be cut */
        scene_advance(&scene, 1000);
        if (i % 4 == 3) {
            scene_renew(&scene, "web", "a");
            scene_renew(&scene, "web", "b");
        }
        scene_flush(&scene);
        assert_int_equal(ttl("web.service.local", DNS_A), 5);
    }
    scene_fini(&scene);
}

static void test_late_renewal_raises_the_ttl_again(void **state)
{
    begin();
    add("web", "a", "10.0.0.1", 10000);
    add("web", "b", "10.0.0.2", 3600000);
    scene_flush(&scene);
    scene_advance(&scene, 8500);
    assert_int_equal(ttl("web.service.local", DNS_A), 1);
    scene_renew(&scene, "web", "a");
    scene_flush(&scene);
    assert_int_equal(ttl("a.web.service.local", DNS_A), 5); /* at once */
    scene_advance(&scene, 150);                             /* at the next look */
    assert_int_equal(ttl("web.service.local", DNS_A), 5);
    scene_fini(&scene);
}

static void test_next_ms_says_when_to_look(void **state)
{
    begin();
    assert_true(publish_next_ms(scene.publisher) == UINT64_MAX);
    add("web", "a", "10.0.0.1", 30000);
    assert_true(publish_next_ms(scene.publisher) <= scene.now_ms);
    scene_flush(&scene);
    assert_true(publish_next_ms(scene.publisher) == UINT64_MAX); /* nobody asks */
    answers("web.service.local", DNS_A);
    uint64_t next = publish_next_ms(scene.publisher);
    assert_true(next > scene.now_ms && next <= scene.now_ms + 25000);
    scene_fini(&scene);
}

/* ── what exists ── */

static void test_names_come_and_go(void **state)
{
    begin();
    scene_add(
        &scene, "web",
        &(struct scene_instance){.id = "a", .address = "10.0.0.1", .tags = {"blue"}, .ports = {{"http", "8080"}}});
    scene_flush(&scene);
    static const char *const names[] = {
        "web.service.local",       "a.web.service.local",      "blue.web.service.local",      "_web._tcp.service.local",
        "_web._udp.service.local", "_web._blue.service.local", "_http._tcp.web.service.local"};
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(answers(names[i], DNS_SRV), 1);
    assert_int_equal(rcode("_tcp.web.service.local", DNS_A), DNS_NOERROR);
    assert_int_equal(rcode("_tcp.service.local", DNS_A), DNS_NOERROR);
    assert_int_equal(rcode("_udp.web.service.local", DNS_A), DNS_NXDOMAIN);
    scene_add(&scene, "web", &(struct scene_instance){.id = "a", .address = "10.0.0.1"}); /* without tag and port */
    scene_flush(&scene);
    assert_int_equal(rcode("blue.web.service.local", DNS_SRV), DNS_NXDOMAIN);
    assert_int_equal(rcode("_tcp.web.service.local", DNS_A), DNS_NXDOMAIN);
    assert_int_equal(answers("web.service.local", DNS_SRV), 1);
    scene_remove(&scene, "web", "a");
    scene_flush(&scene);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(rcode(names[i], DNS_SRV), DNS_NXDOMAIN);
    assert_int_equal(rcode("_tcp.service.local", DNS_A), DNS_NXDOMAIN);
    scene_fini(&scene);
}

static void test_back_in_the_same_turn(void **state)
{
    begin();
    add("web", "a", "10.0.0.1", 0);
    scene_flush(&scene);
    scene_remove(&scene, "web", "a");
    add("web", "a", "10.0.0.2", 0);
    scene_flush(&scene);
    assert_int_equal(answers("web.service.local", DNS_A), 1);
    assert_int_equal(scene.packet[DNS_HEADER_LEN + 19 + 4 + 15], 2);
    scene_fini(&scene);
}

static void test_reload(void **state)
{
    begin();
    add("web", "a", "10.0.0.1", 0);
    scene_flush(&scene);
    struct scene_options o = {.domains = {"corp.example"}, .policy = policy};
    assert_int_equal(scene_configure(&scene, &o), 0);
    assert_int_equal(rcode("web.service.local", DNS_A), DNS_REFUSED);
    assert_int_equal(answers("web.corp.example", DNS_A), 1);
    o.zones[0] = "Web IN A 192.0.2.1\n"; /* a static name wins */
    assert_int_equal(scene_configure(&scene, &o), 0);
    assert_int_equal(answers("web.corp.example", DNS_SRV), 0);
    assert_int_equal(answers("a.web.corp.example", DNS_SRV), 1);
    o.zones[0] = NULL;
    assert_int_equal(scene_configure(&scene, &o), 0);
    assert_int_equal(answers("web.corp.example", DNS_SRV), 1);
    scene_fini(&scene);
}

static void test_hidden_service(void **state)
{
    begin();
    add("web", "a", "10.0.0.1", 0);
    scene_flush(&scene);
    const char *const reserved[] = {"web"};
    assert_int_equal(registry_reserve(scene.registry, reserved, 1, scene.now_ms, &scene.effects), 0);
    scene_event(&scene, &(struct event){.type = EVENT_TIME});
    scene_flush(&scene);
    assert_int_equal(rcode("web.service.local", DNS_A), DNS_NXDOMAIN);
    assert_int_equal(rcode("a.web.service.local", DNS_A), DNS_NXDOMAIN);
    assert_int_equal(registry_reserve(scene.registry, NULL, 0, scene.now_ms, &scene.effects), 0);
    scene_event(&scene, &(struct event){.type = EVENT_TIME});
    scene_flush(&scene);
    assert_int_equal(answers("web.service.local", DNS_A), 1);
    scene_fini(&scene);
}

/* ── 1,000 instances over TCP ── */

static void test_a_thousand_over_tcp(void **state)
{
    begin();
    for (unsigned i = 0; i < 1000; i++) {
        char id[16], address[32];
        snprintf(id, sizeof(id), "n%u", i);
        snprintf(address, sizeof(address), "10.0.%u.%u", i >> 8, i & 255);
        add("web", id, address, 0);
    }
    scene_flush(&scene);
    size_t len = scene_query_ask(
        &scene, &(struct scene_query){
                    .name = "web.service.local", .type = DNS_SRV, .has_edns = true, .udp_size = 4096, .is_tcp = true});
    assert_true(len > 40000 && len <= DNS_TCP_MAX);
    ldns_pkt *p = NULL;
    assert_int_equal(ldns_wire2pkt(&p, scene.packet, len), LDNS_STATUS_OK);
    assert_int_equal(ldns_pkt_ancount(p), 1000);
    assert_false(ldns_pkt_tc(p));
    const ldns_rr_list *extra = ldns_pkt_additional(p);
    size_t n = ldns_rr_list_rr_count(extra);
    assert_true(n > 400); /* as many as fit: owner names past offset 16383 are in full */
    assert_true(len > DNS_TCP_MAX - 64);
    for (size_t i = 0; i < n; i++) {
        const ldns_rr *srv = ldns_rr_list_rr(ldns_pkt_answer(p), i), *a = ldns_rr_list_rr(extra, i);
        assert_int_equal(ldns_dname_compare(ldns_rr_rdf(srv, 3), ldns_rr_owner(a)), 0);
    }
    ldns_pkt_free(p);
    scene_fini(&scene);
}

/* ── work ── */

static void register_many(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char id[16], address[32], own[16], rare[16];
        snprintf(id, sizeof(id), "n%u", i);
        snprintf(own, sizeof(own), "own%u", i);
        snprintf(rare, sizeof(rare), "rare%u", i % 100);
        snprintf(address, sizeof(address), "10.0.%u.%u", i >> 8, i & 255);
        scene_add(&scene, "web",
                  &(struct scene_instance){
                      .id = id, .address = address, .lease_ms = 20000, .tags = {own, rare}, .ports = {{own, "8080"}}});
    }
}

/* Visits of a flush: names built and instances looked at. */
static uint64_t flush_visits(void)
{
    uint64_t before = publish_visits(scene.publisher);
    assert_int_equal(scene_flush(&scene), 0);
    return publish_visits(scene.publisher) - before;
}

static void test_work_is_of_the_touched_names(void **state)
{
    enum { N = 1000 };
    begin();
    register_many(N);
    assert_int_equal(flush_visits(), 2 * N + 100 + 1); /* own tags and ports, the rare ones, the service's: their nodes */
    assert_int_equal(flush_visits(), 0);
    scene_add(&scene, "web", &(struct scene_instance){.id = "n1", .address = "10.1.1.1", .tags = {"own1", "rare1"}});
    assert_int_equal(flush_visits(), 2); /* the port that is gone, the tag that only this one has: nobody asks for others */
    assert_int_equal(answers("web.service.local", DNS_A), 8);
    assert_int_equal(answers("rare7.web.service.local", DNS_A), 8);
    for (unsigned i = 0; i < 3; i++) {
        char id[16], own[16];
        snprintf(id, sizeof(id), "n%u", 100 * i + 7);
        snprintf(own, sizeof(own), "own%u", 100 * i + 7);
        scene_add(&scene, "web", &(struct scene_instance){.id = id, .address = "10.1.1.1", .tags = {own, "rare7"}});
        uint64_t visits = flush_visits(); /* the id, its tag, its port that is gone, rare7 of 10, the service */
        assert_true(visits >= N + N / 100 && visits <= N + N / 100 + 10);
    }
    scene_remove(&scene, "web", "n500");
    assert_true(flush_visits() <= N + N / 100 + 10);
    assert_int_equal(rcode("own500.web.service.local", DNS_A), DNS_NXDOMAIN);
    assert_int_equal(answers("own501.web.service.local", DNS_A), 1);
    scene_fini(&scene);
}

static void drain(unsigned i, bool can_wait)
{
    char id[16];
    snprintf(id, sizeof(id), "n%u", i);
    scene.can_wait = can_wait;
    scene_drain(&scene, "web", id, false);
    scene.can_wait = false;
}

/* After it was built a large answer rests from changes that nobody waits for; others build it at once. */
static void test_large_answers_rest(void **state)
{
    enum { N = 5000, REST_MS = 6 };
    begin();
    register_many(N);
    assert_int_equal(scene_flush(&scene), 0);
    assert_int_equal(answers("web.service.local", DNS_A), 8);
    for (unsigned i = 0; i < N - 3; i++)
        drain(i, true);
    assert_true(flush_visits() < N);
    assert_int_equal(answers("web.service.local", DNS_A), 8);
    assert_int_equal(publish_next_ms(scene.publisher), scene.now_ms + REST_MS);
    scene.now_ms += REST_MS - 1;
    assert_int_equal(flush_visits(), 0);
    scene.now_ms++;
    assert_true(flush_visits() > N);
    assert_int_equal(answers("web.service.local", DNS_A), 3);
    drain(N - 3, true);
    assert_int_equal(flush_visits(), 0);
    drain(N - 2, false);
    assert_true(flush_visits() > N);
    assert_int_equal(answers("web.service.local", DNS_A), 1);
    assert_int_equal(flush_visits(), 0);
    scene.now_ms += REST_MS;
    assert_int_equal(flush_visits(), 0);
    assert_true(publish_next_ms(scene.publisher) > scene.now_ms);
    for (unsigned i = 0; i < N; i++) { /* the service ends while its answer rests */
        char id[16];
        snprintf(id, sizeof(id), "n%u", i);
        scene.can_wait = true;
        scene_remove(&scene, "web", id);
    }
    assert_int_equal(scene_flush(&scene), 0);
    assert_int_equal(rcode("web.service.local", DNS_A), DNS_NXDOMAIN);
    scene_fini(&scene);
}

/* A lease that ends soon has its own names looked at, and those it shares; not the service's other names. */
static void test_late_renewal_looks_at_its_names(void **state)
{
    enum { N = 1000 };
    begin();
    register_many(N);
    scene_flush(&scene);
    scene_advance(&scene, 10000);
    for (unsigned i = 0; i < N; i++) {
        char id[16];
        snprintf(id, sizeof(id), "n%u", i);
        if (i != 7)
            scene_renew(&scene, "web", id);
    }
    scene_advance(&scene, 9000); /* bounds come near and are looked at, one's stay */
    scene_flush(&scene);
    assert_int_equal(ttl("own7.web.service.local", DNS_A), 1);
    assert_int_equal(ttl("web.service.local", DNS_A), 1);
    assert_int_equal(ttl("own8.web.service.local", DNS_A), 5);
    scene_renew(&scene, "web", "n7");
    uint64_t visits = flush_visits();
    assert_true(visits >= N && visits <= N + N / 100 + 2);
    assert_int_equal(ttl("own7.web.service.local", DNS_A), 5);
    assert_int_equal(ttl("rare7.web.service.local", DNS_A), 5);
    assert_int_equal(ttl("web.service.local", DNS_A), 5);
    scene_fini(&scene);
}

/* Instances that change come back to their places: among those of a new tag too, whatever the order they got it in. */
static void test_carriers_keep_the_order_of_registration(void **state)
{
    begin();
    register_many(30);
    scene_flush(&scene);
    for (unsigned i = 0; i < 30; i++) {
        char id[16];
        unsigned which = i * 7 % 30;
        snprintf(id, sizeof(id), "n%u", which);
        scene_add(&scene, "web",
                  &(struct scene_instance){.id = id, .address = "10.0.0.1", .port = 1000 + which, .tags = {"new"}});
        if (i % 5 == 0)
            scene_flush(&scene);
    }
    struct service_policy fixed = policy;
    fixed.order = ORDER_FIXED;
    scene_policy(&scene, &fixed, NULL, 0);
    scene_flush(&scene);
    static const char *const names[] = {"web.service.local", "new.web.service.local"};
    for (unsigned k = 0; k < 2; k++) {
        size_t len = scene_query_ask(&scene, &(struct scene_query){.name = names[k], .type = DNS_SRV, .is_tcp = true});
        ldns_pkt *p = NULL;
        assert_int_equal(ldns_wire2pkt(&p, scene.packet, len), LDNS_STATUS_OK);
        assert_int_equal(ldns_pkt_ancount(p), 30);
        for (unsigned i = 0; i < 30; i++)
            assert_int_equal(ldns_rdf2native_int16(ldns_rr_rdf(ldns_rr_list_rr(ldns_pkt_answer(p), i), 2)), 1000 + i);
        ldns_pkt_free(p);
    }
    struct publish_pick first;
    struct err e;
    assert_int_equal(publish_pick(scene.publisher, "web", "new", NULL, &first, &e), 0);
    assert_int_equal(first.port, 1000);
    scene_fini(&scene);
}

/* ── memory ── */

static void change_everything(unsigned round)
{
    char port[8];
    snprintf(port, sizeof(port), "%u", 8000 + round);
    scene_add(&scene, "web",
              &(struct scene_instance){.id = "a",
                                       .address = "10.0.0.1,2001:db8::1",
                                       .weight = 1 + round % 3,
                                       .tags = {"blue", round % 2 == 0 ? "even" : "odd"},
                                       .ports = {{"http", port}}});
    if (round % 2 == 0) {
        add("db", "one", "10.0.1.1", 5000);
        add("web", "b", "10.0.0.2", 0);
    } else {
        scene_remove(&scene, "db", "one");
        scene_remove(&scene, "web", "b");
    }
}

static void expect_everything(unsigned round)
{
    assert_int_equal(answers("web.service.local", DNS_A), round % 2 == 0 ? 2 : 1);
    assert_int_equal(answers("a.web.service.local", DNS_TXT), 1);
    assert_int_equal(answers("_web._tcp.service.local", DNS_SRV), round % 2 == 0 ? 2 : 1);
    assert_int_equal(answers("blue.web.service.local", DNS_AAAA), 1);
    assert_int_equal(answers("_web._blue.service.local", DNS_SRV), 1);
    assert_int_equal(answers("_http._tcp.web.service.local", DNS_SRV), 1);
    assert_int_equal(wire_get16(scene.packet + DNS_HEADER_LEN + 30 + 4 + 12 + 4), 8000 + round);
    assert_int_equal(rcode("even.web.service.local", DNS_A), round % 2 == 0 ? DNS_NOERROR : DNS_NXDOMAIN);
    assert_int_equal(rcode("odd.web.service.local", DNS_A), round % 2 == 0 ? DNS_NXDOMAIN : DNS_NOERROR);
    assert_int_equal(rcode("one.db.service.local", DNS_A), round % 2 == 0 ? DNS_NOERROR : DNS_NXDOMAIN);
}

/* The n-th allocation of a flush fails: an error, and the next flush makes up for it. */
static void test_flush_without_memory(void **state)
{
    begin();
    unsigned round = 0, failures = 0;
    for (unsigned n = 0;; n++, round++) {
        change_everything(round);
        heap_fail_at(n);
        int rc = scene_flush(&scene);
        if (!heap_reset()) {
            assert_int_equal(rc, 0);
            break;
        }
        failures++;
        if (rc != 0) {
            assert_int_equal(rc, ERR_NOMEM);
            assert_true(publish_next_ms(scene.publisher) <= scene.now_ms + 1000);
            rcode("web.service.local", DNS_A); /* whatever it says, it is sound */
        }
        assert_int_equal(scene_flush(&scene), 0);
        expect_everything(round);
    }
    expect_everything(round);
    assert_true(failures > 5);
    scene_fini(&scene);
}

/* The n-th allocation while effects are taken in fails: nothing is lost. Driven straight, so that the registry has
 * memory. */
static void test_effects_without_memory(void **state)
{
    begin();
    for (unsigned n = 0; n < 40; n++) {
        scene.fail_effects_at = n + 1;
        change_everything(n);
        scene.fail_effects_at = 0;
        scene_flush(&scene);
        assert_int_equal(scene_flush(&scene), 0);
        expect_everything(n);
    }
    scene_fini(&scene);
}

static void test_reload_without_memory(void **state)
{
    begin();
    change_everything(0);
    scene_flush(&scene);
    struct scene_options o = {.domains = {"service.local", "corp.example"},
                              .policy = policy,
                              .zones = {"www IN CNAME web\n_x._tcp IN SRV 0 0 1 www\n"}};
    unsigned failures = 0;
    for (unsigned n = 0;; n++) {
        scene.fail_configure_at = n + 1;
        int rc = scene_configure(&scene, &o);
        if (scene.fail_configure_at == 0)
            break;
        failures++;
        assert_int_equal(rc, ERR_NOMEM);
        expect_everything(0);
        assert_int_equal(rcode("web.corp.example", DNS_A), DNS_REFUSED);
    }
    assert_true(failures > 10);
    expect_everything(0);
    assert_int_equal(answers("www.service.local", DNS_A), 3); /* the link and both addresses */
    assert_int_equal(answers("web.corp.example", DNS_A), 2);
    scene_fini(&scene);
}

static void test_queries_allocate_nothing(void **state)
{
    begin();
    change_everything(0);
    scene_flush(&scene);
    expect_everything(0); /* built now */
    unsigned long before = heap_calls();
    expect_everything(0);
    rcode("nowhere.service.local", DNS_A);
    rcode("nobody.web.service.local", DNS_A);
    rcode("example.org", DNS_ANY);
    assert_true(heap_calls() == before);
    scene_fini(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ttl_counts_down_to_the_lapse),
        cmocka_unit_test(test_renewals_keep_the_ttl_up),
        cmocka_unit_test(test_late_renewal_raises_the_ttl_again),
        cmocka_unit_test(test_next_ms_says_when_to_look),
        cmocka_unit_test(test_names_come_and_go),
        cmocka_unit_test(test_back_in_the_same_turn),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_hidden_service),
        cmocka_unit_test(test_a_thousand_over_tcp),
        cmocka_unit_test(test_work_is_of_the_touched_names),
        cmocka_unit_test(test_large_answers_rest),
        cmocka_unit_test(test_late_renewal_looks_at_its_names),
        cmocka_unit_test(test_carriers_keep_the_order_of_registration),
        cmocka_unit_test(test_flush_without_memory),
        cmocka_unit_test(test_effects_without_memory),
        cmocka_unit_test(test_reload_without_memory),
        cmocka_unit_test(test_queries_allocate_nothing),
    };
    return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
