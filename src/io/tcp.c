/* Who may connect, and for how long. Listeners accept; a connection waits in a list ordered by its last activity, whose
 * head is closed when it has been idle for too long, or earlier when there is no room for a newcomer: strangers that
 * hold connections open push out each other, not the client that wants to ask now.
 *
 * What can go wrong: too many connections of one address (the new one is closed), too many in all, or no more
 * descriptors (the one idle longest is closed and accepting is tried again; if nothing is left to close, accepting
 * pauses for PAUSE_S). */
#include "config.h" /* _GNU_SOURCE */

#include "io/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/must.h"
#include "io/tcp_private.h"

#define ACCEPT_TURN 64 /* accepted from one listener before other sockets have their turn */
#define PAUSE_S     0.1

/* ── clients by address ── */

static void network_of(const struct sockaddr_storage *peer, struct config_network *out)
{
    memset(out, 0, sizeof(*out));
    out->is_v6 = peer->ss_family == AF_INET6;
    if (out->is_v6) {
        memcpy(out->address, &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
    } else {
        memcpy(out->address, &((const struct sockaddr_in *)peer)->sin_addr, 4);
    }
}

/* The entry of the address, made if need be; NULL without memory. */
static struct tcp_client *client_get(struct tcp *t, const struct sockaddr_storage *peer)
{
    struct config_network who;
    network_of(peer, &who);
    uint64_t hash = hash_bytes(who.address, sizeof(who.address), t->key);
    for (struct map_node *n = map_first(&t->clients, hash); n != NULL; n = map_next(n)) {
        struct tcp_client *client = CONTAINER_OF(n, struct tcp_client, node);
        if (client->who.is_v6 == who.is_v6 && memcmp(client->who.address, who.address, sizeof(who.address)) == 0) {
            return client;
        }
    }
    struct tcp_client *client = calloc(1, sizeof(*client));
    if (client != NULL) {
        client->who = who;
        map_insert(&t->clients, &client->node, hash);
    }
    return client;
}

static void client_put(struct tcp *t, struct tcp_client *client)
{
    if (client->n == 0) {
        map_remove(&t->clients, &client->node);
        free(client);
    }
}

/* ── idle connections ── */

static void arm_idle_timer(struct tcp *t)
{
    if (list_is_empty(&t->idle)) {
        ev_timer_stop(t->parts.loop, &t->idle_timer);
        return;
    }
    const struct tcp_conn *oldest = CONTAINER_OF(t->idle.next, struct tcp_conn, link);
    uint64_t now = clock_mono_ms(), end = oldest->active_ms + t->o.idle_ms;
    ev_timer_stop(t->parts.loop, &t->idle_timer);
    ev_timer_set(&t->idle_timer, end > now ? (double)(end - now) / 1e3 : 0, 0);
    ev_timer_start(t->parts.loop, &t->idle_timer);
}

static void on_idle(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct tcp *t = CONTAINER_OF(timer, struct tcp, idle_timer);
    uint64_t now = clock_mono_ms();
    while (!list_is_empty(&t->idle)) {
        struct tcp_conn *oldest = CONTAINER_OF(t->idle.next, struct tcp_conn, link);
        if (oldest->active_ms + t->o.idle_ms > now) {
            break;
        }
        counter_add(&t->parts.counters->tcp_closed_idle, 1);
        tcp_conn_close(oldest);
    }
    arm_idle_timer(t);
}

void tcp_conn_touch(struct tcp_conn *c)
{
    c->active_ms = clock_mono_ms();
    list_remove(&c->link);
    list_push(&c->tcp->idle, &c->link);
}

/* False if there is no connection that could make room. */
static bool close_oldest(struct tcp *t)
{
    if (list_is_empty(&t->idle)) {
        return false;
    }
    counter_add(&t->parts.counters->tcp_closed_for_new, 1);
    tcp_conn_close(CONTAINER_OF(t->idle.next, struct tcp_conn, link));
    return true;
}

/* ── accepting ── */

static void conn_new(struct tcp *t, int fd, const struct sockaddr_storage *peer)
{
    struct tcp_client *client = client_get(t, peer);
    if (client == NULL || client->n >= t->o.clients_per_address) {
        counter_add(client == NULL ? &t->parts.counters->tcp_accept_errors : &t->parts.counters->tcp_limited, 1);
        close(fd);
        if (client != NULL) {
            client_put(t, client);
        }
        return;
    }
    if (t->n_conns >= t->o.clients) {
        client->n++; /* holds its entry while the oldest, perhaps of the same client, goes */
        (void)close_oldest(t);
        client->n--;
    }
    struct tcp_conn *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        counter_add(&t->parts.counters->tcp_accept_errors, 1);
        close(fd);
        client_put(t, client);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    c->tcp = t;
    c->client = client;
    c->io.fd = fd;
    c->is_refused = !acl_permits(t->parts.acl, peer);
    c->active_ms = clock_mono_ms();
    client->n++;
    t->n_conns++;
    list_push(&t->idle, &c->link);
    list_init(&c->waiting);
    counter_add(&t->parts.counters->tcp_accepted, 1);
    atomic_store_explicit(&t->parts.counters->tcp_open, t->n_conns, memory_order_relaxed);
    if (!ev_is_active(&t->idle_timer)) {
        arm_idle_timer(t);
    }
    tcp_conn_start(c);
}

static void pause_accepting(struct tcp *t)
{
    for (struct list *at = t->listeners.next; at != &t->listeners; at = at->next) {
        ev_io_stop(t->parts.loop, &CONTAINER_OF(at, struct tcp_listener, link)->io);
    }
    ev_timer_stop(t->parts.loop, &t->pause_timer);
    ev_timer_set(&t->pause_timer, PAUSE_S, 0);
    ev_timer_start(t->parts.loop, &t->pause_timer);
}

static void on_pause_end(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct tcp *t = CONTAINER_OF(timer, struct tcp, pause_timer);
    for (struct list *at = t->listeners.next; at != &t->listeners; at = at->next) {
        ev_io_start(loop, &CONTAINER_OF(at, struct tcp_listener, link)->io);
    }
}

static void on_acceptable(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct tcp *t = CONTAINER_OF(io, struct tcp_listener, io)->tcp;
    for (int i = 0; i < ACCEPT_TURN; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        int fd = accept4(io->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conn_new(t, fd, &peer);
            continue;
        }
        if (errno == EAGAIN) {
            return;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            counter_add(&t->parts.counters->tcp_accept_errors, 1);
            if (!close_oldest(t)) {
                pause_accepting(t);
                return;
            }
        } /* else an error of that one connection: the next may be good */
    }
}

/* ── life ── */

int tcp_new(const struct tcp_parts *parts, const struct tcp_options *o, uint64_t key, struct tcp **out)
{
    struct tcp *t = calloc(1, sizeof(*t));
    if (t == NULL || map_init(&t->clients) != 0) {
        free(t);
        return ERR_NOMEM;
    }
    t->parts = *parts;
    t->o = *o;
    t->key = key;
    list_init(&t->listeners);
    list_init(&t->idle);
    list_init(&t->waiting);
    ev_timer_init(&t->idle_timer, on_idle, 0, 0);
    ev_timer_init(&t->pause_timer, on_pause_end, 0, 0);
    *out = t;
    return 0;
}

int tcp_listen(struct tcp *t, int fd)
{
    struct tcp_listener *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return ERR_NOMEM;
    }
    l->tcp = t;
    list_push(&t->listeners, &l->link);
    ev_io_init(&l->io, on_acceptable, fd, EV_READ);
    ev_io_start(t->parts.loop, &l->io);
    return 0;
}

