/* rollcall report */
#include <stdio.h>

#include "cli/verbs.h"

int verb_report(struct cli *cli, struct args *a)
{
    struct reply r;
    int status = cli_words(cli, a, 3, 4);
    if (status != CLI_OK)
        return status;
    const char *const words[] = {"REPORT", a->words[0], a->words[1], a->words[2], a->n_words > 3 ? a->words[3] : ""};
    status = cli_ask(cli, words, a->n_words > 3 ? 5 : 4, &r);
    if (status == CLI_OK)
        status = cli_expect(&r, REPLY_TEXT, 0);
    if (status != CLI_OK)
        return status;
    printf(cli->is_json ? "{\"reported\":true}\n" : "reported\n");
    reply_fini(&r);
    return CLI_OK;
}
