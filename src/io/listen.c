/* Listening sockets: opened once, before privileges are dropped, so that all that can fail about addresses fails at
 * start with a text that says what to do.
 *
 * The DNS sockets of all workers share a port by SO_REUSEPORT. The first socket of each kind is bound without that
 * option, which fails if anybody else has the port, and gets it afterwards, so that the others may join.
 *
 * What can go wrong: the port is taken, or needs a capability, or the address is not on this machine (each has its
 * hint); a port that the kernel chose for UDP is taken for TCP (another is tried); a Unix socket file is there (it is
 * replaced only if nobody answers on it). */
#include "config.h" /* _GNU_SOURCE */

#include "io/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG    1024
#define UDP_BUFFER (1024 * 1024) /* asked for; the kernel gives at most net.core.rmem_max */
#define PORT_TRIES 32            /* of ports that the kernel chose */

enum sharing { ALONE, SHARED };

void listen_address(const struct config_listen *at, struct listen_address *out)
{
    memset(out, 0, sizeof(*out));
    if (at->is_unix) {
        struct sockaddr_un *un = (struct sockaddr_un *)&out->addr;
        un->sun_family = AF_UNIX;
        snprintf(un->sun_path, sizeof(un->sun_path), "%s", at->path);
        out->len = sizeof(*un);
    } else if (at->is_v6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->addr;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(at->port);
        memcpy(&v6->sin6_addr, at->address, 16);
        out->len = sizeof(*v6);
    } else {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&out->addr;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(at->port);
        memcpy(&v4->sin_addr, at->address, 4);
        out->len = sizeof(*v4);
    }
}

char *listen_text(const struct config_listen *at, char out[LISTEN_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "";
    if (at->is_unix) {
        snprintf(out, LISTEN_TEXT_MAX, "unix:%s", at->path);
        return out;
    }
    inet_ntop(at->is_v6 ? AF_INET6 : AF_INET, at->address, host, sizeof(host));
    snprintf(out, LISTEN_TEXT_MAX, at->is_v6 ? "[%s]:%u" : "%s:%u", host, at->port);
    return out;
}

bool listen_is_wildcard(const struct config_listen *at)
{
    static const uint8_t any[16];
    return !at->is_unix && memcmp(at->address, any, at->is_v6 ? 16 : 4) == 0;
}

/* What a person can do about it; "" if the error says it all. */
static const char *hint(const struct config_listen *at, int error)
{
    if (error == EACCES && !at->is_unix && at->port < 1024) {
        return "; ports below 1024 need root, CAP_NET_BIND_SERVICE or sysctl net.ipv4.ip_unprivileged_port_start";
    }
    if (error == EADDRINUSE) {
        return "; find out who has it by `ss -lnp`, or listen on another address or port";
    }
    if (error == EADDRNOTAVAIL) {
        return "; this machine has no such address";
    }
    if (at->is_unix && error == ENOENT) {
        return "; its folder does not exist, and could not be made";
    }
    return "";
}

static int fail(const struct config_listen *at, int socktype, int fd, int error, struct err *e)
{
    char text[LISTEN_TEXT_MAX];
    if (fd >= 0) {
        close(fd);
    }
    return err_set(e, ERR_IO, "cannot listen on %s%s: %s%s", listen_text(at, text),
                   at->is_unix              ? ""
                   : socktype == SOCK_DGRAM ? "/udp"
                                            : "/tcp",
                   strerror(error), hint(at, error));
}

static int set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

/* Answers keep to 1232 bytes, so no path cuts them: neither set DF nor believe the ICMP that claims a smaller MTU. */
static int set_udp_options(int fd, const struct config_listen *at)
{
    (void)set_int(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER);
    (void)set_int(fd, SOL_SOCKET, SO_SNDBUF, UDP_BUFFER);
    if (at->is_v6) {
        (void)set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
    } else {
        (void)set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    }
    if (!listen_is_wildcard(at)) {
        return 0;
    }
    return at->is_v6 ? set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) : set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

static int learn_port(struct config_listen *at, int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    if (getsockname(fd, (struct sockaddr *)&addr, &len) != 0) {
        return -1;
    }
    at->port = ntohs(at->is_v6 ? ((struct sockaddr_in6 *)&addr)->sin6_port : ((struct sockaddr_in *)&addr)->sin_port);
    return 0;
}

/* Opens and binds, without listening. Returns 0, or -1 with errno; *fd is open then if it is not negative. */
static int open_inet(struct config_listen *at, int socktype, enum sharing sharing, int *fd)
{
    struct listen_address where;
    listen_address(at, &where);
    *fd = socket(where.addr.ss_family, socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0 || (at->is_v6 && set_int(*fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) != 0) ||
        (socktype == SOCK_STREAM && set_int(*fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0) ||
        (socktype == SOCK_DGRAM && set_udp_options(*fd, at) != 0) ||
        (sharing == SHARED && set_int(*fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0) ||
        bind(*fd, (struct sockaddr *)&where.addr, where.len) != 0) {
        return -1;
    }
    return at->port == 0 ? learn_port(at, *fd) : 0;
}

/* True if somebody accepts connections there. */
static bool is_answered(const struct listen_address *where)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return true; /* nobody knows: keep the file */
    }
    bool is = connect(fd, (const struct sockaddr *)&where->addr, where->len) == 0 || errno != ECONNREFUSED;
    close(fd);
    return is;
}

static int open_unix(const struct config_listen *at, int *fd)
{
    struct listen_address where;
    struct stat st;
    listen_address(at, &where);
    if (lstat(at->path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode) || is_answered(&where)) {
            errno = EADDRINUSE;
            return -1;
        }
        if (unlink(at->path) != 0) {
            return -1;
        }
    }
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&where.addr, where.len) != 0) {
        return -1;
    }
    return chmod(at->path, 0666);
}

