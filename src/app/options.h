/* The command line of rollcalld. */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "config/config.h"

#define OPTIONS_OVERRIDES_MAX 128

enum options_action { OPTIONS_RUN, OPTIONS_TEST, OPTIONS_VERSION, OPTIONS_HELP };

struct options {
    enum options_action action;
    int ready_fd; /* -1: none */
    bool is_file_given;
    struct config_source source; /* points into this struct and into argv */
    struct config_override overrides[OPTIONS_OVERRIDES_MAX];
    char *texts[OPTIONS_OVERRIDES_MAX]; /* owned: copies that the overrides point to */
};

/* ERR_BADARG with a text for the user. */
int options_parse(int argc, char **argv, struct options *out, struct err *e) MUST_CHECK;
void options_fini(struct options *o);
void options_help(FILE *to);

#endif
