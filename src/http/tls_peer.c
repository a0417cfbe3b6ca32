/* tls_peer.c -- names out of X.509 (RFC 5280), by OpenSSL. */
#include "http/tls_peer.h"

#include "base/codec.h"
#include "base/log.h"
#include "http/address.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

#define NAME_BYTES_MAX 1024

/* The caller frees it; STR_NONE for what has control bytes: it could pass for another name. */
static str copy_name(const char *before, const char *text, size_t n)
{
    size_t prefix = strlen(before);
    if (n == 0 || n > NAME_BYTES_MAX)
        return STR_NONE;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return STR_NONE;
    char *out = xmalloc(prefix + n);
    memcpy(out, before, prefix);
    memcpy(out + prefix, text, n);
    return str_of(out, prefix + n);
}

static str name_text(const X509_NAME *name)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (!out)
        die("out of memory in OpenSSL");
    /* Escaped as the RFC wants, but UTF-8 is left as it is. */
    unsigned long how = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
    int ok = X509_NAME_print_ex(out, name, 0, how);
    long n = BIO_get_mem_data(out, &text);
    str copy = ok >= 0 && n > 0 ? copy_name("", text, (size_t)n) : STR_NONE;
    BIO_free(out);
    return copy;
}

static str address_name(const ASN1_OCTET_STRING *ip)
{
    struct address a;
    char text[ADDRESS_TEXT_MAX], bytes[64];
    const unsigned char *p = ASN1_STRING_get0_data(ip);
    int n = ASN1_STRING_length(ip);
    if (n == 4)
        (void)snprintf(bytes, sizeof(bytes), "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
    else if (n == 16)
        (void)snprintf(bytes, sizeof(bytes), "%x:%x:%x:%x:%x:%x:%x:%x", p[0] << 8 | p[1],
                       p[2] << 8 | p[3], p[4] << 8 | p[5], p[6] << 8 | p[7], p[8] << 8 | p[9],
                       p[10] << 8 | p[11], p[12] << 8 | p[13], p[14] << 8 | p[15]);
    if ((n != 4 && n != 16) || !address_parse(str_from_cstr(bytes), &a))
        return STR_NONE;
    str plain = address_format(&a, text);
    return copy_name("ip:", plain.p, plain.n);
}

/* False for a name that cannot be told apart from another. Kinds that nobody asks for are left
 * out. */
static bool add_name(struct tls_peer *p, const GENERAL_NAME *name)
{
    static const struct {
        int type;
        const char *before;
    } kinds[] = {{GEN_DNS, "dns:"}, {GEN_EMAIL, "email:"}, {GEN_URI, "uri:"}};
    str text = STR_NONE;
    bool is_known = name->type == GEN_IPADD;
    if (is_known)
        text = address_name(name->d.iPAddress);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (name->type == kinds[i].type) {
            is_known = true;
            text = copy_name(kinds[i].before, (const char *)ASN1_STRING_get0_data(name->d.ia5),
                             (size_t)ASN1_STRING_length(name->d.ia5));
        }
    if (!is_known)
        return true;
    if (!text.p)
        return false;
    if (p->name_count == TLS_PEER_NAMES_MAX) {
        free((char *)(uintptr_t)text.p);
        return false;
    }
    p->names[p->name_count++] = text;
    return true;
}

static bool read_names(struct tls_peer *p, X509 *certificate)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool ok = true;
    for (int i = 0; ok && i < sk_GENERAL_NAME_num(all); i++)
        ok = add_name(p, sk_GENERAL_NAME_value(all, i));
    GENERAL_NAMES_free(all);
    return ok;
}

static bool read_end(struct tls_peer *p, const X509 *certificate)
{
    struct tm end;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
        return false;
    p->not_after_ms = (int64_t)timegm(&end) * 1000;
    return true;
}

struct tls_peer *tls_peer_new(struct x509_st *certificate)
{
    struct tls_peer *p = xcalloc(1, sizeof(*p));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    p->subject = name_text(X509_get_subject_name(certificate));
    p->issuer = name_text(X509_get_issuer_name(certificate));
    bool ok = X509_digest(certificate, EVP_sha256(), digest, &n) == 1 &&
              2 * n == TLS_FINGERPRINT_HEX && read_names(p, certificate) &&
              read_end(p, certificate) && p->issuer.p && (p->subject.p || p->name_count > 0);
    if (!ok) {
        tls_peer_free(p);
        return NULL;
    }
    hex_encode(digest, n, p->fingerprint);
    if (!p->subject.p)
        p->subject = copy_name("", "-", 1);
    return p;
}

void tls_peer_free(struct tls_peer *p)
{
    if (!p)
        return;
    free((char *)(uintptr_t)p->subject.p);
    free((char *)(uintptr_t)p->issuer.p);
    for (size_t i = 0; i < p->name_count; i++)
        free((char *)(uintptr_t)p->names[i].p);
    free(p);
}
