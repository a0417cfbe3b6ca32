/* The front door's deadlines, caps, listening sockets, and its end. */
#include "front.h"

#include <sys/resource.h>
#include <sys/stat.h>

#define H "Host: a.example\r\n"
#define SAY(name) "GET /say?" name " HTTP/1.1\r\n" H "\r\n"

static uint64_t open_count(const struct front *f)
{
    return http_server_counts(f->server)->connections_open;
}

/* --- deadlines ------------------------------------------------------------------------------ */

void test_server_life_slow_head_gets_408(void)
{
    struct front *f = front_started();
    int slow = front_dial(f), other = front_dial(f);
    str head = STR("GET /say HTTP/1.1\r\n" H "X: yyyyyyyyyyyy");
    for (size_t i = 0; i < head.n; i++) { /* a byte each half second: the deadline is absolute */
        front_send(f, slow, str_slice(head, i, i + 1));
        front_turn(f);
        if (i * 500 < 9000)
            front_advance(f, 500);
    }
    front_expect(f, other, STR(SAY("served")), "GET /say?served 0");
    front_advance(f, 2000);
    front_expect_end(f, slow, "HTTP/1.1 408 Request Timeout\r\n");
    EXPECT_EQ_INT(f->handled, 1);
    close(slow);
    close(other);
    front_stop(f);
}

void test_server_life_slow_body_gets_408(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("POST /say HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\n"));
    for (int i = 0; i < 8; i++) {
        front_send(f, fd, STR("x"));
        front_turn(f);
        front_advance(f, 600);
    }
    EXPECT_EQ_UINT(http_server_counts(f->server)->refused_total, 0); /* 5 s of grace */
    front_advance(f, 2000);
    front_expect_end(f, fd, "HTTP/1.1 408 Request Timeout\r\n");
    EXPECT_EQ_INT(f->handled, 0);
    close(fd);
    front_stop(f);
}

void test_server_life_steady_body_may_take_long(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("POST /say HTTP/1.1\r\n" H "Content-Length: 20000\r\n\r\n"));
    static char piece[1000];
    for (int i = 0; i < 20; i++) {
        front_send(f, fd, str_of(piece, sizeof(piece)));
        front_turn(f);
        front_advance(f, 1500);
    }
    front_expect(f, fd, STR(""), "POST /say 20000");
    close(fd);
    front_stop(f);
}

void test_server_life_idle_connections_are_closed(void)
{
    struct front *f = front_started();
    int never = front_dial(f), fd = front_dial(f);
    front_expect(f, fd, STR(SAY("1")), "GET /say?1 0");
    front_advance(f, 59000);
    EXPECT_EQ_UINT(open_count(f), 2);
    front_expect(f, fd, STR(SAY("2")), "GET /say?2 0");
    front_advance(f, 3000);
    front_expect_end(f, never, NULL);
    front_advance(f, 30000);
    EXPECT_EQ_UINT(open_count(f), 1);
    front_advance(f, 30000);
    front_expect_end(f, fd, NULL);
    FRONT_UNTIL(f, open_count(f) == 0);
    close(never);
    close(fd);
    front_stop(f);
}

void test_server_life_client_that_does_not_read_is_closed(void)
{
    struct front *f = front_started();
    f->big_n = 32u << 20;
    f->big = calloc(1, f->big_n);
    int fd = front_dial(f);
    front_send(f, fd, STR("GET /big HTTP/1.1\r\n" H "\r\n"));
    FRONT_UNTIL(f, f->handled == 1);
    front_advance(f, 20000);
    EXPECT_EQ_UINT(open_count(f), 1);
    front_advance(f, 20000);
    FRONT_UNTIL(f, open_count(f) == 0);
    close(fd);
    front_stop(f);
}

void test_server_life_handlers_have_no_deadline(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_send(f, fd, STR("GET /hold HTTP/1.1\r\n" H "\r\n"));
    FRONT_UNTIL(f, f->held_count == 1);
    front_advance(f, 300000);
    http_reply(f->held[0], 200, NULL, 0, STR("late"));
    front_expect(f, fd, STR(""), "late");
    close(fd);
    front_stop(f);
}

/* --- caps ----------------------------------------------------------------------------------- */

void test_server_life_connections_of_one_address_are_capped(void)
{
    struct front *f = front_new();
    f->options.limits.connections_per_address_max = 2;
    front_start(f);
    int a = front_dial(f), b = front_dial(f);
    front_expect(f, a, STR(SAY("a")), "GET /say?a 0");
    front_expect(f, b, STR(SAY("b")), "GET /say?b 0");
    int c = front_dial(f);
    front_expect_end(f, c, "HTTP/1.1 503 Service Unavailable\r\n");
    close(a);
    close(c);
    FRONT_UNTIL(f, open_count(f) == 1);
    a = front_dial(f);
    front_expect(f, a, STR(SAY("again")), "GET /say?again 0");
    close(a);
    close(b);
    front_stop(f);
}

