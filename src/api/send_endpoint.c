/* send_endpoint.c -- endpoints of an application: /api/v1/app/{app_id}/endpoint. */
#include "api/send.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/rand.h"
#include "engine/hub.h"
#include "engine/subscription.h"
#include "verify/crypto.h"

static const char *const members[] = {
    "description", "url",     "disabled",  "channels", "metadata",  "version",   "match",
    "concurrency", "orderBy", "onBlocked", "retry",    "timeout",   "signature", "format",
    "circuit",     "where",   "transform", "delivery", "ownership", NULL};
static const char *const kept[] = {"secrets", "headers", "subscription", NULL};
#define SECRET_BYTES 24
static const char uid_taken[] = "An endpoint with that id or uid already exists";

/* How an endpoint is got into: kept by requests that do not name it, as its secrets are; what is
 * secret of it is not shown. */
static const char *const access_members[] = {"basicAuth", "oauth", "clientCertificate", "proxy",
                                             NULL};

static void pair_access(struct json_writer *w, const struct json *doc)
{
    static const char *const hidden[] = {"password", "clientSecret", "key"};
    for (size_t i = 0; access_members[i]; i++) {
        const struct json *v = json_get(doc, str_from_cstr(access_members[i]));
        struct json_iter it = {0};
        if (v && json_kind_of(v) == JSON_STRING) {
            str proxy = json_str(v);
            size_t at = str_find(proxy, '@'), scheme = str_find_str(proxy, STR("://"));
            char text[8300];
            int n = snprintf(text, sizeof(text), STR_FMT "://[hidden]" STR_FMT,
                             STR_ARG(str_slice(proxy, 0, scheme)),
                             STR_ARG(str_slice(proxy, at, proxy.n)));
            bool whole = n > 0 && (size_t)n < sizeof(text);
            json_pair(w, access_members[i],
                      at == proxy.n ? proxy : str_of(text, whole ? (size_t)n : 0));
            continue;
        }
        if (!v || json_kind_of(v) != JSON_OBJECT)
            continue;
        json_key(w, access_members[i]);
        json_open(w, '{');
        while (json_next(v, &it)) {
            bool shown = true;
            for (size_t k = 0; k < ARRAY_LEN(hidden); k++)
                shown = shown && !str_eq(it.key, str_from_cstr(hidden[k]));
            if (!shown)
                continue;
            json_key_str(w, it.key);
            json_value(w, it.value);
        }
        json_close(w, '}');
    }
}

/* Of an endpoint that subscribed by WebSub; its secret is the subscriber's. */
static void pair_subscription(struct json_writer *w, const struct json *v)
{
    int64_t until_ms;
    if (!json_i64(json_get(v, STR("until")), &until_ms))
        return;
    json_key(w, "subscription");
    json_open(w, '{');
    json_pair(w, "topic", json_str(json_get(v, STR("topic"))));
    send_pair_time(w, "until", until_ms);
    json_close(w, '}');
}

void send_endpoint_view(struct json_writer *w, const struct object *o, const struct json *doc,
                        bool with_metadata)
{
    static const char *const extra[] = {"match",     "concurrency",    "orderBy",   "onBlocked",
                                        "retry",     "timeout",        "signature", "format",
                                        "failSince", "disabledReason", "circuit",   "where",
                                        "transform", "delivery",       "ownership", NULL};
    const struct json *types = json_get(doc, STR("eventTypes"));
    const struct json *rate = json_get(doc, STR("throttleRate"));
    json_pair(w, "id", o->id);
    json_pair(w, "uid", o->name.n ? o->name : STR_NONE);
    send_pair_or(w, "url", json_get(doc, STR("url")), "\"\"");
    send_pair_or(w, "description", json_get(doc, STR("description")), "\"\"");
    send_pair_or(w, "version", json_get(doc, STR("version")), "1");
    json_pair_bool(w, "disabled", json_bool(json_get(doc, STR("disabled"))));
    send_pair_or(w, "eventTypes", types, "null");
    send_pair_or(w, "filterTypes", types, "null");
    send_pair_or(w, "channels", json_get(doc, STR("channels")), "null");
    send_pair_or(w, "throttleRate", rate, "null");
    send_pair_or(w, "rateLimit", rate, "null");
    if (with_metadata)
        send_pair_or(w, "metadata", json_get(doc, STR("metadata")), "{}");
    for (size_t i = 0; extra[i]; i++)
        send_pair_or(w, extra[i], json_get(doc, str_from_cstr(extra[i])), NULL);
    pair_access(w, doc);
    pair_subscription(w, json_get(doc, STR("subscription")));
    send_pair_time(w, "createdAt", o->created_ms);
    send_pair_time(w, "updatedAt", o->updated_ms);
}

