/* verify.h -- did the one who claims to have sent this really send it? Bytes and a clock in, a
 * verdict out; no I/O; time that depends on no secret.
 *
 * Rules the engine owns and no preset can change: signatures are compared decoded, in constant
 * time and full length; a missing, empty or doubled signature source is refused; tolerance is
 * two-sided; at most VERIFY_CANDIDATES_MAX candidates are tried; no secret means refused. */
#ifndef GAFF_VERIFY_VERIFY_H
#define GAFF_VERIFY_VERIFY_H

#include "base/buf.h"
#include "base/problem.h"
#include "http/address.h"
#include "http/message.h"
#include "verify/keys.h"
#include "verify/provider.h"

#define VERIFY_CANDIDATES_MAX 16
#define VERIFY_SECRETS_MAX 8

#define VERDICTS(X)                                                                                \
    X(VERIFIED, "verified", 200)                                                                   \
    X(UNVERIFIED, "unverified", 200) /* scheme none: accepted, so marked */                        \
    X(NO_SIGNATURE, "no_signature", 401)                                                           \
    X(DOUBLE_SIGNATURE, "double_signature", 401)                                                   \
    X(MALFORMED, "malformed_signature", 401)                                                       \
    X(MISMATCH, "bad_signature", 401)                                                              \
    X(STALE, "stale_timestamp", 401)                                                               \
    X(BAD_TIMESTAMP, "bad_timestamp", 401)                                                         \
    X(BAD_CREDENTIALS, "bad_credentials", 401)                                                     \
    X(ADDRESS, "address_not_allowed", 403)                                                         \
    X(MISSING_INPUT, "missing_input", 401) /* something the signed text needs is absent */         \
    X(NO_KEY, "no_key", 401)               /* the provider has no such key, or it is not his */    \
    X(KEY_PENDING, "key_pending", 503)     /* its public key is being fetched: ask again */
enum verdict_code {
#define X(name, word, status) VERDICT_##name,
    VERDICTS(X)
#undef X
        VERDICT_COUNT
};
const char *verdict_word(enum verdict_code c);
int verdict_status(enum verdict_code c); /* the HTTP answer for it */

struct verdict {
    enum verdict_code code;
    int secret_index;     /* which secret matched; -1 */
    int64_t timestamp_ms; /* the sender's, 0 when the scheme has none */
    str delivery_id;      /* for deduplication; STR_NONE when absent. In the request or its arena */
    str event_type;       /* "push"; STR_NONE when absent */
    char text[384];       /* one sentence for explain, never a secret or a right signature:
                           * "X-Hub-Signature-256 does not match hmac-sha256 of the body under any
                           * of 2 secrets; is the secret the one set at GitHub?" */
};

struct verifier_options {
    const struct provider *provider; /* must outlive the verifier */
    const str *secrets;              /* as configured; copied */
    size_t secret_count;
    const str *secret_ids;        /* names of keys, where requests name theirs; may be NULL */
    const struct net *allow_from; /* addresses allowed; none: any */
    size_t allow_count;
    str public_url;       /* "https://hooks.example.org"; preferred over Host for {{ url }} */
    int64_t tolerance_ms; /* 0: the provider's */
    const struct key_source *keys; /* who fetches public keys; NULL: nobody. Must outlive it */
    const str *config_keys, *config_values; /* {{ config:KEY }} */
    size_t config_count;
    bool may_learn; /* no secret yet: the provider gives it in a handshake; until then all is
                     * refused */
};

/* One source's verifier. Used by one thread at a time: keyed contexts are kept inside; make one
 * for each loop. Freed with its secrets wiped. */
struct verifier;
/* NULL with problems reported: secret missing, malformed for the provider's key format, ... */
struct verifier *verifier_new(const struct verifier_options *o, const struct yaml *place,
                              struct problems *p);
void verifier_free(struct verifier *v);

/* Fills *out; req is mutable for its lazily parsed parts only. */
void verifier_check(struct verifier *v, struct http_request *req, int64_t now_ms,
                    struct verdict *out);

/* True when this header field carries the secret itself (a token, a password): it must not be kept.
 */
bool verifier_hides(const struct verifier *v, str header);

/* The target without the values of the query parameters that carry a secret or a token; the target
 * itself when there are none, STR_NONE when the arena is full. */
str verifier_shown_target(const struct verifier *v, struct arena *a, str target);

/* A provider's handshake (challenge, CRC, PING): true when this request is one and was answered
 * into *greeting, which lives in req's arena. Handshakes that the scheme wants signed are only
 * answered when verdict says VERIFIED; call before the check with verdict == NULL for those that
 * are not, and after with the verdict. */
#define GREETING_FIELDS_MAX 4
struct greeting {
    int status;
    str content_type, body;
    struct http_field fields[GREETING_FIELDS_MAX];
    size_t field_count;
    str learn;     /* a secret to be kept before the answer goes out; STR_NONE: none */
    str fetch_url; /* to be fetched, at a host that the file names; STR_NONE: none */
};
bool verifier_greets_by(const struct verifier *v, str method); /* some handshake's method */
bool verifier_greet(struct verifier *v, struct http_request *req, const struct verdict *verdict,
                    struct greeting *out);
/* The provider's own expected answer to a stored event (status, type, body); 200/empty body as
 * status 0 when it has no wish. */
void verifier_answer(const struct verifier *v, struct greeting *out);

#endif
