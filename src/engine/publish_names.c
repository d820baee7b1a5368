/* Which names there are: for each service its own, for each instance its id, its tags and its named ports. Kept up to
 * date with each change in O(names of the instance), so that a flush knows exactly which names to build again, and for
 * each of them exactly which instances to look at.
 *
 * What can go wrong is memory, while a service, a name or an instance's list is made: then the service (or, if even
 * that could not be made, the publisher) is marked, and the next flush takes the instances from the registry again. */
#include "engine/publish_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/must.h"

/* ── marks ── */

void pub_service_mark(struct publisher *p, struct pub_service *s)
{
    if (list_is_empty(&s->dirty_link))
        list_push(&p->dirty, &s->dirty_link);
}

void pub_name_mark(struct publisher *p, struct pub_name *n)
{
    if (list_is_empty(&n->dirty))
        list_push(&n->service->dirty, &n->dirty);
    pub_service_mark(p, n->service);
}

void pub_service_mark_all(struct publisher *p, struct pub_service *s)
{
    for (struct map_node *at = map_each(&s->names, NULL); at != NULL; at = map_each(&s->names, at))
        pub_name_mark(p, CONTAINER_OF(at, struct pub_name, node));
    pub_service_mark(p, s);
}

/* ── names ── */

static uint64_t name_hash(const struct publisher *p, enum pub_kind kind, const char *label, bool is_udp)
{
    return hash_bytes(label, strlen(label), p->key + kind * 2 + is_udp);
}

struct pub_name *pub_name_find(const struct publisher *p, const struct pub_service *s, enum pub_kind kind,
                               const char *label, bool is_udp)
{
    uint64_t hash = name_hash(p, kind, label, is_udp);
    for (struct map_node *at = map_first(&s->names, hash); at != NULL; at = map_next(at)) {
        struct pub_name *n = CONTAINER_OF(at, struct pub_name, node);
        if (n->kind == kind && n->is_udp == is_udp && strcmp(n->label, label) == 0)
            return n;
    }
    return NULL;
}

static struct pub_name *name_get(struct publisher *p, struct pub_service *s, enum pub_kind kind, const char *label,
                                 bool is_udp)
{
    struct pub_name *n = pub_name_find(p, s, kind, label, is_udp);
    if (n != NULL)
        return n;
    const struct world *w = publisher_world(p);
    size_t len = strlen(label);
    n = calloc(1, sizeof(*n) + len + 1);
    struct pub_place *places = calloc(w != NULL && w->n_domains > 0 ? w->n_domains : 1, sizeof(*places));
    if (n == NULL || places == NULL) {
        free(n);
        free(places);
        return NULL;
    }
    list_init(&n->dirty);
    list_init(&n->carriers);
    wheel_entry_init(&n->bound);
    n->service = s;
    n->kind = kind;
    n->is_udp = is_udp;
    n->lapse_ms = UINT64_MAX;
    n->places = places;
    memcpy(n->label, label, len + 1);
    map_insert(&s->names, &n->node, name_hash(p, kind, label, is_udp));
    return n;
}

static bool name_is_published(const struct publisher *p, const struct pub_name *n)
{
    const struct world *w = publisher_world(p);
    for (size_t d = 0; w != NULL && d < w->n_domains; d++)
        if (n->places[d].body != NULL)
            return true;
    return false;
}

static void name_free(struct publisher *p, struct pub_name *n)
{
    must(list_is_empty(&n->carriers));
    wheel_disarm(&p->bounds, &n->bound);
    map_remove(&n->service->names, &n->node);
    list_remove(&n->dirty);
    free(n->places);
    free(n->next);
    free(n);
}

/* ── instances ── */

static bool carries(const struct pub_instance *pi, const struct pub_name *n)
{
    for (size_t k = 0; k < pi->n; k++)
        if (pi->carried[k].name == n)
            return true;
    return false;
}

/* Who is new comes last in the registry too. One that changes comes back out of its order, to be sorted once, by the
 * build that it is marked for. */
static void carry(struct pub_instance *pi, struct pub_name *n, struct instance *i)
{
    struct pub_carrier *c = &pi->carried[pi->n++];
    c->name = n;
    c->instance = i;
    if (!list_is_empty(&n->carriers))
        n->is_unordered |= CONTAINER_OF(n->carriers.prev, struct pub_carrier, link)->instance->order > i->order;
    list_push(&n->carriers, &c->link);
}

/* NULL: no memory. */
static bool list_name(struct pub_instance *pi, struct pub_name *n, struct instance *i)
{
    if (n != NULL && !carries(pi, n))
        carry(pi, n, i);
    return n != NULL;
}

