/* rollcall deregister. An instance that is not there is what was asked for: that is no failure. */
#include <stdio.h>

#include "cli/verbs.h"

enum { KEY_HOLD = 1 };

const struct arg_row deregister_options[] = {
    {KEY_HOLD, 0, "hold", "DURATION", "keep the id from registering again for that long"},
    {0, 0, NULL, NULL, NULL},
};

int verb_deregister(struct cli *cli, struct args *a)
{
    const char *hold = NULL;
    struct reply r;
    while (cli_next(cli, a) != NULL)
        hold = a->value;
    int status = cli_words(cli, a, 2, 2);
    if (status != CLI_OK)
        return status;
    const char *const words[] = {"DEREGISTER", a->words[0], a->words[1], "HOLD", hold};
    status = cli_ask(cli, words, hold != NULL ? 5 : 3, &r);
    if (status == CLI_OK)
        status = cli_expect(&r, REPLY_NUMBER, 0);
    if (status != CLI_OK)
        return status;
    if (cli->is_json)
        printf("{\"removed\":%s}\n", r.number != 0 ? "true" : "false");
    else
        printf(r.number != 0 ? "deregistered\n" : "was not registered\n");
    reply_fini(&r);
    return CLI_OK;
}
