/* The outgoing client against real peers on the loopback interface: what is sent, what comes
 * back, and how each failure is named. */
#include "unit.h"

#include "rig.h"

#include <fcntl.h>

void test_client_sends_the_body_as_it_is_and_reads_the_answer(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/a/b?x=%%20y", p->port);
    static const char bytes[] = "a\0b\r\n\xff";
    g->call.body = str_of(bytes, sizeof(bytes) - 1);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    EXPECT_EQ_INT(g->answer.status, 200);
    EXPECT_STR(str_from_cstr(g->body), "ok");
    EXPECT(strcmp(g->head, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Peer: yes\r\n") == 0);
    EXPECT_EQ_INT((int)g->answer.fields.count, 2);
    EXPECT(strcmp(g->answer.address, "127.0.0.1") == 0);
    EXPECT(!g->answer.reused && !g->answer.body_truncated);
    EXPECT(str_eq(peer_body(p), g->call.body));
    EXPECT(peer_got(p, "POST /a/b?x=%20y HTTP/1.1\r\n"));
    EXPECT(peer_got(p, "Content-Length: 6\r\n"));
    EXPECT(peer_got(p, "User-Agent: gaff\r\n"));
    EXPECT(!peer_got(p, "Content-Type"));
    EXPECT(!peer_got(p, "Expect"));
    EXPECT(!peer_got(p, "Accept-Encoding"));
    rig_stop(&r);
}

void test_client_reports_every_status_as_an_answer(void)
{
    static const int statuses[] = {201, 204, 301, 400, 404, 410, 429, 500, 503, 599};
    struct rig r = rig_start();
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        static char answers[ARRAY_LEN(statuses)][64];
        (void)snprintf(answers[i], sizeof(answers[i]), "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n",
                       statuses[i]);
        struct peer *p = peer_start(PEER_ANSWER, answers[i]);
        struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
        EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
        EXPECT_EQ_INT(g->answer.status, statuses[i]);
    }
    rig_stop(&r);
}

void test_client_sends_the_fields_given(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct http_client_options o = {.user_agent = "gaff/9"};
    struct rig r = rig_with(&o);
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    const struct http_field fields[] = {{STR("Content-Type"), STR("application/json")},
                                        {STR("X-Empty"), STR("")},
                                        {STR("X-Trim"), STR("  v  ")},
                                        {STR("X-Utf8"), STR("gr\xc3\xbc\xc3\x9f")},
                                        {STR("Host"), STR("hooks.example.org:8443")}};
    g->call.fields = fields;
    g->call.field_count = ARRAY_LEN(fields);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    EXPECT(peer_got(p, "Content-Type: application/json\r\n"));
    EXPECT(peer_got(p, "X-Empty:\r\n"));
    EXPECT(peer_got(p, "X-Trim: v\r\n"));
    EXPECT(peer_got(p, "X-Utf8: gr\xc3\xbc\xc3\x9f\r\n"));
    EXPECT(peer_got(p, "Host: hooks.example.org:8443\r\n"));
    EXPECT(peer_got(p, "User-Agent: gaff/9\r\n"));
    rig_stop(&r);
}

void test_client_refuses_fields_that_could_split_or_frame_the_message(void)
{
    static const struct http_field bad[] = {
        {{"X-A", 3}, {"a\r\nX-B: b", 9}},
        {{"X-A", 3}, {"a\nb", 3}},
        {{"X-A", 3}, {"a\rb", 3}},
        {{"X-A", 3}, {"a\0b", 3}},
        {{"X-A", 3}, {"a\x01", 2}},
        {{"X-A", 3}, {"a\x7f", 2}},
        {{"X-A\r\nX-B", 8}, {"a", 1}},
        {{"X A", 3}, {"a", 1}},
        {{"X-A:", 4}, {"a", 1}},
        {{"X-A;", 4}, {"a", 1}},
        {{"", 0}, {"a", 1}},
        {{"X\0A", 3}, {"a", 1}},
        {{"Content-Length", 14}, {"3", 1}},
        {{"transfer-encoding", 17}, {"chunked", 7}},
        {{"Connection", 10}, {"close", 5}},
        {{"Expect", 6}, {"100-continue", 12}},
        {{"TE", 2}, {"trailers", 8}},
        {{"Upgrade", 7}, {"h2c", 3}},
        {{"Proxy-Authorization", 19}, {"Basic eDp5", 10}},
        {{"Host", 4}, {"", 0}},
        {{"Host", 4}, {"a b", 3}},
        {{"Host", 4}, {"a/b", 3}},
        {{"Host", 4}, {"u@h", 3}},
    };
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        g->call.fields = &bad[i];
        g->call.field_count = 1;
        EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_INVALID);
        EXPECT(g->answer.error[0] != '\0');
    }
    const struct http_field hosts[] = {{STR("Host"), STR("a")}, {STR("host"), STR("b")}};
    g->call.fields = hosts;
    g->call.field_count = 2;
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_INVALID);
    EXPECT_EQ_INT(atomic_load(&p->requests), 0);
    g->call.field_count = 1;
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    rig_stop(&r);
}

