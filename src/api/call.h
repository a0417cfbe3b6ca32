/* call.h -- one API request in hand: parameters in, JSON out. For the files of this folder. */
#ifndef GAFF_API_CALL_H
#define GAFF_API_CALL_H

#include "base/json.h"
#include "base/map.h"
#include "action/jq_worker.h"
#include "api/api.h"
#include "engine/objects.h"
#include "http/router.h"

#define API_LIMIT_DEFAULT 50
#define API_LIMIT_MAX 500

#define AUDIT_TEXT_MAX 300 /* what api_audit writes down */
#define TOKEN_BYTES 32
#define TOKEN_TEXT_MAX API_TICKET_MAX /* in base64url, with its NUL */
#define TOKEN_HASH_TEXT_MAX 65        /* SHA-256 in hex, with its NUL */

struct ticket { /* a link for one sign-in */
    char hash[TOKEN_HASH_TEXT_MAX];
    int64_t expires_ms; /* 0: used */
};

struct api {
    struct api_options options;
    struct engine_core *core;
    struct loop *loop;
    struct loop_thread thread;
    bool started;
    struct http_server *servers[8];
    size_t server_count;
    struct store_reader *reader;
    struct router *router;
    struct secret token;
    struct ticket tickets[8];
    size_t next_ticket;
    struct map failures; /* failed sign-ins by address, since failures_since_ms */
    int64_t failures_since_ms;
    struct list listeners; /* open streams of listen.c */
    struct list tails;     /* open live streams, see tail.c */
    struct loop_timer heartbeat;
    struct runner *runner; /* NULL: none was given */
    struct jq_worker *jq;  /* with it */
    size_t tests; /* of destinations, under way on the thread pool; see destination_test.c */
    int64_t started_ms;
    struct send_state *send; /* of the sending API, see send.h */
    size_t operation_count;
    bool https_only; /* of endpoints */
    struct loop_msg closing;
    bool is_closing; /* nothing new is accepted */
};

/* Who may do what; each may all that those before it may. */
enum role {
    ROLE_ANYONE,   /* without proving anything: health, the page itself */
    ROLE_VIEWER,   /* look */
    ROLE_OPERATOR, /* act on deliveries: replay, cancel, pause, test */
    ROLE_ADMIN,    /* change what is configured, and who may come in */
};

struct send_operation;
struct send_state;

struct api_call {
    struct api *api;
    struct http_exchange *x;
    struct router_match match;
    enum role role;                  /* of who calls */
    char caller[96];                 /* "token", "key deploy", a person's name; for the audit log */
    int status;                      /* answered by api_send and its kin; 0: refused before that */
    bool is_waiting;                 /* answered, and written down for the audit, later */
    const struct send_operation *op; /* NULL: one of api_routes */
    struct json_doc *doc;            /* the body, of operations; freed with the call */
    struct buf body;                 /* the answer being written */
    struct json_writer json;
};

typedef void api_handler(struct api_call *c);

struct api_route {
    const char *pattern;
    api_handler *fn;
    enum role role; /* who may call it */
};
/* The whole API, in one table (api.c); docs/reference/api.md is made from it. */
extern const struct api_route api_routes[];

/* auth.c: finds out who calls. False, and answered 401 or 403, when that is not enough for `need`.
 */
bool api_admit(struct api_call *c, enum role need);

/* True of a write that a browser says our own page makes: only then a cookie counts. */
bool api_is_from_our_page(const struct api_call *c);
/* The value of a cookie; empty when absent. */
str api_cookie(struct api_call *c, str name);
/* session.c, keys.c: ROLE_ANYONE when it is none of ours. They set c->caller. */
enum role api_session_role(struct api_call *c);
enum role api_key_role(struct api_call *c, str given);
enum err api_sessions_end(struct api_call *c, str name, struct reason *why);
str role_word(enum role role);
bool role_parse(str word, enum role *out); /* not for "anyone" */
/* A new secret as text, and what is kept of one. */
void token_make(char text[TOKEN_TEXT_MAX]);
void token_hash(str token, char hex[TOKEN_HASH_TEXT_MAX]);
/* Writes down what c->caller asked for and what it was answered. */
void api_audit(struct api_call *c, str what);

