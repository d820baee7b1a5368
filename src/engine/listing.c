/* Writes the reply to LIST piece by piece.
 *
 * The happy path: the array's length is known when the list begins, and written first; then item after item, behind the cursor,
 * as many as the budget allows. Most lists are done in one piece.
 *
 * What can go wrong: services, or instances, go before their turn. The array then ends with as many nulls, because its
 * length was promised. Those that come meanwhile may take their places. */
#include "engine/listing.h"

#include <stdlib.h>

#define MS_PER_S 1000

struct listing {
    struct registry_cursor cursor;
    uint64_t left; /* items of the array still to be written */
    bool has_begun, is_of_nobody;
};

static void field_text(struct resp_writer *w, const char *name, const char *value)
{
    resp_text(w, name);
    resp_text(w, value);
}

static void field_int(struct resp_writer *w, const char *name, uint64_t value)
{
    resp_text(w, name);
    resp_int(w, value);
}

#define SERVICE_FIELDS 4 /* beside one per state */

static void write_service(struct resp_writer *w, const struct service *s)
{
    resp_map(w, SERVICE_FIELDS + STATE_LOST - STATE_STARTING + 1);
    field_text(w, "name", s->name);
    field_int(w, "registered", s->n_registered);
    field_int(w, "served", s->n_served);
    for (enum instance_state state = STATE_STARTING; state <= STATE_LOST; state++)
        field_int(w, instance_state_name(state), s->by_state[state]);
    field_int(w, "revision", s->revision);
}

static uint64_t since_s(uint64_t now_ms, uint64_t then_ms)
{
    return now_ms > then_ms ? (now_ms - then_ms) / MS_PER_S : 0;
}

static void write_checks(struct resp_writer *w, const struct instance *i, uint64_t now_ms)
{
    resp_array(w, instance_n_checks(i));
    for (size_t n = 0; n < instance_n_checks(i); n++) {
        const struct check_state *c = &i->checks->states[n];
        resp_map(w, 4);
        field_text(w, "check", i->checks->specs[n].text);
        field_text(w, "status", check_status_name(c->status));
        field_int(w, "since", since_s(now_ms, c->since_ms));
        field_text(w, "output", c->output);
    }
}

static void write_description(struct resp_writer *w, const struct description *d)
{
    resp_text(w, "tags");
    resp_array(w, d->n_tags);
    for (size_t i = 0; i < d->n_tags; i++)
        resp_text(w, d->more->tags[i]);
    resp_text(w, "meta");
    resp_map(w, d->n_meta);
    for (size_t i = 0; i < d->n_meta; i++)
        field_text(w, d->more->meta[i].key, d->more->meta[i].value);
    resp_text(w, "ports");
    resp_array(w, d->n_ports);
    for (size_t i = 0; i < d->n_ports; i++) {
        resp_array(w, 3);
        resp_text(w, d->more->ports[i].name);
        resp_int(w, d->more->ports[i].number);
        resp_text(w, d->more->ports[i].is_udp ? "udp" : "tcp");
    }
}

#define INSTANCE_FIELDS 14

static void write_instance(struct resp_writer *w, const struct instance *i, uint64_t now_ms)
{
    const struct description *d = i->desc;
    char address[ADDRESS_TEXT_MAX];

    resp_map(w, INSTANCE_FIELDS);
    field_text(w, "id", d->id);
    field_text(w, "address", description_address(d, address));
    field_int(w, "port", d->port);
    field_text(w, "state", instance_state_name(i->state));
    field_int(w, "weight", d->weight);
    field_int(w, "priority", d->priority);
    write_description(w, d);
    field_int(w, "lease", (d->lease_ms + MS_PER_S - 1) / MS_PER_S);
    resp_text(w, "left");
    if (i->deadline_ms == UINT64_MAX)
        resp_null(w);
    else
        resp_int(w, i->deadline_ms > now_ms ? (i->deadline_ms - now_ms + MS_PER_S - 1) / MS_PER_S : 0);
    field_int(w, "registered", since_s(now_ms, i->registered_ms));
    field_int(w, "revision", i->revision);
    resp_text(w, "checks");
    write_checks(w, i, now_ms);
}

/* ── the list ── */

int listing_new(const struct command_server *s, const char *service, struct listing **out)
{
    struct listing *l = calloc(1, sizeof(*l));
    struct registry_counts counts;
    struct service *of;

    if (l == NULL)
        return ERR_NOMEM;
    if (service == NULL) {
        registry_counts(s->registry, &counts);
        l->left = counts.services;
        registry_walk(s->registry, NULL, &l->cursor);
    } else if ((of = registry_service(s->registry, service)) != NULL) {
        l->left = of->n_registered;
        registry_walk(s->registry, of, &l->cursor);
    } else {
        l->is_of_nobody = true;
    }
    *out = l;
    return 0;
}

void listing_free(struct listing *l)
{
    if (l == NULL)
        return;
    if (!l->is_of_nobody)
        registry_walk_end(&l->cursor);
    free(l);
}

static void write_next(struct listing *l, const struct command_server *s, struct resp_writer *out)
{
    const struct service *service = l->cursor.service == NULL ? registry_walk_service(&l->cursor) : NULL;
    const struct instance *i = l->cursor.service != NULL ? registry_walk_instance(&l->cursor) : NULL;

    if (service != NULL)
        write_service(out, service);
    else if (i != NULL)
        write_instance(out, i, s->time->now_ms);
    else
        resp_null(out);
}

bool listing_pump(struct listing *l, const struct command_server *s, struct resp_writer *out, size_t budget)
{
    size_t end;

    if (!l->has_begun)
        resp_array(out, l->left);
    l->has_begun = true;
    end = out->out->len + budget;
    for (; l->left > 0 && out->out->len < end && !out->out->failed; l->left--)
        write_next(l, s, out);
    return l->left == 0 || out->out->failed;
}
