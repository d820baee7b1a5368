/* The table of well-formed byte sequences, RFC 3629 section 4. What makes it more than a count of lead bits is the
 * second byte: its range excludes overlong forms (E0, F0), surrogates (ED) and values past U+10FFFF (F4). */
#include "base/utf8.h"

static const struct utf8_row {
    uint8_t lead_min, lead_max;
    uint8_t second_min, second_max;
    uint8_t len;
} utf8_rows[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t utf8_char_len(const uint8_t *s, size_t len)
{
    if (len == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof(utf8_rows) / sizeof(utf8_rows[0]); i++) {
        const struct utf8_row *r = &utf8_rows[i];
        if (s[0] < r->lead_min || s[0] > r->lead_max)
            continue;
        if (len < r->len || s[1] < r->second_min || s[1] > r->second_max)
            return 0;
        for (size_t k = 2; k < r->len; k++)
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        return r->len;
    }
    return 0;
}
