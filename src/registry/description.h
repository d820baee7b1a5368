/* What an instance says of itself: one immutable, reference-counted block that the registry, the health checks, the
 * published answers and the watchers share. Not thread-safe: the control thread alone touches it. */
#ifndef REGISTRY_DESCRIPTION_H
#define REGISTRY_DESCRIPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "registry/check_spec.h"

#define SERVICE_NAME_MAX 62 /* DESIGN 1 */
#define INSTANCE_ID_MAX 63
#define TAG_MAX 255 /* tags that are DNS labels have at most 63 bytes (tag_is_label); others only travel in APIs */
#define META_PAIR_MAX 255 /* key, '=' and value together: one DNS character-string */
#define PORT_NAME_MAX 15  /* RFC 6335 section 5.1 */

struct meta {
    const char *key, *value;
};

struct named_port {
    const char *name; /* lower case */
    uint16_t number;
    bool is_udp;
};

/* What most instances do not have: there are a million of them, and an address, a port and an id are all that they say. */
struct description_more {
    uint8_t v6[16];
    const char *const *tags; /* as shown, no two equal when folded */
    const struct meta *meta;
    const struct named_port *ports;
    const struct check_spec *checks;
};

struct description {
    uint32_t refs;
    uint32_t lease_ms; /* 0: permanent */
    const struct description_more *more; /* part of the block; NULL: no IPv6 address, and all of n_* are 0 */
    uint16_t port, weight, priority;
    bool has_v4 : 1, has_v6 : 1;
    uint8_t v4[4];
    uint16_t n_tags, n_meta, n_ports, n_checks;
    char id[]; /* as shown; letters, digits, hyphens */
};

/* The unchecked parts, as a parser of any protocol found them. Pointers are the caller's and only read. */
struct port_input {
    const char *name, *number;
};

struct description_input {
    const char *id;      /* NULL: made from address and port */
    const char *address; /* "10.0.0.5", "2001:db8::1", or "v4,v6" */
    const char *port;    /* decimal text, 1..65535 */
    uint32_t lease_ms;   /* 0: permanent; the caller applied default and bounds */
    const char *weight, *priority; /* decimal text, NULL: default */
    const char *const *tags;
    size_t n_tags;
    const struct meta *meta;
    size_t n_meta;
    const struct port_input *ports; /* number may end in "/udp" or "/tcp" */
    size_t n_ports;
    const char *const *checks; /* specs as text */
    size_t n_checks;
};

/* Options of the registry that bound a description; 0 is not "no limit". */
struct description_limits {
    uint16_t tags, meta, ports, checks; /* how many of each */
    uint32_t meta_bytes;                /* all pairs together */
};

/* Validates and builds; the result has one reference. ERR_BADARG, ERR_LIMIT (text says which argument and what would
 * be right), ERR_NOMEM. */
int description_new(const struct description_input *in, const struct description_limits *limits,
                    struct description **out, struct err *e) MUST_CHECK;
struct description *description_ref(struct description *d);
void description_unref(struct description *d); /* NULL is allowed */
/* True when every field of the two is the same; order of tags, metadata and ports counts. */
bool description_is_same(const struct description *a, const struct description *b);
/* "10.0.0.5", "2001:db8::1" or "10.0.0.5,2001:db8::1" */
#define ADDRESS_TEXT_MAX 64
char *description_address(const struct description *d, char out[ADDRESS_TEXT_MAX]);

/* A label for comparison: case folded and '_' as '-' (DESIGN 1). `out` has room for strlen(in) + 1. Returns out. */
char *label_fold(const char *in, char *out);
/* ERR_BADARG unless `name` is a service name of DESIGN 1. */
int service_name_check(const char *name, struct err *e) MUST_CHECK;
/* ERR_BADARG unless `id` is a letters-digits-hyphen label. (`_` in an id given by a client is accepted and equals '-':
 * it is shown as '-'.) */
int instance_id_check(const char *id, struct err *e) MUST_CHECK;
/* True if the tag can be a DNS label of ours: letters, digits, '-' and '_', beginning and ending with letter or digit. */
bool tag_is_label(const char *tag);

#endif
