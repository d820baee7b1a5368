/* Joins registry, store, publisher, health plan and history into one control plane that a loop, or a test on virtual
 * time, drives by two calls: an event comes in, a turn ends.
 *
 * The happy path of a write: core_event steps the registry, which asks to persist; the store takes the op. At the end
 * of the turn core_turn polls the store, feeds the completion back, and the registry's effects mark names and fill the
 * history. Then the marked names are published, and only then is the reply given: who has the reply finds the name.
 *
 * Between a step and its turn the only effects that live on are replies and ops that the store did not take. They stay
 * where the registry wrote them, moved to the front of one vector, so keeping them needs no memory of its own.
 *
 * What can go wrong:
 * - The store refuses an op: it is fed back as failed at the end of the turn. It never reached the store, so it has no
 * place in the order of its completions.
 * - No memory for a step: nothing has changed. A request gets ERR_UNAVAILABLE; completions, deadlines and closed
 * sessions are kept and fed again RETRY_MS later. If even the note of a closed session cannot be kept, its leases end
 * at their own time.
 * - No memory for the vector: what it holds is published and given early, which makes room.
 * - No memory to publish: replies wait until the names are built, because a reply promises that they are. */
#include "engine/core.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

#define KEPT_MIN         64   /* slots that are there from the beginning and never given back */
#define KEPT_SPARE       4096 /* more than this is given back after a turn, so that a burst does not stay for ever */
#define COMPLETION_BATCH 256  /* completions taken from the store at once */
#define WRITES_TURN      1024 /* of requests: with commit, publishing and reply some 10 µs each, 20 while a table grows */
#define COMPLETIONS_TURN 2048 /* of one turn at most: more than its writes, so that it catches up with a slow store */
#define PROBE_BATCH      32
#define RETRY_MS         20 /* after a lack of memory */

struct core {
    struct core_parts parts;
    struct core_hooks hooks;
    struct effects kept; /* between steps: replies and refused ops, in order */
    size_t n_refused;    /* of `kept`, ops that the store did not take */
    size_t n_writes;     /* ops and changes since the last turn ended */
    struct store_completion done[COMPLETION_BATCH];
    size_t done_at, done_n; /* polled, not yet fed */
    uint64_t *closed;       /* sessions whose end is still to be fed */
    size_t closed_n, closed_cap;
    uint64_t retry_ms; /* lease clock: no memory until then; 0: all is well */
    bool has_changes;  /* since the watchers were woken */
    bool must_resync;  /* the health plan found no memory for an instance */
    bool has_work;     /* fed since the last turn, or left over by it */
};

int core_new(const struct core_parts *parts, const struct core_hooks *hooks, struct core **out)
{
    struct core *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return ERR_NOMEM;
    }
    effects_init(&c->kept);
    c->kept.items = malloc(KEPT_MIN * sizeof(*c->kept.items));
    if (c->kept.items == NULL) {
        free(c);
        return ERR_NOMEM;
    }
    c->kept.cap = KEPT_MIN;
    c->parts = *parts;
    c->hooks = *hooks;
    *out = c;
    return 0;
}

void core_free(struct core *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->kept.n; i++) {
        if (c->kept.items[i].type == EFFECT_REPLY) {
            description_unref(c->kept.items[i].u.reply.desc); /* nobody was left to be told */
        }
    }
    effects_fini(&c->kept);
    free(c->closed);
    free(c);
}

const struct core_parts *core_parts(const struct core *c)
{
    return &c->parts;
}

static void short_of_memory(struct core *c, const struct core_time *t)
{
    c->retry_ms = t->now_ms + RETRY_MS;
}

/* A reply names its instance by a description that the next step may free: a reference keeps it. */
static void keep_reply(struct effect *to, const struct effect *from)
{
    if (to != from) {
        *to = *from;
    }
    if (to->u.reply.desc != NULL) {
        description_ref(to->u.reply.desc);
    }
}

static void apply_change(struct core *c, const struct effect *x, bool can_wait, const struct core_time *t)
{
    publish_effect(c->parts.publisher, x, can_wait);
    if (x->type != EFFECT_CHANGE) {
        return;
    }
    if (health_effect(c->parts.health, x, t->now_ms) != 0) {
        c->must_resync = true;
        short_of_memory(c, t);
    }
    changes_effect(c->parts.changes, x, t->wall_us);
    c->has_changes = true;
    if (c->hooks.log != NULL) {
        c->hooks.log(c->hooks.arg, x);
    }
}

/* Does a reply tell of what has changed? It comes with the changes. */
static bool has_reply(const struct effects *x, size_t from)
{
    while (from < x->n && x->items[from].type != EFFECT_REPLY) {
        from++;
    }
    return from < x->n;
}

/* Carries out the effects from `from` on, in their order, and moves those that live on to the front. Returns how many
 * ops the store did not take. */
