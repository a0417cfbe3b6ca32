/* tls_peer.h -- the certificate that a TLS client has proven to hold, as text: who it names, who
 * vouched for it, and its fingerprint. Only one that was verified up to the configured authority is
 * ever made into this. */
#ifndef GAFF_HTTP_TLS_PEER_H
#define GAFF_HTTP_TLS_PEER_H

#include "base/str.h"

#define TLS_PEER_NAMES_MAX 32
#define TLS_FINGERPRINT_HEX 64 /* SHA-256 of the DER form, lower case */

struct tls_peer {
    str subject, issuer;           /* RFC 4514: "CN=partner,O=Acme" */
    str names[TLS_PEER_NAMES_MAX]; /* of the subject: "dns:a.example.org", "uri:spiffe://..." */
    size_t name_count;
    char fingerprint[TLS_FINGERPRINT_HEX + 1];
    int64_t not_after_ms;
};

struct x509_st;
/* What is in the certificate; NULL when it cannot be said in this form (a name with control bytes,
 * over TLS_PEER_NAMES_MAX names): then it proves nothing here. */
struct tls_peer *tls_peer_new(struct x509_st *certificate);
void tls_peer_free(struct tls_peer *p); /* accepts NULL */

#endif
