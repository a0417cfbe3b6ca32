/* What a provider file can say, each against a signature that Python's hmac made (Adyen's and
 * Twilio's are the published ones). Then the same request with one thing changed is refused. */
#include "rig.h"

#define SECRET "secret-key-1"
#define JSON_TYPE                                                                                  \
    {                                                                                              \
        "Content-Type", "application/json"                                                         \
    }
#define FORM_TYPE                                                                                  \
    {                                                                                              \
        "Content-Type", "application/x-www-form-urlencoded"                                        \
    }

struct spoken {
    const char *name, *verify, *secret, *target, *body;
    const char *headers[6][2];
    const char *spoilt; /* a body that must be refused */
};

static const struct spoken spoken[] = {
    {"url with a digest of the body asserted",
     "scheme: hmac\nhash: sha1\nsignature: { from: \"header:S\", encoding: base64 }\n"
     "signed: \"{{ url }}\"\nassert: { \"query:bodySHA256\": \"{{ body | sha256 | hex }}\" }\n",
     SECRET,
     "/in/x?bodySHA256=015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862",
     "{\"a\":1}",
     {{"S", "qFsiblyYtDPYKqnMdvI+CNZ8L0A="}},
     "{\"a\":2}"},
    {"members of a JSON object in order",
     "scheme: hmac\nhash: sha256\nsignature: { from: \".signature\", encoding: hex }\n"
     "signed: \"{{ json-query:data }}\"\n",
     SECRET,
     "/in/x",
     "{\"data\":{\"note\":null,\"currency\":\"VND\",\"amount\":3000},\"signature\":"
     "\"2ca8a9959fd3a844895de431bbafec84ce453056b187e651928d8186408182c5\"}",
     {JSON_TYPE},
     "{\"data\":{\"note\":null,\"currency\":\"VND\",\"amount\":3000,\"amount\":1},\"signature\":"
     "\"2ca8a9959fd3a844895de431bbafec84ce453056b187e651928d8186408182c5\"}"},
    {"a key made of the secret and more",
     "scheme: hmac\nhash: sha1\nkey: { format: \"{{ secret }}&\" }\n"
     "signature: { from: \"header:S\", encoding: base64 }\nsigned: \"{{ body }}\"\n",
     SECRET,
     "/in/x",
     "{\"a\":1}",
     {{"S", "XMR9lPW/bXPZ68G9h9Y4+3awfCU="}},
     "{\"a\":2}"},
    {"a key that is a digest of the secret",
     "scheme: hmac\nhash: sha256\nkey: { derive: sha256 }\n"
     "signature: { from: \"header:S\", encoding: base64 }\nsigned: \"{{ body }}\"\n",
     SECRET,
     "/in/x",
     "{\"a\":1}",
     {{"S", "UcH3jjto47vf+mvjsXKkhFldvSnICg53Lx5YvmZ+JOg="}},
     "{\"a\":2}"},
    {"hex digits in base64",
     "scheme: hmac\nhash: sha512\nsignature: { from: \"header:S\", encoding: base64-hex }\n"
     "signed: \"pub{{ body }}pub\"\n",
     SECRET,
     "/in/x",
     "{\"a\":1}",
     {{"S", "ZTVhMGIwYmE5MmU2OTQ4MTIzNzY5MDI4ODkxMzMwOGZlNWZkOWY0ZDU0YjZiMzAwNDliNGFhMTZjYjM0ZTc5"
            "MzkzZGZmNTdlN2YxYWVmODhmNDdjMWQ3OGE1NTAxY2IxNzU5N2M4YmY3NWYyNmIzODUyNGRjYTg0YThmNTBh"
            "NDg="}},
     "{\"a\":2}"},
    {"a URL partly decoded, a time in milliseconds",
     "scheme: hmac\nhash: sha256\nsignature: { from: \"header:S\", encoding: base64 }\n"
     "timestamp: { from: \"header:T\", unit: ms }\n"
     "signed: \"{{ method }}{{ url | hubspot-url }}{{ body }}{{ ts }}\"\n",
     SECRET,
     "/in/x?to=https%3A%2F%2Fa.b%2F%20c",
     "{\"a\":1}",
     {{"S", "4hessaDc2vUfzL6dcePuSLuj4zyx4z2eoXb6wXlX5C4="}, {"T", "1795443390000"}},
     "{\"a\":2}"},
    {"header fields that a header lists",
     "scheme: hmac\nhash: sha256\nsignature: { from: \"header:S\", encoding: hex }\n"
     "signed: \"{{ method }}\\n{{ target }}\\n{{ signed-headers:x-contentful-signed-headers }}\\n"
     "{{ body }}\"\n",
     SECRET,
     "/in/x?q=1",
     "{\"a\":1}",
     {{"S", "1e51e07dd069b1bfdfe9d00e68b074da8fe6194c92b757073234551e167dc9ad"},
      {"X-A", "1"},
      {"X-Contentful-Signed-Headers", "x-a,x-contentful-signed-headers"}},
     "{\"a\":2}"},
    {"header fields that a part of the signature lists",
     "scheme: hmac\nhash: sha256\nsignature:\n  from: \"header:S\"\n"
     "  fields: { separator: \",\", assign: \"=\" }\n  pick: v1\n  encoding: hex\n"
     "timestamp: { from: \"field:t\", unit: s }\n"
     "signed: \"{{ ts }}.{{ field:h }}.{{ field-headers:h }}.{{ body }}\"\n",
     SECRET,
     "/in/x",
     "{\"a\":1}",
     {{"S", "t=1795443390,h=x-a x-b,"
            "v1=30da05e00cebd8e4ab9fae0e61e15cba838a6299b986f95c81e2d1f912755a8d"},
      {"X-A", "one"},
      {"X-B", "two"}},
     "{\"a\":2}"},
    {"a checksum of the body",
     "scheme: hmac\nhash: sha256\nsignature: { from: \"header:S\", encoding: hex }\n"
     "signed: \"id|{{ body | crc32 }}\"\n",
     SECRET,
     "/in/x",
     "{\"a\":1}",
     {{"S", "007c86cc63a66b937ca5cbd8c6ec9fea172a1e631b79b6e6bca19800ed0a6dfa"}},
     "{\"a\":2}"},
    {"form fields in order, some left out",
     "scheme: hmac\nhash: sha256\nsignature: { from: \"form:sign\", encoding: hex }\n"
     "signed: \"{{ form-query:sign,sign_type }}\"\n",
     SECRET,
     "/in/x",
     "sign=371a82b49ae8d7355d2cecccf95f1a014e1f9240c16b5d021d9e0f69472e320a&z=&b=x&a=1+2&"
     "sign_type=RSA2",
     {FORM_TYPE},
     "sign=371a82b49ae8d7355d2cecccf95f1a014e1f9240c16b5d021d9e0f69472e320a&z=&b=x&a=1+3&"
     "sign_type=RSA2"},
    {"JSON in a form field",
     "scheme: hmac\nhash: sha256\n"
     "signature: { from: \"form-json:json.event.event_hash\", encoding: hex }\n"
     "signed: \"{{ form-json:json.event.event_time }}{{ form-json:json.event.event_type }}\"\n",
     SECRET,
     "/in/x",
     "json=%7B%22event%22%3A%7B%22event_time%22%3A%221348177752%22%2C%22event_type%22%3A%22"
     "signature_request_sent%22%2C%22event_hash%22%3A%2271ec2b5e273bae69c19fba94fd5a64a99c6a0b0e3c"
     "cb2b20c0655cfbd496965b%22%7D%7D",
     {FORM_TYPE},
     "json=%7B%22event%22%3A%7B%22event_time%22%3A%221348177753%22%2C%22event_type%22%3A%22"
     "signature_request_sent%22%2C%22event_hash%22%3A%2271ec2b5e273bae69c19fba94fd5a64a99c6a0b0e3c"
     "cb2b20c0655cfbd496965b%22%7D%7D"},
    {"JSON with its members in order",
     "scheme: hmac\nhash: sha512\nsignature: { from: \"header:S\", encoding: hex }\n"
     "signed: \"{{ body | json-sorted }}\"\n",
     SECRET,
     "/in/x",
     "{ \"b\": \"z\", \"a\": [1, {\"y\": 1.0, \"x\": 2}] }",
     {{"S",
       "feda9380ab9337e9046fd57694b78e8aa1481102a786a9e2e6396de8d9ba4cd38e88a47e084ab33996bd5f0"
       "a79c37d11d5b3c4248e16e9dd1b44092cae390f0e"}},
     "{ \"b\": \"z\", \"a\": [1, {\"y\": 1, \"x\": 2}] }"},
    {"the body as a string in another JSON text",
     "scheme: hmac\nhash: sha256\nsignature:\n  from: \"header:S\"\n"
     "  fields: { separator: \",\", assign: \"=\" }\n  pick: sign\n  encoding: base64\n"
     "timestamp: { from: \"field:t\", unit: ms }\n"
     "signed: '{\"Body\":{{ body | json-string }},\"EnvironmentName\":\"{{ field:env }}\","
     "\"TimeStamp\":{{ ts }}}'\n",
     SECRET,
     "/in/x",
     "{\"a\":\"</b>\"}",
     {{"S", "sign=AuYWYZHx+SEErBkZzj5qn9xEVNiaKOzqgN4BZrfngdQ=, env=master, t=1795443390000"}},
     "{\"a\":\"</c>\"}"},
    {"a digest of the credentials as a token",
     "scheme: token\nkey: { derive: sha256 }\n"
     "signature: { from: \"header:Authorization\", encoding: hex }\n",
     "user:pass-word",
     "/in/x",
     "",
     {{"Authorization", "e8dd2b2bd13ad6ade7f4ee52a7d95214fa2ccc68bee53929334a319b4cb825e5"}},
     NULL},
    {"a token in every item",
     "scheme: token\neach: \".value\"\nsignature: { from: \"item:clientState\" }\n",
     SECRET,
     "/in/x",
     "{\"value\":[{\"clientState\":\"secret-key-1\"},{\"clientState\":\"secret-key-1\"}]}",
     {JSON_TYPE},
     "{\"value\":[{\"clientState\":\"secret-key-1\"},{\"clientState\":\"\"}]}"},
    {"sorted form fields run together (published by Twilio)",
     "scheme: hmac\nhash: sha1\nsignature: { from: \"header:S\", encoding: base64 }\n"
     "signed: \"{{ url }}{{ form-pairs }}\"\n",
     "12345",
     "/myapp.php?foo=1&bar=2",
     "CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&"
     "To=%2B18005551212",
     {{"S", "L/OH5YylLD5NRKLltdqwSvS0BnU="}, FORM_TYPE},
     "CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1235&From=%2B14158675310&"
     "To=%2B18005551212"},
    {"every item signed, its fields joined (published by Adyen)",
     "scheme: hmac\nhash: sha256\nkey: { encoding: hex }\neach: \".notificationItems\"\n"
     "signature:\n  from: \"item:NotificationRequestItem.additionalData.hmacSignature\"\n"
     "  encoding: base64\n"
     "signed: \"{{ item:NotificationRequestItem.pspReference | escape-colons }}:"
     "{{ item:NotificationRequestItem.originalReference? | escape-colons }}:"
     "{{ item:NotificationRequestItem.merchantAccountCode | escape-colons }}:"
     "{{ item:NotificationRequestItem.merchantReference | escape-colons }}:"
     "{{ item:NotificationRequestItem.amount.value }}:"
     "{{ item:NotificationRequestItem.amount.currency }}:"
     "{{ item:NotificationRequestItem.eventCode }}:{{ item:NotificationRequestItem.success }}\"\n",
     "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
     "/in/x",
     "{\"notificationItems\":[{\"NotificationRequestItem\":{\"additionalData\":{\"hmacSignature\":"
     "\"coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0=\"},\"amount\":{\"value\":1130,\"currency\":"
     "\"EUR\"},\"pspReference\":\"7914073381342284\",\"eventCode\":\"AUTHORISATION\","
     "\"merchantAccountCode\":\"TestMerchant\",\"merchantReference\":"
     "\"TestPayment-1407325143704\",\"success\":\"true\"}}]}",
     {JSON_TYPE},
     "{\"notificationItems\":[{\"NotificationRequestItem\":{\"additionalData\":{\"hmacSignature\":"
     "\"coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0=\"},\"amount\":{\"value\":1130,\"currency\":"
     "\"EUR\"},\"pspReference\":\"7914073381342284\",\"eventCode\":\"AUTHORISATION\","
     "\"merchantAccountCode\":\"TestMerchant\",\"merchantReference\":"
     "\"TestPayment-1407325143704\",\"success\":\"true\"}},{}]}"},
};

