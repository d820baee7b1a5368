/* The main of a fuzz harness in `make check`: runs every file of its corpus, and every prefix of it, because parsers
 * break most often where the input stops early. The corpus of fuzz_NAME is $srcdir/tests/fuzz/corpus/NAME; files given
 * as arguments are run instead (to reproduce a crash). An empty corpus is a failure: it would test nothing. */
#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX   (1 << 20)
#define PREFIX_MAX 2048 /* longer files: only this many of their prefixes */

/* Each run has its own allocation of exactly `len` bytes. */
static void run_one(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len != 0 ? len : 1);
    if (copy == NULL) {
        perror("malloc");
        exit(1);
    }
    memcpy(copy, data, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static void run_file(const char *path)
{
    static uint8_t data[FILE_MAX];
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    size_t len = fread(data, 1, sizeof(data), f);
    fclose(f);
    for (size_t n = 0; n < len && n < PREFIX_MAX; n++)
        run_one(data, n);
    run_one(data, len);
}

static size_t run_corpus(const char *program)
{
    const char *srcdir = getenv("srcdir");
    const char *name = strstr(program, "fuzz_");
    for (const char *next = name; next != NULL; next = strstr(next + 1, "fuzz_"))
        name = next;
    if (name == NULL)
        return 0;
    char path[4096];
    snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", srcdir != NULL ? srcdir : ".", name + strlen("fuzz_"));
    DIR *dir = opendir(path);
    if (dir == NULL) {
        perror(path);
        return 0;
    }
    size_t n = 0;
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (d->d_name[0] == '.')
            continue;
        char file[4096 + sizeof(d->d_name) + 1];
        snprintf(file, sizeof(file), "%s/%s", path, d->d_name);
        run_file(file);
        n++;
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run_file(argv[i]);
    size_t n = argc > 1 ? (size_t)argc - 1 : run_corpus(argv[0]);
    printf("%s: %zu files\n", argv[0], n);
    return n > 0 ? 0 : 1;
}
