/* One connection of the rollcall protocol.
 *
 * The happy path: bytes come in, whole requests are run out of the read buffer without a copy, writes become events of the
 * core, their replies arrive at the end of the turn, and one send carries all of them. An idle connection holds next to no buffers.
 *
 * A connection waits, and is not read meanwhile, so that TCP slows the client down:
 *   - a request that reads while replies to its own writes are owed: it would not see them;
 *   - REPLY_FIFO_MAX requests on their way, or CONTROL_OUTPUT_SOFT bytes that the client has not read;
 *   - the time that a turn has for requests is over.
 * It goes on in a later turn (conn_resume), never from within the flush that freed it.
 *
 * What can go wrong: framing that is lost, and then the client is told and the connection ends; it lingers until the client has
 * stopped sending, because closing a socket with unread bytes resets it and the client would never see why. A watcher that the
 * history has overtaken, and a connection that there is no memory for, are dropped. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/listing.h"
#include "engine/watch.h"
#include "io/control_private.h"

#define FRAMES_PER_TURN (1024 * 1024) /* bytes of frames and lists for all connections, so that others wait milliseconds only */
#define FRAMES_MIN 1024     /* but for each at least, and one call of the pump counts for as much */
#define LOOK_EVERY 32       /* requests between looks at the clock, but after each that may be long */
#define ERROR_ROOM 1024     /* for the error that says that a reply did not fit */
#define WRITE_REPLY_MAX 320 /* bytes of the reply to a write */
#define KEEP_CAP 16384      /* output memory that is kept when empty */

static void on_ready(struct ev_loop *loop, ev_io *io, int events);

struct conn *conn_new(struct control *control, int fd, uint32_t seat)
{
    struct conn *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->control = control;
    c->seat = seat;
    list_init(&c->touched);
    list_init(&c->resuming);
    list_init(&c->watching);
    list_init(&c->closing);
    buf_init(&c->in, 0);
    buf_init(&c->out, control->limits.output_max + CONTROL_OUTPUT_SOFT);
    reply_fifo_init(&c->owed);
    command_client_init(&c->client, ++control->last_client);
    ev_io_init(&c->io, on_ready, fd, EV_READ);
    ev_io_start(control->loop, &c->io);
    return c;
}

void conn_free(struct conn *c)
{
    list_remove(&c->touched);
    list_remove(&c->resuming);
    list_remove(&c->watching);
    list_remove(&c->closing);
    ev_io_stop(c->control->loop, &c->io);
    close(c->io.fd);
    buf_fini(&c->in);
    buf_fini(&c->out);
    reply_fifo_fini(&c->owed);
    command_client_fini(&c->client);
    free(c);
}

void conn_touch(struct conn *c)
{
    if (list_is_empty(&c->touched))
        list_push(&c->control->touched, &c->touched);
}

