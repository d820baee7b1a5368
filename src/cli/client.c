/* The blocking connection of the command line client: sockets are non-blocking inside, and every wait is a poll with
 * the deadline of its request.
 *
 * What can go wrong: nobody listens, a name does not resolve, the server is silent or speaks something else. Each is
 * said in words that name the address; after it the connection is closed, since a late reply would be taken for the
 * next one's. Somebody has better things to do (a signal has come, for `run`): the deadline is brought forward, by so
 * much that a server which lives still answers. */
#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define PASSWORD_MAX 1024

/* ── waiting ── */

static struct client_wait wait_begin(const struct client_options *o)
{
    return (struct client_wait){.deadline_ms = clock_mono_ms() + o->timeout_ms, .hurry_fd = o->hurry_fd};
}

static void wait_hurry(struct client_wait *w)
{
    uint64_t soon = clock_mono_ms() + CLIENT_HURRY_MS;
    w->hurry_fd = -1;
    w->deadline_ms = soon < w->deadline_ms ? soon : w->deadline_ms;
}

static int wait_for(struct client_wait *w, int fd, short events, struct err *e)
{
    for (;;) {
        uint64_t now = clock_mono_ms();
        uint64_t left = w->deadline_ms == UINT64_MAX ? UINT64_MAX : w->deadline_ms > now ? w->deadline_ms - now : 0;
        struct pollfd p[] = {{.fd = fd, .events = events}, {.fd = w->hurry_fd, .events = POLLIN}};
        int n = poll(p, 2, left > INT32_MAX ? -1 : (int)left);
        if (n > 0 && p[0].revents != 0)
            return 0;
        if (n > 0)
            wait_hurry(w);
        else if (n == 0)
            return err_set(e, ERR_IO, "no answer in time");
        else if (errno != EINTR)
            return err_set(e, ERR_IO, "%s", strerror(errno));
    }
}

static int source_read(void *arg, void *to, size_t cap, struct err *e)
{
    struct client *c = arg;
    for (;;) {
        ssize_t n = recv(c->fd, to, cap, 0);
        if (n >= 0)
            return (int)n;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return err_set(e, ERR_IO, "%s", strerror(errno));
        int rc = wait_for(&c->wait, c->fd, POLLIN, e);
        if (rc != 0)
            return rc;
    }
}

