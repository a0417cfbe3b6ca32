/* url.h -- outgoing URLs, taken apart once by libcurl's own parser, so that the parts that are
 * judged are the parts that are requested. */
#ifndef GAFF_HTTP_URL_H
#define GAFF_HTTP_URL_H

#include "base/err.h"
#include "http/address.h"

struct Curl_URL; /* libcurl's CURLU */

#define HTTP_URL_MAX 8192 /* bytes */

struct http_url {
    struct Curl_URL *handle; /* owned */
    uint16_t port;           /* also when the URL leaves it to the scheme */
    bool tls;                /* https */
    bool is_literal;         /* the host is an address in any spelling a resolver would take */
    struct address literal;
};

/* Takes text apart: http or https, no userinfo, no NUL or control bytes, a port that is not 0, a
 * host that is well formed (IDN names must convert). ERR_INVALID otherwise, and *out is zeroed. */
enum err http_url_parse(str text, struct http_url *out, struct reason *why) MUST_USE;
#define HTTP_HOST_MAX 255
/* The host as it will be dialled, in lower case, NUL-terminated; "" when it is too long. */
void http_url_host(const struct http_url *u, char out[HTTP_HOST_MAX + 1]);
/* The URL as libcurl requests it: small letters in scheme and host, an international name as it
 * goes over the wire, dot segments folded, at least "/" as path, no fragment. free it. ERR_INVALID
 * as above. */
enum err http_url_sent(str text, char **out, struct reason *why) MUST_USE;
/* True when the path of a URL has a segment . or .., also percent-encoded: it would be folded. */
bool http_url_has_dot_segments(str url);
void http_url_release(struct http_url *u); /* accepts a zeroed struct */

#endif
