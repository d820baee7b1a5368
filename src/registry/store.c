/* The stores there are, by the name that `[store] type` gives them. A new store is one row. */
#include "registry/store.h"

#include <string.h>

static const struct store_vtable *const stores[] = {&store_memory};

#define N_STORES (sizeof(stores) / sizeof(stores[0]))

const struct store_vtable *store_at(size_t index)
{
    return index < N_STORES ? stores[index] : NULL;
}

const struct store_vtable *store_find(const char *name)
{
    for (size_t i = 0; i < N_STORES; i++)
        if (strcmp(stores[i]->name, name) == 0)
            return stores[i];
    return NULL;
}
