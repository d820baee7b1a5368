/* The reply to LIST, written in pieces: a registry may be larger than what a connection may have in its output. Pure; control
 * thread only.
 *
 * Each service, or instance, is written as it is when its turn comes. Each that was there at the beginning and was not removed
 * since is written once. The array's length is that of the beginning: what is missing at the end is null. */
#ifndef ENGINE_LISTING_H
#define ENGINE_LISTING_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/command.h"

struct listing;

/* `service` NULL: the services. A service that is not there has no instances. ERR_NOMEM. */
int listing_new(const struct command_server *s, const char *service, struct listing **out) MUST_CHECK;
void listing_free(struct listing *l); /* NULL is allowed; before the registry */
/* Writes about `budget` (not 0) bytes. True: that was the last piece, or the output has failed. */
bool listing_pump(struct listing *l, const struct command_server *s, struct resp_writer *out, size_t budget);

#endif
