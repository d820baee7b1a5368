/* Lists, and the rules between options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/config_try.h"

static void assert_listen(const char *text, bool is_v6, const char *address, uint16_t port)
{
    struct config_listen l;
    char shown[64];
    assert_int_equal(config_listen_parse(text, &l, NULL), 0);
    assert_int_equal(l.is_v6, is_v6);
    assert_string_equal(inet_ntop(is_v6 ? AF_INET6 : AF_INET, l.address, shown, sizeof(shown)), address);
    assert_int_equal(l.port, port);
    assert_string_equal(l.text, text);
}

static void assert_no_listen(const char *text, const char *message)
{
    struct config_listen l;
    struct err e = {.code = 0};
    assert_int_equal(config_listen_parse(text, &l, &e), ERR_BADARG);
    assert_string_equal(e.text, message);
}

#define LISTEN_FORMS "should be address:port, [v6]:port or unix:/path, with a port up to 65535"

static void listeners(void **state)
{
    assert_listen("127.0.0.1:53", false, "127.0.0.1", 53);
    assert_listen("[2001:db8::1]:0", true, "2001:db8::1", 0);
    assert_no_listen("127.0.0.1", "\"127.0.0.1\" " LISTEN_FORMS);
    assert_no_listen("[::1]", "\"[::1]\" " LISTEN_FORMS);
    assert_no_listen("127.0.0.1:65536", "\"127.0.0.1:65536\" " LISTEN_FORMS);
    assert_no_listen("127.0.0.1:+5", "\"127.0.0.1:+5\" " LISTEN_FORMS);
    assert_no_listen("127.0.0.1:", "\"127.0.0.1:\" " LISTEN_FORMS);
    assert_no_listen("", "\"\" " LISTEN_FORMS);
    assert_no_listen("::1:53", "\"::1:53\": an IPv6 address goes in brackets, as [::1]:53");
    assert_no_listen("*:53", "\"*\" is not an address; every address is 0.0.0.0:53 or [::]:53");
    assert_no_listen("[]:53", "\"\" is not an address; every address is 0.0.0.0:53 or [::]:53");
    assert_no_listen(":53", "\"\" is not an address; every address is 0.0.0.0:53 or [::]:53");
    assert_no_listen("]:53", "\"]\" is not an address; every address is 0.0.0.0:53 or [::]:53");
    assert_no_listen("unix:run",
                     "\"unix:run\" should be unix: and an absolute path, as unix:/run/rollcall/rollcall.sock");
    char path[160] = "unix:/", message[256];
    memset(path + 6, 'a', 106);
    struct config_listen l;
    assert_int_equal(config_listen_parse(path, &l, NULL), 0);
    assert_true(l.is_unix);
    assert_int_equal(strlen(l.path), 107);
    path[112] = 'a';
    snprintf(message, sizeof(message), "the path of a Unix socket has at most 107 bytes, \"%.60s...\" has 108",
             path + 5);
    assert_no_listen(path, message);
}

static void listeners_are_not_repeated(void **state)
{
    config_bad("[dns]\nlisten = 127.0.0.1:53, 127.0.0.1:53\n",
               "t.conf:2: [dns] listen: \"127.0.0.1:53\" is there twice");
    config_bad("[registry]\nlisten = unix:/a, unix:/a\n", "t.conf:2: [registry] listen: \"unix:/a\" is there twice");
    config_bad("[dns]\nlisten = 127.0.0.1:5380\n", "[registry] listen: 127.0.0.1:5380 is an address of [dns] listen");
    config_free(config_good("[dns]\nlisten = 127.0.0.1:0, 127.0.0.1:0\n[registry]\nlisten = 127.0.0.1:0\n"));
    config_bad("[dns]\nlisten = unix:/a\n",
               "t.conf:2: [dns] listen: unix:/a is for the protocol only: DNS needs address:port");
    config_bad("[dns]\nlisten =\n", "t.conf:2: [dns] listen: at least one address is needed, as 127.0.0.1:53");
}

static void lists_have_a_bound(void **state)
{
    struct buf text;
    buf_init(&text, 0);
    buf_puts(&text, "[dns]\nallow = 10.0.0.1");
    for (int i = 2; i <= CONFIG_LIST_MAX; i++)
        buf_printf(&text, ", 10.0.0.%d", i);
    struct config *c = config_good(buf_cstr(&text));
    assert_int_equal(c->dns.n_allow, CONFIG_LIST_MAX);
    config_free(c);
    buf_puts(&text, ",10.1.0.0");
    config_bad(buf_cstr(&text), "t.conf:2: [dns] allow: too many: a list holds at most 32");
    buf_fini(&text);
}

static bool is_in(const struct config_network *n, const char *address)
{
    uint8_t bytes[16];
    bool is_v6 = strchr(address, ':') != NULL;
    assert_int_equal(inet_pton(is_v6 ? AF_INET6 : AF_INET, address, bytes), 1);
    return config_network_contains(n, is_v6, bytes);
}

static void networks(void **state)
{
    struct config *c =
        config_good("[dns]\nallow = 10.0.0.0/8, 192.0.2.128/25, 198.51.100.7, 2001:db8::/33, 0.0.0.0/0, ::/0\n");
    const struct config_network *n = c->dns.allow;
    assert_int_equal(c->dns.n_allow, 6);
    assert_true(is_in(&n[0], "10.255.0.1"));
    assert_false(is_in(&n[0], "11.0.0.0"));
    assert_true(is_in(&n[0], "::ffff:10.1.2.3"));
    assert_false(is_in(&n[0], "::ffff:11.1.2.3"));
    assert_false(is_in(&n[0], "a00::1"));
    assert_true(is_in(&n[1], "192.0.2.255"));
    assert_false(is_in(&n[1], "192.0.2.127"));
    assert_true(is_in(&n[2], "198.51.100.7"));
    assert_false(is_in(&n[2], "198.51.100.6"));
    assert_true(is_in(&n[3], "2001:db8:7fff::1"));
    assert_false(is_in(&n[3], "2001:db8:8000::1"));
    assert_true(is_in(&n[4], "255.255.255.255"));
    assert_false(is_in(&n[4], "2001:db8::1"));
    assert_true(is_in(&n[5], "2001:db8::1"));
    assert_false(is_in(&n[5], "10.0.0.1"));
    config_free(c);
    config_bad("[dns]\nallow = 10.0.0.1/8\n",
               "t.conf:2: [dns] allow: \"10.0.0.1/8\" has bits set behind its /8; a single address needs no prefix");
    config_bad("[dns]\nallow = 10/8\n",
               "t.conf:2: [dns] allow: \"10/8\" should be an address or a network, as 10.0.0.0/8 or 2001:db8::/32");
    config_bad("[dns]\nallow = ::1/129\n",
               "t.conf:2: [dns] allow: \"::1/129\" should be an address or a network, as 10.0.0.0/8 or 2001:db8::/32");
}

static void domains(void **state)
{
    config_bad("[dns]\ndomain = a.b, B\n", "t.conf:2: [dns] domain: a.b. lies inside b.; domains may not be nested");
    config_bad("[dns]\ndomain = a.b, x, A.b.\n", "t.conf:2: [dns] domain: a.b. is there twice");
    config_bad("[dns]\ndomain = .\n",
               "t.conf:2: [dns] domain: \".\": the root cannot be served; name a domain, as service.local");
    config_bad("[dns]\ndomain =\n", "t.conf:2: [dns] domain: at least one domain is needed, as service.local");
    struct config *c = config_good("[dns]\ndomain = ab.c, b.c, service.local\n");
    assert_int_equal(c->dns.n_domains, 3);
    config_free(c);

    char text[256] = "[dns]\ndomain = ", label[61];
    memset(label, 'a', 59);
    label[59] = '\0';
    snprintf(text, sizeof(text), "[dns]\ndomain = %s.%.58s\n", label, label); /* 1 + 59 + 1 + 58 + 1 = 120 */
    config_free(config_good(text));
    snprintf(text, sizeof(text), "[dns]\ndomain = %s.%s\n", label, label);
    struct err e;
    assert_int_equal(config_parse(text, strlen(text), "t", &(struct config_source){.path = NULL}, &c, NULL, &e),
                     ERR_BADARG);
    assert_non_null(strstr(e.text, "is too long: a domain has at most 120 bytes"));
}

