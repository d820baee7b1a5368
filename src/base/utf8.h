/* Which bytes are UTF-8 (RFC 3629): needed wherever foreign text is shown or put into JSON. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length (1..4) of the well-formed character at the beginning of `s`, 0 if there is none within `len` bytes: overlong
 * forms, surrogates and values above U+10FFFF are not well-formed. */
size_t utf8_char_len(const uint8_t *s, size_t len);

#endif
