/* Runs the scripts of checks.
 *
 * The happy path: pipe, fork, exec. The parent watches the pipe (first line kept, the rest read and dropped) and a pidfd,
 * which becomes readable when the script ends; then what is left of its group is killed, the child reaped, the result given.
 * A pidfd rather than SIGCHLD, because it belongs to one child and needs no signal handler.
 *
 * What can go wrong: it takes too long (group killed, critical at once, reaped when the kernel lets go of it: a process that
 * hangs in the kernel must not hide the timeout; at most DYING_MAX of those, then no script is started). It writes without
 * end (killed after output_max bytes). It leaves children behind that hold the pipe (the end of the script counts, not the
 * end of the pipe). exec fails (the child writes why to the pipe and exits 127). No process or descriptor (ERR_IO). */
#include "config.h" /* _GNU_SOURCE */
#include "io/script.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/list.h"
#include "io/script_child.h"
#include "io/script_env.h"

#define DYING_MAX  64
#define KEPT_MAX   256 /* bytes of output kept: the first line is shown */
#define READ_SIZE  4096
#define REAP_MS    200 /* at the end of the server: how long a killed script may take to go */

struct job {
    struct list link; /* in runner->running or runner->dying */
    struct script_runner *runner;
    uint64_t probe;
    pid_t pid; /* also of its process group */
    int pipe, pidfd;
    ev_io on_output, on_exit;
    ev_timer on_timeout;
    uint32_t timeout_ms;
    size_t read_len, read_max;
    bool is_dying; /* the result was given */
    size_t kept_len;
    char kept[KEPT_MAX];
};

struct script_runner {
    struct ev_loop *loop;
    struct list running, dying;
    unsigned n_dying;
    probe_done_fn *done;
    void *arg;
};

/* ── the end of a job ── */

static void kill_group(const struct job *j)
{
    if (kill(-j->pid, SIGKILL) != 0)
        kill(j->pid, SIGKILL); /* it did not get as far as setsid */
}

static void close_pipe(struct job *j)
{
    if (j->pipe < 0)
        return;
    ev_io_stop(j->runner->loop, &j->on_output);
    close(j->pipe);
    j->pipe = -1;
}

static void job_free(struct job *j)
{
    close_pipe(j);
    ev_timer_stop(j->runner->loop, &j->on_timeout);
    ev_io_stop(j->runner->loop, &j->on_exit);
    if (j->pidfd >= 0)
        close(j->pidfd);
    list_remove(&j->link);
    free(j);
}

