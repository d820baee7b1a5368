/* Domain names, wire form <-> text, folding and comparing, for the control plane and for building answers.
 *
 * A `struct dns_name` is always a well-formed name: parse and prepend are the ways to make one here, and foreign wire
 * data must pass dns_name_len first. The other functions walk labels and trust them. What can go wrong is in the text
 * (RFC 1035 section 5.1 escapes, label and name lengths), and is told with the name that was meant. */
#include "dns/name.h"

#include <stdio.h>
#include <string.h>

#include "base/must.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* One character of the text at *at, escapes resolved; negative if the escape is not one. */
static int next_byte(const char **at)
{
    const char *p = *at;
    if (*p != '\\') {
        *at = p + 1;
        return (unsigned char)*p;
    }
    if (p[1] == '\0')
        return -1;
    if (!is_digit(p[1])) {
        *at = p + 2;
        return (unsigned char)p[1];
    }
    if (!is_digit(p[2]) || !is_digit(p[3]))
        return -1;
    int value = (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
    *at = p + 4;
    return value <= 255 ? value : -1;
}

/* Reads the label at *at up to its dot or the end of the text, with its length byte, to wire[0..63]. */
static int parse_label(const char *text, const char **at, uint8_t wire[1 + DNS_LABEL_MAX], struct err *e)
{
    size_t len = 0;
    while (**at != '\0' && **at != '.') {
        bool is_escaped = **at == '\\';
        int c = next_byte(at);
        if (c < 0)
            return err_set(e, ERR_BADARG, "name '%.120s': an escape is \\DDD (000 to 255) or \\ before a character",
                           text);
        if (!is_escaped && (c <= ' ' || c == 0x7f))
            return err_set(e, ERR_BADARG, "name '%.120s': blanks and control characters are written \\DDD", text);
        if (len == DNS_LABEL_MAX)
            return err_set(e, ERR_BADARG, "name '%.120s': a label has at most 63 bytes", text);
        wire[1 + len++] = (uint8_t)c;
    }
    if (len == 0)
        return err_set(e, ERR_BADARG, "name '%.120s': there is an empty label", text);
    wire[0] = (uint8_t)len;
    if (**at == '.')
        (*at)++;
    return 0;
}

int dns_name_parse(const char *text, struct dns_name *out, struct err *e)
{
    struct dns_name name;
    size_t len = 0;
    if (*text == '\0')
        return err_set(e, ERR_BADARG, "the name is empty; the root is '.'");
    const char *at = strcmp(text, ".") == 0 ? text + 1 : text;
    while (*at != '\0') {
        uint8_t label[1 + DNS_LABEL_MAX];
        int rc = parse_label(text, &at, label, e);
        if (rc != 0)
            return rc;
        if (len + 1 + label[0] + 1 > DNS_NAME_MAX)
            return err_set(e, ERR_BADARG, "name '%.120s': a name has at most 255 bytes, the length bytes included",
                           text);
        memcpy(name.wire + len, label, 1 + (size_t)label[0]);
        len += 1 + (size_t)label[0];
    }
    name.wire[len++] = 0;
    name.len = (uint8_t)len;
    *out = name;
    return 0;
}

/* Appends one byte of a label as text. The escaped set is that of master files, so the text can be put into one. */
static char *put_byte(char *to, uint8_t c)
{
    if (c <= ' ' || c >= 0x7f)
        return to + snprintf(to, 5, "\\%03u", c);
    if (strchr(".\\\"();@$", c) != NULL)
        *to++ = '\\';
    *to++ = (char)c;
    return to;
}

char *dns_name_text(const uint8_t *wire, char out[DNS_NAME_TEXT_MAX])
{
    char *to = out;
    if (*wire == 0)
        *to++ = '.';
    for (const uint8_t *label = wire; *label != 0; label += 1 + *label) {
        for (size_t i = 1; i <= *label; i++)
            to = put_byte(to, label[i]);
        *to++ = '.';
    }
    *to = '\0';
    return out;
}

size_t dns_name_len(const uint8_t *wire, size_t cap)
{
    size_t len = 0;
    if (cap > DNS_NAME_MAX)
        cap = DNS_NAME_MAX;
    while (len < cap && wire[len] != 0) {
        if (wire[len] > DNS_LABEL_MAX)
            return 0;
        len += 1 + (size_t)wire[len];
    }
    return len < cap ? len + 1 : 0;
}

int dns_name_prepend(struct dns_name *name, const char *label, size_t len)
{
    must(len >= 1 && len <= DNS_LABEL_MAX);
    if (name->len + 1 + len > DNS_NAME_MAX)
        return ERR_SPACE;
    memmove(name->wire + 1 + len, name->wire, name->len);
    name->wire[0] = (uint8_t)len;
    memcpy(name->wire + 1, label, len);
    name->len = (uint8_t)(name->len + 1 + len);
    return 0;
}

/* RFC 4343. Length bytes are below 'A', so they need no exception. */
void dns_name_fold_exact(struct dns_name *n)
{
    for (size_t i = 0; i < n->len; i++)
        if (n->wire[i] >= 'A' && n->wire[i] <= 'Z')
            n->wire[i] |= 0x20;
}

void dns_name_fold_loose(struct dns_name *n)
{
    dns_name_fold_exact(n);
    for (uint8_t *label = n->wire; *label != 0; label += 1 + *label)
        for (size_t i = 2; i <= *label; i++)
            if (label[i] == '_')
                label[i] = '-';
}

bool dns_name_is_equal(const struct dns_name *a, const struct dns_name *b)
{
    return a->len == b->len && memcmp(a->wire, b->wire, a->len) == 0;
}

bool dns_name_is_under(const struct dns_name *name, const struct dns_name *suffix)
{
    if (name->len < suffix->len)
        return false;
    size_t boundary = (size_t)name->len - suffix->len;
    size_t at = 0;
    while (at < boundary)
        at += 1 + (size_t)name->wire[at];
    return at == boundary && memcmp(name->wire + at, suffix->wire, suffix->len) == 0;
}

size_t dns_name_labels(const struct dns_name *n)
{
    size_t labels = 0;
    for (const uint8_t *label = n->wire; *label != 0; label += 1 + *label)
        labels++;
    return labels;
}
