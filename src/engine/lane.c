/* lane.c -- fills the window from offers and from the store, starts what concurrency, rate and
 * order allow, and frees places when outcomes are durable.
 *
 * Invariant: every delivery in ready, running or settling is CLAIMED in the store and holds one
 * place of the gate. `backlogged` is cleared only when the store had nothing more that was due
 * and no front loop has an overflow under way, so that newcomers never overtake the backlog. */
#include "engine/lane.h"

#include "base/log.h"
#include "engine/endpoint.h"
#include "engine/filter.h"
#include "engine/tracer.h"

#define EVENT_ARENA_MAX (96u << 20)
#define LOAD_RETRY_MS 1000
#define LEASE_RETRY_MS 200
#define LEAVE_RETRY_MS 50
#define DUE_WAIT_MAX_MS INT64_C(31536000000) /* a year */

struct lane_claim {
    struct loop_work work;
    struct lane *lane;
    struct claim want;
    struct arena arena;
    struct delivery_list found;
    int64_t next_due_ms;
    bool alone; /* nothing of the lane was in memory when it was asked */
    unsigned lost;
    enum err err;
    struct reason why;
};

/* --- flights --------------------------------------------------------------------------------- */

static struct flight *flight_new(struct lane *l)
{
    struct list *node = list_pop(&l->ctx->free_flights);
    struct flight *f = node ? CONTAINER_OF(node, struct flight, link) : NULL;
    if (!f) {
        f = xcalloc(1, sizeof(*f));
        arena_init(&f->arena, EVENT_ARENA_MAX);
    }
    f->lane = l;
    f->superseded_by = 0;
    f->output = STR_NONE;
    list_init(&f->link);
    l->held++;
    return f;
}

static void flight_free(struct flight *f)
{
    list_remove(&f->link);
    f->lane->held--;
    arena_reset(&f->arena);
    list_push_front(&f->lane->ctx->free_flights, &f->link);
}

static struct flight *take_in(struct lane *l, const struct delivery *d)
{
    struct flight *f = flight_new(l);
    f->delivery = *d;
    f->delivery.destination = str_from_cstr(l->gate->name);
    /* Slices of a claim's arena do not outlive it. */
    f->delivery.route = arena_str(&f->arena, d->route);
    f->delivery.reason = STR("");
    return f;
}

static void make_ready(struct lane *l, const struct delivery *d)
{
    struct flight *f = take_in(l, d);
    list_push(&l->ready, &f->link);
    l->ready_count++;
}

static void give_back(struct lane *l, uint64_t *ids, size_t count)
{
    struct reason why = {0};
    if (count && store_unclaim(l->ctx->core->store, ids, count, &why) != ERR_OK)
        log_event(LOG_WARN, "claimed deliveries stay leased until the next start",
                  LOG_F("destination", str_from_cstr(l->gate->name)),
                  LOG_F("reason", str_from_cstr(why.text)));
    for (size_t i = 0; i < count; i++)
        gate_leave(l->gate);
}

/* Ready deliveries (of one order key, or all with key 0) go back into the store. */
static void give_back_ready(struct lane *l, uint64_t order_key)
{
    uint64_t ids[LANE_WINDOW_MAX * 2];
    size_t count = 0;
    LIST_EACH(&l->ready, node)
    {
        struct flight *f = CONTAINER_OF(node, struct flight, link);
        if (order_key && f->delivery.order_key != order_key)
            continue;
        ids[count++] = f->delivery.id;
        l->ready_count--;
        flight_free(f);
        if (count == ARRAY_LEN(ids)) {
            give_back(l, ids, count);
            count = 0;
        }
    }
    give_back(l, ids, count);
}

static void give_back_overtaken(struct lane *l)
{
    uint64_t ids[LANE_WINDOW_MAX * 2];
    size_t count = 0;
    struct list *node;
    while (count < ARRAY_LEN(ids) && (node = list_pop(&l->overtaken)) != NULL) {
        struct flight *f = CONTAINER_OF(node, struct flight, link);
        ids[count++] = f->delivery.id;
        flight_free(f);
    }
    give_back(l, ids, count);
    if (count)
        l->look_again = true;
}

/* What is ready was claimed under a lease that was lost: it is another's, or due again. */
static void drop_ready(struct lane *l)
{
    struct list *node;
    while ((node = list_pop(&l->ready)) != NULL || (node = list_pop(&l->overtaken)) != NULL) {
        flight_free(CONTAINER_OF(node, struct flight, link));
        gate_leave(l->gate);
    }
    l->ready_count = 0;
}

/* --- the store ------------------------------------------------------------------------------- */

