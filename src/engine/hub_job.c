/* hub_job.c -- to and from JSON. */
#include "engine/hub_job.h"

#include "base/codec.h"
#include "base/json.h"
#include "base/secret.h"
#include "verify/crypto.h"

const char *const hub_mode_words[] = {"subscribe", "unsubscribe", "denied", "publish", NULL};

str hub_key(str topic, str callback, char out[HUB_KEY_TEXT])
{
    uint8_t digest[DIGEST_BYTES_MAX];
    struct hasher *h = hasher_new(DIGEST_SHA256);
    hasher_begin(h);
    hasher_add(h, topic);
    hasher_add(h, STR("\n")); /* in no URL */
    hasher_add(h, callback);
    hasher_end(h, digest);
    hasher_free(h);
    hex_encode(digest, HUB_KEY_TEXT / 2, out);
    return str_of(out, HUB_KEY_TEXT);
}

str hub_job_id(const struct hub_job *j, struct arena *a)
{
    static const char *const kinds[] = {"intent", "intent", "denied", "publish"};
    char key[HUB_KEY_TEXT];
    return arena_printf(a, "%s/" STR_FMT, kinds[j->mode],
                        STR_ARG(hub_key(j->topic, j->callback, key)));
}

str hub_job_doc(const struct hub_job *j, struct arena *a)
{
    char secret[BASE64_LEN(WEBSUB_SECRET_MAX)];
    struct buf b;
    struct json_writer w;
    assert(j->secret.n <= WEBSUB_SECRET_MAX);
    buf_init(&b, 4 * WEBSUB_FORM_MAX);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    json_pair(&w, "mode", str_from_cstr(hub_mode_words[j->mode]));
    json_pair(&w, "topic", j->topic);
    json_pair(&w, "callback", j->callback);
    json_pair(&w, "secret", str_of(secret, base64_encode(j->secret.p, j->secret.n, secret)));
    json_pair(&w, "reason", j->reason);
    json_pair_int(&w, "lease", j->lease_s);
    json_pair_int(&w, "tries", j->tries);
    json_close(&w, '}');
    str doc = buf_ok(&b) ? arena_str(a, buf_str(&b)) : STR_NONE;
    secret_wipe(secret, sizeof(secret));
    if (b.p)
        secret_wipe(b.p, b.len);
    buf_release(&b);
    return doc;
}

static str text_of(const struct json *doc, const char *key, struct arena *a)
{
    str s = json_str(json_get(doc, str_from_cstr(key)));
    return s.p ? arena_str(a, s) : STR("");
}

static int64_t number_of(const struct json *doc, const char *key)
{
    int64_t v = 0;
    json_i64(json_get(doc, str_from_cstr(key)), &v);
    return v;
}

bool hub_job_read(str text, struct arena *a, struct hub_job *out)
{
    uint8_t secret[WEBSUB_SECRET_MAX];
    size_t n = 0;
    int mode = 0;
    struct json_doc *doc = json_parse(text, NULL);
    const struct json *root = json_root(doc);
    str word = json_str(json_get(root, STR("mode")));
    while (hub_mode_words[mode] && !str_eq(word, str_from_cstr(hub_mode_words[mode])))
        mode++;
    bool good = hub_mode_words[mode] &&
                base64_decode(text_of(root, "secret", a), secret, sizeof(secret), &n);
    if (good)
        *out = (struct hub_job){.mode = (enum hub_mode)mode,
                                .topic = text_of(root, "topic", a),
                                .callback = text_of(root, "callback", a),
                                .secret = arena_str(a, str_of((const char *)secret, n)),
                                .reason = text_of(root, "reason", a),
                                .lease_s = number_of(root, "lease"),
                                .tries = number_of(root, "tries")};
    secret_wipe(secret, sizeof(secret));
    json_doc_free(doc);
    return good && out->topic.n && arena_ok(a);
}
