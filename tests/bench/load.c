/* A load of changes by the rollcall protocol, on one pipelined connection to 127.0.0.1:
 *
 *     load PORT WHAT FIRST COUNT RATE SECONDS [WORD...]
 *
 * WHAT is one of the rows of `kinds`. The instances are numbered; each request is about the next one of FIRST ... FIRST
 * + COUNT - 1, in circles. RATE requests a second, on schedule; 0: as fast as the server takes them. Ends after
 * SECONDS, or after one circle if that is 0. WORDs are appended to each REGISTER. Prints a line of JSON.
 *
 * Instance i is of service svc-<i / 10> (with six digits; "big" for big, flap and pass), with the address 10.x.y.z made
 * of the 21 lower bits of i, seven in each of x, y, z, plus 100: so that all names of a kind have one length. Its id is
 * the server's default, 10-x-y-z-8080. tests/bench/names.py knows this, too. */
#include "config.h" /* _GNU_SOURCE */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OUT_MAX     (256 * 1024)
#define REQUEST_MAX 1024
#define OPEN_MAX    8192 /* requests on their way */
#define SECOND_NS   1000000000ULL
#define TICK_NS     1000000ULL
#define PATIENCE_MS 30000
#define PER_SERVICE 10
#define CHURN_STAY  500
#define STRIDE      7919

