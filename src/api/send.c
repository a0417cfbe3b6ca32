/* send.c -- the frame of every operation of the sending API: whether it was asked before, one
 * answer, one commit. Who asks: send_caller.c. */
#include "api/send.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/rand.h"
#include "engine/follow.h"
#include "verify/crypto.h"

#include <stdarg.h>

#define IDEMPOTENCY_KIND "idempotency"
#define KEY_MAX 1024
#define LOOKS_MAX 50 /* of as many writers at once each gets its turn */

/* --- the request ------------------------------------------------------------------------------ */

str send_path(struct send_call *s, const char *param)
{
    return router_param(&s->c->match, str_from_cstr(param));
}

str send_query(struct send_call *s, const char *name)
{
    return http_request_query(&s->c->x->req, str_from_cstr(name));
}

bool send_query_true(struct send_call *s, const char *name, bool otherwise)
{
    str v = send_query(s, name);
    return v.p ? str_eq(v, STR("true")) || str_eq(v, STR("1")) : otherwise;
}

static size_t add_parts(str list, str *out, size_t n, size_t max)
{
    while (list.p && n < max) {
        str one = str_trim(str_cut(&list, ','));
        if (one.n)
            out[n++] = one;
    }
    return n;
}

size_t send_query_list(struct send_call *s, const char *name, str *out, size_t max)
{
    str rest = s->c->x->req.query, wanted = str_from_cstr(name);
    size_t n = 0;
    while (rest.p && rest.n) {
        str value = str_cut(&rest, '&');
        str key = percent_decode(s->a, str_cut(&value, '='), true);
        size_t bracket = str_find(key, '[');
        if (str_eq(str_slice(key, 0, bracket), wanted) && value.p)
            n = add_parts(percent_decode(s->a, value, true), out, n, max);
    }
    return n;
}

/* --- answers ---------------------------------------------------------------------------------- */

void send_ok(struct send_call *s, int status)
{
    api_send(s->c, status);
}

void send_empty(struct send_call *s, int status)
{
    s->c->status = status;
    http_reply(s->c->x, status, NULL, 0, STR(""));
}

static void start_again(struct send_call *s)
{
    buf_clear(&s->c->body);
    json_writer_init(&s->c->json, &s->c->body);
}

void send_error(struct send_call *s, int status, const char *code, const char *fmt, ...)
{
    char text[REASON_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    start_again(s);
    json_open(send_json(s), '{');
    json_pair(send_json(s), "code", str_from_cstr(code));
    json_pair(send_json(s), "detail", str_from_cstr(text));
    json_close(send_json(s), '}');
    send_ok(s, status);
}

void send_unprocessable(struct send_call *s, struct wire_faults *f)
{
    start_again(s);
    json_open(send_json(s), '{');
    json_key(send_json(s), "detail");
    json_open(send_json(s), '[');
    json_raw(send_json(s), buf_str(&f->items));
    json_close(send_json(s), ']');
    json_close(send_json(s), '}');
    send_ok(s, 422);
}

void send_fault(struct send_call *s, str loc, const char *type, const char *text)
{
    struct wire_faults f;
    wire_faults_init(&f);
    wire_fault(&f, loc, type, "%s", text);
    send_unprocessable(s, &f);
    wire_faults_release(&f);
}

void send_not_found(struct send_call *s, const char *what)
{
    send_error(s, 404, "not_found", "%s not found", what ? what : "Entity");
}

void send_failed(struct send_call *s, enum err err, const struct reason *why)
{
    uint64_t held = 0;
    if (err == ERR_LIMIT) {
        send_error(s, 413, "payload_too_large", "%s", why->text);
        return;
    }
    /* 503, never 429: the SDKs try it again. */
    if (log_rate("send", &held))
        log_event(LOG_ERROR, "the sending API could not serve a request",
                  LOG_F("operation", str_from_cstr(s->op->id)),
                  LOG_F("reason", str_from_cstr(why->text)), LOG_I("held", held));
    http_reply_retry(s->c->x, 503, "store_unavailable",
                     STR("The store can't take it now; nothing was changed. Send it again."), 1);
}

/* --- objects ---------------------------------------------------------------------------------- */

enum err send_look(struct send_call *s, const char *kind, str parent, str id_or_uid,
                   struct object *out, struct reason *why)
{
    struct store_reader *r = send_api(s)->reader;
    enum err err =
        store_object(r, str_from_cstr(kind), id_or_uid.n ? id_or_uid : STR("-"), s->a, out, why);
    if (err == ERR_OK && !str_eq(out->parent, parent))
        err = ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND && id_or_uid.n)
        err = store_object_named(r, str_from_cstr(kind), parent, id_or_uid, s->a, out, why);
    return err;
}

