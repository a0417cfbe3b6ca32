/* dispatch.c -- a delivery loop: finds the lane of each offer, commits the outcomes of a turn as
 * one ticket, and follows configuration changes. Lanes are made on first use, by gate, and stay
 * until the loop ends. */
#include "engine/dispatch.h"

#include "base/log.h"
#include "action/jq_worker.h"
#include "engine/app_message.h"
#include "engine/directory.h"
#include "engine/lane.h"
#include "http/client.h"

#define SETTLE_RETRY_MS 200
#define CALLS_IN_FLIGHT_MAX 1024
#define ROUND_WAITS_MAX 256 /* outcomes */

struct offer_batch {
    struct loop_msg msg;
    struct dispatcher *to;
    size_t count, cap;
    struct offer *offers;
};

struct outcome_round {
    struct commit_ticket ticket;
    struct dispatcher *dispatcher;
    struct outcome_round *next_free;
};

enum order {
    ORDER_RELOAD,
    ORDER_NUDGE,
    ORDER_DRAIN,
    ORDER_CANCEL,
    ORDER_ENDPOINT,
    ORDER_DUE,    /* these three from a shared store */
    ORDER_WANTED, /* of one lane */
    ORDER_LOST
};

struct order_msg {
    struct loop_msg msg;
    struct dispatcher *to;
    enum order order;
    char lane[64];
    struct gate *gate; /* of ORDER_ENDPOINT */
};

struct dispatcher {
    struct engine_core *core;
    size_t index;
    struct loop *loop;
    struct loop_thread thread;
    bool started;
    struct loop_hook hook;
    struct lane_context lanes_context;
    struct map lanes; /* by destination name */
    struct config *config;
    struct outcome_round *current, *free_rounds;
    size_t rounds_out;
    struct commit_ticket retry; /* outcomes the store refused, tried again by a timer */
    struct loop_timer retry_timer;
    _Atomic bool idle;  /* at the end of the last turn */
    _Atomic int orders; /* sent and not yet followed: a turn before them says nothing */
};

/* --- offers ---------------------------------------------------------------------------------- */

void dispatch_offers_init(struct dispatch_offers *o, struct engine_core *core)
{
    *o = (struct dispatch_offers){.core = core};
}

static void offers_arrived(struct loop_msg *msg);

void dispatch_offer(struct dispatch_offers *o, const struct offer *offer)
{
    struct offer_batch **slot = &o->batches[offer->gate->loop];
    struct offer_batch *b = *slot;
    if (!b) {
        b = *slot = xcalloc(1, sizeof(*b));
        b->msg.fn = offers_arrived;
        b->to = o->core->dispatchers[offer->gate->loop];
    }
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 32;
        b->offers = xrealloc(b->offers, b->cap * sizeof(*b->offers));
    }
    b->offers[b->count++] = *offer;
}

void dispatch_offers_send(struct dispatch_offers *o)
{
    for (size_t i = 0; i < o->core->dispatcher_count; i++)
        if (o->batches[i])
            loop_post(o->core->dispatchers[i]->loop, &o->batches[i]->msg);
}

struct waking {
    size_t index, count, cap;
    struct gate **v;
};

/* --- lanes ----------------------------------------------------------------------------------- */

/* A lane that the configuration does not name is an endpoint's, or nobody's. */
static void follow_endpoint(struct dispatcher *d, struct lane *l)
{
    struct endpoint *e = directory_endpoint(d->core->directory, str_from_cstr(l->gate->name));
    lane_configure(l, NULL, e, e && !e->disabled ? &e->destination : NULL);
    endpoint_unref(e);
}

static struct lane *lane_of(struct dispatcher *d, struct gate *gate)
{
    str name = str_from_cstr(gate->name);
    struct lane *l = map_get(&d->lanes, name);
    if (!l) {
        l = lane_new(&d->lanes_context, gate);
        map_put(&d->lanes, name, l);
        if (gate->is_endpoint)
            follow_endpoint(d, l);
    }
    return l;
}

/* For an endpoint that this node has had no work of; NULL: it is none. */
static struct lane *endpoint_lane(struct dispatcher *d, str name)
{
    struct gate *g = registry_find_gate(d->core->registry, name);
    if (!g || !g->is_endpoint || d->lanes_context.draining)
        return NULL;
    atomic_store(&g->backlogged, true);
    return lane_of(d, g);
}

