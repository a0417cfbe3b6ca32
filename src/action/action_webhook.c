/* action_webhook.c -- one attempt to tell a subscriber. The payload goes out as it was accepted;
 * id and content are the same at each attempt, the timestamp is that of the attempt. The
 * subscriber's own fields never replace the signature's. */
#include "action/action_webhook.h"

#include "base/codec.h"
#include "base/ksuid.h"
#include "base/log.h"
#include "action/event_text.h"
#include "action/http_outcome.h"
#include "http/url.h"
#include "verify/crypto.h"
#include "verify/jwk.h"
#include "verify/message_sign.h"

#define OWN_FIELDS 16
#define RECORD_MAX (192u << 10)
#define SIGNATURES_MAX 2048
#define MESSAGE_TAG "webhook"

const char *const webhook_style_words[] = {
#define X(name, word) (word),
    WEBHOOK_STYLES(X)
#undef X
        NULL};

const char *const webhook_format_words[] = {
#define X(name, word) (word),
    WEBHOOK_FORMATS(X)
#undef X
        NULL};

bool webhook_style_is_shared(enum webhook_style style)
{
    return style == WEBHOOK_GITHUB || style == WEBHOOK_STRIPE;
}

struct signer { /* a key, worked in once */
    struct mac *mac;
    struct ed25519 *pair;
    char thumbprint[JWK_THUMBPRINT + 1]; /* of a pair */
    int64_t until_ms;
};

struct webhook_action {
    struct action action;
    const struct webhook_config *config;
    struct http_client *client;
    const struct clock *clock;
    char *sent_url;              /* as libcurl requests it; NULL: not needed */
    struct http_access *access;  /* NULL: none is needed */
    struct ownership *ownership; /* NULL: nothing is to be asked first */
    struct signer signers[WEBHOOK_KEYS_MAX];
    size_t signer_count;
};

struct webhook_attempt { /* in the task's arena */
    struct http_call call;
    struct http_access_call access;
    struct ownership_wait ownership;
    bool is_asking; /* whether the URL may be sent to at all */
    int64_t began_ns;
    struct webhook_action *action;
    struct task *task;
    size_t room;
    struct http_field *fields;
    char message_id[KSUID_TEXT_MAX], seconds[24], when[CLOCK_TEXT_MAX];
    str id;
    int64_t now_ms;
};

/* --- the fields ------------------------------------------------------------------------------- */

static void add(struct webhook_attempt *x, str name, str value)
{
    if (x->call.field_count < x->room)
        x->fields[x->call.field_count++] = (struct http_field){name, value};
}

static bool has(const struct webhook_attempt *x, str name)
{
    for (size_t i = 0; i < x->call.field_count; i++)
        if (str_eq_nocase(x->fields[i].name, name))
            return true;
    return false;
}

static void mac_parts(struct mac *m, const str *parts, size_t count, uint8_t out[DIGEST_BYTES_MAX])
{
    mac_begin(m);
    for (size_t i = 0; i < count; i++)
        mac_add(m, parts[i]);
    mac_end(m, out);
}

/* "v1,BASE64 v1a,BASE64": one for each live key, over id.timestamp.body. */
static str standard_signatures(struct webhook_attempt *x, str seconds)
{
    char room[SIGNATURES_MAX];
    struct buf all = buf_over(room, sizeof(room));
    const str parts[] = {x->id, STR("."), seconds, STR("."), x->call.body};
    struct arena *a = x->task->arena;
    for (size_t i = 0; i < x->action->signer_count; i++) {
        struct signer *s = &x->action->signers[i];
        uint8_t bytes[ED25519_SIGNATURE_BYTES > DIGEST_BYTES_MAX ? ED25519_SIGNATURE_BYTES
                                                                 : DIGEST_BYTES_MAX];
        char text[BASE64_LEN(sizeof(bytes))];
        if (s->until_ms && s->until_ms <= x->now_ms)
            continue;
        size_t n = 32;
        if (s->mac) {
            mac_parts(s->mac, parts, ARRAY_LEN(parts), bytes);
        } else {
            str whole = arena_printf(a, STR_FMT "." STR_FMT "." STR_FMT, STR_ARG(x->id),
                                     STR_ARG(seconds), STR_ARG(x->call.body));
            ed25519_sign(s->pair, whole, bytes);
            n = ED25519_SIGNATURE_BYTES;
        }
        buf_printf(&all, "%s%s,%.*s", all.len ? " " : "", s->mac ? "v1" : "v1a",
                   (int)base64_encode(bytes, n, text), text);
    }
    return arena_str(a, buf_str(&all));
}

