/* Opens what the configuration names, in its order; the first failure closes what is open. */
#include "config.h" /* _GNU_SOURCE */

#include "app/sockets.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/folder.h"

static int open_dns(const struct config *c, struct sockets *s, struct err *e)
{
    s->pairs = malloc(sizeof(*s->pairs) * s->n_workers * (c->dns.n_listen > 0 ? c->dns.n_listen : 1));
    if (s->pairs == NULL) {
        return err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    }
    for (size_t i = 0; i < c->dns.n_listen; i++) {
        s->dns[i] = c->dns.listen[i];
        int rc = listen_open_pairs(&s->dns[i], &s->pairs[i * s->n_workers], s->n_workers, e);
        if (rc != 0) {
            return rc;
        }
        s->n_dns++;
    }
    return 0;
}

static int open_registry(const struct config *c, struct sockets *s, struct err *e)
{
    for (size_t i = 0; i < c->registry.n_listen; i++) {
        s->registry[i] = c->registry.listen[i];
        s->n_registry++;
        s->registry_fds[i] = -1;
        s->has_made_folder[i] = s->registry[i].is_unix && folder_make(s->registry[i].path, c->server.user);
        int rc = listen_open(&s->registry[i], SOCK_STREAM, &s->registry_fds[i], e);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int sockets_open(const struct config *c, unsigned n_workers, struct sockets *out, struct err *e)
{
    memset(out, 0, sizeof(*out));
    out->n_workers = n_workers;
    int rc = open_dns(c, out, e);
    if (rc == 0) {
        rc = open_registry(c, out, e);
    }
    if (rc != 0) {
        sockets_close(out);
    }
    return rc;
}

struct listen_pair sockets_take(struct sockets *s, size_t dns_index, unsigned worker)
{
    struct listen_pair *at = &s->pairs[dns_index * s->n_workers + worker], pair = *at;
    *at = (struct listen_pair){.udp = -1, .tcp = -1};
    return pair;
}

void sockets_close(struct sockets *s)
{
    for (size_t i = 0; i < s->n_dns * s->n_workers; i++) {
        if (s->pairs[i].udp >= 0) {
            close(s->pairs[i].udp);
        }
        if (s->pairs[i].tcp >= 0) {
            close(s->pairs[i].tcp);
        }
    }
    free(s->pairs);
    for (size_t i = 0; i < s->n_registry; i++) {
        listen_close(&s->registry[i], s->registry_fds[i]);
    }
    for (size_t i = 0; i < s->n_registry; i++) { /* two sockets may be in one folder: when both are gone */
        if (s->has_made_folder[i]) {
            folder_remove(s->registry[i].path);
        }
    }
    memset(s, 0, sizeof(*s));
}

void sockets_text(const struct config_listen *list, size_t n, struct buf *out)
{
    char text[LISTEN_TEXT_MAX];
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i > 0 ? "," : "");
        buf_puts(out, listen_text(&list[i], text));
    }
}

void sockets_json(const struct config_listen *list, size_t n, struct buf *out)
{
    char text[LISTEN_TEXT_MAX];
    buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        buf_puts(out, i > 0 ? "," : "");
        listen_text(&list[i], text);
        buf_json_string(out, text, strlen(text));
    }
    buf_putc(out, ']');
}
