/* The records of a zone file on their way to RRsets: read by zone.c, checked against each other and grouped by
 * zone_set.c. */
#ifndef DNS_ZONE_RECORD_H
#define DNS_ZONE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "dns/name.h"
#include "dns/zone.h"

struct zone_record {
    struct dns_name owner; /* case as written */
    uint16_t type;
    uint16_t len; /* of the rdata */
    uint32_t ttl_s;
    size_t wire_at;       /* of the rdata in `wire` */
    const uint8_t *rdata; /* set by build: there, when `wire` is complete */
    size_t line;
};

struct zone_records {
    struct zone_record *items; /* owned */
    size_t n, cap;
    struct buf wire; /* rdata, one after the other */
};

void zone_records_init(struct zone_records *r);
void zone_records_fini(struct zone_records *r);
/* Copies the record and its rdata. ERR_NOMEM. */
int zone_records_add(struct zone_records *r, const struct zone_record *record, const void *rdata) MUST_CHECK;
/* Folds duplicates, checks the records against each other (CNAMEs, SOA), groups them. `apex` is folded. */
int zone_records_build(struct zone_records *r, const struct dns_name *apex, const char *label, struct zone **out,
                       struct err *e) MUST_CHECK;

/* Writes "label:line: text" (the end of a long label) and returns ERR_FORMAT. */
int zone_refuse(struct err *e, const char *label, size_t line, const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
