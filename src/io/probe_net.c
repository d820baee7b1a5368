/* http, https and tcp probes.
 *
 * Why through libcurl: it resolves, connects, speaks TLS and keeps connections, all without blocking. A tcp probe is a
 * transfer that ends when it is connected (CONNECT_ONLY), so that both kinds have one path.
 *
 * The happy path: a handle from the pool (or a new one) is set up and added to the loop; the body is read and dropped, so
 * that the connection can be kept for the next probe; the status decides.
 *
 * What can go wrong: everything that can be wrong with the other side is a critical result with a text that names it. What
 * is wrong on this side (no descriptors, no ports, no memory) is CHECK_NONE: it must not take healthy instances out of
 * service. A kept connection that turns out to be dead says nothing either: libcurl asks again on a new one. A body without
 * end is cut at BODY_MAX, and the status it came with decides. The body is never shown: whoever may register a check could
 * otherwise read pages that only this host can reach. */
#include "config.h" /* _GNU_SOURCE */
#include "io/probe_net.h"

#include <curl/curl.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/list.h"
#include "io/curl_loop.h"

#define BODY_MAX        (64 * 1024)
#define SHARDS          64 /* curl loops, by target: see shard_of */
#define RICH_SHARDS     8  /* of them, those for https and for names */
#define SHARD_KEPT_MIN  8  /* idle connections that each keeps at least */
#define POOL_MAX        128 /* idle handles kept */
#define CA_KEPT_S       3600L /* then the file of trusted certificates is read again */
#define NAMES_KEPT_S    60L   /* then a name is resolved again */
#define URL_MAX         (CHECK_HOST_MAX + CHECK_PATH_MAX + 32)

struct transfer {
    struct list link; /* in net->running or net->idle */
    CURL *easy;
    struct curl_loop *loop; /* that it runs in */
    uint64_t probe;
    const struct check_spec *spec;
    size_t body_len;
    int open_errno; /* no socket could be had; curl does not tell */
    char why[CURL_ERROR_SIZE]; /* libcurl's own words about a failure */
};

struct probe_net {
    struct ev_loop *loop;
    struct curl_loop *shards[SHARDS]; /* NULL until a probe comes there */
    size_t max_kept;
    uint64_t seed;
    char *ca_file;
    struct list running, idle;
    size_t n_idle;
    probe_done_fn *done;
    void *arg;
};

/* ── results ── */

/* Errors of this host, not of the one that is probed. */
static bool is_ours(CURLcode code, long os_errno)
{
    if (code == CURLE_OUT_OF_MEMORY || code == CURLE_FAILED_INIT)
        return true;
    bool is_short = os_errno == EMFILE || os_errno == ENFILE || os_errno == ENOMEM || os_errno == ENOBUFS ||
                    os_errno == EADDRNOTAVAIL; /* no free port */
    return is_short && code == CURLE_COULDNT_CONNECT;
}

static void explain(const struct transfer *t, CURLcode code, long os_errno, char *out, size_t cap)
{
    char timeout[DURATION_TEXT_MAX];
    if (code == CURLE_OPERATION_TIMEDOUT) {
        snprintf(out, cap, "timeout after %s", duration_format(t->spec->timeout_ms, timeout));
    } else if (code == CURLE_COULDNT_RESOLVE_HOST) {
        snprintf(out, cap, "cannot resolve %s", t->spec->host);
    } else if (code == CURLE_GOT_NOTHING) {
        snprintf(out, cap, "connection closed without an answer");
    } else if (os_errno != 0 && (code == CURLE_COULDNT_CONNECT || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR)) {
        const char *text = strerrordesc_np((int)os_errno);
        snprintf(out, cap, "%s", text != NULL ? text : "cannot connect");
        if (out[0] >= 'A' && out[0] <= 'Z' && out[1] >= 'a')
            out[0] = (char)(out[0] - 'A' + 'a');
    } else {
        snprintf(out, cap, "%s", t->why[0] != '\0' ? t->why : curl_easy_strerror(code));
    }
}

