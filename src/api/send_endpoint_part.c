/* send_endpoint_part.c -- what an endpoint has besides itself: its header fields, its secret and
 * the rotation of it, its public keys, counts. */
#include "api/send.h"

#include "base/codec.h"
#include "base/secret.h"
#include "verify/crypto.h"
#include "verify/jwk.h"

#define OLD_KEYS_MAX 10
#define STATS_DAYS 28
#define HOUR_MS (3600 * INT64_C(1000))
#define DAY_MS (24 * HOUR_MS)
#define JWKS_CACHE "public, max-age=300"
#define SLACK_MS (5 * 60 * INT64_C(1000))

typedef void put_member(struct send_call *s, struct json_writer *w, const struct json *old);

/* Rewrites one member of the document: `put` writes its value; all else stays. */
static str doc_with(struct send_call *s, const struct json *old, const char *name, put_member *put)
{
    struct buf b;
    struct json_writer w;
    struct json_iter it = {0};
    buf_init(&b, OBJECT_DOC_MAX);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    while (json_next(old, &it)) {
        if (str_eq(it.key, str_from_cstr(name)))
            continue;
        json_key_str(&w, it.key);
        json_value(&w, it.value);
    }
    json_key(&w, name);
    put(s, &w, old);
    json_close(&w, '}');
    str doc = arena_str(s->a, buf_str(&b));
    buf_release(&b);
    return doc;
}

static void write_key(struct send_call *s, str endpoint_doc);

static void change_member(struct send_call *s, const struct object *o, const char *name,
                          put_member *put)
{
    struct json_doc *doc = json_parse(o->doc, NULL);
    struct object_change changes[2] = {{.op = OBJECT_PUT, .object = *o, .expect = o->version}};
    changes[0].object.updated_ms = s->now_ms;
    changes[0].object.doc = doc_with(s, json_root(doc), name, put);
    json_doc_free(doc);
    if (s->op->out)
        write_key(s, changes[0].object.doc);
    if (!send_commit(s, changes, 1, s->op->status, NULL))
        return;
    if (s->op->out)
        send_ok(s, s->op->status);
    else
        send_empty(s, s->op->status);
}

/* --- header fields ---------------------------------------------------------------------------- */

void send_endpoint_headers_get(struct send_call *s)
{
    struct object o;
    if (!send_find_endpoint(s, &o))
        return;
    struct json_doc *doc = json_parse(o.doc, NULL);
    const struct json *headers = json_get(json_root(doc), STR("headers"));
    struct json_writer *w = send_json(s);
    json_open(w, '{');
    json_key(w, "headers");
    json_open(w, '{');
    struct json_iter it = {0};
    while (headers && json_next(headers, &it)) {
        if (wire_header_is_sensitive(it.key))
            continue;
        json_key_str(w, it.key);
        json_value(w, it.value);
    }
    json_close(w, '}');
    json_key(w, "sensitive");
    json_open(w, '[');
    struct json_iter again = {0};
    while (headers && json_next(headers, &again))
        if (wire_header_is_sensitive(again.key))
            json_string(w, again.key);
    json_close(w, ']');
    json_close(w, '}');
    json_doc_free(doc);
    send_ok(s, 200);
}

static void put_headers(struct send_call *s, struct json_writer *w, const struct json *old)
{
    UNUSED(old);
    json_value(w, json_get(s->body, STR("headers")));
}

static void put_once(struct send_call *s)
{
    struct object o;
    if (send_find_endpoint(s, &o))
        change_member(s, &o, "headers", put_headers);
}

void send_endpoint_headers_put(struct send_call *s)
{
    send_look_again(s, put_once);
}

static bool names(const struct json *list, str name)
{
    struct json_iter it = {0};
    while (list && json_next(list, &it))
        if (str_eq_nocase(json_str(it.value), name))
            return true;
    return false;
}

/* The member of that name in any letter case. */
static bool has_field(const struct json *map, str name)
{
    struct json_iter it = {0};
    while (map && json_next(map, &it))
        if (str_eq_nocase(it.key, name))
            return true;
    return false;
}

static void merge_headers(struct send_call *s, struct json_writer *w, const struct json *old)
{
    const struct json *before = json_get(old, STR("headers"));
    const struct json *given = json_get(s->body, STR("headers"));
    const struct json *gone = json_get(s->body, STR("deleteHeaders"));
    struct json_iter there = {0}, fresh = {0};
    json_open(w, '{');
    while (before && json_next(before, &there)) {
        if (has_field(given, there.key) || names(gone, there.key))
            continue;
        json_key_str(w, there.key);
        json_value(w, there.value);
    }
    while (given && json_next(given, &fresh)) {
        if (json_kind_of(fresh.value) != JSON_STRING)
            continue;
        json_key_str(w, fresh.key);
        json_value(w, fresh.value);
    }
    json_close(w, '}');
}

