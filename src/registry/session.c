/* Sessions: instances that die soon after the connection that registered them.
 *
 * The happy path: the first REGISTER with SESSION makes the session, each committed one ties its instance to it, the
 * end of the connection cuts the leases of all of them to the grace.
 *
 * What can go wrong: the connection ends while its registrations are on their way: their ties belong to a closed session
 * by then, and they are cut when they are applied. The connection owns very many: they are cut in slices, by the steps
 * of EVENT_TIME that follow; who renews before its turn comes has renewed after the end, and is not cut. */
#include "registry/private.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/must.h"

static uint64_t session_hash(const struct registry *r, uint64_t id)
{
    return hash_mix(id ^ r->key, UINT64_C(0xd6e8feb86659fd93));
}

static struct session *session_find(const struct registry *r, uint64_t id)
{
    for (struct map_node *n = map_first(&r->sessions, session_hash(r, id)); n != NULL; n = map_next(n))
        if (CONTAINER_OF(n, struct session, node)->id == id)
            return CONTAINER_OF(n, struct session, node);
    return NULL;
}

static struct session *session_make(struct registry *r, uint64_t id)
{
    struct session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->id = id;
    list_init(&s->link);
    list_init(&s->ties);
    map_insert(&r->sessions, &s->node, session_hash(r, id));
    return s;
}

int tie_new(struct registry *r, uint64_t session, struct tie **out)
{
    struct tie *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return ERR_NOMEM;
    list_init(&t->link);
    t->session = session_find(r, session);
    if (t->session == NULL)
        t->session = session_make(r, session);
    if (t->session == NULL) {
        free(t);
        return ERR_NOMEM;
    }
    t->session->n_ties++;
    *out = t;
    return 0;
}

void tie_free(struct registry *r, struct tie *t)
{
    if (t == NULL)
        return;
    struct session *s = t->session;
    list_remove(&t->link);
    if (list_is_empty(&s->ties))
        list_remove(&s->link); /* nobody is left to be cut, though ops may still have ties */
    free(t);
    must(s->n_ties > 0);
    if (--s->n_ties > 0)
        return;
    if (!s->is_closed)
        map_remove(&r->sessions, &s->node);
    free(s);
}

void entry_untie(struct registry *r, struct entry *e)
{
    tie_free(r, e->tie);
    e->tie = NULL;
}

void entry_tie(struct registry *r, struct entry *e, struct tie **t)
{
    entry_untie(r, e);
    if (*t == NULL || tie_is_closed(*t))
        return;
    e->tie = *t;
    *t = NULL;
    e->tie->entry = e;
    list_push(&e->tie->session->ties, &e->tie->link);
}

/* ── the end of a connection ── */

static void cut(struct registry *r, struct entry *e, uint64_t cut_ms, uint64_t now_ms, struct effects *out)
{
    uint64_t old = e->pub.deadline_ms;
    entry_untie(r, e);
    if (cut_ms >= old)
        return;
    e->pub.deadline_ms = cut_ms;
    lease_changed(out, e, old);
    entry_arm(r, e, now_ms);
}

int sessions_cut(struct registry *r, uint32_t max, uint64_t now_ms, struct effects *out)
{
    uint32_t n = 0;
    for (; n < max && !list_is_empty(&r->closing); n++) {
        struct session *s = CONTAINER_OF(r->closing.next, struct session, link);
        if (effects_reserve(out, 1, 0) != 0)
            return n > 0 ? (int)n : ERR_NOMEM;
        struct tie *t = CONTAINER_OF(s->ties.next, struct tie, link);
        cut(r, t->entry, s->cut_ms, now_ms, out);
    }
    return (int)n;
}

int session_closed_event(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out)
{
    struct session *s = session_find(r, ev->u.closed.session);
    if (s == NULL)
        return 0;
    int rc = effects_reserve(out, 1, 0);
    if (rc != 0)
        return rc;
    map_remove(&r->sessions, &s->node);
    s->is_closed = true;
    s->cut_ms = now_ms + r->options.session_grace_ms;
    if (!list_is_empty(&s->ties))
        list_push(&r->closing, &s->link);
    rc = sessions_cut(r, r->options.expiry_slice, now_ms, out);
    must(rc >= 0); /* there is room for one, and the rest can wait */
    return 0;
}
