/* verify_bench.c -- nanoseconds for one verification, beside one raw keyed EVP_MAC over the same
 * bytes: medians of rounds that take turns.
 *
 *   verify_bench [ROUNDS]
 *
 * Prints `NAME VALUE` lines; what the verifier adds is the difference. */
#include "base/clock.h"
#include "base/log.h"
#include "verify/sign.h"
#include "verify/verify.h"

#include <openssl/evp.h>
#include <openssl/params.h>

#define CALLS 20000
#define ROUNDS_MAX 101
#define NOW_MS 1795443390000

struct subject {
    const char *name;
    size_t bytes;
    bool wrong;
    struct verifier *v; /* NULL: the raw MAC */
    EVP_MAC_CTX *mac;
    struct http_request req;
    struct http_field fields[16];
    double ns[ROUNDS_MAX];
};

static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

static void setup(struct subject *s, struct provider_table *t, struct arena *a, const char *id)
{
    struct problems p = {0};
    const char *nearest;
    const struct provider *provider = provider_find(t, str_from_cstr(id), &nearest);
    str key = str_from_cstr(secret);
    char *body = arena_alloc(a, s->bytes);
    memset(body, 'x', s->bytes);
    s->v = verifier_new(
        &(struct verifier_options){.provider = provider, .secrets = &key, .secret_count = 1}, NULL,
        &p);
    struct signature_input in = {.method = STR("POST"),
                                 .url = STR("https://example.org/in/x"),
                                 .id = STR("msg_1"),
                                 .event_type = STR("push"),
                                 .now_ms = NOW_MS,
                                 .body = str_of(body, s->bytes)};
    /* Eight fields that every request has, then the provider's own. */
    static const char *const usual[] = {"Host",           "User-Agent", "Accept",
                                        "Content-Type",   "Connection", "X-Other",
                                        "Content-Length", "X-More"};
    size_t n = 0, count = 0;
    for (; n < ARRAY_LEN(usual); n++)
        s->fields[n] = (struct http_field){str_from_cstr(usual[n]), STR("application/json")};
    struct reason why;
    if (!s->v || sign_request(provider, key, &in, a, s->fields + n, &count, &why) != ERR_OK)
        die("%s cannot be set up", s->name);
    if (s->wrong)
        body[0] = 'y';
    s->req = (struct http_request){.method = STR("POST"),
                                   .target = STR("/in/x"),
                                   .path = STR("/in/x"),
                                   .query = STR(""),
                                   .host = STR("example.org"),
                                   .fields = {s->fields, n + count},
                                   .body = in.body,
                                   .peer = STR("127.0.0.1"),
                                   .arena = a};
}

static void setup_mac(struct subject *s, struct arena *a)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    char name[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", name, 0),
                           OSSL_PARAM_construct_end()};
    char *body = arena_alloc(a, s->bytes);
    memset(body, 'x', s->bytes);
    s->req.body = str_of(body, s->bytes);
    s->mac = EVP_MAC_CTX_new(hmac);
    if (EVP_MAC_init(s->mac, (const unsigned char *)secret, sizeof(secret), params) != 1)
        die("EVP_MAC_init");
    EVP_MAC_free(hmac);
}

static void run(struct subject *s, size_t round)
{
    struct verdict verdict;
    unsigned char out[64];
    size_t n;
    const struct clock *c = clock_real();
    int64_t start = clock_mono_ns(c);
    for (int i = 0; i < CALLS; i++) {
        if (s->v) {
            verifier_check(s->v, &s->req, NOW_MS, &verdict);
            if ((verdict.code == VERDICT_VERIFIED) == s->wrong)
                die("%s: %s", s->name, verdict.text);
        } else if (!EVP_MAC_init(s->mac, NULL, 0, NULL) ||
                   !EVP_MAC_update(s->mac, (const unsigned char *)s->req.body.p, s->bytes) ||
                   !EVP_MAC_final(s->mac, out, &n, sizeof(out))) {
            die("EVP_MAC");
        }
    }
    s->ns[round] = (double)(clock_mono_ns(c) - start) / CALLS;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static struct subject subjects[] = {
        {.name = "verify_github_1k_ns", .bytes = 1024},
        {.name = "verify_github_8k_ns", .bytes = 8192},
        {.name = "verify_github_1k_wrong_ns", .bytes = 1024, .wrong = true},
        {.name = "verify_standard-webhooks_1k_ns", .bytes = 1024},
        {.name = "verify_token_1k_ns", .bytes = 1024},
        {.name = "raw_hmac_1k_ns", .bytes = 1024},
        {.name = "raw_hmac_8k_ns", .bytes = 8192},
    };
    uint64_t rounds = 11;
    struct arena a;
    if (argc > 1 &&
        (!str_to_u64(str_from_cstr(argv[1]), &rounds) || !rounds || rounds > ROUNDS_MAX))
        die("usage: verify_bench [ROUNDS]");
    arena_init(&a, 1u << 20);
    struct provider_table *t = provider_table_new();
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
        struct subject *s = &subjects[i];
        str name = str_from_cstr(s->name), rest = str_slice(name, sizeof("verify_") - 1, name.n);
        if (str_starts(name, STR("verify_")))
            setup(s, t, &a, arena_cstr(&a, str_cut(&rest, '_')));
        else
            setup_mac(s, &a);
    }
    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
            run(&subjects[i], round);
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
        struct subject *s = &subjects[i];
        qsort(s->ns, rounds, sizeof(s->ns[0]), by_value);
        printf("%s %.0f\n", s->name, s->ns[rounds / 2]);
        verifier_free(s->v);
        EVP_MAC_CTX_free(s->mac);
    }
    provider_table_free(t);
    arena_release(&a);
    return 0;
}
