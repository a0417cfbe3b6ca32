/* reference.h -- what a provider file can name in a request (a header, a JSON field, the body)
 * and how it is looked up while one request is being judged or one signature made.
 *
 * A reference is written as in templates, without the braces where a setting names just one:
 * `from: "header:X-Signature"`, `delivery-id: ".id"`. Internal to verify/. */
#ifndef GAFF_VERIFY_REFERENCE_H
#define GAFF_VERIFY_REFERENCE_H

#include "base/problem.h"
#include "base/template.h"
#include "http/message.h"

enum ref_kind {
    REF_BODY,
    REF_TS,  /* the timestamp as it was written */
    REF_ID,  /* the message id */
    REF_URL, /* public_url (or the Host) and the target */
    REF_METHOD,
    REF_PATH,
    REF_SECRET,
    REF_HEADER,
    REF_QUERY,
    REF_FORM,
    REF_FIELD,  /* a named part of the signature header */
    REF_TARGET, /* the path with its query */
    REF_QUERY_STRING,
    REF_URL_PORT,   /* the URL with its port, if it is the usual one too */
    REF_FORM_PAIRS, /* what follows gathers many values: verify/gather.c */
    REF_FORM_QUERY,
    REF_JSON_QUERY,
    REF_JSON_LIST,
    REF_SIGNED_HEADERS,
    REF_FIELD_HEADERS,
    REF_JSON_LEAVES,
    REF_SORTED_QUERY,
    REF_FORM_PHP,
    REF_PLIVO,
    REF_JOSE_HEADERS,
    REF_RAW,       /* the bytes of a JSON member as they stand in the body */
    REF_FORM_JSON, /* a value of a JSON text that is a form field */
    REF_JSON,
    REF_ITEM,  /* a value of the item at hand, with `each` */
    REF_CLAIM, /* a claim of the token that was verified */
    REF_JOSE,  /* a member of the header of a JWS */
    REF_TEXT,  /* the alternative's or the handshake's `text` */
    REF_KINDS,
};

struct ref {
    enum ref_kind kind;
    str arg;
    str label; /* for people: "X-Hub-Signature-256", "field t of Stripe-Signature" */
};

/* A set of kinds, 1u << REF_BODY | ...: what is allowed at a place. */
#define REF_BIT(kind) (1u << (kind))
#define REFS_OF_REQUEST                                                                            \
    (REF_BIT(REF_HEADER) | REF_BIT(REF_QUERY) | REF_BIT(REF_FORM) | REF_BIT(REF_FORM_JSON) |       \
     REF_BIT(REF_JSON))

#define PIECE_FILTERS_MAX 4
struct piece {
    bool is_ref;
    bool optional;
    str text; /* when not is_ref */
    struct ref ref;
    str filters[PIECE_FILTERS_MAX];
    size_t filter_count;
};

/* A template compiled down to what verify/ can look up without comparing names. */
struct pieces {
    struct piece *v;
    size_t count;
    unsigned mentions; /* REF_BIT of every reference */
    str source;        /* the template's text */
};

/* Reads one reference; false with a problem at node. */
bool ref_compile(struct ref *out, struct arena *a, const struct yaml *node, unsigned allowed,
                 struct problems *p);
bool pieces_compile(struct pieces *out, struct arena *a, const struct yaml *node, unsigned allowed,
                    struct problems *p);

/* How the parts of a signature header are written: "t=1,v1=ab", "v1,ab v1,cd"; 0: not so. */
struct field_rule {
    char separator, assign;
};

enum problem_kind {
    PROBLEM_NONE,
    PROBLEM_MISMATCH,
    PROBLEM_STALE,
    PROBLEM_KEY,
    PROBLEM_MALFORMED,
    PROBLEM_DOUBLED,
    PROBLEM_UNCOVERED /* what must be signed is not */
};

struct key_source;
struct sf_item;