static void zone_files_belong_to_domains_by_their_place(void **state)
{
    struct config *c = config_good("[dns]\nzone_file = /a,, zones/c\ndomain = a, b, c, d\n");
    assert_string_equal(c->dns.zone_files[0], "/a");
    assert_null(c->dns.zone_files[1]);
    assert_string_equal(c->dns.zone_files[2], "zones/c");
    assert_null(c->dns.zone_files[3]);
    config_free(c);
    config_bad("[dns]\nzone_file = /a, /b\n",
               "t.conf:2: [dns] zone_file: /b is file 2 of the list, but domain lists 1: the "
               "first file belongs to the first domain");
}

static void ns_addresses_of_both_families(void **state)
{
    struct config *c = config_good("[dns]\nns_address = 192.0.2.1, 2001:db8::1, 192.0.2.2\n");
    assert_int_equal(c->dns.n_ns_v4, 2);
    assert_int_equal(c->dns.n_ns_v6, 1);
    assert_memory_equal(c->dns.ns_v4[1], "\xc0\x00\x02\x02", 4);
    config_free(c);
    config_bad("[dns]\nns_address = ns.example\n",
               "t.conf:2: [dns] ns_address: \"ns.example\" should be an IPv4 or IPv6 address without a port");
}

static void a_listener_beyond_loopback_needs_a_password(void **state)
{
    const char *hint = "can be reached from other machines: set password_file, or insecure = yes";
    char message[256];
    const char *const open[] = {"0.0.0.0:1", "192.0.2.1:1", "[::]:1", "[2001:db8::1]:1", "[::ffff:127.0.0.1]:1"};
    for (size_t i = 0; i < 5; i++) {
        char text[128];
        snprintf(text, sizeof(text), "[registry]\nlisten = 127.0.0.1:5380, %s\n", open[i]);
        snprintf(message, sizeof(message), "t.conf:2: [registry] listen: %s %s", open[i], hint);
        config_bad(text, message);
        snprintf(text, sizeof(text), "[registry]\nlisten = %s\npassword_file = /p\n", open[i]);
        config_free(config_good(text));
        snprintf(text, sizeof(text), "[registry]\nlisten = %s\ninsecure = yes\n", open[i]);
        config_free(config_good(text));
    }
    config_free(config_good("[registry]\nlisten = 127.8.9.10:1, [::1]:1, unix:/s\n"));
    config_free(config_good("[registry]\nlisten =\n"));
}

