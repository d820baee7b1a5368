/* Replies of the server as a tree of values: RESP2 and what RESP3 adds, pushed frames included.
 *
 * Pure: bytes come from a function of the caller's. Bounded: depth, elements and bytes. */
#ifndef CLI_REPLY_H
#define CLI_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define REPLY_DEPTH_MAX 8
#define REPLY_ITEMS_MAX 4000000                /* of one list */
#define REPLY_BYTES_MAX (UINT64_C(1024) << 20) /* of one reply, all texts together */

enum reply_type { REPLY_NULL, REPLY_TEXT, REPLY_ERROR, REPLY_NUMBER, REPLY_LIST };

struct reply {
    enum reply_type type;
    char *text; /* TEXT, ERROR: NUL-terminated; owned */
    size_t len; /* of text */
    int64_t number;
    struct reply *items; /* LIST: maps are flat, key and value in turn; owned */
    size_t n;
};

/* Where bytes come from. `read` blocks until there are some; it returns how many (at least 1), 0 at the end of the
 * stream, or an error, with a text in `e`. */
struct reply_source {
    int (*read)(void *arg, void *to, size_t cap, struct err *e);
    void *arg;
    size_t at, end;
    char bytes[16384];
};

void reply_source_init(struct reply_source *s, int (*read)(void *arg, void *to, size_t cap, struct err *e), void *arg);
/* One reply. An error of the server's is a reply, too. ERR_IO (the stream ended or failed), ERR_FORMAT (not RESP),
 * ERR_LIMIT, ERR_NOMEM; `out` then holds nothing. */
int reply_read(struct reply_source *s, struct reply *out, struct err *e) MUST_CHECK;
void reply_fini(struct reply *r);

/* The value of a field of a flat map; NULL if `map` is no list or lacks it. */
const struct reply *reply_field(const struct reply *map, const char *name);
/* Its text, or number; the fallback if it is of another type or missing. */
const char *reply_field_text(const struct reply *map, const char *name, const char *otherwise);
int64_t reply_field_number(const struct reply *map, const char *name, int64_t otherwise);

#endif
