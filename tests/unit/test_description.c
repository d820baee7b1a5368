/* Descriptions and names: every part accepted at its limits and refused beyond, with a text that names the part;
 * sameness; one block that no failing allocation leaks. */
#include "registry/description.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/lib/heap.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct description_limits limits = {.tags = 3, .meta = 3, .ports = 3, .checks = 2, .meta_bytes = 600};

static struct description_input plain(void)
{
    return (struct description_input){.address = "10.0.0.5", .port = "8080", .lease_ms = 30000};
}

static struct description *make(const struct description_input *in)
{
    struct description *d;
    struct err e = {.text = ""};
    if (description_new(in, &limits, &d, &e) != 0)
        fail_msg("%s", e.text);
    return d;
}

/* Refused with that code, by a text that has `word` in it. */
static void refuse(const struct description_input *in, int code, const char *word)
{
    struct description *d;
    struct err e = {.text = ""};
    int rc = description_new(in, &limits, &d, &e);
    if (rc != code || e.code != code || strstr(e.text, word) == NULL)
        fail_msg("code %d, text \"%s\", expected %d with \"%s\"", rc, e.text, code, word);
    assert_int_equal(description_new(in, &limits, &d, NULL), code);
}

static void test_defaults(void **state)
{
    struct description_input in = plain();
    struct description *d = make(&in);
    char address[ADDRESS_TEXT_MAX];
    assert_string_equal(d->id, "10-0-0-5-8080");
    assert_string_equal(description_address(d, address), "10.0.0.5");
    assert_int_equal(d->port, 8080);
    assert_int_equal(d->weight, 1);
    assert_int_equal(d->priority, 0);
    assert_int_equal(d->lease_ms, 30000);
    assert_true(d->has_v4 && !d->has_v6);
    assert_int_equal(d->n_tags + d->n_meta + d->n_ports + d->n_checks, 0);
    assert_ptr_equal(description_ref(d), d);
    description_unref(d);
    description_unref(d);
    description_unref(NULL);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *in, *out, *id;
    } good[] = {
        {"127.0.0.1", "127.0.0.1", "127-0-0-1-8080"},
        {"223.255.255.255", "223.255.255.255", "223-255-255-255-8080"},
        {"::1", "::1", "0-0-0-0-0-0-0-1-8080"},
        {"2001:DB8:0:0::1", "2001:db8::1", "2001-db8-0-0-0-0-0-1-8080"},
        {"10.0.0.5,fe80::1", "10.0.0.5,fe80::1", "10-0-0-5-8080"},
        {"fe80::1,10.0.0.5", "10.0.0.5,fe80::1", "10-0-0-5-8080"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL},
        {"fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "fdff-ffff-ffff-ffff-ffff-ffff-ffff-ffff-8080"},
    };
    static const char *const bad[] = {"",
                                      "localhost",
                                      "10.0.0",
                                      "10.0.0.256",
                                      "10.0.0.5,",
                                      ",10.0.0.5",
                                      "10.0.0.5,10.0.0.6",
                                      "::1,::2",
                                      "10.0.0.5,::1,10.0.0.6",
                                      "10.0.0.5 ",
                                      "0.0.0.0",
                                      "0.1.2.3",
                                      "255.255.255.255",
                                      "224.0.0.1",
                                      "::",
                                      "ff02::1",
                                      "::ffff:10.0.0.5",
                                      "10.0.0.5/8",
                                      "010.0.0.5",
                                      "1111111111111111111111111111111111111111111111111111111111111"};
    for (size_t i = 0; i < COUNT(good); i++) {
        char address[ADDRESS_TEXT_MAX];
        struct description_input in = plain();
        in.address = good[i].in;
        if (good[i].out == NULL) {
            refuse(&in, ERR_BADARG, "address");
            continue;
        }
        struct description *d = make(&in);
        assert_string_equal(description_address(d, address), good[i].out);
        assert_string_equal(d->id, good[i].id);
        description_unref(d);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct description_input in = plain();
        in.address = bad[i];
        refuse(&in, ERR_BADARG, "address");
    }
}

static void test_numbers(void **state)
{
    static const char *const bad_ports[] = {"", "0", "65536", "99999999999", "-1", "80 ", " 80", "http", "8o", "+80"};
    struct description_input in = plain();
    in.port = "65535";
    in.weight = "65535";
    in.priority = "65535";
    struct description *d = make(&in);
    assert_int_equal(d->port, 65535);
    assert_int_equal(d->weight, 65535);
    assert_int_equal(d->priority, 65535);
    description_unref(d);
    for (size_t i = 0; i < COUNT(bad_ports); i++) {
        in = plain();
        in.port = bad_ports[i];
        refuse(&in, ERR_BADARG, "port");
    }
    in = plain();
    in.weight = "0";
    refuse(&in, ERR_BADARG, "WEIGHT");
    in = plain();
    in.priority = "65536";
    refuse(&in, ERR_BADARG, "PRIORITY");
}

