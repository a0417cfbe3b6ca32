/* The files of presets/providers, and what the reader of such files refuses. */
#include "rig.h"

#include "base/fs.h"

#include <sys/stat.h>

void test_provider_presets_are_all_there(void)
{
    struct rig r;
    str *ids;
    rig_init(&r);
    size_t count = provider_ids(r.table, &r.arena, &ids);
    EXPECT(count >= 270);
    for (size_t i = 0; i < count; i++) {
        char path[200];
        const struct provider *p = provider_find(r.table, ids[i], NULL);
        const struct provider_facts *f = provider_facts(p);
        bool open = str_eq(ids[i], STR("none")) || str_eq(ids[i], STR("ip"));
        EXPECT_EQ_STR(provider_id(p), ids[i]);
        EXPECT(provider_title(p).n > 0);
        EXPECT_EQ_INT(provider_authenticates(p), !open);
        if (!open && (!f->verified_by.n || !f->evidence.n))
            FAIL(STR_FMT ": how sure are we, and what supports it?", STR_ARG(ids[i]));
        snprintf(path, sizeof(path), "presets/providers/" STR_FMT ".yaml", STR_ARG(ids[i]));
        EXPECT(fs_exists(unit_source_path(path)));
    }
    rig_release(&r);
}

void test_provider_extends_one_of_ours(void)
{
    struct rig r;
    rig_init(&r);
    struct provider *p = rig_add(&r, "id: mine\ntitle: Mine\nextends: github\n"
                                     "event-type: .kind\nretries: thrice\ndeadline: 10s\n"
                                     "setup: [ \"Ask them.\" ]\n");
    if (!p)
        FAIL("%s", r.problems.v[0].text);
    EXPECT_STR(provider_title(p), "Mine");
    EXPECT_STR(provider_facts(p)->verified_by, "");
    EXPECT_STR(provider_facts(p)->docs, "");
    EXPECT_STR(provider_facts(p)->retries, "thrice");
    EXPECT_EQ_INT(provider_facts(p)->deadline_ms, 10000);
    EXPECT_EQ_INT(provider_facts(p)->setup_count, 1);
    str secret = STR("s3cr3t");
    rig_verifier(&r,
                 &(struct verifier_options){.provider = p, .secrets = &secret, .secret_count = 1});
    rig_request(&r, STR("{\"kind\":\"made\"}"));
    rig_sign(&r, "github", "s3cr3t");
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    EXPECT_STR(r.verdict.delivery_id, "msg_1");
    EXPECT_STR(r.verdict.event_type, "made");
    EXPECT(rig_add(&r, "id: a\ntitle: A\nextends: githbu\n") == NULL);
    EXPECT_HAS(r.problems.v[r.problems.count - 1].text, "not the id of one of Gaff's own");
    rig_release(&r);
}

void test_provider_find_suggests(void)
{
    struct rig r;
    rig_init(&r);
    const char *nearest;
    EXPECT(provider_find(r.table, STR("githbu"), &nearest) == NULL);
    EXPECT_CSTR(nearest, "github");
    EXPECT(provider_find(r.table, STR("zzzzzzzzzz"), &nearest) == NULL);
    EXPECT(nearest == NULL);
    EXPECT(provider_find(r.table, STR("stripe"), NULL) != NULL);
    rig_release(&r);
}

/* A whole file around a `verify:` block. */
#define FILE_OF(verify) "id: mine\ntitle: Mine\nverify: " verify "\n"
#define SIG "signature: { from: \"header:X-S\", encoding: hex }"

static void expect_problem(const char *text, const char *part)
{
    struct rig r;
    rig_init(&r);
    if (rig_add(&r, text))
        FAIL("accepted: %s", text);
    EXPECT(r.problems.errors > 0);
    for (size_t i = 0; i < r.problems.count; i++)
        if (strstr(r.problems.v[i].text, part)) {
            rig_release(&r);
            return;
        }
    FAIL("\"%s\" is not in: %s", part, r.problems.v[0].text);
}

void test_provider_refuses_unknown_keys_with_a_suggestion(void)
{
    expect_problem("id: mine\ntitle: M\nverfy: { scheme: none }\n", "did you mean \"verify\"");
    expect_problem(FILE_OF("{ scheme: hmac, hsh: sha256, " SIG ", signed: \"{{ body }}\" }"),
                   "did you mean \"hash\"");
    expect_problem(FILE_OF("{ scheme: hmac, hash: sha265, " SIG ", signed: \"{{ body }}\" }"),
                   "sha256");
    expect_problem(FILE_OF("{ scheme: hmca }"), "did you mean \"hmac\"");
    expect_problem(FILE_OF("{ scheme: basic, signature: { from: \"header:X\" } }"), "signature");
    expect_problem(FILE_OF("{ scheme: none, signed: x }"), "signed");
}

