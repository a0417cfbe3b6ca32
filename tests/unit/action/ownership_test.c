/* ownership_test.c -- who is asked whether he wants messages, what he is asked, and what counts as
 * a yes. */
#include "../http/rig.h"
#include "action/ownership.h"

#include "unit.h"

struct world {
    struct rig rig;
    struct peer *peer;
    char url[80];
    struct action_context context;
    struct ownership_config config;
    struct ownership *o;
};

struct asked {
    struct ownership_wait wait;
    int done;
    char problem[512];
};

static void world_start(struct world *w, enum ownership_kind kind, const char *path)
{
    *w = (struct world){.rig = rig_start(), .peer = peer_start(PEER_ANSWER, PEER_OK)};
    (void)snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u%s", w->peer->port, path);
    w->context = (struct action_context){.loop = w->rig.loop, .client = w->rig.client};
    w->config = (struct ownership_config){.kind = kind,
                                          .url = str_from_cstr(w->url),
                                          .origin = STR("hooks.example.org"),
                                          .policy = OUTBOUND_PRIVATE,
                                          .timeout_ms = 20000};
    w->o = ownership_new(&w->config, &w->context, NULL);
}

static void world_stop(struct world *w)
{
    ownership_free(w->o);
    rig_stop(&w->rig);
}

static void told(struct ownership_wait *wait, str problem)
{
    struct asked *a = CONTAINER_OF(wait, struct asked, wait);
    a->done++;
    (void)snprintf(a->problem, sizeof(a->problem), STR_FMT, STR_ARG(problem));
}

static void ask(struct world *w, struct asked *a)
{
    *a = (struct asked){.wait.done = told};
    ownership_ask(w->o, &a->wait);
}

/* What came of asking: "" is a yes. */
static const char *verdict(struct world *w, struct asked *a)
{
    ask(w, a);
    while (!a->done)
        loop_run_once(w->rig.loop, true);
    return a->problem;
}

void test_ownership_none_asks_nobody(void)
{
    struct world w;
    world_start(&w, OWNERSHIP_NONE, "/");
    EXPECT(w.o == NULL);
    world_stop(&w);
    EXPECT_EQ_INT(atomic_load(&w.peer->connections), 0);
}

/* CloudEvents HTTP webhooks, section 4.1 and 4.2. */
void test_ownership_by_the_handshake_of_cloudevents(void)
{
    static const struct {
        const char *head;
        bool yes;
    } answers[] = {
        {"HTTP/1.1 200 OK\r\n", false},
        {"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: other.example.org\r\n", false},
        {"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: hooks.example.org.evil.org\r\n", false},
        {"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *.example.org\r\n", false},
        {"HTTP/1.1 403 No\r\nWebHook-Allowed-Origin: *\r\n", false},
        {"HTTP/1.1 302 Moved\r\nLocation: /\r\nWebHook-Allowed-Origin: *\r\n", false},
        {"HTTP/1.1 204 None\r\nWebHook-Allowed-Origin: Hooks.Example.ORG\r\n", true},
    };
    struct world w;
    struct asked a;
    world_start(&w, OWNERSHIP_CLOUDEVENTS, "/hook?a=b");
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        peer_set(w.peer, "%s%s\r\n", answers[i].head,
                 strstr(answers[i].head, "204") ? "" : "Content-Length: 0\r\n");
        EXPECT((verdict(&w, &a)[0] == '\0') == answers[i].yes);
    }
    str head = peer_head(w.peer);
    EXPECT(str_starts(head, STR("OPTIONS /hook?a=b HTTP/1.1\r\n")));
    EXPECT(str_find_str(head, STR("WebHook-Request-Origin: hooks.example.org\r\n")) < head.n);
    /* A yes holds: nobody is asked again. */
    EXPECT_STR(str_from_cstr(verdict(&w, &a)), "");
    EXPECT_EQ_INT(atomic_load(&w.peer->requests), ARRAY_LEN(answers));
    world_stop(&w);

    world_start(&w, OWNERSHIP_CLOUDEVENTS, "/");
    peer_set(w.peer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nWebHook-Allowed-Origin: *\r\n\r\n");
    EXPECT_STR(str_from_cstr(verdict(&w, &a)), "");
    world_stop(&w);
}