bool send_find(struct send_call *s, const char *kind, str parent, str id_or_uid, struct object *out)
{
    struct reason why = {0};
    enum err err = send_look(s, kind, parent, id_or_uid, out, &why);
    if (err == ERR_NOT_FOUND)
        send_not_found(s, NULL);
    else if (err != ERR_OK)
        send_failed(s, err, &why);
    return err == ERR_OK;
}

void send_doc(struct json_writer *w, const char *const *members, const char *const *kept,
              const struct json *body, const struct json *old, bool keep)
{
    for (size_t i = 0; members[i]; i++) {
        str name = str_from_cstr(members[i]);
        const struct json *v = json_get(body, name);
        if (!v && keep)
            v = json_get(old, name);
        if (!v || json_kind_of(v) == JSON_NULL)
            continue;
        json_key(w, members[i]);
        json_value(w, v);
    }
    for (size_t i = 0; kept && kept[i]; i++) {
        const struct json *v = json_get(old, str_from_cstr(kept[i]));
        if (!v)
            continue;
        json_key(w, kept[i]);
        json_value(w, v);
    }
}

void send_pair_time(struct json_writer *w, const char *key, int64_t ms)
{
    char text[CLOCK_TEXT_MAX];
    json_pair(w, key, clock_format(ms, text));
}

void send_pair_or(struct json_writer *w, const char *key, const struct json *v, const char *none)
{
    if (!v && !none)
        return;
    json_key(w, key);
    if (v && json_kind_of(v) != JSON_NULL)
        json_value(w, v);
    else
        json_raw(w, str_from_cstr(none ? none : "null"));
}

str send_new_id(struct send_call *s, const char *prefix)
{
    char text[KSUID_TEXT_MAX];
    return arena_str(s->a, ksuid_format(prefix, id_next(&send_api(s)->core->ids), text));
}

/* --- idempotency ------------------------------------------------------------------------------ */

static str header(struct send_call *s, const char *name)
{
    return http_field_get(&s->c->x->req.fields, str_from_cstr(name));
}

/* Of who asks, for what, by which key: the id of its record. */
static str record_id(struct send_call *s)
{
    uint8_t digest[DIGEST_BYTES_MAX];
    char hex[64];
    str key = header(s, "idempotency-key");
    if (!key.n || !str_eq(s->c->x->req.method, STR("POST")))
        return STR_NONE;
    str text = arena_printf(s->a, STR_FMT "\n" STR_FMT "\n" STR_FMT "?" STR_FMT, STR_ARG(s->caller),
                            STR_ARG(key), STR_ARG(s->c->x->req.path), STR_ARG(s->c->x->req.query));
    digest_of(DIGEST_SHA256, text, digest);
    hex_encode(digest, 32, hex);
    return arena_str(s->a, str_of(hex, sizeof(hex)));
}

/* What the SDKs make themselves never stands for two requests. */
static bool key_is_bound(struct send_call *s)
{
    return !str_starts(header(s, "idempotency-key"), STR("auto_"));
}