/* Of its lane, as it is now; an endpoint that nothing was sent to yet has none. */
static void pair_circuit(struct send_call *s, str id)
{
    struct json_writer *w = send_json(s);
    const struct gate *g = registry_find_gate(send_api(s)->core->registry, id);
    int64_t until_ms = g ? atomic_load(&g->circuit_until_ms) : 0;
    enum circuit_state state = g ? (enum circuit_state)atomic_load(&g->circuit) : CIRCUIT_CLOSED;
    json_pair(w, "circuitState", str_from_cstr(circuit_state_word(state)));
    if (until_ms)
        send_pair_time(w, "circuitUntil", until_ms);
}

static void view(struct send_call *s, const struct object *o)
{
    struct json_writer *w = send_json(s);
    struct json_doc *doc = json_parse(o->doc, NULL);
    json_open(w, '{');
    send_endpoint_view(w, o, json_root(doc), true);
    pair_circuit(s, o->id);
    json_close(w, '}');
    json_doc_free(doc);
}

bool send_find_endpoint(struct send_call *s, struct object *out)
{
    return send_find(s, ENDPOINT_KIND, s->app.id, send_path(s, "endpoint_id"), out);
}

static void view_row(struct send_call *s, const struct send_rows *r, const void *row)
{
    UNUSED(r);
    view(s, row);
}

void send_endpoint_list(struct send_call *s)
{
    struct send_page p;
    if (send_page_read(s, true, &p))
        send_objects_answer(s, &p, ENDPOINT_KIND, s->app.id, view_row);
}

void send_endpoint_get(struct send_call *s)
{
    struct object o;
    if (!send_find_endpoint(s, &o))
        return;
    view(s, &o);
    send_ok(s, 200);
}

/* --- writing ---------------------------------------------------------------------------------- */

static str secret_text(struct send_call *s, const char *prefix, const uint8_t *bytes, size_t n)
{
    char text[8 + BASE64_LEN(2 * ED25519_KEY_BYTES)];
    size_t before = strlen(prefix);
    memcpy(text, prefix, before);
    str secret = arena_str(s->a, str_of(text, before + base64_encode(bytes, n, text + before)));
    secret_wipe(text, sizeof(text));
    return secret;
}

str send_new_secret(struct send_call *s, bool pair)
{
    uint8_t bytes[2 * ED25519_KEY_BYTES];
    str secret;
    rand_bytes(bytes, ED25519_KEY_BYTES);
    if (pair) {
        struct ed25519 *k = ed25519_private(bytes);
        ed25519_public_bytes(k, bytes + ED25519_KEY_BYTES);
        ed25519_free(k);
        secret = secret_text(s, "whsk_", bytes, sizeof(bytes));
    } else {
        secret = secret_text(s, "whsec_", bytes, SECRET_BYTES);
    }
    secret_wipe(bytes, sizeof(bytes));
    return secret;
}

static enum webhook_style style_of(struct send_call *s, const struct json *doc)
{
    struct config *c = engine_config(send_api(s)->options.engine);
    enum webhook_style style = (enum webhook_style)c->sending.signature;
    str word = json_str(json_get(doc, STR("signature")));
    config_unref(c);
    for (int i = 0; word.n && webhook_style_words[i]; i++)
        if (str_eq(word, str_from_cstr(webhook_style_words[i])))
            style = (enum webhook_style)i;
    return style;
}

bool send_wants_pair(struct send_call *s, const struct json *doc)
{
    enum webhook_style style = style_of(s, doc);
    const struct json *present = json_at(json_get(doc, STR("secrets")), 0);
    return style == WEBHOOK_RFC9421 ||
           (!webhook_style_is_shared(style) &&
            str_starts(json_str(json_get(present, STR("key"))), STR("whsk_")));
}

