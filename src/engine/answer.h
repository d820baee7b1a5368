/* Questions in, answers out: the hot path. In place: an answer is built in the buffer that holds its query, whose id and
 * question stay where they are. No malloc, lock, atomic read-modify-write, clock or log. Call inside an RCU read
 * section (QSBR: the thread is registered and online). */
#ifndef ENGINE_ANSWER_H
#define ENGINE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/answers.h"

#define ANSWER_BATCH 32 /* queries of one call at most */

struct answer_request {
    uint64_t now_ms; /* clock_mono_ms, read once per batch */
    bool is_tcp;
    uint16_t tcp_keepalive; /* RFC 7828, units of 100 ms; told on TCP when the client sent the option; 0: not */
};

struct answer_item {
    uint8_t *packet; /* a query of `len` bytes, any bytes at all; room for `cap` >= len: at least DNS_UDP_MAX for UDP,
                        DNS_TCP_MAX for TCP */
    size_t len;      /* afterwards: of the answer, or 0: stay silent (QR was set, or under 12 bytes) */
    size_t cap;
    bool is_refused; /* the client may not ask here: REFUSED, EDE 18 */
};

/* Answers `n` <= ANSWER_BATCH queries; what is far away in memory is waited for once and not once per query. */
void answer_batch(struct answer_reader *r, const struct answer_request *rq, struct answer_item *items, size_t n);

#endif
