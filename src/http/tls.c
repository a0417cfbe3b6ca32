/* The door to OpenSSL's TLS. Each session has two memory BIOs: one that the wire fills, one that
 * collects what must be sent; connection.c moves the bytes. Buffers are released between records,
 * so that an idle session costs little beyond OpenSSL's own state. */
#include "http/tls.h"

#include "base/buf.h"
#include "base/log.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

struct tls_context {
    SSL_CTX *ctx;
};

struct tls_session {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    bool peer_tried;
    struct tls_peer *peer;
};

/* The first of OpenSSL's queued errors as text; the queue is emptied. */
static const char *first_error(char *text, size_t size)
{
    unsigned long code = ERR_get_error();
    ERR_error_string_n(code, text, size);
    if (code && ERR_reason_error_string(code))
        snprintf(text, size, "%s", ERR_reason_error_string(code));
    ERR_clear_error();
    return text;
}

/* RFC 7301: a client that offers protocols must offer ours, or the handshake ends. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned in_n, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    UNUSED(ssl);
    UNUSED(arg);
    unsigned char *chosen;
    int rc = SSL_select_next_proto(&chosen, out_n, ours, sizeof(ours) - 1, in, in_n);
    *out = chosen;
    return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static enum err load_files(SSL_CTX *ctx, const char *cert_file, const char *key_file,
                           struct reason *why)
{
    char text[256];
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        return fail(why, ERR_INVALID, "the TLS certificate %s cannot be used: %s", cert_file,
                    first_error(text, sizeof(text)));
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
        return fail(why, ERR_INVALID, "the TLS key %s cannot be used: %s", key_file,
                    first_error(text, sizeof(text)));
    if (SSL_CTX_check_private_key(ctx) != 1)
        return fail(why, ERR_INVALID, "the TLS key %s does not belong to the certificate %s",
                    key_file, cert_file);
    return ERR_OK;
}

/* A key with a passphrase is an error, never a prompt on the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    UNUSED(buf);
    UNUSED(size);
    UNUSED(rwflag);
    UNUSED(arg);
    return -1;
}

/* OpenSSL's names, joined by colons, for the RFCs' joined by commas. */
static enum err translate_ciphers(const char *ciphers, struct buf *out, struct reason *why)
{
    str rest = str_from_cstr(ciphers);
    while (rest.p) {
        char name[64];
        str one = str_cut(&rest, ',');
        (void)snprintf(name, sizeof(name), STR_FMT, STR_ARG(str_slice(one, 0, sizeof(name) - 1)));
        const char *known = OPENSSL_cipher_name(name);
        if (!known || strcmp(known, "(NONE)") == 0)
            return fail(why, ERR_INVALID, "unknown TLS cipher suite: %s", name);
        buf_printf(out, "%s%s", out->len ? ":" : "", known);
    }
    return ERR_OK;
}

enum err tls_ciphers_check(const char *ciphers, struct reason *why)
{
    char text[4096];
    struct buf out = buf_over(text, sizeof(text));
    return translate_ciphers(ciphers, &out, why);
}

void tls_ciphers_list(void (*fn)(const char *name, bool is_1_3, void *arg), void *arg)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        die_of_memory(0);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);
    for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);
        fn(SSL_CIPHER_standard_name(c), strcmp(SSL_CIPHER_get_version(c), "TLSv1.3") == 0, arg);
    }
    SSL_CTX_free(ctx);
}

static enum err apply_policy(SSL_CTX *ctx, const struct tls_policy *policy, struct reason *why)
{
    char text[4096];
    struct buf out = buf_over(text, sizeof(text));
    if (policy->only_1_3)
        SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    if (!policy->ciphers)
        return ERR_OK;
    enum err err = translate_ciphers(policy->ciphers, &out, why);
    if (err == ERR_OK && SSL_CTX_set_cipher_list(ctx, buf_cstr(&out)) != 1)
        err = fail(why, ERR_INVALID, "no TLS cipher suite of the list can be used");
    return err;
}

