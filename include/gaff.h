/* gaff.h -- receive webhooks, answer requests, tell subscribers: in a few lines of C.
 *
 *     #include <gaff.h>
 *
 *     static int on_push(gaff_req *req, void *arg)
 *     {
 *         (void)arg;
 *         gaff_str repo = gaff_get(req, "repository.full_name");
 *         printf("push to %.*s\n", GAFF_ARG(repo));
 *         return gaff_ok(req);
 *     }
 *
 *     int main(void)
 *     {
 *         gaff_app *app = gaff_new(NULL);
 *         gaff_webhook_options github = {.provider = "github", .secret = "${env:GITHUB_SECRET}"};
 *         gaff_webhook(app, "POST /webhook", &github, on_push, NULL);
 *         return gaff_main(app);
 *     }
 *
 * That program verifies GitHub's signature over the raw body, stores each event on disk before it
 * answers 2xx, calls on_push with it, and calls again, later, when on_push fails or the program
 * died meanwhile.
 *
 * The three things an application does:
 *   gaff_route    others ask you      "GET /users"      answered by the handler, at once
 *   gaff_webhook  others tell you     "POST /webhook"   verified, stored, then handled, retried
 *   gaff_emit     you tell others     "user.created"    stored, then sent to every subscriber
 *
 * Lifetimes: every gaff_str read from a request, and everything gaff_alloc gave, stays valid until
 * the handler returns. Strings you pass in are copied.
 *
 * Threads: handlers (of routes and of webhooks alike) run one at a time on one thread of the
 * library, so they may share data without locks; they should not block for long (a webhook with
 * .background = true may: it runs beside). gaff_stop and gaff_emit may be called from anywhere;
 * everything else from the thread that made the app, before gaff_run or gaff_start.
 *
 * Errors: functions that register things return a code and also remember the first failure in
 * the app, so that a program may check once: gaff_run (and gaff_main) refuse to start and
 * gaff_error says why, in a sentence. */
#ifndef GAFF_H
#define GAFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GAFF_VERSION "0.1.0"

#if defined(__GNUC__)
#define GAFF_API __attribute__((visibility("default")))
#define GAFF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define GAFF_API
#define GAFF_PRINTF(fmt, args)
#endif

/* A run of bytes: not NUL-terminated, may hold any byte. A missing value has ptr == NULL and
 * len == 0, so that printing it is harmless. */
typedef struct gaff_str {
    const char *ptr;
    size_t len;
} gaff_str;

/* For printf("%.*s", GAFF_ARG(s)). */
#define GAFF_ARG(s) (int)(s).len, ((s).ptr ? (s).ptr : "")

typedef enum gaff_err {
    GAFF_OK = 0,
    GAFF_INVALID,      /* malformed input: pattern, JSON, configuration */
    GAFF_UNKNOWN,      /* no such provider, route or key */
    GAFF_UNAUTHORIZED, /* the signature does not match */
    GAFF_STALE,        /* the timestamp is out of tolerance */
    GAFF_LIMIT,        /* a limit was reached */
    GAFF_CONFLICT,     /* already there, or locked by another process */
    GAFF_FULL,         /* no space left for events; try again later */
    GAFF_IO,           /* a system call failed */
    GAFF_NOMEM         /* out of memory */
} gaff_err;
GAFF_API const char *gaff_strerror(gaff_err err); /* static text */

typedef struct gaff_app gaff_app; /* an application: its routes, webhooks, store, listeners */
typedef struct gaff_req gaff_req; /* one request (or stored event) and the reply being made */

/* Handles req. The value returned is the HTTP status of the reply: `return gaff_ok(req);`,
 * `return gaff_json(req, 200, ...)`, or a bare `return 204;`.
 * For a stored webhook the reply went out long before; there 200..299 means done, 500..599 (and
 * gaff_retry) means try again later, anything else means give up: dead letter. */
typedef int gaff_handler(gaff_req *req, void *arg);

