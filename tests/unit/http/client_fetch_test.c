/* http_fetch: one blocking call, over TCP and over a unix socket, whole and streamed. */
#include "unit.h"

#include "rig.h"

struct sum {
    size_t bytes, calls;
};

static void add_bytes(str bytes, void *arg)
{
    struct sum *s = (struct sum *)arg;
    s->bytes += bytes.n;
    s->calls++;
}

static struct http_call get(const char *url)
{
    return (struct http_call){.method = STR("GET"),
                              .url = str_from_cstr(url),
                              .policy = OUTBOUND_PRIVATE,
                              .timeout_ms = 5000};
}

void test_client_fetch_reads_over_a_unix_socket(void)
{
    struct peer *p = peer_start_unix("admin.sock", PEER_ANSWER, PEER_OK);
    struct arena a;
    arena_init(&a, 1 << 20);
    struct http_answer answer;
    struct reason why = {.text = ""};
    struct http_call call = get("http://gaff/api/v1/events?x=1");
    EXPECT_EQ_INT(http_fetch("admin.sock", &call, NULL, NULL, &answer, &a, &why), ERR_OK);
    EXPECT_EQ_INT(answer.status, 200);
    EXPECT_STR(answer.body, "ok");
    EXPECT_EQ_INT((int)answer.fields.count, 2);
    EXPECT_STR(answer.fields.v[1].name, "X-Peer");
    EXPECT_STR(answer.fields.v[1].value, "yes");
    EXPECT(peer_got(p, "GET /api/v1/events?x=1 HTTP/1.1\r\n"));
    EXPECT(peer_got(p, "Host: gaff\r\n"));
    arena_release(&a);
}

void test_client_fetch_says_why_it_failed(void)
{
    struct arena a;
    arena_init(&a, 1 << 20);
    struct http_answer answer;
    struct reason why = {.text = ""};
    struct http_call call = get("http://gaff/");
    EXPECT_EQ_INT(http_fetch("missing.sock", &call, NULL, NULL, &answer, &a, &why), ERR_IO);
    EXPECT(why.text[0] != '\0');
    call = get("http://127.0.0.1:1/");
    EXPECT_EQ_INT(http_fetch(NULL, &call, NULL, NULL, &answer, &a, &why), ERR_IO);
    EXPECT_EQ_INT(answer.class, HTTP_CALL_CONNECT);
    struct peer *p = peer_start(PEER_HANG, "");
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", p->port);
    call = get(url);
    call.timeout_ms = 50;
    EXPECT_EQ_INT(http_fetch(NULL, &call, NULL, NULL, &answer, &a, &why), ERR_TIMEOUT);
    call = get("nonsense");
    EXPECT_EQ_INT(http_fetch(NULL, &call, NULL, NULL, &answer, &a, &why), ERR_INVALID);
    arena_release(&a);
}

void test_client_fetch_streams_a_body_without_limit(void)
{
    static char text[HTTP_ANSWER_BODY_MAX * 3 + 256];
    size_t n = HTTP_ANSWER_BODY_MAX * 3;
    int head = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
    memset(text + head, 's', n);
    struct peer *p = peer_start(PEER_ANSWER, text);
    struct arena a;
    arena_init(&a, 1 << 20);
    struct http_answer answer;
    struct reason why = {.text = ""};
    struct sum sum = {0};
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", p->port);
    struct http_call call = get(url);
    call.timeout_ms = 0;
    EXPECT_EQ_INT(http_fetch(NULL, &call, add_bytes, &sum, &answer, &a, &why), ERR_OK);
    EXPECT_EQ_INT((int)sum.bytes, (int)n);
    EXPECT(!answer.body_truncated && answer.body.n == 0);
    /* What is no success is kept for the message instead. */
    p = peer_start(PEER_ANSWER, "HTTP/1.1 401 X\r\nContent-Length: 6\r\n\r\ntoken?");
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", p->port);
    call = get(url);
    sum = (struct sum){0};
    EXPECT_EQ_INT(http_fetch(NULL, &call, add_bytes, &sum, &answer, &a, &why), ERR_OK);
    EXPECT_EQ_INT(answer.status, 401);
    EXPECT_STR(answer.body, "token?");
    EXPECT_EQ_INT((int)sum.calls, 0);
    arena_release(&a);
}