static void use_inline(struct rig *r, const char *verify, const char *secret)
{
    struct reason why;
    const struct yaml *node = yaml_parse(&r->arena, STR("test.yaml"), str_from_cstr(verify), &why);
    if (!node)
        FAIL("%s", why.text);
    struct provider *p = provider_table_add(r->table, node, &r->problems);
    if (!p)
        FAIL("%s\n%s", r->problems.v[0].text, verify);
    str s = str_from_cstr(secret);
    rig_verifier(r,
                 &(struct verifier_options){.provider = p,
                                            .secrets = &s,
                                            .secret_count = 1,
                                            .public_url = strcmp(secret, "12345") == 0
                                                              ? STR("https://example.com")
                                                              : STR("https://hooks.example.org")});
}

static void set_request(struct rig *r, const struct spoken *s, const char *body)
{
    rig_request(r, str_from_cstr(body));
    r->req.target = r->req.query = str_from_cstr(s->target);
    r->req.path = str_cut(&r->req.query, '?');
    if (!r->req.query.p)
        r->req.query = STR("");
    for (size_t i = 0; i < ARRAY_LEN(s->headers) && s->headers[i][0]; i++)
        rig_field(r, s->headers[i][0], str_from_cstr(s->headers[i][1]));
}

void test_language_says_what_services_sign(void)
{
    for (size_t i = 0; i < ARRAY_LEN(spoken); i++) {
        const struct spoken *s = &spoken[i];
        struct rig r;
        rig_init(&r);
        use_inline(&r, s->verify, s->secret);
        set_request(&r, s, s->body);
        if (rig_check(&r) != VERDICT_VERIFIED)
            FAIL("%s: %s", s->name, r.verdict.text);
        if (s->spoilt) {
            set_request(&r, s, s->spoilt);
            if (rig_check(&r) == VERDICT_VERIFIED)
                FAIL("%s: accepted when spoilt", s->name);
        }
        rig_release(&r);
    }
}

