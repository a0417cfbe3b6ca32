/* send_caller.c -- who asks the sending API, and what he may: the admin token, an API key, the
 * dashboard's session, or a token of an organisation or of one of its applications. */
#include "api/send.h"

#include "base/codec.h"
#include "verify/crypto.h"

str send_token_digest(str token, char out[64])
{
    uint8_t digest[DIGEST_BYTES_MAX];
    digest_of(DIGEST_SHA256, token, digest);
    hex_encode(digest, 32, out);
    return str_of(out, 64);
}

static void unauthorized(struct send_call *s, const char *detail)
{
    send_error(s, 401, "authentication_failed", "%s", detail);
}

/* When it was revoked, 0 for never. On a store that nodes share any of them may have done it, so
 * that is asked each time, as it is for an API key. */
static enum err revoked_at(struct send_call *s, str kind, const struct map *known, str id,
                           int64_t *at_s, struct reason *why)
{
    struct api *a = send_api(s);
    struct object o;
    *at_s = (int64_t)(intptr_t)map_get(known, id);
    if (!a->core->store->shared)
        return ERR_OK;
    enum err err = store_object(a->reader, kind, id, s->a, &o, why);
    if (err == ERR_OK)
        *at_s = o.updated_ms / 1000;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* A store that can't tell lets nobody in. */
static bool is_in_force(struct send_call *s, str text, const struct jwt *t)
{
    char hex[64];
    struct reason why = {0};
    struct send_state *state = send_api(s)->send;
    int64_t itself_s = 0, until_s = 0;
    enum err err = revoked_at(s, STR("revoked"), &state->revoked, send_token_digest(text, hex),
                              &itself_s, &why);
    if (err == ERR_OK && !itself_s && ksuid_is_form("app_", t->sub))
        err = revoked_at(s, STR("revoked-until"), &state->revoked_until, t->sub, &until_s, &why);
    if (err != ERR_OK)
        send_failed(s, err, &why);
    else if (itself_s || (until_s && t->iat_s <= until_s))
        unauthorized(s, "Invalid token");
    else
        return true;
    return false;
}

static bool take_claims(struct send_call *s, const struct jwt *t)
{
    if (!t->sub.n) {
        unauthorized(s, "Invalid token (missing `sub`).");
        return false;
    }
    if (!t->org.n) {
        if (!ksuid_is_form("org_", t->sub)) {
            send_error(s, 400, "bad_token", "`sub` is not a valid organization id.");
            return false;
        }
        s->org = t->sub;
        return true;
    }
    if (!ksuid_is_form("org_", t->org)) {
        send_error(s, 400, "bad token", "`org` is not a valid organization id");
        return false;
    }
    if (!ksuid_is_form("app_", t->sub)) {
        send_error(s, 400, "bad token", "`sub` is not a valid application id");
        return false;
    }
    s->org = t->org;
    s->token_app = t->sub;
    return true;
}

static bool is_admin(struct api *a, str token)
{
    return secret_equal(token.p, token.n, a->token.bytes, a->token.n);
}

/* An API key, or the dashboard's session on its own page: those who may act may send. */
static bool is_person(struct send_call *s, str text)
{
    bool reads = str_eq(s->c->x->req.method, STR("GET"));
    enum role role = text.n                                ? api_key_role(s->c, text)
                     : reads || api_is_from_our_page(s->c) ? api_session_role(s->c)
                                                           : ROLE_ANYONE;
    s->on_page = !text.n && !reads;
    s->c->role = role;
    return role >= (reads ? ROLE_VIEWER : ROLE_OPERATOR);
}

static bool authenticate(struct send_call *s)
{
    struct api *a = send_api(s);
    struct send_state *state = a->send;
    str value = http_field_get(&s->c->x->req.fields, STR("authorization")), scheme = STR("Bearer ");
    str text = value.n > scheme.n && str_eq_nocase(str_slice(value, 0, scheme.n), scheme)
                   ? str_slice(value, scheme.n, value.n)
                   : STR("");
    struct jwt *token = ARENA_NEW(s->a, struct jwt);
    struct reason why = {0};
    s->org = STR(SEND_DEFAULT_ORG);
    s->token_app = STR("");
    s->caller = s->org;
    if (is_admin(a, text) || is_person(s, text))
        return true;
    if (!text.n && s->c->role != ROLE_ANYONE) {
        send_error(s, 403, "not_allowed", "This needs the role operator; yours is " STR_FMT ".",
                   STR_ARG(role_word(s->c->role)));
        return false;
    }
    if (state->secret.n && secret_equal(text.p, text.n, state->secret.bytes, state->secret.n)) {
        unauthorized(s, "Invalid token: this is the signing secret of tokens, which can't be used "
                        "as one; make a token from it with `gaff jwt`.");
        return false;
    }
    int64_t now_s = s->now_ms / 1000;
    if (!token || !text.n ||
        (jwt_verify(state->own, text, now_s, s->a, token, &why) != ERR_OK &&
         jwt_verify(state->key, text, now_s, s->a, token, &why) != ERR_OK)) {
        unauthorized(s, "Invalid token");
        return false;
    }
    if (!is_in_force(s, text, token) || !take_claims(s, token))
        return false;
    s->token = token;
    s->caller = s->token_app.n ? s->token_app : s->org;
    return true;
}

/* What a token that was limited must have for this operation; NULL: nothing; "": it may not. */
static const char *needed_capability(const struct send_call *s)
{
    bool reads = str_eq(s->c->x->req.method, STR("GET"));
    switch (s->op->access) {
    case SEND_APP:
        return reads ? NULL : "ManageEndpoint";
    case SEND_APP_SECRET:
        return reads ? "ViewEndpointSecret" : "ManageEndpointSecret";
    case SEND_APP_ATTEMPT:
        return "CreateAttempts";
    case SEND_ORG:
        return "";
    default:
        return NULL;
    }
}

static bool token_allows(const struct send_call *s)
{
    const char *needed = needed_capability(s);
    if (!s->token || !s->token->is_limited || !needed)
        return true;
    for (size_t i = 0; i < s->token->capability_count; i++)
        if (str_eq(s->token->capabilities[i], str_from_cstr(needed)))
            return true;
    return false;
}

/* The application of those who listen to the organisation's operational events: made with its first
 * endpoint. Without it there is none of them. */
static bool find_listeners(struct send_call *s)
{
    struct directory *d = send_api(s)->core->directory;
    bool found = directory_application(d, STR(MANAGEMENT_ORG), s->org, s->a, &s->app);
    if (!found)
        s->app = (struct application){.id = STR(""), .org = STR(MANAGEMENT_ORG), .uid = STR("")};
    if (found || (s->op->fn != send_endpoint_create && s->op->fn != send_endpoint_put))
        return true;
    struct send_call own = *s;
    struct json_doc *doc = json_parse(
        arena_printf(s->a, "{\"name\":\"operational\",\"uid\":\"" STR_FMT "\"}", STR_ARG(s->org)),
        NULL);
    own.org = STR(MANAGEMENT_ORG);
    bool made = doc && send_app_make(&own, json_root(doc));
    json_doc_free(doc);
    return made && directory_application(d, STR(MANAGEMENT_ORG), s->org, s->a, &s->app);
}

/* The application of the path, if the caller may know of it. */
static bool find_application(struct send_call *s)
{
    str name = send_path(s, "app_id");
    if ((s->token_app.n && s->op->access == SEND_ORG) || !token_allows(s)) {
        send_error(s, 403, "insufficient access", "Insufficient access for the given operation.");
        return false;
    }
    if (strcmp(s->op->tag, SEND_LISTENERS_TAG) == 0)
        return find_listeners(s);
    if (!name.p || s->op->fn == send_app_put || s->op->fn == send_message_create ||
        s->op->fn == send_portal)
        return true;
    if (directory_application(send_api(s)->core->directory, s->org, name, s->a, &s->app) &&
        (!s->token_app.n || str_eq(s->token_app, s->app.id)))
        return true;
    send_not_found(s, NULL);
    return false;
}

bool send_admit(struct send_call *s)
{
    return authenticate(s) && find_application(s);
}
