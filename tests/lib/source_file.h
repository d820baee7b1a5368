/* Files of the source tree, for tests that hold documents against the code. */
#ifndef TESTS_LIB_SOURCE_FILE_H
#define TESTS_LIB_SOURCE_FILE_H

#include "base/buf.h"

/* Appends the file `name`, relative to the root of the sources, which automake gives in `srcdir`. Fails the running test
 * if it cannot be opened. */
void source_file_read(const char *name, struct buf *out);

#endif
