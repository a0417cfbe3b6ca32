/* Whom to believe about the client: forwarded fields and the PROXY protocol. */
#include "http/proxy.h"
#include "unit.h"

static struct net nets[2];
static struct proxy_trust trust = {nets, 2};

static void trust_local(void)
{
    EXPECT(net_parse(STR("10.0.0.0/8"), &nets[0]));
    EXPECT(net_parse(STR("2001:db8:ffff::/48"), &nets[1]));
}

static const char *client_of(struct http_field *fields, size_t count, const char *peer)
{
    static char text[ADDRESS_TEXT_MAX];
    struct http_fields f = {fields, count};
    struct address from, client;
    EXPECT(address_parse(str_from_cstr(peer), &from));
    if (!proxy_client(&f, &from, &trust, &client))
        return "untold";
    return address_format(&client, text).p;
}

void test_proxy_client_walks_from_the_right(void)
{
    trust_local();
    static const struct {
        const char *value, *client;
    } cases[] = {
        {"203.0.113.9", "203.0.113.9"},
        {"6.6.6.6, 203.0.113.9", "203.0.113.9"},
        {"203.0.113.9, 10.1.2.3", "203.0.113.9"},
        {"6.6.6.6, 203.0.113.9,10.1.2.3 , 10.9.9.9", "203.0.113.9"},
        {"203.0.113.9:4711", "203.0.113.9"},
        {"2001:db8::7", "2001:db8::7"},
        {"[2001:db8::7]", "2001:db8::7"},
        {"[2001:db8::7]:443", "2001:db8::7"},
        {"::ffff:203.0.113.9", "203.0.113.9"},
        {"10.1.2.3", "10.1.2.3"},
        {"6.6.6.6, unknown", "10.0.0.1"},
        {"6.6.6.6, unknown, 10.1.2.3", "10.1.2.3"},
        {"6.6.6.6, ", "10.0.0.1"},
        {"", "10.0.0.1"},
        {"127.1", "10.0.0.1"},
        {"203.0.113.9:port", "10.0.0.1"},
        {"[203.0.113.9]", "10.0.0.1"},
        {"203.0.113.9 6.6.6.6", "10.0.0.1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_field f = {STR("X-Forwarded-For"), str_from_cstr(cases[i].value)};
        const char *got = client_of(&f, 1, "10.0.0.1");
        if (strcmp(got, cases[i].client) != 0)
            FAIL("\"%s\": %s", cases[i].value, got);
        EXPECT_CSTR(client_of(&f, 1, "203.0.113.200"), "untold");
    }
    struct http_field several[] = {{STR("x-forwarded-for"), STR("6.6.6.6")},
                                   {STR("Other"), STR("10.0.0.9")},
                                   {STR("X-FORWARDED-FOR"), STR("203.0.113.9, 10.0.0.2")}};
    EXPECT_CSTR(client_of(several, 3, "10.0.0.1"), "203.0.113.9");
    EXPECT_CSTR(client_of(several + 1, 1, "10.0.0.1"), "untold");
}

void test_proxy_client_reads_forwarded(void)
{
    trust_local();
    static const struct {
        const char *value, *client;
    } cases[] = {
        {"for=203.0.113.9", "203.0.113.9"},
        {"For=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9"},
        {"proto=http; for=\"203.0.113.9:80\"", "203.0.113.9"},
        {"for=\"[2001:db8::7]:4711\"", "2001:db8::7"},
        {"for=6.6.6.6, for=203.0.113.9, for=10.3.3.3", "203.0.113.9"},
        {"for=_hidden, for=10.3.3.3", "10.3.3.3"},
        {"for=unknown", "10.0.0.1"},
        {"by=203.0.113.9", "10.0.0.1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_field f = {STR("Forwarded"), str_from_cstr(cases[i].value)};
        const char *got = client_of(&f, 1, "10.0.0.1");
        if (strcmp(got, cases[i].client) != 0)
            FAIL("\"%s\": %s", cases[i].value, got);
    }
}

/* A proxy that writes one of them passes the other through from the client. */
void test_proxy_client_believes_neither_of_two_that_differ(void)
{
    trust_local();
    struct http_field same[] = {{STR("X-Forwarded-For"), STR("203.0.113.9")},
                                {STR("Forwarded"), STR("for=203.0.113.9")}};
    EXPECT_CSTR(client_of(same, 2, "10.0.0.1"), "203.0.113.9");
    struct http_field differ[] = {{STR("X-Forwarded-For"), STR("203.0.113.9")},
                                  {STR("Forwarded"), STR("for=6.6.6.6")}};
    EXPECT_CSTR(client_of(differ, 2, "10.0.0.1"), "untold");
}

void test_proxy_is_https_by_the_last_word(void)
{
    trust_local();
    static const struct {
        const char *x, *forwarded;
        bool is_https;
    } cases[] = {
        {"https", NULL, true},
        {"HTTPS", NULL, true},
        {"http", NULL, false},
        {"https, http", NULL, false},
        {"http, https", NULL, true},
        {NULL, "for=1.2.3.4;proto=https", true},
        {NULL, "proto=https, proto=http", false},
        {"https", "proto=http", false},
        {"http", "proto=https", false},
        {"https", "proto=https", true},
        {"https", "for=1.2.3.4", true},
        {NULL, NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_field v[2];
        struct http_fields f = {v, 0};
        if (cases[i].x)
            v[f.count++] = (struct http_field){STR("X-Forwarded-Proto"), str_from_cstr(cases[i].x)};
        if (cases[i].forwarded)
            v[f.count++] = (struct http_field){STR("Forwarded"), str_from_cstr(cases[i].forwarded)};
        struct address inside, outside;
        EXPECT(address_parse(STR("10.0.0.1"), &inside));
        EXPECT(address_parse(STR("11.0.0.1"), &outside));
        if (proxy_is_https(&f, &inside, &trust) != cases[i].is_https)
            FAIL("case %zu", i);
        EXPECT(!proxy_is_https(&f, &outside, &trust));
    }
}

/* --- the PROXY protocol --------------------------------------------------------------------- */

/* "203.0.113.9 +3" is the client and how many bytes are left over; "none", "more", "bad". */
static const char *header_of(str bytes)
{
    static char out[96];
    struct address client;
    bool has_client;
    size_t taken = 0;
    switch (proxy_header_parse(bytes, &taken, &client, &has_client)) {
    case PROXY_MORE:
        return "more";
    case PROXY_BAD:
        return "bad";
    case PROXY_DONE:
    default:
        break;
    }
    char text[ADDRESS_TEXT_MAX];
    EXPECT(taken <= bytes.n);
    snprintf(out, sizeof(out), "%s +%zu", has_client ? address_format(&client, text).p : "none",
             bytes.n - taken);
    return out;
}

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define V4_ADDRESSES "\xcb\0\x71\x09\xc0\0\x02\x01\x12\x34\0\x50"

void test_proxy_header_parse_both_versions(void)
{
    static const struct {
        str bytes;
        const char *outcome;
    } cases[] = {
        {{"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\nGET", 46}, "203.0.113.9 +3"},
        {{"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", 45}, "2001:db8::7 +0"},
        {{"PROXY UNKNOWN\r\n", 15}, "none +0"},
        {{"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", 35}, "none +0"},
        {{"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\n", 42}, "more"},
        {{"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n", 40}, "bad"},
        {{"PROXY TCP6 203.0.113.9 192.0.2.1 1 2\r\n", 38}, "bad"},
        {{"PROXY TCP4 203.0.113.9 192.0.2.1 4711\r\n", 39}, "bad"},
        {{"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443 x\r\n", 45}, "bad"},
        {{"PROXY TCP4 203.0.113.9 192.0.2.1 65536 443\r\n", 44}, "bad"},
        {{"PROXY TCP4  203.0.113.9 192.0.2.1 1 2\r\n", 39}, "bad"},
        {{"PROXY UDP4 203.0.113.9 192.0.2.1 1 2\r\n", 38}, "bad"},
        {{"PROXY\r\n", 7}, "bad"},
        {{"proxy TCP4", 10}, "bad"},
        {{"GET / HTTP/1.1\r\n", 16}, "bad"},
        {{"PRO", 3}, "more"},
        {{"", 0}, "more"},
        {{V2 "\x21\x11\0\x0c" V4_ADDRESSES "GET", 31}, "203.0.113.9 +3"},
        {{V2 "\x21\x11\0\x0f" V4_ADDRESSES "tlv", 31}, "203.0.113.9 +0"},
        {{V2 "\x20\0\0\0GET", 19}, "none +3"},
        {{V2 "\x21\0\0\0", 16}, "none +0"},
        {{V2 "\x21\x31\0\x01x", 17}, "none +0"},
        {{V2 "\x21\x11\0\x0b" V4_ADDRESSES, 28}, "bad"},
        {{V2 "\x21\x21\0\x0c" V4_ADDRESSES, 28}, "bad"},
        {{V2 "\x11\x11\0\x0c" V4_ADDRESSES, 28}, "bad"},
        {{V2 "\x22\x11\0\x0c" V4_ADDRESSES, 28}, "bad"},
        {{V2 "\x21\x41\0\x0c" V4_ADDRESSES, 28}, "bad"},
        {{V2 "\x21\x11\xff\xff", 16}, "bad"},
        {{V2 "\x21\x11\0\x0c\xcb", 17}, "more"},
        {{V2, 12}, "more"},
        {{V2, 5}, "more"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = header_of(cases[i].bytes);
        if (strcmp(got, cases[i].outcome) != 0)
            FAIL("case %zu: %s, not %s", i, got, cases[i].outcome);
    }
    str v6 = STR(V2 "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
                    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x34\0\x50");
    EXPECT_CSTR(header_of(v6), "2001:db8::7 +0");
}

void test_proxy_header_parse_bounds_the_line(void)
{
    char line[300];
    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    EXPECT_CSTR(header_of(str_of(line, 106)), "more");
    EXPECT_CSTR(header_of(str_of(line, 107)), "bad");
    EXPECT_CSTR(header_of(str_of(line, 300)), "bad");
}
