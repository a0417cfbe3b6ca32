/* TLS at the front door, with certificates made by the openssl command and OpenSSL's own client. */
#include "front.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/wait.h>

#define H "Host: a.example\r\n"
#define SAY(name) "GET /say?" name " HTTP/1.1\r\n" H "\r\n"

static void make_certificate(const char *name, const char *cert, const char *key)
{
    char subject[64];
    snprintf(subject, sizeof(subject), "/CN=%s", name);
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(126);
        execlp("openssl", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", subject, "-keyout", key,
               "-out", cert, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        SKIP("the openssl command is not there");
}

static struct front *tls_front(void)
{
    struct front *f = front_new();
    make_certificate("first", "cert.pem", "key.pem");
    f->options.tls_cert_file = "cert.pem";
    f->options.tls_key_file = "key.pem";
    return f;
}

struct client {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

static struct client dial(struct front *f, int version_max, const char *alpn)
{
    struct client c = {.ctx = SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_security_level(c.ctx, 0);
    SSL_CTX_set_max_proto_version(c.ctx, version_max);
    c.ssl = SSL_new(c.ctx);
    if (alpn)
        EXPECT(SSL_set_alpn_protos(c.ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn)) ==
               0);
    c.fd = front_dial(f);
    EXPECT(SSL_set_fd(c.ssl, c.fd) == 1);
    return c;
}

static void hang_up(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
}

/* Turns the loop while OpenSSL waits for the wire; false when it failed. */
static bool may_retry(struct front *f, struct client *c, int rc, int *turns)
{
    int error = SSL_get_error(c->ssl, rc);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        return false;
    front_turn(f);
    if ((*turns)++ > FRONT_WAIT_MS)
        FAIL("TLS waits too long");
    if (*turns > 100)
        poll(NULL, 0, 1);
    return true;
}

static bool handshake(struct front *f, struct client *c)
{
    int rc, turns = 0;
    while ((rc = SSL_connect(c->ssl)) != 1)
        if (!may_retry(f, c, rc, &turns))
            return false;
    return true;
}

static void send_tls(struct front *f, struct client *c, str bytes)
{
    int turns = 0;
    while (bytes.n > 0) {
        size_t n = 0;
        int rc = SSL_write_ex(c->ssl, bytes.p, bytes.n < 16000 ? bytes.n : 16000, &n);
        if (rc == 1)
            bytes = str_slice(bytes, n, bytes.n);
        else
            EXPECT(may_retry(f, c, rc, &turns));
    }
}

/* Reads until `until`; what was read is the caller's to free. */
static char *read_tls(struct front *f, struct client *c, const char *until)
{
    size_t used = 0, cap = 4u << 20;
    char *text = calloc(1, cap);
    int turns = 0;
    while (!memmem(text, used, until, strlen(until))) {
        size_t n = 0;
        int rc = SSL_read_ex(c->ssl, text + used, cap - used - 1, &n);
        used += n;
        if (rc != 1 && !may_retry(f, c, rc, &turns))
            FAIL("TLS ended before \"%s\": \"%.200s\"", until, text);
    }
    return text;
}

static void expect_say(struct front *f, struct client *c)
{
    send_tls(f, c, STR(SAY("hello")));
    char *text = read_tls(f, c, "GET /say?hello 0");
    EXPECT_HAS(text, "HTTP/1.1 200 OK\r\n");
    free(text);
}

static void expect_name(struct client *c, const char *name)
{
    char text[64] = "";
    X509 *cert = SSL_get1_peer_certificate(c->ssl);
    EXPECT(cert != NULL);
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, text, sizeof(text));
    EXPECT_CSTR(text, name);
    X509_free(cert);
}

void test_tls_serves_1_3_and_1_2(void)
{
    struct front *f = tls_front();
    front_start(f);
    EXPECT_HAS(http_server_url(f->server), "https://127.0.0.1:");
    static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct client c = dial(f, versions[i], NULL);
        EXPECT(handshake(f, &c));
        EXPECT_EQ_INT(SSL_version(c.ssl), versions[i]);
        expect_say(f, &c);
        expect_say(f, &c);
        EXPECT(f->last_tls);
        hang_up(&c);
    }
    front_stop(f);
}

void test_tls_refuses_1_1(void)
{
    struct front *f = tls_front();
    front_start(f);
    struct client c = dial(f, TLS1_1_VERSION, NULL);
    EXPECT(!handshake(f, &c));
    hang_up(&c);
    front_stop(f);
}

void test_tls_negotiates_http_1_1(void)
{
    struct front *f = tls_front();
    front_start(f);
    struct client c = dial(f, TLS1_3_VERSION, "\x02h2\x08http/1.1");
    EXPECT(handshake(f, &c));
    const unsigned char *name;
    unsigned n;
    SSL_get0_alpn_selected(c.ssl, &name, &n);
    EXPECT_STR(str_of((const char *)name, n), "http/1.1");
    hang_up(&c);
    c = dial(f, TLS1_3_VERSION, "\x02h2");
    EXPECT(!handshake(f, &c));
    hang_up(&c);
    front_stop(f);
}

