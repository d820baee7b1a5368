/* What a harness gives: one run over one input. It must survive every input, and may check what must hold (must). The
 * input ends where `size` says, at the end of its allocation, so that a sanitizer sees every read past it.
 *
 * With --enable-fuzzing libFuzzer calls it; otherwise replay.c does, once per corpus file, in `make check`. */
#ifndef FUZZ_HARNESS_H
#define FUZZ_HARNESS_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
