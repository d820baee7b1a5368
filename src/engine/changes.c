/* The ring of changes. The control thread appends one entry per change of an instance and drops the oldest when the ring is
 * full; each watcher asks for what comes after the revision it has.
 *
 *     ring:  [rev 57][rev 58][rev 61][rev 62]      lost = 55: the newest revision that was here and is no longer
 *              ^first                                reach(55), reach(56) .. yes    reach(54): no
 *
 * What can go wrong: no memory for the copy of a name. A hole would go unnoticed, so the ring is emptied and `lost` moves up:
 * whoever has not read that far finds out by changes_reach and starts over from a snapshot. */
#include "engine/changes.h"

#include <stdlib.h>
#include <string.h>

struct changes {
    struct change *ring; /* owned, `cap` entries */
    uint32_t cap, first, n;
    uint64_t lost;
};

int changes_new(uint32_t cap, uint64_t first_revision, struct changes **out)
{
    struct changes *c = malloc(sizeof(*c));

    if (c == NULL)
        return ERR_NOMEM;
    *c = (struct changes){.cap = cap > 0 ? cap : 1, .lost = first_revision};
    c->ring = calloc(c->cap, sizeof(*c->ring));
    if (c->ring == NULL) {
        free(c);
        return ERR_NOMEM;
    }
    *out = c;
    return 0;
}

static void drop_oldest(struct changes *c)
{
    struct change *x = &c->ring[c->first];

    c->lost = x->revision;
    free(x->service);
    description_unref(x->desc);
    c->first = (c->first + 1) % c->cap;
    c->n--;
}

static void drop_all(struct changes *c)
{
    while (c->n > 0)
        drop_oldest(c);
}

void changes_free(struct changes *c)
{
    if (c == NULL)
        return;
    drop_all(c);
    free(c->ring);
    free(c);
}

void changes_effect(struct changes *c, const struct effect *x, uint64_t wall_us)
{
    struct description *desc;
    char *service;

    if (x->type != EFFECT_CHANGE || x->u.change.instance == NULL)
        return;
    desc = x->u.change.new_desc != NULL ? x->u.change.new_desc : x->u.change.old_desc;
    service = strdup(x->u.change.service->name);
    if (service == NULL) {
        drop_all(c);
        c->lost = x->u.change.revision;
        return;
    }
    if (c->n == c->cap)
        drop_oldest(c);
    c->ring[(c->first + c->n++) % c->cap] = (struct change){
        .revision = x->u.change.revision,
        .wall_us = wall_us,
        .kind = x->u.change.kind,
        .old_state = x->u.change.old_state,
        .new_state = x->u.change.new_state,
        .service = service,
        .desc = description_ref(desc),
    };
}

static const struct change *entry(const struct changes *c, uint32_t i)
{
    return &c->ring[((uint64_t)c->first + i) % c->cap];
}

const struct change *changes_after(const struct changes *c, uint64_t after)
{
    uint32_t low = 0, high = c->n; /* entries below `low` are not above `after`, those from `high` on are */

    if (c->n == 0 || entry(c, c->n - 1)->revision <= after)
        return NULL;
    if (c->n > 1 && entry(c, c->n - 2)->revision <= after)
        return entry(c, c->n - 1);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (entry(c, middle)->revision <= after)
            low = middle + 1;
        else
            high = middle;
    }
    return entry(c, low);
}

bool changes_reach(const struct changes *c, uint64_t after)
{
    return after >= c->lost;
}