static void due_fired(struct loop_timer *t)
{
    struct lane *l = CONTAINER_OF(t, struct lane, due);
    l->due_ms = INT64_MAX;
    atomic_store(&l->gate->backlogged, true);
    lane_look(l);
}

static void arm_due(struct lane *l, int64_t due_ms)
{
    if (due_ms >= l->due_ms)
        return;
    /* In this order: time that passes between the two makes it early, and it looks again, not late.
     */
    int64_t now_ns = clock_mono_ns(l->ctx->core->clock);
    int64_t wait = due_ms - clock_wall_ms(l->ctx->core->clock);
    if (wait < 0)
        wait = 0;
    if (wait > DUE_WAIT_MAX_MS) /* then it looks again, too */
        wait = DUE_WAIT_MAX_MS;
    l->due_ms = due_ms;
    loop_timer_start_at(l->ctx->loop, &l->due, now_ns + wait * 1000000, due_fired);
}

static void claim_work(struct loop_work *w)
{
    struct lane_claim *c = CONTAINER_OF(w, struct lane_claim, work);
    c->err = store_claim(c->lane->ctx->core->store, &c->want, &c->arena, &c->found, &c->next_due_ms,
                         &c->why);
}

/* True when nothing that is due, or must go before newcomers, is left in the store. In order, what
 * is left may be hidden behind a head that is in memory: only a look without one can tell. */
static bool nothing_left(const struct lane *l, const struct lane_claim *c)
{
    if (c->found.count == c->want.max || l->look_again)
        return false;
    if (!c->want.in_order)
        return true;
    /* Others may store for this lane too, and what they stored comes before our newcomers. */
    if (l->ctx->core->store->shared)
        return false;
    return c->alone && c->found.count == 0 && c->next_due_ms == INT64_MAX;
}

static void follow_claim(struct lane *l, const struct lane_claim *c)
{
    if (c->next_due_ms != INT64_MAX)
        arm_due(l, c->next_due_ms);
    if (c->err != ERR_OK)
        return;
    if (nothing_left(l, c)) {
        atomic_store(&l->gate->backlogged, false);
        /* An overflow announced between the claim and the line above must not be forgotten. */
        if (atomic_load(&l->gate->overflowing) > 0)
            atomic_store(&l->gate->backlogged, true);
    } else if (c->found.count == c->want.max) {
        l->look_again = true;
    } else if (c->want.in_order && !c->alone && l->held == 0) {
        l->look_again = true; /* what hid the rest has ended meanwhile */
    }
}

static void claim_done(struct loop_work *w)
{
    struct lane_claim *c = CONTAINER_OF(w, struct lane_claim, work);
    struct lane *l = c->lane;
    l->claim = NULL;
    if (c->err == ERR_OK && c->lost != atomic_load(&l->ctx->core->store->lost)) {
        c->found.count = 0;
        c->next_due_ms = 0;
    } else if (c->err == ERR_CONFLICT && l->ctx->core->store->shared) {
        l->elsewhere = true;
        c->found.count = 0;
        c->next_due_ms = INT64_MAX;
    } else if (c->err != ERR_OK) {
        uint64_t held = 0;
        if (log_rate("claim", &held))
            log_event(LOG_ERROR, "cannot fetch due deliveries",
                      LOG_F("destination", str_from_cstr(l->gate->name)),
                      LOG_F("reason", str_from_cstr(c->why.text)));
        c->found.count = 0;
        c->next_due_ms = clock_wall_ms(l->ctx->core->clock) + LOAD_RETRY_MS;
    }
    for (size_t i = 0; i < c->found.count; i++)
        make_ready(l, &c->found.v[i]);
    atomic_fetch_add(&l->gate->room, (int)(c->want.max - c->found.count));
    follow_claim(l, c);
    arena_release(&c->arena);
    free(c);
    if (l->ctx->draining || !l->destination || l->leaving)
        give_back_ready(l, 0);
    lane_pump(l);
}

void lane_look(struct lane *l)
{
    if (l->ctx->draining || !l->destination || atomic_load(&l->gate->paused))
        return;
    if (l->claim || l->elsewhere || l->leaving) {
        l->look_again = true;
        return;
    }
    int room = atomic_exchange(&l->gate->room, 0); /* front loops take from it meanwhile */
    if (room < l->window / 4) {
        atomic_fetch_add(&l->gate->room, room);
        l->look_again = true; /* asked again when places were freed */
        if (l->held == 0)     /* front loops have them, and may give them back without a word */
            arm_due(l, clock_wall_ms(l->ctx->core->clock) + LOAD_RETRY_MS);
        return;
    }
    struct lane_claim *c = xcalloc(1, sizeof(*c));
    arena_init(&c->arena, 4u << 20);
    c->lane = l;
    c->want = (struct claim){.destination = str_from_cstr(l->gate->name),
                             .now_ms = clock_wall_ms(l->ctx->core->clock),
                             .max = (size_t)room,
                             .in_order = l->destination->in_order};
    c->next_due_ms = INT64_MAX;
    c->alone = l->held == 0;
    c->lost = atomic_load(&l->ctx->core->store->lost);
    c->work.work = claim_work;
    c->work.done = claim_done;
    l->look_again = false;
    l->claim = c;
    loop_work_start(l->ctx->loop, &c->work);
}

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

