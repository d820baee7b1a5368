/* Cuts a master file into logical lines.
 *
 * The library that reads the records forgives too much here: a parenthesis that is never closed swallows the rest of
 * the file in silence, an open quote is closed for you, and errors are reported at the last line of a record rather
 * than the first. So the shape of the text is checked here, with the line where the mistake was made, and only clean
 * single lines go on. */
#include "dns/zone_text.h"

#include <string.h>
#include <strings.h>

#define TTL_MAX 2147483647u

void zone_text_init(struct zone_text *t, const char *text, size_t len)
{
    *t = (struct zone_text){.at = text, .end = text + len, .line = 1};
    buf_init(&t->record, ZONE_LINE_MAX);
}

void zone_text_fini(struct zone_text *t)
{
    buf_fini(&t->record);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int problem(struct zone_text *t, size_t line, const char *what)
{
    t->problem = what;
    t->problem_line = line;
    return ERR_FORMAT;
}

/* The byte at `at`, or a newline at the end of the text: the last line need not have one. */
static char peek(const struct zone_text *t)
{
    return t->at < t->end ? *t->at : '\n';
}

static void skip_comment(struct zone_text *t)
{
    while (peek(t) != '\n')
        t->at++;
}

/* A backslash and what it escapes. */
static int take_escape(struct zone_text *t)
{
    buf_putc(&t->record, *t->at++);
    if (peek(t) == '\n' || peek(t) == '\r')
        return problem(t, t->line, "a line ends with a backslash; a long record goes in parentheses");
    buf_putc(&t->record, *t->at++);
    return 0;
}

/* A quoted string, from its opening quote. Quotes stand around a whole word, or after the '=' of key="value". */
static int take_quoted(struct zone_text *t)
{
    const struct buf *r = &t->record;
    if (r->len > 0 && r->data[r->len - 1] != ' ' && r->data[r->len - 1] != '=')
        return problem(t, t->line, "a quote inside a word is written \\\"");
    buf_putc(&t->record, *t->at++);
    while (peek(t) != '"') {
        if (peek(t) == '\n')
            return problem(t, t->line, "a quoted string is not closed on its line");
        if (*t->at == '\\') {
            int rc = take_escape(t);
            if (rc != 0)
                return rc;
        } else {
            buf_putc(&t->record, *t->at++);
        }
    }
    buf_putc(&t->record, *t->at++);
    if (!is_blank(peek(t)) && strchr("\n;()", peek(t)) == NULL)
        return problem(t, t->line, "after a closing quote comes a blank; a quote inside a string is written \\\"");
    return 0;
}

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && !is_blank(c) && c != '\n') || c == 0x7f;
}

/* One logical line, the newline that ends it included. */
static int take_line(struct zone_text *t)
{
    size_t depth = 0, opened_line = 0;
    int rc = 0;
    while (rc == 0 && !t->record.failed) {
        char c = peek(t);
        if (c == '\n' && t->at == t->end && depth > 0)
            return problem(t, opened_line, "a parenthesis is opened but never closed");
        if (c == '\n' && depth == 0)
            break;
        if (c == ';') {
            skip_comment(t);
        } else if (c == '\\') {
            rc = take_escape(t);
        } else if (c == '"') {
            rc = take_quoted(t);
        } else if (c == '(') {
            opened_line = depth++ == 0 ? t->line : opened_line;
            buf_putc(&t->record, ' ');
            t->at++;
        } else if (c == ')') {
            if (depth-- == 0)
                return problem(t, t->line, "a parenthesis is closed that was not opened");
            buf_putc(&t->record, ' ');
            t->at++;
        } else {
            t->line += c == '\n';
            buf_putc(&t->record, c == '\n' || is_blank(c) ? ' ' : c);
            t->at++;
        }
    }
    if (rc == 0) {
        t->at += t->at < t->end;
        t->line++;
    }
    return rc;
}

/* Before anything is cut: control bytes, which would end strings or hide in names. */
static int check_bytes(struct zone_text *t)
{
    size_t line = t->line;
    for (const char *p = t->at; p < t->end; p++) {
        if (is_control(*p))
            return problem(t, line, "there is a control byte; in names and strings it is written \\DDD");
        line += *p == '\n';
    }
    return 0;
}

int zone_text_next(struct zone_text *t)
{
    if (t->line == 1 && check_bytes(t) != 0)
        return ERR_FORMAT;
    while (t->at < t->end) {
        buf_reset(&t->record);
        t->record_line = t->line;
        int rc = take_line(t);
        if (rc != 0)
            return rc;
        if (t->record.failed && t->record.len == ZONE_LINE_MAX)
            return problem(t, t->record_line, "a record is too long; its data has at most 65535 bytes");
        if (t->record.failed)
            return ERR_NOMEM;
        const char *text = buf_cstr(&t->record);
        if (strspn(text, " ") < t->record.len)
            return 1;
    }
    return 0;
}

bool zone_word_next(const char **at, struct zone_word *w)
{
    const char *p = *at + strspn(*at, " ");
    bool is_quoted = false;
    w->at = p;
    for (; *p != '\0' && (is_quoted || *p != ' '); p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        else if (*p == '"')
            is_quoted = !is_quoted;
    }
    w->len = (size_t)(p - w->at);
    *at = p;
    return w->len > 0;
}

bool zone_word_is(const struct zone_word *w, const char *text)
{
    return strlen(text) == w->len && strncasecmp(w->at, text, w->len) == 0;
}

int zone_word_number(const struct zone_word *w, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < w->len; i++) {
        if (w->at[i] < '0' || w->at[i] > '9')
            return ERR_BADARG;
        n = n * 10 + (uint64_t)(w->at[i] - '0');
        if (n > max)
            return ERR_BADARG;
    }
    *out = n;
    return w->len > 0 ? 0 : ERR_BADARG;
}

/* Seconds of a unit letter; 0: none. */
static uint64_t ttl_unit_s(char c)
{
    switch (c | 0x20) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    case 'w':
        return 604800;
    default:
        return 0;
    }
}

int zone_word_ttl(const struct zone_word *w, uint32_t *ttl_s)
{
    uint64_t total = 0;
    size_t i = 0;
    while (i < w->len) {
        struct zone_word digits = {.at = w->at + i};
        while (i + digits.len < w->len && w->at[i + digits.len] >= '0' && w->at[i + digits.len] <= '9')
            digits.len++;
        uint64_t n;
        if (zone_word_number(&digits, TTL_MAX, &n) != 0)
            return ERR_BADARG;
        i += digits.len;
        uint64_t unit_s = i < w->len ? ttl_unit_s(w->at[i++]) : 1;
        total += n * unit_s;
        if (unit_s == 0 || total > TTL_MAX)
            return ERR_BADARG;
    }
    *ttl_s = (uint32_t)total;
    return w->len > 0 ? 0 : ERR_BADARG;
}
