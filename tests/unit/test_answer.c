/* The table of DESIGN 2, row by row: what is asked, what comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "../lib/scene.h"
#include "dns/wire.h"

static struct scene scene;

/* The answer as text, one record per line, sections separated by their names; in the order of the packet. */
static char text[65536];

static void add_section(const char *name, const ldns_rr_list *rrs)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(rrs); i++) {
        char *line = ldns_rr2str(ldns_rr_list_rr(rrs, i));
        size_t at = strlen(text);
        snprintf(text + at, sizeof(text) - at, "%s %s", name, line);
        free(line);
    }
}

static const char *decode(size_t len)
{
    ldns_pkt *p = NULL;
    assert_int_equal(ldns_wire2pkt(&p, scene.packet, len), LDNS_STATUS_OK);
    char *rcode = ldns_pkt_rcode2str(ldns_pkt_get_rcode(p));
    snprintf(text, sizeof(text), "%s%s%s%s\n", rcode, ldns_pkt_aa(p) ? " aa" : "", ldns_pkt_tc(p) ? " tc" : "",
             ldns_pkt_ra(p) ? " ra" : "");
    free(rcode);
    add_section("an", ldns_pkt_answer(p));
    add_section("ns", ldns_pkt_authority(p));
    add_section("ar", ldns_pkt_additional(p));
    ldns_pkt_free(p);
    for (char *at = text; *at != '\0'; at++)
        if (*at == '\t')
            *at = ' ';
    return text;
}

static const char *ask(const char *name, uint16_t type)
{
    return decode(scene_ask(&scene, name, type));
}

static int begin(void **state)
{
    scene_init(&scene, &(struct scene_options){0});
    return 0;
}

static int end(void **state)
{
    scene_fini(&scene);
    return 0;
}

static void test_service_by_name(void **state)
{
    scene_add(&scene, "user_service", &(struct scene_instance){.id = "a", .address = "10.0.0.1", .port = 8080});
    scene_flush(&scene);
    assert_string_equal(ask("user_service.service.local", DNS_A),
                        "NOERROR aa\nan user_service.service.local. 5 IN A 10.0.0.1\n");
    assert_string_equal(ask("User-Service.SERVICE.local", DNS_A),
                        "NOERROR aa\nan User-Service.SERVICE.local. 5 IN A 10.0.0.1\n");
    assert_string_equal(ask("user_service.service.local", DNS_SRV),
                        "NOERROR aa\nan user_service.service.local. 5 IN SRV 0 1 8080 a.user-service.service.local.\n"
                        "ar a.user-service.service.local. 5 IN A 10.0.0.1\n");
}

static void test_missing_name(void **state)
{
    assert_string_equal(
        ask("nobody.service.local", DNS_A),
        "NXDOMAIN aa\nns service.local. 5 IN SOA ns.service.local. hostmaster.service.local. 1000 3600 600 "
        "86400 5\n");
    assert_string_equal(ask("example.org", DNS_A), "REFUSED\n");
}

static void test_instance_by_name(void **state)
{
    scene_add(&scene, "web",
              &(struct scene_instance){
                  .id = "a", .address = "10.0.0.1,2001:db8::1", .meta = {{"version", "2"}, {"zone", "eu"}}});
    scene_drain(&scene, "web", "a", false); /* served no more, yet an SRV that is out there must not dangle */
    scene_flush(&scene);
    assert_string_equal(ask("a.web.service.local", DNS_AAAA),
                        "NOERROR aa\nan a.web.service.local. 5 IN AAAA 2001:db8::1\n");
    assert_string_equal(ask("a.web.service.local", DNS_TXT),
                        "NOERROR aa\nan a.web.service.local. 5 IN TXT \"version=2\" \"zone=eu\"\n");
    assert_string_equal(ask("a.web.service.local", DNS_SRV),
                        "NOERROR aa\n"
                        "an a.web.service.local. 5 IN SRV 0 1 80 a.web.service.local.\n"
                        "ar a.web.service.local. 5 IN A 10.0.0.1\n"
                        "ar a.web.service.local. 5 IN AAAA 2001:db8::1\n");
}

