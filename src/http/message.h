/* message.h -- a request as received, and header fields: the view that verification, rules and
 * handlers share. Slices point into memory of the exchange (or of whoever built the view). */
#ifndef GAFF_HTTP_MESSAGE_H
#define GAFF_HTTP_MESSAGE_H

#include "base/arena.h"
#include "base/json.h"
#include "base/str.h"

struct http_field {
    str name, value; /* as received, value trimmed (RFC 9110 section 5.5) */
};

struct http_fields {
    struct http_field *v;
    size_t count;
};

/* The first field of that name (any letter case); STR_NONE when absent. */
str http_field_get(const struct http_fields *f, str name);
size_t http_field_count(const struct http_fields *f, str name);

struct tls_peer;
struct http_payload; /* what is parsed lazily from the body, once; see below */

struct http_request {
    str method; /* "POST" */
    str target; /* the request target as received: "/in/github?x=1" */
    str path;   /* before '?', still percent-encoded */
    str query;  /* after '?', raw; empty when absent */
    str host;   /* Host (or authority) as received */
    struct http_fields fields;
    str body;           /* the bytes as received, chunked coding undone, nothing else */
    str peer;           /* client address as text, trusted proxies resolved: "203.0.113.9" */
    uint16_t peer_port; /* of a peer that is no proxy; 0: not known */
    bool tls;           /* directly or, from a trusted proxy, X-Forwarded-Proto: https */
    const struct tls_peer *client; /* the client's verified certificate; NULL: it showed none */
    int64_t received_ms;           /* wall clock when the head was complete */
    int64_t received_mono_ns;      /* the same moment on the monotonic clock */
    struct arena *arena;           /* of the exchange: for what is parsed lazily */
    struct json_doc *json_doc;     /* private to http_request_json */
    bool json_tried;
};

/* The body parsed as JSON on first use; NULL when it is none. Freed by http_request_release. */
const struct json *http_request_json(struct http_request *r);
/* Percent-decoded value of the first query parameter of that name; STR_NONE when absent or
 * malformed. */
str http_request_query(struct http_request *r, str name);
/* First field of a body declared application/x-www-form-urlencoded, or of a part of
 * multipart/form-data; STR_NONE otherwise. */
str http_request_form(struct http_request *r, str name);
/* Frees what was parsed lazily; the arena is its owner's. */
void http_request_release(struct http_request *r);

/* "OK" for 200; "" for unknown codes. Static. */
const char *http_status_text(int status);

#endif
