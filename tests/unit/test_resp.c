/* The request reader at every split point of every stream, its buffer ended by a page that must not be touched; and the
 * reply writer in both protocols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/resp.h"
#include "engine/resp_write.h"

#define MAX 4096     /* bytes of a request in these tests */
#define TRACE_MAX 8192
#define ROOM (4 * 4096)

static struct resp_request rq;

/* A block whose last byte is the last one before a forbidden page. */
static char *guarded;

static int setup(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    guarded = mmap(NULL, ROOM + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guarded == MAP_FAILED || mprotect(guarded + ROOM, page, PROT_NONE) != 0)
        return -1;
    resp_request_init(&rq);
    return 0;
}

static int teardown(void **state)
{
    resp_request_fini(&rq);
    return munmap(guarded, ROOM);
}

static char *at_guard(const char *data, size_t len)
{
    assert_true(len <= ROOM);
    return memcpy(guarded + ROOM - len, data, len);
}

static void show(char *trace, const char *text, size_t len)
{
    size_t at = strlen(trace);

    for (size_t i = 0; i < len && at < TRACE_MAX - 8; i++) {
        unsigned char c = (unsigned char)text[i];
        at += (size_t)snprintf(trace + at, 8, c < 0x20 || c > 0x7e ? "\\x%02x" : "%c", c);
    }
}

static void note(char *trace, const char *text)
{
    show(trace, text, strlen(text));
}

/* What resp_parse says of `data`, read in the manner of a connection: `split` bytes, then `step` at a time. */
static void read_stream(const char *data, size_t len, size_t split, size_t step, char trace[TRACE_MAX])
{
    struct resp_progress progress = {0};
    size_t from = 0, until = split;
    struct err e;

    trace[0] = '\0';
    for (;;) {
        char *buffer = at_guard(data + from, until - from);
        int r = resp_parse(&progress, buffer, until - from, MAX, &rq, &e);
        if (r == ERR_MORE && until < len) {
            until = len - until > step ? until + step : len;
            continue;
        }
        if (r == ERR_MORE)
            break;
        if (r == 0)
            r = resp_terminate(&rq, true, &e);
        for (size_t i = 0; r == 0 && i < rq.n; i++) {
            note(trace, i > 0 ? "|" : "");
            show(trace, rq.args[i].text, rq.args[i].len);
            assert_int_equal(rq.args[i].text[rq.args[i].len], '\0');
        }
        if (r != 0) {
            note(trace, rq.consumed > 0 ? "!" : "!!");
            note(trace, err_word(r));
        }
        note(trace, ";");
        if (r != 0 && rq.consumed == 0)
            return;
        from += rq.consumed;
    }
    if (from < until)
        note(trace, "...");
}

#define S(text) text, sizeof(text) - 1

static const struct stream {
    const char *data;
    size_t len;
    const char *expected;
} streams[] = {
    {S("*1\r\n$4\r\nPING\r\n"), "PING;"},
    {S("*3\r\n$5\r\nRENEW\r\n$3\r\nweb\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n"), "RENEW|web|a;PING;"},
    {S("*2\r\n$4\r\nPING\r\n$0\r\n\r\n"), "PING|;"},
    {S("*2\r\n$4\r\nPING\r\n$7\r\na\r\nb\xff\r\n\r\n"), "PING|a\\x0d\\x0ab\\xff\\x0d\\x0a;"},
    {S("*0\r\n*-1\r\nPING\r\n"), ";;PING;"},
    {S("PING\r\n"), "PING;"},
    {S("PING\n\n\r\n   \nPING\n"), "PING;;;;PING;"},
    {S("  REGISTER\tweb  10.0.0.1 80 \r\n"), "REGISTER|web|10.0.0.1|80;"},
    {S("A \"b c\" 'd \"e' f\n"), "A|b c|d \"e|f;"},
    {S("A \"\\x41\\n\\\"\\\\\\q\" 'it\\'s \\n'\n"), "A|A\\x0a\"\\q|it's \\n;"},
    {S("A \"\" ''\n"), "A||;"},
    {S("A \"open\nB\n"), "!BADARG;B;"},
    {S("A 'open\nB\n"), "!BADARG;B;"},
    {S("A \"x\"y\nB\n"), "!BADARG;B;"},
    {S("A \"\\x00\"\nB\n"), "!BADARG;B;"},
    {S("*1\r\n$3\r\na\0b\r\nB\n"), "!BADARG;B;"},
    {S("*1\r\n$4\r\nPING\r\nPI"), "PING;..."},
    {S("*1\n$4\nPING\n"), "!!BADARG;"},
    {S("*x\r\n"), "!!BADARG;"},
    {S("*\r\n"), "!!BADARG;"},
    {S("*1\r\n+4\r\n"), "!!BADARG;"},
    {S("*1\r\n$-1\r\n"), "!!BADARG;"},
    {S("*1\r\n$4\r\nPINGxx"), "!!BADARG;"},
    {S("*1\r\n$3\r\nPING\r\n"), "!!BADARG;"},
    {S("*1\rx"), "!!BADARG;"},
    {S("*000000000000000000000000000000000000001\r\n"), "!!BADARG;"},
    {S("*1025\r\n"), "!!LIMIT;"},
    {S("*99999999999999\r\n"), "!!LIMIT;"},
    {S("*1\r\n$4095\r\n"), "!!LIMIT;"},
    {S("*1\r\n$99999999999999\r\n"), "!!LIMIT;"},
};

