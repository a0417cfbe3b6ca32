/* client.h -- outgoing HTTP by libcurl's multi interface on a loop: bounded concurrency, one total
 * deadline over DNS, connect, TLS and body, bounded answers, no redirects, and the outbound
 * policy judged for each address at connect time (security reference 1.4).
 *
 * A client belongs to its loop. It keeps one connection pool per policy, so that a connection
 * opened under a laxer policy never serves a stricter one. */
#ifndef GAFF_HTTP_CLIENT_H
#define GAFF_HTTP_CLIENT_H

#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"
#include "http/address.h"
#include "http/message.h"

#include <stdatomic.h>

enum outbound_policy {
    OUTBOUND_PUBLIC,  /* public unicast addresses only: what outsiders may configure */
    OUTBOUND_PRIVATE, /* private and loopback too: destinations the operator wrote */
};

struct http_client;

/* What an address was that the policy refuses; for metrics. */
#define OUTBOUND_BLOCKS(X)                                                                         \
    X(OWN, "own_listener")                                                                         \
    X(METADATA, "metadata")                                                                        \
    X(LOOPBACK, "loopback")                                                                        \
    X(PRIVATE, "private")                                                                          \
    X(PORT, "port")                                                                                \
    X(SPECIAL, "special") /* any other that is not global unicast */
enum outbound_block {
#define X(name, word) OUTBOUND_BLOCK_##name,
    OUTBOUND_BLOCKS(X)
#undef X
        OUTBOUND_BLOCK_COUNT
};
const char *outbound_block_word(enum outbound_block b);

/* Any thread; several clients may share one. */
struct http_client_counts {
    _Atomic uint64_t opened, reused; /* connections made; requests that needed none */
    _Atomic uint64_t blocked[OUTBOUND_BLOCK_COUNT]; /* calls */
};

#define OUTBOUND_OWN_MAX 32

/* Our own listeners, which no call may reach whatever its policy. Zeroed there are none; one thread
 * adds, also while clients use it, and nothing is taken out. */
struct outbound_own {
    struct address addresses[OUTBOUND_OWN_MAX]; /* an unspecified one stands for all of ours */
    uint16_t ports[OUTBOUND_OWN_MAX];
    _Atomic size_t count;
};
/* By the address that a listener has bound: "http://127.0.0.1:8080", "[::1]:8080". What is no IP
 * address (a unix socket) can't be reached by HTTP and is passed over. */
void outbound_own_add(struct outbound_own *own, str bound);

struct http_client_options {
    int max_in_flight;       /* further calls wait in order; 0 takes 64 */
    const struct net *allow; /* extra ranges allowed under both policies */
    size_t allow_count;
    const struct outbound_own *own;    /* NULL: none; outlives the client */
    const char *proxy;                 /* NULL: none, whatever the environment says. Names are
                                        * resolved, and their addresses judged, by the proxy */
    const char *ca_file;               /* NULL: the system's */
    const char *user_agent;            /* NULL: "gaff" */
    struct http_client_counts *counts; /* NULL: nobody counts; outlives the client */
};

/* Everything in the options but `own` and `counts` is copied. */
struct http_client *http_client_new(struct loop *l, const struct http_client_options *o);
/* Pending calls end as HTTP_CALL_CANCELLED; their done must not start others. Not to be called
 * from inside done. Accepts NULL. */
void http_client_free(struct http_client *c);

/* The classes a failed call falls in; words for people, metrics and retry decisions. */
#define HTTP_CALL_CLASSES(X)                                                                       \
    X(OK, "ok", "the destination answered")                                                        \
    X(DNS, "dns", "the host name could not be resolved")                                           \
    X(CONNECT, "connect", "the connection was refused or unreachable")                             \
    X(TLS, "tls", "the TLS handshake or certificate check failed")                                 \
    X(TIMEOUT, "timeout", "the deadline passed")                                                   \
    X(RESET, "reset", "the connection broke before the answer was whole")                          \
    X(PROTOCOL, "protocol", "the answer was no valid HTTP")                                        \
    X(BLOCKED, "blocked", "address not allowed by outbound policy")                                \
    X(PROXY, "proxy", "the proxy failed")                                                          \
    X(MEMORY, "memory", "libcurl had no memory for it, or the answer was beyond its bounds")       \
    X(INVALID, "invalid", "the request could not be built")                                        \
    X(CANCELLED, "cancelled", "cancelled on our side")
