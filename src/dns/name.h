/* Domain names in wire form: length-prefixed labels, ended by the root, at most 255 bytes, never compressed.
 *
 * Two foldings (DESIGN 1 and 2): `exact` folds case only (RFC 4343), for static names; `loose` also takes '_' as '-'
 * everywhere but at the beginning of a label, for services, tags and ids. */
#ifndef DNS_NAME_H
#define DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "dns/proto.h"

struct dns_name {
    uint8_t len; /* the root's byte included; 1 for the root */
    uint8_t wire[DNS_NAME_MAX];
};

/* Presentation form, RFC 1035 section 5.1 escapes, with or without the final dot (always absolute). ERR_BADARG with a
 * text: empty label, label over 63, name over 255, bad escape, a blank or control byte that is not escaped. */
int dns_name_parse(const char *text, struct dns_name *out, struct err *e) MUST_CHECK;
/* "a.b.c." with the escapes of a master file; "." for the root. `wire` must be a well-formed name. Returns out. */
#define DNS_NAME_TEXT_MAX 1025
char *dns_name_text(const uint8_t *wire, char out[DNS_NAME_TEXT_MAX]);
/* Length in wire form of the name at the beginning of `wire`, 0 if it is none within `cap` (pointer, overlong). */
size_t dns_name_len(const uint8_t *wire, size_t cap);
/* Puts `label` (1..63 bytes, as they are: no escapes) before `name`; ERR_SPACE over 255, `name` is as before then. */
int dns_name_prepend(struct dns_name *name, const char *label, size_t len) MUST_CHECK;
void dns_name_fold_exact(struct dns_name *n);
void dns_name_fold_loose(struct dns_name *n);
bool dns_name_is_equal(const struct dns_name *a, const struct dns_name *b); /* byte for byte: fold first */
/* True if `name` is `suffix` or below it; byte for byte, at a label boundary. */
bool dns_name_is_under(const struct dns_name *name, const struct dns_name *suffix);
size_t dns_name_labels(const struct dns_name *n); /* without the root */

#endif
