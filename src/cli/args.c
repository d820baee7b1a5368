/* Reads the command line by tables of options. The words that are none are collected at the front of argv, so that
 * options may stand anywhere. What can go wrong is said on stderr, with the nearest right option. */
#include "cli/args.h"

#include <stdio.h>
#include <string.h>

#include "base/nearest.h"

const struct arg_row args_everywhere[] = {
    {ARGS_SERVER, 's', "server", "ADDRESS",
     "the server: host:port, [v6]:port or unix:/path (ROLLCALL_SERVER; 127.0.0.1:5380)"},
    {ARGS_JSON, 0, "json", NULL, "print JSON"},
    {ARGS_PASSWORD_FILE, 0, "password-file", "FILE", "the password is this file's first line (ROLLCALL_PASSWORD_FILE)"},
    {ARGS_TIMEOUT, 0, "timeout", "DURATION", "how long to wait for the server (5s)"},
    {ARGS_HELP, 'h', "help", NULL, "explain"},
    {ARGS_VERSION, 0, "version", NULL, "print the version"},
    {0, 0, NULL, NULL, NULL},
};

void args_init(struct args *a, int argc, char **argv, const struct arg_row *own)
{
    *a = (struct args){.argc = argc, .argv = argv, .own = own, .words = argv, .dashes = -1};
}

static const struct arg_row *find_name(const struct arg_row *rows, const char *name, size_t len)
{
    for (; rows != NULL && rows->key != 0; rows++) {
        if (strlen(rows->name) == len && memcmp(rows->name, name, len) == 0)
            return rows;
    }
    return NULL;
}

static const struct arg_row *find_letter(const struct arg_row *rows, char letter)
{
    for (; rows != NULL && rows->key != 0; rows++) {
        if (rows->letter == letter)
            return rows;
    }
    return NULL;
}

static const struct arg_row *fail_unknown(struct args *a, const char *word)
{
    struct nearest near;
    nearest_init(&near, word + strspn(word, "-"));
    for (const struct arg_row *row = a->own; row != NULL && row->key != 0; row++)
        nearest_offer(&near, row->name);
    for (const struct arg_row *row = args_everywhere; row->key != 0; row++)
        nearest_offer(&near, row->name);
    if (nearest_best(&near) != NULL)
        fprintf(stderr, "rollcall: unknown option %s; did you mean --%s?\n", word, nearest_best(&near));
    else
        fprintf(stderr, "rollcall: unknown option %s; --help lists what there is\n", word);
    a->failed = true;
    return NULL;
}

static const struct arg_row *fail_value(struct args *a, const struct arg_row *row, const char *what)
{
    fprintf(stderr, "rollcall: --%s %s%s\n", row->name, what, row->value != NULL ? row->value : "");
    a->failed = true;
    return NULL;
}

static const struct arg_row *take(struct args *a, char *word)
{
    bool is_long = word[1] == '-';
    char *name = word + (is_long ? 2 : 1), *equals = is_long ? strchr(name, '=') : NULL;
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct arg_row *row = is_long ? find_name(a->own, name, len) : find_letter(a->own, name[0]);
    if (row == NULL)
        row = is_long ? find_name(args_everywhere, name, len) : find_letter(args_everywhere, name[0]);
    if (row == NULL || (!is_long && row->value == NULL && name[1] != '\0'))
        return fail_unknown(a, word);
    a->value = equals != NULL ? equals + 1 : !is_long && name[1] != '\0' ? name + 1 : NULL;
    if (row->value == NULL && a->value != NULL)
        return fail_value(a, row, "takes no value");
    if (row->value != NULL && a->value == NULL) {
        if (a->at == a->argc)
            return fail_value(a, row, "lacks its value, ");
        a->value = a->argv[a->at++];
    }
    return row;
}

const struct arg_row *args_next(struct args *a)
{
    while (a->at < a->argc && !a->failed) {
        char *word = a->argv[a->at];
        if (word[0] == '-' && word[1] != '\0' && a->dashes < 0) {
            a->at++;
            if (strcmp(word, "--") != 0)
                return take(a, word);
            a->dashes = a->n_words;
            continue;
        }
        if (a->stops_at_word && a->dashes < 0)
            return NULL;
        a->at++;
        a->words[a->n_words++] = word;
    }
    return NULL;
}
