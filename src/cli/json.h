/* Replies as JSON. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "base/buf.h"
#include "cli/reply.h"

/* Texts, numbers, null; lists as arrays. */
void json_value(struct buf *out, const struct reply *r);
/* A flat map as an object, with the values of the fields that are maps themselves as objects: `meta`, each of `checks`,
 * and each of `ports` with its name, number and protocol. Fields that are not known go as json_value has them. */
void json_fields(struct buf *out, const struct reply *map);
/* ,"name": for all but the first member of an object, "name": for that. */
void json_name(struct buf *out, const char *name);
void json_text(struct buf *out, const char *name, const char *text);
void json_number(struct buf *out, const char *name, long long n);

#endif
