/* hub_request.c -- a form against the configuration. */
#include "engine/hub_request.h"

#include "base/secret.h"
#include "http/client.h"
#include "http/form.h"
#include "http/url.h"

const struct hub_topic *hub_topic_find(const struct hub_config *h, str url)
{
    for (size_t i = 0; i < h->topic_count; i++)
        if (str_eq(h->topics[i].url, url))
            return &h->topics[i];
    return NULL;
}

static int refuse(struct reason *why, int status, const char *text)
{
    (void)fail(why, ERR_INVALID, "%s", text);
    return status;
}

static bool is_allowed_host(const struct hub_config *h, const struct http_url *u)
{
    char host[HTTP_HOST_MAX + 1];
    http_url_host(u, host);
    for (size_t i = 0; host[0] && i < h->callback_count; i++)
        if (str_glob(h->callbacks[i], str_from_cstr(host)))
            return true;
    return false;
}

/* Where it leads is judged again at each request, when its name is resolved. */
static int check_callback(const struct config *c, str callback, struct reason *why)
{
    struct http_url u = {0};
    struct reason detail = {.text = ""};
    if (!callback.n)
        return refuse(why, 400, "hub.callback is missing");
    if (callback.n > WEBSUB_URL_MAX)
        return refuse(why, 400, "hub.callback is longer than 2048 bytes");
    for (size_t i = 0; i < callback.n; i++)
        if (callback.p[i] <= ' ' || callback.p[i] > '~' || callback.p[i] == '#')
            return refuse(why, 400, "hub.callback is no URL, or has a fragment");
    if (http_url_check(callback, (enum outbound_policy)c->sending.policy, &detail) != ERR_OK) {
        (void)fail(why, ERR_INVALID, "hub.callback: %.200s", detail.text);
        return 400;
    }
    if (http_url_parse(callback, &u, &detail) != ERR_OK)
        return refuse(why, 400, "hub.callback is no URL");
    bool allowed = is_allowed_host(&c->hub, &u), tls = u.tls;
    http_url_release(&u);
    if (!allowed)
        return refuse(why, 403, "hub.callback: this hub does not call that host");
    if (c->sending.schemes == 1 && !tls)
        return refuse(why, 400, "hub.callback: this hub calls https URLs alone");
    return 202;
}

/* Decimal, positive; what the hub grants lies between its bounds (5.1). */
static int read_lease(const struct hub_config *h, str text, int64_t *out_s, struct reason *why)
{
    uint64_t asked = (uint64_t)h->lease_default_ms / 1000;
    if (text.p && (!str_to_u64(text, &asked) || asked == 0))
        return refuse(why, 400, "hub.lease_seconds is no positive decimal number");
    uint64_t least = (uint64_t)h->lease_min_ms / 1000, most = (uint64_t)h->lease_max_ms / 1000;
    *out_s = (int64_t)(asked < least ? least : asked > most ? most : asked);
    return 202;
}

static int read_subscriber(const struct config *c, struct http_request *r, struct hub_job *out,
                           struct reason *why)
{
    str secret = http_request_form(r, WEBSUB_SECRET);
    out->callback = http_request_form(r, WEBSUB_CALLBACK);
    int status = check_callback(c, out->callback, why);
    if (status != 202 || out->mode == HUB_UNSUBSCRIBE)
        return status;
    if (secret.n > WEBSUB_SECRET_MAX)
        return refuse(why, 400, "hub.secret has 200 bytes or more");
    if (secret.p)
        out->secret = secret;
    return read_lease(&c->hub, http_request_form(r, WEBSUB_LEASE), &out->lease_s, why);
}

static int check_publisher(const struct hub_config *h, const struct http_request *r,
                           struct reason *why)
{
    str given = http_field_get(&r->fields, STR("Authorization"));
    if (h->publish == HUB_ANYONE)
        return 202;
    if (h->publish == HUB_NOBODY)
        return refuse(why, 403, "nobody may publish here by hub.mode=publish");
    bool bearer = given.n > 7 && str_eq_nocase(str_slice(given, 0, 7), STR("Bearer "));
    str token = bearer ? str_trim(str_slice(given, 7, given.n)) : STR("");
    return secret_equal(token.p, token.n, h->publish_token.p, h->publish_token.n)
               ? 202
               : refuse(why, 401, "publishing needs the hub's publish_token as a bearer token");
}

static int read_mode(struct http_request *r, enum hub_mode *out, struct reason *why)
{
    static const enum hub_mode asked[] = {HUB_SUBSCRIBE, HUB_UNSUBSCRIBE, HUB_PUBLISH};
    str mode = http_request_form(r, WEBSUB_MODE);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        if (str_eq(mode, str_from_cstr(hub_mode_words[asked[i]]))) {
            *out = asked[i];
            return 202;
        }
    return refuse(why, 400,
                  mode.p ? "hub.mode is subscribe, unsubscribe or publish" : "hub.mode is missing");
}

int hub_request_read(const struct config *c, struct http_request *r, struct hub_job *out,
                     struct reason *why)
{
    str type = media_type(http_field_get(&r->fields, STR("Content-Type")));
    *out = (struct hub_job){.callback = STR(""), .secret = STR(""), .reason = STR("")};
    if (!str_eq_nocase(type, STR("application/x-www-form-urlencoded")))
        return refuse(why, 415, "a request to the hub is application/x-www-form-urlencoded");
    int status = read_mode(r, &out->mode, why);
    if (status == 202 && out->mode == HUB_PUBLISH)
        status = check_publisher(&c->hub, r, why);
    if (status != 202)
        return status;
    out->topic = http_request_form(r, WEBSUB_TOPIC);
    if (!out->topic.p && out->mode == HUB_PUBLISH)
        out->topic = http_request_form(r, WEBSUB_URL);
    if (!out->topic.n)
        return refuse(why, 400, "hub.topic is missing");
    if (!hub_topic_find(&c->hub, out->topic))
        return refuse(why, 404, "hub.topic: this hub has no such topic");
    return out->mode == HUB_PUBLISH ? 202 : read_subscriber(c, r, out, why);
}
