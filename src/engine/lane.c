/* lane.c -- fills the window from offers and from the store, starts what concurrency, rate and
 * order allow, and frees places when outcomes are durable.
 *
 * Invariant: every delivery in ready, running or settling is CLAIMED in the store and holds one
 * place of the gate. `backlogged` is cleared only when the store had nothing more that was due
 * and no front loop has an overflow under way, so that newcomers never overtake the backlog. */
#include "engine/lane.h"

#include "base/log.h"
#include "engine/endpoint.h"

#define LEASE_RETRY_MS 200
#define LEAVE_RETRY_MS 50

/* --- starting -------------------------------------------------------------------------------- */

static void refill_fired(struct loop_timer *t)
{
    lane_pump(CONTAINER_OF(t, struct lane, refill));
}

/* Takes a token of the rate limit, or arms the timer for when there will be one. */
static bool take_token(struct lane *l)
{
    const struct rate *rate = &l->destination->rate;
    if (rate->count == 0)
        return true;
    double per_ns = (double)rate->count / ((double)rate->per_ms * 1e6);
    int64_t now = clock_mono_ns(l->ctx->core->clock);
    /* A burst is at most a tenth of the period's worth, and at least one. */
    double burst = (double)rate->count / 10.0 < 1.0 ? 1.0 : (double)rate->count / 10.0;
    l->tokens += (double)(now - l->tokens_at_ns) * per_ns;
    l->tokens_at_ns = now;
    if (l->tokens > burst)
        l->tokens = burst;
    if (l->tokens >= 1.0) {
        l->tokens -= 1.0;
        return true;
    }
    int64_t wait_ms = (int64_t)((1.0 - l->tokens) / per_ns / 1e6) + 1;
    loop_timer_start_at(l->ctx->loop, &l->refill, now + wait_ms * 1000000, refill_fired);
    return false;
}

/* Takes one attempt of the application's, or arms the timer for when there will be one. */
static bool take_pace(struct lane *l)
{
    int64_t now = clock_mono_ns(l->ctx->core->clock);
    int64_t wait_ms = l->endpoint ? allowance_pace(l->endpoint->allowance, now) : 0;
    if (wait_ms > 0)
        loop_timer_start_at(l->ctx->loop, &l->refill, now + wait_ms * 1000000, refill_fired);
    return wait_ms == 0;
}

void lane_show_circuit(struct lane *l)
{
    int64_t now_ms = clock_mono_ns(l->ctx->core->clock) / 1000000;
    int64_t left_ms = l->circuit.until_ms > now_ms ? l->circuit.until_ms - now_ms : 0;
    bool open = l->circuit.state == CIRCUIT_OPEN;
    atomic_store(&l->gate->circuit_until_ms,
                 open ? clock_wall_ms(l->ctx->core->clock) + left_ms : 0);
    atomic_store(&l->gate->circuit, l->circuit.state);
}

/* What a person asked for meanwhile. */
static void follow_wish(struct lane *l)
{
    if (atomic_load_explicit(&l->gate->circuit_wish, memory_order_relaxed) == CIRCUIT_WISH_NONE)
        return;
    if (atomic_exchange(&l->gate->circuit_wish, CIRCUIT_WISH_NONE) == CIRCUIT_WISH_CLOSE)
        l->circuit = (struct circuit){0};
    else
        circuit_hurry(&l->circuit);
    lane_show_circuit(l);
}

static bool is_circuit_shut(struct lane *l)
{
    enum circuit_state before = l->circuit.state;
    int64_t now_ms = clock_mono_ns(l->ctx->core->clock) / 1000000;
    int64_t wait_ms = circuit_wait(&l->circuit, &l->destination->circuit, now_ms);
    if (l->circuit.state != before)
        lane_show_circuit(l);
    if (wait_ms > 0)
        loop_timer_start_at(l->ctx->loop, &l->refill, (now_ms + wait_ms) * 1000000, refill_fired);
    return wait_ms != 0;
}

/* True: one attempt may start, and holds *place. Else it is known who pumps the lane again. */
static bool may_start(struct lane *l, struct party **place)
{
    if (is_circuit_shut(l) || !turns_take(&l->ctx->turns, &l->turn, place))
        return false;
    if (take_token(l)) {
        if (take_pace(l))
            return true;
        l->tokens += 1.0;
    }
    turns_give(&l->ctx->turns, *place);
    return false;
}

static struct flight *next_ready(struct lane *l)
{
    LIST_EACH(&l->ready, node)
    {
        struct flight *f = CONTAINER_OF(node, struct flight, link);
        if (!l->destination->in_order || !idmap_get(&l->busy_keys, f->delivery.order_key))
            return f;
    }
    return NULL;
}

static void pump_fired(struct loop_timer *t)
{
    lane_pump(CONTAINER_OF(t, struct lane, refill));
}

/* True when nothing of the lane is in memory, nor on its way from a front loop. */
static bool is_empty(const struct lane *l)
{
    return l->held == 0 && !l->claim && atomic_load(&l->gate->room) == l->window;
}

