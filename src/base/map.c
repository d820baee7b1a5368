/* Chained hash map. Entries belong to the user, who embeds the node: nothing is allocated per entry, and the only
 * allocation that can fail is the bucket array, where failing to grow just means longer chains.
 *
 * Growing rehashes everything at once: 1 M entries take some tens of milliseconds, once per doubling. */
#include "base/map.h"

#include <stdlib.h>

#include "base/must.h"

#define MAP_BUCKETS_MIN 16

static struct map_node **bucket_of(const struct map *m, uint64_t hash)
{
    return &m->buckets[hash & (m->n_buckets - 1)];
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

static void grow(struct map *m)
{
    struct map bigger = {.n_buckets = m->n_buckets * 2, .len = m->len};
    bigger.buckets = calloc(bigger.n_buckets, sizeof(struct map_node *));
    if (bigger.buckets == NULL)
        return;
    for (size_t i = 0; i < m->n_buckets; i++) {
        for (struct map_node *n = m->buckets[i], *next; n != NULL; n = next) {
            next = n->next;
            struct map_node **head = bucket_of(&bigger, n->hash);
            n->next = *head;
            *head = n;
        }
    }
    free(m->buckets);
    *m = bigger;
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
        i = (after->hash & (m->n_buckets - 1)) + 1;
    }
    for (; i < m->n_buckets; i++)
        if (m->buckets[i] != NULL)
            return m->buckets[i];
    return NULL;
}
