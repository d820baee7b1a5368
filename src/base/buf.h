/* A byte buffer that grows up to a limit, with a sticky error: append straight through, check
 * `failed` once at the end. Used for replies and text; never on the DNS query path. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct buf {
    uint8_t *data; /* owned; NULL while cap is 0 */
    size_t len, cap;
    size_t limit; /* most bytes it may hold; 0: no limit */
    bool failed;  /* an append did not fit or found no memory; later appends do nothing */
};

void buf_init(struct buf *b, size_t limit);
void buf_fini(struct buf *b);
/* Keeps the memory, forgets content and error. */
void buf_reset(struct buf *b);
void buf_append(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Drops the first `n` bytes (n <= len), moving the rest down. */
void buf_consume(struct buf *b, size_t n);
/* Room for `n` more bytes at data + len, NULL (and failed) if it cannot be had. The caller adds to
 * len what it wrote. */
uint8_t *buf_reserve(struct buf *b, size_t n);
/* NUL-terminates without counting the NUL; returns "" when nothing could be stored. Valid until the
 * next append. */
const char *buf_cstr(struct buf *b);
/* Appends `s` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void buf_json_string(struct buf *b, const char *s, size_t len);

#endif
