/* What one check remembers, and what a result makes of it.
 *
 * The happy path: a probe ends, check_step moves a counter and a bit of history, and now and then says that the status changed.
 * Counting keeps a single lost packet from taking an instance out of DNS (`fall`), and a service that flaps from coming back
 * at its first good answer (`rise`).
 *
 * What can go wrong: a probe's output is foreign bytes; check_output_copy makes text of it before anybody stores it. */
#include "registry/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

static enum check_status decide(const struct check_state *c, const struct check_spec *spec, enum check_status result,
                                bool decides_at_once)
{
    if (decides_at_once || c->status == CHECK_NONE)
        return result;
    if (result == CHECK_CRITICAL)
        return c->fall >= spec->fall ? CHECK_CRITICAL : c->status;
    if (c->status == CHECK_CRITICAL)
        return c->rise >= spec->rise ? result : CHECK_CRITICAL;
    return result;
}

bool check_step(struct check_state *c, const struct check_spec *spec, enum check_status result, bool decides_at_once,
                uint64_t now_ms)
{
    must(result != CHECK_NONE);
    bool is_success = result != CHECK_CRITICAL;
    c->history = c->history << 1 | is_success;
    if (is_success) {
        c->fall = 0;
        c->rise = c->rise < UINT16_MAX ? (uint16_t)(c->rise + 1) : UINT16_MAX;
    } else {
        c->rise = 0;
        c->fall = c->fall < UINT16_MAX ? (uint16_t)(c->fall + 1) : UINT16_MAX;
    }
    enum check_status next = decide(c, spec, result, decides_at_once);
    if (next == c->status)
        return false;
    c->status = next;
    c->since_ms = now_ms;
    return true;
}

/* Bytes of the well-formed UTF-8 sequence at `s` (RFC 3629), 0 if it is malformed. */
static size_t utf8_len(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool is_overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool is_outside = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f); /* surrogates, above U+10FFFF */
    return is_overlong || is_outside ? 0 : n;
}

int check_output_copy(const char *text, char **out)
{
    *out = NULL;
    char made[CHECK_OUTPUT_MAX];
    size_t len = 0;
    const unsigned char *at = (const unsigned char *)text;
    while (text != NULL && *at != '\0') {
        size_t n = utf8_len(at);
        bool is_text = n > 0 && (*at >= ' ' || *at == '\n' || *at == '\t') && *at != 0x7f;
        size_t taken = n > 0 ? n : 1;
        if (len + (is_text ? n : 1) >= sizeof(made))
            break;
        if (is_text)
            memcpy(made + len, at, n);
        else
            made[len] = '?';
        len += is_text ? n : 1;
        at += taken;
    }
    while (len > 0 && (made[len - 1] == '\n' || made[len - 1] == ' '))
        len--;
    if (len == 0)
        return 0;
    *out = malloc(len + 1);
    if (*out == NULL)
        return ERR_NOMEM;
    memcpy(*out, made, len);
    (*out)[len] = '\0';
    return 0;
}

const char *check_status_name(enum check_status s)
{
    static const char *const names[] = {"none", "passing", "warning", "critical"};
    must((size_t)s < sizeof(names) / sizeof(names[0]));
    return names[s];
}
