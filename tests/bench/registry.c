/* What the registry costs on one thread, without a loop around it: registrations, renewals, expiries in a flood and in
 * a stream, and the memory of an instance. `make bench-registry` prints a table; nothing is compared with a bar here.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/must.h"
#include "base/rng.h"
#include "registry/registry.h"

#define SERVICES     1000
#define STREAM_PER_S 10000
#define STREAM_S     20

static struct registry *registry;
static struct effects effects;
static uint64_t instances;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void step(const struct event *ev, uint64_t now_ms)
{
    int rc = registry_step(registry, ev, now_ms, &effects);
    must(rc == 0);
}

/* Commits what the effects ask for. Returns how many instances left. */
static uint64_t commit(uint64_t now_ms)
{
    static uint64_t tickets[65536];
    uint64_t n = 0, gone = 0;
    for (size_t i = 0; i < effects.n; i++) {
        must(n < 65536);
        if (effects.items[i].type == EFFECT_PERSIST)
            tickets[n++] = effects.items[i].u.persist.ticket;
    }
    effects_clear(&effects);
    for (uint64_t i = 0; i < n; i++) {
        struct event ev = {.type = EVENT_COMMITTED, .u.committed = {.ticket = tickets[i], .ok = true}};
        step(&ev, now_ms);
        for (size_t k = 0; k < effects.n; k++)
            gone += effects.items[k].type == EFFECT_CHANGE && effects.items[k].u.change.gone;
        effects_clear(&effects);
    }
    return gone;
}

static void name_of(uint64_t n, char service[32], char id[32])
{
    snprintf(service, 32, "service-%" PRIu64, n % SERVICES);
    snprintf(id, 32, "i%" PRIu64, n / SERVICES);
}

static void add(uint64_t n, uint32_t lease_ms, uint64_t now_ms)
{
    static const struct description_limits limits = {.tags = 4, .meta = 4, .ports = 4, .checks = 4, .meta_bytes = 100};
    char service[32], id[32];
    struct description *d;
    name_of(n, service, id);
    struct description_input in = {.id = id, .address = "10.0.0.1", .port = "8080", .lease_ms = lease_ms};
    int rc = description_new(&in, &limits, &d, NULL);
    must(rc == 0);
    struct event ev = {.type = EVENT_REGISTER, .request = n + 1, .service = service, .u.reg.desc = d};
    step(&ev, now_ms);
    commit(now_ms);
    description_unref(d);
}

static void tell(const char *what, uint64_t n, double from)
{
    double took = seconds() - from;
    printf("%-44s %9" PRIu64 "  %6.2f s  %9.0f /s  %7.0f ns\n", what, n, took, (double)n / took,
           took * 1e9 / (double)n);
}

static void bench_register(void)
{
    size_t before = mallinfo2().uordblks;
    double from = seconds();
    for (uint64_t n = 0; n < instances; n++)
        add(n, 30000, 0);
    tell("REGISTER, built and committed", instances, from);
    printf("%-44s %9zu bytes\n", "memory of an instance", (mallinfo2().uordblks - before) / instances);
}

static void bench_renew(uint64_t now_ms)
{
    static char services[4096][32], ids[4096][32];
    struct rng rng = {.state = 1};
    for (size_t i = 0; i < 4096; i++)
        name_of(rng_u64(&rng) % instances, services[i], ids[i]);
    const uint64_t rounds = 5000000;
    double from = seconds();
    for (uint64_t i = 0; i < rounds; i++) {
        struct event ev = {.type = EVENT_RENEW, .request = i + 1, .service = services[i % 4096], .id = ids[i % 4096]};
        step(&ev, now_ms);
        effects_clear(&effects);
    }
    tell("RENEW, 4,096 instances in turn", rounds, from);
}

/* Every instance at once: how long a step of a slice takes at most is how long everything else waits. */
static void bench_flood(uint64_t now_ms)
{
    const struct event tick = {.type = EVENT_TIME};
    double from = seconds(), longest = 0;
    uint64_t gone = 0;
    while (gone < instances) {
        double begin = seconds();
        step(&tick, now_ms);
        gone += commit(now_ms);
        double took = seconds() - begin;
        longest = took > longest ? took : longest;
    }
    tell("expiry of all at once, committed", instances, from);
    printf("%-44s %9.2f ms\n", "longest slice of 1,000 with its commits", longest * 1000);
}

/* A steady stream on virtual time in turns of 10 ms: how late an expiry is, and what it costs. */
static void bench_stream(uint64_t now_ms)
{
    const struct event tick = {.type = EVENT_TIME};
    const uint64_t n = (uint64_t)STREAM_PER_S * STREAM_S, begin_ms = now_ms;
    for (uint64_t i = 0; i < n; i++)
        add(i, (uint32_t)(1000 + i / (STREAM_PER_S / 1000)), now_ms);
    uint64_t gone = 0, late_ms = 0;
    double from = seconds();
    while (gone < n) {
        now_ms += 10;
        while (registry_next_ms(registry) <= now_ms) {
            step(&tick, now_ms);
            gone += commit(now_ms);
        }
        uint64_t due = now_ms < begin_ms + 1000 ? 0 : (now_ms - begin_ms - 1000) * (STREAM_PER_S / 1000);
        uint64_t behind = due > n ? n - gone : due > gone ? due - gone : 0;
        late_ms = behind / (STREAM_PER_S / 1000) > late_ms ? behind / (STREAM_PER_S / 1000) : late_ms;
    }
    tell("expiry, 10,000 a second, committed", n, from);
    printf("%-44s %9" PRIu64 " ms\n", "latest of them", late_ms);
}

int main(int argc, char **argv)
{
    const struct registry_options o = {.lease_default_ms = 30000,
                                       .lease_min_ms = 1000,
                                       .lease_max_ms = 86400000,
                                       .session_grace_ms = 5000,
                                       .max_services = 100000,
                                       .max_instances = 1000000,
                                       .expiry_slice = 1000};
    const struct service_policy p = {.ttl_s = 5};
    instances = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    int rc = registry_new(&o, &p, 1, 42, 0, &registry);
    must(rc == 0 && instances >= SERVICES);
    effects_init(&effects);
    bench_register();
    bench_renew(1000);
    bench_flood(100000);
    bench_stream(100000);
    registry_free(registry);
    effects_fini(&effects);
    return 0;
}
