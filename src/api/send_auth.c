/* send_auth.c -- tokens of applications, which open their portal: making them, taking them back;
 * health. The token follows the # of the link: no server and no log gets to see it. */
#include "api/send.h"

#include "base/codec.h"
#include "base/rand.h"

#define PORTAL_S (12 * 3600) /* a link is what leaks: long enough for a day's work */
#define EXPIRY_S_MAX (365 * 24 * 3600)

static void write_claims(struct send_call *s, struct json_writer *w, str app, int64_t seconds)
{
    uint8_t random[12];
    char jti[16];
    rand_bytes(random, sizeof(random));
    size_t n = base64url_encode(random, sizeof(random), jti);
    json_open(w, '{');
    json_pair_int(w, "iat", s->now_ms / 1000);
    json_pair_int(w, "nbf", s->now_ms / 1000);
    json_pair_int(w, "exp", s->now_ms / 1000 + seconds);
    json_pair(w, "iss", STR("gaff"));
    json_pair(w, "sub", app);
    json_pair(w, "org", s->org);
    json_pair(w, "jti", str_of(jti, n));
    const struct json *flags = json_get(s->body, STR("featureFlags"));
    if (flags && json_kind_of(flags) == JSON_ARRAY) {
        json_key(w, "feature_flags");
        json_value(w, flags);
    }
    const struct json *capabilities = json_get(s->body, STR("capabilities"));
    bool limited = capabilities && json_kind_of(capabilities) == JSON_ARRAY;
    if (json_bool(json_get(s->body, STR("readOnly")))) {
        json_key(w, "capabilities");
        json_raw(w, STR("[\"ViewBase\"]"));
    } else if (limited) {
        json_key(w, "capabilities");
        json_value(w, capabilities);
    }
    json_close(w, '}');
}

/* The address that was set, or the one the caller knows us by. */
static str own_url(struct send_call *s)
{
    const struct http_request *r = &s->c->x->req;
    struct config *c = engine_config(send_api(s)->options.engine);
    str set = arena_str(s->a, c->portal_url);
    config_unref(c);
    if (set.n)
        return set;
    return arena_printf(s->a, "%s://" STR_FMT, r->tls ? "https" : "http", STR_ARG(r->host));
}

static bool find_application(struct send_call *s)
{
    struct directory *d = send_api(s)->core->directory;
    str name = send_path(s, "app_id");
    const struct json *given = json_get(s->body, STR("application"));
    if (directory_application(d, s->org, name, s->a, &s->app))
        return true;
    if (!given || json_kind_of(given) != JSON_OBJECT) {
        send_not_found(s, "Application");
        return false;
    }
    if (!str_eq(json_str(json_get(given, STR("uid"))), name)) {
        send_fault(s, STR("body\0application\0uid\0"), "application_uid_mismatch",
                   "Application UID in the path and body must match");
        return false;
    }
    return send_app_make(s, given) && directory_application(d, s->org, name, s->a, &s->app);
}

void send_portal(struct send_call *s)
{
    struct buf claims, token;
    struct json_writer w;
    struct reason why = {0};
    int64_t seconds = PORTAL_S;
    if (!find_application(s))
        return;
    if (json_i64(json_get(s->body, STR("expiry")), &seconds) &&
        (seconds < 1 || seconds > EXPIRY_S_MAX))
        seconds = PORTAL_S;
    buf_init(&claims, 8192);
    buf_init(&token, 16384);
    json_writer_init(&w, &claims);
    write_claims(s, &w, s->app.id, seconds);
    enum err err = jwt_sign(send_api(s)->send->own, buf_str(&claims), &token, &why);
    if (err != ERR_OK) {
        send_error(s, 400, "generic_error", "%s", why.text);
    } else {
        json_open(send_json(s), '{');
        json_pair(send_json(s), "url",
                  arena_printf(s->a, STR_FMT "/portal#key=" STR_FMT, STR_ARG(own_url(s)),
                               STR_ARG(buf_str(&token))));
        json_pair(send_json(s), "token", buf_str(&token));
        json_close(send_json(s), '}');
        send_ok(s, 200);
    }
    buf_release(&claims);
    buf_release(&token);
}

/* The token that asks is void from now on, whoever else has it. */
void send_logout(struct send_call *s)
{
    char hex[64];
    str value = http_field_get(&s->c->x->req.fields, STR("Authorization"));
    struct reason why = {0};
    if (!s->token) {
        send_empty(s, 204); /* the admin token ends with the configuration, not here */
        return;
    }
    int64_t ends_ms = s->token->exp_s ? (s->token->exp_s + JWT_LEEWAY_S) * 1000 : 0;
    struct object_change c = {.op = OBJECT_PUT,
                              .object = {.kind = STR("revoked"),
                                         .id = send_token_digest(str_slice(value, 7, value.n), hex),
                                         .created_ms = s->now_ms,
                                         .updated_ms = s->now_ms,
                                         .expires_ms = ends_ms,
                                         .doc = STR("{}")}};
    struct object_set set = {.changes = &c, .count = 1};
    enum err err = send_commit_plain(send_api(s), &set, &why);
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return;
    }
    map_put(&send_api(s)->send->revoked, c.object.id, (void *)(intptr_t)1);
    send_empty(s, 204);
}

/* Every token of the application made until now. */
void send_expire_all(struct send_call *s)
{
    struct reason why = {0};
    struct object_change c = {.op = OBJECT_PUT,
                              .object = {.kind = STR("revoked-until"),
                                         .id = s->app.id,
                                         .created_ms = s->now_ms,
                                         .updated_ms = s->now_ms,
                                         .doc = STR("{}")}};
    struct object_set set = {.changes = &c, .count = 1};
    enum err err = send_commit_plain(send_api(s), &set, &why);
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return;
    }
    map_put(&send_api(s)->send->revoked_until, s->app.id, (void *)(intptr_t)(s->now_ms / 1000));
    send_empty(s, 204);
}

/* --- health ----------------------------------------------------------------------------------- */

void send_ping(struct send_call *s)
{
    send_empty(s, 204);
}

void send_health(struct send_call *s)
{
    static const char *const parts[] = {"database", "queue", "cache"};
    const char *unready = engine_unready(send_api(s)->options.engine);
    struct json_writer *w = send_json(s);
    json_open(w, '{');
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        json_key(w, parts[i]);
        json_open(w, '{');
        json_pair(w, "status", unready ? STR("error") : STR("ok"));
        json_close(w, '}');
    }
    json_close(w, '}');
    send_ok(s, unready ? 500 : 200);
}
