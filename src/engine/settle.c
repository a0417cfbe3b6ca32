/* settle.c -- outcome -> next state, next time, or dead letter. The one place where a delivery's
 * state is decided after its plan; every move is checked against the table of allowed moves. */
#include "engine/lane.h"

#include "engine/retry.h"
#include "engine/trace_tell.h"
#include "http/client.h"

#define RESPONSE_MAX (HTTP_ANSWER_BODY_MAX + HTTP_ANSWER_HEAD_MAX)

static str keep(struct flight *f, str s, size_t max)
{
    str copy = arena_str(&f->arena, str_slice(s, 0, max));
    return copy.p ? copy : STR("");
}

static str reason_text(struct flight *f, const struct retry_decision *next, const struct outcome *o,
                       uint32_t attempt)
{
    char text[SUPERSEDED_TEXT_MAX];
    if (next->state == DELIVERY_CANCELLED && f->superseded_by)
        return arena_printf(&f->arena, STR_FMT "; " STR_FMT,
                            STR_ARG(superseded_text(f->superseded_by, text)), STR_ARG(o->summary));
    if (next->state == DELIVERY_DEAD && o->result == ATTEMPT_RETRY)
        return arena_printf(&f->arena, "gave up after %u attempt%s: " STR_FMT, attempt,
                            attempt == 1 ? "" : "s", STR_ARG(o->summary));
    return keep(f, o->summary, REASON_TEXT_MAX);
}

static void tell_attempt(struct flight *f)
{
    const struct attempt *a = &f->settlement.attempt;
    struct live *live = f->lane->ctx->core->live;
    if (!live_is_watched(live))
        return;
    struct buf line;
    struct json_writer w;
    char id[ID_TEXT_MAX], event_id[ID_TEXT_MAX], when[CLOCK_TEXT_MAX];
    buf_init(&line, 16384);
    json_writer_init(&w, &line);
    json_open(&w, '{');
    json_pair(&w, "kind", STR("attempt"));
    json_pair(&w, "time", clock_format(a->started_ms, when));
    json_pair(&w, "id", id_format("dlv", f->delivery.id, id));
    json_pair(&w, "event_id", id_format("evt", f->delivery.event_id, event_id));
    json_pair(&w, "source", f->event.source);
    json_pair(&w, "type", f->event.type);
    json_pair(&w, "destination", f->delivery.destination);
    json_pair_int(&w, "attempt", a->number);
    json_pair(&w, "result", str_from_cstr(attempt_result_word(a->result)));
    json_pair_int(&w, "status", a->status);
    json_pair_int(&w, "duration_us", a->duration_us);
    json_pair(&w, "summary", a->summary);
    json_pair(&w, "state", str_from_cstr(delivery_state_word(f->settlement.state)));
    json_close(&w, '}');
    if (buf_ok(&line))
        live_tell(live, buf_str(&line));
    buf_release(&line);
}

void settle_tell_output(struct flight *f, bool errors, str bytes)
{
    struct live *live = f->lane->ctx->core->live;
    if (!live_is_watched(live))
        return;
    struct buf line;
    struct json_writer w;
    char id[ID_TEXT_MAX], event_id[ID_TEXT_MAX], when[CLOCK_TEXT_MAX];
    buf_init(&line, 6 * bytes.n + 2048);
    json_writer_init(&w, &line);
    json_open(&w, '{');
    json_pair(&w, "kind", STR("output"));
    json_pair(&w, "time", clock_format(clock_wall_ms(f->lane->ctx->core->clock), when));
    json_pair(&w, "id", id_format("dlv", f->delivery.id, id));
    json_pair(&w, "event_id", id_format("evt", f->delivery.event_id, event_id));
    json_pair(&w, "source", f->event.source);
    json_pair(&w, "destination", f->delivery.destination);
    json_pair(&w, "stream", errors ? STR("stderr") : STR("stdout"));
    json_pair(&w, "text", bytes);
    json_close(&w, '}');
    if (buf_ok(&line))
        live_tell(live, buf_str(&line));
    buf_release(&line);
}

void settle_tell_waiter(struct flight *f)
{
    const struct settlement *s = &f->settlement;
    struct waited what = {.state = s->state,
                          .result = s->attempt.result,
                          .status = s->attempt.status,
                          .error_class = s->attempt.error_class,
                          .summary = s->attempt.number ? s->attempt.summary : s->reason,
                          .output = f->output};
    if (!s->attempt.number) /* it was not attempted */
        what.result = s->state == DELIVERY_SKIPPED ? ATTEMPT_SKIPPED : ATTEMPT_CANCELLED;
    waiting_tell_done(f->lane->ctx->core->waiting, f->delivery.id, &what);
}

static void count_end(struct gate *g, enum delivery_state s)
{
    _Atomic int64_t *ended = s == DELIVERY_DEAD        ? &g->dead
                             : s == DELIVERY_SKIPPED   ? &g->skipped
                             : s == DELIVERY_CANCELLED ? &g->cancelled
                                                       : NULL;
    if (ended)
        atomic_fetch_add_explicit(ended, 1, memory_order_relaxed);
}

static void count_action(const struct flight *f)
{
    const struct attempt *a = &f->settlement.attempt;
    const struct destination_config *d = f->by->destination;
    str exit = a->result == ATTEMPT_SUCCESS   ? STR("ok")
               : a->result == ATTEMPT_SKIPPED ? STR("skipped")
                                              : a->error_class;
    action_metrics_note(&f->lane->ctx->core->actions, d->action->kind->name, d->is_endpoint, exit,
                        a->duration_us);
}

