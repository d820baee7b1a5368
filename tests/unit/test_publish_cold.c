/* Names that are built when they are asked for: what a worker sees of a cold name, what the control thread makes of it,
 * and that what nobody asks for costs nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/heap.h"
#include "../lib/scene.h"
#include "base/rng.h"
#include "dns/wire.h"
#include "engine/roster.h"
#include "engine/want.h"

#define COOL_MS 60000

static struct scene scene;

/* ── the parts ── */

static void test_roster_is_a_multiset(void **state)
{
    enum { HASHES = 40 };
    struct roster *r = NULL;
    struct retire_batch batch = {0};
    unsigned count[HASHES] = {0}, total = 0;
    struct rng rng = {.state = 5};
    for (int i = 0; i < 20000; i++) {
        uint32_t k = rng_below(&rng, HASHES), hash = 2 + k * 7;
        bool is_growing = i / 1000 % 2 == 0;
        if (count[k] > 0 && rng_below(&rng, 10) >= (is_growing ? 3 : 7)) {
            roster_remove(&r, hash, &batch);
            count[k]--;
            total--;
        } else {
            assert_int_equal(roster_add(&r, hash, &batch), 0);
            count[k]++;
            total++;
        }
        assert_true((total == 0) == (r == NULL));
        for (uint32_t h = 0; r != NULL && h < HASHES; h++)
            assert_int_equal(roster_has(r, 2 + h * 7), count[h] > 0);
        if (r != NULL)
            assert_false(roster_has(r, 3));
        retire_now(&batch);
    }
    for (uint32_t k = 0; k < HASHES; k++)
        for (; count[k] > 0; count[k]--)
            roster_remove(&r, 2 + k * 7, &batch);
    assert_null(r);
    retire_now(&batch);
}

/* Room is made in proportion, and given back. */
static void test_roster_size(void **state)
{
    struct roster *r = NULL;
    struct retire_batch batch = {0};
    for (uint32_t i = 1; i <= 10; i++)
        assert_int_equal(roster_add(&r, i * 1000003, &batch), 0);
    assert_int_equal(r->mask, 15);
    for (uint32_t i = 11; i <= 5000; i++)
        assert_int_equal(roster_add(&r, i * 1000003, &batch), 0);
    assert_int_equal(r->mask, 8191);
    for (uint32_t i = 11; i <= 5000; i++)
        roster_remove(&r, i * 1000003, &batch);
    assert_true(r->mask < 256);
    for (uint32_t i = 1; i <= 10; i++)
        assert_true(roster_has(r, i * 1000003));
    for (uint32_t i = 1; i <= 10; i++)
        roster_remove(&r, i * 1000003, &batch);
    retire_now(&batch);
}

static void test_want_ring(void **state)
{
    static struct want_ring r;
    uint8_t name[] = {2, 'a', 'a', 0};
    atomic_store(&r.posted, UINT32_MAX - 100); /* numbers wrap */
    atomic_store(&r.taken, UINT32_MAX - 100);
    atomic_store(&r.served, UINT32_MAX - 100);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < WANTS; i++) {
            name[1] = (uint8_t)i;
            name[2] = (uint8_t)(i >> 8);
            assert_true(want_post(&r, name, sizeof(name)));
            assert_true(want_post(&r, name, sizeof(name))); /* wanted already */
            assert_int_equal(atomic_load(&r.posted) - atomic_load(&r.taken), i + 1);
        }
        name[2] = UINT8_MAX;
        assert_false(want_post(&r, name, sizeof(name)));
        assert_false(want_serve(&r));
        for (unsigned i = 0; i < WANTS; i++) {
            assert_int_equal(want_next(&r)->wire[1] + 256 * want_next(&r)->wire[2], i);
            want_take(&r);
        }
        assert_null(want_next(&r));
        assert_true(want_serve(&r));
        assert_true(answer_is_served(atomic_load(&r.posted), atomic_load(&r.served)));
        assert_false(answer_is_served(atomic_load(&r.posted) + 1, atomic_load(&r.served)));
    }
}

