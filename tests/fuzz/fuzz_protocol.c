/* The rollcall protocol: any bytes, in pieces of any size, against a real registry. The first byte is the size of the pieces
 * and whether a password is wanted. What must hold: as many slots for replies as requests on their way, so none is owed after
 * a turn; a closed connection says nothing more; the counts of the registry add up. */
#include "harness.h"

#include <string.h>

#include "base/must.h"
#include "protocol_world.h"

static void check_counts(const struct protocol_world *w)
{
    struct registry_counts n;
    uint64_t states = 0;

    registry_counts(w->registry, &n);
    for (enum instance_state s = STATE_STARTING; s <= STATE_LOST; s++)
        states += n.by_state[s];
    must(states == n.instances && n.served <= n.instances);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct protocol_world w;
    size_t piece;

    if (size == 0)
        return 0;
    piece = (data[0] & 0x7f) + (data[0] % 8 == 0 ? size : 1);
    protocol_world_init(&w, data[0] >= 0x80 ? "sesame" : NULL);
    for (size_t at = 1; at < size && !w.is_closed; at += piece) {
        protocol_feed(&w, data + at, size - at < piece ? size - at : piece);
        must(reply_fifo_is_empty(&w.owed) && w.owed.kept == 0);
        buf_reset(&w.out);
        protocol_advance(&w, 100);
    }
    check_counts(&w);
    protocol_reconnect(&w);
    protocol_advance(&w, 7000);
    check_counts(&w);
    protocol_world_fini(&w);
    return 0;
}
