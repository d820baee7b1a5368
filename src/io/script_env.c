/* The environment of a script, made before the fork, because a child of a threaded process may not allocate.
 *
 * The happy path: every variable is appended to one buffer, NUL-terminated; then the pointers are laid out in front of a copy
 * of it. What can go wrong: memory; and names: a key of the metadata that is not a plain word makes no variable. */
#include "io/script_env.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

struct env {
    struct buf text; /* "A=1\0B=2\0" */
    size_t n;
};

/* NAME=value; `suffix` is the part of the name that was given by somebody: upper case, '-' as '_'. */
static void put(struct env *e, const char *name, const char *suffix, const char *value)
{
    buf_puts(&e->text, name);
    for (const char *c = suffix; *c != '\0'; c++)
        buf_putc(&e->text, *c == '-' ? '_' : (char)toupper((unsigned char)*c));
    buf_printf(&e->text, "=%s", value);
    buf_putc(&e->text, '\0');
    e->n++;
}

static void put_number(struct env *e, const char *name, const char *suffix, unsigned number)
{
    char text[12];
    snprintf(text, sizeof(text), "%u", number);
    put(e, name, suffix, text);
}

static void put_addresses(struct env *e, const struct description *d)
{
    char v4[INET_ADDRSTRLEN], v6[INET6_ADDRSTRLEN];
    if (d->has_v4)
        inet_ntop(AF_INET, d->v4, v4, sizeof(v4));
    if (d->has_v6)
        inet_ntop(AF_INET6, d->more->v6, v6, sizeof(v6));
    put(e, "ROLLCALL_ADDRESS", "", d->has_v4 ? v4 : v6);
    if (d->has_v4)
        put(e, "ROLLCALL_ADDRESS_V4", "", v4);
    if (d->has_v6)
        put(e, "ROLLCALL_ADDRESS_V6", "", v6);
}

static void put_instance(struct env *e, const struct description *d)
{
    put_addresses(e, d);
    put_number(e, "ROLLCALL_PORT", "", d->port);
    for (uint16_t i = 0; i < d->n_ports; i++)
        put_number(e, "ROLLCALL_PORT_", d->more->ports[i].name, d->more->ports[i].number);
    buf_puts(&e->text, "ROLLCALL_TAGS=");
    for (uint16_t i = 0; i < d->n_tags; i++)
        buf_printf(&e->text, "%s%s", i > 0 ? "," : "", d->more->tags[i]);
    buf_putc(&e->text, '\0');
    e->n++;
    for (uint16_t i = 0; i < d->n_meta; i++)
        if (d->more->meta[i].key[0] != '\0' && d->more->meta[i].key[strspn(d->more->meta[i].key, WORD)] == '\0')
            put(e, "ROLLCALL_META_", d->more->meta[i].key, d->more->meta[i].value);
}

static char **lay_out(const struct env *e)
{
    char **out = malloc((e->n + 1) * sizeof(*out) + e->text.len);
    if (out == NULL)
        return NULL;
    char *at = memcpy(out + e->n + 1, e->text.data, e->text.len);
    for (size_t i = 0; i < e->n; i++) {
        out[i] = at;
        at += strlen(at) + 1;
    }
    out[e->n] = NULL;
    return out;
}

char **script_env_new(const struct probe_job *job)
{
    struct env e = {.n = 0};
    buf_init(&e.text, 0);
    put(&e, "PATH", "", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    put(&e, "LANG", "", "C.UTF-8");
    put(&e, "ROLLCALL_SERVICE", "", job->service);
    put(&e, "ROLLCALL_ID", "", job->id);
    put_instance(&e, job->desc);
    char **out = e.text.failed ? NULL : lay_out(&e);
    buf_fini(&e.text);
    return out;
}