/* What references are looked up in: one request, and what was found out about it so far. */
struct view {
    struct http_request *req;
    struct arena *arena;
    str public_url;
    int64_t now_ms;
    int64_t tolerance_ms; /* the source's own; 0: the scheme's */
    int64_t made_ms;      /* when a signature that says so itself was made; 0: it does not */
    const struct sf_item *signed_input; /* what the verified message signature says of itself */
    const struct key_source *keys;      /* for keys that lie at a URL; NULL: none can be had */
    str ts, id;
    str secret;                  /* the key's bytes, for {{ secret }} and the hmac filters */
    str text;                    /* `text` of the handshake or alternative at hand */
    const struct json *item;     /* the item at hand, with `each` */
    const struct json *jose;     /* the header of the JWS at hand */
    const struct json *claims;   /* of the verified token */
    struct json_doc *claims_doc; /* to be freed with the view */
    str field_text;              /* the signature header, for field:NAME */
    struct field_rule fields;    /* how to cut it */
    /* After a failure: */
    const struct ref *missing; /* what has no value */
    bool doubled;              /* ... because it is there more than once */
    bool key_pending;          /* a key is being fetched: nothing can be said yet */
    enum problem_kind problem;
    char problem_text[200];
};

/* An empty view. Assigned one by one, for it is made for every request: compilers clear a struct of
 * this size by an instruction that costs as much as looking up five header fields. */
static inline void view_init(struct view *w, struct http_request *req, str public_url,
                             int64_t now_ms, const struct key_source *keys)
{
    w->req = req;
    w->arena = req->arena;
    w->public_url = public_url;
    w->now_ms = now_ms;
    w->tolerance_ms = w->made_ms = 0;
    w->signed_input = NULL;
    w->keys = keys;
    w->ts = w->id = w->secret = w->text = w->field_text = STR_NONE;
    w->item = w->jose = w->claims = NULL;
    w->claims_doc = NULL;
    w->fields.separator = w->fields.assign = '\0';
    w->missing = NULL;
    w->doubled = w->key_pending = false;
    w->problem = PROBLEM_NONE;
    w->problem_text[0] = '\0';
}

/* Says why a proof that is well-formed does not count; the first one stays. */
void view_problem(struct view *w, enum problem_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);

enum presence { ABSENT, PRESENT, DOUBLED };

/* The one scalar at a dotted path: null, lists and objects count as absent, and so does an empty
 * path that leads to none; DOUBLED when a member on the way is there twice. */
enum presence json_lookup(struct arena *a, const struct json *root, str path, str *out);
/* The one value at a dotted path, of any kind. */
enum presence json_walk(struct arena *a, const struct json *root, str path,
                        const struct json **out);
/* The one pair of that name in application/x-www-form-urlencoded text, decoded. */
enum presence pair_get(struct arena *a, str text, str name, str *out);
/* The one header field of that name. */
enum presence header_get(const struct http_fields *f, str name, str *out);

/* The one value of r. An empty value is PRESENT. */
enum presence view_get(struct view *w, const struct ref *r, str *out);
/* The references that gather many values into one text (gather.c). */
enum presence gather_get(struct view *w, const struct ref *r, str *out);

/* The values of a form in the order of their names, joined with '|', but for field `without`; those
 * that are "null" count as empty (Paytm). STR_NONE when it is malformed. */
str gather_form_values(struct arena *a, str form, str without);
/* What Atlassian Connect hashes of a request: the method, the path, and the query sorted by name
 * without its token. */
str gather_connect(struct arena *a, str method, str target);

/* Filters of provider files beside the built-in ones (filters.c). */
bool filter_is_known(str name);
str filter_apply(str name, str in, struct view *w);

/* True when part is "name=value"; it then becomes the value. */
static inline bool field_cut(str *part, str name, char assign)
{
    if (part->n <= name.n || part->p[name.n] != assign ||
        (name.n && memcmp(part->p, name.p, name.n) != 0))
        return false;
    part->p += name.n + 1;
    part->n -= name.n + 1;
    return true;
}
/* The one value of field name in text; where fields have no names, of that number. */
enum presence field_get(str text, struct field_rule rule, str name, str *out);

/* Hands the expansion to sink part by part. False when a value that is not optional is absent or
 * doubled, or a filter cannot take it: then w->missing says which. */
typedef void piece_sink(void *arg, str part);
bool pieces_feed(const struct pieces *t, struct view *w, piece_sink *sink, void *arg);
/* The expansion in the arena (of at most max bytes), STR_NONE on failure. A single unfiltered
 * reference is not copied. */
str pieces_text(const struct pieces *t, struct view *w, size_t max);

#endif