static str body_fingerprint(struct send_call *s)
{
    uint8_t bytes[16];
    char hex[32];
    str_fingerprint(s->c->x->req.body, bytes);
    hex_encode(bytes, sizeof(bytes), hex);
    return arena_str(s->a, str_of(hex, sizeof(hex)));
}

static void answer_again(struct send_call *s, const struct object *record)
{
    struct json_doc *doc = json_parse(record->doc, NULL);
    const struct json *root = json_root(doc);
    int64_t status = 200;
    json_i64(json_get(root, STR("status")), &status);
    if (key_is_bound(s) && !str_eq(json_str(json_get(root, STR("request"))), body_fingerprint(s))) {
        send_error(s, 409, "idempotency_conflict",
                   "This idempotency key was used with another body; use a new key for a new "
                   "request.");
    } else {
        start_again(s);
        buf_str_append(&s->c->body, json_str(json_get(root, STR("answer"))));
        if (s->c->body.len)
            send_ok(s, (int)status);
        else
            send_empty(s, (int)status);
    }
    json_doc_free(doc);
}

/* True, and answered, when the same request was served before. */
static bool was_served(struct send_call *s)
{
    struct object record;
    str id = record_id(s);
    if (!id.n || s->op->fn == send_message_create ||
        store_object(send_api(s)->reader, STR(IDEMPOTENCY_KIND), id, s->a, &record, NULL) !=
            ERR_OK ||
        record.expires_ms <= s->now_ms)
        return false;
    answer_again(s, &record);
    return true;
}

static bool add_record(struct send_call *s, struct object_change *c, int status)
{
    struct buf doc;
    struct json_writer w;
    str id = record_id(s);
    if (!id.n)
        return false;
    buf_init(&doc, OBJECT_DOC_MAX);
    json_writer_init(&w, &doc);
    json_open(&w, '{');
    json_pair_int(&w, "status", status);
    json_pair(&w, "request", body_fingerprint(s));
    json_pair(&w, "answer", buf_str(&s->c->body));
    json_close(&w, '}');
    *c = (struct object_change){.op = OBJECT_PUT,
                                .object = {.kind = STR(IDEMPOTENCY_KIND),
                                           .id = id,
                                           .parent = STR(""),
                                           .name = STR(""),
                                           .created_ms = s->now_ms,
                                           .updated_ms = s->now_ms,
                                           .expires_ms = s->now_ms + SEND_IDEMPOTENCY_MS,
                                           .doc = arena_str(s->a, buf_str(&doc))},
                                .expect = OBJECT_ABSENT};
    bool good = buf_ok(&doc) && arena_ok(s->a);
    buf_release(&doc);
    return good;
}

/* --- commit ----------------------------------------------------------------------------------- */

static void tell_directory(struct api *a, const struct object_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        struct object *o = &set->changes[i].object;
        o->deleted = set->changes[i].op == OBJECT_DELETE;
        follow_committed(a->core, o);
    }
}

enum err send_commit_plain(struct api *a, struct object_set *set, struct reason *why)
{
    struct commit_ticket *ticket = xcalloc(1, sizeof(*ticket));
    commit_ticket_init(ticket, NULL, NULL);
    commit_ticket_add_set(ticket, set);
    enum err err = committer_commit(a->core->committer, ticket, why);
    free(ticket);
    if (err == ERR_OK && set->err != ERR_OK)
        err = fail(why, set->err, "it was changed by somebody else meanwhile");
    if (err == ERR_OK)
        tell_directory(a, set);
    return err;
}

void send_cancel_deliveries(struct send_call *s, str endpoint)
{
    struct reason why;
    struct engine_core *core = send_api(s)->core;
    uint64_t moved = 0;
    struct delivery_filter f = {.destination = endpoint, .state = DELIVERY_PENDING, .listed = true};
    if (store_move(core->store, STORE_CANCEL, &f, s->now_ms, &moved, &why) != ERR_OK)
        log_event(LOG_WARN, "deliveries of a deleted endpoint stay in the store",
                  LOG_F("endpoint", endpoint), LOG_F("reason", str_from_cstr(why.text)));
    struct allowance *a = directory_allowance(core->directory, s->app.id);
    if (a)
        allowance_move(a, -(int64_t)moved);
    allowance_unref(a);
}

