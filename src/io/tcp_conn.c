/* One connection: bytes in, answers out.
 *
 * The happy path needs no memory of the connection's own: what is read goes to the thread's input buffer, each query is
 * copied to the thread's output buffer, answered there behind its length prefix, and all answers leave by one send.
 *
 *     in:   [len|query][len|query][len|que          <- the rest is kept by the connection until more comes
 *     out:  [len|answer][len|answer]                <- sent when full, or when no whole query is left
 *
 * When the answer to a query is not built yet, the query stays in the input, and nothing more is read, until the control
 * thread has built it: answers keep the order of their queries.
 *
 * When the peer does not take its answers, the rest is kept and nothing more is read from that peer until it is gone: a
 * peer that asks and does not listen stops itself. What can go wrong beside that: bytes that get no answer (a query
 * shorter than its header, an answer in place of a query) and errors of the socket close the connection. */
#include "config.h" /* _GNU_SOURCE */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "dns/wire.h"
#include "io/tcp_private.h"

#define KEEPALIVE_UNIT_MS 100 /* RFC 7828 section 3.1 */

enum conn_state { CONN_OPEN, CONN_BLOCKED, CONN_WAITING, CONN_CLOSED };

static void watch(struct tcp_conn *c, int events)
{
    struct ev_loop *loop = c->tcp->parts.loop;
    if (!ev_is_active(&c->io) || (c->io.events & (EV_READ | EV_WRITE)) != events) {
        ev_io_stop(loop, &c->io);
        ev_io_set(&c->io, c->io.fd, events);
        ev_io_start(loop, &c->io);
    }
}

/* Makes `*kept` hold these bytes. `data` is never inside *kept. ERR_NOMEM. */
static int keep(uint8_t **kept, size_t *kept_len, const uint8_t *data, size_t len)
{
    uint8_t *copy = NULL;
    if (len > 0) {
        copy = malloc(len);
        if (copy == NULL) {
            return ERR_NOMEM;
        }
        memcpy(copy, data, len);
    }
    free(*kept);
    *kept = copy;
    *kept_len = len;
    return 0;
}

/* Sends; keeps what the socket does not take. */
static enum conn_state send_answers(struct tcp_conn *c, const uint8_t *data, size_t len)
{
    size_t at = 0;
    while (at < len) {
        ssize_t n = send(c->io.fd, data + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            at += (size_t)n;
        } else if (errno == EAGAIN) {
            c->out_at = 0;
            return keep(&c->out, &c->out_len, data + at, len - at) == 0 ? CONN_BLOCKED : CONN_CLOSED;
        } else if (errno != EINTR) {
            return CONN_CLOSED;
        }
    }
    return CONN_OPEN;
}

/* The answer to the query, behind its length prefix; `item` says what became of it. Returns the length of both, 0: there
 * is none. */
static size_t answer_query(struct tcp_conn *c, const uint8_t *query, size_t len, uint8_t *out, struct answer_item *item)
{
    uint32_t keepalive = c->tcp->o.idle_ms / KEEPALIVE_UNIT_MS;
    struct answer_request rq = {
        .now_ms = clock_mono_ms(),
        .is_tcp = true,
        .round = c->round,
        .tcp_keepalive = (uint16_t)(keepalive < UINT16_MAX ? keepalive : UINT16_MAX),
    };
    *item = (struct answer_item){.packet = out + 2, .len = len, .cap = DNS_TCP_MAX, .is_refused = c->is_refused};
    memcpy(out + 2, query, len);
    answer_batch(c->tcp->parts.reader, &rq, item, 1);
    wire_put16(out, (uint16_t)item->len);
    return item->len > 0 ? item->len + 2 : 0;
}

/* The next query waits. */
static void wait_for(struct tcp_conn *c, const struct answer_item *item)
{
    c->wanted = answer_reader_posted(c->tcp->parts.reader);
    c->round += item->is_wanted;
    list_push(&c->tcp->waiting, &c->waiting);
    counter_add(&c->tcp->parts.counters->tcp_parked, 1);
}

