/* WATCH and SUBSCRIBE: snapshots, streams, resumption, what is lost and how that is told; and the history behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heap.h"
#include "protocol_world.h"

static struct protocol_world w;

static int setup(void **state)
{
    protocol_world_init(&w, NULL);
    return 0;
}

static int teardown(void **state)
{
    protocol_world_fini(&w);
    return 0;
}

#define expect(text, reply) assert_string_equal(protocol_say(&w, text), reply)

#define FRAME(type, revision, kind, service, id, old, new)                                                                       \
    "*10\r\n" type revision kind service id old new "$8\r\n10.0.0.5\r\n:80\r\n:1700000000000000\r\n"
#define SNAPSHOT "$8\r\nsnapshot\r\n"
#define CHANGE "$6\r\nchange\r\n"
#define PRESENT "$7\r\npresent\r\n"
#define REGISTERED "$10\r\nregistered\r\n"
#define DEREGISTERED "$12\r\nderegistered\r\n"
#define NONE "$4\r\nnone\r\n"
#define PASSING "$7\r\npassing\r\n"
#define REPLY(id, revision) "*3\r\n$1\r\n" id "\r\n:30\r\n:" revision "\r\n"

static void a_watch_begins_with_a_snapshot(void **state)
{
    expect("REGISTER web 10.0.0.5 80 ID a\nREGISTER db 10.0.0.5 80 ID b\n", REPLY("a", "1001") REPLY("b", "1002"));
    expect("WATCH\n", "+OK\r\n" FRAME(SNAPSHOT, ":1001\r\n", PRESENT, "$3\r\nweb\r\n", "$1\r\na\r\n", NONE, PASSING)
                          FRAME(SNAPSHOT, ":1002\r\n", PRESENT, "$2\r\ndb\r\n", "$1\r\nb\r\n", NONE, PASSING)
                      "*2\r\n$4\r\nlive\r\n:1002\r\n");
    expect("REGISTER web 10.0.0.5 80 ID c\n",
           REPLY("c", "1003") FRAME(CHANGE, ":1003\r\n", REGISTERED, "$3\r\nweb\r\n", "$1\r\nc\r\n", NONE, PASSING));
    expect("RENEW web c\n", ":30\r\n");
    expect("DEREGISTER web c\n",
           ":1\r\n" FRAME(CHANGE, ":1004\r\n", DEREGISTERED, "$3\r\nweb\r\n", "$1\r\nc\r\n", PASSING, NONE));
}

static void a_watch_of_one_service_sees_only_that(void **state)
{
    expect("REGISTER my_web 10.0.0.5 80 ID a\nREGISTER db 10.0.0.5 80 ID b\n", REPLY("a", "1001") REPLY("b", "1002"));
    expect("WATCH MY-WEB\n",
           "+OK\r\n" FRAME(SNAPSHOT, ":1001\r\n", PRESENT, "$6\r\nmy_web\r\n", "$1\r\na\r\n", NONE, PASSING)
           "*2\r\n$4\r\nlive\r\n:1002\r\n");
    expect("DEREGISTER db b\n", ":1\r\n");
    expect("DEREGISTER my-web a\n",
           ":1\r\n" FRAME(CHANGE, ":1004\r\n", DEREGISTERED, "$6\r\nmy_web\r\n", "$1\r\na\r\n", PASSING, NONE));
    expect("WATCH nobody\n", "+OK\r\n*2\r\n$4\r\nlive\r\n:1004\r\n");
}

static void a_watch_resumes_where_it_was(void **state)
{
    expect("REGISTER web 10.0.0.5 80 ID a\nREGISTER web 10.0.0.5 80 ID b\n", REPLY("a", "1001") REPLY("b", "1002"));
    expect("WATCH FROM 1001\n",
           "+OK\r\n" FRAME(CHANGE, ":1002\r\n", REGISTERED, "$3\r\nweb\r\n", "$1\r\nb\r\n", NONE, PASSING)
           "*2\r\n$4\r\nlive\r\n:1002\r\n");
    expect("WATCH web FROM 1002\n", "+OK\r\n*2\r\n$4\r\nlive\r\n:1002\r\n");
    expect("WATCH web FROM 1000\n",
           "+OK\r\n" FRAME(CHANGE, ":1001\r\n", REGISTERED, "$3\r\nweb\r\n", "$1\r\na\r\n", NONE, PASSING)
           FRAME(CHANGE, ":1002\r\n", REGISTERED, "$3\r\nweb\r\n", "$1\r\nb\r\n", NONE, PASSING) "*2\r\n$4\r\nlive\r\n:1002\r\n");
}

/* A revision that is older than the history, or of another life of the server. */
static void a_watch_that_cannot_resume_gets_a_snapshot(void **state)
{
    expect("REGISTER web 10.0.0.5 80 ID a\n", REPLY("a", "1001"));
    const char *snapshot = "+OK\r\n" FRAME(SNAPSHOT, ":1001\r\n", PRESENT, "$3\r\nweb\r\n", "$1\r\na\r\n", NONE, PASSING)
        "*2\r\n$4\r\nlive\r\n:1001\r\n";
    expect("WATCH FROM 999\n", snapshot);
    expect("WATCH FROM 1002\n", snapshot);
    expect("WATCH FROM 1001\n", "+OK\r\n*2\r\n$4\r\nlive\r\n:1001\r\n");
}