/* ── asking ── */

static void begin(void)
{
    scene_init(&scene, &(struct scene_options){0});
}

static void add(const char *service, const char *id, uint32_t lease_ms)
{
    scene_add(&scene, service, &(struct scene_instance){.id = id, .address = "10.0.0.1", .lease_ms = lease_ms});
}

/* One look of a worker. Returns the rcode, or COLD. */
#define COLD      1000u
#define COLD_FULL 1001u

static size_t last_len; /* of its answer */

static unsigned look(unsigned reader, const char *name, uint8_t round)
{
    struct answer_request rq = {.now_ms = scene.now_ms + SCENE_LAG_MS, .round = round};
    struct answer_item item = {.packet = scene.packet, .cap = DNS_UDP_MAX};
    item.len = scene_query(scene.packet, &(struct scene_query){.name = name, .type = DNS_A});
    answer_batch(answers_reader(scene.answers, reader), &rq, &item, 1);
    last_len = item.len;
    if (item.again > 0)
        return item.is_wanted ? COLD : COLD_FULL;
    return scene_header(scene.packet).flags & DNS_RCODE_MASK;
}

static struct publish_counts counts(void)
{
    struct publish_counts c;
    publish_counts(scene.publisher, &c);
    return c;
}

static void test_first_question(void **state)
{
    begin();
    add("web", "a", 0);
    scene_flush(&scene);
    assert_int_equal(look(0, "web.service.local", 0), COLD);
    assert_int_equal(look(0, "web.service.local", 1), COLD);
    assert_int_equal(counts().hot, 0);
    assert_false(answers_take_news(scene.answers, 0));
    scene_flush(&scene);
    assert_true(answers_take_news(scene.answers, 0));
    assert_false(answers_take_news(scene.answers, 0));
    assert_false(answers_take_news(scene.answers, 1));
    assert_int_equal(counts().hot, 1);
    assert_int_equal(counts().wants, 1);
    assert_int_equal(look(0, "web.service.local", 1), DNS_NOERROR);
    assert_int_equal(scene_header(scene.packet).an, 1);
    assert_int_equal(look(1, "WEB.service.local", 0), DNS_NOERROR);
    scene_fini(&scene);
}

static void test_two_workers_want_the_same(void **state)
{
    begin();
    add("web", "a", 0);
    scene_flush(&scene);
    assert_int_equal(look(0, "a.web.service.local", 0), COLD);
    assert_int_equal(look(1, "a.web.service.local", 0), COLD);
    scene_flush(&scene);
    assert_int_equal(counts().hot, 1);
    for (unsigned reader = 0; reader < 2; reader++) {
        assert_true(answers_take_news(scene.answers, reader));
        assert_int_equal(look(reader, "a.web.service.local", 1), DNS_NOERROR);
    }
    scene_fini(&scene);
}

/* Asked, gone, asked, back. */
static void test_life_of_an_id(void **state)
{
    begin();
    add("web", "b", 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(look(0, "a.web.service.local", 0), DNS_NXDOMAIN);
        add("web", "a", 0);
        assert_int_equal(look(0, "a.web.service.local", 0), i == 0 ? DNS_NXDOMAIN : COLD); /* at first no node of web */
        scene_flush(&scene);
        scene_ask(&scene, "a.web.service.local", DNS_A);
        assert_int_equal(scene_header(scene.packet).an, 1);
        scene_add(&scene, "web",
                  &(struct scene_instance){.id = "a", .address = "10.0.0.2"}); /* hot: built with the turn */
        scene_flush(&scene);
        assert_int_equal(look(0, "A.web.service.local", 0), DNS_NOERROR);
        assert_int_equal(scene.packet[last_len - 1], 2);
        scene_remove(&scene, "web", "a");
        scene_flush(&scene);
        assert_int_equal(look(1, "a.web.service.local", 0), DNS_NXDOMAIN);
    }
    scene_fini(&scene);
}

