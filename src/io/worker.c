/* A worker thread: one loop, one UDP and one TCP socket per listen address.
 *
 * Between two polls the thread is online and may hold answers (engine/grace.h); libev's release and acquire callbacks
 * take it offline around each poll, so a worker that sleeps never delays the freeing of old answers.
 *
 * Three messages reach it, all through one ev_async: stop, new options, and that names were built for which queries
 * wait. Options are handed over under a mutex that is taken only when there is a message. The other way, it wakes the
 * control thread once before a poll if its queries wanted names since the last one. */
#include "config.h" /* _GNU_SOURCE */

#include "io/worker.h"

#include <ev.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/udp.h"

struct worker {
    struct ev_loop *loop;
    struct ev_async message;
    pthread_t thread;
    bool is_running; /* the thread is there to be joined */
    int cpu;         /* pinned to it; WORKER_ANYWHERE: not */
    struct answer_reader *reader;
    struct worker_options o; /* the thread's own */
    void (*wake)(void *arg);
    void *wake_arg;
    struct ev_prepare prepare;
    uint32_t told; /* of what was posted, the control thread was told of this */
    struct parked *parked;
    struct udp *udp[CONFIG_LIST_MAX];
    size_t n_udp;
    struct tcp *tcp;
    pthread_mutex_t mutex; /* guards the message: */
    bool is_stopping, has_next;
    struct worker_options next;
    _Alignas(64) struct io_counters counters; /* on cache lines of their own */
};

static void on_release(struct ev_loop *loop) EV_NOEXCEPT
{
    struct worker *w = ev_userdata(loop);
    answer_reader_offline(w->reader);
}

static void on_acquire(struct ev_loop *loop) EV_NOEXCEPT
{
    struct worker *w = ev_userdata(loop);
    answer_reader_online(w->reader);
}

static void on_message(struct ev_loop *loop, struct ev_async *async, int events)
{
    struct worker *w = async->data;
    pthread_mutex_lock(&w->mutex);
    bool has_next = w->has_next, is_stopping = w->is_stopping;
    if (has_next) {
        w->o = w->next;
        w->has_next = false;
    }
    pthread_mutex_unlock(&w->mutex);
    if (has_next) {
        tcp_configure(w->tcp, &w->o.tcp);
    }
    if (is_stopping) {
        ev_break(loop, EVBREAK_ALL);
    }
    if (parked_run(w->parked)) {
        ev_async_send(loop, async);
    }
    tcp_resume(w->tcp);
}

static void on_prepare(struct ev_loop *loop, struct ev_prepare *prepare, int events)
{
    struct worker *w = prepare->data;
    uint32_t posted = answer_reader_posted(w->reader);
    if (posted != w->told) {
        w->told = posted;
        w->wake(w->wake_arg);
    }
}

static void *run(void *arg)
{
    struct worker *w = arg;
    pthread_setname_np(pthread_self(), "worker"); /* for top -H */
    answer_reader_online(w->reader);
    ev_run(w->loop, 0);
    answer_reader_offline(w->reader);
    return NULL;
}

bool worker_may_use(unsigned cpu)
{
    cpu_set_t set;
    return cpu < CPU_SETSIZE && sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_ISSET(cpu, &set);
}

