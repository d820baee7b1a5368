/* Out of memory in base/ and dns/: each allocation fails once, and nothing leaks or is half done. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/map.h"
#include "dns/zone.h"
#include "tests/lib/heap.h"

static void test_buf(void **state)
{
    struct buf b;
    buf_init(&b, 0);
    heap_fail_at(0);
    buf_puts(&b, "x");
    assert_true(heap_reset());
    assert_true(b.failed);
    assert_string_equal(buf_cstr(&b), "");
    buf_reset(&b);
    buf_puts(&b, "kept");
    heap_fail_at(0);
    for (int i = 0; i < 100 && !b.failed; i++)
        buf_printf(&b, "%d", i);
    assert_true(heap_reset());
    assert_true(b.failed);
    assert_memory_equal(buf_cstr(&b), "kept012", 7);
    buf_fini(&b);
}

static void test_map(void **state)
{
    enum { N = 200 };
    struct map m;
    struct map_node nodes[N];
    heap_fail_at(0);
    assert_int_equal(map_init(&m), ERR_NOMEM);
    assert_true(heap_reset());
    map_fini(&m);
    assert_int_equal(map_init(&m), 0);
    heap_fail_from(0);
    for (size_t i = 0; i < N; i++)
        map_insert(&m, &nodes[i], i * 3);
    assert_true(heap_reset());
    assert_int_equal(m.n_buckets, 16); /* it could not grow, and goes on with longer chains */
    for (size_t i = 0; i < N; i++)
        assert_ptr_equal(map_first(&m, i * 3), &nodes[i]);
    assert_int_equal(m.len, N);
    map_fini(&m);
}

static int load(const char *text, struct zone **out, struct err *e)
{
    struct dns_name apex;
    assert_int_equal(dns_name_parse("service.local", &apex, NULL), 0);
    *out = NULL;
    return zone_parse(text, strlen(text), "z", &apex, 5, out, e);
}

static void test_zone(void **state)
{
    char text[4000] = "@ SOA ns h 1 1 1 1 1\nc CNAME d\nbig TXT ( ";
    for (int i = 0; i < 40; i++)
        strcat(text, "\"a string of some length that makes the buffers grow\"\n");
    strcat(text, ")\n");
    for (int i = 0; i < 40; i++) /* more than the first room for records */
        sprintf(text + strlen(text), "h%d A 10.0.0.%d\n", i, i);

    long live = heap_live();
    unsigned n = 0;
    for (;; n++) {
        struct zone *z;
        struct err e = {.text = ""};
        heap_fail_at(n);
        int rc = load(text, &z, &e);
        if (!heap_reset()) {
            assert_int_equal(rc, 0);
            zone_free(z);
            break;
        }
        assert_int_equal(rc, ERR_NOMEM);
        assert_null(z);
        assert_string_equal(e.text, "z: out of memory");
        assert_int_equal(heap_live(), live);
    }
    assert_true(n > 20);
    assert_int_equal(heap_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_zone),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
