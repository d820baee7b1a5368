/* A query against a published world: whatever comes in, an answer of ours is a packet that ldns can read, within its
 * limit, with the query's id; silence only for what is no query. First byte of the input: bit 0 is TCP. */
#include "harness.h"

#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "scene.h"

static struct scene s;

static void end(void)
{
    scene_fini(&s);
}

static struct scene *world(void)
{
    static const struct scene_options o = {.zones = {"www IN CNAME web\n@ IN MX 10 mail\nmail IN A 192.0.2.1\n"}};
    if (s.answers != NULL)
        return &s;
    scene_init(&s, &o);
    must(atexit(end) == 0);
    for (unsigned i = 0; i < 30; i++) {
        char id[16] = {'n', (char)('a' + i % 26), (char)('a' + i / 26)};
        scene_add(&s, i % 3 == 0 ? "user_service" : "web",
                  &(struct scene_instance){.id = id,
                                           .address = i % 2 == 0 ? "10.0.0.1,2001:db8::1" : "10.0.0.2",
                                           .weight = 1 + i % 4,
                                           .priority = i % 2,
                                           .tags = {"blue"},
                                           .ports = {{"http", "8080"}},
                                           .meta = {{"k", "v"}}});
    }
    must(scene_flush(&s) == 0);
    return &s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size - 1 > DNS_TCP_MAX)
        return 0;
    struct scene *w = world();
    bool is_tcp = (data[0] & 1) != 0;
    const uint8_t *query = data + 1;
    size_t len = size - 1, cap = is_tcp ? DNS_TCP_MAX : DNS_UDP_MAX;
    cap = len > cap ? len : cap;
    uint8_t *packet = malloc(cap);
    if (packet == NULL)
        return 0;
    memcpy(packet, query, len);
    struct answer_request rq = {.now_ms = w->now_ms + SCENE_LAG_MS, .is_tcp = is_tcp, .tcp_keepalive = 100};
    struct answer_item item = {.packet = packet, .len = len, .cap = cap};
    answer_batch(answers_reader(w->answers, 0), &rq, &item, 1);
    scene_ask_again(w, answers_reader(w->answers, 0), &rq, &item, query, len);
    size_t n = item.len;
    must((n == 0) == (len < DNS_HEADER_LEN || (query[2] & 0x80) != 0));
    if (n > 0) {
        must(n <= (is_tcp ? DNS_TCP_MAX : DNS_UDP_MAX) && memcmp(packet, query, 2) == 0);
        ldns_pkt *p = NULL;
        must(ldns_wire2pkt(&p, packet, n) == LDNS_STATUS_OK);
        ldns_pkt_free(p);
    }
    free(packet);
    return 0;
}