static void scripts_and_the_server_have_one_user_or_root(void **state)
{
    config_bad("[server]\nuser = nobody\n[script a]\ncommand = /bin/true\nuser = daemon\n",
               "t.conf:5: [script a] user: a server that runs as [server] user nobody cannot run scripts as daemon; leave "
               "one of the two out");
    config_free(config_good("[server]\nuser = nobody\n[script a]\ncommand = /bin/true\nuser = nobody\n"));
    config_free(config_good("[server]\nuser = root\n[script a]\ncommand = /bin/true\nuser = daemon\n"));
    config_free(config_good("[script a]\ncommand = /bin/true\nuser = daemon\n"));
}

static void leases_are_ordered(void **state)
{
    config_bad("[registry]\nlease_default = 10s\nlease_min = 20s\n",
               "t.conf:2: [registry] lease_default: is outside lease_min and lease_max, 20s to 1d");
    config_bad("[registry]\nlease_max = 20s\n",
               "t.conf:1: [registry] lease_default: is outside lease_min and lease_max, 1s to 20s");
    config_bad("[registry]\nlease_min = 1h\nlease_max = 30m\n",
               "t.conf:2: [registry] lease_min: 1h is more than lease_max, which is 30m");
}

static void ttls_are_ordered(void **state)
{
    config_bad("[dns]\nttl = 2s\nttl_min = 3s\n", "t.conf:2: [dns] ttl: is below ttl_min, which is 3s");
    config_bad("[dns]\nttl_min = 3s\n[service a]\n[service b]\nttl = 2s\n",
               "t.conf:5: [service b] ttl: is below ttl_min, which is 3s");
}

static void stores_that_are_not_built_are_refused(void **state)
{
    config_bad("[store]\ntype = sqlite\n",
               "t.conf:2: [store] type: sqlite is not built yet, and would promise that registrations "
               "survive; use memory until then, which keeps none after exit");
    config_bad("[store]\ntype = disk\n", "t.conf:2: [store] type: \"disk\" should be one of memory|sqlite|etcd");
}

static void a_check_that_names_a_script_needs_it(void **state)
{
    config_bad("[service web]\ncheck = script:disk\n",
               "t.conf:2: [service web] check: there is no section [script disk] that says what it runs");
    struct config *c =
        config_good("[service web]\ncheck = script:disk\n[script disk]\ncommand = /bin/df /srv\ntimeout = 3s\n");
    assert_int_equal(c->n_scripts, 1);
    assert_string_equal(c->scripts[0].command, "/bin/df /srv");
    assert_int_equal(c->scripts[0].timeout_ms, 3000);
    assert_int_equal(c->scripts[0].output_max, 65536);
    assert_null(c->scripts[0].user);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listeners),
        cmocka_unit_test(listeners_are_not_repeated),
        cmocka_unit_test(lists_have_a_bound),
        cmocka_unit_test(networks),
        cmocka_unit_test(domains),
        cmocka_unit_test(zone_files_belong_to_domains_by_their_place),
        cmocka_unit_test(ns_addresses_of_both_families),
        cmocka_unit_test(a_listener_beyond_loopback_needs_a_password),
        cmocka_unit_test(scripts_and_the_server_have_one_user_or_root),
        cmocka_unit_test(leases_are_ordered),
        cmocka_unit_test(ttls_are_ordered),
        cmocka_unit_test(stores_that_are_not_built_are_refused),
        cmocka_unit_test(a_check_that_names_a_script_needs_it),
    };
    return cmocka_run_group_tests_name("config rules", tests, NULL, NULL);
}
