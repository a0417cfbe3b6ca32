/* Signature Version 4 against the examples of its own published test suite. */
#include "unit.h"

#include "base/clock.h"
#include "verify/sigv4.h"

#define KEY STR("AKIDEXAMPLE")
#define SECRET STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
#define NOW_MS 1440938160000 /* 2015-08-30T12:36:00Z */

static void expect_signed(const char *method, const char *url, const struct http_field *fields,
                          size_t field_count, const char *body, const char *authorization)
{
    struct arena a;
    struct http_field out[SIGV4_FIELDS_MAX];
    size_t count;
    struct reason why = {.text = ""};
    arena_init(&a, 1u << 20);
    const struct sigv4_input in = {.method = str_from_cstr(method),
                                   .url = str_from_cstr(url),
                                   .body = str_from_cstr(body),
                                   .service = STR("service"),
                                   .region = STR("us-east-1"),
                                   .key = KEY,
                                   .secret = SECRET,
                                   .fields = fields,
                                   .field_count = field_count,
                                   .now_ms = NOW_MS};
    EXPECT_OK(sigv4_sign(&in, &a, out, &count, &why), why);
    EXPECT_EQ_INT(count, 2);
    EXPECT_STR(out[0].value, "20150830T123600Z");
    EXPECT_EQ_STR(out[1].value, str_from_cstr(authorization));
    arena_release(&a);
}

#define CREDENTIAL                                                                                 \
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "            \
    "SignedHeaders="

void test_sigv4_agrees_with_the_published_examples(void)
{
    expect_signed("GET", "https://example.amazonaws.com/", NULL, 0, "",
                  CREDENTIAL "host;x-amz-date, Signature="
                             "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    expect_signed("GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", NULL, 0, "",
                  CREDENTIAL "host;x-amz-date, Signature="
                             "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
    expect_signed("POST", "https://example.amazonaws.com/", NULL, 0, "",
                  CREDENTIAL "host;x-amz-date, Signature="
                             "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    const struct http_field form = {STR("Content-Type"), STR("application/x-www-form-urlencoded")};
    expect_signed("POST", "https://example.amazonaws.com/", &form, 1, "Param1=value1",
                  CREDENTIAL "content-type;host;x-amz-date, Signature="
                             "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

void test_sigv4_signs_the_session(void)
{
    struct arena a;
    struct http_field out[SIGV4_FIELDS_MAX];
    size_t count;
    struct reason why = {.text = ""};
    arena_init(&a, 1u << 20);
    struct sigv4_input in = {.method = STR("POST"),
                             .url = STR("https://sqs.eu-west-1.amazonaws.com/"),
                             .body = STR("{}"),
                             .service = STR("sqs"),
                             .region = STR("eu-west-1"),
                             .key = KEY,
                             .secret = SECRET,
                             .session = STR("token"),
                             .now_ms = NOW_MS};
    EXPECT_OK(sigv4_sign(&in, &a, out, &count, &why), why);
    EXPECT_EQ_INT(count, 3);
    EXPECT_STR(out[1].name, "X-Amz-Security-Token");
    EXPECT(str_find_str(out[2].value, STR("host;x-amz-date;x-amz-security-token,")) <
           out[2].value.n);
    in.url = STR("nothing");
    EXPECT(sigv4_sign(&in, &a, out, &count, &why) == ERR_INVALID);
    arena_release(&a);
}
