/* The verbs that describe the server: INFO's figures, HELP's usage, and what Redis clients and tools ask on their own, answered
 * from the same table so that redis-cli completes and hints our verbs. */
#include <ctype.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/command_private.h"

#define SHOWN 40

/* ── INFO ── */

void command_info_line(struct buf *out, const char *name, const char *fmt, ...)
{
    char value[ERR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(value, sizeof(value), fmt, args);
    va_end(args);
    buf_puts(out, name);
    buf_putc(out, ':');
    buf_puts(out, value);
    buf_puts(out, "\r\n");
}

static void info_number(struct buf *out, const char *name, uint64_t n)
{
    command_info_line(out, name, "%llu", (unsigned long long)n);
}

static void info_registry(const struct registry *r, struct buf *out)
{
    struct registry_counts n;

    registry_counts(r, &n);
    info_number(out, "revision", registry_revision(r));
    info_number(out, "services", n.services);
    info_number(out, "instances", n.instances);
    info_number(out, "served", n.served);
    for (enum instance_state s = STATE_STARTING; s <= STATE_LOST; s++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "state_%s", instance_state_name(s));
        info_number(out, name, n.by_state[s]);
    }
    info_number(out, "registers_total", n.registers);
    info_number(out, "renews_total", n.renews);
    info_number(out, "deregisters_total", n.deregisters);
    info_number(out, "expiries_total", n.expiries);
    info_number(out, "state_changes_total", n.state_changes);
    info_number(out, "store_failures_total", n.store_failures);
}

/* "# Dns" before the lines, a blank line between sections. */
static void info_title(struct buf *out, const char *name)
{
    if (out->len > 0)
        buf_puts(out, "\r\n");
    buf_puts(out, "# ");
    buf_putc(out, (char)toupper((unsigned char)name[0]));
    buf_puts(out, name + 1);
    buf_puts(out, "\r\n");
}

#define INFO_TEXT_MAX 65536

enum command_outcome command_info_verb(struct command_call *call)
{
    static const char *const everything[] = {"all", "default", "everything"};
    const struct command_server *s = call->server;
    const struct resp_arg *wanted = call->argc > 1 ? &call->argv[1] : NULL;
    bool found = false;
    struct buf text;

