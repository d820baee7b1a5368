/* See world.h. Each command becomes one event; then the world settles: completions are fed back as the store's mood
 * says, and deadlines that are due are worked off. Programmer's errors in a script end the test by must(). */
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/must.h"
#include "heap.h"

#define WORDS_MAX      32
#define FIRST_REVISION 100

/* ── words ── */

struct words {
    char text[1024];
    char *at[WORDS_MAX];
    size_t n;
};

static void split(struct words *w, const char *line)
{
    bool is_quoted = false;
    int n = snprintf(w->text, sizeof(w->text), "%s", line);
    must(n >= 0 && (size_t)n < sizeof(w->text));
    char *to = w->text;
    w->n = 0;
    for (char *from = w->text; *from != '\0';) {
        if (*from == ' ') {
            from++;
            continue;
        }
        must(w->n < WORDS_MAX);
        w->at[w->n++] = to;
        for (; *from != '\0' && (is_quoted || *from != ' '); from++) {
            if (*from == '"')
                is_quoted = !is_quoted;
            else
                *to++ = *from;
        }
        if (*from == ' ')
            from++;
        *to++ = '\0';
    }
}

/* The value of the n-th word that begins with key=, NULL if there is none. */
static char *option(const struct words *w, const char *key, size_t n)
{
    size_t len = strlen(key);
    for (size_t i = 1; i < w->n; i++)
        if (strncmp(w->at[i], key, len) == 0 && w->at[i][len] == '=' && n-- == 0)
            return w->at[i] + len + 1;
    return NULL;
}

static uint64_t ms(const char *text)
{
    uint64_t out;
    int rc = duration_parse(text, &out);
    must(rc == 0);
    return out;
}

