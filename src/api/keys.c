/* keys.c -- /api/v1/keys: API keys, shown once, kept as their hash. A key is long and random, so a
 * plain SHA-256 keeps it as well as a slow hash would. */
#include "api/call.h"

#include "base/id.h"

#define KEY_PREFIX "gaff_live_"
#define KEY_SHOWN 16 /* bytes that may be shown, so that a person knows which it is */
#define KEYS_MAX 1000
#define NAME_BYTES_MAX 64

enum role api_key_role(struct api_call *c, str given)
{
    char hash[TOKEN_HASH_TEXT_MAX];
    struct object o = {0};
    struct reason why = {0};
    enum role role = ROLE_ANYONE;
    if (!str_starts(given, STR(KEY_PREFIX)))
        return ROLE_ANYONE;
    token_hash(given, hash);
    if (store_object_named(c->api->reader, STR("key"), STR(""), str_from_cstr(hash), c->x->arena,
                           &o, &why) != ERR_OK)
        return ROLE_ANYONE;
    struct json_doc *doc = json_parse(o.doc, &why);
    if (role_parse(json_str(json_get(json_root(doc), STR("role"))), &role))
        snprintf(c->caller, sizeof(c->caller), "key " STR_FMT,
                 STR_ARG(json_str(json_get(json_root(doc), STR("name")))));
    json_doc_free(doc);
    return role;
}

static void view_key(struct json_writer *w, const struct object *o, const struct json *doc)
{
    char time[CLOCK_TEXT_MAX];
    json_pair(w, "id", o->id);
    json_pair(w, "name", json_str(json_get(doc, STR("name"))));
    json_pair(w, "role", json_str(json_get(doc, STR("role"))));
    json_pair(w, "prefix", json_str(json_get(doc, STR("prefix"))));
    json_pair(w, "created", clock_format(o->created_ms, time));
}

void api_keys_list(struct api_call *c)
{
    api_list_objects(c, STR("key"), "keys", KEYS_MAX, view_key);
}

static str key_doc(struct buf *out, str name, enum role role, str prefix)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_open(&w, '{');
    json_pair(&w, "name", name);
    json_pair(&w, "role", role_word(role));
    json_pair(&w, "prefix", prefix);
    json_close(&w, '}');
    return buf_str(out);
}

void api_key_make(struct api_call *c)
{
    char token[TOKEN_TEXT_MAX], hash[TOKEN_HASH_TEXT_MAX], id[ID_TEXT_MAX];
    struct reason why = {0};
    struct buf doc;
    enum role role;
    if (!api_body(c))
        return;
    const struct json *body = http_request_json(&c->x->req);
    str name = json_str(json_get(body, STR("name")));
    if (name.n == 0 || name.n > NAME_BYTES_MAX ||
        !role_parse(json_str(json_get(body, STR("role"))), &role)) {
        api_bad(c, "bad_parameter",
                "name must have 1 to %d bytes, role must be viewer, operator or admin",
                NAME_BYTES_MAX);
        return;
    }
    token_make(token);
    str key = arena_printf(c->x->arena, KEY_PREFIX "%s", token);
    token_hash(key, hash);
    buf_init(&doc, 4096);
    struct object o = {.kind = STR("key"),
                       .id = id_format("key", id_next(&c->api->core->ids), id),
                       .name = str_from_cstr(hash),
                       .doc = key_doc(&doc, name, role, str_slice(key, 0, KEY_SHOWN))};
    enum err err = object_put(c->api->core, &o, OBJECT_ABSENT, &why);
    buf_release(&doc);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    json_open(&c->json, '{');
    json_pair(&c->json, "id", o.id);
    json_pair(&c->json, "name", name);
    json_pair(&c->json, "role", role_word(role));
    json_pair(&c->json, "key", key);
    json_close(&c->json, '}');
    api_send(c, 201);
}

void api_key_delete(struct api_call *c)
{
    api_delete_object(c, STR("key"), router_param(&c->match, STR("id")));
}
