/* registry.h -- what outlives a configuration: gates and counters of sources and destinations, by
 * name. A front loop asks a destination's gate for room in its lane without a lock; the lane's
 * own loop opens and closes it. */
#ifndef GAFF_ENGINE_REGISTRY_H
#define GAFF_ENGINE_REGISTRY_H

#include "engine/debounce.h"
#include "engine/metrics.h"
#include "verify/verify.h"

/* The lane's window: deliveries held in memory (ready, running, or being settled). All others
 * wait in the store, so memory is flat under any backlog. A lane of a high concurrency has a wider
 * one, or it would run dry while the store is asked for more. */
#define LANE_WINDOW 256
#define LANE_WINDOW_MAX 1024

enum circuit_wish { CIRCUIT_WISH_NONE, CIRCUIT_WISH_HURRY, CIRCUIT_WISH_CLOSE };

#define GATE_RECENT 32
enum gate_result { GATE_NONE, GATE_SUCCESS, GATE_RETRY, GATE_DEAD };

struct gate {
    char name[64];
    bool
        is_endpoint; /* of the sending side: there may be many thousands, so metrics leave it out */
    size_t loop;     /* index of the delivery loop that owns the lane */
    /* Room left in the window. A front loop takes one before it commits a CLAIMED delivery. */
    _Atomic int room;
    /* Deliveries await in the store: newcomers must queue behind them there. */
    _Atomic bool backlogged;
    /* Overflows announced by front loops that the lane has not heard of yet. */
    _Atomic int overflowing;
    /* Held by hand (pause.h): nothing starts, newcomers wait in the store. */
    _Atomic bool paused;
    /* The lane's circuit (an enum circuit_state, and until when it is open), and what a person
     * wishes of it: the lane follows when it is pumped. */
    _Atomic int circuit, circuit_wish;
    _Atomic int64_t circuit_until_ms;
    /* For people and metrics. */
    _Atomic int running, ready;
    _Atomic uint64_t recent; /* the last GATE_RECENT results, two bits each, the newest lowest */
    _Atomic int64_t attempts, succeeded, failed, retries;
    _Atomic int64_t dead, skipped, cancelled; /* deliveries that ended so */
    _Atomic int64_t last_success_ms, last_failure_ms;
    struct histogram attempt_us, latency_us; /* latency: from the event's arrival to success */
    struct debounce *debounce;
};

struct source_stats {
    char name[64];
    _Atomic int64_t received, duplicates;
    _Atomic int64_t refused[VERDICT_COUNT]; /* by verdict */
    _Atomic int64_t last_event_ms;
    struct histogram ack_us;
};

int64_t source_stats_refused(const struct source_stats *s); /* for any reason */

struct registry;
struct registry *registry_new(size_t delivery_loops);
void registry_free(struct registry *r);
/* Made on first use; never moves or goes before registry_free. Any thread. */
struct gate *registry_gate(struct registry *r, str destination);
/* The same for an endpoint. waiting:
 * deliveries may wait for it in the store; one that was just made has none. */
struct gate *registry_endpoint_gate(struct registry *r, str id, bool waiting);
struct gate *registry_find_gate(struct registry *r,
                                str name); /* NULL when it was never asked for */
struct source_stats *registry_source(struct registry *r, str source);
/* Which delivery loop a destination's lane is on. */
size_t registry_loop(const struct registry *r, str destination);
/* Each in the order they were made; for metrics. fn runs under the registry's lock: it may neither
 * wait for a loop nor ask the registry. */
void registry_each_gate(struct registry *r, void (*fn)(struct gate *g, void *arg), void *arg);
void registry_each_source(struct registry *r, void (*fn)(struct source_stats *s, void *arg),
                          void *arg);

/* True when one delivery may be committed as CLAIMED for this lane; otherwise the caller commits
 * it PENDING and, once committed, tells the lane of the overflow. */
bool gate_enter(struct gate *g);
/* For one that is committed PENDING in any case: the lane is to be told of an overflow. */
void gate_pass_by(struct gate *g);
/* A place taken is free again. */
void gate_leave(struct gate *g);

#endif
