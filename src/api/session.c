/* session.c -- who uses the dashboard: in by a one-time link, the token or a password; then known
 * by a cookie whose hash is in the store, so that a session outlives a restart and a copy of the
 * store lets nobody in. */
#include "api/call.h"
#include "api/password.h"

#include "base/codec.h"
#include "base/rand.h"
#include "verify/crypto.h"

#define SESSION_MS (12 * 3600 * INT64_C(1000))
#define TICKET_MS (15 * 60 * INT64_C(1000))
#define FAILURES_MAX 10 /* of one address in FAILURES_MS */
#define FAILURES_MS (60 * INT64_C(1000))
#define ADDRESSES_MAX 1024

static const char *const role_words[] = {"anyone", "viewer", "operator", "admin"};

str role_word(enum role role)
{
    return str_from_cstr(role_words[role]);
}

bool role_parse(str word, enum role *out)
{
    for (int r = ROLE_VIEWER; r <= ROLE_ADMIN; r++)
        if (str_eq(word, str_from_cstr(role_words[r]))) {
            *out = (enum role)r;
            return true;
        }
    return false;
}

void token_make(char text[TOKEN_TEXT_MAX])
{
    uint8_t bytes[TOKEN_BYTES];
    rand_bytes(bytes, sizeof(bytes));
    text[base64url_encode(bytes, sizeof(bytes), text)] = 0;
}

void token_hash(str token, char hex[TOKEN_HASH_TEXT_MAX])
{
    uint8_t hash[DIGEST_BYTES_MAX];
    digest_of(DIGEST_SHA256, token, hash);
    hex_encode(hash, 32, hex);
    hex[64] = 0;
}

/* --- one-time links -------------------------------------------------------------------------- */

void api_ticket(struct api *a, char text[TOKEN_TEXT_MAX])
{
    struct ticket *t = &a->tickets[a->next_ticket++ % ARRAY_LEN(a->tickets)];
    token_make(text);
    token_hash(str_from_cstr(text), t->hash);
    t->expires_ms = clock_wall_ms(a->core->clock) + TICKET_MS;
}

/* Good once. */
static bool ticket_take(struct api *a, str text)
{
    char hash[TOKEN_HASH_TEXT_MAX];
    int64_t now = clock_wall_ms(a->core->clock);
    bool found = false;
    token_hash(text, hash);
    for (size_t i = 0; i < ARRAY_LEN(a->tickets); i++) {
        struct ticket *t = &a->tickets[i];
        if (t->expires_ms > now && secret_equal(t->hash, 64, hash, 64)) {
            t->expires_ms = 0;
            found = true;
        }
    }
    return found;
}

void api_ticket_make(struct api_call *c)
{
    char text[TOKEN_TEXT_MAX];
    api_ticket(c->api, text);
    json_open(&c->json, '{');
    json_pair(&c->json, "ticket", str_from_cstr(text));
    json_pair(&c->json, "path", arena_printf(c->x->arena, "/#/enter?t=%s", text));
    json_pair_int(&c->json, "seconds", TICKET_MS / 1000);
    json_close(&c->json, '}');
    api_send(c, 201);
}

/* --- guessing is slow ------------------------------------------------------------------------ */

/* True when this address has failed too often of late. */
static bool is_throttled(struct api *a, str peer)
{
    int64_t now = clock_mono_ns(a->core->clock) / 1000000;
    if (now - a->failures_since_ms > FAILURES_MS || a->failures.count > ADDRESSES_MAX) {
        map_release(&a->failures);
        a->failures_since_ms = now;
    }
    return (uintptr_t)map_get(&a->failures, peer) >= FAILURES_MAX;
}

static void note_failure(struct api *a, str peer)
{
    uintptr_t n = (uintptr_t)map_get(&a->failures, peer);
    map_put(&a->failures, peer, (void *)(n + 1));
}

/* --- in and out ------------------------------------------------------------------------------ */

static bool password_login(struct api_call *c, str name, str password, enum role *role)
{
    struct object person = {0};
    struct reason why = {0};
    const char *hash = "";
    struct json_doc *doc = NULL;
    if (store_object(c->api->reader, STR("person"), name, c->x->arena, &person, &why) == ERR_OK &&
        (doc = json_parse(person.doc, &why)) != NULL)
        hash = arena_cstr(c->x->arena, json_str(json_get(json_root(doc), STR("hash"))));
    bool good = password_fits(hash, password) &&
                role_parse(json_str(json_get(json_root(doc), STR("role"))), role);
    json_doc_free(doc);
    return good;
}

static str cookie_name(const struct api_call *c)
{
    return c->x->req.tls ? STR("__Host-gaff") : STR("gaff");
}

static void send_session(struct api_call *c, str cookie, str name, enum role role, int status)
{
    json_open(&c->json, '{');
    json_pair(&c->json, "name", name);
    json_pair(&c->json, "role", role_word(role));
    json_close(&c->json, '}');
    struct http_field fields[] = {{STR("Content-Type"), STR("application/json")},
                                  {STR("Cache-Control"), STR("no-store")},
                                  {STR("Set-Cookie"), cookie}};
    c->status = status;
    http_reply(c->x, status, fields, cookie.n ? 3 : 2, buf_str(&c->body));
}

