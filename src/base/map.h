/* Intrusive chained hash map. The user computes the 64-bit hash, embeds a map_node and compares
 * keys itself, so any key type works and inserting never allocates an entry:
 *
 *     struct user { struct map_node node; char name[16]; };
 *     uint64_t h = hash_bytes(name, strlen(name), key);
 *     for (struct map_node *n = map_first(&m, h); n != NULL; n = map_next(n))
 *         if (strcmp(CONTAINER_OF(n, struct user, node)->name, name) == 0) ...
 *     map_insert(&m, &user->node, h);
 *
 * Growing may fail for lack of memory; the map then goes on with longer chains. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct map_node {
    struct map_node *next;
    uint64_t hash;
};

struct map {
    struct map_node **buckets;
    size_t n_buckets;
    size_t len;
};

int map_init(struct map *m) MUST_CHECK; /* ERR_NOMEM */
/* Frees the buckets only; the entries are the user's. */
void map_fini(struct map *m);
/* First entry with exactly this hash, or NULL. */
struct map_node *map_first(const struct map *m, uint64_t hash);
/* Next entry with the same hash, or NULL. */
struct map_node *map_next(const struct map_node *n);
void map_insert(struct map *m, struct map_node *n, uint64_t hash);
/* `n` must be in the map. */
void map_remove(struct map *m, struct map_node *n);
/* Every entry once, in no order: NULL starts, NULL ends. The entry returned may be removed before
 * the next call only if its successor was fetched first. */
struct map_node *map_each(const struct map *m, const struct map_node *after);

#endif
