/* Cursors over wire data with a sticky error: parse or write straight through, check `failed` once at the end.
 * Reading past the end gives zeros; writing past it writes nothing. Big endian. */
#ifndef DNS_WIRE_H
#define DNS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t wire_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t wire_get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t wire_get64(const uint8_t *p)
{
    return (uint64_t)wire_get32(p) << 32 | wire_get32(p + 4);
}

static inline void wire_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void wire_put32(uint8_t *p, uint32_t v)
{
    wire_put16(p, (uint16_t)(v >> 16));
    wire_put16(p + 2, (uint16_t)v);
}

struct wire_reader {
    const uint8_t *at, *end;
    bool failed;
};

static inline struct wire_reader wire_reader(const void *data, size_t len)
{
    return (struct wire_reader){.at = data, .end = (const uint8_t *)data + len};
}

/* The next `n` bytes, or NULL. */
static inline const uint8_t *wire_take(struct wire_reader *r, size_t n)
{
    if (r->failed || (size_t)(r->end - r->at) < n) {
        r->failed = true;
        return NULL;
    }
    r->at += n;
    return r->at - n;
}

static inline uint8_t wire_u8(struct wire_reader *r)
{
    const uint8_t *p = wire_take(r, 1);
    return p != NULL ? *p : 0;
}

static inline uint16_t wire_u16(struct wire_reader *r)
{
    const uint8_t *p = wire_take(r, 2);
    return p != NULL ? wire_get16(p) : 0;
}

static inline uint32_t wire_u32(struct wire_reader *r)
{
    const uint8_t *p = wire_take(r, 4);
    return p != NULL ? wire_get32(p) : 0;
}

struct wire_writer {
    uint8_t *at, *end;
    bool failed;
};

static inline struct wire_writer wire_writer(void *data, size_t cap)
{
    return (struct wire_writer){.at = data, .end = (uint8_t *)data + cap};
}

static inline void wire_write(struct wire_writer *w, const void *data, size_t n)
{
    if (w->failed || (size_t)(w->end - w->at) < n) {
        w->failed = true;
        return;
    }
    memcpy(w->at, data, n);
    w->at += n;
}

static inline void wire_write_u8(struct wire_writer *w, uint8_t v)
{
    wire_write(w, &v, 1);
}

static inline void wire_write_u16(struct wire_writer *w, uint16_t v)
{
    uint8_t b[2];
    wire_put16(b, v);
    wire_write(w, b, 2);
}

static inline void wire_write_u32(struct wire_writer *w, uint32_t v)
{
    uint8_t b[4];
    wire_put32(b, v);
    wire_write(w, b, 4);
}

#endif
