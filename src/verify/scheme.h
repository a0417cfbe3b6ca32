/* scheme.h -- the ways to prove where a request comes from, one small file each (scheme_hmac.c,
 * scheme_token.c, ...), behind one table of operations; and what a provider file says, compiled.
 *
 * To add a scheme: an ops table in a file of its own, its name in SCHEMES. Everything around it
 * (where the signature is, how it is written, timestamps, secrets, messages) exists once, in
 * recipe.c and verify.c. Internal to verify/. */
#ifndef GAFF_VERIFY_SCHEME_H
#define GAFF_VERIFY_SCHEME_H

#include "base/secret.h"
#include "http/address.h"
#include "verify/crypto.h"
#include "verify/reference.h"
#include "verify/verify.h"

/* --- where a signature is and how it is written ------------------------------------------------
 */

#define SIGNATURE_NAMES_MAX 8

/* base64-hex: hex digits, and those in base64. */
enum encoding {
    ENCODING_HEX,
    ENCODING_BASE64,
    ENCODING_BASE64URL,
    ENCODING_RAW,
    ENCODING_BASE64_HEX,
    ENCODING_BASE64_BARE /* without its padding */
};
extern const char *const encoding_words[]; /* NULL-terminated, by enum encoding */

struct signature_rule {
    struct ref from[SIGNATURE_NAMES_MAX]; /* each that is there brings candidates */
    size_t from_count;
    struct field_rule fields;
    str pick[SIGNATURE_NAMES_MAX]; /* names of the fields that are signatures */
    size_t pick_count;
    str prefix;         /* "sha256=": must be there, is taken off */
    bool prefix_nocase; /* "Basic " of RFC 9110 */
    str strip;          /* is taken off if there */
    bool unwrap;        /* the value is base64 of what follows */
    str member;         /* ... JSON, of which this member is the signature; empty: not so */
    bool is_raw_pair;   /* ECDSA: r and s, not DER */
    enum encoding encoding;
};

#define CANDIDATE_BYTES_MAX 8192 /* decoded, all candidates of one request */

struct candidates {
    str v[VERIFY_CANDIDATES_MAX]; /* decoded */
    size_t count;                 /* the well-formed ones */
    size_t offered;               /* all */
    size_t used;
    uint8_t bytes[CANDIDATE_BYTES_MAX];
};

/* Decodes the candidates of one source's value into c, in addition to what is there. Those that
 * are not of `bytes` bytes (0: any length) or not well-formed are counted as offered only. */
void candidates_add(struct candidates *c, const struct signature_rule *r, str value, size_t bytes);
/* The value inside a wrapping, in the arena; STR_NONE when it is none. */
str signature_unwrap(const struct signature_rule *r, struct arena *a, str value);
/* The header value for a signature, in the arena; ts is put among the fields as ts_field if
 * that is not empty. */
str signature_write(const struct signature_rule *r, struct arena *a, str signature, str ts_field,
                    str ts);

/* --- secrets -----------------------------------------------------------------------------------
 */

struct key_rule {
    enum encoding encoding;
    str prefix;           /* must be there, is taken off */
    str private_prefix;   /* the same for a key that signs: "whsk_" */
    str strip;            /* is taken off if there */
    struct pieces format; /* "{{ secret }}&": what the key is made of; count 0: the secret */
    bool has_derive;
    enum digest derive; /* the key is this digest of it */
    bool has_select;
    struct ref select; /* names the key: those with another name are not tried */
    str *pinned;       /* the provider's own keys, which stand in its file */
    size_t pinned_count;
    bool has_url;
    struct pieces url; /* where the key lies */
    str *hosts;        /* ... at one of these hosts; a star is one label */
    size_t host_count;
    str member; /* of the JSON text that is there */
    int64_t ttl_ms;
};

struct key {
    bool usable; /* the secret fits this scheme's key format */
    str id;      /* as the source names it; empty: no name. Its owner's */
    struct secret bytes;
    void *state;  /* the scheme's prepared key */
    str accepted; /* the verdict's text when it matches; NUL-terminated, its owner's */
};

