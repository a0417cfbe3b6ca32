/* server.h -- the HTTP/1.1 front door: libuv sockets, llhttp strict, and the checks llhttp leaves
 * to us (RFC 9110, RFC 9112). One server object serves one loop; for N loops make N servers over
 * the same address (SO_REUSEPORT), each on its own thread.
 *
 * A handler gets a whole request: body complete, every limit already enforced. It answers at
 * once or later, on the loop's thread, exactly once, by http_reply (or http_stream_*). While an
 * exchange is open its slices stay valid, also when the client has gone (then the answer is
 * thrown away). One request is in flight per connection; pipelined ones wait in the buffer.
 *
 * Who says nothing more (a half-close) is still answered; `aborted` is set when the connection
 * broke. Peers on a unix socket have the peer "unix" and count as 127.0.0.1 for trust. Making a
 * server ignores SIGPIPE unless the program handles it. */
#ifndef GAFF_HTTP_SERVER_H
#define GAFF_HTTP_SERVER_H

#include "base/err.h"
#include "base/histogram.h"
#include "base/loop.h"
#include "http/message.h"
#include "http/tls.h"

/* Every limit of the front door, with unit, default and what happens beyond it. */
#define HTTP_LIMITS(X)                                                                             \
    X(request_line_max, 8192, "bytes", "414")                                                      \
    X(header_bytes_max, 32768, "bytes", "431")                                                     \
    X(header_count_max, 100, "fields", "431")                                                      \
    X(body_bytes_max, 1048576, "bytes", "413")                                                     \
    X(chunk_extension_max, 4096, "bytes", "400")                                                   \
    X(header_timeout_ms, 10000, "ms", "408")                                                       \
    X(body_rate_min, 500, "bytes/s after 5 s", "408")                                              \
    X(idle_timeout_ms, 60000, "ms", "close")                                                       \
    X(write_timeout_ms, 30000, "ms", "close")                                                      \
    X(connections_max, 20000, "connections", "accepting pauses")                                   \
    X(connections_per_address_max, 10000, "connections", "503 and close")

struct http_limits {
#define X(name, value, unit, beyond) int64_t name;
    HTTP_LIMITS(X)
#undef X
};
extern const struct http_limits http_limits_default;

struct http_exchange {
    struct http_request req;
    struct arena *arena; /* freed when the exchange ends; bounded */
    void *user;          /* for the handler */
    bool aborted;        /* the client has gone; the answer will be thrown away */
    /* the rest is private to connection.c */
};

/* Called when the request is whole. */
typedef void http_handler(struct http_exchange *x, void *arg);

/* The largest body this request may have, asked when the head is complete and before a byte of
 * body is buffered; <= 0 takes limits.body_bytes_max. May be NULL. (A source may allow more.) */
typedef int64_t http_body_limit(const struct http_request *head, void *arg);

/* Answers (by http_reply) a request that no handler will see: malformed, too large, too slow. The
 * connection ends with the answer; x->req is empty. May be NULL: a JSON error. */
typedef void http_refusal(struct http_exchange *x, int status, const char *text, void *arg);

struct net; /* an address range, see http/address.h */

struct http_server_options {
    const char *listen; /* "127.0.0.1:8080", "[::]:0", "unix:/run/gaff.sock", "fd:3" */
    const char *tls_cert_file, *tls_key_file; /* both or none; PEM */
    struct tls_policy tls_policy;             /* its ciphers outlive the server */
    struct http_limits limits;         /* of this server alone; what is 0 takes the default */
    const struct net *trusted_proxies; /* whose X-Forwarded-For, -Proto, Forwarded count */
    size_t trusted_proxy_count;
    bool proxy_protocol; /* PROXY v1/v2 expected first, from trusted proxies only */
    http_handler *handler;
    http_body_limit *body_limit;
    http_refusal *refusal;
    bool any_method; /* every token is a method; otherwise unknown ones are answered 501 */
    void *arg;
    const char *server_name; /* the Server field; NULL for none */
};

struct http_server;

/* Binds and listens; nothing is accepted before http_server_start. NULL with a full sentence
 * (address in use, permission, certificate unreadable, ...). Strings are copied. Servers of this
 * process can share a TCP address; a unix socket has one server. */
struct http_server *http_server_new(struct loop *l, const struct http_server_options *o,
                                    struct reason *why);
void http_server_start(struct http_server *s);
/* Stops accepting, closes idle connections (after 100 ms, for requests on their way), lets
 * exchanges in flight finish with `Connection: close`; done is called when the last connection has
 * gone. Streams are in flight until the handler ends them. */
void http_server_drain(struct http_server *s, void (*done)(void *arg), void *arg);
void http_server_free(struct http_server *s); /* closes at once; accepts NULL */
/* Reads certificate and key again; connections open keep theirs. Old ones stay on failure. */
enum err http_server_reload_tls(struct http_server *s, struct reason *why) MUST_USE;
/* The port bound (0 for unix sockets), and the address as text "http://127.0.0.1:8080". */
int http_server_port(const struct http_server *s);
const char *http_server_url(const struct http_server *s);

struct http_server_counts { /* for metrics; any thread may read them */
    _Atomic uint64_t connections_open, connections_total, requests_total, refused_total;
    _Atomic uint64_t connections_active; /* on which a request is read, handled or answered */
    _Atomic uint64_t by_class[6];        /* answers by status / 100 */
    struct histogram answer_us; /* from a request's head to its answer, or the answer's head */
};
/* `from` is added to sum. */
void http_server_counts_add(struct http_server_counts *sum, const struct http_server_counts *from);
const struct http_server_counts *http_server_counts(const struct http_server *s);

/* --- answering -------------------------------------------------------------------------------
 * fields and body are copied or sent before return. Content-Length, Date and Connection are
 * ours. HEAD gets the fields without the body. */
void http_reply(struct http_exchange *x, int status, const struct http_field *fields,
                size_t field_count, str body);
/* {"error":{"code":"<code>","message":"<message>"}} with application/json. code is a short
 * machine word ("bad_signature"); message a sentence that says how to fix it. */
void http_reply_error(struct http_exchange *x, int status, const char *code, str message);
/* As above with `Retry-After: seconds`. */
void http_reply_retry(struct http_exchange *x, int status, const char *code, str message,
                      unsigned retry_after_s);

/* A streamed answer (server-sent events, long output): chunked coding. on_close is called once
 * when the client goes or after http_stream_end; the exchange is gone then. */
void http_stream_begin(struct http_exchange *x, int status, const struct http_field *fields,
                       size_t field_count, void (*on_close)(struct http_exchange *x));
/* False (and nothing buffered) when over 1 MiB waits for a slow client: the caller drops it. */
bool http_stream_write(struct http_exchange *x, str bytes);
void http_stream_end(struct http_exchange *x);

/* An exchange without a socket, for tests and gaff_test: the answer lands in `out` instead of
 * a connection. Free it with http_exchange_free_detached. */
struct http_exchange *
http_exchange_new_detached(struct arena *a, const struct http_request *req,
                           void (*replied)(int status, str head, str body, void *arg), void *arg);
void http_exchange_free_detached(struct http_exchange *x);

#endif
