/* rollcall status: the server's INFO, aligned, or as an object of objects. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/json.h"
#include "cli/screen.h"
#include "cli/verbs.h"

static bool is_integer(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len < 18 && strspn(text, "0123456789") == len && (len == 1 || text[0] != '0');
}

/* "name:value" */
static void write_line(char *line, bool is_json, struct screen_table *t, struct buf *out)
{
    char *colon = strchr(line, ':');
    if (colon == NULL)
        return;
    *colon = '\0';
    if (!is_json) {
        screen_cell(t, line);
        screen_cell(t, colon + 1);
    } else if (is_integer(colon + 1)) {
        json_number(out, line, atoll(colon + 1));
    } else {
        json_text(out, line, colon + 1);
    }
}

/* "# Registry" begins a section: the text so far is written, and its title. */
static void write_title(char *title, bool is_json, bool is_first, struct screen_table *t, struct buf *out)
{
    if (!is_json) {
        screen_table_write(t, out);
        screen_table_fini(t);
        screen_table_init(t, 2, false);
        buf_puts(out, is_first ? "" : "\n");
        screen_text(out, title);
        buf_putc(out, '\n');
        return;
    }
    title[0] = (char)tolower((unsigned char)title[0]);
    buf_puts(out, is_first ? "" : "}");
    json_name(out, title);
    buf_putc(out, '{');
}

static void write_info(char *text, bool is_json, struct buf *out)
{
    struct screen_table t;
    char *rest = NULL;
    bool is_first = true;
    screen_table_init(&t, 2, false);
    buf_puts(out, is_json ? "{" : "");
    for (char *line = strtok_r(text, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest)) {
        if (line[0] == '#') {
            write_title(line + 1 + strspn(line + 1, " "), is_json, is_first, &t, out);
            is_first = false;
        } else {
            write_line(line, is_json, &t, out);
        }
    }
    screen_table_write(&t, out);
    out->failed |= t.failed;
    screen_table_fini(&t);
    if (is_json)
        buf_puts(out, is_first ? "}\n" : "}}\n");
}

int verb_status(struct cli *cli, struct args *a)
{
    struct reply r;
    struct buf out;
    int status = cli_words(cli, a, 0, 1);
    if (status != CLI_OK)
        return status;
    const char *const words[] = {"INFO", a->n_words > 0 ? a->words[0] : NULL};
    status = cli_ask(cli, words, a->n_words > 0 ? 2 : 1, &r);
    if (status == CLI_OK)
        status = cli_expect(&r, REPLY_TEXT, 0);
    if (status != CLI_OK)
        return status;
    buf_init(&out, 0);
    write_info(r.text, cli->is_json, &out);
    status = screen_print(&out) ? CLI_OK : cli_fail(CLI_REFUSED, "cannot write the output");
    buf_fini(&out);
    reply_fini(&r);
    return status;
}
