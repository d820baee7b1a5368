/* Types of single values: counts, durations, sizes, yes or no, choices and texts.
 *
 * Every type parses the text of the file into its field, with the bounds of the row. Texts come from a person: each
 * refusal says what would be right. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/duration.h"
#include "config/option.h"

#define SIZE_K UINT64_C(1024)
#define SIZE_M (SIZE_K * SIZE_K)

/* ── bounds, for people ── */

static const char *size_text(uint64_t bytes, char out[32])
{
    if (bytes >= SIZE_M && bytes % SIZE_M == 0)
        snprintf(out, 32, "%llum", (unsigned long long)(bytes / SIZE_M));
    else if (bytes >= SIZE_K && bytes % SIZE_K == 0)
        snprintf(out, 32, "%lluk", (unsigned long long)(bytes / SIZE_K));
    else
        snprintf(out, 32, "%llu", (unsigned long long)bytes);
    return out;
}

static void words_text(const char *const *words, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; words[i] != NULL && len < cap; i++)
        len += (size_t)snprintf(out + len, cap - len, "%s%s", i == 0 ? "" : "|", words[i]);
}

char *option_bounds(const struct option *row, char out[OPTION_BOUNDS_MAX])
{
    char low[32], high[32];
    if (row->type == &option_duration || row->type == &option_seconds)
        snprintf(out, OPTION_BOUNDS_MAX, "%s to %s", duration_format(row->min, low), duration_format(row->max, high));
    else if (row->type == &option_size)
        snprintf(out, OPTION_BOUNDS_MAX, "%s to %s", size_text(row->min, low), size_text(row->max, high));
    else if (row->type == &option_count || row->type == &option_count16)
        snprintf(out, OPTION_BOUNDS_MAX, "%llu to %llu", (unsigned long long)row->min, (unsigned long long)row->max);
    else if (row->type == &option_yesno)
        snprintf(out, OPTION_BOUNDS_MAX, "yes|no");
    else if (row->words != NULL)
        words_text(row->words, out, OPTION_BOUNDS_MAX);
    else
        out[0] = '\0';
    return out;
}

static int out_of_bounds(const struct option *row, const char *value, const char *what, struct err *e)
{
    char bounds[OPTION_BOUNDS_MAX];
    return err_set(e, ERR_BADARG, "\"%.40s\" should be %s from %s", value, what, option_bounds(row, bounds));
}

/* ── numbers ── */

/* Digits only: strtoull alone would take blanks, signs and other bases. */
static int number_parse(const char *text, uint64_t *out, const char **end)
{
    if (text[0] < '0' || text[0] > '9')
        return ERR_BADARG;
    errno = 0;
    char *stop;
    unsigned long long n = strtoull(text, &stop, 10);
    if (errno != 0)
        return ERR_BADARG;
    *out = n;
    *end = stop;
    return 0;
}

static int count_parse(const struct option *row, const char *value, uint64_t *out, struct err *e)
{
    const char *end;
    if (number_parse(value, out, &end) != 0 || *end != '\0' || *out < row->min || *out > row->max)
        return out_of_bounds(row, value, "a whole number", e);
    return 0;
}

static int count_set(const struct option *row, const char *value, void *base, struct err *e)
{
    uint64_t n;
    int rc = count_parse(row, value, &n, e);
    if (rc == 0)
        *(uint32_t *)option_field(row, base) = (uint32_t)n;
    return rc;
}

static int count16_set(const struct option *row, const char *value, void *base, struct err *e)
{
    uint64_t n;
    int rc = count_parse(row, value, &n, e);
    if (rc == 0)
        *(uint16_t *)option_field(row, base) = (uint16_t)n;
    return rc;
}

static int duration_set(const struct option *row, const char *value, void *base, struct err *e)
{
    uint64_t ms;
    if (duration_parse(value, &ms) != 0 || ms < row->min || ms > row->max)
        return out_of_bounds(row, value, "a duration (500ms, 30s, 5m, 1h; a bare number is seconds)", e);
    *(uint32_t *)option_field(row, base) = (uint32_t)ms;
    return 0;
}

/* DNS counts in whole seconds. */
static int seconds_set(const struct option *row, const char *value, void *base, struct err *e)
{
    uint64_t ms;
    if (duration_parse(value, &ms) != 0 || ms % 1000 != 0 || ms < row->min || ms > row->max)
        return out_of_bounds(row, value, "whole seconds (30s, 5m, 1h; a bare number is seconds)", e);
    *(uint32_t *)option_field(row, base) = (uint32_t)(ms / 1000);
    return 0;
}

static int size_set(const struct option *row, const char *value, void *base, struct err *e)
{
    uint64_t n = 0, unit = 1;
    const char *end = "";
    int rc = number_parse(value, &n, &end);
    if (rc == 0 && (*end == 'k' || *end == 'K' || *end == 'm' || *end == 'M'))
        unit = *end++ == 'k' || end[-1] == 'K' ? SIZE_K : SIZE_M;
    if (rc != 0 || *end != '\0' || n > row->max / unit || n * unit < row->min)
        return out_of_bounds(row, value, "a number of bytes (4096, 64k, 8m)", e);
    *(uint32_t *)option_field(row, base) = (uint32_t)(n * unit);
    return 0;
}

