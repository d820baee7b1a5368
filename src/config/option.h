/* Options as data: what a row of the table (options.c) says, and what a type of value can do. Private to config/.
 *
 * The rows feed the parser, the defaults, the reload check, the sample file and the manual page. */
#ifndef CONFIG_OPTION_H
#define CONFIG_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct option;

/* A type of value. `base` is the struct that row->offset counts from. */
struct option_type {
    const char *name; /* as the manual calls it: "duration" */
    /* Parses `value` into the field, replacing what it holds; an empty value empties a list or a text. ERR_BADARG with
     * a text that says what would be right, ERR_NOMEM. On failure the field holds the old value, the new one or part
     * of it: the whole configuration is thrown away. */
    int (*set)(const struct option *row, const char *value, void *base, struct err *e);
    bool (*is_equal)(const struct option *row, const void *a, const void *b);
    void (*clear)(const struct option *row, void *base); /* frees what the field owns; NULL: nothing */
};

struct option {
    const char *section, *key;
    const struct option_type *type; /* NULL: of a part that is not built yet; accepted with a warning, any value */
    size_t offset;                  /* of the field, in struct config or the struct of a named section */
    size_t count_offset;            /* lists: of their size_t */
    const char *value;              /* the default, as a file would have it */
    const char *dev_value;          /* with --dev; NULL: the same */
    uint64_t min, max;              /* counts: as they are; durations: ms; sizes: bytes; texts: at most `max` bytes */
    const char *const *words;       /* choices, in the order of their enum; ends with NULL */
    const char *sample;             /* shown in the sample where the default is empty */
    bool is_fixed;                  /* a reload cannot change it */
    const char *help;               /* one paragraph of whole sentences, without mark-up */
};

enum section_kind {
    SECTION_PLAIN,
    SECTION_SERVICE, /* [service NAME] */
    SECTION_SCRIPT,  /* [script NAME] */
    SECTION_UNBUILT, /* of a part that is not built yet */
};

struct section {
    const char *name;
    enum section_kind kind;
    enum { SECTION_NAME_NONE, SECTION_NAME_MAY, SECTION_NAME_MUST } takes_name;
    bool takes_any_key; /* unbuilt ones whose keys are not settled */
    const char *sample_name;
    const char *help;
};

extern const struct section section_table[]; /* ends with a NULL name */
extern const struct option option_table[];   /* ends with a NULL section; rows of a section stand together */

const struct section *section_find(const char *name); /* NULL: none */
const struct option *option_find(const char *section, const char *key);

/* values.c */
extern const struct option_type option_count, option_count16, option_duration, option_seconds, option_size,
    option_yesno, option_switch, option_choice, option_word, option_text, option_path;
/* "1 to 64", "1s to 24h", "no|yes"; "" where the row has no bounds. Returns out. */
#define OPTION_BOUNDS_MAX 128
char *option_bounds(const struct option *row, char out[OPTION_BOUNDS_MAX]);

/* lists.c */
extern const struct option_type option_cpus, option_listen, option_networks, option_domains, option_files, option_addresses,
    option_check;

static inline void *option_field(const struct option *row, void *base)
{
    return (char *)base + row->offset;
}

static inline const void *option_field_const(const struct option *row, const void *base)
{
    return (const char *)base + row->offset;
}

#endif
