/* Aligned columns and colours; see screen.h. */
#include "cli/screen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

#define GREEN  "\x1b[32m"
#define YELLOW "\x1b[33m"
#define RED    "\x1b[31m"
#define CYAN   "\x1b[36m"

#define SCREEN_ADDRESS_MAX 64

bool screen_has_color(void)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDOUT_FILENO) == 1 && (no_color == NULL || no_color[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

const char *screen_color(const char *word)
{
    static const struct {
        const char *word, *color;
    } colors[] = {
        {"passing", GREEN},   {"warning", YELLOW},     {"critical", RED}, {"starting", CYAN},
        {"draining", YELLOW}, {"maintenance", YELLOW}, {"held", YELLOW},  {"lost", RED},
    };
    for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++) {
        if (strcmp(colors[i].word, word) == 0)
            return colors[i].color;
    }
    return "";
}

void screen_text(struct buf *out, const char *text)
{
    for (const char *at = text, *end = text + strlen(text); at < end;) {
        size_t len = utf8_char_len((const uint8_t *)at, (size_t)(end - at));
        bool is_control = (unsigned char)*at < ' ' || *at == 0x7f ||
                          (len == 2 && (unsigned char)at[0] == 0xc2 && (unsigned char)at[1] < 0xa0); /* C1 */
        if (len == 0 || is_control)
            buf_putc(out, '?');
        else
            buf_append(out, at, len);
        at += len == 0 ? 1 : len;
    }
}

void screen_endpoint(struct buf *out, const char *address, int64_t port)
{
    char one[SCREEN_ADDRESS_MAX];
    for (const char *at = address, *end;; at = end + 1) {
        end = at + strcspn(at, ",");
        snprintf(one, sizeof(one), "%.*s", (int)(end - at), at);
        bool is_v6 = strchr(one, ':') != NULL;
        buf_puts(out, is_v6 ? "[" : "");
        screen_text(out, one);
        buf_printf(out, is_v6 ? "]:%" PRId64 : ":%" PRId64, port);
        if (*end == '\0')
            return;
        buf_putc(out, ',');
    }
}

size_t screen_width(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void screen_table_init(struct screen_table *t, size_t n_columns, bool has_color)
{
    *t = (struct screen_table){.n_columns = n_columns, .has_color = has_color};
}

void screen_table_fini(struct screen_table *t)
{
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i]);
    free(t->cells);
}

void screen_cell(struct screen_table *t, const char *text)
{
    struct buf clean;
    if (t->n_cells == t->cap) {
        size_t cap = t->cap == 0 ? 64 : 2 * t->cap;
        char **grown = realloc(t->cells, cap * sizeof(*grown));
        t->failed |= grown == NULL;
        if (grown == NULL)
            return;
        t->cells = grown;
        t->cap = cap;
    }
    buf_init(&clean, 0);
    screen_text(&clean, text);
    char *copy = strdup(buf_cstr(&clean));
    t->failed |= copy == NULL || clean.failed;
    buf_fini(&clean);
    if (copy != NULL)
        t->cells[t->n_cells++] = copy;
}

void screen_cell_number(struct screen_table *t, long long n)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", n);
    screen_cell(t, text);
}

static void write_cell(const struct screen_table *t, const char *cell, size_t padding, struct buf *out)
{
    const char *color = t->has_color ? screen_color(cell) : "";
    buf_puts(out, color);
    buf_puts(out, cell);
    if (color[0] != '\0')
        buf_puts(out, SCREEN_PLAIN);
    buf_printf(out, "%*s", (int)padding, "");
}

void screen_table_write(const struct screen_table *t, struct buf *out)
{
    size_t widths[SCREEN_COLUMNS_MAX] = {0};
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t width = screen_width(t->cells[i]), *column = &widths[i % t->n_columns];
        *column = width > *column ? width : *column;
    }
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t last = i - i % t->n_columns + t->n_columns - 1; /* of the row; empty cells at its end take no place */
        while (last > i && (last >= t->n_cells || t->cells[last][0] == '\0'))
            last--;
        bool is_last = last == i;
        write_cell(t, t->cells[i], is_last ? 0 : widths[i % t->n_columns] - screen_width(t->cells[i]) + 2, out);
        if (is_last) {
            buf_putc(out, '\n');
            i += t->n_columns - 1 - i % t->n_columns;
        }
    }
}

bool screen_print_to(FILE *to, const struct buf *text)
{
    return !text->failed && fwrite(text->data, 1, text->len, to) == text->len && fflush(to) == 0;
}

bool screen_print(const struct buf *text)
{
    return screen_print_to(stdout, text);
}
