/* What a reload costs and changes: nothing is built when no name changed, all of it when one did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/heap.h"
#include "../lib/scene.h"
#include "dns/wire.h"
#include "engine/body.h"

#define N_SERVICES 10000
#define N_HOT      10

static struct scene scene;

/* Of constants alone: a const struct is none to clang. */
#define POLICY {.ttl_s = 5, .max_answers = 8, .answer = ANSWER_FEW, .order = ORDER_ROTATE}
static const struct service_policy policy = POLICY;

static const char zone_text[] = "$TTL 60\nwww A 192.0.2.1\nwww A 192.0.2.2\nmail MX 10 www\n";

static const struct scene_options options = {.zones = {zone_text}, .policy = POLICY};

static void begin(void)
{
    static const struct scene_heap heap = {.fail_at = heap_fail_at, .reset = heap_reset};
    scene_init(&scene, &options);
    scene.heap = &heap;
}

static const char *service_name(unsigned n, const char *domain)
{
    static char text[64];
    snprintf(text, sizeof(text), "s%u%s", n, domain);
    return text;
}

/* Two instances each; N_HOT of the services are asked for: three visits to build one, one for a cold one. */
static void add_services(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        scene_add(&scene, service_name(i, ""), &(struct scene_instance){.id = "a", .address = "10.0.0.1"});
        scene_add(&scene, service_name(i, ""), &(struct scene_instance){.id = "b", .address = "10.0.0.2"});
    }
    assert_int_equal(scene_flush(&scene), 0);
    for (unsigned i = 0; i < N_HOT; i++)
        scene_ask(&scene, service_name(i, ".service.local"), DNS_A);
}

static uint64_t reload_visits(const struct scene_options *o)
{
    uint64_t before = publish_visits(scene.publisher);
    assert_int_equal(scene_configure(&scene, o), 0);
    assert_int_equal(scene_flush(&scene), 0);
    return publish_visits(scene.publisher) - before;
}

static struct scene_header ask(const char *name, uint16_t type, uint16_t class)
{
    scene_query_ask(&scene, &(struct scene_query){.name = name, .type = type, .class = class});
    return scene_header(scene.packet);
}

/* The last byte of the first address. */
static unsigned first_address(const char *name)
{
    assert_true(ask(name, DNS_A, DNS_IN).an > 0);
    return scene.packet[DNS_HEADER_LEN + strlen(name) + 2 + 4 + RR_FIXED + 3];
}

static uint32_t ttl(const char *name)
{
    assert_true(ask(name, DNS_A, DNS_IN).an > 0);
    return wire_get32(scene.packet + DNS_HEADER_LEN + strlen(name) + 2 + 4 + RR_TTL_AT);
}

static void test_nothing_changed(void **state)
{
    begin();
    add_services(N_SERVICES);
    unsigned last[N_HOT];
    for (unsigned i = 0; i < N_HOT; i++)
        last[i] = first_address(service_name(i, ".service.local"));
    struct publish_counts before, after;
    publish_counts(scene.publisher, &before);
    size_t retired = answers_retired(scene.answers);
    struct scene_options o = options;
    assert_int_equal(reload_visits(&o), 0);
    o.zones[0] = "; a comment\n\n$TTL 1m\nwww.service.local. A 192.0.2.1\n\n A 192.0.2.2\nmail MX 10 www\n";
    assert_int_equal(reload_visits(&o), 0);
    assert_true(answers_retired(scene.answers) == retired);
    for (unsigned i = 0; i < N_HOT; i++) /* turns go on where they were */
        assert_int_equal(first_address(service_name(i, ".service.local")), 3 - last[i]);
    publish_counts(scene.publisher, &after);
    assert_true(after.wants == before.wants && after.hot == N_HOT);
    scene_fini(&scene);
}

static void test_limits_take_effect(void **state)
{
    begin();
    add_services(N_HOT);
    const char *name = "s0.service.local";
    struct scene_options o = options;
    assert_false(ask(name, DNS_A, DNS_IN).flags & DNS_RA);
    assert_int_equal(ask("version.bind", DNS_TXT, DNS_CH).an, 1);
    o.has_ra = o.no_chaos = true;
    assert_int_equal(reload_visits(&o), 0);
    assert_true(ask(name, DNS_A, DNS_IN).flags & DNS_RA);
    assert_int_equal(ask("version.bind", DNS_TXT, DNS_CH).flags & DNS_RCODE_MASK, DNS_REFUSED);
    o.has_ra = o.no_chaos = false;
    assert_int_equal(reload_visits(&o), 0);
    assert_false(ask(name, DNS_A, DNS_IN).flags & DNS_RA);
    assert_int_equal(ask("version.bind", DNS_TXT, DNS_CH).an, 1);
    scene_fini(&scene);
}

/* ── what makes another world ── */

static const uint8_t ns_v4[2][4] = {{192, 0, 2, 53}, {192, 0, 2, 54}};
static const uint8_t ns_v6[1][16] = {{0x20, 1, 0xd, 0xb8, [15] = 0x53}};