/* "sha256=HEX" and its like, by the present key alone: the receivers know of no second one. */
static str hex_signature(struct webhook_attempt *x, const char *before, const str *parts,
                         size_t count)
{
    uint8_t bytes[DIGEST_BYTES_MAX];
    char hex[2 * DIGEST_BYTES_MAX];
    if (x->action->signer_count == 0)
        return STR_NONE;
    mac_parts(x->action->signers[0].mac, parts, count, bytes);
    hex_encode(bytes, 32, hex);
    return arena_printf(x->task->arena, "%s%.64s", before, hex);
}

static void sign_standard(struct webhook_attempt *x, bool svix)
{
    int n = snprintf(x->seconds, sizeof(x->seconds), "%lld", (long long)(x->now_ms / 1000));
    str seconds = {x->seconds, (size_t)n};
    add(x, svix ? STR("svix-id") : STR("webhook-id"), x->id);
    add(x, svix ? STR("svix-timestamp") : STR("webhook-timestamp"), seconds);
    str signatures = standard_signatures(x, seconds);
    if (signatures.n)
        add(x, svix ? STR("svix-signature") : STR("webhook-signature"), signatures);
}

static void sign_stripe(struct webhook_attempt *x)
{
    int n = snprintf(x->seconds, sizeof(x->seconds), "%lld", (long long)(x->now_ms / 1000));
    const str parts[] = {{x->seconds, (size_t)n}, STR("."), x->call.body};
    str before = arena_printf(x->task->arena, "t=%s,v1=", x->seconds);
    str value = before.p ? hex_signature(x, before.p, parts, ARRAY_LEN(parts)) : STR_NONE;
    if (value.p)
        add(x, STR("Stripe-Signature"), value);
}

static void sign_hub(struct webhook_attempt *x, str name)
{
    str value = hex_signature(x, "sha256=", &x->call.body, 1);
    if (value.p)
        add(x, name, value);
}

/* RFC 9421 by each live key, over everything that the request has so far. */
static bool sign_message(struct webhook_attempt *x)
{
    struct webhook_action *action = x->action;
    struct message_signer signers[WEBHOOK_KEYS_MAX];
    struct http_field made[MESSAGE_SIGN_FIELDS];
    struct reason why;
    int n = snprintf(x->seconds, sizeof(x->seconds), "%lld", (long long)(x->now_ms / 1000));
    add(x, STR("webhook-id"), x->id);
    add(x, STR("webhook-timestamp"), (str){x->seconds, (size_t)n});
    struct message_to_sign m = {.method = x->call.method,
                                .url = str_from_cstr(action->sent_url),
                                .body = x->call.body,
                                .given = {x->fields, x->call.field_count},
                                .tag = STR(MESSAGE_TAG),
                                .now_ms = x->now_ms,
                                .signers = signers};
    for (size_t i = 0; i < action->signer_count; i++) {
        const struct signer *s = &action->signers[i];
        if (!s->until_ms || s->until_ms > x->now_ms)
            signers[m.signer_count++] = (struct message_signer){
                .pair = s->pair,
                .mac = s->mac,
                .keyid = s->pair ? str_from_cstr(s->thumbprint) : action->config->id};
    }
    if (m.signer_count == 0 || message_sign(&m, x->task->arena, made, &why) != ERR_OK)
        return false;
    for (size_t i = 0; i < MESSAGE_SIGN_FIELDS; i++)
        add(x, made[i].name, made[i].value);
    return true;
}

/* False: it would go out unsigned. */
static bool add_signature(struct webhook_attempt *x)
{
    const struct webhook_config *c = x->action->config;
    if (webhook_style_is_shared(c->style) && x->action->signer_count && !x->action->signers[0].mac)
        return false;
    switch (c->style) {
    case WEBHOOK_STANDARD:
    case WEBHOOK_SVIX:
        sign_standard(x, c->style == WEBHOOK_SVIX);
        break;
    case WEBHOOK_RFC9421:
        return sign_message(x);
    case WEBHOOK_GITHUB:
        sign_hub(x, STR("X-Hub-Signature-256"));
        add(x, STR("X-GitHub-Event"), x->task->event->type);
        add(x, STR("X-GitHub-Delivery"), x->id);
        break;
    case WEBHOOK_STRIPE:
        sign_stripe(x);
        break;
    case WEBHOOK_WEBSUB:
        sign_hub(x, STR("X-Hub-Signature"));
        break;
    case WEBHOOK_NONE:
    case WEBHOOK_STYLE_COUNT:
        break;
    }
    if (c->style > WEBHOOK_SVIX && !has(x, STR("webhook-id")))
        add(x, STR("webhook-id"), x->id);
    return true;
}

/* --- the body --------------------------------------------------------------------------------- */