void test_server_life_accepting_pauses_at_the_cap(void)
{
    struct front *f = front_new();
    f->options.limits.connections_max = 1;
    front_start(f);
    int a = front_dial(f);
    front_expect(f, a, STR(SAY("a")), "GET /say?a 0");
    int b = front_dial(f); /* waits in the kernel's queue */
    front_send(f, b, STR(SAY("b")));
    for (int i = 0; i < 20; i++)
        front_turn(f);
    EXPECT_EQ_UINT(http_server_counts(f->server)->connections_total, 1);
    close(a);
    front_expect(f, b, STR(""), "GET /say?b 0");
    close(b);
    front_stop(f);
}

void test_server_life_survives_without_descriptors(void)
{
    struct front *f = front_new();
    struct rlimit limit = {40, 40};
    EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    front_start(f);
    int fds[64], n = 0;
    for (; n < 64; n++) { /* until there is none left for a client either */
        fds[n] = socket(AF_INET, SOCK_STREAM, 0);
        if (fds[n] < 0)
            break;
        close(fds[n]);
        fds[n] = front_dial(f);
        front_turn(f);
    }
    EXPECT(n > 5 && n < 40);
    front_advance(f, 3000);
    front_expect(f, fds[0], STR(SAY("still")), "GET /say?still 0");
    for (int i = 0; i < n; i++)
        close(fds[i]);
    FRONT_UNTIL(f, open_count(f) == 0);
    int fd = front_dial(f);
    front_send(f, fd, STR(SAY("again")));
    front_advance(f, 3000);
    front_expect(f, fd, STR(""), "GET /say?again 0");
    close(fd);
    front_stop(f);
}

/* --- drain ---------------------------------------------------------------------------------- */

static void on_drained(void *arg)
{
    *(bool *)arg = true;
}

void test_server_life_drain_finishes_what_is_in_flight(void)
{
    struct front *f = front_started();
    int busy = front_dial(f), idle = front_dial(f);
    front_expect(f, idle, STR(SAY("idle")), "GET /say?idle 0");
    front_send(f, busy, STR("GET /hold HTTP/1.1\r\n" H "\r\n"));
    FRONT_UNTIL(f, f->held_count == 1);
    int port = http_server_port(f->server);
    http_server_drain(f->server, on_drained, &f->is_drained);
    front_advance(f, 500);
    front_expect_end(f, idle, NULL);
    EXPECT(!f->is_drained);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int late = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(connect(late, (const struct sockaddr *)&sa, sizeof(sa)) != 0);
    http_reply(f->held[0], 200, NULL, 0, STR("done"));
    front_expect_end(f, busy, "Connection: close\r\n\r\ndone");
    FRONT_UNTIL(f, f->is_drained);
    EXPECT_EQ_UINT(open_count(f), 0);
    close(busy);
    close(idle);
    close(late);
    front_stop(f);
}

/* A connection that waits in the kernel's queue with its request is served, not reset. */
void test_server_life_drain_serves_what_was_on_its_way(void)
{
    struct front *f = front_started();
    front_turn(f);
    int fd = front_dial(f);
    EXPECT(send(fd, SAY("queued"), sizeof(SAY("queued")) - 1, 0) > 0);
    http_server_drain(f->server, on_drained, &f->is_drained);
    front_expect_end(f, fd, "Connection: close\r\n\r\nGET /say?queued 0");
    FRONT_UNTIL(f, f->is_drained);
    close(fd);
    front_stop(f);
}

/* An answer that was under way when draining began ends its connection too. */
void test_server_life_drain_ends_connections_that_write(void)
{
    struct front *f = front_started();
    f->big_n = 16u << 20;
    f->big = calloc(1, f->big_n);
    int fd = front_dial(f);
    front_send(f, fd, STR("GET /big HTTP/1.1\r\n" H "\r\n"));
    FRONT_UNTIL(f, f->handled == 1);
    http_server_drain(f->server, on_drained, &f->is_drained);
    struct answer a = front_read(f, fd, NULL);
    EXPECT(a.n > f->big_n && !a.was_reset);
    FRONT_UNTIL(f, f->is_drained);
    free(a.text);
    close(fd);
    front_stop(f);
}

void test_server_life_drain_of_an_idle_server_is_done_soon(void)
{
    struct front *f = front_started();
    http_server_drain(f->server, on_drained, &f->is_drained);
    EXPECT(!f->is_drained);
    FRONT_UNTIL(f, f->is_drained);
    front_stop(f);
}