void test_provider_refuses_what_is_incomplete(void)
{
    expect_problem("id: mine\ntitle: M\n", "\"verify\" is missing");
    expect_problem("title: M\nverify: { scheme: none }\n", "\"id\" must be");
    expect_problem("id: Mine!\ntitle: M\nverify: { scheme: none }\n", "\"id\" must be");
    expect_problem("id: mine\nverify: { scheme: none }\n", "\"title\" is missing");
    expect_problem(FILE_OF("{ hash: sha256 }"), "\"scheme\" is missing");
    expect_problem(FILE_OF("{ scheme: hmac, hash: sha256, signed: \"{{ body }}\" }"),
                   "\"signature\" is missing");
    expect_problem(FILE_OF("{ scheme: hmac, hash: sha256, " SIG " }"), "\"signed\" is missing");
    expect_problem(FILE_OF("{ scheme: hmac, " SIG ", signed: \"{{ body }}\" }"),
                   "\"hash\" is missing");
    expect_problem(FILE_OF("{ scheme: hmac, hash: sha1, signature: { from: \"header:X\" }, "
                           "signed: \"{{ body }}\" }"),
                   "\"encoding\" is missing");
    expect_problem(FILE_OF("{ scheme: hmac, hash: sha1, signature: { encoding: hex }, "
                           "signed: \"{{ body }}\" }"),
                   "\"from\" is missing");
    expect_problem(FILE_OF("{ scheme: token }"), "\"signature\" is missing");
    expect_problem(FILE_OF("{ any: [] }"), "1 to 8 schemes");
    expect_problem(FILE_OF("{ any: [ { scheme: none } ] }"), "cannot be one of several");
}

void test_provider_refuses_what_would_verify_less_than_it_seems(void)
{
    expect_problem(FILE_OF("{ scheme: hmac, hash: sha256, " SIG ", signed: \"{{ body }}\", "
                           "timestamp: { from: \"header:X-T\", unit: s } }"),
                   "timestamp is not part of the signed text");
    expect_problem(
        FILE_OF("{ scheme: hmac, hash: sha256, " SIG ", signed: \"{{ ts }}{{ body }}\" }"),
        "needs \"timestamp\"");
    expect_problem(FILE_OF("{ scheme: hmac, hash: sha256, " SIG ", id: \"header:I\", "
                           "signed: \"{{ body }}\" }"),
                   "\"id\" is not part of the signed text");
    expect_problem(
        FILE_OF("{ scheme: hmac, hash: sha256, " SIG ", signed: \"{{ id }}{{ body }}\" }"),
        "{{ id }} needs \"id\"");
    expect_problem(FILE_OF("{ scheme: hmac, hash: sha256, " SIG ", signed: \"{{ url }}\" }"),
                   "nothing of the body is signed");
    expect_problem(FILE_OF("{ scheme: hash, hash: sha256, " SIG ", signed: \"{{ body }}\" }"),
                   "can be made by anybody");
    expect_problem(
        FILE_OF("{ scheme: hmac, hash: sha256, " SIG ", signed: \"{{ secret }}{{ body }}\" }"),
        "only in the text of scheme hash");
    expect_problem(FILE_OF("{ scheme: hmac, hash: sha256, " SIG ", signed: \"{{ bdy }}\" }"),
                   "did you mean \"body\"");
    expect_problem(
        FILE_OF("{ scheme: hmac, hash: sha256, " SIG ", signed: \"{{ field:t }}{{ body }}\" }"),
        "needs \"fields\"");
    expect_problem(
        FILE_OF("{ scheme: hmac, hash: sha256, signature: { from: \"header:X\", encoding: "
                "raw }, signed: \"{{ body }}\" }"),
        "not sent raw");
    expect_problem(
        FILE_OF("{ scheme: hmac, hash: sha256, signature: { from: \"ts\", encoding: hex }, "
                "signed: \"{{ body }}\" }"),
        "unknown reference \"ts\"");
    expect_problem(
        FILE_OF("{ scheme: hmac, hash: sha256, signature: { from: \"header:X\", pick: v1, "
                "encoding: hex }, signed: \"{{ body }}\" }"),
        "\"pick\" needs \"fields\"");
    expect_problem(FILE_OF("{ scheme: none }") "handshake: [ { needs-signature: false, when: {}, "
                                               "reply: { body: x } } ]\n",
                   "\"when\" needs 1 to");
}

