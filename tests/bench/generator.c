/* A load of DNS questions on loopback. Commands come on standard input, a line each; each is answered by a line of
 * JSON:
 *
 *     generator NAMES_FILE             (queries.h says what is in it)
 *
 *     warm PORT                        asks each name until it is answered as expected; names may be built on demand
 *     saturate PORT SECONDS WINDOW CHECK   keeps WINDOW questions on their way: how many answers can there be?
 *     pace PORT SECONDS RATE CHECK     asks RATE times a second, on schedule: how long does an answer take?
 *
 * Names are drawn at random, each as likely, from a generator with a fixed seed. CHECK 1: each answer must be one,
 * without an error, and have as many records as expected; 0 (an echo): only its id counts. Questions leave from SOCKETS
 * ports.
 *
 * The generator never sleeps for an answer: a server that has to wake its client pays for that, and more when it is
 * fast (then the client waits more often).
 *
 * Times are counted from the moment at which a question was due, not from when it was sent: a generator that was held
 * up by a slow server would otherwise leave out just the questions that would have waited longest. */
#include "config.h" /* _GNU_SOURCE */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "latency.h"
#include "queries.h"

#define SOCKETS     8
#define BATCH       64
#define ANSWER_MAX  4096
#define SLOTS_MAX   16384
#define SLOTS_FEW   1024 /* enough for a window, and small enough for the cache */
#define SECOND_NS   1000000000ULL
#define PATIENCE_NS (100 * 1000000ULL) /* without any answer: what is on its way is lost */
#define DRAIN_NS    (500 * 1000000ULL)
#define WARM_NS     (10 * SECOND_NS) /* without any progress */
#define SEED        0x9e3779b97f4a7c15ULL

/* A question on its way. Its slot is the lower bits of its id: it is forgotten when `slots` later ones were asked. */
struct asked {
    uint64_t due_ns;
    uint32_t name;
    uint16_t id;
    bool open;
};

struct lane {
    int fd;
    uint16_t next_id;
    unsigned open;
    struct asked asked[SLOTS_MAX];
};

static struct queries queries;
static struct lane lanes[SOCKETS];
static struct latency latency;
static struct {
    uint64_t sent, answers, wrong, missing, stray;
} count;
static bool check;
static unsigned slots = SLOTS_MAX;
static uint64_t rng;
static uint8_t *warm; /* by name: answered */
static uint64_t warm_left;
static uint16_t size_least[QUERY_MAX], size_most[QUERY_MAX]; /* of answers, by the length of the question */

static uint8_t out[BATCH][QUERY_MAX], in[BATCH][ANSWER_MAX];
static struct iovec out_iov[BATCH], in_iov[BATCH];
static struct mmsghdr out_msgs[BATCH], in_msgs[BATCH];

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static uint32_t any_name(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (uint32_t)(((rng >> 32) * queries.n) >> 32);
}

static void lanes_close(void)
{
    for (int i = 0; i < SOCKETS; i++) {
        if (lanes[i].fd > 0) {
            close(lanes[i].fd);
        }
        memset(&lanes[i], 0, sizeof(lanes[i]));
    }
}

static void lanes_open(uint16_t port, unsigned slots_wanted)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    lanes_close();
    slots = slots_wanted;
    for (int i = 0; i < SOCKETS; i++) {
        lanes[i].fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        setsockopt(lanes[i].fd, SOL_SOCKET, SO_RCVBUF, &(int){4 * 1024 * 1024}, sizeof(int));
        if (lanes[i].fd < 0 || connect(lanes[i].fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
            perror("generator");
            exit(EXIT_FAILURE);
        }
    }
    memset(&count, 0, sizeof(count));
    latency_reset(&latency);
    rng = SEED;
}

static void give_up(struct lane *l, struct asked *a)
{
    a->open = false;
    l->open--;
    count.missing++;
}

/* Sends n <= BATCH questions for names[], which were due at due_ns. What the kernel does not take is missing. */
static void ask(struct lane *l, const uint32_t *names, unsigned n, uint64_t due_ns)
{
    for (unsigned i = 0; i < n; i++) {
        const struct query *q = queries_at(&queries, names[i]);
        struct asked *a = &l->asked[l->next_id % slots];
        if (a->open) {
            give_up(l, a);
        }
        *a = (struct asked){.due_ns = due_ns, .name = names[i], .id = l->next_id, .open = true};
        memcpy(out[i], q->bytes, q->len);
        out[i][0] = (uint8_t)(l->next_id >> 8);
        out[i][1] = (uint8_t)l->next_id;
        out_iov[i].iov_len = q->len;
        l->next_id++;
    }
    l->open += n;
    count.sent += n;
    for (unsigned at = 0; at < n;) {
        int sent = sendmmsg(l->fd, out_msgs + at, n - at, 0);
        if (sent < 0 && errno != EINTR && errno != ECONNREFUSED) {
            return; /* given up by and by, as if lost on the way */
        }
        at += sent > 0 ? (unsigned)sent : 0;
    }
}

