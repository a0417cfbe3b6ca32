/* oauth.c -- one request at most is under way; whoever comes meanwhile waits for it, unless there
 * is a token that is still good. */
#include "action/oauth.h"

#include "base/codec.h"
#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"

#define TOKEN_BYTES_MAX 16384
#define FETCH_TIMEOUT_MS 30000
#define LIFE_DEFAULT_S 3600
#define LIFE_MAX_S (7 * 24 * 3600)

struct oauth {
    const struct oauth_config *config;
    struct http_client *client;
    const struct clock *clock;
    struct http_call call;
    bool asking, freeing;
    struct buf authorization; /* empty: none */
    int64_t renew_ms, ends_ms;
    struct list waiting;
    struct arena arena; /* of the request */
    struct http_field fields[3];
};

struct oauth *oauth_new(struct loop *l, struct http_client *c, const struct oauth_config *config)
{
    struct oauth *o = xcalloc(1, sizeof(*o));
    o->config = config;
    o->client = c;
    o->clock = loop_clock(l);
    buf_init(&o->authorization, TOKEN_BYTES_MAX + 16);
    list_init(&o->waiting);
    arena_init(&o->arena, 1u << 20);
    return o;
}

static void forget_token(struct oauth *o)
{
    if (o->authorization.len)
        secret_wipe(o->authorization.p, o->authorization.len);
    buf_clear(&o->authorization);
    o->renew_ms = o->ends_ms = 0;
}

void oauth_free(struct oauth *o)
{
    if (!o)
        return;
    assert(list_is_empty(&o->waiting));
    o->freeing = true;
    if (o->asking)
        http_client_cancel(o->client, &o->call);
    forget_token(o);
    buf_release(&o->authorization);
    arena_release(&o->arena);
    free(o);
}

void oauth_forget(struct oauth_wait *w)
{
    list_remove(&w->link);
}

void oauth_refused(struct oauth *o)
{
    forget_token(o);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* RFC 6750 section 2.1: b64token. */
static bool is_token(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 0x20 || c >= 0x7f)
            return false;
    }
    return s.n > 0 && s.n <= TOKEN_BYTES_MAX;
}

static bool take_token(struct oauth *o, const struct http_answer *answer)
{
    struct json_doc *doc = json_parse(answer->body, NULL);
    const struct json *root = json_root(doc);
    str token = json_str(json_get(root, STR("access_token")));
    str type = json_str(json_get(root, STR("token_type")));
    int64_t life_s = LIFE_DEFAULT_S;
    bool good = is_token(token) && (!type.n || str_eq_nocase(type, STR("bearer")));
    (void)json_i64(json_get(root, STR("expires_in")), &life_s);
    if (life_s < 1 || life_s > LIFE_MAX_S)
        life_s = life_s < 1 ? 1 : LIFE_MAX_S;
    if (good) {
        int64_t now_ms = clock_wall_ms(o->clock), life_ms = life_s * 1000;
        forget_token(o);
        buf_str_append(&o->authorization, STR("Bearer "));
        buf_str_append(&o->authorization, token);
        o->renew_ms = now_ms + life_ms * 4 / 5;
        o->ends_ms = now_ms + life_ms * 19 / 20; /* it is on its way a while */
    }
    json_doc_free(doc);
    return good;
}

static void tell(struct oauth *o, str authorization, str problem)
{
    struct list batch;
    list_init(&batch);
    list_append_all(&batch, &o->waiting);
    struct list *node;
    while ((node = list_pop(&batch)) != NULL) {
        struct oauth_wait *w = CONTAINER_OF(node, struct oauth_wait, link);
        w->done(w, authorization, problem);
    }
}

static void fetched(struct http_call *call, const struct http_answer *answer)
{
    struct oauth *o = CONTAINER_OF(call, struct oauth, call);
    char problem[320];
    o->asking = false;
    if (o->freeing)
        return;
    bool answered = answer->class == HTTP_CALL_OK;
    bool good = answered && answer->status == 200 && take_token(o, answer);
    if (good) {
        tell(o, buf_str(&o->authorization), STR(""));
        return;
    }
    /* Nothing of the answer but its status: it may repeat what was sent. */
    int n = answered ? snprintf(problem, sizeof(problem),
                                answer->status == 200
                                    ? "the token server's answer holds no usable access token"
                                    : "no access token: the token server answered HTTP %d",
                                answer->status)
                     : snprintf(problem, sizeof(problem), "no access token: %s", answer->error);
    tell(o, STR_NONE, str_of(problem, (size_t)n < sizeof(problem) ? (size_t)n : sizeof(problem)));
}

/* --- the request ------------------------------------------------------------------------------ */

static void add_pair(struct buf *b, const char *name, str value)
{
    if (!value.n)
        return;
    buf_printf(b, "%s%s=", b->len ? "&" : "", name);
    percent_encode(b, value);
}

/* "Basic base64(encoded id : encoded secret)" */
static str basic(struct oauth *o)
{
    struct buf pair;
    buf_init(&pair, 16384);
    percent_encode(&pair, o->config->client_id);
    buf_char(&pair, ':');
    percent_encode(&pair, o->config->client_secret);
    char *base64 = buf_ok(&pair) ? arena_alloc(&o->arena, BASE64_LEN(pair.len) + 1) : NULL;
    str text = STR_NONE;
    if (base64)
        text = arena_printf(&o->arena, "Basic %.*s", (int)base64_encode(pair.p, pair.len, base64),
                            base64);
    if (pair.len)
        secret_wipe(pair.p, pair.len);
    buf_release(&pair);
    return text;
}

static void fetch(struct oauth *o)
{
    const struct oauth_config *c = o->config;
    struct buf body;
    arena_reset(&o->arena);
    buf_init(&body, 16384);
    add_pair(&body, "grant_type", STR("client_credentials"));
    add_pair(&body, "scope", c->scope);
    add_pair(&body, "audience", c->audience);
    o->fields[0] =
        (struct http_field){STR("Content-Type"), STR("application/x-www-form-urlencoded")};
    o->fields[1] = (struct http_field){STR("Accept"), STR("application/json")};
    o->fields[2] = (struct http_field){STR("Authorization"), basic(o)};
    o->call = (struct http_call){.method = STR("POST"),
                                 .url = c->token_url,
                                 .fields = o->fields,
                                 .field_count = 3,
                                 .body = arena_str(&o->arena, buf_str(&body)),
                                 .policy = c->policy,
                                 .timeout_ms = FETCH_TIMEOUT_MS,
                                 .route = c->route,
                                 .done = fetched};
    buf_release(&body);
    o->asking = true;
    http_client_start(o->client, &o->call);
}

void oauth_ask(struct oauth *o, struct oauth_wait *w)
{
    int64_t now_ms = clock_wall_ms(o->clock);
    bool good = o->authorization.len && now_ms < o->ends_ms;
    list_init(&w->link);
    if (!good)
        list_push(&o->waiting, &w->link);
    if (!o->asking && (!good || now_ms >= o->renew_ms))
        fetch(o);
    if (good)
        w->done(w, buf_str(&o->authorization), STR(""));
}