void test_client_sends_methods_right_on_a_reused_handle(void)
{
    static const struct {
        const char *method, *body, *line;
        const char *length; /* NULL: no Content-Length */
        bool refused;
    } cases[] = {
        {"POST", "x", "POST / ", "Content-Length: 1\r\n", false},
        {"GET", "", "GET / ", NULL, false},
        {"POST", "", "POST / ", "Content-Length: 0\r\n", false},
        {"HEAD", "", "HEAD / ", NULL, false},
        {"PUT", "abc", "PUT / ", "Content-Length: 3\r\n", false},
        {"DELETE", "", "DELETE / ", NULL, false},
        {"DELETE", "ab", "DELETE / ", "Content-Length: 2\r\n", false},
        {"PATCH", "", "PATCH / ", "Content-Length: 0\r\n", false},
        {"GET", "q", "GET / ", "Content-Length: 1\r\n", false},
        {"OPTIONS", "", "OPTIONS / ", NULL, false},
        {"HEAD", "", "HEAD / ", NULL, false},
        {"HEAD", "x", "", NULL, true},
        {"GET", "", "GET / ", NULL, false},
        {"P T", "", "", NULL, true},
        {"", "", "", NULL, true},
        {"CONNECT", "", "", NULL, true},
        {"POST", "y", "POST / ", "Content-Length: 1\r\n", false},
    };
    struct peer *p = peer_start(PEER_ANSWER, "HTTP/1.1 204 No Content\r\n\r\n");
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        g->call.method = str_from_cstr(cases[i].method);
        g->call.body = str_from_cstr(cases[i].body);
        EXPECT_EQ_INT(rig_run(&r, g), cases[i].refused ? HTTP_CALL_INVALID : HTTP_CALL_OK);
        if (cases[i].refused)
            continue;
        EXPECT(peer_got(p, cases[i].line));
        EXPECT_EQ_INT(peer_got(p, "Content-Length"), cases[i].length != NULL);
        EXPECT(!cases[i].length || peer_got(p, cases[i].length));
        EXPECT(!peer_got(p, "Content-Type"));
        EXPECT(str_eq(peer_body(p), g->call.body));
    }
    EXPECT_EQ_INT(atomic_load(&p->connections), 1);
    rig_stop(&r);
}

void test_client_reuses_a_kept_connection(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    for (int i = 0; i < 20; i++) {
        EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
        EXPECT_EQ_INT(g->answer.reused, i > 0);
        EXPECT(g->answer.timing.total >= g->answer.timing.first_byte);
        EXPECT(g->answer.timing.first_byte >= 0 && g->answer.timing.connect >= 0);
    }
    EXPECT_EQ_INT(atomic_load(&p->connections), 1);
    EXPECT_EQ_INT(atomic_load(&p->requests), 20);
    rig_stop(&r);
}

