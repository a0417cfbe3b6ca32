/* endpoint_test.c -- an endpoint read from its document: what it is without more, which member is
 * told to be wrong, what a key may be, and which messages it wants. */
#include "engine/endpoint.h"

#include "base/codec.h"
#include "http/server.h"
#include "unit.h"

#define URL "\"url\":\"https://example.com/hook\""

static struct config *settings;

static struct object document(const char *doc)
{
    return (struct object){.kind = STR(ENDPOINT_KIND),
                           .id = STR("ep_1"),
                           .parent = STR("app_1"),
                           .name = STR("mine"),
                           .version = 7,
                           .doc = str_from_cstr(doc)};
}

static struct endpoint *make(const char *doc)
{
    struct reason why = {0};
    const struct object o = document(doc);
    if (!settings)
        settings = config_new_default();
    struct endpoint *e = endpoint_new(&o, &settings->sending, &why);
    if (!e)
        FAIL("%s: %s", doc, why.text);
    return e;
}

static void done(struct endpoint *e)
{
    endpoint_unref(e);
    config_unref(settings);
    settings = NULL;
}

/* The member that is told to be wrong; NULL: none is. */
static const char *wrong(const char *doc)
{
    struct reason why = {0};
    const struct object o = document(doc);
    struct config *c = config_new_default();
    const char *member = endpoint_check(&o, &c->sending, &why);
    EXPECT((member == NULL) == (why.text[0] == '\0'));
    config_unref(c);
    return member;
}

void test_endpoint_without_more_is_the_usual_one(void)
{
    static const int64_t waits_s[] = ENDPOINT_WAITS_S;
    struct endpoint *e = make("{" URL "}");
    EXPECT_STR(e->id, "ep_1");
    EXPECT_STR(e->application, "app_1");
    EXPECT_STR(e->uid, "mine");
    EXPECT_EQ_UINT(e->version, 7);
    EXPECT(!e->disabled && !e->polled && !e->match && !e->event_types && !e->channels);
    EXPECT_EQ_INT(e->destination.concurrency, ENDPOINT_CONCURRENCY);
    EXPECT_EQ_INT(e->destination.rate.count, 0);
    EXPECT(!e->destination.in_order && e->destination.is_endpoint);
    EXPECT_EQ_INT(e->destination.timeout_ms, settings->sending.timeout_ms);
    EXPECT_EQ_UINT(e->destination.retry.wait_count, ARRAY_LEN(waits_s));
    for (size_t i = 0; i < ARRAY_LEN(waits_s); i++)
        EXPECT_EQ_INT(e->destination.retry.waits_ms[i], waits_s[i] * 1000);
    EXPECT(!e->destination.where.p && !e->destination.transform.p);
    EXPECT_EQ_UINT(e->webhook.key_count, 0);
    EXPECT_EQ_UINT(e->webhook.header_count, 0);
    done(e);
}

void test_endpoint_members_take_the_place_of_what_is_usual(void)
{
    struct endpoint *e =
        make("{" URL ",\"concurrency\":3,\"throttleRate\":50,\"timeout\":4,\"retry\":[0.5,60],"
             "\"orderBy\":\"\",\"onBlocked\":\"deadLetter\",\"where\":\".n\",\"transform\":\"\","
             "\"circuit\":{\"failures\":2,\"waitSeconds\":90,\"maxSeconds\":5},"
             "\"headers\":{\"X-One\":\"1\"},\"delivery\":\"poll\",\"failSince\":12}");
    EXPECT_EQ_INT(e->destination.concurrency, 3);
    EXPECT_EQ_INT(e->destination.rate.count, 50);
    EXPECT_EQ_INT(e->destination.rate.per_ms, 1000);
    EXPECT_EQ_INT(e->destination.timeout_ms, 4000);
    EXPECT_EQ_UINT(e->destination.retry.wait_count, 2);
    EXPECT_EQ_INT(e->destination.retry.waits_ms[0], 500);
    EXPECT_EQ_INT(e->destination.retry.waits_ms[1], 60000);
    EXPECT(e->destination.in_order && e->destination.dead_when_blocked);
    EXPECT_STR(e->destination.where, ".n");
    EXPECT(!e->destination.transform.p); /* an empty program is none */
    EXPECT_EQ_INT(e->destination.circuit.failures, 2);
    EXPECT_EQ_INT(e->destination.circuit.wait_ms, 90000);
    EXPECT_EQ_INT(e->destination.circuit.max_ms, 90000); /* never less than one wait */
    EXPECT_EQ_UINT(e->webhook.header_count, 1);
    EXPECT(e->polled);
    EXPECT_EQ_INT(e->fail_since_ms, 12);
    done(e);
    e = make("{" URL ",\"retry\":[]}");
    EXPECT_EQ_UINT(e->destination.retry.wait_count, 0);
    done(e);
}

