/* Building the description of an instance from unchecked text.
 *
 * The happy path: count against the limits, validate what every instance has (address, numbers, id), add up the bytes,
 * take one block, and fill in the rest while validating. The block never changes afterwards, so the registry, the probe
 * plan and the history share it by reference.
 *
 * What can go wrong: any part may be wrong (the text names it and says what would be right), a limit may be passed,
 * memory may be short. Then the block is given back and nothing else has happened. */
#include "registry/description.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

/* What every instance has. It is read first, because the id decides the size of the block. */
struct head {
    uint8_t v6[16];
    union {
        struct description d;
        char room[sizeof(struct description) + INSTANCE_ID_MAX + 1]; /* for the id */
    } fixed;
};

/* The block while it is being filled: arrays, then strings from `at` on. */
struct fill {
    const struct description_input *in;
    struct description *d;
    const char **tags;
    struct meta *meta;
    struct named_port *ports;
    struct check_spec *checks;
    char *at, *end;
};

/* ── small parsers ── */

/* Decimal digits only, at most five of them. */
static int parse_number(const char *text, const char *what, unsigned min, unsigned max, uint16_t *out, struct err *e)
{
    unsigned n = 0;
    size_t len = strnlen(text, 6);
    bool is_number = len > 0 && len < 6;
    for (size_t i = 0; i < len && is_number; i++) {
        is_number = text[i] >= '0' && text[i] <= '9';
        n = n * 10 + (unsigned)(text[i] - '0');
    }
    if (!is_number || n < min || n > max)
        return err_set(e, ERR_BADARG, "%s \"%.32s\": a number from %u to %u is expected", what, text, min, max);
    *out = (uint16_t)n;
    return 0;
}

static int check_v4(const uint8_t v4[4], const char *text, struct err *e)
{
    if (v4[0] == 0 || v4[0] >= 224)
        return err_set(e, ERR_BADARG, "address \"%.64s\": nobody can connect to it; give the address of one machine",
                       text);
    return 0;
}

static int check_v6(const uint8_t v6[16], const char *text, struct err *e)
{
    static const uint8_t zero[16], mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(v6, zero, 16) == 0 || v6[0] == 0xff)
        return err_set(e, ERR_BADARG, "address \"%.64s\": nobody can connect to it; give the address of one machine",
                       text);
    if (memcmp(v6, mapped, sizeof(mapped)) == 0)
        return err_set(e, ERR_BADARG, "address \"%.64s\": write an IPv4 address in its own form", text);
    return 0;
}

/* One IPv4, one IPv6, or one of each with a comma between. */
static int parse_address(struct head *h, const char *text, struct err *e)
{
    struct description *d = &h->fixed.d;
    char one[INET6_ADDRSTRLEN];
    const char *at = text;
    for (int part = 0; part < 2; part++) {
        size_t len = strcspn(at, ",");
        if (len >= sizeof(one))
            break;
        memcpy(one, at, len);
        one[len] = '\0';
        int rc;
        if (!d->has_v4 && inet_pton(AF_INET, one, d->v4) == 1) {
            d->has_v4 = true;
            rc = check_v4(d->v4, text, e);
        } else if (!d->has_v6 && inet_pton(AF_INET6, one, h->v6) == 1) {
            d->has_v6 = true;
            rc = check_v6(h->v6, text, e);
        } else {
            break;
        }
        if (rc != 0)
            return rc;
        at += len;
        if (*at == '\0')
            return 0;
        at++;
    }
    return err_set(e, ERR_BADARG, "address \"%.64s\": an IPv4 address, an IPv6 address, or both as v4,v6 is expected",
                   text);
}