static const char soa[] = "ns service.local. 5 IN SOA ns.service.local. hostmaster.service.local. ";

static void test_nobody_to_serve(void **state)
{
    scene_add(&scene, "web", &(struct scene_instance){.id = "a", .address = "10.0.0.1", .check = "ttl 1h"});
    scene_flush(&scene);
    size_t len = scene_ask(&scene, "web.service.local", DNS_A);
    assert_memory_equal(scene.packet + len - 16,
                        "\0\17\0\14\0\16"
                        "1 starting",
                        16);
    assert_non_null(strstr(decode(len), soa));
    scene_report(&scene, "web", "a", CHECK_CRITICAL);
    scene_flush(&scene);
    len = scene_ask(&scene, "web.service.local", DNS_A);
    assert_memory_equal(scene.packet + len - 28,
                        "\0\17\0\30\0\0"
                        "1 registered, 0 served",
                        28);
    assert_memory_equal(decode(len), "NOERROR aa\n", 11);
    struct service_policy nx = {.ttl_s = 5, .max_answers = 8, .on_empty = ON_EMPTY_NXDOMAIN};
    scene_policy(&scene, &nx, NULL, 0);
    scene_flush(&scene);
    assert_memory_equal(ask("web.service.local", DNS_A), "NOERROR aa\n", 11); /* a.web exists below it */
    assert_memory_equal(ask("_web._tcp.service.local", DNS_SRV), "NXDOMAIN aa\n", 12);
    nx.on_empty = ON_EMPTY_ALL;
    scene_policy(&scene, &nx, NULL, 0);
    scene_flush(&scene);
    assert_string_equal(ask("web.service.local", DNS_A), "NOERROR aa\nan web.service.local. 5 IN A 10.0.0.1\n");
}

/* What is told where nobody of a tag is served follows its instances, whoever else of the service is served. */
static void test_nobody_of_a_tag(void **state)
{
    scene_add(&scene, "web", &(struct scene_instance){.id = "a", .address = "10.0.0.1", .check = "ttl 1h", .tags = {"v1"}});
    scene_add(&scene, "web", &(struct scene_instance){.id = "b", .address = "10.0.0.2"});
    scene_flush(&scene);
    size_t len = scene_ask(&scene, "v1.web.service.local", DNS_A);
    assert_memory_equal(scene.packet + len - 10, "1 starting", 10);
    scene_report(&scene, "web", "a", CHECK_CRITICAL);
    scene_flush(&scene);
    len = scene_ask(&scene, "v1.web.service.local", DNS_A);
    assert_memory_equal(scene.packet + len - 22, "1 registered, 0 served", 22);
}

/* The address that comes along with the NS record is the one that a question for it gets. */
static void test_name_server_of_the_zone_file(void **state)
{
    struct scene_options o = {.domains = {"service.local"}, .zones = {"ns IN A 192.0.2.1\n_dns._udp SRV 0 1 53 ns\n"}};
    assert_int_equal(scene_configure(&scene, &o), 0);
    assert_string_equal(ask("service.local", DNS_NS), "NOERROR aa\nan service.local. 5 IN NS ns.service.local.\n"
                                                      "ar ns.service.local. 300 IN A 192.0.2.1\n");
    assert_string_equal(ask("_dns._udp.service.local", DNS_SRV),
                        "NOERROR aa\nan _dns._udp.service.local. 300 IN SRV 0 1 53 ns.service.local.\n"
                        "ar ns.service.local. 300 IN A 192.0.2.1\n");
}