static void every_stream_at_every_split(void **state)
{
    char trace[TRACE_MAX];

    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        for (size_t split = 0; split <= streams[i].len; split++) {
            read_stream(streams[i].data, streams[i].len, split, streams[i].len, trace);
            if (strcmp(trace, streams[i].expected) != 0)
                fail_msg("stream %zu split at %zu: \"%s\", expected \"%s\"", i, split, trace, streams[i].expected);
        }
    }
}

/* The same in single bytes: what a slow client sends. */
static void every_stream_byte_by_byte(void **state)
{
    char trace[TRACE_MAX];

    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        read_stream(streams[i].data, streams[i].len, 0, 1, trace);
        assert_string_equal(trace, streams[i].expected);
    }
}

static void a_line_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
    struct resp_progress p = {0};
    char line[MAX + 2];
    struct err e;

    memset(line, 'x', sizeof(line));
    line[MAX - 1] = '\n';
    assert_int_equal(resp_parse(&p, line, MAX, MAX, &rq, &e), 0);
    assert_int_equal(rq.n, 1);
    assert_int_equal(rq.args[0].len, MAX - 1);
    line[MAX - 1] = 'x';
    assert_int_equal(resp_parse(&p, line, MAX - 1, MAX, &rq, &e), ERR_MORE);
    assert_int_equal(resp_parse(&p, line, MAX, MAX, &rq, &e), ERR_LIMIT);
    assert_int_equal(rq.consumed, 0);
    line[MAX] = '\n';
    assert_int_equal(resp_parse(&p, line, MAX + 1, MAX, &rq, &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "4096"));
}

static void a_word_may_fill_the_limit_and_no_more(void **state)
{
    for (size_t extra = 0; extra <= 1; extra++) {
        struct resp_progress p = {0};
        size_t n = MAX - 11 - 2 + extra; /* beside *1 CRLF $4083 CRLF and its own CRLF */
        char data[MAX + 16];
        size_t len = (size_t)snprintf(data, sizeof(data), "*1\r\n$%zu\r\n", n);
        struct err e;

        assert_int_equal(len, 11);
        memset(data + len, 'x', n);
        memcpy(data + len + n, "\r\n", 2);
        assert_int_equal(resp_parse(&p, data, len + n + 2, MAX, &rq, &e), extra == 0 ? 0 : ERR_LIMIT);
    }
}

static void a_request_of_many_words_counts_as_a_whole(void **state)
{
    struct resp_progress p = {0};
    char data[ROOM];
    size_t len = (size_t)snprintf(data, sizeof(data), "*1000\r\n");
    struct err e;

    for (int i = 0; i < 1000; i++)
        len += (size_t)snprintf(data + len, sizeof(data) - len, "$4\r\nabcd\r\n");
    assert_int_equal(resp_parse(&p, data, len, MAX, &rq, &e), ERR_LIMIT);
    assert_int_equal(resp_parse(&p, data, len, ROOM, &rq, &e), 0);
    assert_int_equal(rq.n, 1000);
}