/* The id of an instance that gives none: address and port joined by hyphens, IPv6 as eight groups. */
static void default_id(struct head *h)
{
    const struct description *d = &h->fixed.d;
    char *out = h->fixed.d.id;
    int n;
    if (d->has_v4) {
        n = snprintf(out, INSTANCE_ID_MAX + 1, "%u-%u-%u-%u-%u", d->v4[0], d->v4[1], d->v4[2], d->v4[3], d->port);
    } else {
        unsigned g[8];
        for (int i = 0; i < 8; i++)
            g[i] = (unsigned)h->v6[2 * i] << 8 | h->v6[2 * i + 1];
        n = snprintf(out, INSTANCE_ID_MAX + 1, "%x-%x-%x-%x-%x-%x-%x-%x-%u", g[0], g[1], g[2], g[3], g[4], g[5], g[6],
                     g[7], d->port);
    }
    must(n > 0 && n <= INSTANCE_ID_MAX);
}

static int parse_id(struct head *h, const char *id, struct err *e)
{
    if (id == NULL) {
        default_id(h);
        return 0;
    }
    int rc = instance_id_check(id, e);
    if (rc != 0)
        return rc;
    size_t size = strlen(id) + 1;
    memcpy(h->fixed.d.id, id, size);
    for (size_t i = 0; i < size; i++)
        if (id[i] == '_')
            h->fixed.d.id[i] = '-';
    return 0;
}

static int parse_numbers(struct head *h, const struct description_input *in, struct err *e)
{
    struct description *d = &h->fixed.d;
    int rc = parse_number(in->port, "port", 1, 65535, &d->port, e);
    d->weight = 1;
    if (rc == 0 && in->weight != NULL)
        rc = parse_number(in->weight, "WEIGHT", 1, 65535, &d->weight, e);
    if (rc == 0 && in->priority != NULL)
        rc = parse_number(in->priority, "PRIORITY", 0, 65535, &d->priority, e);
    return rc;
}

static int parse_head(struct head *h, const struct description_input *in, struct err *e)
{
    *h = (struct head){.fixed.d = {.refs = 1, .lease_ms = in->lease_ms}};
    int rc = parse_address(h, in->address, e);
    if (rc == 0)
        rc = parse_numbers(h, in, e);
    return rc == 0 ? parse_id(h, in->id, e) : rc;
}

/* ── the parts that few have ── */

static const char *keep(struct fill *f, const char *text)
{
    size_t size = strlen(text) + 1;
    must((size_t)(f->end - f->at) >= size);
    char *out = memcpy(f->at, text, size);
    f->at += size;
    return out;
}

/* Printable: no control bytes. Bytes above ASCII may be UTF-8 and pass. */
static bool is_printable(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return false;
    return true;
}

static int check_tag(const struct fill *f, const char *tag, struct err *e)
{
    char folded[TAG_MAX + 1], other[TAG_MAX + 1];
    if (tag[0] == '\0' || strnlen(tag, TAG_MAX + 1) > TAG_MAX || !is_printable(tag))
        return err_set(e, ERR_BADARG, "tag \"%.64s\": 1 to %d printable bytes are expected", tag, TAG_MAX);
    label_fold(tag, folded);
    if (strcmp(folded, "tcp") == 0 || strcmp(folded, "udp") == 0)
        return err_set(e, ERR_BADARG, "tag \"%s\" is reserved: _tcp and _udp have a meaning in DNS", tag);
    if (strcmp(folded, label_fold(f->d->id, other)) == 0)
        return err_set(e, ERR_BADARG, "tag \"%s\" is also the id: both would be the same DNS name", tag);
    for (size_t i = 0; i < f->d->n_tags; i++)
        if (strcmp(folded, label_fold(f->tags[i], other)) == 0)
            return err_set(e, ERR_BADARG, "tag \"%.64s\" is given twice", tag);
    return 0;
}

static int fill_tags(struct fill *f, struct err *e)
{
    for (size_t i = 0; i < f->in->n_tags; i++) {
        int rc = check_tag(f, f->in->tags[i], e);
        if (rc != 0)
            return rc;
        f->tags[i] = keep(f, f->in->tags[i]);
        f->d->n_tags++;
    }
    return 0;
}

