/* Checks by scripts: a child process per probe, without a shell, in a process group of its own that is killed as a whole
 * when the time is over and when the script has ended. Exit 0 is passing, 1 warning, everything else critical. */
#ifndef IO_SCRIPT_H
#define IO_SCRIPT_H

#include "io/prober.h"
#include "io/script_table.h"

struct script_runner;

/* ERR_NOMEM. */
int script_runner_new(struct ev_loop *loop, probe_done_fn *done, void *arg, struct script_runner **out) MUST_CHECK;
/* Kills what runs. NULL is allowed. */
void script_runner_free(struct script_runner *r);
/* As prober_start, for CHECK_SCRIPT. `s` is needed during the call only. ERR_NOMEM, ERR_IO. */
int script_start(struct script_runner *r, const struct script *s, const struct probe_job *job, struct err *e) MUST_CHECK;

#endif
