/* What a registry of very many instances promises: bytes for each, and steps that stay short whatever happens at once. */
#include "registry/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/heap.h"

#define SLICE    100
#define LEASE_MS 60000
#define GRACE_MS 5000
#define BYTES    303 /* of an instance at most: the 275 measured with a million, and a tenth more */
#define CHECK    "http://:8080/healthz interval=10s"
#define CHECK_BYTES 571 /* of an instance with it: 519 measured, and a tenth more */

static struct {
    struct registry *registry;
    struct effects effects;
    uint64_t tickets[4096];
    size_t n_tickets;
} w;

static int setup(void **state)
{
    static const struct registry_options options = {.lease_default_ms = LEASE_MS,
                                                    .lease_min_ms = 1000,
                                                    .lease_max_ms = 86400000,
                                                    .session_grace_ms = GRACE_MS,
                                                    .max_services = 100000,
                                                    .max_instances = 100000,
                                                    .expiry_slice = SLICE};
    static const struct service_policy policy = {.ttl_s = 5};
    memset(&w, 0, sizeof(w));
    effects_init(&w.effects);
    return registry_new(&options, &policy, 100, 42, 0, &w.registry);
}

static int teardown(void **state)
{
    registry_free(w.registry);
    effects_fini(&w.effects);
    return 0;
}

static void step(const struct event *ev, uint64_t now_ms)
{
    assert_int_equal(registry_step(w.registry, ev, now_ms, &w.effects), 0);
}

static size_t count(enum effect_type type)
{
    size_t n = 0;
    for (size_t i = 0; i < w.effects.n; i++)
        n += w.effects.items[i].type == type;
    return n;
}

static void keep_tickets(void)
{
    for (size_t i = 0; i < w.effects.n; i++)
        if (w.effects.items[i].type == EFFECT_PERSIST)
            w.tickets[w.n_tickets++] = w.effects.items[i].u.persist.ticket;
    effects_clear(&w.effects);
}

/* Completes what is on its way. Returns how many instances left. */
static size_t commit(uint64_t now_ms)
{
    size_t gone = 0;
    keep_tickets();
    for (size_t i = 0; i < w.n_tickets; i++) {
        struct event ev = {.type = EVENT_COMMITTED, .u.committed = {.ticket = w.tickets[i], .ok = true}};
        step(&ev, now_ms);
        for (size_t k = 0; k < w.effects.n; k++)
            gone += w.effects.items[k].type == EFFECT_CHANGE && w.effects.items[k].u.change.gone;
        effects_clear(&w.effects);
    }
    w.n_tickets = 0;
    return gone;
}

static void name_service(unsigned n, char out[32])
{
    snprintf(out, 32, "service-%u", n / 10);
}

static void name_id(unsigned n, char out[32])
{
    snprintf(out, 32, "10-20-%u-%u-8080", 100 + n / 156, 100 + n % 156); /* 18 bytes */
}

static void request_add_with(unsigned n, uint64_t session, const char *check, uint64_t now_ms)
{
    static const struct description_limits limits = {.tags = 1, .checks = 1};
    char service[32], address[32];
    struct description_input in = {
        .address = address, .port = "8080", .lease_ms = LEASE_MS, .checks = &check, .n_checks = check != NULL};
    struct event ev = {.type = EVENT_REGISTER, .request = 1, .service = service, .u.reg.session = session};
    name_service(n, service);
    snprintf(address, sizeof(address), "10.20.%u.%u", 100 + n / 156, 100 + n % 156);
    assert_int_equal(description_new(&in, &limits, &ev.u.reg.desc, NULL), 0);
    step(&ev, now_ms);
    description_unref(ev.u.reg.desc);
}

static void request_add(unsigned n, uint64_t session, uint64_t now_ms)
{
    request_add_with(n, session, NULL, now_ms);
}

static void add(unsigned n, uint64_t session, uint64_t now_ms)
{
    request_add(n, session, now_ms);
    commit(now_ms);
}

static const struct instance *find(unsigned n)
{
    char service[32], id[32];
    name_service(n, service);
    name_id(n, id);
    struct service *s = registry_service(w.registry, service);
    return s != NULL ? registry_instance(s, id) : NULL;
}

