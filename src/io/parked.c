/* A ring of bytes: queries are parked in the order of what they want, and that is served in order, so whoever is first
 * is ready first. Each is in one piece; where it does not fit behind the others it goes to the beginning:
 *
 *     not wrapped   [      | first ... end |          ]
 *     wrapped       [ ... end |      | first ... wrap |   ]
 *
 * A query whose name is cold again when it is asked again (it went and came back meanwhile) goes to the end, a few
 * times, before it gets SERVFAIL. */
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
    uint16_t size;   /* of all this in the ring */
    uint16_t len;    /* of the query */
    uint8_t round, control_len, peer_len;
    _Alignas(struct cmsghdr) uint8_t data[]; /* control data, peer, query */
};

struct parked {
    struct answer_reader *reader;
    struct io_counters *counters;
    uint32_t first, end, wrap, n;
    bool is_wrapped;
    uint8_t packet[DNS_UDP_MAX];
    _Alignas(struct parked_query) uint8_t ring[PARKED_BYTES];
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

/* ── the ring ── */

/* NULL: no room. */
static struct parked_query *ring_push(struct parked *p, uint16_t size)
{
    if (!p->is_wrapped && size > PARKED_BYTES - p->end && size <= p->first) {
        p->is_wrapped = true;
        p->wrap = p->end;
        p->end = 0;
    }
    if (size > (p->is_wrapped ? p->first : PARKED_BYTES) - p->end) {
        return NULL;
    }
    struct parked_query *q = (void *)&p->ring[p->end];
    q->size = size;
    p->end += size;
    p->n++;
    return q;
}

static struct parked_query *ring_first(struct parked *p)
{
    return (void *)&p->ring[p->first];
}

static void ring_pop(struct parked *p)
{
    p->first += ring_first(p)->size;
    p->n--;
    if (p->is_wrapped && p->first == p->wrap) {
        p->first = 0;
        p->is_wrapped = false;
    }
    if (p->n == 0) {
        p->first = p->end = 0; /* so that the end of the ring is memory for bursts only */
    }
}

/* ── queries ── */

/* Parks what was found cold, if it is wanted and there is room. */
static void park(struct parked *p, int fd, const struct msghdr *h, const struct answer_item *item, uint8_t round)
{
    must(h->msg_controllen <= PARKED_CONTROL_MAX && item->again <= ANSWER_AGAIN_MAX);
    size_t control_len = h->msg_control != NULL ? h->msg_controllen : 0;
    size_t size = sizeof(struct parked_query) + control_len + h->msg_namelen + item->again;
    size = (size + _Alignof(struct parked_query) - 1) & ~(_Alignof(struct parked_query) - 1);
    struct parked_query *q = item->is_wanted ? ring_push(p, (uint16_t)size) : NULL;
    counter_add(q != NULL ? &p->counters->udp_parked : &p->counters->udp_parked_dropped, 1);
    if (q == NULL) {
        return;
    }
    q->fd = fd;
    q->wanted = answer_reader_posted(p->reader);
    q->len = (uint16_t)item->again;
    q->round = round;
    q->control_len = (uint8_t)control_len;
    q->peer_len = (uint8_t)h->msg_namelen;
    if (control_len > 0) {
        memcpy(q->data, h->msg_control, control_len);
    }
    memcpy(q->data + control_len, h->msg_name, h->msg_namelen);
    memcpy(q->data + control_len + h->msg_namelen, item->packet, item->again);
}

void parked_add(struct parked *p, int fd, const struct msghdr *h, const struct answer_item *item)
{
    park(p, fd, h, item, 1);
}

static void ask_again(struct parked *p, struct parked_query *q)
{
    struct answer_request rq = {.now_ms = clock_mono_ms(), .round = q->round};
    struct answer_item item = {.packet = p->packet, .len = q->len, .cap = sizeof(p->packet)};
    struct iovec iov = {.iov_base = p->packet};
    struct msghdr h = {.msg_name = q->data + q->control_len,
                       .msg_namelen = q->peer_len,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = q->control_len > 0 ? q->data : NULL,
                       .msg_controllen = q->control_len};
    memcpy(p->packet, q->data + q->control_len + q->peer_len, q->len);
    answer_batch(p->reader, &rq, &item, 1);
    if (item.again > 0) {
        park(p, q->fd, &h, &item, q->round + 1);
        return;
    }
    iov.iov_len = item.len;
    bool is_sent = sendmsg(q->fd, &h, MSG_DONTWAIT) >= 0; /* else the client asks again */
    counter_add(is_sent ? &p->counters->udp_answered : &p->counters->udp_send_errors, 1);
}

bool parked_run(struct parked *p)
{
    uint32_t served = answer_reader_served(p->reader);
    for (int n = 0; p->n > 0 && answer_is_served(ring_first(p)->wanted, served); n++) {
        if (n == PARKED_RUN) {
            return true;
        }
        ask_again(p, ring_first(p));
        ring_pop(p);
    }
    return false;
}
