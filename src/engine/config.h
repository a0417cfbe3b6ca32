/* config.h -- gaff.yaml read into an immutable snapshot: sources, destinations, routes, listeners,
 * limits. Parsed and checked whole; every problem is reported, not the first alone. A snapshot is
 * shared by all threads, counted, and freed when its last user lets go; a reload makes another.
 *
 *   listen: 127.0.0.1:8080
 *   admin: { listen: 127.0.0.1:8081, token: "${env:GAFF_TOKEN}" }
 *   store: sqlite:data
 *   sources:
 *     github: { provider: github, secrets: ["${env:GITHUB_SECRET}"] }   # POST /in/github
 *   destinations:
 *     deploy: { exec: { command: [./deploy.sh] }, retry: { attempts: 3 } }
 *     ci:     { http: { url: "http://127.0.0.1:3000/build" } }
 *   routes:
 *     - { name: push-main, from: github, match: { event: push }, to: [deploy, ci] }
 */
#ifndef GAFF_ENGINE_CONFIG_H
#define GAFF_ENGINE_CONFIG_H

#include "base/cron.h"
#include "base/log.h"
#include "base/map.h"
#include "base/problem.h"
#include "base/secret.h"
#include "action/action_target.h"
#include "engine/circuit.h"
#include "http/server.h"
#include "rule/match_index.h"
#include "verify/verify.h"

#include <stdatomic.h>

struct retry_policy {
    int64_t *waits_ms; /* wait before attempt 2, 3, ... */
    size_t wait_count; /* attempts in all = wait_count + 1 */
    double jitter;     /* 0..1: each wait is multiplied by 1 +- jitter, drawn at random */
};

enum ack {
    ACK_STORED,   /* answered when the event is on disk */
    ACK_VERIFIED, /* answered before: what a crash takes then is lost */
    ACK_DONE,     /* answered with what came of the first attempt */
};

enum catch_up { CATCH_UP_NONE, CATCH_UP_LATEST, CATCH_UP_ALL };

/* WebSub: the source asks a hub for a topic. */
struct subscribe_config {
    str topic; /* empty: it does not */
    str hub, callback;
    int64_t lease_ms;
    bool possible; /* the provider is a hub */
};

struct source_config {
    str name;
    str path;     /* "/in/github"; begins with '/' */
    str *methods; /* default POST */
    size_t method_count;
    const struct provider *provider;
    struct verifier_options verifier; /* slices in the snapshot's arena; secrets wiped with it */
    int64_t *secrets_until_ms;        /* when each secret ends; 0: never */
    const struct yaml *place;         /* for messages when a verifier is made */
    bool insecure;            /* `insecure: true`: may reach commands without verification */
    int64_t dedupe_window_ms; /* 24h default; 0 off */
    int64_t body_bytes_max;   /* 1MiB default, 25MiB at most */
    bool keep_rejected;       /* default true */
    bool channel;             /* its path serves what comes in, to who knows it (api/channel.c) */
    /* respond: the answer to a stored event; status 0: 200 with {"id":"evt_..."} */
    int respond_status;
    struct http_field *respond_fields;
    size_t respond_field_count;
    str respond_body;
    enum ack ack;
    int64_t ack_timeout_ms; /* of done: then 202 */
    bool ack_stream;        /* of done: output as it comes */
    uint16_t *ack_statuses; /* of done: by exit code, 0: the usual; NULL: all usual */
    bool respond_set;       /* false: the provider's wish, else the default */
    size_t *routes;         /* indices into config.routes, in file order */
    size_t route_count;
    const struct match_index *index; /* over its routes' matches; NULL: ask each */
    /* Of a source that is a schedule, and has no place: */
    const struct cron *cron; /* NULL: it is none */
    const struct zone *zone;
    enum catch_up catch_up;
    str cron_data;
    struct subscribe_config subscribe;
    bool has_params; /* the path has {parameters} */
};

enum latest {
    LATEST_OFF,
    LATEST_QUEUED,  /* those that wait end CANCELLED */
    LATEST_RUNNING, /* and the attempt under way is ended too */
};

struct destination_config {
    str name;
    const struct yaml *place; /* for messages */
    size_t index;             /* in config.destinations */
    struct action_config *action;
    int concurrency;    /* attempts at once; the action's default */
    struct rate rate;   /* attempts a second and the like; count 0: no limit */
    bool in_order;      /* `order: fifo`: one at a time per order key (whole lane without key) */
    enum latest latest; /* `latest_wins`: a newer one of the key supersedes older ones */
    int64_t debounce_ms, debounce_max_ms; /* 0: due at once */
    str where, transform;                 /* jq programs; STR_NONE: none */
    struct template order_by;             /* `order_by: "{{ .repository.id }}"`; count 0: none */
    int64_t timeout_ms;                   /* total deadline of an attempt */
    struct retry_policy retry;
    struct circuit_policy circuit;
    bool dead_when_blocked; /* in order: a head that fails is a dead letter at once, and the next
                             * one goes */
    bool is_endpoint;       /* of the sending side: its attempts are listed */
};

