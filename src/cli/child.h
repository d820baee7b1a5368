/* The program that `rollcall run` runs. */
#ifndef CLI_CHILD_H
#define CLI_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    bool has_ended;
    int status; /* for our own exit: what it exited with, or 128 + the signal that ended it */
};

/* Starts argv[0], found in PATH, in a process group of its own, with the signal mask from before signals_block. CLI_OK,
 * or 127 if there is no such program and 126 if it cannot be run, which is said. */
int child_start(struct child *c, char **argv);
void child_signal(const struct child *c, int number); /* harmless once it has ended */
/* Looks, without waiting, whether it has ended. */
void child_look(struct child *c);

#endif