static int send_all(struct client *c, const struct buf *b, struct err *e)
{
    for (size_t at = 0; at < b->len;) {
        ssize_t n = send(c->fd, b->data + at, b->len - at, MSG_NOSIGNAL);
        if (n >= 0) {
            at += (size_t)n;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return err_set(e, ERR_IO, "%s", strerror(errno));
        int rc = wait_for(&c->wait, c->fd, POLLOUT, e);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ── connecting ── */

static int connect_to(const struct sockaddr *address, socklen_t len, struct client_wait *w, struct err *e)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(e, ERR_IO, "%s", strerror(errno));
    int rc = 0;
    if (connect(fd, address, len) != 0) {
        if (errno == EINPROGRESS || errno == EINTR)
            rc = wait_for(w, fd, POLLOUT, e);
        else
            rc = err_set(e, ERR_IO, "%s", strerror(errno));
        int failure = 0;
        socklen_t size = sizeof(failure);
        if (rc == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure != 0)
            rc = err_set(e, ERR_IO, "%s", strerror(failure));
    }
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

static int connect_host(const char *host, const char *port, struct client_wait *w, struct err *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
    int failure = getaddrinfo(host, port, &hints, &found);
    if (failure != 0)
        return err_set(e, failure == EAI_SERVICE ? ERR_BADARG : ERR_IO, "%s",
                       failure == EAI_SERVICE ? "the port should be a number up to 65535" : gai_strerror(failure));
    int rc = ERR_IO;
    for (struct addrinfo *at = found; at != NULL && rc < 0; at = at->ai_next)
        rc = connect_to(at->ai_addr, at->ai_addrlen, w, e);
    freeaddrinfo(found);
    int one = 1;
    if (rc >= 0)
        (void)setsockopt(rc, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return rc;
}

int client_connect(const char *host, const char *port, uint32_t timeout_ms, struct err *e)
{
    struct client_wait w = {.deadline_ms = clock_mono_ms() + timeout_ms, .hurry_fd = -1};
    return connect_host(host, port, &w, e);
}

static int connect_unix(const char *path, struct client_wait *w, struct err *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof(address.sun_path))
        return err_set(e, ERR_BADARG, "the path of a Unix socket has 1 to %zu bytes", sizeof(address.sun_path) - 1);
    strcpy(address.sun_path, path);
    return connect_to((const struct sockaddr *)&address, sizeof(address), w, e);
}

/* "unix:/path", "/path", "host:port", "[v6]:port", "host", "v6" */
static int connect_server(const char *server, struct client_wait *w, struct err *e)
{
    char host[NI_MAXHOST];
    if (strncmp(server, "unix:", 5) == 0)
        return connect_unix(server + 5, w, e);
    if (server[0] == '/')
        return connect_unix(server, w, e);
    const char *port = CLIENT_DEFAULT_PORT, *begin = server, *end = server + strlen(server);
    const char *colon = strrchr(server, ':');
    if (server[0] == '[') {
        const char *close = strchr(server, ']');
        if (close == NULL || (close[1] != '\0' && close[1] != ':'))
            return err_set(e, ERR_BADARG, "should be host:port, [v6]:port or unix:/path");
        begin = server + 1;
        end = close;
        port = close[1] == ':' ? close + 2 : port;
    } else if (colon != NULL && strchr(server, ':') == colon) {
        end = colon;
        port = colon + 1;
    }
    size_t len = (size_t)(end - begin);
    if (len == 0 || len >= sizeof(host))
        return err_set(e, ERR_BADARG, "should be host:port, [v6]:port or unix:/path");
    memcpy(host, begin, len);
    host[len] = '\0';
    return connect_host(host, port, w, e);
}

/* ── the life of a connection ── */

void client_init(struct client *c, const struct client_options *options)
{
    c->fd = -1;
    c->options = options;
    c->wait = (struct client_wait){.deadline_ms = UINT64_MAX, .hurry_fd = -1};
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static int password_read(const char *path, char out[PASSWORD_MAX], struct err *e)
{
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(out, PASSWORD_MAX, file) == NULL) {
        int rc = err_set(e, ERR_BADARG, "the password file %s: %s", path, file == NULL ? strerror(errno) : "is empty");
        if (file != NULL)
            fclose(file);
        return rc;
    }
    fclose(file);
    out[strcspn(out, "\r\n")] = '\0';
    return 0;
}

static int authenticate(struct client *c, struct err *e)
{
    char password[PASSWORD_MAX];
    struct reply r;
    int rc = password_read(c->options->password_file, password, e);
    if (rc == 0)
        rc = client_call(c, (const char *const[]){"AUTH", password}, 2, &r, e);
    if (rc != 0)
        return rc;
    if (r.type == REPLY_ERROR)
        rc = err_set(e, ERR_NOAUTH, "%s", r.text);
    reply_fini(&r);
    return rc;
}

int client_open(struct client *c, struct err *e)
{
    struct err why = {.code = 0};
    client_close(c);
    c->wait = wait_begin(c->options);
    int fd = connect_server(c->options->server, &c->wait, &why);
    if (fd < 0)
        return err_set(e, fd, fd == ERR_BADARG ? "the server \"%s\": %s" : "cannot reach rollcalld at %s: %s",
                       c->options->server, why.text);
    c->fd = fd;
    reply_source_init(&c->source, source_read, c);
    int rc = c->options->password_file != NULL ? authenticate(c, e) : 0;
    if (rc != 0)
        client_close(c);
    return rc;
}

static int call_failed(struct client *c, int rc, const struct err *why, struct err *e)
{
    client_close(c);
    return err_set(e, rc, "rollcalld at %s: %s", c->options->server, why->text);
}

int client_call(struct client *c, const char *const *words, size_t n, struct reply *out, struct err *e)
{
    struct buf request;
    struct err why = {.code = 0};
    buf_init(&request, 0);
    buf_printf(&request, "*%zu\r\n", n);
    for (size_t i = 0; i < n; i++)
        buf_printf(&request, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
    c->wait = wait_begin(c->options);
    int rc = request.failed ? err_set(&why, ERR_NOMEM, "out of memory") : send_all(c, &request, &why);
    if (rc == 0)
        rc = reply_read(&c->source, out, &why);
    buf_fini(&request);
    return rc == 0 ? 0 : call_failed(c, rc, &why, e);
}

int client_next(struct client *c, struct reply *out, struct err *e)
{
    struct err why = {.code = 0};
    c->wait = (struct client_wait){.deadline_ms = UINT64_MAX, .hurry_fd = -1};
    int rc = reply_read(&c->source, out, &why);
    return rc == 0 ? 0 : call_failed(c, rc, &why, e);
}

void client_own_address(const struct client *c, char out[CLIENT_ADDRESS_MAX])
{
    struct sockaddr_storage own;
    socklen_t len = sizeof(own);
    strcpy(out, "127.0.0.1");
    if (c->fd < 0 || getsockname(c->fd, (struct sockaddr *)&own, &len) != 0)
        return;
    if (own.ss_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)&own)->sin_addr, out, CLIENT_ADDRESS_MAX);
    if (own.ss_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)&own)->sin6_addr, out,
                        CLIENT_ADDRESS_MAX);
}
