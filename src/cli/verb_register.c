/* rollcall register: once, or for as long as it is left running. */
#include <stdio.h>

#include "base/buf.h"
#include "cli/json.h"
#include "cli/keeper.h"
#include "cli/screen.h"
#include "cli/signals.h"
#include "cli/verbs.h"

enum { KEY_KEEP = REGISTRATION_KEYS };

const struct arg_row register_options[] = {
    {KEY_KEEP, 'k', "keep", NULL, "renew until SIGTERM or SIGINT, then deregister"},
    REGISTRATION_ROWS,
    {0, 0, NULL, NULL, NULL},
};

static int keep(struct cli *cli, const struct registration *r)
{
    struct keeper k;
    int status = CLI_OK, number = 0;
    cli->client.hurry_fd = signals_block();
    keeper_init(&k, cli, r, stdout);
    while (number != SIGTERM && number != SIGINT && number != SIGHUP && number != SIGQUIT) {
        status = keeper_step(&k);
        if (status != CLI_OK)
            break;
        number = signals_wait(k.next_ms);
    }
    int end = keeper_end(&k);
    return status != CLI_OK ? status : end;
}

static int once(struct cli *cli, const struct registration *r)
{
    const char *words[CLIENT_WORDS_MAX + 4];
    struct reply reply;
    struct buf out;
    int status = cli_ask(cli, words, registration_words(r, words), &reply);
    if (status == CLI_OK)
        status = cli_expect(&reply, REPLY_LIST, 3);
    if (status != CLI_OK)
        return status;
    const char *id = reply.items[0].type == REPLY_TEXT ? reply.items[0].text : "";
    buf_init(&out, 0);
    if (cli->is_json) {
        buf_putc(&out, '{');
        json_text(&out, "service", r->service);
        json_text(&out, "id", id);
        json_number(&out, "lease", reply.items[1].number);
        json_number(&out, "revision", reply.items[2].number);
        buf_puts(&out, "}\n");
    } else {
        buf_puts(&out, "registered ");
        screen_text(&out, r->service);
        buf_putc(&out, ' ');
        screen_text(&out, id);
        buf_printf(&out, reply.items[1].number > 0 ? ", lease %llds\n" : ", permanent\n",
                   (long long)reply.items[1].number);
    }
    status = screen_print(&out) ? CLI_OK : cli_fail(CLI_REFUSED, "cannot write the output");
    buf_fini(&out);
    reply_fini(&reply);
    return status;
}

int verb_register(struct cli *cli, struct args *a)
{
    struct registration r = {.n_options = 0};
    bool is_kept = false, is_session = false;
    const struct arg_row *row;
    while ((row = cli_next(cli, a)) != NULL) {
        is_kept |= row->key == KEY_KEEP;
        is_session |= row->key == REGISTRATION_SESSION;
        if (row->key != KEY_KEEP && registration_option(cli, &r, row, a->value) != CLI_OK)
            return CLI_USAGE;
    }
    if (a->failed)
        return CLI_USAGE;
    if (a->n_words != 3)
        return cli_usage(cli, a->n_words < 3 ? "a service, an address and a port are needed" : "\"%s\" is too much",
                         a->n_words > 3 ? a->words[3] : "");
    if (is_session && !is_kept)
        return cli_usage(cli, "--session needs --keep: without it the connection ends at once");
    r.service = a->words[0];
    r.address = a->words[1];
    r.port = a->words[2];
    return is_kept ? keep(cli, &r) : once(cli, &r);
}
