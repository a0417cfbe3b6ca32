/* The outbound policy: every spelling of an inside address is refused under PUBLIC, at load or at
 * the latest when the socket is opened, and no connection arrives. */
#include "unit.h"

#include "http/client_policy.h"
#include "rig.h"

/* %u is the port of a listening peer, so that a hole would be seen as a connection. */
static const char *const inside_urls[] = {
    /* IPv4 in every spelling inet_aton knows */
    "http://127.0.0.1:%u/",
    "http://127.0.0.2:%u/",
    "http://127.255.255.254:%u/",
    "http://2130706433:%u/",
    "http://0x7f000001:%u/",
    "http://0X7F000001:%u/",
    "http://017700000001:%u/",
    "http://0x7f.0.0.1:%u/",
    "http://0x7f.1:%u/",
    "http://0x7f.0x0.0x0.0x1:%u/",
    "http://0177.0.0.1:%u/",
    "http://0177.0.0.01:%u/",
    "http://0177.1:%u/",
    "http://00000177.1:%u/",
    "http://127.1:%u/",
    "http://127.0.1:%u/",
    "http://127.0x1:%u/",
    "http://127.00000000001:%u/",
    "http://127.0.0.1.:%u/",
    "http://127.1.:%u/",
    "http://2130706433.:%u/",
    "http://0:%u/",
    "http://0.0.0.0:%u/",
    "http://0.0:%u/",
    "http://0x0:%u/",
    "http://%%31%%32%%37.0.0.1:%u/",
    "http://127%%2e0%%2e0%%2e1:%u/",
    "http://0x7f%%2e1:%u/",
    /* names */
    "http://localhost:%u/",
    "http://LOCALHOST:%u/",
    "http://localhost.:%u/",
    "http://foo.localhost:%u/",
    "http://l%%6fcalhost:%u/",
    /* full-width digits and stops, circled digits: they convert to ASCII */
    "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1:%u/",
    "http://127\xe3\x80\x82\x30\xe3\x80\x82\x30\xe3\x80\x82\x31:%u/",
    "http://127\xef\xbc\x8e\x30\xef\xbc\x8e\x30\xef\xbc\x8e\x31:%u/",
    "http://127\xef\xbd\xa1\x30\xef\xbd\xa1\x30\xef\xbd\xa1\x31:%u/",
    "http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1:%u/",
    "http://\xef\xbd\x8cocalhost:%u/",
    /* IPv6 */
    "http://[::1]:%u/",
    "http://[0:0:0:0:0:0:0:1]:%u/",
    "http://[0000::0001]:%u/",
    "http://[::]:%u/",
    "http://[::ffff:127.0.0.1]:%u/",
    "http://[::ffff:7f00:1]:%u/",
    "http://[0:0:0:0:0:ffff:7f00:0001]:%u/",
    "http://[::127.0.0.1]:%u/",
    "http://[::ffff:0:127.0.0.1]:%u/",
    "http://[64:ff9b::127.0.0.1]:%u/",
    "http://[64:ff9b::7f00:1]:%u/",
    "http://[64:ff9b:1::7f00:1]:%u/",
    "http://[2002:7f00:1::]:%u/",
    "http://[2001:0:7f00:1::]:%u/",
    "http://[fe80::1]:%u/",
    "http://[fe80::1%%25lo]:%u/",
    "http://[fec0::1]:%u/",
    "http://[fc00::1]:%u/",
    "http://[fd00:ec2::254]:%u/",
    "http://[ff02::1]:%u/",
    "http://[2001:db8::1]:%u/",
    "http://[100::1]:%u/",
    "http://[5f00::1]:%u/",
    "http://[3fff::1]:%u/",
    /* other ranges that are not the internet */
    "http://10.0.0.1:%u/",
    "http://172.16.0.1:%u/",
    "http://172.31.255.255:%u/",
    "http://192.168.1.1:%u/",
    "http://100.64.0.1:%u/",
    "http://169.254.169.254:%u/latest/meta-data/",
    "http://2852039166:%u/",
    "http://0xa9fea9fe:%u/",
    "http://[::ffff:169.254.169.254]:%u/",
    "http://100.100.100.200:%u/",
    "http://168.63.129.16:%u/",
    "http://192.0.0.192:%u/",
    "http://192.0.2.1:%u/",
    "http://198.18.0.1:%u/",
    "http://198.51.100.1:%u/",
    "http://203.0.113.9:%u/",
    "http://192.88.99.1:%u/",
    "http://224.0.0.1:%u/",
    "http://240.0.0.1:%u/",
    "http://255.255.255.255:%u/",
    /* userinfo and parsers' quarrels */
    "http://example.org@127.0.0.1:%u/",
    "http://example.org:80@127.0.0.1:%u/",
    "http://user:pass@127.0.0.1:%u/",
    "http://127.0.0.1:%u@example.org/",
    "http://127.0.0.1:%u#@example.org/",
    "http://127.0.0.1:%u?@example.org/",
    "http://127.0.0.1:%u\\@example.org/",
    "http:/127.0.0.1:%u/",
    "http:///127.0.0.1:%u/",
    "http://@127.0.0.1:%u/",
    "http:127.0.0.1:%u/",
    "HTTP://127.0.0.1:%u/",
    " http://127.0.0.1:%u/",
    "http://127.0.0.1\t:%u/",
    "http://127.0.0.1:%u/\r\nHost: example.org",
    "http://[127.0.0.1]:%u/",
    "http://[::1%%25lo]:%u/",
    /* schemes */
    "ftp://127.0.0.1:%u/",
    "gopher://127.0.0.1:%u/_POST",
    "dict://127.0.0.1:%u/d:x",
    "file:///etc/passwd?%u",
    "ldap://127.0.0.1:%u/",
    "telnet://127.0.0.1:%u/",
    "smb://127.0.0.1:%u/a",
    "ws://127.0.0.1:%u/",
    "javascript:alert(%u)",
};

