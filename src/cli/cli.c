/* What the verbs share; see cli.h. */
#include "config.h"

#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/nearest.h"

#define TIMEOUT_MAX_MS 3600000

/* ── complaints ── */

int cli_fail(int status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("rollcall: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "rollcall %s: ", cli->verb->name);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\nusage: rollcall %s %s\n", cli->verb->name, cli->verb->usage);
    va_end(args);
    return CLI_USAGE;
}

int cli_fail_err(const struct err *e)
{
    int status = e->code == ERR_BADARG ? CLI_USAGE : e->code == ERR_NOAUTH ? CLI_REFUSED : CLI_UNREACHABLE;
    return cli_fail(status, "%s", e->text);
}

/* ── help ── */

static void print_options(const struct arg_row *rows)
{
    for (; rows != NULL && rows->key != 0; rows++) {
        char name[64];
        snprintf(name, sizeof(name), "--%s%s%s", rows->name, rows->value != NULL ? " " : "",
                 rows->value != NULL ? rows->value : "");
        if (rows->letter != 0)
            printf("  -%c, %-27s %s\n", rows->letter, name, rows->help);
        else
            printf("      %-27s %s\n", name, rows->help);
    }
}

void cli_print_overview(void)
{
    printf("usage: rollcall [-s ADDRESS] [--json] VERB ...\n\n");
    for (const struct verb *v = verb_table; v->name != NULL; v++)
        printf("  %-11s %s\n", v->name, v->summary);
    printf("\noptions of every verb:\n");
    print_options(args_everywhere);
    printf(
        "\n`rollcall help VERB` explains a verb. Exit status: 0 done, 1 the server said no, 2 usage, 3 no server.\n");
}

void cli_print_verb(const struct verb *v)
{
    printf("usage: rollcall %s %s\n\n%s: %s.\n", v->name, v->usage, v->name, v->summary);
    if (v->details != NULL)
        printf("%s", v->details);
    if (v->options != NULL) {
        printf("\noptions:\n");
        print_options(v->options);
    }
    printf("\noptions of every verb:\n");
    print_options(args_everywhere);
}

const struct verb *cli_find_verb(const char *name)
{
    struct nearest near;
    nearest_init(&near, name);
    for (const struct verb *v = verb_table; v->name != NULL; v++) {
        if (strcmp(v->name, name) == 0)
            return v;
        nearest_offer(&near, v->name);
    }
    if (nearest_best(&near) != NULL)
        (void)cli_fail(CLI_USAGE, "unknown verb \"%s\"; did you mean \"%s\"?", name, nearest_best(&near));
    else
        (void)cli_fail(CLI_USAGE, "unknown verb \"%s\"; `rollcall help` lists what there is", name);
    return NULL;
}

/* ── options of every verb ── */

static bool timeout_set(struct cli *cli, const char *value)
{
    uint64_t ms;
    if (duration_parse(value, &ms) != 0 || ms == 0 || ms > TIMEOUT_MAX_MS) {
        (void)cli_fail(CLI_USAGE, "--timeout \"%s\" should be a duration, as 500ms or 5s, up to 1h", value);
        return false;
    }
    cli->client.timeout_ms = (uint32_t)ms;
    return true;
}

static _Noreturn void print_help(const struct cli *cli)
{
    if (cli->verb != NULL)
        cli_print_verb(cli->verb);
    else
        cli_print_overview();
    exit(fflush(stdout) == 0 ? CLI_OK : CLI_REFUSED);
}

const struct arg_row *cli_next(struct cli *cli, struct args *a)
{
    const struct arg_row *row;
    while ((row = args_next(a)) != NULL) {
        switch (row->key) {
        case ARGS_SERVER:
            cli->client.server = a->value;
            break;
        case ARGS_JSON:
            cli->is_json = true;
            break;
        case ARGS_PASSWORD_FILE:
            cli->client.password_file = a->value;
            break;
        case ARGS_TIMEOUT:
            a->failed = !timeout_set(cli, a->value);
            break;
        case ARGS_HELP:
            print_help(cli);
        case ARGS_VERSION:
            printf("rollcall %s\n", PACKAGE_VERSION);
            exit(fflush(stdout) == 0 ? CLI_OK : CLI_REFUSED);
        default:
            return row;
        }
    }
    return NULL;
}

int cli_words(struct cli *cli, struct args *a, int min, int max)
{
    while (cli_next(cli, a) != NULL)
        continue;
    if (a->failed)
        return CLI_USAGE;
    if (a->n_words < min)
        return cli_usage(cli, "something is missing");
    if (a->n_words > max)
        return cli_usage(cli, "\"%s\" is too much", a->words[max]);
    return CLI_OK;
}

/* ── requests ── */

int cli_call(struct client *c, const char *const *words, size_t n, struct reply *out)
{
    struct err e = {.code = 0};
    if (client_call(c, words, n, out, &e) != 0)
        return cli_fail_err(&e);
    if (out->type != REPLY_ERROR)
        return CLI_OK;
    int status = cli_fail(CLI_REFUSED, "%s", out->text);
    if (strncmp(out->text, "NOAUTH", 6) == 0)
        fputs("rollcall: --password-file or ROLLCALL_PASSWORD_FILE names a file with the password\n", stderr);
    reply_fini(out);
    return status;
}

int cli_ask(struct cli *cli, const char *const *words, size_t n, struct reply *out)
{
    struct client c;
    struct err e = {.code = 0};
    client_init(&c, &cli->client);
    if (client_open(&c, &e) != 0)
        return cli_fail_err(&e);
    int status = cli_call(&c, words, n, out);
    client_close(&c);
    return status;
}

int cli_expect(struct reply *r, enum reply_type type, size_t n)
{
    if (r->type == type && (type != REPLY_LIST || r->n >= n))
        return CLI_OK;
    reply_fini(r);
    return cli_fail(CLI_UNREACHABLE, "the server's answer has another form than this version of rollcall knows");
}