void test_tls_carries_large_bodies_and_pipelines(void)
{
    struct front *f = tls_front();
    front_start(f);
    struct client c = dial(f, TLS1_3_VERSION, NULL);
    EXPECT(handshake(f, &c));
    static char body[500000];
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)('a' + i % 19);
    send_tls(f, &c, STR("POST /echo HTTP/1.1\r\n" H "Content-Length: 500000\r\n\r\n"));
    send_tls(f, &c, str_of(body, sizeof(body)));
    char *text = read_tls(f, &c, "\r\n\r\n");
    free(text);
    /* A request that is held while more comes than its block can take. */
    hang_up(&c);
    c = dial(f, TLS1_3_VERSION, NULL);
    EXPECT(handshake(f, &c));
    send_tls(f, &c, STR("GET /hold HTTP/1.1\r\n" H "\r\n"));
    FRONT_UNTIL(f, f->held_count == 1);
    static char raw[1000 * 64];
    size_t n = 0;
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(raw + n, sizeof(raw) - n, "GET /say?n%03d HTTP/1.1\r\n" H "\r\n", i);
    send_tls(f, &c, str_of(raw, n));
    for (int i = 0; i < 50; i++)
        front_turn(f);
    EXPECT_EQ_INT(f->handled, 2);
    http_reply(f->held[0], 200, NULL, 0, STR("held"));
    text = read_tls(f, &c, "/say?n999 0");
    EXPECT_EQ_UINT(front_count(text, "HTTP/1.1 200 OK"), 1001);
    free(text);
    hang_up(&c);
    front_stop(f);
}

void test_tls_ends_orderly(void)
{
    struct front *f = tls_front();
    front_start(f);
    struct client c = dial(f, TLS1_3_VERSION, NULL);
    EXPECT(handshake(f, &c));
    send_tls(f, &c, STR("GET /say HTTP/1.1\r\n" H "Connection: close\r\n\r\n"));
    char *text = read_tls(f, &c, "GET /say 0");
    free(text);
    char byte;
    int rc, turns = 0;
    while ((rc = SSL_read(c.ssl, &byte, 1)) <= 0 && may_retry(f, &c, rc, &turns))
        ;
    EXPECT_EQ_INT(SSL_get_error(c.ssl, rc), SSL_ERROR_ZERO_RETURN); /* close_notify came */
    hang_up(&c);
    front_stop(f);
}

void test_tls_survives_what_is_no_tls(void)
{
    struct front *f = tls_front();
    front_start(f);
    int fd = front_dial(f);
    front_send(f, fd, STR(SAY("plain")));
    struct answer a = front_read(f, fd, NULL);
    EXPECT(strstr(a.text, "200 OK") == NULL);
    free(a.text);
    close(fd);
    fd = front_dial(f); /* says nothing: closed with the deadline of a head */
    front_turn(f);
    front_advance(f, 12000);
    front_expect_end(f, fd, NULL);
    close(fd);
    EXPECT_EQ_INT(f->handled, 0);
    struct client c = dial(f, TLS1_3_VERSION, NULL);
    EXPECT(handshake(f, &c));
    expect_say(f, &c);
    hang_up(&c);
    front_stop(f);
}

void test_tls_reloads_certificates_without_restart(void)
{
    struct front *f = tls_front();
    front_start(f);
    struct client before = dial(f, TLS1_3_VERSION, NULL);
    EXPECT(handshake(f, &before));
    expect_name(&before, "first");
    make_certificate("second", "cert.pem", "key.pem");
    struct reason why = {ERR_OK, ""};
    EXPECT_OK(http_server_reload_tls(f->server, &why), why);
    expect_say(f, &before); /* what is open stays open */
    struct client after = dial(f, TLS1_3_VERSION, NULL);
    EXPECT(handshake(f, &after));
    expect_name(&after, "second");
    expect_say(f, &after);
    /* A file that can't be used leaves the old certificate in place. */
    FILE *file = fopen("cert.pem", "w");
    EXPECT(file && fputs("nonsense\n", file) >= 0 && fclose(file) == 0);
    EXPECT(http_server_reload_tls(f->server, &why) != ERR_OK);
    EXPECT_HAS(why.text, "cert.pem");
    struct client last = dial(f, TLS1_3_VERSION, NULL);
    EXPECT(handshake(f, &last));
    expect_name(&last, "second");
    hang_up(&before);
    hang_up(&after);
    hang_up(&last);
    front_stop(f);
}

void test_tls_refuses_a_key_of_another_certificate(void)
{
    struct front *f = tls_front();
    make_certificate("other", "other.pem", "other.key");
    f->options.tls_key_file = "other.key";
    struct reason why = {ERR_OK, ""};
    EXPECT(http_server_new(f->loop, &f->options, &why) == NULL);
    EXPECT_HAS(why.text, "other.key");
    front_stop(f);
}

void test_tls_behind_the_proxy_protocol(void)
{
    struct front *f = tls_front();
    struct net trusted;
    EXPECT(net_parse(STR("127.0.0.1"), &trusted));
    f->options.trusted_proxies = &trusted;
    f->options.trusted_proxy_count = 1;
    f->options.proxy_protocol = true;
    front_start(f);
    struct client c = dial(f, TLS1_3_VERSION, NULL);
    front_send(f, c.fd, STR("PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n"));
    EXPECT(handshake(f, &c));
    expect_say(f, &c);
    EXPECT_CSTR(f->last_peer, "2001:db8::7");
    hang_up(&c);
    front_stop(f);
}
