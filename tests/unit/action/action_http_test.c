/* The HTTP action against real peers: what is sent for an event, what an answer means, what is
 * kept of it, and what a configuration may say. */
#include "unit.h"

#include "base/codec.h"
#include "base/id.h"
#include "../http/peer.h"
#include "action/action.h"
#include "action/kinds.h"
#include "http/client.h"
#include "verify/sign.h"

#include <stdio.h>

struct world {
    struct loop *loop;
    struct http_client *client;
    struct provider_table *providers;
    struct arena config_arena, task_arena;
    struct action *action;
    struct event event;
    struct delivery delivery;
    struct task task;
    int done;
    struct outcome outcome; /* slices copied into task_arena */
};

static void on_outcome(struct task *t, const struct outcome *o)
{
    struct world *w = CONTAINER_OF(t, struct world, task);
    w->done++;
    w->outcome = *o;
    w->outcome.summary = arena_str(t->arena, o->summary);
    w->outcome.request = arena_str(t->arena, o->request);
    w->outcome.response = arena_str(t->arena, o->response);
    w->outcome.timing = arena_str(t->arena, o->timing);
}

static struct action_config *read_config(struct arena *a, const char *text, struct problems *p)
{
    struct reason why = {.text = ""};
    struct yaml *node = yaml_parse(a, STR("gaff.yaml"), str_from_cstr(text), &why);
    if (!node)
        FAIL("%s", why.text);
    return action_http.read(a, node, p);
}

/* text holds one %u for the port. */
static struct world *world_new(const char *text, unsigned port)
{
    struct world *w = (struct world *)calloc(1, sizeof(*w));
    char yaml[2048];
    struct problems p = {0};
    struct reason why = {.text = ""};
    EXPECT(w != NULL);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(yaml, sizeof(yaml), text, port);
#pragma GCC diagnostic pop
    arena_init(&w->config_arena, 1 << 20);
    arena_init(&w->task_arena, 8 << 20);
    w->loop = loop_new(clock_real());
    struct http_client_options o = {.max_in_flight = 4};
    w->client = http_client_new(w->loop, &o);
    w->providers = provider_table_new();
    struct action_config *c = read_config(&w->config_arena, yaml, &p);
    if (!c)
        FAIL("%s", p.count ? p.v[0].text : "no problem is reported");
    struct action_context ctx = {.loop = w->loop, .client = w->client, .providers = w->providers};
    w->action = action_http.create(c, &ctx, &why);
    if (!w->action)
        FAIL("%s", why.text);
    problems_release(&p);
    w->event = (struct event){.id = 123456789,
                              .source = STR("github"),
                              .type = STR("push"),
                              .head = STR("Content-Type: application/json\r\n"
                                          "X-GitHub-Event: push\r\n"
                                          "Authorization: Bearer inbound\r\n"
                                          "Connection: close, X-Hop\r\n"
                                          "X-Hop: 1\r\n"
                                          "X-Custom-A: one\r\n"
                                          "x-custom-b: two\r\n"
                                          "X-Custom-A: three\r\n"),
                              .body = {"{\"a\":\0 1}\r\n\xff", 12}};
    w->delivery = (struct delivery){.id = 987654321, .event_id = 123456789, .attempts = 2};
    return w;
}

static void world_start(struct world *w)
{
    w->task = (struct task){.event = &w->event,
                            .delivery = &w->delivery,
                            .arena = &w->task_arena,
                            .now_ms = clock_wall_ms(clock_real()),
                            .done = on_outcome};
    w->done = 0;
    action_start(w->action, &w->task);
}

static void world_run(struct world *w)
{
    world_start(w);
    while (!w->done)
        loop_run_once(w->loop, true);
    EXPECT_EQ_INT(w->done, 1);
}

static void world_free(struct world *w)
{
    action_free(w->action);
    http_client_free(w->client);
    loop_free(w->loop);
    provider_table_free(w->providers);
    arena_release(&w->config_arena);
    arena_release(&w->task_arena);
    free(w);
}

static bool holds(str whole, const char *part)
{
    return str_find_str(whole, str_from_cstr(part)) < whole.n;
}

