/* Listening sockets from the configuration. All are non-blocking and close-on-exec. */
#ifndef IO_LISTEN_H
#define IO_LISTEN_H

#include <sys/socket.h>

#include "base/err.h"
#include "config/config.h"

struct listen_address {
    struct sockaddr_storage addr;
    socklen_t len;
};

/* The socket address of a TCP or UDP entry of the configuration. */
void listen_address(const struct config_listen *at, struct listen_address *out);
/* "127.0.0.1:53" or "[::1]:53"; the path of a Unix socket as "unix:/path". Returns out. */
#define LISTEN_TEXT_MAX 128
char *listen_text(const struct config_listen *at, char out[LISTEN_TEXT_MAX]);

/* One socket of `socktype` (SOCK_STREAM also listens). Port 0 is replaced in `at` by the one the kernel chose. A Unix
 * socket file that a dead server left behind is replaced; one that answers is an error. It may be opened by everybody,
 * like the loopback address: close its folder to keep people out. ERR_IO: "cannot listen on 127.0.0.1:53/udp:
 * Permission denied; ..." */
int listen_open(struct config_listen *at, int socktype, int *fd, struct err *e) MUST_CHECK;

/* A UDP and a TCP socket per worker, all on one port (of SO_REUSEPORT groups: the kernel spreads the clients). The port
 * is first taken without sharing it, so that a second server of the same user is refused and not let in. */
struct listen_pair {
    int udp, tcp;
};
int listen_open_pairs(struct config_listen *at, struct listen_pair *pairs, unsigned n, struct err *e) MUST_CHECK;

/* True for 0.0.0.0 and [::]. */
bool listen_is_wildcard(const struct config_listen *at);
/* Removes the file of a Unix socket that this process opened; nothing for others. */
void listen_close(const struct config_listen *at, int fd);

#endif
