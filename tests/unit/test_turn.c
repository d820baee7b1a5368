/* The figures of the control thread's turns, on a real loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "io/turn.h"

#define LONG_MS 30

struct fixture {
    struct ev_loop *loop;
    struct turn *turn;
    unsigned ends;
};

/* The second turn is a long one, the fourth the last. */
static void on_end(void *arg)
{
    struct fixture *f = arg;
    struct timespec work = {.tv_nsec = LONG_MS * 1000000L};
    if (++f->ends == 2)
        assert_int_equal(nanosleep(&work, NULL), 0);
    if (f->ends == 4)
        ev_break(f->loop, EVBREAK_ALL);
}

static uint64_t at_once(void *arg)
{
    return 0;
}

static void turns_are_counted_and_timed(void **state)
{
    struct fixture f = {.loop = ev_loop_new(0)};
    struct turn_hooks hooks = {.arg = &f, .end = on_end, .next_ms = at_once};
    struct turn_counts n;
    assert_int_equal(turn_new(f.loop, &hooks, &f.turn), 0);
    turn_counts(f.turn, &n);
    assert_int_equal(n.turns, 0);
    ev_run(f.loop, 0);
    turn_counts(f.turn, &n);
    assert_int_equal(n.turns, f.ends);
    assert_in_range(n.longest_ms, LONG_MS - 1, 5000);
    assert_int_equal(n.recent_ms, n.longest_ms);
    turn_free(f.turn);
    ev_loop_destroy(f.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(turns_are_counted_and_timed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
