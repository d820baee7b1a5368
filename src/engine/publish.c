/* Registry to answers. Happy path of a change: publish_effect marks the names that it touches, those that nobody asks
 * for only if they come or go; the turn's publish_flush takes what the workers want (publish_want.c), builds each
 * marked name once (publish_service.c), swaps them in and retires what they replaced, in one batch. A large name that
 * was built just now rests, if nobody waits for what has changed; its service is in `resting` meanwhile. A reload that
 * changes what names are made of (publish_recipe.c) builds a whole world beside the old one and swaps that; any other
 * keeps it.
 *
 * What can go wrong is memory. In an effect: the service is marked to be taken from the registry again. In a flush: the
 * name stays marked, serves what it served, and is tried again after RETRY_MS. In a reload: the new world is dropped.
 * And a worker may stand still with an answer in its hands, so that nothing that is replaced can be freed: beyond
 * PUBLISH_RETIRED_MAX nothing is built, as if there were no memory. */
#include "engine/publish_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/must.h"

#define RETRY_MS 100

int publisher_new(struct answers *a, const struct registry *r, struct publisher **out)
{
    struct publisher *p = calloc(1, sizeof(*p));
    if (p == NULL || map_init(&p->services) != 0 || map_init(&p->names) != 0) {
        if (p != NULL)
            map_fini(&p->services);
        free(p);
        return ERR_NOMEM;
    }
    p->answers = a;
    p->registry = r;
    p->key = hash_mix(a->key, UINT64_C(0x9fb21c651e98df25));
    p->ttl_floor_s = 1;
    list_init(&p->dirty);
    list_init(&p->resting);
    p->resting_ms = UINT64_MAX;
    list_init(&p->hot);
    body_source_init(&p->source);
    buf_init(&p->recipe, 0);
    wheel_init(&p->bounds, 0);
    *out = p;
    return 0;
}

void publisher_free(struct publisher *p)
{
    if (p == NULL)
        return;
    for (struct map_node *at = map_each(&p->services, NULL), *next; at != NULL; at = next) {
        next = map_each(&p->services, at);
        struct pub_service *s = CONTAINER_OF(at, struct pub_service, node);
        struct list *head = s->service != NULL ? &s->service->ordered : NULL;
        for (struct list *i = head != NULL ? head->next : NULL; i != head; i = i->next)
            pub_instance_detach(p, s, CONTAINER_OF(i, struct instance, link),
                                CONTAINER_OF(i, struct instance, link)->desc->id);
        if (s->service != NULL)
            s->service->publish = NULL;
        pub_service_free(p, s);
    }
    map_fini(&p->services);
    map_fini(&p->names);
    body_source_fini(&p->source);
    buf_fini(&p->recipe);
    pub_members_fini(&p->members);
    free(p->dedupe);
    free(p);
}

/* ── effects ── */

/* Does the change matter to an answer? To its records if it is a change of who is served; to what is told where nobody
 * of a name is, if it is one of who is starting. */
static bool is_visible(const struct effect *x)
{
    enum instance_state was = x->u.change.old_state, is = x->u.change.new_state;
    return x->u.change.kind != CHANGE_STATE || instance_state_is_served(was) != instance_state_is_served(is) ||
           (was == STATE_STARTING) != (is == STATE_STARTING);
}

static void needs_sync(struct publisher *p, struct pub_service *s)
{
    s->needs_sync = true;
    pub_service_mark(p, s);
}

static void effect_instance(struct publisher *p, struct pub_service *s, const struct effect *x)
{
    struct instance *i = x->u.change.instance;
    if (x->u.change.gone) {
        pub_instance_detach(p, s, i, x->u.change.old_desc->id);
    } else if (x->u.change.kind != CHANGE_STATE || !pub_instance_is_attached(i)) {
        if (pub_instance_attach(p, s, i) != 0)
            needs_sync(p, s);
    } else if (is_visible(x)) {
        pub_instance_changed(p, s, i);
    }
}

