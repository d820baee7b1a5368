/* The sample configuration and the OPTIONS section of rollcalld.conf(5), written from the rows of the table.
 *
 * Both are kept in the repository, where people read them; tests compare them with what these functions write, and
 * `make documents` writes them anew. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/option.h"

#define SAMPLE_WIDTH 100
#define MAN_WIDTH    78

/* Appends `text` in lines of at most SAMPLE_WIDTH bytes, each behind "# ". */
static void sample_paragraph(struct buf *out, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (column != 0 && column + 1 + len > SAMPLE_WIDTH) {
            buf_putc(out, '\n');
            column = 0;
        }
        buf_puts(out, column == 0 ? "# " : " ");
        column += column == 0 ? 2 + len : 1 + len;
        buf_append(out, text, len);
        text += len;
        text += *text == ' ';
    }
    buf_putc(out, '\n');
}

static void sample_option(struct buf *out, const struct option *row)
{
    char bounds[OPTION_BOUNDS_MAX], note[2 * OPTION_BOUNDS_MAX] = "";
    option_bounds(row, bounds);
    sample_paragraph(out, row->help);
    size_t len = 0;
    if (strcmp(bounds, row->type->name) == 0) /* yes|no: the words are the name */
        len = (size_t)snprintf(note, sizeof(note), "(%s)", bounds);
    else if (bounds[0] != '\0')
        len = (size_t)snprintf(note, sizeof(note), "(%s: %s)", row->type->name, bounds);
    if (row->value != NULL && row->value[0] == '\0')
        len += (size_t)snprintf(note + len, sizeof(note) - len, "%s(empty by default)", len > 0 ? " " : "");
    if (row->is_fixed)
        snprintf(note + len, sizeof(note) - len, "%s(changes with a restart only)", len > 0 ? " " : "");
    if (note[0] != '\0')
        sample_paragraph(out, note);
    const char *value = row->value != NULL && row->value[0] != '\0' ? row->value : row->sample;
    buf_printf(out, "#%s = %s\n\n", row->key, value != NULL ? value : "");
}

static void sample_section(struct buf *out, const struct section *s)
{
    buf_puts(out, "# ──\n");
    sample_paragraph(out, s->help);
    buf_printf(out, s->sample_name != NULL ? "#[%s %s]\n\n" : "[%s]\n\n", s->name, s->sample_name);
    for (const struct option *row = option_table; row->section != NULL; row++) {
        if (strcmp(row->section, s->name) == 0)
            sample_option(out, row);
    }
}

/* Calls `write` for every key of a part that is not built yet; keys of one section stand together. */
static void each_unbuilt(struct buf *out, void (*write)(struct buf *out, const struct section *s))
{
    for (const struct section *s = section_table; s->name != NULL; s++) {
        if (s->kind == SECTION_UNBUILT)
            write(out, s);
    }
}

static void sample_unbuilt(struct buf *out, const struct section *s)
{
    buf_printf(out, "#   [%s%s]", s->name, s->takes_name == SECTION_NAME_MUST ? " NAME" : "");
    for (const struct option *row = option_table; row->section != NULL; row++) {
        if (strcmp(row->section, s->name) == 0)
            buf_printf(out, " %s", row->key);
    }
    buf_putc(out, '\n');
}

void config_write_sample(struct buf *out)
{
    buf_puts(out, "# rollcalld.conf: every option of rollcalld with its default; see rollcalld.conf(5).\n"
                  "# Check a change with `rollcalld -t -c FILE`, then send the server a SIGHUP.\n"
                  "#\n"
                  "# Lists are comma-separated. Durations are 500ms, 30s, 5m, 1h; sizes 4096, 64k, 8m.\n"
                  "# A comment begins with # or ; at the beginning of a line or behind a blank.\n\n");
    for (const struct section *s = section_table; s->name != NULL; s++) {
        if (s->kind != SECTION_UNBUILT)
            sample_section(out, s);
    }
    buf_puts(out, "# ──\n# Keys of parts that are not built yet are accepted with a warning:\n");
    each_unbuilt(out, sample_unbuilt);
}

/* ── rollcalld.conf(5) ── */

static bool is_sentence_end(const char *word, size_t len)
{
    return (word[len - 1] == '.' || word[len - 1] == '?') && (len < 3 || strncmp(word + len - 3, "...", 3) != 0);
}

/* Text for mdoc: lines of at most MAN_WIDTH bytes, a new one for each sentence, none that begins like a request; a
 * backslash is \e. */
static void man_text(struct buf *out, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (column != 0 && column + 1 + len > MAN_WIDTH) {
            buf_putc(out, '\n');
            column = 0;
        }
        if (column == 0 && (*text == '.' || *text == '\''))
            buf_puts(out, "\\&");
        else if (column != 0)
            buf_putc(out, ' ');
        for (size_t i = 0; i < len; i++)
            text[i] == '\\' ? buf_puts(out, "\\e") : buf_putc(out, text[i]);
        column += len + 1;
        if (is_sentence_end(text, len)) {
            buf_putc(out, '\n');
            column = 0;
        }
        text += len;
        text += *text == ' ';
    }
    if (column != 0)
        buf_putc(out, '\n');
}

static void man_option(struct buf *out, const struct option *row)
{
    char bounds[OPTION_BOUNDS_MAX];
    option_bounds(row, bounds);
    buf_printf(out, ".It Ic %s No = Ar %s\n", row->key, row->type->name);
    man_text(out, row->help);
    if (bounds[0] != '\0' || row->value != NULL)
        buf_puts(out, ".br\n");
    if (bounds[0] != '\0' && strcmp(bounds, row->type->name) != 0)
        buf_printf(out, "%s: %s.\n", row->words != NULL ? "Words" : "Bounds", bounds);
    if (row->value != NULL && row->value[0] != '\0')
        buf_printf(out, "Default: %s.\n", row->value);
    else if (row->value != NULL)
        buf_puts(out, "Default: empty.\n");
    if (row->dev_value != NULL)
        buf_printf(out, "With\n.Fl -dev :\n%s.\n", row->dev_value);
    if (row->is_fixed)
        buf_puts(out, "Changes with a restart only.\n");
}

static void man_section(struct buf *out, const struct section *s)
{
    buf_printf(out, ".Ss Section %s%s\n", s->name, s->sample_name != NULL ? " NAME" : "");
    man_text(out, s->help);
    buf_puts(out, ".Bl -tag -width Ds\n");
    for (const struct option *row = option_table; row->section != NULL; row++) {
        if (strcmp(row->section, s->name) == 0)
            man_option(out, row);
    }
    buf_puts(out, ".El\n");
}

static void man_unbuilt(struct buf *out, const struct section *s)
{
    buf_printf(out, ".It [%s%s]\n", s->name, s->takes_name == SECTION_NAME_MUST ? " NAME" : "");
    const char *gap = "";
    for (const struct option *row = option_table; row->section != NULL; row++) {
        if (strcmp(row->section, s->name) == 0) {
            buf_printf(out, "%s%s", gap, row->key);
            gap = ", ";
        }
    }
    buf_puts(out, s->takes_any_key ? "any key\n" : "\n");
}

void config_write_man(struct buf *out)
{
    for (const struct section *s = section_table; s->name != NULL; s++) {
        if (s->kind != SECTION_UNBUILT)
            man_section(out, s);
    }
    buf_puts(out, ".Ss Parts that are not built yet\nTheir keys are accepted with a warning.\n.Bl -tag -width Ds\n");
    each_unbuilt(out, man_unbuilt);
    buf_puts(out, ".El\n");
}
