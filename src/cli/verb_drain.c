/* rollcall drain: out of the answers, then, with --wait, until nobody can still use an answer that names it. */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "cli/verbs.h"

enum { KEY_OFF = 1, KEY_WAIT };

const struct arg_row drain_options[] = {
    {KEY_OFF, 0, "off", NULL, "serve it again"},
    {KEY_WAIT, 'w', "wait", NULL, "return when it is safe to stop it"},
    {0, 0, NULL, NULL, NULL},
};

static void sleep_until(uint64_t deadline_ms)
{
    for (uint64_t now; (now = clock_mono_ms()) < deadline_ms;) {
        uint64_t left = deadline_ms - now;
        struct timespec t = {.tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000) * 1000000};
        (void)nanosleep(&t, NULL);
    }
}

int verb_drain(struct cli *cli, struct args *a)
{
    bool is_off = false, is_waited_for = false;
    const struct arg_row *row;
    struct reply r;
    while ((row = cli_next(cli, a)) != NULL) {
        is_off |= row->key == KEY_OFF;
        is_waited_for |= row->key == KEY_WAIT;
    }
    int status = cli_words(cli, a, 2, 2);
    if (status != CLI_OK)
        return status;
    if (is_off && is_waited_for)
        return cli_usage(cli, "--off has nothing to wait for");
    const char *const words[] = {"DRAIN", a->words[0], a->words[1], "OFF"};
    status = cli_ask(cli, words, is_off ? 4 : 3, &r);
    if (status == CLI_OK)
        status = cli_expect(&r, REPLY_NUMBER, 0);
    if (status != CLI_OK)
        return status;
    uint64_t safe_ms = clock_mono_ms() + (uint64_t)(r.number > 0 ? r.number : 0) * 1000;
    if (cli->is_json)
        printf("{\"safe_in\":%lld}\n", (long long)r.number);
    else if (is_off)
        printf("served again as far as its health allows\n");
    else
        printf("draining, safe to stop in %llds\n", (long long)r.number);
    reply_fini(&r);
    fflush(stdout);
    if (!is_waited_for)
        return CLI_OK;
    sleep_until(safe_ms);
    if (!cli->is_json)
        printf("safe to stop\n");
    return CLI_OK;
}
