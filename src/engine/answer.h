/* Question in, answer out: the hot path. In place: the answer is built in the buffer that holds the query, whose id and
 * question stay where they are. No malloc, lock, atomic read-modify-write, clock or log. Call inside an RCU read
 * section (QSBR: the thread is registered and online). */
#ifndef ENGINE_ANSWER_H
#define ENGINE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/answers.h"

struct answer_request {
    uint64_t now_ms; /* clock_mono_ms, read once per batch */
    bool is_tcp;
    bool is_refused;        /* the client may not ask here: REFUSED, EDE 18 */
    uint16_t tcp_keepalive; /* RFC 7828, units of 100 ms; told on TCP when the client sent the option; 0: not */
};

/* `packet` holds a query of `len` bytes (any bytes at all) and has room for `cap` >= len: at least DNS_UDP_MAX for UDP,
 * DNS_TCP_MAX for TCP. Returns the length of the answer, or 0: stay silent (QR set, under 12 bytes). */
size_t answer_packet(struct answer_reader *r, const struct answer_request *rq, uint8_t *packet, size_t len, size_t cap);

#endif
