/* oauth_test.c -- tokens by client credentials against a real peer: what is sent, what is taken,
 * how long it serves, who waits, and what a token server must not make us repeat. */
#include "../http/rig.h"
#include "action/oauth.h"

#include "unit.h"

/* The wall moves when told to; what libcurl waits for goes by the real clock. */
struct wall {
    struct clock base;
    int64_t ahead_ms;
};

static int64_t wall_ms(const struct clock *c)
{
    return clock_wall_ms(clock_real()) + CONTAINER_OF(c, const struct wall, base)->ahead_ms;
}

static int64_t mono_ns(const struct clock *c)
{
    (void)c;
    return clock_mono_ns(clock_real());
}

struct world {
    struct wall wall;
    struct loop *loop;
    struct http_client *client;
    struct peer *peer;
    char url[64];
    struct oauth_config config;
    struct oauth *oauth;
};

struct asked {
    struct oauth_wait wait;
    int done;
    char authorization[256], problem[400];
};

static void world_start(struct world *w)
{
    static const struct http_client_options options = {0};
    *w = (struct world){.wall = {.base = {wall_ms, mono_ns}}};
    w->loop = loop_new(&w->wall.base);
    w->client = http_client_new(w->loop, &options);
    w->peer = peer_start(PEER_ANSWER, PEER_OK);
    (void)snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u/token", w->peer->port);
    w->config = (struct oauth_config){.token_url = str_from_cstr(w->url),
                                      .client_id = STR("gaff"),
                                      .client_secret = STR("s3cret"),
                                      .policy = OUTBOUND_PRIVATE};
    w->oauth = oauth_new(w->loop, w->client, &w->config);
}

static void world_stop(struct world *w)
{
    oauth_free(w->oauth);
    http_client_free(w->client);
    loop_free(w->loop);
}

static void answer(struct world *w, int status, const char *body)
{
    peer_set(w->peer, "HTTP/1.1 %d Told\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body),
             body);
}

static void told(struct oauth_wait *wait, str authorization, str problem)
{
    struct asked *a = CONTAINER_OF(wait, struct asked, wait);
    a->done++;
    (void)snprintf(a->authorization, sizeof(a->authorization), STR_FMT, STR_ARG(authorization));
    (void)snprintf(a->problem, sizeof(a->problem), STR_FMT, STR_ARG(problem));
}

static void ask(struct world *w, struct asked *a)
{
    *a = (struct asked){.wait.done = told};
    oauth_ask(w->oauth, &a->wait);
}

static void await(struct world *w, const struct asked *a)
{
    while (!a->done)
        loop_run_once(w->loop, true);
}

static const char *token(struct world *w, struct asked *a)
{
    ask(w, a);
    await(w, a);
    return a->authorization;
}

void test_oauth_asks_as_rfc_6749_says(void)
{
    struct world w;
    struct asked a;
    world_start(&w);
    w.config.client_id = STR("a b:ü");
    w.config.client_secret = STR("p%&+");
    w.config.scope = STR("hooks write");
    w.config.audience = STR("https://api.example/");
    answer(&w, 200, "{\"access_token\":\"t1\",\"token_type\":\"bearer\",\"expires_in\":60}");
    EXPECT_STR(str_from_cstr(token(&w, &a)), "Bearer t1");
    EXPECT_STR(str_from_cstr(a.problem), "");
    EXPECT(str_starts(peer_head(w.peer), STR("POST /token HTTP/1.1\r\n")));
    /* printf 'a%20b%3A%C3%BC:p%25%26%2B' | base64 */
    EXPECT(str_find_str(peer_head(w.peer), STR("Basic YSUyMGIlM0ElQzMlQkM6cCUyNSUyNiUyQg==\r\n")) <
           peer_head(w.peer).n);
    EXPECT_STR(peer_body(w.peer), "grant_type=client_credentials&scope=hooks%20write"
                                  "&audience=https%3A%2F%2Fapi.example%2F");
    world_stop(&w);
}

void test_oauth_asks_once_for_all_who_wait(void)
{
    struct world w;
    struct asked a, b, gone;
    world_start(&w);
    answer(&w, 200, "{\"access_token\":\"t1\"}");
    ask(&w, &a);
    ask(&w, &gone);
    ask(&w, &b);
    oauth_forget(&gone.wait);
    await(&w, &a);
    EXPECT_EQ_INT(b.done, 1);
    EXPECT_EQ_INT(gone.done, 0);
    EXPECT_STR(str_from_cstr(b.authorization), "Bearer t1");
    EXPECT_EQ_INT(atomic_load(&w.peer->requests), 1);
    world_stop(&w);
}

