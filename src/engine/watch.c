/* Turns the history of changes into frames for one reader, as many as fit.
 *
 * The happy path: the reader is current; a change comes, one frame is written, the revision moves. A new reader without a
 * revision first gets every instance in "snapshot" frames. A registry may be larger than what a connection may have in its
 * output, so the snapshot stops when the budget is used up and goes on behind the last instance it sent, found again by name.
 *
 * What can go wrong: that instance, or its whole service, is gone by then. The service, or all, is then sent again: a repeated
 * frame tells nothing wrong. Against a registry that changes faster than the reader reads, RESTARTS_MAX ends it. And the history
 * may have lost what comes next: WATCH_LOST. */
#include "engine/watch.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"

#define RESTARTS_MAX 64
#define SCAN_MAX 4096 /* changes looked at per call: most may be of other services */
#define FRAME_FIELDS 10

struct channel {
    char *name;   /* as subscribed; owned, `folded` is in the same block */
    char *folded;
    bool is_pattern;
};

struct watch {
    bool is_subscription, in_snapshot, owes_live;
    unsigned restarts;
    uint64_t revision; /* what happened up to it is written */
    char service[SERVICE_NAME_MAX + 1];    /* WATCH: the only one, folded; "": all */
    char at_service[SERVICE_NAME_MAX + 1]; /* snapshot: the last service begun, "": none */
    char at_id[INSTANCE_ID_MAX + 1];       /* and its last instance written, "": none */
    struct channel *channels;              /* owned */
    size_t n_channels, cap;
};

static int new_watch(const struct command_server *s, struct watch **out)
{
    struct watch *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return ERR_NOMEM;
    w->revision = registry_revision(s->registry);
    *out = w;
    return 0;
}

int watch_new(const struct command_server *s, const char *service, const uint64_t *from, struct watch **out)
{
    struct watch *w;

    if (new_watch(s, &w) != 0)
        return ERR_NOMEM;
    if (service != NULL && strlen(service) < sizeof(w->service))
        (void)label_fold(service, w->service);
    w->owes_live = true;
    if (from != NULL && *from <= w->revision && changes_reach(s->changes, *from))
        w->revision = *from;
    else
        w->in_snapshot = true;
    *out = w;
    return 0;
}

int watch_new_subscription(const struct command_server *s, struct watch **out)
{
    if (new_watch(s, out) != 0)
        return ERR_NOMEM;
    (*out)->is_subscription = true;
    return 0;
}

void watch_free(struct watch *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->n_channels; i++)
        free(w->channels[i].name);
    free(w->channels);
    free(w);
}

bool watch_is_subscription(const struct watch *w)
{
    return w != NULL && w->is_subscription;
}

/* ── channels ── */

static struct channel *find_channel(const struct watch *w, const char *name, bool is_pattern)
{
    for (size_t i = 0; i < w->n_channels; i++) {
        if (w->channels[i].is_pattern == is_pattern && strcmp(w->channels[i].name, name) == 0)
            return &w->channels[i];
    }
    return NULL;
}

int watch_subscribe(struct watch *w, const char *name, bool is_pattern)
{
    size_t len = strlen(name) + 1;

    if (find_channel(w, name, is_pattern) != NULL)
        return 0;
    if (w->n_channels == WATCH_CHANNELS_MAX)
        return ERR_LIMIT;
    if (w->n_channels == w->cap) {
        size_t cap = w->cap == 0 ? 4 : w->cap * 2;
        struct channel *channels = realloc(w->channels, cap * sizeof(*channels));
        if (channels == NULL)
            return ERR_NOMEM;
        w->channels = channels;
        w->cap = cap;
    }
    char *text = malloc(2 * len);
    if (text == NULL)
        return ERR_NOMEM;
    memcpy(text, name, len);
    w->channels[w->n_channels++] =
        (struct channel){.name = text, .folded = label_fold(name, text + len), .is_pattern = is_pattern};
    return 0;
}

