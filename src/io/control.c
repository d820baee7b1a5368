/* The protocol's server side: who may come in, where each connection sits, and what happens at the end of a turn.
 *
 * A connection has a seat; a request carries seat, generation and sequence to the core and back, so that a reply finds its
 * connection in O(1) and one for a connection that is gone finds nobody:
 *
 *     63        44 43          24 23        0
 *     [ seat: 20 ][generation: 20][sequence: 24]      never 0: generations begin at 1
 *
 * The end of a turn: the core has given its replies; each connection with something to do is flushed once. What a flush makes
 * possible (requests that waited, more of a snapshot) is done in another turn, which a zero timer brings about, because the
 * core's turn of this one is over.
 *
 * Nobody may keep the others waiting: the requests of a turn have RUN_MS, and of writes, most of whose work is done after
 * them, the core takes so many only. What is left over then queues in `resuming`, which is worked off from its front before
 * new bytes are looked at, so each connection has its turn.
 *
 * What can go wrong: too many clients, or no more descriptors. Both are told so and closed, which needs a spare descriptor. */
#include "config.h" /* _GNU_SOURCE */

#include "io/control.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "io/control_private.h"

#define ACCEPTS_PER_TURN 64
#define SEATS_MIN 16
#define NO_SEAT UINT32_MAX
#define RUN_MS 10 /* requests of a turn: what else is due, such as the end of leases, waits for no longer */
#define KEEPALIVE_IDLE_S 60 /* a peer whose machine died is noticed within two minutes */
#define KEEPALIVE_INTERVAL_S 15
#define KEEPALIVE_COUNT 4
#define SEQ_MASK ((1ULL << REPLY_SEQ_BITS) - 1)
#define GENERATION_MASK ((1ULL << GENERATION_BITS) - 1)

struct listener {
    ev_io io;
    struct list link;
    struct control *control;
};

/* ── figures ── */

static void info_clients(void *arg, struct buf *out)
{
    const struct control *c = arg;

    command_info_line(out, "connected_clients", "%u", c->n_conns);
    command_info_line(out, "maxclients", "%u", c->limits.clients);
    command_info_line(out, "watching_clients", "%u", c->n_watching);
    command_info_line(out, "accepted_total", "%llu", (unsigned long long)c->counts.accepted);
    command_info_line(out, "refused_total", "%llu", (unsigned long long)c->counts.refused);
    command_info_line(out, "requests_total", "%llu", (unsigned long long)c->counts.requests);
    command_info_line(out, "slow_watchers_total", "%llu", (unsigned long long)c->counts.slow_watchers);
    command_info_line(out, "framing_errors_total", "%llu", (unsigned long long)c->counts.framing_errors);
    command_info_line(out, "auth_failures_total", "%llu", (unsigned long long)c->counts.auth_failures);
}

static void set_info(struct control *c, const struct control_options *o)
{
    size_t n = 0;

    must(o->n_info < CONTROL_INFO_MAX);
    if (o->n_info > 0)
        c->info[n++] = o->info[0];
    c->info[n++] = (struct command_info){.name = "clients", .write = info_clients, .arg = c};
    for (size_t i = 1; i < o->n_info; i++)
        c->info[n++] = o->info[i];
    c->server.info = c->info;
    c->server.n_info = n;
}

/* ── seats ── */

static int more_seats(struct control *c)
{
    uint32_t n = c->n_seats == 0 ? SEATS_MIN : c->n_seats * 2;
    struct seat *seats = reallocarray(c->seats, n, sizeof(*seats));

    if (seats == NULL)
        return ERR_NOMEM;
    c->seats = seats;
    for (uint32_t i = c->n_seats; i < n; i++)
        seats[i] = (struct seat){.generation = 1, .next_free = i + 1 < n ? i + 1 : NO_SEAT};
    c->free_seat = c->n_seats;
    c->n_seats = n;
    return 0;
}

