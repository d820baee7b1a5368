/* What people and scripts see: columns, colours, JSON; and what they type: options and words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/args.h"
#include "cli/json.h"
#include "cli/registration.h"
#include "cli/screen.h"

/* ── the screen ── */

static void assert_table(size_t n_columns, bool has_color, const char *const *cells, const char *wanted)
{
    struct screen_table t;
    struct buf out;
    screen_table_init(&t, n_columns, has_color);
    buf_init(&out, 0);
    for (; *cells != NULL; cells++)
        screen_cell(&t, *cells);
    screen_table_write(&t, &out);
    assert_string_equal(buf_cstr(&out), wanted);
    buf_fini(&out);
    screen_table_fini(&t);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    assert_table(3, false,
                 (const char *const[]){"ID", "STATE", "TAGS", "a", "passing", "", "long-one", "x", "v2", NULL},
                 "ID        STATE    TAGS\n"
                 "a         passing\n"
                 "long-one  x        v2\n");
    assert_table(2, false, (const char *const[]){NULL}, "");
    assert_table(2, false, (const char *const[]){"", "b", "\xc3\xa4", "b", "", "", NULL}, "   b\n\xc3\xa4  b\n\n");
}

static void states_have_colours_that_take_no_width(void **state)
{
    assert_table(2, true, (const char *const[]){"passing", "x", "critical", "y", NULL},
                 "\x1b[32mpassing\x1b[0m   x\n\x1b[31mcritical\x1b[0m  y\n");
    assert_string_equal(screen_color("nonsense"), "");
}

static void nothing_from_the_network_steers_the_terminal(void **state)
{
    struct buf out;
    buf_init(&out, 0);
    screen_text(&out, "a\x1b[31m\r\n\tb\x7f \xc2\x9b"
                      "c \xff\xc3 \xc3\xa4");
    assert_string_equal(buf_cstr(&out), "a?[31m???b? ?c ?? \xc3\xa4");
    buf_fini(&out);
}

static void assert_endpoint(const char *address, const char *wanted)
{
    struct buf out;
    buf_init(&out, 0);
    screen_endpoint(&out, address, 80);
    assert_string_equal(buf_cstr(&out), wanted);
    buf_fini(&out);
}

static void each_address_has_its_port(void **state)
{
    assert_endpoint("10.0.0.5", "10.0.0.5:80");
    assert_endpoint("2001:db8::1", "[2001:db8::1]:80");
    assert_endpoint("10.0.0.5,2001:db8::1", "10.0.0.5:80,[2001:db8::1]:80");
    assert_endpoint("", ":80");
}

/* ── JSON ── */

struct text {
    const char *at;
};

static int text_read(void *arg, void *to, size_t cap, struct err *e)
{
    struct text *t = arg;
    size_t n = strlen(t->at);
    memcpy(to, t->at, n);
    t->at += n;
    return (int)n;
}

static void assert_json(const char *resp, const char *wanted)
{
    struct text text = {resp};
    struct reply_source s;
    struct reply r;
    struct buf out;
    reply_source_init(&s, text_read, &text);
    assert_int_equal(reply_read(&s, &r, NULL), 0);
    buf_init(&out, 0);
    json_fields(&out, &r);
    assert_string_equal(buf_cstr(&out), wanted);
    buf_fini(&out);
    reply_fini(&r);
}

static void fields_become_an_object(void **state)
{
    assert_json("*0\r\n", "{}");
    assert_json("*6\r\n+id\r\n+a\"b\r\n+left\r\n$-1\r\n+n\r\n:-1\r\n", "{\"id\":\"a\\\"b\",\"left\":null,\"n\":-1}");
    assert_json("*4\r\n+tags\r\n*2\r\n+a\r\n+b\r\n+meta\r\n*2\r\n+k\r\n+v\r\n",
                "{\"tags\":[\"a\",\"b\"],\"meta\":{\"k\":\"v\"}}");
    assert_json("*2\r\n+ports\r\n*1\r\n*3\r\n+m\r\n:9\r\n+udp\r\n",
                "{\"ports\":[{\"name\":\"m\",\"number\":9,\"protocol\":\"udp\"}]}");
    assert_json("*2\r\n+checks\r\n*2\r\n*2\r\n+status\r\n+passing\r\n*0\r\n",
                "{\"checks\":[{\"status\":\"passing\"},{}]}");
    assert_json("*2\r\n+new\r\n*1\r\n*2\r\n+a\r\n:1\r\n", "{\"new\":[[\"a\",1]]}");
}

/* ── options and words ── */

enum { KEY_KEEP = 1, KEY_ID };

