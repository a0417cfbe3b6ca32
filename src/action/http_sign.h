/* http_sign.h -- `sign:` of an http destination: what is sent is signed anew, as a provider would.
 */
#ifndef GAFF_ACTION_HTTP_SIGN_H
#define GAFF_ACTION_HTTP_SIGN_H

#include "base/problem.h"
#include "verify/sign.h"

struct http_sign {
    bool is_set;
    str provider, secret;
    str previous;              /* signs beside it until previous_until_ms; "" when there is none */
    int64_t previous_until_ms; /* 0: until it is taken out */
    str *keys, *values;        /* the provider's options */
    size_t option_count;
};

/* Reads `sign:` into the arena; without a node nothing is set. */
void http_sign_read(struct http_sign *s, struct arena *a, const struct yaml *node,
                    struct problems *p);
/* The provider to sign as, after one try with a request to that place, so that a wrong secret is
 * found before the first event; NULL with *why. */
const struct provider *http_sign_provider(const struct http_sign *s, struct provider_table *t,
                                          str method, str url, struct reason *why);
/* As sign_request, with the secret and the options, and by the previous secret too while it lasts.
 */
enum err http_sign_request(const struct http_sign *s, const struct provider *p,
                           struct signature_input *in, struct arena *a,
                           struct http_field out[SIGN_FIELDS_MAX], size_t *count,
                           struct reason *why) MUST_USE;

#endif
