/* Reads the INI text and the overrides into a draft.
 *
 * inih splits keys from values and drops comments; it is fed one line at a time by a reader of our own, because what
 * Debian's build does with lines is not what a configuration wants (docs/decisions/070): it silently cuts a line at 195
 * bytes and a section's name at 49, counts the rest of a cut line as a line, and takes an indented line as more of the
 * value above. So the reader measures each line, removes its indentation, and keeps the section headings to itself.
 *
 * The first error ends the reading: after a wrong section heading every key would look wrong. */
#include "config/draft.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/nearest.h"
#include "registry/description.h"

#define INIH_LINE_EXTRA 3 /* CR, LF and NUL, as ini.h wants */

struct reading {
    struct draft *draft;
    struct buf *warnings;
    struct err *e;
    const char *at, *end;          /* the text not yet read */
    unsigned line;                 /* the one that inih works on; from 1 */
    struct draft_section *section; /* the one that is open; NULL before the first */
    int rc;
};

void draft_init(struct draft *d, const char *label)
{
    *d = (struct draft){.label = label};
}

static void section_free(struct draft_section *s)
{
    for (size_t i = 0; i < DRAFT_ROWS_MAX; i++)
        free(s->settings[i].value);
    free(s->name);
    free(s);
}

void draft_fini(struct draft *d)
{
    for (size_t i = 0; i < d->n_sections; i++)
        section_free(d->sections[i]);
    free(d->sections);
    *d = (struct draft){.label = NULL};
}

const struct draft_section *draft_section(const struct draft *d, const char *name)
{
    for (size_t i = 0; i < d->n_sections; i++) {
        if (d->sections[i]->name == NULL && strcmp(d->sections[i]->section->name, name) == 0)
            return d->sections[i];
    }
    return NULL;
}

int draft_refuse(const struct draft *d, const struct draft_section *s, const struct option *row, int code,
                 const char *why, struct err *e)
{
    const struct setting *at = NULL;
    if (s != NULL && row != NULL && row >= s->rows && row < s->rows + s->n_rows)
        at = &s->settings[row - s->rows];
    bool is_given = at != NULL && at->value != NULL;
    const char *name_gap = s != NULL && s->name != NULL ? " " : "", *name = *name_gap != '\0' ? s->name : "";
    const char *section = s != NULL     ? s->section->name
                          : row != NULL ? row->section
                                        : "",
               *key = row != NULL ? row->key : "";
    if (is_given && at->line == 0)
        return err_set(e, code, "-o %s%s%s.%s: %s", section, name_gap, name, key, why);
    unsigned line = is_given ? at->line : s != NULL ? s->line : 0;
    if (line == 0)
        return err_set(e, code, "[%s%s%s] %s: %s", section, name_gap, name, key, why);
    if (row == NULL)
        return err_set(e, code, "%s:%u: %s", d->label, line, why);
    return err_set(e, code, "%s:%u: [%s%s%s] %s: %s", d->label, line, section, name_gap, name, key, why);
}

/* ── sections ── */

static int unknown_section(const char *word, struct err *e)
{
    struct nearest near;
    nearest_init(&near, word);
    for (const struct section *s = section_table; s->name != NULL; s++)
        nearest_offer(&near, s->name);
    const char *best = nearest_best(&near);
    return best != NULL ? err_set(e, ERR_BADARG, "unknown section [%.40s]; did you mean [%s]?", word, best)
                        : err_set(e, ERR_BADARG, "unknown section [%.40s]", word);
}

static int script_name_check(const char *name, struct err *e)
{
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
    if (name[len] == '\0' && len <= CHECK_SCRIPT_NAME_MAX)
        return 0;
    return err_set(e, ERR_BADARG, "\"%.70s\" should be a script's name: 1 to %d letters, digits, '-', '_' and '.'",
                   name, CHECK_SCRIPT_NAME_MAX);
}

static int section_name_check(const struct section *s, const char *name, struct err *e)
{
    if (s->takes_name == SECTION_NAME_NONE && name[0] != '\0')
        return err_set(e, ERR_BADARG, "[%s] takes no name, \"%.40s\" is too much", s->name, name);
    if (s->takes_name == SECTION_NAME_MUST && name[0] == '\0')
        return err_set(e, ERR_BADARG, "[%s] needs a name, as [%s %s]", s->name, s->name,
                       s->sample_name != NULL ? s->sample_name : "NAME");
    if (s->kind == SECTION_SERVICE)
        return service_name_check(name, e);
    if (s->kind == SECTION_SCRIPT)
        return script_name_check(name, e);
    return 0;
}

static bool is_same_name(const struct section *s, const char *a, const char *b)
{
    if (s->kind != SECTION_SERVICE)
        return strcmp(a, b) == 0;
    char fold_a[SERVICE_NAME_MAX + 1], fold_b[SERVICE_NAME_MAX + 1];
    return strcmp(label_fold(a, fold_a), label_fold(b, fold_b)) == 0;
}

