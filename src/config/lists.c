/* Types of values that are lists or have an inner form: listeners, networks, domains, files, addresses, checks.
 *
 * Lists are comma-separated, blanks around elements do not count. A list is parsed element by element into the fixed
 * array of its field; the first bad element refuses the whole. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/option.h"

#define ELEMENT_MAX 1024 /* bytes of one element, NUL included */

/* Copies the next element without its blanks; moves *at behind its comma, or to NULL behind the last one. */
static int element_next(const char **at, char out[ELEMENT_MAX], struct err *e)
{
    const char *begin = *at + strspn(*at, " \t"), *end = begin + strcspn(begin, ",");
    *at = *end == ',' ? end + 1 : NULL;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    size_t len = (size_t)(end - begin);
    if (len >= ELEMENT_MAX)
        return err_set(e, ERR_BADARG, "\"%.40s...\" is too long: at most %d bytes", begin, ELEMENT_MAX - 1);
    memcpy(out, begin, len);
    out[len] = '\0';
    return 0;
}

/* Calls `each` with every element and its index. */
static int list_parse(const struct option *row, const char *value, void *base,
                      int (*each)(const struct option *row, const char *element, size_t i, void *base, struct err *e),
                      size_t *count, struct err *e)
{
    char element[ELEMENT_MAX];
    size_t n = 0;
    for (const char *at = value[0] == '\0' ? NULL : value; at != NULL; n++) {
        int rc = element_next(&at, element, e);
        if (rc != 0)
            return rc;
        if (n == CONFIG_LIST_MAX)
            return err_set(e, ERR_BADARG, "too many: a list holds at most %d", CONFIG_LIST_MAX);
        rc = each(row, element, n, base, e);
        if (rc != 0)
            return rc;
    }
    *count = n;
    return 0;
}

static size_t *list_count(const struct option *row, void *base)
{
    return (size_t *)(void *)((char *)base + row->count_offset);
}

static bool list_is_equal(const struct option *row, const void *a, const void *b, size_t size)
{
    size_t n_a = *(const size_t *)(const void *)((const char *)a + row->count_offset);
    size_t n_b = *(const size_t *)(const void *)((const char *)b + row->count_offset);
    return n_a == n_b && memcmp(option_field_const(row, a), option_field_const(row, b), n_a * size) == 0;
}

/* ── listeners ── */

/* Decimal digits only, 0 to 65535; 0 lets the kernel choose. */
static int port_parse(const char *text, uint16_t *out)
{
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > 5 || text[len] != '\0')
        return ERR_BADARG;
    long n = strtol(text, NULL, 10);
    if (n > UINT16_MAX)
        return ERR_BADARG;
    *out = (uint16_t)n;
    return 0;
}

static int unix_parse(const char *text, struct config_listen *out, struct err *e)
{
    const char *path = text + strlen("unix:");
    if (path[0] != '/')
        return err_set(e, ERR_BADARG,
                       "\"%.60s\" should be unix: and an absolute path, as unix:/run/rollcall/rollcall.sock", text);
    if (strlen(path) >= sizeof(out->path))
        return err_set(e, ERR_BADARG, "the path of a Unix socket has at most %zu bytes, \"%.60s...\" has %zu",
                       sizeof(out->path) - 1, path, strlen(path));
    out->is_unix = true;
    strcpy(out->path, path);
    return 0;
}

