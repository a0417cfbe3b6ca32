/* rig.h -- what the tests of verify/ share: a table of providers, a request built by hand, a
 * verifier, and the verdict. */
#ifndef GAFF_TESTS_VERIFY_RIG_H
#define GAFF_TESTS_VERIFY_RIG_H

#include "unit.h"

#include "base/fs.h"
#include "verify/sign.h"
#include "verify/verify.h"

#define RIG_FIELDS_MAX 32
#define RIG_NOW_MS 1795443390000

struct rig {
    struct arena arena;
    struct problems problems;
    struct provider_table *table;
    struct verifier *v;
    struct http_field fields[RIG_FIELDS_MAX];
    struct http_request req;
    struct verdict verdict;
};

static inline void rig_init(struct rig *r)
{
    *r = (struct rig){0};
    arena_init(&r->arena, 64u << 20);
    r->table = provider_table_new();
}

static inline void rig_release(struct rig *r)
{
    http_request_release(&r->req);
    verifier_free(r->v);
    provider_table_free(r->table);
    problems_release(&r->problems);
    arena_release(&r->arena);
}

static inline const struct provider *rig_provider(struct rig *r, const char *id)
{
    const char *nearest;
    const struct provider *p = provider_find(r->table, str_from_cstr(id), &nearest);
    if (!p)
        FAIL("no provider %s", id);
    return p;
}

/* The secret of the first case among the provider's vectors; STR_NONE when it has none. */
static inline str rig_secret(struct rig *r, str id)
{
    static const char *const ends[] = {"-made", ""};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char path[200];
        str text;
        struct reason why;
        snprintf(path, sizeof(path), "tests/vectors/" STR_FMT "%s.yaml", STR_ARG(id), ends[i]);
        if (fs_read(&r->arena, unit_source_path(path), 1u << 20, &text, &why) != ERR_OK)
            continue;
        const struct yaml *file = yaml_parse(&r->arena, id, text, &why);
        const struct yaml *cases = file ? yaml_get(file, STR("cases")) : NULL;
        const struct yaml *secret = cases ? yaml_get(cases->first, STR("secret")) : NULL;
        if (secret)
            return secret->scalar;
    }
    return STR_NONE;
}

/* Adds a provider file; NULL with problems. */
static inline struct provider *rig_add(struct rig *r, const char *text)
{
    struct reason why;
    const struct yaml *file = yaml_parse(&r->arena, STR("test.yaml"), str_from_cstr(text), &why);
    if (!file)
        FAIL("%s", why.text);
    return provider_table_add(r->table, file, &r->problems);
}

static inline void rig_verifier(struct rig *r, const struct verifier_options *o)
{
    verifier_free(r->v);
    r->v = verifier_new(o, NULL, &r->problems);
    if (!r->v)
        FAIL("no verifier: %s", r->problems.count ? r->problems.v[0].text : "no problem given");
}

/* No verifier is made of these, and the first problem says `part`. */
static inline void rig_refuses(struct rig *r, const struct verifier_options *o, const char *part)
{
    size_t before = r->problems.count;
    if (verifier_new(o, NULL, &r->problems))
        FAIL("a verifier was made; expected: %s", part);
    EXPECT(r->problems.count > before);
    EXPECT_HAS(r->problems.v[before].text, part);
}

/* A verifier of a provider with one secret. */
static inline void rig_use(struct rig *r, const char *id, const char *secret)
{
    str s = str_from_cstr(secret);
    rig_verifier(r, &(struct verifier_options){
                        .provider = rig_provider(r, id), .secrets = &s, .secret_count = 1});
}

static inline void rig_request(struct rig *r, str body)
{
    http_request_release(&r->req);
    r->req = (struct http_request){.method = STR("POST"),
                                   .target = STR("/in/x"),
                                   .path = STR("/in/x"),
                                   .query = STR(""),
                                   .host = STR("hooks.example.org"),
                                   .fields = {r->fields, 0},
                                   .body = body,
                                   .peer = STR("203.0.113.9"),
                                   .received_ms = RIG_NOW_MS,
                                   .arena = &r->arena};
}

