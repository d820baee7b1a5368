/* A little HTTP server on a loop of the test, with all the manners a probe can meet. By path:
 *
 *     /ok  200, kept alive      /500       500            /301    301 to /ok        /204   204
 *     /slow  never answers      /reset     RST            /huge   200, no end       /close 200, then closed without saying so
 *     /half  200, closed in the middle of the body        /empty  closed without an answer
 *     /noise not HTTP at all
 */
#ifndef LIB_HTTP_TARGET_H
#define LIB_HTTP_TARGET_H

#include <ev.h>
#include <stdint.h>

struct http_target;

struct http_target *http_target_new(struct ev_loop *loop, int family); /* AF_INET, AF_INET6; NULL: no such family here */
void http_target_free(struct http_target *t);
uint16_t http_target_port(const struct http_target *t);
unsigned http_target_connections(const struct http_target *t); /* accepted so far */
unsigned http_target_requests(const struct http_target *t);
const char *http_target_last(const struct http_target *t); /* the last request, as it came */

#endif
