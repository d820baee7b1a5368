/* Deferred freeing. The objects of a batch are chained through themselves; the head of the first one is what call_rcu
 * queues, so that a flush costs one call however much it replaced, and cannot fail. The chain is freed by liburcu's own
 * thread. */
#include "engine/retire.h"

#include <stddef.h>
#include <stdlib.h>

static void chain_free(struct retired *first)
{
    while (first != NULL) {
        struct retired *next = first->next;
        free(first);
        first = next;
    }
}

static void batch_free(struct rcu_head *head)
{
    chain_free((struct retired *)(void *)((char *)head - offsetof(struct retired, rcu)));
}

void retire(struct retire_batch *b, struct retired *object)
{
    object->next = b->first;
    b->first = object;
}

void retire_flush(struct retire_batch *b)
{
    if (b->first != NULL)
        call_rcu(&b->first->rcu, batch_free);
    b->first = NULL;
}

void retire_now(struct retire_batch *b)
{
    chain_free(b->first);
    b->first = NULL;
}