/* Each id is known from its registration on, while the roster grows and shrinks. */
static void test_ids_are_known_at_once(void **state)
{
    enum { N = 300 };
    char id[16], name[64];
    begin();
    add("web", "first", 0);
    scene_flush(&scene);
    for (int i = 0; i < 2 * N; i++) {
        snprintf(id, sizeof(id), "n%d", i % N);
        snprintf(name, sizeof(name), "%s.web.service.local", id);
        if (i < N)
            add("web", id, 0);
        else
            scene_remove(&scene, "web", id);
        if (i < N)
            assert_int_equal(look(0, name, 0), COLD);
        scene_flush(&scene);
        assert_int_equal(look(0, name, 1), i < N ? DNS_NOERROR : DNS_NXDOMAIN);
        assert_int_equal(look(0, "first.web.service.local", 0), i == 0 ? COLD : DNS_NOERROR);
        scene_ask(&scene, "first.web.service.local", DNS_A);
    }
    scene_fini(&scene);
}

/* Gone and back before anybody could see it. */
static void test_hot_id_back_in_the_same_turn(void **state)
{
    begin();
    add("web", "a", 0);
    add("web", "b", 0);
    scene_flush(&scene);
    scene_ask(&scene, "a.web.service.local", DNS_A);
    scene_remove(&scene, "web", "a");
    scene_add(&scene, "web", &(struct scene_instance){.id = "A", .address = "10.0.0.2"});
    scene_flush(&scene);
    assert_int_equal(look(0, "a.web.service.local", 0), DNS_NOERROR);
    assert_int_equal(scene.packet[last_len - 1], 2);
    scene_fini(&scene);
}

/* A name that goes while it is wanted. */
static void test_wanted_and_gone(void **state)
{
    begin();
    add("web", "a", 0);
    add("db", "a", 0);
    scene_flush(&scene);
    assert_int_equal(look(0, "a.web.service.local", 0), COLD);
    assert_int_equal(look(0, "db.service.local", 0), COLD);
    scene_remove(&scene, "web", "a");
    scene_remove(&scene, "db", "a");
    scene_flush(&scene);
    assert_true(answers_take_news(scene.answers, 0));
    assert_int_equal(look(0, "a.web.service.local", 1), DNS_NXDOMAIN);
    assert_int_equal(look(0, "db.service.local", 1), DNS_NXDOMAIN);
    assert_int_equal(counts().names, 0);
    scene_fini(&scene);
}

/* What does not exist is said by the worker: no want is posted. */
static void test_flood_of_random_names(void **state)
{
    begin();
    for (int i = 0; i < 1000; i++) {
        char id[16];
        snprintf(id, sizeof(id), "n%d", i);
        add("web", id, 0);
    }
    scene_flush(&scene);
    struct rng rng = {.state = 3};
    uint32_t posted = answer_reader_posted(answers_reader(scene.answers, 0));
    for (int i = 0; i < 100000; i++) {
        static const char *const below[] = {"web.", "n1.web.", "", "_tcp.web."};
        char name[128];
        snprintf(name, sizeof(name), "%s%llx.%sservice.local", i % 3 == 0 ? "n1x" : "",
                 (unsigned long long)rng_u64(&rng), below[i % 4]);
        assert_int_equal(look(0, name, 0), DNS_NXDOMAIN);
    }
    assert_int_equal(answer_reader_posted(answers_reader(scene.answers, 0)), posted);
    scene_fini(&scene);
}

