/* The table of options: everything that a configuration file can say, one row each.
 *
 * A new option is one row here and one field in config.h; parser, defaults, reload check, sample and manual follow.
 * Rows without a type name the keys of parts that are not built yet, so that a configuration written for them is
 * accepted with a warning. */
#include "config/option.h"

#include <string.h>

#include "config/config.h"

#define MS UINT64_C(1)
#define S (1000 * MS)
#define H (3600 * S)
#define DAY (24 * H)
#define K UINT64_C(1024)
#define M (K * K)
#define PATH_BYTES 1023

#define AT(field) .offset = offsetof(struct config, field)
#define LIST_AT(field, count) .offset = offsetof(struct config, field), .count_offset = offsetof(struct config, count)
#define SERVICE_AT(field) .offset = offsetof(struct config_service, field)
#define UNBUILT(s, k) {.section = s, .key = k, .type = NULL}
#define SCRIPT_AT(field) .offset = offsetof(struct config_script, field)

static const char *const log_level_words[] = {"error", "warn", "info", "debug", NULL};
static const char *const log_words[] = {"stderr", "syslog", NULL};
static const char *const answer_words[] = {"few", "all", "one", NULL};
static const char *const order_words[] = {"rotate", "random", "fixed", NULL};
static const char *const on_empty_words[] = {"nodata", "nxdomain", "all", NULL};
static const char *const ra_words[] = {"auto", "always", NULL};
static const char *const store_words[] = {"memory", "sqlite", "etcd", NULL};

const struct section section_table[] = {
    {"server", SECTION_PLAIN, SECTION_NAME_NONE, false, NULL, "The process."},
    {"dns", SECTION_PLAIN, SECTION_NAME_NONE, false, NULL,
     "What is answered, and how. The values of ttl, max_answers, answer, order and on_empty hold for every service that has no "
     "section of its own."},
    {"registry", SECTION_PLAIN, SECTION_NAME_NONE, false, NULL,
     "The protocol by which services register, and the limits of what they may register."},
    {"health", SECTION_PLAIN, SECTION_NAME_NONE, false, NULL, "Health checks."},
    {"store", SECTION_PLAIN, SECTION_NAME_NONE, false, NULL, "Where registrations are kept."},
    {"service", SECTION_SERVICE, SECTION_NAME_MUST, false, "web",
     "One service: a section for each. The service exists even while it has no instance. What the section does not give "
     "comes from [dns]."},
    {"script", SECTION_SCRIPT, SECTION_NAME_MUST, false, "disk",
     "A command that the check script:NAME runs. Checks can run only the commands named here; nobody can send one over the "
     "network."},
    {"forward", SECTION_UNBUILT, SECTION_NAME_MAY, false, NULL, "Names outside the domains."},
    {"http", SECTION_UNBUILT, SECTION_NAME_NONE, false, NULL, "The HTTP interface."},
    {"etcd", SECTION_UNBUILT, SECTION_NAME_NONE, false, NULL, "The cluster."},
    {"notify", SECTION_UNBUILT, SECTION_NAME_MUST, true, NULL, "Notifications."},
    {NULL, SECTION_PLAIN, SECTION_NAME_NONE, false, NULL, NULL},
};