static void test_configured_service_without_instances(void **state)
{
    struct service_policy policy = {.ttl_s = 5, .max_answers = 8, .on_empty = ON_EMPTY_NODATA};
    struct service_section section = {.name = "soon", .policy = policy};
    scene_policy(&scene, &policy, &section, 1);
    scene_flush(&scene);
    assert_memory_equal(ask("soon.service.local", DNS_A), "NOERROR aa\n", 11);
    section.policy.on_empty = ON_EMPTY_NXDOMAIN;
    scene_policy(&scene, &policy, &section, 1);
    scene_flush(&scene);
    assert_memory_equal(ask("soon.service.local", DNS_A), "NXDOMAIN aa\n", 12);
    scene_policy(&scene, &policy, NULL, 0);
    scene_flush(&scene);
    assert_memory_equal(ask("soon.service.local", DNS_A), "NXDOMAIN aa\n", 12);
}

static void test_apex(void **state)
{
    assert_string_equal(ask("service.local", DNS_SOA), "NOERROR aa\nan service.local. 5 IN SOA ns.service.local. "
                                                       "hostmaster.service.local. 1000 3600 600 86400 5\n");
    assert_string_equal(ask("service.local", DNS_NS), "NOERROR aa\nan service.local. 5 IN NS ns.service.local.\n"
                                                      "ar ns.service.local. 5 IN A 192.0.2.53\n"
                                                      "ar ns.service.local. 5 IN AAAA 2001:db8::53\n");
    assert_string_equal(ask("ns.service.local", DNS_A), "NOERROR aa\nan ns.service.local. 5 IN A 192.0.2.53\n");
    scene_add(&scene, "web", &(struct scene_instance){.id = "a", .address = "10.0.0.1"});
    scene_flush(&scene); /* the serial is the revision */
    char expected[32];
    snprintf(expected, sizeof(expected), " %u 3600 ", (unsigned)registry_revision(scene.registry));
    assert_non_null(strstr(ask("service.local", DNS_SOA), expected));
}

static void test_chains(void **state)
{
    struct scene_options o = {
        .domains = {"service.local", "corp.example"},
        .zones = {
            "www IN CNAME web\nround IN CNAME round.corp.example.\nc1 IN CNAME c2\nc2 IN CNAME c3\nc3 IN CNAME c4\n"
            "c4 IN CNAME c5\nc5 IN CNAME c6\nc6 IN CNAME c7\nc7 IN CNAME c8\nc8 IN CNAME web\n",
            "round IN CNAME round.service.local.\n"}};
    assert_int_equal(scene_configure(&scene, &o), 0);
    scene_add(&scene, "web", &(struct scene_instance){.id = "a", .address = "10.0.0.1"});
    scene_flush(&scene);
    assert_string_equal(ask("www.service.local", DNS_A),
                        "NOERROR aa\nan www.service.local. 300 IN CNAME web.service.local.\n"
                        "an web.service.local. 5 IN A 10.0.0.1\n");
    scene_ask(&scene, "c1.service.local", DNS_A);
    assert_int_equal(scene_header(scene.packet).an, 9); /* eight links and the address */
    assert_string_equal(ask("round.service.local", DNS_A), /* a loop over two files: each link once */
                        "NOERROR aa\nan round.service.local. 300 IN CNAME round.corp.example.\n"
                        "an round.corp.example. 300 IN CNAME round.service.local.\n");
    assert_string_equal(ask("www.service.local", DNS_ANY), /* RFC 8482: a CNAME answers ANY, nothing is made up beside it */
                        "NOERROR aa\nan www.service.local. 300 IN CNAME web.service.local.\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_service_by_name, begin, end),
        cmocka_unit_test_setup_teardown(test_missing_name, begin, end),
        cmocka_unit_test_setup_teardown(test_instance_by_name, begin, end),
        cmocka_unit_test_setup_teardown(test_nobody_to_serve, begin, end),
        cmocka_unit_test_setup_teardown(test_nobody_of_a_tag, begin, end),
        cmocka_unit_test_setup_teardown(test_name_server_of_the_zone_file, begin, end),
        cmocka_unit_test_setup_teardown(test_configured_service_without_instances, begin, end),
        cmocka_unit_test_setup_teardown(test_apex, begin, end),
        cmocka_unit_test_setup_teardown(test_chains, begin, end),
    };
    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
