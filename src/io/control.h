/* The rollcall protocol on sockets: listeners, connections, watchers, on the control thread's loop.
 *
 *     readable ──► requests ──► core_event          control_reply, control_changed (hooks of the core)
 *                                                          │
 *     control_flush, at the end of each turn ◄─────────────┘  one send per connection
 *
 * The owner calls core_turn and then control_flush in its ev_prepare; when a flush leaves work it sees to another turn
 * itself. Memory is bounded by clients x (line_max + output_max). All calls on the control thread. */
#ifndef IO_CONTROL_H
#define IO_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include <ev.h>

#include "base/err.h"
#include "engine/command.h"
#include "engine/core.h"

#define CONTROL_INFO_MAX 16 /* sections of INFO */

struct control;

struct control_limits {
    uint32_t clients;  /* connections; one more is told -LIMIT and closed */
    size_t line_max;   /* bytes of a request */
    size_t output_max; /* bytes waiting for a reader; a larger reply is -LIMIT */
};

struct control_options { /* all pointers are borrowed for the control's life */
    struct ev_loop *loop;
    struct core *core;
    const struct core_time *time;           /* of the turn, kept current by the owner */
    const struct registry_options *registry;
    const char *version;
    const char *password;                   /* NULL: none */
    const struct command_info *info;        /* at most CONTROL_INFO_MAX - 1; "clients" is added after the first, "registry" at the
                                               end; copied */
    size_t n_info;
    struct control_limits limits;
};

int control_new(const struct control_options *o, struct control **out) MUST_CHECK; /* ERR_NOMEM */
/* Closes all connections; the core is not told, it ends as well. Before core_free. NULL is allowed. */
void control_free(struct control *c);
/* Accepts on a listening, non-blocking socket. `fd` stays the caller's, to close after control_free. ERR_NOMEM. */
int control_listen(struct control *c, int fd) MUST_CHECK;
/* On reload. Connections keep what they have; new bounds count from the next request on. */
void control_configure(struct control *c, const struct control_limits *limits, const struct registry_options *registry,
                       const char *password);

/* The core's hooks; `control` is a struct control. */
void control_reply(void *control, const struct effect *reply);
void control_changed(void *control);
/* After core_turn. */
void control_flush(struct control *c);

#endif
