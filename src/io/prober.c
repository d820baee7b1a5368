/* Hands each probe to the part that can make it.
 *
 * The happy path is a switch over the type. A check that names a script which is not configured (any more) is critical with
 * a text that says so; since results come from the loop only, it waits in `answers` for a timer of 0 s.
 *
 * What can go wrong: nothing of its own; the parts say. */
#include "io/prober.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "io/probe_net.h"
#include "io/script.h"
#include "io/script_table.h"

struct answer { /* known at once, given from the loop */
    struct list link;
    uint64_t probe;
    char output[CHECK_SCRIPT_NAME_MAX + 64];
};

struct prober {
    struct ev_loop *loop;
    probe_done_fn *done;
    void *arg;
    struct probe_net *net;
    struct script_runner *runner;
    struct script_table *scripts;
    struct list answers;
    ev_timer answer_timer;
};

static void give_answers(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct prober *p = timer->data;
    while (!list_is_empty(&p->answers)) {
        struct answer *a = CONTAINER_OF(p->answers.next, struct answer, link);
        list_remove(&a->link);
        p->done(p->arg, a->probe, CHECK_CRITICAL, a->output);
        free(a);
    }
}

static int answer_no_script(struct prober *p, const struct probe_job *job, struct err *e)
{
    struct answer *a = malloc(sizeof(*a));
    if (a == NULL)
        return err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    a->probe = job->probe;
    snprintf(a->output, sizeof(a->output), "there is no [script %s] in the configuration", job->spec->script);
    list_push(&p->answers, &a->link);
    if (!ev_is_active(&p->answer_timer)) {
        ev_timer_set(&p->answer_timer, 0., 0.);
        ev_timer_start(p->loop, &p->answer_timer);
    }
    return 0;
}

int prober_start(struct prober *p, const struct probe_job *job, struct err *e)
{
    switch (job->spec->type) {
    case CHECK_HTTP:
    case CHECK_HTTPS:
    case CHECK_TCP:
        return probe_net_start(p->net, job, e);
    case CHECK_SCRIPT: {
        const struct script *s = script_table_find(p->scripts, job->spec->script);
        return s == NULL ? answer_no_script(p, job, e) : script_start(p->runner, s, job, e);
    }
    case CHECK_TTL:
    case CHECK_GRPC:
        break;
    }
    return err_set(e, ERR_BADARG, "nothing probes %s checks", check_type_name(job->spec->type));
}

static void warn_of_root(const struct config_script *scripts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (scripts[i].user == NULL && geteuid() == 0)
            log_event(LOG_LEVEL_WARN, "script_runs_as_root", "script", scripts[i].name, "remedy",
                      "give it a `user`, or the server one", NULL);
}

int prober_set_scripts(struct prober *p, const struct config_script *scripts, size_t n, struct err *e)
{
    struct script_table *table;
    int rc = script_table_new(scripts, n, &table, e);
    if (rc != 0)
        return rc;
    warn_of_root(scripts, n);
    script_table_free(p->scripts);
    p->scripts = table;
    return 0;
}

int prober_new(const struct prober_options *o, struct prober **out, struct err *e)
{
    struct prober *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    *p = (struct prober){.loop = o->loop, .done = o->done, .arg = o->arg};
    list_init(&p->answers);
    ev_timer_init(&p->answer_timer, give_answers, 0., 0.);
    p->answer_timer.data = p;
    int rc = o->ca_file != NULL && access(o->ca_file, R_OK) != 0
                 ? err_set(e, ERR_BADARG, "[health] ca_file %s: %s", o->ca_file, strerror(errno))
                 : prober_set_scripts(p, o->scripts, o->n_scripts, e);
    if (rc == 0 && (script_runner_new(o->loop, o->done, o->arg, &p->runner) != 0 ||
                    probe_net_new(o, &p->net) != 0))
        rc = err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    if (rc != 0) {
        prober_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void prober_free(struct prober *p)
{
    if (p == NULL)
        return;
    probe_net_free(p->net);
    script_runner_free(p->runner);
    script_table_free(p->scripts);
    ev_timer_stop(p->loop, &p->answer_timer);
    while (!list_is_empty(&p->answers)) {
        struct answer *a = CONTAINER_OF(p->answers.next, struct answer, link);
        list_remove(&a->link);
        free(a);
    }
    free(p);
}
