/* A health check as its owner wrote it, one argument:
 *
 *     http://:8080/healthz interval=10s timeout=2s rise=2 fall=3 expect=200
 *     tcp://:8080 interval=5s   ttl 15s remove=10m   script:NAME interval=30s   grpc://:9000/service
 *
 * A parser of bytes from the network: it validates everything, with a text that says what would be right. */
#ifndef REGISTRY_CHECK_SPEC_H
#define REGISTRY_CHECK_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CHECK_SPEC_TEXT_MAX 512 /* bytes of one spec, NUL included */
#define CHECK_HOST_MAX 254
#define CHECK_PATH_MAX 256
#define CHECK_SCRIPT_NAME_MAX 63
#define CHECK_INTERVAL_MIN_MS 100
#define CHECK_INTERVAL_MAX_MS (24 * 3600 * 1000)

enum check_type { CHECK_HTTP, CHECK_HTTPS, CHECK_TCP, CHECK_SCRIPT, CHECK_TTL, CHECK_GRPC };

/* A million instances may have one, so a spec takes little more than its text: its strings lie wherever who parsed it
 * wanted them; none is NULL. */
struct check_spec {
    const char *text;       /* as given, blanks trimmed and folded to one: two specs are the same check when their
                               texts are equal */
    const char *host;       /* "" : the instance's address. IPv6 without brackets */
    const char *path;       /* http(s): begins with '/'; grpc: the service, may be "" */
    const char *script;     /* the name; "" of other types */
    enum check_type type;
    uint32_t interval_ms;   /* default 10 s; of a ttl check: the silence that makes it critical */
    uint32_t timeout_ms;    /* default min(interval, 2 s). Scripts: 0 if not given, the script's own (config_script) */
    uint32_t remove_ms;     /* critical for that long: deregistered; 0: never */
    uint16_t port;          /* 0: the instance's own port (http, https, tcp, grpc) */
    uint16_t expect;        /* http(s): the status that passes; 0: not given, 200 */
    uint8_t rise, fall;     /* 1..100; defaults 2 and 3 */
    bool is_insecure;       /* https: the certificate is not verified (insecure=yes) */
};

/* Room for the strings of a spec: CHECK_STRINGS_MAX bytes are enough for any, check_strings_room(text) for this one, be
 * it right or wrong. */
#define CHECK_STRINGS_MAX (2 * CHECK_SPEC_TEXT_MAX)
size_t check_strings_room(const char *text);

/* The strings of *out are in `room` and in constants. ERR_BADARG, ERR_LIMIT with a text that names the wrong part and
 * what would be right. What was accepted is accepted again from its own text, as the same. grpc is recognised and
 * refused with "grpc checks are not built yet" until they are. */
int check_spec_parse(const char *text, char *room, struct check_spec *out, struct err *e) MUST_CHECK;

/* The same in one block with its strings; the caller frees it. ERR_NOMEM, too. */
int check_spec_new(const char *text, struct check_spec **out, struct err *e) MUST_CHECK;

/* "http", "tcp", ... */
const char *check_type_name(enum check_type type);

#endif
