/* provider_fuzz.c -- any text as a provider file: refused with a problem that can be shown, or
 * taken; then it can be described, signs and verifies what it signed, and a request that it never
 * saw is no reason for an accident. */
#include "verify/explain.h"
#include "verify/scheme.h"
#include "verify/sign.h"

#define NOW_MS 1795443390000
#define SECRET "a secret of a length"

static struct http_request request(struct arena *a, struct http_fields fields, str body)
{
    return (struct http_request){.method = STR("POST"),
                                 .target = STR("/in/x?token=a"),
                                 .path = STR("/in/x"),
                                 .query = STR("token=a"),
                                 .host = STR("hooks.example.org"),
                                 .fields = fields,
                                 .body = body,
                                 .peer = STR("203.0.113.9"),
                                 .arena = a};
}

static void use(const struct provider *p, struct arena *a)
{
    struct problems problems = {0};
    struct reason why = {.text = ""};
    struct http_field fields[SIGN_FIELDS_MAX];
    struct verdict verdict;
    struct greeting greeting;
    struct buf out;
    size_t count = 0;
    str secret = STR(SECRET), ways[PROVIDER_WAYS_MAX];
    assert(provider_ways(p, a, ways) <= PROVIDER_WAYS_MAX);
    struct verifier *v = verifier_new(
        &(struct verifier_options){
            .provider = p, .secrets = &secret, .secret_count = provider_needs_secret(p)},
        NULL, &problems);
    assert(v || problems.errors > 0);
    struct signature_input in = {.method = STR("POST"),
                                 .url = STR("https://hooks.example.org/in/x?token=a"),
                                 .id = STR("msg_1"),
                                 .now_ms = NOW_MS,
                                 .body = STR("{\"a\":1}")};
    enum err e = sign_request(p, secret, &in, a, fields, &count, &why);
    assert(e == ERR_OK || why.text[0]);
    struct http_request req = request(a, (struct http_fields){fields, count}, in.body);
    buf_init(&out, 1u << 20);
    if (v) {
        verifier_greet(v, &req, NULL, &greeting);
        verifier_check(v, &req, NOW_MS, &verdict);
        assert(verdict.text[0]);
        verifier_greet(v, &req, &verdict, &greeting);
        verifier_answer(v, &greeting);
        verifier_explain(v, &req, NOW_MS, &out);
        /* A credential is sent as it is; nothing else of a request shows the secret. */
        assert(str_find_str(buf_str(&out), secret) == out.len);
    }
    buf_release(&out);
    http_request_release(&req);
    verifier_free(v);
    problems_release(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct reason why;
    struct problems problems = {0};
    if (size > 32768)
        return 0;
    arena_init(&a, 64u << 20);
    const struct yaml *file = yaml_parse(&a, STR("fuzz"), str_of((const char *)data, size), &why);
    const struct provider *p = file ? provider_compile(&a, file, &problems) : NULL;
    assert(!file || (p == NULL) == (problems.errors > 0) || !arena_ok(&a));
    for (size_t i = 0; i < problems.count; i++)
        for (const char *c = problems.v[i].text; *c; c++)
            assert((unsigned char)*c >= ' ' && *c != 0x7f);
    if (p && arena_ok(&a))
        use(p, &a);
    problems_release(&problems);
    arena_release(&a);
    return 0;
}
