/* The words of a REGISTER, from the options that register and run share. */
#ifndef CLI_REGISTRATION_H
#define CLI_REGISTRATION_H

#include <stddef.h>

#include "cli/args.h"
#include "cli/cli.h"

enum registration_key {
    REGISTRATION_ID = 1, REGISTRATION_TTL, REGISTRATION_WEIGHT, REGISTRATION_PRIORITY, REGISTRATION_TAG, REGISTRATION_META,
    REGISTRATION_PORT, REGISTRATION_CHECK, REGISTRATION_SESSION, REGISTRATION_KEYS /* a verb's own keys begin here */
};

/* Rows for a verb's table. */
#define REGISTRATION_ROWS                                                                                                        \
    {REGISTRATION_ID, 0, "id", "ID", "the instance's id (made from address and port)"},                                          \
    {REGISTRATION_TTL, 0, "ttl", "DURATION", "the lease, as 30s (the server's default); 0: until deregistered"},                 \
    {REGISTRATION_WEIGHT, 0, "weight", "N", "its share of the load, 1 to 65535 (1)"},                                            \
    {REGISTRATION_PRIORITY, 0, "priority", "N", "0 to 65535, the lowest is used first (0)"},                                     \
    {REGISTRATION_TAG, 0, "tag", "TAG", "a tag; may be repeated"},                                                               \
    {REGISTRATION_META, 0, "meta", "KEY=VALUE", "metadata; may be repeated"},                                                    \
    {REGISTRATION_PORT, 0, "named-port", "NAME=N[/udp]", "a further port; may be repeated"},                                     \
    {REGISTRATION_CHECK, 0, "check", "SPEC", "a health check, as \"http://:8080/healthz interval=10s\"; may be repeated"},       \
    {REGISTRATION_SESSION, 0, "session", NULL, "cut the lease short when the connection ends"}

struct registration {
    const char *service, *address, *port;
    size_t n_options;
    const char *options[CLIENT_WORDS_MAX]; /* from ID on; pointers into argv */
};

/* Takes an option of the rows above; splits NAME=VALUE in place. CLI_OK or CLI_USAGE, which is said. */
int registration_option(const struct cli *cli, struct registration *r, const struct arg_row *row, char *value);
/* REGISTER service address port options; returns how many. `words` has room for CLIENT_WORDS_MAX + 4. */
size_t registration_words(const struct registration *r, const char **words);

#endif