/* Endpoints with deliveries from before the start have no lane that would look for them. */
static void wake_endpoint(struct gate *gate, void *arg)
{
    struct waking *w = arg;
    if (!gate->is_endpoint || gate->loop != w->index || !atomic_load(&gate->backlogged))
        return;
    if (w->count == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 64;
        w->v = xrealloc(w->v, w->cap * sizeof(*w->v));
    }
    w->v[w->count++] = gate;
}

static void wake_endpoints(struct dispatcher *d)
{
    struct waking w = {.index = d->index};
    registry_each_gate(d->core->registry, wake_endpoint, &w);
    for (size_t i = 0; i < w.count; i++)
        (void)lane_of(d, w.v[i]);
    free(w.v);
}

static void offers_arrived(struct loop_msg *msg)
{
    struct offer_batch *b = CONTAINER_OF(msg, struct offer_batch, msg);
    atomic_store(&b->to->idle, false);
    for (size_t i = 0; i < b->count; i++)
        lane_offer(lane_of(b->to, b->offers[i].gate), &b->offers[i]);
    for (size_t i = 0; i < b->count; i++)
        lane_pump(lane_of(b->to, b->offers[i].gate));
    free(b->offers);
    free(b);
}

/* Lanes of this loop follow the configuration in force; those it no longer names fall idle. */
static void follow_config(struct dispatcher *d)
{
    struct config *old = d->config;
    d->config = engine_config(d->core->engine);
    d->lanes_context.actions.providers = d->config->providers;
    d->lanes_context.actions.directory = d->config->directory;
    for (size_t i = 0; i < d->config->destination_count; i++) {
        const struct destination_config *dest = d->config->destinations[i];
        struct gate *gate = registry_gate(d->core->registry, dest->name);
        if (gate->loop == d->index)
            lane_configure(lane_of(d, gate), d->config, NULL, dest);
    }
    struct map_entry e;
    for (size_t i = 0; map_next(&d->lanes, &i, &e);)
        if (!map_get(&d->config->destinations_by_name, e.key))
            follow_endpoint(d, e.value);
    wake_endpoints(d);
    config_unref(old);
}

static void each_lane(struct dispatcher *d, void (*fn)(struct lane *l))
{
    struct map_entry e;
    for (size_t i = 0; map_next(&d->lanes, &i, &e);)
        fn(e.value);
}

/* By hand: who asks for it does not want to wait for the circuit either. */
static void look_now(struct lane *l)
{
    circuit_hurry(&l->circuit);
    atomic_store(&l->gate->backlogged, true);
    lane_look(l);
    lane_pump(l);
}

static void drain_lane(struct lane *l)
{
    lane_drain(l, false);
}

static void cancel_lane(struct lane *l)
{
    lane_drain(l, true);
}

static void check_idle(struct dispatcher *d)
{
    bool claiming = false;
    struct map_entry e;
    for (size_t i = 0; map_next(&d->lanes, &i, &e);)
        claiming = claiming || ((struct lane *)e.value)->claim;
    bool idle = d->lanes_context.in_flight == 0 && d->rounds_out == 0 && !claiming &&
                commit_ticket_is_empty(&d->retry);
    atomic_store(&d->idle, idle);
}

static void order_arrived(struct loop_msg *msg)
{
    struct order_msg *m = CONTAINER_OF(msg, struct order_msg, msg);
    struct dispatcher *d = m->to;
    atomic_store(&d->idle, false);
    atomic_fetch_sub(&d->orders, 1);
    switch (m->order) {
    case ORDER_RELOAD:
        follow_config(d);
        break;
    case ORDER_NUDGE:
        each_lane(d, look_now);
        break;
    case ORDER_ENDPOINT:
        /* Without a lane and without work there is nothing to follow. */
        if (!d->lanes_context.draining &&
            (map_get(&d->lanes, str_from_cstr(m->gate->name)) || atomic_load(&m->gate->backlogged)))
            follow_endpoint(d, lane_of(d, m->gate));
        break;
    case ORDER_DRAIN:
        d->lanes_context.draining = true;
        each_lane(d, drain_lane);
        break;
    case ORDER_CANCEL:
        d->lanes_context.draining = true;
        each_lane(d, cancel_lane);
        break;
    case ORDER_LOST:
        each_lane(d, lane_lost);
        break;
    case ORDER_DUE:
    case ORDER_WANTED: {
        struct lane *l = map_get(&d->lanes, str_from_cstr(m->lane));
        if (!l && m->order == ORDER_DUE)
            l = endpoint_lane(d, str_from_cstr(m->lane));
        if (l && l->destination)
            (m->order == ORDER_DUE ? lane_due : lane_leave)(l);
        break;
    }
    }
    free(m);
}