static int section_new(struct draft *d, const struct section *section, const char *name, unsigned line,
                       struct draft_section **out)
{
    if (d->n_sections == d->cap_sections) {
        size_t cap = d->cap_sections == 0 ? 16 : 2 * d->cap_sections;
        struct draft_section **grown = realloc(d->sections, cap * sizeof(*grown));
        if (grown == NULL)
            return ERR_NOMEM;
        d->sections = grown;
        d->cap_sections = cap;
    }
    struct draft_section *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NOMEM;
    s->section = section;
    s->line = line;
    if (name[0] != '\0' && (s->name = strdup(name)) == NULL) {
        free(s);
        return ERR_NOMEM;
    }
    for (const struct option *row = option_table; row->section != NULL; row++) {
        if (strcmp(row->section, section->name) == 0) {
            s->rows = s->rows != NULL ? s->rows : row;
            s->n_rows++;
        }
    }
    must(s->n_rows <= DRAFT_ROWS_MAX);
    d->sections[d->n_sections++] = s;
    *out = s;
    return 0;
}

/* `heading` is what stands between the brackets: "dns", "service web". Opens the section or finds it again. */
static int section_open(struct draft *d, const char *heading, unsigned line, struct draft_section **out, struct err *e)
{
    char word[64];
    size_t len = strcspn(heading, " \t");
    snprintf(word, sizeof(word), "%.*s", (int)(len < sizeof(word) ? len : sizeof(word) - 1), heading);
    const char *name = heading + len + strspn(heading + len, " \t");
    const struct section *section = section_find(word);
    if (section == NULL)
        return unknown_section(word, e);
    int rc = section_name_check(section, name, e);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < d->n_sections; i++) {
        struct draft_section *s = d->sections[i];
        if (s->section == section && is_same_name(section, s->name != NULL ? s->name : "", name)) {
            *out = s;
            return 0;
        }
    }
    if (d->n_sections == CONFIG_SECTIONS_MAX)
        return err_set(e, ERR_BADARG, "too many sections: at most %d", CONFIG_SECTIONS_MAX);
    return section_new(d, section, name, line, out);
}

/* ── keys ── */

static int unknown_key(const struct draft_section *s, const char *key, struct err *e)
{
    struct nearest near;
    nearest_init(&near, key);
    for (size_t i = 0; i < s->n_rows; i++)
        nearest_offer(&near, s->rows[i].key);
    if (nearest_best(&near) != NULL)
        return err_set(e, ERR_BADARG, "unknown key \"%.40s\" in [%s]; did you mean \"%s\"?", key, s->section->name,
                       nearest_best(&near));
    for (const struct option *row = option_table; row->section != NULL; row++) {
        if (strcmp(row->key, key) == 0)
            return err_set(e, ERR_BADARG, "unknown key \"%.40s\" in [%s]; it belongs into [%s]", key, s->section->name,
                           row->section);
    }
    return err_set(e, ERR_BADARG, "unknown key \"%.40s\" in [%s]", key, s->section->name);
}

static void warn_unbuilt(struct draft *d, const struct draft_section *s, const char *key, unsigned line,
                         struct buf *warnings)
{
    if (warnings == NULL)
        return;
    if (line == 0)
        buf_puts(warnings, "-o: ");
    else
        buf_printf(warnings, "%s:%u: ", d->label, line);
    buf_printf(warnings, "[%s%s%s] %s is ignored: this part is not built yet\n", s->section->name,
               s->name != NULL ? " " : "", s->name != NULL ? s->name : "", key);
}

/* Line 0 is an override, which replaces what is there. */
static int setting_put(struct draft *d, struct draft_section *s, const char *key, const char *value, unsigned line,
                       struct buf *warnings, struct err *e)
{
    if (s->section->takes_any_key) {
        warn_unbuilt(d, s, key, line, warnings);
        return 0;
    }
    size_t i = 0;
    while (i < s->n_rows && strcmp(s->rows[i].key, key) != 0)
        i++;
    if (i == s->n_rows)
        return unknown_key(s, key, e);
    struct setting *at = &s->settings[i];
    if (line != 0 && at->value != NULL)
        return err_set(e, ERR_BADARG, "\"%s\" is there twice in [%s%s%s], first on line %u", key, s->section->name,
                       s->name != NULL ? " " : "", s->name != NULL ? s->name : "", at->line);
    char *copy = strdup(value);
    if (copy == NULL)
        return ERR_NOMEM;
    free(at->value);
    *at = (struct setting){.value = copy, .line = line};
    if (s->rows[i].type == NULL)
        warn_unbuilt(d, s, key, line, warnings);
    return 0;
}

/* ── the text ── */

