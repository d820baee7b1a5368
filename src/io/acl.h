/* Who may ask: the networks of [dns] allow. */
#ifndef IO_ACL_H
#define IO_ACL_H

#include <stdbool.h>
#include <sys/socket.h>

#include "config/config.h"

struct acl {
    struct config_network networks[CONFIG_LIST_MAX];
    size_t n; /* 0: everybody */
};

bool acl_permits(const struct acl *a, const struct sockaddr_storage *peer);

#endif
