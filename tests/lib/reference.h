/* The oracle of the DNS contract: slow, obvious, and sharing no code with engine/. From plain lists of instances and
 * static records it says what the answer to a query has to be, byte for byte, but for who comes first, which it takes
 * from the answer that it judges after checking that this order is a legal one. Names are dotted text without escapes.
 */
#ifndef TESTS_LIB_REFERENCE_H
#define TESTS_LIB_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REF_TAGS  4
#define REF_PORTS 3
#define REF_META  3

struct ref_port {
    char name[16];
    uint16_t number;
    bool is_udp;
};

struct ref_instance {
    char service[64], id[64]; /* as shown */
    bool has_v4, has_v6, is_served, is_starting;
    uint8_t v4[4], v6[16];
    uint16_t port, weight, priority;
    char tags[REF_TAGS][64]; /* "": none from here on */
    struct ref_port ports[REF_PORTS];
    char meta[REF_META][64]; /* "key=value" */
    uint64_t end_ms;         /* of the lease; UINT64_MAX: permanent */
};

enum ref_empty { REF_NODATA, REF_NXDOMAIN, REF_ALL };
enum ref_order { REF_ROTATE, REF_RANDOM, REF_FIXED };

struct ref_policy {
    uint32_t ttl_s;
    unsigned max_answers; /* 0: all */
    enum ref_order order;
    enum ref_empty on_empty;
};

struct ref_static {
    char owner[256]; /* lower case, without the final dot */
    uint16_t type;
    uint32_t ttl_s;
    uint8_t rdata[512];
    size_t len;
};

struct ref_world {
    const char *const *domains;           /* NULL-terminated, lower case */
    const struct ref_instance *instances; /* in order of registration */
    size_t n_instances;
    const struct ref_static *statics; /* with SOA and NS of each apex */
    size_t n_statics;
    uint32_t serial;          /* of SOA records whose rdata has serial 0 */
    struct ref_policy policy; /* of all services */
    uint32_t negative_ttl_s;
    uint64_t now_ms;
    bool is_tcp, is_ttl_exact; /* is_ttl_exact: a TTL may not be shorter than it must be either */
    uint16_t keepalive;
};

/* Judges `answer` to the well-formed `query`. Returns NULL, or what is wrong (static memory). */
const char *reference_judge(const struct ref_world *w, const uint8_t *query, size_t query_len, const uint8_t *answer,
                            size_t answer_len);

#endif
