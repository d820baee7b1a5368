/* The table of published names: open addressing over 8-byte slots, read without locks.
 *
 *     hash ─► shard (6 bits) ─► slots: [ fingerprint 16 | pointer 48 ] [..] [..]   linear probing, load at most 0.6
 *                                          └─► node ─► body
 *
 * One writer (the control thread). Insert, replace and delete are one release store each; a shard that grows is copied
 * and swapped. Two kinds of names stand in it: static ones compare exactly (case only), dynamic ones compare their part
 * below the domain loosely ('_' as '-') and the domain exactly: that is `n_loose`. The hash is of the loosely folded
 * whole name, so both kinds are found by one lookup. */
#ifndef ENGINE_TABLE_H
#define ENGINE_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "dns/name.h"
#include "engine/body.h"
#include "engine/retire.h"
#include "engine/roster.h"

#define TABLE_SHARDS 64

struct answer_node {
    struct retired retired;
    _Atomic(struct answer_body *) body; /* NULL: an empty non-terminal, there only for the names below it; &body_cold */
    _Atomic(struct roster *) roster;    /* of a service: its ids, which need no nodes; NULL: none */
    uint64_t hash;
    _Atomic uint32_t rotation;  /* of answer_reader's positions; 0: none */
    uint32_t refs;              /* control thread: its owner, and each node right below it */
    struct answer_node *parent; /* control thread; NULL for an apex */
    bool is_owned;              /* control thread: published for itself, not only for names below */
    _Atomic bool is_srv_only;   /* an alias: the body is another name's, of which only SRV counts */
    uint8_t n_loose, len;
    uint8_t name[];
};

/* Readers: what is published of the name now. */
static inline const struct answer_body *node_body(const struct answer_node *n)
{
    return atomic_load_explicit(&n->body, memory_order_acquire);
}

struct table_slots {
    struct retired retired;
    uint32_t mask;
    _Atomic uint64_t slots[];
};

struct table_shard {
    _Atomic(struct table_slots *) slots; /* NULL until the first insert */
    uint32_t n_live, n_used;             /* control thread; used counts tombstones, too */
};

struct table {
    struct table_shard shards[TABLE_SHARDS];
    size_t n;
};

void table_init(struct table *t);

/* Readers. A lookup in steps, none of which waits for memory that the one before it asked for: table_prefetch_slots
 * asks for the slots of the hash; table_guess looks at them and asks for the node that they most likely lead to, NULL:
 * there is no such name; table_is_guess says if it is the one. If not, table_find knows. */
void table_prefetch_slots(const struct table *t, uint64_t hash);
const struct answer_node *table_guess(const struct table *t, uint64_t hash);
bool table_is_guess(const struct answer_node *n, const uint8_t *loose, const uint8_t *exact, size_t len);

/* Readers: the node of a name, given folded in both ways; NULL if there is none. Where a static empty non-terminal and
 * a dynamic name are spelt alike, the one with data is found. */
const struct answer_node *table_find(const struct table *t, uint64_t hash, const uint8_t *loose, const uint8_t *exact,
                                     size_t len);

/* Readers: the ids of a service by its name; NULL if the name is no service's, or it has none. */
const struct roster *table_roster(const struct table *t, uint64_t hash, const uint8_t *loose, const uint8_t *exact,
                                  size_t len);

/* Control thread. The node with this very name and kind. */
struct answer_node *table_get(const struct table *t, uint64_t hash, const struct dns_name *name, uint8_t n_loose);
/* Room for as many names as in another one, before any name. ERR_NOMEM: some of it is there. */
int table_reserve(struct table *t, const struct table *like) MUST_CHECK;
int table_insert(struct table *t, struct answer_node *n, struct retire_batch *batch) MUST_CHECK; /* ERR_NOMEM */
void table_remove(struct table *t, struct answer_node *n); /* must be in it; the caller retires it */
/* Calls `each` for every node with this hash. */
void table_each_hash(const struct table *t, uint64_t hash, void (*each)(void *arg, struct answer_node *n), void *arg);
/* Calls `each` for every node. */
void table_each(const struct table *t, void (*each)(void *arg, struct answer_node *n), void *arg);
/* Retires every node and its slots; `each` sees each node before. */
void table_clear(struct table *t, struct retire_batch *batch, void (*each)(void *arg, struct answer_node *n),
                 void *arg);

#endif
