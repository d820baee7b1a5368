/* The word that was probably meant: the nearest of a table to what somebody typed.
 *
 *     struct nearest n;
 *     nearest_init(&n, "tll");
 *     for (each row) nearest_offer(&n, row->key);
 *     if (nearest_best(&n) != NULL) ... "did you mean \"%s\"?"
 */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

#define NEAREST_WORD_MAX 63 /* longer words are near to nothing */

struct nearest {
    const char *given;
    const char *best;
    size_t distance;
};

/* Both pointers and the words offered are borrowed until the last use. */
void nearest_init(struct nearest *n, const char *given);
void nearest_offer(struct nearest *n, const char *word);
/* NULL if no word offered is near: at most a third of its letters may differ, but one always may. */
const char *nearest_best(const struct nearest *n);

/* Letters to insert, remove, change or swap with their neighbour to make `b` of `a`; case does not count. */
size_t nearest_distance(const char *a, const char *b);

#endif
