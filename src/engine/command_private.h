/* Shared by the files of the command table: the handlers, and helpers to answer in one line. */
#ifndef ENGINE_COMMAND_PRIVATE_H
#define ENGINE_COMMAND_PRIVATE_H

#include "engine/command.h"

typedef enum command_outcome command_handler(struct command_call *call);

/* command_write.c: they change the registry */
command_handler command_register, command_renew, command_deregister, command_drain, command_report;
/* command_read.c */
command_handler command_pick, command_list;
/* command_watch.c */
command_handler command_watch, command_subscribe, command_unsubscribe, command_psubscribe, command_punsubscribe;
/* command_client.c: the connection itself */
command_handler command_ping, command_echo, command_auth, command_hello, command_client_verb, command_select, command_reset,
    command_quit;
/* command_help.c */
command_handler command_info_verb, command_help, command_command, command_config;

/* "-WORD text" for a code of base/err.h. */
enum command_outcome command_fail(struct command_call *call, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
enum command_outcome command_fail_err(struct command_call *call, const struct err *e);
enum command_outcome command_ok(struct command_call *call);
/* "argument 3 (PASING) must be ...": `at` counts words after the verb from 1. */
enum command_outcome command_bad_word(struct command_call *call, size_t at, const char *wanted);

/* A word equals a keyword, in any case. */
bool command_is(const struct resp_arg *a, const char *keyword);
/* A decimal number without sign, at most 2^64-1. False if it is none. */
bool command_number(const struct resp_arg *a, uint64_t *out);

#endif
