/* Writes the documents that are generated from the table of options:
 *
 *     write_documents sample             the commented sample, to standard output
 *     write_documents man FILE           FILE, with the text between its two markers written anew, to standard output
 *
 * Run by `make documents`; not installed. A test compares what is in the repository with what this would write. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"

#define MARK_BEGIN ".\\\" options begin"
#define MARK_END   ".\\\" options end"

static int write_text(struct buf *text)
{
    if (text->failed || fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout) != 0) {
        fprintf(stderr, "write_documents: cannot write\n");
        return 1;
    }
    return 0;
}

static int splice_page(FILE *page, struct buf *options)
{
    char line[4096];
    bool is_inside = false, was_inside = false;
    while (fgets(line, sizeof(line), page) != NULL) {
        if (strncmp(line, MARK_END, strlen(MARK_END)) == 0)
            is_inside = false;
        if (!is_inside)
            fputs(line, stdout);
        if (strncmp(line, MARK_BEGIN, strlen(MARK_BEGIN)) == 0) {
            is_inside = was_inside = true;
            if (write_text(options) != 0)
                return 1;
        }
    }
    return was_inside && !is_inside && fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct buf text;
    int status = 2;
    buf_init(&text, 0);
    if (argc == 2 && strcmp(argv[1], "sample") == 0) {
        config_write_sample(&text);
        status = write_text(&text);
    } else if (argc == 3 && strcmp(argv[1], "man") == 0) {
        FILE *page = fopen(argv[2], "re");
        config_write_man(&text);
        status = page != NULL ? splice_page(page, &text) : 1;
        if (status != 0)
            fprintf(stderr, "write_documents: %s cannot be read, or lacks its markers\n", argv[2]);
        if (page != NULL)
            fclose(page);
    } else {
        fprintf(stderr, "usage: write_documents sample | man FILE\n");
    }
    buf_fini(&text);
    return status;
}
