/* Starts and watches the program of `rollcall run`.
 *
 * It gets a process group of its own: Ctrl-C on the terminal goes to the whole foreground group, and the program would
 * be gone before it is drained. It is asked to end (SIGTERM) should we be killed, since nobody would renew its lease
 * then.
 *
 * A program that cannot be run is told from one that ends at once by a pipe that exec closes. */
#include "config.h" /* _GNU_SOURCE */

#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/signals.h"

#define STATUS_NOT_FOUND 127 /* as shells have it */
#define STATUS_NOT_RUN   126
#define STATUS_SIGNALLED 128

static _Noreturn void become(char **argv, int report_fd, pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(STATUS_NOT_RUN); /* the parent was gone before we asked */
    sigprocmask(SIG_SETMASK, signals_before(), NULL);
    execvp(argv[0], argv);
    int failure = errno;
    ssize_t n = write(report_fd, &failure, sizeof(failure));
    _exit(n > 0 ? STATUS_NOT_RUN : STATUS_NOT_FOUND);
}

int child_start(struct child *c, char **argv)
{
    int report[2], failure = 0;
    *c = (struct child){.pid = -1};
    if (pipe2(report, O_CLOEXEC) != 0)
        return cli_fail(STATUS_NOT_RUN, "cannot start %s: %s", argv[0], strerror(errno));
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(argv, report[1], parent);
    failure = pid < 0 ? errno : 0;
    close(report[1]);
    ssize_t n = 0;
    while (pid > 0 && (n = read(report[0], &failure, sizeof(failure))) < 0 && errno == EINTR)
        continue;
    close(report[0]);
    if (pid < 0 || n > 0) {
        if (pid > 0)
            (void)waitpid(pid, NULL, 0);
        return cli_fail(failure == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUN, "cannot start %s: %s", argv[0],
                        strerror(failure));
    }
    c->pid = pid;
    return CLI_OK;
}

void child_signal(const struct child *c, int number)
{
    if (!c->has_ended)
        (void)kill(c->pid, number);
}

void child_look(struct child *c)
{
    int status;
    if (c->has_ended || waitpid(c->pid, &status, WNOHANG) != c->pid)
        return;
    c->has_ended = true;
    c->status = WIFSIGNALED(status) ? STATUS_SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}
