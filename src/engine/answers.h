/* The published answers: what the control thread builds and the workers read.
 *
 * Control thread: engine/publish builds a `struct answer_body` for each touched name and swaps it in; what it replaced
 * is retired and freed after a grace period (engine/grace.h). Workers: engine/answer finds a node by a hash of the folded
 * whole name and writes the answer from its body. Readers never allocate, lock or write anything shared.
 *
 *     answers ──► shard[64] ──► slots ──► node {folded name, rotation id}
 *                                          └──► body {sets by type: RRs in wire form, offsets, schedule; lapse bound; EDE}
 *
 * A node exists for every name that exists, so also for empty non-terminals (no body): a missing node is NXDOMAIN inside
 * a domain and REFUSED outside. Only ids have none until they are asked for: the node of their service leads to a roster
 * of them.
 *
 * Names that nobody asks for have no answers, and cost next to nothing when they change. A worker that is asked for one
 * posts its name to the control thread (engine/want.h) and asks again when the name was built. */
#ifndef ENGINE_ANSWERS_H
#define ENGINE_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "dns/name.h"

struct answers;       /* one per server */
struct answer_reader; /* one per worker thread: rotation positions, generator, counters */

struct answer_limits {
    bool is_ra_always;
    bool has_chaos;        /* version.bind, hostname.bind, id.server are answered */
    const char *version;   /* borrowed for ever */
    const char *server_id; /* host name or configured id */
};

/* `n_readers` workers will read. ERR_NOMEM. */
int answers_new(unsigned n_readers, uint64_t seed, struct answers **out) MUST_CHECK;
/* After every reader has ended. */
void answers_free(struct answers *a);
struct answer_reader *answers_reader(struct answers *a, unsigned index);
/* Worker: it may ask engine/answer, and use what that returns, only between these two; offline at first. While it is
 * online nothing that is replaced can be freed, so it must not wait for anything. */
void answer_reader_online(struct answer_reader *r);
void answer_reader_offline(struct answer_reader *r);
/* Control thread: bytes that were replaced and that a worker may still look at. */
size_t answers_retired(const struct answers *a);
/* Control thread: were names built since the last call that this reader had asked for? Then it is to be woken. */
bool answers_take_news(struct answers *a, unsigned index);

/* Free-running counters of one worker; the owner does a plain add, others read them torn-free (relaxed atomics). */
struct answer_counters {
    _Atomic uint64_t queries, noerror, nxdomain, nodata, refused, formerr, notimp, badvers, truncated, dropped, tcp;
    _Atomic uint64_t cold; /* times that a name was not built yet; the query counts when it is answered */
};
const struct answer_counters *answer_reader_counters(const struct answer_reader *r);

#endif
