/* How long an answer may be kept: its TTL must not pass the end of the first lease in it. The workers subtract; here a
 * lower bound of that end is kept for each name.
 *
 * A bound that is too low makes a TTL too short, never wrong, so a renewal does not touch the bounds of the names that
 * the instance shares with others. They are looked at again when they come near enough to shorten a TTL: by then the
 * instances have renewed, mostly, and the new bound is a lease ahead. A bound that stays near belongs to an instance
 * that did not renew; if it does so late, its renewal asks for another look, at most every LOOK_MS for each name. An
 * instance's own name has the exact end at all times; a lease that is cut short lowers all its names at once.
 *
 * Only hot names have bounds: a name that becomes hot is built with the exact end. */
#include "engine/publish_private.h"

#define LOOK_MS   100
#define MARGIN_MS 100 /* looks come this much before a TTL would get shorter */

static void name_set_lapse(const struct publisher *p, struct pub_name *n, uint64_t lapse_ms)
{
    n->hot->lapse_ms = lapse_ms;
    const struct world *w = publisher_world(p);
    for (size_t d = 0; w != NULL && d < w->n_domains; d++)
        if (n->places[d].body != NULL)
            atomic_store_explicit(&n->places[d].body->lapse_ms, lapse_ms, memory_order_relaxed);
}

static uint64_t near_ms(const struct publisher *p, const struct pub_service *s)
{
    uint64_t ttl_s = s->service->policy.ttl_s > p->ttl_floor_s ? s->service->policy.ttl_s : p->ttl_floor_s;
    return ttl_s * 1000 + MARGIN_MS;
}

static void arm_at(struct publisher *p, struct pub_name *n, uint64_t at_ms)
{
    struct wheel_entry *bound = &n->hot->bound;
    if (!wheel_is_armed(bound) || at_ms < bound->deadline_ms)
        wheel_arm(&p->bounds, bound, at_ms);
}

void pub_lapse_arm(struct publisher *p, struct pub_name *n)
{
    if (n->hot == NULL || n->service->service == NULL || n->owner != NULL || n->hot->lapse_ms == UINT64_MAX)
        return;
    uint64_t ahead = near_ms(p, n->service);
    if (n->hot->lapse_ms > p->now_ms + ahead)
        arm_at(p, n, n->hot->lapse_ms - ahead);
}

static void lower(struct publisher *p, struct pub_name *n, uint64_t lapse_ms)
{
    if (lapse_ms >= n->hot->lapse_ms)
        return;
    name_set_lapse(p, n, lapse_ms);
    pub_lapse_arm(p, n);
}

static void shared_effect(struct publisher *p, struct pub_name *n, const struct instance *i, bool is_cut)
{
    if (n->hot == NULL || n->owner != NULL)
        return;
    uint64_t earliest = n->hot->looked_ms + LOOK_MS;
    if (is_cut)
        lower(p, n, i->deadline_ms);
    else
        arm_at(p, n, earliest > p->now_ms ? earliest : p->now_ms);
}

void pub_lapse_effect(struct publisher *p, const struct instance *i, uint64_t old_deadline_ms)
{
    const struct pub_instance *pi = i->publish;
    if (pi == NULL)
        return; /* to be taken from the registry by the next flush */
    struct pub_service *s = i->service->publish;
    struct pub_name *own = pub_id_find(p, s, i->desc->id);
    if (own != NULL && own->hot != NULL)
        name_set_lapse(p, own, i->deadline_ms);
    bool is_cut = i->deadline_ms < old_deadline_ms;
    bool is_late = old_deadline_ms <= p->now_ms + near_ms(p, s);
    if (!is_cut && !is_late)
        return;
    shared_effect(p, s->self, i, is_cut);
    for (size_t k = 0; k < pi->n; k++)
        shared_effect(p, pi->carried[k].name, i, is_cut);
}

/* The first end among those who are served, or among those who are given where nobody of a name is. */
static void look(struct publisher *p, struct pub_name *n)
{
    uint64_t served_ms = UINT64_MAX, any_ms = UINT64_MAX;
    bool has_served = false;
    n->hot->looked_ms = p->now_ms;
    struct list *at = NULL;
    for (const struct instance *i; (i = pub_next(n, &at)) != NULL;) {
        p->visits++;
        any_ms = i->deadline_ms < any_ms ? i->deadline_ms : any_ms;
        if (!instance_state_is_served(i->state))
            continue;
        has_served = true;
        served_ms = i->deadline_ms < served_ms ? i->deadline_ms : served_ms;
    }
    bool is_all = !has_served && n->service->service->policy.on_empty == ON_EMPTY_ALL;
    name_set_lapse(p, n, is_all ? any_ms : served_ms);
    pub_lapse_arm(p, n);
}

void pub_lapse_run(struct publisher *p)
{
    for (struct wheel_entry *e; (e = wheel_pop(&p->bounds, p->now_ms)) != NULL;) {
        struct pub_name *n = CONTAINER_OF(e, struct pub_hot, bound)->name;
        if (n->service->service != NULL && n->owner == NULL)
            look(p, n);
    }
}