static void send_order_for(struct dispatcher *d, enum order order, str lane)
{
    struct order_msg *m = xcalloc(1, sizeof(*m));
    m->msg.fn = order_arrived;
    m->to = d;
    m->order = order;
    snprintf(m->lane, sizeof(m->lane), STR_FMT, STR_ARG(lane));
    atomic_fetch_add(&d->orders, 1);
    loop_post(d->loop, &m->msg);
}

static void send_order(struct dispatcher *d, enum order order)
{
    send_order_for(d, order, STR(""));
}

/* --- outcomes -------------------------------------------------------------------------------- */

static void retry_outcomes(struct loop_timer *t)
{
    struct dispatcher *d = CONTAINER_OF(t, struct dispatcher, retry_timer);
    struct commit_ticket *from = &d->retry;
    for (struct settlement *s = from->settlements, *next; s; s = next) {
        next = s->next;
        struct flight *f = CONTAINER_OF(s, struct flight, settlement);
        commit_ticket_add_settlement(d->lanes_context.outcomes, s);
        if (f->news)
            commit_ticket_add_event(d->lanes_context.outcomes, &f->news->event);
    }
    commit_ticket_clear(from);
}

static void outcomes_committed(struct commit_ticket *t)
{
    struct outcome_round *r = CONTAINER_OF(t, struct outcome_round, ticket);
    struct dispatcher *d = r->dispatcher;
    struct dispatch_offers offers;
    dispatch_offers_init(&offers, d->core);
    for (struct settlement *s = t->settlements, *next; s; s = next) {
        struct flight *f = CONTAINER_OF(s, struct flight, settlement);
        next = s->next;
        if (t->settle_err != ERR_OK) {
            commit_ticket_add_settlement(&d->retry, s);
            continue;
        }
        if (f->news)
            app_message_settle(d->core, f->news, t->err, &offers);
        lane_settled(f);
    }
    dispatch_offers_send(&offers);
    if (t->settle_err != ERR_OK)
        loop_timer_start(d->loop, &d->retry_timer, SETTLE_RETRY_MS, retry_outcomes);
    d->rounds_out--;
    r->next_free = d->free_rounds;
    d->free_rounds = r;
}

static struct outcome_round *round_take(struct dispatcher *d)
{
    struct outcome_round *r = d->free_rounds;
    if (r)
        d->free_rounds = r->next_free;
    else
        r = xcalloc(1, sizeof(*r));
    r->dispatcher = d;
    commit_ticket_init(&r->ticket, d->loop, outcomes_committed);
    return r;
}

static void pump_turn(struct turn *who)
{
    lane_pump(CONTAINER_OF(who, struct lane, turn));
}

/* The store commits one batch at a time, or a few: handed over while those are on their way, a
 * ticket would wait as well, and cost a wake-up for each turn. Their return ends a turn. */
static bool may_wait(const struct dispatcher *d, const struct commit_ticket *t)
{
    unsigned writers = d->core->store->writers > 1 ? d->core->store->writers : 1;
    return d->rounds_out >= writers && t->settlement_count < ROUND_WAITS_MAX;
}

static void turn_end(struct loop_hook *hook)
{
    struct dispatcher *d = CONTAINER_OF(hook, struct dispatcher, hook);
    struct outcome_round *r = d->current;
    turns_run(&d->lanes_context.turns, pump_turn);
    store_rest(d->lanes_context.reader);
    if (!commit_ticket_is_empty(&r->ticket) && !may_wait(d, &r->ticket)) {
        d->current = round_take(d);
        d->lanes_context.outcomes = &d->current->ticket;
        d->rounds_out++;
        /* Attempts under way must not wait for the disk: the committer's thread leads. */
        committer_submit(d->core->committer, &r->ticket, false);
    }
    check_idle(d);
}

/* --- life cycle ------------------------------------------------------------------------------ */