/* CloudEvents 1.0, JSON format. The payload stays as it is: JSON inside, other bytes in base64. */
static str structured(struct webhook_attempt *x, str content_type)
{
    const struct event *e = x->task->event;
    struct buf text;
    struct json_writer w;
    buf_init(&text, e->body.n * 2 + 4096);
    json_writer_init(&w, &text);
    json_open(&w, '{');
    json_pair(&w, "specversion", STR("1.0"));
    json_pair(&w, "id", x->id);
    json_pair(&w, "source", x->action->config->source);
    json_pair(&w, "type", e->type);
    json_pair(&w, "time", clock_format(e->received_ms, x->when));
    json_pair(&w, "datacontenttype", content_type);
    struct json_doc *doc = json_parse(e->body, NULL);
    if (doc) {
        json_key(&w, "data");
        json_raw(&w, e->body);
        json_doc_free(doc);
    } else {
        char *base64 = xmalloc(BASE64_LEN(e->body.n) + 1);
        size_t n = base64_encode(e->body.p, e->body.n, base64);
        json_pair(&w, "data_base64", str_of(base64, n));
        free(base64);
    }
    json_close(&w, '}');
    str body = buf_ok(&text) ? arena_str(x->task->arena, buf_str(&text)) : STR_NONE;
    buf_release(&text);
    return body;
}

static bool add_body(struct webhook_attempt *x)
{
    const struct webhook_config *c = x->action->config;
    const struct event *e = x->task->event;
    str type = event_field(e, STR("Content-Type"));
    if (!type.n)
        type = STR("application/json");
    x->call.body = e->body.p ? e->body : STR("");
    if (c->format == WEBHOOK_CLOUDEVENTS) {
        x->call.body = structured(x, type);
        type = STR("application/cloudevents+json");
    } else if (c->format == WEBHOOK_CLOUDEVENTS_BINARY) {
        add(x, STR("ce-specversion"), STR("1.0"));
        add(x, STR("ce-id"), x->id);
        add(x, STR("ce-source"), c->source);
        add(x, STR("ce-type"), e->type);
        add(x, STR("ce-time"), clock_format(e->received_ms, x->when));
    }
    add(x, STR("Content-Type"), type);
    return x->call.body.p != NULL;
}

/* --- the attempt ------------------------------------------------------------------------------ */

static void on_done(struct http_call *call, const struct http_answer *answer)
{
    static const struct http_verdicts usual = {{0}};
    struct webhook_attempt *x = CONTAINER_OF(call, struct webhook_attempt, call);
    struct task *t = x->task;
    struct outcome o;
    struct buf record;
    http_access_answered(x->action->access, answer);
    http_outcome_judge(&usual, answer, clock_wall_ms(x->action->clock), t->arena, &o);
    buf_init(&record, RECORD_MAX);
    http_record_request(&record, &x->call);
    size_t request_end = record.len;
    http_record_response(&record, answer);
    size_t response_end = record.len;
    http_record_timing(&record, answer);
    str all = buf_str(&record);
    o.request = str_slice(all, 0, request_end);
    o.response = str_slice(all, request_end, response_end);
    o.timing = buf_ok(&record) ? str_slice(all, response_end, all.n) : STR("");
    t->impl = NULL;
    t->done(t, &o);
    buf_release(&record);
}

static void end_unsent(struct task *t, enum attempt_result result, const char *class, str summary)
{
    const struct outcome o = {
        .result = result, .error_class = class, .summary = arena_str(t->arena, summary)};
    t->impl = NULL;
    t->done(t, &o);
}

static void on_no_access(struct http_access_call *access, str problem)
{
    end_unsent(CONTAINER_OF(access, struct webhook_attempt, access)->task, ATTEMPT_RETRY, "auth",
               problem);
}

static void send(struct webhook_attempt *x)
{
    struct webhook_action *action = x->action;
    x->access = (struct http_access_call){
        .call = &x->call, .fields = x->fields, .arena = x->task->arena, .failed = on_no_access};
    if (action->access)
        http_access_start(action->access, &x->access);
    else
        http_client_start(action->client, &x->call);
}

/* What the question took is part of the attempt. */
static void on_ownership(struct ownership_wait *w, str problem)
{
    struct webhook_attempt *x = CONTAINER_OF(w, struct webhook_attempt, ownership);
    x->is_asking = false;
    x->call.timeout_ms -= (clock_mono_ns(x->action->clock) - x->began_ns) / 1000000;
    if (problem.n)
        end_unsent(x->task, ATTEMPT_RETRY, "ownership", problem);
    else if (x->call.timeout_ms <= 0)
        end_unsent(
            x->task, ATTEMPT_RETRY, "timeout",
            STR("the deadline passed while the endpoint was asked whether it wants messages"));
    else
        send(x);
}

