/* A configuration as read: sections, keys and values as text, each with its place. Private to config/.
 *
 * Names are checked here (an unknown section or key, the same key twice); values are the business of load.c, which
 * wants all of [dns] before the first [service NAME] and does not care about their order in the file. */
#ifndef CONFIG_DRAFT_H
#define CONFIG_DRAFT_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "config/option.h"

#define DRAFT_ROWS_MAX 32 /* keys of one section */

struct setting {
    char *value;   /* owned; NULL: not given */
    unsigned line; /* 0: by an override */
};

struct draft_section {
    const struct section *section;
    const struct option *rows; /* the section's first row; NULL if it takes any key */
    size_t n_rows;
    char *name;                              /* of a named section, as written; NULL: none; owned */
    unsigned line;                           /* where it was first opened; 0: by an override */
    struct setting settings[DRAFT_ROWS_MAX]; /* in the order of the rows */
};

struct draft {
    const char *label;               /* what the text is called in messages: its path; borrowed */
    struct draft_section **sections; /* owned, each of them too */
    size_t n_sections, cap_sections;
};

void draft_init(struct draft *d, const char *label);
void draft_fini(struct draft *d);
/* Reads a text in INI form. ERR_BADARG with place and what would be right, ERR_NOMEM. */
int draft_read(struct draft *d, const char *text, size_t len, struct buf *warnings, struct err *e) MUST_CHECK;
/* One value from the command line, in place of the text's. */
int draft_override(struct draft *d, const struct config_override *o, struct buf *warnings, struct err *e) MUST_CHECK;
/* The plain section of that name; NULL if it was not opened. */
const struct draft_section *draft_section(const struct draft *d, const char *name);

/* Puts the place of a value before `why` and returns err_set's code. `s` may be NULL, or not have the key: the place is
 * then the section or the text as a whole. */
int draft_refuse(const struct draft *d, const struct draft_section *s, const struct option *row, int code,
                 const char *why, struct err *e);

#endif
