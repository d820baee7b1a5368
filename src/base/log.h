/* One line per event, key=value: `time=2026-01-31T23:59:59.123Z level=info event=ready dns=127.0.0.1:5300 ...`.
 * Values are quoted when they hold blanks, quotes or control bytes. Any thread may log. syslog has times of its own,
 * and so has systemd's journal: there a line begins with its priority, "<6>" (sd-daemon(3)). */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Where lines go. Set once before threads start, level also later. A sink that takes nothing now (a pipe that nobody
 * reads) loses lines and never holds the caller up; the next line that it takes says how many, `lost=N`. */
void log_open_stderr(void); /* the default; this looks whether it is the journal, by $JOURNAL_STREAM */
void log_open_syslog(const char *ident);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* "error", "warn", "info", "debug"; ERR_BADARG otherwise. */
int log_level_parse(const char *text, enum log_level *out) MUST_CHECK;

/* One line. `event` is a fixed word with underscores. Then pairs of key (const char *) and value
 * (const char *), ended by NULL. A NULL value prints as "-".
 *
 *     log_event(LOG_LEVEL_INFO, "state", "service", name, "id", id, "new", "passing", NULL); */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

/* A number as a log value, valid inside the full expression: LOG_NUM(port). */
#define LOG_NUM(n) log_num((char[24]){0}, (long long)(n))
const char *log_num(char out[24], long long n);

#endif