static void patch_once(struct send_call *s)
{
    struct object o;
    if (send_find_endpoint(s, &o))
        change_member(s, &o, "headers", merge_headers);
}

void send_endpoint_headers_patch(struct send_call *s)
{
    send_look_again(s, patch_once);
}

/* --- secrets ---------------------------------------------------------------------------------- */

/* Of a pair of keys only the public one is shown: "whpk_...". */
static str shown_key(struct send_call *s, str key)
{
    uint8_t bytes[96];
    size_t n = 0;
    char text[5 + BASE64_LEN(32)];
    if (!str_starts(key, STR("whsk_")))
        return key;
    if (!base64_decode(str_slice(key, 5, key.n), bytes, sizeof(bytes), &n) || n != 64)
        return STR("");
    memcpy(text, "whpk_", 5);
    size_t length = 5 + base64_encode(bytes + 32, 32, text + 5);
    secret_wipe(bytes, sizeof(bytes));
    return arena_str(s->a, str_of(text, length));
}

/* The present one. */
static void write_key(struct send_call *s, str endpoint_doc)
{
    struct json_doc *doc = json_parse(endpoint_doc, NULL);
    const struct json *first = json_at(json_get(json_root(doc), STR("secrets")), 0);
    str key = arena_str(s->a, json_str(json_get(first, STR("key"))));
    json_doc_free(doc);
    json_open(send_json(s), '{');
    json_pair(send_json(s), "key", shown_key(s, key.p ? key : STR("")));
    json_close(send_json(s), '}');
}

void send_endpoint_secret(struct send_call *s)
{
    struct object o;
    if (!send_find_endpoint(s, &o))
        return;
    write_key(s, o.doc);
    send_ok(s, 200);
}

/* A key that nobody gave is of the kind of the present one, unless the signature wants another. */
static void rotate(struct send_call *s, struct json_writer *w, const struct json *old)
{
    const struct json *before = json_get(old, STR("secrets"));
    str key = json_str(json_get(s->body, STR("key")));
    int64_t grace_s = 86400;
    json_i64(json_get(s->body, STR("gracePeriodSeconds")), &grace_s);
    struct json_iter it = {0};
    json_open(w, '[');
    json_open(w, '{');
    json_pair(w, "key", key.n ? key : send_new_secret(s, send_wants_pair(s, old)));
    json_close(w, '}');
    while (before && json_next(before, &it)) {
        int64_t until_ms = 0;
        json_i64(json_get(it.value, STR("until")), &until_ms);
        if (until_ms == 0)
            until_ms = s->now_ms + grace_s * 1000;
        if (until_ms <= s->now_ms)
            continue;
        json_open(w, '{');
        json_pair(w, "key", json_str(json_get(it.value, STR("key"))));
        json_pair_int(w, "until", until_ms);
        json_close(w, '}');
    }
    json_close(w, ']');
}

/* How many keys still sign besides the present one, and when the first of them ends. */
static size_t count_old(struct send_call *s, const struct object *o, int64_t *next_ms)
{
    struct json_doc *doc = json_parse(o->doc, NULL);
    const struct json *list = json_get(json_root(doc), STR("secrets"));
    struct json_iter it = {0};
    size_t count = 0;
    *next_ms = INT64_MAX;
    while (list && json_next(list, &it)) {
        int64_t until_ms = 0;
        json_i64(json_get(it.value, STR("until")), &until_ms);
        if (until_ms <= s->now_ms)
            continue;
        count++;
        if (until_ms < *next_ms)
            *next_ms = until_ms;
    }
    json_doc_free(doc);
    return count;
}

static void rotate_once(struct send_call *s)
{
    struct object o;
    int64_t next_ms;
    char when[CLOCK_TEXT_MAX];
    if (!send_find_endpoint(s, &o))
        return;
    if (count_old(s, &o, &next_ms) >= OLD_KEYS_MAX) {
        clock_format(next_ms, when);
        send_error(s, 400, "limit_reached",
                   "You can only rotate a key 10 times; please wait for old keys to expire. Your "
                   "next key expires at %s",
                   when);
        return;
    }
    struct json_doc *doc = json_parse(o.doc, NULL);
    bool fits = send_takes_key(s, json_root(doc), json_str(json_get(s->body, STR("key"))));
    json_doc_free(doc);
    if (fits)
        change_member(s, &o, "secrets", rotate);
    else
        send_fault(s, STR("body\0key\0"), "value_error", WEBHOOK_SHARED_ALONE);
}

void send_endpoint_rotate(struct send_call *s)
{
    send_look_again(s, rotate_once);
}

