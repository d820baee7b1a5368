/* Replies as JSON; see json.h. */
#include "cli/json.h"

#include <string.h>

void json_value(struct buf *out, const struct reply *r)
{
    switch (r->type) {
    case REPLY_NULL:
        buf_puts(out, "null");
        break;
    case REPLY_TEXT:
    case REPLY_ERROR:
        buf_json_string(out, r->text, r->len);
        break;
    case REPLY_NUMBER:
        buf_printf(out, "%lld", (long long)r->number);
        break;
    case REPLY_LIST:
        buf_putc(out, '[');
        for (size_t i = 0; i < r->n; i++) {
            if (i > 0)
                buf_putc(out, ',');
            json_value(out, &r->items[i]);
        }
        buf_putc(out, ']');
        break;
    }
}

void json_name(struct buf *out, const char *name)
{
    if (out->len > 0 && out->data[out->len - 1] != '{')
        buf_putc(out, ',');
    buf_json_string(out, name, strlen(name));
    buf_putc(out, ':');
}

void json_text(struct buf *out, const char *name, const char *text)
{
    json_name(out, name);
    buf_json_string(out, text, strlen(text));
}

void json_number(struct buf *out, const char *name, long long n)
{
    json_name(out, name);
    buf_printf(out, "%lld", n);
}

static void write_port(struct buf *out, const struct reply *port)
{
    static const char *const names[] = {"name", "number", "protocol"};
    buf_putc(out, '{');
    for (size_t i = 0; i < port->n && i < 3; i++) {
        json_name(out, names[i]);
        json_value(out, &port->items[i]);
    }
    buf_putc(out, '}');
}

static void write_each(struct buf *out, const struct reply *list, void (*write)(struct buf *, const struct reply *))
{
    buf_putc(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0)
            buf_putc(out, ',');
        write(out, &list->items[i]);
    }
    buf_putc(out, ']');
}

void json_fields(struct buf *out, const struct reply *map)
{
    buf_putc(out, '{');
    for (size_t i = 0; i + 1 < map->n; i += 2) {
        const struct reply *name = &map->items[i], *value = &map->items[i + 1];
        if (name->type != REPLY_TEXT)
            continue;
        json_name(out, name->text);
        if (value->type == REPLY_LIST && strcmp(name->text, "meta") == 0)
            json_fields(out, value);
        else if (value->type == REPLY_LIST && strcmp(name->text, "checks") == 0)
            write_each(out, value, json_fields);
        else if (value->type == REPLY_LIST && strcmp(name->text, "ports") == 0)
            write_each(out, value, write_port);
        else
            json_value(out, value);
    }
    buf_putc(out, '}');
}
