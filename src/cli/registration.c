/* From options to the words of a REGISTER; the server checks what they say. */
#include "cli/registration.h"

#include <string.h>

static int put(const struct cli *cli, struct registration *r, const char *keyword, const char *a, const char *b)
{
    if (r->n_options + 3 > CLIENT_WORDS_MAX)
        return cli_usage(cli, "too many options");
    r->options[r->n_options++] = keyword;
    if (a != NULL)
        r->options[r->n_options++] = a;
    if (b != NULL)
        r->options[r->n_options++] = b;
    return CLI_OK;
}

static int put_pair(const struct cli *cli, struct registration *r, const char *keyword, const struct arg_row *row,
                    char *pair)
{
    char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair)
        return cli_usage(cli, "--%s \"%s\" should be %s", row->name, pair, row->value);
    *equals = '\0';
    return put(cli, r, keyword, pair, equals + 1);
}

int registration_option(const struct cli *cli, struct registration *r, const struct arg_row *row, char *value)
{
    static const char *const keywords[] = {
        [REGISTRATION_ID] = "ID",           [REGISTRATION_TTL] = "TTL",
        [REGISTRATION_WEIGHT] = "WEIGHT",   [REGISTRATION_PRIORITY] = "PRIORITY",
        [REGISTRATION_TAG] = "TAG",         [REGISTRATION_META] = "META",
        [REGISTRATION_PORT] = "PORT",       [REGISTRATION_CHECK] = "CHECK",
        [REGISTRATION_SESSION] = "SESSION",
    };
    if (row->key == REGISTRATION_META || row->key == REGISTRATION_PORT)
        return put_pair(cli, r, keywords[row->key], row, value);
    return put(cli, r, keywords[row->key], value, NULL);
}

size_t registration_words(const struct registration *r, const char **words)
{
    const char *const head[] = {"REGISTER", r->service, r->address, r->port};
    memcpy(words, head, sizeof(head));
    memcpy(words + 4, r->options, r->n_options * sizeof(*words));
    return 4 + r->n_options;
}
