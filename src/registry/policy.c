/* What the configuration says about services: how they are answered, the check of those that bring none, and which
 * names static records of the zones keep for themselves.
 *
 * The happy path: all that a reload needs is allocated into a plan first, then the plan is carried out and every
 * service that it touches is told of by CHANGE_POLICY.
 *
 * What can go wrong: memory; then the plan is thrown away and nothing has changed. A check that comes with a reload to
 * a running instance starts from the state that the instance has, so that a reload takes nobody out of DNS. */
#include "registry/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

/* ── the service's own check, in a block that can be referenced ── */

int check_block_new(const struct check_spec *spec, struct description **out)
{
    struct description *d = calloc(1, sizeof(*d) + sizeof(*d->more) + sizeof(*spec) + check_strings_room(spec->text));
    if (d == NULL)
        return ERR_NOMEM;
    struct description_more *more = (struct description_more *)(void *)(d + 1);
    struct check_spec *copy = (struct check_spec *)(void *)(more + 1);
    int rc = check_spec_parse(spec->text, (char *)(copy + 1), copy, NULL);
    must(rc == 0); /* its own text */
    more->checks = copy;
    d->more = more;
    d->refs = 1;
    d->n_checks = 1;
    *out = d;
    return 0;
}

static bool is_same_check(const struct description *block, const struct check_spec *spec)
{
    if (block == NULL || spec == NULL)
        return block == NULL && spec == NULL;
    return strcmp(block->more->checks[0].text, spec->text) == 0;
}

static bool is_same_policy(const struct service_policy *a, const struct service_policy *b)
{
    return a->ttl_s == b->ttl_s && a->max_answers == b->max_answers && a->answer == b->answer && a->order == b->order &&
           a->on_empty == b->on_empty;
}

/* ── the plan of a reload ── */

/* What becomes of one service. */
struct policy_plan {
    struct service_entry *service;
    struct service_policy policy; /* .check is not used */
    bool is_configured, is_new, is_check_new;
    struct description *check;   /* when is_check_new: a reference, NULL for none */
    struct instance_checks **states; /* when is_check_new: one for each instance that brings none of its own */
    size_t n_states;
};

struct reload {
    struct policy_plan *plans;
    size_t n;
    struct description *default_check;
};

/* The sections by folded name: a reload asks for the one of each service. */
struct section_ref {
    char folded[FOLDED_MAX];
    const struct service_section *section;
};

static int by_name(const void *a, const void *b)
{
    const struct section_ref *x = a, *y = b;
    return strcmp(x->folded, y->folded);
}

static int name_to_ref(const void *key, const void *ref)
{
    const struct section_ref *x = ref;
    return strcmp(key, x->folded);
}

static int sort_sections(const struct service_section *sections, size_t n, struct section_ref **out)
{
    struct section_ref *refs = calloc(n + 1, sizeof(*refs));
    if (refs == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        (void)fold_name(sections[i].name, refs[i].folded); /* a name that is too long is found to be wrong later */
        refs[i].section = &sections[i];
    }
    qsort(refs, n, sizeof(*refs), by_name);
    *out = refs;
    return 0;
}

static bool uses_service_check(const struct entry *e)
{
    return entry_is_registered(e) && e->pub.desc->n_checks == 0;
}

/* Memory of the new check for each instance that will have it. */
static int plan_states(struct policy_plan *p)
{
    size_t n = p->service->pub.n_registered;
    if (p->check == NULL || n == 0)
        return 0;
    p->states = calloc(n, sizeof(struct instance_checks *));
    if (p->states == NULL)
        return ERR_NOMEM;
    for (struct list *at = p->service->pub.ordered.next; at != &p->service->pub.ordered; at = at->next) {
        if (!uses_service_check(entry_of(CONTAINER_OF(at, struct instance, link))))
            continue;
        if (checks_room(p->check, &p->states[p->n_states]) != 0)
            return ERR_NOMEM;
        p->n_states++;
    }
    return 0;
}

