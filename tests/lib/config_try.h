/* Configurations from literals, for the tests of config/. */
#ifndef TESTS_LIB_CONFIG_TRY_H
#define TESTS_LIB_CONFIG_TRY_H

#include "config/config.h"

/* Parses `text` under the label "t.conf"; fails the test with the message if it is refused. Freed by the caller. */
struct config *config_good(const char *text);
struct config *config_good_dev(const char *text);
/* Fails the test unless `text` is refused with exactly `message`. */
void config_bad(const char *text, const char *message);
/* As config_good, with one override "section.key" = value. */
struct config *config_good_override(const char *text, const char *section, const char *key, const char *value);
void config_bad_override(const char *text, const char *section, const char *key, const char *value, const char *message);
/* Fails the test unless `text` is accepted with exactly these warnings. */
void config_warns(const char *text, const char *warnings);

#endif
