/* Every file of tests/vectors: what providers publish, and what an independent implementation made.
 * Each accepted request is then spoilt in every way that an attacker or a proxy could think of,
 * with what the provider's own data says about where its signature and timestamp are. */
#include "rig.h"

#include "base/fs.h"
#include "verify/scheme.h"

#include <dirent.h>

struct vector {
    const struct provider *provider;
    const struct yaml *node;
    const char *file;
    str name, secret, body;
    int64_t now_ms;
    str option_keys[8], option_values[8];
    size_t option_count;
};

static str text_of(const struct yaml *map, const char *key, const char *initial)
{
    const struct yaml *node = yaml_get(map, str_from_cstr(key));
    return node ? node->scalar : str_from_cstr(initial);
}

static void read_vector(struct rig *r, struct vector *v, const struct yaml *file,
                        const struct yaml *node)
{
    v->provider = rig_provider(r, arena_cstr(&r->arena, text_of(file, "provider", "")));
    v->node = node;
    v->name = text_of(node, "name", "");
    v->secret = text_of(node, "secret", "");
    v->body = text_of(node, "body", "");
    v->option_count = 0;
    EXPECT(str_to_i64(text_of(node, "now", "1795443390000"), &v->now_ms));
    const struct yaml *options = yaml_get(node, STR("options"));
    for (const struct yaml *o = options ? options->first : NULL; o; o = o->next) {
        EXPECT(v->option_count < ARRAY_LEN(v->option_keys));
        v->option_keys[v->option_count] = o->key;
        v->option_values[v->option_count++] = o->scalar;
    }
}

static void use_secrets(struct rig *r, const struct vector *v, const str *secrets, size_t count)
{
    str url = text_of(v->node, "url", "");
    url = str_slice(url, 0, str_find_str(url, STR("/in/")));
    rig_verifier(r, &(struct verifier_options){.provider = v->provider,
                                               .secrets = secrets,
                                               .secret_count = count,
                                               .public_url = url,
                                               .config_keys = v->option_keys,
                                               .config_values = v->option_values,
                                               .config_count = v->option_count});
}

static void fill_request(struct rig *r, const struct vector *v)
{
    rig_request(r, v->body);
    str url = text_of(v->node, "url", "");
    if (url.n)
        r->req.target = str_slice(url, str_find_str(url, STR("/in/")), url.n);
    for (const struct yaml *h = yaml_get(v->node, STR("headers"))->first; h; h = h->next)
        rig_field(r, arena_cstr(&r->arena, h->key), h->scalar);
}

/* The names of the test's file and case in front of what went wrong. */
static void expect_code(struct rig *r, const struct vector *v, const char *what, int64_t now_ms,
                        bool accepted, int code)
{
    enum verdict_code got = rig_check_at(r, now_ms);
    if ((got == VERDICT_VERIFIED) != accepted || (code >= 0 && got != (enum verdict_code)code))
        FAIL("%s: " STR_FMT ": %s: %s: %s", v->file, STR_ARG(v->name), what, verdict_word(got),
             r->verdict.text);
    str said = str_from_cstr(r->verdict.text);
    EXPECT(v->secret.n < 6 || str_find_str(said, v->secret) == said.n);
    EXPECT(said.n > 20);
}

typedef void vector_fn(struct rig *r, const struct vector *v);

static void each_vector(vector_fn *fn)
{
    struct rig r;
    struct dirent **names;
    struct vector v;
    size_t count = 0;
    rig_init(&r);
    int n = scandir(unit_source_path("tests/vectors"), &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char relative[300];
        str text;
        struct reason why;
        snprintf(relative, sizeof(relative), "tests/vectors/%s", names[i]->d_name);
        if (str_ends(str_from_cstr(relative), STR(".yaml"))) {
            EXPECT_OK(fs_read(&r.arena, unit_source_path(relative), 1u << 20, &text, &why), why);
            const struct yaml *file =
                yaml_parse(&r.arena, str_from_cstr(names[i]->d_name), text, &why);
            if (!file)
                FAIL("%s", why.text);
            v.file = names[i]->d_name;
            for (const struct yaml *c = yaml_get(file, STR("cases"))->first; c; c = c->next) {
                read_vector(&r, &v, file, c);
                fn(&r, &v);
                count++;
            }
        }
        free(names[i]);
    }
    free(names);
    EXPECT(count >= 40);
    rig_release(&r);
}