int worker_new(const struct worker_parts *parts, const struct worker_options *o, struct worker **out)
{
    struct worker *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);
    if (w == NULL) {
        return ERR_NOMEM;
    }
    memset(w, 0, sizeof(*w));
    w->reader = parts->reader;
    w->cpu = parts->cpu;
    w->o = *o;
    w->wake = parts->wake;
    w->wake_arg = parts->wake_arg;
    pthread_mutex_init(&w->mutex, NULL);
    w->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (w->loop == NULL) {
        worker_free(w);
        return ERR_IO;
    }
    ev_set_userdata(w->loop, w);
    ev_set_loop_release_cb(w->loop, on_release, on_acquire);
    ev_async_init(&w->message, on_message);
    w->message.data = w;
    ev_async_start(w->loop, &w->message);
    ev_prepare_init(&w->prepare, on_prepare);
    w->prepare.data = w;
    ev_prepare_start(w->loop, &w->prepare);
    struct tcp_parts tcp = {.loop = w->loop, .reader = w->reader, .acl = &w->o.acl, .counters = &w->counters};
    int rc = parked_new(w->reader, &w->counters, &w->parked);
    if (rc == 0) {
        rc = tcp_new(&tcp, &o->tcp, parts->key, &w->tcp);
    }
    if (rc != 0) {
        worker_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

int worker_listen(struct worker *w, const struct listen_pair *pair, bool is_wildcard)
{
    /* Among the sockets of all workers the kernel prefers this one for what arrives on its processor: the datagram
     * stays where it is. Kernels that do not know this spread by the sender's address, as without. */
    if (w->cpu != WORKER_ANYWHERE) {
        (void)setsockopt(pair->udp, SOL_SOCKET, SO_INCOMING_CPU, &w->cpu, sizeof(w->cpu));
    }
    struct udp_options o = {
        .fd = pair->udp,
        .is_wildcard = is_wildcard,
        .reader = w->reader,
        .acl = &w->o.acl,
        .counters = &w->counters,
        .parked = w->parked,
    };
    int rc = w->n_udp < CONFIG_LIST_MAX ? udp_new(w->loop, &o, &w->udp[w->n_udp]) : ERR_LIMIT;
    if (rc != 0) {
        close(pair->udp);
        close(pair->tcp);
        return rc;
    }
    w->n_udp++;
    rc = tcp_listen(w->tcp, pair->tcp);
    if (rc != 0) {
        close(pair->tcp);
    }
    return rc;
}

/* It begins where it is to stay: nothing of it is ever in another processor's caches. */
static int place(const struct worker *w, pthread_attr_t *attributes)
{
    cpu_set_t set;
    if (w->cpu == WORKER_ANYWHERE) {
        return 0;
    }
    CPU_ZERO(&set);
    CPU_SET((unsigned)w->cpu, &set);
    return pthread_attr_setaffinity_np(attributes, sizeof(set), &set);
}

int worker_start(struct worker *w, struct err *e)
{
    /* Signals are the control thread's. */
    sigset_t all, before;
    pthread_attr_t attributes;
    sigfillset(&all);
    int rc = pthread_attr_init(&attributes);
    if (rc == 0) {
        rc = place(w, &attributes);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = rc == 0 ? pthread_create(&w->thread, &attributes, run, w) : rc;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
    }
    if (rc != 0) {
        return err_set(e, ERR_IO, "cannot start a worker thread: %s", strerror(rc));
    }
    w->is_running = true;
    return 0;
}

void worker_configure(struct worker *w, const struct worker_options *o)
{
    pthread_mutex_lock(&w->mutex);
    w->next = *o;
    w->has_next = true;
    pthread_mutex_unlock(&w->mutex);
    ev_async_send(w->loop, &w->message);
}

void worker_free(struct worker *w)
{
    if (w == NULL) {
        return;
    }
    if (w->is_running) {
        pthread_mutex_lock(&w->mutex);
        w->is_stopping = true;
        pthread_mutex_unlock(&w->mutex);
        ev_async_send(w->loop, &w->message);
        pthread_join(w->thread, NULL);
    }
    for (size_t i = 0; i < w->n_udp; i++) {
        udp_free(w->udp[i]);
    }
    tcp_free(w->tcp);
    parked_free(w->parked);
    if (w->loop != NULL) {
        ev_async_stop(w->loop, &w->message);
        ev_prepare_stop(w->loop, &w->prepare);
        ev_loop_destroy(w->loop);
    }
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

void worker_wake(struct worker *w)
{
    ev_async_send(w->loop, &w->message);
}

const struct io_counters *worker_counters(const struct worker *w)
{
    return &w->counters;
}

int worker_cpu(const struct worker *w)
{
    return w->cpu;
}
