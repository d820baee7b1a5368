/* A load of DNS questions on loopback: keeps WINDOW of them on their way, counts answers, ends after SECONDS.
 *
 *     generator PORT SECONDS WINDOW NAME: asks for A with EDNS; prints "ANSWERS ELAPSED_SECONDS ANSWER_BYTES"
 *
 * Answers that do not come within PATIENCE_MS are given up and asked again, so a lost datagram does not shrink the
 * window. */
#include "config.h" /* _GNU_SOURCE */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH       64
#define QUERY_MAX   512
#define ANSWER_MAX  4096
#define PATIENCE_MS 100
#define EDNS_SIZE   1232

struct load {
    int fd;
    uint8_t query[QUERY_MAX];
    size_t query_len;
    uint8_t out[BATCH][QUERY_MAX], in[BATCH][ANSWER_MAX];
    struct iovec out_iov[BATCH], in_iov[BATCH];
    struct mmsghdr out_msgs[BATCH], in_msgs[BATCH];
    uint16_t id;
    uint64_t answers;
    size_t answer_len;
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* NAME A IN with an OPT record, id 0. */
static void make_query(struct load *l, const char *name)
{
    static const uint8_t header[12] = {[2] = 0x01, [5] = 1, [11] = 1};
    static const uint8_t question[4] = {0, 1, 0, 1};
    static const uint8_t opt[11] = {0, 0, 41, EDNS_SIZE >> 8, EDNS_SIZE & 0xff};
    uint8_t *at = l->query;
    memcpy(at, header, sizeof(header));
    at += sizeof(header);
    for (const char *label = name; *label != '\0';) {
        size_t len = strcspn(label, ".");
        *at++ = (uint8_t)len;
        memcpy(at, label, len);
        at += len;
        label += len + (label[len] == '.');
    }
    *at++ = 0;
    memcpy(at, question, sizeof(question));
    memcpy(at + sizeof(question), opt, sizeof(opt));
    l->query_len = (size_t)(at - l->query) + sizeof(question) + sizeof(opt);
}

static void prepare(struct load *l, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_usec = PATIENCE_MS * 1000};
    l->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &(int){4 * 1024 * 1024}, sizeof(int));
    setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        die("generator");
    }
    for (int i = 0; i < BATCH; i++) {
        memcpy(l->out[i], l->query, l->query_len);
        l->out_iov[i] = (struct iovec){.iov_base = l->out[i], .iov_len = l->query_len};
        l->in_iov[i] = (struct iovec){.iov_base = l->in[i], .iov_len = ANSWER_MAX};
        l->out_msgs[i].msg_hdr = (struct msghdr){.msg_iov = &l->out_iov[i], .msg_iovlen = 1};
        l->in_msgs[i].msg_hdr = (struct msghdr){.msg_iov = &l->in_iov[i], .msg_iovlen = 1};
    }
}

static void ask(struct load *l, int n)
{
    for (int i = 0; i < n; i++) {
        l->id++;
        l->out[i][0] = (uint8_t)(l->id >> 8);
        l->out[i][1] = (uint8_t)l->id;
    }
    for (int at = 0; at < n;) {
        int sent = sendmmsg(l->fd, l->out_msgs + at, (unsigned)(n - at), 0);
        if (sent <= 0 && errno != EINTR) {
            die("send");
        }
        at += sent > 0 ? sent : 0;
    }
}

/* How many places of the window are free again. */
static int hear(struct load *l, int window)
{
    int n = recvmmsg(l->fd, l->in_msgs, BATCH, MSG_WAITFORONE, NULL);
    if (n < 0) {
        return errno == EAGAIN ? window : 0;
    }
    l->answers += (uint64_t)n;
    l->answer_len = n > 0 ? l->in_msgs[0].msg_len : l->answer_len;
    return n;
}

int main(int argc, char **argv)
{
    static struct load l;
    if (argc != 5 || strlen(argv[4]) > 250) {
        fprintf(stderr, "usage: generator PORT SECONDS WINDOW NAME\n");
        return 2;
    }
    int window = atoi(argv[3]);
    make_query(&l, argv[4]);
    prepare(&l, (uint16_t)atoi(argv[1]));
    double start = now_s(), end = start + atof(argv[2]), now = start;
    for (int room = window; now < end; now = now_s()) {
        for (int n; room > 0; room -= n) {
            n = room < BATCH ? room : BATCH;
            ask(&l, n);
        }
        room = hear(&l, window);
    }
    printf("%llu %.6f %zu\n", (unsigned long long)l.answers, now - start, l.answer_len);
    close(l.fd);
    return l.answers > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
