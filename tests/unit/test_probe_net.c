/* http, https and tcp probes against real little servers on loopback. */
#include "config.h" /* _GNU_SOURCE */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "../lib/http_target.h"
#include "../lib/probe_bench.h"

struct fixture {
    struct probe_bench bench;
    struct http_target *target;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    bench_init(&f->bench, (struct prober_options){.ca_file = NULL});
    f->target = http_target_new(f->bench.loop, AF_INET);
    f->bench.desc->port = http_target_port(f->target);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_target_free(f->target);
    bench_fini(&f->bench);
    free(f);
    return 0;
}

static struct check_spec http(const char *path)
{
    return (struct check_spec){.type = CHECK_HTTP, .host = "", .path = path};
}

static struct check_spec tcp(uint16_t port)
{
    return (struct check_spec){.type = CHECK_TCP, .host = "", .path = "", .port = port};
}

/* A port of 127.0.0.1 where nobody listens (any more). */
static uint16_t closed_port(struct fixture *f)
{
    struct http_target *t = http_target_new(f->bench.loop, AF_INET);
    uint16_t port = http_target_port(t);
    http_target_free(t);
    return port;
}

static void http_200_passes(void **state)
{
    struct fixture *f = *state;
    bench_expect(&f->bench, http("/ok"), CHECK_PASSING, "HTTP 200");
}

static void http_asks_as_documented(void **state)
{
    struct fixture *f = *state;
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* must not be used */
    bench_expect(&f->bench, http("/ok"), CHECK_PASSING, "HTTP 200");
    unsetenv("http_proxy");
    char expected[128];
    snprintf(expected, sizeof(expected), "GET /ok HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: rollcall/%s\r\n",
             f->bench.desc->port, PACKAGE_VERSION);
    assert_memory_equal(http_target_last(f->target), expected, strlen(expected));
}

static void http_other_status_is_critical(void **state)
{
    struct fixture *f = *state;
    bench_expect(&f->bench, http("/500"), CHECK_CRITICAL, "HTTP 500, expected 200");
}

static void http_expect_names_the_status(void **state)
{
    struct fixture *f = *state;
    struct check_spec s = http("/204");
    s.expect = 204;
    bench_expect(&f->bench, s, CHECK_PASSING, "HTTP 204");
    s = http("/ok");
    s.expect = 204;
    bench_expect(&f->bench, s, CHECK_CRITICAL, "HTTP 200, expected 204");
}

static void http_redirect_is_not_followed(void **state)
{
    struct fixture *f = *state;
    bench_expect(&f->bench, http("/301"), CHECK_CRITICAL, "HTTP 301, expected 200");
    assert_int_equal(http_target_requests(f->target), 1);
}

static void http_slow_is_a_timeout(void **state)
{
    struct fixture *f = *state;
    struct check_spec s = http("/slow");
    s.timeout_ms = 100;
    bench_expect(&f->bench, s, CHECK_CRITICAL, "timeout after 100ms");
}

static void http_broken_answers(void **state)
{
    struct fixture *f = *state;
    bench_expect(&f->bench, http("/reset"), CHECK_CRITICAL, "connection reset by peer");
    bench_expect(&f->bench, http("/empty"), CHECK_CRITICAL, "connection closed without an answer");
    bench_expect(&f->bench, http("/half"), CHECK_CRITICAL, "transfer closed with 198 bytes remaining to read");
    bench_expect(&f->bench, http("/noise"), CHECK_CRITICAL, "Received HTTP/0.9 when not allowed");
}

static void http_refused(void **state)
{
    struct fixture *f = *state;
    struct check_spec s = http("/ok");
    s.port = closed_port(f);
    bench_expect(&f->bench, s, CHECK_CRITICAL, "connection refused");
}

static void http_endless_body_counts_by_its_status(void **state)
{
    struct fixture *f = *state;
    bench_expect(&f->bench, http("/huge"), CHECK_PASSING, "HTTP 200");
}

static void http_connections_are_kept(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        bench_expect(&f->bench, http(i % 2 ? "/500" : "/ok"), i % 2 ? CHECK_CRITICAL : CHECK_PASSING,
                     i % 2 ? "HTTP 500, expected 200" : "HTTP 200");
    assert_int_equal(http_target_requests(f->target), 5);
    assert_int_equal(http_target_connections(f->target), 1);
}

/* Each in its place, and the place keeps the connection. */
static void http_connections_to_many_targets_are_kept(void **state)
{
    struct fixture *f = *state;
    struct http_target *targets[25];
    for (int i = 0; i < 25; i++)
        targets[i] = http_target_new(f->bench.loop, AF_INET);
    for (int i = 0; i < 50; i++) {
        f->bench.desc->port = http_target_port(targets[i % 25]);
        bench_expect(&f->bench, http("/ok"), CHECK_PASSING, "HTTP 200");
    }
    for (int i = 0; i < 25; i++) {
        assert_int_equal(http_target_requests(targets[i]), 2);
        assert_int_equal(http_target_connections(targets[i]), 1);
        http_target_free(targets[i]);
    }
}

