/* Tokens: what is signed is believed, in its time, and nothing else is. */
#include "unit.h"

#include "base/codec.h"
#include "verify/jwt.h"

#define NOW_S 1700000000

static const char ed_private[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";

static str sign(struct jwt_key *k, const char *claims, char *out, size_t n)
{
    struct reason why;
    struct buf b = buf_over(out, n);
    EXPECT_OK(jwt_sign(k, str_from_cstr(claims), &b, &why), why);
    return buf_str(&b);
}

static enum err verify(struct jwt_key *k, str token, struct arena *a, struct jwt *out,
                       struct reason *why)
{
    arena_reset(a);
    return jwt_verify(k, token, NOW_S, a, out, why);
}

void test_jwt_of_each_algorithm_comes_back(void)
{
    struct arena a;
    arena_init(&a, 1u << 16);
    for (int kind = 0; kind < JWT_KINDS; kind++) {
        struct reason why;
        struct jwt got;
        char text[2048];
        if (kind == JWT_KIND_RS256)
            continue; /* its key pair is made by openssl in tests/e2e/send.py */
        struct jwt_key *k = jwt_key_new(
            (enum jwt_kind)kind, kind == JWT_KIND_EDDSA ? STR(ed_private) : STR("a secret"), &why);
        if (!k)
            FAIL("%s: %s", jwt_words[kind], why.text);
        str token = sign(k,
                         "{\"sub\":\"app_1\",\"org\":\"org_1\",\"exp\":1700000100,"
                         "\"feature_flags\":[\"a\",\"b\"]}",
                         text, sizeof(text));
        EXPECT_OK(verify(k, token, &a, &got, &why), why);
        EXPECT_STR(got.sub, "app_1");
        EXPECT_STR(got.org, "org_1");
        EXPECT_EQ_UINT(got.flag_count, 2);
        EXPECT_STR(got.flags[1], "b");
        EXPECT(!got.is_limited);
        EXPECT_EQ_INT(got.exp_s, 1700000100);
        /* Any byte of it changed, and it is no token. */
        for (size_t i = 0; i < token.n; i++) {
            char copy[2048];
            memcpy(copy, token.p, token.n);
            copy[i] = copy[i] == 'x' ? 'y' : 'x';
            EXPECT_EQ_INT(verify(k, str_of(copy, token.n), &a, &got, &why), ERR_DENIED);
        }
        jwt_key_free(k);
    }
    arena_release(&a);
}

void test_jwt_capabilities_limit_also_when_they_are_no_list(void)
{
    struct reason why;
    struct arena a;
    struct jwt got;
    char text[512];
    arena_init(&a, 1u << 16);
    struct jwt_key *k = jwt_key_new(JWT_KIND_HS256, STR("a secret"), &why);
    str token = sign(k, "{\"sub\":\"app_1\",\"capabilities\":[\"ViewBase\"]}", text, sizeof(text));
    EXPECT_OK(verify(k, token, &a, &got, &why), why);
    EXPECT(got.is_limited);
    EXPECT_EQ_UINT(got.capability_count, 1);
    EXPECT_STR(got.capabilities[0], "ViewBase");
    static const char *const odd[] = {"null", "\"all\"", "{}", "[]"};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        char claims[128];
        snprintf(claims, sizeof(claims), "{\"sub\":\"app_1\",\"capabilities\":%s}", odd[i]);
        EXPECT_OK(verify(k, sign(k, claims, text, sizeof(text)), &a, &got, &why), why);
        EXPECT(got.is_limited);
        EXPECT_EQ_UINT(got.capability_count, 0);
    }
    jwt_key_free(k);
    arena_release(&a);
}

void test_jwt_knows_the_token_of_the_rfc(void)
{
    /* RFC 7515, appendix A.1. */
    const char *token =
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        "cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    uint8_t key[64];
    size_t n;
    EXPECT(
        base64url_decode(STR("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4"
                             "hcgUuTwjAzZr1Z9CAow"),
                         key, sizeof(key), &n));
    struct reason why;
    struct arena a;
    struct jwt got;
    arena_init(&a, 1u << 16);
    struct jwt_key *k = jwt_key_new(JWT_KIND_HS256, str_of((char *)key, n), &why);
    EXPECT_OK(jwt_verify(k, str_from_cstr(token), 1300819000, &a, &got, &why), why);
    EXPECT_EQ_INT(jwt_verify(k, str_from_cstr(token), 1300819380 + JWT_LEEWAY_S, &a, &got, &why),
                  ERR_DENIED);
    EXPECT_HAS(why.text, "expired");
    jwt_key_free(k);
    arena_release(&a);
}

void test_jwt_of_another_algorithm_or_none_is_refused(void)
{
    struct reason why;
    struct arena a;
    struct jwt got;
    char text[512], other[512];
    arena_init(&a, 1u << 16);
    struct jwt_key *k = jwt_key_new(JWT_KIND_HS256, STR("a secret"), &why);
    struct jwt_key *long_one = jwt_key_new(JWT_KIND_HS512, STR("a secret"), &why);
    str token = sign(long_one, "{\"sub\":\"org_1\"}", text, sizeof(text));
    EXPECT_EQ_INT(verify(k, token, &a, &got, &why), ERR_DENIED);
    EXPECT_HAS(why.text, "algorithm HS256");
    /* {"alg":"none"} */
    EXPECT_EQ_INT(verify(k, STR("eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcmdfMSJ9."), &a, &got, &why),
                  ERR_DENIED);
    str later = sign(k, "{\"sub\":\"org_1\",\"nbf\":1700000061}", other, sizeof(other));
    EXPECT_EQ_INT(verify(k, later, &a, &got, &why), ERR_DENIED);
    EXPECT_HAS(why.text, "not valid yet");
    str odd = sign(k, "{\"sub\":\"org_1\",\"exp\":\"tomorrow\"}", other, sizeof(other));
    EXPECT_EQ_INT(verify(k, odd, &a, &got, &why), ERR_DENIED);
    const char *malformed[] = {"", ".", "..", "a.b", "a.b.c.d", "plain-key"};
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++)
        EXPECT_EQ_INT(verify(k, str_from_cstr(malformed[i]), &a, &got, &why), ERR_DENIED);
    EXPECT(jwt_key_new(JWT_KIND_EDDSA, STR("a secret"), &why) == NULL);
    EXPECT(jwt_key_new(JWT_KIND_RS256, STR(ed_private), &why) == NULL);
    EXPECT(jwt_key_new(JWT_KIND_HS256, STR(""), &why) == NULL);
    jwt_key_free(k);
    jwt_key_free(long_one);
    arena_release(&a);
}