/* ── choices ── */

static int word_index(const struct option *row, const char *value, unsigned *out, struct err *e)
{
    for (unsigned i = 0; row->words[i] != NULL; i++) {
        if (strcasecmp(row->words[i], value) == 0) {
            *out = i;
            return 0;
        }
    }
    char bounds[OPTION_BOUNDS_MAX];
    return err_set(e, ERR_BADARG, "\"%.40s\" should be one of %s", value, option_bounds(row, bounds));
}

static int yesno_set(const struct option *row, const char *value, void *base, struct err *e)
{
    static const char *const yes[] = {"yes", "true", "on", "1", NULL}, *const no[] = {"no", "false", "off", "0", NULL};
    for (size_t i = 0; yes[i] != NULL; i++) {
        if (strcasecmp(value, yes[i]) == 0 || strcasecmp(value, no[i]) == 0) {
            *(bool *)option_field(row, base) = strcasecmp(value, yes[i]) == 0;
            return 0;
        }
    }
    return err_set(e, ERR_BADARG, "\"%.40s\" should be yes or no", value);
}

static int switch_set(const struct option *row, const char *value, void *base, struct err *e)
{
    unsigned i;
    int rc = word_index(row, value, &i, e);
    if (rc == 0)
        *(bool *)option_field(row, base) = i == 1;
    return rc;
}

/* The enums of the registry and the log have the size of an unsigned. */
static int choice_set(const struct option *row, const char *value, void *base, struct err *e)
{
    unsigned i;
    int rc = word_index(row, value, &i, e);
    if (rc == 0)
        memcpy(option_field(row, base), &i, sizeof(i));
    return rc;
}

/* ── texts ── */

static int text_replace(const struct option *row, const char *value, void *base)
{
    char **field = option_field(row, base), *copy = NULL;
    if (value[0] != '\0') {
        copy = strdup(value);
        if (copy == NULL)
            return ERR_NOMEM;
    }
    free(*field);
    *field = copy;
    return 0;
}

static int text_set(const struct option *row, const char *value, void *base, struct err *e)
{
    if (strlen(value) > row->max)
        return err_set(e, ERR_BADARG, "\"%.40s...\" is too long: at most %llu bytes", value, (unsigned long long)row->max);
    return text_replace(row, value, base);
}

static int path_set(const struct option *row, const char *value, void *base, struct err *e)
{
    if (value[0] != '\0' && value[0] != '/')
        return err_set(e, ERR_BADARG, "\"%.40s\" should be an absolute path, one that begins with /", value);
    return text_set(row, value, base, e);
}

static int word_set(const struct option *row, const char *value, void *base, struct err *e)
{
    unsigned i;
    int rc = word_index(row, value, &i, e);
    return rc == 0 ? text_replace(row, row->words[i], base) : rc;
}

static void text_clear(const struct option *row, void *base)
{
    char **field = option_field(row, base);
    free(*field);
    *field = NULL;
}

/* ── equality ── */

static bool is_equal_32(const struct option *row, const void *a, const void *b)
{
    return memcmp(option_field_const(row, a), option_field_const(row, b), sizeof(uint32_t)) == 0;
}

static bool is_equal_16(const struct option *row, const void *a, const void *b)
{
    return memcmp(option_field_const(row, a), option_field_const(row, b), sizeof(uint16_t)) == 0;
}

static bool is_equal_bool(const struct option *row, const void *a, const void *b)
{
    return *(const bool *)option_field_const(row, a) == *(const bool *)option_field_const(row, b);
}

static bool is_equal_text(const struct option *row, const void *a, const void *b)
{
    const char *x = *(char *const *)option_field_const(row, a), *y = *(char *const *)option_field_const(row, b);
    return x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
}

const struct option_type option_count = {"number", count_set, is_equal_32, NULL};
const struct option_type option_count16 = {"number", count16_set, is_equal_16, NULL};
const struct option_type option_duration = {"duration", duration_set, is_equal_32, NULL};
const struct option_type option_seconds = {"duration", seconds_set, is_equal_32, NULL};
const struct option_type option_size = {"size", size_set, is_equal_32, NULL};
const struct option_type option_yesno = {"yes|no", yesno_set, is_equal_bool, NULL};
const struct option_type option_switch = {"word", switch_set, is_equal_bool, NULL};
const struct option_type option_choice = {"word", choice_set, is_equal_32, NULL};
const struct option_type option_word = {"word", word_set, is_equal_text, text_clear};
const struct option_type option_text = {"text", text_set, is_equal_text, text_clear};
const struct option_type option_path = {"path", path_set, is_equal_text, text_clear};
