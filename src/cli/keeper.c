/* Keeps one instance registered for as long as it is asked to.
 *
 * The happy path: one connection; REGISTER once, RENEW at a third of the lease, so that two may be lost. What can go
 * wrong: the lease is gone (-NOLEASE: the server was restarted, or somebody deregistered us), then we register again;
 * the server cannot be reached, then we try again after a pause that doubles up to BACKOFF_MAX_MS, with jitter so that
 * a thousand clients of a restarted server do not come at once; it has no room for us now (-UNAVAILABLE, -LIMIT),
 * likewise. Every other refusal will not change by itself, and is the caller's to report. */
#include "cli/keeper.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/json.h"
#include "cli/screen.h"

#define BACKOFF_MIN_MS     100
#define BACKOFF_MAX_MS     5000
#define FAREWELL_MS        1000  /* for a last word: who has no answer by then leaves it to the lease */
#define PERMANENT_RENEW_MS 10000 /* a permanent instance is registered again, in case the server has forgotten it */

void keeper_init(struct keeper *k, struct cli *cli, const struct registration *r, FILE *tell)
{
    *k = (struct keeper){
        .cli = cli,
        .registration = r,
        .tell = tell,
        .options = cli->client,
        .backoff_ms = BACKOFF_MIN_MS,
        .next_ms = clock_mono_ms(),
    };
    k->rng.state = clock_wall_us() ^ ((uint64_t)getpid() << 40);
    client_init(&k->client, &k->options);
}

static void retry_later(struct keeper *k)
{
    k->next_ms = clock_mono_ms() + k->backoff_ms / 2 + rng_below(&k->rng, k->backoff_ms);
    k->backoff_ms = 2 * k->backoff_ms < BACKOFF_MAX_MS ? 2 * k->backoff_ms : BACKOFF_MAX_MS;
}

/* Says the first failure of a row; the attempts that follow it are silent. */
static int lost(struct keeper *k, const char *why)
{
    if (k->backoff_ms == BACKOFF_MIN_MS)
        (void)cli_fail(CLI_UNREACHABLE, "%s; trying again", why);
    k->is_registered = false;
    retry_later(k);
    return CLI_OK;
}

static int refused(struct keeper *k, struct reply *r)
{
    bool may_pass = strncmp(r->text, "UNAVAILABLE", 11) == 0 || strncmp(r->text, "LIMIT", 5) == 0;
    int status = may_pass ? lost(k, r->text) : cli_fail(CLI_REFUSED, "%s", r->text);
    reply_fini(r);
    return status;
}

static void say_registered(const struct keeper *k, int64_t lease_s, int64_t revision)
{
    struct buf out;
    buf_init(&out, 0);
    if (k->cli->is_json) {
        buf_putc(&out, '{');
        json_text(&out, "event", "registered");
        json_text(&out, "service", k->registration->service);
        json_text(&out, "id", k->id);
        json_number(&out, "lease", lease_s);
        json_number(&out, "revision", revision);
        buf_puts(&out, "}\n");
    } else {
        buf_puts(&out, k->was_registered ? "registered again: " : "registered ");
        screen_text(&out, k->registration->service);
        buf_putc(&out, ' ');
        screen_text(&out, k->id);
        buf_printf(&out, lease_s > 0 ? ", lease %llds\n" : ", permanent\n", (long long)lease_s);
    }
    (void)screen_print_to(k->tell, &out);
    buf_fini(&out);
}

static void registered(struct keeper *k, struct reply *r)
{
    bool is_news = !k->is_registered;
    snprintf(k->id, sizeof(k->id), "%s", r->items[0].text);
    k->renew_ms = r->items[1].number > 0 ? (uint64_t)r->items[1].number * 1000 / 3 : PERMANENT_RENEW_MS;
    k->is_registered = true;
    k->backoff_ms = BACKOFF_MIN_MS;
    k->next_ms = clock_mono_ms() + k->renew_ms;
    if (is_news)
        say_registered(k, r->items[1].number, r->items[2].number);
    k->was_registered = true;
}

static int call_register(struct keeper *k)
{
    const char *words[CLIENT_WORDS_MAX + 4];
    struct reply r;
    struct err e = {.code = 0};
    if (k->client.fd < 0 && client_open(&k->client, &e) != 0)
        return e.code == ERR_IO ? lost(k, e.text) : cli_fail_err(&e);
    if (client_call(&k->client, words, registration_words(k->registration, words), &r, &e) != 0)
        return e.code == ERR_IO ? lost(k, e.text) : cli_fail_err(&e);
    if (r.type == REPLY_ERROR)
        return refused(k, &r);
    if (r.type != REPLY_LIST || r.n < 3 || r.items[0].type != REPLY_TEXT)
        return cli_expect(&r, REPLY_LIST, SIZE_MAX);
    registered(k, &r);
    reply_fini(&r);
    return CLI_OK;
}

static int call_renew(struct keeper *k)
{
    struct reply r;
    struct err e = {.code = 0};
    const char *const words[] = {"RENEW", k->registration->service, k->id};
    if (client_call(&k->client, words, 3, &r, &e) != 0) {
        k->is_registered = false; /* over a new connection, at once: the server may just have been restarted */
        return call_register(k);
    }
    bool is_renewed = r.type == REPLY_NUMBER;
    reply_fini(&r);
    if (!is_renewed) {
        k->is_registered = false;
        return call_register(k);
    }
    k->next_ms = clock_mono_ms() + k->renew_ms;
    return CLI_OK;
}

int keeper_step(struct keeper *k)
{
    if (clock_mono_ms() < k->next_ms)
        return CLI_OK;
    bool is_permanent = k->renew_ms == PERMANENT_RENEW_MS;
    return k->is_registered && k->client.fd >= 0 && !is_permanent ? call_renew(k) : call_register(k);
}

void keeper_drain(struct keeper *k, uint64_t *safe_ms)
{
    struct reply r;
    const char *const words[] = {"DRAIN", k->registration->service, k->id};
    *safe_ms = 0;
    if (!k->is_registered || k->client.fd < 0 || cli_call(&k->client, words, 3, &r) != CLI_OK)
        return;
    if (r.type == REPLY_NUMBER && r.number > 0)
        *safe_ms = clock_mono_ms() + (uint64_t)r.number * 1000;
    reply_fini(&r);
}

int keeper_end(struct keeper *k)
{
    struct reply r;
    struct err e = {.code = 0};
    int status = CLI_OK;
    const char *const words[] = {"DEREGISTER", k->registration->service, k->id};
    if (k->options.timeout_ms > FAREWELL_MS)
        k->options.timeout_ms = FAREWELL_MS;
    if (k->was_registered) {
        if (k->client.fd < 0 && client_open(&k->client, &e) != 0)
            status = cli_fail_err(&e);
        else
            status = cli_call(&k->client, words, 3, &r);
        if (status == CLI_OK)
            reply_fini(&r);
    }
    client_close(&k->client);
    return status;
}
