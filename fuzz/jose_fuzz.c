/* jose_fuzz.c -- any token against any key set: JWT, detached JWS, and the tokens of sessions. Who
 * has a key of the set may come in, with the body that was signed and no other; where the secret is
 * not known nobody does. Input: a byte that picks the way, the token, a NUL byte, the key set or
 * certificate that lies at the sender's URL. */
#include "base/log.h"
#include "verify/jwt.h"
#include "verify/scheme.h"

#define NOW_MS 1795443390000

static const char *const files[] = {
    ("id: a\ntitle: A\nverify: { scheme: jwt, algorithms: [RS256, PS256, ES256, ES384, ES512, "
     "EdDSA],"
     " key: { url: 'https://k.example.org/jwks' }, signature: { from: 'header:T' },"
     " claims: { body: '{{ body | sha256 | hex }}', iss: '*', aud: us } }\n"),
    ("id: b\ntitle: B\nverify: { scheme: jws, algorithms: [RS256, PS512, ES256, ES384, EdDSA],"
     " key: { url: 'https://k.example.org/jwks' }, signature: { from: 'header:T' },"
     " timestamp: { from: 'jose:ts', unit: s },"
     " signed: '{{ jose:kid? }}{{ jose-headers:crit? }}{{ body }}' }\n"),
    ("id: c\ntitle: C\nverify: { scheme: jwt, algorithms: [HS256, HS384, HS512],"
     " signature: { from: 'header:T' }, max-age: 300s, claims: { body: '{{ body }}' } }\n"),
};
static struct verifier *verifiers[ARRAY_LEN(files)];
static struct jwt_key *session;
static str document;

static enum key_state lies_there(void *arg, const struct key_wish *wish, struct arena *a, str *doc,
                                 uint64_t *version)
{
    static uint64_t last;
    UNUSED(arg);
    if (wish->not_inside)
        return KEY_REFUSED;
    *version = ++last; /* read anew each time */
    *doc = arena_str(a, document);
    return KEY_HERE;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct key_source keys = {lies_there, NULL};
    static struct provider_table *t; /* both stay: providers are in them */
    static struct arena a;
    UNUSED(argc);
    UNUSED(argv);
    struct reason why = {.text = ""};
    str secret = STR("a secret that nobody guesses, of 40 byte");
    t = provider_table_new();
    arena_init(&a, 1u << 20);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct problems p = {0};
        const struct yaml *file = yaml_parse(&a, STR("x"), str_from_cstr(files[i]), &why);
        const struct provider *one = file ? provider_table_add(t, file, &p) : NULL;
        if (!one)
            die("%s %s", why.text, p.count ? p.v[0].text : "");
        verifiers[i] = verifier_new(
            &(struct verifier_options){
                .provider = one, .secrets = &secret, .secret_count = i == 2, .keys = &keys},
            NULL, &p);
        assert(verifiers[i]);
    }
    session = jwt_key_new(JWT_KIND_HS256, secret, &why);
    assert(session);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct verdict verdict;
    struct reason why;
    struct jwt claims;
    str rest = str_of((const char *)data + 1, size ? size - 1 : 0);
    if (!size)
        return 0;
    str token = str_cut(&rest, '\0');
    document = rest.p ? rest : STR("");
    arena_init(&a, 4u << 20);
    struct http_field field = {STR("T"), token};
    struct http_request req = {.method = STR("POST"),
                               .target = STR("/"),
                               .path = STR("/"),
                               .query = STR(""),
                               .fields = {&field, 1},
                               .body = STR("{}"),
                               .peer = STR("203.0.113.9"),
                               .arena = &a};
    size_t way = data[0] % ARRAY_LEN(files);
    verifier_check(verifiers[way], &req, NOW_MS, &verdict);
    assert(verdict.text[0] && (way != 2 || verdict.code != VERDICT_VERIFIED));
    if (verdict.code == VERDICT_VERIFIED) {
        req.body = STR("[]");
        verifier_check(verifiers[way], &req, NOW_MS, &verdict);
        assert(verdict.code != VERDICT_VERIFIED);
    }
    assert(jwt_verify(session, token, NOW_MS / 1000, &a, &claims, &why) != ERR_OK);
    http_request_release(&req);
    arena_release(&a);
    return 0;
}