void test_language_when_chooses_the_alternative(void)
{
    struct rig r;
    rig_init(&r);
    use_inline(&r,
               "any:\n"
               "- scheme: hmac\n  hash: sha512\n  when: { \"header:Alg\": SHA512 }\n"
               "  signature: { from: \"header:S\", encoding: hex }\n  signed: \"{{ body }}\"\n"
               "- scheme: hmac\n  hash: sha1\n  when: { \"header:Alg\": \"\" }\n"
               "  signature: { from: \"header:S\", encoding: hex }\n  signed: \"{{ body }}\"\n",
               "k-secret");
    rig_request(&r, STR("{}"));
    rig_field(&r, "S", STR("4a591ce1e092799c82682366ffa8fbc3742eda79")); /* by Python's hmac */
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    rig_field(&r, "Alg", STR("SHA512"));
    EXPECT_VERDICT(&r, VERDICT_MALFORMED);
    rig_set(&r, "Alg", STR("MD5"));
    EXPECT_VERDICT(&r, VERDICT_NO_SIGNATURE);
    rig_release(&r);
}

void test_language_key_named_by_the_request(void)
{
    struct rig r;
    rig_init(&r);
    struct reason why;
    const struct yaml *node = yaml_parse(
        &r.arena, STR("test.yaml"),
        STR("scheme: token\nkey: { select: \"header:Key-Id\" }\nsignature: { from: \"header:S\" "
            "}\n"),
        &why);
    struct provider *p = provider_table_add(r.table, node, &r.problems);
    str secrets[] = {STR("first-secret"), STR("second-secret")}, ids[] = {STR("k1"), STR("k2")};
    rig_verifier(&r, &(struct verifier_options){
                         .provider = p, .secrets = secrets, .secret_count = 2, .secret_ids = ids});
    rig_request(&r, STR("{}"));
    rig_field(&r, "S", secrets[1]);
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    rig_field(&r, "Key-Id", STR("k2"));
    EXPECT_VERDICT(&r, VERDICT_VERIFIED);
    EXPECT_EQ_INT(r.verdict.secret_index, 1);
    rig_set(&r, "Key-Id", STR("k1"));
    EXPECT_VERDICT(&r, VERDICT_BAD_CREDENTIALS);
    rig_release(&r);
}

