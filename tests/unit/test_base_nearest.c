/* The nearest word: distances by hand, and what is offered to somebody who mistyped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/nearest.h"

static void distances_count_edits(void **state)
{
    assert_int_equal(nearest_distance("", ""), 0);
    assert_int_equal(nearest_distance("", "abc"), 3);
    assert_int_equal(nearest_distance("abc", ""), 3);
    assert_int_equal(nearest_distance("listen", "listen"), 0);
    assert_int_equal(nearest_distance("LISTEN", "listen"), 0);
    assert_int_equal(nearest_distance("lisen", "listen"), 1);
    assert_int_equal(nearest_distance("lixten", "listen"), 1);
    assert_int_equal(nearest_distance("listten", "listen"), 1);
    assert_int_equal(nearest_distance("kitten", "sitting"), 3);
}

static void swapped_neighbours_are_one_edit(void **state)
{
    assert_int_equal(nearest_distance("tll", "ttl"), 1); /* a change, not a swap */
    assert_int_equal(nearest_distance("litsen", "listen"), 1);
    assert_int_equal(nearest_distance("ilsten", "listen"), 1);
    assert_int_equal(nearest_distance("ab", "ba"), 1);
}

static void distance_is_symmetric_and_bounded(void **state)
{
    const char *words[] = {"", "ttl", "ttl_min", "negative_ttl", "max_answers", "answer", "on_empty"};
    for (size_t i = 0; i < 7; i++) {
        for (size_t j = 0; j < 7; j++) {
            size_t d = nearest_distance(words[i], words[j]);
            size_t a = strlen(words[i]), b = strlen(words[j]);
            assert_int_equal(d, nearest_distance(words[j], words[i]));
            assert_true(d <= (a > b ? a : b));
            assert_true(d >= (a > b ? a - b : b - a));
        }
    }
    char longer[NEAREST_WORD_MAX + 2];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_true(nearest_distance(longer, "a") == SIZE_MAX);
    assert_true(nearest_distance("a", longer) == SIZE_MAX);
    assert_int_equal(nearest_distance(longer + 1, longer + 1), 0);
}

static const char *best_of(const char *given)
{
    static const char *const words[] = {"listen", "domain", "ttl", "ttl_min", "max_answers", "answer", "ra"};
    struct nearest n;
    nearest_init(&n, given);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        nearest_offer(&n, words[i]);
    return nearest_best(&n);
}

static void near_words_are_offered(void **state)
{
    assert_string_equal(best_of("lsiten"), "listen");
    assert_string_equal(best_of("tll"), "ttl");
    assert_string_equal(best_of("max_answer"), "max_answers");
    assert_string_equal(best_of("answers"), "answer");
    assert_string_equal(best_of("rra"), "ra");
}

static void far_words_are_not(void **state)
{
    assert_null(best_of(""));
    assert_null(best_of("zone_file"));
    assert_null(best_of("xyz"));
    assert_null(best_of("domains_of_the_server_that_nobody_ever_configured_with_a_very_long_name"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_count_edits),
        cmocka_unit_test(swapped_neighbours_are_one_edit),
        cmocka_unit_test(distance_is_symmetric_and_bounded),
        cmocka_unit_test(near_words_are_offered),
        cmocka_unit_test(far_words_are_not),
    };
    return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
