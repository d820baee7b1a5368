/* Ready-made DNS questions, so that asking one costs the generator a copy: a list of names, a line each,
 *
 *     NAME TYPE COUNT        web.service.local SRV 10
 *
 * TYPE: A, AAAA, SRV, TXT. COUNT: records that the answer section must have. All carry EDNS (1232 bytes). */
#ifndef BENCH_QUERIES_H
#define BENCH_QUERIES_H

#include <stddef.h>
#include <stdint.h>

#define QUERY_MAX 320

/* At a multiple of queries.stride bytes. `bytes` is a message with the id 0. */
struct query {
    uint16_t len, expect;
    uint8_t bytes[];
};

struct queries {
    uint8_t *first;
    size_t n, stride;
};

/* Ends the program with a message if the file is not as it should be. Freed by nobody: the list lives as long as the
 * program. */
void queries_read(struct queries *q, const char *path);

static inline const struct query *queries_at(const struct queries *q, size_t i)
{
    return (const struct query *)(q->first + i * q->stride);
}

#endif
