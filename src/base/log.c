/* Log lines for people and machines: `time=... level=info event=state service=api id=a-1 new=passing`.
 *
 * Happy path: the line is put together on the stack and leaves in one write(2) of less than PIPE_BUF bytes, so lines of
 * several threads never mix. Values may come from the network (check output, names): control bytes, C1 controls and
 * bytes that are not UTF-8 are escaped, so nobody outside can forge a line or talk to a terminal. A line that is too
 * long is cut and ends with `cut=yes`. A sink that takes nothing loses the line: the server goes on. Therefore nothing
 * is written before poll(2) says that it will be taken: for a pipe that means PIPE_BUF bytes, and the lock keeps other
 * threads from filling it in between. */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

#define LOG_LINE_MAX  2048
#define LOG_LINE_ROOM (LOG_LINE_MAX - 16) /* what is left over holds a quote, ` cut=yes` and the newline */
#define LOG_TIME_MAX  32
#define LOG_LOST_MAX  32

static const struct log_level_row {
    const char *name;
    int syslog;
} log_levels[] = {
    [LOG_LEVEL_ERROR] = {"error", LOG_ERR},
    [LOG_LEVEL_WARN] = {"warn", LOG_WARNING},
    [LOG_LEVEL_INFO] = {"info", LOG_INFO},
    [LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
};
#define N_LEVELS (sizeof(log_levels) / sizeof(log_levels[0]))

enum log_sink { LOG_SINK_STDERR, LOG_SINK_JOURNAL, LOG_SINK_SYSLOG };

/* The process has one log: the only state of base/. */
static _Atomic enum log_level log_level = LOG_LEVEL_INFO;
static _Atomic enum log_sink log_sink = LOG_SINK_STDERR;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER; /* of the next line */
static uint64_t log_n_lost;

struct line {
    size_t len;
    bool cut;
    char text[LOG_LINE_MAX];
};

/* systemd names the stream that it reads from by device and inode; what came between may have put another in its place.
 */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uint64_t device, inode;
    struct stat st;
    return stream != NULL && sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open_stderr(void)
{
    atomic_store(&log_sink, is_journal() ? LOG_SINK_JOURNAL : LOG_SINK_STDERR);
}

void log_open_syslog(const char *ident)
{
    openlog(ident, LOG_PID | LOG_NDELAY, LOG_DAEMON);
    atomic_store(&log_sink, LOG_SINK_SYSLOG);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level, level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
    return atomic_load_explicit(&log_level, memory_order_relaxed);
}

int log_level_parse(const char *text, enum log_level *out)
{
    for (size_t i = 0; i < N_LEVELS; i++) {
        if (strcmp(text, log_levels[i].name) == 0) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    return ERR_BADARG;
}

const char *log_num(char out[24], long long n)
{
    snprintf(out, 24, "%lld", n);
    return out;
}

static void line_put(struct line *l, const char *s, size_t len)
{
    if (l->cut || len > LOG_LINE_ROOM - l->len) {
        l->cut = true;
        return;
    }
    memcpy(l->text + l->len, s, len);
    l->len += len;
}

/* For what must follow a cut: the bytes kept back by LOG_LINE_ROOM. */
static void line_put_reserved(struct line *l, const char *s)
{
    size_t len = strlen(s);
    memcpy(l->text + l->len, s, len);
    l->len += len;
}

static bool is_plain(const char *value)
{
    if (*value == '\0')
        return false;
    for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++)
        if (*p <= ' ' || *p >= 0x7f || *p == '"' || *p == '\\' || *p == '=')
            return false;
    return true;
}

/* How the character at `s` is written inside quotes; `n` gets how many bytes of `s` it stands for. */
static const char *quoted_char(const uint8_t *s, size_t len, size_t *n, char out[8])
{
    *n = utf8_char_len(s, len);
    bool is_c1 = *n == 2 && s[0] == 0xc2 && s[1] < 0xa0;
    if (*n == 0 || is_c1 || s[0] < 0x20 || s[0] == 0x7f) {
        *n = 1;
        snprintf(out, 8, "\\x%02x", s[0]);
    } else if (s[0] == '"' || s[0] == '\\') {
        snprintf(out, 8, "\\%c", s[0]);
    } else {
        memcpy(out, s, *n);
        out[*n] = '\0';
    }
    return out;
}

static void put_value(struct line *l, const char *value)
{
    if (value == NULL) {
        line_put(l, "-", 1);
        return;
    }
    if (is_plain(value)) {
        line_put(l, value, strlen(value));
        if (!l->cut)
            return;
        l->cut = false; /* too long to be taken whole: as much of it as fits */
    }
    size_t len = strlen(value);
    char one[8];
    line_put(l, "\"", 1);
    bool is_open = !l->cut;
    for (size_t i = 0, n; i < len && !l->cut; i += n) {
        const char *s = quoted_char((const uint8_t *)value + i, len - i, &n, one);
        line_put(l, s, strlen(s));
    }
    if (is_open)
        line_put_reserved(l, "\"");
}

static void put_pair(struct line *l, const char *key, const char *value)
{
    if (l->cut)
        return;
    line_put(l, " ", 1);
    line_put(l, key, strlen(key));
    line_put(l, "=", 1);
    if (!l->cut)
        put_value(l, value);
}

/* What a line begins with: a time for people and files, a priority for the journal, nothing for syslog. */
static void put_head(struct line *l, enum log_sink sink, enum log_level level)
{
    char text[LOG_TIME_MAX];
    struct timespec now;
    struct tm utc;
    if (sink == LOG_SINK_JOURNAL) {
        line_put(l, text, (size_t)snprintf(text, sizeof(text), "<%d>", log_levels[level].syslog));
    } else if (sink == LOG_SINK_STDERR) {
        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &utc);
        size_t len = strftime(text, sizeof(text), "time=%Y-%m-%dT%H:%M:%S", &utc);
        len += (size_t)snprintf(text + len, sizeof(text) - len, ".%03dZ ", (int)(now.tv_nsec / 1000000));
        line_put(l, text, len);
    }
}

