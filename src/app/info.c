/* What INFO says of the server itself. */
#include "config.h" /* _GNU_SOURCE */

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "app/server.h"
#include "base/clock.h"

/* The processor of each worker; empty: not pinned. */
static void info_processors(const struct server *s, struct buf *out)
{
    struct buf list;
    buf_init(&list, 0);
    for (unsigned i = 0; s->workers != NULL && i < s->n_workers && s->workers[i] != NULL; i++) {
        int cpu = worker_cpu(s->workers[i]);
        if (cpu != WORKER_ANYWHERE) {
            buf_printf(&list, "%s%d", i > 0 ? "," : "", cpu);
        }
    }
    command_info_line(out, "worker_cpus", "%s", buf_cstr(&list));
    buf_fini(&list);
}

static void info_server(void *arg, struct buf *out)
{
    const struct server *s = arg;
    struct turn_counts turns;
    struct buf list;
    command_info_line(out, "rollcall_version", "%s", PACKAGE_VERSION);
    command_info_line(out, "process_id", "%d", (int)getpid());
    command_info_line(out, "uptime_in_seconds", "%" PRIu64, (clock_mono_ms() - s->started_ms) / 1000);
    command_info_line(out, "workers", "%u", s->n_workers);
    info_processors(s, out);
    command_info_line(out, "config_file", "%s", s->source.path != NULL ? s->source.path : "");
    command_info_line(out, "reloads", "%" PRIu64, s->reloads);
    command_info_line(out, "failed_reloads", "%" PRIu64, s->failed_reloads);
    turn_counts(s->turn, &turns);
    command_info_line(out, "turns", "%" PRIu64, turns.turns);
    command_info_line(out, "turn_max_ms", "%" PRIu64, turns.longest_ms);
    command_info_line(out, "turn_recent_max_ms", "%" PRIu64, turns.recent_ms);
    buf_init(&list, 0);
    sockets_text(s->sockets.dns, s->sockets.n_dns, &list);
    command_info_line(out, "dns_listen", "%s", buf_cstr(&list));
    buf_reset(&list);
    sockets_text(s->sockets.registry, s->sockets.n_registry, &list);
    command_info_line(out, "registry_listen", "%s", buf_cstr(&list));
    buf_fini(&list);
}

static uint64_t sum_io(const struct server *s, size_t offset)
{
    uint64_t sum = 0;
    for (unsigned i = 0; s->workers != NULL && i < s->n_workers && s->workers[i] != NULL; i++) {
        sum += counter_get(
            (const _Atomic uint64_t *)(const void *)((const char *)worker_counters(s->workers[i]) + offset));
    }
    return sum;
}

static uint64_t sum_answers(const struct server *s, size_t offset)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->n_workers; i++) {
        const struct answer_counters *c = answer_reader_counters(answers_reader(s->answers, i));
        sum += counter_get((const _Atomic uint64_t *)(const void *)((const char *)c + offset));
    }
    return sum;
}

static void info_dns(void *arg, struct buf *out)
{
    static const struct {
        const char *name;
        size_t offset;
    } answers[] =
        {
            {"queries", offsetof(struct answer_counters, queries)},
            {"noerror", offsetof(struct answer_counters, noerror)},
            {"nodata", offsetof(struct answer_counters, nodata)},
            {"nxdomain", offsetof(struct answer_counters, nxdomain)},
            {"refused", offsetof(struct answer_counters, refused)},
            {"formerr", offsetof(struct answer_counters, formerr)},
            {"notimp", offsetof(struct answer_counters, notimp)},
            {"badvers", offsetof(struct answer_counters, badvers)},
            {"truncated", offsetof(struct answer_counters, truncated)},
            {"dropped", offsetof(struct answer_counters, dropped)},
            {"cold", offsetof(struct answer_counters, cold)},
        },
      io[] = {
#define IO_ROW(name, meaning) {#name, offsetof(struct io_counters, name)},
          IO_COUNTER_TABLE(IO_ROW)
#undef IO_ROW
              {"tcp_open", offsetof(struct io_counters, tcp_open)},
      };
    const struct server *s = arg;
    uint64_t behind_since_ms = publish_behind_since_ms(s->publisher);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        command_info_line(out, answers[i].name, "%" PRIu64, sum_answers(s, answers[i].offset));
    }
    for (size_t i = 0; i < sizeof(io) / sizeof(io[0]); i++) {
        command_info_line(out, io[i].name, "%" PRIu64, sum_io(s, io[i].offset));
    }
    struct publish_counts names;
    publish_counts(s->publisher, &names);
    command_info_line(out, "names_hot", "%" PRIu64, names.hot);
    command_info_line(out, "names_cold", "%" PRIu64, names.names - names.hot);
    command_info_line(out, "names_wanted", "%" PRIu64, names.wants);
    command_info_line(out, "retired_bytes", "%zu", answers_retired(s->answers));
    command_info_line(out, "behind_ms", "%" PRIu64, behind_since_ms != 0 ? clock_mono_ms() - behind_since_ms : 0);
}

static void info_health(void *arg, struct buf *out)
{
    const struct server *s = arg;
    struct health_counts n;
    health_counts(s->health, &n);
    command_info_line(out, "probes_started", "%" PRIu64, n.started);
    command_info_line(out, "probes_not_made", "%" PRIu64, n.failed);
    command_info_line(out, "probes_waiting", "%" PRIu64, n.waiting);
    command_info_line(out, "probes_running", "%" PRIu64, n.running);
    command_info_line(out, "probes_skipped", "%" PRIu64, n.skipped);
    for (size_t i = 0; i < HEALTH_LATE_STEPS; i++) {
        char name[32];
        snprintf(name, sizeof(name), "probes_later_than_%ums", (unsigned)health_late_ms[i]);
        command_info_line(out, name, "%" PRIu64, n.late[i]);
    }
    command_info_line(out, "probes_late_max_ms", "%" PRIu64, n.late_max_ms);
    command_info_line(out, "checks_probed", "%" PRIu64, n.checks);
    command_info_line(out, "probe_connections_kept", "%zu", s->kept_probes);
}

static void info_store(void *arg, struct buf *out)
{
    const struct server *s = arg;
    command_info_line(out, "store", "%s", s->store_vtable->name);
    command_info_line(out, "durable", "%d", s->store_vtable->is_durable);
}

size_t server_info(struct server *s, struct command_info out[CONTROL_INFO_MAX])
{
    size_t n = 0;
    out[n++] = (struct command_info){.name = "server", .write = info_server, .arg = s};
    out[n++] = (struct command_info){.name = "dns", .write = info_dns, .arg = s};
    out[n++] = (struct command_info){.name = "health", .write = info_health, .arg = s};
    out[n++] = (struct command_info){.name = "store", .write = info_store, .arg = s};
    return n;
}
