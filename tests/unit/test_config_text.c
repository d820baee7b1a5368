/* The text: sections, keys, comments, long lines, and every way to get them wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/config_try.h"

static void assert_id(const char *text, const char *id)
{
    struct config *c = config_good(text);
    assert_string_equal(c->server.id, id);
    config_free(c);
}

static void comments_blanks_and_line_ends(void **state)
{
    assert_id("[server]\nid=a\n", "a");
    assert_id("[server]\r\nid = a\r\n", "a");
    assert_id("\xef\xbb\xbf[server]\nid = a", "a");
    assert_id("  [ server ]  ; x\n\t id\t= a b \t\n", "a b");
    assert_id("[server] # x\nid = a ; x\n", "a");
    assert_id("[server]\nid = a # x\n", "a");
    assert_id("[server]\nid = a;b#c\n", "a;b#c");
    assert_id("; x\n# [dns]\n[server]\nid : a\n", "a");
    assert_id("[server]\nid = a = b\n", "a = b");
}

static void an_indented_line_is_not_more_of_the_value_above(void **state)
{
    config_bad("[server]\nid = a\n  b\n", "t.conf:3: neither a [section] nor \"key = value\" nor a comment");
    struct config *c = config_good("[server]\nid = a\n  user = b\n");
    assert_string_equal(c->server.id, "a");
    assert_string_equal(c->server.user, "b");
    config_free(c);
}

static void sections_may_be_opened_again(void **state)
{
    struct config *c =
        config_good("[dns]\nttl = 9\n[service a_b]\nttl = 7\n[dns]\nmax_answers = 3\n[service A-B]\norder = fixed\n");
    assert_int_equal(c->dns.policy.ttl_s, 9);
    assert_int_equal(c->dns.policy.max_answers, 3);
    assert_int_equal(c->n_services, 1);
    assert_string_equal(c->services[0].name, "a_b");
    assert_int_equal(c->services[0].policy.ttl_s, 7);
    assert_int_equal(c->services[0].policy.max_answers, 3);
    assert_int_equal(c->services[0].policy.order, ORDER_FIXED);
    config_free(c);
}

static void a_service_takes_from_dns_even_when_dns_comes_later(void **state)
{
    struct config *c = config_good("[service a]\ncheck = tcp://:80\n[service b]\n[dns]\nttl = 9\n");
    assert_int_equal(c->n_services, 2);
    assert_int_equal(c->services[0].policy.ttl_s, 9);
    assert_ptr_equal(c->services[0].policy.check, c->services[0].check);
    assert_string_equal(c->services[0].check->text, "tcp://:80");
    assert_null(c->services[1].policy.check);
    config_free(c);
}

static void unknown_names_are_refused_with_the_nearest(void **state)
{
    config_bad("\n[dns]\ntll = 5\n", "t.conf:3: unknown key \"tll\" in [dns]; did you mean \"ttl\"?");
    config_bad("[dns]\nTTL = 5\n", "t.conf:2: unknown key \"TTL\" in [dns]; did you mean \"ttl\"?");
    config_bad("[dns]\nlease_default = 5\n",
               "t.conf:2: unknown key \"lease_default\" in [dns]; it belongs into [registry]");
    config_bad("[dns]\nxyzzy = 5\n", "t.conf:2: unknown key \"xyzzy\" in [dns]");
    config_bad("[dsn]\n", "t.conf:1: unknown section [dsn]; did you mean [dns]?");
    config_bad("[services web]\n", "t.conf:1: unknown section [services]; did you mean [service]?");
    config_bad("[xyzzy]\n", "t.conf:1: unknown section [xyzzy]");
    config_bad("[]\n", "t.conf:1: unknown section []");
    config_bad("[http]\nlitsen = x\n", "t.conf:2: unknown key \"litsen\" in [http]; did you mean \"listen\"?");
}

static void a_key_twice_is_refused(void **state)
{
    config_bad("[dns]\nttl = 5\n\nttl = 6\n", "t.conf:4: \"ttl\" is there twice in [dns], first on line 2");
    config_bad("[dns]\nttl = 5\n[server]\n[dns]\nttl = 6\n",
               "t.conf:5: \"ttl\" is there twice in [dns], first on line 2");
    config_bad("[service web]\nttl = 5\n[service WEB]\nttl = 6\n",
               "t.conf:4: \"ttl\" is there twice in [service web], first on line 2");
}

static void headings_are_checked(void **state)
{
    config_bad("[dns\n", "t.conf:1: a section's heading ends with ], as [dns]");
    config_bad("[dns] ttl = 5\n", "t.conf:1: only a comment may follow a section's heading");
    config_bad("[dns x]\n", "t.conf:1: [dns] takes no name, \"x\" is too much");
    config_bad("[service]\n", "t.conf:1: [service] needs a name, as [service web]");
    config_bad("[script a/b]\n",
               "t.conf:1: \"a/b\" should be a script's name: 1 to 63 letters, digits, '-', '_' and '.'");
    config_bad("[script a]\n", "t.conf:1: a script needs a command, as command = /usr/lib/rollcall/check-disk /srv");
    config_bad("ttl = 5\n", "t.conf:1: \"ttl\" stands before the first section, as [dns]");
    config_bad("[dns]\n= 5\n", "t.conf:2: a key is missing before the =");
    config_bad("[dns]\nttl\n", "t.conf:2: neither a [section] nor \"key = value\" nor a comment");
}

static void a_service_name_of_62_bytes_arrives_whole(void **state)
{
    char text[128], name[63];
    memset(name, 'a', 62);
    name[62] = '\0';
    snprintf(text, sizeof(text), "[service %s]\n", name);
    struct config *c = config_good(text);
    assert_string_equal(c->services[0].name, name);
    config_free(c);
    struct err e;
    snprintf(text, sizeof(text), "[service %sa]\n", name);
    assert_int_equal(config_parse(text, strlen(text), "t", &(struct config_source){.path = NULL}, &c, NULL, &e),
                     ERR_BADARG);
}

static void a_long_line_is_kept_whole_or_refused(void **state)
{
    static char text[CONFIG_LINE_MAX + 64], argument[CONFIG_LINE_MAX + 1];
    size_t room = CONFIG_LINE_MAX - strlen("command = /c ");
    memset(argument, 'x', room);
    argument[room] = '\0';
    argument[3900] = '\0'; /* a path has its own bound */
    snprintf(text, sizeof(text), "[script s]\ncommand = /c %s\nuser = u\n", argument);
    struct config *c = config_good(text);
    assert_int_equal(strlen(c->scripts[0].command), 3 + 3900);
    assert_string_equal(c->scripts[0].user, "u");
    config_free(c);

    memset(argument, 'x', CONFIG_LINE_MAX);
    argument[CONFIG_LINE_MAX] = '\0';
    snprintf(text, sizeof(text), "[server]\n#%s\nid = a\n", argument + 1);
    assert_id(text, "a");
    snprintf(text, sizeof(text), "[server]\n#%s\nid = a\n", argument);
    config_bad(text, "t.conf:2: the line has 4097 bytes, at most 4096 are allowed");
}

