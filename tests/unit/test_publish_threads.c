/* Readers beside the writer: two threads answer without pause while the control thread changes, flushes and reloads.
 * Run with AddressSanitizer it shows that nothing is freed that a reader still looks at; in any build, that a name that
 * is there all the time is answered all the time, and that each answer is a sound packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/scene.h"
#include "dns/wire.h"
#include "engine/grace.h"

/* A sanitizer sees what might have gone wrong; without one it must go wrong, which takes longer. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHORTER 16
#else
#define SHORTER 1
#endif

#define N_READERS 2
#define N_ROUNDS  (20000 / SHORTER)

static struct scene scene;
static _Atomic bool is_over;

struct reader {
    pthread_t thread;
    unsigned index;
    uint64_t asked, bad;
};

/* Walks the records that an answer claims to have; false if they do not end with the packet. */
static bool is_sound(const uint8_t *packet, size_t len, size_t question_end)
{
    size_t at = question_end;
    unsigned n = (unsigned)wire_get16(packet + 6) + wire_get16(packet + 8) + wire_get16(packet + 10);
    for (; n > 0; n--) {
        if (at >= len)
            return false;
        at += packet[at] == 0 ? 1 : 2; /* the root of OPT, or a pointer */
        if (at + 10 > len)
            return false;
        at += 10 + (size_t)wire_get16(packet + at + 8);
    }
    return at == len;
}

/* As a worker does; the writer flushes all the time. False: the test was over before the answer was built. */
static bool ask_until_built(struct answer_reader *reader, struct answer_request *rq, struct answer_item *item)
{
    rq->round = 0;
    answer_batch(reader, rq, item, 1);
    while (item->again > 0) {
        uint32_t wanted = answer_reader_posted(reader);
        answer_reader_offline(reader);
        while (!answer_is_served(wanted, answer_reader_served(reader)) && !atomic_load(&is_over))
            sched_yield();
        answer_reader_online(reader);
        if (atomic_load(&is_over))
            return false;
        item->len = item->again;
        item->again = 0;
        rq->round += item->is_wanted;
        answer_batch(reader, rq, item, 1);
    }
    return true;
}

static bool ask(struct reader *r, const char *name, uint16_t type, bool must_have)
{
    uint8_t packet[DNS_UDP_MAX];
    size_t query =
        scene_query(packet, &(struct scene_query){.name = name, .type = type, .has_edns = true, .udp_size = 1232});
    struct answer_request rq = {.now_ms = SCENE_START_MS + SCENE_LAG_MS};
    struct answer_item item = {.packet = packet, .len = query, .cap = sizeof(packet)};
    r->asked++;
    if (!ask_until_built(answers_reader(scene.answers, r->index), &rq, &item))
        return true;
    bool has_answer = (packet[3] & DNS_RCODE_MASK) == DNS_NOERROR && wire_get16(packet + 6) > 0;
    return is_sound(packet, item.len, query - DNS_OPT_LEN) && (has_answer || !must_have);
}

static void *read_all(void *arg)
{
    struct reader *r = arg;
    struct answer_reader *answers = answers_reader(scene.answers, r->index);
    while (!atomic_load(&is_over)) {
        answer_reader_online(answers); /* as a worker is between two polls */
        r->bad += !ask(r, "web.service.local", DNS_A, true);
        r->bad += !ask(r, "web.service.local", DNS_SRV, true);
        r->bad += !ask(r, "stable.web.service.local", DNS_A, true);
        r->bad += !ask(r, "_web._blue.service.local", DNS_SRV, true);
        r->bad += !ask(r, "alias.service.local", DNS_AAAA, true);
        r->bad += !ask(r, "n1.web.service.local", DNS_TXT, false);
        r->bad += !ask(r, "nowhere.service.local", DNS_A, false);
        answer_reader_offline(answers);
    }
    return NULL;
}

static void change(unsigned round, const struct scene_options *o)
{
    char id[16], address[48];
    snprintf(id, sizeof(id), "n%u", round % 40);
    snprintf(address, sizeof(address), "10.0.0.%u,2001:db8::%x", round % 40, round % 40);
    if (round / 40 % 2 == 0)
        scene_add(&scene, "web",
                  &(struct scene_instance){.id = id,
                                           .address = address,
                                           .weight = 1 + round % 5,
                                           .tags = {"blue", round % 3 == 0 ? "red" : "green"},
                                           .ports = {{"http", "8080"}}});
    else
        scene_remove(&scene, "web", id);
    if (round % 100 == 99)
        assert_int_equal(scene_configure(&scene, o), 0);
    assert_int_equal(scene_flush(&scene), 0);
}

