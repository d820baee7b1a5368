/* All listening sockets of the server, opened before privileges are dropped. */
#ifndef APP_SOCKETS_H
#define APP_SOCKETS_H

#include "base/buf.h"
#include "config/config.h"
#include "io/listen.h"

struct sockets {
    struct config_listen dns[CONFIG_LIST_MAX]; /* with the ports that were really taken */
    size_t n_dns;
    unsigned n_workers;
    struct listen_pair *pairs; /* owned: n_workers for each of `dns`; -1 once a worker has them */
    struct config_listen registry[CONFIG_LIST_MAX];
    int registry_fds[CONFIG_LIST_MAX];
    bool has_made_folder[CONFIG_LIST_MAX]; /* of a Unix socket of `registry` */
    size_t n_registry;
};

/* All or none, missing folders of Unix sockets included. ERR_IO with a text. */
int sockets_open(const struct config *c, unsigned n_workers, struct sockets *out, struct err *e) MUST_CHECK;
/* Closes what was not given to a worker; removes the files of Unix sockets, and the folders made for them. */
void sockets_close(struct sockets *s);
/* The pair of a worker, which owns it from now on. */
struct listen_pair sockets_take(struct sockets *s, size_t dns_index, unsigned worker);
/* "127.0.0.1:53,[::1]:53" */
void sockets_text(const struct config_listen *list, size_t n, struct buf *out);
/* ["127.0.0.1:53", ...] */
void sockets_json(const struct config_listen *list, size_t n, struct buf *out);

#endif
