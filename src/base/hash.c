/* Keyed hash for hash tables: 16 bytes per step, each step a folded 64x64 product.
 *
 * A folded product forgets everything when one factor is zero. If the factor held a public constant, anybody could
 * send bytes that cancel it and so make names collide under every key. Therefore both factors hold secrets: a word
 * derived from the key on one side, the running state on the other. */
#include "base/hash.h"

#include <string.h>

#define HASH_C1 UINT64_C(0xa0761d6478bd642f)
#define HASH_C2 UINT64_C(0x8ebc6af09c88c6e3)

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

uint64_t hash_bytes(const void *data, size_t len, uint64_t key)
{
    const uint8_t *p = data;
    const uint64_t secret = hash_mix(key ^ HASH_C1, HASH_C2) | 1;
    uint64_t h = hash_mix(key ^ HASH_C2, HASH_C1 ^ len);

    for (size_t left = len; left > 0;) {
        uint8_t last[16] = {0};
        if (left < sizeof(last)) {
            memcpy(last, p, left);
            p = last;
        }
        h = hash_mix(load64(p) ^ secret, load64(p + 8) ^ h);
        if (left <= sizeof(last))
            break;
        p += sizeof(last);
        left -= sizeof(last);
    }
    return hash_mix(h ^ secret, HASH_C1);
}