/* --- life cycle ------------------------------------------------------------------------------ */

/* config_file: a gaff.yaml (see docs/reference/configuration.md), or NULL for defaults: listen on
 * 127.0.0.1:8080, store in ./gaff-data. Never NULL but for lack of memory: other failures are
 * told by gaff_run. */
GAFF_API gaff_app *gaff_new(const char *config_file);
GAFF_API void gaff_free(gaff_app *app); /* stops it first; accepts NULL */

/* "127.0.0.1:8080", "[::]:80", "unix:/run/app.sock", port 0 for any; replaces the
 * configuration's. */
GAFF_API gaff_err gaff_listen(gaff_app *app, const char *address);
/* "sqlite:DIRECTORY" or "memory:"; replaces the configuration's. */
GAFF_API gaff_err gaff_store(gaff_app *app, const char *url);

/* Serves until gaff_stop, SIGINT or SIGTERM; then finishes what is in flight. */
GAFF_API gaff_err gaff_run(gaff_app *app);
/* gaff_run, an error message on stderr, gaff_free, and the exit code: the last line of main. What
 * handlers print goes out line by line, into a pipe or a file too. */
GAFF_API int gaff_main(gaff_app *app);
/* Starts without blocking and without signal handlers, inside a larger program; gaff_free ends
 * it. */
GAFF_API gaff_err gaff_start(gaff_app *app);
GAFF_API void gaff_stop(gaff_app *app); /* any thread; async-signal-safe */

GAFF_API const char *gaff_error(const gaff_app *app); /* the first failure, or "" */
/* "http://127.0.0.1:8080" once started; owned by app. */
GAFF_API const char *gaff_url(const gaff_app *app);

/* --- routes: others ask you ------------------------------------------------------------------ */

/* pattern: "GET /users", "DELETE /jobs/{id}", "ANY /echo", "GET /files/{path...}". HEAD, OPTIONS,
 * 404 and 405 with Allow come by themselves. */
GAFF_API gaff_err gaff_route(gaff_app *app, const char *pattern, gaff_handler *fn, void *arg);

/* --- webhooks: others tell you --------------------------------------------------------------- */

typedef struct gaff_webhook_options {
    const char *provider; /* "github", "stripe", ... (docs/reference/providers.md); NULL: hmac */
    /* The signing secret, or a reference to it: "${env:NAME}", "${file:PATH}". */
    const char *secret;
    const char *old_secret; /* accepted too, while the sender changes over; NULL: none */
    const char *name;       /* of the source and its destination; NULL: made from the path */
    const char *events;     /* only this event type ("push", globs allowed); NULL: all */
    int attempts;           /* 0: 10, over three days */
    bool background;        /* fn may block: it runs on a thread of its own */
    int concurrency;        /* with background: calls at once; 0: 1 */
    /* The handler is called before the answer and its reply is the answer. Nothing is stored and
     * nothing retried: the sender must. Verified all the same. */
    bool synchronous;
    bool insecure; /* accept without any verification; without it, no secret is an error */
} gaff_webhook_options;

/* Calls fn for each event at pattern whose sender proved itself: an unverified body is answered
 * 401 and never reaches fn. The event is on disk before the sender gets its 2xx; fn is called
 * after, again when it fails, and again after a crash: at least once, so let it be repeatable
 * (gaff_event_id tells repeats). NULL options or secret is an error unless .insecure. */
GAFF_API gaff_err gaff_webhook(gaff_app *app, const char *pattern,
                               const gaff_webhook_options *options, gaff_handler *fn, void *arg);

/* --- events: you tell others ----------------------------------------------------------------- */

/* Sends events whose type matches the glob ("user.*") to url, signed by Standard Webhooks with
 * secret ("whsec_...", "whsk_..." or a reference), tried eight times over 28 hours; a lane of its
 * own, durable, disabled when it answers 410. Known by events and url: what waits for it goes on
 * after a restart, and is cancelled when the program no longer names it. Subscribers can also be
 * written in the configuration as routes from source "app". */