void watch_unsubscribe(struct watch *w, const char *name, bool is_pattern)
{
    struct channel *c = find_channel(w, name, is_pattern);

    if (c == NULL)
        return;
    free(c->name);
    *c = w->channels[--w->n_channels];
}

size_t watch_n_channels(const struct watch *w)
{
    return w->n_channels;
}

const char *watch_any_channel(const struct watch *w, bool is_pattern)
{
    for (size_t i = 0; i < w->n_channels; i++) {
        if (w->channels[i].is_pattern == is_pattern)
            return w->channels[i].name;
    }
    return NULL;
}

/* ── frames ── */

struct frame {
    const char *type, *kind, *service;
    uint64_t revision, wall_us;
    enum instance_state old_state, new_state;
    const struct description *desc;
};

static void write_frame(struct resp_writer *w, const struct frame *f)
{
    char address[ADDRESS_TEXT_MAX];

    resp_push(w, FRAME_FIELDS);
    resp_text(w, f->type);
    resp_int(w, f->revision);
    resp_text(w, f->kind);
    resp_text(w, f->service);
    resp_text(w, f->desc->id);
    resp_text(w, instance_state_name(f->old_state));
    resp_text(w, instance_state_name(f->new_state));
    resp_text(w, description_address(f->desc, address));
    resp_int(w, f->desc->port);
    resp_int(w, f->wall_us);
}

static void write_live(struct resp_writer *w, uint64_t revision)
{
    resp_push(w, 2);
    resp_text(w, "live");
    resp_int(w, revision);
}

/* One line of JSON; names need no escapes beyond what buf_json_string does. */
static void write_json(struct buf *out, const struct change *c)
{
    char address[ADDRESS_TEXT_MAX];

    buf_printf(out, "{\"revision\":%llu,\"kind\":\"%s\",\"service\":", (unsigned long long)c->revision,
               change_kind_name(c->kind));
    buf_json_string(out, c->service, strlen(c->service));
    buf_puts(out, ",\"id\":");
    buf_json_string(out, c->desc->id, strlen(c->desc->id));
    buf_printf(out, ",\"old\":\"%s\",\"new\":\"%s\",\"address\":\"%s\",\"port\":%u,\"time_us\":%llu}",
               instance_state_name(c->old_state), instance_state_name(c->new_state), description_address(c->desc, address),
               c->desc->port, (unsigned long long)c->wall_us);
}

#define JSON_MAX 1024 /* bytes; names and an address, all bounded */

static bool channel_matches(const struct channel *c, const char *folded)
{
    if (c->is_pattern)
        return fnmatch(c->folded, folded, 0) == 0;
    return strcmp(c->folded, "*") == 0 || strcmp(c->folded, folded) == 0;
}

static void write_messages(struct watch *w, struct resp_writer *out, const struct change *c)
{
    char folded[SERVICE_NAME_MAX + 1];
    struct buf json;

    (void)label_fold(c->service, folded);
    buf_init(&json, JSON_MAX);
    for (size_t i = 0; i < w->n_channels; i++) {
        const struct channel *ch = &w->channels[i];
        if (!channel_matches(ch, folded))
            continue;
        if (json.len == 0)
            write_json(&json, c);
        resp_push(out, ch->is_pattern ? 4 : 3);
        resp_text(out, ch->is_pattern ? "pmessage" : "message");
        resp_text(out, ch->name);
        if (ch->is_pattern)
            resp_text(out, c->service);
        resp_bulk(out, (const char *)json.data, json.len);
    }
    if (json.failed)
        out->out->failed = true;
    buf_fini(&json);
}

