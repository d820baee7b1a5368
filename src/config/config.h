/* The configuration: one table of options (config/options.c) whose rows feed the parser, the sample file, the man page and
 * --help. A new option is one row and one field here. INI through inih. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "dns/name.h"
#include "registry/check_spec.h"
#include "registry/registry.h"

#define CONFIG_CPUS_MAX 1024 /* the kernel's cpu_set_t */
#define CONFIG_LIST_MAX 32
#define CONFIG_DOMAIN_MAX 120    /* bytes of a domain in wire form: room for ID.NAME before it */
#define CONFIG_LINE_MAX 4096     /* bytes of one line; a longer one is refused */
#define CONFIG_FILE_MAX 1048576  /* bytes of the file */
#define CONFIG_SECTIONS_MAX 4096 /* sections */

/* An address to listen on: `address:port`, `[v6]:port` or `unix:/path`. */
struct config_listen {
    bool is_unix, is_v6;
    uint8_t address[16]; /* v4 in the first 4 */
    uint16_t port;
    char path[108];
    char text[128]; /* as written */
};

struct config_network { /* "10.0.0.0/8" */
    bool is_v6;
    uint8_t prefix_len;
    uint8_t address[16];
};

struct config_service { /* [service NAME] */
    char name[SERVICE_NAME_MAX + 1];
    struct service_policy policy; /* [dns] values where the section gives none; .check is `check` */
    struct check_spec *check;     /* owned; NULL: none */
};

struct config_script { /* [script NAME]: the only commands a check can run */
    char name[CHECK_SCRIPT_NAME_MAX + 1];
    char *command;   /* absolute path and arguments, split at blanks; no shell */
    char *user;      /* NULL: the server's */
    uint32_t timeout_ms;
    uint32_t output_max;
};

struct config {
    struct {
        unsigned workers; /* 0: as many as cpus, or as cores if there are none */
        uint16_t cpus[CONFIG_CPUS_MAX]; /* cpu_affinity, in its order, none twice */
        size_t n_cpus;                  /* 0: workers are not pinned */
        char *user, *state_dir, *log, *id;
        enum log_level log_level;
    } server;
    struct {
        struct config_listen listen[CONFIG_LIST_MAX];
        size_t n_listen;
        struct dns_name domains[CONFIG_LIST_MAX];
        char *zone_files[CONFIG_LIST_MAX]; /* of the domain of the same index; NULL: none */
        size_t n_domains;
        struct config_network allow[CONFIG_LIST_MAX];
        size_t n_allow; /* 0: everybody */
        uint8_t ns_v4[CONFIG_LIST_MAX][4], ns_v6[CONFIG_LIST_MAX][16];
        size_t n_ns_v4, n_ns_v6;
        uint32_t ttl_min_s, negative_ttl_s;
        struct service_policy policy; /* ttl max_answers answer order on_empty */
        bool ra_always, chaos;
        uint32_t tcp_idle_ms;
        uint32_t tcp_clients, tcp_clients_per_address; /* of a worker */
    } dns;
    struct {
        struct config_listen listen[CONFIG_LIST_MAX];
        size_t n_listen;
        char *password_file;
        bool insecure;
        struct registry_options options;
        uint32_t history;       /* changes kept for WATCH ... FROM */
        uint32_t clients;       /* connections at most */
        uint32_t line_max;      /* bytes of one inline line or one argument */
        uint32_t output_max;    /* bytes waiting for a slow reader before it is dropped */
    } registry;
    struct {
        uint32_t max_probes;
        char *ca_file; /* for https checks; NULL: whom the system trusts */
    } health;
    struct {
        char *type, *path;
    } store;
    struct config_service *services;
    size_t n_services;
    struct config_script *scripts;
    size_t n_scripts;
    bool is_dev;
};

/* "section.key=value" of a -o option or a short form; applied after the file. */
struct config_override {
    const char *section, *key, *value;
};

struct config_source {
    const char *path; /* NULL: defaults only */
    bool is_dev;      /* --dev: its defaults in place of the ordinary ones; no file unless given */
    const struct config_override *overrides;
    size_t n_overrides;
};

/* Reads everything or nothing. ERR_BADARG with "FILE:LINE: unknown key \"tll\" in [dns]; did you mean \"ttl\"?" for
 * unknown keys and sections, bad values (the text says what would be right), clashes between options. Keys of parts that are
 * not built yet are accepted; each appends a line to `warnings`. */
int config_load(const struct config_source *src, struct config **out, struct buf *warnings, struct err *e) MUST_CHECK;
/* The same from memory, for tests and fuzzing. */
int config_parse(const char *text, size_t len, const char *label, const struct config_source *src, struct config **out,
                 struct buf *warnings, struct err *e) MUST_CHECK;
void config_free(struct config *c); /* NULL is allowed */

/* Names, as "section.key", of options that differ between the two but cannot be changed without a restart; comma-separated. */
void config_fixed_changes(const struct config *now, const struct config *next, struct buf *out);

/* The commented sample with every option; the OPTIONS section of rollcalld.conf(5) as mdoc. */
void config_write_sample(struct buf *out);
void config_write_man(struct buf *out);

int config_listen_parse(const char *text, struct config_listen *out, struct err *e) MUST_CHECK;
bool config_network_contains(const struct config_network *n, bool is_v6, const uint8_t *address);

#endif
