/* Signals as values; see signals.h. The mask from before is the one thing kept here: it is the process's, not
 * anybody's. */
#include "cli/signals.h"

#include <errno.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <time.h>

#include "base/clock.h"

static sigset_t before;

static sigset_t ours(void)
{
    static const int list[] = {SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
        sigaddset(&set, list[i]);
    return set;
}

int signals_block(void)
{
    sigset_t set = ours();
    sigprocmask(SIG_BLOCK, &set, &before);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK); /* only ever polled: signals_wait takes them */
}

const sigset_t *signals_before(void)
{
    return &before;
}

int signals_wait(uint64_t deadline_ms)
{
    sigset_t set = ours();
    for (;;) {
        uint64_t now = clock_mono_ms(), left = deadline_ms > now ? deadline_ms - now : 0;
        struct timespec t = {.tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000) * 1000000};
        int number = deadline_ms == UINT64_MAX ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &t);
        if (number > 0)
            return number;
        if (errno == EAGAIN && clock_mono_ms() >= deadline_ms)
            return 0;
    }
}