void test_provider_accepts_a_nonce_outside_the_signed_text(void)
{
    struct rig r;
    rig_init(&r);
    EXPECT(rig_add(&r, FILE_OF("{ scheme: hmac, hash: sha256, " SIG ", signed: \"{{ body }}\", "
                               "timestamp: { from: \"header:X-T\", unit: nonce } }")));
    rig_release(&r);
}

static void write_file(const char *name, const char *text)
{
    struct reason why;
    EXPECT_OK(fs_write_atomic(unit_path(name), str_from_cstr(text), 0600, &why), why);
}

void test_provider_directory_replaces_presets_and_adds(void)
{
    struct rig r;
    rig_init(&r);
    str *ids;
    size_t before = provider_ids(r.table, &r.arena, &ids);
    write_file("a.yaml", "id: github\ntitle: Ours\nverify: { scheme: bearer }\n");
    write_file("b.yaml", "id: acme\ntitle: Acme\nverify: { scheme: bearer }\n");
    write_file("note.txt", "not yaml: [");
    provider_table_add_dir(r.table, unit_path(""), &r.problems);
    EXPECT_EQ_INT(r.problems.count, 0);
    EXPECT_EQ_INT(provider_ids(r.table, &r.arena, &ids), before + 1);
    EXPECT_STR(provider_title(rig_provider(&r, "github")), "Ours");
    EXPECT_STR(provider_title(rig_provider(&r, "acme")), "Acme");
    write_file("c.yaml", "id: acme\ntitle: Again\nverify: { scheme: bearer }\n");
    write_file("d.yaml", "id: [\n");
    write_file("e.yaml", "");
    provider_table_add_dir(r.table, unit_path(""), &r.problems);
    EXPECT(r.problems.errors >= 3);
    provider_table_add_dir(r.table, unit_path("absent"), &r.problems);
    EXPECT_HAS(r.problems.v[r.problems.count - 1].text, "cannot be listed");
    rig_release(&r);
}

void test_provider_inline_scheme_has_no_id(void)
{
    struct rig r;
    rig_init(&r);
    str *ids;
    size_t before = provider_ids(r.table, &r.arena, &ids);
    struct provider *p = rig_add(&r, "scheme: hmac\nhash: sha256\n" SIG "\nsigned: \"{{ body }}\"\n"
                                     "delivery-id: \"header:X-Id\"\nevent-type: .kind\n");
    EXPECT(p != NULL);
    EXPECT_EQ_INT(provider_ids(r.table, &r.arena, &ids), before);
    str secret = STR("s3cr3t");
    rig_verifier(&r,
                 &(struct verifier_options){.provider = p, .secrets = &secret, .secret_count = 1});
    rig_request(&r, STR("{\"kind\":\"made\"}"));
    rig_sign_with(&r, p, "s3cr3t",
                  &(struct signature_input){.id = STR("7"), .now_ms = 1, .body = r.req.body});
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    EXPECT_STR(r.verdict.delivery_id, "7");
    EXPECT_STR(r.verdict.event_type, "made");
    rig_release(&r);
}

void test_provider_options_are_checked(void)
{
    struct rig r;
    rig_init(&r);
    str secret = STR("s"), key, value;
    struct verifier_options o = {.provider = rig_provider(&r, "hmac"),
                                 .secrets = &secret,
                                 .secret_count = 1,
                                 .config_keys = &key,
                                 .config_values = &value,
                                 .config_count = 1};
    key = STR("hdr"), value = STR("X");
    rig_refuses(&r, &o, "no option \"hdr\"");
    key = STR("hash"), value = STR("sha265");
    rig_refuses(&r, &o, "did you mean \"sha256\"");
    key = STR("encoding"), value = STR("raw");
    rig_refuses(&r, &o, "not sent raw");
    key = STR("timestamp-header"), value = STR("X-Time");
    rig_refuses(&r, &o, "timestamp is not part of the signed text");
    key = STR("signed"), value = STR("{{ nothing }}");
    rig_refuses(&r, &o, "unknown reference");
    o.provider = rig_provider(&r, "github");
    key = STR("header"), value = STR("X");
    rig_refuses(&r, &o, "no option \"header\"");
    rig_release(&r);
}

