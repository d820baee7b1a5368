/* Error codes and their texts, from the one table in err.h.
 *
 * A callee that fails fills the caller's `struct err` and returns the code; whoever knows the peer prints it. Texts may
 * quote foreign bytes, so control bytes are replaced here: one error stays one line in a log and in a RESP error. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

static void keep_one_line(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (e == NULL)
        return code;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(e->text, sizeof(e->text), fmt, args);
    va_end(args);
    if (n < 0)
        e->text[0] = '\0';
    keep_one_line(e->text);
    e->code = code;
    return code;
}

const char *err_meaning(int code)
{
    switch (code) {
#define ERR_CASE(name, value, word, text)                                                                              \
    case value:                                                                                                        \
        return text;
        ERR_TABLE(ERR_CASE)
#undef ERR_CASE
    case 0:
        return "no error";
    default:
        return "an unknown error";
    }
}

const char *err_word(int code)
{
    switch (code) {
#define ERR_CASE(name, value, word, text)                                                                              \
    case value:                                                                                                        \
        return word;
        ERR_TABLE(ERR_CASE)
#undef ERR_CASE
    default:
        return "UNAVAILABLE";
    }
}