static void count(struct flight *f, int64_t now_ms)
{
    const struct settlement *s = &f->settlement;
    struct metrics *m = &f->lane->ctx->core->metrics;
    struct gate *g = f->lane->gate;
    bool ok = s->state == DELIVERY_DELIVERED, is_retry = s->attempt.number > 1;
    METRIC_ADD(m, attempts_succeeded, ok);
    METRIC_ADD(m, attempts_failed, !ok);
    METRIC_ADD(m, deliveries_dead, s->state == DELIVERY_DEAD);
    atomic_fetch_add_explicit(&g->attempts, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(ok ? &g->succeeded : &g->failed, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&g->retries, is_retry, memory_order_relaxed);
    count_end(g, s->state);
    atomic_store_explicit(ok ? &g->last_success_ms : &g->last_failure_ms, now_ms,
                          memory_order_relaxed);
    histogram_add(&g->attempt_us, &histogram_durations, s->attempt.duration_us);
    if (ok)
        histogram_add(&g->latency_us, &histogram_latencies, (now_ms - f->event.received_ms) * 1000);
    count_action(f);
    /* Its lane's loop alone writes it. */
    uint64_t result = ok ? GATE_SUCCESS : s->state == DELIVERY_DEAD ? GATE_DEAD : GATE_RETRY;
    uint64_t recent = atomic_load_explicit(&g->recent, memory_order_relaxed);
    atomic_store_explicit(&g->recent, recent << 2 | result, memory_order_relaxed);
}

void settle_superseded(struct flight *f)
{
    char text[SUPERSEDED_TEXT_MAX];
    f->settlement = (struct settlement){
        .delivery_id = f->delivery.id,
        .event_id = f->delivery.event_id,
        .state = DELIVERY_CANCELLED,
        .settled_ms = clock_wall_ms(f->lane->ctx->core->clock),
        .attempts = f->delivery.attempts,
        .reason = keep(f, superseded_text(f->superseded_by, text), REASON_TEXT_MAX),
    };
    METRIC_ADD(&f->lane->ctx->core->metrics, deliveries_superseded, 1);
    count_end(f->lane->gate, DELIVERY_CANCELLED);
    commit_ticket_add_settlement(f->lane->ctx->outcomes, &f->settlement);
}

/* What is sent again by hand is tried once; a head that must not hold up its order, too. */
static bool is_last(const struct flight *f, const struct destination_config *d)
{
    return (d->is_endpoint && str_eq(f->delivery.route, STR("resend"))) ||
           (d->in_order && d->dead_when_blocked);
}

void settle_outcome(struct flight *f, const struct outcome *o)
{
    struct lane_context *ctx = f->lane->ctx;
    const struct destination_config *d = f->by->destination;
    int64_t now_ms = clock_wall_ms(ctx->core->clock);
    uint32_t number = f->delivery.attempts + 1;
    bool superseded =
        f->superseded_by && (o->result == ATTEMPT_RETRY || o->result == ATTEMPT_CANCELLED);
    /* A drain's cancellation is no attempt of the schedule. */
    bool counts = superseded || o->result != ATTEMPT_CANCELLED;
    struct retry_decision next = retry_decide(&d->retry, number, o, now_ms, &ctx->rng);
    if (counts && next.state == DELIVERY_PENDING && is_last(f, d))
        next = (struct retry_decision){.state = DELIVERY_DEAD};
    if (superseded)
        next = (struct retry_decision){.state = DELIVERY_CANCELLED};
    assert(delivery_may_move(DELIVERY_CLAIMED, next.state));
    f->settlement = (struct settlement){
        .delivery_id = f->delivery.id,
        .event_id = f->delivery.event_id,
        .state = next.state,
        .next_ms = next.next_ms,
        .settled_ms = next.state == DELIVERY_PENDING ? 0 : now_ms,
        .attempts = counts ? number : f->delivery.attempts,
        .reason = reason_text(f, &next, o, number),
        .attempt = {.id = d->is_endpoint && counts ? id_next(&ctx->core->ids) : 0,
                    .delivery_id = f->delivery.id,
                    .number = number,
                    .result = o->result,
                    .started_ms = f->task.now_ms,
                    .duration_us = (clock_mono_ns(ctx->core->clock) - f->started_ns) / 1000,
                    .status = o->status,
                    .error_class = str_from_cstr(o->error_class ? o->error_class : ""),
                    .summary = keep(f, o->summary, REASON_TEXT_MAX),
                    .request = keep(f, o->request, HTTP_ANSWER_HEAD_MAX),
                    .response = keep(f, o->response, RESPONSE_MAX),
                    .timing = keep(f, o->timing, 512)},
    };
    if (waiting_is_wanted(ctx->core->waiting, f->delivery.id, false))
        f->output = keep(f, o->output, RESPONSE_MAX);
    if (!counts)
        f->settlement.attempt.number = 0;
    else
        count(f, now_ms);
    if (counts)
        trace_tell_attempt(ctx->core->tracer, f->trace, &f->event, &f->delivery,
                           &f->settlement.attempt);
    settle_tell_news(f, o);
    tell_attempt(f);
    commit_ticket_add_settlement(ctx->outcomes, &f->settlement);
}
