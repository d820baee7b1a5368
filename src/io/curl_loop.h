/* A libcurl multi handle on a libev loop: transfers without threads or polling. curl says which sockets and which moment it
 * waits for, libev waits. Connections are kept and reused between transfers. */
#ifndef IO_CURL_LOOP_H
#define IO_CURL_LOOP_H

#include <curl/curl.h>
#include <ev.h>

#include "base/err.h"

struct curl_loop;

/* A transfer ended; it is no longer part of the loop, so the handle may be reused, cleaned up or added again. Called from
 * the loop only, never from within another function of this header. */
typedef void curl_done_fn(void *arg, CURL *easy, CURLcode code);

/* Keeps at most `max_kept` idle connections. ERR_NOMEM. */
int curl_loop_new(struct ev_loop *loop, long max_kept, curl_done_fn *done, void *arg, struct curl_loop **out) MUST_CHECK;
/* All transfers must have been removed. NULL is allowed. */
void curl_loop_free(struct curl_loop *c);
/* ERR_NOMEM. The handle stays the caller's. */
int curl_loop_add(struct curl_loop *c, CURL *easy) MUST_CHECK;
/* Cancels a transfer; done is not called for it. Not from within done. */
void curl_loop_remove(struct curl_loop *c, CURL *easy);

#endif
