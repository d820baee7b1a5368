/* Names: text and wire form, limits, folding, suffixes; and the cursors of wire.h. */
#include "dns/name.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "dns/wire.h"

static struct dns_name name_of(const char *text)
{
    struct dns_name n;
    struct err e = {.text = ""};
    if (dns_name_parse(text, &n, &e) != 0)
        fail_msg("%s", e.text);
    return n;
}

static void test_text_and_wire(void **state)
{
    static const struct {
        const char *in;
        const char *wire;
        size_t len;
        const char *out;
    } rows[] = {
        {".", "\0", 1, "."},
        {"a", "\1a\0", 3, "a."},
        {"a.bC.", "\1a\2bC\0", 6, "a.bC."},
        {"_x._tcp.user_service.local", "\2_x\4_tcp\14user_service\5local\0", 28, "_x._tcp.user_service.local."},
        {"a\\.b.c", "\3a.b\1c\0", 7, "a\\.b.c."},
        {"\\000\\255\\032.x", "\3\0\xff \1x\0", 7, "\\000\\255\\032.x."},
        {"\\\\\\\"\\;\\@\\$\\(\\)", "\7\\\";@$()\0", 9, "\\\\\\\"\\;\\@\\$\\(\\)."},
    };
    char out[DNS_NAME_TEXT_MAX];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dns_name n = name_of(rows[i].in);
        assert_int_equal(n.len, rows[i].len);
        assert_memory_equal(n.wire, rows[i].wire, n.len);
        assert_string_equal(dns_name_text(n.wire, out), rows[i].out);
        struct dns_name again = name_of(out);
        assert_true(dns_name_is_equal(&n, &again));
    }
}

