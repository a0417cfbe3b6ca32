/* hook_request.h -- a request as a hook's arguments and rules see it: headers, query and payload
 * as maps, the raw body, who sent it. */
#ifndef GAFF_COMPAT_HOOK_REQUEST_H
#define GAFF_COMPAT_HOOK_REQUEST_H

#include "compat/hook.h"
#include "compat/value.h"

struct hook_request {
    struct arena *arena;
    str id; /* for the log */
    str method, remote_address;
    str body;                             /* empty for multipart, for signatures too */
    struct value headers, query, payload; /* payload VALUE_NULL: none */
};

enum hook_decoded {
    HOOK_DECODED,
    HOOK_BAD_MULTIPART, /* answered with 500 */
    HOOK_PANIC,         /* what ends the other program's handler: 500 */
    HOOK_TOO_LARGE,     /* decoded, it does not fit the arena */
};

/* Decodes r for hook h; what cannot be decoded is logged and left out. Everything lives in the
 * arena or in r. */
enum hook_decoded hook_request_decode(struct hook_request *q, struct arena *a, str id,
                                      const struct http_request *r, const struct hook *h);

enum hook_value { HOOK_VALUE, HOOK_VALUE_MISSING, HOOK_VALUE_WRONG, HOOK_VALUE_PANIC };
/* The value of an argument as text. Otherwise *why says what is wrong, as logs and errors have
 * it ("parameter node not found: a.b"). */
enum hook_value hook_argument_get(const struct hook_request *q, const struct hook_argument *a,
                                  str *out, struct reason *why);

/* Logs "what {Source:... Name:... EnvName:... Base64Decode:...}". */
void hook_log_argument(str id, const char *what, const struct hook_argument *a);

/* "content-type" as "Content-Type"; a name that is no token stays as it is. In the arena. */
str header_canonical(struct arena *a, str name);

#endif