void test_client_reconnects_when_the_kept_connection_was_closed(void)
{
    struct peer *p = peer_start(PEER_CLOSE, PEER_OK);
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
        EXPECT_EQ_INT(g->answer.status, 200);
        loop_run_once(r.loop, false); /* the end of the connection may be noticed while idle */
    }
    EXPECT_EQ_INT(atomic_load(&p->connections), 10);
    rig_stop(&r);
}

/* The connection breaks just when it is taken up again, over and over on the same handle. */
void test_client_tries_a_fresh_connection_each_time_a_kept_one_breaks(void)
{
    struct peer *p = peer_start(PEER_ONCE, PEER_OK);
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    for (int i = 0; i < 30; i++) {
        EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
        EXPECT_EQ_INT(g->answer.status, 200);
        EXPECT(!g->answer.reused);
    }
    EXPECT_EQ_INT(atomic_load(&p->connections), 30);
    rig_stop(&r);
}

void test_client_follows_no_redirect(void)
{
    struct peer *target = peer_start(PEER_ANSWER, PEER_OK);
    static char answer[256];
    (void)snprintf(answer, sizeof(answer),
                   "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/\r\n"
                   "Content-Length: 0\r\n\r\n",
                   target->port);
    struct peer *p = peer_start(PEER_ANSWER, answer);
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    EXPECT_EQ_INT(g->answer.status, 302);
    EXPECT_EQ_INT(atomic_load(&target->connections), 0);
    rig_stop(&r);
}

void test_client_cuts_a_large_body_and_keeps_the_status(void)
{
    struct rig r = rig_start();
    struct peer *flood = peer_start(PEER_FLOOD, "HTTP/1.1 200 OK\r\n\r\n");
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", flood->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    EXPECT_EQ_INT(g->answer.status, 200);
    EXPECT(g->answer.body_truncated);
    EXPECT_EQ_INT((int)g->answer.body.n, HTTP_ANSWER_BODY_MAX);
    /* A body of just the bound is whole. */
    static char answer[HTTP_ANSWER_BODY_MAX + 256];
    int n = snprintf(answer, sizeof(answer), "HTTP/1.1 500 X\r\nContent-Length: %d\r\n\r\n",
                     HTTP_ANSWER_BODY_MAX);
    memset(answer + n, 'y', HTTP_ANSWER_BODY_MAX);
    struct peer *full = peer_start(PEER_ANSWER, answer);
    g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", full->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    EXPECT_EQ_INT(g->answer.status, 500);
    EXPECT(!g->answer.body_truncated);
    EXPECT_EQ_INT((int)g->answer.body.n, HTTP_ANSWER_BODY_MAX);
    rig_stop(&r);
}

void test_client_bounds_the_head(void)
{
    static char answer[100000];
    size_t n = (size_t)snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nX-First: 1\r\n");
    while (n < 60000)
        n += (size_t)snprintf(answer + n, sizeof(answer) - n, "X-Many: %0500d\r\n", 7);
    (void)snprintf(answer + n, sizeof(answer) - n, "Content-Length: 2\r\n\r\nok");
    struct peer *p = peer_start(PEER_ANSWER, answer);
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    EXPECT_EQ_INT(g->answer.status, 200);
    EXPECT_STR(str_from_cstr(g->body), "ok");
    EXPECT(g->answer.head.n <= HTTP_ANSWER_HEAD_MAX && g->answer.head.n > 15000);
    EXPECT(strcmp(g->head + g->answer.head.n - 2, "\r\n") == 0);
    rig_stop(&r);
}

void test_client_drops_interim_answers_and_trailers(void)
{
    struct peer *p =
        peer_start(PEER_ANSWER, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
                                "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n"
                                "Trailer: X-Late\r\n\r\n"
                                "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-Late: 1\r\n\r\n");
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    EXPECT_EQ_INT(g->answer.status, 202);
    EXPECT_STR(str_from_cstr(g->body), "abcde");
    EXPECT(strstr(g->head, "Link") == NULL && strstr(g->head, "X-Late: 1") == NULL);
    EXPECT_EQ_INT((int)g->answer.fields.count, 2);
    rig_stop(&r);
}

