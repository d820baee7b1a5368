/* Chained hash map. Entries belong to the user, who embeds the node: nothing is allocated per entry, and the only
 * allocation that can fail is the bucket array, where failing to grow just means longer chains.
 *
 * It grows by linear hashing (Litwin 1980): each insert that finds the map full adds one bucket and moves to it what
 * belongs there from one other, so no insert ever touches more than a chain, however many entries there are. With
 * 2^k <= n_buckets < 2^(k+1), hash bits up to k choose among the buckets that there are; those that are still to come are
 * bucket i - 2^k for the time being:
 *
 *     n_buckets = 6       0   1   2   3   4   5   (6)  (7)      3 bits of the hash
 *                                 ^   ^            |    |
 *                                 +---|------------+    |       the next to be added is 6, split off from 2
 *                                     +-----------------+
 *
 * The array itself doubles by realloc, which for big ones is a move of pages, not of bytes. */
#include "base/map.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/must.h"

#define MAP_BUCKETS_MIN 16

/* 2^k, the highest power of two that is not above n. */
static size_t power_below(size_t n)
{
    return (size_t)1 << (63 - __builtin_clzll(n));
}

static size_t index_of(const struct map *m, uint64_t hash)
{
    size_t half = power_below(m->n_buckets);
    size_t i = hash & (2 * half - 1);
    return i < m->n_buckets ? i : i - half;
}

static struct map_node **bucket_of(const struct map *m, uint64_t hash)
{
    return &m->buckets[index_of(m, hash)];
}

int map_init(struct map *m)
{
    m->len = 0;
    m->n_buckets = MAP_BUCKETS_MIN;
    m->buckets = calloc(m->n_buckets, sizeof(struct map_node *));
    return m->buckets != NULL ? 0 : ERR_NOMEM;
}

void map_fini(struct map *m)
{
    free(m->buckets);
    *m = (struct map){0};
}

struct map_node *map_first(const struct map *m, uint64_t hash)
{
    struct map_node *n = *bucket_of(m, hash);
    while (n != NULL && n->hash != hash)
        n = n->next;
    return n;
}

struct map_node *map_next(const struct map_node *n)
{
    struct map_node *at = n->next;
    while (at != NULL && at->hash != n->hash)
        at = at->next;
    return at;
}

/* Room for one bucket more: the array doubles whenever it is full, which it is at powers of two. */
static bool has_room(struct map *m)
{
    if (m->n_buckets != power_below(m->n_buckets))
        return true;
    struct map_node **bigger = realloc(m->buckets, 2 * m->n_buckets * sizeof(struct map_node *));
    if (bigger == NULL)
        return false;
    m->buckets = bigger;
    return true;
}

/* Adds a bucket and gives it its entries. */
static void grow(struct map *m)
{
    if (!has_room(m))
        return;
    size_t added = m->n_buckets++, from = added - power_below(added);
    struct map_node *n = m->buckets[from], **keep = &m->buckets[from], **give = &m->buckets[added];
    for (; n != NULL; n = n->next) {
        struct map_node ***to = index_of(m, n->hash) == added ? &give : &keep;
        **to = n;
        *to = &n->next;
    }
    *keep = NULL;
    *give = NULL;
}

void map_insert(struct map *m, struct map_node *n, uint64_t hash)
{
    if (m->len >= m->n_buckets)
        grow(m);
    struct map_node **head = bucket_of(m, hash);
    n->hash = hash;
    n->next = *head;
    *head = n;
    m->len++;
}

void map_remove(struct map *m, struct map_node *n)
{
    struct map_node **at = bucket_of(m, n->hash);
    while (*at != NULL && *at != n)
        at = &(*at)->next;
    must(*at == n);
    *at = n->next;
    n->next = NULL;
    m->len--;
}

struct map_node *map_each(const struct map *m, const struct map_node *after)
{
    size_t i = 0;
    if (after != NULL) {
        if (after->next != NULL)
            return after->next;
        i = index_of(m, after->hash) + 1;
    }
    for (; i < m->n_buckets; i++)
        if (m->buckets[i] != NULL)
            return m->buckets[i];
    return NULL;
}