static struct lane_action *action_in_force(struct lane *l, struct reason *why)
{
    if (l->by)
        return l->by;
    const struct action_config *c = l->destination->action;
    struct action *a = c->kind->create(c, &l->ctx->actions, why);
    if (!a)
        return NULL;
    l->by = xcalloc(1, sizeof(*l->by));
    l->by->action = a;
    l->by->config = l->config ? config_ref(l->config) : NULL;
    l->by->endpoint = l->endpoint ? endpoint_ref(l->endpoint) : NULL;
    l->by->destination = l->destination;
    return l->by;
}

static void release_action(struct lane_action *by)
{
    if (!by || by->running > 0)
        return;
    action_free(by->action);
    config_unref(by->config);
    endpoint_unref(by->endpoint);
    free(by);
}

static void finished(struct task *t, const struct outcome *o)
{
    struct flight *f = CONTAINER_OF(t, struct flight, task);
    struct lane *l = f->lane;
    struct lane_action *by = f->by;
    settle_outcome(f, o);
    list_remove(&f->link);
    list_push(&l->settling, &f->link);
    l->running_count--;
    atomic_store_explicit(&l->gate->running, l->running_count, memory_order_relaxed);
    if (--by->running == 0 && by->retired)
        release_action(by);
    f->by = NULL;
    /* In order: the key stays busy until the outcome is durable, or its successor could pass. */
    if (!l->destination || !l->destination->in_order)
        lane_pump(l);
}

/* What a command writes, for those who watch and the one who waits. */
static void told_output(struct task *t, bool errors, str bytes)
{
    struct flight *f = CONTAINER_OF(t, struct flight, task);
    struct engine_core *core = f->lane->ctx->core;
    if (waiting_is_wanted(core->waiting, f->delivery.id, true))
        waiting_tell_output(core->waiting, f->delivery.id, bytes);
    settle_tell_output(f, errors, bytes);
}

static void fail_flight(struct flight *f, enum attempt_result result, const char *class, str text)
{
    struct outcome o = {.result = result, .error_class = class, .summary = text};
    finished(&f->task, &o);
}

static void filtered(struct flight *f, const struct outcome *o)
{
    if (o)
        finished(&f->task, o);
    else
        action_start(f->by->action, &f->task);
}

static void filter_and_start(struct flight *f)
{
    struct outcome o;
    bool failed;
    struct filter *x = filter_new(f, &o, &failed);
    if (x)
        filter_start(x, filtered);
    else
        filtered(f, failed ? &o : NULL);
}

/* Ends what runs of it, programs or action. */
static void cancel_flight(struct flight *f)
{
    if (!f->filter) {
        action_cancel(f->by->action, &f->task);
        return;
    }
    filter_forget(f->filter);
    fail_flight(f, ATTEMPT_CANCELLED, "cancelled", STR("ended before it was attempted"));
}

/* What the attempt tells of the trace it is in: with a collector its own span, of the request or
 * of the program, without one what the event's sender said. */
static void enter_trace(struct flight *f)
{
    const struct tracer *tracer = f->lane->ctx->core->tracer;
    struct event_trace e;
    char text[TRACEPARENT_MAX];
    if (!trace_of_event(tracer_sampler(tracer), &f->event, &f->arena, &e))
        return;
    const struct trace_context *c = &e.sender;
    if (tracer && (f->trace = ARENA_NEW(&f->arena, struct attempt_trace))) {
        trace_of_attempt(&e, f->delivery.id, f->delivery.attempts + 1, f->trace);
        c = f->by->destination->action->runs_command ? &f->trace->process : &f->trace->client;
    }
    str kept = arena_str(&f->arena, traceparent_format(c, text));
    f->task.traceparent = kept.p ? kept : STR("");
    f->task.tracestate = kept.p ? e.state : STR("");
}

