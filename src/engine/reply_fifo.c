/* Replies in the order of requests.
 *
 * The happy path is a stream of renewals: each takes a slot and is answered in order, so a reply is written straight to the output
 * and its slot freed; nothing is copied or allocated. A reply that comes before its turn is kept as bytes in its slot.
 *
 * What can go wrong is memory: for the ring, and then the request is refused; or for bytes that must be kept, and then nobody
 * can tell the client which reply is whose any more. */
#include "engine/reply_fifo.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/command.h"

#define CAP_MIN 16
#define REPLY_MAX 1024 /* bytes of one reply to a write */
#define SEQ_MASK ((1U << REPLY_SEQ_BITS) - 1)

struct reply_slot {
    char *text;   /* owned; kept bytes of a reply that is ready, NULL while it is owed */
    uint32_t len;
    uint8_t type; /* enum event_type */
};

void reply_fifo_init(struct reply_fifo *f)
{
    *f = (struct reply_fifo){0};
}

static struct reply_slot *slot(const struct reply_fifo *f, uint32_t seq)
{
    return &f->slots[seq & (f->cap - 1)];
}

void reply_fifo_fini(struct reply_fifo *f)
{
    for (; f->head != f->tail; f->head++)
        free(slot(f, f->head)->text);
    free(f->slots);
    reply_fifo_init(f);
}

/* Room for one more. Slots move to where their number puts them in the larger ring. */
static int grow(struct reply_fifo *f)
{
    struct reply_fifo larger = {.cap = f->cap == 0 ? CAP_MIN : f->cap * 2, .head = f->head, .tail = f->tail, .kept = f->kept};

    if (f->tail - f->head < f->cap)
        return 0;
    larger.slots = calloc(larger.cap, sizeof(*larger.slots));
    if (larger.slots == NULL)
        return ERR_NOMEM;
    for (uint32_t seq = f->head; seq != f->tail; seq++)
        *slot(&larger, seq) = *slot(f, seq);
    free(f->slots);
    *f = larger;
    return 0;
}

int reply_fifo_push(struct reply_fifo *f, enum event_type type, uint32_t *seq)
{
    must(reply_fifo_len(f) < REPLY_FIFO_MAX);
    if (grow(f) != 0)
        return ERR_NOMEM;
    *seq = f->tail & SEQ_MASK;
    *slot(f, f->tail++) = (struct reply_slot){.type = (uint8_t)type};
    return 0;
}

static int keep(struct reply_fifo *f, struct reply_slot *s, const void *data, size_t len)
{
    char *text = malloc(len > 0 ? len : 1);

    if (text == NULL)
        return ERR_NOMEM;
    memcpy(text, data, len);
    s->text = text;
    s->len = (uint32_t)len;
    f->kept += len;
    return 0;
}

int reply_fifo_push_ready(struct reply_fifo *f, const void *data, size_t len)
{
    must(reply_fifo_len(f) < REPLY_FIFO_MAX);
    if (grow(f) != 0 || keep(f, slot(f, f->tail), data, len) != 0)
        return ERR_NOMEM;
    f->tail++;
    return 0;
}

static void write_ready(struct reply_fifo *f, struct resp_writer *out)
{
    for (; f->head != f->tail && slot(f, f->head)->text != NULL; f->head++) {
        struct reply_slot *s = slot(f, f->head);
        buf_append(out->out, s->text, s->len);
        f->kept -= s->len;
        free(s->text);
        s->text = NULL;
    }
}

static int keep_reply(struct reply_fifo *f, struct reply_slot *s, const struct effect *reply, const struct resp_writer *out)
{
    struct buf text;
    struct resp_writer w = {.out = &text, .is_resp3 = out->is_resp3};
    int r = ERR_NOMEM;

    buf_init(&text, REPLY_MAX);
    command_reply((enum event_type)s->type, reply, &w);
    if (!text.failed)
        r = keep(f, s, text.data, text.len);
    buf_fini(&text);
    return r;
}

int reply_fifo_fill(struct reply_fifo *f, uint32_t seq, const struct effect *reply, struct resp_writer *out)
{
    uint32_t ahead = (seq - f->head) & SEQ_MASK; /* slots before it */

    if (ahead >= f->tail - f->head || slot(f, f->head + ahead)->text != NULL)
        return 0;
    if (ahead > 0)
        return keep_reply(f, slot(f, f->head + ahead), reply, out);
    command_reply((enum event_type)slot(f, f->head)->type, reply, out);
    f->head++;
    write_ready(f, out);
    return 0;
}
