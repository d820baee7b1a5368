/* The rollcall protocol without a socket: a real registry, memory store, history and core on virtual time, one connection
 * that is a buffer, and a publisher that only picks. For tests of the verbs and for the fuzz harness.
 *
 *     struct protocol_world w;
 *     protocol_world_init(&w, NULL);
 *     assert_string_equal(protocol_say(&w, "RENEW web a\n"), "-NOLEASE ...\r\n");
 */
#ifndef TESTS_LIB_PROTOCOL_WORLD_H
#define TESTS_LIB_PROTOCOL_WORLD_H

#include "engine/command.h"
#include "engine/reply_fifo.h"
#include "engine/watch.h"

struct protocol_world {
    struct registry_options options;
    struct registry *registry;
    struct store *store;
    struct health *health;
    struct changes *changes;
    struct core *core;
    struct core_time time;
    struct command_server server;
    /* the connection */
    struct command_client client;
    struct reply_fifo owed;
    struct resp_progress progress;
    struct resp_request request;
    struct buf in, out;
    bool is_closed;
};

#define PROTOCOL_WORLD_HISTORY 8 /* changes that are kept */

/* Aborts when it cannot be made. */
void protocol_world_init(struct protocol_world *w, const char *password);
void protocol_world_fini(struct protocol_world *w);
/* A new connection in place of the former one; its session ends. */
void protocol_reconnect(struct protocol_world *w);
/* Bytes from the client, then a turn, then what the watch has to say (at most `watch_budget` bytes). Replies append to w->out. */
void protocol_feed(struct protocol_world *w, const void *data, size_t len);
/* The same for a text; returns all output since the last call, as a string. */
const char *protocol_say(struct protocol_world *w, const char *text);
/* Time passes, in steps of at most 100 ms, with a turn after each. */
void protocol_advance(struct protocol_world *w, uint64_t ms);

#endif