static void accepts(struct rig *r, const struct vector *v)
{
    use_secrets(r, v, &v->secret, 1);
    fill_request(r, v);
    expect_code(r, v, "as it is", v->now_ms, true, VERDICT_VERIFIED);
    EXPECT_EQ_INT(r->verdict.secret_index, 0);
    expect_code(r, v, "a second time", v->now_ms, true, VERDICT_VERIFIED);
    str id = text_of(v->node, "delivery-id", ""), type = text_of(v->node, "event-type", "");
    if (id.n)
        EXPECT_EQ_STR(r->verdict.delivery_id, id);
    if (type.n)
        EXPECT_EQ_STR(r->verdict.event_type, type);
}

void test_vectors_are_accepted(void)
{
    each_vector(accepts);
}

/* A secret of the same form that is another one. */
static str spoil_secret(struct rig *r, str secret)
{
    char *other = arena_cstr(&r->arena, secret);
    other[secret.n / 2] = other[secret.n / 2] == '1' ? '2' : '1';
    return str_of(other, secret.n);
}

static void refuses_wrong_secret(struct rig *r, const struct vector *v)
{
    str wrong = spoil_secret(r, v->secret);
    if (v->secret.n < 3)
        return; /* a one-letter key in hex cannot be spoilt so simply */
    use_secrets(r, v, &wrong, 1);
    fill_request(r, v);
    bool credential = v->provider->recipe->alternatives[0].ops->is_credential;
    expect_code(r, v, "wrong secret", v->now_ms, false, credential ? VERDICT_BAD_CREDENTIALS : -1);
    str both[] = {wrong, v->secret};
    use_secrets(r, v, both, 2);
    expect_code(r, v, "second of two secrets", v->now_ms, true, VERDICT_VERIFIED);
    EXPECT_EQ_INT(r->verdict.secret_index, 1);
    EXPECT_HAS(r->verdict.text, "secret 2 of 2");
}

void test_vectors_with_wrong_secret_are_refused(void)
{
    each_vector(refuses_wrong_secret);
}

/* The scheme of the provider whose signature is in this request. */
static const struct scheme *scheme_of(struct rig *r, const struct vector *v)
{
    const struct recipe *recipe = v->provider->recipe;
    for (size_t i = 0; i < recipe->alternative_count; i++)
        if (http_field_get(&r->req.fields, recipe->alternatives[i].signature.from[0].arg).p)
            return &recipe->alternatives[i];
    return &recipe->alternatives[0]; /* its header is an option */
}

static void refuses_other_body(struct rig *r, const struct vector *v)
{
    use_secrets(r, v, &v->secret, 1);
    fill_request(r, v);
    if (scheme_of(r, v)->ops->is_credential)
        return;
    char *body = arena_alloc(&r->arena, v->body.n + 1);
    for (size_t i = 0; i < v->body.n; i++) {
        memcpy(body, v->body.p, v->body.n);
        body[i] ^= 1;
        fill_request(r, v);
        r->req.body = str_of(body, v->body.n);
        expect_code(r, v, "one bit of the body changed", v->now_ms, false, VERDICT_MISMATCH);
    }
    memcpy(body, v->body.p, v->body.n);
    body[v->body.n] = '\n';
    r->req.body = str_of(body, v->body.n + 1);
    expect_code(r, v, "a byte more", v->now_ms, false, VERDICT_MISMATCH);
    if (v->body.n) {
        r->req.body = str_of(body, v->body.n - 1);
        expect_code(r, v, "a byte less", v->now_ms, false, VERDICT_MISMATCH);
    }
}

void test_vectors_with_changed_body_are_refused(void)
{
    each_vector(refuses_other_body);
}

static str signature_name(struct rig *r, const struct vector *v)
{
    for (size_t i = 0; i < v->option_count; i++)
        if (str_eq(v->option_keys[i], STR("header")))
            return v->option_values[i];
    return scheme_of(r, v)->signature.from[0].arg;
}