/* To stderr if it takes a whole line now. A full disk or a broken pipe loses the line, too. */
static bool write_now(const struct line *l, enum log_sink sink)
{
    ssize_t len = (ssize_t)l->len;
    if (sink == LOG_SINK_JOURNAL) {
        ssize_t n = send(STDERR_FILENO, l->text, l->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0 || errno != ENOTSOCK)
            return n == len;
    }
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&fd, 1, 0) == 1 && (fd.revents & POLLOUT) != 0 && write(STDERR_FILENO, l->text, l->len) == len;
}

static void write_line(struct line *l, enum log_sink sink)
{
    char lost[LOG_LOST_MAX];
    int saved = errno;
    pthread_mutex_lock(&log_lock);
    size_t len = l->len;
    if (log_n_lost > 0 && !l->cut)
        line_put(l, lost, (size_t)snprintf(lost, sizeof(lost), " lost=%" PRIu64, log_n_lost));
    bool is_told = l->len > len;
    line_put_reserved(l, "\n");
    if (!write_now(l, sink))
        log_n_lost++;
    else if (is_told)
        log_n_lost = 0;
    pthread_mutex_unlock(&log_lock);
    errno = saved;
}

void log_event(enum log_level level, const char *event, ...)
{
    if (level > log_get_level())
        return;

    enum log_sink sink = atomic_load(&log_sink);
    struct line l = {.len = 0};
    put_head(&l, sink, level);
    line_put(&l, "level=", 6);
    put_value(&l, log_levels[level].name);
    put_pair(&l, "event", event);
    va_list args;
    va_start(args, event);
    for (const char *key; (key = va_arg(args, const char *)) != NULL;)
        put_pair(&l, key, va_arg(args, const char *));
    va_end(args);
    if (l.cut)
        line_put_reserved(&l, " cut=yes");

    if (sink == LOG_SINK_SYSLOG)
        syslog(log_levels[level].syslog, "%.*s", (int)l.len, l.text);
    else
        write_line(&l, sink);
}
