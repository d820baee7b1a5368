/* Reads one file after the other; the first that is wrong ends it, with its own text. Scripts are made ready once for
 * the sake of the errors: a user that does not exist is found by -t, too. */
#include "config.h" /* _GNU_SOURCE */

#include "app/inputs.h"

#include <stdlib.h>
#include <string.h>

#include "app/password.h"
#include "base/log.h"
#include "io/privileges.h"
#include "io/script_table.h"
#include "io/worker.h"

static int check_scripts(const struct config *c, struct err *e)
{
    struct script_table *t;
    int rc = script_table_new(c->scripts, c->n_scripts, &t, e);
    if (rc == 0) {
        script_table_free(t);
    }
    return rc;
}

static int check_processors(const struct config *c, struct err *e)
{
    for (size_t i = 0; i < c->server.n_cpus; i++) {
        if (!worker_may_use(c->server.cpus[i])) {
            return err_set(e, ERR_BADARG, "server.cpu_affinity: there is no processor %u, or this process may not use it",
                           c->server.cpus[i]);
        }
    }
    return 0;
}

int inputs_load(const struct config_source *src, struct inputs **out, struct buf *warnings, struct err *e)
{
    struct inputs *in = calloc(1, sizeof(*in));
    if (in == NULL) {
        return err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    }
    int rc = config_load(src, &in->config, warnings, e);
    if (rc == 0) {
        rc = names_load(in->config, &in->names, e);
    }
    if (rc == 0 && in->config->registry.password_file != NULL) {
        rc = password_load(in->config->registry.password_file, &in->password, e);
    }
    if (rc == 0 && in->config->server.user != NULL) {
        rc = privileges_check_user(in->config->server.user, e);
    }
    if (rc == 0) {
        rc = check_scripts(in->config, e);
    }
    if (rc == 0) {
        rc = check_processors(in->config, e);
    }
    if (rc != 0) {
        inputs_free(in);
        return rc;
    }
    *out = in;
    return 0;
}

void inputs_free(struct inputs *in)
{
    if (in == NULL) {
        return;
    }
    password_free(in->password);
    names_fini(&in->names);
    config_free(in->config);
    free(in);
}

void inputs_tell_warnings(struct buf *warnings, void (*tell)(const char *line))
{
    char *rest = NULL;
    buf_putc(warnings, '\0');
    if (warnings->failed) {
        return; /* no memory even for the warnings: what matters more will fail soon */
    }
    for (char *line = strtok_r((char *)warnings->data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        tell(line);
    }
}

void inputs_log_warning(const char *line)
{
    log_event(LOG_LEVEL_WARN, "config", "text", line, NULL);
}