enum http_call_class {
#define X(name, word, text) HTTP_CALL_##name,
    HTTP_CALL_CLASSES(X)
#undef X
};
const char *http_call_class_word(enum http_call_class c);
const char *http_call_class_text(enum http_call_class c);

#define HTTP_ANSWER_BODY_MAX 65536
#define HTTP_ANSWER_HEAD_MAX 16384

/* Microseconds since the call left the queue; -1 when not reached, 0 for dns, connect and tls of a
 * reused connection. */
struct http_timing {
    int64_t dns, connect, tls, send, first_byte, total;
};

struct http_answer {
    enum http_call_class class;
    int status; /* 0 unless an answer came; a truncated body keeps its status */
    str head;   /* status line and fields as received, at most HTTP_ANSWER_HEAD_MAX */
    struct http_fields fields; /* parsed from head; trailers are not in it */
    str body; /* at most HTTP_ANSWER_BODY_MAX, or the call's answer_max; never decompressed */
    bool body_truncated;
    bool reused;                    /* an open connection was reused */
    char address[ADDRESS_TEXT_MAX]; /* the peer, "" when none; not shown under OUTBOUND_PUBLIC
                                       errors */
    struct http_timing timing;
    char error[256]; /* one sentence when class != OK */
};

/* The way of a call to its destination, other than the usual: through a proxy, with a certificate
 * of its own. Lives as long as calls that use it. Connections are kept apart by it. */
struct http_route {
    uint64_t id;       /* set by http_route_init */
    const char *proxy; /* http:// or https://, may hold user:password; NULL: none. It resolves the
                        * destination's name; the policy judges the proxy's own address */
    str certificate, key; /* PEM; both or neither */
    str authority;        /* PEM: who vouches for the destination, instead of the usual */
};
void http_route_init(struct http_route *r);

struct http_call { /* embed it; lives until done ran; slices must too */
    str method, url;
    /* A malformed name, or CR, LF, NUL or another control byte in a value: HTTP_CALL_INVALID; so
     * are fields that frame the message or speak of the connection (Content-Length, Connection,
     * Expect, ...). Host may be set once, when well formed. Without Content-Type none is sent. */
    const struct http_field *fields;
    size_t field_count;
    str body; /* sent as it is */
    enum outbound_policy policy;
    int64_t timeout_ms; /* total, from when the call leaves the queue; 0: none */
    size_t answer_max;  /* bytes of the answer's body; 0 takes HTTP_ANSWER_BODY_MAX */
    /* On a connection of its own, so that its bytes are sent once at most: a kept connection that
     * turns out to be dead makes libcurl (and us) send them again. */
    bool once;
    const struct http_route *route; /* NULL: the usual */
    void (*done)(struct http_call *call, const struct http_answer *answer);
    void *impl; /* private, as are those below */
    struct list link;
    uint8_t state;
};

/* done is never called before this returns. The answer's slices are valid during done. */
void http_client_start(struct http_client *c, struct http_call *call);
/* done is called with HTTP_CALL_CANCELLED before this returns. Only while the call is pending. */
void http_client_cancel(struct http_client *c, struct http_call *call);
/* Calls on the wire, and calls waiting for their turn. */
size_t http_client_in_flight(const struct http_client *c);
size_t http_client_waiting(const struct http_client *c);

/* The name and version of libcurl and of its TLS library, or why there is none; static storage.
 * Loads it. */
const char *http_client_library(void);

/* Checks one field as http_client_start does: for load time. */
enum err http_field_check(const struct http_field *f, struct reason *why) MUST_USE;

/* Checks a URL against what a policy can tell without resolving (scheme http or https, no
 * userinfo, port rule, literal addresses): for load time. */
enum err http_url_check(str url, enum outbound_policy policy, struct reason *why) MUST_USE;

/* A blocking call on a private loop, for the command line. unix_socket may be NULL. With on_bytes
 * the body of a 2xx answer goes there as it arrives, without limit, and not into answer; any
 * other answer is kept as usual. call->done is not used. The answer lives in the arena. ERR_OK
 * when there was an answer, whatever its status; else a code and a reason, and *answer says the
 * rest. */
enum err http_fetch(const char *unix_socket, struct http_call *call,
                    void (*on_bytes)(str bytes, void *arg), void *arg, struct http_answer *answer,
                    struct arena *a, struct reason *why) MUST_USE;

#endif
