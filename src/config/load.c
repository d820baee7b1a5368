/* From text to a struct config: defaults, the file, the overrides, then the rules between options.
 *
 *     text ──► draft (sections, keys, values as text) ──► typed fields ──► config_verify
 *
 * Every plain option is set exactly once: from the draft, or from the default of its row, by the same parser. So the
 * defaults are checked like everything else, and what the sample shows is what holds. Named sections come after: a
 * service starts from [dns]. On any failure the half-built configuration is freed and nothing is returned. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/draft.h"
#include "config/option.h"
#include "config/verify.h"

#define EXPIRY_SLICE 256 /* deadlines per step: a millisecond or two of work, with all that follows from them */

/* ── values ── */

static int value_set(const struct draft *d, const struct draft_section *s, const struct option *row, const char *value,
                     void *base, struct err *e)
{
    struct err why = {.code = 0};
    int rc = row->type->set(row, value, base, &why);
    if (rc == ERR_NOMEM)
        return err_set(e, rc, "out of memory");
    return rc == 0 ? 0 : draft_refuse(d, s, row, rc, why.text, e);
}

static const char *value_given(const struct draft_section *s, const struct option *row)
{
    return s != NULL ? s->settings[row - s->rows].value : NULL;
}

static int plain_section_load(const struct draft *d, const struct section *section, struct config *c, struct err *e)
{
    const struct draft_section *s = draft_section(d, section->name);
    for (const struct option *row = option_table; row->section != NULL; row++) {
        if (strcmp(row->section, section->name) != 0)
            continue;
        const char *value = value_given(s, row);
        if (value == NULL)
            value = c->is_dev && row->dev_value != NULL ? row->dev_value : row->value;
        int rc = value_set(d, s, row, value, c, e);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* What the section gives, and the defaults of rows that have one. */
static int named_section_load(const struct draft *d, const struct draft_section *s, void *base, struct err *e)
{
    for (size_t i = 0; i < s->n_rows; i++) {
        const char *value = s->settings[i].value != NULL ? s->settings[i].value : s->rows[i].value;
        int rc = value != NULL ? value_set(d, s, &s->rows[i], value, base, e) : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int service_load(const struct draft *d, const struct draft_section *s, struct config *c, struct err *e)
{
    struct config_service *service = &c->services[c->n_services++];
    strcpy(service->name, s->name);
    service->policy = c->dns.policy;
    int rc = named_section_load(d, s, service, e);
    service->policy.check = service->check;
    return rc;
}

static int script_load(const struct draft *d, const struct draft_section *s, struct config *c, struct err *e)
{
    struct config_script *script = &c->scripts[c->n_scripts++];
    strcpy(script->name, s->name);
    int rc = named_section_load(d, s, script, e);
    if (rc == 0 && script->command == NULL)
        rc = draft_refuse(d, s, NULL, ERR_BADARG,
                          "a script needs a command, as command = /usr/lib/rollcall/check-disk /srv", e);
    return rc;
}

static size_t count_sections(const struct draft *d, enum section_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n_sections; i++)
        n += d->sections[i]->section->kind == kind;
    return n;
}

static int named_sections_load(const struct draft *d, struct config *c, struct err *e)
{
    size_t n_services = count_sections(d, SECTION_SERVICE), n_scripts = count_sections(d, SECTION_SCRIPT);
    c->services = calloc(n_services + 1, sizeof(*c->services));
    c->scripts = calloc(n_scripts + 1, sizeof(*c->scripts));
    if (c->services == NULL || c->scripts == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < d->n_sections; i++) {
        if (d->sections[i]->section->kind == SECTION_SERVICE)
            rc = service_load(d, d->sections[i], c, e);
        else if (d->sections[i]->section->kind == SECTION_SCRIPT)
            rc = script_load(d, d->sections[i], c, e);
    }
    return rc;
}

static int draft_load(const struct draft *d, struct config *c, struct err *e)
{
    c->registry.options.expiry_slice = EXPIRY_SLICE;
    for (const struct section *s = section_table; s->name != NULL; s++) {
        int rc = s->kind == SECTION_PLAIN ? plain_section_load(d, s, c, e) : 0;
        if (rc != 0)
            return rc;
    }
    int rc = named_sections_load(d, c, e);
    return rc == 0 ? config_verify(d, c, e) : rc;
}

/* ── the whole ── */

int config_parse(const char *text, size_t len, const char *label, const struct config_source *src, struct config **out,
                 struct buf *warnings, struct err *e)
{
    struct draft d;
    draft_init(&d, label);
    struct config *c = calloc(1, sizeof(*c));
    int rc = c == NULL ? err_set(e, ERR_NOMEM, "out of memory") : 0;
    if (rc == 0)
        rc = draft_read(&d, text, len, warnings, e);
    for (size_t i = 0; rc == 0 && i < src->n_overrides; i++)
        rc = draft_override(&d, &src->overrides[i], warnings, e);
    if (rc == 0) {
        c->is_dev = src->is_dev;
        rc = draft_load(&d, c, e);
    }
    draft_fini(&d);
    if (rc == 0)
        *out = c;
    else
        config_free(c);
    return rc;
}

static int file_fail(const char *path, const char *verb, struct err *e)
{
    return err_set(e, ERR_IO, "cannot %s %s: %s", verb, path, strerror(errno));
}

static int file_read(const char *path, struct buf *text, struct err *e)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return file_fail(path, "open", e);
    char block[4096];
    size_t n;
    while (!text->failed && (n = fread(block, 1, sizeof(block), file)) > 0)
        buf_append(text, block, n);
    int rc = ferror(file) ? file_fail(path, "read", e) : 0;
    fclose(file);
    if (rc == 0 && text->failed)
        rc = err_set(e, ERR_LIMIT, "%s is too large: a configuration has at most %d bytes", path, CONFIG_FILE_MAX);
    return rc;
}

int config_load(const struct config_source *src, struct config **out, struct buf *warnings, struct err *e)
{
    struct buf text;
    buf_init(&text, CONFIG_FILE_MAX);
    int rc = src->path != NULL ? file_read(src->path, &text, e) : 0;
    if (rc == 0)
        rc = config_parse(buf_cstr(&text), text.len, src->path != NULL ? src->path : "-o", src, out, warnings, e);
    buf_fini(&text);
    return rc;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    for (const struct option *row = option_table; row->section != NULL; row++) {
        if (row->type != NULL && row->type->clear != NULL && section_find(row->section)->kind == SECTION_PLAIN)
            row->type->clear(row, c);
    }
    for (size_t i = 0; i < c->n_services; i++)
        free(c->services[i].check);
    for (size_t i = 0; i < c->n_scripts; i++) {
        free(c->scripts[i].command);
        free(c->scripts[i].user);
    }
    free(c->services);
    free(c->scripts);
    free(c);
}

void config_fixed_changes(const struct config *now, const struct config *next, struct buf *out)
{
    const char *gap = "";
    for (const struct option *row = option_table; row->section != NULL; row++) {
        if (!row->is_fixed || row->type->is_equal(row, now, next))
            continue;
        buf_printf(out, "%s%s.%s", gap, row->section, row->key);
        gap = ", ";
    }
}
