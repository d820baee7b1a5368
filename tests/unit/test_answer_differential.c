/* Two encoders, one contract: random registries, random questions, and every answer of the fast path judged byte for
 * byte by tests/lib/reference.c and read by ldns. A failure prints its seed; `test_answer_differential SEED` runs that
 * one alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "../lib/reference.h"
#include "../lib/scene.h"
#include "base/rng.h"

#define INSTANCES_MAX 400
#define STATICS_MAX   64

static const char zone_text[] = "@ 600 IN SOA ns1 admin 7 3600 600 86400 60\n"
                                "@ IN NS ns1\n"
                                "@ IN NS ns2.elsewhere.example.\n"
                                "@ IN MX 10 mail\n"
                                "ns1 IN A 192.0.2.1\n"
                                "ns1 IN AAAA 2001:db8::1\n"
                                "mail 60 IN A 192.0.2.25\n"
                                "mail 60 IN A 192.0.2.26\n"
                                "mail 60 IN A 192.0.2.27\n"
                                "www IN CNAME web\n"
                                "alias IN CNAME www\n"
                                "out IN CNAME www.example.org.\n"
                                "lost IN CNAME nowhere\n"
                                "tagged IN CNAME primary.web\n"
                                "back IN CNAME there.corp_x.example.\n"
                                "deep.er.than.web IN TXT \"below a service\"\n"
                                "_ldap._tcp IN SRV 0 0 389 mail\n"
                                "_ldap._tcp IN SRV 1 2 389 ns1\n"
                                "_ldap._tcp IN SRV 0 0 390 mail\n"
                                "hidden_one IN A 192.0.2.99\n"
                                "i1.db-1 IN A 192.0.2.98\n"
                                "_x._tcp IN TXT \"a static alias\"\n"
                                "text IN TXT \"one\" \"two\"\n"
                                "caa IN CAA 0 issue \"ca.example\"\n";

static const char *const domains[] = {"service.local", "corp_x.example", NULL};
static const char *const services[] = {
    "user_service", "web", "db-1", "x", "hidden-one", "a_rather_long_name-of-a-service"};
static const char *const tags[] = {"primary", "v2", "eu_west", "Canary"};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct scene scene;
static struct rng rng;
static struct ref_instance instances[INSTANCES_MAX];
static struct ref_static statics[STATICS_MAX];
static struct ref_world world;
static uint64_t seed;

static uint32_t below(uint32_t n)
{
    return rng_below(&rng, n);
}

/* ── static records, read by ldns ── */

static struct ref_static *add_static(const char *owner, uint16_t type, uint32_t ttl_s)
{
    struct ref_static *s = &statics[world.n_statics++];
    assert_true(world.n_statics <= STATICS_MAX);
    snprintf(s->owner, sizeof(s->owner), "%s", owner);
    s->type = type;
    s->ttl_s = ttl_s;
    s->len = 0;
    return s;
}