static void webhook_start(struct action *base, struct task *t)
{
    struct webhook_action *action = CONTAINER_OF(base, struct webhook_action, action);
    const struct webhook_config *c = action->config;
    struct webhook_attempt *x = ARENA_NEW(t->arena, struct webhook_attempt);
    size_t room = OWN_FIELDS + c->header_count;
    struct http_field *fields =
        ARENA_ARRAY(t->arena, struct http_field, room + 1); /* Authorization */
    bool ready = x && fields;
    if (ready) {
        x->action = action;
        x->task = t;
        x->room = room;
        x->fields = fields;
        x->now_ms = clock_wall_ms(action->clock);
        x->id = ksuid_format("msg_", t->event->id, x->message_id);
        x->call = (struct http_call){.method = STR("POST"),
                                     .url = c->url,
                                     .fields = fields,
                                     .policy = c->policy,
                                     .timeout_ms = c->base.timeout_ms,
                                     .done = on_done};
        ready = add_body(x) && add_signature(x);
    }
    if (!ready) {
        const struct outcome o = {
            .result = ATTEMPT_PERMANENT,
            .error_class = "invalid",
            .summary = STR("the message is too large to be signed and sent, or the endpoint's "
                           "secret is of no kind that its signature is made with")};
        t->done(t, &o);
        return;
    }
    for (size_t i = 0; i < c->header_count; i++)
        if (!has(x, c->headers[i].name))
            add(x, c->headers[i].name, c->headers[i].value);
    if (t->traceparent.n && !has(x, STR("traceparent"))) {
        add(x, STR("traceparent"), t->traceparent);
        if (t->tracestate.n)
            add(x, STR("tracestate"), t->tracestate);
    }
    t->impl = x;
    x->began_ns = clock_mono_ns(action->clock);
    x->is_asking = action->ownership != NULL;
    x->ownership.done = on_ownership;
    if (x->is_asking)
        ownership_ask(action->ownership, &x->ownership);
    else
        send(x);
}

static void webhook_cancel(struct action *base, struct task *t)
{
    struct webhook_action *action = CONTAINER_OF(base, struct webhook_action, action);
    struct webhook_attempt *x = t->impl;
    if (x && x->is_asking)
        ownership_forget(&x->ownership);
    if (x && (x->is_asking || http_access_cancel(&x->access))) {
        end_unsent(t, ATTEMPT_CANCELLED, "cancelled", STR("ended before it was sent"));
    } else if (x) {
        http_client_cancel(action->client, &x->call);
    }
}

static void webhook_free(struct action *base)
{
    struct webhook_action *action = CONTAINER_OF(base, struct webhook_action, action);
    ownership_free(action->ownership);
    http_access_free(action->access);
    for (size_t i = 0; i < action->signer_count; i++) {
        mac_free(action->signers[i].mac);
        ed25519_free(action->signers[i].pair);
    }
    free(action->sent_url);
    free(action);
}

static const struct action_ops webhook_ops = {
    .kind = "webhook", .start = webhook_start, .cancel = webhook_cancel, .free = webhook_free};

static void take_keys(struct webhook_action *action)
{
    const struct webhook_config *c = action->config;
    for (size_t i = 0; i < c->key_count; i++) {
        struct signer *s = &action->signers[action->signer_count++];
        uint8_t public[ED25519_KEY_BYTES];
        s->until_ms = c->keys[i].until_ms;
        if (!c->keys[i].asymmetric) {
            s->mac = mac_new(DIGEST_SHA256, c->keys[i].bytes);
            continue;
        }
        s->pair = ed25519_private((const uint8_t *)c->keys[i].bytes.p);
        ed25519_public_bytes(s->pair, public);
        jwk_thumbprint(public, s->thumbprint);
    }
}

static struct action *webhook_create(const struct action_config *base,
                                     const struct action_context *ctx, struct reason *why)
{
    const struct webhook_config *c = base->data;
    if (!ctx->client) {
        (void)fail(why, ERR_CONFLICT, "requests can't be sent: there is no HTTP client");
        return NULL;
    }
    if (c->style == WEBHOOK_RFC9421 && !c->key_count) {
        (void)fail(why, ERR_INVALID, "there is no key to sign with");
        return NULL;
    }
    char *sent_url = NULL;
    if (c->style == WEBHOOK_RFC9421 && http_url_sent(c->url, &sent_url, why) != ERR_OK)
        return NULL;
    struct webhook_action *action = xcalloc(1, sizeof(*action));
    action->action.ops = &webhook_ops;
    action->config = c;
    action->client = ctx->client;
    action->clock = loop_clock(ctx->loop);
    action->sent_url = sent_url;
    action->access = http_access_new(&c->access, ctx);
    action->ownership = ownership_new(&c->ownership, ctx, action->access);
    take_keys(action);
    return &action->action;
}

const struct action_kind action_webhook = {.name = "webhook", .create = webhook_create};