/* --- listening ------------------------------------------------------------------------------ */

static int dial_unix(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0) {
        close(fd);
        return -1;
    }
    EXPECT(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

static void expect_no_server(struct front *f, const char *listen, const char *part)
{
    struct http_server_options o = f->options;
    struct reason why = {ERR_OK, ""};
    o.listen = listen;
    struct http_server *s = http_server_new(f->loop, &o, &why);
    if (s)
        FAIL("%s was taken", listen);
    EXPECT_HAS(why.text, part);
}

void test_server_life_listens_on_unix_sockets(void)
{
    struct front *f = front_new();
    f->options.listen = "unix:gaff.sock";
    front_start(f);
    EXPECT_CSTR(http_server_url(f->server), "unix:gaff.sock");
    EXPECT_EQ_INT(http_server_port(f->server), 0);
    struct stat st;
    EXPECT(stat("gaff.sock", &st) == 0 && (st.st_mode & 0777) == 0660);
    int fd = dial_unix("gaff.sock");
    front_expect(f, fd, STR(SAY("unix")), "GET /say?unix 0");
    EXPECT_CSTR(f->last_peer, "unix");
    expect_no_server(f, "unix:gaff.sock", "another process listens there");
    close(fd);
    http_server_free(f->server);
    EXPECT(stat("gaff.sock", &st) != 0);
    f->server = NULL;
    front_stop(f);
}

void test_server_life_replaces_stale_unix_sockets_only(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = "stale.sock"};
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT(bind(dead, (const struct sockaddr *)&sa, sizeof(sa)) == 0);
    close(dead);
    struct front *f = front_new();
    f->options.listen = "unix:stale.sock";
    front_start(f);
    int fd = dial_unix("stale.sock");
    front_expect(f, fd, STR(SAY("x")), "GET /say?x 0");
    FILE *file = fopen("precious", "w");
    EXPECT(file && fclose(file) == 0);
    expect_no_server(f, "unix:precious", "no socket");
    EXPECT(access("precious", F_OK) == 0);
    close(fd);
    front_stop(f);
}

void test_server_life_takes_sockets_of_a_service_manager(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t n = sizeof(sa);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(fd, 5) == 0);
    EXPECT(getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
    char name[16];
    snprintf(name, sizeof(name), "fd:%d", fd);
    struct front *f = front_new();
    f->options.listen = name;
    front_start(f);
    EXPECT_EQ_INT(http_server_port(f->server), ntohs(sa.sin_port));
    int client = front_dial(f);
    front_expect(f, client, STR(SAY("fd")), "GET /say?fd 0");
    expect_no_server(f, "fd:0", "no listening socket");
    expect_no_server(f, "fd:999", "no listening socket");
    expect_no_server(f, "fd:x", "number of a descriptor");
    close(client);
    front_stop(f);
    int on = 0;
    n = sizeof(on);
    EXPECT(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) == 0 && on == 1); /* still open */
    close(fd);
}

void test_server_life_shares_an_address_within_the_process_only(void)
{
    struct front *f = front_started();
    char listen_text[64];
    snprintf(listen_text, sizeof(listen_text), "127.0.0.1:%d", http_server_port(f->server));
    struct http_server_options o = f->options;
    o.listen = listen_text;
    struct reason why = {ERR_OK, ""};
    struct http_server *second = http_server_new(f->loop, &o, &why);
    if (!second)
        FAIL("%s", why.text);
    http_server_free(second);
    /* Another process, which would even share it. */
    struct sockaddr_in sa = {.sin_family = AF_INET};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t n = sizeof(sa);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0);
    EXPECT(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(fd, 5) == 0);
    EXPECT(getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
    snprintf(listen_text, sizeof(listen_text), "127.0.0.1:%d", ntohs(sa.sin_port));
    expect_no_server(f, listen_text, "another process listens there");
    close(fd);
    front_stop(f);
}

void test_server_life_explains_bad_addresses(void)
{
    struct front *f = front_new();
    expect_no_server(f, "", "write it as");
    expect_no_server(f, "8080", "write it as");
    expect_no_server(f, "127.0.0.1", "write it as");
    expect_no_server(f, "127.0.0.1:", "write it as");
    expect_no_server(f, "127.0.0.1:65536", "write it as");
    expect_no_server(f, "127.0.0.1:-1", "write it as");
    expect_no_server(f, "::1:8080", "write it as");
    expect_no_server(f, "example.com:8080", "is no IP address");
    expect_no_server(f, "192.0.2.1:8080", "no interface has this address");
    expect_no_server(f, "unix:", "1 to 107 bytes");
    expect_no_server(f, "unix:/nowhere/at/all.sock", "No such file");
    f->options.tls_cert_file = "absent.pem";
    expect_no_server(f, "127.0.0.1:0", "not one alone");
    f->options.tls_key_file = "absent.key";
    expect_no_server(f, "127.0.0.1:0", "absent.pem");
    front_stop(f);
}

