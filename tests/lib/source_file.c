/* See source_file.h. Nothing is expected to go wrong: a file that is not there fails the test that asked for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/source_file.h"

void source_file_read(const char *name, struct buf *out)
{
    char path[1024], block[4096];
    const char *root = getenv("srcdir");
    snprintf(path, sizeof(path), "%s/%s", root != NULL ? root : ".", name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        fail_msg("cannot open %s", path);
    size_t n;
    while ((n = fread(block, 1, sizeof(block), file)) > 0)
        buf_append(out, block, n);
    fclose(file);
}
