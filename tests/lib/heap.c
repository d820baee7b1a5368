/* See heap.h. The linker sends every malloc, calloc, realloc, strdup and free of the test's objects here; the countdown
 * decides whether the real one is asked. */
#include "heap.h"

#include <malloc.h>
#include <stdlib.h>

enum mode { MODE_OFF, MODE_ONCE, MODE_FROM };

static struct {
    enum mode mode;
    bool is_suspended;
    unsigned countdown;
    bool has_failed;
    long live, bytes;
    unsigned long calls;
} heap;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

void heap_fail_at(unsigned n)
{
    heap.mode = MODE_ONCE;
    heap.countdown = n;
    heap.has_failed = false;
}

void heap_fail_from(unsigned n)
{
    heap_fail_at(n);
    heap.mode = MODE_FROM;
}

bool heap_reset(void)
{
    heap.mode = MODE_OFF;
    return heap.has_failed;
}

void heap_suspend(void)
{
    heap.is_suspended = true;
}

void heap_resume(void)
{
    heap.is_suspended = false;
}

long heap_live(void)
{
    return heap.live;
}

long heap_bytes(void)
{
    return heap.bytes;
}

unsigned long heap_calls(void)
{
    return heap.calls;
}

static bool is_refused(void)
{
    heap.calls++;
    if (heap.mode == MODE_OFF || heap.is_suspended)
        return false;
    if (heap.countdown > 0) {
        heap.countdown--;
        return false;
    }
    if (heap.mode == MODE_ONCE)
        heap.mode = MODE_OFF;
    heap.has_failed = true;
    return true;
}

/* glibc keeps the size of a block in a word before it. */
static long bytes_of(void *p)
{
    return p != NULL ? (long)(malloc_usable_size(p) + sizeof(size_t)) : 0;
}

static void *counted(void *p)
{
    heap.live += p != NULL;
    heap.bytes += bytes_of(p);
    return p;
}

void *__wrap_malloc(size_t n)
{
    return is_refused() ? NULL : counted(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return is_refused() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
    if (is_refused())
        return NULL;
    long before = bytes_of(p);
    void *q = __real_realloc(p, n);
    heap.live += p == NULL && q != NULL;
    heap.bytes += q != NULL ? bytes_of(q) - before : 0;
    return q;
}

char *__wrap_strdup(const char *s)
{
    return is_refused() ? NULL : counted(__real_strdup(s));
}

void __wrap_free(void *p)
{
    heap.live -= p != NULL;
    heap.bytes -= bytes_of(p);
    __real_free(p);
}
