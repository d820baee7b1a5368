/* The zone file of a domain: static records, read through ldns, checked, as plain RRsets. Control plane only. */
#ifndef DNS_ZONE_H
#define DNS_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "dns/name.h"

struct zone_rdata {
    uint16_t len;
    const uint8_t *wire; /* uncompressed; names inside as written */
};

struct zone_rrset {
    struct dns_name owner; /* case as written; compare through dns_name_fold_exact */
    uint16_t type;
    uint32_t ttl;          /* of the set: the smallest of its records */
    size_t line;           /* of its first record in the file */
    size_t n;
    struct zone_rdata *rdata;
};

struct zone {
    struct dns_name apex; /* folded exact */
    size_t n;
    struct zone_rrset *rrsets; /* grouped by owner and type; no order promised */
};

/* Reads `path` for the domain `apex` (also the initial $ORIGIN). Duplicate records are folded. Refused, with
 * "FILE:LINE: what is wrong, what would be right": syntax, names outside the domain, CNAME beside other data, CNAME
 * loops and chains over 8 links inside the zone, wildcards, DNAME, NS below the apex, two SOA, class other than IN, TTL over
 * 2^31-1, $INCLUDE. DNSSEC types (RRSIG, NSEC, ...) are refused too, and sets that do not fit a DNS
 * message over TCP. `default_ttl` where the file gives none. */
int zone_load(const char *path, const struct dns_name *apex, uint32_t default_ttl, struct zone **out, struct err *e)
    MUST_CHECK;
/* The same from memory, for tests and fuzzing; `label` stands for the file name in errors. */
int zone_parse(const char *text, size_t len, const char *label, const struct dns_name *apex, uint32_t default_ttl,
               struct zone **out, struct err *e) MUST_CHECK;
void zone_free(struct zone *z); /* NULL is allowed */
/* CNAMEs that lead from one domain's file into another's: refused like those inside one file when they lead back or over
 * more than 8 links. `zones` may hold NULL (a domain without a file); labels[i] is told for zones[i]. */
int zone_check_between(const struct zone *const *zones, const char *const *labels, size_t n,
                       struct err *e) MUST_CHECK;
const struct zone_rrset *zone_find(const struct zone *z, const struct dns_name *owner_exact, uint16_t type);

#endif
