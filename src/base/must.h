/* must(x): an assertion for programmer errors, always on. Never the first check of bytes from the
 * network, a disk or a configuration file: those are validated into error codes. */
#ifndef BASE_MUST_H
#define BASE_MUST_H

_Noreturn void must_fail(const char *expr, const char *file, int line);

#define must(expr) ((expr) ? (void)0 : must_fail(#expr, __FILE__, __LINE__))

#endif
