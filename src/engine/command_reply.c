/* The registry's answer to a write as the protocol's reply. Apart from the verbs, because whoever keeps replies in order needs
 * this and nothing else of them. */
#include "engine/command.h"

#define MS_PER_S 1000

/* Whole seconds, rounded up: a lease of 500 ms is not none. */
static uint64_t seconds(uint32_t ms)
{
    return ((uint64_t)ms + MS_PER_S - 1) / MS_PER_S;
}

void command_reply(enum event_type type, const struct effect *reply, struct resp_writer *w)
{
    if (reply->u.reply.code != 0) {
        resp_error(w, err_word(reply->u.reply.code), reply->u.reply.text);
        return;
    }
    switch (type) {
    case EVENT_RENEW:
        resp_int(w, seconds(reply->u.reply.lease_ms));
        break;
    case EVENT_REGISTER:
        resp_array(w, 3);
        resp_text(w, reply->u.reply.desc->id);
        resp_int(w, seconds(reply->u.reply.lease_ms));
        resp_int(w, reply->u.reply.revision);
        break;
    case EVENT_DEREGISTER:
        resp_int(w, reply->u.reply.removed);
        break;
    case EVENT_DRAIN:
        resp_int(w, reply->u.reply.safe_s);
        break;
    case EVENT_REPORT:
    case EVENT_PROBE_RESULT:
    case EVENT_SESSION_CLOSED:
    case EVENT_COMMITTED:
    case EVENT_TIME:
        resp_simple(w, "OK");
        break;
    }
}
