/* Buffers and what is written into them: the sticky error, limits, JSON strings, UTF-8. */
#include "base/buf.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "base/utf8.h"

static void test_empty(void **state)
{
    struct buf b;
    buf_init(&b, 0);
    assert_string_equal(buf_cstr(&b), "");
    buf_consume(&b, 0);
    buf_append(&b, NULL, 0);
    assert_int_equal(b.len, 0);
    assert_false(b.failed);
    buf_fini(&b);
}

static void test_appends(void **state)
{
    struct buf b;
    buf_init(&b, 0);
    buf_puts(&b, "ab");
    buf_putc(&b, 'c');
    buf_printf(&b, "%d-%s", 42, "x");
    buf_append(&b, "yz", 2);
    assert_string_equal(buf_cstr(&b), "abc42-xyz");
    assert_int_equal(b.len, 9);
    buf_consume(&b, 3);
    assert_string_equal(buf_cstr(&b), "42-xyz");
    buf_reset(&b);
    assert_string_equal(buf_cstr(&b), "");
    buf_fini(&b);
}

static void test_grows_at_every_length(void **state)
{
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 0; i < 5000; i++) {
        if (i < 2000 || i % 2 == 0)
            buf_printf(&b, "%c", (char)('a' + i % 26));
        else
            buf_putc(&b, (char)('a' + i % 26));
        assert_int_equal(strlen(buf_cstr(&b)), i + 1);
    }
    assert_false(b.failed);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    buf_fini(&b);
}

static void test_limit_is_exact_and_sticky(void **state)
{
    struct buf b;
    buf_init(&b, 8);
    buf_puts(&b, "12345678");
    assert_false(b.failed);
    assert_string_equal(buf_cstr(&b), "12345678");
    buf_putc(&b, '9');
    assert_true(b.failed);
    assert_int_equal(b.len, 8);
    buf_consume(&b, 8);
    buf_putc(&b, 'x'); /* there would be room, but the text has a hole already */
    assert_int_equal(b.len, 0);
    buf_reset(&b);
    buf_printf(&b, "%08d", 7);
    assert_false(b.failed);
    buf_reset(&b);
    buf_printf(&b, "%09d", 7);
    assert_true(b.failed);
    assert_null(buf_reserve(&b, 1));
    buf_fini(&b);
}

static void test_reserve(void **state)
{
    struct buf b;
    buf_init(&b, 0);
    uint8_t *to = buf_reserve(&b, 100);
    assert_non_null(to);
    memset(to, 'a', 100);
    b.len += 100;
    assert_int_equal(strlen(buf_cstr(&b)), 100);
    assert_null(buf_reserve(&b, SIZE_MAX - 50));
    assert_true(b.failed);
    buf_fini(&b);
}

static void json_is(const char *in, size_t len, const char *want)
{
    struct buf b;
    buf_init(&b, 0);
    buf_json_string(&b, in, len);
    assert_string_equal(buf_cstr(&b), want);
    buf_fini(&b);
}

#define JSON_IS(in, want) json_is(in, sizeof(in) - 1, want)

static void test_json_strings(void **state)
{
    JSON_IS("", "\"\"");
    JSON_IS("plain /text", "\"plain /text\"");
    JSON_IS("a\"b\\c\n\r\t", "\"a\\\"b\\\\c\\n\\r\\t\"");
    JSON_IS("\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"");
    JSON_IS("nul\0in", "\"nul\\u0000in\"");
    JSON_IS("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\"");
    JSON_IS("\xff"
            "a\xc3",
            "\"\xef\xbf\xbd"
            "a\xef\xbf\xbd\"");
    JSON_IS("\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

/* Every two-byte beginning, against the ranges of RFC 3629 written out as arithmetic. */
static void test_utf8_agrees_with_decoding(void **state)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            const uint8_t s[4] = {(uint8_t)a, (uint8_t)b, 0x80, 0xbf};
            size_t len = a < 0x80 ? 1 : a < 0xc0 ? 0 : a < 0xe0 ? 2 : a < 0xf0 ? 3 : a < 0xf8 ? 4 : 0;
            uint32_t c = len == 0 ? 0 : len == 1 ? a : a & (0x7fu >> len);
            for (size_t i = 1; i < len; i++) {
                c = c << 6 | (s[i] & 0x3f);
                if ((s[i] & 0xc0) != 0x80)
                    len = 0;
            }
            if (len > 1 && (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)))
                len = 0;
            assert_int_equal(utf8_char_len(s, 4), len);
            for (size_t have = 0; have < len; have++)
                assert_int_equal(utf8_char_len(s, have), 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_grows_at_every_length),
        cmocka_unit_test(test_limit_is_exact_and_sticky),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_utf8_agrees_with_decoding),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