static str cookie_line(struct api_call *c, str value, int64_t seconds)
{
    return arena_printf(c->x->arena,
                        STR_FMT "=" STR_FMT "; Path=/; Max-Age=%lld; HttpOnly; SameSite=Strict%s",
                        STR_ARG(cookie_name(c)), STR_ARG(value), (long long)seconds,
                        c->x->req.tls ? "; Secure" : "");
}

static void begin(struct api_call *c, str name, enum role role)
{
    char token[TOKEN_TEXT_MAX], hash[TOKEN_HASH_TEXT_MAX];
    struct reason why = {0};
    struct buf doc;
    struct json_writer w;
    snprintf(c->caller, sizeof(c->caller), STR_FMT, STR_ARG(name));
    token_make(token);
    token_hash(str_from_cstr(token), hash);
    buf_init(&doc, 1024);
    json_writer_init(&w, &doc);
    json_open(&w, '{');
    json_pair(&w, "name", name);
    json_pair(&w, "role", role_word(role));
    json_close(&w, '}');
    struct object o = {.kind = STR("session"),
                       .id = str_from_cstr(hash),
                       .parent = name,
                       .expires_ms = clock_wall_ms(c->api->core->clock) + SESSION_MS,
                       .doc = buf_str(&doc)};
    enum err err = object_put(c->api->core, &o, OBJECT_ANY, &why);
    buf_release(&doc);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    send_session(c, cookie_line(c, str_from_cstr(token), SESSION_MS / 1000), name, role, 201);
}

/* Ends every session of that name. */
enum err api_sessions_end(struct api_call *c, str name, struct reason *why)
{
    struct object_filter f = {.kind = STR("session"), .parent = name, .limit = 1000};
    struct object_list list = {0};
    enum err err = store_objects(c->api->reader, &f, c->x->arena, &list, why);
    for (size_t i = 0; err == ERR_OK && i < list.count; i++) {
        err = object_delete(c->api->core, c->api->reader, STR("session"), list.v[i].id, why);
        if (err == ERR_NOT_FOUND)
            err = ERR_OK;
    }
    return err;
}

void api_session_begin(struct api_call *c)
{
    struct api *a = c->api;
    if (!api_body(c))
        return;
    if (is_throttled(a, c->x->req.peer)) {
        http_reply_retry(c->x, 429, "too_many_attempts",
                         STR("Too many failed sign-ins from this address; wait a minute."), 60);
        return;
    }
    const struct json *body = http_request_json(&c->x->req);
    str ticket = json_str(json_get(body, STR("ticket"))),
        name = json_str(json_get(body, STR("name")));
    str token = json_str(json_get(body, STR("token")));
    enum role role = ROLE_ADMIN;
    if (ticket.n && ticket_take(a, ticket)) {
        begin(c, STR("first-link"), ROLE_ADMIN);
    } else if (token.n && secret_equal(token.p, token.n, a->token.bytes, a->token.n)) {
        begin(c, STR("token"), ROLE_ADMIN);
    } else if (name.n &&
               password_login(c, name, json_str(json_get(body, STR("password"))), &role)) {
        begin(c, name, role);
    } else {
        note_failure(a, c->x->req.peer);
        http_reply_error(c->x, 401, "bad_credentials",
                         ticket.n ? STR("This link was used already or is too old; `gaff open` "
                                        "prints a new one.")
                                  : STR("The name, password or token is not right."));
    }
}

void api_session_get(struct api_call *c)
{
    send_session(c, STR_NONE, str_from_cstr(c->caller), c->role, 200);
}

void api_session_end(struct api_call *c)
{
    char hash[TOKEN_HASH_TEXT_MAX];
    struct reason why = {0};
    str token = api_cookie(c, cookie_name(c));
    if (token.n) {
        token_hash(token, hash);
        enum err err =
            object_delete(c->api->core, c->api->reader, STR("session"), str_from_cstr(hash), &why);
        if (err != ERR_OK && err != ERR_NOT_FOUND) {
            api_fail(c, err, &why);
            return;
        }
    }
    send_session(c, cookie_line(c, STR(""), 0), str_from_cstr(c->caller), c->role, 200);
}

enum role api_session_role(struct api_call *c)
{
    char hash[TOKEN_HASH_TEXT_MAX];
    struct object o = {0};
    struct reason why = {0};
    enum role role = ROLE_ANYONE;
    str token = api_cookie(c, cookie_name(c));
    if (token.n == 0)
        return ROLE_ANYONE;
    token_hash(token, hash);
    if (store_object(c->api->reader, STR("session"), str_from_cstr(hash), c->x->arena, &o, &why) !=
            ERR_OK ||
        o.expires_ms <= clock_wall_ms(c->api->core->clock))
        return ROLE_ANYONE;
    struct json_doc *doc = json_parse(o.doc, &why);
    if (role_parse(json_str(json_get(json_root(doc), STR("role"))), &role))
        snprintf(c->caller, sizeof(c->caller), STR_FMT,
                 STR_ARG(json_str(json_get(json_root(doc), STR("name")))));
    json_doc_free(doc);
    return role;
}
