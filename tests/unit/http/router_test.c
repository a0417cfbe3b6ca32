/* Patterns and the paths they match. */
#include "http/router.h"
#include "unit.h"

static struct arena arena = {.max = 1 << 20};

/* Adds patterns; each one's value is its own text. */
static struct router *make(const char *const *patterns, size_t count)
{
    struct router *r = router_new();
    struct reason why = {ERR_OK, ""};
    for (size_t i = 0; i < count; i++)
        EXPECT_OK(router_add(r, str_from_cstr(patterns[i]), (void *)(uintptr_t)patterns[i], &why),
                  why);
    return r;
}

static struct router_match find(const struct router *r, const char *method, const char *path)
{
    struct router_match m;
    router_find(r, str_from_cstr(method), str_from_cstr(path), &arena, &m);
    return m;
}

struct route_case {
    const char *method, *path;
    const char *pattern; /* NULL: not found */
    const char *params;  /* "a=1 b=2" */
};

static void expect_routes(const struct router *r, const struct route_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct route_case *c = &cases[i];
        struct router_match m = find(r, c->method, c->path);
        const char *got = m.status == 200 ? (const char *)m.value : NULL;
        if ((got == NULL) != (c->pattern == NULL) || (got && strcmp(got, c->pattern) != 0))
            FAIL("%s %s: status %d, route %s", c->method, c->path, m.status, got ? got : "none");
        char params[256] = "";
        size_t n = 0;
        for (size_t k = 0; k < m.param_count; k++)
            n += (size_t)snprintf(params + n, sizeof(params) - n, "%s" STR_FMT "=" STR_FMT,
                                  k ? " " : "", STR_ARG(m.params[k].name),
                                  STR_ARG(m.params[k].value));
        if (strcmp(params, c->params ? c->params : "") != 0)
            FAIL("%s %s: parameters \"%s\"", c->method, c->path, params);
    }
}

void test_router_finds_the_most_literal_route(void)
{
    static const char *const patterns[] = {
        "GET /",
        "GET /users",
        "POST /users",
        "GET /users/{id}",
        "GET /users/me",
        "GET /users/{id}/x",
        "GET /users/me/y",
        "POST /in/{source}",
        "GET /f/{rest...}",
        "GET /f/known",
        "DELETE /users/{name}",
        "ANY /any/{thing}",
        "GET /any/one",
        "POST /in/{source}/{token}",
    };
    struct router *r = make(patterns, ARRAY_LEN(patterns));
    static const struct route_case cases[] = {
        {"GET", "/", "GET /", NULL},
        {"GET", "/users", "GET /users", NULL},
        {"POST", "/users", "POST /users", NULL},
        {"GET", "/users/7", "GET /users/{id}", "id=7"},
        {"GET", "/users/me", "GET /users/me", NULL},
        {"DELETE", "/users/me", "DELETE /users/{name}", "name=me"},
        {"GET", "/users/me/y", "GET /users/me/y", NULL},
        {"GET", "/users/me/x", "GET /users/{id}/x", "id=me"},
        {"GET", "/users/7/x", "GET /users/{id}/x", "id=7"},
        {"GET", "/users/", NULL, NULL},
        {"GET", "/users//x", NULL, NULL},
        {"GET", "//users", NULL, NULL},
        {"GET", "/Users", NULL, NULL},
        {"POST", "/in/github", "POST /in/{source}", "source=github"},
        {"POST", "/in/git%20hub", "POST /in/{source}", "source=git hub"},
        {"POST", "/in/a%2Fb", "POST /in/{source}", "source=a/b"},
        {"POST", "/%69n/github", "POST /in/{source}", "source=github"},
        {"GET", "/f/", "GET /f/{rest...}", "rest="},
        {"GET", "/f", "GET /f/{rest...}", "rest="},
        {"GET", "/f/a/b%20c/", "GET /f/{rest...}", "rest=a/b c/"},
        {"GET", "/f/known", "GET /f/known", NULL},
        {"GET", "/f/known/more", "GET /f/{rest...}", "rest=known/more"},
        {"PUT", "/any/one", "ANY /any/{thing}", "thing=one"},
        {"GET", "/any/one", "GET /any/one", NULL},
        {"HEAD", "/any/one", "GET /any/one", NULL},
        {"GET", "/nowhere", NULL, NULL},
        {"GET", "", NULL, NULL},
        {"GET", "*", NULL, NULL},
        {"GET", "users", NULL, NULL},
    };
    expect_routes(r, cases, ARRAY_LEN(cases));
    router_free(r);
}

void test_router_never_matches_dot_segments(void)
{
    static const char *const patterns[] = {"GET /a/{x}", "GET /b/{rest...}", "GET /{rest...}"};
    struct router *r = make(patterns, ARRAY_LEN(patterns));
    static const struct route_case cases[] = {
        {"GET", "/a/..", NULL, NULL},
        {"GET", "/a/.", NULL, NULL},
        {"GET", "/a/%2e%2e", NULL, NULL},
        {"GET", "/a/%2E", NULL, NULL},
        {"GET", "/b/x/../y", NULL, NULL},
        {"GET", "/b/%2e./y", NULL, NULL},
        {"GET", "/..", NULL, NULL},
        {"GET", "/a/%zz", NULL, NULL},
        {"GET", "/a/%4", NULL, NULL},
        {"GET", "/a/...", "GET /a/{x}", "x=..."},
        {"GET", "/a/..x", "GET /a/{x}", "x=..x"},
    };
    expect_routes(r, cases, ARRAY_LEN(cases));
    router_free(r);
}