void test_endpoint_tells_which_member_is_wrong(void)
{
    static const struct {
        const char *doc, *member;
    } all[] = {
        {"{" URL "}", NULL},
        {"{}", "url"},
        {"{\"url\":\"\"}", "url"},
        {"{" URL ",\"secrets\":[{\"key\":\"plain\"}]}", "secret"},
        {"{" URL ",\"secrets\":[{}]}", "secret"},
        {"{" URL ",\"match\":{\"json\":{\"/[\":{\"no\":1}}}}", "match"},
        {"{" URL ",\"orderBy\":\"{{ .a\"}", "orderBy"},
        {"{" URL ",\"orderBy\":\"{{ .a }}\"}", NULL},
        {"{" URL ",\"proxy\":\"socks://127.0.0.1:9\"}", "proxy"},
        {"{" URL ",\"clientCertificate\":{\"certificate\":\"x\",\"key\":\"y\"}}",
         "clientCertificate"},
        {"{" URL ",\"subscription\":{}}", "subscription"},
        {"{" URL ",\"subscription\":{\"topic\":\"https://t/\",\"until\":0}}", "subscription"},
        {"{" URL ",\"subscription\":{\"topic\":\"https://t/\",\"until\":5,\"secret\":\"*\"}}",
         "subscription"},
        {"{", ""},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        const char *member = wrong(all[i].doc);
        if (!member != !all[i].member || (member && strcmp(member, all[i].member) != 0))
            FAIL("%s: %s", all[i].doc, member ? member : "nothing is wrong");
    }
}

/* A key of `n` bytes with that prefix, parsed; how many bytes are kept of it. */
static size_t parsed(const char *prefix, size_t n)
{
    static uint8_t bytes[256];
    char text[400];
    struct arena a;
    struct webhook_key key;
    arena_init(&a, 1u << 16);
    size_t before = (size_t)snprintf(text, sizeof(text), "%s", prefix);
    memset(bytes, 'k', sizeof(bytes));
    str whole = str_of(text, before + base64_encode(bytes, n, text + before));
    bool good = endpoint_key_parse(whole, &a, &key);
    EXPECT(good == (key.bytes.p != NULL));
    size_t kept = good ? key.bytes.n : 0;
    arena_release(&a);
    return kept;
}

void test_endpoint_keys_have_their_lengths(void)
{
    struct arena a;
    struct webhook_key key;
    EXPECT_EQ_UINT(parsed("whsec_", 15), 0);
    EXPECT_EQ_UINT(parsed("whsec_", 16), 16);
    EXPECT_EQ_UINT(parsed("whsec_", 96), 96);
    EXPECT_EQ_UINT(parsed("whsec_", 97), 0);
    EXPECT_EQ_UINT(parsed("whsk_", 64), 32); /* seed and public half; the seed is kept */
    EXPECT_EQ_UINT(parsed("whsk_", 32), 0);
    EXPECT_EQ_UINT(parsed("whsk_", 65), 0);
    EXPECT_EQ_UINT(parsed("whpk_", 32), 0);
    EXPECT_EQ_UINT(parsed("", 24), 0);
    arena_init(&a, 1u << 16);
    EXPECT(!endpoint_key_parse(STR("whsec_"), &a, &key));
    EXPECT(!endpoint_key_parse(STR("whsec_not base64 at all, whatever it is"), &a, &key));
    EXPECT(!endpoint_key_parse(STR_NONE, &a, &key));
    arena_release(&a);
}

void test_endpoint_a_shared_signature_takes_no_pair(void)
{
    char doc[400], pair[200];
    uint8_t bytes[64] = {1};
    pair[base64_encode(bytes, sizeof(bytes), pair)] = '\0';
    for (int shared = 0; shared < 2; shared++) {
        snprintf(doc, sizeof(doc),
                 "{" URL ",\"signature\":\"%s\",\"secrets\":[{\"key\":\"whsk_%s\"}]}",
                 shared ? "github" : "standard", pair);
        const char *member = wrong(doc);
        if (shared)
            EXPECT(member && strcmp(member, "signature") == 0);
        else
            EXPECT(member == NULL);
    }
}

