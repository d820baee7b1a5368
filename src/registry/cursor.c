/* Walks over services, or the instances of one, that go on while both come and go.
 *
 * The happy path: the cursor stands at the node that it gave last; the next one is behind it. Lists only grow at their end,
 * so whoever was there when the walk began comes before all that came later.
 *
 * What can go wrong: the node is taken out of its list. Every cursor is known to the registry and steps back to the one
 * before. A service that ends takes the walks over its instances along. */
#include "registry/private.h"

void registry_walk(struct registry *r, struct service *s, struct registry_cursor *c)
{
    *c = (struct registry_cursor){.registry = r, .service = s, .at = s != NULL ? &s->ordered : &r->order};
    list_init(&c->link);
    list_push(&r->cursors, &c->link);
}

void registry_walk_end(struct registry_cursor *c)
{
    list_remove(&c->link);
    c->at = NULL;
}

struct service *registry_walk_service(struct registry_cursor *c)
{
    for (c->at = c->at->next; c->at != &c->registry->order; c->at = c->at->next) {
        struct service *s = &CONTAINER_OF(c->at, struct service_entry, link)->pub;
        if (service_exists(s))
            return s;
    }
    c->at = c->at->prev;
    return NULL;
}

struct instance *registry_walk_instance(struct registry_cursor *c)
{
    if (c->at == NULL || c->at->next == &c->service->ordered)
        return NULL;
    c->at = c->at->next;
    return CONTAINER_OF(c->at, struct instance, link);
}

void cursors_leave(struct registry *r, struct list *node)
{
    for (struct list *at = r->cursors.next; at != &r->cursors; at = at->next) {
        struct registry_cursor *c = CONTAINER_OF(at, struct registry_cursor, link);
        if (c->at == node)
            c->at = node->prev;
    }
}

void cursors_end(struct registry *r, const struct service *s)
{
    for (struct list *at = r->cursors.next; at != &r->cursors; at = at->next) {
        struct registry_cursor *c = CONTAINER_OF(at, struct registry_cursor, link);
        if (c->service == s)
            c->at = NULL;
    }
}
