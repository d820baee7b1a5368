/* Check specs: what is accepted and what comes of it; what is refused and why; random bytes. */
#include "registry/check_spec.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_accepted(void **state)
{
    static const struct {
        const char *in;
        enum check_type type;
        uint16_t port, expect, rise, fall;
        uint32_t interval_ms, timeout_ms, remove_ms;
        const char *host, *path;
    } rows[] = {
        {"http://:8080/healthz interval=10s timeout=2s rise=2 fall=3 expect=200", CHECK_HTTP, 8080, 200, 2, 3, 10000,
         2000, 0, "", "/healthz"},
        {"http://", CHECK_HTTP, 0, 0, 2, 3, 10000, 2000, 0, "", "/"},
        {"http:///status?full=1", CHECK_HTTP, 0, 0, 2, 3, 10000, 2000, 0, "", "/status?full=1"},
        {"https://api.example.org:8443/", CHECK_HTTPS, 8443, 0, 2, 3, 10000, 2000, 0, "api.example.org", "/"},
        {"http://[2001:db8::1]:80/x", CHECK_HTTP, 80, 0, 2, 3, 10000, 2000, 0, "2001:db8::1", "/x"},
        {"tcp://:8080 interval=5s", CHECK_TCP, 8080, 0, 2, 3, 5000, 2000, 0, "", ""},
        {"tcp://10.1.2.3 interval=100ms", CHECK_TCP, 0, 0, 2, 3, 100, 100, 0, "10.1.2.3", ""},
        {"tcp://:1 rise=100 fall=1 remove=10m interval=24h timeout=10m", CHECK_TCP, 1, 0, 100, 1, 86400000, 600000,
         600000, "", ""},
        {"ttl 15s remove=10m", CHECK_TTL, 0, 0, 2, 3, 15000, 2000, 600000, "", ""},
        {"script:disk_free.sh interval=30s", CHECK_SCRIPT, 0, 0, 2, 3, 30000, 0, 0, "",
         ""}, /* the script's own timeout */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct check_spec s;
        char room[CHECK_STRINGS_MAX];
        struct err e = {.text = ""};
        if (check_spec_parse(rows[i].in, room, &s, &e) != 0)
            fail_msg("%s: %s", rows[i].in, e.text);
        assert_int_equal(s.type, rows[i].type);
        assert_int_equal(s.port, rows[i].port);
        assert_int_equal(s.expect, rows[i].expect);
        assert_int_equal(s.rise, rows[i].rise);
        assert_int_equal(s.fall, rows[i].fall);
        assert_int_equal(s.interval_ms, rows[i].interval_ms);
        assert_int_equal(s.timeout_ms, rows[i].timeout_ms);
        assert_int_equal(s.remove_ms, rows[i].remove_ms);
        assert_string_equal(s.host, rows[i].host);
        assert_string_equal(s.path, rows[i].path);
        assert_string_equal(s.text, rows[i].in);
    }
}

static void test_words(void **state)
{
    struct check_spec s;
    char room[CHECK_STRINGS_MAX];
    assert_int_equal(check_spec_parse("  tcp://:1 \t interval=5s  ", room, &s, NULL), 0);
    assert_string_equal(s.text, "tcp://:1 interval=5s");
    assert_int_equal(check_spec_parse("script:x", room, &s, NULL), 0);
    assert_string_equal(s.script, "x");
    assert_int_equal(s.timeout_ms, 0);
    assert_int_equal(check_spec_parse("https://:8443/ insecure=yes", room, &s, NULL), 0);
    assert_true(s.is_insecure);
    assert_int_equal(check_spec_parse("https://:8443/", room, &s, NULL), 0);
    assert_false(s.is_insecure);
}

