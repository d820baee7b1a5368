/* The question of a query packet, read once: what is asked, how large an answer may be, and the name folded both ways.
 */
#ifndef ENGINE_QUESTION_H
#define ENGINE_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/proto.h"

struct question {
    uint16_t flags; /* of the query's header */
    uint16_t type, class;
    uint16_t end;               /* offset behind the question; 0: there is none that could be read */
    uint16_t tsig_at, tsig_len; /* its record, checked in form; 0: none */
    uint16_t udp_size;          /* as the client's OPT says; 0 without one */
    uint8_t edns_version;
    bool is_malformed; /* FORMERR */
    bool has_opt, is_do, has_keepalive;
    uint8_t name_len;
    uint8_t exact[DNS_NAME_MAX + 1], loose[DNS_NAME_MAX + 1]; /* with zeros up to a multiple of HASH_BLOCK */
};

/* `packet` has at least a header, in a buffer of `cap` >= len bytes. Everything in `q` but the two arrays is set; the
 * names only if q->end is not 0. */
void question_read(struct question *q, const uint8_t *packet, size_t len, size_t cap);
/* Folds a name of `len` bytes in wire form into q's arrays: for the links of a CNAME chain. It stands in a buffer of
 * which `cap` >= len bytes are left. */
void question_fold(struct question *q, const uint8_t *name, size_t len, size_t cap);

#endif
