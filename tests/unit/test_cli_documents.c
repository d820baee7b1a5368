/* The manual and the completion know every verb and every option of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "tests/lib/source_file.h"

static void must_say(const struct buf *text, const char *what, const char *words)
{
    if (strstr((const char *)text->data, words) == NULL)
        fail_msg("%s lacks \"%s\"", what, words);
}

static void each_option(const struct arg_row *rows, const struct buf *text, const char *what, const char *format)
{
    for (; rows != NULL && rows->key != 0; rows++) {
        char words[64];
        snprintf(words, sizeof(words), "%s%s", format, rows->name);
        must_say(text, what, words);
    }
}

static void the_manual_has_every_verb_and_option(void **state)
{
    struct buf man;
    buf_init(&man, 0);
    source_file_read("man/rollcall.1", &man);
    (void)buf_cstr(&man);
    for (const struct verb *v = verb_table; v->name != NULL; v++) {
        char words[64];
        snprintf(words, sizeof(words), "\n.It Cm %s", v->name);
        if (strcmp(v->name, "run") == 0)
            snprintf(words, sizeof(words), "\n.Cm run Fl -service");
        must_say(&man, "rollcall.1", words);
        each_option(v->options, &man, "rollcall.1", "-");
    }
    each_option(args_everywhere, &man, "rollcall.1", "-");
    buf_fini(&man);
}

/* The options of a verb as the completion offers them: the line of its case. */
static void the_completion_offers_every_verb_and_option(void **state)
{
    struct buf text;
    buf_init(&text, 0);
    source_file_read("contrib/completions/rollcall", &text);
    (void)buf_cstr(&text);
    char verbs[256] = "'";
    for (const struct verb *v = verb_table; v->name != NULL; v++) {
        strcat(strcat(verbs, v->name), v[1].name != NULL ? " " : "");
        each_option(v->options, &text, "the completion", "--");
        char words[64];
        snprintf(words, sizeof(words), "\n    %s) echo \"", v->name);
        if (v->options != NULL)
            must_say(&text, "the completion", words);
    }
    must_say(&text, "the completion", verbs);
    strcat(verbs, "'");
    must_say(&text, "the completion", verbs);
    each_option(args_everywhere, &text, "the completion", "--");
    buf_fini(&text);
}

static void every_verb_is_explained(void **state)
{
    for (const struct verb *v = verb_table; v->name != NULL; v++) {
        assert_true(strlen(v->summary) > 10 && v->summary[strlen(v->summary) - 1] != '.');
        assert_true(v->details == NULL || v->details[strlen(v->details) - 1] == '\n');
        assert_non_null(v->run);
        for (const struct arg_row *row = v->options; row != NULL && row->key != 0; row++) {
            assert_true(strlen(row->help) > 5);
            for (const struct arg_row *other = args_everywhere; other->key != 0; other++) {
                assert_string_not_equal(row->name, other->name);
                assert_true(row->letter == 0 || row->letter != other->letter);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manual_has_every_verb_and_option),
        cmocka_unit_test(the_completion_offers_every_verb_and_option),
        cmocka_unit_test(every_verb_is_explained),
    };
    return cmocka_run_group_tests_name("cli documents", tests, NULL, NULL);
}