/* `how`, then the first line of the output, if any, without what a terminal could stumble over. */
static void describe(const struct job *j, const char *how, char *out, size_t cap)
{
    static const char blanks[] = " \t\r\n";
    char line[KEPT_MAX + 1];
    memcpy(line, j->kept, j->kept_len);
    line[j->kept_len] = '\0'; /* a NUL among the output ends it earlier */
    char *first = line + strspn(line, blanks);
    first[strcspn(first, "\r\n")] = '\0';
    for (char *c = first; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    snprintf(out, cap, "%s%s%s", how, first[0] != '\0' ? ": " : "", first);
}

static void give(struct job *j, enum check_status status, const char *how)
{
    char output[CHECK_OUTPUT_MAX];
    describe(j, how, output, sizeof(output));
    struct script_runner *r = j->runner;
    uint64_t probe = j->probe;
    if (j->is_dying) {
        list_push(&r->dying, &j->link);
        r->n_dying++;
    } else {
        job_free(j);
    }
    r->done(r->arg, probe, status, output);
}

/* Gives the result now and leaves the reaping to on_exit. */
static void kill_and_give(struct job *j, const char *how)
{
    kill_group(j);
    close_pipe(j);
    ev_timer_stop(j->runner->loop, &j->on_timeout);
    list_remove(&j->link);
    j->is_dying = true;
    give(j, CHECK_CRITICAL, how);
}

/* ── the life of a job ── */

/* Reads what is there. False when the script wrote too much. */
static bool read_output(struct job *j)
{
    char scratch[READ_SIZE];
    ssize_t n;
    while ((n = read(j->pipe, scratch, sizeof(scratch))) > 0) {
        size_t room = KEPT_MAX - j->kept_len, take = (size_t)n < room ? (size_t)n : room;
        memcpy(j->kept + j->kept_len, scratch, take);
        j->kept_len += take;
        j->read_len += (size_t)n;
        if (j->read_len > j->read_max)
            return false;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        close_pipe(j);
    return true;
}

static void on_output(struct ev_loop *loop, ev_io *io, int revents)
{
    struct job *j = io->data;
    if (!read_output(j)) {
        char how[64];
        snprintf(how, sizeof(how), "killed after %zu bytes of output", j->read_max);
        kill_and_give(j, how);
    }
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct job *j = timer->data;
    char duration[DURATION_TEXT_MAX], how[64];
    snprintf(how, sizeof(how), "timeout after %s", duration_format(j->timeout_ms, duration));
    kill_and_give(j, how);
}

static enum check_status status_of(const siginfo_t *end, char *how, size_t cap)
{
    if (end->si_code != CLD_EXITED) {
        snprintf(how, cap, "killed by signal %d (%s)", end->si_status, strsignal(end->si_status));
        return CHECK_CRITICAL;
    }
    snprintf(how, cap, "exit %d", end->si_status);
    return end->si_status == 0 ? CHECK_PASSING : end->si_status == 1 ? CHECK_WARNING : CHECK_CRITICAL;
}

static void on_exit_of(struct ev_loop *loop, ev_io *io, int revents)
{
    struct job *j = io->data;
    kill_group(j); /* what it left behind; before the reaping the group's number cannot be another's */
    siginfo_t end = {.si_signo = 0};
    int rc = waitid(P_PIDFD, (id_t)j->pidfd, &end, WEXITED);
    if (j->is_dying) {
        j->runner->n_dying--;
        job_free(j);
        return;
    }
    if (j->pipe >= 0)
        (void)read_output(j);
    char how[64] = "somebody else reaped the script";
    enum check_status status = rc == 0 ? status_of(&end, how, sizeof(how)) : CHECK_NONE;
    give(j, status, how);
}

/* ── the start ── */

/* The configuration says how long a script may take; a check may ask for less. */
static uint32_t timeout_of(const struct script *s, const struct check_spec *spec)
{
    bool is_less = spec->timeout_ms != 0 && spec->timeout_ms < s->timeout_ms;
    return is_less ? spec->timeout_ms : s->timeout_ms;
}

static void watch(struct job *j)
{
    struct ev_loop *loop = j->runner->loop;
    ev_io_init(&j->on_output, on_output, j->pipe, EV_READ);
    ev_io_init(&j->on_exit, on_exit_of, j->pidfd, EV_READ);
    ev_timer_init(&j->on_timeout, on_timeout, (double)j->timeout_ms / 1000.0, 0.0);
    j->on_output.data = j->on_exit.data = j->on_timeout.data = j;
    ev_now_update(loop);
    ev_io_start(loop, &j->on_output);
    ev_io_start(loop, &j->on_exit);
    ev_timer_start(loop, &j->on_timeout);
}

/* pid, pipe and pidfd of the job, or none of them. */
static int spawn(struct job *j, const struct script *s, char *const *env)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return -errno;
    j->pid = script_child_fork(s, env, ends[1]);
    int rc = j->pid < 0 ? -errno : 0;
    close(ends[1]);
    if (rc == 0) {
        j->pidfd = pidfd_open(j->pid, 0);
        if (j->pidfd < 0) {
            rc = -errno;
            kill_group(j);
            waitpid(j->pid, NULL, 0);
        }
    }
    if (rc != 0) {
        close(ends[0]);
        return rc;
    }
    j->pipe = ends[0];
    return 0;
}

int script_start(struct script_runner *r, const struct script *s, const struct probe_job *job, struct err *e)
{
    if (r->n_dying >= DYING_MAX)
        return err_set(e, ERR_IO, "%u killed scripts have not ended yet", r->n_dying);
    struct job *j = malloc(sizeof(*j));
    char **env = script_env_new(job);
    if (j == NULL || env == NULL) {
        free(j);
        free(env);
        return err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    }
    *j = (struct job){
        .runner = r,
        .probe = job->probe,
        .pipe = -1,
        .pidfd = -1,
        .timeout_ms = timeout_of(s, job->spec),
        .read_max = s->output_max,
    };
    list_init(&j->link);
    int rc = spawn(j, s, env);
    free(env);
    if (rc != 0) {
        free(j);
        return err_set(e, ERR_IO, "cannot start a process: %s", strerror(-rc));
    }
    list_push(&r->running, &j->link);
    watch(j);
    return 0;
}

/* ── life ── */

int script_runner_new(struct ev_loop *loop, probe_done_fn *done, void *arg, struct script_runner **out)
{
    struct script_runner *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return ERR_NOMEM;
    *r = (struct script_runner){.loop = loop, .done = done, .arg = arg};
    list_init(&r->running);
    list_init(&r->dying);
    *out = r;
    return 0;
}

static void end_all(struct list *jobs)
{
    for (struct list *at = jobs->next; at != jobs; at = at->next)
        kill_group(CONTAINER_OF(at, struct job, link));
    while (!list_is_empty(jobs)) {
        struct job *j = CONTAINER_OF(jobs->next, struct job, link);
        siginfo_t end;
        struct pollfd fd = {.fd = j->pidfd, .events = POLLIN};
        if (poll(&fd, 1, REAP_MS) == 1)
            (void)waitid(P_PIDFD, (id_t)j->pidfd, &end, WEXITED | WNOHANG);
        job_free(j);
    }
}

void script_runner_free(struct script_runner *r)
{
    if (r == NULL)
        return;
    end_all(&r->running);
    end_all(&r->dying);
    free(r);
}
