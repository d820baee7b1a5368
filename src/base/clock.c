/* The one place below io/ that reads clocks; its callers in io/ and app/ hand the values down. */
#include "base/clock.h"

#include <time.h>

#include "base/must.h"

static struct timespec read_clock(clockid_t id)
{
    struct timespec ts;
    int rc = clock_gettime(id, &ts);
    must(rc == 0);
    return ts;
}

uint64_t clock_mono_ms(void)
{
    struct timespec ts = read_clock(CLOCK_BOOTTIME);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t clock_wall_us(void)
{
    struct timespec ts = read_clock(CLOCK_REALTIME);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void lease_clock_init(struct lease_clock *c, uint64_t mono_ms)
{
    c->now_ms = mono_ms;
    c->mono_ms = mono_ms;
}

uint64_t lease_clock_advance(struct lease_clock *c, uint64_t mono_ms)
{
    if (mono_ms <= c->mono_ms)
        return c->now_ms;
    uint64_t passed = mono_ms - c->mono_ms;
    c->mono_ms = mono_ms;
    c->now_ms += passed < LEASE_CLOCK_STEP_MS ? passed : LEASE_CLOCK_STEP_MS;
    return c->now_ms;
}
