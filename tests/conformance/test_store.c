/* What every store must do, whatever it keeps things in: one body, run against each that there is. A store whose
 * promise outlives the process is also closed and opened in between. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "registry/description.h"
#include "registry/registry.h"
#include "registry/store.h"
#include "tests/lib/heap.h"

#define MANY      1000
#define POLLS_MAX 10000 /* of 1 ms: how long a store may take */

struct fixture {
    const struct store_vtable *vtable;
    struct store *store;
    char folder[64], path[128];
    unsigned wakes;
    uint64_t next_ticket, next_completion;
};

static void wake(void *arg)
{
    __atomic_add_fetch(&((struct fixture *)arg)->wakes, 1, __ATOMIC_RELAXED);
}

static void open_store(struct fixture *f)
{
    struct err e = {.text = ""};
    if (f->vtable->open(f->path, wake, f, &f->store, &e) != 0)
        fail_msg("%s: %s", f->vtable->name, e.text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->vtable = store_at(*(const size_t *)*state);
    assert_non_null(f->vtable);
    strcpy(f->folder, "/tmp/rollcall-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/store", f->folder);
    open_store(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    f->vtable->close(f->store);
    unlink(f->path);
    rmdir(f->folder);
    free(f);
    return 0;
}

static struct description *describe(unsigned n)
{
    static const struct description_limits limits = {.tags = 4, .meta = 4, .ports = 4, .checks = 4, .meta_bytes = 1000};
    static const char *const tags[] = {"blue", "version=1.2"}, *const checks[] = {"tcp://:80 interval=5s", "ttl 15s"};
    static const struct meta meta[] = {{"path", "/a=b"}, {"empty", ""}};
    static const struct port_input ports[] = {{"http", "8080"}, {"stats", "9/udp"}};
    char id[16], weight[8];
    struct description *d;
    snprintf(id, sizeof(id), "id-%u", n);
    snprintf(weight, sizeof(weight), "%u", n % 100 + 1);
    struct description_input in = {.id = id,
                                   .address = "10.0.0.1,2001:db8::1",
                                   .port = "80",
                                   .lease_ms = 30000,
                                   .weight = weight,
                                   .priority = "7",
                                   .tags = tags,
                                   .n_tags = 2,
                                   .meta = meta,
                                   .n_meta = 2,
                                   .ports = ports,
                                   .n_ports = 2,
                                   .checks = checks,
                                   .n_checks = 2};
    assert_int_equal(description_new(&in, &limits, &d, NULL), 0);
    return d;
}

static int submit(struct fixture *f, struct store_op op)
{
    op.ticket = f->next_ticket + 1;
    int rc = f->vtable->submit(f->store, &op);
    f->next_ticket += rc == 0;
    return rc;
}

static void put(struct fixture *f, unsigned n, enum instance_state state)
{
    struct description *d = describe(n);
    struct store_op op = {.kind = STORE_PUT, .service = "Web_1", .id = d->id, .desc = d, .state = (uint8_t)state};
    assert_int_equal(submit(f, op), 0);
    description_unref(d); /* the store took its own reference, or none */
}

/* Polls until all that was submitted is completed: in order, each once, each ok. */
static void finish(struct fixture *f)
{
    struct store_completion done[7];
    for (unsigned polls = 0; f->next_completion < f->next_ticket; polls++) {
        size_t n = f->vtable->poll(f->store, done, 7);
        assert_true(n <= 7 && polls < POLLS_MAX);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(done[i].ticket, ++f->next_completion);
            assert_true(done[i].ok);
        }
        if (n == 0)
            usleep(1000); /* another thread's disk, not our luck: bounded by POLLS_MAX */
    }
    assert_int_equal(f->vtable->poll(f->store, done, 7), 0);
}

/* ── what it holds ── */

struct census {
    unsigned n, draining, held;
    uint64_t hold_ms; /* of the last held id */
    bool has[MANY];
    enum instance_state state[MANY];
};

static int count_record(const struct store_record *rec, void *arg)
{
    struct census *c = arg;
    assert_string_equal(rec->service, "Web_1");
    if (rec->desc == NULL) {
        assert_string_equal(rec->id, "id-2");
        c->hold_ms = rec->hold_ms;
        c->held++;
        return 0;
    }
    unsigned n = (unsigned)atoi(rec->desc->id + 3);
    struct description *want = describe(n);
    assert_string_equal(rec->id, rec->desc->id);
    assert_true(description_is_same(rec->desc, want));
    assert_false(c->has[n]);
    c->has[n] = true;
    c->state[n] = (enum instance_state)rec->state;
    c->n++;
    c->draining += rec->is_draining;
    description_unref(want);
    return 0;
}

static void load(struct fixture *f, struct census *c)
{
    struct err e = {.text = ""};
    memset(c, 0, sizeof(*c));
    if (f->vtable->load(f->store, count_record, c, &e) != 0)
        fail_msg("%s", e.text);
}

static void reopen(struct fixture *f, struct census *c)
{
    f->vtable->close(f->store);
    open_store(f);
    load(f, c);
}

static void test_starts_empty(void **state)
{
    struct fixture *f = *state;
    struct store_completion done;
    struct census c;
    load(f, &c);
    assert_int_equal(c.n, 0);
    assert_int_equal(f->vtable->poll(f->store, &done, 1), 0);
}

static void test_completes_in_order(void **state)
{
    struct fixture *f = *state;
    for (unsigned n = 0; n < MANY; n++)
        put(f, n, STATE_PASSING);
    finish(f);
    assert_true(__atomic_load_n(&f->wakes, __ATOMIC_RELAXED) > 0);
    put(f, 1, STATE_PASSING);
    put(f, 1, STATE_PASSING);
    finish(f);
}

static void test_revision_grows(void **state)
{
    struct fixture *f = *state;
    uint64_t last = f->vtable->revision(f->store);
    bool has_numbers = false;
    for (unsigned n = 0; n < 10; n++) {
        struct store_completion done;
        put(f, n, STATE_PASSING);
        for (unsigned polls = 0; f->vtable->poll(f->store, &done, 1) == 0; polls++) {
            assert_true(polls < POLLS_MAX);
            usleep(1000);
        }
        f->next_completion++;
        has_numbers = has_numbers || done.revision != 0;
        assert_true(!has_numbers || done.revision > last);
        last = done.revision;
    }
    assert_true(!has_numbers || f->vtable->revision(f->store) == last);
}

static void test_close_with_ops_under_way(void **state)
{
    struct fixture *f = *state;
    for (unsigned n = 0; n < 100; n++)
        put(f, n, STATE_PASSING);
    f->vtable->close(f->store);
    open_store(f);
    f->next_completion = f->next_ticket;
}

/* What was acknowledged is there after close and open: the last put, state and drain of each, nothing that was deleted.
 */
static void test_durable(void **state)
{
    struct fixture *f = *state;
    struct census c;
    if (!f->vtable->is_durable)
        skip();
    for (unsigned n = 0; n < 100; n++)
        put(f, n, n % 2 == 0 ? STATE_PASSING : STATE_STARTING);
    for (unsigned n = 0; n < 100; n += 10)
        assert_int_equal(
            submit(f, (struct store_op){.kind = STORE_DELETE, .service = "Web_1", .id = n == 0 ? "id-0" : "id-10"}), 0);
    assert_int_equal(submit(f, (struct store_op){.kind = STORE_STATE,
                                                 .service = "Web_1",
                                                 .id = "id-1",
                                                 .state = STATE_DRAINING,
                                                 .is_draining = true}),
                     0);
    finish(f);
    reopen(f, &c);
    assert_int_equal(c.n, 98);
    assert_false(c.has[0] || c.has[10]);
    assert_int_equal(c.state[1], STATE_DRAINING);
    assert_int_equal(c.draining, 1);
    assert_int_equal(c.state[2], STATE_PASSING);
    put(f, 0, STATE_PASSING);
    finish(f);
    reopen(f, &c);
    assert_int_equal(c.n, 99);
}

/* A hold outlives the process as the instances do: what is left of it, until it is over or a put ends it. */
static void test_holds_are_durable(void **state)
{
    struct fixture *f = *state;
    struct census c;
    if (!f->vtable->is_durable)
        skip();
    struct store_op hold = {.kind = STORE_DELETE, .service = "Web_1", .id = "id-2", .hold_ms = 3600000};
    put(f, 1, STATE_PASSING);
    put(f, 2, STATE_PASSING);
    assert_int_equal(submit(f, hold), 0);
    finish(f);
    reopen(f, &c);
    assert_true(c.n == 1 && c.held == 1);
    assert_true(c.hold_ms > 0 && c.hold_ms <= hold.hold_ms);
    put(f, 2, STATE_PASSING);
    finish(f);
    reopen(f, &c);
    assert_true(c.n == 2 && c.held == 0);
}

/* An op that found no memory is not taken: no completion comes for it, and the next one is none the worse. */
static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    struct description *d = describe(1);
    const struct store_op op = {.kind = STORE_PUT, .service = "Web_1", .id = d->id, .desc = d, .state = STATE_PASSING};
    for (unsigned n = 0;; n++) {
        heap_fail_at(n);
        int rc = submit(f, op);
        if (!heap_reset())
            break;
        assert_true(rc == 0 || rc == ERR_NOMEM);
    }
    for (unsigned n = 0; n < MANY; n++) { /* rings and queues that grow */
        heap_fail_from(0);
        int rc = submit(f, op);
        heap_reset();
        assert_true(rc == 0 || rc == ERR_NOMEM);
        if (rc != 0)
            assert_int_equal(submit(f, op), 0);
    }
    finish(f);
    description_unref(d);
}

