/* Finds the word that was probably meant, for error messages that say what would be right.
 *
 * The optimal string alignment distance: the usual table of edits, three rows of it at a time, where two swapped
 * neighbours count as one edit, because that is how people mistype. Words come from users, so their length is bounded
 * first: nothing is near to a word longer than NEAREST_WORD_MAX. */
#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

static unsigned char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : (unsigned char)c;
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

size_t nearest_distance(const char *a, const char *b)
{
    size_t len_a = strnlen(a, NEAREST_WORD_MAX + 1), len_b = strnlen(b, NEAREST_WORD_MAX + 1);
    if (len_a > NEAREST_WORD_MAX || len_b > NEAREST_WORD_MAX)
        return SIZE_MAX;
    size_t rows[3][NEAREST_WORD_MAX + 1]; /* of the words' first i letters against the first j; i modulo 3 */
    for (size_t j = 0; j <= len_b; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= len_a; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            unsigned char x = fold(a[i - 1]), y = fold(b[j - 1]);
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == fold(b[j - 2]) && y == fold(a[i - 2]) && two_above[j - 2] + 1 < row[j])
                row[j] = two_above[j - 2] + 1;
        }
    }
    return rows[len_a % 3][len_b];
}

void nearest_init(struct nearest *n, const char *given)
{
    *n = (struct nearest){.given = given, .best = NULL, .distance = SIZE_MAX};
}

void nearest_offer(struct nearest *n, const char *word)
{
    size_t distance = nearest_distance(n->given, word);
    size_t allowed = strlen(word) / 3;
    if (distance <= (allowed == 0 ? 1 : allowed) && distance < n->distance) {
        n->best = word;
        n->distance = distance;
    }
}

const char *nearest_best(const struct nearest *n)
{
    return n->best;
}
