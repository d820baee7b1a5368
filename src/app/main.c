/* rollcalld: arguments, files, log; then the server until a signal. Exit status: 0, 1 (it cannot run), 2 (usage). */
#include "config.h" /* _GNU_SOURCE */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/inputs.h"
#include "app/options.h"
#include "app/server.h"
#include "base/log.h"

enum { EXIT_USAGE = 2 };

static int complain(const struct err *e)
{
    fprintf(stderr, "rollcalld: %s\n", e->text);
    return EXIT_FAILURE;
}

static void print_warning(const char *line)
{
    fprintf(stderr, "rollcalld: warning: %s\n", line);
}

static int run(const struct options *o, struct inputs *in)
{
    struct server s;
    struct err e;
    int rc = server_start(&s, &o->source, in, &e);
    if (rc == 0) {
        server_tell_ready(&s, o->ready_fd);
        server_run(&s);
    } else {
        log_event(LOG_LEVEL_ERROR, "start_failed", "why", e.text, NULL);
    }
    server_stop(&s);
    if (FREES_AT_EXIT) {
        server_free(&s); /* seconds at a million instances, for what the kernel takes back at once */
    }
    if (rc == 0) {
        log_event(LOG_LEVEL_INFO, "stopped", NULL);
    }
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int test_or_run(struct options *o)
{
    struct inputs *in;
    struct buf warnings;
    struct err e;
    bool is_test = o->action == OPTIONS_TEST;
    if (!o->is_file_given && !o->source.is_dev && access(ROLLCALL_CONFIG, F_OK) == 0) {
        o->source.path = ROLLCALL_CONFIG;
    }
    buf_init(&warnings, 0);
    int rc = inputs_load(&o->source, &in, &warnings, &e);
    if (rc == 0 && !is_test) {
        if (strcmp(in->config->server.log, "syslog") == 0) {
            log_open_syslog("rollcalld");
        }
        log_set_level(in->config->server.log_level);
    }
    inputs_tell_warnings(&warnings, is_test || rc != 0 ? print_warning : inputs_log_warning);
    buf_fini(&warnings);
    if (rc != 0) {
        return complain(&e);
    }
    if (is_test) {
        printf("rollcalld: %s is good\n", o->source.path != NULL ? o->source.path : "the built-in configuration");
        inputs_free(in);
        return EXIT_SUCCESS;
    }
    return run(o, in);
}

int main(int argc, char **argv)
{
    struct options o;
    struct err e;
    int status = EXIT_SUCCESS;
    log_open_stderr();
    if (options_parse(argc, argv, &o, &e) != 0) {
        complain(&e);
        options_fini(&o);
        return EXIT_USAGE;
    }
    switch (o.action) {
    case OPTIONS_HELP:
        options_help(stdout);
        break;
    case OPTIONS_VERSION:
        printf("rollcalld %s\n", PACKAGE_VERSION);
        break;
    case OPTIONS_TEST:
    case OPTIONS_RUN:
        status = test_or_run(&o);
        break;
    }
    options_fini(&o);
    return status;
}
