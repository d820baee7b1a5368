/* Durations as people write them: `500ms`, `30s`, `5m`, `1h`, `1d`; a bare number is seconds. */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H

#include <stdint.h>

#include "base/err.h"

#define DURATION_TEXT_MAX 24

/* ERR_BADARG for anything else, also for negative, fractional or overflowing values. */
int duration_parse(const char *text, uint64_t *ms) MUST_CHECK;
/* The shortest exact form: 1500 -> "1500ms", 90000 -> "90s", 120000 -> "2m". Returns `out`. */
char *duration_format(uint64_t ms, char out[DURATION_TEXT_MAX]);

#endif
