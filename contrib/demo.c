/* A service to look at: an HTTP server of one screen that knows nothing of rollcall. contrib/try registers some of these,
 * checks them, and kills one.
 *
 *     demo ADDRESS PORT NAME
 *
 * GET anything: 200 and a line that says who answered. SIGUSR1 makes it ill (503) and well again; SIGTERM ends it. One
 * request per connection, one connection at a time: a client that sends nothing is given up after a second. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t is_ill;

static void on_usr1(int number)
{
    is_ill = !is_ill;
}

static int listen_on(const char *address, const char *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || inet_pton(AF_INET, address, &sa.sin_addr) != 1 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 64) < 0) {
        fprintf(stderr, "demo: cannot listen on %s:%s: %s\n", address, port, strerror(errno));
        exit(1);
    }
    return fd;
}

/* The request ends with an empty line; what stands in it does not matter. */
static void read_request(int fd)
{
    char head[4096];
    size_t len = 0;

    while (len < sizeof(head) - 1) {
        ssize_t n = recv(fd, head + len, sizeof(head) - 1 - len, 0);
        if (n <= 0)
            return;
        len += (size_t)n;
        head[len] = '\0';
        if (strstr(head, "\r\n\r\n"))
            return;
    }
}

static void answer(int fd, const char *name)
{
    char body[256], text[512];
    int body_len, len;

    body_len = snprintf(body, sizeof(body), is_ill ? "%.100s is ill\n" : "hello from %.100s\n", name);
    len = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
                   is_ill ? "503 Service Unavailable" : "200 OK", body_len, body);
    if (send(fd, text, (size_t)len, MSG_NOSIGNAL) < 0)
        perror("demo: send");
}

int main(int argc, char **argv)
{
    struct sigaction usr1 = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
    const struct timeval patience = {.tv_sec = 1};
    int listener;

    if (argc != 4) {
        fputs("usage: demo ADDRESS PORT NAME\n", stderr);
        return 2;
    }
    sigaction(SIGUSR1, &usr1, NULL);
    listener = listen_on(argv[1], argv[2]);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        read_request(fd);
        answer(fd, argv[3]);
        close(fd);
    }
}
