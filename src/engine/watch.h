/* What one connection watches: WATCH's frames or SUBSCRIBE's messages. A watch keeps a revision and, during a snapshot, the name
 * where it stopped; never a queue. So a reader that is slow costs no memory, and one that the history has overtaken is
 * dropped by its owner. Pure; control thread only.
 *
 *     WATCH ──► [snapshot, in pieces] ──► changes since its beginning ──► "live" ──► changes as they come
 *
 * The snapshot's pieces are of different moments; what changed meanwhile follows as changes, so at "live" the reader has
 * the state of that revision. */
#ifndef ENGINE_WATCH_H
#define ENGINE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/command.h"

#define WATCH_CHANNELS_MAX 256 /* subscriptions of one connection */

struct watch;

/* WATCH: `service` NULL watches all. `from` NULL, or not to be served from the history: a snapshot comes first.
 * ERR_NOMEM. */
int watch_new(const struct command_server *s, const char *service, const uint64_t *from, struct watch **out) MUST_CHECK;
/* For subscriptions: no channels yet, from now on. ERR_NOMEM. */
int watch_new_subscription(const struct command_server *s, struct watch **out) MUST_CHECK;
void watch_free(struct watch *w); /* NULL is allowed */
bool watch_is_subscription(const struct watch *w); /* NULL: false */

/* Adding one that is there is not an error. `name`: a service, "*" for all, or with `is_pattern` a glob over the names of
 * services. ERR_LIMIT (WATCH_CHANNELS_MAX), ERR_NOMEM. */
int watch_subscribe(struct watch *w, const char *name, bool is_pattern) MUST_CHECK;
void watch_unsubscribe(struct watch *w, const char *name, bool is_pattern);
size_t watch_n_channels(const struct watch *w);
/* Any channel of that sort, NULL if there is none: to end them one by one. Valid until it is unsubscribed. */
const char *watch_any_channel(const struct watch *w, bool is_pattern);

enum watch_result {
    WATCH_CURRENT, /* all that has happened is written */
    WATCH_MORE,    /* the budget of bytes, or of work, is used up: call again when there is room */
    WATCH_LOST,    /* changes are missing: the reader must start over */
};

/* Writes frames, about `budget` (not 0) bytes of them, to `out`. */
enum watch_result watch_pump(struct watch *w, const struct command_server *s, struct resp_writer *out, size_t budget);

#endif