void test_oauth_renews_while_the_old_one_serves(void)
{
    struct world w;
    struct asked a;
    world_start(&w);
    answer(&w, 200, "{\"access_token\":\"t1\",\"expires_in\":1000}");
    EXPECT_STR(str_from_cstr(token(&w, &a)), "Bearer t1");
    w.wall.ahead_ms = 790 * 1000;
    ask(&w, &a);
    EXPECT_STR(str_from_cstr(a.authorization), "Bearer t1"); /* at once */
    EXPECT_EQ_INT(atomic_load(&w.peer->requests), 1);
    answer(&w, 200, "{\"access_token\":\"t2\",\"expires_in\":1000}");
    w.wall.ahead_ms = 810 * 1000; /* four fifths of its life are over */
    ask(&w, &a);
    EXPECT_STR(str_from_cstr(a.authorization), "Bearer t1");
    while (str_eq(str_from_cstr(token(&w, &a)), STR("Bearer t1")))
        loop_run_once(w.loop, true);
    EXPECT_STR(str_from_cstr(a.authorization), "Bearer t2");
    EXPECT_EQ_INT(atomic_load(&w.peer->requests), 2);
    w.wall.ahead_ms += 960 * 1000; /* too late to be on its way with it */
    answer(&w, 200, "{\"access_token\":\"t3\",\"expires_in\":1000}");
    EXPECT_STR(str_from_cstr(token(&w, &a)), "Bearer t3");
    world_stop(&w);
}

void test_oauth_gets_another_one_when_it_was_refused(void)
{
    struct world w;
    struct asked a;
    world_start(&w);
    answer(&w, 200, "{\"access_token\":\"t1\"}");
    (void)token(&w, &a);
    oauth_refused(w.oauth);
    answer(&w, 200, "{\"access_token\":\"t2\"}");
    EXPECT_STR(str_from_cstr(token(&w, &a)), "Bearer t2");
    world_stop(&w);
}

/* A life that is nonsense is a short or a long one, never none and never for good. */
void test_oauth_bounds_the_life_of_a_token(void)
{
    struct world w;
    struct asked a;
    world_start(&w);
    answer(&w, 200, "{\"access_token\":\"t1\",\"expires_in\":-5}");
    EXPECT_STR(str_from_cstr(token(&w, &a)), "Bearer t1");
    w.wall.ahead_ms += 1000;
    answer(&w, 200, "{\"access_token\":\"t2\",\"expires_in\":9223372036854775807}");
    EXPECT_STR(str_from_cstr(token(&w, &a)), "Bearer t2");
    w.wall.ahead_ms += INT64_C(8) * 86400 * 1000;
    answer(&w, 200, "{\"access_token\":\"t3\"}");
    EXPECT_STR(str_from_cstr(token(&w, &a)), "Bearer t3");
    world_stop(&w);
}

void test_oauth_takes_no_answer_that_is_no_token(void)
{
    static const struct {
        int status;
        const char *body;
    } bad[] = {
        {200, "not json"},
        {200, "{}"},
        {200, "{\"access_token\":\"\"}"},
        {200, "{\"access_token\":7}"},
        {200, "{\"access_token\":\"a b\"}"},
        {200, "{\"access_token\":\"a\\r\\nX-Evil: 1\"}"},
        {200, "{\"access_token\":\"t\",\"token_type\":\"mac\"}"},
        {201, "{\"access_token\":\"t\"}"},
        {302, "{\"access_token\":\"t\"}"},
        {400, "{\"error\":\"invalid_client\",\"error_description\":\"s3cret is wrong\"}"},
        {500, "s3cret"},
    };
    struct world w;
    struct asked a;
    world_start(&w);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        answer(&w, bad[i].status, bad[i].body);
        EXPECT_STR(str_from_cstr(token(&w, &a)), "");
        EXPECT(a.problem[0] != '\0');
        /* It may repeat what was sent. */
        EXPECT(strstr(a.problem, "s3cret") == NULL && strstr(a.problem, "evil") == NULL);
    }
    EXPECT_EQ_INT(atomic_load(&w.peer->requests), ARRAY_LEN(bad));
    answer(&w, 200, "{\"access_token\":\"t\",\"token_type\":\"BEARER\"}");
    EXPECT_STR(str_from_cstr(token(&w, &a)), "Bearer t");
    world_stop(&w);
}

void test_oauth_is_held_to_the_policy_of_its_destination(void)
{
    struct world w;
    struct asked a;
    world_start(&w);
    w.config.policy = OUTBOUND_PUBLIC;
    EXPECT_STR(str_from_cstr(token(&w, &a)), "");
    EXPECT(strstr(a.problem, "outbound policy") != NULL);
    EXPECT_EQ_INT(atomic_load(&w.peer->connections), 0);
    world_stop(&w);
}

void test_oauth_ends_while_it_asks(void)
{
    struct world w;
    struct asked a;
    world_start(&w);
    w.peer->mode = PEER_HANG;
    ask(&w, &a);
    peer_await(w.peer, w.loop, 1);
    oauth_forget(&a.wait);
    world_stop(&w);
    EXPECT_EQ_INT(a.done, 0);
}
