/* The scripts that checks may run: the [script NAME] sections, made ready to be executed. The network names one, it never
 * describes one. */
#ifndef IO_SCRIPT_TABLE_H
#define IO_SCRIPT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "config/config.h"

struct script {
    char name[CHECK_SCRIPT_NAME_MAX + 1];
    char **argv; /* owned, NULL-terminated; argv[0] is an absolute path */
    bool switches_user;
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* owned */
    int n_groups;
    uint32_t timeout_ms; /* a check may ask for less */
    uint32_t output_max; /* bytes of output read before the script is killed */
};

struct script_table;

/* ERR_NOMEM. ERR_BADARG, with a text that names the script: no absolute path, a user that does not exist, or one that this
 * process cannot become. Looks users up, so it may wait for the name service. */
int script_table_new(const struct config_script *scripts, size_t n, struct script_table **out, struct err *e) MUST_CHECK;
void script_table_free(struct script_table *t); /* NULL is allowed */
/* NULL: there is none of that name. Valid as long as the table. */
const struct script *script_table_find(const struct script_table *t, const char *name);

#endif
