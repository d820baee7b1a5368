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
        y->ede = no->body->ede;
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

static const struct body_set *node_set(const struct answer_node *node, const struct answer_body *body, uint16_t type)
{
    if (body == NULL || (type != DNS_SRV && atomic_load_explicit(&node->is_srv_only, memory_order_relaxed)))
        return NULL;
    return body_find(body, type);
}

/* Places what the node has for the question. Returns the CNAME set if that leads on. */
static const struct body_set *put_node(struct reply *y, const struct answer_node *node, size_t name_at)
{
    uint16_t owner = (uint16_t)(0xc000 | name_at);
    const struct answer_body *body = atomic_load_explicit(&node->body, memory_order_acquire);
    const struct body_set *set = node_set(node, body, y->q->type);
    if (set != NULL) {
        reply_put_set(y, &(struct reply_set){node, body, set}, owner);
        return NULL;
    }
    set = node_set(node, body, DNS_CNAME);
    if (set != NULL) {
        reply_put_set(y, &(struct reply_set){node, body, set}, owner);
        return y->q->type != DNS_ANY ? set : NULL; /* ANY is answered by it: RFC 8482 section 4 */
    }
    if (y->q->type == DNS_ANY && body != NULL && body->n_sets > 0) {
        put_any(y, owner);
        return NULL;
    }
    const struct world_domain *d = world_domain_of(y->world, y->q->exact, y->q->name_len);
    if (d != NULL)
        put_denial(y, d, &(struct denied){.body = body, .name_at = name_at});
    return NULL;
}

static bool is_in_chain(const struct answer_node *const *chain, int n, const struct answer_node *node)
{
    for (int i = 0; i < n; i++)
        if (chain[i] == node)
            return true;
    return false;
}

void answer_node(struct reply *y, const struct answer_node *node)
{
    const struct answer_node *chain[CHAIN_LINKS];
    const uint8_t *link = y->at;
    const struct body_set *cname = put_node(y, node, DNS_HEADER_LEN);
    for (int links = 1; cname != NULL && y->at > link && links <= CHAIN_LINKS; links++) {
        chain[links - 1] = node;
        const uint8_t *target = link + RR_FIXED;
        question_fold(y->q, target, wire_get16(link + RR_LEN_AT));
        struct question *q = y->q;
        const struct world_domain *d = world_domain_of(y->world, q->exact, q->name_len);
        if (d == NULL)
            return;
        size_t target_at = (size_t)(target - y->packet);
        uint64_t hash = hash_bytes(q->loose, q->name_len, y->reader->answers->key);
        node = table_find(&y->world->table, hash, q->loose, q->exact, q->name_len);
        if (node == NULL) {
            put_denial(y, d, &(struct denied){.is_missing = true, .name_at = target_at});
            return;
        }
        if (is_in_chain(chain, links, node))
            return;
        if (links == CHAIN_LINKS) {
            const struct answer_body *body = atomic_load_explicit(&node->body, memory_order_acquire);
            if (node_set(node, body, q->type) == NULL && node_set(node, body, DNS_CNAME) != NULL)
                return;
        }
        link = y->at;
        cname = put_node(y, node, target_at);
    }
}
