/* The text of a master file (RFC 1035 section 5.1) as logical lines: comments, newlines inside parentheses and the
 * parentheses themselves are gone, and every line knows where it began. Knows nothing of records. */
#ifndef DNS_ZONE_TEXT_H
#define DNS_ZONE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define ZONE_LINE_MAX (160 * 1024) /* holds 64 KiB of rdata in hexadecimal */

struct zone_text {
    const char *at, *end; /* the caller's text, not NUL-terminated */
    size_t line;          /* the line that `at` is on, from 1 */
    struct buf record;    /* the logical line, NUL-terminated by next; begins with a blank if the file's did */
    size_t record_line;   /* where it began */
    const char *problem;  /* after an error: what is wrong and what would be right; a constant */
    size_t problem_line;
};

void zone_text_init(struct zone_text *t, const char *text, size_t len);
void zone_text_fini(struct zone_text *t);
/* 1: `record` holds the next line that is not blank; 0: the end. ERR_FORMAT with `problem`: parentheses or quotes that
 * do not match, control bytes, a logical line over ZONE_LINE_MAX; ERR_NOMEM. */
int zone_text_next(struct zone_text *t) MUST_CHECK;

/* A word of a logical line, quotes and escapes as written; not NUL-terminated. */
struct zone_word {
    const char *at;
    size_t len;
};

/* Cuts the next word off `*at`; false at the end of the line. */
bool zone_word_next(const char **at, struct zone_word *w);
bool zone_word_is(const struct zone_word *w, const char *text); /* case folded */
/* "300", "1h30m" (w d h m s), at most 2^31-1 (RFC 2181 section 8). ERR_BADARG otherwise. */
int zone_word_ttl(const struct zone_word *w, uint32_t *ttl_s) MUST_CHECK;
/* Decimal digits only, at most `max`. ERR_BADARG otherwise. */
int zone_word_number(const struct zone_word *w, uint64_t max, uint64_t *out) MUST_CHECK;

#endif
