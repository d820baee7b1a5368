/* What the registry costs on one thread, without a loop around it, with a million instances in a hundred thousand
 * services: memory, registrations, renewals, the end of all leases at once, a session of very many, start and stop.
 * `make bench-registry` prints a table. What comes in slices is also timed slice by slice: the longest is
 * how long everything else waits. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/must.h"
#include "base/rng.h"
#include "registry/registry.h"

#define PER_SERVICE  10
#define SESSION_OF   100000
#define LEASE_MS     30000
#define AHEAD        16
#define EXPIRY_SLICE 256 /* as config/load.c has it */

static const struct registry_options options = {.lease_default_ms = LEASE_MS,
                                                .lease_min_ms = 1000,
                                                .lease_max_ms = 86400000,
                                                .session_grace_ms = 5000,
                                                .max_services = 10000000,
                                                .max_instances = 1000000,
                                                .expiry_slice = EXPIRY_SLICE};
static const struct service_policy policy = {.ttl_s = 5};
static const struct description_limits limits = {.tags = 4, .meta = 4, .ports = 4, .checks = 4, .meta_bytes = 100};

static struct registry *registry;
static struct effects effects;
static uint64_t instances;
static struct name {
    char service[32], id[32], address[16];
} *names; /* of each instance */
static double longest_s; /* of the stretches since it was last set to 0 */

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

/* A stretch of work that nothing else comes between. By CPU time: on the wall the longest of many is when another process
 * had the core. */
