/* Reads RESP into a tree by recursive descent, one line or one block of bytes at a time.
 *
 * The peer may be anything that listens on the port, so every length is checked against a bound before it is believed,
 * and a list grows with what has arrived, not with what was announced. */
#include "cli/reply.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 65536 /* of a simple text or an error */

void reply_source_init(struct reply_source *s, int (*read)(void *arg, void *to, size_t cap, struct err *e), void *arg)
{
    s->read = read;
    s->arg = arg;
    s->at = s->end = 0;
}

/* At least one unread byte. */
static int fill(struct reply_source *s, struct err *e)
{
    if (s->at < s->end)
        return 0;
    int n = s->read(s->arg, s->bytes, sizeof(s->bytes), e);
    if (n < 0)
        return n;
    if (n == 0)
        return err_set(e, ERR_IO, "the server closed the connection");
    s->at = 0;
    s->end = (size_t)n;
    return 0;
}

static int bad(struct err *e)
{
    return err_set(e, ERR_FORMAT, "the answer is not of the rollcall protocol; is that rollcalld?");
}

/* A line without its CR LF; NUL-terminated, owned by the caller. */
static int read_line(struct reply_source *s, char **out, size_t *len, struct err *e)
{
    char *line = NULL;
    size_t n = 0, cap = 0;
    for (;;) {
        int rc = fill(s, e);
        if (rc == 0 && n + 1 >= cap) {
            cap = cap == 0 ? 64 : 2 * cap;
            char *grown = cap > LINE_MAX_BYTES ? NULL : realloc(line, cap);
            rc = grown != NULL ? 0 : cap > LINE_MAX_BYTES ? bad(e) : err_set(e, ERR_NOMEM, "out of memory");
            line = grown != NULL ? grown : line;
        }
        if (rc != 0) {
            free(line);
            return rc;
        }
        char c = s->bytes[s->at++];
        if (c == '\n')
            break;
        line[n++] = c;
    }
    n -= n > 0 && line[n - 1] == '\r';
    line[n] = '\0';
    *out = line;
    *len = n;
    return 0;
}

static int read_number(struct reply_source *s, int64_t *out, struct err *e)
{
    char *line, *end;
    size_t len;
    int rc = read_line(s, &line, &len, e);
    if (rc != 0)
        return rc;
    bool is_number = len > 0 && len < 20 && strspn(line + (line[0] == '-'), "0123456789") == len - (line[0] == '-');
    *out = strtoll(line, &end, 10);
    is_number = is_number && end > line && *end == '\0';
    free(line);
    return is_number ? 0 : bad(e);
}

static int read_block(struct reply_source *s, struct reply *out, uint64_t *budget, struct err *e)
{
    int64_t len;
    int rc = read_number(s, &len, e);
    if (rc != 0 || len < 0) {
        out->type = REPLY_NULL;
        return rc;
    }
    if ((uint64_t)len > *budget)
        return err_set(e, ERR_LIMIT, "the reply is too large");
    *budget -= (uint64_t)len;
    out->text = malloc((size_t)len + 1);
    if (out->text == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    out->type = REPLY_TEXT;
    out->len = (size_t)len;
    for (size_t have = 0; have < out->len + 2;) {
        rc = fill(s, e);
        if (rc != 0)
            return rc;
        size_t n = s->end - s->at, want = out->len + 2 - have;
        n = n < want ? n : want;
        size_t body = have < out->len ? out->len - have : 0;
        memcpy(out->text + have, s->bytes + s->at, n < body ? n : body);
        if (n > body && s->bytes[s->at + n - 1] != (have + n == out->len + 2 ? '\n' : '\r'))
            return bad(e);
        have += n;
        s->at += n;
    }
    out->text[out->len] = '\0';
    return 0;
}

static int read_value(struct reply_source *s, struct reply *out, unsigned depth, uint64_t *budget, struct err *e);

static int read_list(struct reply_source *s, struct reply *out, unsigned per_item, unsigned depth, uint64_t *budget,
                     struct err *e)
{
    int64_t count;
    size_t cap = 0;
    int rc = read_number(s, &count, e);
    if (rc != 0 || count < 0) {
        out->type = REPLY_NULL;
        return rc;
    }
    if (count > REPLY_ITEMS_MAX / (int64_t)per_item || depth == REPLY_DEPTH_MAX)
        return err_set(e, ERR_LIMIT, "the reply is too large");
    out->type = REPLY_LIST;
    for (size_t want = (size_t)count * per_item; out->n < want;) {
        if (out->n == cap) {
            cap = cap == 0 ? 16 : 2 * cap;
            struct reply *grown = realloc(out->items, cap * sizeof(*grown));
            if (grown == NULL)
                return err_set(e, ERR_NOMEM, "out of memory");
            out->items = grown;
        }
        out->items[out->n] = (struct reply){.type = REPLY_NULL};
        rc = read_value(s, &out->items[out->n++], depth + 1, budget, e);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int read_value(struct reply_source *s, struct reply *out, unsigned depth, uint64_t *budget, struct err *e)
{
    int rc = fill(s, e);
    if (rc != 0)
        return rc;
    char type = s->bytes[s->at++];
    switch (type) {
    case '+':
    case '-':
        out->type = type == '+' ? REPLY_TEXT : REPLY_ERROR;
        return read_line(s, &out->text, &out->len, e);
    case ':':
        out->type = REPLY_NUMBER;
        return read_number(s, &out->number, e);
    case '_':
        return read_line(s, &out->text, &out->len, e);
    case '$':
        return read_block(s, out, budget, e);
    case '*':
    case '>':
    case '~':
        return read_list(s, out, 1, depth, budget, e);
    case '%':
        return read_list(s, out, 2, depth, budget, e);
    default:
        return bad(e);
    }
}

int reply_read(struct reply_source *s, struct reply *out, struct err *e)
{
    uint64_t budget = REPLY_BYTES_MAX;
    *out = (struct reply){.type = REPLY_NULL};
    int rc = read_value(s, out, 0, &budget, e);
    if (rc != 0)
        reply_fini(out);
    return rc;
}

void reply_fini(struct reply *r)
{
    for (size_t i = 0; i < r->n; i++)
        reply_fini(&r->items[i]);
    free(r->items);
    free(r->text);
    *r = (struct reply){.type = REPLY_NULL};
}

/* ── reading a tree ── */

const struct reply *reply_field(const struct reply *map, const char *name)
{
    for (size_t i = 0; map != NULL && i + 1 < map->n; i += 2) {
        if (map->items[i].type == REPLY_TEXT && strcmp(map->items[i].text, name) == 0)
            return &map->items[i + 1];
    }
    return NULL;
}

const char *reply_field_text(const struct reply *map, const char *name, const char *otherwise)
{
    const struct reply *r = reply_field(map, name);
    return r != NULL && r->type == REPLY_TEXT ? r->text : otherwise;
}

int64_t reply_field_number(const struct reply *map, const char *name, int64_t otherwise)
{
    const struct reply *r = reply_field(map, name);
    return r != NULL && r->type == REPLY_NUMBER ? r->number : otherwise;
}
