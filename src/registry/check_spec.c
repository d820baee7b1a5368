/* The parser of check specs. Bytes come from the network, so every word is validated and every refusal says what would
 * be right.
 *
 * The happy path: blanks are folded and the text is kept, the first word says what kind of check it is (a URL, `ttl`,
 * `script:NAME`), every further word is key=value from a table of options that says which kinds know it. Defaults come
 * last.
 *
 * What can go wrong: an unknown kind, key or value; a key given twice or to a kind that does not know it; a part too
 * long. */
#include "registry/check_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/must.h"

#define DEFAULT_INTERVAL_MS 10000
#define DEFAULT_TIMEOUT_MS  2000
#define TIMEOUT_MAX_MS      (10 * 60 * 1000)
#define REMOVE_MAX_MS       (7 * 24 * 3600 * 1000)

#define BIT(type) (1u << (type))
#define URLS      (BIT(CHECK_HTTP) | BIT(CHECK_HTTPS) | BIT(CHECK_TCP) | BIT(CHECK_GRPC))
#define PROBED    (URLS | BIT(CHECK_SCRIPT))

/* ── the words after the first: key=value ── */

enum option_key { KEY_INTERVAL, KEY_TIMEOUT, KEY_RISE, KEY_FALL, KEY_EXPECT, KEY_INSECURE, KEY_REMOVE, N_KEYS };

static const struct option_row {
    const char *key;
    unsigned types; /* bits of the types that know it */
    enum { VALUE_NUMBER, VALUE_DURATION, VALUE_YES } kind;
    uint64_t min, max; /* ms of a duration */
    const char *right; /* what would be right */
} option_rows[N_KEYS] = {
    [KEY_INTERVAL] = {"interval", PROBED, VALUE_DURATION, CHECK_INTERVAL_MIN_MS, CHECK_INTERVAL_MAX_MS,
                      "a duration from 100ms to 24h"},
    [KEY_TIMEOUT] = {"timeout", PROBED, VALUE_DURATION, 10, TIMEOUT_MAX_MS, "a duration from 10ms to 10m"},
    [KEY_RISE] = {"rise", PROBED, VALUE_NUMBER, 1, 100, "a number from 1 to 100"},
    [KEY_FALL] = {"fall", PROBED, VALUE_NUMBER, 1, 100, "a number from 1 to 100"},
    [KEY_EXPECT] = {"expect", BIT(CHECK_HTTP) | BIT(CHECK_HTTPS), VALUE_NUMBER, 100, 599,
                    "an HTTP status from 100 to 599"},
    [KEY_INSECURE] = {"insecure", BIT(CHECK_HTTPS), VALUE_YES, 1, 1, "yes"},
    [KEY_REMOVE] = {"remove", PROBED | BIT(CHECK_TTL), VALUE_DURATION, 1000, REMOVE_MAX_MS, "a duration from 1s to 7d"},
};

static bool parse_plain(const char *text, uint64_t *out)
{
    uint64_t n = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 9)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text[i] - '0');
    }
    *out = n;
    return true;
}

static bool parse_value(const struct option_row *row, const char *text, uint64_t *out)
{
    switch (row->kind) {
    case VALUE_NUMBER:
        return parse_plain(text, out);
    case VALUE_DURATION:
        return duration_parse(text, out) == 0;
    case VALUE_YES:
        *out = 1;
        return strcmp(text, "yes") == 0;
    }
    return false;
}

/* "interval, timeout, rise": the keys that a type knows. */
static void list_keys(enum check_type type, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < N_KEYS; i++)
        if ((option_rows[i].types & BIT(type)) != 0)
            len += (size_t)snprintf(out + len, size - len, "%s%s", len == 0 ? "" : ", ", option_rows[i].key);
    must(len < size);
}

static int parse_option(enum check_type type, char *word, uint64_t values[N_KEYS], struct err *e)
{
    char known[96];
    char *value = strchr(word, '=');
    if (value != NULL)
        *value++ = '\0';
    for (size_t i = 0; i < N_KEYS; i++) {
        const struct option_row *row = &option_rows[i];
        if (value == NULL || strcmp(word, row->key) != 0 || (row->types & BIT(type)) == 0)
            continue;
        if (values[i] != 0)
            return err_set(e, ERR_BADARG, "check: %s is given twice", row->key);
        if (!parse_value(row, value, &values[i]) || values[i] < row->min || values[i] > row->max)
            return err_set(e, ERR_BADARG, "check: %s=%.32s: %s is expected", row->key, value, row->right);
        return 0;
    }
    list_keys(type, known, sizeof(known));
    return err_set(e, ERR_BADARG, "check: \"%.32s\" is no option of %s checks; they know %s, each as key=value", word,
                   check_type_name(type), known);
}