struct load {
    int fd;
    uint64_t first, n, epoch; /* epoch: seconds, when the load began */
    const char *words;
    int (*write)(const struct load *l, char *to, uint64_t k);
    uint64_t sent, replies, errors;
    char out[OUT_MAX], in[OUT_MAX], line[512];
    size_t out_len, line_len, skip;
    uint64_t parts; /* of the reply that is being read, still to come */
    char first_error[256];
    uint64_t times[OPEN_MAX], longest_ns; /* when requests were made */
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

/* ── requests: the k-th one of a kind ── */

#define X(i) (100 + (unsigned)((i) >> 14 & 127))
#define Y(i) (100 + (unsigned)((i) >> 7 & 127))
#define Z(i) (100 + (unsigned)((i)&127))

static unsigned long long number(const struct load *l, uint64_t k)
{
    return l->first + k % l->n;
}

static int write_register(const struct load *l, char *to, uint64_t k)
{
    unsigned long long i = number(l, k);
    return snprintf(to, REQUEST_MAX, "REGISTER svc-%06llu 10.%u.%u.%u 8080%s\r\n", i / PER_SERVICE, X(i), Y(i), Z(i),
                    l->words);
}

static int write_renew(const struct load *l, char *to, uint64_t k)
{
    unsigned long long i = number(l, k);
    return snprintf(to, REQUEST_MAX, "RENEW svc-%06llu 10-%u-%u-%u-8080\r\n", i / PER_SERVICE, X(i), Y(i), Z(i));
}

/* The same instance at another port: another one in each circle and in each second in which a load begins. */
static int write_replace(const struct load *l, char *to, uint64_t k)
{
    unsigned long long i = number(l, k);
    unsigned port = 1024 + (unsigned)((l->epoch + k / l->n) % 60000);
    return snprintf(to, REQUEST_MAX, "REGISTER svc-%06llu 10.%u.%u.%u %u ID 10-%u-%u-%u-8080%s\r\n", i / PER_SERVICE,
                    X(i), Y(i), Z(i), port, X(i), Y(i), Z(i), l->words);
}

/* Instances that come and, CHURN_STAY arrivals later, go; of services whose names nobody asks for. */
static int write_churn(const struct load *l, char *to, uint64_t k)
{
    bool goes = k % 2 == 1 && k / 2 >= CHURN_STAY;
    unsigned long long i = number(l, k / 2 - (goes ? CHURN_STAY : 0));
    if (goes) {
        return snprintf(to, REQUEST_MAX, "DEREGISTER churn-%06llu 10-%u-%u-%u-8080\r\n", i / PER_SERVICE, X(i), Y(i),
                        Z(i));
    }
    return snprintf(to, REQUEST_MAX, "REGISTER churn-%06llu 10.%u.%u.%u 8080%s\r\n", i / PER_SERVICE, X(i), Y(i), Z(i),
                    l->words);
}

/* By turns: a renewal, a replacement, a renewal, an arrival or a departure. The stride, a prime, spreads them over all
 * services. */
static int write_mix(const struct load *l, char *to, uint64_t k)
{
    uint64_t step = k / 4, i = step * STRIDE % l->n;
    if (k % 2 == 0) {
        return write_renew(l, to, k % 4 == 0 ? i : i + l->n / 2);
    }
    return k % 4 == 1 ? write_replace(l, to, step / l->n * l->n + i) : write_churn(l, to, step);
}

static int write_big(const struct load *l, char *to, uint64_t k)
{
    unsigned long long i = number(l, k);
    return snprintf(to, REQUEST_MAX, "REGISTER big 10.%u.%u.%u 8080%s\r\n", X(i), Y(i), Z(i), l->words);
}

static int write_flap(const struct load *l, char *to, uint64_t k)
{
    unsigned long long i = number(l, k / 2);
    return snprintf(to, REQUEST_MAX, "REPORT big 10-%u-%u-%u-8080 %s\r\n", X(i), Y(i), Z(i),
                    k % 2 == 0 ? "CRITICAL" : "PASSING");
}

static int write_pass(const struct load *l, char *to, uint64_t k)
{
    return write_flap(l, to, 2 * k + 1);
}

/* 127.1.y.z, an address of its own for each, at the port that is the first of the words. */
static int write_target(const struct load *l, char *to, uint64_t k)
{
    unsigned long long i = number(l, k);
    return snprintf(to, REQUEST_MAX, "REGISTER checked-%04llu 127.1.%llu.%llu%s\r\n", i / PER_SERVICE, i / 250 % 250,
                    i % 250 + 1, l->words);
}

static const struct {
    const char *name;
    int (*write)(const struct load *l, char *to, uint64_t k);
} kinds[] = {
    {"register", write_register}, {"renew", write_renew}, {"replace", write_replace},
    {"churn", write_churn},       {"mix", write_mix},     {"big", write_big},
    {"flap", write_flap},         {"pass", write_pass},   {"target", write_target},
};

/* ── replies: counted, not read ── */

static void reply_done(struct load *l)
{
    uint64_t waited = now_ns() - l->times[l->replies % OPEN_MAX];
    l->longest_ns = waited > l->longest_ns ? waited : l->longest_ns;
    l->replies++;
}

/* RESP2: each line is one part of a reply, an array announces more parts, a bulk string has bytes behind its line. */
static void take_line(struct load *l)
{
    l->parts = l->parts > 0 ? l->parts - 1 : 0;
    if (l->line[0] == '*') {
        l->parts += strtoul(l->line + 1, NULL, 10);
    } else if (l->line[0] == '$' && l->line[1] != '-') {
        l->skip = strtoul(l->line + 1, NULL, 10) + 2;
    } else if (l->line[0] == '-' && l->errors++ == 0) {
        snprintf(l->first_error, sizeof(l->first_error), "%.200s", l->line);
        for (char *c = strpbrk(l->first_error, "\"\\"); c != NULL; c = strpbrk(c, "\"\\")) {
            *c = '\''; /* it becomes JSON */
        }
    }
    if (l->parts == 0) {
        reply_done(l);
    }
}

static void take(struct load *l, const char *at, size_t len)
{
    for (const char *end = at + len; at < end;) {
        if (l->skip > 0) {
            size_t n = l->skip < (size_t)(end - at) ? l->skip : (size_t)(end - at);
            l->skip -= n;
            at += n;
            continue;
        }
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((eol != NULL ? eol + 1 : end) - at);
        size_t room = sizeof(l->line) - 1 - l->line_len, kept = n < room ? n : room;
        memcpy(l->line + l->line_len, at, kept);
        l->line_len += kept;
        at += n;
        if (eol != NULL) {
            l->line[l->line_len] = '\0';
            l->line[strcspn(l->line, "\r\n")] = '\0';
            take_line(l);
            l->line_len = 0;
        }
    }
}

/* ── the connection ── */

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

/* Appends requests until `due` were sent, the connection has enough on its way, or the buffer is full. */
static void make_requests(struct load *l, uint64_t due)
{
    uint64_t now = now_ns();
    while (l->sent < due && l->sent - l->replies < OPEN_MAX && l->out_len + REQUEST_MAX <= OUT_MAX) {
        l->times[l->sent % OPEN_MAX] = now;
        l->out_len += (size_t)l->write(l, l->out + l->out_len, l->sent++);
    }
}

static void flush(struct load *l)
{
    ssize_t n = l->out_len > 0 ? send(l->fd, l->out, l->out_len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (n < 0 && errno != EAGAIN) {
        die("send");
    }
    if (n > 0) {
        memmove(l->out, l->out + n, l->out_len - (size_t)n);
        l->out_len -= (size_t)n;
    }
}

static void wait_and_hear(struct load *l, int wait_ms)
{
    struct pollfd p = {.fd = l->fd, .events = (short)(POLLIN | (l->out_len > 0 ? POLLOUT : 0))};
    int ready = poll(&p, 1, wait_ms);
    if (ready == 0 && wait_ms == PATIENCE_MS) {
        errno = ETIMEDOUT;
        die("no reply");
    }
    ssize_t n = ready > 0 && (p.revents & (POLLIN | POLLHUP | POLLERR)) ? recv(l->fd, l->in, OUT_MAX, 0) : -2;
    if (n == 0 || (n == -1 && errno != EINTR)) {
        errno = n == 0 ? EPIPE : errno;
        die("receive");
    }
    take(l, l->in, n > 0 ? (size_t)n : 0);
}

/* At a rate the requests of each millisecond are sent together. */
static void run(struct load *l, double rate, double seconds)
{
    uint64_t start = now_ns(), end = seconds > 0 ? start + (uint64_t)(seconds * 1e9) : UINT64_MAX;
    uint64_t last = seconds > 0 ? UINT64_MAX : l->n;
    for (uint64_t now = start; now < end && l->replies < last; now = now_ns()) {
        uint64_t due = rate > 0 ? (uint64_t)((double)(now - start) / 1e9 * rate) : UINT64_MAX;
        make_requests(l, due < last ? due : last);
        flush(l);
        bool busy = rate <= 0 || l->sent >= last || l->sent - l->replies >= OPEN_MAX;
        if (!busy) {
            struct timespec tick = {.tv_nsec = TICK_NS};
            nanosleep(&tick, NULL);
        }
        wait_and_hear(l, busy ? PATIENCE_MS : 0);
    }
    while (l->replies < l->sent || l->out_len > 0) {
        flush(l);
        wait_and_hear(l, PATIENCE_MS);
    }
    printf("{\"seconds\": %.6f, \"requests\": %llu, \"errors\": %llu, \"longest_ms\": %.1f, \"first_error\": \"%s\"}\n",
           (double)(now_ns() - start) / 1e9, (unsigned long long)l->replies, (unsigned long long)l->errors,
           (double)l->longest_ns / 1e6, l->first_error);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        die("connect");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

static const char *join(char **words, int n)
{
    static char all[REQUEST_MAX / 2];
    size_t len = 0;
    for (int i = 0; i < n && len < sizeof(all); i++) {
        len += (size_t)snprintf(all + len, sizeof(all) - len, " %s", words[i]);
    }
    if (len >= sizeof(all)) {
        fprintf(stderr, "load: too many words\n");
        exit(2);
    }
    return all;
}

int main(int argc, char **argv)
{
    static struct load l;
    for (size_t i = 0; argc >= 7 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, argv[2]) == 0) {
            l.write = kinds[i].write;
        }
    }
    l.n = argc >= 7 ? strtoull(argv[4], NULL, 10) : 0;
    if (l.write == NULL || l.n == 0) {
        fprintf(stderr, "usage: load PORT WHAT FIRST COUNT RATE SECONDS [WORD...]\n");
        return 2;
    }
    l.epoch = (uint64_t)time(NULL);
    l.first = strtoull(argv[3], NULL, 10);
    l.words = join(argv + 7, argc - 7);
    l.fd = connect_to((uint16_t)atoi(argv[1]));
    run(&l, atof(argv[5]), atof(argv[6]));
    close(l.fd);
    return l.errors == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
