/* The real control plane (registry, memory store, publisher, health plan, history, core) on virtual time, while memory
 * is short: every request gets exactly one reply, what was acknowledged is in the answers when its reply is given, and
 * when memory is back the answers are those of the registry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/core.h"
#include "../lib/heap.h"
#include "../lib/scene.h"

#define REQUESTS 16
#define TURN_MS  25

struct plane {
    struct scene s;
    struct core *core;
    struct store *store;
    struct health *health;
    struct changes *changes;
    unsigned replies[REQUESTS]; /* given, by request */
    int code[REQUESTS];
};

static struct core_time plane_time(const struct plane *p)
{
    return (struct core_time){
        .now_ms = p->s.now_ms, .mono_ms = p->s.now_ms + SCENE_LAG_MS, .wall_us = p->s.now_ms * 1000};
}

/* Asking is not what memory is short for here: a name that is cold is built. */
static unsigned addresses(struct plane *p)
{
    heap_suspend();
    scene_ask(&p->s, "web.service.local", DNS_A);
    heap_resume();
    return scene_header(p->s.packet).an;
}

static unsigned served(const struct plane *p)
{
    const struct service *s = registry_service(p->s.registry, "web");
    return s != NULL ? s->n_served : 0;
}

/* Whatever the reply is: its turn is published. */
static void on_reply(void *arg, const struct effect *reply)
{
    struct plane *p = arg;
    size_t i = reply->u.reply.request;
    assert_in_range(i, 1, REQUESTS - 1);
    p->replies[i]++;
    p->code[i] = reply->u.reply.code;
    assert_int_equal(addresses(p), served(p));
}

static void on_probe(void *arg, const struct probe_job *job)
{
    struct plane *p = arg;
    struct core_time t = plane_time(p);
    core_probe_done(p->core, job->probe, CHECK_NONE, "", &t); /* as when no process can be had */
}

static void on_changed(void *arg)
{
    /* nobody watches */
}

static void plane_init(struct plane *p)
{
    struct err e;
    memset(p, 0, sizeof(*p));
    scene_init(&p->s, &(struct scene_options){0});
    assert_int_equal(store_memory.open(NULL, NULL, NULL, &p->store, &e), 0);
    assert_int_equal(health_new(8, 1, p->s.now_ms, &p->health), 0);
    assert_int_equal(changes_new(16, registry_revision(p->s.registry), &p->changes), 0);
    struct core_parts parts = {
        .registry = p->s.registry,
        .publisher = p->s.publisher,
        .health = p->health,
        .changes = p->changes,
        .store_vtable = &store_memory,
        .store = p->store,
    };
    struct core_hooks hooks = {.arg = p, .reply = on_reply, .probe = on_probe, .changed = on_changed};
    assert_int_equal(core_new(&parts, &hooks, &p->core), 0);
}

static void plane_fini(struct plane *p)
{
    core_free(p->core);
    store_memory.close(p->store);
    changes_free(p->changes);
    health_free(p->health);
    scene_fini(&p->s);
}

static void turns(struct plane *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        p->s.now_ms += TURN_MS;
        struct core_time t = plane_time(p);
        core_turn(p->core, &t);
    }
}

static struct description *describe(const char *id, const char *address, uint32_t lease_ms, const char *check)
{
    struct description *d;
    struct err e;
    const struct description_limits limits = {.tags = 8, .meta = 8, .ports = 8, .checks = 8, .meta_bytes = 4096};
    struct description_input in = {
        .id = id, .address = address, .port = "80", .lease_ms = lease_ms, .checks = &check, .n_checks = check != NULL};
    assert_int_equal(description_new(&in, &limits, &d, &e), 0);
    return d;
}

static void feed(struct plane *p, struct event ev)
{
    struct core_time t = plane_time(p);
    core_event(p->core, &ev, &t);
}