void test_client_policy_refuses_every_spelling_of_an_inside_address(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct rig r = rig_start();
    EXPECT(ARRAY_LEN(inside_urls) >= 60);
    for (size_t i = 0; i < ARRAY_LEN(inside_urls); i++) {
        struct got *g = got_new(OUTBOUND_PUBLIC, "http://x/");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(g->url, sizeof(g->url), inside_urls[i], (unsigned)p->port);
#pragma GCC diagnostic pop
        g->call.url = str_from_cstr(g->url);
        enum http_call_class class = rig_run(&r, g);
        /* Whether a name server knows this one is the machine's affair. */
        bool may_be_unknown = strstr(g->url, "localhost.:") && class == HTTP_CALL_DNS;
        bool is_refused = class == HTTP_CALL_BLOCKED || class == HTTP_CALL_INVALID;
        if (!is_refused && !may_be_unknown)
            fprintf(stderr, "%s: %s\n", g->url, http_call_class_word(class));
        EXPECT(is_refused || may_be_unknown);
        EXPECT(g->answer.status == 0 && g->answer.address[0] == '\0');
    }
    EXPECT_EQ_INT(atomic_load(&p->connections), 0);
    rig_stop(&r);
}

void test_client_policy_refuses_literals_already_at_load(void)
{
    static const char *const urls[] = {
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.0.0.1./",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://0x7f%2e1/",
        "https://169.254.169.254/",
        "http://\xef\xbc\x91\x30.0.0.1/",
        "http://example.org:22/",
        "http://example.org:25/",
        "http://example.org:1023/",
        "http://example.org:8a/",
        "http://u@example.org/",
        "http://:80/",
        "http://example.org:443@10.0.0.1/",
    };
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct reason why = {.text = ""};
        EXPECT(http_url_check(str_from_cstr(urls[i]), OUTBOUND_PUBLIC, &why) != ERR_OK);
        EXPECT(why.text[0] != '\0');
    }
}

/* The name that is judged is the one that is resolved, whatever the locale. */
void test_client_policy_converts_international_names_itself(void)
{
    struct http_url u;
    struct reason why = {.text = ""};
    EXPECT_EQ_INT(http_url_parse(STR("http://b\xc3\xbc\x63her.example/"), &u, &why), ERR_OK);
    EXPECT(!u.is_literal);
    http_url_release(&u);
    EXPECT_EQ_INT(http_url_parse(STR("http://\xef\xbc\x91\xef\xbc\x90.0.0.1/"), &u, &why), ERR_OK);
    char text[ADDRESS_TEXT_MAX];
    EXPECT(u.is_literal);
    EXPECT_STR(address_format(&u.literal, text), "10.0.0.1");
    http_url_release(&u);
    EXPECT(http_url_parse(STR("http://b\xfc\x63her.example/"), &u, &why) != ERR_OK);
}

void test_client_policy_accepts_what_is_public(void)
{
    static const char *const urls[] = {
        "http://example.org/",
        "https://example.org",
        "https://example.org:443/a?b#c",
        "http://example.org:80/",
        "http://example.org:1024/",
        "https://example.org:8443/x",
        "http://8.8.8.8/",
        "http://[2606:4700::1111]/",
        "https://b\xc3\xbc\x63her.example/",
        "http://localhost.example/",
        "http://1.1.1.1:8080/",
        "http://172.32.0.1/",
    };
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct reason why = {.text = ""};
        EXPECT_EQ_INT(http_url_check(str_from_cstr(urls[i]), OUTBOUND_PUBLIC, &why), ERR_OK);
    }
}

