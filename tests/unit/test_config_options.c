/* Every option: its default, values at and past its bounds, a value of the wrong form, and whether a reload may change it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "config/option.h"
#include "tests/lib/config_try.h"

#define RELOADS false
#define FIXED   true

/* What the contract says of each option, written down a second time. `low` and `high` are still right, `below` and `above`
 * are not; NULL where there is no such value. `other` is right and differs from the default. */
static const struct expected {
    const char *section, *key, *value, *dev_value, *low, *high, *below, *above, *other;
    bool is_fixed;
} expected[] = {
    {"server", "workers", "0", "1", "0", "256", "-1", "257", "2", FIXED},
    {"server", "cpu_affinity", "no", NULL, "0", "1023", "-1", "1024", "0,2-5", FIXED},
    {"server", "user", "", NULL, "a", NULL, NULL, "a234567890123456789012345678901x", "nobody", FIXED},
    {"server", "state_dir", "/var/lib/rollcall", NULL, "/", NULL, NULL, "state", "/s", FIXED},
    {"server", "log", "stderr", NULL, "stderr", "SYSLOG", "", "file", "syslog", FIXED},
    {"server", "log_level", "info", "debug", "error", "debug", "", "verbose", "warn", RELOADS},
    {"server", "id", "", NULL, "a", NULL, NULL, NULL, "resolver-1", FIXED},
    {"dns", "listen", "127.0.0.1:53", "127.0.0.1:5300", "0.0.0.0:0", "[::]:65535", "", "[::]:65536", "[::1]:53", FIXED},
    {"dns", "domain", "service.local", NULL, "a", "b.c.d.", "", ".", "service.internal", RELOADS},
    {"dns", "zone_file", "", NULL, "/z", NULL, NULL, "/a,/b", "/z", RELOADS},
    {"dns", "ns_address", "", NULL, "192.0.2.1", "2001:db8::1", NULL, "192.0.2.1:53", "192.0.2.1", RELOADS},
    {"dns", "ttl", "5s", NULL, "1", "24h", "0", "86401", "10s", RELOADS},
    {"dns", "ttl_min", "1s", NULL, "1", "5", "0", "500ms", "2s", RELOADS},
    {"dns", "negative_ttl", "5s", NULL, "0", "1d", "-1", "86401", "10s", RELOADS},
    {"dns", "max_answers", "8", NULL, "1", "4096", "0", "4097", "3", RELOADS},
    {"dns", "answer", "few", NULL, "all", "One", "", "some", "all", RELOADS},
    {"dns", "order", "rotate", NULL, "random", "fixed", "", "shuffle", "fixed", RELOADS},
    {"dns", "on_empty", "nodata", NULL, "nxdomain", "all", "", "servfail", "all", RELOADS},
    {"dns", "ra", "auto", NULL, "auto", "always", "", "never", "always", RELOADS},
    {"dns", "allow", "", NULL, "0.0.0.0/0", "::1/128", NULL, "10.0.0.0/33", "10.0.0.0/8", RELOADS},
    {"dns", "chaos", "yes", NULL, "on", "no", "", "perhaps", "no", RELOADS},
    {"dns", "tcp_idle", "10s", NULL, "100ms", "1h", "99ms", "61m", "1s", RELOADS},
    {"dns", "tcp_clients", "2000", NULL, "1", "1000000", "0", "1000001", "5", RELOADS},
    {"dns", "tcp_clients_per_address", "200", NULL, "1", "1000000", "0", "1000001", "5", RELOADS},
    {"registry", "listen", "127.0.0.1:5380, unix:/run/rollcall/rollcall.sock", "127.0.0.1:5380", "127.0.0.1:0",
     "unix:/s,[::1]:1", NULL, "unix:s", "127.0.0.1:1", FIXED},
    {"registry", "password_file", "", NULL, "/p", NULL, NULL, NULL, "/p", RELOADS},
    {"registry", "insecure", "no", NULL, "yes", "0", "", "maybe", "yes", RELOADS},
    {"registry", "lease_default", "30s", NULL, "1s", "24h", "999ms", "86401", "15s", RELOADS},
    {"registry", "lease_min", "1s", NULL, "1s", "30s", "0", "31s", "2s", RELOADS},
    {"registry", "lease_max", "24h", NULL, "30s", "1d", "29s", "25h", "1h", RELOADS},
    {"registry", "allow_permanent", "yes", NULL, "true", "false", "", "2", "no", RELOADS},
    {"registry", "session_grace", "5s", NULL, "0", "1h", "-5s", "61m", "1s", RELOADS},
    {"registry", "history", "10000", NULL, "16", "1000000", "15", "1000001", "100", FIXED},
    {"registry", "clients", "10000", NULL, "1", "1000000", "0", "1000001", "5", RELOADS},
    {"registry", "line_max", "64k", NULL, "1024", "16m", "1023", "17m", "4096", RELOADS},
    {"registry", "output_max", "8m", NULL, "64K", "1024M", "63k", "1025m", "1m", RELOADS},
    {"registry", "max_services", "100000", NULL, "1", "10000000", "0", "10000001", "5", RELOADS},
    {"registry", "max_instances", "10000", NULL, "1", "1000000", "0", "1000001", "5", RELOADS},
    {"registry", "max_tags", "32", NULL, "0", "256", "-1", "257", "5", RELOADS},
    {"registry", "max_meta", "64", NULL, "0", "1024", "-1", "1025", "5", RELOADS},
    {"registry", "max_meta_bytes", "4k", NULL, "0", "60k", "-1", "61k", "512", RELOADS},
    {"registry", "max_ports", "16", NULL, "0", "256", "-1", "257", "5", RELOADS},
    {"registry", "max_checks", "8", NULL, "0", "64", "-1", "65", "5", RELOADS},
    {"health", "max_probes", "2048", NULL, "1", "10000", "0", "10001", "5", RELOADS},
    {"health", "ca_file", "", NULL, "/c", NULL, NULL, NULL, "/c", FIXED},
    {"store", "type", "memory", NULL, "memory", NULL, "", "disk", NULL, FIXED},
    {"store", "path", "", NULL, "/p", NULL, NULL, "p", "/p", FIXED},
    {"service", "ttl", NULL, NULL, "1", "1d", "0", "25h", "7s", RELOADS},
    {"service", "max_answers", NULL, NULL, "1", "4096", "0", "4097", "3", RELOADS},
    {"service", "answer", NULL, NULL, "few", "all", "", "some", "all", RELOADS},
    {"service", "order", NULL, NULL, "rotate", "fixed", "", "some", "fixed", RELOADS},
    {"service", "on_empty", NULL, NULL, "nodata", "all", "", "some", "all", RELOADS},
    {"service", "check", NULL, NULL, "ttl 15s", "tcp://:80", NULL, "ping", "tcp://:80", RELOADS},
    {"script", "command", NULL, NULL, "/c", "/c a b", "", "c", NULL, RELOADS},
    {"script", "user", "", NULL, "nobody", NULL, NULL, "a234567890123456789012345678901x", NULL, RELOADS},
    {"script", "timeout", "10s", NULL, "100ms", "1h", "99ms", "61m", NULL, RELOADS},
    {"script", "output_max", "64k", NULL, "1k", "1m", "1023", "2m", NULL, RELOADS},
};
#define N_EXPECTED (sizeof(expected) / sizeof(expected[0]))

