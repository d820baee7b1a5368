/* Between fork and exec. */
#ifndef IO_SCRIPT_CHILD_H
#define IO_SCRIPT_CHILD_H

#include <sys/types.h>

#include "io/script_table.h"

/* Starts `s` in a session and process group of its own, as its user, in /, with `env`, nothing on its input, `output` as
 * its output and error, no other descriptor, no signal ignored or blocked, and killed when the calling thread dies. If that cannot
 * be, the child writes why to `output` and exits 127. Returns the pid, or -1 with errno. */
pid_t script_child_fork(const struct script *s, char *const *env, int output);

#endif
