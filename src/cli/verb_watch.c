/* rollcall watch: what is there, then every change, one line each, until it is interrupted.
 *
 * A connection that is lost is made again, and WATCH ... FROM goes on behind the last revision seen; if the server no
 * longer has the changes since then (it was restarted, or too much has happened), it sends what is there now. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/rng.h"
#include "cli/json.h"
#include "cli/screen.h"
#include "cli/verbs.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define FRAME_FIELDS   10

enum { KEY_FROM = 1 };

const struct arg_row watch_options[] = {
    {KEY_FROM, 0, "from", "REVISION", "go on behind this revision, without what is there"},
    {0, 0, NULL, NULL, NULL},
};

struct watching {
    struct cli *cli;
    struct client client;
    const char *service; /* NULL: all */
    char from[24];       /* the last revision seen; "" if none */
    bool has_seen;       /* a frame came over this connection */
};

/* The fields of a frame, by their place. */
enum { AT_TYPE, AT_REVISION, AT_KIND, AT_SERVICE, AT_ID, AT_OLD, AT_NEW, AT_ADDRESS, AT_PORT, AT_TIME };

static void write_json(const struct reply *f, struct buf *out)
{
    static const char *const names[FRAME_FIELDS] = {
        NULL, "revision", "kind", "service", "id", "old", "new", "address", "port", "time_us",
    };
    buf_putc(out, '{');
    for (size_t i = AT_REVISION; i < FRAME_FIELDS; i++) {
        json_name(out, names[i]);
        json_value(out, &f->items[i]);
    }
    buf_puts(out, "}\n");
}

static void write_state(const char *state, bool has_color, struct buf *out)
{
    const char *color = has_color ? screen_color(state) : "";
    buf_puts(out, color);
    screen_text(out, state);
    buf_puts(out, color[0] != '\0' ? SCREEN_PLAIN : "");
}

/* 12:00:01  registered  web 10-0-0-5-8080  10.0.0.5:8080  starting -> passing */
static void write_text(const struct reply *f, struct buf *out)
{
    char clock[16];
    bool has_color = screen_has_color();
    time_t seconds = (time_t)(f->items[AT_TIME].number / 1000000);
    struct tm parts;
    localtime_r(&seconds, &parts);
    strftime(clock, sizeof(clock), "%H:%M:%S", &parts);
    const char *old = f->items[AT_OLD].text, *new = f->items[AT_NEW].text;
    buf_printf(out, "%s  %-12s  ", clock, f->items[AT_KIND].text);
    screen_text(out, f->items[AT_SERVICE].text);
    buf_putc(out, ' ');
    screen_text(out, f->items[AT_ID].text);
    buf_puts(out, "  ");
    screen_endpoint(out, f->items[AT_ADDRESS].text, f->items[AT_PORT].number);
    buf_puts(out, "  ");
    if (strcmp(old, "none") != 0 && strcmp(old, new) != 0) {
        write_state(old, has_color, out);
        buf_puts(out, " -> ");
    }
    write_state(strcmp(new, "none") == 0 ? "gone" : new, has_color, out);
    buf_putc(out, '\n');
}

static bool is_frame(const struct reply *f)
{
    if (f->type != REPLY_LIST || f->n < FRAME_FIELDS)
        return false;
    for (size_t i = 0; i < FRAME_FIELDS; i++) {
        bool is_number = i == AT_REVISION || i == AT_PORT || i == AT_TIME;
        if (f->items[i].type != (is_number ? REPLY_NUMBER : REPLY_TEXT))
            return false;
    }
    return true;
}

/* A snapshot's frames have the revisions of their instances, in no order: only "live" says where they stand. */
static void remember(struct watching *w, const struct reply *f)
{
    bool is_live = f->n >= 2 && f->items[1].type == REPLY_NUMBER && f->items[0].type == REPLY_TEXT &&
                   strcmp(f->items[0].text, "snapshot") != 0;
    w->has_seen = true;
    if (is_live)
        snprintf(w->from, sizeof(w->from), "%" PRId64, f->items[1].number);
}

static int show(struct watching *w, const struct reply *f)
{
    struct buf out;
    if (!is_frame(f))
        return CLI_OK; /* "live", and what later versions may add */
    buf_init(&out, 0);
    if (w->cli->is_json)
        write_json(f, &out);
    else
        write_text(f, &out);
    bool is_written = screen_print(&out);
    buf_fini(&out);
    return is_written ? CLI_OK : cli_fail(CLI_REFUSED, "cannot write the output");
}

/* One connection, for as long as it lasts. CLI_UNREACHABLE, with `e`, when it ends. */
static int follow(struct watching *w, struct err *e)
{
    const char *words[4] = {"WATCH"};
    size_t n = 1;
    struct reply r;
    if (w->service != NULL)
        words[n++] = w->service;
    if (w->from[0] != '\0') {
        words[n++] = "FROM";
        words[n++] = w->from;
    }
    w->has_seen = false;
    if (client_open(&w->client, e) != 0)
        return e->code == ERR_IO ? CLI_UNREACHABLE : cli_fail_err(e);
    if (client_call(&w->client, words, n, &r, e) != 0)
        return e->code == ERR_IO ? CLI_UNREACHABLE : cli_fail_err(e);
    int status = r.type == REPLY_ERROR ? cli_fail(CLI_REFUSED, "%s", r.text) : CLI_OK;
    while (status == CLI_OK) {
        reply_fini(&r);
        if (client_next(&w->client, &r, e) != 0)
            return e->code == ERR_IO ? CLI_UNREACHABLE : cli_fail_err(e);
        remember(w, &r);
        status = r.type == REPLY_ERROR ? cli_fail(CLI_REFUSED, "%s", r.text) : show(w, &r);
    }
    reply_fini(&r);
    return status;
}

int verb_watch(struct cli *cli, struct args *a)
{
    struct watching w = {.cli = cli};
    struct rng rng = {.state = clock_wall_us()};
    uint32_t backoff_ms = BACKOFF_MIN_MS;
    bool was_connected = false;
    while (cli_next(cli, a) != NULL)
        snprintf(w.from, sizeof(w.from), "%s", a->value);
    int status = cli_words(cli, a, 0, 1);
    if (status != CLI_OK)
        return status;
    w.service = a->n_words > 0 ? a->words[0] : NULL;
    client_init(&w.client, &cli->client);
    for (;;) {
        struct err e = {.code = 0};
        status = follow(&w, &e);
        client_close(&w.client);
        if (status != CLI_UNREACHABLE)
            return status;
        was_connected |= w.has_seen;
        if (!was_connected)
            return cli_fail_err(&e);
        if (w.has_seen) {
            (void)cli_fail(status, "%s; connecting again", e.text);
            backoff_ms = BACKOFF_MIN_MS;
        }
        uint32_t pause_ms = backoff_ms / 2 + rng_below(&rng, backoff_ms);
        (void)nanosleep(&(struct timespec){.tv_sec = pause_ms / 1000, .tv_nsec = (long)(pause_ms % 1000) * 1000000},
                        NULL);
        backoff_ms = 2 * backoff_ms < BACKOFF_MAX_MS ? 2 * backoff_ms : BACKOFF_MAX_MS;
    }
}