void test_action_http_sends_the_body_and_says_who_it_is(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct world *w = world_new("url: http://127.0.0.1:%u/hook\n", p->port);
    world_run(w);
    EXPECT_EQ_INT(w->outcome.result, ATTEMPT_SUCCESS);
    EXPECT_EQ_INT(w->outcome.status, 200);
    EXPECT_STR(w->outcome.summary, "HTTP 200 OK");
    EXPECT_CSTR(w->outcome.error_class, "");
    EXPECT_EQ_STR(peer_body(p), w->event.body);
    EXPECT(peer_got(p, "POST /hook HTTP/1.1\r\n"));
    EXPECT(peer_got(p, "Content-Type: application/json\r\n"));
    char text[ID_TEXT_MAX], line[64];
    (void)snprintf(line, sizeof(line), "webhook-id: " STR_FMT "\r\n",
                   STR_ARG(id_format("evt", w->event.id, text)));
    EXPECT(peer_got(p, line));
    (void)snprintf(line, sizeof(line), "gaff-event-id: " STR_FMT "\r\n",
                   STR_ARG(id_format("evt", w->event.id, text)));
    EXPECT(peer_got(p, line));
    (void)snprintf(line, sizeof(line), "gaff-delivery-id: " STR_FMT "\r\n",
                   STR_ARG(id_format("dlv", w->delivery.id, text)));
    EXPECT(peer_got(p, line));
    EXPECT(peer_got(p, "gaff-attempt: 3\r\n"));
    /* Nothing that was not chosen goes on. */
    EXPECT(!peer_got(p, "X-GitHub-Event") && !peer_got(p, "Authorization"));
    EXPECT(!peer_got(p, "X-Hop") && !peer_got(p, "X-Custom") && !peer_got(p, "x-custom"));
    world_free(w);
}

void test_action_http_passes_on_the_chosen_fields(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct world *w = world_new("url: http://127.0.0.1:%u/\n"
                                "forward: [x-github-event, 'X-Custom-*', X-Hop]\n"
                                "headers: { X-Custom-B: mine, X-Fixed: v }\n",
                                p->port);
    world_run(w);
    EXPECT_EQ_INT(w->outcome.result, ATTEMPT_SUCCESS);
    EXPECT(peer_got(p, "X-GitHub-Event: push\r\n"));
    EXPECT(peer_got(p, "X-Custom-A: one\r\n") && peer_got(p, "X-Custom-A: three\r\n"));
    EXPECT(peer_got(p, "X-Custom-B: mine\r\n") && !peer_got(p, "x-custom-b"));
    EXPECT(peer_got(p, "X-Fixed: v\r\n"));
    EXPECT(!peer_got(p, "X-Hop")); /* named by Connection */
    world_free(w);
}

void test_action_http_passes_on_all_but_credentials_and_hop_by_hop_fields(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct world *w = world_new("url: http://127.0.0.1:%u/\nforward: ['*']\n", p->port);
    w->event.head = STR("Host: a.example\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n"
                        "TE: trailers\r\nUpgrade: h2c\r\nExpect: 100-continue\r\n"
                        "Proxy-Authorization: Basic eA==\r\nAuthorization: Bearer x\r\n"
                        "Cookie: s=1\r\nAccept-Encoding: gzip\r\nX-Kept: 1\r\n"
                        "X-Bad: a\x01z\r\nKeep-Alive: 5\r\n");
    world_run(w);
    EXPECT_EQ_INT(w->outcome.result, ATTEMPT_SUCCESS);
    EXPECT(peer_got(p, "X-Kept: 1\r\n"));
    EXPECT(peer_got(p, "Content-Length: 12\r\n") && peer_got(p, "Host: 127.0.0.1"));
    static const char *const gone[] = {
        "Transfer-Encoding", "TE:",    "Upgrade",         "Expect", "Proxy-Authorization",
        "Authorization",     "Cookie", "Accept-Encoding", "X-Bad",  "Keep-Alive"};
    for (size_t i = 0; i < ARRAY_LEN(gone); i++)
        EXPECT(!peer_got(p, gone[i]));
    world_free(w);
    w = world_new("url: http://127.0.0.1:%u/\nforward: [authorization]\n", p->port);
    world_run(w);
    EXPECT(peer_got(p, "Authorization: Bearer inbound\r\n"));
    world_free(w);
}

void test_action_http_sends_other_methods_and_no_body_with_get(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct world *w = world_new("url: http://127.0.0.1:%u/x\nmethod: GET\n", p->port);
    world_run(w);
    EXPECT(peer_got(p, "GET /x HTTP/1.1\r\n"));
    EXPECT(!peer_got(p, "Content-Type") && !peer_got(p, "Content-Length"));
    EXPECT_EQ_INT((int)peer_body(p).n, 0);
    world_free(w);
    w = world_new("url: http://127.0.0.1:%u/x\nmethod: PUT\n", p->port);
    w->event.body = STR("");
    world_run(w);
    EXPECT(peer_got(p, "PUT /x HTTP/1.1\r\n") && peer_got(p, "Content-Length: 0\r\n"));
    world_free(w);
}