static size_t carry_out(struct core *c, struct effects *x, size_t from, const struct core_time *t)
{
    size_t keep = from, refused = 0;
    bool can_wait = !has_reply(x, from);
    for (size_t i = from; i < x->n; i++) {
        const struct effect *e = &x->items[i];
        c->n_writes += e->type == EFFECT_PERSIST || e->type == EFFECT_CHANGE;
        switch (e->type) {
        case EFFECT_REPLY:
            keep_reply(&x->items[keep++], e);
            break;
        case EFFECT_PERSIST:
            if (c->parts.store_vtable->submit(c->parts.store, &e->u.persist) != 0) {
                if (keep != i) {
                    x->items[keep] = *e;
                }
                keep++;
                refused++;
            }
            break;
        case EFFECT_CHANGE:
        case EFFECT_LEASE:
            apply_change(c, e, can_wait, t);
            break;
        }
    }
    x->n = keep;
    return refused;
}

/* Publishes, then gives the replies that were there when it began. A hook may feed events: what they add waits. */
static bool give_replies(struct core *c, const struct core_time *t)
{
    if (publish_flush(c->parts.publisher, t->now_ms, t->mono_ms) != 0) {
        short_of_memory(c, t);
        return false;
    }
    size_t n = c->kept.n, left = 0;
    struct effect_texts *texts = c->kept.texts; /* of these replies; others get a block of their own */
    c->kept.texts = NULL;
    for (size_t i = 0; i < n; i++) {
        struct effect x = c->kept.items[i]; /* a copy: the hook may make the vector move */
        if (x.type != EFFECT_REPLY) {
            c->kept.items[left++] = x;
            continue;
        }
        c->hooks.reply(c->hooks.arg, &x);
        description_unref(x.u.reply.desc);
    }
    effect_texts_free(texts);
    memmove(&c->kept.items[left], &c->kept.items[n], (c->kept.n - n) * sizeof(c->kept.items[0]));
    c->kept.n -= n - left;
    return true;
}

/* Room for one more kept effect, if need be by giving out what is there. */
static bool make_room(struct core *c, const struct core_time *t)
{
    if (c->kept.n < c->kept.cap) {
        return true;
    }
    struct effect *items = realloc(c->kept.items, 2 * c->kept.cap * sizeof(*items));
    if (items != NULL) {
        c->kept.items = items;
        c->kept.cap *= 2;
        return true;
    }
    short_of_memory(c, t);
    return give_replies(c, t) && c->kept.n < c->kept.cap;
}

static int feed(struct core *c, const struct event *ev, const struct core_time *t)
{
    size_t from = c->kept.n;
    int rc = registry_step(c->parts.registry, ev, t->now_ms, &c->kept);
    if (rc == 0) {
        c->n_refused += carry_out(c, &c->kept, from, t);
    } else {
        must(c->kept.n == from);
        short_of_memory(c, t);
    }
    return rc;
}

static void keep_closed(struct core *c, uint64_t session)
{
    if (c->closed_n == c->closed_cap) {
        size_t cap = c->closed_cap == 0 ? 16 : c->closed_cap * 2;
        uint64_t *closed = realloc(c->closed, cap * sizeof(*closed));
        if (closed == NULL) {
            return; /* its leases end at their own time */
        }
        c->closed = closed;
        c->closed_cap = cap;
    }
    c->closed[c->closed_n++] = session;
}

void core_event(struct core *c, const struct event *ev, const struct core_time *t)
{
    c->has_work = true;
    bool has_room = make_room(c, t);
    if (feed(c, ev, t) == 0) {
        return;
    }
    if (ev->type == EVENT_SESSION_CLOSED) {
        keep_closed(c, ev->u.closed.session);
    } else if (ev->request != 0) {
        struct effect no = {
            .type = EFFECT_REPLY,
            .u.reply = {.request = ev->request, .code = ERR_UNAVAILABLE, .text = "out of memory"},
        };
        if (has_room) {
            c->kept.items[c->kept.n++] = no;
        } else {
            c->hooks.reply(c->hooks.arg, &no);
        }
    }
}

static int feed_refused(struct core *c, uint64_t ticket, const struct core_time *t)
{
    struct event ev = {.type = EVENT_COMMITTED, .u.committed = {.ticket = ticket, .ok = false}};
    return feed(c, &ev, t);
}

void core_effects(struct core *c, struct effects *x, const struct core_time *t)
{
    c->has_work = true;
    (void)carry_out(c, x, 0, t);
    for (size_t i = 0; i < x->n; i++) {
        must(x->items[i].type == EFFECT_PERSIST); /* nobody asked, so nobody is answered */
        if (make_room(c, t)) {
            c->kept.items[c->kept.n++] = x->items[i];
            c->n_refused++;
        } else if (feed_refused(c, x->items[i].u.persist.ticket, t) != 0) {
            short_of_memory(c, t); /* the change is lost, as if it had not been asked for */
        }
    }
    x->n = 0;
}

