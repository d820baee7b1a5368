/* PICK: one instance, balanced as DNS would, without DNS. Among the served instances (with the tag and the port asked
 * for) of the lowest priority, the k-th pick takes the slot (k * step) mod W, where W is the sum of the weights over
 * their common divisor and `step` has no divisor with W: over W picks each instance comes exactly as often as its
 * weight says. With equal weights step is 1, which is plain rotation; otherwise it is near W's golden section, which
 * spreads the heavy ones.
 *
 * Nobody to give is not an error of the server; the text says whom there would be. */
#include "engine/publish_private.h"

#include <stdio.h>
#include <string.h>

#include "engine/schedule.h"

/* What the picks of one question share. */
struct candidates {
    const struct service *service;
    struct pub_name *name;       /* the service's, or the tag's; an id that is no tag: the service's, and: */
    const struct instance *only; /* the one with the id that was asked for; NULL: everybody */
    const char *port;            /* folded; NULL: the instance's own */
    bool is_all;                 /* on_empty: nobody is served, everybody is given */
    uint16_t priority;
    uint32_t n, n_registered;
    uint64_t sum, divisor;
    bool are_weights_equal;
    uint16_t weight;
};

static const struct named_port *named_port(const struct instance *i, const char *port)
{
    const struct named_port *found = pub_member_port(i, port, false);
    return found != NULL ? found : pub_member_port(i, port, true);
}

static bool is_asked(const struct candidates *c, const struct instance *i)
{
    return (c->only == NULL || c->only == i) && (c->port == NULL || named_port(i, c->port) != NULL);
}

static bool is_candidate(const struct candidates *c, const struct instance *i)
{
    return is_asked(c, i) && (c->is_all || instance_state_is_served(i->state));
}

static void take(struct candidates *c, const struct description *d)
{
    if (c->n == 0 || d->priority < c->priority) {
        c->n = 0;
        c->sum = c->divisor = 0;
        c->priority = d->priority;
        c->weight = d->weight;
        c->are_weights_equal = true;
    }
    if (d->priority > c->priority)
        return;
    c->n++;
    c->sum += d->weight;
    c->divisor = schedule_gcd(d->weight, c->divisor);
    c->are_weights_equal &= d->weight == c->weight;
}

/* As pub_next, of those who may be asked for. */
static const struct instance *next(const struct candidates *c, struct list **at)
{
    if (c->only == NULL)
        return pub_next(c->name, at);
    const struct instance *i = *at == NULL ? c->only : NULL;
    *at = &c->name->carriers; /* any but NULL */
    return i;
}

static void collect(struct candidates *c)
{
    struct list *at = NULL;
    c->n = c->n_registered = 0;
    for (const struct instance *i; (i = next(c, &at)) != NULL;) {
        c->n_registered += is_asked(c, i);
        if (is_candidate(c, i))
            take(c, i->desc);
    }
}

static uint64_t coprime_step(uint64_t n)
{
    uint64_t step = n * 618 / 1000;
    while (step > 1 && schedule_gcd(step, n) != 1)
        step--;
    return step > 1 ? step : 1;
}

/* The slot, in units of the common divisor. */
static uint64_t pick_slot(struct publisher *p, const struct candidates *c)
{
    uint64_t slots = c->sum / c->divisor;
    switch (c->service->policy.order) {
    case ORDER_RANDOM:
        return rng_u64(&p->answers->rotation.rng) % slots;
    case ORDER_FIXED:
        return 0;
    case ORDER_ROTATE:
        break;
    }
    uint64_t k = c->name->pick++;
    if (c->are_weights_equal)
        return k % slots;
    return (k % slots) * coprime_step(slots) % slots;
}

static const struct instance *instance_at(const struct candidates *c, uint64_t slot)
{
    struct list *at = NULL;
    for (const struct instance *i; (i = next(c, &at)) != NULL;) {
        if (!is_candidate(c, i) || i->desc->priority != c->priority)
            continue;
        uint64_t width = i->desc->weight / c->divisor;
        if (slot < width)
            return i;
        slot -= width;
    }
    return NULL;
}

static int nobody(const struct candidates *c, const char *service, const char *tag, const char *port, struct err *e)
{
    char which[TAG_MAX + PORT_NAME_MAX + 32] = "";
    if (tag != NULL)
        snprintf(which, sizeof(which), " with tag \"%.*s\"", TAG_MAX, tag);
    else if (port != NULL)
        snprintf(which, sizeof(which), " with port \"%.*s\"", PORT_NAME_MAX, port);
    return err_set(e, ERR_NOTFOUND, "service \"%s\"%s: %u registered, 0 served", service, which, c->n_registered);
}

int publish_pick(struct publisher *p, const char *service, const char *tag, const char *port, struct publish_pick *out,
                 struct err *e)
{
    char label[TAG_MAX + 1], port_label[TAG_MAX + 1];
    struct service *s = registry_service(p->registry, service);
    if (s == NULL)
        return err_set(e, ERR_NOTFOUND, "there is no service \"%s\"", service);
    struct pub_service *ps = s->publish;
    struct candidates c = {.service = s};
    struct pub_name *n = ps != NULL ? ps->self : NULL;
    if (port != NULL && strlen(port) < sizeof(port_label))
        c.port = label_fold(port, port_label);
    else if (port != NULL)
        n = NULL;
    c.only = tag != NULL ? registry_instance(s, tag) : NULL; /* an id wins over a tag */
    if (tag != NULL && c.only == NULL && n != NULL)
        n = strlen(tag) < sizeof(label) ? pub_name_find(p, ps, PUB_LABEL, label_fold(tag, label), false) : NULL;
    if (n == NULL)
        return nobody(&c, service, tag, port, e);
    c.name = n;
    collect(&c);
    if (c.n == 0 && s->policy.on_empty == ON_EMPTY_ALL) {
        c.is_all = true;
        collect(&c);
    }
    if (c.n == 0)
        return nobody(&c, service, tag, port, e);
    const struct instance *i = instance_at(&c, pick_slot(p, &c));
    const struct named_port *named = c.port != NULL ? named_port(i, c.port) : NULL;
    *out = (struct publish_pick){.instance = i, .port = named != NULL ? named->number : i->desc->port};
    return 0;
}
