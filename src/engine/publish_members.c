/* Who is in the answer of a name: the served instances that carry it, or everybody where `on_empty` says so; an id's
 * answer is that one instance, whatever its state. Gathered once for all domains. Linear in the instances of the name:
 * a change of one instance costs nothing for the names of the others. A service's own name has the registry's list of
 * its instances, other names have lists of their own. */
#include "engine/publish_private.h"

#include <stdlib.h>
#include <string.h>

/* ── carriers ── */

static uint64_t order_of(struct list *link)
{
    return CONTAINER_OF(link, struct pub_carrier, link)->instance->order;
}

static void move_first(struct list *to, struct list *from)
{
    struct list *first = from->next;
    list_remove(first);
    list_push(to, first);
}

/* Cuts off the ascending run that `from` begins with. */
static void take_run(struct list *run, struct list *from)
{
    list_init(run);
    while (!list_is_empty(from) && (list_is_empty(run) || order_of(run->prev) < order_of(from->next)))
        move_first(run, from);
}

/* Merges the ascending runs two by two; returns whether there were more than two. */
static bool merge_runs(struct list *carriers)
{
    struct list a, b, merged;
    list_init(&merged);
    bool is_first = true, had_more = false;
    for (; !list_is_empty(carriers); is_first = false) {
        had_more = !is_first;
        take_run(&a, carriers);
        take_run(&b, carriers);
        while (!list_is_empty(&a) && !list_is_empty(&b))
            move_first(&merged, order_of(a.next) < order_of(b.next) ? &a : &b);
        list_splice(&merged, &a);
        list_splice(&merged, &b);
    }
    list_splice(carriers, &merged);
    return had_more;
}

struct instance *pub_next(struct pub_name *n, struct list **at)
{
    while (n->is_unordered)
        n->is_unordered = merge_runs(&n->carriers);
    bool is_service = n->kind == PUB_SERVICE;
    struct list *head = is_service ? &n->service->service->ordered : &n->carriers;
    struct list *next = *at != NULL ? (*at)->next : head->next;
    *at = next;
    if (next == head)
        return NULL;
    return is_service ? CONTAINER_OF(next, struct instance, link)
                      : CONTAINER_OF(next, struct pub_carrier, link)->instance;
}

/* ── members ── */

static int members_grow(struct pub_members *m)
{
    size_t cap = m->cap == 0 ? 64 : 2 * m->cap;
    struct pub_member *items = realloc(m->items, cap * sizeof(*items));
    if (items == NULL)
        return ERR_NOMEM;
    m->items = items;
    struct pub_member *sorted = realloc(m->by_priority, cap * sizeof(*sorted));
    if (sorted == NULL)
        return ERR_NOMEM;
    m->by_priority = sorted;
    m->cap = cap;
    return 0;
}

void pub_members_fini(struct pub_members *m)
{
    free(m->items);
    free(m->by_priority);
}

static int members_add(struct pub_members *m, struct instance *i, uint16_t port)
{
    if (m->n == m->cap) {
        int rc = members_grow(m);
        if (rc != 0)
            return rc;
    }
    m->items[m->n] = (struct pub_member){.instance = i, .order = (uint32_t)m->n, .port = port};
    m->n++;
    m->is_one_priority &= i->desc->priority == m->items[0].instance->desc->priority;
    m->lapse_ms = i->deadline_ms < m->lapse_ms ? i->deadline_ms : m->lapse_ms;
    return 0;
}

const struct named_port *pub_member_port(const struct instance *i, const char *name, bool is_udp)
{
    char folded[TAG_MAX + 1];
    for (unsigned k = 0; k < i->desc->n_ports; k++)
        if (i->desc->more->ports[k].is_udp == is_udp &&
            strcmp(label_fold(i->desc->more->ports[k].name, folded), name) == 0)
            return &i->desc->more->ports[k];
    return NULL;
}

static uint16_t port_of(const struct pub_name *n, const struct instance *i)
{
    const struct named_port *port = n->kind == PUB_PORT ? pub_member_port(i, n->label, n->is_udp) : NULL;
    return port != NULL ? port->number : i->desc->port;
}

static int add_instances(struct pub_members *m, struct pub_name *n, bool served_only)
{
    int rc = 0;
    struct list *at = NULL;
    for (struct instance *i; rc == 0 && (i = pub_next(n, &at)) != NULL;)
        if (!served_only || instance_state_is_served(i->state))
            rc = members_add(m, i, port_of(n, i));
    return rc;
}

static void count_instances(struct pub_members *m, struct pub_name *n)
{
    const struct service *service = n->service->service;
    if (n->kind == PUB_SERVICE) {
        m->n_registered = service->n_registered;
        m->n_served = service->n_served;
        m->n_starting = service->by_state[STATE_STARTING];
        return;
    }
    struct list *at = NULL;
    for (const struct instance *i; (i = pub_next(n, &at)) != NULL;) {
        m->n_registered++;
        m->n_served += instance_state_is_served(i->state);
        m->n_starting += i->state == STATE_STARTING;
    }
}

static int by_priority(const void *a, const void *b)
{
    const struct pub_member *x = a, *y = b;
    int px = x->instance->desc->priority, py = y->instance->desc->priority;
    return px != py ? px - py : x->order < y->order ? -1 : 1;
}

int pub_members_gather(struct publisher *p, struct pub_name *n)
{
    struct pub_members *m = &p->members;
    m->n = 0;
    m->n_registered = m->n_served = m->n_starting = 0;
    m->lapse_ms = UINT64_MAX;
    m->is_one_priority = true;
    if (n->owner != NULL) {
        m->n_registered = m->n_served = 1;
        int rc = members_add(m, n->owner, n->owner->desc->port);
        if (rc == 0)
            m->by_priority[0] = m->items[0];
        return rc;
    }
    count_instances(m, n);
    p->visits += m->n_registered;
    bool is_all = m->n_served == 0 && n->service->service->policy.on_empty == ON_EMPTY_ALL;
    int rc = add_instances(m, n, !is_all);
    if (rc != 0 || m->n == 0)
        return rc;
    memcpy(m->by_priority, m->items, m->n * sizeof(m->items[0]));
    if (!m->is_one_priority)
        qsort(m->by_priority, m->n, sizeof(m->items[0]), by_priority);
    return 0;
}
