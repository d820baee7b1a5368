/* Services and entries: finding them by name in any spelling, making them, counting them, discarding them.
 *
 * What is discarded is only freed by the next step, because the effects of this one may point to it. */
#include "registry/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/must.h"

_Static_assert(FOLDED_MAX > SERVICE_NAME_MAX && FOLDED_MAX > INSTANCE_ID_MAX, "a folded name must fit");

/* ── names ── */

uint64_t name_hash(const struct registry *r, const char *folded, size_t len)
{
    return hash_bytes(folded, len, r->key);
}

size_t fold_name(const char *name, char out[FOLDED_MAX])
{
    size_t len = strnlen(name, FOLDED_MAX);
    if (len == FOLDED_MAX)
        return 0;
    label_fold(name, out);
    return len;
}

bool is_reserved(const struct registry *r, const char *service, const char *id)
{
    char name[2 * FOLDED_MAX];
    size_t len = 0;
    if (r->reserved.len == 0)
        return false;
    if (id != NULL) {
        len = fold_name(id, name);
        name[len++] = '.';
    }
    len += fold_name(service, name + len);
    uint64_t hash = name_hash(r, name, len);
    for (struct map_node *n = map_first(&r->reserved, hash); n != NULL; n = map_next(n))
        if (strcmp(CONTAINER_OF(n, struct reserved_name, node)->folded, name) == 0)
            return true;
    return false;
}

/* ── services ── */

static struct service_entry *find_folded(const struct registry *r, const char *folded, uint64_t hash)
{
    for (struct map_node *n = map_first(&r->services, hash); n != NULL; n = map_next(n)) {
        struct service *s = CONTAINER_OF(n, struct service, node);
        if (strcmp(s->folded, folded) == 0)
            return CONTAINER_OF(s, struct service_entry, pub);
    }
    return NULL;
}

struct service_entry *service_find(const struct registry *r, const char *name)
{
    char folded[FOLDED_MAX];
    size_t len = fold_name(name, folded);
    return len > 0 ? find_folded(r, folded, name_hash(r, folded, len)) : NULL;
}

void service_free(struct service_entry *s)
{
    map_fini(&s->tags);
    description_unref(s->check_owner);
    free(s);
}

int service_make(struct registry *r, const char *name, struct service_entry **out)
{
    char folded[FOLDED_MAX];
    size_t len = fold_name(name, folded);
    must(len > 0);
    bool is_same = strcmp(name, folded) == 0;
    struct service_entry *s = calloc(1, sizeof(*s) + (is_same ? 1 : 2) * (len + 1));
    if (s == NULL)
        return ERR_NOMEM;
    char *other = is_same ? s->names : s->names + len + 1;
    s->pub.name = memcpy(s->names, name, len + 1);
    s->pub.folded = memcpy(other, folded, len + 1);
    s->registry = r;
    list_init(&s->pub.ordered);
    s->pub.policy = r->defaults;
    s->check_owner = r->default_check != NULL ? description_ref(r->default_check) : NULL;
    s->pub.is_hidden = is_reserved(r, name, NULL);
    map_insert(&r->services, &s->pub.node, name_hash(r, folded, len));
    list_push(&r->order, &s->link);
    *out = s;
    return 0;
}

void service_discard_if_unused(struct registry *r, struct service_entry *s)
{
    if (s->pub.is_configured || s->n_entries > 0)
        return;
    map_remove(&r->services, &s->pub.node);
    cursors_leave(r, &s->link);
    cursors_end(r, &s->pub);
    list_remove(&s->link);
    list_push(&r->dead_services, &s->link);
}

/* ── entries ── */

/* All instances are in one map, by service and id: a renewal then touches the instance and not, on its way to it, a map of
 * the service. The hash of the service's name is the key for hashing its ids. */
static uint64_t id_hash(uint64_t service_hash, const char *folded, size_t len)
{
    return hash_bytes(folded, len, service_hash);
}

struct entry *entry_find(const struct service_entry *s, const char *id)
{
    char folded[FOLDED_MAX];
    size_t len = fold_name(id, folded);
    if (len == 0)
        return NULL;
    uint64_t hash = id_hash(s->pub.node.hash, folded, len);
    for (struct map_node *n = map_first(&s->registry->instances, hash); n != NULL; n = map_next(n)) {
        struct entry *e = entry_of(CONTAINER_OF(n, struct instance, node));
        if (e->pub.service == &s->pub && strcmp(e->folded, folded) == 0)
            return e;
    }
    return NULL;
}

struct entry *entry_lookup(const struct registry *r, const char *service, const char *id)
{
    char folded_service[FOLDED_MAX], folded[FOLDED_MAX];
    size_t service_len = fold_name(service, folded_service), len = fold_name(id, folded);
    if (service_len == 0 || len == 0)
        return NULL;
    uint64_t hash = id_hash(name_hash(r, folded_service, service_len), folded, len);
    for (struct map_node *n = map_first(&r->instances, hash); n != NULL; n = map_next(n)) {
        struct entry *e = entry_of(CONTAINER_OF(n, struct instance, node));
        __builtin_prefetch(e->pub.desc); /* the lease that a renewal needs, while the names are compared */
        if (strcmp(e->folded, folded) == 0 && strcmp(e->pub.service->folded, folded_service) == 0)
            return e;
    }
    return NULL;
}

