/* Zone files: the text of a domain's static records, read into plain RRsets.
 *
 * Happy path: zone_text.c cuts logical lines; a line is a directive or a record; the head of a record (owner, TTL,
 * class, type) is read here, its data by ldns, which knows every type's presentation; zone_set.c checks the records
 * against each other and groups them.
 *
 * What can go wrong is told as FILE:LINE with what would be right. ldns alone would be too forgiving: it wraps numbers
 * that are too large (`MX 70000` becomes 4464), takes quotes in names as letters and cuts data of the wrong length, so
 * the fields are checked before it sees them and the wire form after. Data in the generic form of RFC 3597 (`\# 4
 * 0a000001`) is read here. ldns is used in no other file. */
#include "dns/zone.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "dns/zone_record.h"
#include "dns/zone_text.h"
#include "dns/zone_type.h"

#define ZONE_FILE_MAX (64u << 20)
#define RDATA_MAX     65535
#define LDNS_TEXT_MAX 65000 /* it cuts longer data in silence, at its LDNS_MAX_PACKETLEN */
#define SHOWN(w)      (int)((w)->len < 60 ? (w)->len : 60), (w)->at /* for %.*s */

struct loader {
    const char *label;
    struct err *e;
    size_t line;          /* of the current record */
    struct dns_name apex; /* folded */
    struct dns_name origin;
    struct dns_name owner; /* of the last record */
    bool has_owner;
    uint32_t ttl_s; /* where a record gives none */
    struct zone_records records;
};

#define REFUSE(l, ...) zone_refuse((l)->e, (l)->label, (l)->line, __VA_ARGS__)

static int no_memory(const struct loader *l)
{
    return err_set(l->e, ERR_NOMEM, "%.80s: %s", l->label, err_meaning(ERR_NOMEM));
}

/* ── names ── */

static bool is_absolute(const char *text, size_t len)
{
    size_t n_backslashes = 0;
    if (len == 0 || text[len - 1] != '.')
        return false;
    while (n_backslashes + 1 < len && text[len - 2 - n_backslashes] == '\\')
        n_backslashes++;
    return n_backslashes % 2 == 0;
}

/* A name as written: `@`, absolute with a final dot, or relative to the origin. */
static int read_name(const struct loader *l, const struct zone_word *w, struct dns_name *out)
{
    char text[DNS_NAME_TEXT_MAX];
    struct err why;
    if (zone_word_is(w, "@")) {
        *out = l->origin;
        return 0;
    }
    if (w->len >= sizeof(text))
        return REFUSE(l, "a name has at most 255 bytes");
    if (w->at[0] == '"')
        return REFUSE(l, "names are written without quotes: %.*s", SHOWN(w));
    memcpy(text, w->at, w->len);
    text[w->len] = '\0';
    if (dns_name_parse(text, out, &why) != 0)
        return REFUSE(l, "%s", why.text);
    if (is_absolute(text, w->len))
        return 0;
    size_t head = (size_t)out->len - 1;
    if (head + l->origin.len > DNS_NAME_MAX)
        return REFUSE(l, "name '%.*s' with its origin is over 255 bytes", SHOWN(w));
    memcpy(out->wire + head, l->origin.wire, l->origin.len);
    out->len = (uint8_t)(head + l->origin.len);
    return 0;
}

/* ── types ── */

static int read_type(const struct loader *l, const struct zone_word *w, uint16_t *type)
{
    char text[32] = "";
    uint64_t number = 0;
    if (w->len < sizeof(text))
        memcpy(text, w->at, w->len);
    struct zone_word digits = {w->at + 4, w->len > 4 ? w->len - 4 : 0};
    if (strncasecmp(text, "TYPE", 4) == 0 && zone_word_number(&digits, UINT16_MAX, &number) != 0)
        return REFUSE(l, "'%.*s' is no type; TYPE0 to TYPE65535", SHOWN(w));
    *type = digits.len > 0 && number != 0 ? (uint16_t)number : (uint16_t)ldns_get_rr_type_by_name(text);
    if (*type == 0)
        return REFUSE(l, "'%.*s' is no record type; a record is: [name] [TTL] [IN] TYPE data", SHOWN(w));
    if (zone_type_is_meta(*type))
        return REFUSE(l, "'%.*s' is a type of questions, not of data", SHOWN(w));
    const struct zone_type *row = zone_type_find(*type);
    return row != NULL && row->refused != NULL ? REFUSE(l, "%s", row->refused) : 0;
}

/* ── data ── */

