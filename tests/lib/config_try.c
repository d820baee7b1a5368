#include "tests/lib/config_try.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static struct config *must_parse(const char *text, const struct config_source *src, struct buf *warnings)
{
    struct config *c = NULL;
    struct err e = {.code = 0};
    if (config_parse(text, strlen(text), "t.conf", src, &c, warnings, &e) != 0)
        fail_msg("refused: %s", e.text);
    return c;
}

static void must_refuse(const char *text, const struct config_source *src, const char *message)
{
    struct config *c = NULL;
    struct err e = {.code = 0};
    int rc = config_parse(text, strlen(text), "t.conf", src, &c, NULL, &e);
    config_free(c);
    assert_int_equal(rc, ERR_BADARG);
    assert_null(c);
    assert_string_equal(e.text, message);
}

struct config *config_good(const char *text)
{
    return must_parse(text, &(struct config_source){.path = NULL}, NULL);
}

struct config *config_good_dev(const char *text)
{
    return must_parse(text, &(struct config_source){.is_dev = true}, NULL);
}

void config_bad(const char *text, const char *message)
{
    must_refuse(text, &(struct config_source){.path = NULL}, message);
}

struct config *config_good_override(const char *text, const char *section, const char *key, const char *value)
{
    struct config_override o = {section, key, value};
    return must_parse(text, &(struct config_source){.overrides = &o, .n_overrides = 1}, NULL);
}

void config_bad_override(const char *text, const char *section, const char *key, const char *value, const char *message)
{
    struct config_override o = {section, key, value};
    must_refuse(text, &(struct config_source){.overrides = &o, .n_overrides = 1}, message);
}

void config_warns(const char *text, const char *expected)
{
    struct buf warnings;
    buf_init(&warnings, 0);
    config_free(must_parse(text, &(struct config_source){.path = NULL}, &warnings));
    assert_string_equal(buf_cstr(&warnings), expected);
    buf_fini(&warnings);
}
