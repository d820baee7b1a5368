/* rollcall ls: the services, or one service's instances with what their checks last said. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/duration.h"
#include "cli/json.h"
#include "cli/screen.h"
#include "cli/verbs.h"

static void write_json(const struct reply *list, struct buf *out)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        buf_puts(out, i > 0 ? ",\n " : "");
        json_fields(out, &list->items[i]);
    }
    buf_puts(out, "]\n");
}

/* ── services ── */

static const char *const state_names[] = {"starting", "warning", "critical", "draining", "maintenance", "held", "lost"};

/* "1 critical, 2 draining": the states that a person should know of. */
static void write_states(const struct reply *service, struct buf *out)
{
    for (size_t i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++) {
        int64_t n = reply_field_number(service, state_names[i], 0);
        if (n > 0)
            buf_printf(out, "%s%lld %s", out->len > 0 ? ", " : "", (long long)n, state_names[i]);
    }
}

static void write_services(const struct reply *list, struct buf *out)
{
    struct screen_table t;
    struct buf states;
    screen_table_init(&t, 4, false);
    buf_init(&states, 0);
    screen_cell(&t, "SERVICE");
    screen_cell(&t, "SERVED");
    screen_cell(&t, "REGISTERED");
    screen_cell(&t, "NOT WELL");
    for (size_t i = 0; i < list->n; i++) {
        const struct reply *s = &list->items[i];
        buf_reset(&states);
        write_states(s, &states);
        screen_cell(&t, reply_field_text(s, "name", "?"));
        screen_cell_number(&t, reply_field_number(s, "served", 0));
        screen_cell_number(&t, reply_field_number(s, "registered", 0));
        screen_cell(&t, buf_cstr(&states));
    }
    screen_table_write(&t, out);
    out->failed |= t.failed;
    buf_fini(&states);
    screen_table_fini(&t);
}

/* ── instances ── */

static void write_endpoint(const struct reply *i, struct buf *out)
{
    screen_endpoint(out, reply_field_text(i, "address", "?"), reply_field_number(i, "port", 0));
}

static void write_left(const struct reply *i, struct buf *out)
{
    char text[DURATION_TEXT_MAX];
    int64_t left = reply_field_number(i, "left", -1);
    buf_puts(out, left < 0 ? "permanent" : duration_format((uint64_t)left * 1000, text));
}

static void write_names(const struct reply *i, const char *field, struct buf *out)
{
    const struct reply *list = reply_field(i, field);
    for (size_t k = 0; list != NULL && k < list->n; k++) {
        const struct reply *item = &list->items[k];
        const struct reply *name = item->type == REPLY_LIST && item->n > 0 ? &item->items[0] : item;
        buf_printf(out, "%s%s", out->len > 0 ? "," : "", name->type == REPLY_TEXT ? name->text : "?");
    }
}

static void cell_by(struct screen_table *t, void (*write)(const struct reply *, struct buf *), const struct reply *i)
{
    struct buf text;
    buf_init(&text, 0);
    write(i, &text);
    screen_cell(t, buf_cstr(&text));
    buf_fini(&text);
}

static void cell_names(struct screen_table *t, const struct reply *i, const char *field)
{
    struct buf text;
    buf_init(&text, 0);
    write_names(i, field, &text);
    screen_cell(t, buf_cstr(&text));
    buf_fini(&text);
}

static void write_checks(const struct reply *list, struct buf *out)
{
    struct screen_table t;
    screen_table_init(&t, 4, screen_has_color());
    for (size_t i = 0; i < list->n; i++) {
        const struct reply *checks = reply_field(&list->items[i], "checks");
        for (size_t k = 0; checks != NULL && k < checks->n; k++) {
            const char *status = reply_field_text(&checks->items[k], "status", "");
            screen_cell(&t, reply_field_text(&list->items[i], "id", "?"));
            screen_cell(&t, strcmp(status, "none") == 0 ? "starting" : status);
            screen_cell(&t, reply_field_text(&checks->items[k], "check", "?"));
            screen_cell(&t, reply_field_text(&checks->items[k], "output", ""));
        }
    }
    if (t.n_cells > 0)
        buf_putc(out, '\n');
    screen_table_write(&t, out);
    out->failed |= t.failed;
    screen_table_fini(&t);
}

static void write_instances(const struct reply *list, struct buf *out)
{
    struct screen_table t;
    static const char *const heads[] = {"ID", "ADDRESS", "STATE", "WEIGHT", "LEASE", "TAGS", "PORTS"};
    screen_table_init(&t, sizeof(heads) / sizeof(heads[0]), screen_has_color());
    for (size_t i = 0; i < t.n_columns; i++)
        screen_cell(&t, heads[i]);
    for (size_t i = 0; i < list->n; i++) {
        const struct reply *instance = &list->items[i];
        screen_cell(&t, reply_field_text(instance, "id", "?"));
        cell_by(&t, write_endpoint, instance);
        screen_cell(&t, reply_field_text(instance, "state", "?"));
        screen_cell_number(&t, reply_field_number(instance, "weight", 1));
        cell_by(&t, write_left, instance);
        cell_names(&t, instance, "tags");
        cell_names(&t, instance, "ports");
    }
    screen_table_write(&t, out);
    out->failed |= t.failed;
    screen_table_fini(&t);
    write_checks(list, out);
}

/* The server writes a long list by and by. Its array ends with a null for each that went before its turn. */
static void drop_gone(struct reply *list)
{
    while (list->n > 0 && list->items[list->n - 1].type == REPLY_NULL)
        list->n--;
}

int verb_ls(struct cli *cli, struct args *a)
{
    struct reply r;
    struct buf out;
    int status = cli_words(cli, a, 0, 1);
    if (status != CLI_OK)
        return status;
    bool is_one = a->n_words > 0;
    const char *const words[] = {"LIST", is_one ? a->words[0] : NULL};
    status = cli_ask(cli, words, is_one ? 2 : 1, &r);
    if (status == CLI_OK)
        status = cli_expect(&r, REPLY_LIST, 0);
    if (status != CLI_OK)
        return status;
    drop_gone(&r);
    buf_init(&out, 0);
    if (cli->is_json)
        write_json(&r, &out);
    else if (r.n == 0)
        fprintf(stderr, is_one ? "no instances of %s\n" : "no services\n", is_one ? a->words[0] : "");
    else if (is_one)
        write_instances(&r, &out);
    else
        write_services(&r, &out);
    status = out.len == 0 || screen_print(&out) ? CLI_OK : cli_fail(CLI_REFUSED, "cannot write the output");
    buf_fini(&out);
    reply_fini(&r);
    return status;
}
