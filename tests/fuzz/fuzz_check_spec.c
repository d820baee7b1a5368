/* Check specs: any text is parsed or refused with a reason; what was parsed keeps to its bounds and parses again from
 * its own text as the same spec. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "registry/check_spec.h"

static void check_bounds(const struct check_spec *s)
{
    must(s->interval_ms >= CHECK_INTERVAL_MIN_MS && s->interval_ms <= CHECK_INTERVAL_MAX_MS);
    must((s->timeout_ms > 0 || s->type == CHECK_SCRIPT) && s->rise >= 1 && s->rise <= 100 && s->fall >= 1 &&
         s->fall <= 100);
    must((s->type == CHECK_SCRIPT) == (s->script[0] != '\0'));
    must((s->type != CHECK_HTTP && s->type != CHECK_HTTPS) || s->path[0] == '/');
    must(strchr(s->host, '/') == NULL && strchr(s->script, '/') == NULL);
}

static bool is_same(const struct check_spec *a, const struct check_spec *b)
{
    const size_t from = offsetof(struct check_spec, type), end = offsetof(struct check_spec, is_insecure);
    return strcmp(a->text, b->text) == 0 && strcmp(a->host, b->host) == 0 && strcmp(a->path, b->path) == 0 &&
           strcmp(a->script, b->script) == 0 && a->is_insecure == b->is_insecure &&
           memcmp((const char *)a + from, (const char *)b + from, end - from) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct check_spec *s, *again;
    struct err e = {.text = ""};
    char text[2048];
    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (check_spec_new(text, &s, &e) != 0) {
        must(e.code < 0 && e.text[0] != '\0');
        return 0;
    }
    check_bounds(s);
    int rc = check_spec_new(s->text, &again, NULL);
    must(rc == 0 && is_same(s, again));
    free(s);
    free(again);
    return 0;
}
