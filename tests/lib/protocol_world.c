/* What io/control does with a loop and sockets, done with a buffer and a clock that the test moves. */
#include "protocol_world.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/listing.h"

#define STEP_MS 100
#define LINE_MAX_BYTES 65536
#define OUTPUT_MAX (1024 * 1024)
#define START_REVISION 1000

/* ── a publisher that publishes nothing ── */

void publish_effect(struct publisher *p, const struct effect *x, bool can_wait)
{
}

int publish_flush(struct publisher *p, uint64_t now_ms, uint64_t mono_ms)
{
    return 0;
}

uint64_t publish_next_ms(const struct publisher *p)
{
    return UINT64_MAX;
}

/* The first one served; the world stands in for the publisher. */
int publish_pick(struct publisher *p, const char *service, const char *tag, const char *port, struct publish_pick *out, struct err *e)
{
    const struct protocol_world *w = (const struct protocol_world *)p;
    const struct service *s = registry_service(w->registry, service);

    if (s == NULL)
        return err_set(e, ERR_NOTFOUND, "nobody has registered \"%s\"", service);
    for (struct list *at = s->ordered.next; at != &s->ordered; at = at->next) {
        const struct instance *i = CONTAINER_OF(at, struct instance, link);
        if (!instance_state_is_served(i->state) || (tag != NULL && (i->desc->n_tags == 0 || strcmp(tag, i->desc->more->tags[0]) != 0)))
            continue;
        *out = (struct publish_pick){.instance = i, .port = port != NULL ? i->desc->more->ports[0].number : i->desc->port};
        return 0;
    }
    return err_set(e, ERR_NOTFOUND, "%u registered, 0 served", s->n_registered);
}

/* ── hooks ── */

static struct resp_writer writer(struct protocol_world *w)
{
    return (struct resp_writer){.out = &w->out, .is_resp3 = w->client.is_resp3};
}

static void on_reply(void *arg, const struct effect *reply)
{
    struct protocol_world *w = arg;
    struct resp_writer out = writer(w);
    uint64_t client = reply->u.reply.request >> REPLY_SEQ_BITS;

    if (client == w->client.id)
        must(reply_fifo_fill(&w->owed, (uint32_t)(reply->u.reply.request & ((1U << REPLY_SEQ_BITS) - 1)), reply, &out) == 0);
}

static void on_probe(void *arg, const struct probe_job *job)
{
}

static void on_changed(void *arg)
{
}

/* ── life ── */

static void connect_client(struct protocol_world *w, uint64_t id)
{
    command_client_init(&w->client, id);
    reply_fifo_init(&w->owed);
    w->progress = (struct resp_progress){0};
    w->is_closed = false;
}

static void disconnect_client(struct protocol_world *w)
{
    struct event ev = {.type = EVENT_SESSION_CLOSED, .u.closed.session = w->client.id};

    if (w->client.has_session)
        core_event(w->core, &ev, &w->time);
    command_client_fini(&w->client);
    reply_fifo_fini(&w->owed);
    buf_reset(&w->in);
    buf_reset(&w->out);
}

static const struct registry_options defaults = {
    .lease_default_ms = 30000,
    .lease_min_ms = 1000,
    .lease_max_ms = 86400000,
    .session_grace_ms = 5000,
    .allow_permanent = true,
    .max_services = 100,
    .max_instances = 100,
    .limits = {.tags = 8, .meta = 8, .ports = 8, .checks = 4, .meta_bytes = 1024},
    .expiry_slice = 1000,
};

void protocol_world_init(struct protocol_world *w, const char *password)
{
    static const struct service_policy policy = {.ttl_s = 5, .max_answers = 8};
    struct core_hooks hooks = {.arg = w, .reply = on_reply, .probe = on_probe, .changed = on_changed};
    struct err e;

    memset(w, 0, sizeof(*w));
    w->options = defaults;
    w->time = (struct core_time){.now_ms = 1000, .mono_ms = 1000, .wall_us = 1700000000000000};
    must(registry_new(&w->options, &policy, START_REVISION, 1, w->time.now_ms, &w->registry) == 0);
    must(store_memory.open(NULL, NULL, NULL, &w->store, &e) == 0);
    must(health_new(16, 1, w->time.now_ms, &w->health) == 0);
    must(changes_new(PROTOCOL_WORLD_HISTORY, registry_revision(w->registry), &w->changes) == 0);
    struct core_parts parts = {.registry = w->registry,
                               .publisher = (struct publisher *)w,
                               .health = w->health,
                               .changes = w->changes,
                               .store_vtable = &store_memory,
                               .store = w->store};
    must(core_new(&parts, &hooks, &w->core) == 0);
    w->server = (struct command_server){.registry = w->registry,
                                        .publisher = parts.publisher,
                                        .changes = w->changes,
                                        .options = &w->options,
                                        .time = &w->time,
                                        .version = "0.1.0",
                                        .password = password};
    resp_request_init(&w->request);
    buf_init(&w->in, 0);
    buf_init(&w->out, OUTPUT_MAX);
    connect_client(w, 1);
}

