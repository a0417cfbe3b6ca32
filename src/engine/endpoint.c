/* endpoint.c -- from a document to a destination. The document was checked when it was written;
 * what is still wrong here (a version that knew less) makes the endpoint unusable, never wider
 * than it was meant. */
#include "engine/endpoint.h"

#include "base/codec.h"
#include "base/log.h"
#include "engine/endpoint_access.h"
#include "engine/websub_words.h"

#define ENDPOINT_ARENA_MAX (4u << 20)
#define SECRET_BYTES_MIN 16
#define SECRET_BYTES_MAX 96
#define OWN_HEADERS_MAX 3 /* Authorization, Link */

/* --- reading ---------------------------------------------------------------------------------- */

static str text_of(struct endpoint *e, const struct json *doc, const char *key)
{
    str s = json_str(json_get(doc, str_from_cstr(key)));
    return s.p ? arena_str(&e->arena, s) : STR("");
}

static int64_t number_of(const struct json *doc, const char *key, int64_t otherwise)
{
    int64_t v;
    return json_i64(json_get(doc, str_from_cstr(key)), &v) ? v : otherwise;
}

static bool read_texts(struct endpoint *e, const struct json *list, str **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    if (!list || json_kind_of(list) != JSON_ARRAY)
        return true;
    *out = ARENA_ARRAY(&e->arena, str, json_len(list) + 1);
    struct json_iter it = {0};
    while (*out && json_next(list, &it))
        (*out)[(*count)++] = arena_str(&e->arena, json_str(it.value));
    return *out != NULL;
}

bool endpoint_key_parse(str text, struct arena *a, struct webhook_key *out)
{
    uint8_t bytes[SECRET_BYTES_MAX];
    size_t n = 0;
    *out = (struct webhook_key){.asymmetric = str_starts(text, STR("whsk_"))};
    if (!out->asymmetric && !str_starts(text, STR("whsec_")))
        return false;
    str base64 = str_slice(text, out->asymmetric ? 5 : 6, text.n);
    bool good = base64_decode(base64, bytes, sizeof(bytes), &n) &&
                (out->asymmetric ? n == 2 * (size_t)32 : n >= SECRET_BYTES_MIN);
    if (good)
        out->bytes = arena_str(a, str_of((const char *)bytes, out->asymmetric ? 32 : n));
    secret_wipe(bytes, sizeof(bytes));
    return good && out->bytes.p;
}

static bool read_secrets(struct endpoint *e, const struct json *list, struct reason *why)
{
    struct json_iter it = {0};
    while (list && json_next(list, &it) && e->webhook.key_count < WEBHOOK_KEYS_MAX) {
        struct webhook_key *k = &e->webhook.keys[e->webhook.key_count];
        if (!endpoint_key_parse(json_str(json_get(it.value, STR("key"))), &e->arena, k))
            return fail(why, ERR_INVALID, "a secret is malformed") == ERR_OK;
        k->until_ms = number_of(it.value, "until", 0);
        e->webhook.key_count++;
    }
    return true;
}

static bool read_headers(struct endpoint *e, const struct json *map)
{
    size_t most = map ? json_len(map) : 0;
    e->webhook.headers = ARENA_ARRAY(&e->arena, struct http_field, most + OWN_HEADERS_MAX);
    struct json_iter it = {0};
    while (e->webhook.headers && map && json_next(map, &it))
        e->webhook.headers[e->webhook.header_count++] = (struct http_field){
            arena_str(&e->arena, it.key), arena_str(&e->arena, json_str(it.value))};
    return e->webhook.headers != NULL;
}

/* "https://user:secret@host/": where the userinfo begins and ends (behind the @); false without. */
static bool find_userinfo(str url, size_t *from, size_t *to)
{
    size_t scheme = str_find_str(url, STR("://"));
    *from = scheme + 3;
    *to = 0;
    for (size_t i = *from; scheme < url.n && i < url.n && !strchr("/?#", url.p[i]); i++)
        if (url.p[i] == '@')
            *to = i + 1;
    return *to != 0;
}

