/* The front door over real loopback sockets: what goes in and comes out of one connection. */
#include "front.h"

#define H "Host: a.example\r\n"
#define CHUNKED_HEAD "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
#define SAY(name) "GET /say?" name " HTTP/1.1\r\n" H "\r\n"

void test_server_answers_and_keeps_the_connection(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello"));
    struct answer a = front_read(f, fd, "hello");
    EXPECT_HAS(a.text, "HTTP/1.1 200 OK\r\n");
    EXPECT_HAS(a.text, "\r\nDate: Mon, 24 Nov 2025 16:00:00 GMT\r\n");
    EXPECT_HAS(a.text, "\r\nServer: gaff\r\n");
    EXPECT_HAS(a.text, "\r\nContent-Type: text/plain\r\n");
    EXPECT_HAS(a.text, "\r\nContent-Length: 5\r\n");
    EXPECT(strstr(a.text, "Connection:") == NULL);
    front_expect(f, fd, STR(SAY("2")), "GET /say?2 0");
    EXPECT_EQ_INT(f->handled, 2);
    EXPECT_CSTR(f->last_peer, "127.0.0.1");
    EXPECT(!f->last_tls);
    const struct http_server_counts *c = http_server_counts(f->server);
    EXPECT_EQ_UINT(c->requests_total, 2);
    EXPECT_EQ_UINT(c->by_class[2], 2);
    EXPECT_EQ_UINT(c->connections_open, 1);
    close(fd);
    FRONT_UNTIL(f, c->connections_open == 0);
    free(a.text);
    front_stop(f);
}

void test_server_takes_bytes_one_by_one(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    str raw = STR("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                  "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n" SAY("next"));
    for (size_t i = 0; i < raw.n; i++) {
        front_send(f, fd, str_slice(raw, i, i + 1));
        front_turn(f);
    }
    struct answer a = front_read(f, fd, "GET /say?next 0");
    EXPECT_HAS(a.text, "\r\n\r\nhello worldHTTP/1.1 200 OK\r\n");
    free(a.text);
    close(fd);
    front_stop(f);
}

void test_server_answers_pipelined_requests_in_order(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    static char raw[200 * 64];
    size_t n = 0;
    for (int i = 0; i < 200; i++) /* more than one block of input */
        n += (size_t)snprintf(raw + n, sizeof(raw) - n, "GET /say?n%03d HTTP/1.1\r\n" H "\r\n", i);
    front_send(f, fd, str_of(raw, n));
    struct answer a = front_read(f, fd, "/say?n199 0");
    const char *at = a.text;
    for (int i = 0; i < 200; i++) {
        char want[32];
        snprintf(want, sizeof(want), "GET /say?n%03d 0", i);
        at = strstr(at, want);
        EXPECT(at != NULL);
    }
    EXPECT_EQ_INT(f->handled, 200);
    free(a.text);
    close(fd);
    front_stop(f);
}

void test_server_has_one_request_in_flight(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("GET /hold HTTP/1.1\r\n" H "\r\n" SAY("second")));
    FRONT_UNTIL(f, f->held_count == 1);
    for (int i = 0; i < 20; i++)
        front_turn(f);
    EXPECT_EQ_INT(f->handled, 1);
    EXPECT_STR(f->held[0]->req.path, "/hold");
    http_reply(f->held[0], 200, NULL, 0, STR("first"));
    struct answer a = front_read(f, fd, "GET /say?second 0");
    EXPECT_HAS(a.text, "firstHTTP/1.1");
    free(a.text);
    close(fd);
    front_stop(f);
}

/* While a request is in flight its bytes must not move, and what waits behind it is bounded by the
 * block: the socket is not read any further. */
void test_server_stops_reading_when_the_block_is_full(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("POST /hold HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nbody"));
    FRONT_UNTIL(f, f->held_count == 1);
    static char raw[1000 * 64];
    size_t n = 0;
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(raw + n, sizeof(raw) - n, "GET /say?n%03d HTTP/1.1\r\n" H "\r\n", i);
    front_send(f, fd, str_of(raw, n));
    for (int i = 0; i < 50; i++)
        front_turn(f);
    EXPECT_EQ_INT(f->handled, 1);
    EXPECT_STR(f->held[0]->req.body, "body");
    http_reply(f->held[0], 200, NULL, 0, f->held[0]->req.body);
    struct answer a = front_read(f, fd, "/say?n999 0");
    EXPECT_EQ_UINT(front_count(a.text, "HTTP/1.1 200 OK"), 1001);
    free(a.text);
    close(fd);
    front_stop(f);
}

