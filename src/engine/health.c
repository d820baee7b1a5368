/* The plan of all probes.
 *
 * Why: probes are slow and many, instances come and go while they run, and nobody may be forgotten or probed twice at a
 * time. So what is due when is decided here, on virtual time, and carried out elsewhere.
 *
 * The happy path: an instance with checks gets a `plan` with one slot per check. A slot is in exactly one of three
 * places, and goes round:
 *
 *          arm(now)            due                  place free
 *     new ─────────► wheel ─────────► waiting FIFO ─────────► running
 *                      ▲                                         │ health_done
 *                      └──────── max(start + interval, now) ◄────┘
 *
 * A running probe is a `struct run` that keeps alive everything the prober reads, because the instance may be replaced,
 * get other checks by a reload, or be freed with its service while the probe is under way.
 *
 * What can go wrong: the instance goes (its runs lose their slot and are dropped when they end, still counted as running
 * until then); no memory for a run (the slot stays first in the queue and is tried again after RETRY_MS); no memory for
 * a plan (reported; health_resync makes up for it); more due than max_probes (they wait in order of their due times, to
 * a tick of the wheel). */
#include "engine/health.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/wheel.h"

#define RETRY_MS 100
#define FIRST_GAP_US   500 /* between first probes, so that thousands of them leave the others their time */
#define FIRST_AT_ONCE  64  /* but so many need not wait for each other */

const uint32_t health_late_ms[HEALTH_LATE_STEPS] = {10, 50, 200, 1000};

struct slot {
    struct wheel_entry timer; /* deadline_ms stays readable after it fired: when the probe was due */
    struct list waiting;
    struct plan *plan;
    struct run *run; /* NULL: not running */
};

struct plan { /* instance->checks->health */
    struct list link;
    struct instance *instance;
    uint32_t epoch;
    uint16_t n_slots;
    struct slot slots[]; /* by index of the check; those of ttl checks are never armed */
};

struct run {
    struct map_node node; /* by probe */
    uint64_t probe;
    struct slot *slot; /* NULL: nobody wants the result any more */
    uint64_t next_ms;  /* start + interval with jitter */
    uint32_t epoch;
    uint16_t check;
    struct description *desc, *spec_owner; /* a reference each */
    const struct check_spec *spec;
    char service[SERVICE_NAME_MAX + 1];
};

struct health {
    struct wheel wheel;
    struct list waiting; /* of slots, the longest waiting first */
    struct list plans;
    struct map runs;
    struct run *last; /* handed out by health_done, kept for its pointers */
    struct rng rng;
    uint32_t max_probes;
    uint64_t first_us; /* when the next first probe has its turn */
    uint64_t last_probe;
    uint64_t retry_ms; /* do not start anything before: memory was short */
    struct health_counts counts;
};

static uint64_t probe_hash(uint64_t probe)
{
    return hash_mix(probe, UINT64_C(0x9e3779b97f4a7c15));
}

int health_new(uint32_t max_probes, uint64_t seed, uint64_t now_ms, struct health **out)
{
    must(max_probes > 0);
    struct health *h = calloc(1, sizeof(*h));
    if (h == NULL || map_init(&h->runs) != 0) {
        free(h);
        return ERR_NOMEM;
    }
    wheel_init(&h->wheel, now_ms);
    list_init(&h->waiting);
    list_init(&h->plans);
    h->rng.state = seed;
    h->max_probes = max_probes;
    *out = h;
    return 0;
}

static void run_free(struct run *run)
{
    if (run == NULL)
        return;
    description_unref(run->desc);
    description_unref(run->spec_owner);
    free(run);
}

void health_free(struct health *h)
{
    if (h == NULL)
        return;
    struct map_node *next;
    for (struct map_node *n = map_each(&h->runs, NULL); n != NULL; n = next) {
        next = map_each(&h->runs, n);
        run_free(CONTAINER_OF(n, struct run, node));
    }
    map_fini(&h->runs);
    run_free(h->last);
    while (!list_is_empty(&h->plans)) {
        struct plan *plan = CONTAINER_OF(h->plans.next, struct plan, link);
        list_remove(&plan->link);
        free(plan);
    }
    free(h);
}

void health_set_max_probes(struct health *h, uint32_t max_probes)
{
    must(max_probes > 0);
    h->max_probes = max_probes;
}

/* ── slots and plans ── */

