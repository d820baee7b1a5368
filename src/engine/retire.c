/* A batch is chained through its objects. Their sizes are asked of the allocator, so that no object has to remember its
 * own. */
#include "engine/retire.h"

#include <malloc.h>
#include <stdlib.h>

void retire(struct retire_batch *b, struct retired *object)
{
    object->next = b->first;
    b->first = object;
    b->bytes += malloc_usable_size(object);
}

void retire_now(struct retire_batch *b)
{
    for (struct retired *at = b->first, *next; at != NULL; at = next) {
        next = at->next;
        free(at);
    }
    *b = (struct retire_batch){0};
}