/* The connection takes the descriptor unless it fails. */
static int seat_client(struct control *c, int fd)
{
    uint32_t seat;
    struct conn *conn;

    if (c->free_seat == NO_SEAT && more_seats(c) != 0)
        return ERR_NOMEM;
    seat = c->free_seat;
    conn = conn_new(c, fd, seat);
    if (conn == NULL)
        return ERR_NOMEM;
    c->free_seat = c->seats[seat].next_free;
    c->seats[seat].conn = conn;
    c->n_conns++;
    c->counts.accepted++;
    return 0;
}

/* Everything but the core's knowledge of it. */
static void leave_seat(struct conn *conn)
{
    struct control *c = conn->control;
    struct seat *s = &c->seats[conn->seat];

    s->conn = NULL;
    s->generation = (s->generation + 1) & GENERATION_MASK;
    s->generation += s->generation == 0;
    s->next_free = c->free_seat;
    c->free_seat = conn->seat;
    c->n_conns--;
    c->n_watching -= !list_is_empty(&conn->watching);
    c->n_streaming -= conn->is_streaming;
    conn_free(conn);
}

void control_release(struct conn *conn)
{
    struct control *c = conn->control;
    struct event ev = {.type = EVENT_SESSION_CLOSED, .u.closed.session = conn->client.id};
    bool has_session = conn->client.has_session;

    leave_seat(conn);
    if (has_session) {
        core_event(c->core, &ev, c->server.time);
        control_again(c);
    }
}

/* ── accepting ── */

static void tune(int fd)
{
    const int on = 1, idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S, count = KEEPALIVE_COUNT;

    /* On a Unix socket these fail, and are not needed. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static void refuse(struct control *c, int fd, const char *why)
{
    char early[1024];

    /* Bytes that came with the connection are taken first: closing over them would reset it before it is read. */
    (void)!recv(fd, early, sizeof(early), MSG_DONTWAIT);
    (void)!send(fd, why, strlen(why), MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
    c->counts.refused++;
}

/* No descriptor for the next client: the spare one tells it. Otherwise the client would wait, and the listener stay ready. */
static void refuse_without_descriptor(struct control *c, int listener)
{
    int fd;

    if (c->spare_fd < 0)
        return;
    close(c->spare_fd);
    fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        refuse(c, fd, "-LIMIT the server has no more file descriptors; try again later\r\n");
    c->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_client(struct ev_loop *loop, ev_io *io, int events)
{
    struct control *c = CONTAINER_OF(io, struct listener, io)->control;

    for (int n = 0; n < ACCEPTS_PER_TURN; n++) {
        int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
            refuse_without_descriptor(c, io->fd);
            return;
        }
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0)
            return;
        tune(fd);
        if (c->n_conns >= c->limits.clients)
            refuse(c, fd, "-LIMIT too many clients; the server's limit is the option clients\r\n");
        else if (seat_client(c, fd) != 0)
            refuse(c, fd, "-UNAVAILABLE out of memory\r\n");
    }
}

int control_listen(struct control *c, int fd)
{
    struct listener *l = malloc(sizeof(*l));

    if (l == NULL)
        return ERR_NOMEM;
    l->control = c;
    ev_io_init(&l->io, on_client, fd, EV_READ);
    ev_io_start(c->loop, &l->io);
    list_init(&l->link);
    list_push(&c->listeners, &l->link);
    return 0;
}

/* ── turns ── */

bool control_is_over(struct control *c)
{
    if (c->has_run && !c->is_over)
        c->is_over = core_is_full(c->core) || clock_mono_ms() - c->server.time->mono_ms >= RUN_MS;
    return c->is_over;
}

void control_again(struct control *c)
{
    if (ev_is_active(&c->again))
        return;
    ev_timer_set(&c->again, 0., 0.);
    ev_timer_start(c->loop, &c->again);
}

static void on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct control *c = CONTAINER_OF(timer, struct control, again);

    while (!list_is_empty(&c->resuming) && !control_is_over(c)) {
        struct list *first = c->resuming.next;
        list_remove(first);
        conn_resume(CONTAINER_OF(first, struct conn, resuming));
    }
    if (!list_is_empty(&c->resuming))
        control_again(c); /* those at the front have waited longest and are the first of the next turn */
}

