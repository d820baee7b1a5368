/* Keyed 64-bit hash of bytes. The key is random per process, because names come from the network:
 * nobody outside can choose names that collide. Not cryptographic. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Mixes two words by a 128-bit product folded in half. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    __uint128_t p = (__uint128_t)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint64_t hash_bytes(const void *data, size_t len, uint64_t key);

#endif
