/* Access by client address: a short list walked in order, because lists are short and answers to strangers are few. */
#include "io/acl.h"

#include <netinet/in.h>

bool acl_permits(const struct acl *a, const struct sockaddr_storage *peer)
{
    bool is_v6 = peer->ss_family == AF_INET6;
    const uint8_t *address = is_v6 ? (const uint8_t *)&((const struct sockaddr_in6 *)peer)->sin6_addr
                                   : (const uint8_t *)&((const struct sockaddr_in *)peer)->sin_addr;
    for (size_t i = 0; i < a->n; i++) {
        if (config_network_contains(&a->networks[i], is_v6, address)) {
            return true;
        }
    }
    return a->n == 0;
}
