/* event=registered service=web id=a-1 address=10.0.0.5 port=80 state=passing
 * event=state service=web id=a-1 old=passing new=critical why="http://:80/: connection refused" */
#include "app/journal.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define WHY_MAX 160

/* The worst check and what it said; "" if there is none. */
static const char *why_health(const struct instance *i, char out[WHY_MAX])
{
    const struct check_state *worst = NULL;
    size_t at = 0;
    for (size_t k = 0; k < instance_n_checks(i); k++) {
        if (worst == NULL || i->checks->states[k].status > worst->status) {
            worst = &i->checks->states[k];
            at = k;
        }
    }
    out[0] = '\0';
    if (worst != NULL) {
        snprintf(out, WHY_MAX, "%.80s: %.70s", i->checks->specs[at].text, worst->output != NULL ? worst->output : "");
    }
    return out;
}

/* What made a state of another: somebody asked for it, or else health. */
static const char *why(const struct effect *x, char out[WHY_MAX])
{
    if (x->u.change.new_state == STATE_DRAINING) {
        return "DRAIN";
    }
    if (x->u.change.new_state == STATE_LOST) {
        return "its lease is over, and the store does not take that";
    }
    return x->u.change.old_state == STATE_DRAINING ? "DRAIN OFF" : why_health(x->u.change.instance, out);
}

static void log_policy(const struct effect *x)
{
    const struct service *s = x->u.change.service;
    if (s->is_hidden) {
        log_event(LOG_LEVEL_WARN, "service_hidden", "service", s->name, "why", "a static name of the zone file wins",
                  NULL);
    } else {
        log_event(LOG_LEVEL_DEBUG, "service_options", "service", s->name, NULL);
    }
}

void journal_change(void *arg, const struct effect *x)
{
    if (log_get_level() < LOG_LEVEL_INFO && x->u.change.kind != CHANGE_POLICY) {
        return;
    }
    const struct description *d = x->u.change.new_desc != NULL ? x->u.change.new_desc : x->u.change.old_desc;
    const char *service = x->u.change.service->name, *kind = change_kind_name(x->u.change.kind);
    char text[ADDRESS_TEXT_MAX], reason[WHY_MAX];
    switch (x->u.change.kind) {
    case CHANGE_POLICY:
        log_policy(x);
        break;
    case CHANGE_STATE:
        log_event(LOG_LEVEL_INFO, kind, "service", service, "id", d->id, "old",
                  instance_state_name(x->u.change.old_state), "new", instance_state_name(x->u.change.new_state), "why",
                  why(x, reason), NULL);
        break;
    case CHANGE_REGISTERED:
    case CHANGE_REPLACED:
        log_event(LOG_LEVEL_INFO, kind, "service", service, "id", d->id, "address", description_address(d, text),
                  "port", LOG_NUM(d->port), "state", instance_state_name(x->u.change.new_state), NULL);
        break;
    case CHANGE_DEREGISTERED:
    case CHANGE_EXPIRED:
    case CHANGE_REMOVED:
        log_event(LOG_LEVEL_INFO, kind, "service", service, "id", d->id, "state",
                  instance_state_name(x->u.change.old_state), NULL);
        break;
    }
}
