#include "config.h" /* _GNU_SOURCE */
#include "queries.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_TEXT 253
#define EDNS_SIZE     1232

static const struct {
    const char *name;
    uint16_t number;
} types[] = {{"A", 1}, {"TXT", 16}, {"AAAA", 28}, {"SRV", 33}};

static uint16_t type_number(const char *name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, name) == 0) {
            return types[i].number;
        }
    }
    return 0;
}

/* 0: a label is too long or empty. */
static uint16_t query_write(uint8_t *at, const char *name, uint16_t type)
{
    static const uint8_t header[12] = {[2] = 0x01, [5] = 1, [11] = 1};
    static const uint8_t opt[11] = {0, 0, 41, EDNS_SIZE >> 8, EDNS_SIZE & 0xff};
    uint8_t *start = at;
    memcpy(at, header, sizeof(header));
    at += sizeof(header);
    for (const char *label = name; *label != '\0';) {
        size_t len = strcspn(label, ".");
        if (len == 0 || len > 63) {
            return 0;
        }
        *at++ = (uint8_t)len;
        memcpy(at, label, len);
        at += len;
        label += len + (label[len] == '.');
    }
    const uint8_t question[5] = {0, (uint8_t)(type >> 8), (uint8_t)type, 0, 1};
    memcpy(at, question, sizeof(question));
    memcpy(at + sizeof(question), opt, sizeof(opt));
    return (uint16_t)(at + sizeof(question) + sizeof(opt) - start);
}

/* First pass: how many lines, and how long the longest name is. */
static void measure(struct queries *q, FILE *f)
{
    char line[QUERY_MAX];
    size_t longest = 0;
    while (fgets(line, sizeof(line), f) != NULL) {
        size_t len = strcspn(line, " ");
        longest = len > longest ? len : longest;
        q->n++;
    }
    size_t bytes = sizeof(struct query) + 12 + longest + 2 + 4 + 11;
    q->stride = (bytes + 7) / 8 * 8;
}

void queries_read(struct queries *q, const char *path)
{
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fprintf(stderr, "generator: %s: %s\n", path, strerror(errno));
        exit(EXIT_FAILURE);
    }
    *q = (struct queries){0};
    measure(q, f);
    q->first = calloc(q->n > 0 ? q->n : 1, q->stride);
    rewind(f);
    for (size_t i = 0; i < q->n; i++) {
        char line[QUERY_MAX], name[NAME_MAX_TEXT + 1], type[8];
        unsigned expect;
        struct query *to = (struct query *)(q->first + i * q->stride);
        if (q->first == NULL || fgets(line, sizeof(line), f) == NULL ||
            sscanf(line, "%253s %7s %u", name, type, &expect) != 3 || type_number(type) == 0 ||
            (to->len = query_write(to->bytes, name, type_number(type))) == 0) {
            fprintf(stderr, "generator: %s:%zu: not \"NAME TYPE COUNT\", or no memory\n", path, i + 1);
            exit(EXIT_FAILURE);
        }
        to->expect = (uint16_t)expect;
    }
    fclose(f);
    if (q->n == 0) {
        fprintf(stderr, "generator: %s: no names\n", path);
        exit(EXIT_FAILURE);
    }
}
