/* What a zone file may hold, by record type. */
#ifndef DNS_ZONE_TYPE_H
#define DNS_ZONE_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zone_type {
    uint16_t type;
    const char *example; /* of its data, for error texts; NULL where refused */
    const char *refused; /* why it may not be in a zone file, and what to do; NULL: it may */
};

/* NULL for types about which nothing is to say: they are opaque. */
const struct zone_type *zone_type_find(uint16_t type);
/* RFC 6895 section 3.1: numbers that are never data. */
bool zone_type_is_meta(uint16_t type);
/* Whether rdata has the shape on which answers rely; true for opaque types. */
bool zone_type_is_sound(uint16_t type, const uint8_t *wire, size_t len);

#endif
