/* Bytes as they lie somewhere, with anything behind them: whole blocks are taken from there, the last one from a copy. The
 * result is hash_padded's. */
#include "base/hash.h"

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
        uint8_t last[HASH_BLOCK] = {0};
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