static void start(struct lane *l, struct flight *f)
{
    struct lane_context *ctx = l->ctx;
    struct reason why = {0};
    list_remove(&f->link);
    list_push(&l->running, &f->link);
    l->ready_count--;
    l->running_count++;
    ctx->in_flight++;
    atomic_store_explicit(&l->gate->running, l->running_count, memory_order_relaxed);
    if (l->destination->in_order)
        idmap_put(&l->busy_keys, f->delivery.order_key, f);
    METRIC_ADD(&ctx->core->metrics, attempts_started, 1);
    f->task = (struct task){.event = &f->event,
                            .delivery = &f->delivery,
                            .arena = &f->arena,
                            .now_ms = clock_wall_ms(ctx->core->clock),
                            .done = finished};
    if (live_is_watched(ctx->core->live) ||
        waiting_is_wanted(ctx->core->waiting, f->delivery.id, true))
        f->task.output = told_output;
    f->started_ns = clock_mono_ns(ctx->core->clock);
    f->event = (struct event){0};
    f->trace = NULL;
    f->by = action_in_force(l, &why);
    if (!f->by) {
        l->unusable.destination = l->destination;
        l->unusable.running++;
        f->by = &l->unusable;
        fail_flight(f, ATTEMPT_RETRY, "setup", str_from_cstr(why.text));
        return;
    }
    f->by->running++;
    enum err err = store_load(ctx->reader, f->delivery.event_id, f->delivery.locator, &f->arena,
                              &f->event, &why);
    if (err == ERR_OK) {
        enter_trace(f);
        filter_and_start(f);
    } else if (err == ERR_NOT_FOUND) {
        fail_flight(f, ATTEMPT_PERMANENT, "gone", STR("the event is no longer stored"));
    } else {
        fail_flight(f, ATTEMPT_RETRY, "store", str_from_cstr(why.text));
    }
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
        drop_ready(l);
        l->lost_seen = lost;
        atomic_store(&l->gate->backlogged, true);
    }
    if (store_lease_holds(s))
        return true;
    loop_timer_start(l->ctx->loop, &l->refill, LEASE_RETRY_MS, pump_fired);
    return false;
}

void lane_pump(struct lane *l)
{
    /* An action may finish before start returns; the loop below then takes the next one. */
    if (!l->destination || l->ctx->draining || l->pumping || !has_lease(l) || leave_lane(l) ||
        atomic_load(&l->gate->paused))
        return;
    l->pumping = true;
    while (l->running_count < l->destination->concurrency) {
        struct flight *f = next_ready(l);
        if (!f || !take_token(l))
            break;
        start(l, f);
    }
    give_back_overtaken(l);
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
    give_back_overtaken(l);
    give_back_ready(l, 0);
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
    if (idmap_get(&l->busy_keys, key) == f) /* not that of another of its key */
        idmap_remove(&l->busy_keys, key);
    flight_free(f);
    l->ctx->in_flight--;
    gate_leave(l->gate);
    if (retry) {
        if (in_order) {
            /* What is behind it must wait in the store, where the claim keeps the order. */
            atomic_store(&l->gate->backlogged, true);
            give_back_ready(l, key);
        }
        arm_due(l, next_ms);
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
        cancel_flight(running);
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
        list_push(&l->overtaken, &take_in(l, &d)->link);
    else
        make_ready(l, &d);
    if (!l->destination || l->ctx->draining || l->leaving)
        give_back_ready(l, 0);
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
    release_action(by);
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

void lane_configure(struct lane *l, struct config *c, struct endpoint *e,
                    const struct destination_config *d)
{
    retire_action(l);
    config_unref(l->config);
    endpoint_unref(l->endpoint);
    l->config = c ? config_ref(c) : NULL;
    l->endpoint = e ? endpoint_ref(e) : NULL;
    l->destination = d;
    if (!d) {
        atomic_store(&l->gate->backlogged, true);
        give_back_overtaken(l);
        give_back_ready(l, 0);
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
    give_back_overtaken(l);
    give_back_ready(l, 0);
    loop_timer_stop(&l->due);
    loop_timer_stop(&l->refill);
    if (!cancel || l->running_count == 0)
        return;
    /* Ending one may end others of the same worker: walk over a copy, skip what has ended. */
    struct flight **running = xcalloc((size_t)l->running_count, sizeof(struct flight *));
    size_t count = 0;
    LIST_EACH(&l->running, node)
    running[count++] = CONTAINER_OF(node, struct flight, link);
    for (size_t i = 0; i < count; i++)
        if (running[i]->by)
            cancel_flight(running[i]);
    free(running);
}

void lane_free(struct lane *l)
{
    assert(list_is_empty(&l->running) && list_is_empty(&l->settling) && !l->claim);
    retire_action(l);
    config_unref(l->config);
    endpoint_unref(l->endpoint);
    loop_timer_stop(&l->due);
    loop_timer_stop(&l->refill);
    idmap_release(&l->busy_keys);
    free(l);
}