static uint64_t number(const char *text)
{
    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static enum check_status status(const char *name)
{
    for (int s = CHECK_PASSING; s <= CHECK_CRITICAL; s++)
        if (strcmp(name, check_status_name((enum check_status)s)) == 0)
            return (enum check_status)s;
    must(!"a status");
    return CHECK_NONE;
}

/* ── telling ── */

static void tell_time(struct world *w)
{
    buf_printf(&w->out, "%7" PRIu64 ".%03" PRIu64 "  ", w->now_ms / 1000, w->now_ms % 1000);
}

static void tell_reply(struct world *w, const struct effect *x)
{
    char text[DURATION_TEXT_MAX];
    buf_printf(&w->out, "reply %" PRIu64 ": ", x->u.reply.request);
    if (x->u.reply.code != 0) {
        buf_printf(&w->out, "-%s %s\n", err_word(x->u.reply.code), x->u.reply.text);
        return;
    }
    buf_puts(&w->out, "ok");
    if (x->u.reply.desc != NULL)
        buf_printf(&w->out, ", id %s", x->u.reply.desc->id);
    if (x->u.reply.lease_ms != 0)
        buf_printf(&w->out, ", lease %s", duration_format(x->u.reply.lease_ms, text));
    if (x->u.reply.safe_s != 0)
        buf_printf(&w->out, ", safe in %us", x->u.reply.safe_s);
    if (x->u.reply.removed)
        buf_puts(&w->out, ", removed");
    buf_printf(&w->out, ", revision %" PRIu64 "\n", x->u.reply.revision);
}

static void tell_change(struct world *w, const struct effect *x)
{
    const struct description *d = x->u.change.new_desc != NULL ? x->u.change.new_desc : x->u.change.old_desc;
    must(x->u.change.kind != CHANGE_REGISTERED || x->u.change.old_desc == NULL);
    buf_printf(&w->out, "%s %s", change_kind_name(x->u.change.kind), x->u.change.service->name);
    if (x->u.change.instance != NULL)
        buf_printf(&w->out, "/%s %s -> %s", d->id, instance_state_name(x->u.change.old_state),
                   instance_state_name(x->u.change.new_state));
    else
        buf_printf(&w->out, "%s", x->u.change.service->is_hidden ? " hidden" : "");
    buf_printf(&w->out, "%s%s, revision %" PRIu64 "\n", x->u.change.gone ? ", gone" : "",
               x->u.change.service_gone ? ", service gone" : "", x->u.change.revision);
}

static void tell_persist(struct world *w, const struct store_op *op)
{
    static const char *const kinds[] = {"put", "delete", "state"};
    buf_printf(&w->out, "store: %s %s/%s", kinds[op->kind], op->service, op->id);
    if (op->kind != STORE_DELETE)
        buf_printf(&w->out, " %s", instance_state_name((enum instance_state)op->state));
    buf_puts(&w->out, "\n");
}

static void tell_lease(struct world *w, const struct instance *i)
{
    buf_printf(&w->out, "lease of %s/%s ", i->service->name, i->desc->id);
    if (i->deadline_ms == UINT64_MAX)
        buf_puts(&w->out, "is permanent\n");
    else
        buf_printf(&w->out, "ends at %" PRIu64 ".%03" PRIu64 "\n", i->deadline_ms / 1000, i->deadline_ms % 1000);
}

static void keep_ticket(struct world *w, uint64_t ticket)
{
    uint64_t *more = realloc(w->tickets, (w->n_tickets + 1) * sizeof(*more));
    must(more != NULL);
    w->tickets = more;
    w->tickets[w->n_tickets++] = ticket;
}

/* Tells the effects and forgets them. Ops go to the store; only a store that is not plainly ok is worth a line. */
static void tell(struct world *w)
{
    for (size_t i = 0; i < w->effects.n; i++) {
        const struct effect *x = &w->effects.items[i];
        if (x->type == EFFECT_PERSIST)
            keep_ticket(w, x->u.persist.ticket);
        if ((x->type == EFFECT_PERSIST && w->store == WORLD_OK) || (x->type == EFFECT_LEASE && w->is_quiet))
            continue;
        tell_time(w);
        if (x->type == EFFECT_REPLY)
            tell_reply(w, x);
        else if (x->type == EFFECT_PERSIST)
            tell_persist(w, &x->u.persist);
        else if (x->type == EFFECT_CHANGE)
            tell_change(w, x);
        else
            tell_lease(w, x->u.lease.instance);
    }
    effects_clear(&w->effects);
}

/* ── steps ── */

/* Lets the n-th allocation of the step fail for n = 0, 1, ...; a step that returns ERR_NOMEM must have changed nothing.
 */
static int sweep(struct world *w, const struct event *ev)
{
    struct buf before, after;
    buf_init(&before, 0);
    buf_init(&after, 0);
    world_dump(w, &before);
    int rc;
    for (unsigned n = 0;; n++) {
        effects_fini(&w->effects); /* its growth is an allocation, too */
        heap_fail_at(n);
        rc = registry_step(w->registry, ev, w->now_ms, &w->effects);
        bool has_failed = heap_reset();
        if (rc == 0)
            break;
        must(rc == ERR_NOMEM && has_failed && w->effects.n == 0);
        w->n_failures++;
        buf_reset(&after);
        world_dump(w, &after);
        if (strcmp(buf_cstr(&before), buf_cstr(&after)) != 0)
            fprintf(stderr, "a step of type %d that found no memory has changed\n%sto\n%s", (int)ev->type,
                    buf_cstr(&before), buf_cstr(&after));
        must(strcmp(buf_cstr(&before), buf_cstr(&after)) == 0);
    }
    buf_fini(&before);
    buf_fini(&after);
    return rc;
}

static void step(struct world *w, const struct event *ev)
{
    int rc = w->is_sweeping ? sweep(w, ev) : registry_step(w->registry, ev, w->now_ms, &w->effects);
    must(rc == 0);
    tell(w);
}

static void complete(struct world *w, bool ok)
{
    if (w->n_tickets == 0 && w->is_sweeping) /* a request that waited found no memory: there is one op less */
        return;
    must(w->n_tickets > 0);
    struct event ev = {.type = EVENT_COMMITTED, .u.committed = {.ticket = w->tickets[0], .ok = ok}};
    memmove(w->tickets, w->tickets + 1, --w->n_tickets * sizeof(*w->tickets));
    step(w, &ev);
}

static void settle(struct world *w)
{
    const struct event tick = {.type = EVENT_TIME};
    for (;;) {
        if (w->n_tickets > 0 && w->store != WORLD_HOLDING)
            complete(w, w->store == WORLD_OK);
        else if (registry_next_ms(w->registry) <= w->now_ms)
            step(w, &tick);
        else
            return;
    }
}

static void advance(struct world *w, uint64_t until_ms)
{
    must(until_ms >= w->now_ms);
    for (uint64_t next; (next = registry_next_ms(w->registry)) < until_ms;) {
        w->now_ms = next > w->now_ms ? next : w->now_ms;
        settle(w);
    }
    w->now_ms = until_ms;
    settle(w);
}

/* ── commands ── */

/* Fills an input from words 2.. ; `lists` must outlive it. */
struct lists {
    const char *tags[8], *checks[8];
    struct meta meta[8];
    struct port_input ports[8];
};

static char *cut(char *text, char at)
{
    char *value = strchr(text, at);
    must(value != NULL);
    *value = '\0';
    return value + 1;
}

static struct description_input input_of(const struct words *a, struct lists *l, const struct registry_options *o)
{
    must(a->n >= 5);
    const char *ttl = option(a, "ttl", 0);
    struct description_input in = {.id = strcmp(a->at[2], "-") != 0 ? a->at[2] : NULL,
                                   .address = a->at[3],
                                   .port = a->at[4],
                                   .weight = option(a, "weight", 0),
                                   .priority = option(a, "priority", 0),
                                   .lease_ms = ttl != NULL ? (uint32_t)ms(ttl) : o->lease_default_ms,
                                   .tags = l->tags,
                                   .checks = l->checks,
                                   .meta = l->meta,
                                   .ports = l->ports};
    for (const char *tag; (tag = option(a, "tag", in.n_tags)) != NULL;)
        l->tags[in.n_tags++] = tag;
    for (const char *check; (check = option(a, "check", in.n_checks)) != NULL;)
        l->checks[in.n_checks++] = check;
    for (char *meta; (meta = option(a, "meta", in.n_meta)) != NULL; in.n_meta++)
        l->meta[in.n_meta] = (struct meta){.value = cut(meta, '='), .key = meta};
    for (char *port; (port = option(a, "port", in.n_ports)) != NULL; in.n_ports++)
        l->ports[in.n_ports] = (struct port_input){.number = cut(port, ':'), .name = port};
    return in;
}

static struct description *describe(struct world *w, const struct words *a)
{
    struct lists lists;
    struct description *d;
    struct err e;
    struct description_input in = input_of(a, &lists, &w->options);
    if (description_new(&in, &w->options.limits, &d, &e) == 0)
        return d;
    buf_printf(&w->out, "             -%s %s\n", err_word(e.code), e.text);
    return NULL;
}

static void do_register(struct world *w, const struct words *a)
{
    struct description *d = describe(w, a);
    if (d == NULL)
        return;
    struct event ev = {.type = EVENT_REGISTER,
                       .request = ++w->next_request,
                       .service = a->at[1],
                       .u.reg = {.desc = d, .session = number(option(a, "session", 0))}};
    step(w, &ev);
    description_unref(d);
}

static void do_restore(struct world *w, const struct words *a)
{
    const char *hold = option(a, "hold", 0);
    struct description *d = hold == NULL ? describe(w, a) : NULL;
    must(d != NULL || hold != NULL);
    struct store_record rec = {.service = a->at[1],
                               .id = a->at[2],
                               .desc = d,
                               .is_draining = option(a, "draining", 0) != NULL,
                               .hold_ms = hold != NULL ? ms(hold) : 0};
    int rc = registry_restore(w->registry, &rec, w->now_ms, &w->effects);
    if (rc != 0)
        buf_printf(&w->out, "             -%s\n", err_word(rc));
    tell(w);
    description_unref(d);
}

static void do_write(struct world *w, const struct words *a)
{
    const char *verb = a->at[0];
    struct event ev = {.type = EVENT_RENEW, .request = ++w->next_request, .service = a->at[1], .id = a->at[2]};
    must(a->n >= 3);
    if (strcmp(verb, "deregister") == 0) {
        const char *hold = option(a, "hold", 0);
        ev.type = EVENT_DEREGISTER;
        ev.u.deregister.hold_ms = hold != NULL ? ms(hold) : 0;
    } else if (strcmp(verb, "drain") == 0 || strcmp(verb, "undrain") == 0) {
        ev.type = EVENT_DRAIN;
        ev.u.drain.off = verb[0] == 'u';
    } else if (strcmp(verb, "report") == 0) {
        must(a->n >= 4);
        ev.type = EVENT_REPORT;
        ev.u.report.status = status(a->at[3]);
        ev.u.report.note = a->n > 4 ? a->at[4] : NULL;
    }
    step(w, &ev);
}

static void do_probe(struct world *w, const struct words *a)
{
    must(a->n >= 5);
    const struct service *s = registry_service(w->registry, a->at[1]);
    const struct instance *i = s != NULL ? registry_instance(s, a->at[2]) : NULL;
    const char *epoch = option(a, "epoch", 0);
    struct event ev = {.type = EVENT_PROBE_RESULT, .service = a->at[1], .id = a->at[2]};
    ev.u.probe.check = (uint16_t)number(a->at[3]);
    ev.u.probe.status = status(a->at[4]);
    ev.u.probe.epoch = epoch != NULL ? (uint32_t)number(epoch) : i != NULL && i->checks != NULL ? i->checks->epoch : 0;
    ev.u.probe.output = a->n > 5 ? a->at[5] : NULL;
    step(w, &ev);
}

static void do_close(struct world *w, const struct words *a)
{
    struct event ev = {.type = EVENT_SESSION_CLOSED, .u.closed.session = number(a->at[1])};
    step(w, &ev);
}

static void do_store(struct world *w, const struct words *a)
{
    w->store = strcmp(a->at[1], "ok") == 0        ? WORLD_OK
               : strcmp(a->at[1], "failing") == 0 ? WORLD_FAILING
                                                  : WORLD_HOLDING;
}

static void do_commit(struct world *w, const struct words *a)
{
    for (uint64_t n = number(a->at[1]); n > 0; n--)
        complete(w, a->at[0][0] == 'c');
}

static void configure(struct world *w)
{
    int rc =
        registry_configure(w->registry, &w->options, &w->policy, w->sections, w->n_sections, w->now_ms, &w->effects);
    must(rc == 0);
    tell(w);
}

static size_t section_find(const struct world *w, const char *name)
{
    size_t i = 0;
    while (i < w->n_sections && strcmp(w->section_names[i], name) != 0)
        i++;
    return i;
}

static void do_section(struct world *w, const struct words *a)
{
    size_t i = section_find(w, a->at[1]);
    const char *ttl = option(a, "ttl", 0), *check = option(a, "check", 0);
    must(i < WORLD_SECTIONS);
    w->n_sections += i == w->n_sections;
    snprintf(w->section_names[i], sizeof(w->section_names[i]), "%s", a->at[1]);
    w->sections[i] = (struct service_section){.name = w->section_names[i], .policy = w->policy};
    if (ttl != NULL)
        w->sections[i].policy.ttl_s = (uint32_t)number(ttl);
    if (check != NULL) {
        int rc = check_spec_parse(check, w->section_strings[i], &w->section_checks[i], NULL);
        must(rc == 0);
        w->sections[i].policy.check = &w->section_checks[i];
    }
    configure(w);
}

static void do_unsection(struct world *w, const struct words *a)
{
    size_t i = section_find(w, a->at[1]);
    must(w->n_sections == 1 && i == 0); /* enough for the scripts there are */
    w->n_sections = 0;
    configure(w);
}

static void do_options(struct world *w, const struct words *a)
{
    struct registry_options *o = &w->options;
    for (size_t i = 1; i < a->n; i++) {
        char *value = cut(a->at[i], '=');
        if (strcmp(a->at[i], "slice") == 0)
            o->expiry_slice = (uint32_t)number(value);
        else if (strcmp(a->at[i], "permanent") == 0)
            o->allow_permanent = number(value) != 0;
        else if (strcmp(a->at[i], "services") == 0)
            o->max_services = (uint32_t)number(value);
        else if (strcmp(a->at[i], "instances") == 0)
            o->max_instances = (uint32_t)number(value);
        else
            must(!"an option");
    }
    configure(w);
}

static void do_reserve(struct world *w, const struct words *a)
{
    int rc = registry_reserve(w->registry, (const char *const *)a->at + 1, a->n - 1, w->now_ms, &w->effects);
    must(rc == 0);
    tell(w);
}

static void do_counts(struct world *w, const struct words *a)
{
    struct registry_counts c;
    registry_counts(w->registry, &c);
    buf_printf(&w->out,
               "             %" PRIu64 " services, %" PRIu64 " instances, %" PRIu64 " served; registers %" PRIu64
               " renews %" PRIu64 " deregisters %" PRIu64 " expiries %" PRIu64 " states %" PRIu64
               " store failures %" PRIu64 "\n",
               c.services, c.instances, c.served, c.registers, c.renews, c.deregisters, c.expiries, c.state_changes,
               c.store_failures);
}

static void do_show(struct world *w, const struct words *a)
{
    world_dump(w, &w->out);
}

static void do_at(struct world *w, const struct words *a)
{
    advance(w, ms(a->at[1]));
}

static void do_quiet(struct world *w, const struct words *a)
{
    w->is_quiet = a->at[0][0] == 'q';
}

static const struct {
    const char *verb;
    size_t words;
    void (*run)(struct world *w, const struct words *a);
} verbs[] = {{"at", 2, do_at},           {"register", 5, do_register},
             {"renew", 3, do_write},     {"deregister", 3, do_write},
             {"drain", 3, do_write},     {"undrain", 3, do_write},
             {"report", 4, do_write},    {"probe", 5, do_probe},
             {"close", 2, do_close},     {"store", 2, do_store},
             {"commit", 2, do_commit},   {"refuse", 2, do_commit},
             {"restore", 4, do_restore}, {"section", 2, do_section},
             {"reserve", 1, do_reserve}, {"unsection", 2, do_unsection},
             {"options", 2, do_options}, {"show", 1, do_show},
             {"counts", 1, do_counts},   {"quiet", 1, do_quiet},
             {"loud", 1, do_quiet}};

void world_command(struct world *w, const char *line)
{
    struct words a;
    split(&a, line);
    must(a.n > 0);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].verb, a.at[0]) != 0)
            continue;
        must(a.n >= verbs[i].words);
        verbs[i].run(w, &a);
        settle(w);
        return;
    }
    must(!"a verb");
}

