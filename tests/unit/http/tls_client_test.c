/* Whom a foreign library's handshake accepts, and whom it asks for, once it was told whom to
 * expect; what the library itself says is an address each time. */
#include "unit.h"

#include "http/tls_client.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* A server of one self-signed certificate for those names; its PEM lands in the file. */
static SSL_CTX *server_of(const char *names, const char *file)
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
    FILE *f = fopen(file, "w");
    EXPECT(f && PEM_write_X509(f, cert) == 1 && fclose(f) == 0);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EXPECT(SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1);
    X509_EXTENSION_free(alt);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

static char asked_for[256]; /* the name in the last handshake; "" for none */

static int on_name(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    UNUSED(alert);
    UNUSED(arg);
    (void)snprintf(asked_for, sizeof(asked_for), "%s", name ? name : "");
    return SSL_TLSEXT_ERR_OK;
}

/* A handshake as a library makes it that was given an address to dial. */
static bool is_accepted(SSL_CTX *server, const char *host, const char *ca_file)
{
    struct reason why = {.text = ""};
    SSL_CTX *ctx = tls_client_context_new();
    BIO *here, *there;
    EXPECT_OK(tls_client_expect(ctx, host, ca_file, &why), why);
    asked_for[0] = '\0';
    SSL_CTX_set_tlsext_servername_callback(server, on_name);
    SSL *ours = SSL_new(ctx), *theirs = SSL_new(server);
    tls_client_context_free(ctx); /* the connection keeps it */
    EXPECT(BIO_new_bio_pair(&here, 0, &there, 0) == 1);
    SSL_set_bio(ours, here, here);
    SSL_set_bio(theirs, there, there);
    EXPECT(SSL_set_tlsext_host_name(ours, "192.0.2.7") == 1);
    SSL_set_connect_state(ours);
    SSL_set_accept_state(theirs);
    int rc = -1;
    for (int turn = 0; turn < 20 && rc != 1; turn++) {
        rc = SSL_do_handshake(ours);
        (void)SSL_do_handshake(theirs);
        if (rc != 1 && SSL_get_error(ours, rc) == SSL_ERROR_SSL)
            break;
    }
    SSL_free(ours);
    SSL_free(theirs);
    return rc == 1;
}

void test_tls_client_accepts_the_name_and_asks_for_it(void)
{
    SSL_CTX *server = server_of("DNS:mqtt.example,DNS:*.wild.example", "ca.pem");
    EXPECT(is_accepted(server, "mqtt.example", "ca.pem"));
    EXPECT_CSTR(asked_for, "mqtt.example");
    EXPECT(is_accepted(server, "one.wild.example", "ca.pem"));
    EXPECT(!is_accepted(server, "amqp.example", "ca.pem"));
    EXPECT_CSTR(asked_for, "amqp.example");
    EXPECT(!is_accepted(server, "192.0.2.7", "ca.pem"));
    EXPECT_CSTR(asked_for, "");
    SSL_CTX_free(server);
}

void test_tls_client_accepts_an_address_and_names_none(void)
{
    SSL_CTX *server = server_of("IP:192.0.2.7,IP:2001:db8::7", "ca.pem");
    EXPECT(is_accepted(server, "192.0.2.7", "ca.pem"));
    EXPECT_CSTR(asked_for, "");
    EXPECT(is_accepted(server, "2001:db8::7", "ca.pem"));
    EXPECT(!is_accepted(server, "192.0.2.8", "ca.pem"));
    EXPECT(!is_accepted(server, "mqtt.example", "ca.pem"));
    SSL_CTX_free(server);
}

void test_tls_client_accepts_nobody_whom_it_does_not_know(void)
{
    struct reason why = {.text = ""};
    SSL_CTX *server = server_of("DNS:mqtt.example", "ca.pem");
    SSL_CTX *other = server_of("DNS:mqtt.example", "other.pem");
    EXPECT(!is_accepted(server, "mqtt.example", "other.pem"));
    EXPECT(!is_accepted(server, "mqtt.example", NULL));
    SSL_CTX *ctx = tls_client_context_new();
    EXPECT(tls_client_expect(ctx, "mqtt.example", "none.pem", &why) == ERR_INVALID);
    EXPECT_HAS(why.text, "none.pem");
    EXPECT(tls_client_expect(ctx, "", "ca.pem", &why) == ERR_INVALID);
    tls_client_context_free(ctx);
    SSL_CTX_free(other);
    SSL_CTX_free(server);
}