static int plan_service(struct reload *plan, struct service_entry *s, const struct service_policy *policy,
                        bool is_configured, bool is_new)
{
    struct policy_plan *p = &plan->plans[plan->n++];
    *p = (struct policy_plan){.service = s, .policy = *policy, .is_configured = is_configured, .is_new = is_new};
    p->is_check_new = !is_same_check(s->check_owner, policy->check);
    if (p->is_check_new && policy->check != NULL) {
        int rc = check_block_new(policy->check, &p->check);
        if (rc != 0)
            return rc;
    }
    return p->is_check_new ? plan_states(p) : 0;
}

static void plan_drop(struct registry *r, struct reload *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        struct policy_plan *p = &plan->plans[i];
        for (size_t j = 0; j < p->n_states; j++)
            free(p->states[j]);
        free(p->states);
        description_unref(p->check);
        if (p->is_new)
            service_discard_if_unused(r, p->service);
    }
    description_unref(plan->default_check);
    free(plan->plans);
}

static int plan_make(struct registry *r, const struct service_policy *defaults, const struct service_section *sections,
                     size_t n, struct reload *plan)
{
    struct section_ref *refs;
    int rc = sort_sections(sections, n, &refs);
    if (rc != 0)
        return rc;
    plan->plans = calloc(r->services.len + n + 1, sizeof(*plan->plans));
    rc = plan->plans == NULL ? ERR_NOMEM : 0;
    if (rc == 0 && defaults->check != NULL)
        rc = check_block_new(defaults->check, &plan->default_check);
    for (struct list *at = r->order.next; rc == 0 && at != &r->order; at = at->next) {
        struct service_entry *s = CONTAINER_OF(at, struct service_entry, link);
        const struct section_ref *ref = bsearch(s->pub.folded, refs, n, sizeof(*refs), name_to_ref);
        rc = plan_service(plan, s, ref != NULL ? &ref->section->policy : defaults, ref != NULL, false);
    }
    free(refs);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct service_entry *s;
        if (service_find(r, sections[i].name) != NULL)
            continue;
        rc = service_name_check(sections[i].name, NULL);
        if (rc == 0)
            rc = service_make(r, sections[i].name, &s);
        if (rc == 0)
            rc = plan_service(plan, s, &sections[i].policy, true, true);
    }
    return rc;
}

/* ── carrying it out ── */

/* The instance starts the new check from the state that it has. */
static void replace_check(struct registry *r, struct entry *e, struct description *block, struct instance_checks *checks,
                          uint64_t now_ms)
{
    static const enum check_status statuses[] = {[STATE_STARTING] = CHECK_NONE,
                                                 [STATE_PASSING] = CHECK_PASSING,
                                                 [STATE_WARNING] = CHECK_WARNING,
                                                 [STATE_CRITICAL] = CHECK_CRITICAL};
    enum instance_state health = health_state(e->pub.checks);
    if (block == NULL) {
        checks_clear(e->pub.checks);
        return;
    }
    checks_own(checks, block, ++r->next_epoch);
    checks_replace(e, checks);
    check_begin(&checks->states[0], &checks->specs[0], now_ms);
    checks->states[0].status = statuses[health];
}

static void replace_checks(struct registry *r, struct policy_plan *p, uint64_t now_ms)
{
    struct service_entry *s = p->service;
    size_t n = 0;
    for (struct list *at = s->pub.ordered.next; at != &s->pub.ordered; at = at->next) {
        struct entry *e = entry_of(CONTAINER_OF(at, struct instance, link));
        if (!uses_service_check(e))
            continue;
        replace_check(r, e, p->check, p->check != NULL ? p->states[n++] : NULL, now_ms);
        entry_arm(r, e, now_ms); /* a state that differs now is due at once */
    }
    must(n == p->n_states);
    p->n_states = 0;
    description_unref(s->check_owner);
    s->check_owner = p->check;
    p->check = NULL;
}

static void policy_changed(const struct registry *r, struct service_entry *s, bool is_gone, struct effects *out)
{
    struct effect *at = effects_add(out, EFFECT_CHANGE);
    memset(&at->u.change, 0, sizeof(at->u.change));
    at->u.change.kind = CHANGE_POLICY;
    at->u.change.service = &s->pub;
    at->u.change.revision = r->revision;
    at->u.change.service_gone = is_gone;
}