static void test_refused(void **state)
{
    static const struct {
        const char *in, *word;
    } rows[] = {
        {"", "expected"},
        {"   ", "expected"},
        {"ping", "ping"},
        {"HTTP://x", "HTTP"},
        {"ftp://x/", "ftp"},
        {"grpc://:9000/service", "grpc checks are not built yet"},
        {"http://:0/", "port"},
        {"http://:65536/", "port"},
        {"http://:/", "port"},
        {"http://:80x/", "port"},
        {"http://a b/", "b/"},
        {"http://user@host/", "expected"},
        {"http://[::1/", "[IPv6]"},
        {"http://[]/", "[IPv6]"},
        {"http://[1234]/", "[IPv6]"},
        {"http://.x/", "host"},
        {"http://-x/", "host"},
        {"http://x?y", "[/path]"},
        {"tcp://:80/path", "tcp://[host][:port]"},
        {"ttl", "duration"},
        {"ttl 0", "duration"},
        {"ttl 99ms", "duration"},
        {"ttl 25h", "duration"},
        {"ttl x", "duration"},
        {"ttl 15s interval=1s", "they know remove"},
        {"ttl 15s 16s", "they know remove"},
        {"script:", "script:NAME"},
        {"script:../etc", "script:NAME"},
        {"script:a;b", "script:NAME"},
        {"script:/bin/sh", "script:NAME"},
        {"tcp://:1 interval=99ms", "100ms to 24h"},
        {"tcp://:1 interval=25h", "100ms to 24h"},
        {"tcp://:1 interval=", "interval"},
        {"tcp://:1 timeout=9ms", "timeout"},
        {"tcp://:1 timeout=11m", "timeout"},
        {"tcp://:1 rise=0", "rise"},
        {"tcp://:1 fall=101", "fall"},
        {"tcp://:1 fall=-1", "fall"},
        {"tcp://:1 expect=200", "expect"},
        {"http://:1/ expect=99", "HTTP status"},
        {"http://:1/ expect=600", "HTTP status"},
        {"tcp://:1 rise=2 rise=2", "twice"},
        {"http://:1/ insecure=yes", "insecure"},
        {"https://:1/ insecure=no", "yes is expected"},
        {"tcp://:1 remove=999ms", "remove"},
        {"tcp://:1 rise", "key=value"},
        {"tcp://:1 =", "key=value"},
        {"tcp://:1 Rise=2", "Rise"},
        {"tcp://:1 \x01", "printable"},
        {"tcp://h\xc3\xb6st", "printable"},
        {"tcp://:1\n", "printable"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct check_spec s;
        char room[CHECK_STRINGS_MAX];
        struct err e = {.text = ""};
        int rc = check_spec_parse(rows[i].in, room, &s, &e);
        if (rc != ERR_BADARG || strstr(e.text, rows[i].word) == NULL)
            fail_msg("\"%s\": code %d, text \"%s\", expected \"%s\"", rows[i].in, rc, e.text, rows[i].word);
    }
}

static void test_limits(void **state)
{
    char text[CHECK_SPEC_TEXT_MAX + 16];
    char room[CHECK_STRINGS_MAX];
    struct check_spec s;
    int n = snprintf(text, sizeof(text), "http://h/");
    memset(text + n, 'p', CHECK_PATH_MAX - 2);
    text[n + CHECK_PATH_MAX - 2] = '\0'; /* the path has CHECK_PATH_MAX - 1 bytes */
    assert_int_equal(check_spec_parse(text, room, &s, NULL), 0);
    assert_int_equal(strlen(s.path), CHECK_PATH_MAX - 1);
    text[n + CHECK_PATH_MAX - 2] = 'p';
    text[n + CHECK_PATH_MAX - 1] = '\0';
    assert_int_equal(check_spec_parse(text, room, &s, NULL), ERR_LIMIT);

    n = snprintf(text, sizeof(text), "tcp://");
    memset(text + n, 'h', CHECK_HOST_MAX - 1);
    text[n + CHECK_HOST_MAX - 1] = '\0';
    assert_int_equal(check_spec_parse(text, room, &s, NULL), 0);
    text[n + CHECK_HOST_MAX - 1] = 'h';
    text[n + CHECK_HOST_MAX] = '\0';
    assert_int_equal(check_spec_parse(text, room, &s, NULL), ERR_BADARG);

    n = snprintf(text, sizeof(text), "script:");
    memset(text + n, 's', CHECK_SCRIPT_NAME_MAX + 1);
    text[n + CHECK_SCRIPT_NAME_MAX] = '\0';
    assert_int_equal(check_spec_parse(text, room, &s, NULL), 0);
    text[n + CHECK_SCRIPT_NAME_MAX] = 's';
    text[n + CHECK_SCRIPT_NAME_MAX + 1] = '\0';
    assert_int_equal(check_spec_parse(text, room, &s, NULL), ERR_BADARG);

    memset(text, 'x', sizeof(text));
    text[CHECK_SPEC_TEXT_MAX] = '\0';
    assert_int_equal(check_spec_parse(text, room, &s, NULL), ERR_LIMIT);
}

static void assert_same(const struct check_spec *a, const struct check_spec *b)
{
    assert_string_equal(a->text, b->text);
    assert_string_equal(a->host, b->host);
    assert_string_equal(a->path, b->path);
    assert_string_equal(a->script, b->script);
    assert_memory_equal(&a->type, &b->type, offsetof(struct check_spec, is_insecure) - offsetof(struct check_spec, type));
    assert_int_equal(a->is_insecure, b->is_insecure);
}

/* The room that is asked for is enough for the longest of each, however it is written, and for a text that is wrong. */
static void test_room(void **state)
{
    static const char *const shapes[] = {"http://%h/%p", " \t http://[::%a]/%p  interval=5s ", "https://%h:65535/%p x",
                                         "tcp://%h", "script:%s", "script:%s%s", "http://%h%h/%p%p"};
    for (size_t i = 0; i < COUNT(shapes); i++) {
        char text[4 * CHECK_SPEC_TEXT_MAX];
        size_t len = 0;
        for (const char *at = shapes[i]; *at != '\0'; at++) {
            static const struct {
                char letter;
                size_t n;
            } runs[] = {{'h', CHECK_HOST_MAX - 1}, {'p', CHECK_PATH_MAX - 8}, {'a', 40}, {'s', CHECK_SCRIPT_NAME_MAX}};
            if (*at != '%') {
                text[len++] = *at;
                continue;
            }
            at++;
            for (size_t k = 0; k < COUNT(runs); k++)
                if (runs[k].letter == *at) {
                    memset(text + len, *at, runs[k].n);
                    len += runs[k].n;
                }
        }
        text[len] = '\0';
        size_t room = check_strings_room(text);
        assert_in_range(room, 1, CHECK_STRINGS_MAX);
        struct check_spec s;
        char *strings = malloc(room + 64);
        assert_non_null(strings);
        memset(strings + room, '!', 64);
        int rc = check_spec_parse(text, strings, &s, NULL);
        assert_true((rc == 0) == (i < 2 || i == 3 || i == 4));
        for (size_t k = 0; k < 64; k++)
            assert_int_equal(strings[room + k], '!');
        free(strings);
    }
}

/* Words of the language in random order, and a spec that is accepted is accepted again from its own text, as the same.
 */
static void test_random(void **state)
{
    static const char *const words[] = {"http://", "tcp://",    "ttl",     " ",       "15s",  ":",   "80",
                                        "/",       "interval=", "rise=",   "1",       "[",    "::1", "]",
                                        "script:", "a",         "expect=", "remove=", "\x80", "=",   "grpc://"};
    struct rng rng = {.state = 1};
    unsigned accepted = 0;
    for (int round = 0; round < 50000; round++) {
        char text[256] = "";
        struct check_spec *s, *again;
        for (uint32_t n = rng_below(&rng, 10); n > 0; n--)
            strcat(text, words[rng_below(&rng, COUNT(words))]);
        if (check_spec_new(text, &s, NULL) != 0)
            continue;
        accepted++;
        assert_int_equal(check_spec_new(s->text, &again, NULL), 0);
        assert_same(s, again);
        free(s);
        free(again);
    }
    assert_true(accepted > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_words),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_room),   cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
