/* Replays the transcripts of tests/sim/registry: each line that begins with "> " is a command (tests/lib/world.h), the
 * lines after it are what must happen. The text is the specification; this program only types the commands again and
 * compares.
 *
 *     test_registry                   every transcript, then every one again with each allocation failing once
 *     test_registry --write FILE      prints the transcript of FILE's commands as they happen now */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "tests/lib/heap.h"
#include "tests/lib/world.h"

#define FILE_MAX (256 * 1024)

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = malloc(FILE_MAX);
    if (f == NULL || text == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(99);
    }
    size_t n = fread(text, 1, FILE_MAX - 1, f);
    must(n < FILE_MAX - 1);
    text[n] = '\0';
    fclose(f);
    return text;
}

/* Types the commands of `text` into the world. Comments and blank lines stay where they are. */
static void play(struct world *w, char *text)
{
    char *next;
    for (char *line = text; *line != '\0'; line = next) {
        size_t len = strcspn(line, "\n");
        next = line + len + (line[len] == '\n');
        char saved = line[len];
        line[len] = '\0';
        if (line[0] == '>' || line[0] == '#' || line[0] == '\0')
            buf_printf(&w->out, "%s\n", line);
        if (line[0] == '>')
            world_command(w, line + 2);
        line[len] = saved;
    }
}

static void print_difference(const char *path, const char *want, const char *got)
{
    size_t line = 1, begin = 0;
    for (size_t i = 0; want[i] != '\0' && want[i] == got[i]; i++)
        if (want[i] == '\n') {
            line++;
            begin = i + 1;
        }
    fprintf(stderr, "%s:%zu: expected: %.*s\n%s:%zu: happened: %.*s\n", path, line, (int)strcspn(want + begin, "\n"),
            want + begin, path, line, (int)strcspn(got + begin, "\n"), got + begin);
}

/* A request that waited and found no memory is told so: then the rest of the story is another one. */
static bool is_same_story(const struct world *w, const char *want)
{
    const char *got = buf_cstr((struct buf *)(uintptr_t)&w->out);
    return strcmp(want, got) == 0 || (w->is_sweeping && strstr(got, "out of memory") != NULL);
}

static bool replay(const char *path, bool is_sweeping)
{
    struct world w;
    char *text = read_file(path);
    long live = heap_live();
    world_init(&w);
    w.is_sweeping = is_sweeping;
    play(&w, text);
    bool ok = is_same_story(&w, text);
    if (!ok)
        print_difference(path, text, buf_cstr(&w.out));
    if (is_sweeping && w.n_failures == 0) {
        fprintf(stderr, "%s: no allocation failed\n", path);
        ok = false;
    }
    world_fini(&w);
    if (heap_live() != live) {
        fprintf(stderr, "%s: %ld blocks leaked%s\n", path, heap_live() - live,
                is_sweeping ? " when memory was short" : "");
        ok = false;
    }
    free(text);
    return ok;
}

static int write_story(const char *path)
{
    struct world w;
    char *text = read_file(path);
    world_init(&w);
    play(&w, text);
    fputs(buf_cstr(&w.out), stdout);
    world_fini(&w);
    free(text);
    return 0;
}

int main(int argc, char **argv)
{
    char folder[512], path[1024];
    const char *top = getenv("srcdir");
    int n = 0, failed = 0;
    if (argc == 3 && strcmp(argv[1], "--write") == 0)
        return write_story(argv[2]);
    snprintf(folder, sizeof(folder), "%s/tests/sim/registry", top != NULL ? top : ".");
    DIR *d = opendir(folder);
    if (d == NULL) {
        fprintf(stderr, "cannot read %s\n", folder);
        return 99;
    }
    for (struct dirent *at; (at = readdir(d)) != NULL;) {
        const char *dot = strrchr(at->d_name, '.');
        if (dot == NULL || strcmp(dot, ".txt") != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, at->d_name);
        n++;
        failed += !replay(path, false) || !replay(path, true);
    }
    closedir(d);
    printf("%d transcripts, %d failed\n", n, failed);
    return n == 0 || failed > 0;
}
