/* Sessions: instances that die soon after the connection that registered them.
 *
 * The happy path: the first REGISTER with SESSION makes the session, each committed one ties its instance to it, the
 * end of the connection cuts the leases of all of them to the grace.
 *
 * What can go wrong: the connection ends while its registrations are on their way: they hold the closed session by
 * reference and are cut when they are applied. */
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

int session_get(struct registry *r, uint64_t id, struct session **out)
{
    struct session *s = session_find(r, id);
    if (s == NULL) {
        s = calloc(1, sizeof(*s));
        if (s == NULL)
            return ERR_NOMEM;
        s->id = id;
        list_init(&s->entries);
        map_insert(&r->sessions, &s->node, session_hash(r, id));
    }
    s->refs++;
    *out = s;
    return 0;
}

static void free_if_unused(struct registry *r, struct session *s)
{
    if (s->refs > 0 || s->n_entries > 0)
        return;
    if (!s->is_closed)
        map_remove(&r->sessions, &s->node);
    free(s);
}

void session_put(struct registry *r, struct session *s)
{
    if (s == NULL)
        return;
    must(s->refs > 0);
    s->refs--;
    free_if_unused(r, s);
}

static void untie(struct entry *e)
{
    list_remove(&e->session_link);
    e->session->n_entries--;
    e->session = NULL;
}

void session_tie(struct registry *r, struct entry *e, struct session *s)
{
    struct session *old = e->session;
    if (old == s)
        return;
    if (old != NULL) {
        untie(e);
        free_if_unused(r, old);
    }
    if (s == NULL || s->is_closed)
        return;
    e->session = s;
    s->n_entries++;
    list_push(&s->entries, &e->session_link);
}

int session_closed_event(struct registry *r, const struct event *ev, uint64_t now_ms, struct effects *out)
{
    struct session *s = session_find(r, ev->u.closed.session);
    if (s == NULL)
        return 0;
    int rc = effects_reserve(out, s->n_entries, 0);
    if (rc != 0)
        return rc;
    s->refs++; /* keep it while its entries leave */
    while (!list_is_empty(&s->entries)) {
        struct entry *e = CONTAINER_OF(s->entries.next, struct entry, session_link);
        uint64_t old = e->pub.deadline_ms, cut = now_ms + r->options.session_grace_ms;
        untie(e);
        if (cut >= old)
            continue;
        e->pub.deadline_ms = cut;
        lease_changed(out, e, old);
        entry_arm(r, e, now_ms);
    }
    map_remove(&r->sessions, &s->node);
    s->is_closed = true;
    session_put(r, s);
    return 0;
}