static void test_refuses(void **state)
{
    static const struct {
        const char *in;
        const char *says;
    } rows[] = {
        {"", "the root is '.'"},    {"..", "empty label"},
        {".a", "empty label"},      {"a..b", "empty label"},
        {"a..", "empty label"},     {"a\\", "an escape is"},
        {"a\\1", "an escape is"},   {"a\\12x", "an escape is"},
        {"a\\256", "an escape is"}, {"a b", "blanks"},
        {"a\tb", "blanks"},         {"0123456789012345678901234567890123456789012345678901234567890123", "at most 63"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dns_name n;
        struct err e = {.text = ""};
        assert_int_equal(dns_name_parse(rows[i].in, &n, &e), ERR_BADARG);
        assert_non_null(strstr(e.text, rows[i].says));
        assert_int_equal(dns_name_parse(rows[i].in, &n, NULL), ERR_BADARG);
    }
}

static void test_name_length_limit(void **state)
{
    /* 126 labels of one byte: 126 * 2 + 1 = 253 bytes. Then a label of 1 makes 255, a label of 2 makes 256. */
    char text[300] = "";
    for (int i = 0; i < 126; i++)
        strcat(text, "a.");
    struct dns_name n = name_of(text);
    assert_int_equal(n.len, 253);
    assert_int_equal(dns_name_labels(&n), 126);
    assert_int_equal(dns_name_prepend(&n, "bb", 2), ERR_SPACE);
    assert_int_equal(n.len, 253);
    assert_int_equal(dns_name_prepend(&n, "b", 1), 0);
    assert_int_equal(n.len, 255);
    assert_int_equal(dns_name_len(n.wire, sizeof(n.wire)), 255);
    assert_int_equal(dns_name_len(n.wire, 254), 0);
    assert_int_equal(dns_name_prepend(&n, "c", 1), ERR_SPACE);
    struct err e;
    struct dns_name over;
    strcat(text, "bb");
    assert_int_equal(dns_name_parse(text, &over, &e), ERR_BADARG);
    assert_non_null(strstr(e.text, "at most 255"));
    text[strlen(text) - 1] = '\0';
    assert_int_equal(name_of(text).len, 255);
}

static void test_longest_text_fits(void **state)
{
    struct dns_name n = {.len = 1, .wire = {0}};
    char label[63], out[DNS_NAME_TEXT_MAX];
    memset(label, 1, sizeof(label));
    for (int i = 0; i < 3; i++)
        assert_int_equal(dns_name_prepend(&n, label, 63), 0);
    assert_int_equal(dns_name_prepend(&n, label, 61), 0);
    assert_int_equal(n.len, 255);
    dns_name_text(n.wire, out);
    assert_int_equal(strlen(out), 4 * (3 * 63 + 61) + 4);
    struct dns_name again = name_of(out);
    assert_true(dns_name_is_equal(&n, &again));
}

static void test_len_of_foreign_bytes(void **state)
{
    assert_int_equal(dns_name_len((const uint8_t *)"\1a\0zzz", 6), 3);
    assert_int_equal(dns_name_len((const uint8_t *)"\0", 1), 1);
    assert_int_equal(dns_name_len((const uint8_t *)"", 0), 0);
    assert_int_equal(dns_name_len((const uint8_t *)"\1a\0", 2), 0);
    assert_int_equal(dns_name_len((const uint8_t *)"\2a\0", 3), 0);
    assert_int_equal(dns_name_len((const uint8_t *)"\1a\xc0\0", 4), 0);
    assert_int_equal(dns_name_len((const uint8_t *)"\100a", 2), 0);
    uint8_t big[300];
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = i % 2 == 0 ? 1 : 'a';
    big[298] = 0;
    assert_int_equal(dns_name_len(big, sizeof(big)), 0);
    big[0] = 63;
    big[64] = 0;
    assert_int_equal(dns_name_len(big, sizeof(big)), 65);
    big[0] = 64;
    big[65] = 0;
    assert_int_equal(dns_name_len(big, sizeof(big)), 0);
}

static void test_folding(void **state)
{
    struct dns_name n = name_of("_My_SVC.A_b.Service_.Local");
    struct dns_name exact = n, loose = n;
    char out[DNS_NAME_TEXT_MAX];
    dns_name_fold_exact(&exact);
    assert_string_equal(dns_name_text(exact.wire, out), "_my_svc.a_b.service_.local.");
    dns_name_fold_loose(&loose);
    assert_string_equal(dns_name_text(loose.wire, out), "_my-svc.a-b.service-.local.");
    assert_false(dns_name_is_equal(&exact, &loose));
    struct dns_name odd = name_of("\\091\\096\\123.\\195\\156"); /* [ ` { and bytes above 127 are no letters */
    struct dns_name same = odd;
    dns_name_fold_loose(&same);
    assert_true(dns_name_is_equal(&odd, &same));
}

static bool is_under(const char *name, const char *suffix)
{
    struct dns_name n = name_of(name), s = name_of(suffix);
    return dns_name_is_under(&n, &s);
}

static void test_is_under(void **state)
{
    assert_true(is_under("a.b.c", "b.c"));
    assert_true(is_under("b.c", "b.c"));
    assert_true(is_under("b.c", "."));
    assert_true(is_under(".", "."));
    assert_false(is_under("c", "b.c"));
    assert_false(is_under("ab.c", "b.c"));
    assert_false(is_under("a.B.c", "b.c"));
    assert_false(is_under("x\\001b.c", "b.c")); /* the bytes end alike, the labels do not */
    assert_false(is_under(".", "c"));
}

static void test_random_wire_round_trips(void **state)
{
    struct rng r = {.state = 17};
    for (int i = 0; i < 2000; i++) {
        struct dns_name n = {.len = 1, .wire = {0}};
        for (uint32_t labels = rng_below(&r, 8); labels > 0; labels--) {
            char label[63];
            size_t len = 1 + rng_below(&r, 63);
            for (size_t k = 0; k < len; k++)
                label[k] = (char)rng_below(&r, 256);
            if (dns_name_prepend(&n, label, len) != 0)
                break;
        }
        char out[DNS_NAME_TEXT_MAX];
        struct dns_name again = name_of(dns_name_text(n.wire, out));
        assert_true(dns_name_is_equal(&n, &again));
        assert_int_equal(dns_name_len(n.wire, n.len), n.len);
    }
}

static void test_wire_cursors(void **state)
{
    uint8_t b[7];
    struct wire_writer w = wire_writer(b, sizeof(b));
    wire_write_u8(&w, 1);
    wire_write_u16(&w, 0x0203);
    wire_write_u32(&w, 0x84050607);
    assert_false(w.failed);
    wire_write(&w, "", 0);
    assert_false(w.failed);
    wire_write_u8(&w, 9);
    assert_true(w.failed);
    struct wire_reader r = wire_reader(b, sizeof(b));
    assert_int_equal(wire_u8(&r), 1);
    assert_int_equal(wire_u16(&r), 0x0203);
    struct wire_reader cut = r;
    assert_int_equal(wire_u32(&r), 0x84050607);
    assert_false(r.failed);
    assert_int_equal(wire_u8(&r), 0);
    assert_true(r.failed);
    assert_null(wire_take(&cut, 5));
    assert_int_equal(wire_u8(&cut), 0); /* sticky: there would be a byte */
    assert_true(cut.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_and_wire),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_name_length_limit),
        cmocka_unit_test(test_longest_text_fits),
        cmocka_unit_test(test_len_of_foreign_bytes),
        cmocka_unit_test(test_folding),
        cmocka_unit_test(test_is_under),
        cmocka_unit_test(test_random_wire_round_trips),
        cmocka_unit_test(test_wire_cursors),
    };
    return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
