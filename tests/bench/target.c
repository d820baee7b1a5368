/* What 10,000 HTTP checks meet: a server on all addresses of the loopback interface that answers each request with 200
 * and keeps the connection.
 *
 *     target: prints its port, ends with its standard input, and then prints "CONNECTIONS REQUESTS" */
#include "config.h" /* _GNU_SOURCE */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS  256
#define BACKLOG 4096

static uint64_t connections, requests;

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* Bound to the device, so that nobody else reaches it. */
static int open_listener(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo")) != 0 ||
        bind(fd, (struct sockaddr *)&at, len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        die("target");
    }
    printf("%u\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static void watch(int epoll, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) != 0) {
        die("target: epoll");
    }
}

static void accept_all(int epoll, int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0; connections++) {
        watch(epoll, fd);
    }
    if (errno != EAGAIN && errno != ECONNABORTED) {
        die("target: accept");
    }
}

/* A probe sends one small request at a time: it comes in one piece, and what it says does not matter. */
static void answer(int fd)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    char in[2048];
    ssize_t n = recv(fd, in, sizeof(in), 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            close(fd);
        }
        return;
    }
    requests++;
    if (send(fd, ok, sizeof(ok) - 1, MSG_NOSIGNAL) < 0) {
        close(fd);
    }
}

int main(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int epoll = epoll_create1(EPOLL_CLOEXEC), listener = open_listener();
    watch(epoll, listener);
    watch(epoll, STDIN_FILENO);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == STDIN_FILENO) {
                printf("%llu %llu\n", (unsigned long long)connections, (unsigned long long)requests);
                return 0;
            }
            if (events[i].data.fd == listener) {
                accept_all(epoll, listener);
            } else {
                answer(events[i].data.fd);
            }
        }
    }
}