static void control_bytes_are_refused(void **state)
{
    config_bad("[server]\nid = a\x1b[1m\n", "t.conf:2: byte 7 of the line is a control character");
    struct config *c = NULL;
    struct err e;
    const char text[] = "[server]\nid = a\0b\n";
    int rc = config_parse(text, sizeof(text) - 1, "t.conf", &(struct config_source){.path = NULL}, &c, NULL, &e);
    assert_int_equal(rc, ERR_BADARG);
    assert_string_equal(e.text, "t.conf:2: byte 7 of the line is a control character");
}

static void too_many_sections_are_refused(void **state)
{
    struct buf text;
    buf_init(&text, 0);
    for (int i = 0; i < CONFIG_SECTIONS_MAX; i++)
        buf_printf(&text, "[script s%d]\ncommand=/c\n", i);
    struct config *c = config_good(buf_cstr(&text));
    assert_int_equal(c->n_scripts, CONFIG_SECTIONS_MAX);
    config_free(c);
    buf_puts(&text, "[dns]\n");
    config_bad(buf_cstr(&text), "t.conf:8193: too many sections: at most 4096");
    buf_fini(&text);
}

static void parts_not_built_are_warned_of(void **state)
{
    config_warns("[http]\nlisten = 127.0.0.1:8500\n[forward]\nupstreams = 9.9.9.9\n[forward corp.example]\nupstreams = "
                 "10.0.0.1\n"
                 "[notify ops]\nwhatever = x\n[etcd]\n",
                 "t.conf:2: [http] listen is ignored: this part is not built yet\n"
                 "t.conf:4: [forward] upstreams is ignored: this part is not built yet\n"
                 "t.conf:6: [forward corp.example] upstreams is ignored: this part is not built yet\n"
                 "t.conf:8: [notify ops] whatever is ignored: this part is not built yet\n");
    config_warns("[dns]\nttl = 5\n", "");
}