/* A slot of a check that is probed is always in one of the three places. */
static bool is_probed(const struct slot *s)
{
    return wheel_is_armed(&s->timer) || !list_is_empty(&s->waiting) || s->run != NULL;
}

/* Takes the slot out of all three places. A run in flight goes on, for nobody. */
static void slot_clear(struct health *h, struct slot *s)
{
    h->counts.checks -= is_probed(s);
    wheel_disarm(&h->wheel, &s->timer);
    if (!list_is_empty(&s->waiting)) {
        list_remove(&s->waiting);
        h->counts.waiting--;
    }
    if (s->run != NULL) {
        s->run->slot = NULL;
        s->run = NULL;
    }
}

static void plan_drop(struct health *h, struct instance *i)
{
    struct plan *plan = i->checks != NULL ? i->checks->health : NULL;
    if (plan == NULL)
        return;
    for (uint16_t k = 0; k < plan->n_slots; k++)
        slot_clear(h, &plan->slots[k]);
    list_remove(&plan->link);
    free(plan);
    i->checks->health = NULL;
}

static bool has_probes(const struct instance *i)
{
    for (uint16_t k = 0; k < instance_n_checks(i); k++)
        if (i->checks->specs[k].type != CHECK_TTL)
            return true;
    return false;
}

static uint64_t first_due(struct health *h, uint64_t now_ms)
{
    uint64_t now_us = now_ms * 1000, lead_us = FIRST_AT_ONCE * FIRST_GAP_US;
    if (h->first_us + lead_us < now_us)
        h->first_us = now_us - lead_us;
    h->first_us += FIRST_GAP_US;
    return h->first_us <= now_us ? now_ms : (h->first_us + 999) / 1000;
}

/* Makes the plan fit the checks and the address that the instance has now: another epoch when either is another one. */
static int plan_sync(struct health *h, struct instance *i, uint64_t now_ms)
{
    const struct plan *old = i->checks != NULL ? i->checks->health : NULL;
    if (old != NULL && i->checks->n > 0 && old->epoch == i->checks->epoch)
        return 0;
    plan_drop(h, i);
    if (!has_probes(i))
        return 0;
    struct plan *plan = calloc(1, sizeof(*plan) + instance_n_checks(i) * sizeof(plan->slots[0]));
    if (plan == NULL)
        return ERR_NOMEM;
    plan->instance = i;
    plan->epoch = i->checks->epoch;
    plan->n_slots = instance_n_checks(i);
    for (uint16_t k = 0; k < plan->n_slots; k++) {
        wheel_entry_init(&plan->slots[k].timer);
        list_init(&plan->slots[k].waiting);
        plan->slots[k].plan = plan;
        if (i->checks->specs[k].type != CHECK_TTL) {
            wheel_arm(&h->wheel, &plan->slots[k].timer, first_due(h, now_ms));
            h->counts.checks++;
        }
    }
    list_push(&h->plans, &plan->link);
    i->checks->health = plan;
    return 0;
}

static int service_sync(struct health *h, struct service *s, uint64_t now_ms)
{
    int rc = 0;
    for (struct list *at = s->ordered.next; at != &s->ordered; at = at->next)
        if (plan_sync(h, CONTAINER_OF(at, struct instance, link), now_ms) != 0)
            rc = ERR_NOMEM;
    return rc;
}

int health_effect(struct health *h, const struct effect *x, uint64_t now_ms)
{
    if (x->type != EFFECT_CHANGE)
        return 0;
    struct instance *i = x->u.change.instance;
    if (i == NULL)
        return service_sync(h, x->u.change.service, now_ms);
    if (x->u.change.gone) {
        plan_drop(h, i);
        return 0;
    }
    return plan_sync(h, i, now_ms);
}

int health_resync(struct health *h, const struct registry *r, uint64_t now_ms)
{
    int rc = 0;
    for (struct service *s = registry_each(r, NULL); s != NULL; s = registry_each(r, s))
        if (service_sync(h, s, now_ms) != 0)
            rc = ERR_NOMEM;
    return rc;
}

/* ── probes ── */

static uint32_t with_jitter(struct rng *rng, uint32_t interval_ms)
{
    uint32_t spread = (uint32_t)((uint64_t)interval_ms * HEALTH_JITTER_PERCENT / 100);
    return interval_ms - spread + rng_below(rng, 2 * spread + 1);
}

