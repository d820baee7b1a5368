/* Class CH: the few names by which servers tell who they are. Everything else in that class is refused. */
#include <string.h>

#include "engine/reply.h"

#define CHAOS_TEXT_MAX 255 /* one character-string */

static const struct chaos_name {
    const char *wire;
    bool is_version;
} chaos_names[] = {
    {"\7version\4bind", true},
    {"\7version\6server", true},
    {"\10hostname\4bind", false},
    {"\2id\6server", false},
};

static const struct chaos_name *chaos_find(const struct question *q)
{
    for (size_t i = 0; i < sizeof(chaos_names) / sizeof(chaos_names[0]); i++)
        if (q->name_len == strlen(chaos_names[i].wire) + 1 && memcmp(q->exact, chaos_names[i].wire, q->name_len) == 0)
            return &chaos_names[i];
    return NULL;
}

void answer_chaos(struct reply *y)
{
    const struct chaos_name *name = chaos_find(y->q);
    bool is_text = y->q->type == DNS_TXT || y->q->type == DNS_ANY;
    if (name == NULL || !is_text || y->world == NULL ||
        !atomic_load_explicit(&y->world->has_chaos, memory_order_relaxed)) {
        y->rcode = DNS_REFUSED;
        return;
    }
    const char *text = name->is_version ? y->world->version : y->world->server_id;
    uint8_t rdata[1 + CHAOS_TEXT_MAX];
    size_t len = strnlen(text, CHAOS_TEXT_MAX);
    rdata[0] = (uint8_t)len;
    memcpy(rdata + 1, text, len);
    reply_put_record(y, BODY_OWNER, DNS_TXT, DNS_CH, 0, rdata, (uint16_t)(len + 1));
}