static void overrides_replace_the_file_and_name_themselves(void **state)
{
    struct config *c = config_good_override("[dns]\nttl = 5\n", "dns", "ttl", "9");
    assert_int_equal(c->dns.policy.ttl_s, 9);
    config_free(c);
    c = config_good_override("", "service web", "ttl", "9");
    assert_int_equal(c->services[0].policy.ttl_s, 9);
    config_free(c);
    config_bad_override("", "dns", "tll", "9", "-o dns.tll: unknown key \"tll\" in [dns]; did you mean \"ttl\"?");
    config_bad_override("", "dsn", "ttl", "9", "-o dsn.ttl: unknown section [dsn]; did you mean [dns]?");
    config_bad_override(
        "[dns]\nttl = 5\n", "dns", "ttl", "x",
        "-o dns.ttl: \"x\" should be whole seconds (30s, 5m, 1h; a bare number is seconds) from 1s to 1d");
    config_bad_override(
        "[dns]\nttl = x\n", "dns", "max_answers", "9",
        "t.conf:2: [dns] ttl: \"x\" should be whole seconds (30s, 5m, 1h; a bare number is seconds) from 1s to 1d");
}

static void files_are_read_and_missing_ones_named(void **state)
{
    struct config *c = NULL;
    struct err e;
    struct config_source src = {.path = "/nonexistent/rollcalld.conf"};
    assert_int_equal(config_load(&src, &c, NULL, &e), ERR_IO);
    assert_string_equal(e.text, "cannot open /nonexistent/rollcalld.conf: No such file or directory");
    src.path = "/";
    assert_int_equal(config_load(&src, &c, NULL, &e), ERR_IO);
    assert_string_equal(e.text, "cannot read /: Is a directory");
    src.path = "/dev/zero";
    assert_int_equal(config_load(&src, &c, NULL, &e), ERR_LIMIT);
    src.path = NULL;
    assert_int_equal(config_load(&src, &c, NULL, &e), 0);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments_blanks_and_line_ends),
        cmocka_unit_test(an_indented_line_is_not_more_of_the_value_above),
        cmocka_unit_test(sections_may_be_opened_again),
        cmocka_unit_test(a_service_takes_from_dns_even_when_dns_comes_later),
        cmocka_unit_test(unknown_names_are_refused_with_the_nearest),
        cmocka_unit_test(a_key_twice_is_refused),
        cmocka_unit_test(headings_are_checked),
        cmocka_unit_test(a_service_name_of_62_bytes_arrives_whole),
        cmocka_unit_test(a_long_line_is_kept_whole_or_refused),
        cmocka_unit_test(control_bytes_are_refused),
        cmocka_unit_test(too_many_sections_are_refused),
        cmocka_unit_test(parts_not_built_are_warned_of),
        cmocka_unit_test(overrides_replace_the_file_and_name_themselves),
        cmocka_unit_test(files_are_read_and_missing_ones_named),
    };
    return cmocka_run_group_tests_name("config text", tests, NULL, NULL);
}