void test_server_meets_100_continue(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    str head = STR("POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    front_expect(f, fd, head, "HTTP/1.1 100 Continue\r\n\r\n");
    front_expect(f, fd, STR("ok"), "\r\n\r\nok");
    /* The body is on its way already: nothing to ask for. */
    front_send(f, fd,
               STR("POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\n"
                   "Content-Length: 2\r\n\r\nno"));
    struct answer a = front_read(f, fd, "\r\n\r\nno");
    EXPECT(strstr(a.text, "100 Continue") == NULL);
    free(a.text);
    /* A body that would be refused is not asked for. */
    front_send(f, fd,
               STR("POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\n"
                   "Content-Length: 99999999\r\n\r\n"));
    a = front_read(f, fd, NULL);
    EXPECT_HAS(a.text, "HTTP/1.1 413 Content Too Large\r\n");
    EXPECT(strstr(a.text, "100 Continue") == NULL);
    free(a.text);
    close(fd);
    front_stop(f);
}

void test_server_answers_head_without_a_body(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("HEAD /say HTTP/1.1\r\n" H "\r\n" SAY("after")));
    struct answer a = front_read(f, fd, "GET /say?after 0");
    EXPECT_HAS(a.text, "Content-Length: 11\r\n\r\nHTTP/1.1 200 OK");
    free(a.text);
    front_send(f, fd, STR("GET /empty HTTP/1.1\r\n" H "\r\n" SAY("after")));
    a = front_read(f, fd, "GET /say?after 0");
    EXPECT_HAS(a.text, "HTTP/1.1 204 No Content\r\n");
    EXPECT_EQ_UINT(front_count(a.text, "Content-Length"), 1);
    free(a.text);
    close(fd);
    front_stop(f);
}

void test_server_speaks_http_1_0(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_expect(f, fd, STR("GET /say HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
                 "Connection: keep-alive\r\n\r\nGET /say 0");
    front_send(f, fd, STR("GET /say HTTP/1.0\r\n\r\n"));
    front_expect_end(f, fd, "Connection: close\r\n\r\nGET /say 0");
    close(fd);
    front_stop(f);
}

void test_server_answers_after_a_half_close(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR(SAY("1") "GET /hold HTTP/1.1\r\n" H "\r\n" SAY("3")));
    EXPECT(shutdown(fd, SHUT_WR) == 0);
    FRONT_UNTIL(f, f->held_count == 1);
    for (int i = 0; i < 10; i++)
        front_turn(f);
    http_reply(f->held[0], 200, NULL, 0, STR("held"));
    struct answer a = front_read(f, fd, NULL);
    EXPECT_EQ_UINT(front_count(a.text, "HTTP/1.1 200 OK"), 3);
    EXPECT_HAS(a.text, "GET /say?3 0");
    free(a.text);
    close(fd);
    front_stop(f);
}