static str without_userinfo(str url, struct arena *a)
{
    size_t from, to;
    if (!find_userinfo(url, &from, &to))
        return url;
    return arena_printf(a, STR_FMT STR_FMT, STR_ARG(str_slice(url, 0, from)),
                        STR_ARG(str_slice(url, to, url.n)));
}

bool endpoint_url_check(str url, struct reason *why)
{
    struct arena a;
    arena_init(&a, 1u << 18);
    str plain = without_userinfo(url, &a);
    enum err e = plain.p ? http_url_check(plain, OUTBOUND_PRIVATE, why)
                         : fail(why, ERR_LIMIT, "the URL is too long");
    arena_release(&a);
    /* An address that the policy refuses is told by the attempts, not when it is written. */
    return e == ERR_OK || e == ERR_DENIED;
}

/* Userinfo is no part of where a request goes; it becomes Basic (RFC 7617). */
static bool read_url(struct endpoint *e)
{
    size_t from, to;
    e->webhook.url = e->webhook.ownership.url = without_userinfo(e->url, &e->arena);
    if (!find_userinfo(e->url, &from, &to))
        return e->webhook.url.n > 0;
    str pair = percent_decode(&e->arena, str_slice(e->url, from, to - 1), false);
    char *base64 = pair.p ? arena_alloc(&e->arena, BASE64_LEN(pair.n) + 1) : NULL;
    if (!base64)
        return false;
    size_t n = base64_encode(pair.p, pair.n, base64);
    e->webhook.headers[e->webhook.header_count++] = (struct http_field){
        STR("Authorization"), arena_printf(&e->arena, "Basic %.*s", (int)n, base64)};
    return e->webhook.url.n > 0;
}

/* Its signature and its Link are the protocol's, whatever else the document says: the subscriber
 * has agreed to nothing more. */
static bool read_subscription(struct endpoint *e, const struct json *node, str hub_url,
                              struct reason *why)
{
    struct webhook_config *w = &e->webhook;
    if (!node)
        return true;
    e->topic = text_of(e, node, "topic");
    e->lease_until_ms = number_of(node, "until", 0);
    w->style = WEBHOOK_WEBSUB;
    w->format = WEBHOOK_PLAIN;
    str link = arena_printf(&e->arena, "<" STR_FMT ">; rel=\"hub\", <" STR_FMT ">; rel=\"self\"",
                            STR_ARG(hub_url), STR_ARG(e->topic));
    w->headers[w->header_count++] = (struct http_field){STR("Link"), link};
    uint8_t bytes[WEBSUB_SECRET_MAX];
    size_t n = 0;
    str secret = json_str(json_get(node, STR("secret")));
    bool good = e->topic.n && e->lease_until_ms > 0 &&
                base64_decode(secret.p ? secret : STR(""), bytes, sizeof(bytes), &n);
    if (good && n)
        w->keys[w->key_count++].bytes = arena_str(&e->arena, str_of((const char *)bytes, n));
    secret_wipe(bytes, sizeof(bytes));
    return good || fail(why, ERR_INVALID, "the subscription is malformed") == ERR_OK;
}

static bool read_match(struct endpoint *e, const struct json *node, struct reason *why)
{
    if (!node || json_kind_of(node) != JSON_OBJECT)
        return true;
    struct problems problems = {0};
    struct yaml *tree = yaml_parse(&e->arena, STR("match"), json_text(&e->arena, node), why);
    e->match = tree ? match_compile(&e->arena, tree, &problems) : NULL;
    if (tree && !e->match)
        (void)fail(why, ERR_INVALID, "%s",
                   problems.count ? problems.v[0].text : "match: malformed");
    problems_release(&problems);
    return e->match != NULL;
}

static int word_of(const struct json *doc, const char *key, const char *const *words, int otherwise)
{
    str text = json_str(json_get(doc, str_from_cstr(key)));
    for (int i = 0; text.n && words[i]; i++)
        if (str_eq(text, str_from_cstr(words[i])))
            return i;
    return otherwise;
}

