#include "config.h" /* _GNU_SOURCE */
#include "http_target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/must.h"

#define REQUEST_MAX 2048

struct http_target {
    struct ev_loop *loop;
    ev_io listener;
    uint16_t port;
    unsigned connections, requests;
    struct list open;
    char last[REQUEST_MAX];
};

struct conn {
    struct list link;
    struct http_target *target;
    ev_io io;
    size_t len;
    char in[REQUEST_MAX];
};

static void conn_close(struct conn *c)
{
    ev_io_stop(c->target->loop, &c->io);
    close(c->io.fd);
    list_remove(&c->link);
    free(c);
}

static void conn_reset(struct conn *c)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    conn_close(c);
}

static void conn_send(struct conn *c, const char *text)
{
    if (send(c->io.fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        must(errno == EPIPE || errno == ECONNRESET);
}

static void pour(struct ev_loop *loop, ev_io *io, int revents)
{
    static const char water[4096] = {[0 ... 4095] = 'w'};
    while (send(io->fd, water, sizeof(water), MSG_NOSIGNAL) > 0)
        ;
    if (errno != EAGAIN)
        conn_close(io->data);
}

static void conn_pour(struct conn *c)
{
    conn_send(c, "HTTP/1.1 200 OK\r\n\r\n");
    ev_io_stop(c->target->loop, &c->io);
    ev_set_cb(&c->io, pour);
    ev_io_set(&c->io, c->io.fd, EV_WRITE);
    ev_io_start(c->target->loop, &c->io);
}

static const struct {
    const char *path, *answer;
    void (*then)(struct conn *c);
} manners[] = {
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL},
    {"/500", "HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\nwhy\r\n", NULL},
    {"/301", "HTTP/1.1 301 Moved\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n", NULL},
    {"/204", "HTTP/1.1 204 No Content\r\n\r\n", NULL},
    {"/slow", "", NULL},
    {"/reset", "", conn_reset},
    {"/huge", "", conn_pour},
    {"/close", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", conn_close},
    {"/half", "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\nok", conn_close},
    {"/empty", "", conn_close},
    {"/noise", "SSH-2.0-OpenSSH_9.2\r\n", NULL},
};

static void answer(struct conn *c)
{
    memcpy(c->target->last, c->in, sizeof(c->in));
    c->target->requests++;
    char path[32];
    must(sscanf(c->in, "GET %31s HTTP/1.1", path) == 1);
    c->len = 0;
    for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++) {
        if (strcmp(manners[i].path, path) != 0)
            continue;
        conn_send(c, manners[i].answer);
        if (manners[i].then != NULL)
            manners[i].then(c);
        return;
    }
    conn_send(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

static void on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
    struct conn *c = io->data;
    ssize_t n = recv(io->fd, c->in + c->len, sizeof(c->in) - 1 - c->len, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            conn_close(c);
        return;
    }
    c->len += (size_t)n;
    c->in[c->len] = '\0';
    if (strstr(c->in, "\r\n\r\n") != NULL)
        answer(c);
}

static void on_accept(struct ev_loop *loop, ev_io *io, int revents)
{
    struct http_target *t = io->data;
    int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct conn *c = calloc(1, sizeof(*c));
    must(c != NULL);
    c->target = t;
    t->connections++;
    list_push(&t->open, &c->link);
    ev_io_init(&c->io, on_readable, fd, EV_READ);
    c->io.data = c;
    ev_io_start(loop, &c->io);
}

static int listen_on(int family, uint16_t *port)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_storage at = {.ss_family = (sa_family_t)family};
    socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (family == AF_INET)
        ((struct sockaddr_in *)&at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        ((struct sockaddr_in6 *)&at)->sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *port = ntohs(family == AF_INET ? ((struct sockaddr_in *)&at)->sin_port : ((struct sockaddr_in6 *)&at)->sin6_port);
    return fd;
}

struct http_target *http_target_new(struct ev_loop *loop, int family)
{
    struct http_target *t = calloc(1, sizeof(*t));
    must(t != NULL);
    int fd = listen_on(family, &t->port);
    if (fd < 0) {
        free(t);
        return NULL;
    }
    t->loop = loop;
    list_init(&t->open);
    ev_io_init(&t->listener, on_accept, fd, EV_READ);
    t->listener.data = t;
    ev_io_start(loop, &t->listener);
    return t;
}

void http_target_free(struct http_target *t)
{
    if (t == NULL)
        return;
    while (!list_is_empty(&t->open))
        conn_close(CONTAINER_OF(t->open.next, struct conn, link));
    ev_io_stop(t->loop, &t->listener);
    close(t->listener.fd);
    free(t);
}

uint16_t http_target_port(const struct http_target *t)
{
    return t->port;
}

unsigned http_target_connections(const struct http_target *t)
{
    return t->connections;
}

unsigned http_target_requests(const struct http_target *t)
{
    return t->requests;
}

const char *http_target_last(const struct http_target *t)
{
    return t->last;
}