/* A name that the roster takes for an id and that has no node all the same: a static name hides it. */
static void test_roster_is_wrong(void **state)
{
    scene_init(&scene, &(struct scene_options){
                           .zones = {"a_b.web IN A 192.0.2.1\ntoid IN CNAME c.web\nweb_1 IN A 192.0.2.2\n"}});
    add("web", "a-b", 0);
    add("web", "c", 0);
    add("web-1", "d", 0);
    scene_flush(&scene);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(look(0, "a-b.web.service.local", 0), COLD);
        scene_flush(&scene);
        assert_int_equal(look(0, "a-b.web.service.local", 1), DNS_NXDOMAIN);
    }
    assert_int_equal(look(0, "a_b.web.service.local", 0), DNS_NOERROR);
    assert_int_equal(look(0, "toid.service.local", 0), COLD); /* found at the end of the chain */
    scene_flush(&scene);
    assert_int_equal(look(0, "toid.service.local", 1), DNS_NOERROR);
    assert_int_equal(scene_header(scene.packet).an, 2);
    assert_int_equal(look(0, "web-1.service.local", 0), DNS_NOERROR); /* hidden, with an id below */
    assert_int_equal(look(0, "d.web_1.service.local", 0), COLD);
    scene_remove(&scene, "web-1", "d");
    scene_flush(&scene);
    assert_int_equal(look(0, "web-1.service.local", 0), DNS_NXDOMAIN);
    assert_int_equal(look(0, "d.web_1.service.local", 1), DNS_NXDOMAIN);
    scene_fini(&scene);
}

static void test_too_many_wants(void **state)
{
    begin();
    char name[64];
    for (int i = 0; i <= WANTS; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        add(name, "a", 0);
    }
    scene_flush(&scene);
    for (int i = 0; i <= WANTS; i++) {
        snprintf(name, sizeof(name), "s%d.service.local", i);
        assert_int_equal(look(0, name, 0), i < WANTS ? COLD : COLD_FULL);
    }
    assert_int_equal(look(1, name, 0), COLD); /* each worker has its own */
    scene_flush(&scene);
    for (int i = 0; i <= WANTS; i++) {
        snprintf(name, sizeof(name), "s%d.service.local", i);
        assert_int_equal(look(0, name, 1), DNS_NOERROR);
    }
    scene_fini(&scene);
}

/* Wants that are dear are spread over turns; the rest is work without a change. */
static void test_wants_of_a_turn_are_bounded(void **state)
{
    enum { SERVICES = 8, EACH = 4000 };
    begin();
    char name[64], id[16];
    for (int s = 0; s < SERVICES; s++) {
        snprintf(name, sizeof(name), "s%d", s);
        for (int i = 0; i < EACH; i++) {
            snprintf(id, sizeof(id), "n%d", i);
            add(name, id, 0);
        }
    }
    scene_flush(&scene);
    for (int s = 0; s < SERVICES; s++) {
        snprintf(name, sizeof(name), "s%d.service.local", s);
        assert_int_equal(look(s % 2, name, 0), COLD);
    }
    scene_flush(&scene);
    assert_in_range(counts().hot, 4, 5);
    assert_int_equal(publish_next_ms(scene.publisher), 0);
    assert_int_equal(look(0, "s0.service.local", 1), DNS_NOERROR);
    scene_flush(&scene);
    assert_int_equal(counts().hot, SERVICES);
    assert_true(publish_next_ms(scene.publisher) > scene.now_ms);
    scene_fini(&scene);
}

static void test_cold_too_often(void **state)
{
    begin();
    add("web", "a", 0);
    scene_flush(&scene);
    assert_int_equal(look(0, "web.service.local", ANSWER_ROUNDS), DNS_SERVFAIL);
    scene_fini(&scene);
}

/* ── cooling ── */

