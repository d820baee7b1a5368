/* The memory of one check of one instance, and the step that turns a result into a status. Pure. */
#ifndef REGISTRY_CHECK_H
#define REGISTRY_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "registry/check_spec.h"

#define CHECK_OUTPUT_MAX 512 /* bytes of the last output kept for LIST, NUL included; cut at a character */

/* The order is the order of badness: the worst check decides. */
enum check_status { CHECK_NONE, CHECK_PASSING, CHECK_WARNING, CHECK_CRITICAL };

struct check_state {
    enum check_status status; /* CHECK_NONE until the first result */
    uint16_t rise, fall;      /* successes / failures in a row so far */
    uint64_t since_ms;        /* lease clock: when `status` became what it is */
    uint64_t silent_ms;       /* of a ttl check, lease clock: when silence makes it critical; UINT64_MAX: it has */
    uint64_t history;         /* bit 0 the newest result, 1 = success */
    char *output;             /* owned, the last output or note, NULL if none */
};

/* Feeds one probe result. Rule (DESIGN 4): the first result decides; then `rise` successes in a row (passing or
 * warning) make it that, `fall` failures in a row make it critical. Between passing and warning a result decides at
 * once. `decides_at_once` (a REPORT, a lapsed ttl) skips the counting. Returns true if the status changed. */
bool check_step(struct check_state *c, const struct check_spec *spec, enum check_status result, bool decides_at_once,
                uint64_t now_ms);

/* `text` (any bytes, may be NULL) as it is kept: UTF-8, at most CHECK_OUTPUT_MAX with its NUL, cut at a character;
 * bytes that are no text become '?', blanks and line ends at the end go. *out is the caller's, NULL if nothing is left.
 * ERR_NOMEM. */
int check_output_copy(const char *text, char **out) MUST_CHECK;

const char *check_status_name(enum check_status s);

#endif