static void answer_body(struct peer *p, const char *fmt, const char *challenge)
{
    char body[64];
    (void)snprintf(body, sizeof(body), fmt, challenge);
    peer_set(p, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
}

/* Of the request it has just read. */
static void challenge_of(struct peer *p, char out[33])
{
    str head = peer_head(p);
    size_t at = str_find_str(head, STR("challenge=")) + strlen("challenge=");
    EXPECT(at + 32 < head.n);
    memcpy(out, head.p + at, 32);
    out[32] = '\0';
}

static const char *answer_fmt;

static void answer_it(struct peer *p)
{
    char challenge[33];
    challenge_of(p, challenge);
    answer_body(p, answer_fmt, challenge);
}

void test_ownership_by_a_challenge_that_is_new_each_time(void)
{
    struct world w;
    struct asked a;
    char first[33], second[33];
    world_start(&w, OWNERSHIP_CHALLENGE, "/hook?a=b");
    EXPECT(verdict(&w, &a)[0] != '\0'); /* "ok" proves nothing */
    EXPECT(str_starts(peer_head(w.peer), STR("GET /hook?a=b&challenge=")));
    EXPECT(strstr(a.problem, "HTTP 200, but not with what proves it") != NULL);
    challenge_of(w.peer, first);
    answer_body(w.peer, "%s", first);
    EXPECT(verdict(&w, &a)[0] != '\0');
    challenge_of(w.peer, second);
    EXPECT(strcmp(first, second) != 0);
    world_stop(&w);
    world_start(&w, OWNERSHIP_CHALLENGE, "/hook");
    EXPECT(verdict(&w, &a)[0] != '\0');
    EXPECT(str_starts(peer_head(w.peer), STR("GET /hook?challenge=")));
    world_stop(&w);
}

void test_ownership_is_proved_by_the_challenge_itself(void)
{
    static const struct {
        const char *fmt;
        bool yes;
    } answers[] = {{"%s.", false}, {"x%s", false}, {"%.31s", false}, {" %s\r\n", true}};
    struct world w;
    struct asked a;
    world_start(&w, OWNERSHIP_CHALLENGE, "/hook");
    w.peer->on_request = answer_it;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        answer_fmt = answers[i].fmt;
        EXPECT((verdict(&w, &a)[0] == '\0') == answers[i].yes);
    }
    world_stop(&w);
}

void test_ownership_asks_once_for_all_who_wait(void)
{
    struct world w;
    struct asked a, b, gone;
    world_start(&w, OWNERSHIP_CLOUDEVENTS, "/");
    peer_set(w.peer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nWebHook-Allowed-Origin: *\r\n\r\n");
    ask(&w, &a);
    ask(&w, &gone);
    ask(&w, &b);
    ownership_forget(&gone.wait);
    while (!b.done)
        loop_run_once(w.rig.loop, true);
    EXPECT_EQ_INT(a.done, 1);
    EXPECT_EQ_INT(gone.done, 0);
    EXPECT_EQ_INT(atomic_load(&w.peer->requests), 1);
    world_stop(&w);
}

void test_ownership_is_held_to_the_policy_of_its_endpoint(void)
{
    struct world w;
    struct asked a;
    world_start(&w, OWNERSHIP_CHALLENGE, "/");
    w.config.policy = OUTBOUND_PUBLIC;
    EXPECT(strstr(verdict(&w, &a), "outbound policy") != NULL);
    EXPECT_EQ_INT(atomic_load(&w.peer->connections), 0);
    world_stop(&w);
}

void test_ownership_ends_while_it_asks(void)
{
    struct world w;
    struct asked a;
    world_start(&w, OWNERSHIP_CHALLENGE, "/");
    w.peer->mode = PEER_HANG;
    ask(&w, &a);
    peer_await(w.peer, w.rig.loop, 1);
    ownership_forget(&a.wait);
    world_stop(&w);
    EXPECT_EQ_INT(a.done, 0);
}