void test_server_explains_framing_errors_and_closes(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd,
               STR("POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SAY("smuggled")));
    struct answer a = front_read(f, fd, NULL);
    EXPECT_HAS(a.text, "HTTP/1.1 400 Bad Request\r\n");
    EXPECT_HAS(a.text, "Content-Type: application/json\r\n");
    EXPECT_HAS(a.text, "Connection: close\r\n");
    EXPECT_HAS(a.text, "{\"error\":{\"code\":\"bad_request\",\"message\":\"");
    EXPECT_EQ_UINT(front_count(a.text, "HTTP/1.1"), 1);
    EXPECT_EQ_INT(f->handled, 0);
    EXPECT_EQ_UINT(http_server_counts(f->server)->refused_total, 1);
    EXPECT_EQ_UINT(http_server_counts(f->server)->by_class[4], 1);
    free(a.text);
    close(fd);
    front_stop(f);
}

/* The client sends all of a large body before it looks for the answer: it must find it. */
void test_server_lingers_so_that_a_refusal_is_read(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    size_t n = 8u << 20;
    char *body = calloc(1, n);
    EXPECT(body != NULL);
    front_send(f, fd, STR("POST /echo HTTP/1.1\r\n" H "Content-Length: 8388608\r\n\r\n"));
    front_send(f, fd, str_of(body, n));
    EXPECT(shutdown(fd, SHUT_WR) == 0);
    front_expect_end(f, fd, "HTTP/1.1 413 Content Too Large\r\n");
    EXPECT_EQ_INT(f->handled, 0);
    free(body);
    close(fd);
    front_stop(f);
}

void test_server_ends_lingering_after_a_while(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_expect(f, fd, STR("nonsense\r\n\r\n"), "HTTP/1.1 501");
    EXPECT_EQ_UINT(http_server_counts(f->server)->connections_open, 1);
    front_advance(f, 5000);
    FRONT_UNTIL(f, http_server_counts(f->server)->connections_open == 0);
    close(fd);
    front_stop(f);
}

/* Bodies of all sizes around the block's, by length and in chunks, behind another request. */
void test_server_takes_bodies_of_any_size(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    static const size_t sizes[] = {1,     1000,  15000, 16100, 16200, 16270, 16280,  16300,
                                   16384, 16385, 20000, 32768, 40000, 65536, 100000, 1048576};
    static char raw[1100000 + 4096], body[1048576];
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)('a' + i % 23);
    for (size_t i = 0; i < ARRAY_LEN(sizes) * 2; i++) {
        size_t size = sizes[i / 2];
        int n =
            snprintf(raw, sizeof(raw), SAY("x") "POST /echo HTTP/1.1\r\n" H "%s: %s%.0zu\r\n\r\n",
                     i % 2 ? "Transfer-Encoding" : "Content-Length", i % 2 ? "chunked" : "",
                     i % 2 ? (size_t)0 : size);
        size_t at = (size_t)n;
        for (size_t from = 0, step; from < size; from += step) {
            step = i % 2 == 0 ? size : size - from < 777 ? size - from : 777;
            if (i % 2)
                at += (size_t)snprintf(raw + at, 16, "%zx\r\n", step);
            memcpy(raw + at, body + from, step);
            at += step;
            if (i % 2)
                at += (size_t)snprintf(raw + at, 3, "\r\n");
        }
        if (i % 2)
            at += (size_t)snprintf(raw + at, 6, "0\r\n\r\n");
        front_send(f, fd, str_of(raw, at));
        front_send(f, fd, STR(SAY("end")));
        struct answer a = front_read(f, fd, "GET /say?end 0");
        if (a.has_ended || !memmem(a.text, a.n, body, size) || front_count(a.text, " 400 ") > 0)
            FAIL("a body of %zu bytes, %s", size, i % 2 ? "chunked" : "by length");
        char want[64];
        snprintf(want, sizeof(want), "Content-Length: %zu\r\n\r\n", size);
        EXPECT_HAS(a.text, want);
        free(a.text);
    }
    close(fd);
    front_stop(f);
}

/* A head of more than one block, as far as the limits let it. */
void test_server_takes_large_heads(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    static char raw[60000];
    for (int round = 0; round < 3; round++) {
        size_t n = (size_t)snprintf(raw, sizeof(raw), "POST /say?");
        memset(raw + n, 'q', 8000);
        n += 8000;
        n += (size_t)snprintf(raw + n, 100, " HTTP/1.1\r\n" H "Content-Length: 20000\r\n");
        for (int i = 0; i < 30; i++) {
            n += (size_t)snprintf(raw + n, 20, "X-Large-%02d: ", i);
            memset(raw + n, 'v', 1000);
            n += 1000;
            n += (size_t)snprintf(raw + n, 3, "\r\n");
        }
        n += (size_t)snprintf(raw + n, 3, "\r\n");
        front_send(f, fd, str_of(raw, n));
        memset(raw, 'b', 20000);
        front_send(f, fd, str_of(raw, 20000));
        struct answer a = front_read(f, fd, "qqq 20000");
        EXPECT(!a.has_ended);
        free(a.text);
    }
    front_expect(f, fd, STR(SAY("after")), "GET /say?after 0");
    close(fd);
    front_stop(f);
}