static enum err commit_set(struct send_call *s, struct object_set *set, struct reason *why)
{
    struct engine_core *core = send_api(s)->core;
    struct dispatch_offers offers;
    struct commit_ticket *ticket = xcalloc(1, sizeof(*ticket));
    commit_ticket_init(ticket, NULL, NULL);
    commit_ticket_add_set(ticket, set);
    for (size_t i = 0; i < s->also_count; i++) {
        s->also[i]->event.only_with = set;
        commit_ticket_add_event(ticket, &s->also[i]->event);
    }
    enum err err = committer_commit(core->committer, ticket, why);
    free(ticket);
    dispatch_offers_init(&offers, core);
    for (size_t i = 0; i < s->also_count; i++)
        app_message_settle(core, s->also[i], err, &offers);
    dispatch_offers_send(&offers);
    s->also_count = 0;
    return err;
}

/* True when what the change was made from is not there any more: another version is, or none, or
 * one that was to be made is there by now. Else the conflict is one of what was asked for. */
static bool is_stale(struct send_call *s, const struct object_change *c)
{
    struct object now;
    struct store_reader *r = send_api(s)->reader;
    if (store_object(r, c->object.kind, c->object.id, s->a, &now, NULL) == ERR_OK)
        return now.version != c->expect;
    if (c->expect != OBJECT_ABSENT)
        return c->expect != OBJECT_ANY;
    return s->sought.n && str_eq(c->object.name, s->sought) &&
           store_object_named(r, c->object.kind, c->object.parent, s->sought, s->a, &now, NULL) ==
               ERR_OK;
}

bool send_commit(struct send_call *s, struct object_change *changes, size_t count, int status,
                 const char *conflict)
{
    struct reason why = {0};
    struct object record;
    bool has_record = add_record(s, &changes[count], status);
    struct object_set set = {.changes = changes, .count = count + has_record};
    enum err err = commit_set(s, &set, &why);
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return false;
    }
    if (set.err == ERR_OK) {
        tell_directory(send_api(s), &set);
        return true;
    }
    s->stale = s->may_look_again && set.failed < count && set.err != ERR_OK &&
               is_stale(s, &changes[set.failed]);
    if (s->stale) {
        start_again(s);
        return false;
    }
    if (set.failed == count &&
        store_object(send_api(s)->reader, STR(IDEMPOTENCY_KIND), changes[count].object.id, s->a,
                     &record, &why) == ERR_OK)
        answer_again(s, &record); /* the same request won meanwhile */
    else if (set.err == ERR_NOT_FOUND)
        send_not_found(s, NULL);
    else
        send_error(s, 409, "conflict", "%s", conflict ? conflict : "A conflict has occurred");
    return false;
}

void send_look_again(struct send_call *s, send_handler *once)
{
    s->may_look_again = true;
    for (int looks = 0; looks < LOOKS_MAX; looks++) {
        s->stale = false;
        once(s);
        if (!s->stale)
            return;
    }
    http_reply_retry(s->c->x, 503, "changed_meanwhile",
                     STR("Others change this all the time; nothing was changed. Send it again."),
                     1);
}

/* --- one operation -----------------------------------------------------------------------------
 */