static void test_ids(void **state)
{
    char longest[INSTANCE_ID_MAX + 2];
    struct description_input in = plain();
    in.id = "Web_1-a";
    struct description *d = make(&in);
    assert_string_equal(d->id, "Web-1-a"); /* '_' is shown as '-' */
    description_unref(d);

    memset(longest, 'x', sizeof(longest) - 1);
    longest[INSTANCE_ID_MAX] = '\0';
    in.id = longest;
    description_unref(make(&in));
    longest[INSTANCE_ID_MAX] = 'x';
    longest[INSTANCE_ID_MAX + 1] = '\0';
    refuse(&in, ERR_BADARG, "id");
    static const char *const bad[] = {"", "-a", "a-", "_a", "a.b", "a b", "\xc3\xa4"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        in.id = bad[i];
        refuse(&in, ERR_BADARG, "id");
    }
}

static void test_service_names(void **state)
{
    char name[SERVICE_NAME_MAX + 2];
    struct err e;
    assert_int_equal(service_name_check("user_service", NULL), 0);
    assert_int_equal(service_name_check("1", NULL), 0);
    memset(name, 'x', sizeof(name) - 1);
    name[SERVICE_NAME_MAX] = '\0';
    assert_int_equal(service_name_check(name, NULL), 0);
    name[SERVICE_NAME_MAX] = 'x';
    name[SERVICE_NAME_MAX + 1] = '\0';
    assert_int_equal(service_name_check(name, &e), ERR_BADARG);
    static const char *const bad[] = {"", "_http", "web_", "-web", "we b", "web.api", "web/1"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(service_name_check(bad[i], &e), ERR_BADARG);
    assert_string_equal(label_fold("User_Service-9", name), "user-service-9");
}

static void test_tags(void **state)
{
    static const char *const good[] = {"Blue", "v1_2", "version=1.2/b"};
    struct description_input in = plain();
    in.tags = good;
    in.n_tags = COUNT(good);
    struct description *d = make(&in);
    assert_int_equal(d->n_tags, 3);
    assert_string_equal(d->more->tags[2], "version=1.2/b");
    assert_true(tag_is_label(d->more->tags[0]) && tag_is_label(d->more->tags[1]) && !tag_is_label(d->more->tags[2]));
    description_unref(d);

    char longest[TAG_MAX + 2];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[TAG_MAX + 1] = '\0';
    const char *one[2] = {longest, NULL};
    static const struct {
        const char *tag, *word;
    } bad[] = {{"", "printable"}, {"a\nb", "printable"}, {"TCP", "reserved"}, {"udp", "reserved"}};
    in.tags = one;
    in.n_tags = 1;
    refuse(&in, ERR_BADARG, "tag");
    for (size_t i = 0; i < COUNT(bad); i++) {
        one[0] = bad[i].tag;
        refuse(&in, ERR_BADARG, bad[i].word);
    }
    one[0] = "Blue-1";
    one[1] = "blue_1";
    in.n_tags = 2;
    refuse(&in, ERR_BADARG, "twice");
    in.id = "BLUE_1";
    in.n_tags = 1;
    refuse(&in, ERR_BADARG, "id");
    static const char *const many[] = {"a", "b", "c", "d"};
    in.tags = many;
    in.n_tags = COUNT(many);
    refuse(&in, ERR_LIMIT, "at most 3");
}

static void test_meta(void **state)
{
    char value[META_PAIR_MAX + 1];
    memset(value, 'v', sizeof(value) - 1);
    value[META_PAIR_MAX - 2] = '\0'; /* "k" and '=' and this: META_PAIR_MAX */
    struct meta meta[4] = {{"k", value}, {"path", "/a=b"}, {"Empty", ""}, {"more", "x"}};
    struct description_input in = plain();
    in.meta = meta;
    in.n_meta = 3;
    struct description *d = make(&in);
    assert_int_equal(d->n_meta, 3);
    assert_string_equal(d->more->meta[0].value, value);
    assert_string_equal(d->more->meta[1].key, "path");
    assert_string_equal(d->more->meta[2].value, "");
    description_unref(d);

    in.n_meta = 4;
    refuse(&in, ERR_LIMIT, "metadata");
    in.n_meta = 2;
    meta[1].key = "K";
    refuse(&in, ERR_BADARG, "twice");
    static const char *const bad[] = {"", "a=b", "a\tb", "\xc3\xa4"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        meta[1].key = bad[i];
        refuse(&in, ERR_BADARG, "key");
    }
    meta[1].key = "kk";
    meta[1].value = value;
    refuse(&in, ERR_LIMIT, "255");
    in.n_meta = 3; /* each fits, all together do not */
    value[250] = '\0';
    meta[2] = (struct meta){"z", value};
    refuse(&in, ERR_LIMIT, "bytes of metadata");
}

static void test_ports(void **state)
{
    struct port_input ports[4] = {{"HTTP", "8080"}, {"http", "8080/udp"}, {"x-9", "1/tcp"}, {"more", "2"}};
    struct description_input in = plain();
    in.ports = ports;
    in.n_ports = 3;
    struct description *d = make(&in);
    assert_string_equal(d->more->ports[0].name, "http");
    assert_false(d->more->ports[0].is_udp);
    assert_true(d->more->ports[1].is_udp);
    assert_int_equal(d->more->ports[2].number, 1);
    description_unref(d);

    in.n_ports = 4;
    refuse(&in, ERR_LIMIT, "named ports");
    in.n_ports = 2;
    ports[1].number = "99";
    refuse(&in, ERR_BADARG, "twice");
    static const char *const names[] = {"", "-a", "a-", "a--b", "123", "a_b", "sixteen-letters-"};
    for (size_t i = 0; i < COUNT(names); i++) {
        ports[1] = (struct port_input){names[i], "80"};
        refuse(&in, ERR_BADARG, "port name");
    }
    static const char *const numbers[] = {"", "0", "65536", "80/", "80/sctp", "/udp", "80/udp/", "123456789/udp"};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        ports[1] = (struct port_input){"web", numbers[i]};
        refuse(&in, ERR_BADARG, "port");
    }
}