/* Numbers and names as written, as far as each field is one word. */
static int check_fields(const struct loader *l, const ldns_rr_descriptor *d, const char *data)
{
    struct zone_word w;
    uint64_t number;
    uint32_t period_s;
    for (size_t i = 0; i < ldns_rr_descriptor_maximum(d) && zone_word_next(&data, &w); i++) {
        uint64_t max = 0;
        switch (ldns_rr_descriptor_field_type(d, i)) {
        case LDNS_RDF_TYPE_INT8:
            max = UINT8_MAX;
            break;
        case LDNS_RDF_TYPE_INT16:
            max = UINT16_MAX;
            break;
        case LDNS_RDF_TYPE_INT32:
            max = UINT32_MAX;
            break;
        case LDNS_RDF_TYPE_PERIOD:
            if (zone_word_ttl(&w, &period_s) != 0)
                return REFUSE(l, "'%.*s' is no time; 0 to 2147483647 seconds, or 1h30m", SHOWN(&w));
            break;
        case LDNS_RDF_TYPE_DNAME:
            if (w.at[0] == '"')
                return REFUSE(l, "names are written without quotes: %.*s", SHOWN(&w));
            break;
        case LDNS_RDF_TYPE_STR:
        case LDNS_RDF_TYPE_TAG:
        case LDNS_RDF_TYPE_A:
        case LDNS_RDF_TYPE_AAAA:
        case LDNS_RDF_TYPE_CERT_ALG:
        case LDNS_RDF_TYPE_ALG:
            break;
        default:
            return 0; /* may take several words */
        }
        if (max != 0 && zone_word_number(&w, max, &number) != 0)
            return REFUSE(l, "'%.*s' is no number from 0 to %llu", SHOWN(&w), (unsigned long long)max);
    }
    return 0;
}

/* RFC 3597 section 5: `\#`, a length, as many bytes in hexadecimal, in any number of words. `data` is behind the `\#`.
 */
static int read_generic(const struct loader *l, const char *data, struct buf *rdata)
{
    struct zone_word w;
    uint64_t len;
    if (!zone_word_next(&data, &w) || zone_word_number(&w, RDATA_MAX, &len) != 0)
        return REFUSE(l, "after \\# comes the number of bytes, 0 to 65535");
    unsigned byte = 1; /* a marker bit, then the digits of the byte that is not complete */
    for (; *data != '\0'; data++) {
        static const char hex[] = "0123456789abcdef";
        const char *digit = strchr(hex, *data >= 'A' && *data <= 'F' ? *data | 0x20 : *data);
        if (*data == ' ')
            continue;
        if (digit == NULL)
            return REFUSE(l, "'%c' is no hexadecimal digit", *data);
        byte = byte << 4 | (unsigned)(digit - hex);
        if (byte > 0xff) {
            buf_putc(rdata, (char)byte);
            byte = 1;
        }
    }
    if (!rdata->failed && (rdata->len != len || byte != 1))
        return REFUSE(l, "\\# announces %llu bytes, the data has %zu%s", (unsigned long long)len, rdata->len,
                      byte != 1 ? " and a half" : "");
    return 0;
}

static int refuse_data(const struct loader *l, uint16_t type, const char *why)
{
    const struct zone_type *row = zone_type_find(type);
    char name[16];
    snprintf(name, sizeof(name), "TYPE%u", type);
    const ldns_rr_descriptor *d = ldns_rr_descript(type);
    const char *shown = d->_name != NULL ? d->_name : name;
    if (row != NULL)
        return REFUSE(l, "the data of %s is wrong (%s); right would be: %s", shown, why, row->example);
    return REFUSE(l, "the data of %s is wrong: %s", shown, why);
}

/* The text of a record whose data ldns shall read. Its owner, TTL and class do not matter. */
static ldns_status parse_data(const struct loader *l, uint16_t type, const char *data, ldns_rr **rr)
{
    struct buf text;
    ldns_rdf *origin = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, l->origin.len, l->origin.wire);
    ldns_status status = LDNS_STATUS_MEM_ERR;
    buf_init(&text, 0);
    buf_printf(&text, ". 0 IN TYPE%u %s", type, data);
    if (origin != NULL && !text.failed)
        status = ldns_rr_new_frm_str(rr, buf_cstr(&text), 0, origin, NULL);
    ldns_rdf_deep_free(origin);
    buf_fini(&text);
    return status;
}

