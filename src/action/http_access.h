/* http_access.h -- how a request gets in where it goes: a name and a password, an access token, a
 * certificate of its own, a proxy on the way. For destinations of gaff.yaml and for endpoints.
 *
 *   auth:  { basic: { user: gaff, password: "${env:CI_PASSWORD}" } }
 *   auth:  { oauth2: { token_url: https://id.example/token, client_id: gaff, client_secret: "...",
 *                      scope: hooks, audience: https://api.example } }
 *   tls:   { cert: "${file:client.pem}", key: "${file:client.key}", ca: "${file:ca.pem}" }
 *   proxy: http://user:password@proxy.example:3128 */
#ifndef GAFF_ACTION_HTTP_ACCESS_H
#define GAFF_ACTION_HTTP_ACCESS_H

#include "action/action.h"
#include "action/oauth.h"

struct http_access_config { /* in its action's arena */
    str authorization;      /* "Basic ..."; empty: none */
    bool has_oauth, has_route;
    struct oauth_config oauth;
    struct http_route route;
};

/* Reads auth, tls and proxy of an http action's mapping. */
void http_access_read(struct http_access_config *c, struct arena *a, const struct yaml *node,
                      enum outbound_policy policy, struct problems *p);
/* "Basic ..." of a name and a password (RFC 7617); STR_NONE without memory. */
str http_access_basic(struct arena *a, str user, str password);
/* Certificate and key are PEM and belong together; the proxy is a URL that can be one. */
enum err http_access_check(const struct http_access_config *c, struct reason *why) MUST_USE;

struct http_access; /* of an action */
/* NULL when the configuration asks for nothing: then calls are started as usual. */
struct http_access *http_access_new(const struct http_access_config *c,
                                    const struct action_context *ctx);
void http_access_free(struct http_access *a); /* accepts NULL */

struct http_access_call { /* embed it beside the call */
    struct oauth_wait wait;
    struct http_access *access;
    struct http_call *call;
    struct http_field *fields; /* the call's, with room for one more */
    struct arena *arena;       /* of the attempt */
    int64_t began_ns;
    bool waits;
    /* No access: ends the attempt, to be tried again. */
    void (*failed)(struct http_access_call *x, str problem);
};
/* Starts x->call when it may. An Authorization that is there already is left alone. */
void http_access_start(struct http_access *a, struct http_access_call *x);
/* While it waits: it is forgotten (true). Else the call is under way (false). */
bool http_access_cancel(struct http_access_call *x);
/* What was answered: a 401 makes a token void. */
void http_access_answered(struct http_access *a, const struct http_answer *answer);

#endif
