/* The hot path without sockets: the same function that the workers call, on prepared queries.
 *
 *     hotbench            prints the rows that there are
 *     hotbench ROW N      answers N batches of the row; prints queries and nanoseconds per query
 *
 * `measured` holds what a batch costs and nothing else: tests/bench/instructions counts it under callgrind. Keys, seeds
 * and order are fixed, so each run executes the same instructions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../lib/scene.h"
#include "base/must.h"
#include "base/rng.h"

#define TYPICAL "user_service"

struct row {
    const char *name, *service;
    uint32_t n_services; /* more than 1: their names are asked at random; instances lie in each */
    uint32_t n_instances;
    uint16_t type;
    bool has_edns, is_tcp, is_missing, has_cookie;
};

static const struct row rows[] = {
    {"a-1", .n_instances = 1, .type = DNS_A},
    {"a-1-edns", .n_instances = 1, .type = DNS_A, .has_edns = true},
    {"a-1-cookie", .n_instances = 1, .type = DNS_A, .has_edns = true, .has_cookie = true},
    {"a-1-short-name", .service = "web", .n_instances = 1, .type = DNS_A},
    {"a-3", .n_instances = 3, .type = DNS_A},
    {"a-10", .n_instances = 10, .type = DNS_A},
    {"a-10-edns", .n_instances = 10, .type = DNS_A, .has_edns = true},
    {"a-10-tcp", .n_instances = 10, .type = DNS_A, .has_edns = true, .is_tcp = true},
    {"a-100-truncated", .n_instances = 100, .type = DNS_A},
    {"srv-1", .n_instances = 1, .type = DNS_SRV},
    {"srv-3", .n_instances = 3, .type = DNS_SRV},
    {"srv-3-edns", .n_instances = 3, .type = DNS_SRV, .has_edns = true},
    {"srv-10-edns", .n_instances = 10, .type = DNS_SRV, .has_edns = true},
    {"nodata", .n_instances = 1, .type = DNS_AAAA},
    {"nodata-edns", .n_instances = 1, .type = DNS_AAAA, .has_edns = true},
    {"nxdomain", .n_instances = 1, .type = DNS_A, .is_missing = true},
    {"nxdomain-edns", .n_instances = 1, .type = DNS_A, .is_missing = true, .has_edns = true},
    {"random-a-edns", .n_services = 10000, .n_instances = 2, .type = DNS_A, .has_edns = true},
    {"random-srv-edns", .n_services = 10000, .n_instances = 2, .type = DNS_SRV, .has_edns = true},
    {"huge-a-edns", .n_services = 100000, .n_instances = 10, .type = DNS_A, .has_edns = true},
};

static struct scene scene;
static struct rng rng = {.state = 1};

struct bench {
    const struct row *row;
    struct answer_request rq;
    size_t cap, n;
    uint8_t *packets;
    struct answer_item items[ANSWER_BATCH];
};

static void service_name(const struct row *row, uint32_t i, char out[64])
{
    if (row->n_services > 1)
        snprintf(out, 64, "service_%u", i);
    else
        snprintf(out, 64, "%s", row->service != NULL ? row->service : TYPICAL);
}

static void populate(const struct row *row)
{
    scene_init(&scene, &(struct scene_options){.policy = {.ttl_s = 5,
                                                          .answer = ANSWER_ALL,
                                                          .order = ORDER_ROTATE,
                                                          .on_empty = ON_EMPTY_NODATA}});
    for (uint32_t s = 0; s < (row->n_services > 0 ? row->n_services : 1); s++) {
        char service[64], id[16], address[32];
        service_name(row, s, service);
        for (uint32_t i = 0; i < row->n_instances; i++) {
            snprintf(id, sizeof(id), "node-%02u", i);
            snprintf(address, sizeof(address), "10.%u.%u.%u", s / 256 % 256, s % 256, i % 256);
            scene_add(&scene, service, &(struct scene_instance){.id = id, .address = address});
        }
    }
    must(scene_flush(&scene) == 0);
    for (uint32_t s = 0; s < (row->n_services > 0 ? row->n_services : 1); s++) { /* names are built when they are asked for */
        char service[64], name[128];
        service_name(row, s, service);
        snprintf(name, sizeof(name), "%s.service.local", service);
        scene_ask(&scene, name, row->type);
    }
}

static size_t random_query(const struct row *row, uint8_t *packet)
{
    char service[64], name[128];
    service_name(row, row->n_services > 1 ? rng_below(&rng, row->n_services) : 0, service);
    snprintf(name, sizeof(name), "%s%s.service.local", row->is_missing ? "no" : "", service);
    return scene_query(packet, &(struct scene_query){.name = name,
                                                     .type = row->type,
                                                     .has_edns = row->has_edns,
                                                     .udp_size = 1232,
                                                     .option = row->has_cookie ? 10 : 0});
}

static void prepare(struct bench *b)
{
    for (size_t i = 0; i < b->n; i++) {
        uint8_t query[512];
        size_t len = random_query(b->row, query);
        uint8_t *packet = b->packets + i * (b->cap + 64);
        memcpy(packet, query, len);
        b->items[i] = (struct answer_item){.packet = packet, .len = len, .cap = b->cap};
    }
}

__attribute__((noinline)) void measured(struct bench *b);
void measured(struct bench *b)
{
    answer_batch(answers_reader(scene.answers, 0), &b->rq, b->items, b->n);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int run(const struct row *row, unsigned n_batches)
{
    populate(row);
    struct bench b = {.row = row,
                      .rq = {.now_ms = scene.now_ms + SCENE_LAG_MS, .is_tcp = row->is_tcp},
                      .cap = row->is_tcp ? DNS_TCP_MAX : DNS_UDP_MAX,
                      .n = row->is_tcp ? 1 : ANSWER_BATCH};
    b.packets = calloc(b.n, b.cap + 64);
    must(b.packets != NULL);
    double ns = 0;
    for (unsigned i = 0; i < n_batches; i++) {
        prepare(&b);
        double from = now_ns();
        measured(&b);
        ns += now_ns() - from;
    }
    printf("%zu %.1f\n", n_batches * b.n, ns / (double)(n_batches * b.n));
    free(b.packets);
    scene_fini(&scene);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const size_t n_rows = sizeof(rows) / sizeof(rows[0]);
    if (argc == 1)
        for (size_t i = 0; i < n_rows; i++)
            puts(rows[i].name);
    if (argc < 3)
        return argc == 1 ? EXIT_SUCCESS : 2;
    for (size_t i = 0; i < n_rows; i++)
        if (strcmp(rows[i].name, argv[1]) == 0)
            return run(&rows[i], (unsigned)strtoul(argv[2], NULL, 10));
    fprintf(stderr, "hotbench: no row %s\n", argv[1]);
    return 2;
}
