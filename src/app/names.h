/* The names that the configuration brings: domains with their zone files, and the labels in them that no service may
 * take. */
#ifndef APP_NAMES_H
#define APP_NAMES_H

#include "base/err.h"
#include "config/config.h"
#include "engine/publish.h"

struct names {
    size_t n_domains;
    struct publish_domain domains[CONFIG_LIST_MAX];
    struct zone *zones[CONFIG_LIST_MAX]; /* owned; NULL: no file */
    char **reserved;                     /* owned: "ns", "id.web": as registry_reserve wants them */
    size_t n_reserved, cap_reserved;
};

/* Reads the zone files. ERR_* with "FILE:LINE: ..." of the first that is wrong. */
int names_load(const struct config *c, struct names *out, struct err *e) MUST_CHECK;
void names_fini(struct names *n);

#endif
