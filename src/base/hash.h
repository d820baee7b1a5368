/* Keyed 64-bit hash of bytes. The key is random per process, because names come from the network:
 * nobody outside can choose names that collide. Not cryptographic.
 *
 * 16 bytes per step, each step a folded 64x64 product. A folded product forgets everything when one factor is zero. If
 * the factor held a public constant, anybody could send bytes that cancel it and so make names collide under every key.
 * Therefore both factors hold secrets: a word derived from the key on one side, the running state on the other. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_BLOCK 16 /* bytes of a step */
#define HASH_C1    UINT64_C(0xa0761d6478bd642f)
#define HASH_C2    UINT64_C(0x8ebc6af09c88c6e3)

/* Mixes two words by a 128-bit product folded in half. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    __uint128_t p = (__uint128_t)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint64_t hash_bytes(const void *data, size_t len, uint64_t key);

/* The same of bytes that have zeros behind them up to the next multiple of HASH_BLOCK. */
static inline uint64_t hash_padded(const void *data, size_t len, uint64_t key)
{
    const uint64_t secret = hash_mix(key ^ HASH_C1, HASH_C2) | 1;
    uint64_t h = hash_mix(key ^ HASH_C2, HASH_C1 ^ len);
    for (size_t at = 0; at < len; at += HASH_BLOCK) {
        uint64_t words[2];
        memcpy(words, (const uint8_t *)data + at, sizeof(words));
        h = hash_mix(words[0] ^ secret, words[1] ^ h);
    }
    return hash_mix(h ^ secret, HASH_C1);
}

#endif
