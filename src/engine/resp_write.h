/* Writing replies in RESP2 or RESP3. Appends to a buf, whose sticky error tells at the end whether everything fitted. What
 * RESP2 does not have is written as its nearest form: a map as a flat array, a push as an array, null as the null bulk. */
#ifndef ENGINE_RESP_WRITE_H
#define ENGINE_RESP_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct resp_writer {
    struct buf *out;
    bool is_resp3;
};

void resp_simple(struct resp_writer *w, const char *text); /* "+OK"; no CR or LF in it */
/* "-WORD text"; control bytes of the text and what is not UTF-8 become '?': it repeats what a client sent, and clients
 * decode it. */
void resp_error(struct resp_writer *w, const char *word, const char *text);
void resp_int(struct resp_writer *w, uint64_t n);
void resp_bulk(struct resp_writer *w, const char *data, size_t len);
void resp_text(struct resp_writer *w, const char *text); /* a bulk of a C string; NULL: null */
void resp_null(struct resp_writer *w);
void resp_array(struct resp_writer *w, size_t n); /* n values follow */
void resp_map(struct resp_writer *w, size_t n);   /* n pairs follow */
void resp_push(struct resp_writer *w, size_t n);  /* n values follow, out of band in RESP3 */

#endif