/* The server may close a kept connection at any time: that is not a failure of its health. */
static void http_kept_connection_that_died_is_replaced(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        bench_expect(&f->bench, http("/close"), CHECK_PASSING, "HTTP 200");
    assert_int_equal(http_target_connections(f->target), 3);
}

static void http_many_at_once(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 40; i++)
        bench_start(&f->bench, http("/ok"));
    bench_wait(&f->bench, 40);
    for (unsigned i = 0; i < 40; i++)
        assert_string_equal(f->bench.results[i].output, "HTTP 200");
}

static void http_over_ipv6(void **state)
{
    struct fixture *f = *state;
    struct http_target *t6 = http_target_new(f->bench.loop, AF_INET6);
    if (t6 == NULL)
        skip();
    f->bench.desc->has_v4 = false;
    f->bench.desc->has_v6 = true;
    f->bench.more.v6[15] = 1;
    f->bench.desc->port = http_target_port(t6);
    bench_expect(&f->bench, http("/ok"), CHECK_PASSING, "HTTP 200");
    bench_expect(&f->bench, tcp(0), CHECK_PASSING, "connected");
    struct check_spec s = http("/ok"); /* the same as a host of the check */
    s.host = "::1";
    bench_expect(&f->bench, s, CHECK_PASSING, "HTTP 200");
    http_target_free(t6);
}

static void tcp_connects(void **state)
{
    struct fixture *f = *state;
    bench_expect(&f->bench, tcp(0), CHECK_PASSING, "connected");
    bench_expect(&f->bench, http("/ok"), CHECK_PASSING, "HTTP 200"); /* not over the connection of the tcp probe */
    assert_int_equal(http_target_connections(f->target), 2);
    bench_expect(&f->bench, tcp(closed_port(f)), CHECK_CRITICAL, "connection refused");
}

/* A listener whose backlog is full answers no SYN, as a host behind a firewall. */
static void tcp_without_answer_is_a_timeout(void **state)
{
    struct fixture *f = *state;
    int fd = socket(AF_INET, SOCK_STREAM, 0), full[2];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    for (int i = 0; i < 2; i++) {
        full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(full[i], (struct sockaddr *)&at, sizeof(at));
    }
    struct check_spec s = tcp(ntohs(at.sin_port));
    s.timeout_ms = 100;
    bench_expect(&f->bench, s, CHECK_CRITICAL, "timeout after 100ms");
    close(full[0]);
    close(full[1]);
    close(fd);
}

/* Our own lack of descriptors must not take an instance out of service. */
static void no_descriptors_is_no_result(void **state)
{
    struct fixture *f = *state;
    bench_expect(&f->bench, tcp(0), CHECK_PASSING, "connected"); /* what is opened once is open */
    struct rlimit files, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = files.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const struct bench_result *r = bench_probe(&f->bench, tcp(0));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    assert_string_equal(r->output, "too many open files");
    assert_int_equal(r->status, CHECK_NONE);
}

static void prober_free_cancels(void **state)
{
    struct fixture *f = *state;
    bench_start(&f->bench, http("/slow"));
    bench_start(&f->bench, http("/huge"));
    bench_start(&f->bench, tcp(0));
    ev_run(f->bench.loop, EVRUN_NOWAIT);
    /* teardown frees; the sanitizers look */
}

/* ── host names: the resolver is replaced by one that is slow or knows only one name ── */

static void pause_ms(long ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000};
    nanosleep(&t, NULL);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    if (strcmp(node, "slow.test") == 0)
        pause_ms(600);
    if (strcmp(node, "here.test") != 0)
        return EAI_NONAME;
    struct {
        struct addrinfo info;
        struct sockaddr_in at;
    } *one = calloc(1, sizeof(*one));
    one->at = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)atoi(service))};
    one->info = (struct addrinfo){.ai_family = AF_INET,
                                  .ai_socktype = SOCK_STREAM,
                                  .ai_addrlen = sizeof(one->at),
                                  .ai_addr = (struct sockaddr *)&one->at};
    *out = &one->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    free(info);
}

static struct check_spec at_host(struct check_spec s, const char *host)
{
    s.host = host;
    return s;
}

