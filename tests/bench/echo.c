/* The floor of a UDP server on this machine: receives batches and sends each datagram back at the size of a real
 * answer, without looking at it. What rollcalld costs beyond this is rollcalld's.
 *
 *     echo SECONDS LENGTH:SIZE...: prints its port on 127.0.0.1, ends by itself after SECONDS. A datagram of LENGTH
 * bytes is sent back with SIZE bytes; others as they came. */
#include "config.h" /* _GNU_SOURCE */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH       32
#define SLOT_STRIDE (2048 + 64)

static uint8_t slots[BATCH][SLOT_STRIDE];
static struct mmsghdr msgs[BATCH];
static struct iovec iov[BATCH];
static struct sockaddr_in peers[BATCH];
static uint16_t sizes[SLOT_STRIDE + 1]; /* by length */

static int open_socket(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){1024 * 1024}, sizeof(int));
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) != 0 || getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        perror("echo");
        exit(EXIT_FAILURE);
    }
    printf("%u\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static bool read_sizes(int argc, char **argv)
{
    for (unsigned i = 0; i <= SLOT_STRIDE; i++) {
        sizes[i] = (uint16_t)i;
    }
    for (int i = 2; i < argc; i++) {
        unsigned length, size;
        if (sscanf(argv[i], "%u:%u", &length, &size) != 2 || length > SLOT_STRIDE || size > SLOT_STRIDE) {
            return false;
        }
        sizes[length] = (uint16_t)size;
    }
    return argc > 1;
}

int main(int argc, char **argv)
{
    if (!read_sizes(argc, argv)) {
        fprintf(stderr, "usage: echo SECONDS LENGTH:SIZE...\n");
        return 2;
    }
    alarm((unsigned)atoi(argv[1]));
    int fd = open_socket();
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            iov[i] = (struct iovec){.iov_base = slots[i], .iov_len = SLOT_STRIDE};
            msgs[i].msg_hdr = (struct msghdr){
                .msg_name = &peers[i], .msg_namelen = sizeof(peers[i]), .msg_iov = &iov[i], .msg_iovlen = 1};
        }
        int n = recvmmsg(fd, msgs, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < n; i++) {
            iov[i].iov_len = sizes[msgs[i].msg_len];
        }
        for (int at = 0; at < n;) {
            int sent = sendmmsg(fd, msgs + at, (unsigned)(n - at), 0);
            at += sent > 0 ? sent : 1;
        }
    }
}