void test_server_life_listens_on_ipv6(void)
{
    struct front *f = front_new();
    f->options.listen = "[::]:0";
    struct reason why = {ERR_OK, ""};
    f->server = http_server_new(f->loop, &f->options, &why);
    if (!f->server)
        SKIP("no IPv6 here: %s", why.text);
    http_server_start(f->server);
    EXPECT_HAS(http_server_url(f->server), "http://[::]:");
    int fd = front_dial(f); /* over IPv4 */
    front_expect(f, fd, STR(SAY("x")), "GET /say?x 0");
    EXPECT_CSTR(f->last_peer, "127.0.0.1");
    close(fd);
    front_stop(f);
}

/* --- proxies -------------------------------------------------------------------------------- */

static struct net loopback_net(void)
{
    struct net n;
    EXPECT(net_parse(STR("127.0.0.0/8"), &n));
    return n;
}

#define FORWARDED "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n"

void test_server_life_believes_trusted_proxies_only(void)
{
    struct front *f = front_started();
    int fd = front_dial(f);
    front_expect(f, fd, STR("GET /say HTTP/1.1\r\n" H FORWARDED "\r\n"), "GET /say 0");
    EXPECT_CSTR(f->last_peer, "127.0.0.1");
    EXPECT(!f->last_tls);
    close(fd);
    front_stop(f);
    f = front_new();
    struct net trusted = loopback_net();
    f->options.trusted_proxies = &trusted;
    f->options.trusted_proxy_count = 1;
    front_start(f);
    fd = front_dial(f);
    front_expect(f, fd, STR("GET /say HTTP/1.1\r\n" H FORWARDED "\r\n"), "GET /say 0");
    EXPECT_CSTR(f->last_peer, "198.51.100.7");
    EXPECT(f->last_tls);
    front_expect(f, fd, STR(SAY("plain")), "GET /say?plain 0");
    EXPECT_CSTR(f->last_peer, "127.0.0.1");
    close(fd);
    front_stop(f);
}

void test_server_life_reads_the_proxy_protocol(void)
{
    struct front *f = front_new();
    struct net trusted = loopback_net();
    f->options.trusted_proxies = &trusted;
    f->options.trusted_proxy_count = 1;
    f->options.proxy_protocol = true;
    front_start(f);
    int fd = front_dial(f);
    str line = STR("PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n");
    for (size_t i = 0; i < line.n; i++) {
        front_send(f, fd, str_slice(line, i, i + 1));
        front_turn(f);
    }
    /* The client is no proxy: what it says of others does not count. */
    front_expect(f, fd, STR("GET /say HTTP/1.1\r\n" H FORWARDED "\r\n"), "GET /say 0");
    EXPECT_CSTR(f->last_peer, "203.0.113.9");
    front_expect(f, fd, STR(SAY("2")), "GET /say?2 0");
    close(fd);
    fd = front_dial(f);
    front_expect(
        f, fd,
        STR("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x08\xc0\0\x02\1\x12\x34\0\x50" SAY(
            "v2")),
        "GET /say?v2 0");
    EXPECT_CSTR(f->last_peer, "198.51.100.8");
    close(fd);
    fd = front_dial(f);
    front_send(f, fd, STR(SAY("without")));
    front_expect_end(f, fd, NULL);
    close(fd);
    fd = front_dial(f);
    front_send(f, fd, STR("PROXY TCP4 203.0"));
    front_turn(f);
    front_advance(f, 12000);
    front_expect_end(f, fd, NULL);
    EXPECT_EQ_INT(f->handled, 3);
    close(fd);
    front_stop(f);
}

void test_server_life_refuses_the_proxy_protocol_from_others(void)
{
    struct front *f = front_new();
    struct net trusted;
    EXPECT(net_parse(STR("10.0.0.0/8"), &trusted));
    f->options.trusted_proxies = &trusted;
    f->options.trusted_proxy_count = 1;
    f->options.proxy_protocol = true;
    front_start(f);
    int fd = front_dial(f);
    struct answer a = front_read(f, fd, NULL);
    EXPECT_EQ_UINT(a.n, 0);
    EXPECT_EQ_INT(f->handled, 0);
    free(a.text);
    close(fd);
    front_stop(f);
}