static void write_change(struct watch *w, struct resp_writer *out, const struct change *c)
{
    char folded[SERVICE_NAME_MAX + 1];

    if (w->is_subscription) {
        write_messages(w, out, c);
        return;
    }
    if (w->service[0] != '\0' && strcmp(label_fold(c->service, folded), w->service) != 0)
        return;
    write_frame(out, &(struct frame){
                         .type = "change",
                         .kind = change_kind_name(c->kind),
                         .service = c->service,
                         .revision = c->revision,
                         .wall_us = c->wall_us,
                         .old_state = c->old_state,
                         .new_state = c->new_state,
                         .desc = c->desc,
                     });
}

/* ── the snapshot ── */

static void write_present(struct resp_writer *out, const struct instance *i, const struct command_server *s)
{
    write_frame(out, &(struct frame){
                         .type = "snapshot",
                         .kind = "present",
                         .service = i->service->name,
                         .revision = i->revision,
                         .wall_us = s->time->wall_us,
                         .old_state = STATE_NONE,
                         .new_state = i->state,
                         .desc = i->desc,
                     });
}

/* The service to go on with, NULL at the end. */
static const struct service *next_service(const struct watch *w, const struct command_server *s, const struct service *last)
{
    if (w->service[0] == '\0')
        return registry_each(s->registry, last);
    return last == NULL ? registry_service(s->registry, w->service) : NULL;
}

/* The service where the snapshot stopped, or the first one. */
static const struct service *resume_service(struct watch *w, const struct command_server *s)
{
    const struct service *at = w->at_service[0] != '\0' ? registry_service(s->registry, w->at_service) : NULL;

    if (at != NULL)
        return at;
    if (w->at_service[0] != '\0')
        w->restarts++;
    w->at_service[0] = w->at_id[0] = '\0';
    return next_service(w, s, NULL);
}

/* Instances of `service` behind at_id. False: the budget is used up. */
static bool write_instances(struct watch *w, const struct service *service, const struct command_server *s,
                            struct resp_writer *out, size_t end)
{
    const struct instance *last = w->at_id[0] != '\0' ? registry_instance(service, w->at_id) : NULL;
    struct list *at = last != NULL ? last->link.next : service->ordered.next;

    w->restarts += w->at_id[0] != '\0' && last == NULL;
    for (; at != &service->ordered; at = at->next) {
        const struct instance *i = CONTAINER_OF(at, struct instance, link);
        if (out->out->len >= end || out->out->failed)
            return false;
        write_present(out, i, s);
        memcpy(w->at_id, i->desc->id, strlen(i->desc->id) + 1);
    }
    return true;
}

static enum watch_result pump_snapshot(struct watch *w, const struct command_server *s, struct resp_writer *out, size_t end)
{
    const struct service *service = resume_service(w, s);

    for (; service != NULL; service = next_service(w, s, service)) {
        if (strcmp(w->at_service, service->name) != 0) {
            memcpy(w->at_service, service->name, strlen(service->name) + 1);
            w->at_id[0] = '\0';
        }
        if (!write_instances(w, service, s, out, end))
            return w->restarts > RESTARTS_MAX ? WATCH_LOST : WATCH_MORE;
    }
    w->in_snapshot = false;
    return WATCH_CURRENT;
}

enum watch_result watch_pump(struct watch *w, const struct command_server *s, struct resp_writer *out, size_t budget)
{
    size_t end = out->out->len + budget;
    const struct change *c;
    unsigned scanned = 0;

    if (!changes_reach(s->changes, w->revision))
        return WATCH_LOST;
    if (w->in_snapshot) {
        enum watch_result r = pump_snapshot(w, s, out, end);
        if (r != WATCH_CURRENT)
            return r;
    }
    while ((c = changes_after(s->changes, w->revision)) != NULL) {
        if (out->out->len >= end || out->out->failed || scanned++ == SCAN_MAX)
            return WATCH_MORE;
        write_change(w, out, c);
        w->revision = c->revision;
    }
    if (registry_revision(s->registry) > w->revision)
        w->revision = registry_revision(s->registry); /* changes that are not of an instance */
    if (w->owes_live) {
        w->owes_live = false;
        write_live(out, w->revision);
    }
    return WATCH_CURRENT;
}