static double stretch_begin(void)
{
    return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

static void stretch_end(double from)
{
    double took = seconds_of(CLOCK_THREAD_CPUTIME_ID) - from;
    longest_s = took > longest_s ? took : longest_s;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static size_t resident_bytes(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    must(f != NULL && fscanf(f, "%*u %zu", &pages) == 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void tell(const char *what, uint64_t n, double from)
{
    double took = seconds() - from;
    printf("%-46s %9" PRIu64 "  %6.2f s  %9.0f /s  %6.0f ns", what, n, took, (double)n / took, took * 1e9 / (double)n);
    if (longest_s > 0)
        printf("  longest slice %7.3f ms", longest_s * 1e3);
    printf("\n");
    fflush(stdout);
    longest_s = 0;
}

static void step(const struct event *ev, uint64_t now_ms)
{
    int rc = registry_step(registry, ev, now_ms, &effects);
    must(rc == 0);
}

/* Commits what the effects ask for. Returns how many instances left. */
static uint64_t commit(uint64_t now_ms)
{
    static uint64_t tickets[EXPIRY_SLICE + 1];
    uint64_t n = 0, gone = 0;
    for (size_t i = 0; i < effects.n; i++) {
        must(n <= EXPIRY_SLICE);
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

static void make_names(void)
{
    names = calloc(instances, sizeof(*names));
    must(names != NULL);
    for (uint64_t n = 0; n < instances; n++) {
        unsigned a = n >> 16 & 0xff, b = n >> 8 & 0xff, c = n & 0xff;
        snprintf(names[n].service, sizeof(names[n].service), "service-%" PRIu64, n % (instances / PER_SERVICE));
        snprintf(names[n].address, sizeof(names[n].address), "10.%u.%u.%u", a, b, c);
        snprintf(names[n].id, sizeof(names[n].id), "10-%u-%u-%u-8080", a, b, c);
    }
}

static struct description *describe(uint64_t n)
{
    struct description *d;
    struct description_input in = {.address = names[n].address, .port = "8080", .lease_ms = LEASE_MS};
    int rc = description_new(&in, &limits, &d, NULL);
    must(rc == 0 && strcmp(d->id, names[n].id) == 0);
    return d;
}

static void add(uint64_t n, uint64_t session, uint64_t now_ms)
{
    struct event ev = {.type = EVENT_REGISTER, .request = n + 1, .service = names[n].service};
    ev.u.reg.desc = describe(n);
    ev.u.reg.session = session;
    step(&ev, now_ms);
    commit(now_ms);
    description_unref(ev.u.reg.desc);
}

static void make_registry(uint64_t now_ms)
{
    int rc = registry_new(&options, &policy, 1, 42, now_ms, &registry);
    must(rc == 0);
}

static void bench_register(void)
{
    size_t heap = heap_bytes(), resident = resident_bytes();
    make_registry(0);
    double from = seconds();
    for (uint64_t n = 0; n < instances; n++)
        add(n, 0, 0);
    tell("REGISTER, built and committed", instances, from);
    printf("%-46s %9zu bytes of the heap, %zu resident\n", "memory of an instance with its share of a service",
           (heap_bytes() - heap) / instances, (resident_bytes() - resident) / instances);
}

static void bench_renew(const char *what, bool is_random, uint64_t now_ms)
{
    struct rng rng = {.state = 1};
    const uint64_t rounds = 2 * instances;
    const struct name *ahead[AHEAD];
    double from = seconds();
    for (uint64_t i = 0; i < rounds + AHEAD; i++) {
        const struct name *at = i >= AHEAD ? ahead[i % AHEAD] : NULL;
        ahead[i % AHEAD] = &names[is_random ? rng_u64(&rng) % instances : i % instances];
        __builtin_prefetch(ahead[i % AHEAD]->service); /* a server has just read them from a socket */
        __builtin_prefetch(ahead[i % AHEAD]->id);
        if (at == NULL)
            continue;
        struct event ev = {.type = EVENT_RENEW, .request = i + 1, .service = at->service, .id = at->id};
        int rc = registry_step(registry, &ev, now_ms, &effects);
        must(rc == 0 && effects.items[effects.n - 1].u.reply.code == 0);
        effects_clear(&effects);
    }
    tell(what, rounds, from);
}

/* Deadlines that have moved: every timer fires, and is set again. */
static void bench_timers(uint64_t now_ms)
{
    const struct event tick = {.type = EVENT_TIME};
    double from = seconds();
    while (registry_next_ms(registry) <= now_ms) {
        double begin = stretch_begin();
        step(&tick, now_ms);
        stretch_end(begin);
        must(effects.n == 0);
    }
    tell("timers of instances that have renewed", instances, from);
}

/* Every instance at once. */
static void bench_flood(uint64_t now_ms)
{
    const struct event tick = {.type = EVENT_TIME};
    double from = seconds();
    uint64_t gone = 0;
    while (gone < instances) {
        double begin = stretch_begin();
        step(&tick, now_ms);
        gone += commit(now_ms);
        stretch_end(begin);
    }
    tell("end of all leases at once, committed", instances, from);
}

static void bench_session(uint64_t now_ms)
{
    const struct event tick = {.type = EVENT_TIME};
    struct event close = {.type = EVENT_SESSION_CLOSED, .u.closed.session = 7};
    for (uint64_t n = 0; n < SESSION_OF; n++)
        add(n, 7, now_ms);
    const struct event *ev = &close;
    double from = seconds();
    uint64_t n = 0;
    for (; ev == &close || registry_next_ms(registry) <= now_ms; ev = &tick) {
        double begin = stretch_begin();
        step(ev, now_ms);
        stretch_end(begin);
        n += effects.n;
        effects_clear(&effects);
    }
    must(n == SESSION_OF);
    tell("end of a session, leases cut", n, from);
    registry_free(registry);
}

static void bench_restore(void)
{
    struct description **descs = malloc(instances * sizeof(struct description *));
    must(descs != NULL);
    for (uint64_t n = 0; n < instances; n++)
        descs[n] = describe(n);
    make_registry(0);
    double from = seconds();
    for (uint64_t n = 0; n < instances; n++) {
        struct store_record rec = {.service = names[n].service, .id = descs[n]->id, .desc = descs[n], .state = STATE_PASSING};
        int rc = registry_restore(registry, &rec, 0, &effects);
        must(rc == 0);
        effects_clear(&effects);
        description_unref(descs[n]);
    }
    tell("registry_restore", instances, from);
    from = seconds();
    registry_free(registry);
    tell("registry_free", instances, from);
    free(descs);
}

int main(int argc, char **argv)
{
    instances = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    must(instances >= SESSION_OF && instances <= UINT64_C(1) << 24);
    effects_init(&effects);
    make_names();
    bench_register();
    bench_renew("RENEW in order", false, 1000);
    bench_renew("RENEW at random", true, 1000);
    bench_timers(LEASE_MS);
    bench_flood(100000);
    bench_session(100000);
    bench_restore();
    effects_fini(&effects);
    free(names);
    return 0;
}