void control_linger(struct control *c)
{
    if (ev_is_active(&c->linger))
        return;
    ev_timer_set(&c->linger, CONTROL_LINGER_MS / 1000., 0.);
    ev_timer_start(c->loop, &c->linger);
}

/* They are in the order of their deadlines. */
static void on_linger(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct control *c = CONTAINER_OF(timer, struct control, linger);

    while (!list_is_empty(&c->lingering)) {
        struct conn *first = CONTAINER_OF(c->lingering.next, struct conn, closing);
        if (first->linger_until_ms > c->server.time->mono_ms) {
            control_linger(c);
            return;
        }
        control_release(first);
    }
}

void control_reply(void *control, const struct effect *reply)
{
    struct control *c = control;
    uint64_t request = reply->u.reply.request;
    uint64_t seat = request >> (GENERATION_BITS + REPLY_SEQ_BITS);
    uint64_t generation = (request >> REPLY_SEQ_BITS) & GENERATION_MASK;

    if (seat < c->n_seats && c->seats[seat].conn != NULL && c->seats[seat].generation == generation)
        conn_reply(c->seats[seat].conn, (uint32_t)(request & SEQ_MASK), reply);
}

void control_changed(void *control)
{
    struct control *c = control;

    for (struct list *at = c->watching.next; at != &c->watching; at = at->next) {
        struct conn *conn = CONTAINER_OF(at, struct conn, watching);
        conn->has_frames = true;
        conn_touch(conn);
    }
}

void control_flush(struct control *c)
{
    struct list now;

    c->has_run = c->is_over = false;
    if (list_is_empty(&c->touched))
        return;
    /* What a flush touches again is for the next turn. */
    now = c->touched;
    now.next->prev = now.prev->next = &now;
    list_init(&c->touched);
    while (!list_is_empty(&now)) {
        struct conn *conn = CONTAINER_OF(now.next, struct conn, touched);
        list_remove(&conn->touched);
        conn_flush(conn);
    }
}

/* ── life ── */

int control_new(const struct control_options *o, struct control **out)
{
    const struct core_parts *parts = core_parts(o->core);
    struct control *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return ERR_NOMEM;
    c->loop = o->loop;
    c->core = o->core;
    c->server = (struct command_server){
        .registry = parts->registry,
        .publisher = parts->publisher,
        .changes = parts->changes,
        .time = o->time,
        .version = o->version,
    };
    c->free_seat = NO_SEAT;
    c->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    list_init(&c->touched);
    list_init(&c->resuming);
    list_init(&c->watching);
    list_init(&c->lingering);
    list_init(&c->listeners);
    ev_timer_init(&c->again, on_again, 0., 0.);
    ev_timer_init(&c->linger, on_linger, 0., 0.);
    resp_request_init(&c->request);
    buf_init(&c->aside, 0);
    set_info(c, o);
    control_configure(c, &o->limits, o->registry, o->password);
    *out = c;
    return 0;
}

void control_free(struct control *c)
{
    if (c == NULL)
        return;
    for (uint32_t i = 0; i < c->n_seats; i++) {
        if (c->seats[i].conn != NULL)
            leave_seat(c->seats[i].conn);
    }
    while (!list_is_empty(&c->listeners)) {
        struct listener *l = CONTAINER_OF(c->listeners.next, struct listener, link);
        ev_io_stop(c->loop, &l->io);
        list_remove(&l->link);
        free(l);
    }
    ev_timer_stop(c->loop, &c->again);
    ev_timer_stop(c->loop, &c->linger);
    if (c->spare_fd >= 0)
        close(c->spare_fd);
    resp_request_fini(&c->request);
    buf_fini(&c->aside);
    free(c->seats);
    free(c);
}

void control_configure(struct control *c, const struct control_limits *limits, const struct registry_options *registry,
                       const char *password)
{
    c->limits = *limits;
    if (c->limits.clients > 1U << SEAT_BITS)
        c->limits.clients = 1U << SEAT_BITS;
    c->server.options = registry;
    c->server.password = password;
}
