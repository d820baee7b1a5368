/* What the publisher costs on one thread: the memory of an instance while nobody asks and when everybody does, a
 * reload, and building the answer of one large service. `make bench-publisher` prints a table; nothing is compared with
 * a bar here. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/must.h"
#include "dns/wire.h"
#include "engine/answer.h"
#include "engine/publish_private.h"

#define PER_SERVICE 10
#define BIG         50000
#define NOW_MS      1000
#define REPEATS     20

static struct registry *registry;
static struct answers *answers;
static struct publisher *publisher;
static struct effects effects;
static uint64_t instances;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static bool is_publishing; /* false: the publisher is to take all from the registry later */

static void carry_out(void)
{
    for (size_t i = 0; i < effects.n && is_publishing; i++)
        if (effects.items[i].type == EFFECT_CHANGE)
            publish_effect(publisher, &effects.items[i], false);
}

static void step(const struct event *ev)
{
    int rc = registry_step(registry, ev, NOW_MS, &effects);
    must(rc == 0);
    uint64_t ticket = effects.n > 0 && effects.items[0].type == EFFECT_PERSIST ? effects.items[0].u.persist.ticket : 0;
    carry_out();
    effects_clear(&effects);
    if (ticket == 0)
        return;
    struct event done = {.type = EVENT_COMMITTED, .u.committed = {.ticket = ticket, .ok = true}};
    rc = registry_step(registry, &done, NOW_MS, &effects);
    must(rc == 0);
    carry_out();
    effects_clear(&effects);
}

static void add(const char *service, uint64_t n)
{
    static const struct description_limits limits = {.tags = 4, .meta = 4, .ports = 4, .checks = 4, .meta_bytes = 100};
    char id[32], address[32];
    struct description *d;
    snprintf(id, sizeof(id), "i%" PRIu64, n);
    snprintf(address, sizeof(address), "10.%u.%u.%u", (unsigned)(n >> 16) & 255, (unsigned)(n >> 8) & 255,
             (unsigned)n & 255);
    struct description_input in = {.id = id, .address = address, .port = "8080", .lease_ms = 600000};
    int rc = description_new(&in, &limits, &d, NULL);
    must(rc == 0);
    step(&(struct event){.type = EVENT_REGISTER, .service = service, .u.reg.desc = d});
    description_unref(d);
}

static void flush(void)
{
    int rc = publish_flush(publisher, NOW_MS, NOW_MS);
    must(rc == 0);
}

static size_t query(uint8_t *packet, const char *text)
{
    struct dns_name name;
    int rc = dns_name_parse(text, &name, NULL);
    must(rc == 0);
    struct wire_writer w = wire_writer(packet, DNS_UDP_MAX);
    wire_write_u32(&w, 0);
    wire_write_u16(&w, 1);
    wire_write_u32(&w, 0);
    wire_write_u16(&w, 0);
    wire_write(&w, name.wire, name.len);
    wire_write_u16(&w, DNS_A);
    wire_write_u16(&w, DNS_IN);
    return (size_t)(w.at - packet);
}

/* Asks; true if the answer was there. */
static bool ask(const char *name)
{
    uint8_t packet[DNS_UDP_MAX];
    struct answer_request rq = {.now_ms = NOW_MS};
    struct answer_item item = {.packet = packet, .len = query(packet, name), .cap = sizeof(packet)};
    struct answer_reader *r = answers_reader(answers, 0);
    answer_reader_online(r);
    answer_batch(r, &rq, &item, 1);
    answer_reader_offline(r);
    must(item.again > 0 || (packet[3] & DNS_RCODE_MASK) == DNS_NOERROR);
    return item.again == 0;
}

static void configure(uint32_t ttl_s)
{
    struct publish_domain domain;
    int rc = dns_name_parse("service.local", &domain.apex, NULL);
    must(rc == 0);
    domain.zone = NULL;
    struct publish_options o = {
        .domains = &domain, .n_domains = 1, .ttl_min_s = 1, .ttl_s = ttl_s, .negative_ttl_s = 5};
    rc = publish_configure(publisher, &o, NOW_MS);
    must(rc == 0);
    flush(); /* frees what no reader holds */
}

