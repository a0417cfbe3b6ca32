/* tls.h -- the server side of TLS without sockets: bytes off the wire go in, plain bytes come out,
 * and what must be sent is collected. TLS 1.2 or newer, ALPN http/1.1. */
#ifndef GAFF_HTTP_TLS_H
#define GAFF_HTTP_TLS_H

#include "base/err.h"
#include "base/str.h"

struct tls_context; /* a certificate chain and its key; counted by the sessions made from it */
struct tls_session;

/* Reads PEM files. NULL with a sentence that names the file. */
struct tls_context *tls_context_new(const char *cert_file, const char *key_file,
                                    struct reason *why);
void tls_context_free(struct tls_context *c); /* sessions open keep what they need */

struct tls_session *tls_session_new(struct tls_context *c);
void tls_session_free(struct tls_session *s); /* accepts NULL */

/* Takes bytes off the wire. */
void tls_feed(struct tls_session *s, str wire);

enum tls_result { TLS_BYTES, TLS_WANTS_MORE, TLS_CLOSED, TLS_FAILED };
/* Goes on with the handshake, then decrypts into out; *got > 0 with TLS_BYTES. Look at tls_output
 * after each call, whatever it returned. */
enum tls_result tls_read(struct tls_session *s, char *out, size_t n, size_t *got);
/* Encrypts; the handshake must be done. False when the session has failed. */
bool tls_write(struct tls_session *s, str plain);
/* Appends the close_notify alert to the output. */
void tls_shutdown(struct tls_session *s);

/* What waits to be sent, valid until the next call on s; tls_output_clear drops it. */
str tls_output(struct tls_session *s);
void tls_output_clear(struct tls_session *s);

#endif