static struct zone *zone_of(const char *text)
{
    struct dns_name apex;
    struct zone *z = NULL;
    struct err e;
    assert_int_equal(dns_name_parse("service.local", &apex, NULL), 0);
    assert_int_equal(zone_parse(text, strlen(text), "zone", &apex, 300, &z, &e), 0);
    return z;
}

static void domain_of(struct publish_domain *d, const char *name, const struct zone *z)
{
    assert_int_equal(dns_name_parse(name, &d->apex, NULL), 0);
    d->zone = z;
}

static uint64_t configure_visits(const struct publish_options *o)
{
    uint64_t before = publish_visits(scene.publisher);
    assert_int_equal(publish_configure(scene.publisher, o, scene.now_ms), 0);
    return publish_visits(scene.publisher) - before;
}

/* From `base` to `other` and back. */
static void expect_new_world(const struct publish_options *base, const struct publish_options *other)
{
    assert_true(configure_visits(other) >= N_HOT);
    assert_int_equal(configure_visits(other), 0);
    assert_true(configure_visits(base) >= N_HOT);
    assert_int_equal(configure_visits(base), 0);
}

static void test_options_in_answers(void **state)
{
    begin();
    add_services(N_HOT);
    struct publish_domain domain, two[2];
    domain_of(&domain, "service.local", NULL);
    domain_of(&two[0], "service.local", NULL);
    domain_of(&two[1], "corp.example", NULL);
    const struct publish_options base = {.domains = &domain,
                                         .n_domains = 1,
                                         .negative_ttl_s = 5,
                                         .ttl_min_s = 1,
                                         .ttl_s = 5,
                                         .ns_v4 = ns_v4,
                                         .n_ns_v4 = 1,
                                         .limits = {.version = "rollcall 0", .server_id = "node1"}};
    assert_true(configure_visits(&base) >= N_HOT);
    struct publish_options o[9];
    for (unsigned i = 0; i < 9; i++)
        o[i] = base;
    o[0].negative_ttl_s = 6;
    o[1].ttl_min_s = 2;
    o[2].ttl_s = 6;
    o[3].ns_v4 = &ns_v4[1];
    o[4].n_ns_v4 = 2;
    o[5].ns_v6 = ns_v6;
    o[5].n_ns_v6 = 1;
    o[6].limits.server_id = "node2";
    o[7].limits.version = "rollcall 1";
    o[8].domains = two;
    o[8].n_domains = 2;
    for (unsigned i = 0; i < 9; i++)
        expect_new_world(&base, &o[i]);
    struct publish_options floor = base;
    floor.ttl_min_s = 0; /* is 1 */
    assert_int_equal(configure_visits(&floor), 0);
    struct publish_domain turned[2] = {two[1], two[0]};
    assert_true(configure_visits(&o[8]) >= N_HOT);
    o[0] = o[8];
    o[0].domains = turned;
    expect_new_world(&o[8], &o[0]);
    scene_fini(&scene);
}

static void test_static_records(void **state)
{
    begin();
    add_services(N_HOT);
    static const char *const others[] = {
        "$TTL 60\nwww A 192.0.2.1\nwww A 192.0.2.3\nmail MX 10 www\n", /* an address */
        "$TTL 60\nwww A 192.0.2.2\nwww A 192.0.2.1\nmail MX 10 www\n", /* the order */
        "$TTL 61\nwww A 192.0.2.1\nwww A 192.0.2.2\nmail MX 10 www\n", /* the TTL */
        "$TTL 60\nwwx A 192.0.2.1\nwwx A 192.0.2.2\nmail MX 10 www\n", /* an owner */
        "$TTL 60\nwww A 192.0.2.1\nwww A 192.0.2.2\nmail MX 11 www\n", /* a number */
        "$TTL 60\nwww A 192.0.2.1\nwww A 192.0.2.2\nmail MX 10 wwW\n", /* the case of a target */
        "$TTL 60\nwww A 192.0.2.1\nwww A 192.0.2.2\n",                 /* one less */
        "$TTL 60\nwww A 192.0.2.1\nwww A 192.0.2.2\nmail MX 10 www\nmail TXT x\n",
        "",
    };
    struct zone *base_zone = zone_of(zone_text);
    struct publish_domain domain, other_domain;
    domain_of(&domain, "service.local", base_zone);
    const struct publish_options base = {
        .domains = &domain, .n_domains = 1, .negative_ttl_s = 5, .ttl_min_s = 1, .ttl_s = 5};
    assert_true(configure_visits(&base) >= N_HOT);
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct zone *z = zone_of(others[i]);
        domain_of(&other_domain, "service.local", z);
        struct publish_options o = base;
        o.domains = &other_domain;
        expect_new_world(&base, &o);
        zone_free(z);
    }
    assert_int_equal(ask("www.service.local", DNS_A, DNS_IN).an, 2);
    publisher_free(scene.publisher);
    scene.publisher = NULL;
    zone_free(base_zone);
    scene_fini(&scene);
}

