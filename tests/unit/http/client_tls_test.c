/* The outgoing client over TLS: a certificate counts only when its issuer is known and it names
 * the host. */
#include "unit.h"

#include "rig.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

/* A server of one certificate, self-signed, for the names given; its PEM lands in ca.pem. */
static SSL_CTX *make_context(const char *names)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_EXTENSION *alt = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_add_ext(cert, alt, -1);
    EXPECT(X509_sign(cert, key, EVP_sha256()) > 0);
    FILE *f = fopen("ca.pem", "w");
    EXPECT(f && PEM_write_X509(f, cert) == 1 && fclose(f) == 0);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EXPECT(SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1);
    X509_EXTENSION_free(alt);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

struct tls_peer {
    int listener;
    uint16_t port;
    pthread_t thread;
    SSL_CTX *ctx;
    atomic_int requests;
    char protocol[16];
};

static void *tls_serve(void *arg)
{
    struct tls_peer *p = (struct tls_peer *)arg;
    sigset_t pipe; /* on this thread alone: the client must do without */
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    for (;;) {
        int fd = accept(p->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        SSL *ssl = SSL_new(p->ctx);
        char bytes[4096];
        SSL_set_fd(ssl, fd);
        int n = SSL_accept(ssl) == 1 ? 1 : 0;
        while (n > 0 && (n = SSL_read(ssl, bytes, sizeof(bytes))) > 0) {
            atomic_fetch_add(&p->requests, 1);
            (void)snprintf(p->protocol, sizeof(p->protocol), "%s", SSL_get_version(ssl));
            (void)SSL_write(ssl, PEER_OK, sizeof(PEER_OK) - 1);
        }
        SSL_free(ssl);
        close(fd);
    }
    return NULL;
}

static struct tls_peer *tls_start(const char *names)
{
    static struct tls_peer p;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sa);
    p.ctx = make_context(names);
    p.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(bind(p.listener, (struct sockaddr *)&sa, len) == 0 && listen(p.listener, 16) == 0);
    EXPECT(getsockname(p.listener, (struct sockaddr *)&sa, &len) == 0);
    p.port = ntohs(sa.sin_port);
    EXPECT(pthread_create(&p.thread, NULL, tls_serve, &p) == 0);
    return &p;
}

/* OpenSSL cleans up when the process ends, and nobody may be using it then. */
static void tls_stop(struct tls_peer *p)
{
    (void)shutdown(p->listener, SHUT_RDWR);
    EXPECT(pthread_join(p->thread, NULL) == 0);
    SSL_CTX_free(p->ctx);
    close(p->listener);
}

void test_client_tls_trusts_only_a_known_issuer(void)
{
    struct tls_peer *p = tls_start("DNS:localhost,IP:127.0.0.1");
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PRIVATE, "https://localhost:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_TLS);
    EXPECT_HAS(g->answer.error, "certificate");
    rig_stop(&r);
    EXPECT_EQ_INT(atomic_load(&p->requests), 0);
    struct http_client_options o = {.ca_file = "ca.pem"};
    r = rig_with(&o);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
        EXPECT_EQ_INT(g->answer.status, 200);
        EXPECT_EQ_INT(g->answer.reused, i > 0);
    }
    EXPECT(g->answer.timing.tls >= 0);
    EXPECT_CSTR(p->protocol, "TLSv1.3");
    g = got_new(OUTBOUND_PUBLIC, "https://localhost:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_BLOCKED);
    rig_stop(&r);
    tls_stop(p);
}

void test_client_tls_refuses_a_certificate_for_another_host(void)
{
    struct tls_peer *p = tls_start("DNS:hooks.example.org");
    struct http_client_options o = {.ca_file = "ca.pem"};
    struct rig r = rig_with(&o);
    struct got *g = got_new(OUTBOUND_PRIVATE, "https://localhost:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_TLS);
    /* The Host field does not lend its name to the check. */
    const struct http_field host = {STR("Host"), STR("hooks.example.org")};
    g->call.fields = &host;
    g->call.field_count = 1;
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_TLS);
    EXPECT_EQ_INT(atomic_load(&p->requests), 0);
    rig_stop(&r);
    tls_stop(p);
}

void test_client_tls_refuses_old_protocols(void)
{
    struct tls_peer *p = tls_start("DNS:localhost");
    SSL_CTX_set_security_level(p->ctx, 0);
    EXPECT(SSL_CTX_set_min_proto_version(p->ctx, TLS1_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(p->ctx, TLS1_1_VERSION) == 1);
    struct http_client_options o = {.ca_file = "ca.pem"};
    struct rig r = rig_with(&o);
    struct got *g = got_new(OUTBOUND_PRIVATE, "https://localhost:%u/", p->port);
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_TLS);
    EXPECT_EQ_INT(atomic_load(&p->requests), 0);
    rig_stop(&r);
    tls_stop(p);
}
