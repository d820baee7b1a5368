/* The verbs about the connection itself: who it is, which protocol it speaks, whether it may. Their replies do not depend on the
 * registry, so they never wait.
 *
 * What can go wrong: a wrong password. It is compared in constant time and costs the client nothing but the answer; guessing is
 * for the operator to see in the log of the listener's edge, and hopeless against a password worth the name. */
#include <ctype.h>
#include <string.h>

#include "engine/command_private.h"
#include "engine/watch.h"

/* True if `given` is the password; takes as long for a near miss as for a far one. */
static bool is_password(const char *password, const struct resp_arg *given)
{
    size_t len = strlen(password);
    unsigned char differs = given->len != len;

    for (size_t i = 0; i < given->len; i++)
        differs |= (unsigned char)(given->text[i] ^ password[len == 0 ? 0 : i % len]);
    return differs == 0;
}

/* Redis clients name the user "default". Returns false after it has replied. */
static bool authenticate(struct command_call *call, const struct resp_arg *user, const struct resp_arg *given)
{
    const char *password = call->server->password;

    if (password == NULL) {
        (void)command_fail(call, ERR_BADARG, "this server has no password: leave AUTH out");
        return false;
    }
    if ((user != NULL && !command_is(user, "default")) || !is_password(password, given)) {
        call->client->auth_failures++;
        (void)command_fail(call, ERR_NOAUTH, "the password is wrong (the only user is \"default\")");
        return false;
    }
    call->client->is_authenticated = true;
    return true;
}

enum command_outcome command_auth(struct command_call *call)
{
    const struct resp_arg *user = call->argc == 3 ? &call->argv[1] : NULL;

    if (!authenticate(call, user, &call->argv[call->argc - 1]))
        return COMMAND_REPLIED;
    return command_ok(call);
}

static bool name_is_good(const struct resp_arg *name)
{
    for (size_t i = 0; i < name->len; i++) {
        if (!isgraph((unsigned char)name->text[i]))
            return false;
    }
    return name->len < CLIENT_NAME_MAX;
}

static bool set_name(struct command_call *call, const struct resp_arg *name)
{
    if (!name_is_good(name)) {
        (void)command_fail(call, ERR_BADARG, "a connection's name has at most %d printable bytes and no blanks",
                           CLIENT_NAME_MAX - 1);
        return false;
    }
    memcpy(call->client->name, name->text, name->len + 1);
    return true;
}

static void hello_reply(struct command_call *call)
{
    struct resp_writer *w = &call->reply;

    resp_map(w, 7);
    resp_text(w, "server");
    resp_text(w, "rollcall");
    resp_text(w, "version");
    resp_text(w, call->server->version);
    resp_text(w, "proto");
    resp_int(w, w->is_resp3 ? 3 : 2);
    resp_text(w, "id");
    resp_int(w, call->client->id);
    resp_text(w, "mode");
    resp_text(w, "standalone");
    resp_text(w, "role");
    resp_text(w, "master");
    resp_text(w, "modules");
    resp_array(w, 0);
}

/* HELLO [2|3 [AUTH user password] [SETNAME name]]; nothing changes unless all of it is right. */
enum command_outcome command_hello(struct command_call *call)
{
    bool is_resp3 = call->client->is_resp3;
    const struct resp_arg *name = NULL, *auth = NULL;

    if (call->argc > 1 && !command_is(&call->argv[1], "2") && !command_is(&call->argv[1], "3")) {
        resp_error(&call->reply, "NOPROTO", "argument 1 must be 2 or 3: RESP2 or RESP3");
        return COMMAND_REPLIED;
    }
    if (call->argc > 1)
        is_resp3 = call->argv[1].text[0] == '3';
    for (size_t i = 2; i < call->argc;) {
        if (command_is(&call->argv[i], "AUTH") && i + 2 < call->argc) {
            auth = &call->argv[i + 1];
            i += 3;
        } else if (command_is(&call->argv[i], "SETNAME") && i + 1 < call->argc) {
            name = &call->argv[i + 1];
            i += 2;
        } else {
            return command_bad_word(call, i, "AUTH default <password> or SETNAME <name>");
        }
    }
    if (auth != NULL && !authenticate(call, &auth[0], &auth[1]))
        return COMMAND_REPLIED;
    if (call->server->password != NULL && !call->client->is_authenticated)
        return command_fail(call, ERR_NOAUTH, "this server wants a password: HELLO 3 AUTH default <password>");
    if (name != NULL && !set_name(call, name))
        return COMMAND_REPLIED;
    call->client->is_resp3 = call->reply.is_resp3 = is_resp3;
    hello_reply(call);
    return COMMAND_REPLIED;
}

enum command_outcome command_client_verb(struct command_call *call)
{
    const struct resp_arg *what = &call->argv[1];

    if (command_is(what, "ID") && call->argc == 2) {
        resp_int(&call->reply, call->client->id);
    } else if (command_is(what, "GETNAME") && call->argc == 2) {
        resp_text(&call->reply, call->client->name[0] != '\0' ? call->client->name : NULL);
    } else if (command_is(what, "SETNAME") && call->argc == 3) {
        return set_name(call, &call->argv[2]) ? command_ok(call) : COMMAND_REPLIED;
    } else if ((command_is(what, "SETINFO") && call->argc == 4) || (command_is(what, "NO-EVICT") && call->argc == 3) ||
               (command_is(what, "NO-TOUCH") && call->argc == 3)) {
        return command_ok(call);
    } else {
        return command_bad_word(call, 1, "ID, GETNAME, SETNAME name or SETINFO key value");
    }
    return COMMAND_REPLIED;
}

/* In a RESP2 subscription every frame is an array, the answer to PING too. */
enum command_outcome command_ping(struct command_call *call)
{
    const struct resp_arg *message = call->argc > 1 ? &call->argv[1] : NULL;

    if (!call->reply.is_resp3 && watch_is_subscription(call->client->watch)) {
        resp_array(&call->reply, 2);
        resp_text(&call->reply, "pong");
        resp_bulk(&call->reply, message != NULL ? message->text : "", message != NULL ? message->len : 0);
    } else if (message != NULL) {
        resp_bulk(&call->reply, message->text, message->len);
    } else {
        resp_simple(&call->reply, "PONG");
    }
    return COMMAND_REPLIED;
}

enum command_outcome command_echo(struct command_call *call)
{
    resp_bulk(&call->reply, call->argv[1].text, call->argv[1].len);
    return COMMAND_REPLIED;
}

enum command_outcome command_select(struct command_call *call)
{
    return command_is(&call->argv[1], "0") ? command_ok(call) : command_bad_word(call, 1, "0: there is one database");
}

enum command_outcome command_reset(struct command_call *call)
{
    struct command_client *c = call->client;

    watch_free(c->watch);
    c->watch = NULL;
    c->is_resp3 = call->reply.is_resp3 = c->is_authenticated = false;
    c->name[0] = '\0';
    resp_simple(&call->reply, "RESET");
    return COMMAND_REPLIED;
}

enum command_outcome command_quit(struct command_call *call)
{
    (void)command_ok(call);
    return COMMAND_CLOSE;
}
