/* Zone files: every type of data, the grouping into sets, and every refusal with its line. The expected wire forms were
 * made by another implementation (dnspython). */
#include "dns/zone.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "dns/proto.h"

static struct dns_name name_of(const char *text)
{
    struct dns_name n;
    assert_int_equal(dns_name_parse(text, &n, NULL), 0);
    return n;
}

static int parse(const char *text, struct zone **out, struct err *e)
{
    struct dns_name apex = name_of("service.local");
    return zone_parse(text, strlen(text), "z", &apex, 300, out, e);
}

static struct zone *zone_of(const char *text)
{
    struct zone *z = NULL;
    struct err e = {.text = ""};
    if (parse(text, &z, &e) != 0)
        fail_msg("%s", e.text);
    return z;
}

static const struct zone_rrset *find(const struct zone *z, const char *owner, uint16_t type)
{
    struct dns_name n = name_of(owner);
    dns_name_fold_exact(&n);
    return zone_find(z, &n, type);
}

static void hex_of(const struct zone_rdata *r, char *out)
{
    *out = '\0';
    for (size_t i = 0; i < r->len; i++)
        out += sprintf(out, "%02x", r->wire[i]);
}

static void test_data_of_every_type(void **state)
{
    static const struct {
        const char *data;
        uint16_t type;
        const char *hex;
    } rows[] = {
        {"A 10.0.0.1", 1, "0a000001"},
        {"AAAA 2001:db8::1", 28, "20010db8000000000000000000000001"},
        {"TXT \"a (b\" \"c;d\" plain \"q\\\"x\" \"\\040\\041\" \"\"", 16,
         "046120286203633b6405706c61696e0371227802282900"},
        {"MX 10 mail", 15, "000a046d61696c0773657276696365056c6f63616c00"},
        {"MX 65535 @", 15, "ffff0773657276696365056c6f63616c00"},
        {"PTR Www.Example.com.", 12, "03577777074578616d706c6503636f6d00"},
        {"SRV 1 2 8080 h.x.", 33, "000100021f900168017800"},
        {"CAA 0 issue \"ca.example.net; x=(y)\"", 257, "0005697373756563612e6578616d706c652e6e65743b20783d287929"},
        {"CAA 128 iodef \"mailto:a@b.c\"", 257, "8005696f6465666d61696c746f3a6140622e63"},
        {"CNAME user_service", 5, "0c757365725f736572766963650773657276696365056c6f63616c00"},
        {"NS ns1.example.", 2, "036e7331076578616d706c6500"},
        {"SOA ns hostmaster 4294967295 3600 600 604800 5", 6,
         "026e730773657276696365056c6f63616c000a686f73746d61737465720773657276696365056c6f63616c00ffffffff00000e1000000"
         "25800093a8000000005"},
        {"NAPTR 100 10 \"U\" \"E2U+sip\" \"!^.*$!sip:info@example.com!\" .", 35,
         "0064000a0155074532552b7369701b215e2e2a24217369703a696e666f406578616d706c652e636f6d2100"},
        {"SSHFP 4 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 44,
         "04020123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
        {"TLSA 3 1 1 d2abde240d7cd3ee6b4b28c54df034b9 7983a1d16e8a410e4561cb106618e971", 52,
         "030101d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971"},
        {"HTTPS 1 . alpn=\"h2,h3\" port=8443 ipv4hint=10.0.0.1", 65,
         "000100000100060268320268330003000220fb000400040a000001"},
        {"SVCB 2 svc alpn=h2", 64, "0002037376630773657276696365056c6f63616c0000010003026832"},
        {"LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m", 29, "000016138b3cf018810cbce0009895b8"},
        {"HINFO x \"y z\"", 13, "01780379207a"},
        {"URI 10 1 \"ftp://example.com/p\"", 256, "000a00016674703a2f2f6578616d706c652e636f6d2f70"},
        {"OPENPGPKEY AQID", 61, "010203"},
        {"TYPE65280 \\# 3 ab cdef", 65280, "abcdef"},
        {"TYPE65280 \\# 0", 65280, ""},
        {"A \\# 4 0A000001", 1, "0a000001"},
        {"TYPE28 \\# 16 20010db8000000000000000000000001", 28, "20010db8000000000000000000000001"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[400], hex[400];
        bool is_apex = rows[i].type == DNS_SOA || rows[i].type == DNS_NS;
        snprintf(line, sizeof(line), "%s %s\n", is_apex ? "@" : "x", rows[i].data);
        struct zone *z = zone_of(line);
        assert_int_equal(z->n, 1);
        const struct zone_rrset *set = find(z, is_apex ? "service.local" : "x.service.local", rows[i].type);
        assert_non_null(set);
        assert_int_equal(set->n, 1);
        assert_int_equal(set->ttl, 300);
        hex_of(&set->rdata[0], hex);
        assert_string_equal(hex, rows[i].hex);
        zone_free(z);
    }
}

/* Owners, TTLs, classes, origins, comments, parentheses. */
static void test_presentation(void **state)
{
    struct zone *z = zone_of("; a comment\n"
                             "\n"
                             "$TTL 1h30m ; another\n"
                             "WWW A 10.0.0.1\n"
                             "    IN 60 A 10.0.0.2 ; same owner\n"
                             "\t2m\tin\tA\t10.0.0.3\r\n"
                             "$ORIGIN sub\n"
                             "a.b ( AAAA ; one\n"
                             "   ::1 ) ; two\n"
                             "$origin service.LOCAL.\n"
                             "c.service.local. class1 TXT \"; no comment (\" ( \"b\"\n"
                             ") c\n"
                             "@ A 10.0.0.9\n"
                             "d\\.e A 10.0.0.4\n"
                             "f\\. A 10.0.0.5");
    assert_int_equal(z->n, 6);
    const struct zone_rrset *www = find(z, "www.service.local", DNS_A);
    assert_non_null(www);
    assert_int_equal(www->n, 3);
    assert_int_equal(www->ttl, 60);
    assert_memory_equal(www->owner.wire, "\3WWW", 4);
    for (size_t i = 0; i < 3; i++) /* in the order of the file */
        assert_int_equal(www->rdata[i].wire[3], i + 1);
    const struct zone_rrset *ab = find(z, "a.b.sub.service.local", DNS_AAAA);
    assert_non_null(ab);
    assert_int_equal(ab->ttl, 5400);
    const struct zone_rrset *c = find(z, "c.service.local", DNS_TXT);
    assert_non_null(c);
    assert_memory_equal(c->rdata[0].wire, "\16; no comment (\1b\1c", 19);
    assert_non_null(find(z, "service.local", DNS_A));
    assert_non_null(find(z, "d\\.e.service.local", DNS_A));
    assert_non_null(find(z, "f\\..service.local", DNS_A)); /* an escaped dot ends no name */
    assert_null(find(z, "www.service.local", DNS_AAAA));
    assert_null(find(z, "nope.service.local", DNS_A));
    assert_memory_equal(z->apex.wire, "\7service\5local", 15);
    zone_free(z);
}

static void test_empty_files(void **state)
{
    static const char *const texts[] = {"", "\n", "; nothing", "  \n\t\r\n", "$TTL 5\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct zone *z = zone_of(texts[i]);
        assert_int_equal(z->n, 0);
        assert_null(find(z, "service.local", DNS_SOA));
        zone_free(z);
    }
    zone_free(NULL);
}

static void test_duplicates_fold(void **state)
{
    struct zone *z = zone_of("a 50 A 10.0.0.2\n"
                             "a 70 A 10.0.0.1\n"
                             "A 20 A 10.0.0.2\n"
                             "@ SOA a b 1 1 1 1 1\n"
                             "@ SOA a b 1 1 1 1 1\n"
                             "c CNAME a\n"
                             "c CNAME a\n");
    const struct zone_rrset *a = find(z, "a.service.local", DNS_A);
    assert_int_equal(a->n, 2);
    assert_int_equal(a->ttl, 20);
    assert_int_equal(a->rdata[0].wire[3], 2);
    assert_int_equal(find(z, "service.local", DNS_SOA)->n, 1);
    assert_int_equal(find(z, "c.service.local", DNS_CNAME)->n, 1);
    zone_free(z);
}

static void test_apex_is_compared_without_case(void **state)
{
    static const char text[] = "@ A 10.0.0.1\nwww.SERVICE.local. A 10.0.0.1\n";
    struct dns_name apex = name_of("Service.Local");
    struct zone *z = NULL;
    assert_int_equal(zone_parse(text, strlen(text), "z", &apex, 5, &z, NULL), 0);
    assert_memory_equal(z->apex.wire, "\7service\5local", 15);
    assert_non_null(find(z, "service.local", DNS_A));
    assert_non_null(find(z, "www.service.local", DNS_A));
    zone_free(z);
}

static void test_cname_chains(void **state)
{
    /* Eight links are followed; the ninth name may be a service or lie outside. */
    struct zone *z = zone_of("c1 CNAME c2\nc2 CNAME c3\nc3 CNAME c4\nc4 CNAME C5\n"
                             "c5 CNAME c6\nc6 CNAME c7\nc7 CNAME c8\nc8 CNAME user_service\n"
                             "out CNAME www.example.com.\n");
    assert_int_equal(z->n, 9);
    zone_free(z);
}

static void test_chains_between_files(void **state)
{
    struct dns_name apex = name_of("corp.example");
    struct err e = {.text = ""};
    static const char other_text[] = "b 60 CNAME c.service.local.\nback CNAME x.service.local.\n";
    struct zone *first = zone_of("web A 10.0.0.1\na CNAME b.corp.example.\nc CNAME web\n"), *other = NULL;
    assert_int_equal(zone_parse(other_text, strlen(other_text), "o", &apex, 300, &other, &e), 0);
    static const char *const labels[] = {"z", "none", "o"};
    assert_int_equal(zone_check_between((const struct zone *[]){first, NULL, other}, labels, 3, &e), 0);
    zone_free(first);
    first = zone_of("web A 10.0.0.1\nX CNAME back.Corp.example.\n");
    assert_int_equal(zone_check_between((const struct zone *[]){first, NULL, other}, labels, 3, &e), ERR_FORMAT);
    assert_string_equal(e.text, "z:2: the CNAME of 'X.service.local.' leads back to itself");
    zone_free(first);
    zone_free(other);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        /* shape of the text */
        {"a A 10.0.0.1\nb TXT ( \"x\"\nc A 10.0.0.2\n", "z:2: a parenthesis is opened"},
        {"a TXT (\n( x\n", "z:1: a parenthesis is opened"},
        {"a A (\n10.0.0.1 ))\n", "z:2: a parenthesis is closed"},
        {"a TXT \"open\nb A 10.0.0.1\n", "z:1: a quoted string is not closed"},
        {"a TXT \"open", "z:1: a quoted string is not closed"},
        {"a TXT x\"y\"\n", "z:1: a quote inside a word"},
        {"a TXT \"x\"y\n", "z:1: after a closing quote"},
        {"a TXT x\\\n", "z:1: a line ends with a backslash"},
        {"a TXT \"x\\\n\"", "z:1: a line ends with a backslash"},
        {"\n\na TXT \"\001\"\n", "z:3: there is a control byte"},
        /* directives */
        {"$INCLUDE other.zone\n", "z:1: $INCLUDE is not supported; put"},
        {"$GENERATE 1-9 a A 10.0.0.$\n", "z:1: $GENERATE is not supported; write"},
        {"$FOO 1\n", "z:1: $FOO is unknown; there are"},
        {"$TTL\n", "z:1: $TTL takes one value"},
        {"$TTL 1 2\n", "z:1: $TTL takes one value"},
        {"$TTL x\n", "z:1: 'x' is no TTL"},
        {"$TTL 2147483648\n", "z:1: '2147483648' is no TTL; 0 to 2147483647"},
        {"$TTL 4000w\n", "z:1: '4000w' is no TTL; 0 to 2147483647"},
        {"$ORIGIN a..b\n", "z:1: name 'a..b': there is an empty label"},
        /* heads */
        {"  A 10.0.0.1\n", "z:1: the first record needs a name"},
        {"a\n", "z:1: the record has no type"},
        {"a 300 IN\n", "z:1: the record has no type"},
        {"a FOO 1\n", "z:1: 'FOO' is no record type; a record is"},
        {"a TYPE65536 \\# 0\n", "z:1: 'TYPE65536' is no type"},
        {"a TYPE0 \\# 0\n", "z:1: 'TYPE0' is no record type"},
        {"a ANY x\n", "z:1: class ANY is not served"},
        {"a OPT x\n", "z:1: 'OPT' is a type of questions"},
        {"a AXFR x\n", "z:1: 'AXFR' is a type of questions"},
        {"a TYPE255 \\# 0\n", "z:1: 'TYPE255' is a type of questions"},
        {"a CH TXT x\n", "z:1: class CH is not served; only IN"},
        {"a CLASS3 TXT x\n", "z:1: class CLASS3 is not served; only IN"},
        {"a 2147483648 A 10.0.0.1\n", "z:1: '2147483648' is no TTL; 0 to 2147483647"},
        {"a 1x A 10.0.0.1\n", "z:1: '1x' is no TTL"},
        {"a 1 2 A 10.0.0.1\n", "z:1: '2' is no record type"},
        {"a..b A 10.0.0.1\n", "z:1: name 'a..b': there is an empty label"},
        {"\"a\" A 10.0.0.1\n", "z:1: names are written without quotes"},
        /* places */
        {"www.example.com. A 10.0.0.1\n", "z:1: 'www.example.com.' is outside 'service.local.'"},
        {"local. A 10.0.0.1\n", "z:1: 'local.' is outside"},
        {"xservice.local. A 10.0.0.1\n", "z:1: 'xservice.local.' is outside"},
        {"* A 10.0.0.1\n", "z:1: wildcards are not served; write"},
        {"*.a A 10.0.0.1\n", "z:1: wildcards are not served"},
        {"\\042 A 10.0.0.1\n", "z:1: wildcards are not served"},
        {"@ NS ns\nsub NS ns.sub\n", "z:2: NS below the apex"},
        {"a SOA ns h 1 1 1 1 1\n", "z:1: the SOA belongs to 'service.local.'"},
        {"@ SOA ns h 1 1 1 1 1\na A 10.0.0.1\n@ SOA ns h 2 1 1 1 1\n", "z:3: a second SOA (the first is on line 1)"},
        /* types that are not served */
        {"a DNAME b\n", "z:1: DNAME is not served; write a CNAME"},
        {"a TYPE39 \\# 1 00\n", "z:1: DNAME is not served"},
        {"a RRSIG A 5 3 86400 20300101000000 20290101000000 1 a. AAAA\n", "remove RRSIG"},
        {"a NSEC b A\n", "remove NSEC"},
        {"a NSEC3 1 1 12 aabb 2vptu5timamqttgl4luu9kg21e0aor3s A\n", "remove NSEC3"},
        {"a NSEC3PARAM 1 0 12 aabb\n", "remove NSEC3PARAM"},
        {"a DNSKEY 257 3 13 AAAA\n", "remove DNSKEY"},
        {"a DS 1 13 2 aabb\n", "remove DS"},
        {"a CDS 1 13 2 aabb\n", "remove CDS"},
        {"a CDNSKEY 257 3 13 AAAA\n", "remove CDNSKEY"},
        {"a TYPE63 \\# 0\n", "remove ZONEMD"},
        {"a TYPE32769 \\# 0\n", "remove DLV"},
        {"a TYPE24 \\# 0\n", "remove SIG"},
        {"a TYPE25 \\# 0\n", "remove KEY"},
        {"a TYPE30 \\# 0\n", "remove NXT"},
        /* data */
        {"a A\n", "z:1: the data of A is wrong"},
        {"a A 10.0.0\n", "right would be: 10.0.0.5"},
        {"a A 10.0.0.1 10.0.0.2\n", "right would be: 10.0.0.5"},
        {"a AAAA 10.0.0.1\n", "right would be: 2001:db8::5"},
        {"a MX mail\n", "z:1: 'mail' is no number from 0 to 65535"},
        {"a MX 70000 mail\n", "z:1: '70000' is no number from 0 to 65535"},
        {"a MX -1 mail\n", "z:1: '-1' is no number from 0 to 65535"},
        {"a MX 10\n", "right would be: 10 mail"},
        {"a SRV 0 1 65536 h\n", "z:1: '65536' is no number from 0 to 65535"},
        {"a SRV 0 1 80\n", "right would be: 0 1 8080 host"},
        {"a CAA 256 issue \"x\"\n", "z:1: '256' is no number from 0 to 255"},
        {"a CNAME \"b\"\n", "z:1: names are written without quotes"},
        {"a CNAME b..c\n", "z:1: the data of CNAME is wrong"},
        {"a CNAME b c\n", "z:1: the data of CNAME is wrong"},
        {"a TXT\n", "z:1: the data of TXT is wrong"},
        {"@ SOA ns h 4294967296 1 1 1 1\n", "z:1: '4294967296' is no number from 0 to 4294967295"},
        {"@ SOA ns h 1 1 1 1 2147483648\n", "z:1: '2147483648' is no time"},
        {"@ SOA ns h 1 1 1 1\n", "right would be: ns hostmaster"},
        {"a NULL x\n", "z:1: the data of NULL is wrong"},
        {"a SVCB 1 b alpn=h2 alpn=h3\n", "z:1: the data of SVCB is wrong"},
        /* generic data */
        {"a TYPE65280 \\#\n", "z:1: after \\# comes the number of bytes"},
        {"a TYPE65280 \\# x\n", "z:1: after \\# comes the number of bytes"},
        {"a TYPE65280 \\# 65536 00\n", "z:1: after \\# comes the number of bytes"},
        {"a TYPE65280 \\# 2 abc\n", "z:1: \\# announces 2 bytes, the data has 1 and a half"},
        {"a TYPE65280 \\# 1 abc\n", "z:1: \\# announces 1 bytes, the data has 1 and a half"},
        {"a TYPE65280 \\# 1 abcd\n", "z:1: \\# announces 1 bytes, the data has 2"},
        {"a TYPE65280 \\# 1 xy\n", "z:1: 'x' is no hexadecimal digit"},
        {"a A \\# 3 0a0000\n", "right would be: 10.0.0.5"},
        {"a TYPE5 \\# 5 0161000000\n", "z:1: the data of CNAME is wrong"},
        {"a TXT \\# 0\n", "z:1: the data of TXT is wrong"},
        {"a TXT \\# 2 0561\n", "z:1: the data of TXT is wrong"},
        {"a CAA \\# 2 0001\n", "z:1: the data of CAA is wrong"},
        {"a CAA \\# 3 000061\n", "z:1: the data of CAA is wrong"},
        {"a MX \\# 2 0001\n", "z:1: the data of MX is wrong"},
        {"a SRV \\# 9 000000000000c00c00\n", "z:1: the data of SRV is wrong"},
        {"@ SOA \\# 3 000000\n", "z:1: the data of SOA is wrong"},
        /* records against each other */
        {"a CNAME b\nc A 10.0.0.1\nA TXT x\n", "z:3: 'a.service.local.' has a CNAME and other data (lines 1 and 3)"},
        {"a A 10.0.0.1\na CNAME b\n", "z:2: 'a.service.local.' has a CNAME and other data"},
        {"a CNAME b\na CNAME c\n", "z:2: 'a.service.local.' has a CNAME and other data"},
        {"@ CNAME b\n", "z:1: a CNAME at the apex"},
        {"a CNAME a\n", "z:1: the CNAME of 'a.service.local.' leads back to itself"},
        {"a CNAME b\nb CNAME C\nc CNAME A\n", "leads back to itself"},
        {"c1 CNAME c2\nc2 CNAME c3\nc3 CNAME c4\nc4 CNAME c5\nc5 CNAME c6\nc6 CNAME c7\nc7 CNAME c8\n"
         "c8 CNAME c9\nc9 CNAME end\n",
         "z:1: the CNAME of 'c1.service.local.' leads over more than 8 links"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct zone *z = NULL;
        struct err e = {.text = ""};
        if (parse(rows[i].text, &z, &e) != ERR_FORMAT)
            fail_msg("taken: %s", rows[i].text);
        assert_null(z);
        assert_int_equal(e.code, ERR_FORMAT);
        if (strstr(e.text, rows[i].says) == NULL)
            fail_msg("for: %swant: %s\ngot:  %s", rows[i].text, rows[i].says, e.text);
        assert_int_equal(parse(rows[i].text, &z, NULL), ERR_FORMAT);
    }
}

static void test_long_names_and_labels_in_errors(void **state)
{
    struct dns_name apex = name_of("service.local");
    struct zone *z = NULL;
    struct err e;
    char text[600], label[300];
    memset(label, 'd', sizeof(label));
    memcpy(label + sizeof(label) - 8, "/x.zone", 8);
    memset(text, 'a', 64);
    strcpy(text + 64, " A 10.0.0.1\n");
    assert_int_equal(zone_parse(text, strlen(text), label, &apex, 5, &z, &e), ERR_FORMAT);
    assert_memory_equal(e.text, "...ddd", 6);
    assert_non_null(strstr(e.text, "/x.zone:1: name 'aaa"));
    text[0] = '\0';
    for (int i = 0; i < 122; i++)
        strcat(text, "a.");
    strcat(text, "a A 10.0.0.1\n"); /* 123 labels of one byte and service.local: 246 + 15 */
    assert_int_equal(zone_parse(text, strlen(text), "z", &apex, 5, &z, &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "with its origin is over 255 bytes"));
}

static void test_the_longest_record(void **state)
{
    size_t longest = 65535 - 12 - (255 + 4) - 11 - 12; /* header, question, OPT; the record's own head */
    char *text = malloc(200000);
    assert_non_null(text);
    for (size_t n_bytes = longest; n_bytes <= longest + 1; n_bytes++) {
        struct zone *z = NULL;
        struct err e;
        int len = sprintf(text, "a TYPE65280 \\# %zu ", n_bytes);
        memset(text + len, 'f', 2 * n_bytes);
        text[(size_t)len + 2 * n_bytes] = '\0';
        assert_int_equal(parse(text, &z, &e), n_bytes == longest ? 0 : ERR_FORMAT);
        if (n_bytes == longest)
            assert_int_equal(z->rrsets[0].rdata[0].len, longest);
        else
            assert_string_equal(e.text, "z:1: with this record 'a.service.local.' takes 65254 bytes for type 65280; a "
                                        "DNS message has room for 65253");
        zone_free(z);
    }
    strcpy(text, "a TXT");
    memset(text + 5, 't', 300 * 256);
    for (int i = 0; i < 300; i++)
        text[5 + i * 256] = ' '; /* 300 strings of 255 bytes */
    text[5 + 300 * 256] = '\0';
    struct zone *none = NULL;
    struct err too_much;
    assert_int_equal(parse(text, &none, &too_much), ERR_FORMAT);
    assert_non_null(strstr(too_much.text, "over 65000 characters"));
    memset(text, 'a', 199999);
    text[199999] = '\0';
    struct zone *z = NULL;
    struct err e;
    assert_int_equal(parse(text, &z, &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "too long"));
    free(text);
}

/* Each record fits, not all of them together: told for the line with which it is too much. */
static void test_the_largest_set(void **state)
{
    const unsigned most = 65253 / 16;
    char *text = malloc((most + 2) * sizeof("big A 10.0.255.255\n"));
    assert_non_null(text);
    for (unsigned n = most; n <= most + 1; n++) {
        struct zone *z = NULL;
        struct err e;
        size_t len = (size_t)sprintf(text, "small A 10.0.0.1\n");
        for (unsigned i = 0; i < n; i++)
            len += (size_t)sprintf(text + len, "big A 10.0.%u.%u\n", i >> 8, i & 255);
        assert_int_equal(parse(text, &z, &e), n == most ? 0 : ERR_FORMAT);
        if (n > most) {
            char begin[32];
            snprintf(begin, sizeof(begin), "z:%u: with this record 'big.", n + 1);
            assert_non_null(strstr(e.text, begin));
        }
        zone_free(z);
    }
    free(text);
}

static void test_a_large_zone(void **state)
{
    enum { N = 20000 };
    char *text = malloc(N * 40);
    size_t len = 0;
    assert_non_null(text);
    for (int i = 0; i < N; i++)
        len += (size_t)sprintf(text + len, "h%d A 10.%d.%d.1\n", i / 2, i % 2, i % 200);
    struct dns_name apex = name_of("service.local");
    struct zone *z = NULL;
    uint64_t began_ms = clock_mono_ms();
    assert_int_equal(zone_parse(text, len, "z", &apex, 5, &z, NULL), 0);
    assert_int_equal(z->n, N / 2);
    assert_int_equal(find(z, "h777.service.local", DNS_A)->n, 2);
    assert_true(clock_mono_ms() - began_ms < 5000); /* about 60 ms where it was written */
    zone_free(z);
    free(text);
}

static void test_files(void **state)
{
    struct dns_name apex = name_of("service.local");
    struct zone *z = NULL;
    struct err e = {.text = ""};
    char path[4096];
    const char *srcdir = getenv("srcdir");
    snprintf(path, sizeof(path), "%s/zones/service.local.zone", srcdir != NULL ? srcdir : ".");
    if (zone_load(path, &apex, 5, &z, &e) != 0)
        fail_msg("%s", e.text);
    assert_non_null(find(z, "service.local", DNS_SOA));
    assert_non_null(find(z, "_postgresql._tcp.service.local", DNS_SRV));
    zone_free(z);
    z = NULL;
    assert_int_equal(zone_load("/nonexistent/z", &apex, 5, &z, &e), ERR_IO);
    assert_non_null(strstr(e.text, "/nonexistent/z: No such file"));
    assert_int_equal(zone_load("/", &apex, 5, &z, &e), ERR_IO);
    assert_non_null(strstr(e.text, "directory"));
    assert_null(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_of_every_type),
        cmocka_unit_test(test_presentation),
        cmocka_unit_test(test_empty_files),
        cmocka_unit_test(test_duplicates_fold),
        cmocka_unit_test(test_apex_is_compared_without_case),
        cmocka_unit_test(test_cname_chains),
        cmocka_unit_test(test_chains_between_files),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_long_names_and_labels_in_errors),
        cmocka_unit_test(test_the_longest_record),
        cmocka_unit_test(test_the_largest_set),
        cmocka_unit_test(test_a_large_zone),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests_name("zone", tests, NULL, NULL);
}