static void a_line_of_too_many_words_is_skipped(void **state)
{
    struct resp_progress p = {0};
    char line[2 * (RESP_ARGS_MAX + 1) + 1];
    struct err e;

    for (size_t i = 0; i + 1 < sizeof(line); i += 2)
        memcpy(line + i, "a ", 2);
    line[sizeof(line) - 1] = '\n';
    assert_int_equal(resp_parse(&p, line, sizeof(line), MAX, &rq, &e), ERR_LIMIT);
    assert_int_equal(rq.consumed, sizeof(line));
    line[sizeof(line) - 3] = ' ';
    assert_int_equal(resp_parse(&p, line, sizeof(line), MAX, &rq, &e), 0);
    assert_int_equal(rq.n, RESP_ARGS_MAX);
}

/* A long argument that drips in is not looked at before it is complete. */
static void dripping_costs_two_looks(void **state)
{
    struct resp_progress p = {0};
    char data[MAX];
    size_t head = (size_t)snprintf(data, sizeof(data), "*1\r\n$3000\r\n");
    struct err e;

    memset(data + head, 'x', 3000);
    memcpy(data + head + 3000, "\r\n", 2);
    assert_int_equal(resp_parse(&p, data, head, MAX, &rq, &e), ERR_MORE);
    assert_int_equal(p.need, head + 3002);
    data[0] = '?'; /* would be a line */
    assert_int_equal(resp_parse(&p, data, head + 3001, MAX, &rq, &e), ERR_MORE);
    data[0] = '*';
    assert_int_equal(resp_parse(&p, data, head + 3002, MAX, &rq, &e), 0);
    assert_int_equal(p.need, 0);
}

/* A request that has to wait is read again: reading changes nothing. */
static void reading_twice_gives_the_same(void **state)
{
    struct resp_progress p = {0};
    char data[] = "*2\r\n$4\r\nPING\r\n$2\r\nab\r\n", copy[sizeof(data)];
    struct err e;

    memcpy(copy, data, sizeof(data));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(resp_parse(&p, data, sizeof(data) - 1, MAX, &rq, &e), 0);
        assert_memory_equal(data, copy, sizeof(data));
        assert_int_equal(rq.consumed, sizeof(data) - 1);
    }
}

static void write_everything(struct resp_writer *w)
{
    resp_simple(w, "OK");
    resp_error(w, "BADARG", "a\r\nb\xff\xc3\xa4\xc3");
    resp_int(w, 0);
    resp_int(w, UINT64_MAX);
    resp_bulk(w, "a\0b", 3);
    resp_text(w, "");
    resp_text(w, NULL);
    resp_array(w, 2);
    resp_map(w, 3);
    resp_push(w, 4);
}

static void replies_in_both_protocols(void **state)
{
    static const char resp2[] = "+OK\r\n-BADARG a??b?\xc3\xa4?\r\n:0\r\n:18446744073709551615\r\n$3\r\na\0b\r\n$0\r\n\r\n$-1\r\n*2\r\n*6\r\n*4\r\n";
    static const char resp3[] = "+OK\r\n-BADARG a??b?\xc3\xa4?\r\n:0\r\n:18446744073709551615\r\n$3\r\na\0b\r\n$0\r\n\r\n_\r\n*2\r\n%3\r\n>4\r\n";
    struct buf out;

    buf_init(&out, 0);
    write_everything(&(struct resp_writer){.out = &out});
    assert_int_equal(out.len, sizeof(resp2) - 1);
    assert_memory_equal(out.data, resp2, out.len);
    buf_reset(&out);
    write_everything(&(struct resp_writer){.out = &out, .is_resp3 = true});
    assert_int_equal(out.len, sizeof(resp3) - 1);
    assert_memory_equal(out.data, resp3, out.len);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stream_at_every_split),
        cmocka_unit_test(every_stream_byte_by_byte),
        cmocka_unit_test(a_line_may_be_as_long_as_the_limit_and_no_longer),
        cmocka_unit_test(a_word_may_fill_the_limit_and_no_more),
        cmocka_unit_test(a_request_of_many_words_counts_as_a_whole),
        cmocka_unit_test(a_line_of_too_many_words_is_skipped),
        cmocka_unit_test(dripping_costs_two_looks),
        cmocka_unit_test(reading_twice_gives_the_same),
        cmocka_unit_test(replies_in_both_protocols),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
