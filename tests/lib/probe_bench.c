#include "config.h" /* _GNU_SOURCE */
#include "probe_bench.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PATIENCE_S 5.0

static void on_done(void *arg, uint64_t probe, enum check_status status, const char *output)
{
    struct probe_bench *b = arg;
    assert_false(b->is_starting);
    assert_true(b->n < BENCH_RESULTS_MAX);
    struct bench_result *r = &b->results[b->n++];
    r->probe = probe;
    r->status = status;
    snprintf(r->output, sizeof(r->output), "%s", output);
    if (b->n == b->wanted)
        ev_break(b->loop, EVBREAK_ALL);
}

void bench_init(struct probe_bench *b, struct prober_options o)
{
    *b = (struct probe_bench){.loop = ev_loop_new(0)};
    b->desc = calloc(1, sizeof(*b->desc) + sizeof("w1"));
    assert_non_null(b->desc);
    *b->desc = (struct description){.refs = 1, .more = &b->more, .port = 1, .has_v4 = true, .v4 = {127, 0, 0, 1}};
    strcpy(b->desc->id, "w1");
    o.loop = b->loop;
    o.done = on_done;
    o.arg = b;
    struct err e;
    if (prober_new(&o, &b->prober, &e) != 0)
        fail_msg("%s", e.text);
}

void bench_fini(struct probe_bench *b)
{
    prober_free(b->prober);
    ev_loop_destroy(b->loop);
    free(b->desc);
}

uint64_t bench_start(struct probe_bench *b, struct check_spec spec)
{
    uint64_t probe = ++b->last_probe;
    assert_true(probe < BENCH_RESULTS_MAX);
    if (spec.timeout_ms == 0 && spec.type != CHECK_SCRIPT)
        spec.timeout_ms = 4000;
    b->specs[probe] = spec;
    struct probe_job job = {
        .probe = probe, .spec = &b->specs[probe], .desc = b->desc, .service = "web", .id = b->desc->id};
    struct err e;
    b->is_starting = true;
    if (prober_start(b->prober, &job, &e) != 0)
        fail_msg("%s", e.text);
    b->is_starting = false;
    return probe;
}

static void out_of_patience(struct ev_loop *loop, ev_timer *t, int revents)
{
    ev_break(loop, EVBREAK_ALL);
}

void bench_wait(struct probe_bench *b, unsigned n)
{
    ev_timer patience;
    ev_timer_init(&patience, out_of_patience, PATIENCE_S, 0.);
    ev_now_update(b->loop);
    ev_timer_start(b->loop, &patience);
    b->wanted = b->n + n;
    ev_run(b->loop, 0);
    ev_timer_stop(b->loop, &patience);
    assert_int_equal(b->n, b->wanted);
}

const struct bench_result *bench_probe(struct probe_bench *b, struct check_spec spec)
{
    uint64_t probe = bench_start(b, spec);
    bench_wait(b, 1);
    const struct bench_result *r = &b->results[b->n - 1];
    assert_int_equal(r->probe, probe);
    return r;
}

void bench_expect(struct probe_bench *b, struct check_spec spec, enum check_status status, const char *output)
{
    const struct bench_result *r = bench_probe(b, spec);
    assert_string_equal(r->output, output);
    assert_int_equal(r->status, status);
}

unsigned bench_open_fds(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 3; /* ".", "..", and the directory's own */
}
