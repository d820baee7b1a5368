/* Random events against a registry whose store is late and refuses at random, beside a naive model. What must hold,
 * whatever comes:
 *
 *     nothing is visible before it is committed: changes come only from completions
 *     at most one op of an instance is on its way
 *     every request gets exactly one reply, and requests of one instance (RENEW aside) are answered in order
 *     a reply tells the truth: what the model, built from the changes alone, says of the instance at that moment
 *     revisions of changes strictly grow
 *     counts are what one finds by counting
 *     no lease is past its end without the instance being lost or an op of it being on its way
 *     once the store answers again it holds what the registry holds
 *
 * A seed that failed is printed; `test_registry_random SEED` runs it alone. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/rng.h"
#include "registry/registry.h"

#define SERVICES     2
#define IDS          4
#define CELLS        (SERVICES * IDS)
#define REQUESTS_MAX 4096
#define STEPS        1500
#define VARIANTS     3

/* One instance that may be: what the changes said, what the store holds. */
struct cell {
    bool is_there;
    enum instance_state state;
    struct description *desc; /* of the registry, only compared */
    bool is_stored;
    enum instance_state stored_state;
    unsigned on_their_way;
    uint64_t last_answered; /* request, RENEW aside */
};

struct pending {
    struct store_op op;
    struct cell *cell;
    bool is_done;
};

struct asked {
    enum event_type type;
    struct cell *cell;
    bool is_answered;
};

static struct model {
    struct registry *registry;
    struct effects effects;
    struct description *descs[IDS][VARIANTS];
    struct cell cells[CELLS];
    struct pending ops[REQUESTS_MAX * 4];
    size_t first_op, n_ops;
    struct asked asked[REQUESTS_MAX];
    uint64_t n_asked, n_answered, now_ms, revision;
    uint64_t seed;
    struct rng rng;
} * m;

#define expect(x) ((x) ? (void)0 : fail(#x, __LINE__))

static _Noreturn void fail(const char *what, int line)
{
    fprintf(stderr, "seed %" PRIu64 ", at %" PRIu64 " ms, line %d: %s\n", m->seed, m->now_ms, line, what);
    abort();
}

static const char *const services[SERVICES] = {"web", "db"};
static const char *const ids[IDS] = {"a", "b", "c", "d"};

static struct cell *cell_of(const char *service, const char *id)
{
    for (size_t i = 0; i < CELLS; i++)
        if (strcmp(services[i / IDS], service) == 0 && strcmp(ids[i % IDS], id) == 0)
            return &m->cells[i];
    fail("a known instance", __LINE__);
}

/* ── effects ── */

static void on_reply(const struct effect *x)
{
    uint64_t request = x->u.reply.request;
    expect(request >= 1 && request <= m->n_asked);
    struct asked *a = &m->asked[request - 1];
    expect(!a->is_answered);
    a->is_answered = true;
    m->n_answered++;
    if (a->type != EVENT_RENEW) {
        expect(request > a->cell->last_answered);
        a->cell->last_answered = request;
    }
    if (x->u.reply.code == ERR_NOLEASE)
        expect(!a->cell->is_there);
    if (x->u.reply.code != 0)
        return;
    if (a->type == EVENT_DEREGISTER)
        expect(!a->cell->is_there);
    else
        expect(a->cell->is_there);
    if (a->type == EVENT_RENEW || a->type == EVENT_REGISTER)
        expect(a->cell->state != STATE_LOST);
}

static void on_persist(const struct effect *x)
{
    struct cell *c = cell_of(x->u.persist.service, x->u.persist.id);
    expect(c->on_their_way == 0);
    expect(m->n_ops < sizeof(m->ops) / sizeof(m->ops[0]));
    expect(m->n_ops == 0 || x->u.persist.ticket > m->ops[m->n_ops - 1].op.ticket);
    expect((x->u.persist.desc != NULL) == (x->u.persist.kind == STORE_PUT));
    c->on_their_way++;
    m->ops[m->n_ops++] = (struct pending){.op = x->u.persist, .cell = c};
}

static void on_change(const struct effect *x, bool is_completion)
{
    expect(is_completion);
    const struct description *d =
        x->u.change.new_desc != NULL && !x->u.change.gone ? x->u.change.new_desc : x->u.change.old_desc;
    struct cell *c = cell_of(x->u.change.service->name, d->id);
    expect(x->u.change.revision > m->revision);
    m->revision = x->u.change.revision;
    expect(c->is_there == (x->u.change.kind != CHANGE_REGISTERED));
    expect(c->state == x->u.change.old_state);
    expect(x->u.change.gone == (x->u.change.new_state == STATE_NONE));
    c->is_there = !x->u.change.gone;
    c->state = x->u.change.new_state;
}

