/* Memory that readers may still look at: collected during a flush, freed after one grace period. Every object that can
 * be retired is a single allocation that begins with a `struct retired`, so retiring never allocates.
 *
 * liburcu, QSBR. The control thread must be a registered RCU thread, online, when it calls retire_flush; its loop
 * reports quiescent states as the workers' loops do. */
#ifndef ENGINE_RETIRE_H
#define ENGINE_RETIRE_H

#include <urcu-qsbr.h>

struct retired {
    struct rcu_head rcu; /* used in the first of a batch */
    struct retired *next;
};

struct retire_batch {
    struct retired *first;
};

/* No new reader can find `object` any more. */
void retire(struct retire_batch *b, struct retired *object);
/* Hands the batch to call_rcu, as one. */
void retire_flush(struct retire_batch *b);
/* Frees at once what no reader ever saw, or when there are no readers. */
void retire_now(struct retire_batch *b);

#endif
