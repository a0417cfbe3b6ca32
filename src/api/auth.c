/* auth.c -- who calls, and whether that is enough. */
#include "api/call.h"

static enum role role_of_bearer(const struct api *a, const struct http_request *req)
{
    str value = http_field_get(&req->fields, STR("Authorization"));
    str scheme = STR("Bearer ");
    if (value.n <= scheme.n || !str_eq_nocase(str_slice(value, 0, scheme.n), scheme))
        return ROLE_ANYONE;
    str given = str_slice(value, scheme.n, value.n);
    return secret_equal(given.p, given.n, a->token.bytes, a->token.n) ? ROLE_ADMIN : ROLE_ANYONE;
}

bool api_admit(struct api_call *c, enum role need)
{
    c->role = c->api->token.n == 0 ? ROLE_ADMIN : role_of_bearer(c->api, &c->x->req);
    if (c->role >= need)
        return true;
    http_reply_error(c->x, 401, "unauthorized",
                     STR("Send `Authorization: Bearer TOKEN`; the token is in admin.token of "
                         "the data directory, or what admin.token in gaff.yaml says."));
    return false;
}
