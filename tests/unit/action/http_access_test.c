/* http_access_test.c -- what auth, tls and proxy of a destination may say. */
#include "action/http_access.h"

#include "unit.h"

static struct http_access_config read(struct arena *a, const char *text, struct problems *p)
{
    struct http_access_config c = {0};
    struct reason why = {.text = ""};
    struct yaml *tree = yaml_parse(a, STR("test"), str_from_cstr(text), &why);
    EXPECT(tree != NULL);
    http_access_read(&c, a, tree, OUTBOUND_PRIVATE, p);
    return c;
}

static bool is_refused(const char *text)
{
    struct arena a;
    struct problems p = {0};
    arena_init(&a, 1u << 20);
    (void)read(&a, text, &p);
    bool refused = p.errors > 0;
    problems_release(&p);
    arena_release(&a);
    return refused;
}

void test_http_access_basic_is_that_of_rfc_7617(void)
{
    struct arena a;
    struct problems p = {0};
    arena_init(&a, 1u << 20);
    struct http_access_config c =
        read(&a, "auth: { basic: { user: Aladdin, password: open sesame } }", &p);
    EXPECT_EQ_INT(p.errors, 0);
    EXPECT_STR(c.authorization, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    EXPECT(!c.has_oauth && !c.has_route);
    arena_release(&a);
}

void test_http_access_oauth_and_proxy(void)
{
    struct arena a;
    struct problems p = {0};
    arena_init(&a, 1u << 20);
    struct http_access_config c =
        read(&a,
             "auth: { oauth2: { token_url: \"https://id.example/t\", client_id: a, client_secret: "
             "b, scope: \"x y\" } }\nproxy: \"http://u:p%3Aw@proxy.example:3128\"",
             &p);
    EXPECT_EQ_INT(p.errors, 0);
    EXPECT(c.has_oauth && c.has_route && c.oauth.route != NULL);
    EXPECT_STR(c.oauth.scope, "x y");
    EXPECT_STR(str_from_cstr(c.route.proxy), "http://u:p%3Aw@proxy.example:3128");
    arena_release(&a);
}

void test_http_access_refuses_what_cannot_work(void)
{
    EXPECT(is_refused("auth: { basic: { user: \"a:b\", password: x } }"));
    EXPECT(is_refused("auth: { basic: { user: a } }"));
    EXPECT(is_refused("auth: {}"));
    EXPECT(is_refused("auth: { basic: { user: a, password: b }, oauth2: { token_url: "
                      "\"https://x/\", client_id: a, client_secret: b } }"));
    EXPECT(is_refused("auth: { oauth2: { token_url: \"ftp://x/\", client_id: a, client_secret: "
                      "b } }"));
    EXPECT(is_refused("tls: {}"));
    EXPECT(is_refused("tls: { cert: x }"));
    EXPECT(is_refused("tls: { cert: x, key: y }"));
    EXPECT(is_refused("tls: { ca: nothing }"));
    EXPECT(is_refused("proxy: \"socks5://x:1080\""));
    EXPECT(is_refused("proxy: \"http://\""));
}