static bool read_retry(struct endpoint *e, const struct json *list)
{
    static const int64_t usual_s[] = ENDPOINT_WAITS_S;
    struct retry_policy *r = &e->destination.retry;
    bool own = list && json_kind_of(list) == JSON_ARRAY;
    size_t count = own ? json_len(list) : ARRAY_LEN(usual_s);
    r->jitter = 0.2;
    r->waits_ms = ARENA_ARRAY(&e->arena, int64_t, count + 1);
    for (size_t i = 0; r->waits_ms && i < count; i++) {
        double seconds = 0;
        r->waits_ms[r->wait_count++] = own && json_f64(json_at(list, i), &seconds)
                                           ? (int64_t)(seconds * 1000)
                                           : usual_s[i % ARRAY_LEN(usual_s)] * 1000;
    }
    return r->waits_ms != NULL;
}

static void read_circuit(struct endpoint *e, const struct json *node)
{
    struct circuit_policy *p = &e->destination.circuit;
    *p = CIRCUIT_USUAL;
    p->failures = (int)number_of(node, "failures", p->failures);
    p->wait_ms = number_of(node, "waitSeconds", p->wait_ms / 1000) * 1000;
    p->max_ms = number_of(node, "maxSeconds", p->max_ms / 1000) * 1000;
    if (p->max_ms < p->wait_ms)
        p->max_ms = p->wait_ms;
}

static bool read_order(struct endpoint *e, const struct json *doc, struct reason *why)
{
    static const char *const blocked[] = {"wait", "deadLetter", NULL};
    str by = json_str(json_get(doc, STR("orderBy")));
    if (!by.p)
        return true;
    e->destination.in_order = true;
    e->destination.dead_when_blocked = word_of(doc, "onBlocked", blocked, 0) == 1;
    return by.n == 0 ||
           template_compile(&e->destination.order_by, &e->arena, by, NULL, NULL, why) == ERR_OK;
}

static str program_of(struct endpoint *e, const struct json *doc, const char *key)
{
    str text = text_of(e, doc, key);
    return text.n ? text : STR_NONE;
}

static void read_doc(struct endpoint *e, const struct json *doc, const struct sending_config *s)
{
    struct destination_config *d = &e->destination;
    struct webhook_config *w = &e->webhook;
    e->url = text_of(e, doc, "url");
    e->disabled = json_bool(json_get(doc, STR("disabled")));
    e->fail_since_ms = number_of(doc, "failSince", 0);
    e->polled = str_eq(json_str(json_get(doc, STR("delivery"))), STR("poll"));
    d->where = program_of(e, doc, "where");
    d->transform = program_of(e, doc, "transform");
    d->name = e->id;
    d->is_endpoint = true;
    d->action = &w->base;
    d->concurrency = (int)number_of(doc, "concurrency", ENDPOINT_CONCURRENCY);
    d->rate = (struct rate){number_of(doc, "throttleRate", 0), 1000};
    d->timeout_ms = number_of(doc, "timeout", 0) * 1000;
    if (d->timeout_ms <= 0)
        d->timeout_ms = s->timeout_ms;
    w->base = (struct action_config){.kind = &action_webhook,
                                     .timeout_ms = d->timeout_ms,
                                     .uses_client = true,
                                     .default_concurrency = d->concurrency,
                                     .data = w};
    read_circuit(e, json_get(doc, STR("circuit")));
    w->policy = json_bool(json_get(doc, STR("trusted"))) ? OUTBOUND_PRIVATE
                                                         : (enum outbound_policy)s->policy;
    w->style = (enum webhook_style)word_of(doc, "signature", webhook_style_words, s->signature);
    w->format = (enum webhook_format)word_of(doc, "format", webhook_format_words, WEBHOOK_PLAIN);
    w->ownership = (struct ownership_config){
        .kind = (enum ownership_kind)word_of(doc, "ownership", ownership_words, OWNERSHIP_NONE),
        .origin = arena_str(&e->arena, s->origin.n ? s->origin : STR("gaff")),
        .policy = w->policy,
        .timeout_ms = d->timeout_ms};
    w->id = e->id;
    w->source = arena_printf(&e->arena, "/app/" STR_FMT, STR_ARG(e->application));
}

