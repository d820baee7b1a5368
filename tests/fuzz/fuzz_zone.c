/* Zone files: whatever is taken is a sound zone, whose sets can be found; whatever is not is refused with its line. */
#include "harness.h"

#include <string.h>

#include "base/must.h"
#include "dns/zone.h"

static void check_set(const struct zone *z, const struct zone_rrset *set)
{
    struct dns_name owner = set->owner;
    must(dns_name_len(owner.wire, owner.len) == owner.len);
    dns_name_fold_exact(&owner);
    must(dns_name_is_under(&owner, &z->apex));
    must(zone_find(z, &owner, set->type) == set);
    must(set->n > 0 && set->ttl <= 0x7fffffff);
    for (size_t i = 0; i < set->n; i++)
        must(set->rdata[i].wire != NULL);
    if (set->type == DNS_CNAME)
        must(set->n == 1 && dns_name_len(set->rdata[0].wire, set->rdata[0].len) == set->rdata[0].len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dns_name apex = {.len = 15, .wire = "\7service\5local"};
    struct zone *z = NULL;
    struct err e = {.text = ""};
    if (zone_parse((const char *)data, size, "z", &apex, 5, &z, &e) != 0) {
        must(z == NULL && strncmp(e.text, "z:", 2) == 0);
        return 0;
    }
    for (size_t i = 0; i < z->n; i++)
        check_set(z, &z->rrsets[i]);
    zone_free(z);
    return 0;
}