static int read_data(const struct loader *l, uint16_t type, const char *data, struct buf *rdata)
{
    struct zone_word w;
    const char *rest = data;
    if (zone_word_next(&rest, &w) && zone_word_is(&w, "\\#"))
        return read_generic(l, rest, rdata);
    if (strlen(data) > LDNS_TEXT_MAX)
        return refuse_data(l, type, "over 65000 characters");
    int rc = check_fields(l, ldns_rr_descript(type), data);
    if (rc != 0)
        return rc;
    ldns_rr *rr = NULL;
    ldns_status status = parse_data(l, type, data, &rr);
    if (status == LDNS_STATUS_MEM_ERR)
        return no_memory(l);
    if (status != LDNS_STATUS_OK)
        return refuse_data(l, type, ldns_get_errorstr_by_id(status));
    for (size_t i = 0; i < ldns_rr_rd_count(rr); i++)
        buf_append(rdata, ldns_rdf_data(ldns_rr_rdf(rr, i)), ldns_rdf_size(ldns_rr_rdf(rr, i)));
    ldns_rr_free(rr);
    return 0;
}

/* ── lines ── */

static int check_place(const struct loader *l, uint16_t type)
{
    char text[DNS_NAME_TEXT_MAX], apex[DNS_NAME_TEXT_MAX];
    struct dns_name owner = l->owner;
    dns_name_fold_exact(&owner);
    dns_name_text(l->owner.wire, text);
    if (!dns_name_is_under(&owner, &l->apex))
        return REFUSE(l, "'%.80s' is outside '%.80s'; a name without a final dot is relative", text,
                      dns_name_text(l->apex.wire, apex));
    if (owner.wire[0] == 1 && owner.wire[1] == '*')
        return REFUSE(l, "wildcards are not served; write the names out: '%.80s'", text);
    bool is_apex = dns_name_is_equal(&owner, &l->apex);
    if (type == DNS_NS && !is_apex)
        return REFUSE(l, "NS below the apex would delegate '%.80s'; use [forward DOMAIN] instead", text);
    if (type == DNS_SOA && !is_apex)
        return REFUSE(l, "the SOA belongs to '%.80s', not to '%.80s'", dns_name_text(l->apex.wire, apex), text);
    return 0;
}