void protocol_world_fini(struct protocol_world *w)
{
    disconnect_client(w);
    core_turn(w->core, &w->time);
    core_free(w->core);
    changes_free(w->changes);
    health_free(w->health);
    store_memory.close(w->store);
    registry_free(w->registry);
    resp_request_fini(&w->request);
    buf_fini(&w->in);
    buf_fini(&w->out);
}

void protocol_reconnect(struct protocol_world *w)
{
    uint64_t id = w->client.id + 1;

    disconnect_client(w);
    connect_client(w, id);
}

/* ── requests ── */

static void fail(struct protocol_world *w, const struct err *e)
{
    struct resp_writer out = writer(w);
    struct buf aside;

    if (reply_fifo_is_empty(&w->owed)) {
        resp_error(&out, err_word(e->code), e->text);
        return;
    }
    buf_init(&aside, 0);
    out.out = &aside;
    resp_error(&out, err_word(e->code), e->text);
    must(reply_fifo_push_ready(&w->owed, aside.data, aside.len) == 0);
    buf_fini(&aside);
}

static void run(struct protocol_world *w, const struct command *cmd)
{
    struct buf aside;
    bool is_direct = reply_fifo_is_empty(&w->owed);
    struct command_call call = {.server = &w->server, .client = &w->client, .argv = w->request.args, .argc = w->request.n};
    enum command_outcome outcome;
    uint32_t seq;

    buf_init(&aside, OUTPUT_MAX);
    call.reply = writer(w);
    call.reply.out = is_direct ? &w->out : &aside;
    outcome = command_run(cmd, &call);
    if (outcome == COMMAND_EVENT) {
        must(reply_fifo_push(&w->owed, call.event.type, &seq) == 0);
        call.event.request = w->client.id << REPLY_SEQ_BITS | seq;
        core_event(w->core, &call.event, &w->time);
        command_event_release(&call.event);
    } else if (!is_direct) {
        must(reply_fifo_push_ready(&w->owed, aside.data, aside.len) == 0);
    }
    w->is_closed |= outcome == COMMAND_CLOSE;
    buf_fini(&aside);
}

/* True: the list is written. */
static bool listing_rest(struct protocol_world *w)
{
    struct resp_writer out = writer(w);

    if (!listing_pump(w->client.listing, &w->server, &out, OUTPUT_MAX / 2))
        return false;
    listing_free(w->client.listing);
    w->client.listing = NULL;
    return true;
}

/* One request of w->in; false if there is none. */
static bool step(struct protocol_world *w)
{
    const struct command *cmd;
    struct err e;
    int r = resp_parse(&w->progress, (char *)w->in.data, w->in.len, LINE_MAX_BYTES, &w->request, &e);

    if (r == ERR_MORE || w->is_closed)
        return false;
    if (r == 0 && w->request.n > 0) {
        cmd = command_find(&w->request.args[0]);
        if (reply_fifo_len(&w->owed) == REPLY_FIFO_MAX || (cmd != NULL && (cmd->flags & COMMAND_READS) != 0))
            core_turn(w->core, &w->time);
        r = resp_terminate(&w->request, command_takes_text(cmd), &e);
        if (r == 0)
            run(w, cmd);
    }
    if (r != 0) {
        fail(w, &e);
        w->is_closed |= w->request.consumed == 0;
    }
    while (w->client.listing != NULL && !listing_rest(w))
        ;
    buf_consume(&w->in, w->request.consumed);
    return !w->is_closed;
}

void protocol_feed(struct protocol_world *w, const void *data, size_t len)
{
    struct resp_writer out;

    buf_append(&w->in, data, len);
    while (step(w))
        ;
    core_turn(w->core, &w->time);
    out = writer(w);
    if (w->client.watch != NULL && !w->is_closed)
        w->is_closed = watch_pump(w->client.watch, &w->server, &out, OUTPUT_MAX / 2) == WATCH_LOST;
}

const char *protocol_say(struct protocol_world *w, const char *text)
{
    buf_reset(&w->out);
    protocol_feed(w, text, strlen(text));
    return buf_cstr(&w->out);
}

void protocol_advance(struct protocol_world *w, uint64_t ms)
{
    while (ms > 0) {
        uint64_t step_ms = ms < STEP_MS ? ms : STEP_MS;
        ms -= step_ms;
        w->time.now_ms += step_ms;
        w->time.mono_ms += step_ms;
        w->time.wall_us += step_ms * 1000;
        core_turn(w->core, &w->time);
    }
}
