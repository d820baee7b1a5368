/* The request reader. Both framings end in the same thing, a list of words, so that nothing behind it knows which one a
 * client spoke.
 *
 * The happy path is a client library: "*N", then N times "$L" and L bytes, all in one read; the words are slices of the
 * buffer and nothing is copied. Lines typed by people and scripts are split into a copy, because quotes and escapes shrink.
 *
 * What can go wrong: a request that comes in pieces (ERR_MORE with the least length that is worth another look, so that a long
 * argument dripping in costs two looks and not one per byte); one that is too long, or framing that makes no sense: then
 * nobody knows where the next request begins, and the connection must end. A line that is wrong in itself, such as an open
 * quote, is skipped. */
#include "engine/resp.h"

#include <stdbool.h>
#include <string.h>


#define HEADER_MAX 24 /* bytes of "*N\r\n" or "$L\r\n" at most */

void resp_request_init(struct resp_request *rq)
{
    rq->n = 0;
    rq->consumed = 0;
    buf_init(&rq->unquoted, 0);
}

void resp_request_fini(struct resp_request *rq)
{
    buf_fini(&rq->unquoted);
}

/* "*N\r\n" and "$L\r\n": the number at data[*at], whose type byte was checked. Moves *at behind the line. ERR_MORE,
 * ERR_FORMAT. */
static int read_header(const char *data, size_t len, size_t *at, long *out)
{
    size_t i = *at + 1;
    size_t end = len - *at > HEADER_MAX ? *at + HEADER_MAX : len;
    bool is_negative = i < end && data[i] == '-';
    size_t digits = 0;
    long value = 0;

    for (i += is_negative; i < end && data[i] >= '0' && data[i] <= '9'; i++, digits++)
        value = value < 100000000 ? value * 10 + (data[i] - '0') : 1000000000;
    if (i == end && end == len && len - *at < HEADER_MAX)
        return ERR_MORE;
    if (digits == 0 || i == end || data[i] != '\r')
        return ERR_FORMAT;
    if (i + 1 == len)
        return ERR_MORE;
    if (data[i + 1] != '\n')
        return ERR_FORMAT;
    *at = i + 2;
    *out = is_negative ? -value : value;
    return 0;
}

static int too_long(size_t max, struct err *e)
{
    return err_set(e, ERR_LIMIT, "the request is longer than %zu bytes (line_max)", max);
}

/* One "$L\r\n...\r\n" at *at. */
static int read_word(struct resp_progress *p, char *data, size_t len, size_t max, size_t *at, struct resp_arg *out,
                     struct err *e)
{
    long n;
    int r;

    if (*at == len) {
        p->need = len + 1;
        return ERR_MORE;
    }
    if (data[*at] != '$')
        return err_set(e, ERR_FORMAT, "framing: byte 0x%02x where '$' and the length of a word should be",
                       (unsigned char)data[*at]);
    r = read_header(data, len, at, &n);
    if (r == ERR_MORE) {
        p->need = len + 1;
        return r;
    }
    if (r != 0 || n < 0)
        return err_set(e, ERR_FORMAT, "framing: '$' must be followed by the length of a word and CR LF");
    if ((size_t)n + 2 > max || *at > max - (size_t)n - 2)
        return too_long(max, e);
    if (len - *at < (size_t)n + 2) {
        p->need = *at + (size_t)n + 2;
        return ERR_MORE;
    }
    out->text = data + *at;
    out->len = (size_t)n;
    *at += (size_t)n + 2;
    if (out->text[n] != '\r' || out->text[n + 1] != '\n')
        return err_set(e, ERR_FORMAT, "framing: a word of %ld bytes must be followed by CR LF", n);
    return 0;
}