/* RFC 6763 section 6.4: a key is printable ASCII without '=', compared without case. */
static bool is_meta_key(const char *key)
{
    if (*key == '\0')
        return false;
    for (; *key != '\0'; key++)
        if (*key < ' ' || *key > '~' || *key == '=')
            return false;
    return true;
}

static bool is_same_key(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        char x = *a >= 'A' && *a <= 'Z' ? (char)(*a | 0x20) : *a;
        char y = *b >= 'A' && *b <= 'Z' ? (char)(*b | 0x20) : *b;
        if (x != y)
            return false;
    }
    return *a == *b;
}

static int fill_meta(struct fill *f, struct err *e)
{
    for (size_t i = 0; i < f->in->n_meta; i++) {
        const struct meta *m = &f->in->meta[i];
        if (!is_meta_key(m->key))
            return err_set(e, ERR_BADARG, "metadata key \"%.64s\": printable ASCII without '=' is expected", m->key);
        if (strlen(m->key) + 1 + strlen(m->value) > META_PAIR_MAX)
            return err_set(e, ERR_LIMIT, "metadata \"%.64s\": key=value has more than %d bytes", m->key, META_PAIR_MAX);
        for (size_t j = 0; j < i; j++)
            if (is_same_key(f->meta[j].key, m->key))
                return err_set(e, ERR_BADARG, "metadata key \"%.64s\" is given twice", m->key);
        f->meta[i].key = keep(f, m->key);
        f->meta[i].value = keep(f, m->value);
        f->d->n_meta++;
    }
    return 0;
}

/* RFC 6335 section 5.1: 1 to 15 letters, digits and single inner hyphens, with at least one letter. Written lower case.
 */
static bool fold_port_name(const char *in, char out[PORT_NAME_MAX + 1])
{
    size_t len = strnlen(in, PORT_NAME_MAX + 1);
    bool has_letter = false;
    if (len == 0 || len > PORT_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = in[i] >= 'A' && in[i] <= 'Z' ? (char)(in[i] | 0x20) : in[i];
        bool is_letter = c >= 'a' && c <= 'z';
        bool is_inner_hyphen = c == '-' && i > 0 && i + 1 < len && in[i - 1] != '-';
        if (!is_letter && !(c >= '0' && c <= '9') && !is_inner_hyphen)
            return false;
        has_letter = has_letter || is_letter;
        out[i] = c;
    }
    out[len] = '\0';
    return has_letter;
}

static int parse_port(const struct port_input *in, char name[PORT_NAME_MAX + 1], struct named_port *out, struct err *e)
{
    if (!fold_port_name(in->name, name))
        return err_set(
            e, ERR_BADARG,
            "port name \"%.32s\": 1 to %d letters, digits and single inner hyphens with a letter are expected",
            in->name, PORT_NAME_MAX);
    char number[8];
    size_t len = strcspn(in->number, "/");
    const char *protocol = in->number + len;
    out->is_udp = strcmp(protocol, "/udp") == 0;
    if (len >= sizeof(number) || (*protocol != '\0' && !out->is_udp && strcmp(protocol, "/tcp") != 0))
        return err_set(e, ERR_BADARG, "port \"%.32s\" of \"%s\": a number, number/tcp or number/udp is expected",
                       in->number, name);
    memcpy(number, in->number, len);
    number[len] = '\0';
    return parse_number(number, "named port", 1, 65535, &out->number, e);
}

static int fill_ports(struct fill *f, struct err *e)
{
    for (size_t i = 0; i < f->in->n_ports; i++) {
        char name[PORT_NAME_MAX + 1];
        struct named_port *p = &f->ports[i];
        int rc = parse_port(&f->in->ports[i], name, p, e);
        if (rc != 0)
            return rc;
        for (size_t j = 0; j < i; j++)
            if (f->ports[j].is_udp == p->is_udp && strcmp(f->ports[j].name, name) == 0)
                return err_set(e, ERR_BADARG, "port name \"%s\" is given twice for %s", name,
                               p->is_udp ? "udp" : "tcp");
        p->name = keep(f, name);
        f->d->n_ports++;
    }
    return 0;
}

