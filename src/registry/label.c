/* Names that people give: services, instance ids, tags. One folding for all of them (DESIGN 1), so that `user_service`
 * and `User-Service` meet, and one place that says what a good name is. Everything here reads bytes from the network.
 */
#include "registry/description.h"

#include <string.h>

#define LABEL_MAX 63 /* RFC 1035 section 2.3.4 */

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

char *label_fold(const char *in, char *out)
{
    char *at = out;
    for (; *in != '\0'; in++, at++) {
        if (*in >= 'A' && *in <= 'Z')
            *at = (char)(*in - 'A' + 'a');
        else
            *at = *in == '_' ? '-' : *in;
    }
    *at = '\0';
    return out;
}

/* Letters, digits, '-' and '_', beginning and ending with a letter or digit, 1 to `max` bytes. */
static bool is_label(const char *s, size_t max)
{
    size_t len = strnlen(s, max + 1);
    if (len == 0 || len > max || !is_alnum(s[0]) || !is_alnum(s[len - 1]))
        return false;
    for (size_t i = 1; i + 1 < len; i++)
        if (!is_alnum(s[i]) && s[i] != '-' && s[i] != '_')
            return false;
    return true;
}

int service_name_check(const char *name, struct err *e)
{
    if (is_label(name, SERVICE_NAME_MAX))
        return 0;
    return err_set(e, ERR_BADARG,
                   "service \"%.64s\": a name is 1 to %d letters, digits, '-' and '_', beginning and ending with a "
                   "letter or digit",
                   name, SERVICE_NAME_MAX);
}

int instance_id_check(const char *id, struct err *e)
{
    if (is_label(id, INSTANCE_ID_MAX))
        return 0;
    return err_set(
        e, ERR_BADARG,
        "id \"%.64s\": an id is 1 to %d letters, digits and hyphens, beginning and ending with a letter or digit", id,
        INSTANCE_ID_MAX);
}

bool tag_is_label(const char *tag)
{
    return is_label(tag, LABEL_MAX);
}