static bool list_names(struct publisher *p, struct pub_service *s, struct pub_instance *pi, struct instance *i)
{
    const struct description *d = i->desc;
    char folded[TAG_MAX + 1];
    if (!list_name(pi, name_get(p, s, PUB_LABEL, label_fold(d->id, folded), false), i))
        return false;
    carry(pi, s->self, i);
    for (unsigned t = 0; t < d->n_tags; t++)
        if (tag_is_label(d->more->tags[t]) &&
            !list_name(pi, name_get(p, s, PUB_LABEL, label_fold(d->more->tags[t], folded), false), i))
            return false;
    for (unsigned k = 0; k < d->n_ports; k++)
        if (!list_name(pi, name_get(p, s, PUB_PORT, label_fold(d->more->ports[k].name, folded), d->more->ports[k].is_udp), i))
            return false;
    return true;
}

static void mark_names(struct publisher *p, struct pub_instance *pi)
{
    for (size_t k = 0; k < pi->n; k++)
        pub_name_mark(p, pi->carried[k].name);
}

void pub_instance_detach(struct publisher *p, struct instance *i)
{
    struct pub_instance *pi = i->publish;
    if (pi == NULL)
        return;
    mark_names(p, pi);
    for (size_t k = 0; k < pi->n; k++) {
        list_remove(&pi->carried[k].link);
        if (pi->carried[k].name->owner == i)
            pi->carried[k].name->owner = NULL;
    }
    i->publish = NULL;
    free(pi);
}

int pub_instance_attach(struct publisher *p, struct pub_service *s, struct instance *i)
{
    const struct description *d = i->desc;
    size_t cap = 2 + (size_t)d->n_tags + d->n_ports;
    struct pub_instance *pi = malloc(sizeof(*pi) + cap * sizeof(pi->carried[0]));
    if (pi == NULL)
        return ERR_NOMEM;
    pi->n = 0;
    i->publish = pi;
    if (!list_names(p, s, pi, i)) {
        pub_instance_detach(p, i);
        return ERR_NOMEM;
    }
    pi->carried[0].name->owner = i;
    mark_names(p, pi);
    return 0;
}

/* ── services ── */

static struct pub_service *service_find(const struct publisher *p, const char *folded)
{
    uint64_t hash = hash_bytes(folded, strlen(folded), p->key);
    for (struct map_node *at = map_first(&p->services, hash); at != NULL; at = map_next(at)) {
        struct pub_service *s = CONTAINER_OF(at, struct pub_service, node);
        if (strcmp(s->folded, folded) == 0)
            return s;
    }
    return NULL;
}

static struct pub_service *service_new(struct publisher *p, const char *folded)
{
    size_t len = strlen(folded);
    struct pub_service *s = calloc(1, sizeof(*s) + len + 1);
    if (s == NULL || map_init(&s->names) != 0) {
        free(s);
        return NULL;
    }
    memcpy(s->folded, folded, len + 1);
    list_init(&s->dirty_link);
    list_init(&s->dirty);
    s->self = name_get(p, s, PUB_SERVICE, "", false);
    if (s->self == NULL) {
        map_fini(&s->names);
        free(s);
        return NULL;
    }
    map_insert(&p->services, &s->node, hash_bytes(folded, len, p->key));
    return s;
}

struct pub_service *pub_service_get(struct publisher *p, struct service *service)
{
    struct pub_service *s = service->publish;
    if (s != NULL)
        return s;
    s = service_find(p, service->folded);
    if (s == NULL)
        s = service_new(p, service->folded);
    if (s == NULL)
        return NULL;
    s->service = service;
    service->publish = s;
    return s;
}

void pub_name_sweep(struct publisher *p, struct pub_name *n)
{
    if (n->kind != PUB_SERVICE && list_is_empty(&n->carriers) && !name_is_published(p, n))
        name_free(p, n);
}

void pub_service_sweep(struct publisher *p, struct pub_service *s)
{
    if (s->service == NULL && s->names.len == 1 && list_is_empty(&s->self->dirty) && !name_is_published(p, s->self))
        pub_service_free(p, s);
}

void pub_service_free(struct publisher *p, struct pub_service *s)
{
    const struct world *w = publisher_world(p);
    for (struct map_node *at = map_each(&s->names, NULL), *next; at != NULL; at = next) {
        next = map_each(&s->names, at);
        struct pub_name *n = CONTAINER_OF(at, struct pub_name, node);
        for (size_t d = 0; w != NULL && d < w->n_domains; d++)
            if (n->places[d].body != NULL)
                retire(&p->answers->batch, &n->places[d].body->retired);
        name_free(p, n);
    }
    list_remove(&s->dirty_link);
    map_remove(&p->services, &s->node);
    map_fini(&s->names);
    free(s);
}