    for (size_t i = 0; wanted != NULL && i < sizeof(everything) / sizeof(everything[0]); i++) {
        if (command_is(&call->argv[1], everything[i]))
            wanted = NULL;
    }
    buf_init(&text, INFO_TEXT_MAX);
    for (size_t i = 0; i < s->n_info; i++) {
        if (wanted != NULL && !command_is(wanted, s->info[i].name))
            continue;
        info_title(&text, s->info[i].name);
        s->info[i].write(s->info[i].arg, &text);
        found = true;
    }
    if (wanted == NULL || command_is(wanted, "registry")) {
        info_title(&text, "registry");
        info_registry(s->registry, &text);
        found = true;
    }
    if (!found)
        (void)command_fail(call, ERR_BADARG, "INFO has no section \"%.*s\"; INFO alone shows them all", SHOWN, wanted->text);
    else if (text.failed)
        (void)command_fail(call, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    else
        resp_bulk(&call->reply, (const char *)text.data, text.len);
    buf_fini(&text);
    return COMMAND_REPLIED;
}

/* ── HELP ── */

static void write_line(struct resp_writer *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void write_line(struct resp_writer *w, const char *fmt, ...)
{
    char line[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    resp_text(w, line);
}

static enum command_outcome help_verb(struct command_call *call, const struct command *cmd)
{
    if (cmd == NULL)
        return command_fail(call, ERR_BADARG, "there is no verb \"%.*s\"; HELP lists them", SHOWN, call->argv[1].text);
    resp_array(&call->reply, 2);
    write_line(&call->reply, "%s %s", cmd->name, cmd->usage);
    write_line(&call->reply, "    %s", cmd->help);
    return COMMAND_REPLIED;
}

enum command_outcome command_help(struct command_call *call)
{
    size_t n, shown = 0;
    const struct command *all = command_table(&n);

    if (call->argc > 1)
        return help_verb(call, command_find(&call->argv[1]));
    for (size_t i = 0; i < n; i++)
        shown += (all[i].flags & COMMAND_QUIET) == 0;
    resp_array(&call->reply, shown);
    for (size_t i = 0; i < n; i++) {
        if ((all[i].flags & COMMAND_QUIET) == 0)
            write_line(&call->reply, "%-12s %s", all[i].name, all[i].help);
    }
    return COMMAND_REPLIED;
}

/* ── COMMAND ── */

static void write_lower(struct resp_writer *w, const char *name)
{
    char lower[32];
    size_t i;

    for (i = 0; name[i] != '\0' && i < sizeof(lower) - 1; i++)
        lower[i] = (char)tolower((unsigned char)name[i]);
    resp_bulk(w, lower, i);
}

/* Redis: name, arity (negative: at least), flags, and where the keys are: nowhere. */
static void write_command(struct resp_writer *w, const struct command *cmd)
{
    resp_array(w, 6);
    write_lower(w, cmd->name);
    if (cmd->min == cmd->max)
        resp_int(w, cmd->min);
    else
        buf_printf(w->out, ":-%u\r\n", cmd->min);
    resp_array(w, 1);
    resp_simple(w, (cmd->flags & COMMAND_READS) != 0 ? "readonly" : "fast");
    resp_int(w, 0);
    resp_int(w, 0);
    resp_int(w, 0);
}

static void write_docs(struct resp_writer *w, const struct command *cmd)
{
    write_lower(w, cmd->name);
    resp_map(w, 3);
    resp_text(w, "summary");
    resp_text(w, cmd->help);
    resp_text(w, "since");
    resp_text(w, "0.1.0");
    resp_text(w, "group");
    resp_text(w, "generic");
}

/* COMMAND INFO: the named verbs, null for one that is not there. */
static void write_commands(struct command_call *call, size_t from)
{
    size_t n;
    const struct command *all = command_table(&n);

    resp_array(&call->reply, from < call->argc ? call->argc - from : n);
    for (size_t i = 0; from >= call->argc && i < n; i++)
        write_command(&call->reply, &all[i]);
    for (size_t i = from; i < call->argc; i++) {
        const struct command *cmd = command_find(&call->argv[i]);
        if (cmd == NULL)
            resp_null(&call->reply);
        else
            write_command(&call->reply, cmd);
    }
}

/* COMMAND DOCS: a map, without the verbs that are not there. */
static void write_all_docs(struct command_call *call)
{
    size_t n, known = 0;
    const struct command *all = command_table(&n);

    for (size_t i = 2; i < call->argc; i++)
        known += command_find(&call->argv[i]) != NULL;
    resp_map(&call->reply, call->argc > 2 ? known : n);
    for (size_t i = 0; call->argc == 2 && i < n; i++)
        write_docs(&call->reply, &all[i]);
    for (size_t i = 2; i < call->argc; i++) {
        const struct command *cmd = command_find(&call->argv[i]);
        if (cmd != NULL)
            write_docs(&call->reply, cmd);
    }
}

enum command_outcome command_command(struct command_call *call)
{
    size_t n;
    const struct command *all = command_table(&n);

    if (call->argc == 1 || command_is(&call->argv[1], "INFO")) {
        write_commands(call, 2);
    } else if (command_is(&call->argv[1], "COUNT")) {
        resp_int(&call->reply, n);
    } else if (command_is(&call->argv[1], "DOCS")) {
        write_all_docs(call);
    } else if (command_is(&call->argv[1], "LIST")) {
        resp_array(&call->reply, n);
        for (size_t i = 0; i < n; i++)
            write_lower(&call->reply, all[i].name);
    } else {
        return command_bad_word(call, 1, "COUNT, LIST, INFO or DOCS");
    }
    return COMMAND_REPLIED;
}

/* ── CONFIG GET ── */

enum command_outcome command_config(struct command_call *call)
{
    static const char *const values[][2] = {{"save", ""}, {"appendonly", "no"}, {"databases", "1"}};
    bool matches[3] = {false};
    size_t n = 0;

    if (!command_is(&call->argv[1], "GET") || call->argc != 3)
        return command_fail(call, ERR_BADARG, "only CONFIG GET pattern is answered; options are in the server's "
                                              "configuration file, SIGHUP reads it again");
    for (size_t i = 0; i < 3; i++)
        n += matches[i] = fnmatch(call->argv[2].text, values[i][0], 0) == 0;
    resp_map(&call->reply, n);
    for (size_t i = 0; i < 3; i++) {
        if (matches[i]) {
            resp_text(&call->reply, values[i][0]);
            resp_text(&call->reply, values[i][1]);
        }
    }
    return COMMAND_REPLIED;
}