static void on_effects(bool is_completion)
{
    for (size_t i = 0; i < m->effects.n; i++) {
        const struct effect *x = &m->effects.items[i];
        if (x->type == EFFECT_REPLY)
            on_reply(x);
        else if (x->type == EFFECT_PERSIST)
            on_persist(x);
        else if (x->type == EFFECT_CHANGE)
            on_change(x, is_completion);
    }
    effects_clear(&m->effects);
}

static void step(const struct event *ev)
{
    int rc = registry_step(m->registry, ev, m->now_ms, &m->effects);
    expect(rc == 0);
    on_effects(ev->type == EVENT_COMMITTED);
}

/* ── what must hold between steps ── */

static void check_instance(const struct instance *i, uint64_t counted[2])
{
    const struct cell *c = cell_of(i->service->name, i->desc->id);
    expect(c->is_there && c->state == i->state);
    expect(i->deadline_ms + WHEEL_TICK_MS > m->now_ms || i->state == STATE_LOST || c->on_their_way > 0);
    expect(i->service->revision >= i->revision && i->revision <= m->revision);
    counted[0]++;
    counted[1] += instance_state_is_served(i->state);
}

static void check_world(void)
{
    struct registry_counts counts;
    uint64_t all[2] = {0}, there = 0, n_services = 0;
    struct service *s = NULL;
    registry_counts(m->registry, &counts);
    while ((s = registry_each(m->registry, s)) != NULL) {
        uint64_t counted[2] = {0};
        for (struct list *at = s->ordered.next; at != &s->ordered; at = at->next)
            check_instance(CONTAINER_OF(at, struct instance, link), counted);
        expect(s->n_registered == counted[0] && s->n_served == counted[1]);
        all[0] += counted[0];
        all[1] += counted[1];
        n_services++;
    }
    for (size_t i = 0; i < CELLS; i++)
        there += m->cells[i].is_there;
    expect(counts.instances == all[0] && counts.served == all[1] && counts.services == n_services && there == all[0]);
    expect(registry_revision(m->registry) == m->revision);
}

/* ── events ── */

static void complete(bool ok)
{
    if (m->first_op == m->n_ops)
        return;
    struct pending *p = &m->ops[m->first_op++];
    struct cell *c = p->cell;
    c->on_their_way--;
    if (ok) {
        c->is_stored = p->op.kind != STORE_DELETE;
        c->stored_state = (enum instance_state)p->op.state;
    }
    struct event ev = {.type = EVENT_COMMITTED, .u.committed = {.ticket = p->op.ticket, .ok = ok}};
    if (ok && rng_below(&m->rng, 4) == 0)
        ev.u.committed.revision = m->revision - 2 + rng_below(&m->rng, 6); /* a store that numbers changes, badly */
    step(&ev);
}

static void work_off(void)
{
    const struct event tick = {.type = EVENT_TIME};
    while (registry_next_ms(m->registry) <= m->now_ms)
        step(&tick);
}

static void ask(void)
{
    static const enum event_type types[] = {EVENT_REGISTER, EVENT_REGISTER,   EVENT_REGISTER, EVENT_RENEW,
                                            EVENT_RENEW,    EVENT_DEREGISTER, EVENT_DRAIN,    EVENT_REPORT};
    uint32_t id = rng_below(&m->rng, IDS), service = rng_below(&m->rng, SERVICES);
    struct event ev = {.type = types[rng_below(&m->rng, 8)], .service = services[service], .id = ids[id]};
    if (m->n_asked == REQUESTS_MAX)
        return;
    m->asked[m->n_asked] = (struct asked){.type = ev.type, .cell = &m->cells[service * IDS + id]};
    ev.request = ++m->n_asked;
    if (ev.type == EVENT_REGISTER) {
        ev.u.reg.desc = m->descs[id][rng_below(&m->rng, VARIANTS)];
        ev.u.reg.session = rng_below(&m->rng, 3);
    } else if (ev.type == EVENT_DEREGISTER) {
        ev.u.deregister.hold_ms = rng_below(&m->rng, 3) == 0 ? 1500 : 0;
    } else if (ev.type == EVENT_DRAIN) {
        ev.u.drain.off = rng_below(&m->rng, 2) == 0;
    } else if (ev.type == EVENT_REPORT) {
        ev.u.report.status = (enum check_status)(1 + rng_below(&m->rng, 3));
        ev.u.report.note = "a note";
    }
    step(&ev);
}

