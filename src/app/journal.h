/* The log lines of the registry: one for each registration, change of state and end. */
#ifndef APP_JOURNAL_H
#define APP_JOURNAL_H

#include "registry/registry.h"

/* An EFFECT_CHANGE; fits core_hooks.log. */
void journal_change(void *arg, const struct effect *change);

#endif