static const char *text_with(const struct expected *x, const char *value)
{
    static char text[512];
    bool is_named = strcmp(x->section, "service") == 0 || strcmp(x->section, "script") == 0;
    bool needs_command = strcmp(x->section, "script") == 0 && strcmp(x->key, "command") != 0;
    snprintf(text, sizeof(text), "[%s%s]\n%s%s = %s\n", x->section, is_named ? " x" : "",
             needs_command ? "command = /c\n" : "", x->key, value);
    return text;
}

static void assert_accepted(const struct expected *x, const char *value, bool wanted)
{
    if (value == NULL)
        return;
    struct config *c = NULL;
    struct err e = {.code = 0};
    const char *text = text_with(x, value);
    int rc = config_parse(text, strlen(text), "t.conf", &(struct config_source){.path = NULL}, &c, NULL, &e);
    if ((rc == 0) != wanted)
        fail_msg("[%s] %s = %s: %s", x->section, x->key, value, rc == 0 ? "accepted" : e.text);
    config_free(c);
}

static void each_row_is_expected_and_each_expectation_is_a_row(void **state)
{
    size_t n = 0;
    for (const struct option *row = option_table; row->section != NULL; row++) {
        if (row->type == NULL)
            continue;
        assert_true(n < N_EXPECTED);
        assert_string_equal(row->section, expected[n].section);
        assert_string_equal(row->key, expected[n].key);
        assert_int_equal(row->is_fixed, expected[n].is_fixed);
        assert_true(strlen(row->help) > 10 && row->help[strlen(row->help) - 1] == '.');
        n++;
    }
    assert_int_equal(n, N_EXPECTED);
}