void test_endpoint_userinfo_becomes_a_header_and_is_not_called(void)
{
    struct endpoint *e = make("{\"url\":\"https://joe:p%40ss@example.com/a@b\"}");
    EXPECT_STR(e->webhook.url, "https://example.com/a@b");
    EXPECT_EQ_UINT(e->webhook.header_count, 1);
    EXPECT_STR(e->webhook.headers[0].name, "Authorization");
    EXPECT_STR(e->webhook.headers[0].value, "Basic am9lOnBAc3M="); /* joe:p@ss */
    done(e);
    e = make("{\"url\":\"https://example.com/?mail=a@b\"}");
    EXPECT_STR(e->webhook.url, "https://example.com/?mail=a@b");
    EXPECT_EQ_UINT(e->webhook.header_count, 0);
    done(e);
}

void test_endpoint_urls(void)
{
    static const char *const good[] = {"https://example.com", "http://joe:pw@example.com/x",
                                       "http://127.0.0.1:9/"}; /* refused when it is called */
    static const char *const bad[] = {"",         "example.com",           "ftp://example.com/",
                                      "https://", "https://exa mple.com/", "javascript:alert(1)"};
    struct reason why = {0};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!endpoint_url_check(str_from_cstr(good[i]), &why))
            FAIL("%s: %s", good[i], why.text);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (endpoint_url_check(str_from_cstr(bad[i]), &why))
            FAIL("%s is taken", bad[i]);
}

void test_endpoint_subscription_signs_and_links_as_the_protocol_has_it(void)
{
    struct endpoint *e =
        make("{" URL ",\"signature\":\"github\",\"format\":\"cloudevents\","
             "\"subscription\":{\"topic\":\"https://t/\",\"until\":5000,\"secret\":\"c2VjcmV0\"}}");
    EXPECT_EQ_INT(e->webhook.style, WEBHOOK_WEBSUB);
    EXPECT_EQ_INT(e->webhook.format, WEBHOOK_PLAIN);
    EXPECT_EQ_UINT(e->webhook.key_count, 1);
    EXPECT_STR(e->webhook.keys[0].bytes, "secret");
    EXPECT_STR(e->webhook.headers[0].name, "Link");
    struct message_facts m = {.event_type = STR("t"), .now_ms = 4999};
    EXPECT(endpoint_wants(e, &m));
    m.now_ms = 5000;
    EXPECT(!endpoint_wants(e, &m)); /* its lease has ended */
    EXPECT(endpoint_fits(e, &m));   /* it would be of those */
    done(e);
}

static bool wants(const char *doc, const char *type, const char *channel)
{
    struct endpoint *e = make(doc);
    str channels[] = {STR("other"), str_from_cstr(channel ? channel : "")};
    const struct message_facts m = {str_from_cstr(type), channels, channel ? 2 : 0, NULL, 1};
    bool yes = endpoint_wants(e, &m);
    done(e);
    return yes;
}

void test_endpoint_wants_what_no_filter_refuses(void)
{
    EXPECT(wants("{" URL "}", "any", NULL));
    EXPECT(!wants("{" URL ",\"disabled\":true}", "any", NULL));
    EXPECT(!wants("{" URL ",\"delivery\":\"poll\"}", "any", NULL));
    EXPECT(wants("{" URL ",\"eventTypes\":[\"a\",\"b\"]}", "b", NULL));
    EXPECT(!wants("{" URL ",\"eventTypes\":[\"a\",\"b\"]}", "B", NULL));
    EXPECT(!wants("{" URL ",\"eventTypes\":[]}", "a", NULL));
    EXPECT(wants("{" URL ",\"eventTypes\":null}", "a", NULL));
    EXPECT(wants("{" URL ",\"channels\":[\"x\",\"y\"]}", "a", "y"));
    EXPECT(!wants("{" URL ",\"channels\":[\"x\",\"y\"]}", "a", "z"));
    EXPECT(!wants("{" URL ",\"channels\":[\"x\"]}", "a", NULL)); /* a message without any */
    EXPECT(wants("{" URL ",\"channels\":null}", "a", "z"));
    EXPECT(!wants("{" URL ",\"channels\":[\"x\"],\"eventTypes\":[\"b\"]}", "a", "x"));
}

void test_endpoint_matches_by_the_payload(void)
{
    struct endpoint *e = make("{" URL ",\"match\":{\"json\":{\"n\":1}}}");
    for (int n = 0; n < 3; n++) {
        struct arena a;
        char body[32];
        arena_init(&a, 1u << 20);
        snprintf(body, sizeof(body), n == 2 ? "no JSON" : "{\"n\":%d}", n);
        struct http_request request = {.body = str_from_cstr(body), .arena = &a};
        struct facts facts = {.request = &request, .event_type = STR("t")};
        const struct message_facts m = {STR("t"), NULL, 0, &facts, 1};
        EXPECT(endpoint_wants(e, &m) == (n == 1));
        http_request_release(&request);
        arena_release(&a);
    }
    done(e);
}