static void add_rr(const ldns_rr *rr)
{
    char *owner = ldns_rdf2str(ldns_rr_owner(rr));
    owner[strlen(owner) - 1] = '\0';
    for (char *c = owner; *c != '\0'; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    struct ref_static *s = add_static(owner, (uint16_t)ldns_rr_get_type(rr), ldns_rr_ttl(rr));
    free(owner);
    for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
        const ldns_rdf *rdf = ldns_rr_rdf(rr, i);
        memcpy(s->rdata + s->len, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
        s->len += ldns_rdf_size(rdf);
    }
}

static void read_zone(const char *text, const char *apex)
{
    char *copy = strdup(text);
    FILE *f = fmemopen(copy, strlen(copy), "r");
    ldns_rdf *origin = ldns_dname_new_frm_str(apex), *prev = NULL;
    int line = 0;
    while (!feof(f)) {
        ldns_rr *rr = NULL;
        uint32_t default_ttl = 300;
        if (ldns_rr_new_frm_fp_l(&rr, f, &default_ttl, &origin, &prev, &line) == LDNS_STATUS_OK)
            add_rr(rr);
        ldns_rr_free(rr);
    }
    ldns_rdf_deep_free(origin);
    ldns_rdf_deep_free(prev);
    fclose(f);
    free(copy);
}

/* What DESIGN 2 promises of an apex without a zone file. */
static void synthesise(const char *apex)
{
    char name[128];
    struct ref_static *s = add_static(apex, 6, 5);
    const char *const labels[] = {"ns", "hostmaster"};
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "%s.%s", labels[i], apex);
        ldns_rdf *d = ldns_dname_new_frm_str(name);
        memcpy(s->rdata + s->len, ldns_rdf_data(d), ldns_rdf_size(d));
        s->len += ldns_rdf_size(d);
        ldns_rdf_deep_free(d);
    }
    static const uint8_t numbers[20] = {0, 0, 0, 0, 0, 0, 0x0e, 0x10, 0, 0, 2, 0x58, 0, 1, 0x51, 0x80, 0, 0, 0, 5};
    memcpy(s->rdata + s->len, numbers, 20);
    s->len += 20;
    snprintf(name, sizeof(name), "ns.%s", apex);
    struct ref_static *ns = add_static(apex, 2, 5);
    ldns_rdf *d = ldns_dname_new_frm_str(name);
    memcpy(ns->rdata, ldns_rdf_data(d), ns->len = ldns_rdf_size(d));
    ldns_rdf_deep_free(d);
    static const uint8_t v4[] = {192, 0, 2, 53}, v6[16] = {0x20, 1, 0xd, 0xb8, [15] = 0x53};
    struct ref_static *a = add_static(name, 1, 5);
    memcpy(a->rdata, v4, a->len = 4);
    struct ref_static *aaaa = add_static(name, 28, 5);
    memcpy(aaaa->rdata, v6, aaaa->len = 16);
}

/* ── a random registry, told to both ── */

static void random_instance(struct ref_instance *i, const char *service, const char *id)
{
    memset(i, 0, sizeof(*i));
    snprintf(i->service, sizeof(i->service), "%s", service);
    snprintf(i->id, sizeof(i->id), "%s", id);
    i->has_v4 = below(4) != 0;
    i->has_v6 = !i->has_v4 || below(3) == 0;
    memcpy(i->v4, (uint8_t[]){10, 0, 0, (uint8_t)below(40)}, 4);
    memcpy(i->v6, (uint8_t[16]){0x20, 1, 0xd, 0xb8, [14] = (uint8_t)below(2), [15] = (uint8_t)below(40)}, 16);
    i->port = (uint16_t)(1 + below(60000));
    i->weight = below(3) == 0 ? (uint16_t)(1 + below(8)) : 1;
    i->priority = below(4) == 0 ? (uint16_t)below(3) : 0;
    for (size_t k = 0, n = 0; k < COUNT(tags); k++)
        if (below(3) == 0)
            snprintf(i->tags[n++], sizeof(i->tags[0]), "%s", tags[k]);
    if (below(2) == 0)
        i->ports[0] = (struct ref_port){"http", (uint16_t)(1 + below(60000)), false};
    if (i->ports[0].number != 0 && below(2) == 0)
        i->ports[1] = (struct ref_port){"metrics", (uint16_t)(1 + below(60000)), true};
    for (size_t k = 0; k < below(3); k++)
        snprintf(i->meta[k], sizeof(i->meta[0]), "key%zu=value %u", k, below(1000));
}

static void tell_registry(const struct ref_instance *i, uint32_t lease_ms, bool has_check)
{
    char address[96], v4[16], v6[48], numbers[REF_PORTS][16], keys[REF_META][64];
    snprintf(v4, sizeof(v4), "%u.%u.%u.%u", i->v4[0], i->v4[1], i->v4[2], i->v4[3]);
    snprintf(v6, sizeof(v6), "2001:db8::%x:%x", i->v6[13], i->v6[14] << 8 | i->v6[15]);
    snprintf(address, sizeof(address), "%s%s%s", i->has_v4 ? v4 : "", i->has_v4 && i->has_v6 ? "," : "",
             i->has_v6 ? v6 : "");
    struct scene_instance s = {.id = i->id,
                               .address = address,
                               .port = i->port,
                               .weight = i->weight,
                               .priority = i->priority,
                               .lease_ms = lease_ms,
                               .check = has_check ? "ttl 1h" : NULL};
    for (int k = 0; k < REF_TAGS && i->tags[k][0] != '\0'; k++)
        s.tags[k] = i->tags[k];
    for (int k = 0; k < REF_PORTS && i->ports[k].name[0] != '\0'; k++) {
        snprintf(numbers[k], sizeof(numbers[k]), "%u%s", i->ports[k].number, i->ports[k].is_udp ? "/udp" : "");
        s.ports[k] = (struct port_input){i->ports[k].name, numbers[k]};
    }
    for (int k = 0; k < REF_META && i->meta[k][0] != '\0'; k++) {
        snprintf(keys[k], sizeof(keys[k]), "%s", i->meta[k]);
        char *value = strchr(keys[k], '=');
        *value = '\0';
        s.meta[k] = (struct meta){keys[k], value + 1};
    }
    scene_add(&scene, i->service, &s);
    assert_int_equal(scene.code, 0);
}

