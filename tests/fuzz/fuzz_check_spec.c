/* Check specs: any text is parsed or refused with a reason; what was parsed keeps to its bounds and parses again from
 * its own text as the same spec. */
#include "harness.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct check_spec s, again;
    struct err e = {.text = ""};
    char text[2048];
    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (check_spec_parse(text, &s, &e) != 0) {
        must(e.code < 0 && e.text[0] != '\0');
        return 0;
    }
    check_bounds(&s);
    int rc = check_spec_parse(s.text, &again, NULL);
    must(rc == 0 && memcmp(&s, &again, sizeof(s)) == 0);
    return 0;
}
