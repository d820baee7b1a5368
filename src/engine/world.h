/* What a worker can see: the world (domains, options and the table of names, replaced as a whole by a reload that
 * changes any name) and the few numbers beside it. Internal to engine/: publish writes it, answer reads it. */
#ifndef ENGINE_WORLD_H
#define ENGINE_WORLD_H

#include "base/rng.h"
#include "engine/answers.h"
#include "engine/grace.h"
#include "engine/table.h"
#include "engine/want.h"

#define SOA_MAX      (RR_FIXED + 2 * DNS_NAME_MAX + 20)
#define SOA_POINTERS 3

/* The SOA record of negative answers (RFC 2308 section 3): ready but for the pointers to the apex in the question. */
struct world_soa {
    uint16_t len;
    uint16_t serial_at; /* a serial of ours is patched here; 0: the zone file's, as it is */
    uint16_t n_pointers;
    uint16_t pointers_at[SOA_POINTERS];
    uint8_t bytes[SOA_MAX];
};

struct world_domain {
    struct dns_name apex; /* folded exact */
    struct world_soa soa;
};

struct world {
    struct retired retired;
    struct table table;
    uint32_t ttl_floor_s;                 /* at least 1 */
    _Atomic bool is_ra_always, has_chaos; /* answer_limits; a reload that changes no name stores them in place */
    const char *version, *server_id;      /* borrowed for ever */
    size_t n_domains;
    struct world_domain domains[];
};

/* ── rotation positions ── */

#define ROTATION_CHUNK  4096 /* names */
#define ROTATION_CHUNKS 16384 /* 67 million names; a service has three in each domain */

typedef uint32_t rotation_position[BODY_POSITIONS];

struct answer_reader {
    struct grace_reader grace;
    struct answers *answers;
    struct answer_counters counters;
    struct rng rng;
    rotation_position
        *chunks[ROTATION_CHUNKS]; /* grown by the control thread before a name with such an id is published */
    struct want_ring wants;
    bool has_news; /* control thread: wants were served since answers_has_news */
} __attribute__((aligned(64)));

struct answers {
    _Atomic(struct world *) world; /* NULL before the first publish_configure */
    _Atomic uint64_t lease_lag_ms; /* clock_mono_ms less the lease clock */
    _Atomic uint32_t serial;       /* of synthesised SOA records */
    uint64_t key;                  /* of the table's hash */
    struct grace grace;
    struct retire_batch batch; /* control thread: what was replaced and no grace period has begun for yet */
    unsigned n_readers;
    struct answer_reader **readers;
    struct {
        uint32_t *free; /* ids to use again; room for all that were ever given */
        uint32_t n_free, cap, next;
        struct rng rng;
    } rotation;
};

/* Control thread. An id for a name's positions, random at start in every reader; ERR_NOMEM. */
int rotation_acquire(struct answers *a, uint32_t *id) MUST_CHECK;
void rotation_release(struct answers *a, uint32_t id); /* 0 is allowed */

/* ── the world, control thread ── */

struct node_state {
    struct answer_body *body; /* NULL: an empty non-terminal all the same; &body_cold */
    bool is_srv_only;
    bool is_rotated; /* it has, or may get, sets of more than one record: takes a rotation id, given back when cold */
};

int world_new(size_t n_domains, struct world **out) MUST_CHECK;
/* Makes sure that `name` has a node under `apex`, with its empty non-terminals and a rotation id if it needs one;
 * `*node` is that node, or NULL if the caller has none yet: only then its state is set. ERR_NOMEM: nothing has changed.
 */
int world_acquire(struct answers *a, struct world *w, const struct dns_name *apex, const struct dns_name *name,
                  uint8_t n_loose, const struct node_state *state, struct answer_node **node) MUST_CHECK;
/* Another answer for a node that was acquired. The caller retires the body that was replaced. */
void world_set(struct answers *a, struct answer_node *node, const struct node_state *state);
void world_unpublish(struct answers *a, struct world *w, struct answer_node *node);
/* Positions of names that both worlds know go on in `next`. Cannot fail. */
void world_hand_over(struct answers *a, struct world *old, struct world *next);
/* Retires the world, its nodes and the bodies of static names (others are the publisher's). */
void world_retire(struct answers *a, struct world *w);
/* True if a static name is spelt like this when folded loosely: with records, or (`or_empty`) only names below it. */
bool world_has_static(const struct answers *a, const struct world *w, const struct dns_name *loose, bool or_empty);

/* The SOA of negative answers from the apex's own record. */
void world_soa_set(struct world_domain *d, const uint8_t *rdata, size_t len, uint32_t ttl_s, bool is_serial_ours);

/* ── readers ── */

/* The domain that the name (folded exact) is in, or NULL. */
const struct world_domain *world_domain_of(const struct world *w, const uint8_t *exact, size_t len);

#endif