/* Remembers the first failure with its place. */
static void reading_fail(struct reading *r, int rc, const struct err *why)
{
    if (rc == 0 || r->rc != 0)
        return;
    r->rc = rc == ERR_NOMEM ? err_set(r->e, rc, "out of memory")
                            : err_set(r->e, rc, "%s:%u: %s", r->draft->label, r->line, why->text);
}

/* "[service web] ; comment", from its bracket on. */
static int heading_read(struct reading *r, const char *line, size_t len, struct err *e)
{
    const char *close = memchr(line, ']', len);
    if (close == NULL)
        return err_set(e, ERR_BADARG, "a section's heading ends with ], as [dns]");
    const char *rest = close + 1;
    while (rest < line + len && (*rest == ' ' || *rest == '\t'))
        rest++;
    if (rest < line + len && *rest != ';' && *rest != '#')
        return err_set(e, ERR_BADARG, "only a comment may follow a section's heading");
    const char *begin = line + 1;
    while (begin < close && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (close > begin && (close[-1] == ' ' || close[-1] == '\t'))
        close--;
    char heading[CONFIG_LINE_MAX];
    snprintf(heading, sizeof(heading), "%.*s", (int)(close - begin), begin);
    return section_open(r->draft, heading, r->line, &r->section, e);
}

static int line_check(const char *line, size_t len, size_t most, struct err *e)
{
    if (len > most)
        return err_set(e, ERR_BADARG, "the line has %zu bytes, at most %zu are allowed", len, most);
    for (size_t i = 0; i < len; i++) {
        if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
            return err_set(e, ERR_BADARG, "byte %zu of the line is a control character", i + 1);
    }
    return 0;
}

/* inih's fgets. */
static char *reader_line(char *out, int cap, void *arg)
{
    struct reading *r = arg;
    if (r->rc != 0 || r->at == r->end)
        return NULL;
    r->line++;
    const char *line = r->at, *newline = memchr(line, '\n', (size_t)(r->end - line));
    const char *end = newline != NULL ? newline : r->end;
    r->at = newline != NULL ? newline + 1 : r->end;
    if (end > line && end[-1] == '\r')
        end--;
    while (line < end && (*line == ' ' || *line == '\t'))
        line++;

    struct err why = {.code = 0};
    size_t len = (size_t)(end - line), most = (size_t)(cap - INIH_LINE_EXTRA);
    int rc = line_check(line, len, most < CONFIG_LINE_MAX ? most : CONFIG_LINE_MAX, &why);
    if (rc == 0 && len > 0 && line[0] == '[') {
        rc = heading_read(r, line, len, &why);
        len = 0; /* inih need not see it */
    }
    reading_fail(r, rc, &why);
    if (rc != 0)
        return NULL;
    memcpy(out, line, len);
    memcpy(out + len, "\n", 2);
    return out;
}

/* inih's call for each key; 0 is an error to it. */
static int reader_key(void *arg, const char *inih_section, const char *key, const char *value)
{
    struct reading *r = arg;
    struct err why = {.code = 0};
    int rc;
    if (r->rc != 0)
        return 0;
    if (key[0] == '\0')
        rc = err_set(&why, ERR_BADARG, "a key is missing before the =");
    else if (r->section == NULL)
        rc = err_set(&why, ERR_BADARG, "\"%.40s\" stands before the first section, as [dns]", key);
    else
        rc = setting_put(r->draft, r->section, key, value, r->line, r->warnings, &why);
    reading_fail(r, rc, &why);
    return rc == 0;
}

int draft_read(struct draft *d, const char *text, size_t len, struct buf *warnings, struct err *e)
{
    /* Debian's inih is configured at run time; these are always the same values, set by the thread that loads. */
    static char comments[] = ";#";
    ini_use_stack = false;
    ini_initial_alloc = ini_max_line = CONFIG_LINE_MAX + INIH_LINE_EXTRA;
    ini_inline_comment_prefixes = comments;

    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark */
        text += 3;
        len -= 3;
    }
    struct reading r = {.draft = d, .warnings = warnings, .e = e, .at = text, .end = text + len};
    int line = ini_parse_stream(reader_line, &r, reader_key, &r);
    if (r.rc != 0)
        return r.rc;
    if (line < 0)
        return err_set(e, ERR_NOMEM, "out of memory");
    if (line > 0)
        return err_set(e, ERR_BADARG, "%s:%d: neither a [section] nor \"key = value\" nor a comment", d->label, line);
    return 0;
}

int draft_override(struct draft *d, const struct config_override *o, struct buf *warnings, struct err *e)
{
    struct draft_section *s;
    struct err why = {.code = 0};
    int rc = section_open(d, o->section, 0, &s, &why);
    if (rc == 0)
        rc = setting_put(d, s, o->key, o->value, 0, warnings, &why);
    if (rc == ERR_NOMEM)
        return err_set(e, rc, "out of memory");
    return rc == 0 ? 0 : err_set(e, rc, "-o %.60s.%.60s: %s", o->section, o->key, why.text);
}
