/* The table of verbs and the way through it: find the verb, check that the client may and that the number of words fits,
 * run the row's handler. The handlers live in command_*.c, one file per group.
 *
 * What can go wrong is all the client's doing, and every refusal says what would be right: an unknown verb names the nearest
 * one, a wrong number of words shows the usage. Bytes of an HTTP request end the connection: a web page must not be able to
 * register services by making a browser post to a loopback port. */
#include "engine/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/nearest.h"
#include "engine/command_private.h"
#include "engine/listing.h"
#include "engine/watch.h"

#define WORD_SHOWN 40 /* bytes of a wrong word that an error repeats */
#define ANY_NUMBER 0

/* RENEW first: it is what a busy server hears, and the table is searched from the top. */
static const struct command table[] = {
    {"RENEW", 3, 3, 0, "<service> <id>", "renews a lease; answers its seconds, -NOLEASE if there is none",
     command_renew},
    {"REGISTER", 4, ANY_NUMBER, 0,
     "<service> <address> <port> [ID id] [TTL duration] [WEIGHT n] [PRIORITY n] [TAG t]... [META k v]... "
     "[PORT name number[/udp]]... [CHECK spec]... [SESSION]",
     "registers an instance, or replaces it; answers its id, lease seconds and revision", command_register},
    {"DEREGISTER", 3, 5, 0, "<service> <id> [HOLD duration]",
     "removes an instance; HOLD keeps the id from registering again meanwhile", command_deregister},
    {"DRAIN", 3, 4, 0, "<service> <id> [OFF]",
     "takes an instance out of the answers; answers the seconds until it is safe to stop", command_drain},
    {"REPORT", 4, 5, 0, "<service> <id> PASSING|WARNING|CRITICAL [note]",
     "the heartbeat of a ttl check; decides at once", command_report},
    {"PICK", 2, 6, COMMAND_READS, "<service> [TAG t] [PORT name]",
     "one instance, balanced as DNS would: its address, port and id", command_pick},
    {"LIST", 1, 3, COMMAND_READS, "[<service>] [CONSISTENT]", "the services, or the instances of one", command_list},
    {"WATCH", 1, 4, COMMAND_READS, "[<service>] [FROM revision]",
     "a stream of changes, after a snapshot or from a revision on", command_watch},
    {"SUBSCRIBE", 2, ANY_NUMBER, COMMAND_READS, "<service>|* ...", "changes as Redis messages", command_subscribe},
    {"UNSUBSCRIBE", 1, ANY_NUMBER, COMMAND_READS, "[<service>|* ...]", "ends subscriptions", command_unsubscribe},
    {"PSUBSCRIBE", 2, ANY_NUMBER, COMMAND_READS, "<pattern> ...", "changes of services whose name matches a pattern",
     command_psubscribe},
    {"PUNSUBSCRIBE", 1, ANY_NUMBER, COMMAND_READS, "[<pattern> ...]", "ends subscriptions of patterns",
     command_punsubscribe},
    {"PING", 1, 2, 0, "[message]", "answers PONG or the message", command_ping},
    {"AUTH", 2, 3, COMMAND_OPEN, "[default] <password>", "opens a server that has a password", command_auth},
    {"HELLO", 1, ANY_NUMBER, COMMAND_OPEN, "[2|3 [AUTH default password] [SETNAME name]]",
     "chooses RESP2 or RESP3 and shows who answers", command_hello},
    {"INFO", 1, 2, COMMAND_READS, "[section]", "figures, as key:value text", command_info_verb},
    {"HELP", 1, 2, 0, "[verb]", "the verbs, or the usage of one", command_help},
    {"QUIT", 1, 1, COMMAND_OPEN, "", "ends the connection", command_quit},
    {"ECHO", 2, 2, COMMAND_QUIET | COMMAND_BINARY, "message",
     "answers the message; redis-cli --pipe finds its end by it", command_echo},
    {"RESET", 1, 1, COMMAND_OPEN | COMMAND_QUIET, "", "makes the connection as new", command_reset},
    {"CLIENT", 2, ANY_NUMBER, COMMAND_QUIET, "ID|GETNAME|SETNAME name|SETINFO key value",
     "the connection's name and number", command_client_verb},
    {"SELECT", 2, 2, COMMAND_QUIET, "0", "there is one database", command_select},
    {"CONFIG", 2, ANY_NUMBER, COMMAND_QUIET, "GET pattern", "what Redis tools ask before they start", command_config},
    {"COMMAND", 1, ANY_NUMBER, COMMAND_QUIET, "[COUNT|LIST|INFO [verb ...]|DOCS [verb ...]]",
     "this table, for Redis clients", command_command},
};
#define TABLE_LEN (sizeof(table) / sizeof(table[0]))

