/* subscription.c -- the document, written and read. */
#include "engine/subscription.h"

#include "base/codec.h"
#include "base/secret.h"
#include "store/model.h"

str subscription_uid(str topic, str callback, struct arena *a)
{
    char key[HUB_KEY_TEXT];
    return arena_printf(a, "subscription-" STR_FMT, STR_ARG(hub_key(topic, callback, key)));
}

/* Members that a confirmation sets anew or does away with. */
static bool is_replaced(str key, bool by_failure)
{
    static const char *const keys[] = {"url",       "eventTypes",     "signature", "subscription",
                                       "failSince", "disabledReason", NULL};
    for (size_t i = 0; keys[i]; i++)
        if (str_eq(key, str_from_cstr(keys[i])))
            return true;
    return by_failure && str_eq(key, STR("disabled"));
}

static void write_subscription(struct json_writer *w, const struct hub_job *j, int64_t until_ms)
{
    char secret[BASE64_LEN(WEBSUB_SECRET_MAX)];
    json_key(w, "subscription");
    json_open(w, '{');
    json_pair(w, "topic", j->topic);
    json_pair_int(w, "until", until_ms);
    json_pair(w, "secret", str_of(secret, base64_encode(j->secret.p, j->secret.n, secret)));
    json_close(w, '}');
    secret_wipe(secret, sizeof(secret));
}

str subscription_doc(const struct json *old, const struct hub_job *j, str name, int64_t until_ms,
                     struct arena *a)
{
    struct buf b;
    struct json_writer w;
    struct json_iter it = {0};
    bool by_failure = json_get(old, STR("disabledReason")) != NULL;
    buf_init(&b, OBJECT_DOC_MAX);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    while (old && json_next(old, &it)) {
        if (is_replaced(it.key, by_failure))
            continue;
        json_key_str(&w, it.key);
        json_value(&w, it.value);
    }
    if (!old)
        json_pair(&w, "description", STR("subscribed by WebSub"));
    json_pair(&w, "url", j->callback);
    json_key(&w, "eventTypes");
    json_open(&w, '[');
    json_string(&w, name);
    json_close(&w, ']');
    json_pair(&w, "signature", STR("websub"));
    write_subscription(&w, j, until_ms);
    json_close(&w, '}');
    str doc = buf_ok(&b) ? arena_str(a, buf_str(&b)) : STR_NONE;
    if (b.p)
        secret_wipe(b.p, b.len);
    buf_release(&b);
    return doc;
}

bool subscription_denial(str endpoint_doc, int64_t now_ms, const char *reason, struct arena *a,
                         struct hub_job *out)
{
    int64_t until_ms = 0;
    struct json_doc *doc = json_parse(endpoint_doc, NULL);
    const struct json *s = json_get(json_root(doc), STR("subscription"));
    json_i64(json_get(s, STR("until")), &until_ms);
    *out =
        (struct hub_job){.mode = HUB_DENY,
                         .topic = arena_str(a, json_str(json_get(s, STR("topic")))),
                         .callback = arena_str(a, json_str(json_get(json_root(doc), STR("url")))),
                         .secret = STR(""),
                         .reason = str_from_cstr(reason)};
    json_doc_free(doc);
    return out->topic.n && out->callback.n && now_ms < until_ms;
}
