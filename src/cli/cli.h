/* What the verbs share: the options of every verb, one request to the server, exit codes, and how to complain. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/reply.h"

#define CLI_TIMEOUT_MS 5000 /* unless --timeout says otherwise */

enum cli_status {
    CLI_OK = 0,
    CLI_REFUSED = 1,     /* the server said no, or the command could not be run */
    CLI_USAGE = 2,       /* the command line is wrong */
    CLI_UNREACHABLE = 3, /* no server, or none that speaks our protocol */
};

struct verb;

struct cli {
    struct client_options client;
    bool is_json;
    const struct verb *verb; /* NULL until it is known */
};

/* One verb of the command line. Its function gets the words behind its name, options not yet read. */
struct verb {
    const char *name;
    const char *usage;             /* what follows the name */
    const char *summary;           /* one line, begins with a small letter, no full stop */
    const char *details;           /* for `help VERB`: whole sentences, lines ended; NULL: none */
    const struct arg_row *options; /* ends with a row of key 0; NULL: none */
    int (*run)(struct cli *cli, struct args *a);
};

extern const struct verb verb_table[]; /* ends with a NULL name */

/* As args_next, but the options of every verb are dealt with here. --help prints and ends the process. */
const struct arg_row *cli_next(struct cli *cli, struct args *a);
/* Reads the options of a verb that has none of its own, and checks how many words there are. CLI_OK or CLI_USAGE. */
int cli_words(struct cli *cli, struct args *a, int min, int max);
/* "rollcall VERB: ..." and the usage, on stderr. Returns CLI_USAGE. */
int cli_usage(const struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "rollcall: ..." on stderr. Returns the status. */
int cli_fail(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The status that fits an error of client_open or client_call, which is said. */
int cli_fail_err(const struct err *e);

/* Connects, asks once and closes. CLI_OK: `out` is the reply, the caller's to free, and no error. Otherwise it is said.
 */
int cli_ask(struct cli *cli, const char *const *words, size_t n, struct reply *out);
/* The same on an open connection. */
int cli_call(struct client *c, const char *const *words, size_t n, struct reply *out);
/* CLI_OK unless the reply is of another shape than the verb's; then it is said and freed. `n`: items of a list at
 * least. */
int cli_expect(struct reply *r, enum reply_type type, size_t n);

/* The verbs and their options as the manual has them. */
void cli_print_overview(void);
void cli_print_verb(const struct verb *v);
const struct verb *cli_find_verb(const char *name); /* complains with the nearest one and returns NULL */

#endif
