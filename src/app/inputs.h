/* Everything that is read from files: configuration, zone files, password. Read whole or not at all, at start, by -t
 * and on reload, so that what -t accepts is what a start or a reload accepts. */
#ifndef APP_INPUTS_H
#define APP_INPUTS_H

#include "app/names.h"
#include "config/config.h"

struct inputs {
    struct config *config;
    struct names names;
    char *password; /* NULL: none is asked for */
};

/* Warnings are lines of text. On failure nothing is left to free. */
int inputs_load(const struct config_source *src, struct inputs **out, struct buf *warnings, struct err *e) MUST_CHECK;
void inputs_free(struct inputs *in); /* NULL is allowed */
/* One call of `tell` for each line of the warnings; inputs_log_warning is one for the log. Uses the buffer up. */
void inputs_tell_warnings(struct buf *warnings, void (*tell)(const char *line));
void inputs_log_warning(const char *line);

#endif
