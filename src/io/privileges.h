/* Rights of the process. Both before threads start. */
#ifndef IO_PRIVILEGES_H
#define IO_PRIVILEGES_H

#include <stdint.h>

#include "base/err.h"

/* Becomes `user` for good: groups, group, user. Nothing if the process is that user already. ERR_BADARG: no such user;
 * ERR_IO: it may not. */
int privileges_drop(const char *user, struct err *e) MUST_CHECK;
/* Raises the limit of open files to what is allowed, at most `wanted`. Returns what it is now. */
uint64_t privileges_raise_files(uint64_t wanted);

#endif