GAFF_API gaff_err gaff_subscribe(gaff_app *app, const char *events, const char *url,
                                 const char *secret);
/* On disk when it returns GAFF_OK; then delivered to every subscriber. json: one JSON value. */
GAFF_API gaff_err gaff_emit(gaff_app *app, const char *type, const char *json);

/* --- the request ----------------------------------------------------------------------------- */

GAFF_API gaff_str gaff_method(const gaff_req *req);
GAFF_API gaff_str gaff_path(const gaff_req *req);
GAFF_API gaff_str gaff_body(const gaff_req *req);                     /* the bytes as received */
GAFF_API gaff_str gaff_header(const gaff_req *req, const char *name); /* any letter case */
GAFF_API gaff_str gaff_param(const gaff_req *req, const char *name);  /* {name} in the pattern */
GAFF_API gaff_str gaff_query(gaff_req *req, const char *name);        /* percent-decoded */
GAFF_API gaff_str gaff_form(gaff_req *req, const char *name); /* urlencoded or multipart field */
GAFF_API gaff_str gaff_peer(const gaff_req *req);             /* the client's address */

/* A value of the JSON body by its dotted path: "repository.name", "commits.0.id". A string's
 * bytes, a number or boolean as text, an object or array as JSON; missing when absent. */
GAFF_API gaff_str gaff_get(gaff_req *req, const char *path);
GAFF_API int64_t gaff_get_int(gaff_req *req, const char *path, int64_t fallback);
GAFF_API bool gaff_get_bool(gaff_req *req, const char *path, bool fallback);

/* Of webhooks. The id is the same each time the same event is handled. */
GAFF_API gaff_str gaff_event_id(const gaff_req *req); /* "evt_..." */
GAFF_API gaff_str
gaff_event_type(const gaff_req *req);           /* "push"; missing when the provider has none */
GAFF_API int gaff_attempt(const gaff_req *req); /* 1, 2, ... */

GAFF_API bool gaff_is(gaff_str s, const char *text); /* equal bytes */
/* Memory that lives until the handler returns; NULL beyond 16 MiB. */
GAFF_API void *gaff_alloc(gaff_req *req, size_t n);
GAFF_API char *gaff_cstr(gaff_req *req, gaff_str s); /* NUL-terminated copy, same lifetime */
GAFF_API gaff_app *gaff_app_of(const gaff_req *req);

/* --- the reply: each returns the status, so that `return gaff_...` is the whole answer ---------
 */

GAFF_API int gaff_ok(gaff_req *req); /* 200, {"ok":true} */
GAFF_API int gaff_text(gaff_req *req, int status, const char *fmt, ...) GAFF_PRINTF(3, 4);
/* A JSON reply in printf style: %s and %.*s are written as quoted, escaped strings (NULL: null),
 * numbers as they are: gaff_json(req, 200, "{\"id\": %d, \"name\": %s}", id, name). Knows %s %.*s
 * %d %i %u %ld %lu %lld %llu %zu %f %g and %%. */
GAFF_API int gaff_json(gaff_req *req, int status, const char *fmt, ...) GAFF_PRINTF(3, 4);
GAFF_API int gaff_bytes(gaff_req *req, int status, const char *content_type, gaff_str body);
/* {"error":{"code":...,"message":...}} */
GAFF_API int gaff_fail(gaff_req *req, int status, const char *fmt, ...) GAFF_PRINTF(3, 4);
/* For webhooks: failed now, try again by the schedule; the reason is kept with the attempt. */
GAFF_API int gaff_retry(gaff_req *req, const char *fmt, ...) GAFF_PRINTF(2, 3);
GAFF_API void gaff_set_header(gaff_req *req, const char *name, const char *value);

/* --- verification and signing alone, for use inside another server -----------------------------
 */

