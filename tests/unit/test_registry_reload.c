/* Calls beside the step, with memory short: making a registry, reloading its configuration, reserving names, restoring.
 * Each allocation fails once; nothing may have changed or leaked, and the call must succeed afterwards. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/heap.h"
#include "tests/lib/world.h"

static const char *const reserved[] = {"ns", "web", "id.web", "_http._tcp.web"};

static void show(const struct world *w, struct buf *out)
{
    buf_reset(out);
    world_dump(w, out);
}

/* Runs `call` with its n-th allocation failing for n = 0, 1, ... until it succeeds. Returns how often it failed. */
static unsigned sweep(struct world *w, int (*call)(struct world *w))
{
    struct buf before, after;
    unsigned failures = 0;
    buf_init(&before, 0);
    buf_init(&after, 0);
    show(w, &before);
    for (unsigned n = 0;; n++) {
        effects_fini(&w->effects);
        heap_fail_at(n);
        int rc = call(w);
        bool has_failed = heap_reset();
        if (rc == 0)
            break;
        assert_int_equal(rc, ERR_NOMEM);
        assert_true(has_failed);
        assert_int_equal(w->effects.n, 0);
        show(w, &after);
        assert_string_equal(buf_cstr(&before), buf_cstr(&after));
        failures++;
    }
    effects_clear(&w->effects);
    buf_fini(&before);
    buf_fini(&after);
    return failures;
}

static struct world *begin(void)
{
    static struct world w;
    world_init(&w);
    world_command(&w, "register web a 10.0.0.1 80");
    world_command(&w, "register web b 10.0.0.2 80 check=\"ttl 15s\"");
    world_command(&w, "register web c 10.0.0.3 80 tag=blue");
    world_command(&w, "register db a 10.0.0.1 5432");
    return &w;
}

static void test_new(void **state)
{
    const struct registry_options o = {.expiry_slice = 1};
    struct check_spec check;
    char room[CHECK_STRINGS_MAX];
    long live = heap_live();
    unsigned n = 0;
    assert_int_equal(check_spec_parse("tcp://:80", room, &check, NULL), 0);
    const struct service_policy p = {.check = &check};
    for (;; n++) {
        struct registry *r = NULL;
        heap_fail_at(n);
        int rc = registry_new(&o, &p, 1, 1, 0, &r);
        heap_reset();
        if (rc == 0) {
            registry_free(r);
            break;
        }
        assert_int_equal(rc, ERR_NOMEM);
        assert_int_equal(heap_live(), live);
    }
    assert_true(n >= 5);
    assert_int_equal(heap_live(), live);
    registry_free(NULL);
}

static int reload(struct world *w)
{
    return registry_configure(w->registry, &w->options, &w->policy, w->sections, w->n_sections, w->now_ms, &w->effects);
}

static void test_configure(void **state)
{
    long live = heap_live();
    struct world *w = begin();
    struct check_spec check;
    char room[CHECK_STRINGS_MAX];
    assert_int_equal(check_spec_parse("tcp://:80", room, &check, NULL), 0);
    w->sections[0] = (struct service_section){.name = "Web", .policy = {.ttl_s = 9, .check = &check}};
    w->sections[1] = (struct service_section){.name = "new", .policy = {.ttl_s = 9, .check = &check}};
    w->n_sections = 2;
    assert_true(sweep(w, reload) >= 8);
    const struct service *s = registry_service(w->registry, "web");
    assert_true(s->is_configured && s->policy.ttl_s == 9 && s->policy.check != &check);
    assert_string_equal(s->policy.check->text, "tcp://:80");
    assert_int_equal(instance_n_checks(registry_instance(s, "a")), 1);
    assert_ptr_equal(registry_instance(s, "a")->checks->specs, registry_instance(s, "a")->checks->owner->more->checks);
    assert_int_equal(registry_instance(s, "b")->checks->specs[0].type, CHECK_TTL); /* its own */
    assert_non_null(registry_service(w->registry, "new"));

    w->policy.check = &check; /* a check for every service, and the sections go */
    w->n_sections = 0;
    assert_true(sweep(w, reload) >= 2);
    assert_null(registry_service(w->registry, "new"));
    assert_int_equal(instance_n_checks(registry_instance(registry_service(w->registry, "db"), "a")), 1);
    world_command(w, "register third a 10.0.0.1 80");
    assert_int_equal(instance_n_checks(registry_instance(registry_service(w->registry, "third"), "a")), 1);
    world_fini(w);
    assert_int_equal(heap_live(), live);
}

static int reserve(struct world *w)
{
    return registry_reserve(w->registry, reserved, 4, w->now_ms, &w->effects);
}

static void test_reserve(void **state)
{
    long live = heap_live();
    struct world *w = begin();
    assert_true(sweep(w, reserve) >= 5);
    assert_true(registry_service(w->registry, "web")->is_hidden);
    assert_false(registry_service(w->registry, "db")->is_hidden);
    world_fini(w);
    assert_int_equal(heap_live(), live);
}

static struct description *stored;

static int restore(struct world *w)
{
    const struct store_record rec = {.service = "Stored", .desc = stored};
    return registry_restore(w->registry, &rec, w->now_ms, &w->effects);
}

static void test_restore(void **state)
{
    static const char *const checks[] = {"tcp://:80"}, *const tags[] = {"blue", "version=1"};
    long live = heap_live();
    struct world *w = begin();
    struct description_input in = {
        .address = "::1", .port = "1", .checks = checks, .n_checks = 1, .tags = tags, .n_tags = 2};
    assert_int_equal(description_new(&in, &w->options.limits, &stored, NULL), 0);
    assert_true(sweep(w, restore) >= 6);
    const struct service *s = registry_service(w->registry, "stored");
    assert_int_equal(s->by_state[STATE_STARTING], 1);
    assert_int_equal(registry_instance(s, "0-0-0-0-0-0-0-1-1")->deadline_ms, UINT64_MAX);
    const struct store_record bad[] = {
        {.service = "no.name", .desc = stored},
        {.service = "stored", .id = "no.id", .hold_ms = 1},
        {.service = "stored", .id = "held", .hold_ms = 0},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(registry_restore(w->registry, &bad[i], 0, &w->effects), ERR_BADARG);
    description_unref(stored);
    world_fini(w);
    assert_int_equal(heap_live(), live);
}

static int restore_held(struct world *w)
{
    const struct store_record rec = {.service = "Held", .id = "one", .hold_ms = 5000};
    return registry_restore(w->registry, &rec, w->now_ms, &w->effects);
}

static void test_restore_hold(void **state)
{
    long live = heap_live();
    struct world *w = begin();
    assert_true(sweep(w, restore_held) >= 2);
    assert_null(registry_service(w->registry, "held"));
    assert_int_equal(restore_held(w), ERR_BADARG); /* it is there */
    world_fini(w);
    assert_int_equal(heap_live(), live);
}

/* The path that every instance takes every few seconds allocates nothing and finds its instance in any spelling. */
static void test_renew_allocates_nothing(void **state)
{
    struct world *w = begin();
    const struct event ev = {.type = EVENT_RENEW, .request = 9, .service = "WEB", .id = "A"};
    assert_int_equal(registry_step(w->registry, &ev, 1000, &w->effects), 0);
    effects_clear(&w->effects);
    unsigned long calls = heap_calls();
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(registry_step(w->registry, &ev, 2000 + i, &w->effects), 0);
        assert_int_equal(w->effects.n, 2);
        effects_clear(&w->effects);
    }
    assert_true(heap_calls() == calls);
    world_fini(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_configure),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_restore_hold),
        cmocka_unit_test(test_renew_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
