/* rollcall run: makes a program that knows nothing of rollcall answer the roll call.
 *
 *     start ──► wait for its port ──► register, renew ──► it ends ──► deregister, exit as it did
 *                                          │ SIGTERM, SIGINT
 *                                          ▼
 *                                        drain ──► wait until no answer names it ──► pass the signal on ──► it ends
 *
 * What can go wrong: the program ends at any moment, also before its port is open: then there is nothing to wait for.
 * The server cannot be reached: the program runs on, registration is tried again (keeper.c). The server refuses the
 * registration for good: a program that nobody can find is of no use, it is ended and the refusal is ours. The port
 * never opens: likewise. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/duration.h"
#include "cli/child.h"
#include "cli/keeper.h"
#include "cli/signals.h"
#include "cli/verbs.h"

#define WAIT_PORT_DEFAULT_MS  30000
#define DRAIN_WAIT_DEFAULT_MS 30000
#define WAIT_MAX_MS           (24 * 3600 * 1000)
#define PROBE_EVERY_MS        50
#define PROBE_TIMEOUT_MS      500
#define KILL_AFTER_MS         10000 /* a program that we end ourselves has so long after SIGTERM */
#define SAME_SIGNAL_MS        500   /* timeout(1) and others signal the process and its group: that is one request */
#define RUN_TIMEOUT_MS        2000  /* for the server, unless --timeout says otherwise: signals wait meanwhile */

enum { KEY_SERVICE = REGISTRATION_KEYS, KEY_ADDRESS, KEY_PORT, KEY_WAIT_PORT, KEY_DRAIN_WAIT };

const struct arg_row run_options[] = {
    {KEY_SERVICE, 0, "service", "SERVICE", "the service that it is an instance of"},
    {KEY_PORT, 'p', "port", "PORT", "the port on which it serves"},
    {KEY_ADDRESS, 'a', "address", "ADDRESS", "where others reach it (this host's address towards the server)"},
    {KEY_WAIT_PORT, 0, "wait-port", "DURATION", "give its port so long to open (30s); 0: register at once"},
    {KEY_DRAIN_WAIT, 0, "drain-wait", "DURATION", "wait at most so long between draining and stopping it (30s)"},
    REGISTRATION_ROWS,
    {0, 0, NULL, NULL, NULL},
};

struct run {
    struct cli *cli;
    struct registration registration;
    char own_address[CLIENT_ADDRESS_MAX];
    uint64_t wait_port_ms, drain_wait_ms;
    struct child child;
    struct keeper keeper;
    uint64_t asked_ms;   /* when somebody did */
    uint64_t stop_at_ms; /* draining: when the signal is passed on; UINT64_MAX: not draining */
    int stop_signal;     /* 0: nobody asked us to stop */
};

/* ── the command line ── */

static int duration_option(const struct cli *cli, const struct arg_row *row, const char *value, uint64_t *ms)
{
    if (duration_parse(value, ms) == 0 && *ms <= WAIT_MAX_MS)
        return CLI_OK;
    return cli_usage(cli, "--%s \"%s\" should be a duration, as 500ms, 30s or 5m, up to 24h", row->name, value);
}

static int take_option(struct run *r, const struct arg_row *row, char *value)
{
    switch (row->key) {
    case KEY_SERVICE:
        r->registration.service = value;
        return CLI_OK;
    case KEY_ADDRESS:
        r->registration.address = value;
        return CLI_OK;
    case KEY_PORT:
        r->registration.port = value;
        return CLI_OK;
    case KEY_WAIT_PORT:
        return duration_option(r->cli, row, value, &r->wait_port_ms);
    case KEY_DRAIN_WAIT:
        return duration_option(r->cli, row, value, &r->drain_wait_ms);
    default:
        return registration_option(r->cli, &r->registration, row, value);
    }
}

static int read_options(struct run *r, struct args *a)
{
    const struct arg_row *row;
    a->stops_at_word = true;
    while ((row = cli_next(r->cli, a)) != NULL) {
        if (take_option(r, row, a->value) != CLI_OK)
            return CLI_USAGE;
    }
    if (a->failed)
        return CLI_USAGE;
    if (r->registration.service == NULL || r->registration.port == NULL)
        return cli_usage(r->cli, "--service and --port are needed");
    if (a->dashes < 0 && a->at < a->argc)
        return cli_usage(r->cli, "the command stands behind --, as -- %s", a->argv[a->at]);
    if (a->n_words == 0)
        return cli_usage(r->cli, "a command is missing behind --");
    return CLI_OK;
}

/* ── its port ── */