/* The head may end anywhere in its block, also at the very end; every other one does not begin its
 * block. */
void test_server_takes_chunks_behind_heads_of_any_size(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    static char raw[40000], chunk[6000];
    size_t chunk_n = (size_t)snprintf(chunk, sizeof(chunk), "%x\r\n", 5000);
    memset(chunk + chunk_n, 'b', 5000);
    chunk_n += 5000;
    chunk_n += (size_t)snprintf(chunk + chunk_n, 16, "\r\n0\r\n\r\n");
    size_t round = 0;
    for (size_t end = 16384 - 2100; end < 16384 + 60; end += end < 16340 ? 61 : 1) {
        size_t n = (size_t)snprintf(raw, sizeof(raw),
                                    "%s" CHUNKED_HEAD "X-Pad: ", round++ % 2 ? SAY("before") : "");
        memset(raw + n, 'p', end - n - 4);
        memcpy(raw + end - 4, "\r\n\r\n", 4);
        front_send(f, fd, str_of(raw, end));
        front_turn(f);
        front_send(f, fd, str_of(chunk, chunk_n));
        front_send(f, fd, STR(SAY("end")));
        struct answer a = front_read(f, fd, "GET /say?end 0");
        EXPECT_HAS(a.text, "Content-Length: 5000\r\n\r\nbbb");
        free(a.text);
    }
    close(fd);
    front_stop(f);
}

/* --- answers -------------------------------------------------------------------------------- */

void test_server_refuses_to_split_answers(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("GET /bad-field HTTP/1.1\r\n" H "\r\n" SAY("after")));
    struct answer a = front_read(f, fd, "GET /say?after 0");
    EXPECT_HAS(a.text, "HTTP/1.1 500 Internal Server Error\r\n");
    EXPECT(strstr(a.text, "Set-Cookie") == NULL && strstr(a.text, "never") == NULL);
    free(a.text);
    close(fd);
    front_stop(f);
}

void test_server_escapes_error_messages(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("GET /busy HTTP/1.1\r\n" H "\r\n"));
    struct answer a = front_read(f, fd, "}}");
    EXPECT_HAS(a.text, "HTTP/1.1 503 Service Unavailable\r\n");
    EXPECT_HAS(a.text, "Retry-After: 7\r\n");
    EXPECT_HAS(a.text, "{\"error\":{\"code\":\"busy\",\"message\":\"come \\\"again\\\"\"}}");
    free(a.text);
    close(fd);
    front_stop(f);
}

void test_server_sends_large_answers_to_slow_readers(void)
{
    struct front *f = front_started();
    f->big_n = 20u << 20;
    f->big = malloc(f->big_n);
    EXPECT(f->big != NULL);
    for (size_t i = 0; i < f->big_n; i++)
        f->big[i] = (char)(i * 31 >> 3);
    int fd = front_dial(f);
    front_send(f, fd, STR("GET /big HTTP/1.1\r\n" H "\r\n" SAY("after")));
    for (int i = 0; i < 50; i++)
        front_turn(f);
    EXPECT_EQ_INT(f->handled, 1); /* the next one waits until the answer has gone */
    struct answer a = front_read(f, fd, "GET /say?after 0");
    EXPECT(memmem(a.text, a.n, f->big, f->big_n) != NULL);
    free(a.text);
    close(fd);
    front_stop(f);
}

void test_server_drops_the_answer_of_a_client_that_has_gone(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("POST /hold HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nbody"));
    FRONT_UNTIL(f, f->held_count == 1);
    struct linger reset = {1, 0};
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0);
    close(fd);
    FRONT_UNTIL(f, http_server_counts(f->server)->connections_open == 0);
    EXPECT(f->held[0]->aborted);
    EXPECT_STR(f->held[0]->req.body, "body"); /* slices stay */
    EXPECT_STR(f->held[0]->req.peer, "127.0.0.1");
    http_reply(f->held[0], 200, NULL, 0, STR("nobody hears"));
    /* And one that is still open when the server goes. */
    fd = front_dial(f);
    front_send(f, fd, STR("POST /hold HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nbody"));
    FRONT_UNTIL(f, f->held_count == 2);
    http_server_free(f->server);
    f->server = NULL;
    front_turn(f);
    EXPECT(f->held[1]->aborted);
    EXPECT_STR(f->held[1]->req.body, "body");
    http_reply_error(f->held[1], 500, "late", STR("nobody hears"));
    close(fd);
    front_stop(f);
}

