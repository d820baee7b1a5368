/* The reply writer: one small function per type, numbers without printf because replies to renewals are made by the million.
 * Nothing can fail here but the buffer, and that remembers it. */
#include "engine/resp_write.h"

#include <string.h>

#include "base/utf8.h"

#define LINE_MAX_BYTES 24 /* type, 20 digits, CR LF */

static void write_number(struct resp_writer *w, char type, uint64_t n)
{
    char line[LINE_MAX_BYTES];
    char *at = line + sizeof(line);

    *--at = '\n';
    *--at = '\r';
    do
        *--at = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    *--at = type;
    buf_append(w->out, at, (size_t)(line + sizeof(line) - at));
}

void resp_simple(struct resp_writer *w, const char *text)
{
    buf_putc(w->out, '+');
    buf_puts(w->out, text);
    buf_append(w->out, "\r\n", 2);
}

void resp_error(struct resp_writer *w, const char *word, const char *text)
{
    buf_putc(w->out, '-');
    buf_puts(w->out, word);
    buf_putc(w->out, ' ');
    for (size_t len = strlen(text), n; len > 0; text += n, len -= n) {
        size_t good = utf8_char_len((const uint8_t *)text, len);
        n = good > 0 ? good : 1;
        if (good == 0 || (unsigned char)*text < 0x20 || *text == 0x7f)
            buf_putc(w->out, '?');
        else
            buf_append(w->out, text, n);
    }
    buf_append(w->out, "\r\n", 2);
}

void resp_int(struct resp_writer *w, uint64_t n)
{
    write_number(w, ':', n);
}

void resp_bulk(struct resp_writer *w, const char *data, size_t len)
{
    write_number(w, '$', len);
    buf_append(w->out, data, len);
    buf_append(w->out, "\r\n", 2);
}

void resp_text(struct resp_writer *w, const char *text)
{
    if (text == NULL)
        resp_null(w);
    else
        resp_bulk(w, text, strlen(text));
}

void resp_null(struct resp_writer *w)
{
    buf_puts(w->out, w->is_resp3 ? "_\r\n" : "$-1\r\n");
}

void resp_array(struct resp_writer *w, size_t n)
{
    write_number(w, '*', n);
}

void resp_map(struct resp_writer *w, size_t n)
{
    write_number(w, w->is_resp3 ? '%' : '*', w->is_resp3 ? n : 2 * n);
}

void resp_push(struct resp_writer *w, size_t n)
{
    write_number(w, w->is_resp3 ? '>' : '*', n);
}