static struct run *run_new(struct health *h, struct slot *s, uint64_t now_ms)
{
    struct run *run = malloc(sizeof(*run));
    if (run == NULL)
        return NULL;
    const struct instance *i = s->plan->instance;
    uint16_t check = (uint16_t)(s - s->plan->slots);
    *run = (struct run){
        .probe = ++h->last_probe,
        .slot = s,
        .next_ms = now_ms + with_jitter(&h->rng, i->checks->specs[check].interval_ms),
        .epoch = s->plan->epoch,
        .check = check,
        .desc = description_ref(i->desc),
        .spec_owner = description_ref(i->checks->owner),
        .spec = &i->checks->specs[check],
    };
    strncpy(run->service, i->service->name, SERVICE_NAME_MAX);
    map_insert(&h->runs, &run->node, probe_hash(run->probe));
    s->run = run;
    return run;
}

/* A slice of them: after a standstill there may be as many as there are checks. The rest waits in the wheel, where it is
 * due first, and is as late as it is when its turn comes. */
static void take_due(struct health *h, uint64_t now_ms)
{
    struct wheel_entry *e;
    for (int i = 0; i < HEALTH_SLICE && (e = wheel_pop(&h->wheel, now_ms)) != NULL; i++) {
        list_push(&h->waiting, &CONTAINER_OF(e, struct slot, timer)->waiting);
        h->counts.waiting++;
    }
}

static void count_late(struct health *h, uint64_t late_ms, uint32_t interval_ms)
{
    struct health_counts *n = &h->counts;
    for (size_t i = 0; i < HEALTH_LATE_STEPS; i++)
        n->late[i] += late_ms > health_late_ms[i];
    n->skipped += late_ms / interval_ms;
    if (late_ms > n->late_max_ms)
        n->late_max_ms = late_ms;
}

size_t health_due(struct health *h, uint64_t now_ms, struct probe_job *out, size_t cap)
{
    take_due(h, now_ms);
    if (now_ms < h->retry_ms)
        return 0;
    size_t n = 0;
    while (n < cap && h->counts.running < h->max_probes && !list_is_empty(&h->waiting)) {
        struct slot *s = CONTAINER_OF(h->waiting.next, struct slot, waiting);
        struct run *run = run_new(h, s, now_ms);
        if (run == NULL) {
            h->retry_ms = now_ms + RETRY_MS;
            break;
        }
        list_remove(&s->waiting);
        h->counts.waiting--;
        h->counts.running++;
        h->counts.started++;
        uint64_t late_ms = now_ms - s->timer.deadline_ms;
        count_late(h, late_ms, run->spec->interval_ms);
        out[n++] = (struct probe_job){
            .probe = run->probe,
            .spec = run->spec,
            .desc = run->desc,
            .service = run->service,
            .id = run->desc->id,
            .check = run->check,
            .late_ms = late_ms,
        };
    }
    return n;
}

static struct run *run_take(struct health *h, uint64_t probe)
{
    struct map_node *n = map_first(&h->runs, probe_hash(probe));
    while (n != NULL && CONTAINER_OF(n, struct run, node)->probe != probe)
        n = map_next(n);
    must(n != NULL);
    map_remove(&h->runs, n);
    return CONTAINER_OF(n, struct run, node);
}

bool health_done(struct health *h, uint64_t probe, enum check_status status, const char *output, uint64_t now_ms,
                 struct event *ev)
{
    struct run *run = run_take(h, probe);
    run_free(h->last);
    h->last = run;
    h->counts.running--;
    if (status == CHECK_NONE)
        h->counts.failed++;
    struct slot *s = run->slot;
    if (s == NULL)
        return false;
    s->run = NULL;
    wheel_arm(&h->wheel, &s->timer, run->next_ms > now_ms ? run->next_ms : now_ms);
    if (status == CHECK_NONE)
        return false;
    *ev = (struct event){
        .type = EVENT_PROBE_RESULT,
        .service = run->service,
        .id = run->desc->id,
        .u.probe = {.check = run->check, .epoch = run->epoch, .status = status, .output = output},
    };
    return true;
}

uint64_t health_next_ms(const struct health *h)
{
    if (!list_is_empty(&h->waiting) && h->counts.running < h->max_probes)
        return h->retry_ms;
    return wheel_next_ms(&h->wheel);
}

void health_counts(const struct health *h, struct health_counts *out)
{
    *out = h->counts;
}
