/* A connection to the server: one request, one reply, in turn. Blocking, with a deadline for each. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/reply.h"

#define CLIENT_DEFAULT_SERVER "127.0.0.1:5380"
#define CLIENT_DEFAULT_PORT   "5380"
#define CLIENT_WORDS_MAX      4096
#define CLIENT_HURRY_MS       250 /* enough for a server that lives; one that does not keeps nobody */

struct client_options {
    const char *server;        /* host:port, [v6]:port, host, unix:/path or /path; borrowed */
    const char *password_file; /* NULL: none; borrowed */
    uint32_t timeout_ms;       /* for connecting, and for each reply */
    int hurry_fd;              /* once this is readable, waits end within CLIENT_HURRY_MS; -1: none */
};

/* How long a request may wait; both may change while it does. */
struct client_wait {
    uint64_t deadline_ms; /* UINT64_MAX: none */
    int hurry_fd;         /* -1: none, or we hurry already */
};

struct client {
    int fd; /* -1: not connected */
    const struct client_options *options;
    struct client_wait wait; /* of the request under way */
    struct reply_source source;
};

void client_init(struct client *c, const struct client_options *options);
/* Connects, and authenticates where there is a password. ERR_IO: not reached; ERR_BADARG: the options are wrong;
 * ERR_NOAUTH: the server refused the password. */
int client_open(struct client *c, struct err *e) MUST_CHECK;
void client_close(struct client *c); /* may be opened again */
/* Sends the words and reads one reply. ERR_IO and the errors of reply_read: the connection is closed. The server's own
 * errors are replies. */
int client_call(struct client *c, const char *const *words, size_t n, struct reply *out, struct err *e) MUST_CHECK;
/* The next frame of a stream, for as long as it takes. */
int client_next(struct client *c, struct reply *out, struct err *e) MUST_CHECK;
/* Our address on the way to the server, as text; "127.0.0.1" on a Unix socket or without a connection. */
#define CLIENT_ADDRESS_MAX 64
void client_own_address(const struct client *c, char out[CLIENT_ADDRESS_MAX]);

/* Connects to an address and port within `timeout_ms`; a descriptor or ERR_IO, ERR_BADARG. */
int client_connect(const char *host, const char *port, uint32_t timeout_ms, struct err *e) MUST_CHECK;

#endif
