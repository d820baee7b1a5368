/* Hot and cold. A name becomes hot when a worker wants its answer, and is built by the flush of that turn; it becomes
 * cold again when it was not asked for during COOL_MS.
 *
 * Taking wants is bounded by what they cost to build, so that a flood of first questions does not keep the registry
 * from its work: the others wait in their rings, and when these are full the workers leave questions unanswered. So is
 * cooling, by count.
 *
 * What can go wrong is memory: the want stays, or the name stays marked, and the flush is tried again. A name that is
 * not there any more needs nothing: the worker asks the table again and finds that out. */
#include "engine/publish_private.h"

#include <stdlib.h>
#include <string.h>

#define COOL_MS    60000 /* lease clock */
#define COOL_TURN  512   /* names looked at in a turn at most */
#define WANTS_COST 16384 /* names and instances of a turn's wants; the last may exceed it */
#define DEPTH_MAX  3     /* labels of a name of ours below its domain */

/* ── what is wanted ── */

struct labels {
    char text[DEPTH_MAX][DNS_LABEL_MAX + 1]; /* folded; '_' kept where a label begins with it */
    size_t n;
};

/* The labels of a name below its domain; false: it is none of ours. */
static bool split(struct labels *l, const struct dns_name *name, size_t apex_len)
{
    l->n = 0;
    for (const uint8_t *at = name->wire, *end = name->wire + name->len - apex_len; at < end; at += 1 + *at) {
        if (l->n == DEPTH_MAX || memchr(at + 1, 0, *at) != NULL)
            return false;
        char *text = l->text[l->n++];
        memcpy(text, at + 1, *at);
        text[*at] = '\0';
        label_fold(text + 1, text + 1);
    }
    return l->n > 0;
}

static struct pub_service *service_of(const struct publisher *p, const char *folded)
{
    struct service *s = registry_service(p->registry, folded);
    return s != NULL ? s->publish : NULL;
}

/* An id's name is made when it is wanted. */
static int label_wanted(struct publisher *p, const char *service, const char *label, struct pub_name **out)
{
    struct pub_service *s = service_of(p, service);
    *out = s != NULL ? pub_name_find(p, s, PUB_LABEL, label, false) : NULL;
    if (s == NULL || *out != NULL || registry_instance(s->service, label) == NULL)
        return 0;
    *out = pub_name_get(p, s, PUB_LABEL, label, false);
    return *out != NULL ? 0 : ERR_NOMEM;
}

/* `*out` is NULL if there is no such name of ours. The forms are those of want_names. */
static int name_wanted(struct publisher *p, const struct labels *l, struct pub_name **out)
{
    const char *first = l->text[0], *second = l->n > 1 ? l->text[1] : "", *service = first;
    bool is_alias = first[0] == '_' && second[0] == '_';
    bool is_protocol = strcmp(second, "_tcp") == 0 || strcmp(second, "_udp") == 0;
    *out = NULL;
    if (l->n == 3) {
        struct pub_service *s = is_alias && is_protocol ? service_of(p, l->text[2]) : NULL;
        if (s != NULL)
            *out = pub_name_find(p, s, PUB_PORT, first + 1, strcmp(second, "_udp") == 0);
        return 0;
    }
    if (l->n == 2 && !is_alias)
        return label_wanted(p, second, first, out);
    if (l->n == 2 && !is_protocol)
        return label_wanted(p, first + 1, second + 1, out);
    struct pub_service *s = service_of(p, l->n == 2 ? service + 1 : service);
    *out = s != NULL ? s->self : NULL;
    return 0;
}

static uint64_t cost_of(const struct pub_name *n)
{
    const struct service *s = n->service->service;
    return n->owner != NULL || s == NULL ? 1 : 1 + (uint64_t)s->n_registered;
}

/* ERR_NOMEM: it is still wanted. */
static int want_one(struct publisher *p, const struct world *w, const struct dns_name *name, uint64_t *cost)
{
    const struct world_domain *d = world_domain_of(w, name->wire, name->len);
    struct labels l;
    struct pub_name *n = NULL;
    *cost += 1;
    if (d == NULL || !split(&l, name, d->apex.len))
        return 0;
    int rc = name_wanted(p, &l, &n);
    if (rc != 0 || n == NULL || n->hot != NULL)
        return rc;
    *cost += cost_of(n);
    return pub_name_warm(p, n);
}

bool pub_has_wants(const struct publisher *p)
{
    bool has_wants = false;
    for (unsigned i = 0; i < p->answers->n_readers && !has_wants; i++)
        has_wants = want_next(&p->answers->readers[i]->wants) != NULL;
    return has_wants;
}

int pub_wants_take(struct publisher *p, const struct world *w)
{
    struct answers *a = p->answers;
    uint64_t cost = 0;
    unsigned idle = 0;
    int rc = 0;
    for (unsigned i = 0; idle < a->n_readers && cost < WANTS_COST && rc == 0; i = (i + 1) % a->n_readers) {
        const struct dns_name *name = want_next(&a->readers[i]->wants);
        idle = name == NULL ? idle + 1 : 0;
        if (name == NULL)
            continue;
        rc = want_one(p, w, name, &cost);
        if (rc != 0)
            continue;
        want_take(&a->readers[i]->wants);
        p->counts.wants++;
    }
    p->has_wants = idle < a->n_readers;
    return rc;
}

/* ── from cold to hot and back ── */

int pub_name_warm(struct publisher *p, struct pub_name *n)
{
    pub_name_mark(p, n); /* also if there is no memory: an id's name that was made for this goes again */
    n->hot = calloc(1, sizeof(*n->hot));
    if (n->hot == NULL)
        return ERR_NOMEM;
    n->hot->name = n;
    n->hot->lapse_ms = UINT64_MAX;
    n->hot->since_ms = p->now_ms;
    wheel_entry_init(&n->hot->bound);
    list_push(&p->hot, &n->hot->link);
    p->counts.hot++;
    return 0;
}

void pub_name_cool(struct publisher *p, struct pub_name *n)
{
    if (n->hot == NULL)
        return;
    wheel_disarm(&p->bounds, &n->hot->bound);
    list_remove(&n->hot->link);
    free(n->hot);
    n->hot = NULL;
    p->counts.hot--;
}

/* Was it asked for since the last time? */
static bool take_use(const struct publisher *p, const struct pub_name *n)
{
    const struct world *w = publisher_world(p);
    bool is_used = false;
    for (size_t d = 0; d < w->n_domains; d++) {
        struct answer_body *b = n->places[d].body;
        if (b == NULL || !atomic_load_explicit(&b->is_used, memory_order_relaxed))
            continue;
        is_used = true;
        atomic_store_explicit(&b->is_used, false, memory_order_relaxed);
    }
    return is_used;
}

uint64_t pub_cool_next_ms(const struct publisher *p)
{
    if (list_is_empty(&p->hot))
        return UINT64_MAX;
    return CONTAINER_OF(p->hot.next, struct pub_hot, link)->since_ms + COOL_MS;
}

void pub_cool_run(struct publisher *p)
{
    for (int n = 0; n < COOL_TURN && pub_cool_next_ms(p) <= p->now_ms; n++) {
        struct pub_hot *hot = CONTAINER_OF(p->hot.next, struct pub_hot, link);
        struct pub_name *name = hot->name;
        if (take_use(p, name)) {
            hot->since_ms = p->now_ms;
            list_remove(&hot->link);
            list_push(&p->hot, &hot->link);
        } else {
            pub_name_cool(p, name);
            pub_name_mark(p, name);
        }
    }
}
