/* What the two halves of the oracle share: the records of a name (reference_names.c) and the judgement (reference.c).
 */
#ifndef TESTS_LIB_REFERENCE_PRIVATE_H
#define TESTS_LIB_REFERENCE_PRIVATE_H

#include "reference.h"

enum {
    T_A = 1,
    T_NS = 2,
    T_CNAME = 5,
    T_SOA = 6,
    T_HINFO = 13,
    T_MX = 15,
    T_TXT = 16,
    T_AAAA = 28,
    T_SRV = 33,
    T_OPT = 41,
    T_ANY = 255
};

#define NAME_CAP  300
#define RRS_MAX   6000
#define LINKS_MAX 8

struct ref_rr {
    uint8_t rdata[600];
    size_t len;
    uint32_t weight;
    uint16_t priority;
    size_t target_at; /* in rdata, of the name that the extras belong to; 0 with no extras */
    struct {
        uint16_t type;
        uint32_t ttl_s;
        uint8_t data[16];
        size_t len;
    } extras[8];
    size_t n_extras;
};

/* What a name has of one type, or why not. */
struct ref_set {
    bool name_exists, is_dynamic, is_rotated;
    struct ref_rr *rrs;
    size_t n, n_wanted;
    uint32_t ttl_s;
    uint64_t end_ms;
    bool has_cname;
    char target[NAME_CAP];
    char ede_text[64];
    int ede; /* -1: none */
    bool is_any;
};

/* Lower case, and '_' as '-' but at the beginning of a label if `loose`. in == out is allowed. */
void ref_fold(const char *in, bool loose, char out[NAME_CAP]);
bool ref_ends_with(const char *name, const char *suffix); /* at a label's boundary */
const char *ref_domain_of(const struct ref_world *w, const char *exact);
size_t ref_put_name(uint8_t *out, const char *name); /* text to wire; returns the length in wire form */
size_t ref_get_name(const uint8_t *wire, char *out); /* wire to text, likewise */
/* What `name` in `domain` has of `type`; set->rrs has room for RRS_MAX. */
void ref_find(const struct ref_world *w, const char *domain, const char *name, uint16_t type, struct ref_set *set);

static inline uint16_t ref_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t ref_get32(const uint8_t *p)
{
    return (uint32_t)ref_get16(p) << 16 | ref_get16(p + 2);
}

static inline void ref_put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void ref_put32(uint8_t *p, uint32_t v)
{
    ref_put16(p, v >> 16);
    ref_put16(p + 2, v & 0xffff);
}

#endif
