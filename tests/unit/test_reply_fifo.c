/* Replies keep the order of requests, whatever order they come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "engine/reply_fifo.h"
#include "heap.h"

static struct reply_fifo f;
static struct buf out;
static struct resp_writer w = {.out = &out};

static int setup(void **state)
{
    reply_fifo_init(&f);
    buf_init(&out, 0);
    return 0;
}

static int teardown(void **state)
{
    reply_fifo_fini(&f);
    buf_fini(&out);
    return 0;
}

static uint32_t push(void)
{
    uint32_t seq;

    assert_int_equal(reply_fifo_push(&f, EVENT_RENEW, &seq), 0);
    return seq;
}

/* The reply to a renewal of `s` seconds. */
static void fill(uint32_t seq, uint32_t s)
{
    struct effect reply = {.type = EFFECT_REPLY, .u.reply = {.lease_ms = s * 1000}};

    assert_int_equal(reply_fifo_fill(&f, seq, &reply, &w), 0);
}

static void expect(const char *text)
{
    assert_string_equal(buf_cstr(&out), text);
    buf_reset(&out);
}

static void in_order_they_go_straight_out(void **state)
{
    uint32_t a = push(), b = push();

    fill(a, 1);
    expect(":1\r\n");
    fill(b, 2);
    expect(":2\r\n");
    assert_true(reply_fifo_is_empty(&f));
    assert_int_equal(f.kept, 0);
}

static void early_ones_wait(void **state)
{
    uint32_t a = push(), b = push(), c;

    assert_int_equal(reply_fifo_push_ready(&f, "+PONG\r\n", 7), 0);
    c = push();
    fill(c, 3);
    fill(b, 2);
    expect("");
    assert_int_equal(f.kept, 4 + 7 + 4);
    fill(a, 1);
    expect(":1\r\n:2\r\n+PONG\r\n:3\r\n");
    assert_true(reply_fifo_is_empty(&f));
    assert_int_equal(f.kept, 0);
}

static void replies_that_nobody_waits_for_are_ignored(void **state)
{
    uint32_t a = push(), b = push();

    fill(b, 2);
    fill(b, 7);
    fill(b + 1, 7);
    fill(a - 1, 7);
    fill(a, 1);
    fill(a, 7);
    expect(":1\r\n:2\r\n");
}

static void it_holds_as_many_as_it_says(void **state)
{
    for (unsigned i = 0; i < REPLY_FIFO_MAX; i++)
        assert_int_equal(push(), i);
    assert_int_equal(reply_fifo_len(&f), REPLY_FIFO_MAX);
    for (unsigned i = REPLY_FIFO_MAX; i-- > 1;)
        fill(i, i);
    expect("");
    fill(0, 9);
    assert_true(reply_fifo_is_empty(&f));
    assert_int_equal(strncmp(buf_cstr(&out), ":9\r\n:1\r\n:2\r\n", 12), 0);
}

/* Over the wrap of the sequence, random lengths and orders. */
static void any_order_of_replies_gives_the_order_of_requests(void **state)
{
    struct rng rng = {.state = 7};
    uint32_t seqs[64], expected = 0;

    f.head = f.tail = (1U << REPLY_SEQ_BITS) - 1000;
    for (int round = 0; round < 500; round++) {
        uint32_t n = 1 + rng_below(&rng, 64), order[64];
        struct buf want;
        buf_init(&want, 0);
        for (uint32_t i = 0; i < n; i++) {
            seqs[i] = push();
            assert_true(seqs[i] < 1U << REPLY_SEQ_BITS);
            order[i] = i;
            buf_printf(&want, ":%u\r\n", expected + i);
        }
        for (uint32_t i = n; i-- > 1;) {
            uint32_t other = rng_below(&rng, i + 1), swap = order[i];
            order[i] = order[other];
            order[other] = swap;
        }
        for (uint32_t i = 0; i < n; i++)
            fill(seqs[order[i]], expected + order[i]);
        expect(buf_cstr(&want));
        expected += n;
        buf_fini(&want);
    }
}

/* A conversation of 40 requests, the last answered first, with the n-th allocation refused. */
static int converse(void)
{
    struct effect reply = {.type = EFFECT_REPLY, .u.reply = {.lease_ms = 1000}};
    uint32_t seqs[40];
    int r = 0;

    for (size_t i = 0; i < 40 && r == 0; i++)
        r = i % 4 == 3 ? reply_fifo_push_ready(&f, "+PONG\r\n", 7) : reply_fifo_push(&f, EVENT_RENEW, &seqs[i]);
    for (size_t i = 40; i-- > 0 && r == 0;)
        r = i % 4 == 3 ? 0 : reply_fifo_fill(&f, seqs[i], &reply, &w);
    return r;
}

static void without_memory_it_says_so(void **state)
{
    long live = heap_live();

    for (unsigned n = 0;; n++) {
        reply_fifo_init(&f);
        heap_fail_at(n);
        int r = converse();
        bool was_reached = heap_reset();
        if (!was_reached)
            assert_true(r == 0 && reply_fifo_is_empty(&f) && !out.failed);
        else
            assert_true(r == ERR_NOMEM || out.failed);
        reply_fifo_fini(&f);
        buf_fini(&out);
        assert_int_equal(heap_live(), live);
        if (!was_reached)
            break;
        assert_true(n < 1000);
    }
}

/* Renewals in order: nothing is allocated but the ring and the output. */
static void renewals_allocate_nothing(void **state)
{
    for (int i = 0; i < 100; i++)
        fill(push(), 1);
    unsigned long calls = heap_calls();
    for (int i = 0; i < 10000; i++) {
        fill(push(), 1);
        buf_reset(&out);
    }
    assert_int_equal(heap_calls(), calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_order_they_go_straight_out, setup, teardown),
        cmocka_unit_test_setup_teardown(early_ones_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(replies_that_nobody_waits_for_are_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(it_holds_as_many_as_it_says, setup, teardown),
        cmocka_unit_test_setup_teardown(any_order_of_replies_gives_the_order_of_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_it_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(renewals_allocate_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
