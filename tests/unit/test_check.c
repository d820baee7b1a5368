/* The step of a check: a table of results and what must come of them; and outputs made text. */
#include "registry/check.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/heap.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* p, w, c: results; P, W, C: reports, which decide at once. Below each the status after it. */
static void test_rise_and_fall(void **state)
{
    static const struct {
        uint16_t rise, fall;
        const char *results, *statuses;
    } rows[] = {
        {2, 3, "pccpcccpcpp", "ppppppccccp"},
        {2, 3, "cpcpp", "ccccp"},
        {1, 1, "pcpcw", "pcpcw"},
        {2, 3, "pwpw", "pwpw"}, /* between passing and warning at once */
        {2, 3, "cpw", "ccw"},   /* a rise of mixed successes ends at the last one */
        {2, 3, "wccw", "wwww"}, /* too few failures */
        {2, 3, "pCp", "pcc"},   /* a report decides at once, a result after it counts */
        {3, 3, "cPcc", "cppp"},
        {2, 2, "pcpcpc", "pppppp"}, /* never two in a row */
        {100, 100, "cp", "cc"},
    };
    static const char letters[] = "?pwc";
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct check_state c = {0};
        struct check_spec spec = {.rise = rows[i].rise, .fall = rows[i].fall};
        for (size_t n = 0; rows[i].results[n] != '\0'; n++) {
            char r = rows[i].results[n];
            enum check_status before = c.status;
            enum check_status result = (enum check_status)(strchr(letters, r | 0x20) - letters);
            bool has_changed = check_step(&c, &spec, result, r < 'a', n);
            if (letters[c.status] != rows[i].statuses[n])
                fail_msg("row %zu, result %zu: %c, expected %c", i, n, letters[c.status], rows[i].statuses[n]);
            assert_int_equal(has_changed, c.status != before);
            if (has_changed)
                assert_int_equal(c.since_ms, n);
        }
    }
}

static void test_history(void **state)
{
    struct check_state c = {0};
    struct check_spec spec = {.rise = 1, .fall = 1};
    (void)check_step(&c, &spec, CHECK_PASSING, false, 0);
    (void)check_step(&c, &spec, CHECK_CRITICAL, false, 0);
    (void)check_step(&c, &spec, CHECK_WARNING, false, 0);
    assert_int_equal(c.history, 5); /* 101 */
    for (int i = 0; i < 70000; i++)
        (void)check_step(&c, &spec, CHECK_PASSING, false, 0);
    assert_int_equal(c.rise, UINT16_MAX); /* stays there */
    assert_string_equal(check_status_name(c.status), "passing");
}

static void expect_output(const char *in, const char *want)
{
    char *out;
    assert_int_equal(check_output_copy(in, &out), 0);
    if (want == NULL)
        assert_null(out);
    else
        assert_string_equal(out, want);
    free(out);
}

static void test_output(void **state)
{
    expect_output(NULL, NULL);
    expect_output("", NULL);
    expect_output(" \n\n", NULL);
    expect_output("HTTP 200\n", "HTTP 200");
    expect_output("two\nlines\tand a tab", "two\nlines\tand a tab");
    expect_output("gr\xc3\xbc\xc3\x9f"
                  "e",
                  "gr\xc3\xbc\xc3\x9f"
                  "e");
    expect_output("bad\xff\x01\x7f\x1b[0m", "bad????[0m");
    expect_output("cut\xc3", "cut?");
}

/* Cut at a character: with a two-byte character across the limit. */
static void test_output_is_cut(void **state)
{
    char in[CHECK_OUTPUT_MAX + 64], *out;
    memset(in, 'x', sizeof(in) - 1);
    in[sizeof(in) - 1] = '\0';
    assert_int_equal(check_output_copy(in, &out), 0);
    assert_int_equal(strlen(out), CHECK_OUTPUT_MAX - 1);
    free(out);
    memcpy(in + CHECK_OUTPUT_MAX - 2, "\xc3\xbc", 2);
    assert_int_equal(check_output_copy(in, &out), 0);
    assert_int_equal(strlen(out), CHECK_OUTPUT_MAX - 2);
    free(out);
}

static void test_no_memory(void **state)
{
    char *out = NULL;
    heap_fail_at(0);
    assert_int_equal(check_output_copy("x", &out), ERR_NOMEM);
    assert_true(heap_reset());
    assert_null(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rise_and_fall), cmocka_unit_test(test_history),   cmocka_unit_test(test_output),
        cmocka_unit_test(test_output_is_cut), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
