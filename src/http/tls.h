/* tls.h -- the server side of TLS without sockets: bytes off the wire go in, plain bytes come out,
 * and what must be sent is collected. TLS 1.2 or newer, ALPN http/1.1. */
#ifndef GAFF_HTTP_TLS_H
#define GAFF_HTTP_TLS_H

#include "base/err.h"
#include "base/str.h"
#include "http/tls_peer.h"

struct tls_context; /* a certificate chain and its key; counted by the sessions made from it */
struct tls_session;

/* Stricter than the default; a zeroed one is the default. */
struct tls_policy {
    bool only_1_3;
    /* PEM: clients are asked for a certificate of one of these authorities; one that is not good
     * ends the handshake, none at all does not. NULL: nobody is asked. */
    const char *client_ca_file;
    const char *ciphers; /* of TLS 1.2, by their names in the RFCs, joined by commas; NULL: all */
};
/* Reads PEM files. NULL with a sentence that names the file, or the cipher that is not known. */
struct tls_context *tls_context_new(const char *cert_file, const char *key_file,
                                    const struct tls_policy *policy, struct reason *why);
/* ERR_INVALID with the name of the first cipher that is not known here. */
enum err tls_ciphers_check(const char *ciphers, struct reason *why) MUST_USE;
/* Calls fn with the RFC's name of each cipher that is offered. */
void tls_ciphers_list(void (*fn)(const char *name, bool is_1_3, void *arg), void *arg);
void tls_context_free(struct tls_context *c); /* sessions open keep what they need */

struct tls_session *tls_session_new(struct tls_context *c);
void tls_session_free(struct tls_session *s); /* accepts NULL */
/* The certificate that the client was asked for and has proven to hold, once the handshake is done;
 * NULL when there is none. Lives as long as the session. */
const struct tls_peer *tls_session_peer(struct tls_session *s);

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
