/* masking.c -- one walk over a document that knows where it is and whether that is the place of a
 * secret; what is done with each value is the caller's. */
#include "engine/masking.h"

#include "base/codec.h"
#include "base/map.h"
#include "verify/crypto.h"

#define MASK_BYTES 4
#define PATH_BYTES_MAX 65536 /* beyond it the place of a fault is told in part */
static const str stars = {"****", 4};

struct walk {
    const struct masking *masking;
    struct json_writer *w; /* NULL: nothing is written */
    void (*value)(struct walk *x, const struct json *v, bool secret);
    struct buf path;
    struct map *known; /* mask -> the value */
    struct arena *arena;
    struct reason *why;
    bool failed;
};

bool mask_is(str text)
{
    uint8_t bytes[MASK_BYTES];
    size_t n;
    return text.n == MASK_TEXT_MAX - 1 && str_starts(text, stars) &&
           hex_decode(str_slice(text, stars.n, text.n), bytes, sizeof(bytes), &n);
}

bool mask_is_secret_key(str key, const struct target *t)
{
    static const str words[] = {{"secret", 6}, {"token", 5},  {"passw", 5},      {"auth", 4},
                                {"key", 3},    {"cookie", 6}, {"credential", 10}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        for (size_t at = 0; at + words[i].n <= key.n; at++)
            if (str_eq_nocase(str_slice(key, at, at + words[i].n), words[i]))
                return true;
    const struct target_field *f = t ? target_field_find(t, key) : NULL;
    return f && f->secret;
}

bool mask_is_credential(str text)
{
    size_t scheme = str_find_str(text, STR("://"));
    str host = str_slice(text, scheme + 3 < text.n ? scheme + 3 : text.n, text.n);
    host = str_slice(host, 0, str_find(host, '/'));
    return str_find(host, '@') < host.n;
}

static str mask_of(const struct masking *m, str text, char out[MASK_TEXT_MAX])
{
    uint8_t digest[DIGEST_BYTES_MAX];
    struct mac *mac = mac_new(DIGEST_SHA256, m->key);
    mac_begin(mac);
    mac_add(mac, text);
    mac_end(mac, digest);
    mac_free(mac);
    memcpy(out, stars.p, stars.n);
    hex_encode(digest, MASK_BYTES, out + stars.n);
    out[MASK_TEXT_MAX - 1] = '\0';
    return str_of(out, MASK_TEXT_MAX - 1);
}

static void walk(struct walk *x, const struct json *v, bool secret)
{
    enum json_kind kind = json_kind_of(v);
    struct json_iter it = {0};
    size_t before = x->path.len, index = 0;
    if (kind != JSON_OBJECT && kind != JSON_ARRAY) {
        x->value(x, v, secret);
        return;
    }
    bool object = kind == JSON_OBJECT;
    if (x->w)
        json_open(x->w, object ? '{' : '[');
    while (json_next(v, &it)) {
        bool here = secret;
        if (object) {
            buf_printf(&x->path, "%s" STR_FMT, before ? "." : "", STR_ARG(it.key));
            if (x->w)
                json_key_str(x->w, it.key);
            here = here || mask_is_secret_key(it.key, x->masking->target);
        } else {
            buf_printf(&x->path, "[%zu]", index++);
        }
        walk(x, it.value, here);
        x->path.len = before;
    }
    if (x->w)
        json_close(x->w, object ? '}' : ']');
}

/* What a value is masked by, when it is a secret: its text. */
static str secret_text(struct walk *x, const struct json *v, bool secret)
{
    enum json_kind kind = json_kind_of(v);
    if (kind != JSON_STRING && (kind != JSON_NUMBER || !secret))
        return STR("");
    str text = json_text(x->arena, v);
    return secret || mask_is_credential(text) ? text : STR("");
}

static void hide(struct walk *x, const struct json *v, bool secret)
{
    char mask[MASK_TEXT_MAX];
    str text = secret_text(x, v, secret);
    if (text.n)
        json_string(x->w, mask_of(x->masking, text, mask));
    else
        json_value(x->w, v);
}

static void note(struct walk *x, const struct json *v, bool secret)
{
    char mask[MASK_TEXT_MAX];
    str text = secret_text(x, v, secret);
    if (text.n)
        map_put(x->known, arena_str(x->arena, mask_of(x->masking, text, mask)),
                (void *)(uintptr_t)v);
}

static void restore(struct walk *x, const struct json *v, bool secret)
{
    const struct json *was = NULL;
    bool masked = json_kind_of(v) == JSON_STRING && mask_is(json_str(v));
    if (masked)
        was = map_get(x->known, json_str(v));
    /* An address that was masked for its password is masked for it anywhere. */
    if (was && !secret && !mask_is_credential(json_text(x->arena, was)))
        was = NULL;
    if (masked && !was && !x->failed) {
        x->failed = true;
        (void)fail(x->why, ERR_INVALID,
                   STR_FMT ": this is a mask, and no secret of the definition is behind it here; "
                           "write the secret itself",
                   STR_ARG(buf_str(&x->path)));
    }
    json_value(x->w, was ? was : v);
}

static void begin(struct walk *x, const struct masking *m, const struct json *doc)
{
    x->masking = m;
    buf_init(&x->path, PATH_BYTES_MAX);
    walk(x, doc, m->all);
    buf_release(&x->path);
}

void mask_write(struct json_writer *w, const struct masking *m, const struct json *doc)
{
    struct arena a;
    arena_init(&a, 64u << 20);
    begin(&(struct walk){.w = w, .value = hide, .arena = &a}, m, doc);
    arena_release(&a);
}

enum err mask_undo(struct json_writer *w, const struct masking *m, const struct json *doc,
                   const struct json *old, struct reason *why)
{
    struct arena a;
    struct map known = {0};
    arena_init(&a, 64u << 20);
    if (old)
        begin(&(struct walk){.value = note, .known = &known, .arena = &a}, m, old);
    struct walk x = {.w = w, .value = restore, .known = &known, .arena = &a, .why = why};
    begin(&x, m, doc);
    map_release(&known);
    arena_release(&a);
    return x.failed ? ERR_INVALID : ERR_OK;
}