static void request(enum event_type type, unsigned n, uint64_t now_ms)
{
    char service[32], id[32];
    name_service(n, service);
    name_id(n, id);
    struct event ev = {.type = type, .request = 1, .service = service, .id = id};
    step(&ev, now_ms);
}

/* ── memory ── */

static long bytes_of_each(const char *check)
{
    enum { N = 20000 };
    long before = heap_bytes();
    for (unsigned n = 0; n < N; n++) {
        request_add_with(n, 0, check, 0);
        commit(0);
    }
    assert_non_null(find(N - 1));
    assert_int_equal(instance_n_checks(find(N - 1)), check != NULL);
    return (heap_bytes() - before) / N;
}

static void an_instance_is_small(void **state)
{
    assert_in_range(bytes_of_each(NULL), 100, BYTES);
}

static void a_check_is_little_more_than_its_text(void **state)
{
    assert_in_range(bytes_of_each(CHECK), 100, CHECK_BYTES);
}

/* ── slices ── */

static void the_end_of_all_leases_comes_in_slices(void **state)
{
    enum { N = 2000 };
    const struct event tick = {.type = EVENT_TIME};
    for (unsigned n = 0; n < N; n++)
        add(n, 0, 0);
    size_t steps = 0, gone = 0;
    while (registry_next_ms(w.registry) <= LEASE_MS) {
        step(&tick, LEASE_MS);
        assert_true(w.effects.n <= SLICE);
        assert_int_equal(count(EFFECT_PERSIST), w.effects.n);
        gone += commit(LEASE_MS);
        assert_true(++steps < N);
    }
    assert_int_equal(gone, N);
    assert_true(steps >= N / SLICE);
}

/* Renewed deadlines are looked at in slices, too. */
static void timers_that_have_moved_come_in_slices(void **state)
{
    enum { N = 2000 };
    const struct event tick = {.type = EVENT_TIME};
    for (unsigned n = 0; n < N; n++)
        add(n, 0, 0);
    for (unsigned n = 0; n < N; n++)
        request(EVENT_RENEW, n, 30000);
    effects_clear(&w.effects);
    size_t steps = 0;
    for (; registry_next_ms(w.registry) <= LEASE_MS; steps++) {
        step(&tick, LEASE_MS);
        assert_int_equal(w.effects.n, 0);
    }
    assert_in_range(steps, N / SLICE, N / SLICE + 20);
}

static void a_session_is_cut_in_slices(void **state)
{
    enum { N = 1000 };
    const struct event tick = {.type = EVENT_TIME};
    struct event close = {.type = EVENT_SESSION_CLOSED, .u.closed.session = 7};
    for (unsigned n = 0; n < N; n++)
        add(n, 7, 0);
    step(&close, 1000);
    assert_int_equal(w.effects.n, SLICE);
    assert_int_equal(find(0)->deadline_ms, 1000 + GRACE_MS);
    assert_int_equal(registry_next_ms(w.registry), 0);
    effects_clear(&w.effects);

    /* These come before their turn: after the close all the same. */
    request(EVENT_RENEW, N - 1, 2000);
    request_add(N - 2, 0, 2000);
    request_add(N - 3, 8, 2000);
    request(EVENT_DEREGISTER, N - 4, 2000);
    assert_int_equal(commit(2000), 1);
    add(N, 7, 2000); /* the number may be used again: it is another connection */

    size_t cut = SLICE;
    while (registry_next_ms(w.registry) <= 2000) {
        step(&tick, 2000);
        assert_true(count(EFFECT_LEASE) <= (SLICE + 1) / 2);
        cut += count(EFFECT_LEASE);
        assert_int_equal(commit(2000), 0);
    }
    assert_int_equal(cut, N - 4);
    for (unsigned n = 0; n < N - 4; n++)
        assert_int_equal(find(n)->deadline_ms, 1000 + GRACE_MS); /* to the time of the close, not of its turn */
    for (unsigned n = N - 3; n <= N; n++)
        assert_int_equal(find(n)->deadline_ms, 2000 + LEASE_MS);
    assert_null(find(N - 4));
    close.u.closed.session = 8;
    step(&close, 3000);
    assert_int_equal(find(N - 3)->deadline_ms, 3000 + GRACE_MS);
    close.u.closed.session = 7;
    step(&close, 3000);
    assert_int_equal(find(N)->deadline_ms, 3000 + GRACE_MS);
}