/* --- streams -------------------------------------------------------------------------------- */

void test_server_streams_in_chunks(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("GET /stream HTTP/1.1\r\n" H "\r\n" SAY("after")));
    FRONT_UNTIL(f, f->stream);
    EXPECT(http_stream_write(f->stream, STR("data: 1\n\n")));
    struct answer a = front_read(f, fd, "\r\n\r\n9\r\ndata: 1\n\n\r\n");
    EXPECT_HAS(a.text, "Transfer-Encoding: chunked\r\n");
    EXPECT(strstr(a.text, "Content-Length") == NULL);
    free(a.text);
    EXPECT(http_stream_write(f->stream, STR("data: 2\n\n")));
    http_stream_end(f->stream);
    EXPECT_EQ_INT(f->closed_streams, 1);
    a = front_read(f, fd, "GET /say?after 0");
    EXPECT_HAS(a.text, "9\r\ndata: 2\n\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n");
    free(a.text);
    close(fd);
    front_stop(f);
}

void test_server_streams_to_http_1_0_until_close(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("GET /stream HTTP/1.0\r\n\r\n"));
    FRONT_UNTIL(f, f->stream);
    EXPECT(http_stream_write(f->stream, STR("plain")));
    http_stream_end(f->stream);
    front_expect_end(f, fd, "Connection: close\r\n\r\nplain");
    close(fd);
    front_stop(f);
}

void test_server_tells_when_a_stream_client_goes(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("GET /stream HTTP/1.1\r\n" H "\r\n"));
    FRONT_UNTIL(f, f->stream);
    close(fd);
    FRONT_UNTIL(f, f->closed_streams == 1);
    FRONT_UNTIL(f, http_server_counts(f->server)->connections_open == 0);
    EXPECT_EQ_INT(f->closed_streams, 1);
    /* One that is open when the server goes. */
    fd = front_dial(f);
    front_send(f, fd, STR("GET /stream HTTP/1.1\r\n" H "\r\n"));
    FRONT_UNTIL(f, f->stream);
    http_server_free(f->server);
    f->server = NULL;
    EXPECT_EQ_INT(f->closed_streams, 2);
    close(fd);
    front_stop(f);
}

void test_server_bounds_what_waits_for_a_slow_stream_client(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("GET /stream HTTP/1.1\r\n" H "\r\n"));
    FRONT_UNTIL(f, f->stream);
    static char piece[65536];
    memset(piece, 'p', sizeof(piece));
    int taken = 0;
    while (taken < 1000 && http_stream_write(f->stream, str_of(piece, sizeof(piece))))
        taken++;
    EXPECT(taken > 16 && taken < 1000);
    http_stream_end(f->stream);
    struct answer a = front_read(f, fd, "\r\n0\r\n\r\n");
    EXPECT_EQ_UINT(front_count(a.text, "\r\n10000\r\n"), taken);
    free(a.text);
    close(fd);
    front_stop(f);
}

/* --- advisories: limits come before buffering, and before anything else --------------------- */