/* --- schemes -----------------------------------------------------------------------------------
 */

#define PREHASH_MAX 2

enum timestamp_unit { UNIT_S, UNIT_MS, UNIT_ISO, UNIT_ISO_UTC, UNIT_AUTO, UNIT_NONCE };

/* Milliseconds since 1970 of a timestamp as it was sent. */
bool timestamp_read(str text, enum timestamp_unit unit, int64_t *ms);

struct timestamp_rule {
    struct ref from;
    enum timestamp_unit unit;
    int64_t tolerance_ms;
};

#define CONDITIONS_MAX 8
struct scheme;

struct condition {
    struct ref ref;
    str equals; /* compared in constant time; STR_NONE: any value will do; "": absent or empty */
};
bool condition_holds(const struct condition *c, struct view *w);
/* Reads "when": a mapping of references to values; 0 with problems. Cheap ones come first. */
size_t conditions_compile(struct condition out[CONDITIONS_MAX], struct arena *a,
                          const struct yaml *node, unsigned allowed, struct problems *p);

/* What must be equal beside the signature: a digest of the body in a signed parameter. */
struct assertion {
    struct ref ref;
    struct pieces value;
};

bool asserts_compile(struct scheme *s, struct arena *a, const struct yaml *node, unsigned allowed,
                     struct problems *p);

struct claim_rule {
    str name;
    bool any; /* must only be there */
    struct pieces value;
};

struct jose_rule {
    unsigned algorithms; /* bits, of jose_algorithms */
    bool keyed;          /* they are HMACs */
    struct claim_rule *claims;
    size_t claim_count;
    int64_t leeway_ms, max_age_ms;
};
/* Reads algorithms, claims, leeway, max-age. */
void jose_compile(struct scheme *s, struct arena *a, const struct yaml *node, struct problems *p);
#define REFS_CLAIM                                                                                 \
    (REFS_OF_REQUEST | REF_BIT(REF_BODY) | REF_BIT(REF_URL) | REF_BIT(REF_URL_PORT) |              \
     REF_BIT(REF_METHOD) | REF_BIT(REF_PATH) | REF_BIT(REF_TARGET) | REF_BIT(REF_RAW))

#define TOLERANCE_MAX_MS (24 * 3600 * 1000)
#define COMPONENTS_MAX 32 /* that a file may ask for */

/* What RFC 9421 leaves to the two sides. */
struct message_rule {
    unsigned algorithms; /* bits, of message_algorithms */
    bool keyed;          /* they are HMACs */
    bool body_unsigned;
    str *components; /* that must be covered, canonical; none: method, URL, and a body's digest */
    size_t component_count;
    str keyid, tag; /* signatures with others do not count; what is signed has them */
};
/* Reads algorithms, components, keyid, tag, tolerance. */
void message_compile(struct scheme *s, struct arena *a, const struct yaml *node,
                     struct problems *p);
#define MESSAGE_FIELDS 3

/* Which client certificates count: of each kind that is given one must be it. */
#define PINS_MAX 32
struct pins {
    str *v;
    size_t count; /* 0: any */
};
struct mtls_rule {
    struct pins subjects, issuers, names, fingerprints;
};
/* Reads subject, san, issuer, fingerprint. */
void mtls_compile(struct scheme *s, struct arena *a, const struct yaml *node, struct problems *p);
enum mtls_verdict { MTLS_FITS, MTLS_NO_CERTIFICATE, MTLS_ENDED, MTLS_OTHER };
enum mtls_verdict mtls_judge(const struct scheme *s, const struct tls_peer *peer, int64_t now_ms);

#define ITEMS_MAX 10000 /* of `each` */

struct scheme_ops {
    const char *word; /* as provider files say it */
    bool needs_secret;
    bool signs_text;        /* has `signed`; its signatures are encoded bytes of fixed length */
    bool has_digest;        /* has `hash` */
    bool is_credential;     /* what is sent is the secret itself */
    bool is_public;         /* keys are public: PEM, DER, JWK */
    bool is_jose;           /* what is sent is a JWS in compact form */
    bool is_message;        /* the request says itself what is signed (RFC 9421) */
    const char *credential; /* how the Authorization header begins: "Basic " */
    enum encoding credential_encoding;
    const char *secret_form; /* what a secret looks like, for people */