struct route_config {
    str name;
    const struct source_config *source;
    const struct match *match;
    struct destination_config **to;
    size_t to_count;
    str where, transform; /* jq programs; STR_NONE: none */
    bool stop; /* `then: stop`: later routes of the source are not looked at when it matches */
    const struct yaml *place; /* for messages */
};

struct listen_config {
    char *address;            /* as http_server_options.listen */
    char *tls_cert, *tls_key; /* NULL: plain */
    char *client_ca;          /* NULL: clients are not asked for a certificate */
    bool proxy_protocol;
};

enum jwt_algorithm { JWT_HS256, JWT_HS384, JWT_HS512, JWT_RS256, JWT_EDDSA };

struct sending_config {       /* what endpoints of the sending side share */
    struct secret jwt_secret; /* n == 0: made at first start, if there is a data directory */
    enum jwt_algorithm jwt_algorithm;
    int policy; /* an enum outbound_policy */
    struct net *allow;
    size_t allow_count;
    int schemes;   /* 1: https alone */
    int signature; /* an enum webhook_style */
    int64_t timeout_ms, disable_after_ms;
    str origin;  /* how we call ourselves when an endpoint is asked for its ownership */
    str hub_url; /* of subscriptions; empty: there is no hub */
};

struct hub_topic {
    str name; /* the event type of its messages */
    str url;  /* hub.topic */
};

enum hub_publishers { HUB_NOBODY, HUB_TOKEN, HUB_ANYONE };

/* `hub:` others subscribe to topics here (WebSub). */
struct hub_config {
    bool is_set;
    str path, url; /* url: what others know it by */
    struct hub_topic *topics;
    size_t topic_count;
    str *callbacks; /* globs over the hosts that may be called back */
    size_t callback_count;
    int publish; /* an enum hub_publishers */
    str publish_token;
    int64_t lease_min_ms, lease_default_ms, lease_max_ms;
    int64_t subscriptions_max;
};

enum durability { DURABILITY_DISK, DURABILITY_NONE };

struct config {
    _Atomic int refs;
    struct arena arena;
    struct yaml *tree;
    char *path, *directory; /* of the file; relative paths start there */

    struct listen_config *listen; /* default 127.0.0.1:8080 */
    size_t listen_count;
    struct listen_config *admin_listen; /* default 127.0.0.1:8081 */
    size_t admin_listen_count;
    struct secret secret_key;  /* n == 0: see sealing.h */
    struct secret admin_token; /* n == 0: made at first start and kept in the data directory */
    struct http_limits limits;
    struct net *trusted_proxies;
    size_t trusted_proxy_count;
    str public_url;
    struct net *outbound_allow; /* beside the public addresses, for keys and confirmations */
    size_t outbound_allow_count;
    str outbound_ca_file;
    int front_loops;    /* 0: one a core, at most 8 */
    int delivery_loops; /* 0: 1 */

    str store_read, store_direct, node;
    int require_replicated;
    str store;                  /* url; default "sqlite:gaff-data" beside the file */
    enum durability durability; /* none: nothing is stored before the 2xx; for comparison only */
    int64_t retention_age_ms;   /* 30d */
    int64_t retention_bytes;    /* 0 */
    int64_t drain_timeout_ms;   /* 25s */
    struct sending_config sending;
    struct hub_config hub;
    str portal_url, portal_origins; /* empty, or origins as Content-Security-Policy lists them */
    enum log_level log_level;
    enum log_format log_format;
    str presets; /* directory of provider files of the user's own; absolute; may be absent */

    struct provider_table *providers;
    struct target_table *targets;
    struct source_config **sources;
    size_t source_count;
    struct map sources_by_name;
    struct destination_config **destinations;
    size_t destination_count;
    struct map destinations_by_name;
    struct route_config **routes;
    size_t route_count;
    struct map routes_by_name;
    int64_t loaded_ms;
    int64_t expires_ms; /* the next `not_after` of a secret: load again then; 0: never */
};

/* True when source lets in only those who prove who they are, or who come from named networks:
 * anything else may not reach a command, unless it is `insecure`. */
bool source_authenticates(const struct source_config *s);

/* Reads path (NULL text) or the given text as if it were path's. NULL when there is any error;
 * warnings alone do not refuse. */
struct config *config_load(const char *path, const str *text, struct problems *p);
/* `over` adds sources, destinations and routes to the file's (or to nothing, when path is NULL) and
 * replaces its other settings; origin is its name in messages. For programs that embed the
 * library, and for what was defined at run time. */
struct config *config_load_over(const char *path, str over, const char *origin, struct problems *p);
/* Text with its ${...} replaced as in a file of that configuration; *out lives in the arena. */
bool config_text_resolve(struct config *c, str text, struct arena *a, str *out,
                         struct reason *why) MUST_USE;
/* An empty snapshot with every default, for libgaff and tests. */
struct config *config_new_default(void);
struct config *config_ref(struct config *c);
void config_unref(struct config *c); /* wipes secrets with the last reference; accepts NULL */

/* The configuration as effective values with their origin (file:line or default), secrets masked:
 * for `gaff check --show`. */
void config_describe(const struct config *c, struct buf *out);
/* The table of settings for docs/reference/configuration.md (Markdown). */
void config_settings_reference(struct buf *out);

#endif
