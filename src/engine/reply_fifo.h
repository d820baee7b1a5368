/* The replies that a connection owes, in the order of its requests. Writes are answered when their turn has been published,
 * perhaps by a store on another thread and out of order; each has a slot, and only what is ready at the head goes out.
 *
 *     head                      tail
 *      ▼                         ▼
 *     [REGISTER …][RENEW ok][PING ok]      the two behind wait for the store to take the REGISTER
 *
 * Pure; control thread only. */
#ifndef ENGINE_REPLY_FIFO_H
#define ENGINE_REPLY_FIFO_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/resp_write.h"
#include "registry/registry.h"

#define REPLY_FIFO_MAX 1024          /* requests of a connection on their way at most */
#define REPLY_SEQ_BITS 24            /* of a sequence number that come back with a reply */

struct reply_slot;

struct reply_fifo {
    struct reply_slot *slots; /* owned ring of `cap`, a power of two; NULL until first used */
    uint32_t cap;
    uint32_t head, tail; /* sequence numbers; equal: nothing is owed */
    size_t kept;         /* bytes of replies that are ready before their turn */
};

void reply_fifo_init(struct reply_fifo *f);
void reply_fifo_fini(struct reply_fifo *f);

static inline bool reply_fifo_is_empty(const struct reply_fifo *f)
{
    return f->head == f->tail;
}

static inline uint32_t reply_fifo_len(const struct reply_fifo *f)
{
    return f->tail - f->head;
}

/* A slot for the reply to a write of that type; *seq has REPLY_SEQ_BITS. At most REPLY_FIFO_MAX are owed. ERR_NOMEM. */
int reply_fifo_push(struct reply_fifo *f, enum event_type type, uint32_t *seq) MUST_CHECK;
/* A reply that is known already, behind others that are not. At most REPLY_FIFO_MAX are owed. ERR_NOMEM. */
int reply_fifo_push_ready(struct reply_fifo *f, const void *data, size_t len) MUST_CHECK;
/* The reply to `seq` is here: writes it to `out`, and those behind it that were ready, or keeps it. A seq that is not owed
 * is ignored. ERR_NOMEM: it could not be kept, the order is lost, the connection must end. */
int reply_fifo_fill(struct reply_fifo *f, uint32_t seq, const struct effect *reply, struct resp_writer *out) MUST_CHECK;

#endif
