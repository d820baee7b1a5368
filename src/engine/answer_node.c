/* The answer of a name: its records of the type asked for, the chain of CNAMEs that leads to them, or the proof that
 * there are none.
 *
 * A chain is followed as long as it stays inside the domains (RFC 1034 section 4.3.2), at most CHAIN_LINKS links, each
 * given once. Zone files with loops and longer chains are refused when they are loaded; this code does not rely on it.
 * What was collected until then is answered; the resolver goes on or gives up. */
#include "engine/reply.h"

#include "base/hash.h"
#include "dns/wire.h"

#define CHAIN_LINKS 8
#define ANY_TTL_S   3600 /* RFC 8482 section 4.2 leaves it open; long, as it says nothing that could change */

struct denied {
    const struct answer_body *body; /* NULL: no such name, or an empty non-terminal */
    bool is_missing;
    size_t name_at;
};

/* The name is q's, folded, and stands at `name_at` in the packet. */
static void put_denial(struct reply *y, const struct world_domain *d, const struct denied *no)
{
    if (no->is_missing || (no->body != NULL && no->body->is_nxdomain))
        y->rcode = DNS_NXDOMAIN;
    if (no->body != NULL) {
        y->ede = body_place(no->body, no->body->ede);
        y->ede_len = no->body->ede_len;
    }
    reply_put_negative(y, d, no->name_at, y->q->name_len);
}

/* RFC 8482 section 4.2. */
static void put_any(struct reply *y, uint16_t owner)
{
    static const uint8_t hinfo[] = {7, 'R', 'F', 'C', '8', '4', '8', '2', 0};
    reply_put_record(y, owner, DNS_HINFO, DNS_IN, ANY_TTL_S, hinfo, sizeof(hinfo));
}

bool reply_has_in_roster(const struct reply *y)
{
    const struct question *q = y->q;
    size_t skip = (size_t)q->exact[0] + 1, len = q->name_len - skip;
    uint64_t key = y->reader->answers->key, hash = hash_bytes(q->loose + skip, len, key);
    const struct roster *r = table_roster(&y->world->table, hash, q->loose + skip, q->exact + skip, len);
    return r != NULL && roster_has(r, roster_hash(q->loose + 1, q->loose[0], key));
}

/* The node has nothing for the question: neither its type nor a CNAME. */
__attribute__((noinline)) static void put_nothing(struct reply *y, const struct answer_body *body, size_t name_at)
{
    const struct world_domain *d = world_domain_of(y->world, y->q->exact, y->q->name_len);
    /* an id may have static names below it, and no node of its own */
    if (body == &body_cold || (body == NULL && d != NULL && reply_is_rostered(y, d))) {
        y->is_cold = true;
        return;
    }
    if (y->q->type == DNS_ANY && body != NULL && body->n_sets > 0) {
        put_any(y, (uint16_t)(0xc000 | name_at));
        return;
    }
    if (d != NULL)
        put_denial(y, d, &(struct denied){.body = body, .name_at = name_at});
}

/* Places what the node has for the question. True if that is a CNAME that leads on. */
static inline bool put_node(struct reply *y, const struct reply_set *from, size_t name_at)
{
    if (from->body != NULL)
        body_use(from->body);
    if (from->set == NULL) {
        put_nothing(y, from->body, name_at);
        return false;
    }
    reply_put_set(y, from, (uint16_t)(0xc000 | name_at));
    if (from->set->type != DNS_CNAME)
        return false;
    return y->q->type != DNS_CNAME && y->q->type != DNS_ANY; /* ANY is answered by a CNAME: RFC 8482 section 4 */
}

static bool is_in_chain(const struct answer_node *const *chain, int n, const struct answer_node *node)
{
    for (int i = 0; i < n; i++)
        if (chain[i] == node)
            return true;
    return false;
}

/* Follows the CNAME that was written at `link`. */
__attribute__((noinline)) static void answer_chain(struct reply *y, const struct answer_node *node, const uint8_t *link)
{
    const struct answer_node *chain[CHAIN_LINKS];
    struct question *q = y->q;
    bool leads_on = true;
    for (int links = 1; leads_on && y->at > link && links <= CHAIN_LINKS; links++) {
        chain[links - 1] = node;
        const uint8_t *target = link + RR_FIXED;
        question_fold(q, target, wire_get16(link + RR_LEN_AT), (size_t)(y->limit - target));
        const struct world_domain *d = world_domain_of(y->world, q->exact, q->name_len);
        if (d == NULL)
            return;
        size_t target_at = (size_t)(target - y->packet);
        uint64_t hash = hash_padded(q->loose, q->name_len, y->reader->answers->key);
        node = table_find(&y->world->table, hash, q->loose, q->exact, q->name_len);
        if (node == NULL && reply_is_rostered(y, d)) {
            y->is_cold = true;
            return;
        }
        if (node == NULL) {
            put_denial(y, d, &(struct denied){.is_missing = true, .name_at = target_at});
            return;
        }
        if (is_in_chain(chain, links, node))
            return;
        struct reply_set from = {.node = node, .body = node_body(node)};
        reply_choose(y->reader, &from, q->type);
        if (links == CHAIN_LINKS && from.set != NULL && from.set->type == DNS_CNAME && q->type != DNS_CNAME)
            return;
        link = y->at;
        leads_on = put_node(y, &from, target_at);
    }
}

void answer_node(struct reply *y, const struct reply_set *from)
{
    const uint8_t *link = y->at;
    if (put_node(y, from, DNS_HEADER_LEN))
        answer_chain(y, from->node, link);
}