#define SECRET_BASE64 "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

/* What a receiver does by the text of Standard Webhooks, with nothing of ours but the hash. */
static void expect_standard_signature(struct peer *p, str body)
{
    char id[64] = "", ts[32] = "", sent[128] = "";
    str head = peer_head(p);
    str rest = head;
    while (rest.p) {
        str line = str_trim(str_cut(&rest, '\n'));
        if (str_starts(line, STR("webhook-id: ")))
            (void)snprintf(id, sizeof(id), STR_FMT, STR_ARG(str_slice(line, 12, line.n)));
        if (str_starts(line, STR("webhook-timestamp: ")))
            (void)snprintf(ts, sizeof(ts), STR_FMT, STR_ARG(str_slice(line, 19, line.n)));
        if (str_starts(line, STR("webhook-signature: ")))
            (void)snprintf(sent, sizeof(sent), STR_FMT, STR_ARG(str_slice(line, 19, line.n)));
    }
    uint8_t key[64], digest[32];
    size_t key_n = 0;
    EXPECT(base64_decode(STR(SECRET_BASE64), key, sizeof(key), &key_n));
    struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text, "%s.%s.", id, ts);
    buf_str_append(&text, body);
    sign_hmac_sha256(str_of((const char *)key, key_n), buf_str(&text), digest);
    char right[3 + BASE64_LEN(32) + 1] = "v1,";
    size_t n = base64_encode(digest, sizeof(digest), right + 3);
    right[3 + n] = '\0';
    EXPECT_EQ_STR(str_from_cstr(sent), str_from_cstr(right));
    buf_release(&text);
}

void test_action_http_signs_by_standard_webhooks(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct world *w = world_new("url: http://127.0.0.1:%u/\nforward: [webhook-signature]\n"
                                "sign: { secret: whsec_" SECRET_BASE64 " }\n",
                                p->port);
    w->event.head = STR("webhook-signature: v1,theirs\r\nwebhook-id: theirs\r\n");
    world_run(w);
    EXPECT_EQ_INT(w->outcome.result, ATTEMPT_SUCCESS);
    expect_standard_signature(p, w->event.body);
    EXPECT(!peer_got(p, "webhook-signature: v1,theirs") && !peer_got(p, "webhook-id: theirs"));
    EXPECT(!holds(w->outcome.request, "v1,"));
    EXPECT(holds(w->outcome.request, "webhook-signature: [hidden]\r\n"));
    world_free(w);
}

void test_action_http_signs_with_two_secrets_while_one_replaces_the_other(void)
{
    static const char *const untils[] = {"", ", previous_until: '2999-01-01T00:00:00Z'",
                                         ", previous_until: '2001-01-01T00:00:00Z'"};
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    for (size_t i = 0; i < ARRAY_LEN(untils); i++) {
        char config[512];
        snprintf(config, sizeof(config),
                 "url: http://127.0.0.1:%%u/\nsign: { secret: whsec_" SECRET_BASE64
                 ", previous_secret: whsec_cHJldmlvdXNseSBpdCB3YXMgdGhpcw==%s }\n",
                 untils[i]);
        struct world *w = world_new(config, p->port);
        world_run(w);
        EXPECT_EQ_INT(w->outcome.result, ATTEMPT_SUCCESS);
        str head = peer_head(p), line = STR("");
        while (head.p && !str_starts(line, STR("webhook-signature: v1,")))
            line = str_trim(str_cut(&head, '\n'));
        EXPECT(line.n > 0);
        /* None by the old one when its time is over. */
        str values = str_slice(line, 19, line.n), one = str_cut(&values, ' ');
        EXPECT(str_starts(one, STR("v1,")));
        EXPECT_EQ_INT(values.p != NULL && str_starts(values, STR("v1,")), i < 2);
        world_free(w);
    }
}

