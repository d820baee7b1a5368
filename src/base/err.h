/* Error codes, one table. Functions that can fail return 0 or a negative code and are marked
 * MUST_CHECK; details for people travel in a `struct err`, never in a log line of the callee. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/*       name             value  word for the wire  meaning */
#define ERR_TABLE(X)                                                                               \
    X(ERR_NOMEM, -1, "UNAVAILABLE", "out of memory")                                               \
    X(ERR_BADARG, -2, "BADARG", "an argument is wrong")                                            \
    X(ERR_NOLEASE, -3, "NOLEASE", "no such lease")                                                 \
    X(ERR_NOAUTH, -4, "NOAUTH", "authentication required")                                         \
    X(ERR_LIMIT, -5, "LIMIT", "a limit was passed")                                                \
    X(ERR_UNAVAILABLE, -6, "UNAVAILABLE", "the store cannot take the change now")                  \
    X(ERR_FORMAT, -7, "BADARG", "malformed")                                                       \
    X(ERR_SPACE, -8, "LIMIT", "does not fit")                                                      \
    X(ERR_IO, -9, "UNAVAILABLE", "input or output failed")                                         \
    X(ERR_MORE, -10, "BADARG", "incomplete, more bytes are needed")                                \
    X(ERR_NOTFOUND, -11, "BADARG", "not found")

enum err_code {
#define ERR_ENUM(name, value, word, text) name = value,
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
};

#define ERR_TEXT_MAX 240

/* A failure explained: which argument, what would be right. Caller's memory; a callee writes it
 * only when it fails. Functions that take one accept NULL. */
struct err {
    int code;
    char text[ERR_TEXT_MAX]; /* NUL-terminated, one line, cut if longer */
};

/* Writes `code` and the formatted text to `e` (may be NULL) and returns `code`. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The general meaning of a code; never NULL. */
const char *err_meaning(int code);

/* The first word of a protocol error: "BADARG", "NOLEASE"; never NULL. */
const char *err_word(int code);

#endif