/* Its policy changed, or it came to be, or is hidden or shown by static names. */
static void effect_service(struct publisher *p, struct pub_service *s)
{
    uint8_t nodes_as = pub_nodes_as(s->service);
    if (s->nodes_as != nodes_as) {
        s->nodes_as = nodes_as;
        pub_service_mark_all(p, s);
        return;
    }
    pub_name_changed(p, s->self);
    for (struct list *at = s->names.next; at != &s->names; at = at->next)
        pub_name_changed(p, CONTAINER_OF(at, struct pub_name, link));
}

static void effect_change(struct publisher *p, const struct effect *x)
{
    struct service *service = x->u.change.service;
    struct instance *i = x->u.change.instance;
    struct pub_service *s = pub_service_get(p, service);
    if (s == NULL) { /* so no instance of it is attached either */
        p->needs_sync = true;
        return;
    }
    p->can_wait &= i != NULL; /* a reload shows at once */
    if (i != NULL)
        effect_instance(p, s, x);
    else
        effect_service(p, s);
    if (x->u.change.service_gone) {
        service->publish = NULL;
        s->service = NULL;
        s->needs_sync = false;
        pub_service_mark_all(p, s);
    }
}

void publish_effect(struct publisher *p, const struct effect *x, bool can_wait)
{
    p->can_wait = can_wait;
    if (x->type == EFFECT_CHANGE)
        effect_change(p, x);
    else if (x->type == EFFECT_LEASE)
        pub_lapse_effect(p, x->u.lease.instance, x->u.lease.old_deadline_ms);
    p->can_wait = false;
}

/* ── flush ── */

/* After memory was short: the instances that could not be attached. */
static int service_sync(struct publisher *p, struct pub_service *s)
{
    struct list *head = &s->service->ordered;
    for (struct list *at = head->next; at != head; at = at->next) {
        struct instance *i = CONTAINER_OF(at, struct instance, link);
        if (!pub_instance_is_attached(i) && pub_instance_attach(p, s, i) != 0)
            return ERR_NOMEM;
    }
    s->needs_sync = false;
    pub_service_mark_all(p, s);
    return 0;
}

static int publisher_sync(struct publisher *p)
{
    for (struct service *service = registry_each(p->registry, NULL); service != NULL;
         service = registry_each(p->registry, service)) {
        struct pub_service *s = pub_service_get(p, service);
        if (s == NULL)
            return ERR_NOMEM;
        needs_sync(p, s);
    }
    p->needs_sync = false;
    return 0;
}

/* Instances first, then what refers to them, then what is gone: an SRV target does not dangle. */
static int name_rank(const struct pub_name *n)
{
    if (!pub_name_exists(n))
        return 2;
    return n->owner != NULL ? 0 : 1;
}

/* Was it built just now, for so long that the next time can wait? */
static bool is_resting(const struct publisher *p, const struct pub_name *n)
{
    return !n->is_awaited && n->is_placed && n->hot != NULL && n->hot->rest_ms > p->now_ms && pub_name_exists(n);
}

/* After a flush without failure: what is still marked rests. */
static void service_rest(struct publisher *p, struct pub_service *s)
{
    if (list_is_empty(&s->dirty))
        return;
    list_remove(&s->dirty_link);
    list_push(&p->resting, &s->dirty_link);
    for (struct list *at = s->dirty.next; at != &s->dirty; at = at->next) {
        uint64_t rest_ms = CONTAINER_OF(at, struct pub_name, dirty)->hot->rest_ms;
        p->resting_ms = rest_ms < p->resting_ms ? rest_ms : p->resting_ms;
    }
}

static void wake_resting(struct publisher *p)
{
    if (p->resting_ms > p->now_ms)
        return;
    list_splice(&p->dirty, &p->resting);
    p->resting_ms = UINT64_MAX;
}

static int service_flush(struct publisher *p, struct world *w, struct pub_service *s)
{
    int rc = s->needs_sync ? service_sync(p, s) : 0;
    for (int rank = 0; rank < 3 && rc == 0; rank++) {
        for (struct list *at = s->dirty.next, *next; at != &s->dirty; at = next) {
            next = at->next;
            struct pub_name *n = CONTAINER_OF(at, struct pub_name, dirty);
            if (name_rank(n) != rank || is_resting(p, n))
                continue;
            rc = pub_name_place(p, w, n, n->places);
            if (rc != 0)
                break;
            list_remove(&n->dirty);
            n->is_placed = true;
            n->is_awaited = false;
            pub_lapse_arm(p, n);
            pub_name_sweep(p, n);
        }
    }
    return rc;
}

