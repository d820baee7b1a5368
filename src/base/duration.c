/* Durations: digits, then a unit of this table. Nothing else is taken (no blanks, signs, fractions, sums such as
 * 1h30m), so that what one program writes every other reads the same. */
#include "base/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* From the largest down: formatting takes the first that divides. */
static const struct duration_unit {
    const char *name;
    uint64_t ms;
} duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
#define N_UNITS (sizeof(duration_units) / sizeof(duration_units[0]))

static uint64_t unit_ms(const char *name)
{
    if (*name == '\0')
        return 1000;
    for (size_t i = 0; i < N_UNITS; i++)
        if (strcmp(name, duration_units[i].name) == 0)
            return duration_units[i].ms;
    return 0;
}

int duration_parse(const char *text, uint64_t *ms)
{
    uint64_t n = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(n, UINT64_C(10), &n) || __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
            return ERR_BADARG;
    uint64_t unit = unit_ms(p);
    if (p == text || unit == 0 || __builtin_mul_overflow(n, unit, &n))
        return ERR_BADARG;
    *ms = n;
    return 0;
}

char *duration_format(uint64_t ms, char out[DURATION_TEXT_MAX])
{
    if (ms == 0)
        return strcpy(out, "0s");
    size_t i = 0;
    while (ms % duration_units[i].ms != 0)
        i++;
    snprintf(out, DURATION_TEXT_MAX, "%" PRIu64 "%s", ms / duration_units[i].ms, duration_units[i].name);
    return out;
}
