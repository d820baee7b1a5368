/* The server: everything that runs, made once, handed down narrowly.
 *
 *     inputs ──► sockets ──► (privileges dropped) ──► core and its parts ──► workers ──► ready
 *
 * All of it belongs to the control thread, which is the thread that calls server_run. */
#ifndef APP_SERVER_H
#define APP_SERVER_H

#include <ev.h>

#include "app/inputs.h"
#include "app/sockets.h"
#include "engine/core.h"
#include "io/control.h"
#include "io/prober.h"
#include "io/turn.h"
#include "io/worker.h"

struct server {
    struct config_source source; /* read again on reload; borrowed */
    struct inputs *inputs;       /* what holds now */
    struct inputs *first;        /* what it was started with: the options that a reload cannot change */
    struct sockets sockets;
    char *id; /* for CHAOS questions; lives as long as the answers */

    struct ev_loop *loop;
    struct ev_signal on_term, on_int, on_hup;
    struct turn *turn;
    uint64_t started_ms;

    struct answers *answers;
    struct publisher *publisher;
    struct registry *registry;
    struct health *health;
    struct changes *changes;
    const struct store_vtable *store_vtable;
    struct store *store;
    struct core *core;
    struct prober *prober;
    struct control *control;

    struct worker **workers; /* n_workers of them, NULL: not made yet */
    unsigned n_workers;
    uint64_t reloads, failed_reloads;
    size_t kept_probes;       /* connections of probes that may be kept */
    uint64_t probe_warned_ms; /* when a probe that could not be made was last told of */
    uint64_t late_warned_ms;  /* when late probes were */
    bool has_warned_kept;     /* that there are more checks than connections to keep */
    uint64_t behind_told_ms;  /* since when the answers are behind, if the log knows; 0: it does not */
};

/* Takes `in` over, also when it fails. Opens, drops privileges, starts. The caller stops and frees it in any case. */
int server_start(struct server *s, const struct config_source *src, struct inputs *in, struct err *e) MUST_CHECK;
/* One line of JSON with the real addresses, then closes `fd`. -1: nothing. */
void server_tell_ready(const struct server *s, int fd);
/* Until SIGTERM or SIGINT. */
void server_run(struct server *s);
/* Ends all that can be seen from outside of the process: workers, connections, probes, store, sockets. */
void server_stop(struct server *s);
/* After server_stop: gives memory back, block by block. */
void server_free(struct server *s);

/* reload.c: reads all files again and applies them, or changes nothing and says why in the log. */
void server_reload(struct server *s);
/* Makes `in` hold: scripts, policies, static names, domains, limits. At start and on reload. */
int server_apply(struct server *s, const struct inputs *in, struct err *e) MUST_CHECK;

/* The options of [dns] that concern workers. */
void server_worker_options(const struct config *c, struct worker_options *out);

/* info.c: the sections of INFO that are about the server. Returns how many. */
size_t server_info(struct server *s, struct command_info out[CONTROL_INFO_MAX]);

#endif