static void test_a_new_world_keeps_turns(void **state)
{
    begin();
    add_services(N_SERVICES / 100);
    unsigned last[N_HOT];
    for (unsigned i = 0; i < N_HOT; i++)
        last[i] = first_address(service_name(i, ".service.local"));
    struct scene_options o = options;
    o.zones[0] = "s7 A 192.0.2.7\n";
    assert_true(reload_visits(&o) >= N_SERVICES / 100);
    for (unsigned i = 0; i < N_HOT; i++)
        if (i != 7)
            assert_int_equal(first_address(service_name(i, ".service.local")), 3 - last[i]);
    assert_int_equal(first_address("s7.service.local"), 7);
    assert_int_equal(ask("www.service.local", DNS_A, DNS_IN).flags & DNS_RCODE_MASK, DNS_NXDOMAIN);
    assert_true(reload_visits(&options) >= N_SERVICES / 100);
    for (unsigned i = 0; i < N_HOT; i++)
        if (i != 7)
            assert_int_equal(first_address(service_name(i, ".service.local")), last[i]);
    assert_int_equal(ask("s7.service.local", DNS_A, DNS_IN).an, 2);
    scene_fini(&scene);
}

/* ── policies ── */

static void test_policies(void **state)
{
    begin();
    add_services(N_SERVICES);
    struct service_policy other = policy;
    scene_policy(&scene, &policy, NULL, 0);
    assert_int_equal(reload_visits(&options), 0);
    other.ttl_s = 40;
    scene_policy(&scene, &other, NULL, 0);
    uint64_t before = publish_visits(scene.publisher);
    assert_int_equal(scene_configure(&scene, &options), 0); /* at once, without a flush; those that are asked for */
    assert_int_equal(publish_visits(scene.publisher) - before, N_HOT * 3);
    assert_int_equal(ttl("s3.service.local"), 40);
    assert_int_equal(ttl("s99.service.local"), 40);
    struct service_section section = {.name = "s5", .policy = policy};
    scene_policy(&scene, &other, &section, 1);
    assert_int_equal(reload_visits(&options), 3);
    assert_int_equal(ttl("s5.service.local"), 5);
    scene_fini(&scene);
}

/* Where nobody is served names of aliases are not there: other nodes for all, hot or cold, and back. */
static void test_policy_of_nodes(void **state)
{
    begin();
    add_services(N_HOT);
    const char *cold = "_quiet._tcp.service.local", *service = "quiet";
    scene_add(&scene, service, &(struct scene_instance){.id = "a", .address = "10.0.0.1", .check = "ttl 1h"});
    assert_int_equal(scene_flush(&scene), 0);
    struct service_policy other = policy;
    other.on_empty = ON_EMPTY_NXDOMAIN;
    scene_policy(&scene, &other, NULL, 0);
    assert_int_equal(reload_visits(&options), N_HOT * 3 + 2);
    assert_int_equal(ask(cold, DNS_SRV, DNS_IN).flags & DNS_RCODE_MASK, DNS_NXDOMAIN);
    scene_policy(&scene, &policy, NULL, 0);
    assert_int_equal(reload_visits(&options), N_HOT * 3 + 1);
    assert_int_equal(ask(cold, DNS_SRV, DNS_IN).flags & DNS_RCODE_MASK, DNS_NOERROR);
    scene_fini(&scene);
}

/* ── memory ── */

static void test_without_memory(void **state)
{
    begin();
    add_services(N_HOT);
    struct scene_options o = options;
    unsigned failures = 0;
    for (unsigned n = 0; n < 100; n++) {
        o.has_ra = true;
        scene.fail_configure_at = n + 1;
        int rc = scene_configure(&scene, &o);
        if (scene.fail_configure_at == 0)
            break;
        failures++;
        assert_int_equal(rc, ERR_NOMEM);
        assert_false(ask("s0.service.local", DNS_A, DNS_IN).flags & DNS_RA);
        assert_int_equal(ask("www.service.local", DNS_A, DNS_IN).an, 2);
    }
    assert_true(failures > 0);
    assert_true(ask("s0.service.local", DNS_A, DNS_IN).flags & DNS_RA);
    scene_fini(&scene);
}

/* What is marked and cannot be built is left to the next flush: the configuration itself needs no more memory. */
static void test_marked_without_memory(void **state)
{
    begin();
    add_services(N_HOT);
    struct service_policy other = policy;
    unsigned n = 0, left = 0;
    for (; n < 1000; n++) {
        other.ttl_s = 40 + n;
        scene_policy(&scene, &other, NULL, 0);
        scene.fail_configure_at = n + 1;
        int rc = scene_configure(&scene, &options);
        bool has_failed = scene.fail_configure_at != 0;
        scene.fail_configure_at = 0;
        left += has_failed && rc == 0;
        assert_int_equal(scene_flush(&scene), 0);
        assert_int_equal(ttl("s3.service.local"), 40 + n);
        if (!has_failed)
            break;
    }
    assert_true(n < 1000 && left >= N_HOT);
    scene_fini(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_changed),         cmocka_unit_test(test_limits_take_effect),
        cmocka_unit_test(test_options_in_answers),      cmocka_unit_test(test_static_records),
        cmocka_unit_test(test_a_new_world_keeps_turns), cmocka_unit_test(test_policies),
        cmocka_unit_test(test_policy_of_nodes),         cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_marked_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
