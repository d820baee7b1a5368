/* The verbs that read the registry: PICK, for whoever wants one address, and LIST, for whoever wants to know. Replies are maps by
 * field name (flat arrays in RESP2), so that later fields do not move earlier ones.
 *
 * What can go wrong: a list too big for the connection's output; the caller finds the buffer failed and answers -LIMIT. */
#include <string.h>

#include "base/list.h"
#include "engine/command_private.h"

#define MS_PER_S 1000

/* ── PICK ── */

static bool pick_options(struct command_call *call, const char **tag, const char **port)
{
    for (size_t i = 2; i < call->argc; i += 2) {
        const char **to = command_is(&call->argv[i], "TAG") ? tag : command_is(&call->argv[i], "PORT") ? port : NULL;
        if (to == NULL) {
            (void)command_bad_word(call, i, "TAG t or PORT name");
            return false;
        }
        if (*to != NULL || i + 1 == call->argc) {
            (void)command_fail(call, ERR_BADARG, "argument %zu: %s %s", i, call->argv[i].text,
                               *to != NULL ? "is given twice" : "lacks its value");
            return false;
        }
        *to = call->argv[i + 1].text;
    }
    return true;
}

enum command_outcome command_pick(struct command_call *call)
{
    const char *tag = NULL, *port = NULL;
    char address[ADDRESS_TEXT_MAX];
    struct publish_pick pick;
    struct err e;
    int r;

    if (!pick_options(call, &tag, &port))
        return COMMAND_REPLIED;
    r = publish_pick(call->server->publisher, call->argv[1].text, tag, port, &pick, &e);
    if (r == ERR_NOTFOUND) { /* not the client's mistake: there is nobody now */
        resp_error(&call->reply, err_word(ERR_UNAVAILABLE), e.text);
        return COMMAND_REPLIED;
    }
    if (r != 0)
        return command_fail_err(call, &e);
    (void)description_address(pick.instance->desc, address);
    address[strcspn(address, ",")] = '\0'; /* of both the IPv4 one: what a caller passes to connect() */
    resp_array(&call->reply, 3);
    resp_text(&call->reply, address);
    resp_int(&call->reply, pick.port);
    resp_text(&call->reply, pick.instance->desc->id);
    return COMMAND_REPLIED;
}

/* ── LIST ── */

static void field_text(struct resp_writer *w, const char *name, const char *value)
{
    resp_text(w, name);
    resp_text(w, value);
}

static void field_int(struct resp_writer *w, const char *name, uint64_t value)
{
    resp_text(w, name);
    resp_int(w, value);
}

#define SERVICE_FIELDS 4 /* beside one per state */

static void write_service(struct resp_writer *w, const struct service *s)
{
    resp_map(w, SERVICE_FIELDS + STATE_LOST - STATE_STARTING + 1);
    field_text(w, "name", s->name);
    field_int(w, "registered", s->n_registered);
    field_int(w, "served", s->n_served);
    for (enum instance_state state = STATE_STARTING; state <= STATE_LOST; state++)
        field_int(w, instance_state_name(state), s->by_state[state]);
    field_int(w, "revision", s->revision);
}

static enum command_outcome list_services(struct command_call *call)
{
    const struct registry *r = call->server->registry;
    struct registry_counts counts;

    registry_counts(r, &counts);
    resp_array(&call->reply, counts.services);
    for (const struct service *s = NULL; (s = registry_each(r, s)) != NULL && !call->reply.out->failed;)
        write_service(&call->reply, s);
    return COMMAND_REPLIED;
}

static uint64_t since_s(uint64_t now_ms, uint64_t then_ms)
{
    return now_ms > then_ms ? (now_ms - then_ms) / MS_PER_S : 0;
}

static void write_checks(struct resp_writer *w, const struct instance *i, uint64_t now_ms)
{
    resp_array(w, instance_n_checks(i));
    for (size_t n = 0; n < instance_n_checks(i); n++) {
        const struct check_state *c = &i->checks->states[n];
        resp_map(w, 4);
        field_text(w, "check", i->checks->specs[n].text);
        field_text(w, "status", check_status_name(c->status));
        field_int(w, "since", since_s(now_ms, c->since_ms));
        field_text(w, "output", c->output);
    }
}

static void write_description(struct resp_writer *w, const struct description *d)
{
    resp_text(w, "tags");
    resp_array(w, d->n_tags);
    for (size_t i = 0; i < d->n_tags; i++)
        resp_text(w, d->more->tags[i]);
    resp_text(w, "meta");
    resp_map(w, d->n_meta);
    for (size_t i = 0; i < d->n_meta; i++)
        field_text(w, d->more->meta[i].key, d->more->meta[i].value);
    resp_text(w, "ports");
    resp_array(w, d->n_ports);
    for (size_t i = 0; i < d->n_ports; i++) {
        resp_array(w, 3);
        resp_text(w, d->more->ports[i].name);
        resp_int(w, d->more->ports[i].number);
        resp_text(w, d->more->ports[i].is_udp ? "udp" : "tcp");
    }
}

#define INSTANCE_FIELDS 14

static void write_instance(struct resp_writer *w, const struct instance *i, uint64_t now_ms)
{
    const struct description *d = i->desc;
    char address[ADDRESS_TEXT_MAX];

    resp_map(w, INSTANCE_FIELDS);
    field_text(w, "id", d->id);
    field_text(w, "address", description_address(d, address));
    field_int(w, "port", d->port);
    field_text(w, "state", instance_state_name(i->state));
    field_int(w, "weight", d->weight);
    field_int(w, "priority", d->priority);
    write_description(w, d);
    field_int(w, "lease", (d->lease_ms + MS_PER_S - 1) / MS_PER_S);
    resp_text(w, "left");
    if (i->deadline_ms == UINT64_MAX)
        resp_null(w);
    else
        resp_int(w, i->deadline_ms > now_ms ? (i->deadline_ms - now_ms + MS_PER_S - 1) / MS_PER_S : 0);
    field_int(w, "registered", since_s(now_ms, i->registered_ms));
    field_int(w, "revision", i->revision);
    resp_text(w, "checks");
    write_checks(w, i, now_ms);
}

static enum command_outcome list_instances(struct command_call *call, const char *name)
{
    const struct service *s = registry_service(call->server->registry, name);

    resp_array(&call->reply, s == NULL ? 0 : s->n_registered);
    if (s == NULL)
        return COMMAND_REPLIED;
    for (struct list *at = s->ordered.next; at != &s->ordered && !call->reply.out->failed; at = at->next)
        write_instance(&call->reply, CONTAINER_OF(at, struct instance, link), call->server->time->now_ms);
    return COMMAND_REPLIED;
}

/* LIST [<service>] [CONSISTENT]. A local store is consistent with itself, so the word changes nothing yet. */
enum command_outcome command_list(struct command_call *call)
{
    size_t n = call->argc;
    struct err e;

    if (n == 3 && !command_is(&call->argv[2], "CONSISTENT"))
        return command_bad_word(call, 2, "CONSISTENT");
    if (n == 3 || (n == 2 && command_is(&call->argv[1], "CONSISTENT")))
        n--;
    if (n == 1)
        return list_services(call);
    if (service_name_check(call->argv[1].text, &e) != 0)
        return command_fail_err(call, &e);
    return list_instances(call, call->argv[1].text);
}
