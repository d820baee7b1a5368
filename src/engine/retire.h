/* Memory that readers may still look at: collected while names are published, freed together once no reader can hold any
 * of it (engine/grace.h says when). Every object that can be retired is a single allocation that begins with a
 * `struct retired`, so retiring never allocates and cannot fail. Control thread only. */
#ifndef ENGINE_RETIRE_H
#define ENGINE_RETIRE_H

#include <stddef.h>

struct retired {
    struct retired *next; /* once it is retired; readers never look at it */
};

struct retire_batch {
    struct retired *first;
    size_t bytes; /* that freeing it gives back */
};

/* No new reader can find `object` any more. */
void retire(struct retire_batch *b, struct retired *object);
/* Frees at once what no reader holds, or ever saw. */
void retire_now(struct retire_batch *b);

#endif