/* A secret, or a public key (PEM, JWK, base64) where the provider signs with a private one. */
typedef struct gaff_secret {
    const char *value; /* as the provider shows it; no reference */
    int64_t not_after; /* Unix seconds: from then on it is not used; 0: for ever */
} gaff_secret;

typedef struct gaff_field {
    const char *name;
    gaff_str value;
} gaff_field;

/* A request, as it came or as it is going to be sent. What is 0 or NULL is not there. */
typedef struct gaff_message {
    const char *method; /* NULL: "POST" */
    /* As the provider has it, "https://example.org/hook?a=1", or "/hook?a=1": some sign it. */
    const char *url;
    /* Every header field as it was received, repeated ones too: a doubled signature is refused. */
    const gaff_field *headers;
    size_t header_count; /* at most 200 */
    gaff_str body;       /* the bytes as received, before any parser has touched them */
    const char *peer;    /* the client's address, for providers that are known by theirs */
    /* What the provider's file asks for beside the secret (docs/reference/providers.md). */
    const gaff_field *options;
    size_t option_count; /* at most 16 */
    /* For providers whose public keys lie at a URL: gives what is there (a JWKS, a certificate),
     * from a cache of your own; missing when it cannot be had. Only asked for https URLs at hosts
     * that are the provider's. NULL: such a provider is never verified. The value must stay valid
     * until gaff_verify returns. */
    gaff_str (*fetch)(const char *url, void *arg);
    void *fetch_arg;
    const char *id;         /* gaff_sign: the delivery's id; NULL: a new one is made */
    const char *event_type; /* gaff_sign: for providers that name it in a header */
} gaff_message;

#define GAFF_WHY_MAX 640

/* Did provider, holding one of the secrets (1 to 8 that have not ended; none where none is used),
 * send message? GAFF_OK, or GAFF_UNAUTHORIZED, GAFF_STALE (all is right but the time), GAFF_UNKNOWN
 * (no such provider), GAFF_INVALID (a secret, an option or the URL cannot be one), GAFF_LIMIT (too
 * many headers). now: Unix seconds. why gets what the daemon would store with such a request: what
 * was compared and which usual cause fits; never a secret. Looking for the cause costs a few more
 * checks; NULL looks for none, and a refusal then costs what an acceptance does. A call reads the
 * provider's file and prepares the secrets anew, some tens of microseconds: a webhook of an app
 * prepares them once. */
GAFF_API gaff_err gaff_verify(const char *provider, const gaff_secret *secrets, size_t secret_count,
                              const gaff_message *message, int64_t now, char why[GAFF_WHY_MAX]);
/* The header lines ("Name: value\r\n"...) that provider would send with message, signed with the
 * first of the secrets that has not ended, into out (NUL-terminated). GAFF_LIMIT when out_size is
 * too small; GAFF_INVALID where the signature is no header or the secret signs nothing. */
GAFF_API gaff_err gaff_sign(const char *provider, const gaff_secret *secrets, size_t secret_count,
                            const gaff_message *message, int64_t now, char *out, size_t out_size,
                            char why[GAFF_WHY_MAX]);

/* --- tests without sockets ------------------------------------------------------------------- */

typedef struct gaff_reply {
    int status;
    char *head; /* status line and fields; NUL-terminated */
    char *body; /* NUL-terminated, body_len bytes */
    size_t body_len;
} gaff_reply;
/* Sends one request through everything but the socket and gives its reply (free it with
 * gaff_reply_free). headers: "Name: value\r\n" lines or NULL. A webhook of a provider that can be
 * signed for is signed with its own secret when `headers` is NULL. Starts the app with a store in
 * memory and no listener when it is not running. */
GAFF_API gaff_err gaff_test(gaff_app *app, const char *request_line, const char *headers,
                            const char *body, gaff_reply *reply);
/* Waits until every stored event was handled for now (retries that are due later not counted). */
GAFF_API gaff_err gaff_test_settle(gaff_app *app);
GAFF_API void gaff_reply_free(gaff_reply *reply);

#ifdef __cplusplus
}
#endif
#endif