bool core_is_full(const struct core *c)
{
    return c->n_writes >= WRITES_TURN;
}

void core_probe_done(struct core *c, uint64_t probe, enum check_status status, const char *output,
                     const struct core_time *t)
{
    struct event ev;
    if (health_done(c->parts.health, probe, status, output, t->now_ms, &ev)) {
        core_event(c, &ev, t); /* without memory this result is lost; the next probe brings another */
    }
    c->has_work = true;
}

/* ── the end of a turn ── */

static bool feed_closed(struct core *c, const struct core_time *t)
{
    while (c->closed_n > 0) {
        struct event ev = {.type = EVENT_SESSION_CLOSED, .u.closed.session = c->closed[c->closed_n - 1]};
        if (feed(c, &ev, t) != 0) {
            return false;
        }
        c->closed_n--;
    }
    return true;
}

/* Ops the store refused when they were submitted. A retry by the registry may be refused again: those wait for the next
 * turn. */
static bool feed_all_refused(struct core *c, const struct core_time *t)
{
    size_t n = c->n_refused;
    for (size_t i = 0; n > 0 && i < c->kept.n; n--) {
        while (c->kept.items[i].type != EFFECT_PERSIST) {
            i++;
        }
        if (feed_refused(c, c->kept.items[i].u.persist.ticket, t) != 0) {
            return false;
        }
        c->n_refused--;
        memmove(&c->kept.items[i], &c->kept.items[i + 1], (c->kept.n - i - 1) * sizeof(c->kept.items[0]));
        c->kept.n--;
    }
    return true;
}

/* True if all that the store has finished is fed. */
static bool feed_completions(struct core *c, const struct core_time *t)
{
    for (size_t fed = 0; fed < COMPLETIONS_TURN; fed++) {
        if (c->done_at == c->done_n) {
            c->done_at = 0;
            c->done_n = c->parts.store_vtable->poll(c->parts.store, c->done, COMPLETION_BATCH);
            if (c->done_n == 0) {
                return true;
            }
        }
        const struct store_completion *done = &c->done[c->done_at];
        struct event ev = {
            .type = EVENT_COMMITTED,
            .u.committed = {.ticket = done->ticket, .ok = done->ok, .revision = done->revision},
        };
        if (feed(c, &ev, t) != 0) {
            return false;
        }
        c->done_at++;
    }
    return false;
}

static void start_probes(struct core *c, const struct core_time *t)
{
    if (c->must_resync && c->retry_ms == 0) {
        c->must_resync = health_resync(c->parts.health, c->parts.registry, t->now_ms) != 0;
        if (c->must_resync) {
            short_of_memory(c, t);
        }
    }
    /* One batch a turn, since a start may be a fork; if more is due core_next_ms says so. */
    struct probe_job jobs[PROBE_BATCH];
    size_t n = health_due(c->parts.health, t->now_ms, jobs, PROBE_BATCH);
    for (size_t i = 0; i < n; i++) {
        c->hooks.probe(c->hooks.arg, &jobs[i]);
    }
}

static void give_back_spare(struct core *c)
{
    if (c->kept.n == 0 && c->kept.cap > KEPT_SPARE) {
        struct effect *items = realloc(c->kept.items, KEPT_SPARE * sizeof(*items));
        if (items != NULL) {
            c->kept.items = items;
            c->kept.cap = KEPT_SPARE;
        }
    }
}

void core_turn(struct core *c, const struct core_time *t)
{
    c->has_work = false;
    c->retry_ms = 0;
    bool is_done = feed_closed(c, t) && feed_all_refused(c, t) && feed_completions(c, t);
    if (c->retry_ms == 0 && registry_next_ms(c->parts.registry) <= t->now_ms) {
        /* One slice, however much the store has finished: leases end in time. If more is due core_next_ms says so. What
         * it persists in memory is committed in the same turn. */
        is_done = feed(c, &(struct event){.type = EVENT_TIME}, t) == 0 && is_done && feed_completions(c, t);
    }
    if (!is_done || c->n_refused > 0) {
        c->has_work = true;
    }
    if (!give_replies(c, t)) {
        c->has_work = true;
    }
    c->n_writes = 0;
    give_back_spare(c);
    if (c->has_changes) {
        c->has_changes = false;
        c->hooks.changed(c->hooks.arg);
    }
    start_probes(c, t);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t core_next_ms(const struct core *c)
{
    if (c->retry_ms != 0) {
        return c->retry_ms; /* whatever is due would fail again */
    }
    if (c->has_work) {
        return 0;
    }
    uint64_t next = earlier(registry_next_ms(c->parts.registry), publish_next_ms(c->parts.publisher));
    return earlier(next, health_next_ms(c->parts.health));
}
