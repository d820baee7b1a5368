/* WATCH and the verbs of Redis' subscriptions. They only say what the connection wants to see; the frames come from watch_pump,
 * which the owner of the connection calls when there is something new and room to write it. */
#include <string.h>

#include "engine/command_private.h"
#include "engine/watch.h"

static enum command_outcome no_memory(struct command_call *call)
{
    return command_fail(call, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
}

/* WATCH [<service>] [FROM revision]; a second WATCH replaces the first. */
enum command_outcome command_watch(struct command_call *call)
{
    size_t from_at = call->argc >= 3 ? call->argc - 2 : 0; /* where FROM stands, 0: nowhere */
    const char *service = call->argc == 2 || call->argc == 4 ? call->argv[1].text : NULL;
    uint64_t from = 0;
    struct watch *watch;
    struct err e;

    if (from_at != 0 && !command_is(&call->argv[from_at], "FROM"))
        return command_bad_word(call, from_at, "FROM, followed by a revision");
    if (from_at != 0 && !command_number(&call->argv[from_at + 1], &from))
        return command_bad_word(call, from_at + 1, "a revision: the number of the last frame you have");
    if (service != NULL && service_name_check(service, &e) != 0)
        return command_fail_err(call, &e);
    if (watch_is_subscription(call->client->watch))
        return command_fail(call, ERR_BADARG, "this connection has subscriptions: WATCH on another one, or UNSUBSCRIBE first");
    if (watch_new(call->server, service, from_at != 0 ? &from : NULL, &watch) != 0)
        return no_memory(call);
    watch_free(call->client->watch);
    call->client->watch = watch;
    return command_ok(call);
}

/* ── subscriptions ── */

static bool pattern_check(const struct resp_arg *a, struct err *e)
{
    if (a->len == 0 || a->len > SERVICE_NAME_MAX)
        return err_set(e, ERR_BADARG, "a pattern has 1 to %d bytes, such as web-*", SERVICE_NAME_MAX) == 0;
    return true;
}

static bool channel_check(const struct resp_arg *a, struct err *e)
{
    return strcmp(a->text, "*") == 0 || service_name_check(a->text, e) == 0;
}

static void confirm(struct command_call *call, const char *what, const char *channel)
{
    const struct watch *w = call->client->watch;

    resp_push(&call->reply, 3);
    resp_text(&call->reply, what);
    resp_text(&call->reply, channel);
    resp_int(&call->reply, w == NULL ? 0 : watch_n_channels(w));
}

/* All names are checked before the first one counts. */
static enum command_outcome subscribe(struct command_call *call, bool is_pattern)
{
    struct command_client *c = call->client;
    struct err e;
    int r = 0;

    for (size_t i = 1; i < call->argc; i++) {
        if (!(is_pattern ? pattern_check(&call->argv[i], &e) : channel_check(&call->argv[i], &e)))
            return command_fail(call, ERR_BADARG, "argument %zu: %s", i, e.text);
    }
    if (c->watch != NULL && !watch_is_subscription(c->watch))
        return command_fail(call, ERR_BADARG, "this connection has a WATCH: subscribe on another one");
    if (c->watch == NULL && watch_new_subscription(call->server, &c->watch) != 0)
        return no_memory(call);
    for (size_t i = 1; i < call->argc && r == 0; i++) {
        r = watch_subscribe(c->watch, call->argv[i].text, is_pattern);
        if (r == 0)
            confirm(call, is_pattern ? "psubscribe" : "subscribe", call->argv[i].text);
    }
    if (r == ERR_LIMIT)
        return command_fail(call, ERR_LIMIT, "a connection may have %d subscriptions", WATCH_CHANNELS_MAX);
    return r != 0 ? no_memory(call) : COMMAND_REPLIED;
}

/* Redis confirms each, and a single null when there was none to end. */
static enum command_outcome unsubscribe(struct command_call *call, bool is_pattern)
{
    const char *what = is_pattern ? "punsubscribe" : "unsubscribe";
    struct command_client *c = call->client;
    struct watch *w = watch_is_subscription(c->watch) ? c->watch : NULL;
    bool any = false;

    for (size_t i = 1; i < call->argc; i++, any = true) {
        if (w != NULL)
            watch_unsubscribe(w, call->argv[i].text, is_pattern);
        confirm(call, what, call->argv[i].text);
    }
    while (call->argc == 1 && w != NULL && watch_any_channel(w, is_pattern) != NULL) {
        char name[SERVICE_NAME_MAX + 1];
        const char *channel = watch_any_channel(w, is_pattern);
        memcpy(name, channel, strlen(channel) + 1);
        watch_unsubscribe(w, name, is_pattern);
        confirm(call, what, name);
        any = true;
    }
    if (!any)
        confirm(call, what, NULL);
    if (w != NULL && watch_n_channels(w) == 0) {
        watch_free(w);
        c->watch = NULL;
    }
    return COMMAND_REPLIED;
}

enum command_outcome command_subscribe(struct command_call *call)
{
    return subscribe(call, false);
}

enum command_outcome command_psubscribe(struct command_call *call)
{
    return subscribe(call, true);
}

enum command_outcome command_unsubscribe(struct command_call *call)
{
    return unsubscribe(call, false);
}

enum command_outcome command_punsubscribe(struct command_call *call)
{
    return unsubscribe(call, true);
}
