/* Start, run and end of the server.
 *
 * The order of the start: what can fail because of the user's files comes first (the caller has read them), then what
 * needs root (sockets, the limit of files), then root is dropped for good, and only then is anything from the network
 * looked at. The end is the start backwards: the workers first, because they read what the control thread owns. */
#include "config.h" /* _GNU_SOURCE */

#include "app/server.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "app/journal.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/privileges.h"
#include "io/supervisor.h"

#define PROBE_WARN_MS     10000
#define PROBE_LATE_MS     1000  /* later than this is told */
#define PROBE_FILES       2     /* of one probe: a script's pipe and process, or a second address that is tried */
#define KEPT_PROBES_MAX   16384 /* connections kept between probes */
#define BEHIND_WARN_MS    1000
#define FILES_BESIDE      512 /* descriptors beside connections and probes */
#define HOST_NAME_MAX_LEN 256

static uint64_t random_u64(void)
{
    uint64_t n;
    if (getrandom(&n, sizeof(n), 0) != sizeof(n)) {
        n = clock_wall_us() * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)getpid(); /* an old kernel in a bad moment */
    }
    return n;
}

static unsigned usable_cores(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

/* ── hooks of the core and the loop ── */

static void on_reply(void *arg, const struct effect *reply)
{
    control_reply(((struct server *)arg)->control, reply);
}

static void on_changed(void *arg)
{
    control_changed(((struct server *)arg)->control);
}

/* What is wrong with one probe is wrong with many: one line in a while tells of all. */
static bool may_warn(const struct server *s, uint64_t *warned_ms)
{
    uint64_t now_ms = turn_time(s->turn)->mono_ms;
    if (*warned_ms != 0 && now_ms - *warned_ms < PROBE_WARN_MS) {
        return false;
    }
    *warned_ms = now_ms;
    return true;
}

static void warn_of_probe(struct server *s, const char *why)
{
    if (!may_warn(s, &s->probe_warned_ms)) {
        return;
    }
    struct health_counts n;
    health_counts(s->health, &n);
    log_event(LOG_LEVEL_WARN, "probe_not_made", "why", why, "so_far", LOG_NUM((long long)n.failed + 1), NULL);
}

static void on_probe_done(void *arg, uint64_t probe, enum check_status status, const char *output)
{
    struct server *s = arg;
    if (status == CHECK_NONE) {
        warn_of_probe(s, output);
    }
    core_probe_done(s->core, probe, status, output, turn_time(s->turn));
}

static void warn_of_load(struct server *s, const struct probe_job *job)
{
    struct health_counts n;
    health_counts(s->health, &n);
    if (job->late_ms > PROBE_LATE_MS && may_warn(s, &s->late_warned_ms)) {
        log_event(LOG_LEVEL_WARN, "probes_late", "late_ms", LOG_NUM((long long)job->late_ms), "running",
                  LOG_NUM((long long)n.running), "waiting", LOG_NUM((long long)n.waiting), "why",
                  n.running >= s->inputs->config->health.max_probes ? "max_probes run already; many do not answer?"
                                                                    : "more became due than could be started",
                  NULL);
    }
    if (n.checks > s->kept_probes && !s->has_warned_kept) {
        s->has_warned_kept = true;
        log_event(LOG_LEVEL_WARN, "few_probe_connections", "checks", LOG_NUM((long long)n.checks), "kept",
                  LOG_NUM((long long)s->kept_probes), "why",
                  "probes beyond them connect anew each time; raise LimitNOFILE or ulimit -n", NULL);
    }
}

static void on_probe(void *arg, const struct probe_job *job)
{
    struct server *s = arg;
    struct err e;
    warn_of_load(s, job);
    if (prober_start(s->prober, job, &e) != 0) {
        on_probe_done(s, job->probe, CHECK_NONE, e.text);
    }
}

/* A worker that stands still keeps new answers back, and the replies to writes with them. One line when it lasts, one
 * when it is over. */
static void tell_of_behind(struct server *s)
{
    uint64_t since_ms = publish_behind_since_ms(s->publisher), now_ms = turn_time(s->turn)->mono_ms;
    if (since_ms != 0 && s->behind_told_ms == 0 && now_ms - since_ms >= BEHIND_WARN_MS) {
        s->behind_told_ms = since_ms;
        log_event(LOG_LEVEL_WARN, "answers_behind", "retired_bytes", LOG_NUM(answers_retired(s->answers)), "why",
                  "a worker thread stands still and may hold old answers; changes and replies to writes wait for it",
                  NULL);
    } else if (since_ms == 0 && s->behind_told_ms != 0) {
        log_event(LOG_LEVEL_INFO, "answers_current", "behind_ms", LOG_NUM(now_ms - s->behind_told_ms), NULL);
        s->behind_told_ms = 0;
    }
}

static void on_turn_end(void *arg)
{
    struct server *s = arg;
    core_turn(s->core, turn_time(s->turn));
    tell_of_behind(s);
    for (unsigned i = 0; s->workers != NULL && i < s->n_workers; i++) {
        if (answers_take_news(s->answers, i)) {
            worker_wake(s->workers[i]);
        }
    }
    control_flush(s->control);
}

static uint64_t on_next_ms(void *arg)
{
    return core_next_ms(((struct server *)arg)->core);
}

static void on_stop_signal(struct ev_loop *loop, struct ev_signal *w, int events)
{
    log_event(LOG_LEVEL_INFO, "stopping", "signal", strsignal(w->signum), NULL);
    ev_break(loop, EVBREAK_ALL);
}

static void on_reload_signal(struct ev_loop *loop, struct ev_signal *w, int events)
{
    server_reload(w->data);
}

/* ── start ── */

/* How many workers are wanted, and room for their descriptors. */
static void size_up(struct server *s)
{
    const struct config *c = s->inputs->config;
    unsigned places = c->server.n_cpus > 0 ? (unsigned)c->server.n_cpus : usable_cores();
    s->n_workers = c->server.workers > 0 ? c->server.workers : places;
    uint64_t wanted = FILES_BESIDE + c->registry.clients + (uint64_t)s->n_workers * c->dns.tcp_clients +
                      PROBE_FILES * (uint64_t)c->health.max_probes;
    uint64_t have = privileges_raise_files(wanted + KEPT_PROBES_MAX);
    /* Few servers have all the clients that they allow, so what is short is shared. */
    s->kept_probes = have >= wanted + KEPT_PROBES_MAX || have / 2 > KEPT_PROBES_MAX ? KEPT_PROBES_MAX : have / 2;
    if (have < wanted) {
        log_event(LOG_LEVEL_WARN, "few_descriptors", "have", LOG_NUM(have), "wanted", LOG_NUM(wanted), "why",
                  "connections beyond them are turned away early; raise LimitNOFILE or ulimit -n", NULL);
    }
}

static int drop_privileges(const struct config *c, struct err *e)
{
    int rc = c->server.user != NULL ? privileges_drop(c->server.user, e) : 0;
    if (rc == 0 && geteuid() == 0 && c->n_scripts > 0) {
        log_event(LOG_LEVEL_WARN, "scripts_as_root", "why",
                  "check scripts without a user of their own run as root; set [server] user", NULL);
    }
    return rc;
}

static int set_id(struct server *s)
{
    char host[HOST_NAME_MAX_LEN] = "";
    const char *id = s->inputs->config->server.id;
    if (id == NULL && gethostname(host, sizeof(host) - 1) == 0) {
        id = host;
    }
    s->id = strdup(id != NULL ? id : "");
    return s->id != NULL ? 0 : ERR_NOMEM;
}

static int open_store(struct server *s, struct err *e)
{
    const struct config *c = s->inputs->config;
    s->store_vtable = store_find(c->store.type);
    if (s->store_vtable == NULL) {
        return err_set(e, ERR_BADARG, "[store] type \"%s\" is not built yet; use memory", c->store.type);
    }
    return s->store_vtable->open(c->store.path, turn_wake, s->turn, &s->store, e);
}

/* The pure parts and what joins them. */
static int make_core(struct server *s)
{
    const struct config *c = s->inputs->config;
    uint64_t now_ms = turn_time(s->turn)->now_ms, revision = s->store_vtable->revision(s->store);
    if (revision == 0) {
        revision = turn_time(s->turn)->wall_us; /* grows from run to run though nothing is kept */
    }
    if (answers_new(s->n_workers, random_u64(), &s->answers) != 0 ||
        registry_new(&c->registry.options, &c->dns.policy, revision, random_u64(), now_ms, &s->registry) != 0 ||
        publisher_new(s->answers, s->registry, &s->publisher) != 0 ||
        health_new(c->health.max_probes, random_u64(), now_ms, &s->health) != 0 ||
        changes_new(c->registry.history, revision, &s->changes) != 0) {
        return ERR_NOMEM;
    }
    struct core_parts parts = {
        .registry = s->registry,
        .publisher = s->publisher,
        .health = s->health,
        .changes = s->changes,
        .store_vtable = s->store_vtable,
        .store = s->store,
    };
    struct core_hooks hooks = {
        .arg = s, .reply = on_reply, .probe = on_probe, .changed = on_changed, .log = journal_change};
    return core_new(&parts, &hooks, &s->core);
}

static int make_control(struct server *s)
{
    const struct config *c = s->inputs->config;
    struct command_info info[CONTROL_INFO_MAX];
    struct control_options o = {
        .loop = s->loop,
        .core = s->core,
        .time = turn_time(s->turn),
        .registry = &c->registry.options,
        .version = PACKAGE_VERSION,
        .password = s->inputs->password,
        .info = info,
        .n_info = server_info(s, info),
        .limits = {.clients = c->registry.clients,
                   .line_max = c->registry.line_max,
                   .output_max = c->registry.output_max},
    };
    int rc = control_new(&o, &s->control);
    for (size_t i = 0; rc == 0 && i < s->sockets.n_registry; i++) {
        rc = control_listen(s->control, s->sockets.registry_fds[i]);
    }
    return rc;
}

static int restore_one(const struct store_record *rec, void *arg)
{
    struct server *s = arg;
    struct effects x;
    effects_init(&x);
    int rc = registry_restore(s->registry, rec, turn_time(s->turn)->now_ms, &x);
    if (rc == 0) {
        core_effects(s->core, &x, turn_time(s->turn));
    }
    effects_fini(&x);
    return rc;
}

static int start_workers(struct server *s, struct err *e)
{
    const struct config *c = s->inputs->config;
    struct worker_options o;
    server_worker_options(c, &o);
    struct worker_parts parts = {.wake = turn_wake, .wake_arg = s->turn, .key = random_u64()};
    s->workers = calloc(s->n_workers, sizeof(struct worker *));
    if (s->workers == NULL) {
        return ERR_NOMEM;
    }
    for (unsigned i = 0; i < s->n_workers; i++) {
        parts.reader = answers_reader(s->answers, i);
        parts.cpu = c->server.n_cpus > 0 ? c->server.cpus[i % c->server.n_cpus] : WORKER_ANYWHERE;
        int rc = worker_new(&parts, &o, &s->workers[i]);
        for (size_t k = 0; rc == 0 && k < s->sockets.n_dns; k++) {
            struct listen_pair pair = sockets_take(&s->sockets, k, i);
            rc = worker_listen(s->workers[i], &pair, listen_is_wildcard(&s->sockets.dns[k]));
        }
        if (rc == 0) {
            rc = worker_start(s->workers[i], e);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static void watch_signals(struct server *s)
{
    signal(SIGPIPE, SIG_IGN);
    ev_signal_init(&s->on_term, on_stop_signal, SIGTERM);
    ev_signal_init(&s->on_int, on_stop_signal, SIGINT);
    ev_signal_init(&s->on_hup, on_reload_signal, SIGHUP);
    s->on_hup.data = s;
    ev_signal_start(s->loop, &s->on_term);
    ev_signal_start(s->loop, &s->on_int);
    ev_signal_start(s->loop, &s->on_hup);
}

/* Everything that runs, but the workers. */
static int make_parts(struct server *s, struct err *e)
{
    struct turn_hooks hooks = {.arg = s, .end = on_turn_end, .next_ms = on_next_ms};
    s->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (s->loop == NULL || turn_new(s->loop, &hooks, &s->turn) != 0) {
        return ERR_NOMEM;
    }
    struct prober_options prober = {
        .loop = s->loop, .ca_file = s->inputs->config->health.ca_file, .max_kept = s->kept_probes, .seed = random_u64(),
        .done = on_probe_done, .arg = s};
    int rc = set_id(s);
    if (rc == 0) {
        rc = open_store(s, e);
    }
    if (rc == 0) {
        rc = make_core(s);
    }
    if (rc == 0) {
        rc = prober_new(&prober, &s->prober, e);
    }
    if (rc == 0) {
        rc = make_control(s);
    }
    if (rc == 0) {
        rc = server_apply(s, s->inputs, e);
    }
    if (rc == 0) {
        rc = s->store_vtable->load(s->store, restore_one, s, e);
    }
    return rc;
}

int server_start(struct server *s, const struct config_source *src, struct inputs *in, struct err *e)
{
    memset(s, 0, sizeof(*s));
    e->text[0] = '\0';
    s->source = *src;
    s->inputs = s->first = in;
    s->started_ms = clock_mono_ms();
    size_up(s);
    int rc = sockets_open(in->config, s->n_workers, &s->sockets, e);
    if (rc == 0) {
        rc = drop_privileges(in->config, e);
    }
    if (rc == 0) {
        rc = make_parts(s, e);
    }
    if (rc == 0) {
        core_turn(s->core, turn_time(s->turn)); /* the first publication, before the first question */
        watch_signals(s);
        rc = start_workers(s, e);
    }
    if (rc != 0 && e->text[0] == '\0') {
        err_set(e, rc, "%s", err_meaning(rc));
    }
    return rc;
}

void server_tell_ready(const struct server *s, int fd)
{
    struct buf dns, registry, json;
    buf_init(&dns, 0);
    buf_init(&registry, 0);
    buf_init(&json, 0);
    sockets_text(s->sockets.dns, s->sockets.n_dns, &dns);
    sockets_text(s->sockets.registry, s->sockets.n_registry, &registry);
    log_event(LOG_LEVEL_INFO, "ready", "version", PACKAGE_VERSION, "dns", buf_cstr(&dns), "registry",
              buf_cstr(&registry), "workers", LOG_NUM(s->n_workers), "store", s->store_vtable->name, "pid",
              LOG_NUM(getpid()), NULL);
    supervisor_tell("READY=1");
    if (fd >= 0) {
        buf_puts(&json, "{\"dns\":");
        sockets_json(s->sockets.dns, s->sockets.n_dns, &json);
        buf_puts(&json, ",\"registry\":");
        sockets_json(s->sockets.registry, s->sockets.n_registry, &json);
        buf_printf(&json, ",\"pid\":%d}\n", (int)getpid());
        if (json.failed || write(fd, json.data, json.len) != (ssize_t)json.len) {
            log_event(LOG_LEVEL_WARN, "ready_fd", "why", strerror(errno), NULL);
        }
        close(fd);
    }
    buf_fini(&dns);
    buf_fini(&registry);
    buf_fini(&json);
}

void server_run(struct server *s)
{
    ev_run(s->loop, 0);
    on_turn_end(s); /* replies that the signal found half-way */
    supervisor_tell("STOPPING=1");
}

/* ── end ── */

/* The end has begun: to be told so again must not make it an unclean one. */
static void ignore_signals(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

void server_stop(struct server *s)
{
    ignore_signals();
    for (unsigned i = 0; s->workers != NULL && i < s->n_workers; i++) {
        worker_free(s->workers[i]);
    }
    control_free(s->control);
    prober_free(s->prober);
    if (s->store != NULL) {
        s->store_vtable->close(s->store);
    }
    sockets_close(&s->sockets);
}

void server_free(struct server *s)
{
    free(s->workers);
    core_free(s->core);
    changes_free(s->changes);
    health_free(s->health);
    publisher_free(s->publisher);
    registry_free(s->registry);
    answers_free(s->answers);
    turn_free(s->turn);
    if (s->loop != NULL) {
        ev_loop_destroy(s->loop);
    }
    free(s->id);
    if (s->first != s->inputs) {
        inputs_free(s->first);
    }
    inputs_free(s->inputs);
}