/* {"<member>": [{...}]}, the newest first; view writes the members of each. */
void api_list_objects(struct api_call *c, str kind, const char *member, size_t limit,
                      void (*view)(struct json_writer *w, const struct object *o,
                                   const struct json *doc));
/* Deletes it and answers. */
void api_delete_object(struct api_call *c, str kind, str id);

/* a-z, 0-9, - and _, at least one. */
bool is_plain_name(str s, size_t max);

/* Sends c->body as JSON. */
void api_send(struct api_call *c, int status);
/* {"error":{...}} with the status that fits err. */
void api_fail(struct api_call *c, enum err err, const struct reason *why);
void api_bad(struct api_call *c, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A path parameter that is an id: answers 404 and returns false when malformed. */
bool api_id(struct api_call *c, const char *param, const char *prefix, uint64_t *id);
/* False, and answered 400, when a POST has a body that is no JSON object; none at all is fine. */
bool api_body(struct api_call *c);
/* Filters from query parameters, or from a JSON body's members of the same names: source, type,
 * destination, text, state, since, until (RFC 3339, or an age like 2h), cursor, limit. Unknown
 * values answer 400 and return false. */
bool api_event_filter(struct api_call *c, struct event_filter *f);
bool api_delivery_filter(struct api_call *c, struct delivery_filter *f);

/* view.c: rows as JSON. */
void view_event(struct json_writer *w, const struct event_row *row);
void view_event_detail(struct json_writer *w, const struct event *e);
void view_delivery(struct json_writer *w, const struct delivery *d);
void view_attempt(struct json_writer *w, const struct attempt *a);
void view_rejection(struct json_writer *w, const struct rejection *r);
/* "trace": [...], a line each. */
void view_trace(struct json_writer *w, str trace);
/* How a lane is doing: what waits and runs, counts, circuit, last results, latency. */
struct gate;
void view_gate(struct json_writer *w, struct gate *g);
void view_cursor(struct json_writer *w, uint64_t next);

/* One handler a row of the table. */
api_handler api_try;
api_handler api_events_list, api_event_get, api_event_body, api_event_replay, api_events_replay;
api_handler api_deliveries_list, api_delivery_get, api_delivery_replay, api_delivery_cancel;
api_handler api_deliveries_replay, api_deliveries_cancel, api_rejections_list;
api_handler api_hub, api_sources, api_destinations, api_routes_list, api_nodes, api_status,
    api_disk, api_reload, api_backup;
api_handler api_migration_get, api_migration_begin, api_migration_stop, api_migration_end;
api_handler api_session_begin, api_session_get, api_session_end, api_ticket_make;
api_handler api_keys_list, api_key_make, api_key_delete;
api_handler api_people_list, api_person_put, api_person_delete, api_audit_list;
api_handler api_definitions_list, api_definition_put, api_definition_delete;
api_handler api_dead_groups, api_dead_replay, api_destination_pause, api_destination_resume;
api_handler api_circuit_close;
api_handler api_source_test, api_event_edit;
api_handler api_page, api_portal, api_asset, api_providers, api_config, api_config_difference;
api_handler api_destination_test, api_destination_get;
api_handler api_event_plan;
api_handler api_listen, api_listen_answer;
api_handler api_secrets, api_secret_forget;
api_handler api_tail, api_livez, api_readyz, api_metrics;

/* channel.c: on a front loop */
void api_channel(struct engine_core *core, struct http_exchange *x, str source, struct loop *loop);

/* tail.c */
void tails_start(struct api *a);
void tails_close(struct api *a);
void listeners_close(struct api *a);

#endif