/* Gives the lane up when nothing of it is held any more; true while it is on its way out. */
static bool leave_lane(struct lane *l)
{
    struct reason why = {0};
    if (!l->leaving)
        return false;
    if (!is_empty(l)) {
        loop_timer_start(l->ctx->loop, &l->refill, LEAVE_RETRY_MS, pump_fired);
        return true;
    }
    l->leaving = false;
    l->elsewhere = true;
    if (store_release(l->ctx->core->store, str_from_cstr(l->gate->name), &why) != ERR_OK)
        log_event(LOG_WARN, "cannot give a lane to another node",
                  LOG_F("destination", str_from_cstr(l->gate->name)),
                  LOG_F("reason", str_from_cstr(why.text)));
    return true;
}

/* False while what is ready may not be used: then it is tried again, or was dropped. */
static bool has_lease(struct lane *l)
{
    struct store *s = l->ctx->core->store;
    if (!s->shared)
        return true;
    unsigned lost = atomic_load(&s->lost);
    if (lost != l->lost_seen) {
        lane_drop_ready(l);
        l->lost_seen = lost;
        atomic_store(&l->gate->backlogged, true);
    }
    if (store_lease_holds(s))
        return true;
    loop_timer_start(l->ctx->loop, &l->refill, LEASE_RETRY_MS, pump_fired);
    return false;
}

/* Attempts at a time. What the configuration names shares no application's places. */
static int most_running(const struct lane *l)
{
    int concurrency = l->destination->concurrency;
    return l->endpoint ? reach_of(&l->reach, concurrency) : concurrency;
}

void lane_pump(struct lane *l)
{
    /* An action may finish before start returns; the loop below then takes the next one. */
    if (!l->destination || l->ctx->draining || l->pumping || !has_lease(l) || leave_lane(l) ||
        atomic_load(&l->gate->paused))
        return;
    l->pumping = true;
    follow_wish(l);
    while (l->running_count < most_running(l)) {
        struct flight *f = next_ready(l);
        struct party *place;
        if (!f || !may_start(l, &place))
            break;
        f->place = place;
        circuit_started(&l->circuit, f->delivery.id);
        flight_start(f);
    }
    lane_give_back_overtaken(l);
    l->pumping = false;
    atomic_store_explicit(&l->gate->ready, (int)l->ready_count, memory_order_relaxed);
    if (l->look_again && !l->claim)
        lane_look(l);
}

void lane_due(struct lane *l)
{
    l->elsewhere = false;
    atomic_store(&l->gate->backlogged, true);
    lane_look(l);
    lane_pump(l);
}

void lane_leave(struct lane *l)
{
    if (l->leaving || l->elsewhere || l->ctx->draining)
        return;
    l->leaving = true;
    atomic_store(&l->gate->backlogged, true); /* front loops enter no more */
    lane_give_back_overtaken(l);
    lane_give_back_ready(l, 0);
    lane_pump(l);
}

void lane_lost(struct lane *l)
{
    l->leaving = false;
    lane_due(l);
}

/* --- outcomes -------------------------------------------------------------------------------- */

void lane_settled(struct flight *f)
{
    struct lane *l = f->lane;
    const struct settlement *s = &f->settlement;
    uint64_t key = f->delivery.order_key;
    bool in_order = l->destination && l->destination->in_order;
    bool retry = s->state == DELIVERY_PENDING;
    int64_t next_ms = s->next_ms;
    if (waiting_is_wanted(l->ctx->core->waiting, f->delivery.id, false))
        settle_tell_waiter(f);
    if (!retry && l->endpoint)
        allowance_move(l->endpoint->allowance, -1);
    if (idmap_get(&l->busy_keys, key) == f) /* not that of another of its key */
        idmap_remove(&l->busy_keys, key);
    flight_free(f);
    l->ctx->in_flight--;
    gate_leave(l->gate);
    if (retry) {
        if (in_order) {
            /* What is behind it must wait in the store, where the claim keeps the order. */
            atomic_store(&l->gate->backlogged, true);
            lane_give_back_ready(l, key);
        }
        lane_arm_due(l, next_ms);
    }
    if (atomic_load_explicit(&l->gate->backlogged, memory_order_relaxed))
        l->look_again = true;
    lane_pump(l);
}

/* What is here of a key when a newer delivery of it was committed: what waits ends unattempted;
 * what runs is ended too where that is asked for, and is not tried again. */
static void supersede(struct lane *l, uint64_t key, uint64_t by)
{
    LIST_EACH(&l->ready, node)
    {
        struct flight *f = CONTAINER_OF(node, struct flight, link);
        if (f->delivery.order_key != key || f->delivery.id >= by)
            continue;
        list_remove(&f->link);
        list_push(&l->settling, &f->link);
        l->ready_count--;
        l->ctx->in_flight++;
        f->superseded_by = by;
        settle_superseded(f);
    }
    struct flight *running = idmap_get(&l->busy_keys, key);
    if (!running || !running->by || running->delivery.id >= by)
        return;
    running->superseded_by = by;
    if (l->destination->latest == LATEST_RUNNING)
        flight_cancel(running);
}

