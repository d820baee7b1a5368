/* rollcall renew */
#include <stdio.h>

#include "base/buf.h"
#include "cli/json.h"
#include "cli/screen.h"
#include "cli/verbs.h"

int verb_renew(struct cli *cli, struct args *a)
{
    struct reply r;
    int status = cli_words(cli, a, 2, 2);
    if (status != CLI_OK)
        return status;
    const char *const words[] = {"RENEW", a->words[0], a->words[1]};
    status = cli_ask(cli, words, 3, &r);
    if (status == CLI_OK)
        status = cli_expect(&r, REPLY_NUMBER, 0);
    if (status != CLI_OK)
        return status;
    if (cli->is_json)
        printf("{\"lease\":%lld}\n", (long long)r.number);
    else if (r.number > 0)
        printf("renewed, lease %llds\n", (long long)r.number);
    else
        printf("permanent, there is no lease to renew\n");
    reply_fini(&r);
    return CLI_OK;
}
