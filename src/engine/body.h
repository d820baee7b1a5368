/* One published answer: everything that is known of a name, in wire form, in a single allocation. Immutable but for the
 * bound of its TTLs, which stands here and not in the node, so that a TTL belongs to the records that it is given with.
 *
 *     body ──► sets by type
 *               set ──► groups (SRV: by priority, lowest first; others: one)
 *                        group: records  a b c a b c      a doubled ring: any rotation is one memcpy
 *                               at       0 . . . . . end  where each begins (absent while all have one length)
 *                               extra    the additional records of each, doubled likewise
 *                               slots    c a c b c ...    who comes first, if weights differ
 *
 * What leads to the bytes (head, sets, groups) lies together at the front, and places are 32-bit offsets into the body:
 * few cache lines are touched, and they are known as soon as the body is.
 *
 * A record is stored with the owner 0xC00C (the question's name) and the set's TTL; both are patched in the packet when
 * they have to be others. Additional records are stored with a placeholder for the pointer to the target's name. */
#ifndef ENGINE_BODY_H
#define ENGINE_BODY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/retire.h"
#include "registry/registry.h"

#define BODY_OWNER 0xC00C /* a pointer to offset 12 */
#define RR_FIXED   12     /* pointer, type, class, TTL, RDLENGTH */
#define RR_TTL_AT  6
#define RR_LEN_AT  10

/* Offsets count from the start of the body. */
struct body_group {
    uint32_t n;       /* records */
    uint32_t n_slots; /* 0: all weights are equal */
    uint32_t slots;   /* uint16_t each */
    uint32_t ring;
    uint32_t at;        /* 2n + 1 offsets (uint32_t) into ring; 0 while set->rr_len holds */
    uint32_t extra;     /* 0: no additional records */
    uint32_t extra_at;  /* 2n + 1 offsets (uint32_t) into extra; 0 while extra_len holds */
    uint32_t extra_len; /* of every record's additional records; 0: they differ */
};

/* How an answer is taken from a set, known when it is built. */
enum body_shape {
    BODY_RUN,    /* a stretch of the only ring, whose records have one length */
    BODY_RUNS,   /* stretches of each group's ring, or of records that differ */
    BODY_PICKED, /* records one by one: which of them are in the answer depends on weights or on the lot */
};

struct body_set {
    uint16_t type;
    uint8_t order;         /* enum answer_order */
    uint8_t shape;         /* enum body_shape */
    uint8_t target_at;     /* where in a record the name begins that its additional records belong to */
    uint16_t rr_len;       /* of every record; 0: they differ */
    uint16_t serial_at;    /* SOA of ours: where in the record the serial stands; 0: none */
    uint16_t n_groups;     /* at least 1 */
    uint8_t position;      /* which of the name's rotation positions is this set's */
    uint32_t n, n_answers; /* records; records in an answer */
    uint32_t wrap;         /* rotation positions run below this: a multiple of the first group's period */
    uint32_t ttl_s;
    uint32_t groups; /* offset */
};

struct answer_body {
    struct retired retired;
    _Atomic uint64_t lapse_ms; /* lease clock: nothing in it ends before; UINT64_MAX: permanent. Renewals raise it. */
    uint32_t ede;              /* the whole option, told with a negative answer */
    uint8_t ede_len;           /* 0: none */
    bool is_nxdomain;          /* an empty answer means NXDOMAIN: on_empty, and nothing below */
    _Atomic bool is_used;      /* set by readers, cleared by the control thread, which builds what is used */
    uint16_t n_sets;
    struct body_set sets[];
};

/* Stands where a name is known but its answer is not built, because nobody asks for it. */
extern struct answer_body body_cold;

/* Readers: its name was asked for. A store only if it is the first since the control thread looked. */
static inline void body_use(const struct answer_body *b)
{
    _Atomic bool *is_used = &((struct answer_body *)(uintptr_t)b)->is_used;
    if (!atomic_load_explicit(is_used, memory_order_relaxed))
        atomic_store_explicit(is_used, true, memory_order_relaxed);
}

#define BODY_PICKED_MAX 64 /* records of an answer that are picked one by one; larger ones are stretches */
#define BODY_POSITIONS  3  /* rotation positions of a name: A, AAAA, the rest */

static inline const struct body_set *body_find(const struct answer_body *b, uint16_t type)
{
    for (unsigned i = 0; i < b->n_sets; i++)
        if (b->sets[i].type == type)
            return &b->sets[i];
    return NULL;
}

static inline const void *body_place(const struct answer_body *b, uint32_t offset)
{
    return (const uint8_t *)b + offset;
}

static inline const struct body_group *body_groups(const struct answer_body *b, const struct body_set *set)
{
    return body_place(b, set->groups);
}

/* ── building ── */

struct body_rr {
    size_t rdata; /* offset in the source's bytes */
    uint16_t rdata_len;
    uint16_t priority; /* SRV; a change of it begins a group */
    uint32_t weight;   /* at least 1 */
    size_t extra;      /* whole additional records with BODY_OWNER in place of their owner; offset and length */
    uint32_t extra_len;
};

struct body_set_source {
    uint16_t type;
    uint8_t order, target_at;
    uint16_t serial_at;
    uint32_t ttl_s;
    uint32_t max_answers; /* 0: all */
    size_t first, n;      /* in the source's records, sorted by priority; n >= 1 */
};

#define BODY_SETS_MAX 64 /* types of one name */

/* What a body is made from; reused, nothing in it is kept by the body. */
struct body_source {
    struct buf bytes;
    struct body_rr *rrs; /* owned */
    size_t n_rrs, rrs_cap;
    struct body_set_source sets[BODY_SETS_MAX];
    size_t n_sets;
    uint64_t lapse_ms;
    bool is_nxdomain, failed; /* failed: no memory, or too many sets */
    uint8_t ede[64];
    uint8_t ede_len;
};

void body_source_init(struct body_source *s);
void body_source_fini(struct body_source *s);
void body_source_reset(struct body_source *s); /* keeps the memory */
/* Begins a set; the records added next belong to it. NULL (and failed) when there are too many. */
struct body_set_source *body_source_set(struct body_source *s, uint16_t type, uint32_t ttl_s);
/* Adds a record of the last set; its RDATA is what the caller appends to s->bytes up to body_source_end. NULL on
 * failure. */
struct body_rr *body_source_rr(struct body_source *s);
void body_source_end(struct body_source *s, struct body_rr *rr);
/* An additional record of `rr`; all of one record must be added in a row, after body_source_end. */
void body_source_extra(struct body_source *s, struct body_rr *rr, uint16_t type, uint32_t ttl_s, const void *rdata,
                       uint16_t len);

/* ERR_NOMEM, also for more than 4 GiB. Sets without records are left out. */
int body_new(const struct body_source *s, struct answer_body **out) MUST_CHECK;
void body_free(struct answer_body *b); /* one that was never published; NULL is allowed */

#endif
