/* signature_fuzz.c -- any header values, query and body through every provider's verification and
 * handshakes.
 *
 * Input: two bytes that pick the provider, then parts that end with a NUL byte: the body, the
 * query, and the values of the header fields that the provider's file names, in turn. */
#include "base/log.h"
#include "../tests/unit/verify/public_vectors.h"
#include "verify/scheme.h"
#include "verify/sign.h"

#define NOW_MS 1795443390000
#define FIELDS_MAX 24

static const struct provider *providers[1024];
static struct verifier *verifiers[ARRAY_LEN(providers)];
static size_t count;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct verifier *make(const struct provider *p)
{
    /* Text, prefixes, base64, hex, user:password, 16 characters, public keys: one fits each. */
    static const char *const secrets[] = {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                                          "whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=",
                                          "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                                          ("000102030405060708090a0b0c0d0e0f"
                                           "101112131415161718191a1b1c1d1e1f"),
                                          "user:a long password that is not guessed",
                                          "merchant-key-16b",
                                          V_RSA_PUB,
                                          V_EC_PUB,
                                          V_ED_PUB};
    str keys[16], values[16];
    size_t option_count, needed = 0;
    const struct provider_option *options = provider_options(p, &option_count);
    for (size_t i = 0; i < option_count; i++)
        if (options[i].required) {
            assert(needed < ARRAY_LEN(keys));
            keys[needed] = options[i].name;
            values[needed++] = options[i].initial;
        }
    struct net everyone;
    assert(net_parse(STR("::/0"), &everyone));
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        struct problems problems = {0};
        str secret = str_from_cstr(secrets[i]);
        struct verifier *v =
            verifier_new(&(struct verifier_options){.provider = p,
                                                    .secrets = &secret,
                                                    .secret_count = provider_needs_secret(p),
                                                    .config_keys = keys,
                                                    .config_values = values,
                                                    .config_count = needed,
                                                    .allow_from = &everyone,
                                                    .allow_count = 1},
                         NULL, &problems);
        problems_release(&problems);
        if (v)
            return v;
    }
    die("no secret fits " STR_FMT, STR_ARG(provider_id(p)));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    UNUSED(argc);
    UNUSED(argv);
    struct arena arena;
    str *ids;
    arena_init(&arena, 1u << 20);
    static struct provider_table *table; /* it stays: providers are in it */
    table = provider_table_new();
    count = provider_ids(table, &arena, &ids);
    assert(count > 0 && count <= ARRAY_LEN(providers));
    for (size_t i = 0; i < count; i++) {
        providers[i] = provider_find(table, ids[i], NULL);
        verifiers[i] = make(providers[i]);
    }
    arena_release(&arena);
    return 0;
}

static void add(struct http_request *req, const struct ref *r, str *rest)
{
    if (r->kind != REF_HEADER || !rest->p || req->fields.count == FIELDS_MAX)
        return;
    str value = str_cut(rest, '\0');
    req->fields.v[req->fields.count++] = (struct http_field){r->arg, value};
}

static void fill(struct http_request *req, const struct recipe *recipe, str rest)
{
    static const struct ref type = {REF_HEADER, {"Content-Type", 12}, {"", 0}};
    for (size_t i = 0; i < recipe->alternative_count; i++) {
        const struct scheme *s = &recipe->alternatives[i];
        for (size_t j = 0; j < s->signature.from_count; j++)
            add(req, &s->signature.from[j], &rest);
        if (s->has_timestamp)
            add(req, &s->timestamp.from, &rest);
        if (s->has_id)
            add(req, &s->id, &rest);
    }
    if (recipe->delivery_id_count)
        add(req, &recipe->delivery_ids[0], &rest);
    if (recipe->event_type_count)
        add(req, &recipe->event_types[0], &rest);
    add(req, &type, &rest);
    /* What is left doubles the first field. */
    if (req->fields.count && rest.p && rest.n)
        add(req, &recipe->alternatives[0].signature.from[0], &rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    size_t index = ((data[0] & 0x7fu) << 8 | data[1]) % count;
    const struct recipe *recipe = providers[index]->recipe;
    struct http_field fields[FIELDS_MAX];
    struct arena arena;
    struct verdict verdict;
    struct greeting greeting;
    str rest = str_of((const char *)data + 2, size - 2);
    str body = str_cut(&rest, '\0');
    str query = rest.p ? str_cut(&rest, '\0') : STR("");
    arena_init(&arena, 1u << 20);
    struct http_request req = {.method = data[0] & 0x80 ? STR("GET") : STR("POST"),
                               .target = STR("/in/x"),
                               .path = STR("/in/x"),
                               .query = query,
                               .host = STR("example.org"),
                               .fields = {fields, 0},
                               .body = body,
                               .peer = STR("203.0.113.9"),
                               .arena = &arena};
    fill(&req, recipe, rest);
    verifier_greet(verifiers[index], &req, NULL, &greeting);
    verifier_check(verifiers[index], &req, NOW_MS, &verdict);
    assert(memchr(verdict.text, '\0', sizeof(verdict.text)) && verdict.text[0]);
    /* Nobody finds a MAC by trying; a token may be found (gitlab has one as its second scheme). */
    assert(verdict.code != VERDICT_VERIFIED || !recipe->alternatives[0].ops->signs_text ||
           recipe->alternatives[recipe->alternative_count - 1].ops->is_credential);
    verifier_greet(verifiers[index], &req, &verdict, &greeting);
    http_request_release(&req);
    arena_release(&arena);
    return 0;
}