int config_listen_parse(const char *text, struct config_listen *out, struct err *e)
{
    memset(out, 0, sizeof(*out));
    size_t len = strlen(text);
    if (len >= sizeof(out->text))
        return err_set(e, ERR_BADARG, "\"%.60s...\" is too long for an address to listen on", text);
    memcpy(out->text, text, len + 1);
    if (strncmp(text, "unix:", 5) == 0)
        return unix_parse(text, out, e);

    char host[sizeof(out->text)];
    const char *colon = strrchr(text, ':');
    bool has_brackets = text[0] == '[' && colon != NULL && colon > text && colon[-1] == ']';
    if (colon == NULL || port_parse(colon + 1, &out->port) != 0)
        return err_set(e, ERR_BADARG,
                       "\"%.60s\" should be address:port, [v6]:port or unix:/path, with a port up to 65535", text);
    size_t host_len = (size_t)(colon - text);
    if (has_brackets) {
        memcpy(host, text + 1, host_len - 2);
        host[host_len - 2] = '\0';
    } else {
        memcpy(host, text, host_len);
        host[host_len] = '\0';
    }
    out->is_v6 = has_brackets;
    if (inet_pton(has_brackets ? AF_INET6 : AF_INET, host, out->address) == 1)
        return 0;
    if (!has_brackets && strchr(host, ':') != NULL)
        return err_set(e, ERR_BADARG, "\"%.60s\": an IPv6 address goes in brackets, as [::1]:%u", text, out->port);
    return err_set(e, ERR_BADARG, "\"%.40s\" is not an address; every address is 0.0.0.0:%u or [::]:%u", host,
                   out->port, out->port);
}

static bool listen_is_same(const struct config_listen *a, const struct config_listen *b)
{
    if (a->is_unix || b->is_unix)
        return a->is_unix && b->is_unix && strcmp(a->path, b->path) == 0;
    return a->port != 0 && a->port == b->port && a->is_v6 == b->is_v6 && memcmp(a->address, b->address, 16) == 0;
}

static int listen_each(const struct option *row, const char *element, size_t i, void *base, struct err *e)
{
    struct config_listen *list = option_field(row, base);
    int rc = config_listen_parse(element, &list[i], e);
    for (size_t k = 0; rc == 0 && k < i; k++) {
        if (listen_is_same(&list[k], &list[i]))
            rc = err_set(e, ERR_BADARG, "\"%.60s\" is there twice", element);
    }
    return rc;
}

static int listen_set(const struct option *row, const char *value, void *base, struct err *e)
{
    return list_parse(row, value, base, listen_each, list_count(row, base), e);
}

static bool listen_is_equal(const struct option *row, const void *a, const void *b)
{
    return list_is_equal(row, a, b, sizeof(struct config_listen));
}

/* ── networks ── */

static int network_parse(const char *text, struct config_network *out, struct err *e)
{
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t host_len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    memset(out, 0, sizeof(*out));
    if (host_len < sizeof(host)) {
        memcpy(host, text, host_len);
        host[host_len] = '\0';
        out->is_v6 = strchr(host, ':') != NULL;
    }
    unsigned bits = out->is_v6 ? 128 : 32;
    uint16_t prefix = (uint16_t)bits;
    if (host_len >= sizeof(host) || inet_pton(out->is_v6 ? AF_INET6 : AF_INET, host, out->address) != 1 ||
        (slash != NULL && (port_parse(slash + 1, &prefix) != 0 || prefix > bits)))
        return err_set(e, ERR_BADARG, "\"%.60s\" should be an address or a network, as 10.0.0.0/8 or 2001:db8::/32",
                       text);
    out->prefix_len = (uint8_t)prefix;
    for (unsigned bit = prefix; bit < bits; bit++) {
        if (out->address[bit / 8] & (0x80 >> (bit % 8)))
            return err_set(e, ERR_BADARG, "\"%.60s\" has bits set behind its /%u; a single address needs no prefix",
                           text, prefix);
    }
    return 0;
}

