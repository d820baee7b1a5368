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
                        "NOERROR aa\nan user_service.service.local. 5 IN SRV 0 1 8080 a.user_service.service.local.\n"
                        "ar a.user_service.service.local. 5 IN A 10.0.0.1\n");
}

static void test_missing_name(void **state)
{
    assert_string_equal(
        ask("nobody.service.local", DNS_A),
        "NXDOMAIN aa\nns service.local. 5 IN SOA ns.service.local. hostmaster.service.local. 1000 3600 600 "
        "86400 5\n");
    assert_string_equal(ask("example.org", DNS_A), "REFUSED\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_service_by_name, begin, end),
        cmocka_unit_test_setup_teardown(test_missing_name, begin, end),
    };
    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