static enum check_status judge(const struct transfer *t, CURLcode code, char *out, size_t cap)
{
    bool is_cut = code == CURLE_WRITE_ERROR && t->body_len > BODY_MAX;
    if (code != CURLE_OK && !is_cut) {
        long os_errno = 0;
        curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
        if (os_errno == 0)
            os_errno = t->open_errno;
        explain(t, code, os_errno, out, cap);
        return is_ours(code, os_errno) ? CHECK_NONE : CHECK_CRITICAL;
    }
    if (t->spec->type == CHECK_TCP) {
        snprintf(out, cap, "connected");
        return CHECK_PASSING;
    }
    long status = 0, expect = t->spec->expect != 0 ? t->spec->expect : 200;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == expect) {
        snprintf(out, cap, "HTTP %ld", status);
        return CHECK_PASSING;
    }
    snprintf(out, cap, "HTTP %ld, expected %ld", status, expect);
    return CHECK_CRITICAL;
}

/* ── transfers ── */

static void transfer_free(struct transfer *t)
{
    curl_easy_cleanup(t->easy);
    free(t);
}

static void transfer_put_back(struct probe_net *n, struct transfer *t)
{
    list_remove(&t->link);
    if (n->n_idle == POOL_MAX) {
        transfer_free(t);
        return;
    }
    list_push(&n->idle, &t->link);
    n->n_idle++;
}

static void on_done(void *arg, CURL *easy, CURLcode code)
{
    struct probe_net *n = arg;
    struct transfer *t = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
    char output[CHECK_OUTPUT_MAX];
    enum check_status status = judge(t, code, output, sizeof(output));
    uint64_t probe = t->probe;
    transfer_put_back(n, t);
    n->done(n->arg, probe, status, output);
}

static size_t drop_body(char *data, size_t size, size_t len, void *arg)
{
    struct transfer *t = arg;
    t->body_len += size * len;
    return t->body_len > BODY_MAX ? 0 : size * len; /* 0 ends the transfer */
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *at)
{
    struct transfer *t = arg;
    int fd = socket(at->family, at->socktype | SOCK_CLOEXEC, at->protocol);
    if (fd < 0)
        t->open_errno = errno;
    return fd;
}

/* What is the same for every probe. */
static bool set_common(const struct probe_net *n, struct transfer *t)
{
    CURL *e = t->easy;
    bool is_set = curl_easy_setopt(e, CURLOPT_PRIVATE, t) == CURLE_OK &&
                  curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->why) == CURLE_OK &&
                  curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, drop_body) == CURLE_OK &&
                  curl_easy_setopt(e, CURLOPT_WRITEDATA, t) == CURLE_OK &&
                  curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
                  curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t) == CURLE_OK &&
                  curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
                  /* Without it the end of a transfer waits for its resolver thread. */
                  curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
                  curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
                  curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) == CURLE_OK &&
                  curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
                  /* An empty proxy also keeps out the one of the environment. */
                  curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
                  curl_easy_setopt(e, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION) == CURLE_OK &&
                  /* With a CAPATH libcurl reads all certificates again for each connection: 14 ms of this thread. A file
                   * is kept. */
                  curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK &&
                  curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, CA_KEPT_S) == CURLE_OK;
    if (is_set && n->ca_file != NULL)
        is_set = curl_easy_setopt(e, CURLOPT_CAINFO, n->ca_file) == CURLE_OK;
    return is_set;
}

static struct transfer *transfer_get(struct probe_net *n)
{
    if (n->n_idle > 0) {
        struct transfer *t = CONTAINER_OF(n->idle.next, struct transfer, link);
        list_remove(&t->link);
        n->n_idle--;
        return t;
    }
    struct transfer *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    list_init(&t->link);
    t->easy = curl_easy_init();
    if (t->easy == NULL || !set_common(n, t)) {
        transfer_free(t);
        return NULL;
    }
    return t;
}

/* The address of the instance as a URL has it: IPv4 if it has one. */
static void host_of(const struct probe_job *job, char *out, size_t cap)
{
    char address[INET6_ADDRSTRLEN];
    const char *host = job->spec->host;
    if (host[0] == '\0') {
        const struct description *d = job->desc;
        inet_ntop(d->has_v4 ? AF_INET : AF_INET6, d->has_v4 ? (const void *)d->v4 : d->more->v6, address, sizeof(address));
        host = address;
    }
    snprintf(out, cap, strchr(host, ':') != NULL ? "[%s]" : "%s", host);
}

