/* Which names there are: for each service its own, for each instance its tags and its named ports, and its id, which is
 * in the service's roster and is a name only if it is asked for or is a tag, too. Kept up to date with each change in
 * O(names of the instance), so that a flush knows exactly which names to build again, and for each of them exactly
 * which instances to look at.
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
    list_remove(&s->dirty_link);
    list_push(&p->dirty, &s->dirty_link);
}

void pub_name_mark(struct publisher *p, struct pub_name *n)
{
    if (list_is_empty(&n->dirty))
        list_push(&n->service->dirty, &n->dirty);
    n->is_awaited |= !p->can_wait;
    pub_service_mark(p, n->service);
}

void pub_name_changed(struct publisher *p, struct pub_name *n)
{
    const struct service *service = n->service->service;
    bool is_settled = n->hot == NULL && n->is_placed && pub_name_exists(n);
    /* where nobody may mean NXDOMAIN, who is served decides whether there are aliases */
    if (!is_settled || service->policy.on_empty == ON_EMPTY_NXDOMAIN)
        pub_name_mark(p, n);
}

void pub_service_mark_all(struct publisher *p, struct pub_service *s)
{
    pub_name_mark(p, s->self);
    for (struct list *at = s->names.next; at != &s->names; at = at->next)
        pub_name_mark(p, CONTAINER_OF(at, struct pub_name, link));
}

/* ── names ── */

static uint64_t name_hash(const struct publisher *p, const struct pub_service *s, enum pub_kind kind, const char *label,
                          bool is_udp)
{
    return hash_bytes(label, strlen(label), p->key ^ (uint64_t)(uintptr_t)s ^ (kind * 2U + is_udp));
}

struct pub_name *pub_name_find(const struct publisher *p, const struct pub_service *s, enum pub_kind kind,
                               const char *label, bool is_udp)
{
    if (list_is_empty(&s->names))
        return NULL;
    uint64_t hash = name_hash(p, s, kind, label, is_udp);
    for (struct map_node *at = map_first(&p->names, hash); at != NULL; at = map_next(at)) {
        struct pub_name *n = CONTAINER_OF(at, struct pub_name, node);
        if (n->service == s && n->kind == kind && n->is_udp == is_udp && strcmp(n->label, label) == 0)
            return n;
    }
    return NULL;
}

static struct pub_name *name_new(struct publisher *p, struct pub_service *s, enum pub_kind kind, const char *label)
{
    const struct world *w = publisher_world(p);
    size_t len = strlen(label);
    struct pub_name *n = calloc(1, sizeof(*n) + len + 1);
    struct pub_place *places = calloc(w != NULL && w->n_domains > 0 ? w->n_domains : 1, sizeof(*places));
    if (n == NULL || places == NULL) {
        free(n);
        free(places);
        return NULL;
    }
    list_init(&n->link);
    list_init(&n->dirty);
    list_init(&n->carriers);
    n->service = s;
    n->kind = (uint8_t)kind;
    n->places = places;
    memcpy(n->label, label, len + 1);
    p->counts.names++;
    return n;
}

struct pub_name *pub_name_get(struct publisher *p, struct pub_service *s, enum pub_kind kind, const char *label,
                              bool is_udp)
{
    struct pub_name *n = pub_name_find(p, s, kind, label, is_udp);
    if (n == NULL)
        n = name_new(p, s, kind, label);
    if (n == NULL || !list_is_empty(&n->link))
        return n;
    n->is_udp = is_udp;
    struct instance *i = kind == PUB_LABEL ? registry_instance(s->service, label) : NULL;
    n->owner = i != NULL && i->publish != NULL ? i : NULL;
    list_push(&s->names, &n->link);
    map_insert(&p->names, &n->node, name_hash(p, s, kind, label, is_udp));
    return n;
}

bool pub_name_exists(const struct pub_name *n)
{
    const struct service *service = n->service->service;
    if (service == NULL || service->is_hidden)
        return false;
    return n->kind == PUB_SERVICE || !list_is_empty(&n->carriers) || (n->owner != NULL && n->hot != NULL);
}

static bool name_is_published(const struct publisher *p, const struct pub_name *n)
{
    const struct world *w = publisher_world(p);
    for (size_t d = 0; w != NULL && d < w->n_domains; d++)
        for (unsigned k = 0; k < NODES_OF_NAME; k++)
            if (n->places[d].nodes[k] != NULL)
                return true;
    return false;
}

static void name_free(struct publisher *p, struct pub_name *n)
{
    must(list_is_empty(&n->carriers));
    pub_name_cool(p, n);
    if (n->kind != PUB_SERVICE)
        map_remove(&p->names, &n->node);
    list_remove(&n->link);
    list_remove(&n->dirty);
    p->counts.names--;
    free(n->places);
    free(n->next);
    free(n);
}

/* ── instances ── */

/* What i->publish is while the instance has no names but its id and its service's; and while it should have others for
 * which there was no memory. */
static struct pub_instance plain, unnamed;

bool pub_instance_is_attached(const struct instance *i)
{
    return i->publish != NULL && i->publish != &unnamed;
}

static uint32_t id_hash(const struct publisher *p, const char *folded)
{
    return roster_hash(folded, strlen(folded), p->answers->key);
}