static inline void rig_field(struct rig *r, const char *name, str value)
{
    assert(r->req.fields.count < RIG_FIELDS_MAX);
    r->fields[r->req.fields.count++] = (struct http_field){str_from_cstr(name), value};
}

/* Replaces the value of a field that is there. */
static inline void rig_set(struct rig *r, const char *name, str value)
{
    for (size_t i = 0; i < r->req.fields.count; i++)
        if (str_eq_nocase(r->fields[i].name, str_from_cstr(name))) {
            r->fields[i].value = value;
            return;
        }
    FAIL("no field %s", name);
}

static inline void rig_drop(struct rig *r, const char *name)
{
    for (size_t i = 0; i < r->req.fields.count; i++)
        if (str_eq_nocase(r->fields[i].name, str_from_cstr(name))) {
            r->fields[i] = r->fields[--r->req.fields.count];
            return;
        }
    FAIL("no field %s", name);
}

/* The code of the verdict at that moment. */
static inline enum verdict_code rig_check_at(struct rig *r, int64_t now_ms)
{
    verifier_check(r->v, &r->req, now_ms, &r->verdict);
    return r->verdict.code;
}

static inline enum verdict_code rig_check(struct rig *r)
{
    return rig_check_at(r, RIG_NOW_MS);
}

/* Puts the fields that the provider would send into the request. */
static inline void rig_sign_with(struct rig *r, const struct provider *p, const char *secret,
                                 const struct signature_input *in)
{
    struct http_field out[SIGN_FIELDS_MAX];
    struct reason why;
    size_t count;
    EXPECT_OK(sign_request(p, str_from_cstr(secret), in, &r->arena, out, &count, &why), why);
    for (size_t i = 0; i < count; i++)
        r->fields[r->req.fields.count++] = out[i];
}

/* Every option that a source must give, with its example. */
#define RIG_OPTIONS_MAX 8
struct rig_options {
    str keys[RIG_OPTIONS_MAX], values[RIG_OPTIONS_MAX];
    size_t count;
};

static inline struct rig_options rig_options(const struct provider *p)
{
    struct rig_options out = {.count = 0};
    size_t count;
    const struct provider_option *v = provider_options(p, &count);
    for (size_t i = 0; i < count; i++)
        if (v[i].required) {
            EXPECT(out.count < RIG_OPTIONS_MAX);
            out.keys[out.count] = v[i].name;
            out.values[out.count++] = v[i].initial;
        }
    return out;
}

/* False when the provider's signature cannot be made of this request. */
static inline bool rig_try_sign(struct rig *r, const struct provider *p, str secret)
{
    struct http_field out[SIGN_FIELDS_MAX];
    struct reason why;
    size_t count;
    struct rig_options o = rig_options(p);
    struct signature_input in = {.method = STR("POST"),
                                 .url = STR("https://hooks.example.org/in/x"),
                                 .id = STR("msg_1"),
                                 .event_type = STR("push"),
                                 .now_ms = RIG_NOW_MS,
                                 .config_keys = o.keys,
                                 .config_values = o.values,
                                 .config_count = o.count,
                                 .body = r->req.body};
    if (sign_request(p, secret, &in, &r->arena, out, &count, &why) != ERR_OK)
        return false;
    for (size_t i = 0; i < count; i++)
        r->fields[r->req.fields.count++] = out[i];
    return true;
}

static inline void rig_sign(struct rig *r, const char *id, const char *secret)
{
    struct signature_input in = {.method = STR("POST"),
                                 .url = STR("https://hooks.example.org/in/x"),
                                 .id = STR("msg_1"),
                                 .event_type = STR("push"),
                                 .now_ms = RIG_NOW_MS,
                                 .body = r->req.body};
    rig_sign_with(r, rig_provider(r, id), secret, &in);
}

#define EXPECT_VERDICT(rig, expected)                                                              \
    do {                                                                                           \
        enum verdict_code rig_code_ = rig_check(rig);                                              \
        if (rig_code_ != (expected))                                                               \
            FAIL("verdict %s, not %s: %s", verdict_word(rig_code_), verdict_word(expected),        \
                 (rig)->verdict.text);                                                             \
    } while (0)

#endif
