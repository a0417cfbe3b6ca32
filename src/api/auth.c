/* auth.c -- who calls, and whether that is enough: the daemon's own token, an API key, or the
 * cookie of a session. A cookie is sent by a browser whoever made it send, so a request with one
 * changes something only when it comes from our own page. */
#include "api/call.h"

#include "verify/crypto.h"

str api_cookie(struct api_call *c, str name)
{
    str rest = http_field_get(&c->x->req.fields, STR("Cookie"));
    while (rest.p && rest.n) {
        str pair = str_trim(str_cut(&rest, ';'));
        str key = str_cut(&pair, '=');
        if (str_eq(key, name))
            return pair.p ? pair : STR("");
    }
    return STR("");
}

static str bearer_of(const struct http_request *req)
{
    str value = http_field_get(&req->fields, STR("Authorization"));
    str scheme = STR("Bearer ");
    if (value.n <= scheme.n || !str_eq_nocase(str_slice(value, 0, scheme.n), scheme))
        return STR("");
    return str_slice(value, scheme.n, value.n);
}

static enum role role_of_bearer(struct api_call *c, str given)
{
    const struct secret *token = &c->api->token;
    if (secret_equal(given.p, given.n, token->bytes, token->n)) {
        snprintf(c->caller, sizeof(c->caller), "token");
        return ROLE_ADMIN;
    }
    return api_key_role(c, given);
}

static bool is_write(const struct http_request *req)
{
    return !str_eq(req->method, STR("GET")) && !str_eq(req->method, STR("HEAD")) &&
           !str_eq(req->method, STR("OPTIONS"));
}

/* Sec-Fetch-Site is the browser's own word, which no page can change; older browsers send Origin
 * alone. Neither: no browser of today. */
static bool is_same_origin(const struct http_request *req)
{
    str site = http_field_get(&req->fields, STR("Sec-Fetch-Site"));
    str origin = http_field_get(&req->fields, STR("Origin"));
    if (site.p)
        return str_eq(site, STR("same-origin"));
    str host = origin.p ? origin : STR("");
    str_cut(&host, '/');
    str_cut(&host, '/');
    return host.n && str_eq_nocase(host, req->host);
}

static bool is_json(const struct http_request *req)
{
    return str_starts(http_field_get(&req->fields, STR("Content-Type")), STR("application/json"));
}

bool api_is_from_our_page(const struct api_call *c)
{
    return is_same_origin(&c->x->req) && is_json(&c->x->req);
}

static bool identify(struct api_call *c)
{
    const struct http_request *req = &c->x->req;
    str bearer = bearer_of(req);
    if (bearer.n) {
        c->role = role_of_bearer(c, bearer);
        return true;
    }
    c->role = api_session_role(c);
    if (c->role == ROLE_ANYONE || !is_write(req) || api_is_from_our_page(c))
        return true;
    http_reply_error(c->x, 403, "not_from_here",
                     STR("A request with the dashboard's cookie must come from its own page."));
    return false;
}

bool api_admit(struct api_call *c, enum role need)
{
    snprintf(c->caller, sizeof(c->caller), "nobody");
    if (need == ROLE_ANYONE)
        return true;
    if (!identify(c))
        return false;
    if (c->role >= need)
        return true;
    if (c->role == ROLE_ANYONE)
        http_reply_error(c->x, 401, "unauthorized",
                         STR("Send `Authorization: Bearer TOKEN`; the token is in admin.token of "
                             "the data directory, or what admin.token in gaff.yaml says."));
    else
        http_reply_error(c->x, 403, "not_allowed",
                         arena_printf(c->x->arena,
                                      "This needs the role " STR_FMT "; yours is " STR_FMT ".",
                                      STR_ARG(role_word(need)), STR_ARG(role_word(c->role))));
    return false;
}