/* Deadlines get their half while a session is cut, and nobody is cut twice or forgotten when memory is short. */
static void cuts_share_the_slice_and_wait_for_memory(void **state)
{
    enum { N = 500, OTHERS = 400 };
    const struct event tick = {.type = EVENT_TIME};
    const struct event close = {.type = EVENT_SESSION_CLOSED, .u.closed.session = 7};
    for (unsigned n = 0; n < OTHERS; n++)
        add(n, 0, 0);
    for (unsigned n = OTHERS; n < OTHERS + N; n++)
        add(n, 7, 40000);
    size_t cut = 0, gone = 0;
    step(&close, LEASE_MS);
    cut += count(EFFECT_LEASE);
    effects_clear(&w.effects);
    while (registry_next_ms(w.registry) <= LEASE_MS) {
        effects_fini(&w.effects); /* its growth is an allocation, too */
        heap_fail_from(0);
        int rc = registry_step(w.registry, &tick, LEASE_MS, &w.effects);
        assert_true(heap_reset());
        assert_int_equal(rc, ERR_NOMEM);
        assert_int_equal(w.effects.n, 0);
        step(&tick, LEASE_MS);
        assert_true(count(EFFECT_LEASE) + count(EFFECT_PERSIST) <= SLICE);
        if (cut < N)
            assert_true(count(EFFECT_LEASE) > 0);
        cut += count(EFFECT_LEASE);
        gone += commit(LEASE_MS);
    }
    assert_int_equal(cut, N);
    assert_int_equal(gone, OTHERS);
}

/* The session is closed while one of its registrations is on its way, and all that it had leave before they are cut. */
static void a_closed_session_outlives_its_instances(void **state)
{
    enum { N = 2 * SLICE };
    const struct event tick = {.type = EVENT_TIME};
    const struct event close = {.type = EVENT_SESSION_CLOSED, .u.closed.session = 7};
    for (unsigned n = 0; n < N; n++)
        add(n, 7, 0);
    request_add(N, 7, 0);
    keep_tickets();
    step(&close, 0);
    effects_clear(&w.effects);
    for (unsigned n = 0; n < N; n++)
        request(EVENT_RENEW, n, 0);
    effects_clear(&w.effects);
    assert_true(registry_next_ms(w.registry) > 0); /* nobody is left to be cut */
    step(&tick, 0);
    assert_int_equal(w.effects.n, 0);
    commit(10);
    assert_int_equal(find(N)->deadline_ms, 10 + GRACE_MS);
    assert_int_equal(find(N - 1)->deadline_ms, LEASE_MS);
}

/* ── texts ── */

/* Very many refusals in one step: each keeps its own text until the vector is emptied. */
static void each_refusal_has_its_text(void **state)
{
    enum { N = 300 };
    request_add(0, 0, 0);
    keep_tickets();
    for (unsigned i = 0; i < N; i++)
        request(i % 2 == 0 ? EVENT_RENEW : EVENT_DRAIN, 0, 0);
    struct event ev = {.type = EVENT_COMMITTED, .u.committed = {.ticket = w.tickets[0]}};
    w.n_tickets = 0;
    step(&ev, 0); /* the store refused: nobody is there */
    assert_int_equal(w.effects.n, N + 1);
    for (unsigned i = 0; i < N; i++)
        assert_string_equal(w.effects.items[1 + i].u.reply.text,
                            i % 2 == 0
                                ? "no instance \"10-20-100-100-8080\" of service \"service-0\"; register again"
                                : "no instance \"10-20-100-100-8080\" of service \"service-0\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_instance_is_small, setup, teardown),
        cmocka_unit_test_setup_teardown(a_check_is_little_more_than_its_text, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_of_all_leases_comes_in_slices, setup, teardown),
        cmocka_unit_test_setup_teardown(timers_that_have_moved_come_in_slices, setup, teardown),
        cmocka_unit_test_setup_teardown(a_session_is_cut_in_slices, setup, teardown),
        cmocka_unit_test_setup_teardown(cuts_share_the_slice_and_wait_for_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_session_outlives_its_instances, setup, teardown),
        cmocka_unit_test_setup_teardown(each_refusal_has_its_text, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
