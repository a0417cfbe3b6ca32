/* send.h -- one request of the sending API in hand: who asks, of which application, and how it is
 * answered. For the files send_*.c of this folder; the contract is in
 * docs/reference/svix-compatibility.md.
 *
 * Who asks is an organisation (its token, or the admin token, which is the default organisation)
 * or an application of one. What belongs to others does not exist for them: 404. */
#ifndef GAFF_API_SEND_H
#define GAFF_API_SEND_H

#include "base/ksuid.h"
#include "api/call.h"
#include "api/wire.h"
#include "engine/app_message.h"
#include "engine/directory.h"
#include "engine/endpoint_health.h"
#include "engine/operational.h"
#include "verify/jwt.h"

#define SEND_DEFAULT_ORG DEFAULT_ORG
#define SEND_MANAGEMENT_ORG MANAGEMENT_ORG
#define SEND_LIMIT_DEFAULT 50
#define SEND_LIMIT_MAX 250
#define SEND_IDEMPOTENCY_MS MESSAGE_REQUEST_WINDOW_MS

/* Who may. From SEND_APP on the application's own token too, as far as its capabilities go. */
/* Operations on the endpoints that listen to an organisation's operational events: the handlers are
 * those of any endpoint, their application is that of the listeners. */
#define SEND_LISTENERS_TAG "OperationalWebhookEndpoint"

enum send_access {
    SEND_OPEN,
    SEND_ORG,
    SEND_APP,         /* GET: any token of it; else it must have ManageEndpoint */
    SEND_APP_SECRET,  /* GET: ViewEndpointSecret; else ManageEndpointSecret */
    SEND_APP_ATTEMPT, /* CreateAttempts */
    SEND_APP_SELF     /* about the token itself: any */
};

struct send_call;
typedef void send_handler(struct send_call *s);

struct send_operation {
    const char *pattern, *id, *tag;
    send_handler *fn;
    enum send_access access;
    const struct wire_schema *in, *out; /* NULL: no body */
    int status;
    const char *query; /* names of parameters, by blanks; see send_params */
    const char *text;
};
extern const struct send_operation send_operations[]; /* ends with a NULL pattern */

struct send_param {
    const char *name;
    enum wire_type type;
    const char *text;
};
extern const struct send_param send_params[]; /* ends with a NULL name */

struct send_state {           /* of the API: keys, revocations, what waits for a commit */
    struct jwt_key *key;      /* of the operator's tokens */
    struct jwt_key *own;      /* of those minted here */
    struct secret secret;     /* of `key`, to tell who sends it instead of a token */
    struct map revoked;       /* digest of a token */
    struct map revoked_until; /* application id -> seconds: tokens made before are void */
    struct send_round *current, *free_rounds;
    struct loop_hook hook;
    size_t rounds_out; /* being committed */
};

struct send_call {
    struct api_call *c;
    const struct send_operation *op;
    struct arena *a; /* of the exchange */
    str org;
    str token_app;           /* id; empty: the organisation asks */
    bool on_page;            /* a write by the dashboard's session: goes into the audit log */
    str caller;              /* who asks, as one text, for idempotency */
    const struct jwt *token; /* NULL: the admin token */
    int64_t now_ms;
    struct application app; /* {app_id} of the path */
    const struct json *body;
    struct app_message_plan *also[2]; /* events that are stored only with the next send_commit */
    size_t also_count;
    /* The uid under which one is looked for, and made when there is none: that it is there by now
     * is worth another look. Empty: none is. */
    str sought;
    bool may_look_again; /* of send_look_again: */
    bool stale;          /* then send_commit answers nothing, and the handler begins again */
};

/* --- send.c, and who asks ----------------------------------------------------------------------
 */

bool send_open(struct api *a, str jwt_secret, struct reason *why);
void send_close(struct api *a);
api_handler send_handle; /* of every operation */

