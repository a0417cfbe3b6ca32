/* verify_bench.c -- processor time for one verification beside one raw keyed EVP_MAC over the same
 * bytes, in rounds that take turns: medians of the times and of the ratios of each round.
 *
 *   verify_bench [ROUNDS]
 *
 * Prints `NAME VALUE` lines: NAME_ns, raw_NAME_ns, NAME_vs_raw_mac; what a wrong signature costs
 * beside a right one; and how often anything but OpenSSL asked for memory. */
#include "base/log.h"
#include "verify/sign.h"
#include "verify/verify.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sys/resource.h>

#define CALLS 20000
#define ROUNDS_MAX 101
#define NOW_MS 1795443390000

struct subject {
    const char *name, *provider, *before; /* what is signed before the body */
    size_t bytes;
    bool wrong;
    struct verifier *v;
    EVP_MAC_CTX *mac;
    str text; /* what is signed, in one piece */
    struct http_request req;
    struct http_field fields[8 + SIGN_FIELDS_MAX];
    double ns[ROUNDS_MAX], raw_ns[ROUNDS_MAX], ratio[ROUNDS_MAX];
};

static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/* --- who asks for memory ------------------------------------------------------------------------
 */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);
static size_t allocations, asked; /* all; by verifications */

void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
    allocations++;
    return __libc_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
    allocations++;
    return __libc_realloc(p, n);
}

static void *openssl_malloc(size_t n, const char *file, int line)
{
    UNUSED(file);
    UNUSED(line);
    return __libc_malloc(n);
}

static void *openssl_realloc(void *p, size_t n, const char *file, int line)
{
    UNUSED(file);
    UNUSED(line);
    return __libc_realloc(p, n);
}

static void openssl_free(void *p, const char *file, int line)
{
    UNUSED(file);
    UNUSED(line);
    free(p);
}

/* --- subjects ----------------------------------------------------------------------------------
 */

static void setup_mac(struct subject *s)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    char name[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", name, 0),
                           OSSL_PARAM_construct_end()};
    s->mac = EVP_MAC_CTX_new(hmac);
    if (EVP_MAC_init(s->mac, (const unsigned char *)secret, sizeof(secret), params) != 1)
        die("EVP_MAC_init");
    EVP_MAC_free(hmac);
}

static void setup(struct subject *s, struct provider_table *t, struct arena *a)
{
    /* Eight fields that every request has, then the provider's own. */
    static const char *const usual[] = {"Host",           "User-Agent", "Accept",
                                        "Content-Type",   "Connection", "X-Other",
                                        "Content-Length", "X-More"};
    struct problems p = {0};
    struct reason why = {.text = ""};
    const struct provider *provider = provider_find(t, str_from_cstr(s->provider), NULL);
    str key = str_from_cstr(secret);
    size_t n = 0, count = 0, before = strlen(s->before);
    char *text = arena_alloc(a, before + s->bytes);
    memcpy(text, s->before, before);
    memset(text + before, 'x', s->bytes);
    s->text = str_of(text, before + s->bytes);
    s->v = verifier_new(
        &(struct verifier_options){.provider = provider, .secrets = &key, .secret_count = 1}, NULL,
        &p);
    struct signature_input in = {.method = STR("POST"),
                                 .url = STR("https://example.org/in/x"),
                                 .id = STR("msg_1"),
                                 .event_type = STR("push"),
                                 .now_ms = NOW_MS,
                                 .body = str_slice(s->text, before, s->text.n)};
    for (; n < ARRAY_LEN(usual); n++)
        s->fields[n] = (struct http_field){str_from_cstr(usual[n]), STR("application/json")};
    if (!s->v || sign_request(provider, key, &in, a, s->fields + n, &count, &why) != ERR_OK)
        die("%s cannot be set up: %s", s->name, why.text);
    if (s->wrong)
        text[before] = 'y';
    s->req = (struct http_request){.method = STR("POST"),
                                   .target = STR("/in/x"),
                                   .path = STR("/in/x"),
                                   .query = STR(""),
                                   .host = STR("example.org"),
                                   .fields = {s->fields, n + count},
                                   .body = in.body,
                                   .peer = STR("127.0.0.1"),
                                   .arena = a};
    setup_mac(s);
}

/* --- measuring ---------------------------------------------------------------------------------
 */

/* Of this process: others on the machine slow it down and do not count. */
static double cpu_ns(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return ((double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec) * 1e9 +
           ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) * 1e3;
}

static void run_verifier(struct subject *s)
{
    struct verdict verdict;
    for (int i = 0; i < CALLS; i++) {
        verifier_check(s->v, &s->req, NOW_MS, &verdict);
        if ((verdict.code == VERDICT_VERIFIED) == s->wrong)
            die("%s: %s", s->name, verdict.text);
    }
}

static void run_mac(struct subject *s)
{
    unsigned char out[64];
    size_t n;
    for (int i = 0; i < CALLS; i++)
        if (!EVP_MAC_init(s->mac, NULL, 0, NULL) ||
            !EVP_MAC_update(s->mac, (const unsigned char *)s->text.p, s->text.n) ||
            !EVP_MAC_final(s->mac, out, &n, sizeof(out)))
            die("EVP_MAC");
}

static void run(struct subject *s, size_t round)
{
    double start = cpu_ns();
    run_mac(s);
    double middle = cpu_ns();
    size_t before = allocations;
    run_verifier(s);
    double end = cpu_ns();
    asked += allocations - before;
    s->raw_ns[round] = (middle - start) / CALLS;
    s->ns[round] = (end - middle) / CALLS;
    s->ratio[round] = s->ns[round] / s->raw_ns[round];
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t count)
{
    qsort(v, count, sizeof(v[0]), by_value);
    return v[count / 2];
}

int main(int argc, char **argv)
{
    static struct subject subjects[] = {
        {.name = "github_1k", .provider = "github", .before = "", .bytes = 1024},
        {.name = "github_1k_wrong",
         .provider = "github",
         .before = "",
         .bytes = 1024,
         .wrong = true},
        {.name = "github_8k", .provider = "github", .before = "", .bytes = 8192},
        {.name = "stripe_1k", .provider = "stripe", .before = "1795443390.", .bytes = 1024},
        {.name = "standard-webhooks_1k",
         .provider = "standard-webhooks",
         .before = "msg_1.1795443390.",
         .bytes = 1024},
    };
    uint64_t rounds = 11;
    struct arena a;
    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
        die("OpenSSL has its memory already");
    if (argc > 1 &&
        (!str_to_u64(str_from_cstr(argv[1]), &rounds) || !rounds || rounds > ROUNDS_MAX))
        die("usage: verify_bench [ROUNDS]");
    arena_init(&a, 1u << 20);
    struct provider_table *t = provider_table_new();
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
        setup(&subjects[i], t, &a);
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
        run(&subjects[i], 0); /* what a body is parsed to is kept with its request */
    asked = 0;
    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
            run(&subjects[i], round);
    double ns[ARRAY_LEN(subjects)];
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
        struct subject *s = &subjects[i];
        ns[i] = median(s->ns, rounds);
        printf("verify_%s_ns %.0f\nraw_%s_ns %.0f\n", s->name, ns[i], s->name,
               median(s->raw_ns, rounds));
        if (!s->wrong)
            printf("verify_%s_vs_raw_mac %.3f\n", s->name, median(s->ratio, rounds));
        verifier_free(s->v);
        EVP_MAC_CTX_free(s->mac);
    }
    printf("verify_wrong_vs_right %.3f\nverify_allocations %zu\n", ns[1] / ns[0], asked);
    provider_table_free(t);
    arena_release(&a);
    return 0;
}