/* libcurl 7.88 looks at every connection it keeps once a second, again for each that died, and for each transfer at every
 * address it remembers. With ten thousand targets in one place a probe costs a millisecond, and their common death minutes.
 * So the targets are spread over many small places, which remember no addresses. What must be remembered, trusted
 * certificates and the addresses of names, has few places of its own. ERR_NOMEM. */
static int shard_of(struct probe_net *n, const struct probe_job *job, const char *host, unsigned port,
                    struct curl_loop **out)
{
    uint64_t hash = hash_bytes(host, strlen(host), n->seed + port);
    bool is_rich = job->spec->type == CHECK_HTTPS || job->spec->host[0] != '\0';
    struct curl_loop **at = &n->shards[is_rich ? hash % RICH_SHARDS : RICH_SHARDS + hash % (SHARDS - RICH_SHARDS)];
    long kept = (long)(n->max_kept / (SHARDS - RICH_SHARDS) * 5 / 4); /* they do not spread quite evenly */
    int rc = *at == NULL ? curl_loop_new(n->loop, kept > SHARD_KEPT_MIN ? kept : SHARD_KEPT_MIN, on_done, n, at) : 0;
    *out = *at;
    return rc;
}

static bool set_job(struct probe_net *n, struct transfer *t, const struct probe_job *job)
{
    const struct check_spec *spec = job->spec;
    bool is_tcp = spec->type == CHECK_TCP;
    char host[CHECK_HOST_MAX + 2], url[URL_MAX];
    unsigned port = spec->port != 0 ? spec->port : job->desc->port;
    host_of(job, host, sizeof(host));
    if (shard_of(n, job, host, port, &t->loop) != 0)
        return false;
    snprintf(url, sizeof(url), "%s://%s:%u%s", spec->type == CHECK_HTTPS ? "https" : "http", host, port,
             is_tcp ? "/" : spec->path);
    long remember_s = spec->host[0] != '\0' ? NAMES_KEPT_S : 0;
    t->probe = job->probe;
    t->spec = spec;
    t->body_len = 0;
    t->open_errno = 0;
    t->why[0] = '\0';
    return curl_easy_setopt(t->easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, spec->is_insecure ? 0L : 1L) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, spec->is_insecure ? 0L : 2L) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_DNS_CACHE_TIMEOUT, remember_s) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_CONNECT_ONLY, is_tcp ? 1L : 0L) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)spec->timeout_ms) == CURLE_OK;
}

int probe_net_start(struct probe_net *n, const struct probe_job *job, struct err *e)
{
    struct transfer *t = transfer_get(n);
    if (t == NULL)
        return err_set(e, ERR_NOMEM, "no memory for a transfer");
    list_push(&n->running, &t->link);
    if (!set_job(n, t, job) || curl_loop_add(t->loop, t->easy) != 0) {
        transfer_put_back(n, t);
        return err_set(e, ERR_NOMEM, "no memory for a transfer");
    }
    return 0;
}

/* ── life ── */

int probe_net_new(const struct prober_options *o, struct probe_net **out)
{
    struct probe_net *n = calloc(1, sizeof(*n));
    if (n == NULL)
        return ERR_NOMEM;
    list_init(&n->running);
    list_init(&n->idle);
    n->loop = o->loop;
    n->max_kept = o->max_kept;
    n->seed = o->seed;
    n->done = o->done;
    n->arg = o->arg;
    if (o->ca_file != NULL)
        n->ca_file = strdup(o->ca_file);
    if (o->ca_file != NULL && n->ca_file == NULL) {
        probe_net_free(n);
        return ERR_NOMEM;
    }
    *out = n;
    return 0;
}

static void free_all(struct list *transfers)
{
    while (!list_is_empty(transfers)) {
        struct transfer *t = CONTAINER_OF(transfers->next, struct transfer, link);
        list_remove(&t->link);
        transfer_free(t);
    }
}

void probe_net_free(struct probe_net *n)
{
    if (n == NULL)
        return;
    for (struct list *at = n->running.next; at != &n->running; at = at->next) {
        struct transfer *t = CONTAINER_OF(at, struct transfer, link);
        curl_loop_remove(t->loop, t->easy);
    }
    free_all(&n->running);
    free_all(&n->idle);
    for (size_t i = 0; i < SHARDS; i++)
        curl_loop_free(n->shards[i]);
    free(n->ca_file);
    free(n);
}
