/* Which ids a service has, for readers, in a few bytes each: a set of 32-bit hashes, so that ids need no node in the
 * table of names before they are asked for. An id whose hash is not in it does not exist; one whose hash is may exist
 * (a chance of n / 2^32 for one that does not).
 *
 * One writer, the control thread; readers take no lock. Adding and removing are one store each; a roster that gets full
 * of entries and tombstones is copied into another block, and the old one is retired. The owner then tells readers
 * where the new one is. Equal hashes of two ids are two entries, so removing one leaves the other. */
#ifndef ENGINE_ROSTER_H
#define ENGINE_ROSTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/retire.h"

struct roster {
    struct retired retired;
    uint32_t mask;
    uint32_t n_live, n_used; /* control thread; used counts tombstones, too */
    _Atomic uint32_t hashes[];
};

/* Of an id, folded loosely. */
uint32_t roster_hash(const void *id, size_t len, uint64_t key);
/* `*r` is NULL while the set is empty, and may be another block afterwards: the one before is in the batch. ERR_NOMEM:
 * nothing has changed. */
int roster_add(struct roster **r, uint32_t hash, struct retire_batch *batch) MUST_CHECK;
void roster_remove(struct roster **r, uint32_t hash, struct retire_batch *batch); /* must be in it */
/* Readers. */
bool roster_has(const struct roster *r, uint32_t hash);

#endif