void test_language_refuses_what_verifies_less_than_it_seems_to(void)
{
    static const struct {
        const char *verify, *part;
    } cases[] = {
        {"scheme: hmac\nhash: sha256\nsignature: { from: \"header:S\", encoding: hex }\n"
         "signed: \"{{ item:a }}\"\n",
         "needs \"each\""},
        {"scheme: hmac\nhash: sha256\nkey: { format: \"fixed\" }\n"
         "signature: { from: \"header:S\", encoding: hex }\nsigned: \"{{ body }}\"\n",
         "known to anybody"},
        {"scheme: hmac\nhash: sha256\nsignature: { from: \"header:S\", encoding: hex }\n"
         "signed: \"{{ header:N }}\"\nassert: { \"query:x\": \"{{ body | sha256 | hex }}\" }\n",
         "nothing of the body is signed"},
        {"scheme: token\nsignature: { from: \"item:a\" }\n", "needs \"each\""},
        {"scheme: hmac\nhash: sha256\nsignature: { from: \"header:S\", encoding: hex }\n"
         "timestamp: { from: \"header:T\", unit: s }\nsigned: \"{{ body }}\"\n",
         "not part of the signed text"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig r;
        struct reason why;
        rig_init(&r);
        const struct yaml *node =
            yaml_parse(&r.arena, STR("test.yaml"), str_from_cstr(cases[i].verify), &why);
        EXPECT(node && !provider_table_add(r.table, node, &r.problems));
        EXPECT_HAS(r.problems.v[0].text, cases[i].part);
        rig_release(&r);
    }
}