const struct option option_table[] = {
    /* ── [server] ── */
    {"server", "workers", &option_count, AT(server.workers), .value = "0", .dev_value = "1", .max = 256, .is_fixed = true,
     .help = "Threads that answer DNS. 0 is one for each processor that the process may use, or that "
             "cpu_affinity names."},
    {"server", "cpu_affinity", &option_cpus, .value = "no", .sample = "2-5", .is_fixed = true,
     .help = "Processors to pin the workers to, one after the other: numbers and ranges, as 0,2-5. With workers = 0 there is one "
             "worker for each. A pinned worker is preferred for the datagrams that arrive on its processor, so spread the "
             "network card's queues over the same ones. All other threads stay free. no: the kernel places everything."},
    {"server", "user", &option_text, AT(server.user), .value = "", .max = 31, .sample = "rollcall", .is_fixed = true,
     .help = "The user to become once the sockets are open. Without it the server stays who started it."},
    {"server", "state_dir", &option_path, AT(server.state_dir), .value = "/var/lib/rollcall", .max = PATH_BYTES,
     .is_fixed = true, .help = "The directory for what must outlive the process."},
    {"server", "log", &option_word, AT(server.log), .value = "stderr", .words = log_words, .is_fixed = true,
     .help = "Where log lines go."},
    {"server", "log_level", &option_choice, AT(server.log_level), .value = "info", .dev_value = "debug",
     .words = log_level_words, .help = "The least important lines that are still written."},
    {"server", "id", &option_text, AT(server.id), .value = "", .max = 255, .sample = "resolver-1", .is_fixed = true,
     .help = "The name of this server, as it answers the questions id.server and hostname.bind (class CHAOS). Without it "
             "the host's name."},

    /* ── [dns] ── */
    {"dns", "listen", &option_listen, LIST_AT(dns.listen, dns.n_listen), .value = "127.0.0.1:53",
     .dev_value = "127.0.0.1:5300", .is_fixed = true,
     .help = "Addresses to answer DNS on, UDP and TCP: address:port or [v6]:port. For other machines give an address that "
             "they can reach, or 0.0.0.0:53 and [::]:53 for all."},
    {"dns", "domain", &option_domains, LIST_AT(dns.domains, dns.n_domains), .value = "service.local",
     .help = "The domains that are served, all of them from one registry. They may not be nested, and each has at most 120 "
             "bytes."},
    {"dns", "zone_file", &option_files, AT(dns.zone_files), .value = "", .sample = "/etc/rollcall/service.local.zone",
     .help = "Zone files with the static names of the domains: the first file belongs to the first domain and so on. An "
             "empty place in the list is a domain without a file. Records of one name and type that do not fit a DNS message "
             "of 64 KiB are refused. A reload reads the files again."},
    {"dns", "ns_address", &option_addresses, .value = "", .sample = "192.0.2.53, 2001:db8::53",
     .help = "Addresses of the name ns.DOMAIN, for domains whose zone file does not define it. Without it the listen "
             "addresses are given; a wildcard is none."},
    {"dns", "ttl", &option_seconds, AT(dns.policy.ttl_s), .value = "5s", .min = S, .max = DAY,
     .help = "How long clients may keep an answer. An answer that a lease could end sooner is given a shorter time."},
    {"dns", "ttl_min", &option_seconds, AT(dns.ttl_min_s), .value = "1s", .min = S, .max = H,
     .help = "No answer is given a shorter time than this, not even one whose lease is about to end."},
    {"dns", "negative_ttl", &option_seconds, AT(dns.negative_ttl_s), .value = "5s", .max = DAY,
     .help = "How long clients may keep the answer that a name or its records do not exist; at most the TTL of the zone's "
             "SOA record."},
    {"dns", "max_answers", &option_count16, AT(dns.policy.max_answers), .value = "8", .min = 1, .max = 4096,
     .help = "The addresses of one answer at most, while answer is few."},
    {"dns", "answer", &option_choice, AT(dns.policy.answer), .value = "few", .words = answer_words,
     .help = "How many addresses a question gets: few (at most max_answers, each query another fair part), all, or one. "
             "Questions for SRV records always get all that fits."},
    {"dns", "order", &option_choice, AT(dns.policy.order), .value = "rotate", .words = order_words,
     .help = "How load is spread: rotate (successive queries start at successive instances, by weight), random (by weight), "
             "or fixed."},
    {"dns", "on_empty", &option_choice, AT(dns.policy.on_empty), .value = "nodata", .words = on_empty_words,
     .help = "The answer for a service none of whose instances can be served: nodata (the name exists, without records), "
             "nxdomain (it does not exist), or all (every registered instance, whatever its state)."},
    {"dns", "ra", &option_switch, AT(dns.ra_always), .value = "auto", .words = ra_words,
     .help = "The flag RA, \"recursion available\": auto sets it for clients whose questions are forwarded, always sets it "
             "for everybody, for stub resolvers that refuse answers without it."},
    {"dns", "allow", &option_networks, LIST_AT(dns.allow, dns.n_allow), .value = "", .sample = "127.0.0.0/8, 10.0.0.0/8",
     .help = "Networks whose questions are answered; others are refused. Empty: everybody."},
    {"dns", "chaos", &option_yesno, AT(dns.chaos), .value = "yes",
     .help = "Whether the questions version.bind, hostname.bind and id.server of class CHAOS are answered."},
    {"dns", "tcp_idle", &option_duration, AT(dns.tcp_idle_ms), .value = "10s", .min = 100 * MS, .max = H,
     .help = "How long a TCP connection may be silent before it is closed."},
    {"dns", "tcp_clients", &option_count, AT(dns.tcp_clients), .value = "2000", .min = 1, .max = 1000000,
     .help = "TCP connections of one worker at most; the longest idle one is closed for a new one."},
    {"dns", "tcp_clients_per_address", &option_count, AT(dns.tcp_clients_per_address), .value = "200", .min = 1,
     .max = 1000000, .help = "Of those, the connections from one address at most."},

    /* ── [registry] ── */
    {"registry", "listen", &option_listen, LIST_AT(registry.listen, registry.n_listen),
     .value = "127.0.0.1:5380, unix:/run/rollcall/rollcall.sock", .dev_value = "127.0.0.1:5380", .is_fixed = true,
     .help = "Addresses of the rollcall protocol: address:port, [v6]:port or unix:/path. An address that other machines can "
             "reach needs password_file or insecure. The folder of a Unix socket is made if only that one is missing."},
    {"registry", "password_file", &option_text, AT(registry.password_file), .value = "", .max = PATH_BYTES,
     .sample = "/etc/rollcall/password",
     .help = "A file whose first line is the password that clients must give by AUTH."},
    {"registry", "insecure", &option_yesno, AT(registry.insecure), .value = "no",
     .help = "Allows listeners beyond the loopback without a password: everybody who reaches them can register and "
             "deregister everything."},
    {"registry", "lease_default", &option_duration, AT(registry.options.lease_default_ms), .value = "30s", .min = S, .max = DAY,
     .help = "The lease of a registration that asks for none. When it ends without a renewal the instance is removed."},
    {"registry", "lease_min", &option_duration, AT(registry.options.lease_min_ms), .value = "1s", .min = S, .max = DAY,
     .help = "The shortest lease that may be asked for."},
    {"registry", "lease_max", &option_duration, AT(registry.options.lease_max_ms), .value = "24h", .min = S, .max = DAY,
     .help = "The longest lease that may be asked for."},
    {"registry", "allow_permanent", &option_yesno, AT(registry.options.allow_permanent), .value = "yes",
     .help = "Whether TTL 0 may be asked for, a registration that stays until somebody deregisters it."},
    {"registry", "session_grace", &option_duration, AT(registry.options.session_grace_ms), .value = "5s", .max = H,
     .help = "What is left of the lease of an instance registered with SESSION when its connection closes."},
    {"registry", "history", &option_count, AT(registry.history), .value = "10000", .min = 16, .max = 1000000, .is_fixed = true,
     .help = "Changes that are kept for WATCH ... FROM. A watcher that asks for older ones gets a snapshot first."},
    {"registry", "clients", &option_count, AT(registry.clients), .value = "10000", .min = 1, .max = 1000000,
     .help = "Connections at most; one more is told so and closed."},
    {"registry", "line_max", &option_size, AT(registry.line_max), .value = "64k", .min = K, .max = 16 * M,
     .help = "Bytes of one request at most."},
    {"registry", "output_max", &option_size, AT(registry.output_max), .value = "8m", .min = 64 * K, .max = 1024 * M,
     .help = "Bytes of one reply at most; a larger one is an error. A client that does not read its replies is not read from."},
    {"registry", "max_services", &option_count, AT(registry.options.max_services), .value = "100000", .min = 1, .max = 10000000,
     .help = "Services at most."},
    {"registry", "max_instances", &option_count, AT(registry.options.max_instances), .value = "10000", .min = 1, .max = 1000000,
     .help = "Instances of one service at most."},
    {"registry", "max_tags", &option_count16, AT(registry.options.limits.tags), .value = "32", .max = 256,
     .help = "Tags of one instance at most."},
    {"registry", "max_meta", &option_count16, AT(registry.options.limits.meta), .value = "64", .max = 1024,
     .help = "Pairs of metadata of one instance at most."},
    {"registry", "max_meta_bytes", &option_size, AT(registry.options.limits.meta_bytes), .value = "4k", .max = 60 * K,
     .help = "Bytes of all its metadata at most."},
    {"registry", "max_ports", &option_count16, AT(registry.options.limits.ports), .value = "16", .max = 256,
     .help = "Named ports of one instance at most."},
    {"registry", "max_checks", &option_count16, AT(registry.options.limits.checks), .value = "8", .max = 64,
     .help = "Checks of one instance at most."},

    /* ── [health] ── */
    {"health", "max_probes", &option_count, AT(health.max_probes), .value = "2048", .min = 1, .max = 10000,
     .help = "Checks that run at the same time at most; the others wait for their turn."},
    {"health", "ca_file", &option_path, AT(health.ca_file), .value = "", .max = PATH_BYTES, .is_fixed = true,
     .sample = "/etc/rollcall/ca.pem",
     .help = "PEM file of those who may sign the certificates that https checks meet, in place of those that the system "
             "trusts."},

    /* ── [store] ── */
    {"store", "type", &option_word, AT(store.type), .value = "memory", .words = store_words, .is_fixed = true,
     .help = "What keeps the registrations. memory keeps none past the end of the process. sqlite and etcd are not built "
             "yet and refused."},
    {"store", "path", &option_path, AT(store.path), .value = "", .max = PATH_BYTES, .is_fixed = true,
     .sample = "/var/lib/rollcall/registry.db", .help = "The file of the store; memory has none and ignores it."},

    /* ── [service NAME] ── */
    {"service", "ttl", &option_seconds, SERVICE_AT(policy.ttl_s), .sample = "10s", .min = S, .max = DAY,
     .help = "As in [dns]."},
    {"service", "max_answers", &option_count16, SERVICE_AT(policy.max_answers), .sample = "3", .min = 1, .max = 4096,
     .help = "As in [dns]."},
    {"service", "answer", &option_choice, SERVICE_AT(policy.answer), .sample = "few", .words = answer_words,
     .help = "As in [dns]."},
    {"service", "order", &option_choice, SERVICE_AT(policy.order), .sample = "random", .words = order_words,
     .help = "As in [dns]."},
    {"service", "on_empty", &option_choice, SERVICE_AT(policy.on_empty), .sample = "all", .words = on_empty_words,
     .help = "As in [dns]."},
    {"service", "check", &option_check, SERVICE_AT(check), .sample = "http://:8080/healthz interval=10s",
     .help = "The check of each instance that brings none of its own, as in the command REGISTER of rollcall-protocol(7)."},

    /* ── [script NAME] ── */
    {"script", "command", &option_path, SCRIPT_AT(command), .max = 4000, .sample = "/usr/lib/rollcall/check-disk /srv 90",
     .help = "The program, by its absolute path, and its arguments, split at blanks. No shell reads it: quotes, variables and "
             "redirections mean nothing. What is checked is in its environment."},
    {"script", "user", &option_text, SCRIPT_AT(user), .value = "", .max = 31, .sample = "rollcall",
     .help = "The user that runs it. Without it the user of the server. Where [server] user is set it can be no other, because a "
             "server that gave up root cannot change users."},
    {"script", "timeout", &option_duration, SCRIPT_AT(timeout_ms), .value = "10s", .min = 100 * MS, .max = H,
     .help = "The time it may take; a check can ask for less. Then it is killed with all that it started, and the check has "
             "failed."},
    {"script", "output_max", &option_size, SCRIPT_AT(output_max), .value = "64k", .min = K, .max = M,
     .help = "Bytes that it may write. A script that writes more is killed, and the check has failed. The first line is shown."},

    /* ── parts that are not built yet ── */
    UNBUILT("forward", "upstreams"),
    UNBUILT("forward", "allow"),
    UNBUILT("http", "listen"),
    UNBUILT("http", "tokens"),
    UNBUILT("etcd", "endpoints"),
    UNBUILT("etcd", "prefix"),
    UNBUILT("etcd", "node"),
    UNBUILT("etcd", "session"),
    UNBUILT("etcd", "freshness"),
    UNBUILT("etcd", "tls"),
    UNBUILT("etcd", "user"),
    UNBUILT("etcd", "import"),
    UNBUILT("etcd", "export"),
    UNBUILT("etcd", "compact"),
    {.section = NULL},
};

const struct section *section_find(const char *name)
{
    for (const struct section *s = section_table; s->name != NULL; s++) {
        if (strcmp(s->name, name) == 0)
            return s;
    }
    return NULL;
}

const struct option *option_find(const char *section, const char *key)
{
    for (const struct option *o = option_table; o->section != NULL; o++) {
        if (strcmp(o->section, section) == 0 && strcmp(o->key, key) == 0)
            return o;
    }
    return NULL;
}