static void defaults_are_as_promised(void **state)
{
    for (size_t i = 0; i < N_EXPECTED; i++) {
        const struct option *row = option_find(expected[i].section, expected[i].key);
        assert_int_equal(row->value == NULL, expected[i].value == NULL);
        if (row->value != NULL)
            assert_string_equal(row->value, expected[i].value);
        assert_int_equal(row->dev_value == NULL, expected[i].dev_value == NULL);
        if (row->dev_value != NULL)
            assert_string_equal(row->dev_value, expected[i].dev_value);
    }
}

static void values_within_bounds_are_accepted_others_refused(void **state)
{
    for (size_t i = 0; i < N_EXPECTED; i++) {
        const struct expected *x = &expected[i];
        assert_accepted(x, x->low, true);
        assert_accepted(x, x->high, true);
        assert_accepted(x, x->other, true);
        assert_accepted(x, x->below, false);
        assert_accepted(x, x->above, false);
    }
}

static void nonsense_is_refused_by_every_type_with_a_form(void **state)
{
    for (size_t i = 0; i < N_EXPECTED; i++) {
        const struct option_type *type = option_find(expected[i].section, expected[i].key)->type;
        bool takes_anything = type == &option_text;
        assert_accepted(&expected[i], "12,,%x", takes_anything);
    }
}

static void a_reload_names_what_it_cannot_change(void **state)
{
    for (size_t i = 0; i < N_EXPECTED; i++) {
        const struct expected *x = &expected[i];
        if (x->other == NULL || strcmp(x->section, "service") == 0)
            continue;
        struct config *now = config_good(""), *next = config_good(text_with(x, x->other));
        struct buf names;
        char name[64];
        buf_init(&names, 0);
        config_fixed_changes(now, next, &names);
        snprintf(name, sizeof(name), "%s.%s", x->section, x->key);
        assert_string_equal(buf_cstr(&names), x->is_fixed ? name : "");
        assert_false(option_find(x->section, x->key)->type->is_equal(option_find(x->section, x->key), now, next));
        buf_fini(&names);
        config_free(now);
        config_free(next);
    }
}

static void a_reload_of_the_same_changes_nothing_and_several_are_listed(void **state)
{
    const char *text = "[server]\nuser = a\n[dns]\nlisten = 127.0.0.1:1, [::1]:2\nns_address = 1.2.3.4, ::1\n";
    struct config *a = config_good(text), *b = config_good(text), *c = config_good("[server]\nworkers = 3\n");
    struct buf names;
    buf_init(&names, 0);
    config_fixed_changes(a, b, &names);
    assert_string_equal(buf_cstr(&names), "");
    config_fixed_changes(a, c, &names);
    assert_string_equal(buf_cstr(&names), "server.workers, server.user, dns.listen");
    buf_fini(&names);
    config_free(a);
    config_free(b);
    config_free(c);
}

