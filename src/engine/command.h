/* The verbs of the rollcall protocol (DESIGN 3) as a table, and how a request becomes a reply. Pure: no socket and no clock.
 *
 *     words ──► command_run ──► COMMAND_REPLIED: the reply is in call->reply
 *                           └─► COMMAND_EVENT:   call->event goes to core_event; its EFFECT_REPLY to command_reply
 *
 * Verbs that read (COMMAND_READS) see the connection's own writes only if these are answered already: the caller waits for
 * them first. Control thread only. */
#ifndef ENGINE_COMMAND_H
#define ENGINE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/changes.h"
#include "engine/core.h"
#include "engine/publish.h"
#include "engine/resp.h"
#include "engine/resp_write.h"
#include "registry/registry.h"

#define CLIENT_NAME_MAX 64 /* bytes of a connection's name, NUL included */

struct listing;
struct watch;

/* One section of INFO; `write` appends its lines by command_info_line. */
struct command_info {
    const char *name; /* "dns"; shown as "# Dns" */
    void (*write)(void *arg, struct buf *out);
    void *arg;
};

/* "name:value", for the functions of struct command_info. */
void command_info_line(struct buf *out, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* What all connections share; everything is borrowed. */
struct command_server {
    struct registry *registry;
    struct publisher *publisher;
    const struct changes *changes;
    const struct registry_options *options; /* bounds of leases, sizes of descriptions */
    const struct core_time *time;           /* of this turn, kept current by the owner */
    const char *version;
    const char *password;                   /* NULL: AUTH is not needed */
    const struct command_info *info;        /* in the order of INFO */
    size_t n_info;
};

/* What a connection is. */
struct command_client {
    uint64_t id; /* unique for the life of the process; its session, too */
    bool is_resp3, is_authenticated;
    bool has_session;    /* an instance was registered with SESSION: the end of the connection is an event */
    uint32_t auth_failures;
    struct watch *watch; /* owned; NULL: neither WATCH nor SUBSCRIBE */
    struct listing *listing; /* owned; the rest of a LIST, to be written before anything else. NULL: none */
    char name[CLIENT_NAME_MAX];
};

void command_client_init(struct command_client *c, uint64_t id);
void command_client_fini(struct command_client *c);

enum command_flag {
    COMMAND_READS = 1 << 0,  /* waits until earlier writes of the connection are answered */
    COMMAND_OPEN = 1 << 1,   /* allowed before AUTH */
    COMMAND_QUIET = 1 << 2,  /* from Redis clients; not in HELP's list */
    COMMAND_BINARY = 1 << 3, /* its words may hold any byte */
};

struct command_call {
    const struct command_server *server;
    struct command_client *client;
    const struct resp_arg *argv; /* terminated; argv[0] is the verb */
    size_t argc;
    struct resp_writer reply;
    struct event event; /* of COMMAND_EVENT: all but `request`; points into argv. Release after core_event */
};

enum command_outcome {
    COMMAND_REPLIED,
    COMMAND_EVENT,
    COMMAND_CLOSE, /* replied; the connection ends when that is sent */
};

struct command {
    const char *name;   /* upper case */
    uint8_t min, max;   /* words, the verb included; max 0: no limit */
    unsigned flags;     /* enum command_flag */
    const char *usage;  /* what follows the verb */
    const char *help;   /* one line */
    enum command_outcome (*run)(struct command_call *call);
};

/* Every verb, for HELP, COMMAND and the tests of the manual. */
const struct command *command_table(size_t *n);
/* In any case; NULL if there is none. */
const struct command *command_find(const struct resp_arg *verb);

/* Whether a NUL byte in a word is refused; also of an unknown verb (NULL). */
bool command_takes_text(const struct command *cmd);

/* Runs `cmd` (NULL: an unknown verb), argc >= 1. An error is a reply like any other. */
enum command_outcome command_run(const struct command *cmd, struct command_call *call);
/* Releases what the event of COMMAND_EVENT holds. */
void command_event_release(struct event *ev);
/* The reply to a write of that type. */
void command_reply(enum event_type type, const struct effect *reply, struct resp_writer *w);

#endif
