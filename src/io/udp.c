/* The hot loop. Two system calls and one look at the clock for up to BATCH queries; the answer is written where the
 * query lies and leaves from there, with the same message header, so nothing is copied, allocated or locked here.
 *
 *     recvmmsg ──► slot 0: query -> answer ─┐
 *                  slot 1: query -> silence ├─► runs of answers ──► sendmmsg
 *                  slot 2: query -> answer ─┘
 *
 * A full batch means that more may wait: it goes on, up to ROUNDS batches, then other sockets have their turn. A short
 * batch means that the socket is empty: back to the loop without asking again. Two states:
 *
 *     waiting ── ROUNDS full batches in a row ──► busy: the loop does not watch the socket but looks at it each turn
 *        ▲                                          │   without waiting, first of all; the rest of the loop goes on
 *        └──────── a batch that is nearly empty ◄───┘
 *
 * A socket that is watched costs the kernel something with each packet; while one packet follows the other there is
 * nothing to watch for.
 *
 * A query whose answer is not built yet is parked (parked.h).
 *
 * What can go wrong: a datagram longer than a slot has lost its end (only its header is believed: FORMERR); port 0
 * cannot be answered (dropped); the kernel does not take an answer (counted and dropped: the client asks again; never
 * waited for). */
#include "config.h" /* _GNU_SOURCE */

#include "io/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "dns/proto.h"

#define BATCH    ANSWER_BATCH
#define ROUNDS   4 /* at most 128 answers, half a millisecond, before others have their turn */
#define FEW      8 /* in a batch: no longer busy */
#define SLOT_LEN 2048 /* received at most; room for DNS_UDP_MAX of answer */
#define SLOT_STRIDE                                                                                                    \
    (SLOT_LEN + 64) /* an odd number of cache lines, so that the slots do not share their cache sets                   \
                     */
#define CONTROL_LEN PARKED_CONTROL_MAX

_Static_assert(SLOT_LEN >= DNS_UDP_MAX, "an answer fits");
_Static_assert(SLOT_STRIDE / 64 % 2 == 1, "odd number of cache lines");

struct udp {
    struct ev_io io;     /* waiting */
    struct ev_idle busy; /* active: busy */
    struct ev_loop *loop;
    struct udp_options o;
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];
    struct sockaddr_storage peers[BATCH];
    _Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL_LEN];
    _Alignas(64) uint8_t slots[BATCH][SLOT_STRIDE];
};

/* Receiving wrote lengths into the headers; sending needs them, the next receive wants them whole again. */
static void reset_headers(struct udp *u, int n)
{
    for (int i = 0; i < n; i++) {
        struct msghdr *h = &u->msgs[i].msg_hdr;
        u->iov[i].iov_len = SLOT_LEN;
        h->msg_namelen = sizeof(u->peers[i]);
        h->msg_controllen = u->o.is_wildcard ? CONTROL_LEN : 0;
        h->msg_flags = 0;
    }
}

/* The received control data goes back as it is: the address that was asked is the one that answers. The interface is
 * forgotten, because the route back may be another one; only a link-local address means nothing without it. */
static void forget_interface(struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            ((struct in_pktinfo *)(void *)CMSG_DATA(c))->ipi_ifindex = 0;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo *info = (struct in6_pktinfo *)(void *)CMSG_DATA(c);
            if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr)) {
                info->ipi6_ifindex = 0;
            }
        }
    }
}

static bool has_port(const struct sockaddr_storage *peer)
{
    return peer->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)peer)->sin6_port != 0
                                       : ((const struct sockaddr_in *)peer)->sin_port != 0;
}

static void prepare_slot(struct udp *u, int i, struct answer_item *item)
{
    struct msghdr *h = &u->msgs[i].msg_hdr;
    *item = (struct answer_item){.packet = u->slots[i], .len = u->msgs[i].msg_len, .cap = SLOT_LEN};
    if ((h->msg_flags & MSG_TRUNC) != 0) {
        item->len = DNS_HEADER_LEN;
    }
    if (!has_port(&u->peers[i])) {
        item->len = 0;
    }
    item->is_refused = u->o.acl->n > 0 && !acl_permits(u->o.acl, &u->peers[i]);
    if (u->o.is_wildcard) {
        forget_interface(h);
    }
}