static size_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long total = 0, resident = 0;
    EXPECT(file && fscanf(file, "%lu %lu", &total, &resident) == 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void expect_flat_refusal(str head, bool with_bytes)
{
    struct front *f = front_new();
    f->options.limits.body_bytes_max = 1024;
    front_start(f);
    static char bytes[1u << 20];
    int fd = front_dial(f);
    front_expect(f, fd, STR(SAY("warm")), "GET /say?warm 0");
    size_t before = resident_bytes();
    front_send(f, fd, head);
    for (int i = 0; with_bytes && i < 64; i++)
        front_send(f, fd, str_of(bytes, sizeof(bytes)));
    EXPECT(shutdown(fd, SHUT_WR) == 0);
    front_expect_end(f, fd, "HTTP/1.1 413 Content Too Large\r\n");
    EXPECT_EQ_INT(f->handled, 1);
#ifdef __SANITIZE_THREAD__ /* keeps a shadow of all that passes */
    (void)before;
#else
    EXPECT(resident_bytes() < before + (4u << 20));
#endif
    close(fd);
    front_stop(f);
}

void test_server_cve_2024_40634_ten_gib_body_costs_nothing(void)
{
    expect_flat_refusal(
        STR("POST /api/webhook HTTP/1.1\r\n" H "Content-Length: 10737418240\r\n\r\n"), true);
}

void test_server_cve_2022_31054_chunked_body_is_not_read_whole(void)
{
    expect_flat_refusal(
        STR("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n40000000\r\n"), true);
}

static int64_t limit_by_path(const struct http_request *head, void *arg)
{
    struct front *f = arg;
    EXPECT_EQ_INT(f->handled, 0);
    EXPECT(head->fields.count > 0 && head->received_ms > 0);
    return str_eq(head->path, STR("/echo")) ? 2000000 : 10;
}

void test_server_cve_2026_42294_limit_is_judged_before_the_handler(void)
{
    struct front *f = front_new();
    f->options.body_limit = limit_by_path;
    front_start(f);
    int fd = front_dial(f);
    front_send(f, fd, STR("POST /say HTTP/1.1\r\n" H "Content-Length: 11\r\n\r\n"));
    front_expect_end(f, fd, " 413 ");
    EXPECT_EQ_INT(f->handled, 0);
    close(fd);
    /* The same callback may allow more than the common limit. */
    fd = front_dial(f);
    static char body[1500000];
    front_send(f, fd, STR("POST /echo HTTP/1.1\r\n" H "Content-Length: 1500000\r\n\r\n"));
    front_send(f, fd, str_of(body, sizeof(body)));
    front_expect(f, fd, STR(""), "Content-Length: 1500000\r\n");
    close(fd);
    front_stop(f);
}

/* --- what the drop-in asks of the front door ------------------------------------------------- */

void test_server_takes_any_method_where_it_is_told_to(void)
{
    struct front *f = front_new();
    f->options.any_method = true;
    front_start(f);
    static const char *const methods[] = {"Get", "post", "FOO-BAR", "X", "PRI", "HEAD"};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        char raw[128], want[64];
        bool is_head = strcmp(methods[i], "HEAD") == 0;
        int n = snprintf(raw, sizeof(raw), "%s /say HTTP/1.1\r\n" H "\r\n", methods[i]);
        (void)snprintf(want, sizeof(want), is_head ? "Content-Length: 11" : "%s /say 0",
                       methods[i]);
        int fd = front_dial(f);
        for (int at = 0; at < n; at++) { /* the token may come in pieces */
            front_send(f, fd, str_of(raw + at, 1));
            front_turn(f);
        }
        front_expect(f, fd, STR(""), want);
        close(fd);
    }
    static const char *const bad[] = {"G(T", " GET", "GET\t"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char raw[128];
        int n = snprintf(raw, sizeof(raw), "%s /say HTTP/1.1\r\n" H "\r\n", bad[i]);
        int fd = front_dial(f);
        front_expect(f, fd, str_of(raw, (size_t)n), "HTTP/1.1 400 ");
        close(fd);
    }
    front_stop(f);
}

static void refuse_plainly(struct http_exchange *x, int status, const char *text, void *arg)
{
    struct http_field type = {STR("Content-Type"), STR("text/x-refused")};
    EXPECT(arg != NULL && text[0]);
    http_reply(x, status, &type, 1, STR("no"));
}

void test_server_lets_the_handler_word_its_refusals(void)
{
    struct front *f = front_new();
    f->options.refusal = refuse_plainly;
    front_start(f);
    int fd = front_dial(f);
    front_send(f, fd, STR("nonsense\r\n\r\n"));
    front_expect_end(f, fd, "Content-Type: text/x-refused\r\n");
    close(fd);
    EXPECT_EQ_INT(f->handled, 0);
    front_stop(f);
}
