/* The vector of effects. Room is reserved before a step changes anything, so that appending cannot fail half-way. Texts
 * lie beside the vector, in blocks that never move: few effects have one, and a vector may be of a hundred thousand. */
#include "registry/private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"

#define EFFECTS_MIN 16
#define TEXTS_MIN   4096 /* bytes of a block of texts */

struct effect_texts {
    struct effect_texts *next;
    size_t len, cap;
    char bytes[];
};

void effects_init(struct effects *x)
{
    *x = (struct effects){0};
}

void effect_texts_free(struct effect_texts *t)
{
    for (struct effect_texts *next; t != NULL; t = next) {
        next = t->next;
        free(t);
    }
}

void effects_clear(struct effects *x)
{
    x->n = 0;
    if (x->texts == NULL)
        return;
    effect_texts_free(x->texts->next);
    x->texts->next = NULL;
    x->texts->len = 0;
}

void effects_fini(struct effects *x)
{
    free(x->items);
    effect_texts_free(x->texts);
    effects_init(x);
}

static int texts_reserve(struct effects *x, size_t size)
{
    if (x->texts != NULL && x->texts->cap - x->texts->len >= size)
        return 0;
    size_t cap = size > TEXTS_MIN ? size : TEXTS_MIN;
    struct effect_texts *t = malloc(sizeof(*t) + cap);
    if (t == NULL)
        return ERR_NOMEM;
    *t = (struct effect_texts){.next = x->texts, .cap = cap};
    x->texts = t;
    return 0;
}

int effects_reserve(struct effects *x, size_t more, size_t replies)
{
    if (replies > 0 && texts_reserve(x, replies * ERR_TEXT_MAX) != 0)
        return ERR_NOMEM;
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
    at->u.reply.desc = NULL;
    at->u.reply.text = NULL;
    return at;
}

struct effect *reply_ok(struct registry *r, struct effects *x, uint64_t request)
{
    return reply_add(r, x, request, 0);
}

void reply_error(struct registry *r, struct effects *x, uint64_t request, int code, const char *fmt, ...)
{
    struct effect *at = reply_add(r, x, request, code);
    if (request == 0)
        return;
    struct effect_texts *t = x->texts;
    must(t != NULL && t->cap - t->len >= ERR_TEXT_MAX);
    at->u.reply.text = t->bytes + t->len;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(t->bytes + t->len, ERR_TEXT_MAX, fmt, args);
    va_end(args);
    must(n >= 0);
    t->len += (n < ERR_TEXT_MAX ? (size_t)n : ERR_TEXT_MAX - 1) + 1;
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
