/* Carries out probes: http, https and tcp through libcurl, scripts as child processes.
 *
 *     health_due ──► prober_start ──► probe_net ──► curl_loop ─┐
 *                          │                                   ├──► prober_hooks.done ──► health_done
 *                          └────────► script ──► fork, exec ───┘
 *
 * Everything happens on the thread of its loop. Results come from the loop, never from within prober_start. The loop must
 * not be libev's default loop: that one reaps every child of the process, also the scripts. */
#ifndef IO_PROBER_H
#define IO_PROBER_H

#include <ev.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"
#include "engine/health.h"

struct prober;

/* Each probe that was started ends with one call. `output` is for people, one line, printable, never NULL, valid during the
 * call. CHECK_NONE: the probe could not be made for a reason of this host (memory, descriptors, processes), which says
 * nothing about the instance. Probes may be started from within. */
typedef void probe_done_fn(void *arg, uint64_t probe, enum check_status status, const char *output);

struct prober_options {
    struct ev_loop *loop;
    const char *ca_file; /* PEM; who may sign the certificates of https checks. NULL: whom the system trusts */
    const struct config_script *scripts; /* copied */
    size_t n_scripts;
    size_t max_kept; /* connections to http targets that are kept for the next probe, about; 0: a few */
    uint64_t seed;   /* random: nobody outside can choose targets that crowd in one place */
    probe_done_fn *done;
    void *arg;
};

/* ERR_NOMEM; ERR_BADARG: ca_file cannot be read, or as prober_set_scripts. */
int prober_new(const struct prober_options *o, struct prober **out, struct err *e) MUST_CHECK;
/* Cancels transfers, kills scripts with all they started; none of their results is given. NULL is allowed. */
void prober_free(struct prober *p);
/* The job's pointers must live until its result. ERR_NOMEM, ERR_IO (no process, no descriptor): not started, no result
 * will come. */
int prober_start(struct prober *p, const struct probe_job *job, struct err *e) MUST_CHECK;
/* The [script NAME] sections, replacing the former; scripts that run go on. Nothing is changed on ERR_NOMEM and on ERR_BADARG
 * (the text names the script: an unknown user, or a user that this process cannot become). */
int prober_set_scripts(struct prober *p, const struct config_script *scripts, size_t n, struct err *e) MUST_CHECK;

#endif
