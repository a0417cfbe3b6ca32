/* flight.c -- one delivery from its place in the window to its outcome: the event is loaded, its
 * programs run, the action tries, and what came of it is settled. */
#include "engine/lane.h"

#include "base/log.h"
#include "engine/endpoint.h"
#include "engine/filter.h"
#include "engine/recovery.h"
#include "engine/tracer.h"

#define EVENT_ARENA_MAX (96u << 20)

/* --- flights --------------------------------------------------------------------------------- */

static struct flight *flight_place(struct lane *l)
{
    struct list *node = list_pop(&l->ctx->free_flights);
    struct flight *f = node ? CONTAINER_OF(node, struct flight, link) : NULL;
    if (!f) {
        f = xcalloc(1, sizeof(*f));
        arena_init(&f->arena, EVENT_ARENA_MAX);
    }
    f->lane = l;
    f->superseded_by = 0;
    f->place = NULL;
    f->news = NULL;
    f->output = STR_NONE;
    list_init(&f->link);
    l->held++;
    return f;
}

void flight_free(struct flight *f)
{
    list_remove(&f->link);
    f->lane->held--;
    arena_reset(&f->arena);
    list_push_front(&f->lane->ctx->free_flights, &f->link);
}

struct flight *flight_new(struct lane *l, const struct delivery *d)
{
    struct flight *f = flight_place(l);
    f->delivery = *d;
    f->delivery.destination = str_from_cstr(l->gate->name);
    /* Slices of a claim's arena do not outlive it. */
    f->delivery.route = arena_str(&f->arena, d->route);
    f->delivery.reason = STR("");
    return f;
}

/* --- the attempt --------------------------------------------------------------------------------
 */

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

void lane_action_release(struct lane_action *by)
{
    if (!by || by->running > 0)
        return;
    action_free(by->action);
    config_unref(by->config);
    endpoint_unref(by->endpoint);
    free(by);
}

/* An answer of any kind proves that somebody is there; a refusal (4xx) is of the message. */
static enum circuit_verdict verdict_of(const struct flight *f, const struct outcome *o)
{
    bool busy = o->status == 408 || o->status == 425 || o->status == 429;
    if (o->result == ATTEMPT_SUCCESS || (o->status >= 400 && o->status < 500 && !busy))
        return CIRCUIT_ANSWERED;
    bool tried = o->result == ATTEMPT_RETRY || o->result == ATTEMPT_LOST;
    return tried && f->sent ? CIRCUIT_FAILED : CIRCUIT_NO_WORD;
}

static void tell_circuit(struct flight *f, const struct outcome *o)
{
    struct lane *l = f->lane;
    struct engine_core *core = l->ctx->core;
    enum circuit_state before = l->circuit.state;
    int64_t now_ms = clock_mono_ns(core->clock) / 1000000;
    bool opened = circuit_ended(&l->circuit, &f->by->destination->circuit, f->delivery.id,
                                verdict_of(f, o), now_ms);
    if (opened && f->by->endpoint)
        recovery_note(core->recovery, f->by->endpoint->id, ENDPOINT_EXHAUSTED);
    if (l->circuit.state == before)
        return;
    lane_show_circuit(l);
    if (before == CIRCUIT_CLOSED) {
        METRIC_ADD(&core->metrics, circuits_opened, 1);
        log_event(LOG_WARN, "a destination fails again and again and is left alone for a while",
                  LOG_F("destination", str_from_cstr(l->gate->name)), LOG_F("reason", o->summary));
    } else if (l->circuit.state == CIRCUIT_CLOSED) {
        log_event(LOG_INFO, "a destination answers again",
                  LOG_F("destination", str_from_cstr(l->gate->name)));
    }
}

static void finished(struct task *t, const struct outcome *o)
{
    struct flight *f = CONTAINER_OF(t, struct flight, task);
    struct lane *l = f->lane;
    struct lane_action *by = f->by;
    settle_outcome(f, o);
    tell_circuit(f, o);
    reach_ended(&l->reach, by->destination->concurrency, l->running_count, verdict_of(f, o),
                f->settlement.attempt.duration_us);
    turns_give(&l->ctx->turns, f->place);
    f->place = NULL;
    list_remove(&f->link);
    list_push(&l->settling, &f->link);
    l->running_count--;
    atomic_store_explicit(&l->gate->running, l->running_count, memory_order_relaxed);
    if (--by->running == 0 && by->retired)
        lane_action_release(by);
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
    if (o) {
        finished(&f->task, o);
        return;
    }
    f->sent = true;
    turns_charge(f->place, f->event.body.n);
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

void flight_cancel(struct flight *f)
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
        /* A request has a span of its own. */
        c = f->by->destination->action->uses_client ? &f->trace->client : &f->trace->process;
    }
    str kept = arena_str(&f->arena, traceparent_format(c, text));
    f->task.traceparent = kept.p ? kept : STR("");
    f->task.tracestate = kept.p ? e.state : STR("");
}

void flight_start(struct flight *f)
{
    struct lane *l = f->lane;
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
    f->sent = false;
    f->by = action_in_force(l, &why);
    if (!f->by) {
        l->unusable.destination = l->destination;
        l->unusable.running++;
        f->by = &l->unusable;
        fail_flight(f, ATTEMPT_RETRY, "setup", str_from_cstr(why.text));
        return;
    }
    f->by->running++;
    store_hold(ctx->reader); /* for the other attempts of this turn, too */
    enum err err = store_load(ctx->reader, f->delivery.event_id, f->delivery.locator, &f->arena,
                              &f->event, &why);
    if (err == ERR_OK) {
        enter_trace(f);
        filter_and_start(f);
    } else if (err == ERR_NOT_FOUND) {
        fail_flight(f, ATTEMPT_PERMANENT, "gone", STR("the event is no longer stored"));
    } else {
        METRIC_ADD(&ctx->core->metrics, load_errors, 1);
        fail_flight(f, ATTEMPT_RETRY, "store", str_from_cstr(why.text));
    }
}
