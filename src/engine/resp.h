/* Reading requests in RESP framing (the Redis protocol, RESP2 and RESP3 alike) and as inline lines. Pure and incremental: the
 * caller's buffer begins with a request, of which any number of bytes may be there.
 *
 *     *3\r\n$5\r\nRENEW\r\n$3\r\nweb\r\n$1\r\na\r\n        arguments by length, any bytes but NUL
 *     RENEW web "a"\n                                  one line, blanks between words, Redis' quoting
 *
 * An incomplete request is read again from its beginning when more bytes are there, but not before there can be progress
 * (`need`, `scanned`), so a connection keeps two numbers between reads and no array of arguments. */
#ifndef ENGINE_RESP_H
#define ENGINE_RESP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define RESP_ARGS_MAX 1024 /* words of one request */

/* A word: NUL-terminated after resp_terminate, `len` without the NUL. */
struct resp_arg {
    char *text;
    size_t len;
};

/* Scratch for one request, reused for all connections of a thread. */
struct resp_request {
    struct resp_arg args[RESP_ARGS_MAX];
    size_t n;           /* words found; 0: an empty request, without a reply */
    size_t consumed;    /* bytes of the buffer that belong to the request */
    struct buf unquoted; /* words of an inline line */
};

/* What a connection remembers of an incomplete request; all zero at the beginning of each. */
struct resp_progress {
    size_t need;    /* fewer bytes than this cannot complete it */
    size_t scanned; /* inline: bytes known to hold no end of line */
};

void resp_request_init(struct resp_request *rq);
void resp_request_fini(struct resp_request *rq);

/* Reads the request at data[0..len). `max` bounds its bytes. The buffer is not changed, so a complete request may be read
 * again later. Returns
 *   0           complete; words point into `data` or into rq->unquoted, until either changes
 *   ERR_MORE    incomplete, `p` remembers how far
 *   ERR_BADARG, ERR_LIMIT, ERR_NOMEM with rq->consumed > 0: this request is wrong, the next one begins after `consumed`
 *   ERR_FORMAT, ERR_LIMIT with rq->consumed == 0: framing is lost, answer and close */
int resp_parse(struct resp_progress *p, char *data, size_t len, size_t max, struct resp_request *rq,
               struct err *e) MUST_CHECK;

/* Ends each word by a NUL, over the CR that followed it. ERR_BADARG if `is_text` and a word holds a NUL itself. The
 * request cannot be read a second time after it. */
int resp_terminate(struct resp_request *rq, bool is_text, struct err *e) MUST_CHECK;

#endif
