/* The verbs that change the registry. Each turns its words into an event; the registry checks names and answers by an effect
 * (command_reply.c). What is checked here is what the registry never sees: keywords, numbers, durations. */
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/nearest.h"
#include "engine/command_private.h"

#define SHOWN 40 /* bytes of a wrong word that an error repeats */

/* ── REGISTER ── */

/* The words of a REGISTER by kind; they point into argv. */
struct register_words {
    struct description_input in;
    const char *tags[RESP_ARGS_MAX], *checks[RESP_ARGS_MAX];
    struct meta meta[RESP_ARGS_MAX / 2];
    struct port_input ports[RESP_ARGS_MAX / 2];
    const char *ttl;
    bool has_session;
};

typedef void register_take(struct register_words *w, const struct resp_arg *values);

static void take_id(struct register_words *w, const struct resp_arg *v)
{
    w->in.id = v[0].text;
}

static void take_ttl(struct register_words *w, const struct resp_arg *v)
{
    w->ttl = v[0].text;
}

static void take_weight(struct register_words *w, const struct resp_arg *v)
{
    w->in.weight = v[0].text;
}

static void take_priority(struct register_words *w, const struct resp_arg *v)
{
    w->in.priority = v[0].text;
}

static void take_tag(struct register_words *w, const struct resp_arg *v)
{
    w->tags[w->in.n_tags++] = v[0].text;
}

static void take_meta(struct register_words *w, const struct resp_arg *v)
{
    w->meta[w->in.n_meta++] = (struct meta){.key = v[0].text, .value = v[1].text};
}

static void take_port(struct register_words *w, const struct resp_arg *v)
{
    w->ports[w->in.n_ports++] = (struct port_input){.name = v[0].text, .number = v[1].text};
}

static void take_check(struct register_words *w, const struct resp_arg *v)
{
    w->checks[w->in.n_checks++] = v[0].text;
}

static void take_session(struct register_words *w, const struct resp_arg *v)
{
    w->has_session = true;
}

static const struct register_option {
    const char *name;
    unsigned n_values;
    bool is_repeatable;
    const char *usage;
    register_take *take;
} register_options[] = {
    {"ID", 1, false, "ID id", take_id},
    {"TTL", 1, false, "TTL duration", take_ttl},
    {"WEIGHT", 1, false, "WEIGHT n", take_weight},
    {"PRIORITY", 1, false, "PRIORITY n", take_priority},
    {"TAG", 1, true, "TAG t", take_tag},
    {"META", 2, true, "META k v", take_meta},
    {"PORT", 2, true, "PORT name number[/udp]", take_port},
    {"CHECK", 1, true, "CHECK spec", take_check},
    {"SESSION", 0, false, "SESSION", take_session},
};
#define N_REGISTER_OPTIONS (sizeof(register_options) / sizeof(register_options[0]))

static enum command_outcome register_unknown(struct command_call *call, size_t at)
{
    struct nearest near;

    nearest_init(&near, call->argv[at].text);
    for (size_t i = 0; i < N_REGISTER_OPTIONS; i++)
        nearest_offer(&near, register_options[i].name);
    if (nearest_best(&near) != NULL)
        return command_fail(call, ERR_BADARG, "argument %zu: REGISTER has no \"%.*s\"; did you mean %s?", at, SHOWN,
                            call->argv[at].text, nearest_best(&near));
    return command_fail(call, ERR_BADARG,
                        "argument %zu: \"%.*s\" should be ID, TTL, WEIGHT, PRIORITY, TAG, META, PORT, CHECK or SESSION", at,
                        SHOWN, call->argv[at].text);
}

/* The options from argv[4] on. Returns false after it has replied. */
static bool register_parse(struct command_call *call, struct register_words *w)
{
    unsigned seen = 0;

    for (size_t i = 4, next; i < call->argc; i = next) {
        size_t o = 0;
        while (o < N_REGISTER_OPTIONS && !command_is(&call->argv[i], register_options[o].name))
            o++;
        if (o == N_REGISTER_OPTIONS) {
            (void)register_unknown(call, i);
            return false;
        }
        const struct register_option *opt = &register_options[o];
        next = i + 1 + opt->n_values;
        if (next > call->argc) {
            (void)command_fail(call, ERR_BADARG, "argument %zu: %s lacks its value: %s", i, opt->name, opt->usage);
            return false;
        }
        if (!opt->is_repeatable && (seen & (1U << o)) != 0) {
            (void)command_fail(call, ERR_BADARG, "argument %zu: %s is given twice", i, opt->name);
            return false;
        }
        seen |= 1U << o;
        opt->take(w, &call->argv[i + 1]);
    }
    return true;
}

