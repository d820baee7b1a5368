/* Text for people: aligned columns, colours where the output is a terminal, and nothing from the network that could
 * steer one. */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

#define SCREEN_COLUMNS_MAX 12

/* True if stdout is a terminal and NO_COLOR is not set (https://no-color.org). */
bool screen_has_color(void);
/* The escape that begins the colour of an instance's state, a check's status or a change's kind; "" if it has none. */
const char *screen_color(const char *word);
#define SCREEN_PLAIN "\x1b[0m"

/* Appends `text` with control bytes as '?'; text that is not UTF-8 likewise. */
void screen_text(struct buf *out, const char *text);
/* "10.0.0.5:80", "[2001:db8::1]:80", of an address with both, as the protocol has it, "10.0.0.5:80,[2001:db8::1]:80". */
void screen_endpoint(struct buf *out, const char *address, int64_t port);
/* Characters it takes on the screen, one for each of UTF-8. */
size_t screen_width(const char *text);

/* Columns whose widths are known when all rows are. */
struct screen_table {
    size_t n_columns, n_cells, cap;
    char **cells;   /* owned */
    bool has_color; /* cells of one word with a colour get it */
    bool failed;    /* no memory: some cells are missing */
};

void screen_table_init(struct screen_table *t, size_t n_columns, bool has_color);
void screen_table_fini(struct screen_table *t);
/* The next cell, row after row; copied and cleaned. */
void screen_cell(struct screen_table *t, const char *text);
void screen_cell_number(struct screen_table *t, long long n);
/* All rows, two blanks between columns, none at the end of a line. */
void screen_table_write(const struct screen_table *t, struct buf *out);
/* To stdout; false if that failed. */
bool screen_print(const struct buf *text);
bool screen_print_to(FILE *to, const struct buf *text);

#endif
