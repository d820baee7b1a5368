/* rollcall, the command line client: finds the verb in the table and hands it the rest of the line. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static int help(struct args *a)
{
    const char *name = a->at + 1 < a->argc ? a->argv[a->at + 1] : NULL;
    if (name == NULL) {
        cli_print_overview();
        return CLI_OK;
    }
    const struct verb *v = cli_find_verb(name);
    if (v == NULL)
        return CLI_USAGE;
    cli_print_verb(v);
    return CLI_OK;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct args a;
    args_init(&a, argc - 1, argv + 1, NULL);
    a.stops_at_word = true;
    while (cli_next(cli, &a) != NULL)
        continue;
    if (a.failed)
        return CLI_USAGE;
    if (a.at == a.argc)
        return cli_fail(CLI_USAGE, "a verb is missing; `rollcall help` lists what there is");
    if (strcmp(a.argv[a.at], "help") == 0)
        return help(&a);
    cli->verb = cli_find_verb(a.argv[a.at]);
    if (cli->verb == NULL)
        return CLI_USAGE;
    struct args rest;
    args_init(&rest, a.argc - a.at - 1, a.argv + a.at + 1, cli->verb->options);
    return cli->verb->run(cli, &rest);
}

int main(int argc, char **argv)
{
    const char *server = getenv("ROLLCALL_SERVER"), *password_file = getenv("ROLLCALL_PASSWORD_FILE");
    struct cli cli = {
        .client.server = server != NULL && server[0] != '\0' ? server : CLIENT_DEFAULT_SERVER,
        .client.password_file = password_file != NULL && password_file[0] != '\0' ? password_file : NULL,
        .client.timeout_ms = CLI_TIMEOUT_MS,
        .client.hurry_fd = -1,
    };
    int status = run(&cli, argc, argv);
    if (fflush(stdout) != 0 && status == CLI_OK)
        status = cli_fail(CLI_REFUSED, "cannot write the output");
    return status;
}
