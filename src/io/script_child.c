/* The child's side of a script: from fork to exec.
 *
 * Why its own file: everything in here runs in a copy of a threaded process, where another thread may have held any lock
 * at the moment of the fork. So: system calls only, no allocation, no stdio.
 *
 * The happy path is the order in `child`: descriptors first, so that a failure can be told; then the group; the user for good
 * (groups, group, user, because each step needs the right that the last one gives up); the signals; exec.
 *
 * What can go wrong: any of these calls. The child says which and exits 127, as shells do. */
#include "config.h" /* _GNU_SOURCE */
#include "io/script_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_CANNOT_RUN 127
#define FILES_SOFT      1024 /* the usual limit: the server's own is far above what programs expect */

static void say(const char *text)
{
    if (text != NULL && write(STDERR_FILENO, text, strlen(text)) < 0)
        _exit(EXIT_CANNOT_RUN); /* nobody listens */
}

static _Noreturn void fail(const char *what, const char *object)
{
    const char *why = strerrordesc_np(errno);
    say("cannot ");
    say(what);
    say(object);
    say(": ");
    say(why != NULL ? why : "unknown error");
    say("\n");
    _exit(EXIT_CANNOT_RUN);
}

static void set_descriptors(int output)
{
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
        _exit(EXIT_CANNOT_RUN);
    /* The flag belongs to the pipe's end, not to the descriptor: programs expect an output that blocks. */
    if (fcntl(STDOUT_FILENO, F_SETFL, 0) < 0 || dup2(null, STDIN_FILENO) < 0)
        fail("set its input and output", "");
    if (close_range(STDERR_FILENO + 1, UINT_MAX, 0) != 0)
        fail("close descriptors", "");
}

static void set_user(const struct script *s)
{
    if (!s->switches_user)
        return;
    if (setgroups((size_t)s->n_groups, s->groups) != 0 || setgid(s->gid) != 0 || setuid(s->uid) != 0)
        fail("become its user", "");
}

static void set_signals(void)
{
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    for (int sig = 1; sig < NSIG; sig++)
        (void)sigaction(sig, &by_default, NULL); /* fails for a few that cannot be changed */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur <= FILES_SOFT)
        return;
    files.rlim_cur = FILES_SOFT;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        fail("lower its limit of descriptors", "");
}

static _Noreturn void child(const struct script *s, char *const *env, int output, pid_t parent)
{
    set_descriptors(output);
    if (setsid() < 0)
        fail("begin a session", "");
    set_limits();
    set_user(s);
    if (chdir("/") != 0)
        fail("go to /", "");
    umask(022);
    /* After the change of user, which clears it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        fail("tie itself to the server", "");
    set_signals();
    execve(s->argv[0], s->argv, env);
    fail("run ", s->argv[0]);
}

pid_t script_child_fork(const struct script *s, char *const *env, int output)
{
    /* The child starts with the server's handlers: no signal may reach them there. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        child(s, env, output, parent);
    int failure = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = failure;
    return pid;
}