/* ── the world ── */

void world_init(struct world *w)
{
    *w = (struct world){
        .options = {.lease_default_ms = 30000,
                    .lease_min_ms = 1000,
                    .lease_max_ms = 86400000,
                    .session_grace_ms = 5000,
                    .allow_permanent = true,
                    .max_services = 1000,
                    .max_instances = 100000,
                    .limits = {.tags = 8, .meta = 8, .ports = 8, .checks = 4, .meta_bytes = 1024},
                    .expiry_slice = 1000},
        .policy = {.ttl_s = 5, .max_answers = 8},
    };
    effects_init(&w->effects);
    buf_init(&w->out, 0);
    int rc = registry_new(&w->options, &w->policy, FIRST_REVISION, 7, 0, &w->registry);
    must(rc == 0);
}

void world_fini(struct world *w)
{
    registry_free(w->registry);
    effects_fini(&w->effects);
    buf_fini(&w->out);
    free(w->tickets);
}

static void dump_instance(const struct instance *i, struct buf *out)
{
    char address[ADDRESS_TEXT_MAX];
    buf_printf(out, "             %s/%s %s:%u %s%s%s", i->service->name, i->desc->id,
               description_address(i->desc, address), i->desc->port, instance_state_name(i->state),
               i->is_draining && i->state != STATE_DRAINING ? " (draining)" : "",
               i->deadline_ms == UINT64_MAX ? " permanent" : "");
    if (i->deadline_ms != UINT64_MAX)
        buf_printf(out, " until %" PRIu64 ".%03" PRIu64, i->deadline_ms / 1000, i->deadline_ms % 1000);
    for (size_t c = 0; c < instance_n_checks(i); c++)
        buf_printf(out, "; %s: %s since %" PRIu64 ".%03" PRIu64 "%s%s", i->checks->specs[c].text,
                   check_status_name(i->checks->states[c].status), i->checks->states[c].since_ms / 1000, i->checks->states[c].since_ms % 1000,
                   i->checks->states[c].output != NULL ? ", " : "", i->checks->states[c].output != NULL ? i->checks->states[c].output : "");
    buf_printf(out, "; revision %" PRIu64 "\n", i->revision);
}

void world_dump(const struct world *w, struct buf *out)
{
    const struct service *s = NULL;
    while ((s = registry_each(w->registry, s)) != NULL) {
        buf_printf(out, "             %s: %u registered, %u served, %u starting%s%s\n", s->name, s->n_registered,
                   s->n_served, s->by_state[STATE_STARTING], s->is_configured ? ", configured" : "",
                   s->is_hidden ? ", hidden" : "");
        for (struct list *at = s->ordered.next; at != &s->ordered; at = at->next)
            dump_instance(CONTAINER_OF(at, struct instance, link), out);
    }
}
