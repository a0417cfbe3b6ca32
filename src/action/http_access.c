/* http_access.c -- the configuration, and the step before a call that needs a token. */
#include "action/http_access.h"

#include "base/codec.h"
#include "base/log.h"
#include "http/url.h"
#include "verify/pem_pair.h"

#define PEM_BYTES_MAX (256u << 10)

struct http_access {
    const struct http_access_config *config;
    struct http_client *client;
    const struct clock *clock;
    struct oauth *oauth; /* NULL: none */
};

/* --- the configuration ------------------------------------------------------------------------ */

str http_access_basic(struct arena *a, str user, str password)
{
    str pair = arena_printf(a, STR_FMT ":" STR_FMT, STR_ARG(user), STR_ARG(password));
    char *base64 = pair.p ? arena_alloc(a, BASE64_LEN(pair.n) + 1) : NULL;
    if (!base64)
        return STR_NONE;
    size_t n = base64_encode(pair.p, pair.n, base64);
    return arena_printf(a, "Basic %.*s", (int)n, base64);
}

enum err http_access_check(const struct http_access_config *c, struct reason *why)
{
    struct http_url url;
    if (c->has_oauth && http_url_check(c->oauth.token_url, c->oauth.policy, why) == ERR_INVALID)
        return ERR_INVALID;
    if (c->route.proxy) {
        str proxy = str_from_cstr(c->route.proxy);
        if (!str_starts(proxy, STR("http://")) && !str_starts(proxy, STR("https://")))
            return fail(why, ERR_INVALID, "a proxy begins with http:// or https://");
        size_t at = str_find(proxy, '@');
        size_t scheme = str_find_str(proxy, STR("://")) + 3;
        char plain[HTTP_URL_MAX];
        str host =
            at < proxy.n ? str_slice(proxy, at + 1, proxy.n) : str_slice(proxy, scheme, proxy.n);
        int n = snprintf(plain, sizeof(plain), STR_FMT STR_FMT,
                         STR_ARG(str_slice(proxy, 0, scheme)), STR_ARG(host));
        if (n < 0 || (size_t)n >= sizeof(plain))
            return fail(why, ERR_INVALID, "the proxy's URL is too long");
        if (http_url_parse(str_of(plain, (size_t)n), &url, why) != ERR_OK)
            return fail(why, ERR_INVALID, "the proxy is no URL that can be asked");
        http_url_release(&url);
    }
    if (c->route.authority.n &&
        (c->route.authority.n > PEM_BYTES_MAX || !pem_is_certificate(c->route.authority)))
        return fail(why, ERR_INVALID, "the authority is no certificate in PEM of at most %u bytes",
                    PEM_BYTES_MAX);
    if (!c->route.certificate.n != !c->route.key.n)
        return fail(why, ERR_INVALID,
                    "a client certificate needs its key, and a key its "
                    "certificate");
    if (c->route.certificate.n > PEM_BYTES_MAX || c->route.key.n > PEM_BYTES_MAX)
        return fail(why, ERR_LIMIT, "a certificate or key in PEM has at most %u bytes",
                    PEM_BYTES_MAX);
    if (c->route.certificate.n && !pem_pair_fits(c->route.certificate, c->route.key))
        return fail(why, ERR_INVALID,
                    "the client certificate and its key are no PEM that belongs together");
    return ERR_OK;
}

static str text_of(struct problems *p, const struct yaml *node, const char *key, bool needed)
{
    const struct yaml *one = yaml_get(node, str_from_cstr(key));
    str text = STR("");
    if (one && read_str(p, one, &text) && text.n)
        return text;
    if (needed)
        problem_at(p, one ? one : node, "\"%s\" is needed", key);
    return STR("");
}

static void read_basic(struct http_access_config *c, struct arena *a, const struct yaml *node,
                       struct problems *p)
{
    static const char *const keys[] = {"user", "password", NULL};
    if (!node || !read_keys(p, node, keys))
        return;
    str user = text_of(p, node, "user", true), password = text_of(p, node, "password", true);
    if (str_find(user, ':') < user.n)
        problem_at(p, yaml_get(node, STR("user")), "a user's name holds no ':' (RFC 7617)");
    c->authorization = http_access_basic(a, user, password);
}

static void read_oauth(struct http_access_config *c, const struct yaml *node,
                       enum outbound_policy policy, struct problems *p)
{
    static const char *const keys[] = {"token_url", "client_id", "client_secret",
                                       "scope",     "audience",  NULL};
    if (!node || !read_keys(p, node, keys))
        return;
    c->has_oauth = true;
    c->oauth = (struct oauth_config){.token_url = text_of(p, node, "token_url", true),
                                     .client_id = text_of(p, node, "client_id", true),
                                     .client_secret = text_of(p, node, "client_secret", true),
                                     .scope = text_of(p, node, "scope", false),
                                     .audience = text_of(p, node, "audience", false),
                                     .policy = policy};
}

