/* The floor of a UDP server on this machine: receives batches and sends each datagram back at the size of a real
 * answer, without looking at it. What rollcalld costs beyond this is rollcalld's.
 *
 *     echo SIZE SECONDS: prints its port on 127.0.0.1, ends by itself after SECONDS */
#include "config.h" /* _GNU_SOURCE */

#include <arpa/inet.h>
#include <netinet/in.h>
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

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: echo SIZE SECONDS\n");
        return 2;
    }
    size_t size = (size_t)atoi(argv[1]) % SLOT_STRIDE;
    alarm((unsigned)atoi(argv[2]));
    int fd = open_socket();
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            iov[i] = (struct iovec){.iov_base = slots[i], .iov_len = SLOT_STRIDE};
            msgs[i].msg_hdr = (struct msghdr){
                .msg_name = &peers[i], .msg_namelen = sizeof(peers[i]), .msg_iov = &iov[i], .msg_iovlen = 1};
        }
        int n = recvmmsg(fd, msgs, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < n; i++) {
            iov[i].iov_len = size;
        }
        for (int at = 0; at < n;) {
            int sent = sendmmsg(fd, msgs + at, (unsigned)(n - at), 0);
            at += sent > 0 ? sent : 1;
        }
    }
}
