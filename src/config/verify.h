/* The rules between options. Private to config/. */
#ifndef CONFIG_VERIFY_H
#define CONFIG_VERIFY_H

#include "base/err.h"
#include "config/config.h"
#include "config/draft.h"

/* ERR_BADARG with the place of the option that breaks a rule. */
int config_verify(const struct draft *d, const struct config *c, struct err *e) MUST_CHECK;

#endif