/* ── the first word ── */

static bool is_host_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
           c == '_';
}

static bool is_v6_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
}

/* A copy behind the strings that are in the room already. */
static const char *keep(char **room, const char *from, size_t len)
{
    char *out = memcpy(*room, from, len);
    out[len] = '\0';
    *room += len + 1;
    return out;
}

/* `at` stands behind "scheme://". Returns what follows the host, NULL if the host is wrong. */
static const char *parse_host(const char *at, char **room, struct check_spec *s)
{
    size_t len = 0;
    if (*at == '[') {
        at++;
        while (is_v6_char(at[len]))
            len++;
        if (len < 2 || len >= CHECK_HOST_MAX || at[len] != ']' || memchr(at, ':', len) == NULL)
            return NULL;
        s->host = keep(room, at, len);
        return at + len + 1;
    }
    while (is_host_char(at[len]))
        len++;
    if (len >= CHECK_HOST_MAX || (len > 0 && (at[0] == '.' || at[0] == '-')))
        return NULL;
    if (len > 0)
        s->host = keep(room, at, len);
    return at + len;
}

static int parse_url(const char *word, const char *rest, char **room, struct check_spec *s, struct err *e)
{
    const char *at = parse_host(rest, room, s);
    if (at == NULL)
        return err_set(e, ERR_BADARG, "check \"%.128s\": a host name, an IPv4 address or [IPv6] is expected after ://",
                       word);
    if (*at == ':') {
        char digits[8] = "";
        size_t len = strcspn(++at, "/");
        uint64_t port = 0;
        if (len < sizeof(digits))
            memcpy(digits, at, len);
        if (!parse_plain(digits, &port) || port == 0 || port > UINT16_MAX)
            return err_set(e, ERR_BADARG, "check \"%.128s\": a port from 1 to 65535 is expected after the colon", word);
        s->port = (uint16_t)port;
        at += len;
    }
    if (*at != '\0' && (*at != '/' || s->type == CHECK_TCP))
        return err_set(e, ERR_BADARG, "check \"%.128s\": %s://[host][:port]%s is expected", word,
                       check_type_name(s->type), s->type == CHECK_TCP ? "" : "[/path]");
    if (strlen(at) >= CHECK_PATH_MAX)
        return err_set(e, ERR_LIMIT, "check \"%.64s...\": the path has more than %d bytes", word, CHECK_PATH_MAX - 1);
    if (*at != '\0')
        s->path = keep(room, at, strlen(at));
    else if (s->type != CHECK_TCP)
        s->path = "/";
    return 0;
}

static int parse_script(const char *word, const char *name, char **room, struct check_spec *s, struct err *e)
{
    size_t len = strlen(name);
    bool is_good = len > 0 && len <= CHECK_SCRIPT_NAME_MAX;
    for (size_t i = 0; i < len && is_good; i++)
        is_good = is_host_char(name[i]);
    if (!is_good)
        return err_set(
            e, ERR_BADARG,
            "check \"%.80s\": script:NAME is expected, the name of a [script NAME] section of the configuration", word);
    s->script = keep(room, name, len);
    return 0;
}

static int parse_kind(const char *word, char **room, struct check_spec *s, struct err *e)
{
    static const struct {
        const char *prefix;
        enum check_type type;
    } kinds[] = {{"http://", CHECK_HTTP}, {"https://", CHECK_HTTPS}, {"tcp://", CHECK_TCP}, {"grpc://", CHECK_GRPC}};

    if (strcmp(word, "ttl") == 0) {
        s->type = CHECK_TTL;
        return 0;
    }
    if (strncmp(word, "script:", 7) == 0) {
        s->type = CHECK_SCRIPT;
        return parse_script(word, word + 7, room, s, e);
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t len = strlen(kinds[i].prefix);
        if (strncmp(word, kinds[i].prefix, len) != 0)
            continue;
        s->type = kinds[i].type;
        if (s->type == CHECK_GRPC)
            return err_set(e, ERR_BADARG, "grpc checks are not built yet; tcp://:PORT tells whether the port is open");
        return parse_url(word, word + len, room, s, e);
    }
    return err_set(e, ERR_BADARG,
                   "check \"%.64s\": http://..., https://..., tcp://..., script:NAME or \"ttl DURATION\" is expected",
                   word);
}

/* ── the whole ── */