static void test_cools_when_nobody_asks(void **state)
{
    begin();
    add("web", "a", 0);
    add("web", "b", 0);
    scene_flush(&scene);
    scene_ask(&scene, "web.service.local", DNS_A);
    scene_ask(&scene, "a.web.service.local", DNS_A);
    assert_int_equal(counts().hot, 2);
    assert_int_equal(counts().names, 2);
    scene_advance(&scene, COOL_MS + 100); /* both were asked for since they were built */
    assert_int_equal(counts().hot, 2);
    scene_ask(&scene, "web.service.local", DNS_A);
    assert_true(publish_next_ms(scene.publisher) <= scene.now_ms + COOL_MS);
    scene_advance(&scene, COOL_MS);
    assert_int_equal(counts().hot, 1);
    assert_int_equal(counts().names, 1);
    assert_int_equal(look(0, "a.web.service.local", 0), COLD);
    assert_int_equal(look(0, "web.service.local", 0), DNS_NOERROR);
    scene_advance(&scene, 2 * COOL_MS + 100); /* the wanted id is built, and cools, too */
    assert_int_equal(counts().hot, 0);
    assert_true(publish_next_ms(scene.publisher) == UINT64_MAX);
    assert_int_equal(look(0, "web.service.local", 0), COLD);
    scene_flush(&scene);
    assert_int_equal(look(0, "web.service.local", 1), DNS_NOERROR);
    scene_fini(&scene);
}

static void test_changes_of_cold_names_cost_nothing(void **state)
{
    begin();
    for (int i = 0; i < 1000; i++) {
        char id[16];
        snprintf(id, sizeof(id), "n%d", i);
        scene_add(&scene, "web",
                  &(struct scene_instance){
                      .id = id, .address = "10.0.0.1", .tags = {"blue"}, .lease_ms = 10000, .check = "ttl 1h"});
    }
    scene_flush(&scene);
    uint64_t visits = publish_visits(scene.publisher);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 1000; i++) {
            char id[16];
            snprintf(id, sizeof(id), "n%d", i);
            scene_report(&scene, "web", id, (i + round) % 2 == 0 ? CHECK_PASSING : CHECK_CRITICAL);
            if (round % 5 == 4)
                scene_renew(&scene, "web", id);
        }
        scene_advance(&scene, 1000);
    }
    assert_int_equal(publish_visits(scene.publisher), visits);
    assert_true(publish_next_ms(scene.publisher) == UINT64_MAX);
    scene_ask(&scene, "blue.web.service.local", DNS_SRV);
    assert_true(publish_visits(scene.publisher) >= visits + 1000);
    scene_fini(&scene);
}

/* PICK asks by id, too, whether the id is built or not. */
static void test_pick_by_id(void **state)
{
    begin();
    add("web", "a", 0);
    add("web", "b", 0);
    for (int i = 0; i < 2; i++) {
        struct publish_pick pick;
        assert_int_equal(publish_pick(scene.publisher, "web", "B", NULL, &pick, NULL), 0);
        assert_string_equal(pick.instance->desc->id, "b");
        assert_int_equal(publish_pick(scene.publisher, "web", "c", NULL, &pick, NULL), ERR_NOTFOUND);
        scene_ask(&scene, "b.web.service.local", DNS_A);
    }
    scene_fini(&scene);
}

/* ── memory ── */

/* The n-th allocation while a name becomes hot fails: whoever asks waits, and is answered when there is memory. */
static void test_want_without_memory(void **state)
{
    static const char *const names[] = {"a.web.service.local", "web.service.local", "blue.web.service.local",
                                        "_web._blue.service.local"};
    unsigned failures = 0;
    for (size_t k = 0; k < 4; k++) {
        for (unsigned n = 0;; n++) {
            begin();
            scene_add(&scene, "web", &(struct scene_instance){.id = "a", .address = "10.0.0.1", .tags = {"blue"}});
            scene_flush(&scene);
            assert_int_equal(look(0, names[k], 0), COLD);
            heap_fail_at(n);
            int rc = scene_flush(&scene);
            bool has_failed = heap_reset();
            assert_int_equal(rc, has_failed ? ERR_NOMEM : 0);
            assert_int_equal(answers_take_news(scene.answers, 0), rc == 0);
            failures += has_failed;
            assert_true(rc == 0 || publish_next_ms(scene.publisher) <= scene.now_ms + 1000);
            if (rc != 0)
                assert_int_equal(scene_flush(&scene), 0);
            assert_int_equal(look(0, names[k], 1), DNS_NOERROR);
            scene_fini(&scene);
            if (!has_failed)
                break;
        }
    }
    assert_true(failures > 12);
}

