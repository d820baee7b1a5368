/* Questions in, answers out: the hot path. In place: an answer is built in the buffer that holds its query, whose id
 * and question stay where they are. No malloc, lock, atomic read-modify-write, clock or log. Call inside an RCU read
 * section (QSBR: the thread is registered and online). */
#ifndef ENGINE_ANSWER_H
#define ENGINE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/proto.h"
#include "engine/answers.h"

#define ANSWER_BATCH 32 /* queries of one call at most */

struct answer_request {
    uint64_t now_ms; /* clock_mono_ms, read once per batch */
    bool is_tcp;
    uint8_t round; /* how often these were found to be cold before; at most ANSWER_ROUNDS, when they get SERVFAIL */
    uint16_t tcp_keepalive; /* RFC 7828, units of 100 ms; told on TCP when the client sent the option; 0: not */
};

struct answer_item {
    uint8_t *packet; /* a query of `len` bytes, any bytes at all; room for `cap` >= len: at least DNS_UDP_MAX for UDP,
                        DNS_TCP_MAX for TCP */
    size_t len;      /* afterwards: of the answer, or 0: stay silent (QR was set, or under 12 bytes) */
    size_t cap;
    bool is_refused; /* the client may not ask here: REFUSED, EDE 18 */
    /* 0 before. Afterwards not 0: the name is there, but its answer is not built. Then `packet` holds the query again,
     * in this many bytes (the question, and OPT without options), and `len` is 0; ask again when answer_reader_served
     * has passed the number that answer_reader_posted has now. */
    size_t again;
    bool is_wanted; /* the next round is another one; false: too many names are wanted already */
};

#define ANSWER_ROUNDS    3
#define ANSWER_AGAIN_MAX (DNS_HEADER_LEN + DNS_NAME_MAX + 4 + DNS_OPT_LEN)

/* Numbers of the names that this reader wanted, counting up and wrapping: posted by it, and built. */
uint32_t answer_reader_posted(const struct answer_reader *r);
uint32_t answer_reader_served(const struct answer_reader *r);
static inline bool answer_is_served(uint32_t wanted, uint32_t served)
{
    return (int32_t)(served - wanted) >= 0;
}

/* Answers `n` <= ANSWER_BATCH queries; what is far away in memory is waited for once and not once per query. */
void answer_batch(struct answer_reader *r, const struct answer_request *rq, struct answer_item *items, size_t n);

#endif