bool config_network_contains(const struct config_network *n, bool is_v6, const uint8_t *address)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (is_v6 && !n->is_v6 && memcmp(address, mapped, sizeof(mapped)) == 0) {
        is_v6 = false; /* an IPv4 client on a socket for both, RFC 4291 section 2.5.5.2 */
        address += sizeof(mapped);
    }
    if (is_v6 != n->is_v6)
        return false;
    unsigned whole = n->prefix_len / 8, rest = n->prefix_len % 8;
    if (memcmp(n->address, address, whole) != 0)
        return false;
    return rest == 0 || ((n->address[whole] ^ address[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

static int network_each(const struct option *row, const char *element, size_t i, void *base, struct err *e)
{
    return network_parse(element, (struct config_network *)option_field(row, base) + i, e);
}

static int networks_set(const struct option *row, const char *value, void *base, struct err *e)
{
    return list_parse(row, value, base, network_each, list_count(row, base), e);
}

static bool networks_is_equal(const struct option *row, const void *a, const void *b)
{
    return list_is_equal(row, a, b, sizeof(struct config_network));
}

/* ── domains ── */

static int domain_each(const struct option *row, const char *element, size_t i, void *base, struct err *e)
{
    struct dns_name *name = (struct dns_name *)option_field(row, base) + i;
    memset(name, 0, sizeof(*name));
    int rc = dns_name_parse(element, name, e);
    if (rc != 0)
        return rc;
    if (name->len == 1)
        return err_set(e, ERR_BADARG, "\"%.40s\": the root cannot be served; name a domain, as service.local", element);
    if (name->len > CONFIG_DOMAIN_MAX)
        return err_set(e, ERR_BADARG, "\"%.40s...\" is too long: a domain has at most %d bytes", element,
                       CONFIG_DOMAIN_MAX);
    return 0;
}

static int domains_set(const struct option *row, const char *value, void *base, struct err *e)
{
    if (value[0] == '\0')
        return err_set(e, ERR_BADARG, "at least one domain is needed, as service.local");
    return list_parse(row, value, base, domain_each, list_count(row, base), e);
}

static bool domains_is_equal(const struct option *row, const void *a, const void *b)
{
    const struct config *x = a, *y = b;
    bool is_equal = x->dns.n_domains == y->dns.n_domains;
    for (size_t i = 0; is_equal && i < x->dns.n_domains; i++)
        is_equal = dns_name_is_equal(&x->dns.domains[i], &y->dns.domains[i]);
    return is_equal;
}

/* ── files: an empty place in the list is NULL, the places are those of another list ── */

static int file_each(const struct option *row, const char *element, size_t i, void *base, struct err *e)
{
    char **files = option_field(row, base);
    if (element[0] == '\0')
        return 0;
    files[i] = strdup(element);
    return files[i] == NULL ? ERR_NOMEM : 0;
}

static void files_clear(const struct option *row, void *base)
{
    char **files = option_field(row, base);
    for (size_t i = 0; i < CONFIG_LIST_MAX; i++) {
        free(files[i]);
        files[i] = NULL;
    }
}

static int files_set(const struct option *row, const char *value, void *base, struct err *e)
{
    size_t n;
    files_clear(row, base);
    return list_parse(row, value, base, file_each, &n, e);
}

static bool files_is_equal(const struct option *row, const void *a, const void *b)
{
    char *const *x = option_field_const(row, a), *const *y = option_field_const(row, b);
    for (size_t i = 0; i < CONFIG_LIST_MAX; i++) {
        if ((x[i] == NULL) != (y[i] == NULL) || (x[i] != NULL && strcmp(x[i], y[i]) != 0))
            return false;
    }
    return true;
}

/* ── addresses of the name server, split by family ── */

static int address_each(const struct option *row, const char *element, size_t i, void *base, struct err *e)
{
    struct config *c = base;
    if (inet_pton(AF_INET, element, c->dns.ns_v4[c->dns.n_ns_v4]) == 1)
        c->dns.n_ns_v4++;
    else if (inet_pton(AF_INET6, element, c->dns.ns_v6[c->dns.n_ns_v6]) == 1)
        c->dns.n_ns_v6++;
    else
        return err_set(e, ERR_BADARG, "\"%.60s\" should be an IPv4 or IPv6 address without a port", element);
    return 0;
}

static int addresses_set(const struct option *row, const char *value, void *base, struct err *e)
{
    struct config *c = base;
    size_t n;
    c->dns.n_ns_v4 = c->dns.n_ns_v6 = 0;
    return list_parse(row, value, base, address_each, &n, e);
}

static bool addresses_is_equal(const struct option *row, const void *a, const void *b)
{
    const struct config *x = a, *y = b;
    return x->dns.n_ns_v4 == y->dns.n_ns_v4 && x->dns.n_ns_v6 == y->dns.n_ns_v6 &&
           memcmp(x->dns.ns_v4, y->dns.ns_v4, x->dns.n_ns_v4 * sizeof(x->dns.ns_v4[0])) == 0 &&
           memcmp(x->dns.ns_v6, y->dns.ns_v6, x->dns.n_ns_v6 * sizeof(x->dns.ns_v6[0])) == 0;
}

/* ── processors ── */

static int cpu_parse(const char *text, size_t len, unsigned *out)
{
    *out = 0;
    if (len == 0 || len > 4 || strspn(text, "0123456789") < len)
        return ERR_BADARG;
    for (size_t i = 0; i < len; i++)
        *out = *out * 10 + (unsigned)(text[i] - '0');
    return *out < CONFIG_CPUS_MAX ? 0 : ERR_BADARG;
}

static int cpu_add(struct config *c, unsigned cpu, struct err *e)
{
    for (size_t k = 0; k < c->server.n_cpus; k++)
        if (c->server.cpus[k] == cpu)
            return err_set(e, ERR_BADARG, "processor %u is named twice", cpu);
    c->server.cpus[c->server.n_cpus++] = (uint16_t)cpu;
    return 0;
}

static int cpus_each(const struct option *row, const char *element, size_t i, void *base, struct err *e)
{
    size_t low_len = strcspn(element, "-");
    const char *high_text = element[low_len] == '-' ? element + low_len + 1 : element;
    unsigned low, high;
    if (cpu_parse(element, low_len, &low) != 0 || cpu_parse(high_text, strlen(high_text), &high) != 0 || low > high)
        return err_set(e, ERR_BADARG, "\"%.40s\" should be no, a processor or a range of them, as 0,2-5, up to %d", element,
                       CONFIG_CPUS_MAX - 1);
    for (unsigned cpu = low; cpu <= high; cpu++) {
        int rc = cpu_add(base, cpu, e);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int cpus_set(const struct option *row, const char *value, void *base, struct err *e)
{
    size_t n;
    ((struct config *)base)->server.n_cpus = 0;
    return list_parse(row, strcmp(value, "no") == 0 ? "" : value, base, cpus_each, &n, e);
}

static bool cpus_is_equal(const struct option *row, const void *a, const void *b)
{
    const struct config *x = a, *y = b;
    return x->server.n_cpus == y->server.n_cpus &&
           memcmp(x->server.cpus, y->server.cpus, x->server.n_cpus * sizeof(x->server.cpus[0])) == 0;
}

/* ── a check ── */

static void check_clear(const struct option *row, void *base)
{
    struct check_spec **spec = option_field(row, base);
    free(*spec);
    *spec = NULL;
}

static int check_set(const struct option *row, const char *value, void *base, struct err *e)
{
    check_clear(row, base);
    return value[0] != '\0' ? check_spec_new(value, option_field(row, base), e) : 0;
}

static bool check_is_equal(const struct option *row, const void *a, const void *b)
{
    struct check_spec *const *x = option_field_const(row, a), *const *y = option_field_const(row, b);
    if (*x == NULL || *y == NULL)
        return *x == *y;
    return strcmp((*x)->text, (*y)->text) == 0;
}

const struct option_type option_cpus = {"processors", cpus_set, cpus_is_equal, NULL};
const struct option_type option_listen = {"addresses", listen_set, listen_is_equal, NULL};
const struct option_type option_networks = {"networks", networks_set, networks_is_equal, NULL};
const struct option_type option_domains = {"domains", domains_set, domains_is_equal, NULL};
const struct option_type option_files = {"paths", files_set, files_is_equal, files_clear};
const struct option_type option_addresses = {"addresses", addresses_set, addresses_is_equal, NULL};
const struct option_type option_check = {"check", check_set, check_is_equal, check_clear};