bool send_takes_key(struct send_call *s, const struct json *doc, str key)
{
    return !webhook_style_is_shared(style_of(s, doc)) || !str_starts(key, STR("whsk_"));
}

/* The first member of the body of two names for one thing; NULL: neither is there. */
static const struct json *either(const struct json *body, const char *name, const char *older)
{
    const struct json *v = json_get(body, str_from_cstr(name));
    return v ? v : json_get(body, str_from_cstr(older));
}

static void write_either(struct json_writer *w, const char *name, const struct json *given,
                         const struct json *old, bool keep)
{
    const struct json *v = given ? given : keep ? json_get(old, str_from_cstr(name)) : NULL;
    if (!v || json_kind_of(v) == JSON_NULL)
        return;
    json_key(w, name);
    json_value(w, v);
}

static void write_first_secret(struct send_call *s, struct json_writer *w)
{
    str secret = json_str(json_get(s->body, STR("secret")));
    json_key(w, "secrets");
    json_open(w, '[');
    json_open(w, '{');
    json_pair(w, "key", secret.n ? secret : send_new_secret(s, send_wants_pair(s, s->body)));
    json_close(w, '}');
    json_close(w, ']');
    const struct json *headers = json_get(s->body, STR("headers"));
    if (headers && json_kind_of(headers) == JSON_OBJECT) {
        json_key(w, "headers");
        json_value(w, headers);
    }
}

static str make_doc(struct send_call *s, const struct json *old, bool keep)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, OBJECT_DOC_MAX);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    send_doc(&w, members, kept, s->body, old, keep);
    write_either(&w, "eventTypes", either(s->body, "eventTypes", "filterTypes"), old, keep);
    write_either(&w, "throttleRate", either(s->body, "throttleRate", "rateLimit"), old, keep);
    for (size_t i = 0; access_members[i]; i++)
        write_either(&w, access_members[i], json_get(s->body, str_from_cstr(access_members[i])),
                     old, true);
    /* What the engine noted of failures goes on unless the endpoint is switched on by hand. */
    const struct json *disabled = json_get(s->body, STR("disabled"));
    if (old && !(disabled && !json_bool(disabled))) {
        write_either(&w, "failSince", NULL, old, true);
        write_either(&w, "disabledReason", NULL, old, true);
    }
    if (!old)
        write_first_secret(s, &w);
    json_close(&w, '}');
    str doc = buf_ok(&b) ? arena_str(s->a, buf_str(&b)) : STR_NONE;
    buf_release(&b);
    return doc;
}

/* 422 with the names of those that do not exist. */
static bool types_exist(struct send_call *s)
{
    const struct json *types = either(s->body, "eventTypes", "filterTypes");
    struct json_iter it = {0};
    struct buf missing;
    if (!types || json_kind_of(types) != JSON_ARRAY)
        return true;
    buf_init(&missing, 8192);
    bool operational = str_eq(s->app.org, STR(MANAGEMENT_ORG));
    while (json_next(types, &it))
        if (operational ? !operational_type_exists(json_str(it.value))
                        : !send_type_exists(s, json_str(it.value)))
            buf_printf(&missing, "%s" STR_FMT, missing.len ? ", " : "",
                       STR_ARG(json_str(it.value)));
    bool good = missing.len == 0;
    if (!good)
        send_fault(s,
                   json_get(s->body, STR("eventTypes")) ? STR("body\0eventTypes\0")
                                                        : STR("body\0filterTypes\0"),
                   "value_error",
                   arena_cstr(s->a, arena_printf(s->a, "The following event types don't exist: %s",
                                                 buf_cstr(&missing))));
    buf_release(&missing);
    return good;
}

/* What the engine will make of it is tried before it is kept. */
static bool is_usable(struct send_call *s, const struct object *o)
{
    struct config *c = engine_config(send_api(s)->options.engine);
    struct reason why = {.text = "the endpoint is too large"};
    const char *wrong = o->doc.p ? endpoint_check(o, &c->sending, &why) : "";
    config_unref(c);
    if (!wrong)
        return true;
    struct buf loc;
    buf_init(&loc, 64);
    buf_append(&loc, "body", sizeof("body"));
    if (wrong[0])
        buf_append(&loc, wrong, strlen(wrong) + 1);
    send_fault(s, buf_str(&loc), "value_error", why.text);
    buf_release(&loc);
    return false;
}

