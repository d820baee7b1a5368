/* LIST in pieces: whole, while the registry changes between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/listing.h"
#include "protocol_world.h"

#define N 40

static struct protocol_world w;
static struct listing *list;
static struct buf text;

static int setup(void **state)
{
    protocol_world_init(&w, NULL);
    buf_init(&text, 0);
    list = NULL;
    return 0;
}

static int teardown(void **state)
{
    listing_free(list);
    buf_fini(&text);
    protocol_world_fini(&w);
    return 0;
}

static void say(const char *line)
{
    const char *reply = protocol_say(&w, line);
    if (reply[0] == '-')
        fail_msg("%s: %s", line, reply);
}

/* "REGISTER x## 10.0.0.1 80 ID a": ## is the number in two digits. */
static void say_of(const char *line, unsigned i)
{
    char text_of[128];
    char *at;
    assert_in_range(strlen(line), 2, sizeof(text_of) - 1);
    strcpy(text_of, line);
    at = strstr(text_of, "##");
    assert_non_null(at);
    at[0] = (char)('0' + i / 10);
    at[1] = (char)('0' + i % 10);
    say(text_of);
}

static void begin(const char *service)
{
    assert_int_equal(listing_new(&w.server, service, &list), 0);
}

/* One piece, at least one item. True: the list is done. */
static bool piece(size_t budget)
{
    struct resp_writer out = {.out = &text};
    return listing_pump(list, &w.server, &out, budget);
}

static void pieces(unsigned n)
{
    while (n-- > 0)
        assert_false(piece(1));
}

static unsigned count(const char *what)
{
    unsigned n = 0;
    for (const char *at = buf_cstr(&text); (at = strstr(at, what)) != NULL; at += strlen(what))
        n++;
    return n;
}

/* How often the service, or instance, is in the list. */
static unsigned times(const char *field, unsigned i)
{
    char item[64];
    snprintf(item, sizeof(item), "%s\r\n$3\r\nx%02u\r\n", field, i);
    return count(item);
}

static void finish(const char *header, const char *field, unsigned n_null)
{
    while (!piece(1))
        ;
    assert_memory_equal(text.data, header, strlen(header));
    assert_int_equal(count("$-1\r\n"), n_null);
    assert_int_equal(count(field) + n_null, N);
}

static void pieces_make_the_same_list(void **state)
{
    for (unsigned i = 0; i < N; i++)
        say_of("REGISTER x## 10.0.0.1 80 ID a\n", i);
    begin(NULL);
    while (!piece(1))
        ;
    assert_string_equal(buf_cstr(&text), protocol_say(&w, "LIST\n"));
}

static void a_piece_keeps_to_its_budget(void **state)
{
    for (unsigned i = 0; i < N; i++)
        say_of("REGISTER x## 10.0.0.1 80 ID a\n", i);
    begin(NULL);
    for (bool is_done = false; !is_done;) {
        size_t before = text.len;
        is_done = piece(500);
        assert_in_range(text.len - before, 1, 500 + 400); /* and one item */
    }
    assert_true(text.len > 3000);
}

static void services_come_and_go_meanwhile(void **state)
{
    for (unsigned i = 0; i < N; i++)
        say_of("REGISTER x## 10.0.0.1 80 ID a\n", i);
    begin(NULL);
    pieces(10);
    say("DEREGISTER x09 a\n"); /* the last one written */
    pieces(1);
    say("DEREGISTER x03 a\n"); /* written */
    say("DEREGISTER x11 a\n"); /* the next one */
    say("DEREGISTER x30 a\n");
    say("DEREGISTER x39 a\n"); /* the last of all */
    say("REGISTER x30 10.0.0.1 80 ID a\n"); /* a newcomer now */
    finish("*40\r\n", "$4\r\nname\r\n", 2);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(times("$4\r\nname", i), i != 11 && i != 39);
}

/* A service that only held an id keeps its memory and returns: it must not push another out. */
static void a_service_that_returns_is_a_newcomer(void **state)
{
    for (unsigned i = 0; i <= N; i++)
        say_of("REGISTER x## 10.0.0.1 80 ID a\n", i);
    say("DEREGISTER x20 a HOLD 1s\n");
    begin(NULL);
    pieces(5);
    protocol_advance(&w, 900);
    say("REGISTER x20 10.0.0.1 80 ID b\n");
    finish("*40\r\n", "$4\r\nname\r\n", 0);
    for (unsigned i = 0; i <= N; i++)
        assert_int_equal(times("$4\r\nname", i), i != 20);
}

static void instances_come_and_go_meanwhile(void **state)
{
    for (unsigned i = 0; i < N; i++)
        say_of("REGISTER web 10.0.0.1 80 ID x## TTL 1h\n", i);
    begin("web");
    pieces(10);
    for (unsigned i = 5; i < 15; i++)
        say_of("DEREGISTER web x##\n", i); /* five of them written */
    pieces(1);
    say("REGISTER web 10.0.0.1 80 ID x07\n");
    say("REGISTER web 10.0.0.1 80 ID x12\n");
    finish("*40\r\n", "$2\r\nid\r\n", 3);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(times("$2\r\nid", i), i == 7 ? 2 : i < 10 || i >= 15 || i == 12);
}

static void a_service_ends_meanwhile(void **state)
{
    for (unsigned i = 0; i < N; i++)
        say_of("REGISTER web 10.0.0.1 80 ID x##\n", i);
    begin("web");
    pieces(10);
    for (unsigned i = 0; i < N; i++)
        say_of("DEREGISTER web x##\n", i);
    say("REGISTER web 10.0.0.1 80 ID x00\n"); /* another service of that name */
    finish("*40\r\n", "$2\r\nid\r\n", 30);
}

static void a_list_may_be_dropped(void **state)
{
    for (unsigned i = 0; i < N; i++)
        say_of("REGISTER x## 10.0.0.1 80 ID a\n", i);
    begin(NULL);
    pieces(10);
    listing_free(list);
    list = NULL;
    for (unsigned i = 0; i < N; i++)
        say_of("DEREGISTER x## a\n", i);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pieces_make_the_same_list),
        TEST(a_piece_keeps_to_its_budget),
        TEST(services_come_and_go_meanwhile),
        TEST(a_service_that_returns_is_a_newcomer),
        TEST(instances_come_and_go_meanwhile),
        TEST(a_service_ends_meanwhile),
        TEST(a_list_may_be_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
