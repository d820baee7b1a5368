/* Names: text that parses prints and parses to itself; wire data that has a length prints and parses to itself. */
#include "harness.h"

#include <string.h>

#include "base/must.h"
#include "dns/name.h"

static void check_name(const struct dns_name *n)
{
    char text[DNS_NAME_TEXT_MAX];
    struct dns_name again, folded = *n;
    int rc = dns_name_parse(dns_name_text(n->wire, text), &again, NULL);
    must(rc == 0 && dns_name_is_equal(n, &again));
    must(dns_name_len(n->wire, n->len) == n->len);
    dns_name_fold_loose(&folded);
    must(dns_name_labels(&folded) == dns_name_labels(n) && dns_name_is_under(n, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_name n;
    char text[2048];
    if (size < sizeof(text)) {
        memcpy(text, data, size);
        text[size] = '\0';
        if (dns_name_parse(text, &n, NULL) == 0)
            check_name(&n);
    }
    size_t len = dns_name_len(data, size);
    if (len > 0) {
        n.len = (uint8_t)len;
        memcpy(n.wire, data, len);
        check_name(&n);
    }
    return 0;
}
