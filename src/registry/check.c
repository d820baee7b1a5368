/* What one check remembers, and what a result makes of it.
 *
 * The happy path: a probe ends, check_step moves a counter and a bit of history, and now and then says that the status
 * changed. Counting keeps a single lost packet from taking an instance out of DNS (`fall`), and a service that flaps
 * from coming back at its first good answer (`rise`).
 *
 * What can go wrong: a probe's output is foreign bytes; check_output_copy makes text of it before anybody stores it. */
#include "registry/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/utf8.h"

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

/* One character of `text` as it is kept: itself, or '?' for what is no text. Returns the bytes of `text` that it stands
 * for. */
static size_t clean_char(const char *text, size_t left, const char **out, size_t *len)
{
    size_t n = utf8_char_len((const uint8_t *)text, left);
    unsigned char first = (unsigned char)*text;
    bool is_text = n > 0 && (first >= ' ' || first == '\n' || first == '\t') && first != 0x7f;
    *out = is_text ? text : "?";
    *len = is_text ? n : 1;
    return n > 0 ? n : 1;
}

int check_output_copy(const char *text, char **out)
{
    char made[CHECK_OUTPUT_MAX];
    size_t len = 0, left = text != NULL ? strnlen(text, CHECK_OUTPUT_MAX) : 0;
    *out = NULL;
    while (left > 0) {
        const char *clean;
        size_t n, taken = clean_char(text, left, &clean, &n);
        if (len + n >= sizeof(made))
            break;
        memcpy(made + len, clean, n);
        len += n;
        text += taken;
        left -= taken;
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
