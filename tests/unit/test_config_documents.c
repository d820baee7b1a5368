/* The sample and the manual in the repository are those of the table, and the sample tells the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/option.h"
#include "tests/lib/config_try.h"
#include "tests/lib/source_file.h"

static void the_sample_is_current(void **state)
{
    struct buf there, wanted;
    buf_init(&there, 0);
    buf_init(&wanted, 0);
    source_file_read("contrib/rollcalld.conf", &there);
    config_write_sample(&wanted);
    if (strcmp(buf_cstr(&there), buf_cstr(&wanted)) != 0)
        fail_msg("contrib/rollcalld.conf is not what the table says: run `make documents`");
    buf_fini(&there);
    buf_fini(&wanted);
}

static void the_manual_is_current(void **state)
{
    struct buf page, wanted;
    buf_init(&page, 0);
    buf_init(&wanted, 0);
    source_file_read("man/rollcalld.conf.5", &page);
    buf_puts(&wanted, ".\\\" options begin\n");
    config_write_man(&wanted);
    buf_puts(&wanted, ".\\\" options end\n");
    if (strstr(buf_cstr(&page), buf_cstr(&wanted)) == NULL)
        fail_msg("man/rollcalld.conf.5 is not what the table says: run `make documents`");
    buf_fini(&page);
    buf_fini(&wanted);
}

static void both_name_every_option(void **state)
{
    struct buf sample, man;
    buf_init(&sample, 0);
    buf_init(&man, 0);
    config_write_sample(&sample);
    config_write_man(&man);
    for (const struct option *row = option_table; row->section != NULL; row++) {
        char line[64];
        snprintf(line, sizeof(line), row->type != NULL ? "\n#%s = " : " %s", row->key);
        assert_non_null(strstr(buf_cstr(&sample), line));
        snprintf(line, sizeof(line), row->type != NULL ? "\n.It Ic %s No = Ar " : "%s", row->key);
        assert_non_null(strstr(buf_cstr(&man), line));
    }
    buf_fini(&sample);
    buf_fini(&man);
}

/* Takes the comment sign off every line that looks like "#key = value" or "#[section]". */
static void uncomment(const struct buf *sample, struct buf *out)
{
    const char *at = (const char *)sample->data, *end = at + sample->len;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (at[0] == '#' && at[1] != ' ' && at[1] != '\n')
            at++;
        buf_append(out, at, (size_t)(newline + 1 - at));
        at = newline + 1;
    }
}

static void the_sample_loads_as_it_is_and_uncommented(void **state)
{
    struct buf sample, plain;
    buf_init(&sample, 0);
    buf_init(&plain, 0);
    config_write_sample(&sample);
    config_warns(buf_cstr(&sample), "");
    uncomment(&sample, &plain);
    config_warns(buf_cstr(&plain), "");
    buf_fini(&sample);
    buf_fini(&plain);
}

static void what_the_sample_shows_as_default_is_the_default(void **state)
{
    struct buf sample, plain;
    buf_init(&sample, 0);
    buf_init(&plain, 0);
    config_write_sample(&sample);
    uncomment(&sample, &plain);
    struct config *shown = config_good(buf_cstr(&plain)), *empty = config_good("");
    for (const struct option *row = option_table; row->section != NULL; row++) {
        bool is_default = row->type != NULL && row->value != NULL && row->value[0] != '\0';
        if (is_default && section_find(row->section)->kind == SECTION_PLAIN && !row->type->is_equal(row, shown, empty))
            fail_msg("[%s] %s", row->section, row->key);
    }
    config_free(shown);
    config_free(empty);
    buf_fini(&sample);
    buf_fini(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_is_current),
        cmocka_unit_test(the_manual_is_current),
        cmocka_unit_test(both_name_every_option),
        cmocka_unit_test(the_sample_loads_as_it_is_and_uncommented),
        cmocka_unit_test(what_the_sample_shows_as_default_is_the_default),
    };
    return cmocka_run_group_tests_name("config documents", tests, NULL, NULL);
}