/* Opening either works or leaves nothing behind. */
static void test_open_without_memory(void **state)
{
    struct fixture *f = *state;
    f->vtable->close(f->store);
    long live = heap_live();
    for (unsigned n = 0;; n++) {
        struct err e = {.text = ""};
        heap_fail_at(n);
        int rc = f->vtable->open(f->path, wake, f, &f->store, &e);
        bool has_failed = heap_reset();
        if (rc == 0)
            break;
        assert_true(has_failed && e.code == rc && e.text[0] != '\0');
        assert_int_equal(heap_live(), live);
    }
    f->vtable->close(NULL);
}

static void test_find(void **state)
{
    assert_non_null(store_find("memory"));
    assert_null(store_find("nosuch"));
    assert_null(store_find(""));
}

int main(void)
{
    const struct store_vtable *vtable;
    int failed = 0;
    for (size_t i = 0; (vtable = store_at(i)) != NULL; i++) {
#define TEST(f)                                                                                                        \
    {                                                                                                                  \
        .name = #f, .test_func = f, .setup_func = setup, .teardown_func = teardown, .initial_state = &i                \
    }
        const struct CMUnitTest tests[] = {
            TEST(test_starts_empty),
            TEST(test_completes_in_order),
            TEST(test_revision_grows),
            TEST(test_durable),
            TEST(test_holds_are_durable),
            TEST(test_close_with_ops_under_way),
            TEST(test_no_memory),
            TEST(test_open_without_memory),
            cmocka_unit_test(test_find),
        };
        failed += cmocka_run_group_tests_name(vtable->name, tests, NULL, NULL);
    }
    return failed;
}