const char *conn_peer(const struct conn *c, char out[CONN_PEER_MAX])
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    char host[48], port[8];

    if (getpeername(c->io.fd, (struct sockaddr *)&addr, &len) != 0 || addr.ss_family == AF_UNIX ||
        getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return strcpy(out, "unix");
    (void)snprintf(out, CONN_PEER_MAX, addr.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return out;
}

static size_t unsent(const struct conn *c)
{
    return c->out.len - c->sent;
}

static struct resp_writer writer(struct conn *c, struct buf *out)
{
    return (struct resp_writer){.out = out, .is_resp3 = c->client.is_resp3};
}

/* Drops a connection that cannot go on, at the end of the turn: its replies would be out of order or missing. */
static void doom(struct conn *c)
{
    buf_reset(&c->out);
    c->sent = 0;
    reply_fifo_fini(&c->owed);
    listing_free(c->client.listing);
    c->client.listing = NULL;
    c->is_ending = c->is_eof = true;
    c->has_frames = false;
    conn_touch(c);
}

/* ── requests ── */

/* What was written to `out` behind `mark` is a whole reply, or did not fit and becomes an error. */
static void settle_reply(struct conn *c, struct buf *out, size_t mark)
{
    struct resp_writer w = writer(c, out);

    if (!out->failed)
        return;
    out->len = mark;
    out->failed = false;
    out->limit += ERROR_ROOM;
    resp_error(&w, err_word(ERR_LIMIT), "the reply does not fit in the connection's output (output_max)");
    out->limit -= ERROR_ROOM;
}

/* Replies that are known at once: to the output, or behind those that are owed. */
static struct buf *reply_begin(struct conn *c, size_t *mark)
{
    struct buf *out = reply_fifo_is_empty(&c->owed) ? &c->out : &c->control->aside;

    if (out == &c->control->aside) {
        buf_reset(out);
        out->limit = c->control->limits.output_max;
    }
    *mark = out->len;
    return out;
}

static void reply_end(struct conn *c, struct buf *out, size_t mark)
{
    settle_reply(c, out, mark);
    if (out->failed || (out != &c->out && reply_fifo_push_ready(&c->owed, out->data, out->len) != 0))
        doom(c);
    conn_touch(c);
}

static void reply_error(struct conn *c, const struct err *e)
{
    size_t mark;
    struct buf *out = reply_begin(c, &mark);
    struct resp_writer w = writer(c, out);

    resp_error(&w, err_word(e->code), e->text);
    reply_end(c, out, mark);
}

static void run_event(struct conn *c, struct event *ev)
{
    struct control *control = c->control;
    uint32_t seq;

    if (reply_fifo_push(&c->owed, ev->type, &seq) != 0) {
        doom(c);
    } else {
        ev->request = ((uint64_t)c->seat << (GENERATION_BITS + REPLY_SEQ_BITS)) |
                      ((uint64_t)control->seats[c->seat].generation << REPLY_SEQ_BITS) | seq;
        core_event(control->core, ev, control->server.time);
    }
    command_event_release(ev);
}

static void log_auth_failure(struct conn *c)
{
    char peer[CONN_PEER_MAX];

    if (c->client.auth_failures == c->auth_failures)
        return;
    if (c->auth_failures == 0)
        log_event(LOG_LEVEL_WARN, "auth_failed", "client", conn_peer(c, peer), NULL);
    c->control->counts.auth_failures++;
    c->auth_failures = c->client.auth_failures;
}

/* The watch that a request has made, replaced or ended. */
static void follow_watch(struct conn *c)
{
    struct control *control = c->control;
    bool is_listed = !list_is_empty(&c->watching);

    if (c->client.watch != NULL && !is_listed) {
        list_push(&control->watching, &c->watching);
        control->n_watching++;
    } else if (c->client.watch == NULL && is_listed) {
        list_remove(&c->watching);
        control->n_watching--;
    }
}

/* What the connection has to write beside replies. Called when either may have come or gone. */
static void follow_streams(struct conn *c)
{
    bool is_streaming = c->client.watch != NULL || c->client.listing != NULL;

    c->control->n_streaming += (uint32_t)is_streaming - (uint32_t)c->is_streaming;
    c->is_streaming = c->has_frames = is_streaming;
}

static void run_request(struct conn *c, const struct command *cmd, const struct resp_request *rq)
{
    size_t mark;
    struct buf *out = reply_begin(c, &mark);
    struct watch *watch = c->client.watch;
    struct command_call call;
    enum command_outcome outcome;

    call.server = &c->control->server;
    call.client = &c->client;
    call.argv = rq->args;
    call.argc = rq->n;
    call.reply = writer(c, out);
    c->control->counts.requests++;
    outcome = command_run(cmd, &call);
    if (outcome == COMMAND_EVENT) {
        run_event(c, &call.event);
        return;
    }
    reply_end(c, out, mark);
    c->is_ending |= outcome == COMMAND_CLOSE;
    log_auth_failure(c);
    if (c->client.watch != watch)
        follow_watch(c);
    if (c->client.watch != watch || c->client.listing != NULL)
        follow_streams(c);
}

/* The client has asked for as much as it may without reading. */
static bool must_wait(const struct conn *c)
{
    uint32_t n = reply_fifo_len(&c->owed);

    return n >= REPLY_FIFO_MAX || c->client.listing != NULL || unsent(c) + c->owed.kept > CONTROL_OUTPUT_SOFT ||
           (size_t)n * WRITE_REPLY_MAX > c->control->limits.output_max;
}

/* Framing is lost: whatever else comes is noise. */
static void lose_framing(struct conn *c)
{
    c->control->counts.framing_errors++;
    c->is_ending = true;
}

/* Runs the requests at data[0..len); returns how many bytes are done. */
static size_t run_requests(struct conn *c, char *data, size_t len)
{
    struct resp_request *rq = &c->control->request;
    size_t at = 0, n = 0;
    bool looks = false; /* at the clock, before the next request; the first may always run */

    c->is_waiting = c->waits_for_replies = false;
    while (at < len && !c->is_ending) {
        const struct command *cmd = NULL;
        struct err e;
        int r;

        if (must_wait(c) || (looks && control_is_over(c->control))) {
            c->is_waiting = true;
            return at;
        }
        r = resp_parse(&c->progress, data + at, len - at, c->control->limits.line_max, rq, &e);
        if (r == ERR_MORE)
            return at;
        if (r == 0 && rq->n > 0) {
            cmd = command_find(&rq->args[0]);
            if (cmd != NULL && (cmd->flags & COMMAND_READS) != 0 && !reply_fifo_is_empty(&c->owed)) {
                c->is_waiting = c->waits_for_replies = true;
                return at;
            }
            r = resp_terminate(rq, command_takes_text(cmd), &e);
            if (r == 0)
                run_request(c, cmd, rq);
        }
        if (r != 0)
            reply_error(c, &e);
        if (r != 0 && rq->consumed == 0)
            lose_framing(c);
        at += rq->consumed;
        c->control->has_run = true;
        looks = ++n % LOOK_EVERY == 0 || (cmd != NULL && (cmd->flags & COMMAND_READS) != 0);
    }
    return c->is_ending ? len : at;
}

/* ── reading ── */

/* What a turn could not run is kept, and the memory given back when there is nothing left to keep. */
static void run_kept(struct conn *c)
{
    size_t done = run_requests(c, (char *)c->in.data, c->in.len);

    if (done == c->in.len)
        buf_fini(&c->in);
    else
        buf_consume(&c->in, done);
}

static void take_bytes(struct conn *c, char *data, size_t len)
{
    bool has_kept = c->in.len > 0, is_over = control_is_over(c->control);
    size_t done = has_kept || is_over ? 0 : run_requests(c, data, len);

    if (done == len)
        return;
    buf_append(&c->in, data + done, len - done);
    if (c->in.failed)
        doom(c);
    else if (is_over)
        c->is_waiting = true;
    else if (has_kept)
        run_kept(c);
}

void conn_resume(struct conn *c)
{
    run_kept(c);
    conn_touch(c);
}

static void on_ready(struct ev_loop *loop, ev_io *io, int events)
{
    struct conn *c = CONTAINER_OF(io, struct conn, io);
    struct control *control = c->control;
    ssize_t n;

    conn_touch(c);
    if ((events & EV_READ) == 0)
        return;
    n = recv(io->fd, control->read_buffer, sizeof(control->read_buffer), 0);
    if (n > 0 && !c->is_ending)
        take_bytes(c, control->read_buffer, (size_t)n);
    else if (n == 0)
        c->is_eof = true;
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        doom(c);
}

/* ── replies ── */

void conn_reply(struct conn *c, uint32_t seq, const struct effect *reply)
{
    struct resp_writer w = writer(c, &c->out);

    if (reply_fifo_fill(&c->owed, seq, reply, &w) != 0 || c->out.failed)
        doom(c);
    conn_touch(c);
}

/* False: the connection is lost. Sends what it can. */
static bool send_output(struct conn *c)
{
    while (unsent(c) > 0) {
        ssize_t n = send(c->io.fd, c->out.data + c->sent, unsent(c), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        c->sent += (size_t)n;
    }
    c->sent = 0;
    if (c->out.cap > KEEP_CAP)
        buf_fini(&c->out);
    buf_reset(&c->out);
    return true;
}

/* At most `budget` bytes. False: there is no room for an item. */
static bool write_list(struct conn *c, size_t budget)
{
    struct resp_writer w = writer(c, &c->out);

    if (!listing_pump(c->client.listing, &c->control->server, &w, budget))
        return true;
    listing_free(c->client.listing);
    c->client.listing = NULL;
    follow_streams(c);
    return !c->out.failed;
}

/* At most `budget` bytes. False: the watcher is too slow. */
static bool write_frames(struct conn *c, size_t budget)
{
    struct resp_writer w = writer(c, &c->out);
    char peer[CONN_PEER_MAX];
    enum watch_result r = watch_pump(c->client.watch, &c->control->server, &w, budget);

    c->has_frames = r == WATCH_MORE;
    if (r != WATCH_LOST && !c->out.failed)
        return true;
    c->control->counts.slow_watchers++;
    log_event(LOG_LEVEL_WARN, "watcher_dropped", "client", conn_peer(c, peer), "reason",
              "it reads slower than the history forgets", NULL);
    return false;
}

/* The share of a turn that a watcher has, or a reader of a long list. */
static size_t frames_share(const struct control *control)
{
    size_t share = FRAMES_PER_TURN / (control->n_streaming > 0 ? control->n_streaming : 1);
    return share > FRAMES_MIN ? share : FRAMES_MIN;
}

/* Alternates frames and sends until all is said, the socket is full, or the watcher has had its share of the turn. */
static bool write_output(struct conn *c)
{
    size_t share = frames_share(c->control);

    for (;;) {
        if (c->has_frames && unsent(c) < CONTROL_OUTPUT_SOFT) {
            size_t before = c->out.len, room = CONTROL_OUTPUT_SOFT - unsent(c), used;
            size_t budget = room < share ? room : share;
            if (!(c->client.listing != NULL ? write_list(c, budget) : write_frames(c, budget)))
                return false;
            used = c->out.len - before > FRAMES_MIN ? c->out.len - before : FRAMES_MIN;
            share = share > used ? share - used : 0;
        }
        if (!send_output(c))
            return false;
        if (unsent(c) > 0 || !c->has_frames || share == 0)
            return true;
    }
}

static void want_events(struct conn *c)
{
    bool is_lingering = !list_is_empty(&c->closing);
    bool reads = !c->is_eof && !c->is_waiting && (!c->is_ending || is_lingering);
    int events = (reads ? EV_READ : 0) | (unsent(c) > 0 ? EV_WRITE : 0);

    if (events == (c->io.events & (EV_READ | EV_WRITE)) && (events == 0) == !ev_is_active(&c->io))
        return;
    ev_io_stop(c->control->loop, &c->io);
    ev_io_set(&c->io, c->io.fd, events);
    if (events != 0)
        ev_io_start(c->control->loop, &c->io);
}

/* All is sent that will be: releases the connection, or lets it linger until the peer has stopped sending too. */
static void end(struct conn *c)
{
    struct control *control = c->control;

    if (c->is_eof || shutdown(c->io.fd, SHUT_WR) != 0) {
        control_release(c);
        return;
    }
    if (list_is_empty(&c->closing)) {
        c->linger_until_ms = control->server.time->mono_ms + CONTROL_LINGER_MS;
        list_push(&control->lingering, &c->closing);
        buf_fini(&c->in);
        buf_fini(&c->out);
        control_linger(control);
    }
    want_events(c);
}

void conn_flush(struct conn *c)
{
    if (!write_output(c)) {
        control_release(c);
        return;
    }
    if (c->is_waiting && !must_wait(c) && list_is_empty(&c->resuming) &&
        (reply_fifo_is_empty(&c->owed) || !c->waits_for_replies)) {
        list_push(&c->control->resuming, &c->resuming);
        control_again(c->control);
    }
    if (unsent(c) == 0 && reply_fifo_is_empty(&c->owed) && c->client.listing == NULL && (c->is_ending || (c->is_eof && !c->is_waiting))) {
        end(c);
        return;
    }
    if (c->has_frames && unsent(c) < CONTROL_OUTPUT_SOFT) {
        conn_touch(c);
        control_again(c->control);
    }
    want_events(c);
}