    size_t (*signature_bytes)(const struct scheme *s); /* NULL: any length */
    /* Builds k->state from k->bytes. False with *why when they are no key. NULL: nothing to do. */
    bool (*prepare)(const struct scheme *s, struct key *k, bool for_signing, struct reason *why);
    void (*discard)(struct key *k); /* frees k->state */
    /* What the sender must have sent: a digest into scratch, or the secret. STR_NONE when a
     * reference of the signed text has no value (w->missing). For schemes whose verifier can
     * compute the signature. */
    str (*compute)(const struct scheme *s, struct key *k, struct view *w,
                   uint8_t scratch[DIGEST_BYTES_MAX]);
    /* For the others: does this signature fit? *able is false as STR_NONE above. */
    bool (*check)(const struct scheme *s, struct key *k, struct view *w, const struct candidates *c,
                  bool *able);
    /* The signature for sign.h, in the arena; STR_NONE as above. NULL: cannot be produced. */
    str (*sign)(const struct scheme *s, struct key *k, struct view *w);
    /* Instead of sign, for a signature that is several fields: in the arena; those without a name
     * are none. */
    enum err (*sign_fields)(const struct scheme *s, struct key *k, struct view *w,
                            struct http_field out[MESSAGE_FIELDS], struct reason *why);
    /* Instead of the signed text, for explain.h. */
    void (*explain)(const struct scheme *s, struct view *w, struct buf *out);
};

/* One alternative of a provider, compiled. */
struct scheme {
    const struct scheme_ops *ops;
    enum digest digest;
    struct key_rule key;
    struct signature_rule signature;
    bool has_id, has_timestamp;
    struct ref id;
    struct timestamp_rule timestamp;
    struct pieces signed_text;
    bool has_text;
    struct pieces text; /* {{ text }}: a part that is passed through filters as one */
    struct jose_rule jose;
    struct message_rule message;
    struct mtls_rule mtls;
    struct condition *when; /* all must hold, or the alternative is passed over */
    size_t when_count;
    struct assertion *asserts;
    size_t assert_count;
    bool has_each;
    str each; /* the JSON path of a list: every item is verified by itself */
    enum digest prehash[PREHASH_MAX];
    size_t prehash_count;
    str what; /* "hmac-sha256 of the body", for people */
};

#define SCHEMES(X)                                                                                 \
    X(hmac)                                                                                        \
    X(hash)                                                                                        \
    X(ed25519)                                                                                     \
    X(rsa)                                                                                         \
    X(rsa_pss)                                                                                     \
    X(ecdsa)                                                                                       \
    X(jwt)                                                                                         \
    X(jws)                                                                                         \
    X(paytm)                                                                                       \
    X(rfc9421)                                                                                     \
    X(token)                                                                                       \
    X(basic)                                                                                       \
    X(bearer)                                                                                      \
    X(ip)                                                                                          \
    X(mtls)                                                                                        \
    X(none)
#define X(name) extern const struct scheme_ops scheme_##name;
SCHEMES(X)
#undef X
#define X(name) +1
enum { SCHEME_COUNT = 0 SCHEMES(X) };
#undef X
extern const struct scheme_ops *const scheme_list[SCHEME_COUNT];

/* Compiles `verify:` or one item of its `any:`; s is zeroed. False with problems. */
bool scheme_compile(struct scheme *s, struct arena *a, const struct yaml *node, struct problems *p);
/* A reference or a list of them; returns how many. */
size_t refs_compile(struct ref *out, size_t max, struct arena *a, const struct yaml *node,
                    unsigned allowed, struct problems *p);
#define KEY_BYTES_MAX 4096
/* Decodes the secret as configured and makes the key ready; k is zeroed. False with *why, which
 * never shows any of the secret; k is to be released all the same. */
bool key_prepare(struct key *k, const struct scheme *s, str secret, bool for_signing,
                 struct reason *why);