static void test_checks(void **state)
{
    const char *checks[3] = {"tcp://:8080", "ttl 15s", "tcp://:1"};
    struct description_input in = plain();
    in.checks = checks;
    in.n_checks = 2;
    struct description *d = make(&in);
    assert_int_equal(d->n_checks, 2);
    assert_int_equal(d->more->checks[1].type, CHECK_TTL);
    description_unref(d);
    in.n_checks = 3;
    refuse(&in, ERR_LIMIT, "checks");
    in.n_checks = 2;
    checks[1] = "  tcp://:8080 ";
    refuse(&in, ERR_BADARG, "twice");
    checks[1] = "ping";
    refuse(&in, ERR_BADARG, "ping");
}

/* Differing in any one field makes another description. */
static void test_same(void **state)
{
    static const char *const tags[] = {"a", "b"}, *const tags_turned[] = {"b", "a"}, *const checks[] = {"tcp://:1"};
    static const struct meta meta[] = {{"k", "v"}}, meta_other[] = {{"k", "w"}};
    static const struct port_input ports[] = {{"p", "1"}}, ports_other[] = {{"p", "1/udp"}},
                                   ports_renamed[] = {{"q", "1"}};
    struct description_input in = {.id = "x",
                                   .address = "10.0.0.1,::1",
                                   .port = "1",
                                   .lease_ms = 1000,
                                   .tags = tags,
                                   .n_tags = 2,
                                   .meta = meta,
                                   .n_meta = 1,
                                   .ports = ports,
                                   .n_ports = 1,
                                   .checks = checks,
                                   .n_checks = 1};
    struct description_input others[13];
    for (size_t i = 0; i < COUNT(others); i++)
        others[i] = in;
    others[0].id = "X";
    others[1].address = "10.0.0.1";
    others[2].address = "10.0.0.1,::2";
    others[3].port = "2";
    others[4].lease_ms = 2000;
    others[5].tags = tags_turned;
    others[6].n_tags = 1;
    others[7].meta = meta_other;
    others[8].ports = ports_other;
    others[9].n_checks = 0;
    others[10].weight = "2";
    others[11].priority = "2";
    others[12].ports = ports_renamed;
    struct description *d = make(&in), *twin = make(&in);
    assert_true(description_is_same(d, twin) && description_is_same(d, d));
    for (size_t i = 0; i < COUNT(others); i++) {
        struct description *other = make(&others[i]);
        if (description_is_same(d, other))
            fail_msg("difference %zu is not seen", i);
        description_unref(other);
    }
    description_unref(d);
    description_unref(twin);
}

static void test_no_memory(void **state)
{
    struct description_input in = plain();
    struct description *d = NULL;
    long live = heap_live();
    heap_fail_at(0);
    assert_int_equal(description_new(&in, &limits, &d, NULL), ERR_NOMEM);
    assert_true(heap_reset());
    in.port = "0";
    assert_int_equal(description_new(&in, &limits, &d, NULL), ERR_BADARG);
    assert_int_equal(heap_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_addresses),     cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_ids),      cmocka_unit_test(test_service_names), cmocka_unit_test(test_tags),
        cmocka_unit_test(test_meta),     cmocka_unit_test(test_ports),         cmocka_unit_test(test_checks),
        cmocka_unit_test(test_same),     cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
