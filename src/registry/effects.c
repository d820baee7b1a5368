/* The vector of effects. Room is reserved before a step changes anything, so that appending cannot fail half-way. */
#include "registry/private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"

#define EFFECTS_MIN 16

void effects_init(struct effects *x)
{
    *x = (struct effects){0};
}

void effects_fini(struct effects *x)
{
    free(x->items);
    effects_init(x);
}

int effects_reserve(struct effects *x, size_t more)
{
    if (x->cap - x->n >= more)
        return 0;
    size_t cap = x->cap * 2 > x->n + more ? x->cap * 2 : x->n + more;
    cap = cap < EFFECTS_MIN ? EFFECTS_MIN : cap;
    struct effect *items = realloc(x->items, cap * sizeof(*items));
    if (items == NULL)
        return ERR_NOMEM;
    x->items = items;
    x->cap = cap;
    return 0;
}

/* The item is not cleared: it is big and each kind sets all of its fields. */
struct effect *effects_add(struct effects *x, enum effect_type type)
{
    must(x->n < x->cap);
    struct effect *at = &x->items[x->n++];
    at->type = type;
    return at;
}

static struct effect *reply_add(struct registry *r, struct effects *x, uint64_t request, int code)
{
    struct effect *at = request != 0 ? effects_add(x, EFFECT_REPLY) : &r->unwanted;
    at->u.reply.request = request;
    at->u.reply.code = code;
    at->u.reply.revision = r->revision;
    at->u.reply.lease_ms = 0;
    at->u.reply.safe_s = 0;
    at->u.reply.removed = false;
    at->u.reply.id = NULL;
    at->u.reply.text[0] = '\0';
    return at;
}

struct effect *reply_ok(struct registry *r, struct effects *x, uint64_t request)
{
    return reply_add(r, x, request, 0);
}

void reply_error(struct registry *r, struct effects *x, uint64_t request, int code, const char *fmt, ...)
{
    struct effect *at = reply_add(r, x, request, code);
    va_list args;
    va_start(args, fmt);
    vsnprintf(at->u.reply.text, sizeof(at->u.reply.text), fmt, args);
    va_end(args);
}

void reply_err(struct registry *r, struct effects *x, uint64_t request, const struct err *e)
{
    reply_error(r, x, request, e->code, "%s", e->text);
}

void lease_changed(struct effects *x, struct entry *e, uint64_t old_deadline_ms)
{
    if (e->pub.deadline_ms == old_deadline_ms)
        return;
    struct effect *at = effects_add(x, EFFECT_LEASE);
    at->u.lease.instance = &e->pub;
    at->u.lease.old_deadline_ms = old_deadline_ms;
}