/* Questions for n <= BATCH random names. Picked first and fetched meanwhile: a million queries do not fit the caches.
 */
static void ask_any(struct lane *l, unsigned n, uint64_t due_ns)
{
    uint32_t names[BATCH];
    for (unsigned i = 0; i < n; i++) {
        names[i] = any_name();
        __builtin_prefetch(queries_at(&queries, names[i]));
    }
    ask(l, names, n, due_ns);
}

static bool is_right(const uint8_t *answer, size_t len, const struct query *q)
{
    return !check || (len > 12 && (answer[2] & 0x82) == 0x80 && (answer[3] & 0x0f) == 0 &&
                      (answer[6] << 8 | answer[7]) == q->expect);
}

static void note_warm(const struct asked *a, const struct query *q, size_t len)
{
    if (!warm[a->name]) {
        warm[a->name] = 1;
        warm_left--;
        size_least[q->len] = size_least[q->len] == 0 || len < size_least[q->len] ? (uint16_t)len : size_least[q->len];
        size_most[q->len] = len > size_most[q->len] ? (uint16_t)len : size_most[q->len];
    }
}

static void take(struct lane *l, const uint8_t *answer, size_t len, uint64_t at_ns)
{
    uint16_t id = len >= 2 ? (uint16_t)(answer[0] << 8 | answer[1]) : 0;
    struct asked *a = &l->asked[id % slots];
    if (len < 12 || !a->open || a->id != id) {
        count.stray++;
        return;
    }
    const struct query *q = queries_at(&queries, a->name);
    a->open = false;
    l->open--;
    count.answers++;
    if (!is_right(answer, len, q)) {
        count.wrong++;
    } else if (warm != NULL) {
        note_warm(a, q, len);
    }
    latency_add(&latency, at_ns > a->due_ns ? at_ns - a->due_ns : 0);
}

/* What has arrived, without waiting. */
static unsigned hear(struct lane *l)
{
    int n = recvmmsg(l->fd, in_msgs, BATCH, 0, NULL);
    if (n <= 0) {
        return 0;
    }
    uint64_t at_ns = now_ns();
    for (int i = 0; i < n; i++) {
        take(l, in[i], in_msgs[i].msg_len, at_ns);
    }
    return (unsigned)n;
}

static void give_up_all(void)
{
    for (int i = 0; i < SOCKETS; i++) {
        for (unsigned s = 0; s < slots && lanes[i].open > 0; s++) {
            if (lanes[i].asked[s].open) {
                give_up(&lanes[i], &lanes[i].asked[s]);
            }
        }
    }
}

static void drain(void)
{
    for (uint64_t end = now_ns() + DRAIN_NS; now_ns() < end;) {
        unsigned open = 0;
        for (int i = 0; i < SOCKETS; i++) {
            hear(&lanes[i]);
            open += lanes[i].open;
        }
        if (open == 0) {
            break;
        }
    }
    give_up_all();
}

/* answers: of the `seconds`; all_answers: also those that came while the last questions were waited for. */
/* answers: of the `seconds`; all_answers: also those that came while the last questions were waited for. */
static void print_counts(double seconds, uint64_t answers)
{
    printf("{\"seconds\": %.6f, \"answers\": %" PRIu64 ", \"all_answers\": %" PRIu64, seconds, answers, count.answers);
    printf(", \"sent\": %" PRIu64 ", \"wrong\": %" PRIu64, count.sent, count.wrong);
    printf(", \"missing\": %" PRIu64 ", \"stray\": %" PRIu64, count.missing, count.stray);
    printf(", \"p50\": %.1f, \"p99\": %.1f", latency_us(&latency, 0.5), latency_us(&latency, 0.99));
    printf(", \"p999\": %.1f, \"max\": %.1f}\n", latency_us(&latency, 0.999), (double)latency.max_ns / 1000);
}

