/* model.h -- the rows: event, delivery, attempt, rejected request, and objects of any kind. Plain
 * data; slices belong to whoever filled the struct in (a batch's builder, or the arena a query was
 * given). */
#ifndef GAFF_STORE_MODEL_H
#define GAFF_STORE_MODEL_H

#include "base/clock.h"
#include "base/str.h"

#define DELIVERY_STATES(X)                                                                         \
    X(PENDING, "pending")     /* due at next_ms, nobody holds it */                                \
    X(CLAIMED, "claimed")     /* leased: in a lane's window or being attempted */                  \
    X(DELIVERED, "delivered") /* done */                                                           \
    X(DEAD, "dead")           /* gave up: dead letter, replayable */                               \
    X(SKIPPED, "skipped")     /* filtered at delivery time, with the reason */                     \
    X(CANCELLED, "cancelled") /* by hand, or its destination is gone */
enum delivery_state {
#define X(name, word) DELIVERY_##name,
    DELIVERY_STATES(X)
#undef X
        DELIVERY_STATE_COUNT
};
const char *delivery_state_word(enum delivery_state s);
bool delivery_state_parse(str word, enum delivery_state *out);
/* The table of allowed moves; a move that is not in it is a bug or a conflict. */
bool delivery_may_move(enum delivery_state from, enum delivery_state to);

struct event {
    uint64_t id;           /* id.h; also its place in time */
    int64_t received_ms;   /* wall clock at arrival; timestamps were judged against it */
    str source;            /* configured name; "app" for events of gaff_emit */
    str provider;          /* id, "" when none */
    str type;              /* event type, may be empty */
    str dedupe_key;        /* the provider's delivery id, may be empty */
    uint8_t body_hash[16]; /* str_fingerprint of the body */
    str verdict;           /* word, e.g. "verified" */
    str verdict_text;      /* the sentence */
    str method, target, peer;
    str head; /* header fields as "Name: value\r\n" lines, as received and in order */
    str body;
    str trace;      /* lines "route NAME: matched -> a, b" / "route NAME: no: why" */
    uint32_t flags; /* EVENT_* */
};
#define EVENT_ID_REUSED 1u /* same delivery id as an earlier event, but another body */
#define EVENT_REPLAYED 2u
#define EVENT_EXPUNGED 8u /* its body was taken out (store_expunge) */
#define EVENT_LISTED 4u   /* the events of its source are listed without looking at others */
/* A listed event's dedupe_key is its own in its source: a further key (struct event_key) under this
 * scope and the source's name. */
#define MESSAGE_ID_SCOPE "\1message-uid\1"
#define MESSAGE_ID_WINDOW_MS (30 * 24 * 3600 * INT64_C(1000))
/* Its other further key is that of the request it was made with, and known for a day. */
#define MESSAGE_REQUEST_WINDOW_MS (24 * 3600 * INT64_C(1000))

struct delivery {
    uint64_t id;
    uint64_t event_id;
    str destination;    /* configured name */
    str route;          /* which route planned it */
    uint64_t order_key; /* hash; deliveries of one key go in order; 0: none */
    enum delivery_state state;
    uint32_t attempts; /* made so far */
    int64_t created_ms;
    int64_t next_ms;    /* when due; meaningless once final */
    int64_t settled_ms; /* when it reached a final state; 0 */
    str reason;         /* why it is in its state: "HTTP 503 after 10 attempts" */
    bool listed;        /* those of its destination are listed without looking at others */
    /* For a claimed one: where its event lies, so that loading costs no lookup. 0: unknown. */
    uint64_t locator;
};

#define ATTEMPT_RESULTS(X)                                                                         \
    X(SUCCESS, "success")                                                                          \
    X(RETRY, "retry")                                                                              \
    X(PERMANENT, "permanent")                                                                      \
    X(SKIPPED, "skipped")                                                                          \
    X(CANCELLED, "cancelled")                                                                      \
    X(LOST, "lost") /* the daemon died while it ran: outcome unknown */
enum attempt_result {
#define X(name, word) ATTEMPT_##name,
    ATTEMPT_RESULTS(X)
#undef X
};
const char *attempt_result_word(enum attempt_result r);

/* "superseded by dlv_...": why an older delivery of a key was cancelled. */
#define SUPERSEDED_TEXT_MAX 64
str superseded_text(uint64_t by, char out[SUPERSEDED_TEXT_MAX]);

struct attempt {
    uint64_t id; /* of id.h, made when it started; 0: in no list but that of its delivery */
    uint64_t delivery_id;
    uint32_t number; /* 1-based */
    enum attempt_result result;
    int64_t started_ms;
    int64_t duration_us;
    int status;      /* HTTP status, exit code, 0 */
    str error_class; /* "timeout", "exit", "" ... a short word */
    str summary;     /* one sentence: "HTTP 503 Service Unavailable" */
    str request;     /* head as sent or argv, redacted, bounded */
    str response;    /* head and body, or stdout+stderr, bounded */
    str timing;      /* JSON object of microseconds, may be empty */
    /* Set by store_attempt_log alone: whose it is. */
    uint64_t event_id;
    str destination, event_type;
};

struct rejection { /* a request that was refused after it reached a source; a bounded ring */
    uint64_t id;
    int64_t received_ms;
    str source, verdict, verdict_text;
    str method, target, peer, head;
    str body; /* cut at 64 KiB */
};

#define OBJECT_KIND_MAX 32
#define OBJECT_ID_MAX 320
#define OBJECT_NAME_MAX 320
#define OBJECT_DOC_MAX (1u << 20)

/* What is made at run time and must last: an endpoint, an API key, a session, a job. The store
 * knows nothing of its meaning; `doc` is JSON of the owner's making. */
struct object {
    str kind;          /* "endpoint"; [a-z-] */
    str id;            /* unique within the kind, never empty; lists go by it, bytewise */
    str parent;        /* id of what it belongs to; may be empty */
    str name;          /* unique within kind and parent when not empty */
    uint64_t version;  /* 1 when it is made, one more with each change */
    uint64_t sequence; /* of its last change; greater than that of every earlier one in the store */
    int64_t created_ms, updated_ms;
    int64_t expires_ms; /* store_purge may delete it from then on; 0: never */
    str doc;
    bool deleted; /* in store_object_changes alone: it is gone; the doc is empty */
};

#endif
