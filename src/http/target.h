/* target.h -- request targets (RFC 9112 section 3.2) and Host values (RFC 9110 section 7.2): the
 * strict grammar of RFC 3986 for paths and hosts, any visible ASCII but '#' for queries. Pure;
 * slices point into the input. */
#ifndef GAFF_HTTP_TARGET_H
#define GAFF_HTTP_TARGET_H

#include "base/str.h"

struct http_target {
    str path;      /* "/in/github", still percent-encoded; "*" for the asterisk form */
    str query;     /* after '?'; empty when absent */
    str authority; /* of the absolute form; STR_NONE otherwise */
};

/* NULL, or what is wrong in a sentence (static). Origin form, absolute form with http or https,
 * and the asterisk form for OPTIONS are taken; the authority form belongs to CONNECT and is not.
 * A path with %00 or a broken percent-encoding is refused. */
const char *target_parse(str method, str text, struct http_target *out);
/* uri-host [":" port], not empty, no user information. */
bool target_host_valid(str host);

#endif