static bool is_class(const struct zone_word *w)
{
    static const char *const others[] = {"CH", "HS", "CS", "NONE", "ANY"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (zone_word_is(w, others[i]))
            return true;
    return zone_word_is(w, "IN") || (w->len > 5 && strncasecmp(w->at, "CLASS", 5) == 0);
}

/* [TTL] [class] TYPE, the first two in any order; `*at` is behind the type then. */
static int read_head(const struct loader *l, const char **at, uint32_t *ttl_s, uint16_t *type)
{
    struct zone_word w;
    bool has_ttl = false, has_class = false;
    while (zone_word_next(at, &w)) {
        if (!has_class && is_class(&w)) {
            if (!zone_word_is(&w, "IN") && !zone_word_is(&w, "CLASS1"))
                return REFUSE(l, "class %.*s is not served; only IN", SHOWN(&w));
            has_class = true;
        } else if (!has_ttl && w.at[0] >= '0' && w.at[0] <= '9') {
            if (zone_word_ttl(&w, ttl_s) != 0)
                return REFUSE(l, "'%.*s' is no TTL; 0 to 2147483647 seconds, or 1h30m", SHOWN(&w));
            has_ttl = true;
        } else {
            return read_type(l, &w, type);
        }
    }
    return REFUSE(l, "the record has no type; a record is: [name] [TTL] [IN] TYPE data");
}

static int read_record(struct loader *l, const char *text)
{
    struct zone_word w;
    const char *at = text;
    if (*at != ' ') {
        zone_word_next(&at, &w);
        int rc = read_name(l, &w, &l->owner);
        if (rc != 0)
            return rc;
        l->has_owner = true;
    } else if (!l->has_owner) {
        return REFUSE(l, "the first record needs a name ('@' is the domain itself)");
    }

    struct zone_record record = {.owner = l->owner, .ttl_s = l->ttl_s, .line = l->line};
    int rc = read_head(l, &at, &record.ttl_s, &record.type);
    if (rc == 0)
        rc = check_place(l, record.type);
    if (rc != 0)
        return rc;

    struct buf rdata;
    buf_init(&rdata, RDATA_MAX);
    rc = read_data(l, record.type, at, &rdata);
    if (rc == 0 && rdata.failed)
        rc = rdata.len == RDATA_MAX ? refuse_data(l, record.type, "over 65535 bytes") : no_memory(l);
    const uint8_t *wire = (const uint8_t *)buf_cstr(&rdata);
    if (rc == 0 && !zone_type_is_sound(record.type, wire, rdata.len))
        rc = refuse_data(l, record.type, "lengths that do not fit, or a key twice");
    record.len = (uint16_t)rdata.len;
    if (rc == 0 && zone_records_add(&l->records, &record, wire) != 0)
        rc = no_memory(l);
    buf_fini(&rdata);
    return rc;
}

static int read_directive(struct loader *l, const char *at)
{
    struct zone_word name, value, more;
    zone_word_next(&at, &name);
    if (zone_word_is(&name, "$INCLUDE"))
        return REFUSE(l, "$INCLUDE is not supported; put the records into this file");
    if (zone_word_is(&name, "$GENERATE"))
        return REFUSE(l, "$GENERATE is not supported; write the records out");
    bool is_ttl = zone_word_is(&name, "$TTL");
    if (!is_ttl && !zone_word_is(&name, "$ORIGIN"))
        return REFUSE(l, "%.*s is unknown; there are $TTL and $ORIGIN", SHOWN(&name));
    if (!zone_word_next(&at, &value) || zone_word_next(&at, &more))
        return REFUSE(l, "%.*s takes one value", SHOWN(&name));
    if (!is_ttl) {
        struct dns_name origin;
        int rc = read_name(l, &value, &origin);
        if (rc == 0)
            l->origin = origin;
        return rc;
    }
    if (zone_word_ttl(&value, &l->ttl_s) != 0)
        return REFUSE(l, "'%.*s' is no TTL; 0 to 2147483647 seconds, or 1h30m", SHOWN(&value));
    return 0;
}

static int read_lines(struct loader *l, struct zone_text *t)
{
    int rc;
    while ((rc = zone_text_next(t)) == 1) {
        const char *text = buf_cstr(&t->record);
        l->line = t->record_line;
        rc = *text == '$' ? read_directive(l, text) : read_record(l, text);
        if (rc != 0)
            return rc;
    }
    if (rc == ERR_NOMEM)
        return no_memory(l);
    return rc != 0 ? zone_refuse(l->e, l->label, t->problem_line, "%s", t->problem) : 0;
}

int zone_parse(const char *text, size_t len, const char *label, const struct dns_name *apex, uint32_t default_ttl,
               struct zone **out, struct err *e)
{
    struct zone_text t;
    struct loader *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return err_set(e, ERR_NOMEM, "%.80s: %s", label, err_meaning(ERR_NOMEM));
    *l = (struct loader){.label = label, .e = e, .apex = *apex, .origin = *apex, .ttl_s = default_ttl};
    dns_name_fold_exact(&l->apex);
    zone_records_init(&l->records);
    zone_text_init(&t, text, len);
    int rc = read_lines(l, &t);
    if (rc == 0)
        rc = zone_records_build(&l->records, &l->apex, label, out, e);
    zone_text_fini(&t);
    zone_records_fini(&l->records);
    free(l);
    return rc;
}

/* The whole file. ERR_IO, ERR_LIMIT, ERR_NOMEM. */
static int read_file(const char *path, struct buf *text, struct err *e)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return err_set(e, ERR_IO, "cannot open the zone file %.160s: %s", path, strerror(errno));
    int rc = 0;
    size_t n = 1;
    while (rc == 0 && n > 0) {
        char chunk[4096];
        errno = 0;
        n = fread(chunk, 1, sizeof(chunk), f);
        buf_append(text, chunk, n);
        if (ferror(f))
            rc = err_set(e, ERR_IO, "%.160s: %s", path, strerror(errno));
        else if (text->failed && text->len + n > ZONE_FILE_MAX)
            rc = err_set(e, ERR_LIMIT, "%.160s: a zone file has at most 64 MiB", path);
        else if (text->failed)
            rc = err_set(e, ERR_NOMEM, "%.160s: %s", path, err_meaning(ERR_NOMEM));
    }
    fclose(f);
    return rc;
}

int zone_load(const char *path, const struct dns_name *apex, uint32_t default_ttl, struct zone **out, struct err *e)
{
    struct buf text;
    buf_init(&text, ZONE_FILE_MAX);
    int rc = read_file(path, &text, e);
    if (rc == 0)
        rc = zone_parse(buf_cstr(&text), text.len, path, apex, default_ttl, out, e);
    buf_fini(&text);
    return rc;
}
