/* Exchanges without a connection. */
#include "http/server.h"
#include "unit.h"

struct reply {
    int calls, status, closed;
    char head[1024], body[1024];
};

static void on_reply(int status, str head, str body, void *arg)
{
    struct reply *r = arg;
    r->calls++;
    r->status = status;
    snprintf(r->head, sizeof(r->head), STR_FMT, STR_ARG(head));
    snprintf(r->body, sizeof(r->body), STR_FMT, STR_ARG(body));
}

static void on_close(struct http_exchange *x)
{
    struct reply *r = x->user;
    r->closed++;
}

static struct http_exchange *detached(const char *method, struct reply *r)
{
    static struct arena arena = {.max = 1 << 20};
    static struct http_request req;
    req =
        (struct http_request){.method = str_from_cstr(method), .path = STR("/"), .body = STR("b")};
    *r = (struct reply){0};
    struct http_exchange *x = http_exchange_new_detached(&arena, &req, on_reply, r);
    x->user = r;
    return x;
}

void test_exchange_detached_gets_its_reply(void)
{
    struct reply r;
    struct http_exchange *x = detached("POST", &r);
    EXPECT_STR(x->req.body, "b");
    EXPECT(x->arena != NULL && x->req.arena == x->arena);
    struct http_field f = {STR("X-A"), STR("1")};
    http_reply(x, 201, &f, 1, STR("made"));
    EXPECT_EQ_INT(r.calls, 1);
    EXPECT_EQ_INT(r.status, 201);
    EXPECT_CSTR(r.head, "HTTP/1.1 201 Created\r\nX-A: 1\r\nContent-Length: 4\r\n\r\n");
    EXPECT_CSTR(r.body, "made");
    http_exchange_free_detached(x);
}

void test_exchange_detached_head_and_errors(void)
{
    struct reply r;
    struct http_exchange *x = detached("HEAD", &r);
    http_reply(x, 200, NULL, 0, STR("four"));
    EXPECT_HAS(r.head, "Content-Length: 4\r\n");
    EXPECT_CSTR(r.body, "");
    http_exchange_free_detached(x);
    x = detached("GET", &r);
    http_reply_error(x, 401, "bad_signature", STR("sign it </script>\n"));
    EXPECT_EQ_INT(r.status, 401);
    EXPECT_CSTR(r.body, "{\"error\":{\"code\":\"bad_signature\",\"message\":"
                        "\"sign it <\\/script>\\n\"}}");
    http_exchange_free_detached(x);
    x = detached("GET", &r);
    http_reply_retry(x, 503, "busy", STR("later"), 30);
    EXPECT_HAS(r.head, "Retry-After: 30\r\n");
    http_exchange_free_detached(x);
}

void test_exchange_detached_streams_into_one_reply(void)
{
    struct reply r;
    struct http_exchange *x = detached("GET", &r);
    http_stream_begin(x, 200, NULL, 0, on_close);
    EXPECT(http_stream_write(x, STR("one ")));
    EXPECT(http_stream_write(x, STR("two")));
    EXPECT_EQ_INT(r.calls, 0);
    http_stream_end(x);
    EXPECT_EQ_INT(r.calls, 1);
    EXPECT_EQ_INT(r.closed, 1);
    EXPECT_CSTR(r.body, "one two");
    http_exchange_free_detached(x);
    EXPECT_EQ_INT(r.closed, 1);
    x = detached("GET", &r);
    http_stream_begin(x, 200, NULL, 0, on_close);
    http_exchange_free_detached(x); /* not ended: the close is told all the same */
    EXPECT_EQ_INT(r.closed, 1);
    EXPECT_EQ_INT(r.calls, 0);
}

static void reply_twice(void *arg)
{
    struct reply r;
    struct http_exchange *x = detached("GET", &r);
    UNUSED(arg);
    http_reply(x, 200, NULL, 0, STR(""));
    http_reply(x, 200, NULL, 0, STR(""));
}

void test_exchange_second_reply_is_a_bug(void)
{
    EXPECT(unit_aborts(reply_twice, NULL));
}

static void expect_500(struct http_field f)
{
    struct reply r;
    struct http_exchange *x = detached("GET", &r);
    http_reply(x, 200, &f, 1, STR("x"));
    EXPECT_EQ_INT(r.status, 500);
    http_exchange_free_detached(x);
}

/* CVE-2025-6454 of another product: line breaks in configured header values. */
void test_exchange_cve_2025_6454_fields_cannot_split_answers(void)
{
    static const str values[] = {{"a\r\nb", 4}, {"a\nb", 3}, {"a\rb", 3}, {"a\0b", 3}, {"\x7f", 1}};
    static const str names[] = {{"", 0},    {"a b", 3}, {"a:", 2},      {"a\r\n", 3},
                                {"a\0", 2}, {"a\t", 2}, {"\xc3\xa4", 2}};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        expect_500((struct http_field){STR("X"), values[i]});
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        expect_500((struct http_field){names[i], STR("x")});
}