static int flush_names(struct publisher *p, struct world *w)
{
    int rc = p->needs_sync ? publisher_sync(p) : 0;
    int wanted = pub_wants_take(p, w);
    rc = rc != 0 ? rc : wanted;
    pub_cool_run(p);
    struct list work;
    list_init(&work);
    list_splice(&work, &p->dirty);
    while (!list_is_empty(&work)) {
        struct pub_service *s = CONTAINER_OF(work.next, struct pub_service, dirty_link);
        list_remove(&s->dirty_link);
        int failed = service_flush(p, w, s);
        if (failed != 0) {
            rc = failed;
            pub_service_mark(p, s);
        } else {
            service_rest(p, s);
        }
        pub_service_sweep(p, s);
    }
    return rc;
}

static bool has_marked(const struct publisher *p)
{
    return p->needs_sync || !list_is_empty(&p->dirty);
}

/* Is there something to build, and too much that could not be freed? */
static bool is_behind(struct publisher *p, uint64_t mono_ms)
{
    struct answers *a = p->answers;
    grace_flush(&a->grace, &a->batch);
    bool has_work = has_marked(p) || pub_has_wants(p) || pub_cool_next_ms(p) <= p->now_ms;
    bool is = has_work && a->batch.bytes > PUBLISH_RETIRED_MAX;
    if (!is)
        p->behind_since_ms = 0;
    else if (p->behind_since_ms == 0)
        p->behind_since_ms = mono_ms;
    return is;
}

uint64_t publish_behind_since_ms(const struct publisher *p)
{
    return p->behind_since_ms;
}

static void serve_wants(struct publisher *p)
{
    for (unsigned i = 0; i < p->answers->n_readers; i++)
        p->answers->readers[i]->has_news |= want_serve(&p->answers->readers[i]->wants);
}

int publish_flush(struct publisher *p, uint64_t now_ms, uint64_t mono_ms)
{
    struct answers *a = p->answers;
    p->now_ms = now_ms;
    atomic_store_explicit(&a->lease_lag_ms, mono_ms > now_ms ? mono_ms - now_ms : 0, memory_order_relaxed);
    atomic_store_explicit(&a->serial, (uint32_t)registry_revision(p->registry), memory_order_relaxed);
    struct world *w = atomic_load_explicit(&a->world, memory_order_relaxed);
    int rc = 0;
    if (w != NULL) {
        wake_resting(p);
        rc = is_behind(p, mono_ms) ? ERR_UNAVAILABLE : flush_names(p, w);
        pub_lapse_run(p);
        if (rc == 0)
            serve_wants(p);
    }
    p->retry_ms = rc != 0 ? now_ms + RETRY_MS : 0;
    grace_flush(&a->grace, &a->batch);
    return rc;
}

uint64_t publish_next_ms(const struct publisher *p)
{
    if (has_marked(p) || p->has_wants || p->retry_ms != 0)
        return p->retry_ms;
    uint64_t look_ms = wheel_next_ms(&p->bounds), cool_ms = pub_cool_next_ms(p);
    uint64_t next_ms = look_ms < cool_ms ? look_ms : cool_ms;
    return next_ms < p->resting_ms ? next_ms : p->resting_ms;
}

uint64_t publish_visits(const struct publisher *p)
{
    return p->visits;
}

void publish_counts(const struct publisher *p, struct publish_counts *out)
{
    *out = p->counts;
}

/* ── configuration ── */

static bool each_name(struct publisher *p, bool (*each)(struct publisher *p, struct world *w, struct pub_name *n),
                      struct world *w)
{
    for (struct map_node *at = map_each(&p->services, NULL); at != NULL; at = map_each(&p->services, at)) {
        struct pub_service *s = CONTAINER_OF(at, struct pub_service, node);
        if (!each(p, w, s->self))
            return false;
        for (struct list *n = s->names.next; n != &s->names; n = n->next)
            if (!each(p, w, CONTAINER_OF(n, struct pub_name, link)))
                return false;
    }
    return true;
}

