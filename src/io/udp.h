/* One UDP socket of one worker: batches of datagrams in, batches of answers out. */
#ifndef IO_UDP_H
#define IO_UDP_H

#include <ev.h>

#include "base/err.h"
#include "engine/answer.h"
#include "io/acl.h"
#include "io/counters.h"
#include "io/parked.h"

struct udp;

struct udp_options {
    int fd;           /* non-blocking; stays the caller's until udp_new succeeds, closed by udp_free */
    bool is_wildcard; /* bound to 0.0.0.0 or ::, so each answer names the address it leaves from (IP_PKTINFO is on) */
    struct answer_reader *reader; /* these four: the worker's, borrowed */
    const struct acl *acl;
    struct io_counters *counters;
    struct parked *parked;
};

int udp_new(struct ev_loop *loop, const struct udp_options *o, struct udp **out) MUST_CHECK;
void udp_free(struct udp *u);

#endif