int listen_open(struct config_listen *at, int socktype, int *fd, struct err *e)
{
    *fd = -1;
    int rc = at->is_unix ? open_unix(at, fd) : open_inet(at, socktype, ALONE, fd);
    if (rc != 0 || (socktype == SOCK_STREAM && listen(*fd, BACKLOG) != 0)) {
        rc = fail(at, socktype, *fd, errno, e);
        *fd = -1;
        return rc;
    }
    return 0;
}

void listen_close(const struct config_listen *at, int fd)
{
    if (fd < 0) {
        return;
    }
    close(fd);
    if (at->is_unix) {
        (void)unlink(at->path); /* without the right to do so the next start replaces it */
    }
}

/* ── a port shared by the workers ── */

static void close_pairs(struct listen_pair *pairs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (pairs[i].udp >= 0) {
            close(pairs[i].udp);
        }
        if (pairs[i].tcp >= 0) {
            close(pairs[i].tcp);
        }
        pairs[i] = (struct listen_pair){.udp = -1, .tcp = -1};
    }
}

/* The first pair, alone on its port. ERR_MORE: the kernel's choice for UDP is taken for TCP, try again. */
static int open_first(struct config_listen *at, struct listen_pair *pair, struct err *e)
{
    bool is_chosen = at->port == 0;
    if (open_inet(at, SOCK_DGRAM, ALONE, &pair->udp) != 0) {
        int error = errno;
        return fail(at, SOCK_DGRAM, -1, error, e);
    }
    if (open_inet(at, SOCK_STREAM, ALONE, &pair->tcp) != 0) {
        int error = errno;
        if (is_chosen && error == EADDRINUSE) {
            close_pairs(pair, 1);
            at->port = 0;
            return ERR_MORE;
        }
        return fail(at, SOCK_STREAM, -1, error, e);
    }
    if (set_int(pair->udp, SOL_SOCKET, SO_REUSEPORT, 1) != 0 || set_int(pair->tcp, SOL_SOCKET, SO_REUSEPORT, 1) != 0) {
        return fail(at, SOCK_STREAM, -1, errno, e);
    }
    return 0;
}

int listen_open_pairs(struct config_listen *at, struct listen_pair *pairs, unsigned n, struct err *e)
{
    for (unsigned i = 0; i < n; i++) {
        pairs[i] = (struct listen_pair){.udp = -1, .tcp = -1};
    }
    int rc = ERR_MORE;
    for (unsigned tries = 0; tries < PORT_TRIES && rc == ERR_MORE; tries++) {
        rc = open_first(at, &pairs[0], e);
    }
    if (rc == ERR_MORE) {
        rc = fail(at, SOCK_STREAM, -1, EADDRINUSE, e);
    }
    for (unsigned i = 1; rc == 0 && i < n; i++) {
        if (open_inet(at, SOCK_DGRAM, SHARED, &pairs[i].udp) != 0) {
            rc = fail(at, SOCK_DGRAM, -1, errno, e);
        } else if (open_inet(at, SOCK_STREAM, SHARED, &pairs[i].tcp) != 0) {
            rc = fail(at, SOCK_STREAM, -1, errno, e);
        }
    }
    for (unsigned i = 0; rc == 0 && i < n; i++) {
        if (listen(pairs[i].tcp, BACKLOG) != 0) {
            rc = fail(at, SOCK_STREAM, -1, errno, e);
        }
    }
    if (rc != 0) {
        close_pairs(pairs, n);
    }
    return rc;
}