/* The name of a claim is an option; an empty one leaves the claim out. */
void test_provider_options_stand_in_keys_too(void)
{
    struct rig r;
    str secret = STR("a secret"), name = STR("algorithm"), value = STR("none");
    rig_init(&r);
    const struct provider *p =
        rig_add(&r, "id: mine\ntitle: Mine\noptions:\n  claim: { default: hash, about: its name }\n"
                    "  second: { default: '', about: another }\nverify:\n  scheme: jwt\n"
                    "  algorithms: [HS256]\n  signature: { from: 'header:T' }\n  claims:\n"
                    "    '{{ config:claim }}': '{{ body | sha256 | hex }}'\n"
                    "    '{{ config:second }}': 'x'\n");
    EXPECT(p);
    rig_request(&r, STR("{}"));
    rig_sign_with(&r, p, "a secret",
                  &(struct signature_input){.now_ms = RIG_NOW_MS, .body = STR("{}")});
    rig_verifier(&r,
                 &(struct verifier_options){.provider = p, .secrets = &secret, .secret_count = 1});
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    r.req.body = STR("[]");
    EXPECT_VERDICT(&r, VERDICT_MISMATCH);
    EXPECT_HAS(r.verdict.text, "claim hash");
    rig_refuses(&r,
                &(struct verifier_options){.provider = rig_provider(&r, "jwt"),
                                           .secrets = &secret,
                                           .secret_count = 1,
                                           .config_keys = &name,
                                           .config_values = &value,
                                           .config_count = 1},
                "unknown algorithm");
    rig_release(&r);
}

void test_provider_required_option_must_be_given(void)
{
    struct rig r;
    rig_init(&r);
    struct provider *p = rig_add(
        &r, "id: mine\ntitle: Mine\noptions: { account: { example: A1, about: the account } }\n"
            "verify: { scheme: hmac, hash: sha256, " SIG
            ", signed: \"{{ config:account }}.{{ body }}\" }\n");
    EXPECT(p != NULL);
    str secret = STR("s"), key = STR("account"), value = STR("B2");
    struct verifier_options o = {.provider = p, .secrets = &secret, .secret_count = 1};
    rig_refuses(&r, &o, "\"account\" must be given");
    o.config_keys = &key, o.config_values = &value, o.config_count = 1;
    rig_verifier(&r, &o);
    struct signature_input in = {.now_ms = 1,
                                 .body = STR("x"),
                                 .config_keys = &key,
                                 .config_values = &value,
                                 .config_count = 1};
    rig_request(&r, STR("x"));
    rig_sign_with(&r, p, "s", &in);
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    rig_request(&r, STR("x"));
    value = STR("B3");
    rig_sign_with(&r, p, "s", &in);
    EXPECT_VERDICT(&r, VERDICT_MISMATCH);
    expect_problem("id: m\ntitle: M\noptions: { a: { about: x } }\nverify: { scheme: none }\n",
                   "\"default\"");
    expect_problem("id: m\ntitle: M\nverify: { scheme: token, signature: { from: "
                   "\"header:{{ config:a }}\" } }\n",
                   "");
    rig_release(&r);
}

void test_provider_tokens_of_a_url_are_not_shown(void)
{
    static const struct {
        const char *target, *shown;
    } cases[] = {
        {"/in/x", "/in/x"},
        {"/in/x?", "/in/x?"},
        {"/in/x?a=1&b", "/in/x?a=1&b"},
        {"/in/x?token=s3cret", "/in/x?token=[redacted]"},
        {"/in/x?a=1&%74oken=s3cret&token=&token", "/in/x?a=1&%74oken=[redacted]&token=[redacted]"
                                                  "&token"},
        {"/in/x?token%=s3cret&&=", "/in/x?token%=s3cret&&="},
    };
    struct rig r;
    rig_init(&r);
    rig_use(&r, "url-token", "s3cret");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        EXPECT_EQ_STR(verifier_shown_target(r.v, &r.arena, str_from_cstr(cases[i].target)),
                      str_from_cstr(cases[i].shown));
    rig_use(&r, "github", "a secret of a length");
    EXPECT_STR(verifier_shown_target(r.v, &r.arena, STR("/in/x?token=a")), "/in/x?token=a");
    rig_release(&r);
}