/* Trims, folds blanks and refuses what is not printable ASCII: a spec goes into logs, URLs and environments. */
static int fold_text(const char *text, char out[CHECK_SPEC_TEXT_MAX], struct err *e)
{
    size_t len = 0;
    for (; *text != '\0'; text++) {
        bool is_blank = *text == ' ' || *text == '\t';
        if (!is_blank && (*text < '!' || *text > '~'))
            return err_set(e, ERR_BADARG, "check: printable ASCII is expected");
        if (is_blank && (len == 0 || out[len - 1] == ' '))
            continue;
        if (len + 1 >= CHECK_SPEC_TEXT_MAX)
            return err_set(e, ERR_LIMIT, "check: more than %d bytes", CHECK_SPEC_TEXT_MAX - 1);
        out[len++] = is_blank ? ' ' : *text;
    }
    if (len > 0 && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
    return len > 0
               ? 0
               : err_set(e, ERR_BADARG, "check: http://..., tcp://..., script:NAME or \"ttl DURATION\" is expected");
}

static void set_values(struct check_spec *s, const uint64_t values[N_KEYS])
{
    s->interval_ms = (uint32_t)(values[KEY_INTERVAL] != 0 ? values[KEY_INTERVAL] : DEFAULT_INTERVAL_MS);
    s->timeout_ms = (uint32_t)values[KEY_TIMEOUT];
    if (s->timeout_ms == 0 && s->type != CHECK_SCRIPT)
        s->timeout_ms = s->interval_ms < DEFAULT_TIMEOUT_MS ? s->interval_ms : DEFAULT_TIMEOUT_MS;
    s->rise = (uint8_t)(values[KEY_RISE] != 0 ? values[KEY_RISE] : 2);
    s->fall = (uint8_t)(values[KEY_FALL] != 0 ? values[KEY_FALL] : 3);
    s->expect = (uint16_t)values[KEY_EXPECT];
    s->is_insecure = values[KEY_INSECURE] != 0;
    s->remove_ms = (uint32_t)values[KEY_REMOVE];
}

/* The second word of a ttl check: the silence that makes it critical. */
static int parse_ttl(const char *word, uint64_t *ms, struct err *e)
{
    if (word != NULL && duration_parse(word, ms) == 0 && *ms >= CHECK_INTERVAL_MIN_MS && *ms <= CHECK_INTERVAL_MAX_MS)
        return 0;
    return err_set(e, ERR_BADARG, "check \"ttl %.32s\": a duration from 100ms to 24h is expected after ttl",
                   word != NULL ? word : "");
}

/* The text, and of its first word a host and a path (or a name) with their ends. */
size_t check_strings_room(const char *text)
{
    size_t len = strnlen(text, CHECK_SPEC_TEXT_MAX - 1);
    size_t room = len + 1 + strcspn(text + strspn(text, " \t"), " \t") + 2;
    return room < CHECK_STRINGS_MAX ? room : CHECK_STRINGS_MAX;
}

int check_spec_parse(const char *text, char *room, struct check_spec *out, struct err *e)
{
    char folded[CHECK_SPEC_TEXT_MAX], *next = NULL;
    uint64_t values[N_KEYS] = {0};
    *out = (struct check_spec){.text = room, .host = "", .path = "", .script = ""};
    int rc = fold_text(text, folded, e);
    if (rc != 0)
        return rc;
    out->text = keep(&room, folded, strlen(folded));
    const char *first = strtok_r(folded, " ", &next);
    must(first != NULL);
    rc = parse_kind(first, &room, out, e);
    if (rc == 0 && out->type == CHECK_TTL)
        rc = parse_ttl(strtok_r(NULL, " ", &next), &values[KEY_INTERVAL], e);
    for (char *word; rc == 0 && (word = strtok_r(NULL, " ", &next)) != NULL;)
        rc = parse_option(out->type, word, values, e);
    if (rc == 0)
        set_values(out, values);
    return rc;
}

int check_spec_new(const char *text, struct check_spec **out, struct err *e)
{
    struct check_spec *spec = malloc(sizeof(*spec) + check_strings_room(text));
    if (spec == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    int rc = check_spec_parse(text, (char *)(spec + 1), spec, e);
    if (rc != 0) {
        free(spec);
        return rc;
    }
    *out = spec;
    return 0;
}

const char *check_type_name(enum check_type type)
{
    static const char *const names[] = {"http", "https", "tcp", "script", "ttl", "grpc"};
    must((size_t)type < sizeof(names) / sizeof(names[0]));
    return names[type];
}
