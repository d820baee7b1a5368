/* DNS over TCP of one worker, RFC 7766: its listeners and connections.
 *
 * Bounds: `clients` connections at most (the one that is idle longest makes room for a new one), `clients_per_address`
 * of one client address (one more is refused), `idle_ms` without a whole query or progress in taking answers. A
 * connection costs about 250 bytes while it is idle; with queries half sent or answers half taken at most TCP_INPUT_MAX
 * + TCP_OUTPUT_MAX more. */
#ifndef IO_TCP_H
#define IO_TCP_H

#include <ev.h>

#include "base/err.h"
#include "engine/answer.h"
#include "io/acl.h"
#include "io/counters.h"

struct tcp;

struct tcp_options {
    uint32_t idle_ms;
    uint32_t clients, clients_per_address;
};

struct tcp_parts { /* the worker's, borrowed */
    struct ev_loop *loop;
    struct answer_reader *reader;
    const struct acl *acl;
    struct io_counters *counters;
};

/* `key` for hashing client addresses: random per process. */
int tcp_new(const struct tcp_parts *parts, const struct tcp_options *o, uint64_t key, struct tcp **out) MUST_CHECK;
/* Accepts from `fd` (listening, non-blocking) and owns it on success. */
int tcp_listen(struct tcp *t, int fd) MUST_CHECK;
/* Other options, at once; connections over a new limit stay until they are idle. */
void tcp_configure(struct tcp *t, const struct tcp_options *o);
/* Answers the queries whose names were built. */
void tcp_resume(struct tcp *t);
/* Closes everything. */
void tcp_free(struct tcp *t);

#endif