/* Two come, one by its session; one renews and goes; the session closes; a lease ends. */
static void scenario(struct plane *p, void (*break_memory)(unsigned), unsigned n)
{
    struct description *a = describe("a", "10.0.0.1", 5000, NULL), *b = describe("b", "10.0.0.2", 2000, NULL),
                       *c = describe("c", "10.0.0.3", 60000, "tcp://:80 interval=1s");
    break_memory(n);
    feed(p, (struct event){.type = EVENT_REGISTER, .request = 1, .service = "web", .u.reg = {.desc = a}});
    turns(p, 1);
    feed(p, (struct event){.type = EVENT_REGISTER, .request = 2, .service = "web", .u.reg = {.desc = b, .session = 7}});
    feed(p, (struct event){.type = EVENT_REGISTER, .request = 3, .service = "web", .u.reg = {.desc = c}});
    feed(p, (struct event){.type = EVENT_RENEW, .request = 4, .service = "web", .id = "a"});
    turns(p, 2);
    feed(p, (struct event){.type = EVENT_DRAIN, .request = 5, .service = "web", .id = "a"});
    feed(p, (struct event){.type = EVENT_DRAIN, .request = 6, .service = "web", .id = "a", .u.drain.off = true});
    feed(p, (struct event){.type = EVENT_SESSION_CLOSED, .u.closed.session = 7});
    turns(p, 2);
    feed(p, (struct event){.type = EVENT_DEREGISTER, .request = 7, .service = "web", .id = "a"});
    feed(p, (struct event){.type = EVENT_REGISTER, .request = 8, .service = "web", .u.reg = {.desc = a}});
    turns(p, 5);
    description_unref(a);
    description_unref(b);
    description_unref(c);
}

static void check(struct plane *p)
{
    turns(p, 10); /* with memory again */
    for (unsigned i = 1; i <= 8; i++) {
        assert_int_equal(p->replies[i], 1);
    }
    assert_int_equal(addresses(p), served(p));
    turns(p, 300); /* 7.5 s: the leases of a and b are over, the instance with a check stays */
    assert_int_equal(served(p), 0);
    assert_int_equal(addresses(p), 0);
    const struct service *s = registry_service(p->s.registry, "web");
    assert_int_equal(s != NULL ? s->n_registered : 0, p->code[3] == 0 ? 1 : 0);
}

static void acknowledged_is_visible(void **state)
{
    struct plane p;
    plane_init(&p);
    struct description *d[4];
    for (unsigned i = 0; i < 4; i++) {
        char id[2] = {(char)('a' + i), '\0'}, address[16];
        snprintf(address, sizeof(address), "10.0.0.%u", i + 1);
        d[i] = describe(id, address, 30000, NULL);
    }
    for (unsigned i = 0; i < 4; i++) {
        feed(&p, (struct event){.type = EVENT_REGISTER, .request = i + 1, .service = "web", .u.reg = {.desc = d[i]}});
        turns(&p, 1);
        assert_int_equal(addresses(&p), i + 1);
    }
    feed(&p, (struct event){.type = EVENT_DEREGISTER, .request = 5, .service = "web", .id = "b"});
    turns(&p, 1);
    assert_int_equal(addresses(&p), 3);
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(p.replies[i], 1);
        assert_int_equal(p.code[i], 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        description_unref(d[i]);
    }
    plane_fini(&p);
}

static void one_failure_anywhere(void **state)
{
    bool is_reached = true;
    unsigned n = 0;
    for (; is_reached; n++) {
        struct plane p;
        plane_init(&p);
        scenario(&p, heap_fail_at, n);
        is_reached = heap_reset();
        check(&p);
        plane_fini(&p);
    }
    assert_true(n > 20);
}

static void an_outage_from_anywhere(void **state)
{
    bool is_reached = true;
    for (unsigned n = 0; is_reached; n++) {
        struct plane p;
        plane_init(&p);
        scenario(&p, heap_fail_from, n);
        is_reached = heap_reset();
        check(&p);
        plane_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_is_visible),
        cmocka_unit_test(one_failure_anywhere),
        cmocka_unit_test(an_outage_from_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