void test_action_http_judges_statuses(void)
{
    static const struct {
        int status;
        enum attempt_result result;
    } cases[] = {{200, ATTEMPT_SUCCESS}, {202, ATTEMPT_SUCCESS}, {204, ATTEMPT_SUCCESS},
                 {301, ATTEMPT_RETRY},   {400, ATTEMPT_RETRY},   {401, ATTEMPT_RETRY},
                 {404, ATTEMPT_RETRY},   {408, ATTEMPT_RETRY},   {410, ATTEMPT_PERMANENT},
                 {422, ATTEMPT_RETRY},   {429, ATTEMPT_RETRY},   {500, ATTEMPT_RETRY},
                 {503, ATTEMPT_RETRY},   {599, ATTEMPT_RETRY}};
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct world *w = world_new("url: http://127.0.0.1:%u/\n", p->port);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        peer_set(p, "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", cases[i].status);
        world_run(w);
        EXPECT_EQ_INT(w->outcome.result, cases[i].result);
        EXPECT_EQ_INT(w->outcome.status, cases[i].status);
        EXPECT_EQ_INT(w->outcome.gone, cases[i].status == 410);
        EXPECT_EQ_INT((int)w->outcome.not_before_ms, 0);
        EXPECT_CSTR(w->outcome.error_class, cases[i].result == ATTEMPT_SUCCESS ? "" : "http");
    }
    world_free(w);
}

void test_action_http_judges_statuses_as_configured(void)
{
    static const struct {
        int status;
        enum attempt_result result;
    } cases[] = {{200, ATTEMPT_SUCCESS},   {302, ATTEMPT_SUCCESS}, {400, ATTEMPT_PERMANENT},
                 {404, ATTEMPT_RETRY},     {409, ATTEMPT_SUCCESS}, {410, ATTEMPT_PERMANENT},
                 {501, ATTEMPT_PERMANENT}, {500, ATTEMPT_RETRY},   {204, ATTEMPT_RETRY}};
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct world *w = world_new("url: http://127.0.0.1:%u/\nsuccess: ['302', '409']\n"
                                "retry: [404, 204]\ndead: [4xx, 501]\n",
                                p->port);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        peer_set(p, "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", cases[i].status);
        if (cases[i].status == 204)
            peer_set(p, "HTTP/1.1 204 X\r\n\r\n");
        world_run(w);
        EXPECT_EQ_INT(w->outcome.result, cases[i].result);
    }
    world_free(w);
}

/* Within the seconds the test may take of where Retry-After says, or exactly `at`. */
static void expect_retry_after(const char *value, int64_t least_ms, int64_t most_ms)
{
    static struct peer *p;
    if (!p)
        p = peer_start(PEER_ANSWER, PEER_OK);
    peer_set(p, "HTTP/1.1 503 X\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", value);
    struct world *w = world_new("url: http://127.0.0.1:%u/\n", p->port);
    int64_t before = clock_wall_ms(clock_real());
    world_run(w);
    int64_t after = clock_wall_ms(clock_real());
    EXPECT_EQ_INT(w->outcome.result, ATTEMPT_RETRY);
    if (most_ms == 0)
        EXPECT_EQ_INT(w->outcome.not_before_ms, 0);
    else
        EXPECT(w->outcome.not_before_ms >= before + least_ms &&
               w->outcome.not_before_ms <= after + most_ms);
    world_free(w);
}

void test_action_http_honours_retry_after(void)
{
    const int64_t day_ms = 86400000;
    char date[CLOCK_TEXT_MAX], text[64];
    expect_retry_after("120", 120000, 120000);
    expect_retry_after("1.2", 2000, 2000);
    expect_retry_after("0", 0, 0);
    expect_retry_after("86401", day_ms, day_ms);
    expect_retry_after("99999999999999999999", 0, 0);
    expect_retry_after("999999999999999999", day_ms, day_ms);
    expect_retry_after("-5", 0, 0);
    expect_retry_after("soon", 0, 0);
    expect_retry_after("1e3", 0, 0);
    expect_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 0, 0);
    expect_retry_after("Fri, 31 Dec 2398 23:59:59 GMT", day_ms, day_ms);
    int64_t soon_ms = clock_wall_ms(clock_real()) + 3600000;
    str at = clock_http_format(soon_ms, date);
    (void)snprintf(text, sizeof(text), STR_FMT, STR_ARG(at));
    expect_retry_after(text, 3590000, 3600000);
}