/* The public halves of the pairs that sign now, for who verifies (RFC 7517): nobody is asked for a
 * token. An endpoint without any and one that is not there look alike. */
void send_endpoint_jwks(struct send_call *s)
{
    const struct http_field fields[] = {{STR("Content-Type"), STR("application/jwk-set+json")},
                                        {STR("Cache-Control"), STR(JWKS_CACHE)}};
    struct endpoint *e =
        directory_endpoint(send_api(s)->core->directory, send_path(s, "endpoint_id"));
    struct json_writer *w = send_json(s);
    size_t count = 0;
    json_open(w, '{');
    json_key(w, "keys");
    json_open(w, '[');
    for (size_t i = 0; e && i < e->webhook.key_count; i++) {
        const struct webhook_key *k = &e->webhook.keys[i];
        uint8_t public[ED25519_KEY_BYTES];
        if (!k->asymmetric || (k->until_ms && k->until_ms <= s->now_ms))
            continue;
        struct ed25519 *pair = ed25519_private((const uint8_t *)k->bytes.p);
        ed25519_public_bytes(pair, public);
        ed25519_free(pair);
        jwk_write(w, public);
        count++;
    }
    endpoint_unref(e);
    json_close(w, ']');
    json_close(w, '}');
    if (!count) {
        send_not_found(s, NULL);
        return;
    }
    s->c->status = 200;
    http_reply(s->c->x, 200, fields, ARRAY_LEN(fields), buf_str(&s->c->body));
}

/* --- counts ----------------------------------------------------------------------------------- */

static bool read_range(struct send_call *s, int64_t *since_ms, int64_t *until_ms)
{
    str since = send_query(s, "since"), until = send_query(s, "until");
    *until_ms = s->now_ms;
    if ((until.p && until.n && !clock_parse(until, until_ms)) ||
        (since.p && since.n && !clock_parse(since, since_ms))) {
        send_error(s, 400, "generic_error", "since and until are times as 2026-11-23T20:24:11Z");
        return false;
    }
    if (!since.p || !since.n)
        *since_ms = *until_ms - STATS_DAYS * DAY_MS;
    if (*until_ms > s->now_ms + SLACK_MS || *until_ms < *since_ms ||
        *until_ms - *since_ms > STATS_DAYS * DAY_MS + SLACK_MS) {
        send_error(s, 400, "invalid_range",
                   "until may not be in the future, and the range at most 28 days");
        return false;
    }
    return true;
}

/* Deliveries by how they ended, or what they still wait for; each is of the time in its id. */
void send_endpoint_stats(struct send_call *s)
{
    struct object o;
    struct reason why;
    struct delivery_counts n;
    int64_t since_ms = 0, until_ms = 0;
    if (!send_find_endpoint(s, &o) || !read_range(s, &since_ms, &until_ms))
        return;
    enum err err = store_count_deliveries(send_api(s)->reader, o.id, id_before(since_ms),
                                          id_floor(until_ms + 1), &n, &why);
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return;
    }
    struct json_writer *w = send_json(s);
    const uint64_t *by = n.by_state;
    json_open(w, '{');
    json_pair_int(w, "success", (int64_t)by[DELIVERY_DELIVERED]);
    json_pair_int(w, "pending", (int64_t)(by[DELIVERY_PENDING] - n.retried));
    json_pair_int(w, "sending", (int64_t)(by[DELIVERY_CLAIMED] + n.retried));
    json_pair_int(w, "fail", (int64_t)(by[DELIVERY_DEAD] + by[DELIVERY_SKIPPED]));
    json_pair_int(w, "canceled", (int64_t)by[DELIVERY_CANCELLED]);
    json_close(w, '}');
    send_ok(s, 200);
}

/* Attempts by how they ended; the hours that the times lie in count whole, as in the contract. */
void send_endpoint_attempts(struct send_call *s)
{
    struct object o;
    struct reason why;
    struct attempt_counts n;
    int64_t since_ms = 0, until_ms = 0;
    if (!send_find_endpoint(s, &o) || !read_range(s, &since_ms, &until_ms))
        return;
    since_ms -= since_ms % HOUR_MS;
    until_ms += HOUR_MS - until_ms % HOUR_MS;
    enum err err = store_count_attempts(send_api(s)->reader, o.id, id_before(since_ms),
                                        id_floor(until_ms), &n, &why);
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return;
    }
    json_open(send_json(s), '{');
    json_pair_int(send_json(s), "success", (int64_t)n.success);
    json_pair_int(send_json(s), "fail", (int64_t)n.failed);
    json_pair_int(send_json(s), "canceled", (int64_t)n.ended);
    json_close(send_json(s), '}');
    send_ok(s, 200);
}
