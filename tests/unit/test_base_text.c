/* Durations, errors, the lease clock and log lines. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"

static void test_duration_reads(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = {
        {"0", 0},         {"30", 30000},  {"500ms", 500},
        {"30s", 30000},   {"5m", 300000}, {"1h", 3600000},
        {"1d", 86400000}, {"007s", 7000}, {"18446744073709551615ms", UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t ms = 1;
        assert_int_equal(duration_parse(rows[i].text, &ms), 0);
        assert_true(ms == rows[i].ms);
    }
}

static void test_duration_refuses(void **state)
{
    static const char *const bad[] = {"",
                                      "s",
                                      "-1s",
                                      "+1",
                                      "1.5s",
                                      " 1s",
                                      "1s ",
                                      "1 s",
                                      "1S",
                                      "1sec",
                                      "1h30m",
                                      "0x10",
                                      "1us",
                                      "1w",
                                      "٣",
                                      "18446744073709551616ms",
                                      "18446744073709551615s",
                                      "999999999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t ms = 77;
        assert_int_equal(duration_parse(bad[i], &ms), ERR_BADARG);
        assert_int_equal(ms, 77);
    }
}

static void test_duration_writes_the_shortest(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {
        {0, "0s"},        {1, "1ms"},       {1500, "1500ms"},
        {90000, "90s"},   {120000, "2m"},   {3600000, "1h"},
        {5400000, "90m"}, {86400000, "1d"}, {UINT64_MAX, "18446744073709551615ms"},
    };
    char out[DURATION_TEXT_MAX];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_string_equal(duration_format(rows[i].ms, out), rows[i].text);
        uint64_t ms = 1;
        assert_int_equal(duration_parse(out, &ms), 0);
        assert_true(ms == rows[i].ms);
    }
}

static void test_err(void **state)
{
    struct err e;
    assert_int_equal(err_set(&e, ERR_BADARG, "port %d\nis wrong\x7f", 99999), ERR_BADARG);
    assert_int_equal(e.code, ERR_BADARG);
    assert_string_equal(e.text, "port 99999?is wrong?");
    assert_int_equal(err_set(NULL, ERR_LIMIT, "%s", "x"), ERR_LIMIT);
    char big[1000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    assert_int_equal(err_set(&e, ERR_LIMIT, "%s", big), ERR_LIMIT);
    assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
    assert_string_equal(err_word(ERR_NOLEASE), "NOLEASE");
    assert_string_equal(err_word(12345), "UNAVAILABLE");
    assert_string_equal(err_meaning(ERR_NOMEM), "out of memory");
    assert_non_null(err_meaning(12345));
    assert_non_null(err_meaning(0));
}

static void test_lease_clock(void **state)
{
    struct lease_clock c;
    lease_clock_init(&c, 5000);
    assert_int_equal(lease_clock_advance(&c, 5000), 5000);
    assert_int_equal(lease_clock_advance(&c, 5300), 5300);
    assert_int_equal(lease_clock_advance(&c, 3605300), 6300); /* an hour asleep counts as one step */
    assert_int_equal(lease_clock_advance(&c, 3605400), 6400);
    assert_int_equal(lease_clock_advance(&c, 3605000), 6400); /* never back */
    assert_int_equal(lease_clock_advance(&c, 3605410), 6410);
}

static void test_clocks_run(void **state)
{
    uint64_t a = clock_mono_ms();
    assert_true(a > 0 && clock_mono_ms() >= a);
    assert_true(clock_wall_us() > UINT64_C(1600000000) * 1000000);
}

/* What a log call writes to stderr. */
struct capture {
    int saved_fd, read_fd;
    char text[5000];
};

static void capture_begin(struct capture *c)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    fflush(stderr);
    c->saved_fd = dup(STDERR_FILENO);
    assert_true(c->saved_fd >= 0);
    assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
    close(fds[1]);
    c->read_fd = fds[0];
}

/* The whole of it. */
static const char *capture_raw(struct capture *c)
{
    assert_true(dup2(c->saved_fd, STDERR_FILENO) >= 0);
    close(c->saved_fd);
    ssize_t n = read(c->read_fd, c->text, sizeof(c->text) - 1);
    assert_true(n >= 0);
    c->text[n] = '\0';
    close(c->read_fd);
    return c->text;
}

