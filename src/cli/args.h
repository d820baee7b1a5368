/* Command line words by table: each verb has rows of options, and what every verb takes is added to them.
 *
 *     args_init(&a, argc, argv, own);
 *     while ((o = args_next(&a)) != NULL) ...   // o->key says which option, a.value is its value
 *     if (a.failed) return EXIT_USAGE;          // said on stderr
 *     a.words, a.n_words                        // what is not an option
 *
 * `--name value`, `--name=value`, `-x value`; `--` ends the options. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

struct arg_row {
    int key;           /* told apart by this; > 0; 0 ends a table */
    char letter;       /* 0: none */
    const char *name;  /* without the dashes */
    const char *value; /* what the manual calls its value; NULL: it takes none */
    const char *help;
};

struct args {
    int argc;
    char **argv;
    const struct arg_row *own; /* of the verb; may be NULL */
    int at;
    bool stops_at_word; /* the first word that is no option ends the options, too */
    char *value;        /* of the option that args_next returned; part of argv */
    char **words;       /* argv itself, words moved to the front */
    int n_words;
    int dashes; /* n_words when `--` was met: what follows is no word of ours; -1: it was not there */
    bool failed;
};

/* Options that every verb takes: the server, the form of the output, help. Keys are enum args_key. */
enum args_key { ARGS_SERVER = 1000, ARGS_JSON, ARGS_PASSWORD_FILE, ARGS_TIMEOUT, ARGS_HELP, ARGS_VERSION };
extern const struct arg_row args_everywhere[];

void args_init(struct args *a, int argc, char **argv, const struct arg_row *own);
/* The next option, NULL at the end or when `failed`. */
const struct arg_row *args_next(struct args *a);

#endif
