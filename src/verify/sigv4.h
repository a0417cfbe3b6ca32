/* sigv4.h -- AWS Signature Version 4 for a request whose body is at hand. Pure. */
#ifndef GAFF_VERIFY_SIGV4_H
#define GAFF_VERIFY_SIGV4_H

#include "base/arena.h"
#include "base/err.h"
#include "http/message.h"

struct sigv4_input {
    str method, url, body; /* url: https://host/path?query, percent-encoded */
    str service, region;
    str key, secret;                 /* access key id and secret access key */
    str session;                     /* security token of temporary credentials; empty: none */
    const struct http_field *fields; /* what is sent besides; Content-Type and X-Amz-* are signed */
    size_t field_count;
    int64_t now_ms;
};

#define SIGV4_FIELDS_MAX 3

/* The fields to add: X-Amz-Date, X-Amz-Security-Token, Authorization; in the arena. ERR_INVALID
 * for a URL without a host, ERR_LIMIT when the arena is full. */
enum err sigv4_sign(const struct sigv4_input *in, struct arena *a,
                    struct http_field out[SIGV4_FIELDS_MAX], size_t *count,
                    struct reason *why) MUST_USE;

#endif