static int fill_checks(struct fill *f, struct err *e)
{
    for (size_t i = 0; i < f->in->n_checks; i++) {
        size_t room = check_strings_room(f->in->checks[i]);
        must((size_t)(f->end - f->at) >= room);
        int rc = check_spec_parse(f->in->checks[i], f->at, &f->checks[i], e);
        if (rc != 0)
            return rc;
        f->at += room;
        for (size_t j = 0; j < i; j++)
            if (strcmp(f->checks[j].text, f->checks[i].text) == 0)
                return err_set(e, ERR_BADARG, "check \"%.128s\" is given twice", f->checks[i].text);
        f->d->n_checks++;
    }
    return 0;
}

/* ── the block ── */

static int check_limits(const struct description_input *in, const struct description_limits *l, struct err *e)
{
    const struct {
        const char *what;
        size_t n;
        uint16_t max;
    } rows[] = {{"tags", in->n_tags, l->tags},
                {"metadata pairs", in->n_meta, l->meta},
                {"named ports", in->n_ports, l->ports},
                {"checks", in->n_checks, l->checks}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].n > rows[i].max)
            return err_set(e, ERR_LIMIT, "%zu %s are too many: at most %u", rows[i].n, rows[i].what, rows[i].max);
    size_t bytes = 0;
    for (size_t i = 0; i < in->n_meta; i++)
        bytes += strlen(in->meta[i].key) + 1 + strlen(in->meta[i].value);
    if (bytes > l->meta_bytes)
        return err_set(e, ERR_LIMIT, "%zu bytes of metadata are too many: at most %u", bytes, l->meta_bytes);
    return 0;
}

/* Bytes of all strings, no less than what they will take. */
static size_t string_bytes(const struct description_input *in)
{
    size_t n = in->n_ports * (PORT_NAME_MAX + 1);
    for (size_t i = 0; i < in->n_tags; i++)
        n += strlen(in->tags[i]) + 1;
    for (size_t i = 0; i < in->n_meta; i++)
        n += strlen(in->meta[i].key) + strlen(in->meta[i].value) + 2;
    for (size_t i = 0; i < in->n_checks; i++)
        n += check_strings_room(in->checks[i]);
    return n;
}

