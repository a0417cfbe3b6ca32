/* engine.h -- the whole engine, assembled: store, committer, front loops, delivery loops, the
 * janitor. What the daemon and libgaff start, reload, drain and stop; what the API asks.
 *
 *   front loops --events--> committer --> store
 *        \--claimed deliveries--> delivery loops --outcomes--> committer
 */
#ifndef GAFF_ENGINE_ENGINE_H
#define GAFF_ENGINE_ENGINE_H

#include "base/id.h"
#include "action/runner.h"
#include "engine/action_metrics.h"
#include "engine/commit.h"
#include "engine/config.h"
#include "engine/hub_metrics.h"
#include "engine/live.h"
#include "engine/registry.h"
#include "engine/waiting.h"
#include "http/client.h"

struct front;
struct directory;
struct recovery;
struct migration;
struct follower;
struct keyring;
struct websub;
struct hub;
struct tracer;
struct tracer_options;
struct secret_book;
struct dispatcher;
struct janitor;
struct engine;

#define DELIVERY_LOOPS_MAX 8
#define FRONT_LOOPS_MAX 16

/* What all parts of the engine share; each member is set before any thread starts. */
struct engine_core {
    const struct clock *clock;
    struct store *store;
    struct committer *committer;
    struct metrics metrics;
    struct action_metrics actions;
    struct hub_counts hub_counts;
    struct http_client_counts outbound; /* of deliveries, keys, subscriptions */
    struct registry *registry;
    struct waiting *waiting;
    struct secret_book *secrets; /* when each was used, and those learned */
    struct websub *websub;
    struct hub *hub;
    struct keyring *keyring; /* public keys that lie at a URL, and confirmations */
    struct live *live;
    struct tracer *tracer;       /* NULL: no collector */
    struct directory *directory; /* applications and endpoints */
    struct recovery *recovery;
    struct migration *migration;
    struct follower *follower; /* NULL: nobody else writes to the store */
    struct id_source ids;
    struct dispatcher *dispatchers[DELIVERY_LOOPS_MAX];
    size_t dispatcher_count;
    /* The configuration in force. Loops hold a reference of their own and look at `generation`
     * to learn that theirs is old. */
    _Atomic uint64_t generation;
    _Atomic bool draining;
    const struct handler_table *handlers;
    /* No outgoing call of ours goes there; who opens a listener adds it. */
    struct outbound_own own;
    struct engine *engine;
    /* Serves a GET of a source that is a channel, on the front loop it came to; NULL: nobody. */
    void (*channel)(struct engine_core *core, struct http_exchange *x, str source,
                    struct loop *loop);
};

struct engine_options {
    struct config *config;                           /* a reference is taken */
    const char *version;                             /* of the program; NULL: not told */
    const struct clock *clock;                       /* NULL: real */
    struct runner_link *runners[DELIVERY_LOOPS_MAX]; /* launched before threads; taken over;
                                                      * NULL: commands can't be run */
    /* Requests for no source: libgaff's routes. NULL: 404. Runs on a front loop. */
    http_handler *fallback;
    void *fallback_arg;
    const struct tracer_options *traces; /* where spans go; NULL: nowhere */
    struct handler_table *handlers;      /* libgaff's webhooks; its loop is set here. NULL: none */
    /* Another node may have changed what is defined at run time; from a thread of the engine,
     * which it may not hold up. NULL: nobody wants to know. */
    void (*definitions_changed)(void *arg);
    void *definitions_arg;
};

/* Opens the store and listens; nothing is accepted before engine_start. NULL with a reason whose
 * code tells the cause (ERR_CONFLICT: locked; ERR_IO; ERR_DENIED; ERR_INVALID). */
struct engine *engine_new(const struct engine_options *o, struct reason *why);
void engine_start(struct engine *e);
struct engine_core *engine_core(struct engine *e);

/* Puts a checked configuration in force; listeners, store and loop counts stay as they are (a
 * change of those is told in why->text as a warning, ERR_OK is returned all the same). */
enum err engine_reload(struct engine *e, struct config *c, struct reason *why);
/* The configuration in force; unref it. */
struct config *engine_config(struct engine *e);

/* Stops accepting, lets what is in flight finish until deadline_ms from now, gives claimed
 * deliveries back. Blocks. */
void engine_drain(struct engine *e, int64_t deadline_ms);
/* Drained, and the API is gone: ends the move to another store (migration.h). On an error the
 * engine's store is still the one that counts. */
enum err engine_move_over(struct engine *e, struct reason *why);
void engine_free(struct engine *e); /* drains at once if it was not; accepts NULL */

/* An event of the application itself: source "app". Blocks until it is durable; *id is its id. */
/* The same for a source of the configuration, with a key by which a repeat is known. */
struct emission {
    str source, type, json, key, verdict_text;
    str application; /* id: its endpoints are told too, as of a message; empty: none are */
};
enum err engine_emit_as(struct engine *e, const struct emission *what, uint64_t *id,
                        struct reason *why);
/* application: as in struct emission. */
enum err engine_emit(struct engine *e, str application, str type, str json, uint64_t *id,
                     struct reason *why);

/* Deliveries may have become due by hand (replay): lanes look into the store again. Any thread. */
void engine_nudge(struct engine *e);
/* Replays one stored event to another destination of the configuration. */
enum err engine_replay_to(struct engine *e, uint64_t event_id, str destination,
                          uint64_t *delivery_id, struct reason *why);
/* Where the public listeners are: "http://127.0.0.1:8080"; NULL beyond the last. */
const char *engine_url(const struct engine *e, size_t index);
/* Lines "gaff_..." for /metrics, store and lanes included. admin: the counts of its listeners. */
void engine_metrics(struct engine *e, struct store_reader *r,
                    const struct http_server_counts *admin, struct buf *out);
/* True when no delivery is under way (retries that are due later not counted). */
bool engine_is_quiet(const struct engine *e);
/* The loop that serves requests without a socket (gaff_test), and its way in. */
struct loop *engine_front_loop(struct engine *e);
void engine_front_handle(struct engine *e, struct http_exchange *x);
/* Sums over the front loops. */
void engine_http_counts(struct engine *e, struct http_server_counts *sum);
/* "volatile", "local", "replicated": where what was acknowledged is, at least. */
const char *engine_durability(const struct engine *e);
/* NULL when ready to take events, else why not ("draining", "the store is failing: ..."). */
const char *engine_unready(struct engine *e);

#endif