struct pub_name *pub_id_find(const struct publisher *p, const struct pub_service *s, const char *id)
{
    char folded[INSTANCE_ID_MAX + 1];
    return pub_name_find(p, s, PUB_LABEL, label_fold(id, folded), false);
}

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
    for (unsigned t = 0; t < d->n_tags; t++)
        if (tag_is_label(d->more->tags[t]) &&
            !list_name(pi, pub_name_get(p, s, PUB_LABEL, label_fold(d->more->tags[t], folded), false), i))
            return false;
    for (unsigned k = 0; k < d->n_ports; k++) {
        const struct named_port *port = &d->more->ports[k];
        if (!list_name(pi, pub_name_get(p, s, PUB_PORT, label_fold(port->name, folded), port->is_udp), i))
            return false;
    }
    return true;
}

void pub_instance_changed(struct publisher *p, struct pub_service *s, struct instance *i)
{
    struct pub_instance *pi = i->publish;
    pub_name_changed(p, s->self);
    for (size_t k = 0; k < pi->n; k++)
        pub_name_changed(p, pi->carried[k].name);
}

/* Carries none of its names any more. */
static void drop_names(struct publisher *p, struct instance *i)
{
    struct pub_instance *pi = i->publish;
    for (size_t k = 0; k < pi->n; k++) {
        list_remove(&pi->carried[k].link);
        pub_name_changed(p, pi->carried[k].name);
    }
    if (pi != &plain && pi != &unnamed)
        free(pi);
    i->publish = &unnamed;
}

static int take_names(struct publisher *p, struct pub_service *s, struct instance *i)
{
    const struct description *d = i->desc;
    size_t cap = (size_t)d->n_tags + d->n_ports;
    if (cap == 0) {
        i->publish = &plain;
        return 0;
    }
    struct pub_instance *pi = malloc(sizeof(*pi) + cap * sizeof(pi->carried[0]));
    if (pi == NULL)
        return ERR_NOMEM;
    pi->n = 0;
    i->publish = pi;
    if (list_names(p, s, pi, i))
        return 0;
    drop_names(p, i);
    return ERR_NOMEM;
}

/* The roster has changed. Its readers find it by the nodes of the service's name, of which there may be one more or
 * less where a static name hides it. */
static void show_roster(struct publisher *p, struct pub_service *s, const struct roster *before)
{
    const struct world *w = publisher_world(p);
    if (s->roster == before)
        return;
    if (s->roster == NULL || before == NULL)
        pub_name_mark(p, s->self);
    for (size_t d = 0; w != NULL && d < w->n_domains; d++)
        if (s->self->places[d].nodes[0] != NULL)
            atomic_store_explicit(&s->self->places[d].nodes[0]->roster, s->roster, memory_order_release);
}

void pub_instance_detach(struct publisher *p, struct pub_service *s, struct instance *i, const char *id)
{
    if (i->publish == NULL)
        return;
    char folded[INSTANCE_ID_MAX + 1];
    struct pub_name *n = pub_name_find(p, s, PUB_LABEL, label_fold(id, folded), false);
    const struct roster *before = s->roster;
    roster_remove(&s->roster, id_hash(p, folded), &p->answers->batch);
    show_roster(p, s, before);
    drop_names(p, i);
    pub_name_changed(p, s->self);
    i->publish = NULL;
    if (n == NULL)
        return;
    n->owner = NULL;
    pub_name_mark(p, n);
}

int pub_instance_attach(struct publisher *p, struct pub_service *s, struct instance *i)
{
    char folded[INSTANCE_ID_MAX + 1];
    struct pub_name *n = pub_name_find(p, s, PUB_LABEL, label_fold(i->desc->id, folded), false);
    if (i->publish == NULL) {
        const struct roster *before = s->roster;
        if (roster_add(&s->roster, id_hash(p, folded), &p->answers->batch) != 0)
            return ERR_NOMEM;
        show_roster(p, s, before);
        i->publish = &unnamed;
    }
    if (n != NULL) {
        n->owner = i;
        pub_name_mark(p, n);
    }
    drop_names(p, i);
    int rc = take_names(p, s, i);
    pub_instance_changed(p, s, i);
    return rc;
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
    if (s == NULL)
        return NULL;
    memcpy(s->folded, folded, len + 1);
    list_init(&s->dirty_link);
    list_init(&s->dirty);
    list_init(&s->names);
    s->self = name_new(p, s, PUB_SERVICE, "");
    if (s->self == NULL) {
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
    bool is_new = s == NULL;
    if (is_new)
        s = service_new(p, service->folded);
    if (s == NULL)
        return NULL;
    s->nodes_as = is_new ? pub_nodes_as(service) : 0;
    s->service = service;
    service->publish = s;
    return s;
}

void pub_name_sweep(struct publisher *p, struct pub_name *n)
{
    if (n->kind != PUB_SERVICE && !pub_name_exists(n) && list_is_empty(&n->carriers) && !name_is_published(p, n))
        name_free(p, n);
}

void pub_service_sweep(struct publisher *p, struct pub_service *s)
{
    if (s->service == NULL && list_is_empty(&s->names) && list_is_empty(&s->self->dirty) &&
        !name_is_published(p, s->self))
        pub_service_free(p, s);
}

static void name_retire(struct publisher *p, struct pub_name *n)
{
    const struct world *w = publisher_world(p);
    for (size_t d = 0; w != NULL && d < w->n_domains; d++)
        if (n->places[d].body != NULL)
            retire(&p->answers->batch, &n->places[d].body->retired);
    name_free(p, n);
}

void pub_service_free(struct publisher *p, struct pub_service *s)
{
    while (!list_is_empty(&s->names))
        name_retire(p, CONTAINER_OF(s->names.next, struct pub_name, link));
    name_retire(p, s->self);
    must(s->roster == NULL);
    list_remove(&s->dirty_link);
    map_remove(&p->services, &s->node);
    free(s);
}
