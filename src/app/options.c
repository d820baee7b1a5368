/* The command line as a table: a row is an option, its help, and what it does. Short forms of configuration keys
 * (--dns) are rows that name the key; like -o they are applied after the file, in the order given. */
#include "config.h" /* _GNU_SOURCE */

#include "app/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *name;
    char letter;     /* 0: none */
    const char *arg; /* NULL: takes none */
    const char *key; /* a configuration key that it sets */
    const char *help;
};

enum {
    ROW_CONFIG,
    ROW_TEST,
    ROW_DEV,
    ROW_DNS,
    ROW_REGISTRY,
    ROW_HTTP,
    ROW_OPTION,
    ROW_READY_FD,
    ROW_VERSION,
    ROW_HELP,
    ROWS
};

static const struct row rows[ROWS] = {
    [ROW_CONFIG] = {"config", 'c', "FILE", NULL,
                    "read this configuration (default: " ROLLCALL_CONFIG ", if it is there)"},
    [ROW_TEST] = {"test", 't', NULL, NULL, "check the configuration and all files that it names, then exit"},
    [ROW_DEV] = {"dev", 0, NULL, NULL,
                 "try it: in memory, on loopback, DNS 127.0.0.1:5300, protocol 127.0.0.1:5380, verbose"},
    [ROW_DNS] = {"dns", 0, "ADDRESS:PORT", "dns.listen", "answer DNS there; several with commas"},
    [ROW_REGISTRY] = {"registry", 0, "ADDRESS:PORT", "registry.listen", "speak the rollcall protocol there"},
    [ROW_HTTP] = {"http", 0, "ADDRESS:PORT", "http.listen", "not built yet; accepted with a warning"},
    [ROW_OPTION] = {"option", 'o', "SECTION.KEY=VALUE", NULL, "any configuration key, over the file's value"},
    [ROW_READY_FD] = {"ready-fd", 0, "N", NULL,
                      "when ready, write one line of JSON with the addresses to this descriptor"},
    [ROW_VERSION] = {"version", 0, NULL, NULL, "print the version"},
    [ROW_HELP] = {"help", 'h', NULL, NULL, "print this"},
};

#define LETTERLESS 256 /* getopt_long's value of row i is LETTERLESS + i, letter or not */

void options_help(FILE *to)
{
    fprintf(to, "usage: rollcalld [OPTION]...\n\nA service discovery server: services register, anybody finds them by "
                "DNS.\n\n");
    for (size_t i = 0; i < ROWS; i++) {
        char left[48], letter[5] = "    ";
        if (rows[i].letter != 0) {
            snprintf(letter, sizeof(letter), "-%c, ", rows[i].letter);
        }
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, rows[i].name, rows[i].arg != NULL ? " " : "",
                 rows[i].arg != NULL ? rows[i].arg : "");
        fprintf(to, "  %-31s %s\n", left, rows[i].help);
    }
    fprintf(to, "\nManual: rollcalld(8), rollcalld.conf(5). Command-line client: rollcall(1).\n");
}

/* "section.key=value": the key is what follows the last dot before the '=', so that a section may be "service web". */
static int add_override(struct options *o, const char *key, size_t key_len, const char *value, struct err *e)
{
    size_t n = o->source.n_overrides;
    const char *dot = memrchr(key, '.', key_len);
    if (dot == NULL || dot == key || dot + 1 == key + key_len) {
        return err_set(e, ERR_BADARG, "-o \"%s\": must be SECTION.KEY=VALUE, as in -o dns.ttl=10s", key);
    }
    if (n == OPTIONS_OVERRIDES_MAX) {
        return err_set(e, ERR_BADARG, "more than %d options; use a file", OPTIONS_OVERRIDES_MAX);
    }
    char *text = strndup(key, key_len);
    if (text == NULL) {
        return err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    }
    text[dot - key] = '\0';
    o->texts[n] = text;
    o->overrides[n] = (struct config_override){.section = text, .key = text + (dot - key) + 1, .value = value};
    o->source.n_overrides++;
    return 0;
}

static int set_ready_fd(struct options *o, const char *text, struct err *e)
{
    char *end;
    errno = 0;
    long fd = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || fd < 1 || fd > INT_MAX) {
        return err_set(e, ERR_BADARG, "--ready-fd \"%s\": must be the number of an open descriptor", text);
    }
    o->ready_fd = (int)fd;
    return 0;
}

static int take(struct options *o, size_t row, const char *arg, struct err *e)
{
    const char *eq;
    switch (row) {
    case ROW_CONFIG:
        o->source.path = arg;
        o->is_file_given = true;
        return 0;
    case ROW_TEST:
        o->action = OPTIONS_TEST;
        return 0;
    case ROW_DEV:
        o->source.is_dev = true;
        return 0;
    case ROW_OPTION:
        eq = strchr(arg, '=');
        if (eq == NULL) {
            return err_set(e, ERR_BADARG, "-o \"%s\": must be SECTION.KEY=VALUE, as in -o dns.ttl=10s", arg);
        }
        return add_override(o, arg, (size_t)(eq - arg), eq + 1, e);
    case ROW_READY_FD:
        return set_ready_fd(o, arg, e);
    case ROW_VERSION:
        o->action = OPTIONS_VERSION;
        return 0;
    case ROW_HELP:
        o->action = OPTIONS_HELP;
        return 0;
    default:
        return add_override(o, rows[row].key, strlen(rows[row].key), arg, e);
    }
}

/* The row of what getopt_long returned; ROWS: none. */
static size_t row_of(int value)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (value == LETTERLESS + (int)i || (rows[i].letter != 0 && value == rows[i].letter)) {
            return i;
        }
    }
    return ROWS;
}

int options_parse(int argc, char **argv, struct options *out, struct err *e)
{
    struct option longs[ROWS + 1] = {0};
    char shorts[2 * ROWS + 2] = ":"; /* errors are told by us */
    size_t n = 1;
    for (size_t i = 0; i < ROWS; i++) {
        longs[i] = (struct option){
            .name = rows[i].name,
            .has_arg = rows[i].arg != NULL ? required_argument : no_argument,
            .val = LETTERLESS + (int)i,
        };
        if (rows[i].letter != 0) {
            shorts[n++] = rows[i].letter;
            if (rows[i].arg != NULL) {
                shorts[n++] = ':';
            }
        }
    }
    shorts[n] = '\0';
    memset(out, 0, sizeof(*out));
    out->ready_fd = -1;
    out->source.overrides = out->overrides;
    optind = 1;
    for (int value; (value = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        size_t row = row_of(value);
        if (row == ROWS) {
            return err_set(e, ERR_BADARG, "%s: %s", argv[optind - 1],
                           value == ':' ? "needs a value" : "no such option; --help lists them");
        }
        int rc = take(out, row, optarg, e);
        if (rc != 0) {
            return rc;
        }
    }
    if (optind < argc) {
        return err_set(e, ERR_BADARG, "unexpected \"%s\"; --help lists the options", argv[optind]);
    }
    return 0;
}

void options_fini(struct options *o)
{
    for (size_t i = 0; i < o->source.n_overrides; i++) {
        free(o->texts[i]);
    }
}
