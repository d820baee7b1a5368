/* rollcall pick: discovery in one line, for scripts: `curl http://$(rollcall pick web)/`. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/json.h"
#include "cli/screen.h"
#include "cli/verbs.h"

enum { KEY_TAG = 1, KEY_PORT };

const struct arg_row pick_options[] = {
    {KEY_TAG, 0, "tag", "TAG", "only among the instances with this tag"},
    {KEY_PORT, 0, "port", "NAME", "the number of this named port, in place of the main one"},
    {0, 0, NULL, NULL, NULL},
};

static void write_pick(const struct cli *cli, const struct reply *r, struct buf *out)
{
    const char *address = r->items[0].text;
    if (cli->is_json) {
        buf_putc(out, '{');
        json_text(out, "address", address);
        json_number(out, "port", r->items[1].number);
        json_text(out, "id", r->items[2].text);
        buf_puts(out, "}\n");
        return;
    }
    screen_endpoint(out, address, r->items[1].number);
    buf_putc(out, '\n');
}

int verb_pick(struct cli *cli, struct args *a)
{
    const char *words[6] = {"PICK"};
    size_t n = 2;
    const struct arg_row *row;
    struct reply r;
    struct buf out;
    while ((row = cli_next(cli, a)) != NULL) {
        if (n + 2 > sizeof(words) / sizeof(words[0]))
            return cli_usage(cli, "--%s is too much", row->name);
        words[n++] = row->key == KEY_TAG ? "TAG" : "PORT";
        words[n++] = a->value;
    }
    int status = cli_words(cli, a, 1, 1);
    if (status != CLI_OK)
        return status;
    words[1] = a->words[0];
    status = cli_ask(cli, words, n, &r);
    if (status == CLI_OK)
        status = cli_expect(&r, REPLY_LIST, 3);
    if (status == CLI_OK && (r.items[0].type != REPLY_TEXT || r.items[2].type != REPLY_TEXT))
        status = cli_expect(&r, REPLY_LIST, SIZE_MAX);
    if (status != CLI_OK)
        return status;
    buf_init(&out, 0);
    write_pick(cli, &r, &out);
    status = screen_print(&out) ? CLI_OK : cli_fail(CLI_REFUSED, "cannot write the output");
    buf_fini(&out);
    reply_fini(&r);
    return status;
}
