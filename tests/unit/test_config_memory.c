/* Out of memory: each allocation of a load refused once, and all from one on. It fails as a whole and leaves nothing
 * behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "config/config.h"
#include "tests/lib/heap.h"

static const char text[] = "[server]\nuser = a\nid = b\n"
                           "[dns]\nzone_file = /a, /b\ndomain = a, b\n"
                           "[http]\nlisten = x\n"
                           "[service web]\ncheck = script:s\nttl = 7\n"
                           "[service api]\norder = fixed\n"
                           "[script s]\ncommand = /c\nuser = a\n";

static int load(struct config **c, struct err *e)
{
    static const struct config_override overrides[] = {
        {"dns", "ttl", "9"}, {"service web", "ttl", "8"}, {"server", "id", "c"}};
    const struct config_source src = {.overrides = overrides, .n_overrides = 3};
    return config_parse(text, sizeof(text) - 1, "t.conf", &src, c, NULL, e);
}

static void sweep(void (*refuse)(unsigned n), unsigned least)
{
    unsigned n = 0;
    for (;; n++) {
        struct config *c = NULL;
        struct err e = {.code = 0};
        long live = heap_live();
        refuse(n);
        int rc = load(&c, &e);
        if (!heap_reset()) {
            assert_int_equal(rc, 0);
            assert_string_equal(c->server.id, "c");
            config_free(c);
            assert_int_equal(heap_live(), live);
            break;
        }
        assert_int_equal(rc, ERR_NOMEM);
        assert_string_equal(e.text, "out of memory");
        assert_null(c);
        assert_int_equal(heap_live(), live);
    }
    assert_true(n >= least);
}

static void each_allocation_refused_once(void **state)
{
    sweep(heap_fail_at, 30);
}

static void all_allocations_refused_from_one_on(void **state)
{
    sweep(heap_fail_from, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_refused_once),
        cmocka_unit_test(all_allocations_refused_from_one_on),
    };
    return cmocka_run_group_tests_name("config memory", tests, NULL, NULL);
}