static bool make_actions_context(struct dispatcher *d, struct runner_link *runner,
                                 struct reason *why)
{
    struct lane_context *ctx = &d->lanes_context;
    struct config *c = engine_config(d->core->engine);
    /* Lanes bound what is in flight, each for itself; this bounds the memory of them all. */
    struct http_client_options client = {.max_in_flight = CALLS_IN_FLIGHT_MAX,
                                         .allow = c->sending.allow,
                                         .allow_count = c->sending.allow_count,
                                         .own = &d->core->own,
                                         .user_agent = "gaff",
                                         .counts = &d->core->outbound};
    ctx->core = d->core;
    ctx->loop = d->loop;
    ctx->actions.loop = d->loop;
    ctx->actions.handlers = d->core->handlers;
    ctx->actions.client = http_client_new(d->loop, &client);
    config_unref(c);
    ctx->actions.runner = runner ? runner_attach(runner, d->loop) : NULL;
    ctx->jq = ctx->actions.runner ? jq_worker_new(d->loop, ctx->actions.runner) : NULL;
    ctx->reader = store_reader_open(d->core->store, why);
    rng_init(&ctx->rng, 0);
    turns_init(&ctx->turns, CALLS_IN_FLIGHT_MAX);
    list_init(&ctx->free_flights);
    return ctx->reader != NULL;
}

struct dispatcher *dispatcher_new(struct engine_core *core, size_t index,
                                  struct runner_link *runner, struct reason *why)
{
    struct dispatcher *d = xcalloc(1, sizeof(*d));
    d->core = core;
    d->index = index;
    d->loop = loop_new(core->clock);
    d->hook.fn = turn_end;
    commit_ticket_init(&d->retry, d->loop, NULL);
    d->current = round_take(d);
    if (!make_actions_context(d, runner, why)) {
        dispatcher_free(d);
        return NULL;
    }
    d->lanes_context.outcomes = &d->current->ticket;
    loop_at_turn_end(d->loop, &d->hook);
    return d;
}

void dispatcher_start(struct dispatcher *d)
{
    d->started = true;
    send_order(d, ORDER_RELOAD);
    loop_thread_start(&d->thread, d->loop, "gaff-deliver");
}

void dispatcher_reload(struct dispatcher *d)
{
    send_order(d, ORDER_RELOAD);
}

void dispatcher_nudge(struct dispatcher *d)
{
    send_order(d, ORDER_NUDGE);
}

void dispatcher_note(struct dispatcher *d, enum store_note note, str destination)
{
    static const enum order orders[] = {
        [STORE_DUE] = ORDER_DUE, [STORE_WANTED] = ORDER_WANTED, [STORE_LOST] = ORDER_LOST};
    send_order_for(d, orders[note], destination);
}

void dispatcher_endpoint_changed(struct dispatcher *d, struct gate *gate)
{
    struct order_msg *m = xcalloc(1, sizeof(*m));
    m->msg.fn = order_arrived;
    m->to = d;
    m->order = ORDER_ENDPOINT;
    m->gate = gate;
    atomic_fetch_add(&d->orders, 1);
    loop_post(d->loop, &m->msg);
}

void dispatcher_drain(struct dispatcher *d)
{
    send_order(d, ORDER_DRAIN);
}

void dispatcher_cancel(struct dispatcher *d)
{
    send_order(d, ORDER_CANCEL);
}

bool dispatcher_is_idle(const struct dispatcher *d)
{
    return atomic_load(&d->orders) == 0 && atomic_load(&d->idle);
}

void dispatcher_stop(struct dispatcher *d)
{
    if (!d->started)
        return;
    loop_stop(d->loop);
    loop_thread_join(&d->thread);
    d->started = false;
}

static void free_rounds(struct outcome_round *r)
{
    while (r) {
        struct outcome_round *next = r->next_free;
        free(r);
        r = next;
    }
}

void dispatcher_free(struct dispatcher *d)
{
    if (!d)
        return;
    assert(!d->started);
    struct map_entry e;
    for (size_t i = 0; map_next(&d->lanes, &i, &e);)
        lane_free(e.value);
    map_release(&d->lanes);
    turns_release(&d->lanes_context.turns);
    struct list *node;
    while (d->lanes_context.free_flights.next &&
           (node = list_pop(&d->lanes_context.free_flights)) != NULL) {
        struct flight *f = CONTAINER_OF(node, struct flight, link);
        arena_release(&f->arena);
        free(f);
    }
    loop_timer_stop(&d->retry_timer);
    http_client_free(d->lanes_context.actions.client);
    jq_worker_close(d->lanes_context.jq);
    if (d->lanes_context.actions.runner)
        runner_free(d->lanes_context.actions.runner);
    jq_worker_free(d->lanes_context.jq);
    store_reader_close(d->lanes_context.reader);
    config_unref(d->config);
    free(d->current);
    free_rounds(d->free_rounds);
    loop_free(d->loop);
    free(d);
}