void tcp_configure(struct tcp *t, const struct tcp_options *o)
{
    t->o = *o;
    arm_idle_timer(t);
}

void tcp_conn_close(struct tcp_conn *c)
{
    struct tcp *t = c->tcp;
    ev_io_stop(t->parts.loop, &c->io);
    close(c->io.fd);
    list_remove(&c->link);
    list_remove(&c->waiting);
    must(t->n_conns > 0 && c->client->n > 0);
    t->n_conns--;
    c->client->n--;
    client_put(t, c->client);
    atomic_store_explicit(&t->parts.counters->tcp_open, t->n_conns, memory_order_relaxed);
    free(c->in);
    free(c->out);
    free(c);
}

void tcp_free(struct tcp *t)
{
    if (t == NULL) {
        return;
    }
    while (!list_is_empty(&t->idle)) {
        tcp_conn_close(CONTAINER_OF(t->idle.next, struct tcp_conn, link));
    }
    while (!list_is_empty(&t->listeners)) {
        struct tcp_listener *l = CONTAINER_OF(t->listeners.next, struct tcp_listener, link);
        list_remove(&l->link);
        ev_io_stop(t->parts.loop, &l->io);
        close(l->io.fd);
        free(l);
    }
    ev_timer_stop(t->parts.loop, &t->idle_timer);
    ev_timer_stop(t->parts.loop, &t->pause_timer);
    map_fini(&t->clients);
    free(t);
}