static void host_names_are_resolved(void **state)
{
    struct fixture *f = *state;
    bench_expect(&f->bench, at_host(http("/ok"), "here.test"), CHECK_PASSING, "HTTP 200");
    assert_non_null(strstr(http_target_last(f->target), "\r\nHost: here.test:"));
    bench_expect(&f->bench, at_host(tcp(0), "here.test"), CHECK_PASSING, "connected");
    bench_expect(&f->bench, at_host(tcp(0), "nowhere.test"), CHECK_CRITICAL, "cannot resolve nowhere.test");
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A name server that does not answer must neither hold up the loop nor the end of the probe. */
static void slow_resolver_does_not_block(void **state)
{
    struct fixture *f = *state;
    double begin = seconds();
    struct check_spec s = at_host(http("/ok"), "slow.test");
    s.timeout_ms = 100;
    bench_expect(&f->bench, s, CHECK_CRITICAL, "timeout after 100ms");
    assert_true(seconds() - begin < 0.4);
    pause_ms(600); /* its thread still runs; let it end before the process looks for leaks */
}

/* ── https ── */

struct tls_server {
    char dir[32], cert[48], key[48];
    pid_t pid;
    uint16_t port;
};

static bool run(const char *command)
{
    int rc = system(command);
    return rc == 0;
}

/* openssl's own little web server with a certificate for 127.0.0.1. */
static bool tls_start(struct tls_server *s)
{
    strcpy(s->dir, "/tmp/rollcall-test-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->cert, sizeof(s->cert), "%s/cert", s->dir);
    snprintf(s->key, sizeof(s->key), "%s/key", s->dir);
    char command[512];
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test "
             "-addext subjectAltName=IP:127.0.0.1 -keyout %s -out %s 2>/dev/null",
             s->key, s->cert);
    int out[2];
    if (!run(command) || pipe(out) != 0)
        return false;
    s->pid = fork();
    if (s->pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", s->cert, "-key", s->key, "-www",
               (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *lines = fdopen(out[0], "r");
    char line[256];
    unsigned port = 0;
    while (fgets(line, sizeof(line), lines) != NULL)
        if (sscanf(line, "ACCEPT 127.0.0.1:%u", &port) == 1)
            break;
    fclose(lines);
    s->port = (uint16_t)port;
    return port != 0;
}

static void tls_stop(struct tls_server *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    unlink(s->cert);
    unlink(s->key);
    rmdir(s->dir);
}

static void https_verifies_the_certificate(void **state)
{
    struct tls_server server = {.pid = 0};
    if (!tls_start(&server)) {
        tls_stop(&server);
        skip(); /* no openssl here */
    }
    struct check_spec s = {.type = CHECK_HTTPS, .host = "", .path = "/"};
    struct probe_bench strangers, friends;
    bench_init(&strangers, (struct prober_options){.ca_file = NULL});
    strangers.desc->port = server.port;
    const struct bench_result *r = bench_probe(&strangers, s);
    assert_int_equal(r->status, CHECK_CRITICAL);
    assert_non_null(strstr(r->output, "self-signed certificate"));
    struct check_spec trusting = s;
    trusting.is_insecure = true;
    bench_expect(&strangers, trusting, CHECK_PASSING, "HTTP 200");
    r = bench_probe(&strangers, s); /* not over the connection of the trusting one */
    assert_int_equal(r->status, CHECK_CRITICAL);
    bench_fini(&strangers);

    bench_init(&friends, (struct prober_options){.ca_file = server.cert});
    friends.desc->port = server.port;
    bench_expect(&friends, s, CHECK_PASSING, "HTTP 200");
    r = bench_probe(&friends, at_host(s, "here.test")); /* a good certificate of somebody else */
    assert_int_equal(r->status, CHECK_CRITICAL);
    assert_non_null(strstr(r->output, "here.test"));
    bench_fini(&friends);
    tls_stop(&server);
}

static void ca_file_must_be_there(void **state)
{
    struct prober_options o = {.ca_file = "/nowhere/ca.pem"};
    struct prober *p;
    struct err e;
    assert_int_equal(prober_new(&o, &p, &e), ERR_BADARG);
    assert_string_equal(e.text, "[health] ca_file /nowhere/ca.pem: No such file or directory");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(http_200_passes),
        TEST(http_asks_as_documented),
        TEST(http_other_status_is_critical),
        TEST(http_expect_names_the_status),
        TEST(http_redirect_is_not_followed),
        TEST(http_slow_is_a_timeout),
        TEST(http_broken_answers),
        TEST(http_refused),
        TEST(http_endless_body_counts_by_its_status),
        TEST(http_connections_are_kept),
        TEST(http_connections_to_many_targets_are_kept),
        TEST(http_kept_connection_that_died_is_replaced),
        TEST(http_many_at_once),
        TEST(http_over_ipv6),
        TEST(tcp_connects),
        TEST(tcp_without_answer_is_a_timeout),
        TEST(no_descriptors_is_no_result),
        TEST(prober_free_cancels),
        TEST(host_names_are_resolved),
        TEST(slow_resolver_does_not_block),
        cmocka_unit_test(https_verifies_the_certificate),
        cmocka_unit_test(ca_file_must_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
