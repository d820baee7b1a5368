/* The record types that rollcall knows in zone files: an example of their data for error texts, why some are refused,
 * and the wire shape that the answers built from them rely on. What no row names is opaque and passes as it is. */
#include "dns/zone_type.h"

#include "dns/name.h"
#include "dns/proto.h"
#include "dns/wire.h"

static const struct zone_type zone_types[] = {
    {DNS_A, "10.0.0.5", NULL},
    {DNS_AAAA, "2001:db8::5", NULL},
    {DNS_CNAME, "www", NULL},
    {DNS_NS, "ns1.example.com.", NULL},
    {DNS_PTR, "host.example.com.", NULL},
    {DNS_MX, "10 mail", NULL},
    {DNS_TXT, "\"v=spf1 -all\"", NULL},
    {DNS_SRV, "0 1 8080 host", NULL},
    {DNS_CAA, "0 issue \"ca.example.net\"", NULL},
    {DNS_SOA, "ns hostmaster 1 1h 10m 7d 5", NULL},
    {64, "1 host alpn=h2", NULL},
    {65, "1 . alpn=h2 port=8443", NULL},
    {DNS_DNAME, NULL, "DNAME is not served; write a CNAME for each name"},
    {24, NULL, "DNSSEC records are not served; remove SIG"},
    {25, NULL, "DNSSEC records are not served; remove KEY"},
    {30, NULL, "DNSSEC records are not served; remove NXT"},
    {43, NULL, "DNSSEC records are not served; remove DS"},
    {46, NULL, "DNSSEC records are not served; remove RRSIG"},
    {47, NULL, "DNSSEC records are not served; remove NSEC"},
    {48, NULL, "DNSSEC records are not served; remove DNSKEY"},
    {50, NULL, "DNSSEC records are not served; remove NSEC3"},
    {51, NULL, "DNSSEC records are not served; remove NSEC3PARAM"},
    {59, NULL, "DNSSEC records are not served; remove CDS"},
    {60, NULL, "DNSSEC records are not served; remove CDNSKEY"},
    {63, NULL, "DNSSEC records are not served; remove ZONEMD"},
    {32769, NULL, "DNSSEC records are not served; remove DLV"},
};

const struct zone_type *zone_type_find(uint16_t type)
{
    for (size_t i = 0; i < sizeof(zone_types) / sizeof(zone_types[0]); i++)
        if (zone_types[i].type == type)
            return &zone_types[i];
    return NULL;
}

bool zone_type_is_meta(uint16_t type)
{
    return type == 0 || type == DNS_OPT || (type >= 128 && type <= 255);
}

/* A whole number of character-strings (RFC 1035 section 3.3), at least one. */
static bool is_strings(struct wire_reader *r)
{
    do {
        wire_take(r, wire_u8(r));
    } while (!r->failed && r->at < r->end);
    return !r->failed;
}

/* RFC 9460 section 2.2: each key once, in ascending order. */
static bool has_ascending_keys(struct wire_reader *r)
{
    int32_t last = -1;
    while (!r->failed && r->at < r->end) {
        int32_t key = wire_u16(r);
        wire_take(r, wire_u16(r));
        if (key <= last)
            return false;
        last = key;
    }
    return !r->failed;
}

static void skip_name(struct wire_reader *r)
{
    size_t len = dns_name_len(r->at, (size_t)(r->end - r->at));
    r->failed |= len == 0;
    wire_take(r, len);
}

bool zone_type_is_sound(uint16_t type, const uint8_t *wire, size_t len)
{
    struct wire_reader r = wire_reader(wire, len);
    switch (type) {
    case DNS_A:
        return len == 4;
    case DNS_AAAA:
        return len == 16;
    case DNS_MX:
        wire_take(&r, 2);
        skip_name(&r);
        break;
    case DNS_SRV:
        wire_take(&r, 6);
        skip_name(&r);
        break;
    case DNS_SOA:
        skip_name(&r);
        skip_name(&r);
        wire_take(&r, 20);
        break;
    case DNS_CNAME:
    case DNS_NS:
    case DNS_PTR:
        skip_name(&r);
        break;
    case 64: /* SVCB */
    case 65: /* HTTPS */
        wire_take(&r, 2);
        skip_name(&r);
        return has_ascending_keys(&r);
    case DNS_TXT:
        return is_strings(&r);
    case DNS_CAA: /* RFC 8659: flags, a tag of 1 to 255 bytes, the value */
        wire_take(&r, 1);
        return len >= 3 && wire_take(&r, wire_u8(&r)) != NULL && wire[1] > 0;
    default:
        return true;
    }
    return !r.failed && r.at == r.end;
}
