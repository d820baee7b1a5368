/* The rhythm of the control thread. libev calls `check` watchers first after a poll and `prepare` watchers last before
 * the next: the first reads the clocks, the second ends the turn and sets the timer for the next deadline.
 *
 * The lease clock moves at most LEASE_CLOCK_STEP_MS per turn, so that a process that was stopped does not wake up to
 * expire everybody. An idle loop must therefore turn more often than that, or its clock would fall behind. */
#include "io/turn.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"

#define SLEEP_MAX_MS (LEASE_CLOCK_STEP_MS * 9 / 10)
#define MINUTE_MS    60000
#define LONG_MS      1000  /* a turn that is told in the log */
#define TOLD_MS      10000 /* between two such lines */

struct turn {
    struct ev_loop *loop;
    struct turn_hooks hooks;
    struct ev_prepare prepare;
    struct ev_check check;
    struct ev_timer timer;
    struct ev_async wake;
    struct lease_clock clock;
    struct core_time time;
    uint64_t turns, longest_ms;
    uint64_t minute_ms, this_ms, last_ms; /* when this minute began; its longest turn, and that of the one before */
    uint64_t told_ms;                     /* a long turn; 0: never */
};

static void read_clocks(struct turn *t)
{
    t->time.mono_ms = clock_mono_ms();
    t->time.now_ms = lease_clock_advance(&t->clock, t->time.mono_ms);
    t->time.wall_us = clock_wall_us();
}

static void on_check(struct ev_loop *loop, struct ev_check *check, int events)
{
    read_clocks(CONTAINER_OF(check, struct turn, check));
}

static void count(struct turn *t, uint64_t spent_ms)
{
    uint64_t now_ms = t->time.mono_ms;
    if (now_ms - t->minute_ms >= MINUTE_MS) {
        t->last_ms = now_ms - t->minute_ms < 2 * MINUTE_MS ? t->this_ms : 0;
        t->this_ms = 0;
        t->minute_ms = now_ms;
    }
    t->turns++;
    t->longest_ms = spent_ms > t->longest_ms ? spent_ms : t->longest_ms;
    t->this_ms = spent_ms > t->this_ms ? spent_ms : t->this_ms;
    if (spent_ms > LONG_MS && (t->told_ms == 0 || now_ms - t->told_ms >= TOLD_MS)) {
        t->told_ms = now_ms;
        log_event(LOG_LEVEL_WARN, "long_turn", "ms", LOG_NUM((long long)spent_ms), "why",
                  "the control thread did nothing else meanwhile; DNS was answered", NULL);
    }
}

void turn_counts(const struct turn *t, struct turn_counts *out)
{
    *out = (struct turn_counts){
        .turns = t->turns,
        .longest_ms = t->longest_ms,
        .recent_ms = t->this_ms > t->last_ms ? t->this_ms : t->last_ms,
    };
}

static void on_prepare(struct ev_loop *loop, struct ev_prepare *prepare, int events)
{
    struct turn *t = CONTAINER_OF(prepare, struct turn, prepare);
    t->hooks.end(t->hooks.arg);
    uint64_t next_ms = t->hooks.next_ms(t->hooks.arg);
    uint64_t spent_ms = clock_mono_ms() - t->time.mono_ms; /* deadlines count from the beginning of the turn */
    count(t, spent_ms);
    uint64_t sleep_ms = next_ms > t->time.now_ms ? next_ms - t->time.now_ms : 0;
    if (sleep_ms > SLEEP_MAX_MS) {
        sleep_ms = SLEEP_MAX_MS;
    }
    sleep_ms = sleep_ms > spent_ms ? sleep_ms - spent_ms : 0;
    ev_timer_stop(loop, &t->timer);
    ev_now_update(loop);
    ev_timer_set(&t->timer, (double)sleep_ms / 1e3, 0);
    ev_timer_start(loop, &t->timer);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    /* Only ends the poll; prepare does the work. */
}

static void on_wake(struct ev_loop *loop, struct ev_async *wake, int events)
{
    /* Likewise. */
}

int turn_new(struct ev_loop *loop, const struct turn_hooks *hooks, struct turn **out)
{
    struct turn *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return ERR_NOMEM;
    }
    t->loop = loop;
    t->hooks = *hooks;
    lease_clock_init(&t->clock, clock_mono_ms());
    read_clocks(t);
    t->minute_ms = t->time.mono_ms;
    ev_prepare_init(&t->prepare, on_prepare);
    ev_prepare_start(loop, &t->prepare);
    ev_check_init(&t->check, on_check);
    ev_set_priority(&t->check, EV_MAXPRI);
    ev_check_start(loop, &t->check);
    ev_timer_init(&t->timer, on_timer, 0, 0);
    ev_async_init(&t->wake, on_wake);
    ev_async_start(loop, &t->wake);
    *out = t;
    return 0;
}

void turn_free(struct turn *t)
{
    if (t == NULL) {
        return;
    }
    ev_prepare_stop(t->loop, &t->prepare);
    ev_check_stop(t->loop, &t->check);
    ev_timer_stop(t->loop, &t->timer);
    ev_async_stop(t->loop, &t->wake);
    free(t);
}

const struct core_time *turn_time(const struct turn *t)
{
    return &t->time;
}

void turn_wake(void *arg)
{
    struct turn *t = arg;
    ev_async_send(t->loop, &t->wake);
}