static bool register_lease(struct command_call *call, struct register_words *w)
{
    const struct registry_options *o = call->server->options;
    char low[DURATION_TEXT_MAX], high[DURATION_TEXT_MAX];
    uint64_t ms = o->lease_default_ms;

    if (w->ttl != NULL && duration_parse(w->ttl, &ms) != 0) {
        (void)command_fail(call, ERR_BADARG, "TTL \"%.*s\" must be a duration such as 500ms, 30s, 5m or 1h", SHOWN, w->ttl);
        return false;
    }
    if (ms == 0 && !o->allow_permanent) {
        (void)command_fail(call, ERR_BADARG, "TTL 0 (permanent) needs allow_permanent in the server's configuration");
        return false;
    }
    if (ms != 0 && (ms < o->lease_min_ms || ms > o->lease_max_ms)) {
        (void)command_fail(call, ERR_BADARG, "TTL \"%.*s\" must be %s to %s", SHOWN, w->ttl == NULL ? "" : w->ttl,
                           duration_format(o->lease_min_ms, low), duration_format(o->lease_max_ms, high));
        return false;
    }
    w->in.lease_ms = (uint32_t)ms;
    return true;
}

enum command_outcome command_register(struct command_call *call)
{
    struct register_words w;
    struct description *desc;
    struct err e;

    w.in = (struct description_input){.address = call->argv[2].text, .port = call->argv[3].text};
    w.in.tags = w.tags;
    w.in.meta = w.meta;
    w.in.ports = w.ports;
    w.in.checks = w.checks;
    w.ttl = NULL;
    w.has_session = false;
    if (!register_parse(call, &w) || !register_lease(call, &w))
        return COMMAND_REPLIED;
    if (description_new(&w.in, &call->server->options->limits, &desc, &e) != 0)
        return command_fail_err(call, &e);
    call->event = (struct event){.type = EVENT_REGISTER, .service = call->argv[1].text, .id = desc->id};
    call->event.u.reg.desc = desc;
    call->event.u.reg.session = w.has_session ? call->client->id : 0;
    call->client->has_session |= w.has_session;
    return COMMAND_EVENT;
}

/* ── the others ── */

static void begin(struct command_call *call, enum event_type type)
{
    call->event = (struct event){.type = type, .service = call->argv[1].text, .id = call->argv[2].text};
}

enum command_outcome command_renew(struct command_call *call)
{
    begin(call, EVENT_RENEW);
    return COMMAND_EVENT;
}

enum command_outcome command_deregister(struct command_call *call)
{
    const struct registry_options *o = call->server->options;
    char high[DURATION_TEXT_MAX];
    uint64_t hold_ms = 0;

    if (call->argc > 3 && !command_is(&call->argv[3], "HOLD"))
        return command_bad_word(call, 3, "HOLD");
    if (call->argc == 4)
        return command_fail(call, ERR_BADARG, "argument 3: HOLD lacks its value: HOLD duration");
    if (call->argc > 4 && (duration_parse(call->argv[4].text, &hold_ms) != 0 || hold_ms > o->lease_max_ms))
        return command_fail(call, ERR_BADARG, "HOLD \"%.*s\" must be a duration of at most %s", SHOWN, call->argv[4].text,
                            duration_format(o->lease_max_ms, high));
    begin(call, EVENT_DEREGISTER);
    call->event.u.deregister.hold_ms = hold_ms;
    return COMMAND_EVENT;
}

enum command_outcome command_drain(struct command_call *call)
{
    if (call->argc > 3 && !command_is(&call->argv[3], "OFF"))
        return command_bad_word(call, 3, "OFF");
    begin(call, EVENT_DRAIN);
    call->event.u.drain.off = call->argc > 3;
    return COMMAND_EVENT;
}

enum command_outcome command_report(struct command_call *call)
{
    static const struct {
        const char *name;
        enum check_status status;
    } statuses[] = {{"PASSING", CHECK_PASSING}, {"WARNING", CHECK_WARNING}, {"CRITICAL", CHECK_CRITICAL}};

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (!command_is(&call->argv[3], statuses[i].name))
            continue;
        begin(call, EVENT_REPORT);
        call->event.u.report.status = statuses[i].status;
        call->event.u.report.note = call->argc > 4 ? call->argv[4].text : NULL;
        return COMMAND_EVENT;
    }
    return command_bad_word(call, 3, "PASSING, WARNING or CRITICAL");
}

void command_event_release(struct event *ev)
{
    if (ev->type == EVENT_REGISTER)
        description_unref(ev->u.reg.desc);
}