/* The names below the id stand in the zone file: it exists for them already, with nothing of its own. */
static void test_id_above_a_static_name(void **state)
{
    scene_init(&scene, &(struct scene_options){.zones = {"x.a.web IN A 192.0.2.1\ntoid IN CNAME a.web\n"}});
    add("web", "b", 0);
    scene_flush(&scene);
    assert_int_equal(look(0, "a.web.service.local", 0), DNS_NOERROR);
    assert_int_equal(scene_header(scene.packet).an, 0);
    add("web", "a", 0);
    scene_flush(&scene);
    assert_int_equal(look(0, "a.web.service.local", 0), COLD);
    assert_int_equal(look(0, "toid.service.local", 0), COLD);
    scene_flush(&scene);
    assert_int_equal(look(0, "a.web.service.local", 1), DNS_NOERROR);
    assert_int_equal(scene_header(scene.packet).an, 1);
    assert_int_equal(look(0, "toid.service.local", 0), DNS_NOERROR);
    assert_int_equal(scene_header(scene.packet).an, 2);
    scene_remove(&scene, "web", "a");
    scene_flush(&scene);
    assert_int_equal(look(0, "a.web.service.local", 0), DNS_NOERROR);
    assert_int_equal(scene_header(scene.packet).an, 0);
    scene_fini(&scene);
}

/* ── what a worker that stands still costs ── */

/* Names that cool and are asked for again by the others are changes, too: what they replace is bounded. */
static void test_cooling_beside_a_worker_that_stands_still(void **state)
{
    enum { EACH = 2000, ROUNDS = 1000 };
    begin();
    for (int i = 0; i < EACH; i++) {
        char id[16];
        snprintf(id, sizeof(id), "n%d", i);
        add("web", id, 0);
    }
    scene_flush(&scene);
    answer_reader_online(answers_reader(scene.answers, 1));
    unsigned n_behind = 0;
    for (int i = 0; i < ROUNDS; i++) {
        (void)look(0, "web.service.local", 0);
        n_behind += scene_flush(&scene) == ERR_UNAVAILABLE;
        scene.now_ms += 2 * COOL_MS;
        n_behind += scene_flush(&scene) == ERR_UNAVAILABLE;
        scene.now_ms += 2 * COOL_MS;
        n_behind += scene_flush(&scene) == ERR_UNAVAILABLE;
        assert_true(answers_retired(scene.answers) < 2 * PUBLISH_RETIRED_MAX + (1 << 20));
    }
    assert_true(n_behind > 0);
    answer_reader_offline(answers_reader(scene.answers, 1));
    assert_int_equal(scene_flush(&scene), 0);
    assert_int_equal(answers_retired(scene.answers), 0);
    scene_fini(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roster_is_a_multiset),
        cmocka_unit_test(test_roster_size),
        cmocka_unit_test(test_want_ring),
        cmocka_unit_test(test_first_question),
        cmocka_unit_test(test_two_workers_want_the_same),
        cmocka_unit_test(test_life_of_an_id),
        cmocka_unit_test(test_ids_are_known_at_once),
        cmocka_unit_test(test_hot_id_back_in_the_same_turn),
        cmocka_unit_test(test_wanted_and_gone),
        cmocka_unit_test(test_flood_of_random_names),
        cmocka_unit_test(test_roster_is_wrong),
        cmocka_unit_test(test_too_many_wants),
        cmocka_unit_test(test_wants_of_a_turn_are_bounded),
        cmocka_unit_test(test_cold_too_often),
        cmocka_unit_test(test_cools_when_nobody_asks),
        cmocka_unit_test(test_changes_of_cold_names_cost_nothing),
        cmocka_unit_test(test_pick_by_id),
        cmocka_unit_test(test_want_without_memory),
        cmocka_unit_test(test_id_above_a_static_name),
        cmocka_unit_test(test_cooling_beside_a_worker_that_stands_still),
    };
    return cmocka_run_group_tests_name("publish_cold", tests, NULL, NULL);
}
