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
    str name, secret, other_secret, body;
    int64_t now_ms;
    str option_keys[16], option_values[16];
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
    v->other_secret = text_of(node, "other-secret", "");
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

/* What lies at the URLs that a case gives under `keys`. */
static enum key_state keys_of_case(void *arg, const struct key_wish *wish, struct arena *a,
                                   str *doc, uint64_t *version)
{
    const struct yaml *keys = yaml_get(((const struct vector *)arg)->node, STR("keys"));
    const struct yaml *found = keys ? yaml_get(keys, wish->url) : NULL;
    if (!found || wish->not_inside)
        return KEY_REFUSED;
    *version = 1;
    if (wish->known != *version)
        *doc = arena_str(a, found->scalar);
    return KEY_HERE;
}

static void use_secrets(struct rig *r, const struct vector *v, const str *secrets, size_t count)
{
    str url = text_of(v->node, "url", "");
    url = str_slice(url, 0, str_find_str(url, STR("/in/")));
    struct key_source *keys = ARENA_NEW(&r->arena, struct key_source);
    *keys = (struct key_source){keys_of_case, (void *)(uintptr_t)v};
    rig_verifier(r, &(struct verifier_options){.provider = v->provider,
                                               .secrets = secrets,
                                               .secret_count = v->secret.n ? count : 0,
                                               .keys = keys,
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
    r->req.method = text_of(v->node, "method", "POST");
    r->req.query = r->req.target;
    r->req.path = str_cut(&r->req.query, '?');
    if (!r->req.query.p)
        r->req.query = STR("");
    r->req.peer = text_of(v->node, "peer", "203.0.113.9");
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
            http_request_release(&r.req);
            verifier_free(r.v);
            r.v = NULL;
            arena_reset(&r.arena);
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
    EXPECT_EQ_INT(r->verdict.secret_index, v->secret.n ? 0 : -1);
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
static str spoil_secret(struct rig *r, const struct vector *v)
{
    if (v->other_secret.n)
        return v->other_secret;
    char *other = arena_cstr(&r->arena, v->secret);
    size_t at = v->secret.n / 2;
    other[at] = other[at] == '1' ? '2' : '1';
    return str_of(other, v->secret.n);
}

static void refuses_wrong_secret(struct rig *r, const struct vector *v)
{
    str wrong = spoil_secret(r, v);
    if (v->secret.n < 3)
        return; /* a one-letter key in hex cannot be spoilt so simply */
    use_secrets(r, v, &wrong, 1);
    fill_request(r, v);
    bool credential = v->provider->recipe->alternative_count == 1 &&
                      v->provider->recipe->alternatives[0].ops->is_credential;
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

/* What the references of s are looked up in: with `each`, the first item. */
static struct view view_of(struct rig *r, const struct scheme *s)
{
    struct view w = {.req = &r->req, .arena = &r->arena};
    const struct json *list;
    if (s->has_each && json_walk(&r->arena, http_request_json(&r->req), s->each, &list) == PRESENT)
        w.item = json_at(list, 0);
    return w;
}

/* The reference of s at which this request has a signature; NULL: none. */
static const struct ref *place_in(struct rig *r, const struct scheme *s)
{
    struct view w = view_of(r, s);
    for (size_t i = 0; i < s->signature.from_count; i++) {
        str value;
        if (view_get(&w, &s->signature.from[i], &value) == PRESENT && value.n)
            return &s->signature.from[i];
    }
    return NULL;
}

static bool applies(struct rig *r, const struct scheme *s)
{
    struct view w = view_of(r, s);
    for (size_t i = 0; i < s->when_count; i++)
        if (!condition_holds(&s->when[i], &w))
            return false;
    return true;
}

/* The provider's data with the options of the case put in. */
static const struct recipe *recipe_of(struct rig *r, const struct vector *v)
{
    if (!v->option_count)
        return v->provider->recipe;
    struct option_values given = {v->option_keys, v->option_values, v->option_count};
    const struct yaml *file = options_apply(&r->arena, v->provider->file, v->provider->options,
                                            v->provider->option_count, &given, NULL, &r->problems);
    const struct recipe *recipe = file ? recipe_compile(&r->arena, file, &r->problems) : NULL;
    if (!recipe)
        FAIL("%s: " STR_FMT ": the options are wrong", v->file, STR_ARG(v->name));
    return recipe;
}

/* The scheme of the provider whose signature is in the request as it was filled. */
static const struct scheme *scheme_of(struct rig *r, const struct vector *v)
{
    const struct recipe *recipe = recipe_of(r, v);
    for (size_t i = 0; i < recipe->alternative_count; i++)
        if (applies(r, &recipe->alternatives[i]) && place_in(r, &recipe->alternatives[i]))
            return &recipe->alternatives[i];
    FAIL("%s: " STR_FMT ": there is no signature in it", v->file, STR_ARG(v->name));
}

static bool is_in_body(const struct ref *place)
{
    return place->kind != REF_HEADER && place->kind != REF_QUERY;
}

/* With several alternatives, which of them tells why is not what is tested here. */
static int code_of(const struct vector *v, enum verdict_code code)
{
    return v->provider->recipe->alternative_count > 1 ? -1 : (int)code;
}

/* Whether every byte of the body counts: not where its blanks do not, or only some members do. */
static bool signs_every_byte(const struct scheme *s)
{
    for (size_t i = 0; i < s->signed_text.count; i++) {
        const struct piece *piece = &s->signed_text.v[i];
        if (piece->is_ref && piece->ref.kind == REF_BODY &&
            !(piece->filter_count && str_starts(piece->filters[0], STR("json-")) &&
              !str_eq(piece->filters[0], STR("json-string"))))
            return true;
    }
    return false;
}

/* Where only some of the body is signed, some of the changes must be refused. */
static void refuses_some_changes(struct rig *r, const struct vector *v)
{
    size_t refused = 0;
    char *body = arena_cstr(&r->arena, v->body);
    for (size_t i = 0; i < v->body.n; i++) {
        fill_request(r, v);
        body[i] ^= 1;
        r->req.body = str_of(body, v->body.n);
        refused += rig_check_at(r, v->now_ms) != VERDICT_VERIFIED;
        body[i] ^= 1;
    }
    if (!refused)
        FAIL("%s: " STR_FMT ": any byte of the body can be changed", v->file, STR_ARG(v->name));
}

static void refuses_other_body(struct rig *r, const struct vector *v)
{
    use_secrets(r, v, &v->secret, 1);
    fill_request(r, v);
    const struct scheme *s = scheme_of(r, v);
    const struct ref *place = place_in(r, s);
    if (s->ops->is_credential)
        return;
    if (is_in_body(place) || !signs_every_byte(s)) {
        if (!yaml_get(v->node, STR("body-unsigned")))
            refuses_some_changes(r, v);
        return;
    }
    bool time_in_body =
        s->has_timestamp && is_in_body(&s->timestamp.from) && s->timestamp.from.kind != REF_FIELD;
    int code = time_in_body ? -1 : code_of(v, VERDICT_MISMATCH);
    char *body = arena_alloc(&r->arena, v->body.n + 1);
    for (size_t i = 0; i < v->body.n; i++) {
        memcpy(body, v->body.p, v->body.n);
        body[i] ^= 1;
        fill_request(r, v);
        r->req.body = str_of(body, v->body.n);
        expect_code(r, v, "one bit of the body changed", v->now_ms, false, code);
    }
    memcpy(body, v->body.p, v->body.n);
    body[v->body.n] = '\n';
    fill_request(r, v);
    r->req.body = str_of(body, v->body.n + 1);
    expect_code(r, v, "a byte more", v->now_ms, false, code);
    if (v->body.n) {
        fill_request(r, v);
        r->req.body = str_of(body, v->body.n - 1);
        expect_code(r, v, "a byte less", v->now_ms, false, code);
    }
}

void test_vectors_with_changed_body_are_refused(void)
{
    each_vector(refuses_other_body);
}

/* text with its only `old` replaced; STR_NONE when it is not there. */
static str replaced(struct rig *r, str text, str old, str new)
{
    size_t at = str_find_str(text, old);
    if (at == text.n)
        return STR_NONE;
    return arena_printf(&r->arena, STR_FMT STR_FMT STR_FMT, STR_ARG(str_slice(text, 0, at)),
                        STR_ARG(new), STR_ARG(str_slice(text, at + old.n, text.n)));
}

/* Puts another signature where that of the case is, in a header, the query or the body; false when
 * it is written there in a way that cannot be found by looking. */
static bool put_signature(struct rig *r, const struct vector *v, const struct scheme *s,
                          const struct ref *place, str value)
{
    str now;
    fill_request(r, v);
    struct view w = view_of(r, s);
    if (place->kind == REF_HEADER) {
        rig_set(r, arena_cstr(&r->arena, place->arg), value);
        return true;
    }
    EXPECT(view_get(&w, place, &now) == PRESENT);
    str old = now, new = value;
    str in = place->kind == REF_QUERY ? r->req.query : r->req.body;
    if (str_find_str(in, old) == in.n) {
        old = template_filter_builtin(STR("url"), now, &r->arena);
        new = template_filter_builtin(STR("url"), value, &r->arena);
    }
    str changed = replaced(r, in, old, new);
    if (!changed.p)
        return false;
    fill_request(r, v); /* what was looked up in the request so far is not to be remembered */
    if (place->kind == REF_QUERY)
        r->req.target =
            arena_printf(&r->arena, STR_FMT "?" STR_FMT, STR_ARG(r->req.path), STR_ARG(changed));
    *(place->kind == REF_QUERY ? &r->req.query : &r->req.body) = changed;
    return true;
}

static str signature_of(struct rig *r, const struct vector *v, const struct scheme *s,
                        const struct ref *place)
{
    str value = STR_NONE;
    fill_request(r, v);
    struct view w = view_of(r, s);
    EXPECT(view_get(&w, place, &value) == PRESENT && value.n > 0);
    return value;
}

/* CVE-2024-21491, RUSTSEC-2024-0010, GHSA-747x-5m58-mq97: a cut signature was accepted. */
static void refuses_cut_signature(struct rig *r, const struct vector *v)
{
    use_secrets(r, v, &v->secret, 1);
    fill_request(r, v);
    const struct scheme *s = scheme_of(r, v);
    const struct ref *place = place_in(r, s);
    str value = signature_of(r, v, s, place);
    for (size_t n = 0; n < value.n; n++) {
        str cut = str_slice(value, 0, n), rest = cut;
        /* Where several are sent, an earlier one may still be whole. */
        size_t fields = 0;
        for (; s->signature.fields.separator && rest.p; fields++)
            UNUSED(str_cut(&rest, s->signature.fields.separator));
        if (fields > 1u + (s->timestamp.from.kind == REF_FIELD))
            break;
        /* Among parts without names the first one may be it, and what follows something else. */
        if (s->signature.fields.separator && !s->signature.fields.assign && !s->has_timestamp &&
            n >= str_find(value, s->signature.fields.separator))
            break;
        if (put_signature(r, v, s, place, cut))
            expect_code(r, v, "signature cut", v->now_ms, false, n ? -1 : VERDICT_NO_SIGNATURE);
    }
    /* Alone, "=" may be the padding that base64url leaves out. */
    static const char *const more[] = {"0", "A", "%00", "a=", ",v1,", "==="};
    for (size_t i = 0; i < ARRAY_LEN(more) && !s->signature.fields.separator; i++)
        if (put_signature(r, v, s, place,
                          arena_printf(&r->arena, STR_FMT "%s", STR_ARG(value), more[i])))
            expect_code(r, v, "signature longer", v->now_ms, false, -1);
}

void test_vectors_cve_2024_21491_cut_signatures_are_refused(void)
{
    each_vector(refuses_cut_signature);
}

/* One header field missing, doubled and empty: refused, each for the reason that it is. */
static void refuses_without(struct rig *r, const struct vector *v, str header, int missing)
{
    char *name = arena_cstr(&r->arena, header);
    fill_request(r, v);
    rig_drop(r, name);
    expect_code(r, v, "header missing", v->now_ms, false, missing);
    if (v->provider->recipe->alternative_count == 1)
        EXPECT_HAS(r->verdict.text, name);
    fill_request(r, v);
    rig_field(r, name, http_field_get(&r->req.fields, header));
    expect_code(r, v, "header doubled", v->now_ms, false, code_of(v, VERDICT_DOUBLE_SIGNATURE));
    fill_request(r, v);
    rig_set(r, name, STR(""));
    expect_code(r, v, "header empty", v->now_ms, false, missing);
}

static void refuses_missing_or_doubled(struct rig *r, const struct vector *v)
{
    use_secrets(r, v, &v->secret, 1);
    fill_request(r, v);
    const struct scheme *s = scheme_of(r, v);
    const struct ref *place = place_in(r, s);
    if (place->kind == REF_HEADER)
        refuses_without(r, v, place->arg, VERDICT_NO_SIGNATURE);
    if (s->has_id && s->id.kind == REF_HEADER)
        refuses_without(r, v, s->id.arg, -1);
    if (s->has_timestamp && s->timestamp.from.kind == REF_HEADER)
        refuses_without(r, v, s->timestamp.from.arg, -1);
    if (place->kind == REF_QUERY) {
        fill_request(r, v);
        r->req.query = arena_printf(&r->arena, STR_FMT "&" STR_FMT, STR_ARG(r->req.query),
                                    STR_ARG(r->req.query));
        expect_code(r, v, "parameter doubled", v->now_ms, false, VERDICT_DOUBLE_SIGNATURE);
    }
    for (size_t i = 0; i < s->signed_text.count; i++) {
        const struct piece *piece = &s->signed_text.v[i];
        if (!piece->is_ref || piece->optional || piece->ref.kind != REF_HEADER)
            continue;
        fill_request(r, v);
        rig_drop(r, arena_cstr(&r->arena, piece->ref.arg));
        expect_code(r, v, "signed header missing", v->now_ms, false, -1);
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
    int64_t ts = r->verdict.timestamp_ms;
    if (!ts)
        return;
    int64_t most = scheme_of(r, v)->timestamp.tolerance_ms;
    const struct {
        int64_t off;
        bool accepted;
    } cases[] = {{most - 1000, true}, {most, true}, {most + 1000, false}, {172800000, false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int sign = -1; sign <= 1; sign += 2)
            expect_code(r, v, sign < 0 ? "from the future" : "late", ts + sign * cases[i].off,
                        cases[i].accepted,
                        cases[i].accepted ? VERDICT_VERIFIED : code_of(v, VERDICT_STALE));
    expect_code(r, v, "a millisecond too late", ts + most + 1, false, code_of(v, VERDICT_STALE));
    expect_code(r, v, "at the end of time", INT64_MAX / 2, false, code_of(v, VERDICT_STALE));
}

void test_vectors_are_accepted_within_the_tolerance_on_both_sides(void)
{
    each_vector(judges_the_clock);
}

/* What nobody has made a request for is not proven. */
void test_vectors_exist_for_every_provider(void)
{
    struct rig r;
    str *ids;
    rig_init(&r);
    size_t count = provider_ids(r.table, &r.arena, &ids);
    for (size_t i = 0; i < count; i++)
        if (provider_needs_secret(provider_find(r.table, ids[i], NULL)) &&
            !rig_secret(&r, ids[i]).p)
            FAIL("there is no tests/vectors/" STR_FMT ".yaml", STR_ARG(ids[i]));
    rig_release(&r);
}
