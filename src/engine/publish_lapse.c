/* How long an answer may be kept: its TTL must not pass the end of the first lease in it. The workers subtract; here a
 * lower bound of that end is kept for each name.
 *
 * A bound that is too low makes a TTL too short, never wrong, so a renewal does not touch the bounds of the names that
 * the instance shares with others. They are looked at again when they come near enough to shorten a TTL: by then the
 * instances have renewed, mostly, and the new bound is a lease ahead. A bound that stays near belongs to an instance
 * that did not renew; if it does so late, its renewal asks for another look, at most every LOOK_MS for each service. An
 * instance's own name has the exact end at all times; a lease that is cut short lowers all its names at once. */
#include "engine/publish_private.h"

#define LOOK_MS   100
#define MARGIN_MS 100 /* looks come this much before a TTL would get shorter */

static void name_set_lapse(const struct publisher *p, struct pub_name *n, uint64_t lapse_ms)
{
    n->lapse_ms = lapse_ms;
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

static void arm_at(struct publisher *p, struct pub_service *s, uint64_t at_ms)
{
    if (!wheel_is_armed(&s->bound) || at_ms < s->bound.deadline_ms)
        wheel_arm(&p->bounds, &s->bound, at_ms);
}

void pub_lapse_arm(struct publisher *p, struct pub_service *s)
{
    if (s->service == NULL)
        return;
    uint64_t ahead = near_ms(p, s);
    for (struct map_node *at = map_each(&s->names, NULL); at != NULL; at = map_each(&s->names, at)) {
        const struct pub_name *n = CONTAINER_OF(at, struct pub_name, node);
        if (n->owner == NULL && n->lapse_ms != UINT64_MAX && n->lapse_ms > p->now_ms + ahead)
            arm_at(p, s, n->lapse_ms - ahead);
    }
}

static void lower(struct publisher *p, const struct pub_instance *pi, struct pub_service *s, uint64_t lapse_ms)
{
    if (lapse_ms < s->self->lapse_ms)
        name_set_lapse(p, s->self, lapse_ms);
    for (size_t k = 1; k < pi->n; k++)
        if (pi->names[k]->owner == NULL && lapse_ms < pi->names[k]->lapse_ms)
            name_set_lapse(p, pi->names[k], lapse_ms);
}

void pub_lapse_effect(struct publisher *p, const struct instance *i, uint64_t old_deadline_ms)
{
    const struct pub_instance *pi = i->publish;
    if (pi == NULL)
        return; /* to be taken from the registry by the next flush */
    struct pub_service *s = pi->names[0]->service;
    name_set_lapse(p, pi->names[0], i->deadline_ms);
    if (i->deadline_ms < old_deadline_ms) {
        /* All that was lowered is now at this deadline: no need to walk the names, of which a big service has many, and
         * the end of a session cuts many leases. */
        lower(p, pi, s, i->deadline_ms);
        if (i->deadline_ms > p->now_ms + near_ms(p, s))
            arm_at(p, s, i->deadline_ms - near_ms(p, s));
    } else if (old_deadline_ms <= p->now_ms + near_ms(p, s)) {
        uint64_t earliest = s->bound_looked_ms + LOOK_MS;
        arm_at(p, s, earliest > p->now_ms ? earliest : p->now_ms);
    }
}

static void look_at_name(struct pub_name *n, const struct instance *i, bool is_served)
{
    if (n->owner != NULL || (!is_served && n->has_served))
        return;
    n->has_served |= is_served;
    n->lapse_ms = i->deadline_ms < n->lapse_ms ? i->deadline_ms : n->lapse_ms;
}

/* Those who are served, or those who are given where nobody of a name is. */
static void look_at_instances(struct pub_service *s, bool is_served)
{
    const struct list *head = &s->service->ordered;
    for (struct list *at = head->next; at != head; at = at->next) {
        const struct instance *i = CONTAINER_OF(at, struct instance, link);
        const struct pub_instance *pi = i->publish;
        if (instance_state_is_served(i->state) != is_served)
            continue;
        look_at_name(s->self, i, is_served);
        for (size_t k = 1; pi != NULL && k < pi->n; k++)
            look_at_name(pi->names[k], i, is_served);
    }
}

static void look(struct publisher *p, struct pub_service *s)
{
    s->bound_looked_ms = p->now_ms;
    for (struct map_node *at = map_each(&s->names, NULL); at != NULL; at = map_each(&s->names, at)) {
        struct pub_name *n = CONTAINER_OF(at, struct pub_name, node);
        n->has_served = false;
        if (n->owner == NULL)
            n->lapse_ms = UINT64_MAX;
    }
    look_at_instances(s, true);
    if (s->service->policy.on_empty == ON_EMPTY_ALL)
        look_at_instances(s, false);
    for (struct map_node *at = map_each(&s->names, NULL); at != NULL; at = map_each(&s->names, at)) {
        struct pub_name *n = CONTAINER_OF(at, struct pub_name, node);
        if (n->owner == NULL)
            name_set_lapse(p, n, n->lapse_ms);
    }
    pub_lapse_arm(p, s);
}

void pub_lapse_run(struct publisher *p)
{
    for (struct wheel_entry *e; (e = wheel_pop(&p->bounds, p->now_ms)) != NULL;) {
        struct pub_service *s = CONTAINER_OF(e, struct pub_service, bound);
        if (s->service != NULL)
            look(p, s);
    }
}