/* Without the time that it must begin with. */
static const char *capture_end(struct capture *c)
{
    static const char shape[] = "time=dddd-dd-ddTdd:dd:dd.dddZ ";
    const char *text = capture_raw(c);
    for (size_t i = 0; shape[i] != '\0'; i++)
        assert_true(shape[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == shape[i]);
    return text + sizeof(shape) - 1;
}

static void test_log_line(void **state)
{
    struct capture c;
    capture_begin(&c);
    log_event(LOG_LEVEL_INFO, "state", "service", "api", "port", LOG_NUM(-8080), "note", NULL, NULL);
    assert_string_equal(capture_end(&c), "level=info event=state service=api port=-8080 note=-\n");
}

static void test_log_quotes(void **state)
{
    struct capture c;
    capture_begin(&c);
    log_event(LOG_LEVEL_WARN, "x", "a", "two words", "b", "", "c", "q\"b\\", "d", "x\nlevel=error", "e",
              "gr\xc3\xbc\xc3\x9f", "f", "\xff\xc2\x9b\x1b[31m", NULL);
    assert_string_equal(capture_end(&c),
                        "level=warn event=x a=\"two words\" b=\"\" c=\"q\\\"b\\\\\" d=\"x\\x0alevel=error\" "
                        "e=\"gr\xc3\xbc\xc3\x9f\" f=\"\\xff\\xc2\\x9b\\x1b[31m\"\n");
}

static void test_log_cuts_long_lines(void **state)
{
    static const char fill[] = {'y', ' ', '\n'};
    for (size_t f = 0; f < sizeof(fill); f++) {
        for (size_t len = 1; len < 2100; len += f == 0 ? 1 : 97) {
            char big[2200];
            memset(big, fill[f], len);
            big[len] = '\0';
            struct capture c;
            capture_begin(&c);
            log_event(LOG_LEVEL_ERROR, "big", "v", big, "after", "z", NULL);
            const char *line = capture_end(&c);
            size_t n = strlen(line);
            assert_true(n > 0 && n <= 2048);
            assert_ptr_equal(strchr(line, '\n'), line + n - 1);
            bool is_whole = strcmp(line + n - 9, " after=z\n") == 0;
            assert_true(is_whole || strcmp(line + n - 9, " cut=yes\n") == 0);
            assert_true(is_whole || n > 1900);
        }
    }
}

static void test_log_to_the_journal(void **state)
{
    char stream[64];
    struct capture c;
    struct stat st;
    capture_begin(&c);
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open_stderr();
    log_event(LOG_LEVEL_WARN, "x", NULL);
    log_event(LOG_LEVEL_INFO, "y", NULL);
    assert_string_equal(capture_raw(&c), "<4>level=warn event=x\n<6>level=info event=y\n");
    capture_begin(&c);
    log_open_stderr(); /* another stream than the one that is named */
    log_event(LOG_LEVEL_INFO, "z", NULL);
    assert_string_equal(capture_end(&c), "level=info event=z\n");
    unsetenv("JOURNAL_STREAM");
}

static void test_log_does_not_wait_for_its_reader(void **state)
{
    char taken[65536], value[1000];
    struct capture c;
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    capture_begin(&c);
    for (int i = 0; i < 1000; i++)
        log_event(LOG_LEVEL_INFO, "much", "v", value, NULL);
    while (read(c.read_fd, taken, sizeof(taken)) == (ssize_t)sizeof(taken))
        continue;
    log_event(LOG_LEVEL_INFO, "a", NULL);
    log_event(LOG_LEVEL_INFO, "b", NULL);
    const char *text = capture_end(&c);
    unsigned lost = 0;
    assert_int_equal(sscanf(text, "level=info event=a lost=%u", &lost), 1);
    assert_in_range(lost, 1, 999);
    assert_non_null(strstr(text, "event=b\n"));
}

static void test_log_level(void **state)
{
    enum log_level level = LOG_LEVEL_INFO;
    struct capture c;
    assert_int_equal(log_level_parse("warn", &level), 0);
    assert_int_equal(level, LOG_LEVEL_WARN);
    assert_int_equal(log_level_parse("loud", &level), ERR_BADARG);
    log_set_level(LOG_LEVEL_WARN);
    capture_begin(&c);
    log_event(LOG_LEVEL_INFO, "quiet", NULL);
    log_event(LOG_LEVEL_WARN, "loud", NULL);
    assert_string_equal(capture_end(&c), "level=warn event=loud\n");
    assert_int_equal(log_get_level(), LOG_LEVEL_WARN);
    log_set_level(LOG_LEVEL_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration_reads),
        cmocka_unit_test(test_duration_refuses),
        cmocka_unit_test(test_duration_writes_the_shortest),
        cmocka_unit_test(test_err),
        cmocka_unit_test(test_lease_clock),
        cmocka_unit_test(test_clocks_run),
        cmocka_unit_test(test_log_line),
        cmocka_unit_test(test_log_quotes),
        cmocka_unit_test(test_log_cuts_long_lines),
        cmocka_unit_test(test_log_to_the_journal),
        cmocka_unit_test(test_log_does_not_wait_for_its_reader),
        cmocka_unit_test(test_log_level),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
