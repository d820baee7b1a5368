/* The end of a process whose own code broke a promise. It says where and aborts, so that a core dump shows the state:
 * going on with a broken invariant would hand out wrong addresses instead. */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void must_fail(const char *expr, const char *file, int line)
{
    fprintf(stderr, "level=error event=bug at=%s:%d broken=\"%s\"\n", file, line, expr);
    abort();
}
