/* Packets that no resolver sends, or should: each gets the answer that DESIGN 2 names, or silence. Queries end at a
 * guard page, so that a read past the end is a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "../lib/scene.h"
#include "base/rng.h"
#include "dns/wire.h"

static struct scene scene;
static uint8_t query[512];
static size_t query_len;

static int begin(void **state)
{
    scene_init(&scene, &(struct scene_options){0});
    scene_add(&scene, "web", &(struct scene_instance){.id = "a", .address = "10.0.0.1,2001:db8::1"});
    scene_flush(&scene);
    return 0;
}

static int end(void **state)
{
    scene_fini(&scene);
    return 0;
}

static void ask_web(bool has_edns)
{
    query_len = scene_query(
        query,
        &(struct scene_query){.name = "web.service.local", .type = DNS_A, .has_edns = has_edns, .udp_size = 1232});
}

static size_t send_with(const struct answer_request *rq, bool is_refused)
{
    memcpy(scene.packet, query, query_len);
    struct answer_item item = {.packet = scene.packet,
                               .len = query_len,
                               .cap = rq->is_tcp ? DNS_TCP_MAX : DNS_UDP_MAX,
                               .is_refused = is_refused};
    answer_batch(answers_reader(scene.answers, 0), rq, &item, 1);
    scene_ask_again(&scene, answers_reader(scene.answers, 0), rq, &item, query, query_len);
    return item.len;
}

static size_t send_udp(void)
{
    return send_with(&(struct answer_request){.now_ms = scene.now_ms + SCENE_LAG_MS}, false);
}

static unsigned rcode(void)
{
    return scene_header(scene.packet).flags & DNS_RCODE_MASK;
}

static void append(const void *data, size_t len)
{
    memcpy(query + query_len, data, len);
    query_len += len;
}

static void set_count(size_t at, uint16_t n)
{
    wire_put16(query + at, n);
}

static void expect_formerr(bool has_question)
{
    size_t len = send_udp();
    assert_int_equal(rcode(), DNS_FORMERR);
    assert_int_equal(scene_header(scene.packet).qd, has_question);
    assert_int_equal(scene_header(scene.packet).an, 0);
    assert_int_equal(scene_header(scene.packet).id, 0xbeef);
    assert_true(len >= DNS_HEADER_LEN);
}

static void test_silence(void **state)
{
    ask_web(false);
    query[2] |= 0x80;
    assert_int_equal(send_udp(), 0);
    ask_web(false);
    for (query_len = 0; query_len < DNS_HEADER_LEN; query_len++)
        assert_int_equal(send_udp(), 0);
}

static void test_question_counts(void **state)
{
    ask_web(false);
    set_count(4, 0);
    expect_formerr(false);
    ask_web(false);
    set_count(4, 2);
    expect_formerr(false);
}

static void test_malformed_names(void **state)
{
    ask_web(false);
    query[12] = 0xc0; /* a pointer */
    query[13] = 12;
    expect_formerr(false);
    ask_web(false);
    query[12] = 0x41; /* a label type that never came */
    expect_formerr(false);
    ask_web(false); /* over 255 */
    query_len = DNS_HEADER_LEN;
    for (int i = 0; i < 5; i++) {
        uint8_t label[64] = {63};
        memset(label + 1, 'a', 63);
        append(label, 64);
    }
    append("\0\0\1\0\1", 5);
    expect_formerr(false);
}

static void test_every_prefix(void **state)
{
    ask_web(true);
    size_t whole = query_len;
    for (size_t n = DNS_HEADER_LEN; n < whole; n++) {
        ask_web(true);
        query_len = n;
        expect_formerr(n >= DNS_HEADER_LEN + 19 + 4);
    }
}

static void test_trailing_bytes(void **state)
{
    ask_web(true);
    append("x", 1);
    expect_formerr(true);
    ask_web(false);
    append("x", 1);
    expect_formerr(true);
}

static void test_opt(void **state)
{
    static const uint8_t opt[11] = {0, 0, 41, 4, 0xd0};
    ask_web(true); /* two */
    append(opt, 11);
    set_count(10, 2);
    expect_formerr(true);
    ask_web(false); /* not at the root */
    append("\1x", 2);
    append(opt, 11);
    set_count(10, 1);
    expect_formerr(true);
    ask_web(false); /* in the answer section */
    append(opt, 11);
    set_count(6, 1);
    expect_formerr(true);
    ask_web(true); /* an option that runs over */
    query[query_len - 1] = 4;
    append("\0\1\0\1", 4);
    expect_formerr(true);
    ask_web(true); /* version 1 */
    query[query_len - 5] = 1;
    size_t len = send_udp();
    assert_int_equal(rcode(), DNS_BADVERS & 0xf);
    assert_int_equal(scene.packet[len - 6], DNS_BADVERS >> 4);
    assert_int_equal(scene.packet[len - 5], 0);
    assert_int_equal(scene_header(scene.packet).an, 0);
}