static bool place_next(struct publisher *p, struct world *w, struct pub_name *n)
{
    n->next = calloc(w->n_domains > 0 ? w->n_domains : 1, sizeof(*n->next));
    return n->next != NULL && pub_name_place(p, w, n, n->next) == 0;
}

static bool drop_next(struct publisher *p, struct world *w, struct pub_name *n)
{
    if (n->next != NULL)
        pub_name_unplace(p, w, n, n->next);
    free(n->next);
    n->next = NULL;
    return true;
}

/* The old world's nodes go with it; its bodies are retired here. A name that is gone stays marked: the flush frees it.
 */
static bool take_next(struct publisher *p, struct world *old, struct pub_name *n)
{
    for (size_t d = 0; old != NULL && d < old->n_domains; d++)
        if (n->places[d].body != NULL)
            retire(&p->answers->batch, &n->places[d].body->retired);
    free(n->places);
    n->places = n->next;
    n->next = NULL;
    n->is_placed = true;
    if (pub_name_exists(n))
        list_remove(&n->dirty);
    pub_lapse_arm(p, n);
    return true;
}

static void set_limits(struct world *w, const struct answer_limits *limits)
{
    atomic_store_explicit(&w->is_ra_always, limits->is_ra_always, memory_order_relaxed);
    atomic_store_explicit(&w->has_chaos, limits->has_chaos, memory_order_relaxed);
}

static int build_world(struct publisher *p, const struct publish_options *o, struct world **out)
{
    struct world *w;
    int rc = world_new(o->n_domains, &w);
    if (rc != 0)
        return rc;
    w->version = o->limits.version;
    w->server_id = o->limits.server_id;
    w->ttl_floor_s = p->ttl_floor_s;
    set_limits(w, &o->limits);
    for (size_t d = 0; d < o->n_domains; d++)
        w->domains[d].apex = o->domains[d].apex;
    const struct world *old = publisher_world(p);
    rc = old != NULL ? table_reserve(&w->table, &old->table) : 0;
    if (rc == 0)
        rc = pub_static_build(p, w, o);
    if (rc == 0 && !each_name(p, place_next, w))
        rc = ERR_NOMEM;
    if (rc != 0) {
        each_name(p, drop_next, w);
        world_retire(p->answers, w);
        return rc;
    }
    *out = w;
    return 0;
}

/* Another world in the place of the one there is, if any. */
static int replace_world(struct publisher *p, const struct publish_options *o)
{
    struct answers *a = p->answers;
    struct world *old = atomic_load_explicit(&a->world, memory_order_relaxed), *w;
    uint32_t ttl_floor_s = p->ttl_floor_s;
    p->ttl_floor_s = publish_ttl_floor_s(o);
    int rc = build_world(p, o, &w);
    if (rc != 0) {
        p->ttl_floor_s = ttl_floor_s;
        return rc;
    }
    if (old != NULL)
        world_hand_over(a, old, w);
    atomic_store_explicit(&a->world, w, memory_order_release);
    each_name(p, take_next, old);
    if (old != NULL)
        world_retire(a, old);
    return 0;
}

/* The world stays. What new policies have marked is built now as it would be in a new world; without memory it is left
 * to the next flush. */
static void keep_world(struct publisher *p, const struct publish_options *o)
{
    struct world *w = atomic_load_explicit(&p->answers->world, memory_order_relaxed);
    set_limits(w, &o->limits);
    (void)flush_names(p, w);
}

int publish_configure(struct publisher *p, const struct publish_options *o, uint64_t now_ms)
{
    struct buf recipe;
    buf_init(&recipe, 0);
    pub_recipe_write(&recipe, o);
    int rc = recipe.failed ? ERR_NOMEM : 0;
    bool is_same = publisher_world(p) != NULL && recipe.len == p->recipe.len &&
                   memcmp(recipe.data, p->recipe.data, recipe.len) == 0;
    if (rc == 0 && is_same)
        keep_world(p, o);
    else if (rc == 0)
        rc = replace_world(p, o);
    struct buf *dropped = rc == 0 ? &p->recipe : &recipe;
    buf_fini(dropped);
    if (rc == 0)
        p->recipe = recipe;
    grace_flush(&p->answers->grace, &p->answers->batch);
    if (rc == 0 && p->now_ms == 0)
        p->now_ms = now_ms;
    return rc;
}
