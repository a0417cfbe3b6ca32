/* tls_client.h -- the client side of TLS for libraries that dial by themselves: they are given an
 * address that the outbound policy has judged, and the server has to be who its name says. */
#ifndef GAFF_HTTP_TLS_CLIENT_H
#define GAFF_HTTP_TLS_CLIENT_H

#include "base/err.h"

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */

/* For every connection that is made from ctx, whatever its library dials: the server's chain leads
 * to one of the authorities in ca_file (PEM; NULL: the system's) and its certificate is of host, a
 * name or an IP address, or the handshake fails before anything is sent. A name is what the server
 * is asked for (SNI, RFC 6066), an address is not named there. TLS 1.2 or newer. ERR_INVALID when
 * the file can't be used. */
enum err tls_client_expect(struct ssl_ctx_st *ctx, const char *host, const char *ca_file,
                           struct reason *why) MUST_USE;

/* An empty one, for a library that makes none. */
struct ssl_ctx_st *tls_client_context_new(void);
void tls_client_context_free(struct ssl_ctx_st *ctx); /* accepts NULL; connections keep theirs */

#endif