/* CVE-2024-21491, RUSTSEC-2024-0010, GHSA-747x-5m58-mq97: a cut signature was accepted. */
static void refuses_cut_signature(struct rig *r, const struct vector *v)
{
    use_secrets(r, v, &v->secret, 1);
    fill_request(r, v);
    const struct scheme *s = scheme_of(r, v);
    char *name = arena_cstr(&r->arena, signature_name(r, v));
    str value = http_field_get(&r->req.fields, str_from_cstr(name));
    EXPECT(value.n > 0);
    for (size_t n = 0; n < value.n; n++) {
        str cut = str_slice(value, 0, n), rest = cut;
        /* Where several are sent, an earlier one may still be whole. */
        size_t fields = 0;
        for (; s->signature.fields.separator && rest.p; fields++)
            UNUSED(str_cut(&rest, s->signature.fields.separator));
        if (fields > 1u + (s->timestamp.from.kind == REF_FIELD))
            break;
        rig_set(r, name, cut);
        expect_code(r, v, "signature cut", v->now_ms, false, n ? -1 : VERDICT_NO_SIGNATURE);
    }
    /* Alone, "=" may be the padding that base64url leaves out. */
    static const char *const more[] = {"0", "A", "%00", "a=", ",v1,", "==="};
    for (size_t i = 0; i < ARRAY_LEN(more) && !s->signature.fields.separator; i++) {
        rig_set(r, name, arena_printf(&r->arena, STR_FMT "%s", STR_ARG(value), more[i]));
        expect_code(r, v, "signature longer", v->now_ms, false, -1);
    }
}

void test_vectors_cve_2024_21491_cut_signatures_are_refused(void)
{
    each_vector(refuses_cut_signature);
}

static void refuses_missing_or_doubled(struct rig *r, const struct vector *v)
{
    use_secrets(r, v, &v->secret, 1);
    fill_request(r, v);
    const struct scheme *s = scheme_of(r, v);
    str needed[3] = {signature_name(r, v), STR_NONE, STR_NONE};
    if (s->has_id)
        needed[1] = s->id.arg;
    if (s->has_timestamp && s->timestamp.from.kind == REF_HEADER)
        needed[2] = s->timestamp.from.arg;
    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        if (!needed[i].p)
            continue;
        char *name = arena_cstr(&r->arena, needed[i]);
        fill_request(r, v);
        rig_drop(r, name);
        expect_code(r, v, "header missing", v->now_ms, false, i ? -1 : VERDICT_NO_SIGNATURE);
        EXPECT_HAS(r->verdict.text, name);
        fill_request(r, v);
        rig_field(r, name, http_field_get(&r->req.fields, needed[i]));
        expect_code(r, v, "header doubled", v->now_ms, false, VERDICT_DOUBLE_SIGNATURE);
        fill_request(r, v);
        rig_set(r, name, STR(""));
        expect_code(r, v, "header empty", v->now_ms, false, i ? -1 : VERDICT_NO_SIGNATURE);
    }
}

void test_vectors_with_missing_or_doubled_headers_are_refused(void)
{
    each_vector(refuses_missing_or_doubled);
}

static void judges_the_clock(struct rig *r, const struct vector *v)
{
    use_secrets(r, v, &v->secret, 1);
    fill_request(r, v);
    expect_code(r, v, "in time", v->now_ms, true, VERDICT_VERIFIED);
    if (!r->verdict.timestamp_ms)
        return;
    int64_t ts = r->verdict.timestamp_ms;
    static const struct {
        int64_t s;
        bool accepted;
    } cases[] = {{299, true}, {300, true}, {301, false}, {86400, false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int sign = -1; sign <= 1; sign += 2)
            expect_code(r, v, sign < 0 ? "from the future" : "late", ts + sign * cases[i].s * 1000,
                        cases[i].accepted, cases[i].accepted ? VERDICT_VERIFIED : VERDICT_STALE);
    expect_code(r, v, "a millisecond too late", ts + 300001, false, VERDICT_STALE);
    expect_code(r, v, "at the end of time", INT64_MAX / 2, false, VERDICT_STALE);
}

void test_vectors_are_accepted_within_300_s_on_both_sides(void)
{
    each_vector(judges_the_clock);
}
