/* tls_client.c -- the verification is OpenSSL's own, so that it does not depend on what a library
 * takes for the host. Each library also names what it dials to the server; the name in its place is
 * put there when the handshake starts, before the first byte is made. */
#include "http/tls_client.h"

#include "base/log.h"
#include "http/address.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* An address as host leaves no name in the parameters: none is sent then. */
static void name_server(const SSL *ssl, int where, int rc)
{
    SSL *own = (SSL *)(uintptr_t)ssl;
    UNUSED(rc);
    if (where & SSL_CB_HANDSHAKE_START)
        (void)SSL_set_tlsext_host_name(own, X509_VERIFY_PARAM_get0_host(SSL_get0_param(own), 0));
}

static bool set_host(X509_VERIFY_PARAM *param, const char *host)
{
    struct address ignored;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (address_parse(str_from_cstr(host), &ignored))
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    return host[0] && X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

enum err tls_client_expect(struct ssl_ctx_st *ctx, const char *host, const char *ca_file,
                           struct reason *why)
{
    bool trusts = ca_file ? SSL_CTX_load_verify_file(ctx, ca_file) == 1
                          : SSL_CTX_set_default_verify_paths(ctx) == 1;
    ERR_clear_error();
    if (!trusts)
        return fail(why, ERR_INVALID, "the TLS authorities in %s cannot be used",
                    ca_file ? ca_file : "the system's folder");
    if (!set_host(SSL_CTX_get0_param(ctx), host) ||
        SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
        return fail(why, ERR_INVALID, "no certificate can be of the host \"%s\"", host);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_info_callback(ctx, name_server);
    return ERR_OK;
}

struct ssl_ctx_st *tls_client_context_new(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        die("out of memory in OpenSSL");
    return ctx;
}

void tls_client_context_free(struct ssl_ctx_st *ctx)
{
    SSL_CTX_free(ctx);
}