static void tell_bytes(const char *what, size_t bytes)
{
    printf("%-52s %9.0f bytes\n", what, (double)bytes / (double)instances);
}

static void tell_ms(const char *what, double took)
{
    printf("%-52s %9.2f ms\n", what, took * 1000);
}

static void bench_cold(void)
{
    char service[32];
    size_t before = heap_bytes();
    for (uint64_t n = 0; n < instances; n++) {
        snprintf(service, sizeof(service), "service-%" PRIu64, n / PER_SERVICE);
        add(service, n);
    }
    printf("%-52s %9" PRIu64 " in %" PRIu64 "\n", "instances, in services of 10", instances, instances / PER_SERVICE);
    tell_bytes("registry, per instance", heap_bytes() - before);
    is_publishing = publisher->needs_sync = true;
    before = heap_bytes();
    double from = seconds();
    flush();
    tell_ms("first flush", seconds() - from);
    flush();
    tell_bytes("publisher, per instance, all cold", heap_bytes() - before);
}

/* The TTL of the name servers is enough for a new world. */
static void bench_reload(const char *what)
{
    static uint32_t ttl_s = 5;
    double from = seconds();
    configure(++ttl_s);
    tell_ms(what, seconds() - from);
    from = seconds();
    configure(ttl_s);
    tell_ms("the same again", seconds() - from);
}

static void bench_hot(const char *what, bool is_id)
{
    size_t before = heap_bytes();
    uint64_t step_by = is_id ? 1 : PER_SERVICE, n = 0;
    double from = seconds();
    for (uint64_t first = 0; first < instances;) {
        uint64_t end = first;
        for (unsigned k = 0; k < 128 && end < instances; k++, end += step_by) {
            char name[64], id[32] = "";
            if (is_id)
                snprintf(id, sizeof(id), "i%" PRIu64 ".", end);
            snprintf(name, sizeof(name), "%sservice-%" PRIu64 ".service.local", id, end / PER_SERVICE);
            must(!ask(name));
            n++;
        }
        first = end;
        flush();
    }
    printf("%-52s %9.2f us each, %.0f bytes each\n", what, (seconds() - from) * 1e6 / (double)n,
           (double)(heap_bytes() - before) / (double)n);
}

static void bench_big(void)
{
    for (uint64_t n = 0; n < BIG; n++)
        add("big", n);
    flush();
    must(!ask("big.service.local"));
    double from = seconds(), best = 1;
    flush();
    tell_ms("service of 50,000: first build", seconds() - from);
    must(ask("big.service.local"));
    for (unsigned i = 0; i < REPEATS; i++) {
        char id[32];
        snprintf(id, sizeof(id), "i%u", i);
        step(&(struct event){.type = EVENT_DRAIN, .service = "big", .id = id});
        from = seconds();
        flush();
        best = seconds() - from < best ? seconds() - from : best;
    }
    tell_ms("service of 50,000: built again, best of 20", best);
}

int main(int argc, char **argv)
{
    static const struct registry_options options = {.lease_default_ms = 30000,
                                                    .lease_min_ms = 1000,
                                                    .lease_max_ms = 86400000,
                                                    .max_services = 10000000,
                                                    .max_instances = 10000000,
                                                    .limits = {.tags = 4},
                                                    .expiry_slice = 1000};
    static const struct service_policy policy = {.ttl_s = 5, .max_answers = 8};
    instances = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    effects_init(&effects);
    int rc = registry_new(&options, &policy, 1, 7, NOW_MS, &registry);
    must(rc == 0 && answers_new(1, 1, &answers) == 0 && publisher_new(answers, registry, &publisher) == 0);
    configure(5);
    bench_cold();
    bench_reload("reload, all cold");
    bench_hot("services become hot", false);
    bench_hot("ids become hot", true);
    bench_reload("reload, all hot");
    bench_big();
    publisher_free(publisher);
    answers_free(answers);
    registry_free(registry);
    effects_fini(&effects);
    return 0;
}