static const struct arg_row rows[] = {
    {KEY_KEEP, 'k', "keep", NULL, "x"},
    {KEY_ID, 'i', "id", "ID", "x"},
    {0, 0, NULL, NULL, NULL},
};

/* Reads them all; writes "k", "i=VALUE" for each option, then ":" and the words. */
static void assert_args(const char *const *line, bool stops_at_word, const char *wanted)
{
    char copies[16][32], *argv[16], got[256] = "";
    int argc = 0;
    for (; line[argc] != NULL; argc++)
        argv[argc] = strcpy(copies[argc], line[argc]);
    struct args a;
    const struct arg_row *row;
    args_init(&a, argc, argv, rows);
    a.stops_at_word = stops_at_word;
    while ((row = args_next(&a)) != NULL) {
        strcat(got, row->key == KEY_KEEP ? "k " : row->key == KEY_ID ? "i=" : row->key == ARGS_JSON ? "json " : "? ");
        strcat(got, row->key == KEY_ID ? a.value : "");
        strcat(got, row->key == KEY_ID ? " " : "");
    }
    strcat(got, a.failed ? "failed" : ":");
    for (int i = 0; i < a.n_words && !a.failed; i++)
        strcat(strcat(got, " "), a.words[i]);
    assert_string_equal(got, wanted);
}

static void options_stand_anywhere(void **state)
{
    assert_args((const char *const[]){"web", "--keep", "a", "--id", "x", "80", NULL}, false, "k i=x : web a 80");
    assert_args((const char *const[]){"--id=x", "-k", "-i", "y", "-iz", "--json", NULL}, false, "i=x k i=y i=z json :");
    assert_args((const char *const[]){"--id=", "-", NULL}, false, "i= : -");
    assert_args((const char *const[]){"-k", "--", "--keep", "-x", NULL}, false, "k : --keep -x");
    assert_args((const char *const[]){"-k", "web", "--keep", NULL}, true, "k :");
    assert_args((const char *const[]){"-k", "--", "web", "--keep", "--", NULL}, true, "k : web --keep --");
    assert_args((const char *const[]){NULL}, false, ":");
}

static void wrong_options_fail(void **state)
{
    assert_args((const char *const[]){"--kep", NULL}, false, "failed");
    assert_args((const char *const[]){"--id", NULL}, false, "failed");
    assert_args((const char *const[]){"-i", NULL}, false, "failed");
    assert_args((const char *const[]){"--keep=1", NULL}, false, "failed");
    assert_args((const char *const[]){"-kk", NULL}, false, "failed");
    assert_args((const char *const[]){"-x", NULL}, false, "failed");
}

static void a_registration_becomes_a_register(void **state)
{
    struct cli cli = {.verb = verb_table};
    struct registration r = {.service = "web", .address = "10.0.0.1", .port = "80"};
    char meta[] = "k=v=w", port[] = "metrics=9100/udp", bad[] = "nothing", empty[] = "=v", tag[] = "v2";
    const struct arg_row meta_row = {REGISTRATION_META, 0, "meta", "KEY=VALUE", ""},
                         port_row = {REGISTRATION_PORT, 0, "named-port", "NAME=N", ""},
                         tag_row = {REGISTRATION_TAG, 0, "tag", "TAG", ""},
                         session_row = {REGISTRATION_SESSION, 0, "session", NULL, ""};
    assert_int_equal(registration_option(&cli, &r, &tag_row, tag), CLI_OK);
    assert_int_equal(registration_option(&cli, &r, &meta_row, meta), CLI_OK);
    assert_int_equal(registration_option(&cli, &r, &port_row, port), CLI_OK);
    assert_int_equal(registration_option(&cli, &r, &session_row, NULL), CLI_OK);
    assert_int_equal(registration_option(&cli, &r, &meta_row, bad), CLI_USAGE);
    assert_int_equal(registration_option(&cli, &r, &meta_row, empty), CLI_USAGE);
    const char *words[CLIENT_WORDS_MAX + 4];
    const char *const wanted[] = {"REGISTER", "web", "10.0.0.1", "80",      "TAG",      "v2",     "META",
                                  "k",        "v=w", "PORT",     "metrics", "9100/udp", "SESSION"};
    assert_int_equal(registration_words(&r, words), 13);
    for (size_t i = 0; i < 13; i++)
        assert_string_equal(words[i], wanted[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(states_have_colours_that_take_no_width),
        cmocka_unit_test(nothing_from_the_network_steers_the_terminal),
        cmocka_unit_test(each_address_has_its_port),
        cmocka_unit_test(fields_become_an_object),
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(wrong_options_fail),
        cmocka_unit_test(a_registration_becomes_a_register),
    };
    return cmocka_run_group_tests_name("cli text", tests, NULL, NULL);
}