/* Answers the whole queries among `len` bytes of the thread's input and keeps the rest. */
static enum conn_state process(struct tcp_conn *c, size_t len)
{
    struct tcp *t = c->tcp;
    enum conn_state state = CONN_OPEN;
    struct answer_item item = {0};
    size_t at = 0, out_len = 0;
    uint64_t queries = 0;
    while (state == CONN_OPEN && len - at >= 2) {
        size_t query_len = wire_get16(&t->in[at]);
        if (len - at - 2 < query_len) {
            break;
        }
        size_t n = answer_query(c, &t->in[at + 2], query_len, &t->out[out_len], &item);
        if (item.again > 0) {
            break;
        }
        if (n == 0) {
            counter_add(&t->parts.counters->tcp_malformed, 1);
            (void)send_answers(c, t->out, out_len);
            return CONN_CLOSED;
        }
        c->round = 0;
        at += 2 + query_len;
        out_len += n;
        queries++;
        if (sizeof(t->out) - out_len < TCP_FRAME) {
            state = send_answers(c, t->out, out_len);
            out_len = 0;
        }
    }
    if (state == CONN_OPEN) {
        state = send_answers(c, t->out, out_len);
    }
    if (state == CONN_OPEN && item.again > 0) { /* otherwise it is asked anew when the socket has taken the answers */
        state = CONN_WAITING;
        wait_for(c, &item);
    }
    if (queries > 0) {
        counter_add(&t->parts.counters->tcp_queries, queries);
        tcp_conn_touch(c);
    }
    if (state != CONN_CLOSED && keep(&c->in, &c->in_len, &t->in[at], len - at) != 0) {
        return CONN_CLOSED;
    }
    return state;
}

/* Answers what was kept. */
static enum conn_state process_kept(struct tcp_conn *c)
{
    memcpy(c->tcp->in, c->in != NULL ? c->in : c->tcp->in, c->in_len);
    return process(c, c->in_len);
}

/* Reads once and answers. */
static enum conn_state read_queries(struct tcp_conn *c)
{
    struct tcp *t = c->tcp;
    size_t len = c->in_len;
    memcpy(t->in, c->in != NULL ? c->in : t->in, len);
    ssize_t n = recv(c->io.fd, t->in + len, sizeof(t->in) - len, MSG_DONTWAIT);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR ? CONN_OPEN : CONN_CLOSED;
    }
    return n == 0 ? CONN_CLOSED : process(c, len + (size_t)n); /* nothing waits to be sent: only then do we read */
}

/* Sends what is kept; then answers the queries that waited behind it. */
static enum conn_state write_answers(struct tcp_conn *c)
{
    ssize_t n = send(c->io.fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR ? CONN_BLOCKED : CONN_CLOSED;
    }
    tcp_conn_touch(c);
    c->out_at += (size_t)n;
    if (c->out_at < c->out_len) {
        return CONN_BLOCKED;
    }
    (void)keep(&c->out, &c->out_len, NULL, 0);
    c->out_at = 0;
    return process_kept(c);
}

static void go_on(struct tcp_conn *c, enum conn_state state)
{
    switch (state) {
    case CONN_OPEN:
        watch(c, EV_READ);
        break;
    case CONN_BLOCKED:
        watch(c, EV_WRITE);
        break;
    case CONN_WAITING:
        ev_io_stop(c->tcp->parts.loop, &c->io);
        break;
    case CONN_CLOSED:
        tcp_conn_close(c);
        break;
    }
}

static void on_ready(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct tcp_conn *c = CONTAINER_OF(io, struct tcp_conn, io);
    go_on(c, c->out != NULL ? write_answers(c) : read_queries(c));
}

void tcp_resume(struct tcp *t)
{
    uint32_t served = answer_reader_served(t->parts.reader);
    while (!list_is_empty(&t->waiting)) {
        struct tcp_conn *c = CONTAINER_OF(t->waiting.next, struct tcp_conn, waiting);
        if (!answer_is_served(c->wanted, served)) {
            return;
        }
        list_remove(&c->waiting);
        go_on(c, process_kept(c));
    }
}

void tcp_conn_start(struct tcp_conn *c)
{
    ev_io_init(&c->io, on_ready, c->io.fd, EV_READ);
    ev_io_start(c->tcp->parts.loop, &c->io);
}