void test_client_never_decompresses(void)
{
    struct peer *p = peer_start(PEER_ANSWER, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                                             "Content-Length: 4\r\n\r\n\x1f\x8bzz");
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    EXPECT_STR(str_from_cstr(g->body), "\x1f\x8bzz");
    rig_stop(&r);
}

void test_client_names_each_failure(void)
{
    static const struct {
        enum peer_mode mode;
        const char *answer;
        enum http_call_class class;
        int status;
    } cases[] = {
        {PEER_RESET, "", HTTP_CALL_RESET, 0},
        {PEER_CLOSE, "", HTTP_CALL_RESET, 0},
        {PEER_CLOSE, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", HTTP_CALL_RESET, 200},
        {PEER_CLOSE, "220 smtp.example.org ESMTP ready\r\n", HTTP_CALL_PROTOCOL, 0},
        {PEER_CLOSE, "\x16\x03\x01\x02\x03\x04\x05\x06\x07\x08", HTTP_CALL_PROTOCOL, 0},
        {PEER_CLOSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
         HTTP_CALL_PROTOCOL, 200},
    };
    struct rig r = rig_start();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer *p = peer_start(cases[i].mode, cases[i].answer);
        struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
        EXPECT_EQ_INT(rig_run(&r, g), cases[i].class);
        EXPECT_EQ_INT(g->answer.status, cases[i].status);
        EXPECT(g->answer.error[0] != '\0');
    }
    struct got *refused = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:1/");
    EXPECT_EQ_INT(rig_run(&r, refused), HTTP_CALL_CONNECT);
    EXPECT_EQ_INT(refused->answer.timing.first_byte, -1);
    struct peer *plain = peer_start(PEER_CLOSE, "HTTP/1.1 400 X\r\n\r\n");
    struct got *tls = got_new(OUTBOUND_PRIVATE, "https://127.0.0.1:%u/", plain->port);
    tls->call.timeout_ms = 500; /* the peer waits for a request's end */
    enum http_call_class class = rig_run(&r, tls);
    EXPECT(class == HTTP_CALL_TLS || class == HTTP_CALL_TIMEOUT);
    rig_stop(&r);
}

void test_client_fails_an_invalid_url_later_and_only_once(void)
{
    static const char *const urls[] = {"",
                                       "http://",
                                       "ftp://example.org/",
                                       "file:///etc/passwd",
                                       "http://u:p@example.org/",
                                       "http://a b/",
                                       "example.org",
                                       "http://example.org:0/",
                                       "http://example.org:99999/",
                                       "gopher://127.0.0.1/",
                                       "http://[::1",
                                       "//example.org/"};
    struct rig r = rig_start();
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct got *g = got_new(OUTBOUND_PRIVATE, "%s", urls[i]);
        http_client_start(r.client, &g->call);
        EXPECT_EQ_INT(g->done, 0);
        rig_wait(&r, g);
        EXPECT_EQ_INT(g->answer.class, HTTP_CALL_INVALID);
        loop_run_once(r.loop, false);
        EXPECT_EQ_INT(g->done, 1);
    }
    struct got *nul = got_new(OUTBOUND_PRIVATE, "http://example.org/");
    nul->call.url = str_of("http://127.0.0.1\0.example.org/", 30);
    EXPECT_EQ_INT(rig_run(&r, nul), HTTP_CALL_INVALID);
    rig_stop(&r);
}

void test_client_keeps_one_deadline_over_everything(void)
{
    struct peer *p = peer_start(PEER_HANG, "");
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    g->call.timeout_ms = 80;
    int64_t begin = clock_mono_ns(clock_real());
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_TIMEOUT);
    int64_t took_ms = (clock_mono_ns(clock_real()) - begin) / 1000000;
    EXPECT(took_ms >= 79);
    /* The same handle with another deadline. */
    struct peer *late = peer_start(PEER_ANSWER, PEER_OK);
    late->delay_ms = 150;
    g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", late->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    /* An answer that begins and never ends is late too, and its status is known. */
    struct peer *slow = peer_start(PEER_ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
    g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", slow->port);
    g->call.timeout_ms = 80;
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_TIMEOUT);
    EXPECT_EQ_INT(g->answer.status, 200);
    rig_stop(&r);
}

