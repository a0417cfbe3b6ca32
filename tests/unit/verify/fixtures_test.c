/* Every fixture of `gaff trigger`: signed as its provider would, and accepted by the same data. */
#include "rig.h"

#include "base/embed.h"

static void try_event(struct rig *r, const struct provider *p, const struct yaml *event)
{
    /* What signs, and what verifies that: hex, base64 after whsec_ and text, a pair of keys that
     * `openssl genpkey -algorithm ed25519` made for this test. */
    static const char *const secrets[][2] = {
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
        {"44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
         "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"},
        {"-----BEGIN PRIVATE KEY-----\n"
         "MC4CAQAwBQYDK2VwBCIEII9PCu0+m73ZNnuUSBj02ZZNxcWesDImPRsUr+QNOiYj\n"
         "-----END PRIVATE KEY-----\n",
         "-----BEGIN PUBLIC KEY-----\n"
         "MCowBQYDK2VwAyEA8oQHhxRlLfQumn8HU7VfPoUR3D1vVGM8hy1L5WQXx1k=\n"
         "-----END PUBLIC KEY-----\n"}};
    const struct yaml *body = yaml_get(event, STR("body"));
    const struct yaml *type = yaml_get(event, STR("content-type"));
    struct http_field beside[] = {
        {STR("Content-Type"), type ? type->scalar : STR("application/json")}};
    struct signature_input in = {.method = STR("POST"),
                                 .url = STR("https://hooks.example.org/in/x"),
                                 .id = STR("trg_1"),
                                 .event_type = event->key,
                                 .now_ms = RIG_NOW_MS,
                                 .fields = {beside, 1},
                                 .body = str_trim(body->scalar)};
    struct signed_request made;
    struct reason why = {.text = ""};
    str secret = STR_NONE;
    for (size_t i = 0; i < ARRAY_LEN(secrets) && !secret.p; i++)
        if (sign_whole(p, str_from_cstr(secrets[i][0]), &in, &r->arena, &made, &why) == ERR_OK)
            secret = str_from_cstr(secrets[i][1]);
    if (!secret.p)
        FAIL(STR_FMT "." STR_FMT ": %s", STR_ARG(provider_id(p)), STR_ARG(event->key), why.text);
    rig_verifier(r, &(struct verifier_options){.provider = p,
                                               .secrets = &secret,
                                               .secret_count = 1,
                                               .public_url = STR("https://hooks.example.org")});
    rig_request(r, made.body);
    rig_field(r, "Content-Type", beside[0].value);
    for (size_t i = 0; i < made.count; i++)
        rig_field(r, arena_cstr(&r->arena, made.fields[i].name), made.fields[i].value);
    if (rig_check(r) != VERDICT_VERIFIED)
        FAIL(STR_FMT "." STR_FMT ": %s", STR_ARG(provider_id(p)), STR_ARG(event->key),
             r->verdict.text);
}

void test_fixtures_are_accepted_as_signed(void)
{
    struct rig r;
    struct reason why;
    size_t count = 0;
    rig_init(&r);
    for (size_t i = 0; i < packed_count; i++) {
        str name = str_from_cstr(packed_files[i].name);
        if (!str_starts(name, STR("fixtures/")))
            continue;
        const struct yaml *file =
            yaml_parse(&r.arena, name, packed_text(&r.arena, &packed_files[i]), &why);
        if (!file)
            FAIL("%s", why.text);
        const struct provider *p =
            rig_provider(&r, arena_cstr(&r.arena, str_slice(name, 9, name.n - 5)));
        for (const struct yaml *e = yaml_get(file, STR("events"))->first; e; e = e->next, count++)
            try_event(&r, p, e);
    }
    EXPECT(count >= 15);
    rig_release(&r);
}
