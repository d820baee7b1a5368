/* A worker: a thread with its own event loop that answers DNS on its own sockets. Workers share nothing but the
 * published answers, which they read under RCU (QSBR: registered while they live, offline while they wait). */
#ifndef IO_WORKER_H
#define IO_WORKER_H

#include "base/err.h"
#include "engine/answers.h"
#include "io/acl.h"
#include "io/counters.h"
#include "io/listen.h"
#include "io/tcp.h"

struct worker;

struct worker_options { /* can be changed while it runs */
    struct acl acl;
    struct tcp_options tcp;
};

#define WORKER_ANYWHERE (-1)

struct worker_parts {
    struct answer_reader *reader; /* borrowed until worker_free */
    void (*wake)(void *arg);      /* tells the control thread, from the worker's, that names are wanted */
    void *wake_arg;
    uint64_t key; /* for hashing client addresses */
    int cpu;      /* the processor to pin it to, or WORKER_ANYWHERE */
};

/* Whether the process may use this processor; control thread. */
bool worker_may_use(unsigned cpu);
/* Control thread. The worker does not run yet, but its sockets wait in its loop. ERR_NOMEM, ERR_IO. */
int worker_new(const struct worker_parts *parts, const struct worker_options *o, struct worker **out) MUST_CHECK;
/* Before worker_start. The worker owns both sockets, also when this fails. */
int worker_listen(struct worker *w, const struct listen_pair *pair, bool is_wildcard) MUST_CHECK;
int worker_start(struct worker *w, struct err *e) MUST_CHECK;
/* Other options; the worker takes them in its next loop turn. Any thread. */
void worker_configure(struct worker *w, const struct worker_options *o);
/* Names that it wanted were built. Any thread. */
void worker_wake(struct worker *w);
/* Ends the thread, if it runs, and frees all. The caller must be offline for RCU, or not registered. */
void worker_free(struct worker *w);
int worker_cpu(const struct worker *w); /* WORKER_ANYWHERE: not pinned */
/* Any thread, until worker_free. */
const struct io_counters *worker_counters(const struct worker *w);

#endif
