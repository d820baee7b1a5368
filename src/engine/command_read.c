/* The verbs that read the registry: PICK, for whoever wants one address, and LIST, for whoever wants to know. Replies are maps by
 * field name (flat arrays in RESP2), so that later fields do not move earlier ones.
 *
 * What can go wrong: nobody is there to be picked, or there is no memory to begin a list. */
#include <string.h>

#include "engine/command_private.h"
#include "engine/listing.h"

/* ── PICK ── */

static bool pick_options(struct command_call *call, const char **tag, const char **port)
{
    for (size_t i = 2; i < call->argc; i += 2) {
        const char **to = command_is(&call->argv[i], "TAG") ? tag : command_is(&call->argv[i], "PORT") ? port : NULL;
        if (to == NULL) {
            (void)command_bad_word(call, i, "TAG t or PORT name");
            return false;
        }
        if (*to != NULL || i + 1 == call->argc) {
            (void)command_fail(call, ERR_BADARG, "argument %zu: %s %s", i, call->argv[i].text,
                               *to != NULL ? "is given twice" : "lacks its value");
            return false;
        }
        *to = call->argv[i + 1].text;
    }
    return true;
}

enum command_outcome command_pick(struct command_call *call)
{
    const char *tag = NULL, *port = NULL;
    char address[ADDRESS_TEXT_MAX];
    struct publish_pick pick;
    struct err e;
    int r;

    if (!pick_options(call, &tag, &port))
        return COMMAND_REPLIED;
    r = publish_pick(call->server->publisher, call->argv[1].text, tag, port, &pick, &e);
    if (r == ERR_NOTFOUND) { /* not the client's mistake: there is nobody now */
        resp_error(&call->reply, err_word(ERR_UNAVAILABLE), e.text);
        return COMMAND_REPLIED;
    }
    if (r != 0)
        return command_fail_err(call, &e);
    (void)description_address(pick.instance->desc, address);
    address[strcspn(address, ",")] = '\0'; /* of both the IPv4 one: what a caller passes to connect() */
    resp_array(&call->reply, 3);
    resp_text(&call->reply, address);
    resp_int(&call->reply, pick.port);
    resp_text(&call->reply, pick.instance->desc->id);
    return COMMAND_REPLIED;
}

/* ── LIST ── */

#define LISTING_AT_ONCE 16384 /* bytes; the rest of a longer list comes by and by */

/* LIST [<service>] [CONSISTENT]. A local store is consistent with itself, so the word changes nothing yet. */
enum command_outcome command_list(struct command_call *call)
{
    struct listing *listing;
    size_t n = call->argc;
    struct err e;

    if (n == 3 && !command_is(&call->argv[2], "CONSISTENT"))
        return command_bad_word(call, 2, "CONSISTENT");
    if (n == 3 || (n == 2 && command_is(&call->argv[1], "CONSISTENT")))
        n--;
    if (n == 2 && service_name_check(call->argv[1].text, &e) != 0)
        return command_fail_err(call, &e);
    if (listing_new(call->server, n == 2 ? call->argv[1].text : NULL, &listing) != 0)
        return command_fail(call, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    if (listing_pump(listing, call->server, &call->reply, LISTING_AT_ONCE))
        listing_free(listing);
    else
        call->client->listing = listing;
    return COMMAND_REPLIED;
}