static void carry_out(struct registry *r, struct policy_plan *p, uint64_t now_ms, struct effects *out)
{
    struct service_entry *s = p->service;
    bool did_exist = service_exists(&s->pub) && !p->is_new;
    bool is_touched = p->is_new || p->is_check_new || p->is_configured != s->pub.is_configured ||
                      !is_same_policy(&p->policy, &s->pub.policy);
    if (!is_touched)
        return;
    if (p->policy.ttl_s < s->pub.policy.ttl_s && did_exist) {
        uint64_t until = now_ms + (uint64_t)s->pub.policy.ttl_s * 1000;
        s->old_ttl_until_ms = until > s->old_ttl_until_ms ? until : s->old_ttl_until_ms;
    }
    if (p->is_check_new)
        replace_checks(r, p, now_ms);
    s->pub.policy = p->policy;
    s->pub.policy.check = s->check_owner != NULL ? s->check_owner->more->checks : NULL;
    s->pub.is_configured = p->is_configured;
    bool does_exist = service_exists(&s->pub);
    r->counts.services += (uint64_t)does_exist - (uint64_t)did_exist;
    if (does_exist && !did_exist)
        service_begins(r, s);
    if (did_exist || does_exist)
        policy_changed(r, s, did_exist && !does_exist, out);
    service_discard_if_unused(r, s);
}

int registry_configure(struct registry *r, const struct registry_options *o, const struct service_policy *defaults,
                       const struct service_section *sections, size_t n_sections, uint64_t now_ms, struct effects *out)
{
    struct reload plan = {0};
    registry_bury(r);
    int rc = plan_make(r, defaults, sections, n_sections, &plan);
    if (rc == 0)
        rc = effects_reserve(out, plan.n, 0);
    if (rc != 0) {
        plan_drop(r, &plan);
        return rc;
    }
    r->options = *o;
    for (size_t i = 0; i < plan.n; i++) {
        carry_out(r, &plan.plans[i], now_ms, out);
        plan.plans[i].is_new = false;
    }
    r->defaults = *defaults;
    description_unref(r->default_check);
    r->default_check = plan.default_check;
    r->defaults.check = plan.default_check != NULL ? plan.default_check->more->checks : NULL;
    plan.default_check = NULL;
    plan_drop(r, &plan);
    return 0;
}

/* ── names that static records keep ── */

void reserved_free(struct map *names)
{
    if (names->buckets == NULL) /* never came to be */
        return;
    for (struct map_node *n = map_each(names, NULL), *next; n != NULL; n = next) {
        next = map_each(names, n);
        free(CONTAINER_OF(n, struct reserved_name, node));
    }
    map_fini(names);
}

static int reserved_make(const struct registry *r, const char *const *names, size_t n, struct map *out)
{
    int rc = map_init(out);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t len = strlen(names[i]);
        struct reserved_name *one = calloc(1, sizeof(*one) + len + 1);
        if (one == NULL) {
            rc = ERR_NOMEM;
            break;
        }
        label_fold(names[i], one->folded);
        map_insert(out, &one->node, name_hash(r, one->folded, len));
    }
    if (rc != 0)
        reserved_free(out);
    return rc;
}

int registry_reserve(struct registry *r, const char *const *names, size_t n, uint64_t now_ms, struct effects *out)
{
    struct map reserved = {0};
    (void)now_ms;
    registry_bury(r);
    int rc = effects_reserve(out, r->services.len, 0);
    if (rc == 0)
        rc = reserved_make(r, names, n, &reserved);
    if (rc != 0)
        return rc;
    reserved_free(&r->reserved);
    r->reserved = reserved;
    for (struct list *at = r->order.next; at != &r->order; at = at->next) {
        struct service_entry *s = CONTAINER_OF(at, struct service_entry, link);
        bool is_hidden = is_reserved(r, s->pub.name, NULL);
        if (is_hidden == s->pub.is_hidden)
            continue;
        s->pub.is_hidden = is_hidden;
        if (service_exists(&s->pub))
            policy_changed(r, s, false, out);
    }
    return 0;
}