static void test_readers_beside_the_writer(void **state)
{
    struct scene_options o = {.zones = {"alias IN CNAME web\n"}};
    scene_init(&scene, &o);
    scene_add(&scene, "web",
              &(struct scene_instance){.id = "stable", .address = "10.1.0.1,2001:db8::1:1", .tags = {"blue"}});
    scene_flush(&scene);
    struct reader readers[N_READERS] = {{.index = 0}, {.index = 1}};
    for (unsigned i = 0; i < N_READERS; i++)
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_all, &readers[i]), 0);
    for (unsigned round = 0; round < N_ROUNDS; round++)
        change(round, &o);
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < N_READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_true(readers[i].asked > 0);
        assert_int_equal(readers[i].bad, 0);
    }
    scene_fini(&scene);
}

/* ── a TTL belongs to the answer that it stands in ── */

#define LEASE_S      2 /* of the instance that comes and goes; the other stays */
#define LEASE_ROUNDS (40000 / SHORTER)

static void *read_ttls(void *arg)
{
    struct reader *r = arg;
    struct answer_reader *answers = answers_reader(scene.answers, r->index);
    while (!atomic_load(&is_over)) {
        uint8_t packet[DNS_UDP_MAX];
        struct answer_request rq = {.now_ms = SCENE_START_MS + SCENE_LAG_MS};
        size_t query = scene_query(packet, &(struct scene_query){.name = "web.service.local", .type = DNS_A});
        answer_reader_online(answers);
        for (unsigned i = 0; i < 64; i++) {
            uint8_t answer[DNS_UDP_MAX];
            memcpy(answer, packet, query);
            struct answer_item item = {.packet = answer, .len = query, .cap = sizeof(answer)};
            bool has_leased = ask_until_built(answers, &rq, &item) && wire_get16(answer + 6) == 2;
            r->asked++;
            r->bad += has_leased && wire_get32(answer + query + 6) > LEASE_S;
        }
        answer_reader_offline(answers);
    }
    return NULL;
}

static void test_ttls_beside_the_writer(void **state)
{
    scene_init(&scene, &(struct scene_options){0});
    scene_add(&scene, "web", &(struct scene_instance){.id = "stays", .address = "10.0.0.1"});
    scene_flush(&scene);
    atomic_store(&is_over, false);
    struct reader r = {.index = 0};
    assert_int_equal(pthread_create(&r.thread, NULL, read_ttls, &r), 0);
    for (unsigned round = 0; round < LEASE_ROUNDS; round++) {
        if (round % 2 == 0)
            scene_add(&scene, "web",
                      &(struct scene_instance){.id = "goes", .address = "10.0.0.2", .lease_ms = LEASE_S * 1000});
        else
            scene_remove(&scene, "web", "goes");
        assert_int_equal(scene_flush(&scene), 0);
    }
    atomic_store(&is_over, true);
    pthread_join(r.thread, NULL);
    assert_true(r.asked > 0);
    assert_int_equal(r.bad, 0);
    scene_fini(&scene);
}

/* ── a pointer in the first instant ── */

/* The least that a reader can do, so that it often has only just come online when the writer looks: of all that could be
 * wrong with grace periods this finds a store that is late. */
#define SWAPS (3200000 / SHORTER)
#define LOOKS 64 /* of the reader at one object */

struct object {
    struct retired retired;
    uint64_t words[8];
};

static struct grace grace;
static struct grace_reader swap_reader;
static _Atomic(struct object *) current;

static struct object *object_new(uint64_t serial)
{
    struct object *o = malloc(sizeof(*o));
    assert_non_null(o);
    for (unsigned i = 0; i < 8; i++)
        o->words[i] = serial;
    return o;
}

static void *read_words(void *arg)
{
    struct reader *r = arg;
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        grace_online(&grace, &swap_reader);
        const volatile struct object *o = atomic_load_explicit(&current, memory_order_acquire);
        uint64_t serial = o->words[0];
        for (unsigned i = 1; i < LOOKS; i++)
            r->bad += o->words[i % 8] != serial; /* freed memory is soon another object */
        grace_offline(&swap_reader);
        r->asked++;
    }
    return NULL;
}

static void test_a_pointer_in_the_first_instant(void **state)
{
    struct retire_batch batch = {0};
    struct reader r = {0};
    grace_init(&grace);
    grace_add(&grace, &swap_reader);
    atomic_store(&current, object_new(0));
    atomic_store(&is_over, false);
    assert_int_equal(pthread_create(&r.thread, NULL, read_words, &r), 0);
    for (unsigned i = 0; i < SWAPS; i++) {
        struct object *old = atomic_load_explicit(&current, memory_order_relaxed);
        atomic_store_explicit(&current, object_new(i + 1), memory_order_release);
        retire(&batch, &old->retired);
        grace_flush(&grace, &batch);
    }
    atomic_store(&is_over, true);
    pthread_join(r.thread, NULL);
    assert_int_equal(r.bad, 0);
    grace_flush(&grace, &batch);
    assert_int_equal(batch.bytes + grace.waiting.bytes, 0);
    free(atomic_load(&current));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_beside_the_writer),
        cmocka_unit_test(test_ttls_beside_the_writer),
        cmocka_unit_test(test_a_pointer_in_the_first_instant),
    };
    return cmocka_run_group_tests_name("publish_threads", tests, NULL, NULL);
}