static void probe(void)
{
    struct event ev = {.type = EVENT_PROBE_RESULT,
                       .service = services[rng_below(&m->rng, SERVICES)],
                       .id = ids[rng_below(&m->rng, IDS)]};
    const struct service *s = registry_service(m->registry, ev.service);
    const struct instance *i = s != NULL ? registry_instance(s, ev.id) : NULL;
    ev.u.probe.check = (uint16_t)rng_below(&m->rng, 3);
    ev.u.probe.epoch = i != NULL && i->checks != NULL ? i->checks->epoch - rng_below(&m->rng, 2) : 0;
    ev.u.probe.status = (enum check_status)(1 + rng_below(&m->rng, 3));
    ev.u.probe.output = "out";
    step(&ev);
}

static void one_event(void)
{
    uint32_t dice = rng_below(&m->rng, 100);
    if (dice < 40) {
        ask();
    } else if (dice < 75) {
        complete(rng_below(&m->rng, 4) != 0);
    } else if (dice < 85) {
        probe();
    } else if (dice < 88) {
        struct event ev = {.type = EVENT_SESSION_CLOSED, .u.closed.session = 1 + rng_below(&m->rng, 2)};
        step(&ev);
    } else {
        m->now_ms += rng_below(&m->rng, 700);
        work_off();
    }
}

/* ── a run ── */

static struct description *describe(uint32_t id, uint32_t variant)
{
    static const struct description_limits limits = {.tags = 4, .meta = 4, .ports = 4, .checks = 4, .meta_bytes = 100};
    static const char *const checks[] = {"ttl 5s remove=3s", "tcp://:80 rise=1 fall=1"};
    static const char *const tags[] = {"blue", "green"};
    struct description_input in = {.id = ids[id],
                                   .address = "10.0.0.1",
                                   .port = "80",
                                   .lease_ms = variant < 2 ? 2000 + 1000 * variant : 60000,
                                   .tags = tags,
                                   .n_tags = variant,
                                   .checks = checks,
                                   .n_checks = variant};
    struct description *d;
    int rc = description_new(&in, &limits, &d, NULL);
    must(rc == 0);
    return d;
}

static void begin(uint64_t seed)
{
    const struct registry_options o = {.lease_default_ms = 2000,
                                       .lease_min_ms = 1000,
                                       .lease_max_ms = 60000,
                                       .session_grace_ms = 500,
                                       .max_services = 10,
                                       .max_instances = 10,
                                       .expiry_slice = 3};
    const struct service_policy p = {.ttl_s = 5};
    m = calloc(1, sizeof(*m));
    must(m != NULL);
    m->seed = m->rng.state = seed;
    m->revision = 1000;
    int rc = registry_new(&o, &p, m->revision, seed, 0, &m->registry);
    must(rc == 0);
    effects_init(&m->effects);
    for (uint32_t i = 0; i < IDS; i++)
        for (uint32_t v = 0; v < VARIANTS; v++)
            m->descs[i][v] = describe(i, v);
}

static void end(void)
{
    registry_free(m->registry);
    effects_fini(&m->effects);
    for (uint32_t i = 0; i < IDS; i++)
        for (uint32_t v = 0; v < VARIANTS; v++) {
            expect(m->descs[i][v]->refs == 1);
            description_unref(m->descs[i][v]);
        }
    free(m);
}

/* The store answers everything from now on: all are answered, and it comes to hold what the registry holds. */
static void check_end(void)
{
    while (m->first_op < m->n_ops)
        complete(true);
    m->now_ms += 1000 + WHEEL_TICK_MS; /* what it refused before is offered again */
    work_off();
    while (m->first_op < m->n_ops)
        complete(true);
    check_world();
    expect(m->n_answered == m->n_asked);
    for (size_t i = 0; i < CELLS; i++) {
        const struct cell *c = &m->cells[i];
        expect(c->is_stored == c->is_there);
        expect(!c->is_there || c->stored_state == c->state);
    }
}

static void run(uint64_t seed, bool is_cut_short)
{
    begin(seed);
    for (int n = 0; n < STEPS; n++) {
        one_event();
        check_world();
    }
    if (!is_cut_short) /* else the registry is freed with ops on their way: nothing may leak */
        check_end();
    end();
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        run(strtoull(argv[1], NULL, 10), false);
        return 0;
    }
    for (uint64_t seed = 1; seed <= 150; seed++)
        run(seed, seed % 10 == 0);
    return 0;
}
