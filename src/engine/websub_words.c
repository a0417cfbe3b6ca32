/* websub_words.c -- application/x-www-form-urlencoded, as forms and queries of WebSub are. */
#include "engine/websub_words.h"

#include "base/codec.h"

void websub_pair(struct buf *out, str name, str value)
{
    if (out->len && out->p[out->len - 1] != '?')
        buf_char(out, '&');
    buf_str_append(out, name);
    buf_char(out, '=');
    percent_encode(out, value);
}