static inline struct api *send_api(struct send_call *s)
{
    return s->c->api;
}
static inline struct json_writer *send_json(struct send_call *s)
{
    return &s->c->json;
}
/* send_caller.c: finds out who asks and the application he may ask about; false and answered. */
bool send_admit(struct send_call *s);
/* SHA-256 in hexadecimal: what is kept of a token. */
str send_token_digest(str token, char out[64]);
/* send_accept.c: messages that wait for the commit of this turn. */
bool send_rounds_open(struct api *a);
void send_rounds_close(struct api *a);
bool send_is_quiet(const struct api *a);               /* nothing waits for its commit */
str send_path(struct send_call *s, const char *param); /* of the path, decoded */
str send_query(struct send_call *s, const char *name); /* STR_NONE when absent */
bool send_query_true(struct send_call *s, const char *name, bool otherwise);
/* a=x,y  a=x&a=y  a[]=x  a[1]=x : all of them, at most `max`. */
size_t send_query_list(struct send_call *s, const char *name, str *out, size_t max);

/* Each answers and ends the request. */
void send_ok(struct send_call *s, int status); /* with what was written by send_json */
void send_empty(struct send_call *s, int status);
void send_error(struct send_call *s, int status, const char *code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void send_unprocessable(struct send_call *s, struct wire_faults *f);
void send_fault(struct send_call *s, str loc, const char *type, const char *text);
void send_not_found(struct send_call *s, const char *what); /* NULL: "Entity" */
void send_failed(struct send_call *s, enum err err, const struct reason *why);

/* Commits changes (room for one more behind count) with the request's idempotency record, and
 * s->also; then tells the directory. True when they hold: answer then. False and answered
 * otherwise; a conflict is told as `conflict` says. */
bool send_commit(struct send_call *s, struct object_change *changes, size_t count, int status,
                 const char *conflict);

/* Runs a handler that looks at objects in the store and commits a change of them; once more when
 * somebody changed them between: nobody is told of a conflict that only time made. Of those who
 * never find a gap each is answered 503. */
void send_look_again(struct send_call *s, send_handler *once);

/* --- pages ------------------------------------------------------------------------------------ */

struct send_page {
    size_t limit;
    str iterator; /* without its minus; empty: from the beginning */
    bool back;    /* the other way */
    bool descending;
    int64_t since_ms, until_ms; /* before and after; 0: open */
};
/* False, and answered 422 or 400. */
bool send_page_read(struct send_call *s, bool descending, struct send_page *p);
/* A page's cursor as an id; false and answered when it is none of the list's. */
bool send_cursor(struct send_call *s, const char *prefix, str iterator, uint64_t *out);
/* Both, for a list that shows the newest first and may be bounded by times. */
bool send_page_read_newest(struct send_call *s, const char *prefix, struct send_page *p,
                           uint64_t *cursor);

struct send_rows { /* of a page, in the direction in which they were read */
    const void *v;
    size_t size, count;          /* bytes of one, and how many there are; */
    bool more;                   /* others are behind them, and so is one beyond the limit */
    bool with_content, with_msg; /* for view */
    void (*view)(struct send_call *s, const struct send_rows *r, const void *row);
    str (*id)(struct send_call *s, const void *row); /* where a page goes on from this row */
};
/* Answered: the rows as the list shows them, and where it goes on. */
void send_page_answer(struct send_call *s, const struct send_page *p, const struct send_rows *r);
/* The same for objects of one parent, which it reads; and `id` of rows that are objects. */
void send_objects_answer(struct send_call *s, const struct send_page *p, const char *kind,
                         str parent,
                         void (*view)(struct send_call *s, const struct send_rows *r,
                                      const void *row));
str send_object_row_id(struct send_call *s, const void *row);

/* send_program.c: true when the body has jq programs that must be compiled first; then `go_on` is
 * called later, with the same request, or it is answered 422. */
bool send_programs_check(struct send_call *s, send_handler *go_on);

/* --- objects ---------------------------------------------------------------------------------- */

/* By id or uid, as the store has it now; parent as it must be. */
enum err send_look(struct send_call *s, const char *kind, str parent, str id_or_uid,
                   struct object *out, struct reason *why) MUST_USE;
/* The same; false and answered. */
bool send_find(struct send_call *s, const char *kind, str parent, str id_or_uid,
               struct object *out);
/* A document from a request over what is there: each of `members` from the body, or else from old
 * (with `keep`); each of `kept` always from old. */
void send_doc(struct json_writer *w, const char *const *members, const char *const *kept,
              const struct json *body, const struct json *old, bool keep);
void send_pair_time(struct json_writer *w, const char *key, int64_t ms);
/* The value of a stored member, or what stands for none. */
void send_pair_or(struct json_writer *w, const char *key, const struct json *v, const char *none);
str send_new_id(struct send_call *s, const char *prefix);

/* Views of other files. */
void send_endpoint_view(struct json_writer *w, const struct object *o, const struct json *doc,
                        bool with_metadata);
void send_message_view(struct send_call *s, const struct event *e, bool with_content);
void send_message_members(struct send_call *s, const struct event *e, bool with_content);
/* A job of the application (engine/recovery.h) begins; answered 202 with it. endpoint may be empty.
 */
void send_task_start(struct send_call *s, const char *task, str endpoint, int64_t since_ms,
                     int64_t until_ms);
/* A job with that document begins; answered 202 with it, and with the members that `more` writes
 * (NULL: none). parent: the application, or the organisation. */
void send_task_begin(struct send_call *s, str parent, str doc,
                     void (*more)(struct send_call *s, const void *arg), const void *arg);
/* One message of an application by id or uid; false and answered. */
bool send_find_message(struct send_call *s, struct event *out);
bool send_find_endpoint(struct send_call *s, struct object *out);

/* Changes of the API itself, without idempotency; the directory is told. */
enum err send_commit_plain(struct api *a, struct object_set *set, struct reason *why);
/* What waits for an endpoint that is gone ends. */
void send_cancel_deliveries(struct send_call *s, str endpoint);
/* An application made by the way, as a message's `application` asks; false and answered. */
bool send_app_make(struct send_call *s, const struct json *given);
bool send_type_is_chosen(const str *types, size_t count, str type);
bool send_type_exists(struct send_call *s, str name); /* and is not archived */
/* "whsk_..." of a new pair, or "whsec_...". */
str send_new_secret(struct send_call *s, bool pair);
/* True when an endpoint of that document signs with pairs of keys, so that a new one is one. */
bool send_wants_pair(struct send_call *s, const struct json *doc);
/* False when it can't sign with that key. */
bool send_takes_key(struct send_call *s, const struct json *doc, str key);
/* As far as the caller may see it. */
bool send_type_load(struct send_call *s, str name, struct object *out);

/* One message more of the application. False, and answered 503, when it may send no more now. */
bool send_quota_take(struct send_call *s);

/* An operational event of an endpoint for who listens to the organisation's; rides on the next
 * send_commit. more: as operational_plan. */
void send_operational(struct send_call *s, const char *type, const struct object *endpoint,
                      str more);

/* One handler an operation. */
send_handler send_app_list, send_app_create, send_app_get, send_app_put, send_app_patch;
send_handler send_app_delete;
send_handler send_type_list, send_type_create, send_type_get, send_type_put, send_type_patch;
send_handler send_type_delete, send_type_import;
send_handler send_endpoint_list, send_endpoint_create, send_endpoint_get, send_endpoint_put;
send_handler send_endpoint_patch, send_endpoint_delete, send_endpoint_headers_get;
send_handler send_endpoint_headers_put, send_endpoint_headers_patch, send_endpoint_secret;
send_handler send_endpoint_rotate, send_endpoint_stats, send_endpoint_attempts,
    send_endpoint_example;
send_handler send_endpoint_recover, send_endpoint_replay, send_endpoint_bulk;
send_handler send_endpoint_circuit_close, send_endpoint_jwks;
send_handler send_message_create, send_message_list, send_message_get, send_message_expunge;
send_handler send_message_precheck, send_message_bulk_expunge, send_message_expunge_all;
send_handler send_poll, send_poll_consumer, send_poll_seek;
send_handler send_attempts_of_endpoint, send_attempts_of_message, send_attempt_get;
send_handler send_attempt_expunge, send_endpoint_messages, send_message_endpoints, send_resend;
send_handler send_stats_usage, send_stats_types;
send_handler send_task_list, send_task_get, send_task_cancel;
send_handler send_portal, send_logout, send_expire_all;
send_handler send_health, send_ping, send_openapi, send_asyncapi;

#endif