/* Switched on or off by hand is told beside the change itself. */
static void tell_change(struct send_call *s, const struct object *o, bool is_new, bool was_disabled)
{
    bool disabled = json_bool(json_get(s->body, STR("disabled")));
    send_operational(s, is_new ? "endpoint.created" : "endpoint.updated", o, STR(""));
    if (is_new || disabled == was_disabled || !json_get(s->body, STR("disabled")))
        return;
    if (disabled)
        send_operational(s, "endpoint.disabled", o, STR(",\"trigger\":\"manual\""));
    else
        send_operational(s, "endpoint.enabled", o, STR(""));
}

static void write(struct send_call *s, const struct object *old, bool keep, int status)
{
    const struct json *uid = json_get(s->body, STR("uid"));
    struct json_doc *doc = old ? json_parse(old->doc, NULL) : NULL;
    struct object_change changes[2] = {
        {.op = OBJECT_PUT,
         .object = {.kind = STR(ENDPOINT_KIND),
                    .id = old ? old->id : send_new_id(s, "ep_"),
                    .parent = s->app.id,
                    .name = uid           ? (json_str(uid).p ? json_str(uid) : STR(""))
                            : old && keep ? old->name
                                          : STR(""),
                    .created_ms = old ? old->created_ms : s->now_ms,
                    .updated_ms = s->now_ms,
                    .doc = make_doc(s, json_root(doc), keep)},
         .expect = old ? old->version : OBJECT_ABSENT}};
    bool was_disabled = json_bool(json_get(json_root(doc), STR("disabled")));
    json_doc_free(doc);
    if (!types_exist(s) || !is_usable(s, &changes[0].object))
        return;
    view(s, &changes[0].object);
    tell_change(s, &changes[0].object, !old, was_disabled);
    if (send_commit(s, changes, 1, status, uid_taken))
        send_ok(s, status);
}

void send_endpoint_create(struct send_call *s)
{
    write(s, NULL, false, 201);
}

/* In the store, not in the directory: another node may have made it this moment. */
static void put_once(struct send_call *s)
{
    struct object o;
    struct reason why = {0};
    enum err err = send_look(s, ENDPOINT_KIND, s->app.id, s->sought, &o, &why);
    if (err == ERR_OK)
        write(s, &o, false, 200);
    else if (err == ERR_NOT_FOUND)
        write(s, NULL, false, 201);
    else
        send_failed(s, err, &why);
}

static void patch_once(struct send_call *s)
{
    struct object o;
    if (send_find_endpoint(s, &o))
        write(s, &o, true, 200);
}

void send_endpoint_put(struct send_call *s)
{
    s->sought = send_path(s, "endpoint_id");
    send_look_again(s, put_once);
}

void send_endpoint_patch(struct send_call *s)
{
    send_look_again(s, patch_once);
}

void send_endpoint_delete(struct send_call *s)
{
    struct object o;
    if (!send_find_endpoint(s, &o))
        return;
    struct object_change changes[3] = {{.op = OBJECT_DELETE, .object = o}};
    struct hub *hub = send_api(s)->core->hub;
    struct hub_job denial;
    bool told = subscription_denial(o.doc, s->now_ms, HUB_ENDED_BY_HAND, s->a, &denial) &&
                hub_job_change(hub, &denial, s->a, &changes[1]);
    send_operational(s, "endpoint.deleted", &o, STR(""));
    if (!send_commit(s, changes, told ? 2 : 1, 204, NULL))
        return;
    if (told)
        hub_told(hub, &changes[1].object);
    send_cancel_deliveries(s, o.id);
    send_empty(s, 204);
}

/* By hand: the endpoint is tried again as if it had never failed. */
void send_endpoint_circuit_close(struct send_call *s)
{
    struct object o;
    struct engine_core *core = send_api(s)->core;
    if (!send_find_endpoint(s, &o))
        return;
    struct gate *g = registry_find_gate(core->registry, o.id);
    if (g) {
        atomic_store(&g->circuit_wish, CIRCUIT_WISH_CLOSE);
        dispatcher_endpoint_changed(core->dispatchers[g->loop], g);
    }
    send_empty(s, 204);
}
