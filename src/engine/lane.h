/* lane.h -- the deliveries of one destination: a bounded window of them in memory, the rest in the
 * store. Belongs to one delivery loop; only gate.h crosses threads.
 *
 *   store --claim--> ready --concurrency, rate, order--> running --outcome--> settling --commit-->
 */
#ifndef GAFF_ENGINE_LANE_H
#define GAFF_ENGINE_LANE_H

#include "base/list.h"
#include "base/rand.h"
#include "engine/circuit.h"
#include "engine/dispatch.h"
#include "engine/reach.h"
#include "engine/trace.h"
#include "engine/turns.h"

struct lane;
struct app_message_plan;

/* An action made from one configuration, kept until the last attempt that uses it ended. */
struct endpoint;

struct lane_action {
    struct action *action;
    struct config *config; /* who the destination belongs to: one of the two */
    struct endpoint *endpoint;
    const struct destination_config *destination;
    int running;
    bool retired;
};

/* One delivery in the window. */
struct flight {
    struct list link; /* in ready, running or the free list */
    struct lane *lane;
    struct lane_action *by; /* while running */
    struct delivery delivery;
    struct event event; /* loaded when it starts */
    struct arena arena; /* of the attempt */
    struct task task;
    struct settlement settlement;
    struct attempt_trace *trace;   /* NULL: it is told to no collector */
    struct filter *filter;         /* its programs run, the action does not yet; NULL */
    str output;                    /* what its command wrote, when somebody waits for it */
    struct app_message_plan *news; /* told with its outcome to who operates; NULL */
    struct party *place;           /* whose place of the loop's budget it holds; NULL: none */
    uint64_t superseded_by;        /* a newer delivery of its key came while it ran; 0: none */
    int64_t started_ns;
    bool sent; /* the action was asked: what comes of it tells of the destination */
};

/* What lanes of one loop share. */
struct lane_context {
    struct engine_core *core;
    struct loop *loop;
    struct action_context actions;
    struct jq_worker *jq; /* NULL: no programs can be run */
    struct store_reader *reader;
    struct rng rng;
    struct list free_flights;
    struct turns turns;             /* over the budget of attempts in flight */
    struct commit_ticket *outcomes; /* of this turn */
    size_t in_flight;               /* flights running or settling, on this loop */
    bool draining;
};

struct lane {
    struct lane_context *ctx;
    struct gate *gate;
    struct lane_action *by; /* under the configuration in force; NULL: destination is gone */
    struct config *config;  /* what `by` will be made from when first needed: one of the two */
    struct endpoint *endpoint;
    const struct destination_config *destination;
    struct list ready, running, settling;
    struct list
        overtaken; /* offers of a lane in order that came behind a backlog: to be given back */
    size_t ready_count, held;  /* held: in any of the lists */
    int running_count, window; /* window: how many may be held */
    struct idmap busy_keys;    /* order keys of what is running, for lanes in order */
    struct circuit circuit;
    struct reach reach; /* of an endpoint's */
    struct turn turn;   /* in the loop's budget */
    double tokens;      /* of the rate limit */
    int64_t tokens_at_ns;
    struct loop_timer due, refill; /* something in the store; the next token */
    int64_t due_ms;                /* when `due` fires; INT64_MAX: not armed */
    struct lane_claim *claim;      /* under way */
    bool look_again;               /* asked to look while a claim was under way */
    bool pumping;
    /* On a store that several nodes share: */
    bool elsewhere;     /* another node delivers: nothing is asked until the store says so */
    bool leaving;       /* another node should: given up once nothing of it is in memory */
    unsigned lost_seen; /* store.lost when what is ready was claimed */
    struct lane_action unusable; /* stands in when no action could be made */
};

struct lane *lane_new(struct lane_context *ctx, struct gate *gate);
void lane_free(struct lane *l); /* nothing may be in flight */

/* Under a new configuration, or of a changed endpoint; NULL destination: it is gone or disabled,
 * and what waits is given back. */
void lane_configure(struct lane *l, struct config *c, struct endpoint *e,
                    const struct destination_config *d);
void lane_offer(struct lane *l, const struct offer *o);
/* Looks into the store for what is due. */
void lane_look(struct lane *l);
/* Starts what may start now. */
void lane_pump(struct lane *l);
/* What a shared store tells: something may be due, or the lane may be free now. */
void lane_due(struct lane *l);
/* Another node should have it. */
void lane_leave(struct lane *l);
/* The node lost its lease, or got a new one. */
void lane_lost(struct lane *l);
/* Gives back what is ready, ends what runs (when cancel). */
void lane_drain(struct lane *l, bool cancel);
/* The settlement of f is durable: its place is free, its retry is noted. */
void lane_settled(struct flight *f);

/* --- between the files of a lane ---------------------------------------------------------------
 */

/* flight.c: a place of the window for a delivery; slices of d need not outlive it. */
struct flight *flight_new(struct lane *l, const struct delivery *d);
void flight_free(struct flight *f);
/* Starts its attempt, which may end before this returns. */
void flight_start(struct flight *f);
/* Ends what runs of it, programs or action. */
void flight_cancel(struct flight *f);
/* Frees it when nothing runs of it any more; accepts NULL. */
void lane_action_release(struct lane_action *by);

/* lane_store.c */
void lane_make_ready(struct lane *l, const struct delivery *d);
/* Ready deliveries (of one order key, or all with key 0) go back into the store. */
void lane_give_back_ready(struct lane *l, uint64_t order_key);
void lane_give_back_overtaken(struct lane *l);
/* What is ready was claimed under a lease that was lost: it is another's, or due again. */
void lane_drop_ready(struct lane *l);
/* Looks again then at the latest. */
void lane_arm_due(struct lane *l, int64_t due_ms);

/* lane.c: what people and metrics see of the circuit. */
void lane_show_circuit(struct lane *l);

/* settle.c: a newer one of its key came before it could start: ends CANCELLED, unattempted. */
void settle_superseded(struct flight *f);
/* settle.c: tells who watches of a part of its output; who waits for it, what came of it. */
void settle_tell_output(struct flight *f, bool errors, str bytes);
void settle_tell_waiter(struct flight *f);
/* settle_news.c: what the settlement, which is filled, tells beyond its delivery. */
void settle_tell_news(struct flight *f, const struct outcome *o);
/* settle.c: turns an outcome into a settlement on this turn's ticket. */
void settle_outcome(struct flight *f, const struct outcome *o);

#endif