static size_t find_instance(const char *service, const char *id)
{
    size_t at = 0;
    while (at < world.n_instances && (strcmp(instances[at].service, service) != 0 || strcmp(instances[at].id, id) != 0))
        at++;
    return at;
}

static void set_state(size_t at, bool has_check)
{
    struct ref_instance *i = &instances[at];
    i->is_served = !has_check;
    i->is_starting = has_check;
    if (!has_check || below(3) == 0)
        return;
    i->is_starting = false;
    i->is_served = below(2) == 0;
    scene_report(&scene, i->service, i->id,
                 i->is_served ? (below(2) == 0 ? CHECK_WARNING : CHECK_PASSING) : CHECK_CRITICAL);
}

static void register_random(void)
{
    char id[16];
    const char *service = services[below(COUNT(services))];
    snprintf(id, sizeof(id), "%s%u", below(2) == 0 ? "i" : "Node-", below(world.n_instances > 30 ? 300 : 12));
    size_t at = find_instance(service, id);
    if (at == world.n_instances && at == INSTANCES_MAX)
        return;
    struct ref_instance i;
    random_instance(&i, service, id);
    uint32_t lease_ms = below(2) == 0 ? 0 : 1000 + below(20) * 1000;
    bool has_check = below(3) == 0;
    if (at < world.n_instances) { /* a replacement keeps the history of unchanged checks: begin anew instead */
        scene_remove(&scene, service, id);
        memmove(&instances[at], &instances[at + 1], (world.n_instances - at - 1) * sizeof(i));
        world.n_instances--;
    }
    i.end_ms = lease_ms == 0 ? UINT64_MAX : scene.now_ms + lease_ms;
    tell_registry(&i, lease_ms, has_check);
    if (registry_instance(registry_service(scene.registry, service), id) == NULL)
        return;
    instances[world.n_instances++] = i;
    set_state(world.n_instances - 1, has_check);
}

static void remove_random(void)
{
    if (world.n_instances == 0)
        return;
    size_t at = below((uint32_t)world.n_instances);
    scene_remove(&scene, instances[at].service, instances[at].id);
    memmove(&instances[at], &instances[at + 1], (world.n_instances - at - 1) * sizeof(instances[0]));
    world.n_instances--;
}

static void pass_time(void)
{
    scene_advance(&scene, below(12) == 0 ? 61000 : 500 + below(3000)); /* long enough for names to become cold */
    for (size_t i = 0; i < world.n_instances;) {
        struct service *s = registry_service(scene.registry, instances[i].service);
        if (s != NULL && registry_instance(s, instances[i].id) != NULL) {
            i++;
            continue;
        }
        assert_true(instances[i].end_ms <= scene.now_ms);
        memmove(&instances[i], &instances[i + 1], (world.n_instances - i - 1) * sizeof(instances[0]));
        world.n_instances--;
    }
}

static void change(void)
{
    switch (below(6)) {
    case 0:
        remove_random();
        break;
    case 1:
        pass_time();
        break;
    case 2:
        if (world.n_instances > 0) {
            struct ref_instance *i = &instances[below((uint32_t)world.n_instances)];
            scene_drain(&scene, i->service, i->id, false);
            i->is_served = i->is_starting = false;
        }
        break;
    default:
        register_random();
        break;
    }
}

/* ── random questions ── */