/* Frees what prepare made, wipes the bytes. */
void key_release(const struct scheme *s, struct key *k);

/* --- a provider file, compiled -----------------------------------------------------------------
 */

#define RECIPE_LIST_MAX 8

/* Whether a handshake must prove itself: always, never, or if it carries a signature at all. */
enum greet_proof { GREET_SIGNED, GREET_UNSIGNED, GREET_IF_PRESENT };

#define REFS_REPLY (REFS_OF_REQUEST | REF_BIT(REF_TEXT))

struct handshake {
    struct condition when[CONDITIONS_MAX];
    size_t when_count;
    enum greet_proof proof;
    bool has_text, learns, fetches;
    struct pieces text; /* {{ text }} */
    struct ref learn;   /* the secret that the provider gives */
    struct ref fetch;   /* the URL that confirms */
    str *hosts;         /* ... at one of these */
    size_t host_count;
    int status;
    str content_type, field_names[GREETING_FIELDS_MAX];
    struct pieces body, field_values[GREETING_FIELDS_MAX];
    size_t field_count;
};

struct recipe {
    struct scheme *alternatives;
    size_t alternative_count;
    struct ref delivery_ids[RECIPE_LIST_MAX], event_types[RECIPE_LIST_MAX];
    size_t delivery_id_count, event_type_count;
    struct handshake *handshakes;
    size_t handshake_count;
    struct greeting answer; /* status 0: no wish */
    struct net *allow_from;
    size_t allow_count;
};

/* True when some handshake comes by this method. */
bool recipe_greets_by(const struct recipe *r, str method);
void handshakes_compile(struct recipe *r, struct arena *a, const struct yaml *node,
                        struct problems *p);
/* Compiles a provider file (options already put in) into the arena. NULL with problems. */
struct recipe *recipe_compile(struct arena *a, const struct yaml *file, struct problems *p);
/* The signed text in one piece, its prehash done; out is to be released in any case. */
bool signed_text_gather(const struct scheme *s, struct view *w, struct buf *out);
/* Names of hosts, perhaps with a port, that leave no whole domain open. */
bool host_patterns_are_good(const str *hosts, size_t count);
/* True when url is https at a host that one of the patterns allows. */
bool key_url_is_allowed(const str *hosts, size_t count, str url);
/* True when what is configured is known to everybody: a public key. */
bool scheme_has_public_key(const struct scheme *s);
/* False for alternatives that need no proof, or whose keys are the provider's own. */
bool scheme_needs_secret(const struct scheme *s);
/* True when some alternative can use a secret. */
bool recipe_needs_secret(const struct recipe *r);

/* --- options: {{ config:NAME }} in a provider file ------------------------------------------- */

struct option_values {
    const str *keys, *values;
    size_t count;
};

/* A deep copy of the file with every {{ config:NAME }} replaced; a value that mentions an empty
 * option counts as not written, and a mapping whose `from` goes that way is left out whole.
 * Without `given` every option has its initial value. Replaced scalars get the place of `place` if
 * it is not NULL. NULL with problems: an unknown or a missing option. */
struct yaml *options_apply(struct arena *a, const struct yaml *file,
                           const struct provider_option *options, size_t option_count,
                           const struct option_values *given, const struct yaml *place,
                           struct problems *p);
struct yaml *yaml_copy(struct arena *a, const struct yaml *node);

/* --- what provider.c keeps ---------------------------------------------------------------------
 */

struct provider {
    str id, title;
    struct provider_facts facts;
    const struct yaml *file; /* in the table's arena */
    struct provider_option *options;
    size_t option_count;
    bool needs_options;    /* one is required: recipe is made of examples, not to be used */
    struct recipe *recipe; /* with the options' initial values */
    bool embedded;
};

/* Compiles a provider file, or the content of `verify:` alone, into the arena. NULL with problems.
 */
struct provider *provider_compile(struct arena *a, const struct yaml *file,
                                  struct problems *problems);
/* One of Gaff's own files, parsed into the arena; NULL when there is none of that id. */
const struct yaml *provider_embedded_file(struct arena *a, str id);

#endif