const struct command *command_table(size_t *n)
{
    *n = TABLE_LEN;
    return table;
}

bool command_is(const struct resp_arg *a, const char *keyword)
{
    size_t len = strlen(keyword);
    return a->len == len && strncasecmp(a->text, keyword, len) == 0;
}

const struct command *command_find(const struct resp_arg *verb)
{
    for (size_t i = 0; i < TABLE_LEN; i++) {
        if ((verb->text[0] & 0xdf) == table[i].name[0] && command_is(verb, table[i].name))
            return &table[i];
    }
    return NULL;
}

bool command_takes_text(const struct command *cmd)
{
    return cmd == NULL || (cmd->flags & COMMAND_BINARY) == 0;
}

bool command_number(const struct resp_arg *a, uint64_t *out)
{
    uint64_t value = 0;

    for (size_t i = 0; i < a->len; i++) {
        unsigned digit = (unsigned char)a->text[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = value;
    return a->len > 0;
}

/* ── answers in one line ── */

enum command_outcome command_fail_err(struct command_call *call, const struct err *e)
{
    resp_error(&call->reply, err_word(e->code), e->text);
    return COMMAND_REPLIED;
}

enum command_outcome command_fail(struct command_call *call, int code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    resp_error(&call->reply, err_word(code), text);
    return COMMAND_REPLIED;
}

enum command_outcome command_bad_word(struct command_call *call, size_t at, const char *wanted)
{
    return command_fail(call, ERR_BADARG, "argument %zu (\"%.*s\") must be %s", at, WORD_SHOWN, call->argv[at].text, wanted);
}

enum command_outcome command_ok(struct command_call *call)
{
    resp_simple(&call->reply, "OK");
    return COMMAND_REPLIED;
}

static bool is_http(const struct command_call *call)
{
    const struct resp_arg *last = &call->argv[call->argc - 1];
    return (call->argc == 3 && last->len >= 7 && memcmp(last->text, "HTTP/1.", 7) == 0) || command_is(&call->argv[0], "host:");
}

static enum command_outcome unknown(struct command_call *call)
{
    const struct resp_arg *verb = &call->argv[0];
    struct nearest near;
    const char *name;

    if (is_http(call)) {
        (void)command_fail(call, ERR_BADARG, "this port speaks the rollcall protocol (RESP), not HTTP");
        return COMMAND_CLOSE;
    }
    nearest_init(&near, verb->text);
    for (size_t i = 0; i < TABLE_LEN; i++)
        nearest_offer(&near, table[i].name);
    name = nearest_best(&near);
    if (name != NULL)
        return command_fail(call, ERR_BADARG, "unknown verb \"%.*s\"; did you mean %s?", WORD_SHOWN, verb->text, name);
    return command_fail(call, ERR_BADARG, "unknown verb \"%.*s\"; HELP lists the verbs", WORD_SHOWN, verb->text);
}

static enum command_outcome wrong_number(const struct command *cmd, struct command_call *call)
{
    size_t given = call->argc - 1;
    return command_fail(call, ERR_BADARG, "%s does not take %zu argument%s: %s %s", cmd->name, given, given == 1 ? "" : "s",
                        cmd->name, cmd->usage);
}

enum command_outcome command_run(const struct command *cmd, struct command_call *call)
{
    if (cmd == NULL)
        return unknown(call);
    if (!call->client->is_authenticated && call->server->password != NULL && (cmd->flags & COMMAND_OPEN) == 0)
        return command_fail(call, ERR_NOAUTH, "this server wants a password: AUTH <password>");
    if (call->argc < cmd->min || (cmd->max != ANY_NUMBER && call->argc > cmd->max))
        return wrong_number(cmd, call);
    return cmd->run(call);
}

/* ── connections ── */

void command_client_init(struct command_client *c, uint64_t id)
{
    *c = (struct command_client){.id = id};
}

void command_client_fini(struct command_client *c)
{
    watch_free(c->watch);
    listing_free(c->listing);
    c->watch = NULL;
    c->listing = NULL;
}