static int parse_array(struct resp_progress *p, char *data, size_t len, size_t max, struct resp_request *rq, struct err *e)
{
    size_t at = 0;
    long n = 0;
    int r = read_header(data, len, &at, &n);

    if (r == ERR_MORE) {
        p->need = len + 1;
        return r;
    }
    if (r != 0)
        return err_set(e, ERR_FORMAT, "framing: '*' must be followed by the number of words and CR LF");
    if (n > RESP_ARGS_MAX)
        return err_set(e, ERR_LIMIT, "%ld words are more than the %d that a request may have", n, RESP_ARGS_MAX);
    for (long i = 0; i < n; i++) {
        r = read_word(p, data, len, max, &at, &rq->args[i], e);
        if (r != 0)
            return r;
    }
    rq->n = n > 0 ? (size_t)n : 0;
    rq->consumed = at;
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A backslash inside double quotes; `s` is behind it and *s exists. Returns the bytes used. */
static size_t unescape(const char *s, const char *end, char *out)
{
    static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
    const char *named = *s == '\0' ? NULL : strchr(from, *s);

    if (*s == 'x' && end - s >= 3 && hex_digit(s[1]) >= 0 && hex_digit(s[2]) >= 0) {
        *out = (char)(hex_digit(s[1]) * 16 + hex_digit(s[2]));
        return 3;
    }
    *out = named != NULL ? to[named - from] : *s;
    return 1;
}

/* Copies a quoted part whose opening quote is at s[-1] to *w; returns the byte behind the closing quote, NULL without one. */
static const char *copy_quoted(const char *s, const char *end, char quote, char **w)
{
    while (s < end) {
        char c = *s++;
        if (c == quote)
            return s;
        if (c == '\\' && s < end && quote == '"')
            s += unescape(s, end, &c);
        else if (c == '\\' && s < end && *s == '\'')
            c = *s++;
        *(*w)++ = c;
    }
    return NULL;
}

/* One word to *w, ended by a NUL. NULL: an open quote, or text glued to a closing one. */
static const char *copy_word(const char *s, const char *end, char **w)
{
    while (s < end && !is_blank(*s)) {
        if (*s != '"' && *s != '\'') {
            *(*w)++ = *s++;
            continue;
        }
        s = copy_quoted(s + 1, end, *s, w);
        if (s == NULL || (s < end && !is_blank(*s)))
            return NULL;
    }
    *(*w)++ = '\0';
    return s;
}

static int split_line(const char *line, size_t len, struct resp_request *rq, struct err *e)
{
    const char *s = line, *end = line + len;
    char *w;

    buf_reset(&rq->unquoted);
    w = (char *)buf_reserve(&rq->unquoted, len + 1); /* each word and its NUL are at most the word and a blank */
    if (w == NULL)
        return err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    for (;;) {
        char *word = w;
        while (s < end && is_blank(*s))
            s++;
        if (s == end)
            return 0;
        if (rq->n == RESP_ARGS_MAX)
            return err_set(e, ERR_LIMIT, "a request may have at most %d words", RESP_ARGS_MAX);
        s = copy_word(s, end, &w);
        if (s == NULL)
            return err_set(e, ERR_BADARG, "unbalanced quotes: word %zu must end with the quote that opened it", rq->n + 1);
        rq->args[rq->n++] = (struct resp_arg){.text = word, .len = (size_t)(w - word) - 1};
    }
}

static int parse_line(struct resp_progress *p, char *data, size_t len, size_t max, struct resp_request *rq, struct err *e)
{
    size_t end;
    const char *nl = memchr(data + p->scanned, '\n', len - p->scanned);

    if (nl == NULL && len >= max)
        return too_long(max, e);
    if (nl == NULL) {
        p->scanned = len;
        p->need = len + 1;
        return ERR_MORE;
    }
    end = (size_t)(nl - data);
    if (end >= max)
        return too_long(max, e);
    rq->consumed = end + 1;
    if (end > 0 && data[end - 1] == '\r')
        end--;
    return split_line(data, end, rq, e);
}

int resp_parse(struct resp_progress *p, char *data, size_t len, size_t max, struct resp_request *rq, struct err *e)
{
    int r;

    rq->n = 0;
    rq->consumed = 0;
    if (len == 0 || len < p->need)
        return ERR_MORE;
    r = data[0] == '*' ? parse_array(p, data, len, max, rq, e) : parse_line(p, data, len, max, rq, e);
    if (r != ERR_MORE)
        *p = (struct resp_progress){0};
    return r;
}

int resp_terminate(struct resp_request *rq, bool is_text, struct err *e)
{
    for (size_t i = 0; i < rq->n; i++) {
        struct resp_arg *a = &rq->args[i];
        if (is_text && memchr(a->text, '\0', a->len) != NULL)
            return err_set(e, ERR_BADARG, "word %zu holds a NUL byte; text is wanted", i + 1);
        a->text[a->len] = '\0';
    }
    return 0;
}