static void the_defaults_of_an_empty_file(void **state)
{
    struct config *c = config_good("");
    assert_int_equal(c->server.workers, 0);
    assert_null(c->server.user);
    assert_string_equal(c->server.log, "stderr");
    assert_int_equal(c->server.log_level, LOG_LEVEL_INFO);
    assert_int_equal(c->dns.n_listen, 1);
    assert_int_equal(c->dns.listen[0].port, 53);
    assert_int_equal(c->dns.n_domains, 1);
    assert_memory_equal(c->dns.domains[0].wire, "\7service\5local", 15);
    assert_null(c->dns.zone_files[0]);
    assert_int_equal(c->dns.policy.ttl_s, 5);
    assert_int_equal(c->dns.ttl_min_s, 1);
    assert_int_equal(c->dns.negative_ttl_s, 5);
    assert_int_equal(c->dns.policy.max_answers, 8);
    assert_int_equal(c->dns.policy.answer, ANSWER_FEW);
    assert_int_equal(c->dns.policy.order, ORDER_ROTATE);
    assert_int_equal(c->dns.policy.on_empty, ON_EMPTY_NODATA);
    assert_null(c->dns.policy.check);
    assert_false(c->dns.ra_always);
    assert_true(c->dns.chaos);
    assert_int_equal(c->dns.tcp_idle_ms, 10000);
    assert_int_equal(c->registry.n_listen, 2);
    assert_string_equal(c->registry.listen[1].path, "/run/rollcall/rollcall.sock");
    assert_false(c->registry.insecure);
    assert_int_equal(c->registry.options.lease_default_ms, 30000);
    assert_int_equal(c->registry.options.lease_max_ms, 86400000);
    assert_true(c->registry.options.allow_permanent);
    assert_true(c->registry.options.expiry_slice > 0);
    assert_int_equal(c->registry.line_max, 65536);
    assert_int_equal(c->registry.output_max, 8 << 20);
    assert_int_equal(c->registry.options.limits.meta_bytes, 4096);
    assert_string_equal(c->store.type, "memory");
    assert_int_equal(c->n_services + c->n_scripts, 0);
    config_free(c);
}

static void processors_are_numbers_and_ranges_in_their_order(void **state)
{
    static const uint16_t cpus[] = {7, 2, 3, 4, 0};
    static const char *const wrong[] = {"3-2", "1,1", "0-3,2", "1-", "-", "a", "0-1024", "1,", "00001", "yes"};
    struct config *c = config_good("[server]\ncpu_affinity = 7, 2-4,0\n");
    assert_int_equal(c->server.n_cpus, 5);
    assert_memory_equal(c->server.cpus, cpus, sizeof(cpus));
    config_free(c);
    c = config_good("[server]\ncpu_affinity = 0-1023\n");
    assert_int_equal(c->server.n_cpus, 1024);
    config_free(c);
    const struct expected x = {.section = "server", .key = "cpu_affinity"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_accepted(&x, wrong[i], false);
}

static void dev_is_loopback_and_verbose_and_can_be_overridden(void **state)
{
    struct config *c = config_good_dev("[server]\nlog_level = warn\n");
    assert_true(c->is_dev);
    assert_string_equal(c->dns.listen[0].text, "127.0.0.1:5300");
    assert_int_equal(c->registry.n_listen, 1);
    assert_string_equal(c->registry.listen[0].text, "127.0.0.1:5380");
    assert_int_equal(c->server.log_level, LOG_LEVEL_WARN);
    config_free(c);
    c = config_good_dev("");
    assert_int_equal(c->server.log_level, LOG_LEVEL_DEBUG);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_expected_and_each_expectation_is_a_row),
        cmocka_unit_test(defaults_are_as_promised),
        cmocka_unit_test(values_within_bounds_are_accepted_others_refused),
        cmocka_unit_test(nonsense_is_refused_by_every_type_with_a_form),
        cmocka_unit_test(a_reload_names_what_it_cannot_change),
        cmocka_unit_test(a_reload_of_the_same_changes_nothing_and_several_are_listed),
        cmocka_unit_test(the_defaults_of_an_empty_file),
        cmocka_unit_test(processors_are_numbers_and_ranges_in_their_order),
        cmocka_unit_test(dev_is_loopback_and_verbose_and_can_be_overridden),
    };
    return cmocka_run_group_tests_name("config options", tests, NULL, NULL);
}