void test_action_http_names_failures_of_the_network(void)
{
    struct peer *reset = peer_start(PEER_RESET, "");
    struct world *w = world_new("url: http://127.0.0.1:%u/\n", reset->port);
    world_run(w);
    EXPECT_EQ_INT(w->outcome.result, ATTEMPT_RETRY);
    EXPECT_CSTR(w->outcome.error_class, "reset");
    EXPECT_EQ_INT(w->outcome.status, 0);
    EXPECT_EQ_INT((int)w->outcome.response.n, 0);
    EXPECT(w->outcome.summary.n > 0 && w->outcome.request.n > 0);
    world_free(w);
    struct peer *hang = peer_start(PEER_HANG, "");
    w = world_new("url: http://127.0.0.1:%u/\ntimeout: 60ms\n", hang->port);
    world_run(w);
    EXPECT_EQ_INT(w->outcome.result, ATTEMPT_RETRY);
    EXPECT_CSTR(w->outcome.error_class, "timeout");
    world_free(w);
    w = world_new("url: http://127.0.0.1:%u/\n", 1);
    world_run(w);
    EXPECT_EQ_INT(w->outcome.result, ATTEMPT_RETRY);
    EXPECT_CSTR(w->outcome.error_class, "connect");
    world_free(w);
}

void test_action_http_gives_up_at_once_on_a_refused_address(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct world *w = world_new("url: http://localhost:%u/\npolicy: public\n", p->port);
    world_run(w);
    EXPECT_EQ_INT(w->outcome.result, ATTEMPT_PERMANENT);
    EXPECT_CSTR(w->outcome.error_class, "blocked");
    EXPECT_STR(w->outcome.summary, "address not allowed by outbound policy");
    EXPECT_EQ_INT(atomic_load(&p->connections), 0);
    world_free(w);
}

void test_action_http_keeps_what_was_sent_and_answered_without_secrets(void)
{
    struct peer *p = peer_start(PEER_ANSWER, "HTTP/1.1 500 Oh\r\nX-A: b\r\nContent-Length: 5\r\n"
                                             "Set-Cookie: sid=s3cret\r\n\r\nsorry");
    struct world *w = world_new(
        "url: 'http://127.0.0.1:%u/services/T0000000/xoxb1234567890abcdefghij?token=s3cret#f'\n"
        "headers: { Authorization: Bearer s3cret, X-Api-Key: s3cret, X-Plain: seen }\n",
        p->port);
    world_run(w);
    EXPECT(peer_got(p, "POST /services/T0000000/xoxb1234567890abcdefghij?token=s3cret HTTP/1.1"));
    EXPECT(peer_got(p, "Authorization: Bearer s3cret\r\n"));
    char expected[128];
    (void)snprintf(expected, sizeof(expected),
                   "POST http://127.0.0.1:%u/services/T0000000/[hidden]?[hidden] HTTP/1.1\r\n",
                   p->port);
    EXPECT(str_starts(w->outcome.request, str_from_cstr(expected)));
    EXPECT(holds(w->outcome.request, "Authorization: [hidden]\r\n"));
    EXPECT(holds(w->outcome.request, "X-Api-Key: [hidden]\r\n"));
    EXPECT(holds(w->outcome.request, "X-Plain: seen\r\n"));
    EXPECT(holds(w->outcome.request, "Content-Type: application/json\r\n"));
    EXPECT(!holds(w->outcome.request, "s3cret") && !holds(w->outcome.response, "s3cret"));
    EXPECT_STR(w->outcome.response, "HTTP/1.1 500 Oh\r\nX-A: b\r\nContent-Length: 5\r\n"
                                    "Set-Cookie: [hidden]\r\n\r\nsorry");
    EXPECT(str_starts(w->outcome.timing, STR("{\"")) && holds(w->outcome.timing, "\"total_us\":"));
    EXPECT(holds(w->outcome.timing, "\"reused\":false}"));
    struct reason why = {.text = ""};
    struct json_doc *doc = json_parse(w->outcome.timing, &why);
    EXPECT(doc != NULL);
    json_doc_free(doc);
    world_free(w);
}

void test_action_http_bounds_what_it_keeps(void)
{
    struct peer *p = peer_start(PEER_FLOOD, "HTTP/1.1 500 X\r\n\r\n");
    struct world *w = world_new("url: http://127.0.0.1:%u/\n", p->port);
    for (int i = 0; i < 2; i++) {
        world_run(w);
        EXPECT_EQ_INT(w->outcome.status, 500);
        EXPECT(w->outcome.response.n > HTTP_ANSWER_BODY_MAX);
        EXPECT(w->outcome.response.n < HTTP_ANSWER_BODY_MAX + 64);
        EXPECT(str_ends(w->outcome.response, STR("\n[cut here]\n")));
        EXPECT(holds(w->outcome.timing, "total_us"));
    }
    world_free(w);
}

