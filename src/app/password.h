/* The password of the rollcall protocol. */
#ifndef APP_PASSWORD_H
#define APP_PASSWORD_H

#include "base/err.h"

/* The first line of the file, without its end; malloced. ERR_IO: it cannot be read; ERR_BADARG: empty, too long, or
 * open to everybody. */
int password_load(const char *path, char **out, struct err *e) MUST_CHECK;
/* Wipes and frees; NULL is allowed. */
void password_free(char *password);

#endif