int entry_make(struct registry *r, struct service_entry *s, const char *id, struct entry **out)
{
    char folded[FOLDED_MAX];
    size_t len = fold_name(id, folded);
    must(len > 0);
    size_t size = offsetof(struct entry, folded) + len + 1;
    struct entry *e = calloc(1, size > sizeof(*e) ? size : sizeof(*e));
    if (e == NULL)
        return ERR_NOMEM;
    memcpy(e->folded, folded, len + 1);
    e->pub.service = &s->pub;
    list_init(&e->pub.link);
    wheel_entry_init(&e->timer);
    map_insert(&r->instances, &e->pub.node, id_hash(s->pub.node.hash, folded, len));
    s->n_entries++;
    *out = e;
    return 0;
}

void entry_discard(struct registry *r, struct entry *e)
{
    must(e->busy == NULL && !entry_is_registered(e));
    struct service_entry *s = service_of(e);
    wheel_disarm(&r->wheel, &e->timer);
    map_remove(&r->instances, &e->pub.node);
    s->n_entries--;
    list_push(&r->dead_entries, &e->pub.link);
    service_discard_if_unused(r, s);
}

void entry_free(struct entry *e)
{
    checks_free(e->pub.checks);
    description_unref(e->pub.desc);
    free(e);
}

/* One that only held ids has its place from before; walks want newcomers last. */
void service_begins(struct registry *r, struct service_entry *s)
{
    cursors_leave(r, &s->link);
    list_remove(&s->link);
    list_push(&r->order, &s->link);
}

/* STATE_NONE is the state of all that is not registered; entering or leaving it counts the instance in or out. */
void entry_set_state(struct registry *r, struct entry *e, enum instance_state state)
{
    enum instance_state old = e->pub.state;
    struct service *s = e->pub.service;
    if (old == state)
        return;
    bool did_exist = service_exists(s);
    s->n_registered += (uint32_t)(old == STATE_NONE) - (uint32_t)(state == STATE_NONE);
    s->n_served += (uint32_t)instance_state_is_served(state) - (uint32_t)instance_state_is_served(old);
    r->counts.instances += (uint64_t)(old == STATE_NONE) - (uint64_t)(state == STATE_NONE);
    r->counts.served += (uint64_t)instance_state_is_served(state) - (uint64_t)instance_state_is_served(old);
    r->counts.services += (uint64_t)service_exists(s) - (uint64_t)did_exist;
    if (old != STATE_NONE) {
        s->by_state[old]--;
        r->counts.by_state[old]--;
    }
    if (state != STATE_NONE) {
        s->by_state[state]++;
        r->counts.by_state[state]++;
    }
    e->pub.state = state;
    if (!did_exist && service_exists(s))
        service_begins(r, service_of(e));
}

/* ── tags: an id may not equal a tag of its service, so the service counts its tags ── */

static struct tag_ref *tag_find(const struct service_entry *s, const char *folded, uint64_t hash)
{
    struct map_node *n = s->tags.buckets != NULL ? map_first(&s->tags, hash) : NULL;
    for (; n != NULL; n = map_next(n)) {
        struct tag_ref *t = CONTAINER_OF(n, struct tag_ref, node);
        if (strcmp(t->folded, folded) == 0)
            return t;
    }
    return NULL;
}

bool tags_has(const struct registry *r, const struct service_entry *s, const char *name)
{
    char folded[FOLDED_MAX];
    size_t len = fold_name(name, folded);
    return len > 0 && tag_find(s, folded, name_hash(r, folded, len)) != NULL;
}

static int tag_add(const struct registry *r, struct service_entry *s, const char *tag)
{
    char folded[FOLDED_MAX];
    size_t len = fold_name(tag, folded);
    uint64_t hash = name_hash(r, folded, len);
    struct tag_ref *t = tag_find(s, folded, hash);
    if (s->tags.buckets == NULL && map_init(&s->tags) != 0)
        return ERR_NOMEM;
    if (t == NULL) {
        t = calloc(1, sizeof(*t) + len + 1);
        if (t == NULL)
            return ERR_NOMEM;
        memcpy(t->folded, folded, len + 1);
        map_insert(&s->tags, &t->node, hash);
    }
    t->refs++;
    return 0;
}

static void tag_remove(const struct registry *r, struct service_entry *s, const char *tag)
{
    char folded[FOLDED_MAX];
    size_t len = fold_name(tag, folded);
    struct tag_ref *t = tag_find(s, folded, name_hash(r, folded, len));
    must(t != NULL);
    if (--t->refs > 0)
        return;
    map_remove(&s->tags, &t->node);
    free(t);
}

int tags_add(struct registry *r, struct service_entry *s, const struct description *d)
{
    for (size_t i = 0; i < d->n_tags; i++) {
        if (!tag_is_label(d->more->tags[i]) || tag_add(r, s, d->more->tags[i]) == 0)
            continue;
        while (i-- > 0)
            if (tag_is_label(d->more->tags[i]))
                tag_remove(r, s, d->more->tags[i]);
        return ERR_NOMEM;
    }
    return 0;
}

void tags_remove(struct registry *r, struct service_entry *s, const struct description *d)
{
    for (size_t i = 0; i < d->n_tags; i++)
        if (tag_is_label(d->more->tags[i]))
            tag_remove(r, s, d->more->tags[i]);
}