#define CHAIN_MAX 5

/* Sessions are not resumed then: every connection shows its certificate anew, so that one that was
 * taken out of the file is out. */
static enum err ask_for_certificates(SSL_CTX *ctx, const char *file, struct reason *why)
{
    char text[256];
    if (!file)
        return ERR_OK;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);
    if (!names || SSL_CTX_load_verify_locations(ctx, file, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail(why, ERR_INVALID,
                    "the authorities for client certificates in %s cannot be "
                    "used: %s",
                    file, first_error(text, sizeof(text)));
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_verify_depth(ctx, CHAIN_MAX);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx, 0);
    return ERR_OK;
}

struct tls_context *tls_context_new(const char *cert_file, const char *key_file,
                                    const struct tls_policy *policy, struct reason *why)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        die_of_memory(0);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (apply_policy(ctx, policy, why) != ERR_OK ||
        load_files(ctx, cert_file, key_file, why) != ERR_OK ||
        ask_for_certificates(ctx, policy->client_ca_file, why) != ERR_OK) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    struct tls_context *c = xcalloc(1, sizeof(*c));
    c->ctx = ctx;
    return c;
}

void tls_context_free(struct tls_context *c)
{
    if (!c)
        return;
    SSL_CTX_free(c->ctx);
    free(c);
}

struct tls_session *tls_session_new(struct tls_context *c)
{
    struct tls_session *s = xcalloc(1, sizeof(*s));
    s->ssl = SSL_new(c->ctx);
    s->in = BIO_new(BIO_s_mem());
    s->out = BIO_new(BIO_s_mem());
    if (!s->ssl || !s->in || !s->out)
        die_of_memory(0);
    BIO_set_mem_eof_return(s->in, -1);
    SSL_set_bio(s->ssl, s->in, s->out);
    SSL_set_accept_state(s->ssl);
    return s;
}

void tls_session_free(struct tls_session *s)
{
    if (!s)
        return;
    SSL_free(s->ssl);
    tls_peer_free(s->peer);
    free(s);
}

const struct tls_peer *tls_session_peer(struct tls_session *s)
{
    if (s->peer_tried || !SSL_is_init_finished(s->ssl))
        return s->peer;
    s->peer_tried = true;
    X509 *certificate = SSL_get0_peer_certificate(s->ssl);
    if (certificate && SSL_get_verify_mode(s->ssl) == SSL_VERIFY_PEER &&
        SSL_get_verify_result(s->ssl) == X509_V_OK)
        s->peer = tls_peer_new(certificate);
    ERR_clear_error();
    return s->peer;
}

void tls_feed(struct tls_session *s, str wire)
{
    assert(wire.n <= INT32_MAX);
    if (BIO_write(s->in, wire.p, (int)wire.n) != (int)wire.n)
        die_of_memory(0);
}

enum tls_result tls_read(struct tls_session *s, char *out, size_t n, size_t *got)
{
    *got = 0;
    ERR_clear_error();
    int rc = SSL_read_ex(s->ssl, out, n, got);
    if (rc == 1)
        return TLS_BYTES;
    switch (SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANTS_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        ERR_clear_error();
        return TLS_FAILED;
    }
}

bool tls_write(struct tls_session *s, str plain)
{
    while (plain.n > 0) {
        size_t wrote = 0;
        ERR_clear_error();
        if (SSL_write_ex(s->ssl, plain.p, plain.n, &wrote) != 1) {
            ERR_clear_error();
            return false;
        }
        plain = str_slice(plain, wrote, plain.n);
    }
    return true;
}

void tls_shutdown(struct tls_session *s)
{
    ERR_clear_error();
    SSL_shutdown(s->ssl);
    ERR_clear_error();
}

str tls_output(struct tls_session *s)
{
    char *bytes = NULL;
    long n = BIO_get_mem_data(s->out, &bytes);
    return n > 0 ? str_of(bytes, (size_t)n) : STR("");
}

void tls_output_clear(struct tls_session *s)
{
    (void)BIO_reset(s->out);
}