void test_client_policy_private_allows_inside_but_no_metadata(void)
{
    static const char *const good[] = {
        "http://127.0.0.1:3000/", "http://[::1]:3000/",     "http://10.1.2.3/",
        "http://192.168.0.1:22/", "http://172.16.9.9/",     "http://[fd12::1]/",
        "http://100.64.0.1/",     "http://example.org:25/",
    };
    static const char *const bad[] = {
        "http://169.254.169.254/",
        "http://169.254.1.1/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::]/",
        "ftp://127.0.0.1/",
        "http://u:p@127.0.0.1/",
    };
    struct reason why;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        EXPECT_EQ_INT(http_url_check(str_from_cstr(good[i]), OUTBOUND_PRIVATE, &why), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        EXPECT(http_url_check(str_from_cstr(bad[i]), OUTBOUND_PRIVATE, &why) != ERR_OK);
}

void test_client_policy_says_no_more_than_blocked_under_public(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PUBLIC, "http://localhost:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_BLOCKED);
    EXPECT(strcmp(g->answer.error, OUTBOUND_BLOCKED_TEXT) == 0);
    EXPECT(g->answer.address[0] == '\0');
    g = got_new(OUTBOUND_PRIVATE, "http://localhost:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    rig_stop(&r);
}

void test_client_policy_keeps_the_pools_apart(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct rig r = rig_start();
    struct got *open = got_new(OUTBOUND_PRIVATE, "http://localhost:%u/", p->port);
    struct got *strict = got_new(OUTBOUND_PUBLIC, "http://localhost:%u/", p->port);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ_INT(rig_run(&r, open), HTTP_CALL_OK);
        EXPECT_EQ_INT(open->answer.reused, i > 0);
        EXPECT_EQ_INT(rig_run(&r, strict), HTTP_CALL_BLOCKED);
    }
    EXPECT_EQ_INT(atomic_load(&p->requests), 3);
    EXPECT_EQ_INT(atomic_load(&p->connections), 1);
    rig_stop(&r);
}

void test_client_policy_allows_listed_ranges(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct net allow[2];
    EXPECT(net_parse(STR("127.0.0.0/8"), &allow[0]) && net_parse(STR("::1"), &allow[1]));
    struct http_client_options o = {.allow = allow, .allow_count = 2};
    struct rig r = rig_with(&o);
    struct got *g = got_new(OUTBOUND_PUBLIC, "http://127.0.0.1:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    g = got_new(OUTBOUND_PUBLIC, "http://localhost:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    g = got_new(OUTBOUND_PUBLIC, "http://10.0.0.1:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_BLOCKED);
    rig_stop(&r);
}

void test_client_policy_never_reaches_our_own_listeners(void)
{
    struct peer *own = peer_start(PEER_ANSWER, PEER_OK);
    struct peer *other = peer_start(PEER_ANSWER, PEER_OK);
    static const char *const own_texts[] = {"http://127.0.0.1:%u", "0.0.0.0:%u", "https://[::]:%u"};
    for (size_t i = 0; i < ARRAY_LEN(own_texts); i++) {
        struct outbound_own ours = {.count = 0};
        struct net allow;
        char bound[64];
        snprintf(bound, sizeof(bound), own_texts[i], (unsigned)own->port);
        outbound_own_add(&ours, str_from_cstr(bound));
        EXPECT(net_parse(STR("127.0.0.0/8"), &allow));
        struct http_client_options o = {.own = &ours, .allow = &allow, .allow_count = 1};
        struct rig r = rig_with(&o);
        for (int policy = 0; policy < 2; policy++) {
            static const char *const hosts[] = {"127.0.0.1", "localhost", "0.0.0.0", "127.1"};
            for (size_t k = 0; k < ARRAY_LEN(hosts); k++) {
                struct got *g =
                    got_new((enum outbound_policy)policy, "http://%s:%u/", hosts[k], own->port);
                EXPECT(rig_run(&r, g) != HTTP_CALL_OK);
                EXPECT_EQ_INT(g->answer.status, 0);
            }
            struct got *g =
                got_new((enum outbound_policy)policy, "http://127.0.0.1:%u/", other->port);
            EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
        }
        rig_stop(&r);
    }
    EXPECT_EQ_INT(atomic_load(&own->connections), 0);
}

/* Under our own wildcard listener 127.0.0.2 is ours as well; bound to one address it is not. */
void test_client_policy_takes_a_wildcard_listener_for_all_of_our_addresses(void)
{
    struct outbound_own every = {.count = 0}, single = {.count = 0};
    struct outbound_rules rules = {.own = &every};
    struct address one, target;
    EXPECT(address_parse(STR("127.0.0.1"), &one) && address_parse(STR("127.0.0.2"), &target));
    outbound_own_add(&every, STR("0.0.0.0:8080"));
    outbound_own_add(&single, STR("127.0.0.1:8080"));
    EXPECT(outbound_refuses(&rules, OUTBOUND_PRIVATE, &target, 8080) != NULL);
    EXPECT(outbound_refuses(&rules, OUTBOUND_PRIVATE, &target, 8081) == NULL);
    rules.own = &single;
    EXPECT(outbound_refuses(&rules, OUTBOUND_PRIVATE, &target, 8080) == NULL);
    EXPECT(outbound_refuses(&rules, OUTBOUND_PRIVATE, &one, 8080) != NULL);
    EXPECT(outbound_refuses(&rules, OUTBOUND_PUBLIC, &one, 8081) != NULL);
}
