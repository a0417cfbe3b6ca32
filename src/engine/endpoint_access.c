/* endpoint_access.c -- how an endpoint is got into: from the members basicAuth, oauth,
 * clientCertificate and proxy of its document. */
#include "engine/endpoint_access.h"

#include "base/secret.h"

static str text_of(struct arena *a, const struct json *node, const char *key)
{
    str s = json_str(json_get(node, str_from_cstr(key)));
    return s.p ? arena_str(a, s) : STR("");
}

/* "a b" of a list of words. */
static str joined(struct arena *a, const struct json *list)
{
    str all = STR("");
    struct json_iter it = {0};
    while (list && json_kind_of(list) == JSON_ARRAY && json_next(list, &it))
        all = arena_printf(a, STR_FMT "%s" STR_FMT, STR_ARG(all), all.n ? " " : "",
                           STR_ARG(json_str(it.value)));
    return all;
}

static const struct json *object_of(const struct json *doc, const char *name)
{
    const struct json *v = json_get(doc, str_from_cstr(name));
    return v && json_kind_of(v) == JSON_OBJECT ? v : NULL;
}

/* Of what was refused as a whole. */
static const char *wrong_member(const struct http_access_config *c)
{
    struct reason seen;
    struct http_access_config part = {.has_oauth = c->has_oauth, .oauth = c->oauth};
    if (http_access_check(&part, &seen) != ERR_OK)
        return "oauth";
    part = (struct http_access_config){.route = {.proxy = c->route.proxy}};
    return http_access_check(&part, &seen) != ERR_OK ? "proxy" : "clientCertificate";
}

bool endpoint_access_read(struct http_access_config *c, struct arena *a, const struct json *doc,
                          enum outbound_policy policy, const char **wrong, struct reason *why)
{
    const struct json *basic = object_of(doc, "basicAuth"), *oauth = object_of(doc, "oauth");
    const struct json *pair = object_of(doc, "clientCertificate");
    str proxy = text_of(a, doc, "proxy");
    http_route_init(&c->route);
    *wrong = "oauth";
    if (basic)
        c->authorization =
            http_access_basic(a, text_of(a, basic, "username"), text_of(a, basic, "password"));
    if (basic && oauth)
        return fail(why, ERR_INVALID,
                    "basicAuth and oauth both want the field Authorization: "
                    "give one of them") == ERR_OK;
    if (pair) {
        c->route.certificate = text_of(a, pair, "certificate");
        c->route.key = text_of(a, pair, "key");
        c->route.authority = text_of(a, pair, "authority");
    }
    if (proxy.n)
        c->route.proxy = arena_cstr(a, proxy);
    c->has_route = pair || proxy.n;
    if (oauth) {
        c->has_oauth = true;
        c->oauth = (struct oauth_config){.token_url = text_of(a, oauth, "tokenUrl"),
                                         .client_id = text_of(a, oauth, "clientId"),
                                         .client_secret = text_of(a, oauth, "clientSecret"),
                                         .scope = joined(a, json_get(oauth, STR("scopes"))),
                                         .audience = text_of(a, oauth, "audience"),
                                         .policy = policy,
                                         .route = c->has_route ? &c->route : NULL};
    }
    if (http_access_check(c, why) == ERR_OK)
        return arena_ok(a);
    *wrong = wrong_member(c);
    return false;
}

static void wipe(str s)
{
    if (s.n)
        secret_wipe((char *)(uintptr_t)s.p, s.n);
}

void endpoint_access_wipe(struct http_access_config *c)
{
    wipe(c->authorization);
    wipe(c->oauth.client_secret);
    wipe(c->route.key);
    if (c->route.proxy)
        wipe(str_from_cstr(c->route.proxy));
}
