/* A growing byte buffer with a sticky error.
 *
 * Happy path: append, append, look at `failed` once. The memory doubles, and always has one spare byte, so that
 * buf_cstr can end the text without a failure of its own. What can go wrong is the limit or the memory: both set
 * `failed`, leave what was there, and make every later append do nothing. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/utf8.h"

#define BUF_CAP_MIN 64

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit};
}

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.limit = b->limit};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

/* Makes cap > need, the spare byte included. */
static bool grow(struct buf *b, size_t need)
{
    if (need < b->cap)
        return true;
    size_t cap = b->cap != 0 ? b->cap : BUF_CAP_MIN;
    while (cap <= need)
        if (__builtin_mul_overflow(cap, (size_t)2, &cap))
            return false;
    uint8_t *data = realloc(b->data, cap);
    if (data == NULL)
        return false;
    b->data = data;
    b->cap = cap;
    return true;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
    size_t need;
    if (b->failed)
        return NULL;
    if (__builtin_add_overflow(b->len, n, &need) || (b->limit != 0 && need > b->limit) || !grow(b, need)) {
        b->failed = true;
        return NULL;
    }
    return b->data + b->len;
}

void buf_append(struct buf *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    uint8_t *to = buf_reserve(b, len);
    if (to == NULL)
        return;
    memcpy(to, data, len);
    b->len += len;
}

void buf_puts(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    size_t room = b->data != NULL ? b->cap - b->len : 0;
    int n = vsnprintf(room != 0 ? (char *)b->data + b->len : NULL, room, fmt, args);
    if (n < 0) {
        b->failed = true;
    } else if (buf_reserve(b, (size_t)n) != NULL) {
        if ((size_t)n >= room)
            vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void buf_consume(struct buf *b, size_t n)
{
    must(n <= b->len);
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

const char *buf_cstr(struct buf *b)
{
    if (b->data == NULL)
        return "";
    b->data[b->len] = '\0';
    return (const char *)b->data;
}

/* One character that JSON wants escaped (RFC 8259 section 7); NULL for those that stand for themselves. */
static const char *json_escape(uint8_t c, char out[8])
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (c >= 0x20 && c != 0x7f)
            return NULL;
        snprintf(out, 8, "\\u%04x", c);
        return out;
    }
}

void buf_json_string(struct buf *b, const char *s, size_t len)
{
    const uint8_t *p = (const uint8_t *)s;
    char hex[8];
    buf_putc(b, '"');
    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_char_len(p + i, len - i);
        if (n == 0) {
            buf_puts(b, "\xef\xbf\xbd"); /* U+FFFD */
            n = 1;
            continue;
        }
        const char *escaped = json_escape(p[i], hex);
        if (escaped != NULL)
            buf_puts(b, escaped);
        else
            buf_append(b, p + i, n);
    }
    buf_putc(b, '"');
}