void test_router_answers_405_head_and_options(void)
{
    static const char *const patterns[] = {"GET /a",    "POST /a",  "PUT /a/{x}",  "POST /only",
                                           "HEAD /own", "GET /own", "OPTIONS /opt"};
    struct router *r = make(patterns, ARRAY_LEN(patterns));
    struct router_match m = find(r, "HEAD", "/a");
    EXPECT_EQ_INT(m.status, 200);
    EXPECT(m.head);
    EXPECT_CSTR((const char *)m.value, "GET /a");
    m = find(r, "HEAD", "/own");
    EXPECT(!m.head);
    EXPECT_CSTR((const char *)m.value, "HEAD /own");
    m = find(r, "DELETE", "/a");
    EXPECT_EQ_INT(m.status, 405);
    EXPECT(m.value == NULL);
    EXPECT_STR(m.allow, "POST, GET, HEAD, OPTIONS");
    m = find(r, "OPTIONS", "/a/7");
    EXPECT_EQ_INT(m.status, 204);
    EXPECT_STR(m.allow, "PUT, OPTIONS");
    m = find(r, "HEAD", "/only");
    EXPECT_EQ_INT(m.status, 405);
    EXPECT_STR(m.allow, "POST, OPTIONS");
    m = find(r, "OPTIONS", "/opt");
    EXPECT_EQ_INT(m.status, 200);
    m = find(r, "OPTIONS", "/nowhere");
    EXPECT_EQ_INT(m.status, 404);
    EXPECT_NONE(m.allow);
    m = find(r, "OPTIONS", "*");
    EXPECT_EQ_INT(m.status, 204);
    router_free(r);
}

void test_router_param_looks_up_by_name(void)
{
    static const char *const patterns[] = {"GET /{a}/{b}"};
    struct router *r = make(patterns, 1);
    struct router_match m = find(r, "GET", "/1/2");
    EXPECT_STR(router_param(&m, STR("b")), "2");
    EXPECT_NONE(router_param(&m, STR("c")));
    router_free(r);
}

void test_router_add_refuses_what_is_malformed(void)
{
    static const char *const bad[] = {
        "",
        "GET",
        "/a",
        "get /a",
        "GET a",
        "GET  /a",
        "GET /{",
        "GET /{}",
        "GET /{a",
        "GET /a}",
        "GET /x{a}",
        "GET /{a}x",
        "GET /{1a}",
        "GET /{a-b}",
        "GET /{a}/{a}",
        "GET /{rest...}/x",
        "GET /{...}",
        "GET /a?b",
        "GET /a#b",
        "GET /a%20b",
        "GET /../a",
        "GET /a b",
        "GET /{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}",
        "AVERYLONGMETHODNAME /a",
    };
    struct router *r = router_new();
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct reason why = {ERR_OK, ""};
        if (router_add(r, str_from_cstr(bad[i]), r, &why) != ERR_INVALID)
            FAIL("\"%s\" was taken", bad[i]);
        EXPECT_HAS(why.text, "route \"");
    }
    router_free(r);
}

void test_router_add_refuses_the_same_shape(void)
{
    static const char *const patterns[] = {"GET /a/{x}", "GET /b/{rest...}", "ANY /a/{x}"};
    struct router *r = make(patterns, ARRAY_LEN(patterns));
    struct reason why = {ERR_OK, ""};
    EXPECT_EQ_INT(router_add(r, STR("GET /a/{other}"), r, &why), ERR_CONFLICT);
    EXPECT_EQ_INT(router_add(r, STR("GET /b/{all...}"), r, &why), ERR_CONFLICT);
    EXPECT_OK(router_add(r, STR("POST /a/{other}"), r, &why), why);
    EXPECT_OK(router_add(r, STR("GET /b/{one}"), r, &why), why);
    router_free(r);
}

void test_router_survives_deep_paths(void)
{
    static const char *const patterns[] = {"GET /{rest...}", "GET /{a}/{b}/{c}/{d}/{e}/{f}/{g}/x"};
    struct router *r = make(patterns, ARRAY_LEN(patterns));
    static char path[20001];
    for (size_t i = 0; i < 20000; i++)
        path[i] = i % 2 ? 'a' : '/';
    EXPECT_EQ_INT(find(r, "GET", path).status, 404);
    router_free(r);
}

/* CVE-2026-110852 of another product: a dynamic path was resolved without its secret part. */
void test_router_cve_2026_110852_the_token_belongs_to_the_match(void)
{
    static const char *const patterns[] = {"POST /in/github/s3cret", "POST /in/{source}/{token}"};
    struct router *r = make(patterns, ARRAY_LEN(patterns));
    static const struct route_case cases[] = {
        {"POST", "/in/github", NULL, NULL},
        {"POST", "/in/github/", NULL, NULL},
        {"POST", "/in/github/s3cret", "POST /in/github/s3cret", NULL},
        {"POST", "/in/github/s3cret/", NULL, NULL},
        {"POST", "/in/github/other", "POST /in/{source}/{token}", "source=github token=other"},
    };
    expect_routes(r, cases, ARRAY_LEN(cases));
    router_free(r);
}
