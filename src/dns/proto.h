/* Numbers of the DNS protocol. RFC 1035 unless a line says otherwise. */
#ifndef DNS_PROTO_H
#define DNS_PROTO_H

#define DNS_HEADER_LEN 12
#define DNS_NAME_MAX 255
#define DNS_LABEL_MAX 63
#define DNS_UDP_MIN 512    /* section 4.2.1: without EDNS */
#define DNS_UDP_MAX 1232   /* the most we send, DNS flag day 2020 */
#define DNS_TCP_MAX 65535
#define DNS_POINTER_MAX 16383 /* section 4.1.4: 14 bits of offset */
#define DNS_RR_FIXED 10       /* type, class, TTL, RDLENGTH */
#define DNS_OPT_LEN 11        /* RFC 6891: root, type, size, ext. rcode, version, flags, rdlen */

/* Header flags, as in the two bytes after the id, big endian. */
enum {
    DNS_QR = 0x8000, DNS_OPCODE_MASK = 0x7800, DNS_AA = 0x0400, DNS_TC = 0x0200, DNS_RD = 0x0100, DNS_RA = 0x0080,
    DNS_AD = 0x0020, DNS_CD = 0x0010, DNS_RCODE_MASK = 0x000f,
};
#define DNS_EDNS_DO 0x8000

enum dns_opcode { DNS_OPCODE_QUERY = 0, DNS_OPCODE_NOTIFY = 4, DNS_OPCODE_UPDATE = 5 };
enum dns_rcode {
    DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NOTIMP = 4, DNS_REFUSED = 5, DNS_NOTAUTH = 9,
    DNS_BADVERS = 16 /* RFC 6891 */, DNS_BADKEY = 17 /* RFC 8945 */,
};
enum dns_class { DNS_IN = 1, DNS_CH = 3, DNS_ANY_CLASS = 255 };
enum dns_type {
    DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_HINFO = 13, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28,
    DNS_SRV = 33 /* RFC 2782 */, DNS_DNAME = 39, DNS_OPT = 41, DNS_TSIG = 250, DNS_IXFR = 251, DNS_AXFR = 252, DNS_ANY = 255,
    DNS_CAA = 257,
};
enum dns_option { DNS_OPTION_KEEPALIVE = 11 /* RFC 7828 */, DNS_OPTION_EDE = 15 /* RFC 8914 */ };
enum dns_ede { EDE_OTHER = 0, EDE_STALE = 3, EDE_NOT_READY = 14, EDE_PROHIBITED = 18, EDE_NOT_AUTHORITATIVE = 20 };

#endif
