/* The configuration: whatever the text, it is taken whole or refused with one line that says why; what is taken equals
 * itself. */
#include "harness.h"

#include <string.h>

#include "base/must.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *c = NULL;
    struct err e = {.code = 0};
    struct buf warnings, changes;
    buf_init(&warnings, 0);
    buf_init(&changes, 0);
    int rc =
        config_parse((const char *)data, size, "fuzz.conf", &(struct config_source){.path = NULL}, &c, &warnings, &e);
    must((rc == 0) == (c != NULL));
    must(rc == 0 || (rc == e.code && e.text[0] != '\0' && strchr(e.text, '\n') == NULL));
    if (rc == 0) {
        config_fixed_changes(c, c, &changes);
        must(changes.len == 0 && c->dns.n_domains > 0 && c->dns.n_listen > 0);
    }
    config_free(c);
    buf_fini(&warnings);
    buf_fini(&changes);
    return 0;
}
