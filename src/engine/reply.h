/* An answer being written behind the question it answers. Internal to engine/answer*. */
#ifndef ENGINE_REPLY_H
#define ENGINE_REPLY_H

#include "engine/answer.h"
#include "engine/question.h"
#include "engine/world.h"

struct reply {
    struct answer_reader *reader;
    const struct answer_request *rq;
    const struct world *world;
    struct question *q;
    bool is_refused;   /* the client may not ask here */
    bool is_cold;      /* the answer of q's name is not built: nothing more is written */
    uint64_t lease_ms; /* now on the lease clock */
    uint8_t *packet;
    uint8_t *at;    /* where the next record goes */
    uint8_t *end;   /* records stop here: what OPT needs is kept free */
    uint8_t *limit; /* the packet stops here */
    uint16_t n_answers, n_authority, n_extra;
    uint16_t flags; /* AA, TC, RA */
    uint16_t rcode; /* with the extended part */
    uint8_t ede_len;
    const uint8_t *ede; /* the whole option, or NULL */
};

static inline size_t reply_room(const struct reply *y)
{
    return (size_t)(y->end - y->at);
}

/* What a node has for a question: the set of its type, else its CNAME, and who comes first. */
struct reply_set {
    const struct answer_node *node; /* NULL: there is no such name */
    const struct answer_body *body; /* the node's, as it was read once; NULL: an empty non-terminal */
    const struct body_set *set;     /* of the body; NULL: nothing of this type */
    uint32_t turn;
    uint32_t first; /* the record of the first group that the turn puts first */
};

/* Asks for the memory of a node's rotation positions. */
void reply_prefetch_turn(const struct answer_reader *r, const struct answer_node *node);
/* From node and body to set and turn; takes the turn. Asks for the memory of the records. */
void reply_choose(struct answer_reader *r, struct reply_set *from, uint16_t type);
/* Places a chosen set, balanced, with its additional records: as much as fits (DESIGN 2, sizes). `owner`: a pointer to
 * the name that it answers for. */
void reply_put_set(struct reply *y, const struct reply_set *from, uint16_t owner);
/* NOERROR or NXDOMAIN without an answer: the domain's SOA. `name_at`: offset of the name in the packet that is denied,
 * of `name_len` bytes. */
void reply_put_negative(struct reply *y, const struct world_domain *d, size_t name_at, size_t name_len);
/* One record as given, owner `owner`; sets TC if it does not fit. */
void reply_put_record(struct reply *y, uint16_t owner, uint16_t type, uint16_t class, uint32_t ttl_s, const void *rdata,
                      uint16_t len);

/* Nothing is published of q's name. May it be an id that nobody asked for before? */
bool reply_has_in_roster(const struct reply *y);
static inline bool reply_is_rostered(const struct reply *y, const struct world_domain *d)
{
    const struct question *q = y->q;
    bool is_under_a_name = q->name_len > 1U + q->exact[0] + d->apex.len;
    return is_under_a_name && y->rq->round == 0 && reply_has_in_roster(y); /* after a round there is no such id */
}
/* The answer from what was chosen for the question's name, whose node there is. */
void answer_node(struct reply *y, const struct reply_set *from);
/* Class CH. */
void answer_chaos(struct reply *y);

#endif