static void test_other_records_are_ignored(void **state)
{
    static const uint8_t a[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4};
    ask_web(false);
    append(a, sizeof(a));
    append(a, sizeof(a));
    set_count(6, 1);
    set_count(10, 1);
    send_udp();
    assert_int_equal(rcode(), DNS_NOERROR);
    assert_int_equal(scene_header(scene.packet).an, 1);
}

static void test_opcodes(void **state)
{
    for (unsigned opcode = 1; opcode < 16; opcode++) {
        ask_web(true);
        query[2] = (uint8_t)(opcode << 3 | 1);
        assert_true(send_udp() > 0);
        assert_int_equal(rcode(), DNS_NOTIMP);
        assert_int_equal(scene.packet[2], 0x80 | opcode << 3 | 1);
        assert_int_equal(scene_header(scene.packet).qd, 1);
    }
    ask_web(false); /* DSO, RFC 8490, has no question */
    query[2] = 6 << 3;
    set_count(4, 0);
    query_len = DNS_HEADER_LEN;
    assert_int_equal(send_udp(), DNS_HEADER_LEN);
    assert_int_equal(rcode(), DNS_NOTIMP);
}

static void test_classes_and_transfers(void **state)
{
    static const struct {
        uint16_t type, class;
    } rows[] = {{DNS_AXFR, DNS_IN}, {DNS_IXFR, DNS_IN}, {DNS_A, DNS_ANY_CLASS}, {DNS_A, 4}, {DNS_A, DNS_CH}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        query_len = scene_query(
            query, &(struct scene_query){.name = "web.service.local", .type = rows[i].type, .class = rows[i].class});
        send_udp();
        assert_int_equal(rcode(), DNS_REFUSED);
        assert_int_equal(scene_header(scene.packet).flags & DNS_AA, 0);
    }
}

static void test_tsig(void **state)
{
    static const uint8_t tsig[] = {3,  'k', 'e', 'y', 0,   0,    250, 0,   255,  0,    0,   0,   0, 0, 29,
                                   11, 'h', 'm', 'a', 'c', '-',  's', 'h', 'a',  '2',  '5', '6', 0, 0, 0,
                                   1,  2,   3,   4,   1,   0x2c, 0,   0,   0xbe, 0xef, 0,   0,   0, 0};
    ask_web(true);
    append(tsig, sizeof(tsig));
    set_count(10, 2);
    size_t len = send_udp();
    assert_int_equal(rcode(), DNS_NOTAUTH);
    ldns_pkt *p = NULL;
    assert_int_equal(ldns_wire2pkt(&p, scene.packet, len), LDNS_STATUS_OK);
    assert_non_null(ldns_pkt_tsig(p));
    assert_true(ldns_pkt_edns(p));
    assert_int_equal(ldns_rdf2native_int16(ldns_rr_rdf(ldns_pkt_tsig(p), 5)), DNS_BADKEY);
    assert_int_equal(ldns_rdf_size(ldns_rr_rdf(ldns_pkt_tsig(p), 3)), 2); /* unsigned */
    ldns_pkt_free(p);
    ask_web(false); /* not last */
    append(tsig, sizeof(tsig));
    append("\0\0\51\4\xd0\0\0\0\0\0\0", 11);
    set_count(10, 2);
    expect_formerr(true);
    ask_web(false); /* cut short inside */
    append(tsig, sizeof(tsig));
    query[query_len - 1] = 9;
    set_count(10, 1);
    expect_formerr(true);
}

static void test_chaos(void **state)
{
    static const struct {
        const char *name, *text;
    } rows[] = {{"version.bind", "rollcall 0"},
                {"VERSION.server", "rollcall 0"},
                {"hostname.bind", "node1"},
                {"id.server", "node1"}};
    for (size_t i = 0; i < 4; i++) {
        query_len = scene_query(query, &(struct scene_query){.name = rows[i].name, .type = DNS_TXT, .class = DNS_CH});
        size_t len = send_udp();
        assert_int_equal(rcode(), DNS_NOERROR);
        assert_memory_equal(scene.packet + len - strlen(rows[i].text), rows[i].text, strlen(rows[i].text));
    }
    assert_int_equal(scene_configure(&scene, &(struct scene_options){.no_chaos = true}), 0);
    send_udp();
    assert_int_equal(rcode(), DNS_REFUSED);
}

static void test_refused_client(void **state)
{
    ask_web(true);
    size_t len = send_with(&(struct answer_request){.now_ms = scene.now_ms + SCENE_LAG_MS}, true);
    assert_int_equal(rcode(), DNS_REFUSED);
    assert_memory_equal(scene.packet + len - 6, "\0\17\0\2\0\22", 6); /* EDE 18 */
    query_len = scene_query(query, &(struct scene_query){.name = "example.org", .type = DNS_A, .has_edns = true});
    len = send_udp();
    assert_int_equal(rcode(), DNS_REFUSED);
    assert_memory_equal(scene.packet + len - 6, "\0\17\0\2\0\24", 6); /* EDE 20 */
}