/* Whatever Content-Type says: the contract knows of JSON alone. */
static bool read_body(struct send_call *s)
{
    str text = s->c->x->req.body;
    struct reason why = {0};
    if (!s->op->in)
        return true;
    if (text.n == 0 && (s->op->in->fields[0].flags & WIRE_REQUIRED) == 0)
        text = STR("{}");
    s->c->doc = json_parse(text, &why);
    s->body = json_root(s->c->doc);
    struct wire_faults f;
    wire_faults_init(&f);
    bool good = s->c->doc && wire_validate(s->op->in, s->body, send_api(s)->https_only, &f);
    if (!s->c->doc)
        wire_fault(&f, STR("body\0"), "value_error.jsondecode", "%s", why.text);
    if (!good)
        send_unprocessable(s, &f);
    wire_faults_release(&f);
    return good;
}

static void serve(struct send_call *s)
{
    char what[AUDIT_TEXT_MAX];
    struct api_call *c = s->c;
    /* The exchange may be gone once it is answered. */
    snprintf(what, sizeof(what), STR_FMT " " STR_FMT, STR_ARG(c->x->req.method),
             STR_ARG(c->x->req.path));
    s->op->fn(s);
    if (s->on_page)
        api_audit(c, str_from_cstr(what));
}

void send_handle(struct api_call *c)
{
    struct send_call s = {
        .c = c, .op = c->op, .a = c->x->arena, .now_ms = clock_wall_ms(c->api->core->clock)};
    if (s.op->access != SEND_OPEN && !send_admit(&s))
        return;
    if (was_served(&s) || !read_body(&s))
        return;
    if (!send_programs_check(&s, serve))
        serve(&s);
}

/* --- life ------------------------------------------------------------------------------------- */

static bool load_revoked(struct api *a, const char *kind, struct map *into, struct reason *why)
{
    struct object_filter f = {.kind = str_from_cstr(kind), .any_parent = true, .limit = 1000};
    struct object_list page = {.more = true};
    struct arena arena;
    enum err err = ERR_OK;
    if (!a->core->store->ops->objects)
        return true;
    arena_init(&arena, 64u << 20);
    while (err == ERR_OK && page.more) {
        err = store_objects(a->reader, &f, &arena, &page, why);
        for (size_t i = 0; err == ERR_OK && i < page.count; i++)
            map_put(into, page.v[i].id, (void *)(intptr_t)(page.v[i].updated_ms / 1000));
        if (page.count)
            f.after = page.v[page.count - 1].id;
    }
    arena_release(&arena);
    return err == ERR_OK;
}

bool send_open(struct api *a, str jwt_secret, struct reason *why)
{
    const struct sending_config *c = &a->options.config->sending;
    struct send_state *s = a->send = xcalloc(1, sizeof(*s));
    char own[128];
    uint8_t digest[DIGEST_BYTES_MAX];
    secret_init(&s->secret, jwt_secret);
    s->key = jwt_key_new((enum jwt_kind)c->jwt_algorithm, jwt_secret, why);
    if (!s->key)
        return false;
    /* What is minted here is signed with a key that follows from the admin token: it lasts as long
     * as that, and no operator's key is needed that can sign. */
    int n = snprintf(own, sizeof(own), "portal tokens of ");
    struct hasher *h = hasher_new(DIGEST_SHA256);
    hasher_begin(h);
    hasher_add(h, str_of(own, (size_t)n));
    hasher_add(h, secret_str(&a->token));
    hasher_end(h, digest);
    hasher_free(h);
    s->own = jwt_key_new(JWT_KIND_HS256, str_of((const char *)digest, 32), why);
    secret_wipe(digest, sizeof(digest));
    a->https_only = c->schemes == 1;
    return load_revoked(a, "revoked", &s->revoked, why) &&
           load_revoked(a, "revoked-until", &s->revoked_until, why) && send_rounds_open(a);
}

void send_close(struct api *a)
{
    struct send_state *s = a->send;
    if (!s)
        return;
    send_rounds_close(a);
    jwt_key_free(s->key);
    jwt_key_free(s->own);
    secret_release(&s->secret);
    map_release(&s->revoked);
    map_release(&s->revoked_until);
    free(s);
    a->send = NULL;
}