void test_action_http_cancels(void)
{
    struct peer *p = peer_start(PEER_HANG, "");
    struct world *w = world_new("url: http://127.0.0.1:%u/\n", p->port);
    world_start(w);
    peer_await(p, w->loop, 1);
    EXPECT_EQ_INT(w->done, 0);
    action_cancel(w->action, &w->task);
    while (!w->done)
        loop_run_once(w->loop, true);
    EXPECT_EQ_INT(w->outcome.result, ATTEMPT_CANCELLED);
    EXPECT_CSTR(w->outcome.error_class, "cancelled");
    action_cancel(w->action, &w->task); /* too late, and harmless */
    EXPECT_EQ_INT(w->done, 1);
    world_free(w);
}

void test_action_http_refuses_bad_configurations(void)
{
    static const struct {
        const char *yaml, *part;
    } cases[] = {
        {"method: POST\n", "\"url\" is missing"},
        {"url: ftp://a.example/\n", "http or https"},
        {"url: http://u:p@a.example/\n", "user name"},
        {"url: http://169.254.169.254/\n", "cloud metadata"},
        {"url: http://10.0.0.1/\npolicy: public\n", "policy: private"},
        {"url: http://a.example:25/\npolicy: public\n", "port 25"},
        {"url: http://a.example/\nmethod: SEND\n", "POST"},
        {"url: http://a.example/\npolicy: open\n", "private"},
        {"url: http://a.example/\nheader: {}\n", "headers"},
        {"url: http://a.example/\nheaders: [a]\n", "mapping"},
        {"url: http://a.example/\nheaders: { 'X A': b }\n", "header name"},
        {"url: http://a.example/\nheaders: { X-A: \"b\\r\\nX-B: c\" }\n", "line break"},
        {"url: http://a.example/\nheaders: { Content-Length: '5' }\n", "Content-Length"},
        {"url: http://a.example/\nforward: [Connection]\n", "never passed on"},
        {"url: http://a.example/\nforward: ['X-*-Y']\n", "at the end of a header name"},
        {"url: http://a.example/\nforward: ['']\n", "empty"},
        {"url: http://a.example/\nforward: X-A\n", "list"},
        {"url: http://a.example/\nsign: {}\n", "\"secret\" is missing"},
        {"url: http://a.example/\nsign: { secret: '' }\n", "empty"},
        {"url: http://a.example/\nsign: { secrets: a }\n", "secret"},
        {"url: http://a.example/\nsign: { provider: github, secret: a, previous_secret: b }\n",
         "can sign with two secrets"},
        {"url: http://a.example/\nsign: { secret: whsec_aaaa, previous_until: "
         "'2026-12-31T00:00:00Z' }\n",
         "previous_secret"},
        {"url: http://a.example/\ndead: [700]\n", "100 to 599"},
        {"url: http://a.example/\ndead: [9xx]\n", "4xx"},
        {"url: http://a.example/\ntimeout: soon\n", "timeout"},
        {"url: http://a.example/\nconcurrency: 0\n", "concurrency"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        struct problems p = {0};
        arena_init(&a, 1 << 20);
        if (read_config(&a, cases[i].yaml, &p) || p.errors != 1)
            FAIL("%zu errors in: %s", p.errors, cases[i].yaml);
        EXPECT_HAS(p.v[0].text, cases[i].part);
        problems_release(&p);
        arena_release(&a);
    }
}

void test_action_http_refuses_a_signature_it_cannot_make(void)
{
    static const struct {
        const char *yaml, *part;
    } cases[] = {
        {"url: http://a.example/\nsign: { provider: standard-webhook, secret: whsec_aaaa }\n",
         "did you mean \"standard-webhooks\""},
        {"url: http://a.example/\nsign: { secret: 'whsec_%%%' }\n", "secret"},
    };
    struct problems p = {0};
    struct arena a;
    arena_init(&a, 1 << 20);
    struct loop *l = loop_new(clock_real());
    struct http_client_options o = {0};
    struct action_context ctx = {
        .loop = l, .client = http_client_new(l, &o), .providers = provider_table_new()};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reason why = {.text = ""};
        struct action_config *c = read_config(&a, cases[i].yaml, &p);
        EXPECT(c != NULL);
        EXPECT(action_http.create(c, &ctx, &why) == NULL);
        EXPECT_HAS(why.text, cases[i].part);
        EXPECT(strstr(why.text, "whsec_") == NULL || strstr(why.text, "%%%") == NULL);
    }
    http_client_free(ctx.client);
    loop_free(l);
    provider_table_free(ctx.providers);
    problems_release(&p);
    arena_release(&a);
}