/* The rest; NULL, or the member that is wrong. */
static const char *read_parts(struct endpoint *e, const struct json *doc,
                              const struct sending_config *s, struct reason *why)
{
    struct webhook_config *w = &e->webhook;
    const char *access = NULL;
    if (!read_texts(e, json_get(doc, STR("eventTypes")), &e->event_types, &e->event_type_count))
        return "eventTypes";
    if (!read_texts(e, json_get(doc, STR("channels")), &e->channels, &e->channel_count))
        return "channels";
    if (!read_headers(e, json_get(doc, STR("headers"))))
        return "headers";
    if (!read_url(e))
        return "url";
    if (!read_subscription(e, json_get(doc, STR("subscription")), s->hub_url, why))
        return "subscription";
    if (!read_secrets(e, json_get(doc, STR("secrets")), why))
        return "secret";
    if (!endpoint_access_read(&w->access, &e->arena, doc, w->policy, &access, why))
        return access;
    if (!read_match(e, json_get(doc, STR("match")), why))
        return "match";
    if (!read_retry(e, json_get(doc, STR("retry"))))
        return "retry";
    return read_order(e, doc, why) ? NULL : "orderBy";
}

static struct endpoint *read(const struct object *o, const struct sending_config *s,
                             const char **wrong, struct reason *why)
{
    *wrong = "";
    struct json_doc *doc = json_parse(o->doc, why);
    if (!doc)
        return NULL;
    struct endpoint *e = xcalloc(1, sizeof(*e));
    atomic_init(&e->refs, 1);
    arena_init(&e->arena, ENDPOINT_ARENA_MAX);
    e->id = arena_str(&e->arena, o->id);
    e->application = arena_str(&e->arena, o->parent);
    e->uid = arena_str(&e->arena, o->name);
    e->version = o->version;
    why->text[0] = '\0';
    read_doc(e, json_root(doc), s);
    *wrong = read_parts(e, json_root(doc), s, why);
    json_doc_free(doc);
    if (!*wrong && arena_ok(&e->arena))
        return e;
    if (!why->text[0])
        (void)fail(why, ERR_INVALID, "the endpoint's document is malformed");
    if (!*wrong)
        *wrong = "";
    endpoint_unref(e);
    return NULL;
}

struct endpoint *endpoint_new(const struct object *o, const struct sending_config *s,
                              struct reason *why)
{
    const char *wrong;
    return read(o, s, &wrong, why);
}

const char *endpoint_check(const struct object *o, const struct sending_config *s,
                           struct reason *why)
{
    const char *wrong;
    struct endpoint *e = read(o, s, &wrong, why);
    if (e && webhook_style_is_shared(e->webhook.style) && e->webhook.keys[0].asymmetric) {
        (void)fail(why, ERR_INVALID, "%s", WEBHOOK_SHARED_ALONE);
        wrong = "signature";
    }
    endpoint_unref(e);
    return wrong;
}

struct endpoint *endpoint_ref(struct endpoint *e)
{
    atomic_fetch_add(&e->refs, 1);
    return e;
}

void endpoint_unref(struct endpoint *e)
{
    if (!e || atomic_fetch_sub(&e->refs, 1) != 1)
        return;
    for (size_t i = 0; i < e->webhook.key_count; i++)
        secret_wipe((char *)(uintptr_t)e->webhook.keys[i].bytes.p, e->webhook.keys[i].bytes.n);
    endpoint_access_wipe(&e->webhook.access);
    allowance_unref(e->allowance);
    arena_release(&e->arena);
    free(e);
}

/* --- filters ---------------------------------------------------------------------------------- */

static bool has_text(const str *v, size_t count, str wanted)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(v[i], wanted))
            return true;
    return false;
}

bool endpoint_fits(const struct endpoint *e, const struct message_facts *m)
{
    if (e->event_types && !has_text(e->event_types, e->event_type_count, m->event_type))
        return false;
    bool shares = e->channels == NULL;
    for (size_t i = 0; !shares && i < m->channel_count; i++)
        shares = has_text(e->channels, e->channel_count, m->channels[i]);
    return shares && (!e->match || match_eval(e->match, m->facts, NULL));
}

bool endpoint_wants(const struct endpoint *e, const struct message_facts *m)
{
    return !e->disabled && !e->polled && (!e->topic.n || m->now_ms < e->lease_until_ms) &&
           endpoint_fits(e, m);
}
