/* pem_pair.c -- OpenSSL reads both and compares. */
#include "verify/pem_pair.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* Or OpenSSL would ask at the terminal. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
    UNUSED(buf);
    UNUSED(size);
    UNUSED(rwflag);
    UNUSED(arg);
    return -1;
}

static X509 *read_certificate(str text)
{
    BIO *in = text.n <= INT_MAX ? BIO_new_mem_buf(text.p, (int)text.n) : NULL;
    X509 *cert = in ? PEM_read_bio_X509(in, NULL, no_password, NULL) : NULL;
    BIO_free(in);
    return cert;
}

bool pem_is_certificate(str text)
{
    X509 *cert = read_certificate(text);
    bool is = cert != NULL;
    X509_free(cert);
    ERR_clear_error();
    return is;
}

bool pem_pair_fits(str certificate, str key)
{
    X509 *cert = read_certificate(certificate);
    BIO *in = key.n <= INT_MAX ? BIO_new_mem_buf(key.p, (int)key.n) : NULL;
    EVP_PKEY *own = in ? PEM_read_bio_PrivateKey(in, NULL, no_password, NULL) : NULL;
    BIO_free(in);
    bool fits = cert && own && X509_check_private_key(cert, own) == 1;
    X509_free(cert);
    EVP_PKEY_free(own);
    ERR_clear_error();
    return fits;
}
