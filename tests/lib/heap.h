/* Out of memory on demand. A test linked with $(WRAP_HEAP) and tests/lib/heap.c has its allocations counted, and one of
 * them (or all from one on) refused:
 *
 *     for (unsigned n = 0;; n++) {
 *         heap_fail_at(n);                       // the n-th allocation from here fails, once; 0 is the next one
 *         int rc = thing_new(&t);
 *         if (!heap_reset())                     // it was not reached: the sweep is complete
 *             break;
 *         assert_int_equal(rc, ERR_NOMEM);
 *     }
 *
 * Only calls from our own objects are seen (ld's --wrap), not those inside libc. Not for threads. */
#ifndef TESTS_LIB_HEAP_H
#define TESTS_LIB_HEAP_H

#include <stdbool.h>
#include <stddef.h>

void heap_fail_at(unsigned n);   /* one failure */
void heap_fail_from(unsigned n); /* that one and every later one */
/* No more failures. Returns true if one has happened since heap_fail_*. */
bool heap_reset(void);
/* Nothing fails, or counts as an allocation that could, until heap_resume. */
void heap_suspend(void);
void heap_resume(void);
/* Blocks allocated and not yet freed by our own objects: equal before and after means no leak. */
long heap_live(void);
/* What they take, with what malloc adds to each. */
long heap_bytes(void);
/* Allocations asked for so far: equal before and after means that a path allocates nothing. */
unsigned long heap_calls(void);

#endif
