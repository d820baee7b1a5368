/* Names that readers want: a ring for each reader, from it to the control thread, which builds what is wanted. One
 * writer, one reader, no locks, nothing allocated. Wants are numbered as they are posted; numbers wrap. A name that is
 * in the ring already is not posted again, as far as `recent` knows: a burst of questions for one name is one want.
 *
 *     reader    posted ──►  [ name 7 ][ name 8 ][ name 9 ]
 *     control                 taken ──────────────► 10        when they are built and published: served = taken */
#ifndef ENGINE_WANT_H
#define ENGINE_WANT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dns/name.h"

#define WANTS        1024 /* posted and not taken at most; a power of two */
#define WANTS_RECENT 256

struct want_ring {
    _Alignas(64) _Atomic uint32_t posted; /* these two: the reader's */
    uint32_t recent[WANTS_RECENT];        /* by hash of a name: the number of a want */
    _Alignas(64) _Atomic uint32_t taken;  /* these two: the control thread's */
    _Atomic uint32_t served;
    struct dns_name names[WANTS];
};

/* Reader. A name folded exactly, which will be served when `posted` is; false: the ring is full. */
bool want_post(struct want_ring *r, const uint8_t *name, uint8_t len);
/* Control thread: the next one, which is its until want_take; NULL: none. */
const struct dns_name *want_next(const struct want_ring *r);
void want_take(struct want_ring *r);
/* Control thread: what was taken is published. Returns whether that is news. */
bool want_serve(struct want_ring *r);

#endif