/* Where we look for its port: on the address others use, of "v4,v6" the first. */
static bool is_port_open(const struct run *r)
{
    char host[CLIENT_ADDRESS_MAX];
    snprintf(host, sizeof(host), "%.*s", (int)strcspn(r->registration.address, ","), r->registration.address);
    int fd = client_connect(host, r->registration.port, PROBE_TIMEOUT_MS, NULL);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* ── signals ── */

static void begin_to_stop(struct run *r, int number)
{
    uint64_t now = clock_mono_ms(), safe_ms;
    r->stop_signal = number;
    r->asked_ms = now;
    keeper_drain(&r->keeper, &safe_ms);
    r->stop_at_ms = safe_ms < now + r->drain_wait_ms ? safe_ms : now + r->drain_wait_ms;
    r->stop_at_ms = r->stop_at_ms < now ? now : r->stop_at_ms;
    r->keeper.next_ms = UINT64_MAX; /* no renewal: a registration would be news to nobody now */
}

static void take_signal(struct run *r, int number)
{
    bool asks_to_stop = number == SIGTERM || number == SIGINT;
    if (number == SIGCHLD)
        child_look(&r->child);
    else if (asks_to_stop && r->stop_signal == 0)
        begin_to_stop(r, number);
    else if (asks_to_stop && clock_mono_ms() < r->asked_ms + SAME_SIGNAL_MS)
        return;
    else if (asks_to_stop && r->stop_at_ms != UINT64_MAX)
        r->stop_at_ms = clock_mono_ms(); /* the second one is impatient */
    else if (number != 0)
        child_signal(&r->child, number);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ── the phases ── */

/* Ends a program that we cannot keep registered, for good if it does not listen. */
static int end_child(struct run *r, int status)
{
    child_signal(&r->child, SIGTERM);
    uint64_t kill_at_ms = clock_mono_ms() + KILL_AFTER_MS;
    while (!r->child.has_ended) {
        int number = signals_wait(kill_at_ms);
        if (number == 0) {
            child_signal(&r->child, SIGKILL);
            kill_at_ms = UINT64_MAX;
        }
        child_look(&r->child);
    }
    return status;
}

/* Until the port accepts, the program ends, or somebody asks us to stop. CLI_OK, or CLI_REFUSED when it takes too long.
 */
static int wait_for_port(struct run *r)
{
    uint64_t deadline_ms = clock_mono_ms() + r->wait_port_ms;
    while (r->wait_port_ms > 0 && !r->child.has_ended && r->stop_signal == 0 && !is_port_open(r)) {
        if (clock_mono_ms() >= deadline_ms)
            return cli_fail(CLI_REFUSED, "nothing accepts connections on %s port %s; the program is ended",
                            r->registration.address, r->registration.port);
        take_signal(r, signals_wait(clock_mono_ms() + PROBE_EVERY_MS));
    }
    return CLI_OK;
}

/* Until the program has ended. */
static int keep(struct run *r)
{
    while (!r->child.has_ended) {
        int status = r->stop_signal == 0 ? keeper_step(&r->keeper) : CLI_OK;
        if (status != CLI_OK)
            return status;
        take_signal(r, signals_wait(earlier(r->keeper.next_ms, r->stop_at_ms)));
        if (clock_mono_ms() >= r->stop_at_ms) {
            child_signal(&r->child, r->stop_signal);
            r->stop_at_ms = UINT64_MAX;
        }
    }
    return CLI_OK;
}

/* This host's address towards the server, for those who gave none. */
static void find_own_address(struct run *r)
{
    struct client c;
    struct err e;
    if (r->registration.address != NULL)
        return;
    client_init(&c, &r->cli->client);
    if (client_open(&c, &e) != 0)
        client_close(&c); /* loopback, then: the program is started all the same */
    client_own_address(&c, r->own_address);
    client_close(&c);
    r->registration.address = r->own_address;
}

int verb_run(struct cli *cli, struct args *a)
{
    struct run r = {
        .cli = cli,
        .wait_port_ms = WAIT_PORT_DEFAULT_MS,
        .drain_wait_ms = DRAIN_WAIT_DEFAULT_MS,
        .stop_at_ms = UINT64_MAX,
    };
    if (cli->client.timeout_ms == CLI_TIMEOUT_MS)
        cli->client.timeout_ms = RUN_TIMEOUT_MS;
    int status = read_options(&r, a);
    if (status != CLI_OK)
        return status;
    a->words[a->n_words] = NULL; /* argv has room: the options stood before the words */
    cli->client.hurry_fd = signals_block();
    status = child_start(&r.child, a->words);
    if (status != CLI_OK)
        return status;
    find_own_address(&r);
    keeper_init(&r.keeper, cli, &r.registration, stderr); /* stdout is the program's */
    status = wait_for_port(&r);
    if (status == CLI_OK)
        status = keep(&r);
    if (status != CLI_OK)
        status = end_child(&r, status);
    (void)keeper_end(&r.keeper);
    return status != CLI_OK ? status : r.child.status;
}
