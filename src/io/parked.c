/* A ring: queries are parked in the order of what they want, and that is served in order, so whoever is first is ready
 * first. A query whose name is cold again when it is asked again (it went and came back meanwhile) goes to the end, a
 * few times, before it gets SERVFAIL. */
#include "config.h" /* _GNU_SOURCE */

#include "io/parked.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "dns/proto.h"

struct parked_query {
    int fd;
    uint32_t wanted; /* its number */
    uint8_t round;
    uint16_t len;
    uint8_t peer_len, control_len;
    struct sockaddr_storage peer;
    _Alignas(struct cmsghdr) uint8_t control[PARKED_CONTROL_MAX];
    uint8_t query[ANSWER_AGAIN_MAX];
};

struct parked {
    struct answer_reader *reader;
    struct io_counters *counters;
    uint32_t first, n;
    uint8_t packet[DNS_UDP_MAX];
    struct parked_query queries[PARKED_MAX];
};

_Static_assert(sizeof(struct sockaddr_storage) <= UINT8_MAX && PARKED_CONTROL_MAX <= UINT8_MAX, "lengths are bytes");
_Static_assert(ANSWER_AGAIN_MAX <= DNS_UDP_MAX, "a query fits into the packet");

int parked_new(struct answer_reader *reader, struct io_counters *counters, struct parked **out)
{
    struct parked *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return ERR_NOMEM;
    }
    p->reader = reader;
    p->counters = counters;
    *out = p;
    return 0;
}

void parked_free(struct parked *p)
{
    free(p);
}

/* The next place, if what was found cold is wanted and there is room. */
static struct parked_query *place(struct parked *p, const struct answer_item *item)
{
    if (!item->is_wanted || p->n == PARKED_MAX) {
        counter_add(&p->counters->udp_parked_dropped, 1);
        return NULL;
    }
    counter_add(&p->counters->udp_parked, 1);
    struct parked_query *q = &p->queries[(p->first + p->n++) % PARKED_MAX];
    must(item->again <= sizeof(q->query));
    memcpy(q->query, item->packet, item->again);
    q->len = (uint16_t)item->again;
    q->wanted = answer_reader_posted(p->reader);
    return q;
}

void parked_add(struct parked *p, int fd, const struct msghdr *h, const struct answer_item *item)
{
    struct parked_query *q = place(p, item);
    if (q == NULL) {
        return;
    }
    q->fd = fd;
    q->round = 1;
    q->peer_len = (uint8_t)h->msg_namelen;
    memcpy(&q->peer, h->msg_name, q->peer_len);
    q->control_len = h->msg_control != NULL ? (uint8_t)h->msg_controllen : 0;
    memcpy(q->control, q->control_len > 0 ? h->msg_control : q->control, q->control_len);
}

static void send_answer(struct parked *p, struct parked_query *q, size_t len)
{
    struct iovec iov = {.iov_base = p->packet, .iov_len = len};
    struct msghdr h = {.msg_name = &q->peer,
                       .msg_namelen = q->peer_len,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = q->control_len > 0 ? q->control : NULL,
                       .msg_controllen = q->control_len};
    bool is_sent = sendmsg(q->fd, &h, MSG_DONTWAIT) >= 0; /* else the client asks again */
    counter_add(is_sent ? &p->counters->udp_answered : &p->counters->udp_send_errors, 1);
}

static void ask_again(struct parked *p, struct parked_query *q)
{
    struct answer_request rq = {.now_ms = clock_mono_ms(), .round = q->round};
    struct answer_item item = {.packet = p->packet, .len = q->len, .cap = sizeof(p->packet)};
    memcpy(p->packet, q->query, q->len);
    answer_batch(p->reader, &rq, &item, 1);
    if (item.again == 0) {
        send_answer(p, q, item.len);
        return;
    }
    struct parked_query was = *q;
    q = place(p, &item);
    if (q == NULL) {
        return;
    }
    was.wanted = q->wanted;
    was.round++;
    *q = was;
}

void parked_run(struct parked *p)
{
    uint32_t served = answer_reader_served(p->reader);
    while (p->n > 0 && answer_is_served(p->queries[p->first].wanted, served)) {
        struct parked_query q = p->queries[p->first];
        p->first = (p->first + 1) % PARKED_MAX;
        p->n--;
        ask_again(p, &q);
    }
}
