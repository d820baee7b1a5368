/* A prober on a loop of its own and the results it gives: what the tests of the probes stand on. */
#ifndef LIB_PROBE_BENCH_H
#define LIB_PROBE_BENCH_H

#include "io/prober.h"

#define BENCH_RESULTS_MAX 64

struct probe_bench {
    struct ev_loop *loop;
    struct prober *prober;
    bool is_starting; /* inside prober_start: no result may come */
    uint64_t last_probe;
    unsigned n, wanted; /* results so far */
    struct bench_result {
        uint64_t probe;
        enum check_status status;
        char output[CHECK_OUTPUT_MAX];
    } results[BENCH_RESULTS_MAX];
    /* What the jobs point to; one target at a time. */
    struct description *desc; /* owned; desc->more is `more` */
    struct description_more more;
    struct check_spec specs[BENCH_RESULTS_MAX];
};

/* `o`: ca_file and scripts; the rest is filled in. */
void bench_init(struct probe_bench *b, struct prober_options o);
void bench_fini(struct probe_bench *b);
/* Starts a probe of `spec` against the instance `web` / `w1` at 127.0.0.1 and desc->port. Returns its number. */
uint64_t bench_start(struct probe_bench *b, struct check_spec spec);
/* Runs the loop until `n` more results have come; fails the test after 5 s. */
void bench_wait(struct probe_bench *b, unsigned n);
/* Start, wait, and the result. */
const struct bench_result *bench_probe(struct probe_bench *b, struct check_spec spec);
/* Waits for one result and fails unless it is this. */
void bench_expect(struct probe_bench *b, struct check_spec spec, enum check_status status, const char *output);
/* Descriptors that this process has open. */
unsigned bench_open_fds(void);

#endif
