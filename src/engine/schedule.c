/* Weighted rotation, planned when an answer is built, so that a query only looks a slot up.
 *
 * First each member gets a count of slots (schedule_counts), then the slots are spread (schedule_spread): the j-th of a
 * member's c slots is due at (j + phase) / c of the cycle, with another phase for each member; sorting all of them by
 * their due time gives a smooth order, in which no stretch of the cycle holds much more or less of a member than its
 * share. The sort is a counting sort over the cycle itself: O(slots).
 *
 * The only thing that can go wrong is memory; then nothing is left behind. */
#include "engine/schedule.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

uint64_t schedule_gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static int remainder_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Members whose share is below one slot get one; the others share what is left by largest remainder. Taking out the
 * small ones makes the shares of the rest smaller, so it is repeated until none falls below one. `counts` must be zero;
 * `scratch` has room for n. */
static void schedule_apportion(const uint32_t *weights, uint32_t n, uint32_t cap, uint32_t *counts, uint64_t *scratch)
{
    uint64_t sum = 0, slots = cap;
    for (uint32_t i = 0; i < n; i++)
        sum += weights[i];
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < n; i++) {
            if (counts[i] != 0 || weights[i] * slots >= sum)
                continue;
            counts[i] = 1;
            sum -= weights[i];
            slots--;
            again = true;
        }
    }
    uint64_t given = 0;
    uint32_t n_open = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (counts[i] != 0)
            continue;
        uint64_t share = weights[i] * slots;
        counts[i] = (uint32_t)(share / sum);
        given += counts[i];
        /* The remainder is below 2^32 (n * weight), so it leaves room for the index; ties go to the first. */
        scratch[n_open++] = (share % sum) << 16 | (SCHEDULE_MEMBERS - i);
    }
    qsort(scratch, n_open, sizeof(scratch[0]), remainder_compare);
    for (uint32_t i = 0; given < slots; i++, given++)
        counts[SCHEDULE_MEMBERS - (scratch[i] & 0xffff)]++;
}

/* Returns the number of slots. */
static uint32_t schedule_counts(const uint32_t *weights, uint32_t n, uint32_t *counts, uint64_t *scratch)
{
    uint32_t cap = n > SCHEDULE_SLOTS / 4 ? 4 * n : SCHEDULE_SLOTS;
    uint32_t divisor = 0;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        must(weights[i] >= 1);
        divisor = (uint32_t)schedule_gcd(weights[i], divisor);
        sum += weights[i];
    }
    if (sum / divisor > cap) {
        schedule_apportion(weights, n, cap, counts, scratch);
        return cap;
    }
    for (uint32_t i = 0; i < n; i++)
        counts[i] = weights[i] / divisor;
    return (uint32_t)(sum / divisor);
}

/* Where in a cycle of `total` the j-th of member i's slots is due. */
static uint32_t schedule_due(uint32_t i, uint32_t n, uint32_t j, uint32_t count, uint32_t total)
{
    return (uint32_t)(((uint64_t)j * 2 * n + 2 * i + 1) * total / (2 * (uint64_t)n * count));
}

/* `heads` has room for total + 1, zeroed. */
static void schedule_spread(const uint32_t *counts, uint32_t n, uint32_t total, uint16_t *slots, uint32_t *heads)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < counts[i]; j++)
            heads[schedule_due(i, n, j, counts[i], total) + 1]++;
    for (uint32_t t = 0; t < total; t++)
        heads[t + 1] += heads[t];
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < counts[i]; j++)
            slots[heads[schedule_due(i, n, j, counts[i], total)]++] = (uint16_t)i;
}

static bool weights_are_equal(const uint32_t *weights, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        if (weights[i] != weights[0])
            return false;
    return true;
}

int schedule_init(struct schedule *s, const uint32_t *weights, uint32_t n)
{
    must(n >= 1 && n <= SCHEDULE_MEMBERS);
    *s = (struct schedule){0};
    if (weights_are_equal(weights, n))
        return 0;
    int rc = ERR_NOMEM;
    uint32_t *heads = NULL;
    uint32_t *counts = calloc(n, sizeof(*counts));
    uint64_t *scratch = malloc(n * sizeof(*scratch));
    if (counts == NULL || scratch == NULL)
        goto out;
    uint32_t total = schedule_counts(weights, n, counts, scratch);
    heads = calloc((size_t)total + 1, sizeof(*heads));
    s->slots = malloc(total * sizeof(*s->slots));
    if (heads == NULL || s->slots == NULL)
        goto out;
    schedule_spread(counts, n, total, s->slots, heads);
    s->n = total;
    rc = 0;
out:
    if (rc != 0)
        schedule_fini(s);
    free(heads);
    free(scratch);
    free(counts);
    return rc;
}

void schedule_fini(struct schedule *s)
{
    free(s->slots);
    *s = (struct schedule){0};
}