void lane_offer(struct lane *l, const struct offer *o)
{
    if (l->destination && l->destination->latest != LATEST_OFF)
        supersede(l, o->order_key, o->delivery_id);
    if (o->overflow) {
        atomic_fetch_sub(&l->gate->overflowing, 1);
        l->look_again = true;
        return;
    }
    struct delivery d = {.id = o->delivery_id,
                         .event_id = o->event_id,
                         .locator = o->locator,
                         .order_key = o->order_key,
                         .route = str_from_cstr(o->route),
                         .created_ms = o->created_ms,
                         .state = DELIVERY_CLAIMED};
    /* Committed as the lane's own before the lane fell behind: older ones wait in the store. */
    if (l->destination && l->destination->in_order && !l->ctx->draining &&
        atomic_load(&l->gate->backlogged))
        list_push(&l->overtaken, &flight_new(l, &d)->link);
    else
        lane_make_ready(l, &d);
    if (!l->destination || l->ctx->draining || l->leaving)
        lane_give_back_ready(l, 0);
}

/* --- life cycle ------------------------------------------------------------------------------ */

struct lane *lane_new(struct lane_context *ctx, struct gate *gate)
{
    struct lane *l = xcalloc(1, sizeof(*l));
    l->ctx = ctx;
    l->gate = gate;
    l->due_ms = INT64_MAX;
    l->window = LANE_WINDOW;
    list_init(&l->ready);
    list_init(&l->running);
    list_init(&l->settling);
    list_init(&l->overtaken);
    return l;
}

static void retire_action(struct lane *l)
{
    struct lane_action *by = l->by;
    l->by = NULL;
    if (!by)
        return;
    by->retired = true;
    lane_action_release(by);
}

/* When it shrinks, room may be negative for a while: then nobody enters. */
static void set_window(struct lane *l, int concurrency)
{
    int window = concurrency < LANE_WINDOW_MAX / 16 ? concurrency * 16 : LANE_WINDOW_MAX;
    if (window < LANE_WINDOW)
        window = LANE_WINDOW;
    atomic_fetch_add(&l->gate->room, window - l->window);
    l->window = window;
}

/* Only requests share what is bounded for all; commands and queues have their own bounds. */
static void join_party(struct lane *l)
{
    char name[80];
    bool shares = l->destination && l->destination->action->uses_client;
    int n = l->endpoint ? snprintf(name, sizeof(name), STR_FMT, STR_ARG(l->endpoint->application))
                        : snprintf(name, sizeof(name), "destination %s", l->gate->name);
    turns_join(&l->ctx->turns, &l->turn, shares ? str_of(name, (size_t)n) : STR(""));
}

void lane_configure(struct lane *l, struct config *c, struct endpoint *e,
                    const struct destination_config *d)
{
    retire_action(l);
    if (!e || !l->endpoint || !l->destination || !str_eq(e->url, l->endpoint->url)) {
        l->circuit = (struct circuit){0}; /* it leads elsewhere */
        l->reach = (struct reach){0};
        lane_show_circuit(l);
    }
    config_unref(l->config);
    endpoint_unref(l->endpoint);
    l->config = c ? config_ref(c) : NULL;
    l->endpoint = e ? endpoint_ref(e) : NULL;
    l->destination = d;
    join_party(l);
    if (!d) {
        atomic_store(&l->gate->backlogged, true);
        lane_give_back_overtaken(l);
        lane_give_back_ready(l, 0);
        return;
    }
    set_window(l, d->concurrency);
    /* Of an endpoint that was just made nothing waits: looking for thousands of them costs. */
    if (!e || atomic_load(&l->gate->backlogged)) {
        atomic_store(&l->gate->backlogged, true);
        lane_look(l);
    }
    lane_pump(l);
}

void lane_drain(struct lane *l, bool cancel)
{
    lane_give_back_overtaken(l);
    lane_give_back_ready(l, 0);
    loop_timer_stop(&l->due);
    loop_timer_stop(&l->refill);
    turns_forget(&l->turn);
    if (!cancel || l->running_count == 0)
        return;
    /* Ending one may end others of the same worker: walk over a copy, skip what has ended. */
    struct flight **running = xcalloc((size_t)l->running_count, sizeof(struct flight *));
    size_t count = 0;
    LIST_EACH(&l->running, node)
    running[count++] = CONTAINER_OF(node, struct flight, link);
    for (size_t i = 0; i < count; i++)
        if (running[i]->by)
            flight_cancel(running[i]);
    free(running);
}

void lane_free(struct lane *l)
{
    assert(list_is_empty(&l->running) && list_is_empty(&l->settling) && !l->claim);
    retire_action(l);
    turns_join(&l->ctx->turns, &l->turn, STR(""));
    config_unref(l->config);
    endpoint_unref(l->endpoint);
    loop_timer_stop(&l->due);
    loop_timer_stop(&l->refill);
    idmap_release(&l->busy_keys);
    free(l);
}
