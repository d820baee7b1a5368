/* Replies: every form, cut at every place, and what is no reply at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/reply.h"

/* A stream that arrives in pieces of `step` bytes, then ends. */
struct stream {
    const char *at, *end;
    size_t step;
};

static int stream_read(void *arg, void *to, size_t cap, struct err *e)
{
    struct stream *s = arg;
    size_t left = (size_t)(s->end - s->at), n = left < s->step ? left : s->step;
    n = n < cap ? n : cap;
    memcpy(to, s->at, n);
    s->at += n;
    return (int)n;
}

static int read_in_steps(const char *text, size_t len, size_t step, struct reply *out, struct err *e)
{
    struct stream stream = {text, text + len, step};
    struct reply_source *s = malloc(sizeof(*s));
    assert_non_null(s);
    reply_source_init(s, stream_read, &stream);
    int rc = reply_read(s, out, e);
    free(s);
    return rc;
}

static const char whole[] = "*7\r\n"
                            "+OK\r\n"
                            "-BADARG no\r\n"
                            ":-42\r\n"
                            "$5\r\na\r\nb\0\r\n"
                            "$-1\r\n"
                            "%2\r\n$1\r\nk\r\n$1\r\nv\r\n+n\r\n:7\r\n"
                            ">1\r\n*0\r\n";

static void assert_whole(const struct reply *r)
{
    assert_int_equal(r->type, REPLY_LIST);
    assert_int_equal(r->n, 7);
    assert_int_equal(r->items[0].type, REPLY_TEXT);
    assert_string_equal(r->items[0].text, "OK");
    assert_int_equal(r->items[1].type, REPLY_ERROR);
    assert_string_equal(r->items[1].text, "BADARG no");
    assert_int_equal(r->items[2].number, -42);
    assert_int_equal(r->items[3].len, 5);
    assert_memory_equal(r->items[3].text, "a\r\nb\0", 6);
    assert_int_equal(r->items[4].type, REPLY_NULL);
    assert_string_equal(reply_field_text(&r->items[5], "k", ""), "v");
    assert_int_equal(reply_field_number(&r->items[5], "n", 0), 7);
    assert_int_equal(r->items[6].n, 1);
    assert_int_equal(r->items[6].items[0].type, REPLY_LIST);
    assert_int_equal(r->items[6].items[0].n, 0);
}

static void every_form_in_pieces_of_every_size(void **state)
{
    for (size_t step = 1; step <= sizeof(whole); step++) {
        struct reply r;
        assert_int_equal(read_in_steps(whole, sizeof(whole) - 1, step, &r, NULL), 0);
        assert_whole(&r);
        reply_fini(&r);
    }
}

static void every_prefix_is_an_end_of_the_stream(void **state)
{
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        struct reply r;
        struct err e = {.code = 0};
        assert_int_equal(read_in_steps(whole, len, 3, &r, &e), ERR_IO);
        assert_string_equal(e.text, "the server closed the connection");
        assert_int_equal(r.type, REPLY_NULL);
        assert_null(r.items);
    }
}

static void replies_follow_each_other(void **state)
{
    const char text[] = ":1\r\n:2\r\n";
    struct stream stream = {text, text + sizeof(text) - 1, 5};
    struct reply_source s;
    struct reply r;
    reply_source_init(&s, stream_read, &stream);
    assert_int_equal(reply_read(&s, &r, NULL), 0);
    assert_int_equal(r.number, 1);
    assert_int_equal(reply_read(&s, &r, NULL), 0);
    assert_int_equal(r.number, 2);
}

static void assert_refused(const char *text, int code)
{
    struct reply r;
    struct err e = {.code = 0};
    int rc = read_in_steps(text, strlen(text), 100, &r, &e);
    if (rc != code)
        fail_msg("\"%s\": %d, %s", text, rc, e.text);
    assert_true(strlen(e.text) > 0);
}

static void what_is_no_reply_is_refused(void **state)
{
    assert_refused("HTTP/1.1 400 Bad Request\r\n", ERR_FORMAT);
    assert_refused("SSH-2.0-OpenSSH\r\n", ERR_FORMAT);
    assert_refused("\r\n", ERR_FORMAT);
    assert_refused(":\r\n", ERR_FORMAT);
    assert_refused(":1x\r\n", ERR_FORMAT);
    assert_refused(":99999999999999999999\r\n", ERR_FORMAT);
    assert_refused("*x\r\n", ERR_FORMAT);
    assert_refused("$3\r\nabcd\r\n", ERR_FORMAT);
    assert_refused("*1\r\n$3\r\nabc__", ERR_FORMAT);
}

static void what_is_too_large_is_refused_before_it_is_there(void **state)
{
    assert_refused("$9999999999\r\n", ERR_LIMIT);
    assert_refused("*9999999999\r\n", ERR_LIMIT);
    assert_refused("%4000000\r\n", ERR_LIMIT);
    assert_refused("*4000000\r\n:1\r\n", ERR_IO); /* no memory for what has not arrived */
    assert_refused("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", ERR_LIMIT);
    char *line = malloc(100002);
    assert_non_null(line);
    memset(line, 'x', 100000);
    line[0] = '+';
    strcpy(line + 100000, "\n");
    assert_refused(line, ERR_FORMAT);
    free(line);
}

static void fields_that_are_missing_have_a_fallback(void **state)
{
    struct reply r;
    const char text[] = "*3\r\n+a\r\n:1\r\n+odd\r\n";
    assert_int_equal(read_in_steps(text, sizeof(text) - 1, 100, &r, NULL), 0);
    assert_int_equal(reply_field_number(&r, "a", 0), 1);
    assert_int_equal(reply_field_number(&r, "b", -1), -1);
    assert_string_equal(reply_field_text(&r, "a", "?"), "?");
    assert_null(reply_field(&r, "odd"));
    assert_null(reply_field(NULL, "a"));
    reply_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_in_pieces_of_every_size),
        cmocka_unit_test(every_prefix_is_an_end_of_the_stream),
        cmocka_unit_test(replies_follow_each_other),
        cmocka_unit_test(what_is_no_reply_is_refused),
        cmocka_unit_test(what_is_too_large_is_refused_before_it_is_there),
        cmocka_unit_test(fields_that_are_missing_have_a_fallback),
    };
    return cmocka_run_group_tests_name("cli reply", tests, NULL, NULL);
}
