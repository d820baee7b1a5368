/* The environment of a script: a clean one, and the instance that is checked.
 *
 *     PATH LANG          fixed
 *     ROLLCALL_SERVICE   ROLLCALL_ID         as shown
 *     ROLLCALL_ADDRESS   IPv4 if it has one, like the other checks; also ROLLCALL_ADDRESS_V4 and _V6, those it has
 *     ROLLCALL_PORT      and ROLLCALL_PORT_HTTP=8080 for the named port `http` (upper case, '-' as '_')
 *     ROLLCALL_TAGS      a,b,c
 *     ROLLCALL_META_KEY  one per metadata pair whose key is made of letters, digits, '-' and '_'
 *
 * Values come from the network: a script must quote them. */
#ifndef IO_SCRIPT_ENV_H
#define IO_SCRIPT_ENV_H

#include "base/err.h"
#include "engine/health.h"

/* One block, to be freed: NULL-terminated, for execve. NULL: no memory. */
char **script_env_new(const struct probe_job *job);

#endif