/* A listener whose backlog is full answers no SYN. */
void test_client_gives_up_on_a_black_hole(void)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sa);
    EXPECT(bind(listener, (struct sockaddr *)&sa, len) == 0 && listen(listener, 0) == 0);
    EXPECT(getsockname(listener, (struct sockaddr *)&sa, &len) == 0);
    for (int i = 0; i < 4; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fd, (struct sockaddr *)&sa, len);
    }
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", ntohs(sa.sin_port));
    g->call.timeout_ms = 100;
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_TIMEOUT);
    EXPECT_EQ_INT(g->answer.timing.connect, -1);
    rig_stop(&r);
}

void test_client_ignores_proxies_of_the_environment(void)
{
    struct peer *proxy = peer_start(PEER_ANSWER, PEER_OK);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", proxy->port);
    static const char *const names[] = {"http_proxy", "https_proxy", "all_proxy",
                                        "ALL_PROXY",  "HTTPS_PROXY", "HTTP_PROXY"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        EXPECT(setenv(names[i], url, 1) == 0);
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    EXPECT_EQ_INT(atomic_load(&p->requests), 1);
    EXPECT_EQ_INT(atomic_load(&proxy->connections), 0);
    rig_stop(&r);
}

void test_client_uses_the_configured_proxy_for_all_and_names_its_failures(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct peer *proxy = peer_start(PEER_CLOSE, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", proxy->port);
    EXPECT(setenv("no_proxy", "*", 1) == 0);
    struct http_client_options o = {.proxy = url};
    struct rig r = rig_with(&o);
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_PROXY);
    EXPECT_EQ_INT(atomic_load(&proxy->connections), 1);
    EXPECT(peer_got(proxy, "CONNECT 127.0.0.1:"));
    /* A literal address is judged before the proxy is asked. */
    g = got_new(OUTBOUND_PUBLIC, "http://127.0.0.1:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_BLOCKED);
    EXPECT_EQ_INT(atomic_load(&proxy->connections), 1);
    EXPECT_EQ_INT(atomic_load(&p->connections), 0);
    rig_stop(&r);
}

void test_client_queues_what_is_beyond_max_in_flight(void)
{
    enum { CALLS = 12 };
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    p->delay_ms = 3;
    struct http_client_options o = {.max_in_flight = 2};
    struct rig r = rig_with(&o);
    struct got *g[CALLS];
    for (int i = 0; i < CALLS; i++) {
        g[i] = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/%d", p->port, i);
        http_client_start(r.client, &g[i]->call);
    }
    EXPECT_EQ_INT((int)http_client_in_flight(r.client), 2);
    EXPECT_EQ_INT((int)http_client_waiting(r.client), CALLS - 2);
    for (int i = 0; i < CALLS; i++)
        rig_wait(&r, g[i]);
    EXPECT_EQ_INT((int)http_client_in_flight(r.client), 0);
    EXPECT(atomic_load(&p->open_max) <= 2);
    rig_stop(&r);
}

void test_client_queues_one_by_one_in_exact_order(void)
{
    enum { CALLS = 8 };
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct http_client_options o = {.max_in_flight = 1};
    struct rig r = rig_with(&o);
    struct got *g[CALLS];
    for (int i = 0; i < CALLS; i++) {
        g[i] = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
        http_client_start(r.client, &g[i]->call);
    }
    for (int i = 0; i < CALLS; i++)
        rig_wait(&r, g[i]);
    for (int i = 1; i < CALLS; i++)
        EXPECT(g[i]->order == g[i - 1]->order + 1);
    EXPECT_EQ_INT(atomic_load(&p->connections), 1);
    rig_stop(&r);
}

void test_client_cancels_waiting_active_and_failed_calls(void)
{
    struct peer *p = peer_start(PEER_HANG, "");
    struct http_client_options o = {.max_in_flight = 1};
    struct rig r = rig_with(&o);
    struct got *active = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    struct got *waiting = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    struct got *last = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    http_client_start(r.client, &active->call);
    http_client_start(r.client, &waiting->call);
    http_client_start(r.client, &last->call);
    peer_await(p, r.loop, 1);
    http_client_cancel(r.client, &waiting->call);
    EXPECT_EQ_INT(waiting->done, 1);
    EXPECT_EQ_INT(waiting->answer.class, HTTP_CALL_CANCELLED);
    http_client_cancel(r.client, &active->call);
    EXPECT_EQ_INT(active->done, 1);
    EXPECT_EQ_INT(active->answer.class, HTTP_CALL_CANCELLED);
    EXPECT_EQ_INT((int)http_client_in_flight(r.client), 1); /* the last one moved up */
    struct http_client_options more = {.max_in_flight = 4};
    struct rig other = rig_with(&more);
    struct got *bad = got_new(OUTBOUND_PRIVATE, "nonsense");
    http_client_start(other.client, &bad->call);
    http_client_cancel(other.client, &bad->call);
    EXPECT_EQ_INT(bad->answer.class, HTTP_CALL_CANCELLED);
    loop_run_once(other.loop, false);
    EXPECT_EQ_INT(bad->done, 1);
    rig_stop(&other);
    rig_stop(&r); /* ends the last one */
    EXPECT_EQ_INT(last->done, 1);
    EXPECT_EQ_INT(last->answer.class, HTTP_CALL_CANCELLED);
}

struct chain {
    struct got *g;
    struct http_client *client;
    int left, done;
};
static struct chain chain_state;

static void chain_done(struct http_call *call, const struct http_answer *a)
{
    EXPECT_EQ_INT(a->class, HTTP_CALL_OK);
    chain_state.done++;
    if (chain_state.left-- > 0)
        http_client_start(chain_state.client, call);
}

void test_client_lets_done_start_the_next_call(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct http_client_options o = {.max_in_flight = 1};
    struct rig r = rig_with(&o);
    chain_state = (struct chain){.client = r.client, .left = 50};
    chain_state.g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    chain_state.g->call.done = chain_done;
    http_client_start(r.client, &chain_state.g->call);
    while (chain_state.done < 51)
        loop_run_once(r.loop, true);
    EXPECT_EQ_INT(atomic_load(&p->requests), 51);
    EXPECT_EQ_INT(atomic_load(&p->connections), 1);
    rig_stop(&r);
}

static int count_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void run_eight_calls(struct peer *p)
{
    struct rig r = rig_start();
    struct got *g[8];
    for (int i = 0; i < 8; i++) {
        g[i] =
            got_new(OUTBOUND_PRIVATE, "http://%s:%u/", i % 2 ? "127.0.0.1" : "localhost", p->port);
        http_client_start(r.client, &g[i]->call);
    }
    for (int i = 0; i < 8; i++)
        rig_wait(&r, g[i]);
    rig_stop(&r);
    while (atomic_load(&p->open) > 0) /* the peer sees our end */
        (void)poll(NULL, 0, 1);
}

void test_client_leaves_no_descriptor_open(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    run_eight_calls(p); /* whatever libraries keep, they have now */
    int before = count_descriptors();
    run_eight_calls(p);
    EXPECT_EQ_INT(count_descriptors(), before);
}

void test_client_sends_a_body_larger_than_the_socket_takes_at_once(void)
{
    struct peer *p = peer_start(PEER_ANSWER, PEER_OK);
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:%u/", p->port);
    static char body[250000];
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)(i * 31);
    g->call.body = str_of(body, sizeof(body));
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
        EXPECT(str_eq(peer_body(p), g->call.body));
    }
    rig_stop(&r);
}