static void random_case(char *name)
{
    for (; *name != '\0'; name++)
        if (below(4) == 0 && ((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z')))
            *name ^= 0x20;
}

static void random_name(char out[512])
{
    static const char *const plain[] = {
        "",     "www.",        "alias.",      "out.",     "lost.",    "tagged.",  "back.",        "mail.",
        "ns1.", "ns.",         "_ldap._tcp.", "_tcp.",    "text.",    "nowhere.", "er.than.web.", "than.web.",
        "caa.", "hidden_one.", "hidden-one.", "_x._tcp.", "i1.db-1.", "i1.db_1.", "a.b.c.d."};
    const char *domain = domains[below(2)];
    const char *service = services[below(COUNT(services))], *tag = tags[below(COUNT(tags))];
    switch (below(9)) {
    case 0:
        snprintf(out, 512, "%s%s", plain[below(COUNT(plain))], domain);
        break;
    case 1:
        snprintf(out, 512, "%s.%s.%s", tag, service, domain);
        break;
    case 2:
        snprintf(out, 512, "%s%u.%s.%s", below(2) == 0 ? "i" : "node_", below(12), service, domain);
        break;
    case 3:
        snprintf(out, 512, "_%s._%s.%s", service, below(2) == 0 ? tag : below(2) == 0 ? "tcp" : "udp", domain);
        break;
    case 4:
        snprintf(out, 512, "_%s.%s.%s.%s", below(2) == 0 ? "http" : "metrics", below(2) == 0 ? "_tcp" : "_udp", service,
                 domain);
        break;
    case 5:
        snprintf(out, 512, "%s", below(2) == 0 ? "example.org" : below(2) == 0 ? "xservice.local" : "corp-x.example");
        break;
    default:
        snprintf(out, 512, "%s.%s", service, domain);
        break;
    }
    for (char *c = out; *c != '\0'; c++) /* services know no difference; static names and domains do */
        if ((*c == '_' || *c == '-') && c != out && c[-1] != '.' && below(8) == 0)
            *c = *c == '_' ? '-' : '_';
    random_case(out);
}

static uint8_t packets[ANSWER_BATCH][DNS_TCP_MAX];

/* One question of a batch. */
struct asked {
    char name[512];
    struct scene_query q;
    uint8_t query[512];
    size_t len;
    bool is_sound;
};

static void random_query(struct asked *a, bool is_tcp)
{
    static const uint16_t types[] = {1, 1, 1, 28, 28, 33, 33, 33, 16, 255, 5, 2, 6, 15, 12, 65};
    static const uint16_t sizes[] = {0, 100, 512, 700, 1232, 4096, 65535};
    random_name(a->name);
    a->q = (struct scene_query){.name = a->name,
                                .type = types[below(COUNT(types))],
                                .has_edns = below(3) != 0,
                                .is_do = below(2) == 0,
                                .is_tcp = is_tcp,
                                .udp_size = sizes[below(COUNT(sizes))],
                                .option = below(3) == 0   ? 11
                                          : below(3) == 0 ? 65001
                                                          : 0,
                                .no_rd = below(2) == 0};
    a->len = scene_query(a->query, &a->q);
    a->is_sound = below(8) != 0;
    if (!a->is_sound && below(4) == 0)
        a->query[2] |= 0x80; /* an answer */
    else if (!a->is_sound)
        a->len = below((uint32_t)a->len);
}

static void judge_unsound(const struct asked *a, const uint8_t *answer, size_t len)
{
    if (a->len < DNS_HEADER_LEN || (a->query[2] & 0x80) != 0) {
        assert_int_equal(len, 0);
        return;
    }
    assert_true(len >= DNS_HEADER_LEN);
    assert_int_equal(answer[3] & DNS_RCODE_MASK, DNS_FORMERR);
}

static void judge(const struct asked *a, const uint8_t *answer, size_t len)
{
    const char *bad = reference_judge(&world, a->query, a->len, answer, len);
    ldns_pkt *p = NULL;
    ldns_status status = ldns_wire2pkt(&p, answer, len);
    if (bad != NULL || status != LDNS_STATUS_OK) {
        fprintf(stderr, "seed %llu: %s type %u %s edns %d size %u: %s; ldns: %s\n", (unsigned long long)seed, a->name,
                a->q.type, a->q.is_tcp ? "tcp" : "udp", a->q.has_edns, a->q.udp_size, bad != NULL ? bad : "-",
                ldns_get_errorstr_by_id(status));
        if (p != NULL)
            ldns_pkt_print(stderr, p);
    }
    ldns_pkt_free(p);
    assert_null(bad);
    assert_int_equal(status, LDNS_STATUS_OK);
}

/* Questions of all kinds in one batch, with unsound ones between them. */
static void ask(unsigned n)
{
    static struct asked asked[ANSWER_BATCH];
    struct answer_item items[ANSWER_BATCH];
    bool is_tcp = below(3) == 0;
    for (unsigned i = 0; i < n; i++) {
        random_query(&asked[i], is_tcp);
        memcpy(packets[i], asked[i].query, asked[i].len);
        items[i] = (struct answer_item){
            .packet = packets[i], .len = asked[i].len, .cap = is_tcp ? DNS_TCP_MAX : DNS_UDP_MAX};
    }
    struct answer_request rq = {.now_ms = scene.now_ms + SCENE_LAG_MS, .is_tcp = is_tcp, .tcp_keepalive = 100};
    struct answer_reader *reader = answers_reader(scene.answers, below(2));
    answer_batch(reader, &rq, items, n);
    for (unsigned i = 0; i < n; i++)
        scene_ask_again(&scene, reader, &rq, &items[i], asked[i].query, asked[i].len);
    world.now_ms = scene.now_ms;
    world.is_tcp = is_tcp;
    for (unsigned i = 0; i < n; i++) {
        if (asked[i].is_sound)
            judge(&asked[i], packets[i], items[i].len);
        else
            judge_unsound(&asked[i], packets[i], items[i].len);
    }
}

/* ── the test ── */

static void run_world(unsigned n_first, unsigned n_rounds, unsigned n_questions)
{
    static const uint16_t max_answers[] = {8, 8, 1, 3, 0};
    rng.state = seed;
    memset(&world, 0, sizeof(world));
    world = (struct ref_world){.domains = domains,
                               .instances = instances,
                               .statics = statics,
                               .negative_ttl_s = 5,
                               .is_ttl_exact = true,
                               .keepalive = 100};
    world.policy = (struct ref_policy){.ttl_s = 1 + below(10),
                                       .max_answers = max_answers[below(5)],
                                       .order = (enum ref_order)below(3),
                                       .on_empty = (enum ref_empty)below(3)};
    read_zone(zone_text, domains[0]);
    synthesise(domains[1]);
    struct service_policy policy = {.ttl_s = world.policy.ttl_s,
                                    .max_answers = (uint16_t)world.policy.max_answers,
                                    .answer = world.policy.max_answers == 0   ? ANSWER_ALL
                                              : world.policy.max_answers == 1 ? ANSWER_ONE
                                                                              : ANSWER_FEW,
                                    .order = world.policy.order == REF_ROTATE   ? ORDER_ROTATE
                                             : world.policy.order == REF_RANDOM ? ORDER_RANDOM
                                                                                : ORDER_FIXED,
                                    .on_empty = world.policy.on_empty == REF_NODATA     ? ON_EMPTY_NODATA
                                                : world.policy.on_empty == REF_NXDOMAIN ? ON_EMPTY_NXDOMAIN
                                                                                        : ON_EMPTY_ALL};
    struct scene_options o = {.domains = {domains[0], domains[1]}, .zones = {zone_text, NULL}, .policy = policy};
    scene_init(&scene, &o);
    for (unsigned i = 0; i < n_first; i++)
        register_random();
    for (unsigned round = 0; round < n_rounds; round++) {
        for (unsigned k = below(4); k > 0; k--)
            change();
        if (below(10) == 0)
            assert_int_equal(scene_configure(&scene, &o), 0);
        assert_int_equal(scene_flush(&scene), 0);
        world.serial = (uint32_t)registry_revision(scene.registry);
        for (unsigned left = n_questions; left > 0;) {
            unsigned n = 1 + below(left < ANSWER_BATCH ? left : ANSWER_BATCH);
            ask(n);
            left -= n;
        }
    }
    scene_fini(&scene);
}

static void test_small_worlds(void **state)
{
    uint64_t only = *state != NULL ? strtoull(*state, NULL, 10) : 0;
    for (uint64_t i = 1; i <= 40; i++) {
        seed = only != 0 ? only : i;
        run_world(0, 12, 60);
        if (only != 0)
            return;
    }
}

static void test_crowded_worlds(void **state)
{
    for (uint64_t i = 1; i <= 2; i++) {
        seed = 1000 + i;
        run_world(500, 3, 100);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_small_worlds, argc > 1 ? argv[1] : NULL),
        cmocka_unit_test(test_crowded_worlds),
    };
    return cmocka_run_group_tests_name("answer_differential", tests, NULL, NULL);
}