static size_t aligned(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

/*  description, id | more | checks | metadata | tags | ports | strings   : falling alignment, so there is no padding.
 *  Without anything to tell `more` about the block ends with the id. */
static int fill_begin(struct fill *f, const struct head *h, const struct description_input *in)
{
    size_t own = offsetof(struct description, id) + strlen(h->fixed.d.id) + 1;
    size_t checks = aligned(own) + sizeof(struct description_more);
    size_t meta = checks + in->n_checks * sizeof(struct check_spec);
    size_t tags = meta + in->n_meta * sizeof(struct meta);
    size_t ports = tags + in->n_tags * sizeof(char *);
    size_t strings = ports + in->n_ports * sizeof(struct named_port);
    size_t size = strings + string_bytes(in);
    _Static_assert(sizeof(struct check_spec) % 8 == 0, "arrays must stay aligned");
    bool has_more = h->fixed.d.has_v6 || size > checks;
    char *block = calloc(1, has_more ? size : own > sizeof(*f->d) ? own : sizeof(*f->d));
    if (block == NULL)
        return ERR_NOMEM;
    *f = (struct fill){.in = in,
                       .d = (struct description *)(void *)block,
                       .checks = (struct check_spec *)(void *)(block + checks),
                       .meta = (struct meta *)(void *)(block + meta),
                       .tags = (const char **)(void *)(block + tags),
                       .ports = (struct named_port *)(void *)(block + ports),
                       .at = block + strings,
                       .end = block + size};
    memcpy(block, h->fixed.room, own);
    if (!has_more)
        return 0;
    struct description_more *more = (struct description_more *)(void *)(block + aligned(own));
    *more = (struct description_more){.tags = f->tags, .meta = f->meta, .ports = f->ports, .checks = f->checks};
    memcpy(more->v6, h->v6, sizeof(more->v6));
    f->d->more = more;
    return 0;
}

int description_new(const struct description_input *in, const struct description_limits *limits,
                    struct description **out, struct err *e)
{
    struct head h;
    struct fill f;
    int rc = check_limits(in, limits, e);
    if (rc == 0)
        rc = parse_head(&h, in, e);
    if (rc != 0)
        return rc;
    rc = fill_begin(&f, &h, in);
    if (rc != 0)
        return err_set(e, rc, "out of memory");
    rc = fill_tags(&f, e);
    if (rc == 0)
        rc = fill_meta(&f, e);
    if (rc == 0)
        rc = fill_ports(&f, e);
    if (rc == 0)
        rc = fill_checks(&f, e);
    if (rc != 0) {
        description_unref(f.d);
        return rc;
    }
    *out = f.d;
    return 0;
}

struct description *description_ref(struct description *d)
{
    d->refs++;
    return d;
}

void description_unref(struct description *d)
{
    if (d == NULL)
        return;
    must(d->refs > 0);
    if (--d->refs == 0)
        free(d);
}

/* ── reading ── */

static bool is_same_numbers(const struct description *a, const struct description *b)
{
    return a->lease_ms == b->lease_ms && a->port == b->port && a->weight == b->weight && a->priority == b->priority &&
           a->has_v4 == b->has_v4 && a->has_v6 == b->has_v6 && memcmp(a->v4, b->v4, 4) == 0 &&
           (!a->has_v6 || memcmp(a->more->v6, b->more->v6, 16) == 0) && a->n_tags == b->n_tags && a->n_meta == b->n_meta &&
           a->n_ports == b->n_ports && a->n_checks == b->n_checks;
}

bool description_is_same(const struct description *a, const struct description *b)
{
    if (a == b)
        return true;
    if (!is_same_numbers(a, b) || strcmp(a->id, b->id) != 0)
        return false;
    for (size_t i = 0; i < a->n_tags; i++)
        if (strcmp(a->more->tags[i], b->more->tags[i]) != 0)
            return false;
    for (size_t i = 0; i < a->n_meta; i++)
        if (strcmp(a->more->meta[i].key, b->more->meta[i].key) != 0 || strcmp(a->more->meta[i].value, b->more->meta[i].value) != 0)
            return false;
    for (size_t i = 0; i < a->n_ports; i++)
        if (a->more->ports[i].number != b->more->ports[i].number || a->more->ports[i].is_udp != b->more->ports[i].is_udp ||
            strcmp(a->more->ports[i].name, b->more->ports[i].name) != 0)
            return false;
    for (size_t i = 0; i < a->n_checks; i++)
        if (strcmp(a->more->checks[i].text, b->more->checks[i].text) != 0)
            return false;
    return true;
}

char *description_address(const struct description *d, char out[ADDRESS_TEXT_MAX])
{
    char v4[INET_ADDRSTRLEN] = "", v6[INET6_ADDRSTRLEN] = "";
    if (d->has_v4)
        must(inet_ntop(AF_INET, d->v4, v4, sizeof(v4)) != NULL);
    if (d->has_v6)
        must(inet_ntop(AF_INET6, d->more->v6, v6, sizeof(v6)) != NULL);
    int n = snprintf(out, ADDRESS_TEXT_MAX, "%s%s%s", v4, d->has_v4 && d->has_v6 ? "," : "", v6);
    must(n > 0 && n < ADDRESS_TEXT_MAX);
    return out;
}