static void saturate(uint16_t port, double seconds, unsigned window)
{
    unsigned each = (window + SOCKETS - 1) / SOCKETS;
    each = each < SLOTS_FEW / 2 ? each : SLOTS_FEW / 2;
    lanes_open(port, SLOTS_FEW);
    uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), now = start, heard = start;
    for (; now < end; now = now_ns()) {
        for (int i = 0; i < SOCKETS; i++) {
            struct lane *l = &lanes[i];
            if (hear(l) > 0) {
                heard = now;
            }
            while (l->open < each) {
                unsigned room = each - l->open;
                ask_any(l, room < BATCH ? room : BATCH, now);
            }
        }
        if (now - heard > PATIENCE_NS) {
            give_up_all();
            heard = now;
        }
    }
    uint64_t answers = count.answers; /* those that drain() hears came when the server was no longer busy */
    drain();
    print_counts((double)(now - start) / 1e9, answers);
}

static void pace(uint16_t port, double seconds, double rate)
{
    uint64_t n = 0, total = (uint64_t)(seconds * rate);
    lanes_open(port, SLOTS_MAX);
    uint64_t start = now_ns(), due = start;
    while (n < total) {
        for (uint64_t now = now_ns(); n < total && due <= now; n++) {
            ask_any(&lanes[n % SOCKETS], 1, due);
            due = start + (uint64_t)((double)(n + 1) * 1e9 / rate);
        }
        for (int i = 0; i < SOCKETS; i++) {
            hear(&lanes[i]);
        }
    }
    double took = (double)(now_ns() - start) / 1e9;
    drain();
    print_counts(took, count.answers);
}

/* One pass over the names that were not answered yet, with few on their way so that none is dropped for want of room.
 */
static void warm_pass(struct lane *l)
{
    uint32_t names[BATCH];
    unsigned n = 0;
    for (size_t i = 0; i <= queries.n; i++) {
        if (i < queries.n && !warm[i]) {
            names[n++] = (uint32_t)i;
        }
        if (n == BATCH / 2 || i == queries.n) {
            ask(l, names, n, now_ns());
            n = 0;
            for (uint64_t end = now_ns() + PATIENCE_NS; l->open > 0 && now_ns() < end;) {
                hear(l);
            }
        }
    }
    give_up_all();
}

static void warm_up(uint16_t port)
{
    lanes_open(port, SLOTS_MAX);
    warm = calloc(queries.n, 1);
    if (warm == NULL) {
        fprintf(stderr, "generator: no memory\n");
        exit(EXIT_FAILURE);
    }
    check = true;
    warm_left = queries.n;
    uint64_t start = now_ns(), progress = start, left = warm_left;
    while (warm_left > 0 && now_ns() - progress < WARM_NS) {
        warm_pass(&lanes[0]);
        if (warm_left < left) {
            left = warm_left;
            progress = now_ns();
        }
    }
    printf("{\"names\": %zu, \"unanswered\": %llu, \"asked\": %llu, \"seconds\": %.3f, \"sizes\": {", queries.n,
           (unsigned long long)warm_left, (unsigned long long)count.sent, (double)(now_ns() - start) / 1e9);
    const char *comma = "";
    for (unsigned i = 0; i < QUERY_MAX; i++) {
        if (size_most[i] > 0) {
            printf("%s\"%u\": [%u, %u]", comma, i, size_least[i], size_most[i]);
            comma = ", ";
        }
        size_least[i] = size_most[i] = 0;
    }
    printf("}}\n");
    free(warm);
    warm = NULL;
}

static void obey(const char *line)
{
    unsigned port, window, check_it = 1;
    double seconds, rate;
    if (sscanf(line, "warm %u", &port) == 1) {
        warm_up((uint16_t)port);
    } else if (sscanf(line, "saturate %u %lf %u %u", &port, &seconds, &window, &check_it) == 4) {
        check = check_it != 0;
        saturate((uint16_t)port, seconds, window);
    } else if (sscanf(line, "pace %u %lf %lf %u", &port, &seconds, &rate, &check_it) == 4) {
        check = check_it != 0;
        pace((uint16_t)port, seconds, rate);
    } else {
        fprintf(stderr, "generator: what is %s", line);
        exit(2);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[128];
    if (argc != 2) {
        fprintf(stderr, "usage: generator NAMES_FILE\n");
        return 2;
    }
    queries_read(&queries, argv[1]);
    for (int i = 0; i < BATCH; i++) {
        out_iov[i] = (struct iovec){.iov_base = out[i]};
        in_iov[i] = (struct iovec){.iov_base = in[i], .iov_len = ANSWER_MAX};
        out_msgs[i].msg_hdr = (struct msghdr){.msg_iov = &out_iov[i], .msg_iovlen = 1};
        in_msgs[i].msg_hdr = (struct msghdr){.msg_iov = &in_iov[i], .msg_iovlen = 1};
    }
    while (fgets(line, sizeof(line), stdin) != NULL) {
        obey(line);
    }
    lanes_close();
    return 0;
}