static void test_flags(void **state)
{
    ask_web(false);
    query[2] = 0x05; /* RD, and an AA that is not ours to copy */
    query[3] = 0x30; /* AD, CD */
    send_udp();
    assert_int_equal(scene_header(scene.packet).flags, DNS_QR | DNS_AA | DNS_RD | DNS_CD);
    assert_int_equal(scene_configure(&scene, &(struct scene_options){.has_ra = true}), 0);
    ask_web(false);
    send_udp();
    assert_int_equal(scene_header(scene.packet).flags, DNS_QR | DNS_AA | DNS_RD | DNS_RA);
}

static void test_keepalive(void **state)
{
    query_len = scene_query(
        query, &(struct scene_query){
                   .name = "web.service.local", .type = DNS_A, .has_edns = true, .option = DNS_OPTION_KEEPALIVE});
    size_t len = send_with(&(struct answer_request){.is_tcp = true, .tcp_keepalive = 100}, false);
    assert_memory_equal(scene.packet + len - 6, "\0\13\0\2\0\144", 6);
    send_udp();
    assert_int_equal(scene_header(scene.packet).ar, 1);
    assert_int_equal(rcode(), DNS_NOERROR);
}

/* ── noise, with nothing readable behind the query ── */

static uint8_t *guarded_end(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = 2 * 65536;
    uint8_t *m = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(m != MAP_FAILED);
    assert_int_equal(mprotect(m + room, page, PROT_NONE), 0);
    return m + room;
}

/* Mutates a good query a little, or makes up one. */
static size_t noise(struct rng *rng, uint8_t *out)
{
    if (rng_below(rng, 4) == 0) {
        size_t len = rng_below(rng, 300);
        for (size_t i = 0; i < len; i++)
            out[i] = (uint8_t)rng_u64(rng);
        if (len > 12 && rng_below(rng, 2) == 0)
            memcpy(out + 2, "\1\0\0\1\0\0\0\0\0\1", 10);
        return len;
    }
    ask_web(rng_below(rng, 2) == 0);
    memcpy(out, query, query_len);
    for (uint32_t n = 1 + rng_below(rng, 4); n > 0; n--)
        out[rng_below(rng, (uint32_t)query_len)] =
            (uint8_t)(rng_below(rng, 2) == 0 ? rng_below(rng, 64) : rng_u64(rng));
    return query_len - (rng_below(rng, 4) == 0 ? rng_below(rng, (uint32_t)query_len) : 0);
}

static void test_noise(void **state)
{
    uint8_t *edge = guarded_end(), packet[512];
    struct rng rng = {.state = 99};
    struct answer_reader *reader = answers_reader(scene.answers, 0);
    for (int i = 0; i < 60000; i++) {
        size_t len = noise(&rng, packet);
        bool is_tcp = rng_below(&rng, 3) == 0;
        size_t cap = is_tcp ? DNS_TCP_MAX : DNS_UDP_MAX;
        uint8_t *at = edge - cap;
        memcpy(at, packet, len);
        struct answer_request rq = {.is_tcp = is_tcp};
        struct answer_item item = {.packet = at, .len = len, .cap = cap};
        answer_batch(reader, &rq, &item, 1);
        scene_ask_again(&scene, reader, &rq, &item, packet, len);
        size_t n = item.len;
        assert_true(n <= cap);
        bool is_silent = len < DNS_HEADER_LEN || (packet[2] & 0x80) != 0;
        assert_int_equal(n == 0, is_silent);
        if (n == 0)
            continue;
        assert_memory_equal(at, packet, 2);
        assert_true((at[2] & 0x80) != 0);
        ldns_pkt *p = NULL;
        ldns_status status = ldns_wire2pkt(&p, at, n);
        ldns_pkt_free(p);
        assert_int_equal(status, LDNS_STATUS_OK);
        ask_web(false); /* a query that fills its buffer to the edge is read without a step beyond */
        at = edge - query_len;
        memcpy(at, packet, len < query_len ? len : query_len);
        item = (struct answer_item){.packet = at, .len = query_len, .cap = query_len};
        if (len >= query_len)
            answer_batch(reader, &rq, &item, 1); /* of a name that is built */
    }
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        ROW(test_silence),
        ROW(test_question_counts),
        ROW(test_malformed_names),
        ROW(test_every_prefix),
        ROW(test_trailing_bytes),
        ROW(test_opt),
        ROW(test_opcodes),
        ROW(test_other_records_are_ignored),
        ROW(test_tsig),
        ROW(test_classes_and_transfers),
        ROW(test_chaos),
        ROW(test_refused_client),
        ROW(test_flags),
        ROW(test_keepalive),
        ROW(test_noise),
    };
    return cmocka_run_group_tests_name("answer_odd", tests, NULL, NULL);
}