/* Sends slots [at, end). Returns how many the kernel took. */
static uint64_t send_run(struct udp *u, int at, int end)
{
    uint64_t sent = 0;
    while (at < end) {
        int n = sendmmsg(u->io.fd, &u->msgs[at], (unsigned)(end - at), MSG_DONTWAIT);
        if (n > 0) {
            sent += (uint64_t)n;
            at += n;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
            at++; /* this one cannot be sent; the next may */
        } else {
            break; /* the socket is full: waiting would only make the answers later */
        }
    }
    return sent;
}

static void answer_all(struct udp *u, int n)
{
    struct answer_request rq = {.now_ms = clock_mono_ms()};
    struct answer_item items[BATCH];
    uint64_t refused = 0, sent = 0, answers = 0, parked = 0;
    for (int i = 0; i < n; i++) {
        prepare_slot(u, i, &items[i]);
        refused += items[i].is_refused;
    }
    answer_batch(u->o.reader, &rq, items, (size_t)n);
    int run = 0; /* first slot of the run of answers that ends at `i` */
    for (int i = 0; i < n; i++) {
        u->iov[i].iov_len = items[i].len;
        if (items[i].len > 0) {
            answers++;
            continue;
        }
        if (items[i].again > 0) {
            parked_add(u->o.parked, u->io.fd, &u->msgs[i].msg_hdr, &items[i]);
            parked++;
        }
        sent += send_run(u, run, i);
        run = i + 1;
    }
    sent += send_run(u, run, n);
    struct io_counters *c = u->o.counters;
    counter_add(&c->udp_received, (uint64_t)n);
    counter_add(&c->udp_answered, sent);
    counter_add(&c->udp_dropped, (uint64_t)n - answers - parked);
    counter_add(&c->udp_refused, refused);
    counter_add(&c->udp_send_errors, answers - sent);
}

/* Answers what waits, ROUNDS batches at most and up to the first one that is shorter than `enough`. True: all of them
 * were that long. */
static bool drain(struct udp *u, int enough)
{
    for (int round = 0; round < ROUNDS; round++) {
        int n = recvmmsg(u->io.fd, u->msgs, BATCH, MSG_DONTWAIT, NULL);
        if (n <= 0) {
            return false; /* empty, or an error that belongs to one datagram and is gone with it */
        }
        answer_all(u, n);
        reset_headers(u, n);
        if (n < enough) {
            return false;
        }
    }
    return true;
}

static void on_busy(struct ev_loop *loop, struct ev_idle *idle, int events)
{
    struct udp *u = CONTAINER_OF(idle, struct udp, busy);
    if (!drain(u, FEW)) {
        ev_idle_stop(loop, idle);
        ev_io_start(loop, &u->io);
    }
}

static void on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct udp *u = CONTAINER_OF(io, struct udp, io);
    if (drain(u, BATCH)) {
        ev_io_stop(loop, io);
        ev_idle_start(loop, &u->busy);
    }
}

int udp_new(struct ev_loop *loop, const struct udp_options *o, struct udp **out)
{
    struct udp *u = aligned_alloc(64, (sizeof(*u) + 63) / 64 * 64);
    if (u == NULL) {
        return ERR_NOMEM;
    }
    memset(u, 0, sizeof(*u));
    u->o = *o;
    u->loop = loop;
    for (int i = 0; i < BATCH; i++) {
        struct msghdr *h = &u->msgs[i].msg_hdr;
        u->iov[i].iov_base = u->slots[i];
        h->msg_iov = &u->iov[i];
        h->msg_iovlen = 1;
        h->msg_name = &u->peers[i];
        h->msg_control = o->is_wildcard ? u->control[i] : NULL;
    }
    reset_headers(u, BATCH);
    ev_io_init(&u->io, on_readable, o->fd, EV_READ);
    ev_idle_init(&u->busy, on_busy);
    ev_set_priority(&u->busy, EV_MAXPRI); /* idle watchers of a priority wait for events of that priority: TCP's is less */
    ev_io_start(loop, &u->io);
    *out = u;
    return 0;
}

void udp_free(struct udp *u)
{
    if (u == NULL) {
        return;
    }
    ev_io_stop(u->loop, &u->io);
    ev_idle_stop(u->loop, &u->busy);
    close(u->io.fd);
    free(u);
}
