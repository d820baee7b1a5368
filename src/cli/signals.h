/* Signals as values, taken one by one between other work: they are blocked, and waited for with a deadline. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <signal.h>
#include <stdint.h>

/* What `run` and `register --keep` wait for: SIGTERM, SIGINT, SIGCHLD, and what is passed on (SIGHUP, SIGQUIT, SIGUSR1,
 * SIGUSR2).
 * Returns a descriptor that is readable while one waits, for the life of the process; -1 if there is none to have. */
int signals_block(void);
/* The mask from before signals_block, for a child. */
const sigset_t *signals_before(void);
/* The next signal, or 0 once clock_mono_ms has passed the deadline (UINT64_MAX: never). */
int signals_wait(uint64_t deadline_ms);

#endif
