/* Rights of the process. They change before threads start. */
#ifndef IO_PRIVILEGES_H
#define IO_PRIVILEGES_H

#include <stdint.h>

#include "base/err.h"

/* Whether there is such a user, for -t and before a start. ERR_BADARG: no. Control thread only (getpwnam). */
int privileges_check_user(const char *user, struct err *e) MUST_CHECK;
/* Becomes `user` for good: groups, group, user. Nothing if the process is that user already. ERR_BADARG: no such user;
 * ERR_IO: it may not. */
int privileges_drop(const char *user, struct err *e) MUST_CHECK;
/* Raises the limit of open files to what is allowed, at most `wanted`. Returns what it is now. */
uint64_t privileges_raise_files(uint64_t wanted);

#endif