static void resp3_pushes(void **state)
{
    (void)protocol_say(&w, "HELLO 3\n");
    expect("WATCH\n", "+OK\r\n>2\r\n$4\r\nlive\r\n:1000\r\n");
    expect("SUBSCRIBE web\n", "-BADARG this connection has a WATCH: subscribe on another one\r\n");
    assert_non_null(strstr(protocol_say(&w, "RESET\nHELLO 3\n"), "+RESET"));
    expect("SUBSCRIBE web\n", ">3\r\n$9\r\nsubscribe\r\n$3\r\nweb\r\n:1\r\n");
    expect("PING\n", "+PONG\r\n");
}

#define JSON_A                                                                                                                    \
    "{\"revision\":1001,\"kind\":\"registered\",\"service\":\"web\",\"id\":\"a\",\"old\":\"none\",\"new\":\"passing\","             \
    "\"address\":\"10.0.0.5\",\"port\":80,\"time_us\":1700000000000000}"

static void messages_as_redis_has_them(void **state)
{
    expect("SUBSCRIBE web *\n", "*3\r\n$9\r\nsubscribe\r\n$3\r\nweb\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\n*\r\n:2\r\n");
    expect("PSUBSCRIBE w*\n", "*3\r\n$10\r\npsubscribe\r\n$2\r\nw*\r\n:3\r\n");
    expect("SUBSCRIBE web\n", "*3\r\n$9\r\nsubscribe\r\n$3\r\nweb\r\n:3\r\n");
    expect("REGISTER web 10.0.0.5 80 ID a\n",
           REPLY("a", "1001") "*3\r\n$7\r\nmessage\r\n$3\r\nweb\r\n$149\r\n" JSON_A "\r\n*3\r\n$7\r\nmessage\r\n$1\r\n*\r\n$149\r\n" JSON_A
                              "\r\n*4\r\n$8\r\npmessage\r\n$2\r\nw*\r\n$3\r\nweb\r\n$149\r\n" JSON_A "\r\n");
    expect("PING\nPING x\n", "*2\r\n$4\r\npong\r\n$0\r\n\r\n*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
    expect("WATCH\n", "-BADARG this connection has subscriptions: WATCH on another one, or UNSUBSCRIBE first\r\n");
    expect("UNSUBSCRIBE nosuch\n", "*3\r\n$11\r\nunsubscribe\r\n$6\r\nnosuch\r\n:3\r\n");
    expect("UNSUBSCRIBE web\n", "*3\r\n$11\r\nunsubscribe\r\n$3\r\nweb\r\n:2\r\n");
    expect("UNSUBSCRIBE\n", "*3\r\n$11\r\nunsubscribe\r\n$1\r\n*\r\n:1\r\n");
    expect("PUNSUBSCRIBE\n", "*3\r\n$12\r\npunsubscribe\r\n$2\r\nw*\r\n:0\r\n");
    expect("UNSUBSCRIBE\n", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
    expect("PING\n", "+PONG\r\n");
    expect("DEREGISTER web a\n", ":1\r\n");
}

static void only_so_many_subscriptions(void **state)
{
    char line[64];

    for (int i = 0; i < WATCH_CHANNELS_MAX; i++) {
        (void)snprintf(line, sizeof(line), "SUBSCRIBE s%d\n", i);
        assert_non_null(strstr(protocol_say(&w, line), "subscribe"));
    }
    expect("SUBSCRIBE other\n", "-LIMIT a connection may have 256 subscriptions\r\n");
}

/* ── the slow reader ── */

static size_t count(const char *text, const char *part)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

static void populate(int n)
{
    char line[96];

    for (int i = 0; i < n; i++) {
        (void)snprintf(line, sizeof(line), "REGISTER s%d 10.0.0.5 80 ID i%d\n", i / 3, i);
        assert_int_equal(protocol_say(&w, line)[0], '*');
    }
}

static enum watch_result pump(struct watch *watch, size_t budget)
{
    struct resp_writer out = {.out = &w.out};

    return watch_pump(watch, &w.server, &out, budget);
}

/* In pieces, while instances come and go: at "live" the reader knows all that are there. */
static void a_snapshot_goes_on_where_it_stopped(void **state)
{
    struct watch *watch;
    enum watch_result r;
    int pieces = 0;

    populate(30);
    assert_int_equal(watch_new(&w.server, NULL, NULL, &watch), 0);
    buf_reset(&w.out);
    while ((r = pump(watch, 200)) == WATCH_MORE)
        pieces++;
    assert_int_equal(r, WATCH_CURRENT);
    assert_true(pieces >= 10);
    assert_int_equal(count(buf_cstr(&w.out), "snapshot"), 30);
    assert_int_equal(count(buf_cstr(&w.out), "live"), 1);
    watch_free(watch);
}

static void a_snapshot_survives_the_end_of_where_it_stopped(void **state)
{
    struct watch *watch;
    struct buf seen;

    populate(9);
    assert_int_equal(watch_new(&w.server, NULL, NULL, &watch), 0);
    buf_reset(&w.out);
    assert_int_equal(pump(watch, 500), WATCH_MORE); /* s0 and the beginning of s1 */
    buf_init(&seen, 0);
    buf_append(&seen, w.out.data, w.out.len);
    /* its last instance goes, then its last service */
    (void)protocol_say(&w, "DEREGISTER s1 i3\nDEREGISTER s1 i4\nDEREGISTER s1 i5\n");
    buf_reset(&w.out);
    while (pump(watch, 500) == WATCH_MORE)
        ;
    buf_append(&seen, w.out.data, w.out.len);
    for (int i = 0; i < 9; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "$2\r\ni%d\r\n", i);
        if (i < 3 || i > 5)
            assert_true(count(buf_cstr(&seen), id) >= 1);
    }
    assert_int_equal(count(buf_cstr(&seen), DEREGISTERED), 3);
    assert_int_equal(count(buf_cstr(&seen), "live"), 1);
    buf_fini(&seen);
    watch_free(watch);
}

static void a_reader_that_the_history_overtakes_is_told(void **state)
{
    struct watch *watch;
    uint64_t from = registry_revision(w.registry);

    populate(PROTOCOL_WORLD_HISTORY);
    assert_int_equal(watch_new(&w.server, NULL, &from, &watch), 0);
    buf_reset(&w.out);
    assert_int_equal(pump(watch, 1), WATCH_MORE); /* one */
    populate(2);                                  /* renewals: no change */
    assert_int_equal(pump(watch, 1), WATCH_MORE);
    (void)protocol_say(&w, "DEREGISTER s0 i0\nDEREGISTER s0 i1\nDEREGISTER s0 i2\n");
    assert_int_equal(pump(watch, 1), WATCH_LOST);
    watch_free(watch);
}

/* ── the history ── */

static struct effect change_of(struct service *s, struct instance *i, uint64_t revision)
{
    return (struct effect){.type = EFFECT_CHANGE,
                           .u.change = {.kind = CHANGE_STATE, .service = s, .instance = i, .new_desc = i->desc, .revision = revision}};
}

static void the_history_keeps_the_newest(void **state)
{
    struct description_input in = {.address = "10.0.0.5", .port = "80"};
    struct instance i = {0};
    struct service s = {.name = "web"};
    struct changes *c;

    assert_int_equal(description_new(&in, &w.options.limits, &i.desc, NULL), 0);
    assert_int_equal(changes_new(4, 100, &c), 0);
    assert_null(changes_after(c, 0));
    assert_true(changes_reach(c, 100));
    assert_false(changes_reach(c, 99));
    for (uint64_t revision = 102; revision <= 120; revision += 2) {
        struct effect x = change_of(&s, &i, revision);
        changes_effect(c, &x, 1);
    }
    assert_int_equal(i.desc->refs, 5);
    for (uint64_t after = 0; after < 125; after++) {
        const struct change *found = changes_after(c, after);
        uint64_t expected = after < 114 ? 114 : after / 2 * 2 + 2;
        assert_int_equal(changes_reach(c, after), after >= 112);
        if (after >= 120)
            assert_null(found);
        else
            assert_int_equal(found->revision, expected);
    }
    changes_free(c);
    assert_int_equal(i.desc->refs, 1);
    description_unref(i.desc);
}

/* No copy of a name: the history begins anew, and who has not read that far is told. */
static void a_history_without_memory_forgets(void **state)
{
    struct watch *watch;

    populate(2);
    uint64_t from = registry_revision(w.registry);
    assert_int_equal(watch_new(&w.server, NULL, &from, &watch), 0);
    struct service *s = registry_service(w.registry, "s0");
    struct effect x = change_of(s, registry_instance(s, "i0"), from + 1);
    heap_fail_at(0);
    changes_effect(w.changes, &x, 1);
    assert_true(heap_reset());
    assert_null(changes_after(w.changes, 0));
    assert_false(changes_reach(w.changes, from));
    assert_true(changes_reach(w.changes, from + 1));
    buf_reset(&w.out);
    assert_int_equal(pump(watch, 1000), WATCH_LOST);
    watch_free(watch);
}

static void a_watch_without_memory_is_refused(void **state)
{
    long live = heap_live();
    struct watch *watch = NULL;
    struct changes *c = NULL;

    for (unsigned n = 0; n < 2; n++) {
        heap_fail_at(n);
        assert_int_equal(changes_new(4, 0, &c), ERR_NOMEM);
        assert_true(heap_reset());
    }
    heap_fail_at(0);
    assert_int_equal(watch_new(&w.server, NULL, NULL, &watch), ERR_NOMEM);
    assert_true(heap_reset());
    assert_int_equal(watch_new_subscription(&w.server, &watch), 0);
    heap_fail_at(0); /* the array */
    assert_int_equal(watch_subscribe(watch, "web", false), ERR_NOMEM);
    assert_true(heap_reset());
    heap_fail_at(1); /* the name */
    assert_int_equal(watch_subscribe(watch, "web", false), ERR_NOMEM);
    assert_true(heap_reset());
    assert_int_equal(watch_n_channels(watch), 0);
    watch_free(watch);
    assert_int_equal(heap_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_watch_begins_with_a_snapshot, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_of_one_service_sees_only_that, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_resumes_where_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_that_cannot_resume_gets_a_snapshot, setup, teardown),
        cmocka_unit_test_setup_teardown(resp3_pushes, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_as_redis_has_them, setup, teardown),
        cmocka_unit_test_setup_teardown(only_so_many_subscriptions, setup, teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_goes_on_where_it_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_survives_the_end_of_where_it_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_the_history_overtakes_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(the_history_keeps_the_newest, setup, teardown),
        cmocka_unit_test_setup_teardown(a_history_without_memory_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_without_memory_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