void http_access_read(struct http_access_config *c, struct arena *a, const struct yaml *node,
                      enum outbound_policy policy, struct problems *p)
{
    static const char *const auth_keys[] = {"basic", "oauth2", NULL};
    static const char *const tls_keys[] = {"ca", "cert", "key", NULL};
    const struct yaml *auth = yaml_get(node, STR("auth")), *tls = yaml_get(node, STR("tls"));
    const struct yaml *proxy = yaml_get(node, STR("proxy"));
    struct reason why = {.text = ""};
    size_t before = p->errors;
    http_route_init(&c->route);
    if (auth && read_keys(p, auth, auth_keys)) {
        if (auth->count != 1)
            problem_at(p, auth, "auth is one of basic and oauth2");
        read_basic(c, a, yaml_get(auth, STR("basic")), p);
        read_oauth(c, yaml_get(auth, STR("oauth2")), policy, p);
    }
    if (tls && read_keys(p, tls, tls_keys)) {
        c->route.authority = text_of(p, tls, "ca", false);
        c->route.certificate = text_of(p, tls, "cert", false);
        c->route.key = text_of(p, tls, "key", false);
        if (!c->route.authority.n && !c->route.certificate.n && !c->route.key.n)
            problem_at(p, tls, "tls names nothing: give it ca, or cert and key");
    }
    if (proxy)
        c->route.proxy = arena_cstr(a, text_of(p, node, "proxy", true));
    c->has_route = tls || proxy;
    if (c->has_route)
        c->oauth.route = &c->route;
    if (p->errors == before && http_access_check(c, &why) != ERR_OK)
        problem_at(p, proxy ? proxy : tls ? tls : auth, "%s", why.text);
}

/* --- a call ----------------------------------------------------------------------------------- */

struct http_access *http_access_new(const struct http_access_config *c,
                                    const struct action_context *ctx)
{
    if (!c->authorization.n && !c->has_oauth && !c->has_route)
        return NULL;
    struct http_access *a = xcalloc(1, sizeof(*a));
    a->config = c;
    a->client = ctx->client;
    a->clock = loop_clock(ctx->loop);
    if (c->has_oauth)
        a->oauth = oauth_new(ctx->loop, ctx->client, &c->oauth);
    return a;
}

void http_access_free(struct http_access *a)
{
    if (!a)
        return;
    oauth_free(a->oauth);
    free(a);
}

static bool has_authorization(const struct http_call *call)
{
    for (size_t i = 0; i < call->field_count; i++)
        if (str_eq_nocase(call->fields[i].name, STR("Authorization")))
            return true;
    return false;
}

static void got_token(struct oauth_wait *w, str authorization, str problem)
{
    struct http_access_call *x = CONTAINER_OF(w, struct http_access_call, wait);
    struct http_access *a = x->access;
    struct http_call *call = x->call;
    int64_t spent_ms = (clock_mono_ns(a->clock) - x->began_ns) / 1000000;
    x->waits = false;
    if (!authorization.p) {
        x->failed(x, problem);
        return;
    }
    /* What the token took is part of the attempt. */
    call->timeout_ms -= spent_ms;
    if (call->timeout_ms <= 0) {
        x->failed(x, STR("the deadline passed while an access token was fetched"));
        return;
    }
    str kept = arena_str(x->arena, authorization); /* the token may be renewed meanwhile */
    x->fields[call->field_count++] =
        (struct http_field){STR("Authorization"), kept.p ? kept : STR("")};
    http_client_start(a->client, call);
}

void http_access_start(struct http_access *a, struct http_access_call *x)
{
    const struct http_access_config *c = a->config;
    struct http_call *call = x->call;
    x->access = a;
    x->began_ns = clock_mono_ns(a->clock);
    if (c->has_route)
        call->route = &c->route;
    bool has = has_authorization(call);
    if (a->oauth && !has) {
        x->waits = true;
        x->wait.done = got_token;
        oauth_ask(a->oauth, &x->wait);
        return;
    }
    if (c->authorization.n && !has)
        x->fields[call->field_count++] =
            (struct http_field){STR("Authorization"), c->authorization};
    http_client_start(a->client, call);
}

bool http_access_cancel(struct http_access_call *x)
{
    if (!x->waits)
        return false;
    oauth_forget(&x->wait);
    x->waits = false;
    return true;
}

void http_access_answered(struct http_access *a, const struct http_answer *answer)
{
    if (a && a->oauth && answer->status == 401)
        oauth_refused(a->oauth);
}
