/* ingest.c -- the hot path. A request that arrives is greeted or verified and planned at once;
 * its event joins the loop's present round. At the end of the turn the round's ticket goes to the
 * committer; when it comes back each request of the round is answered and the deliveries that
 * were committed as CLAIMED are offered to their lanes.
 *
 * Invariant: a 2xx leaves only from round_committed with err == ERR_OK, or for a duplicate that
 * is stored already, or for a handshake. */
#include "engine/ingest.h"

#include "base/log.h"
#include "engine/arrived.h"
#include "engine/done.h"
#include "engine/ingest_answer.h"
#include "engine/ingest_greet.h"
#include "engine/ingest_view.h"
#include "engine/planned.h"
#include "engine/secret_book.h"
#include "engine/trace_tell.h"
#include "verify/explain.h"

#define RETRY_AFTER_S 5
#define TRACE_MAX 8192
#define REJECTED_BODY_MAX 65536
#define REJECTED_A_SECOND_MAX 50
/* Of events that were answered and are not stored yet; beyond it answers wait for the disk. */
#define ANSWERED_BYTES_MAX (64u << 20)

struct pending { /* in its exchange's arena */
    struct pending *next;
    struct http_exchange *x;
    struct ingest_view *view;
    size_t source;
    struct new_event event;
    struct gate **gates; /* of the deliveries, in their order */
    size_t awaited;      /* of the deliveries: whose result is the answer */
    bool is_waiting;     /* done.c answers */
    bool is_answered;    /* before the commit; then it lives in own memory */
    struct arena own;
    int64_t received_mono_ns;
    enum verdict_code rejected; /* not VERIFIED: the answer is this refusal */
    bool is_part;               /* of a batch: the last of it answers for all */
    struct pending *batch;      /* of that last one: all of them, in a row */
    size_t batch_count;
};

struct round {
    struct commit_ticket ticket;
    struct ingest *ingest;
    struct round *next_free;
    struct pending *first, **last;
};

struct ingest {
    struct engine_core *core;
    struct loop *loop;
    struct loop_hook hook;
    struct ingest_view *view;
    struct done_waits waits;
    struct round *current, *free_rounds;
    size_t rounds_out;
    struct buf trace;
    size_t answered_bytes;
    int64_t rejected_second;
    unsigned rejected_kept; /* in that second */
};

/* --- places ---------------------------------------------------------------------------------- */

static struct ingest_view *view_now(struct ingest *in)
{
    uint64_t now = atomic_load_explicit(&in->core->generation, memory_order_acquire);
    if (!in->view || in->view->generation != now) {
        ingest_view_put(in->view);
        in->view = ingest_view_new(in->core);
    }
    return in->view;
}

const struct config *ingest_config(struct ingest *in)
{
    return view_now(in)->config;
}

struct ingest_place ingest_find(struct ingest *in, str method, str path, struct arena *a)
{
    struct router_match m;
    router_find(view_now(in)->router, method, path, a, &m);
    return (struct ingest_place){m.status, m.allow, (size_t)(uintptr_t)m.value - 1};
}

int64_t ingest_body_limit(struct ingest *in, const struct http_request *head)
{
    struct router_match m;
    router_find(view_now(in)->router, head->method, head->path, head->arena, &m);
    if (m.status != 200)
        return 0;
    return in->view->config->sources[(size_t)(uintptr_t)m.value - 1]->body_bytes_max;
}

/* --- rounds ---------------------------------------------------------------------------------- */

static void round_committed(struct commit_ticket *t);

static struct round *round_take(struct ingest *in)
{
    struct round *r = in->free_rounds;
    if (r)
        in->free_rounds = r->next_free;
    else
        r = xcalloc(1, sizeof(*r));
    r->ingest = in;
    r->first = NULL;
    r->last = &r->first;
    commit_ticket_init(&r->ticket, in->loop, round_committed);
    return r;
}

static void turn_end(struct loop_hook *hook)
{
    struct ingest *in = CONTAINER_OF(hook, struct ingest, hook);
    struct round *r = in->current;
    if (!r || commit_ticket_is_empty(&r->ticket))
        return;
    in->current = NULL;
    in->rounds_out++;
    committer_submit(in->core->committer, &r->ticket, true);
}

static struct round *round_current(struct ingest *in)
{
    if (!in->current)
        in->current = round_take(in);
    return in->current;
}

/* --- answers --------------------------------------------------------------------------------- */

static void answer_stored(struct pending *p)
{
    const struct source_config *s = p->view->config->sources[p->source];
    const struct verifier *verifier = p->view->verifiers[p->source];
    if (!p->batch) {
        ingest_answer_stored(p->x, s, verifier, &p->event);
        return;
    }
    struct ingest_answer_list list;
    ingest_answer_list_begin(&list, p->batch_count);
    for (size_t i = 0; i < p->batch_count; i++)
        ingest_answer_list_add(&list, &p->batch[i].event);
    ingest_answer_list_end(&list, p->x, s, verifier);
}

/* --- what happened, for those who watch ------------------------------------------------------- */

static void tell_event(struct ingest *in, const struct event *e, const char *kind,
                       size_t deliveries)
{
    if (!live_is_watched(in->core->live))
        return;
    struct buf line;
    struct json_writer w;
    char id[ID_TEXT_MAX], when[CLOCK_TEXT_MAX];
    buf_init(&line, 16384);
    json_writer_init(&w, &line);
    json_open(&w, '{');
    json_pair(&w, "kind", str_from_cstr(kind));
    json_pair(&w, "time", clock_format(e->received_ms, when));
    json_pair(&w, "id", id_format("evt", e->id, id));
    json_pair(&w, "source", e->source);
    json_pair(&w, "type", e->type);
    json_pair(&w, "verdict", e->verdict);
    json_pair(&w, "verdict_text", e->verdict_text);
    json_pair(&w, "peer", e->peer);
    json_pair_int(&w, "body_bytes", (int64_t)e->body.n);
    json_pair_int(&w, "deliveries", (int64_t)deliveries);
    json_close(&w, '}');
    if (buf_ok(&line))
        live_tell(in->core->live, buf_str(&line));
    buf_release(&line);
}

/* --- after the commit ------------------------------------------------------------------------ */

static void tell_trace(struct ingest *in, const struct pending *p, enum err err, int64_t now_ns)
{
    const struct source_config *s = p->view->config->sources[p->source];
    int status = err != ERR_OK ? 503 : s->respond_set ? s->respond_status : 200;
    trace_tell_request(in->core->tracer, &p->event.event, s->path, status,
                       err == ERR_OK && !p->event.duplicate_of,
                       (now_ns - p->received_mono_ns) / 1000);
}

/* What the commit made of it, for lanes, counters and watchers. */
static void follow_commit(struct ingest *in, struct pending *p, const struct commit_ticket *t,
                          struct dispatch_offers *offers, int64_t now_ns)
{
    struct metrics *m = &in->core->metrics;
    struct source_stats *stats = p->view->stats[p->source];
    if (p->rejected)
        return;
    tell_trace(in, p, t->err, now_ns);
    if (t->err != ERR_OK) {
        METRIC_ADD(m, events_refused, 1);
        planned_leave(&p->event, p->gates);
    } else if (p->event.duplicate_of) {
        METRIC_ADD(m, events_duplicate, 1);
        atomic_fetch_add_explicit(&stats->duplicates, 1, memory_order_relaxed);
        planned_leave(&p->event, p->gates);
        tell_event(in, &p->event.event, "duplicate", 0);
    } else {
        METRIC_ADD(m, events_accepted, 1);
        METRIC_ADD(m, event_bytes, p->event.event.body.n);
        atomic_fetch_add_explicit(&stats->received, 1, memory_order_relaxed);
        atomic_store_explicit(&stats->last_event_ms, p->event.event.received_ms,
                              memory_order_relaxed);
        histogram_add(&stats->ack_us, &histogram_durations, (now_ns - p->received_mono_ns) / 1000);
        planned_offer(offers, &p->event, p->gates);
        tell_event(in, &p->event.event, "event", p->event.delivery_count);
    }
}

/* Before its deliveries are offered: none may end unheard. */
static void wait_if_asked(struct ingest *in, struct pending *p, const struct commit_ticket *t)
{
    const struct source_config *s = p->view->config->sources[p->source];
    if (p->rejected || t->err != ERR_OK || p->event.duplicate_of || s->ack != ACK_DONE ||
        p->event.delivery_count == 0 || p->is_part || p->batch)
        return;
    done_wait(&in->waits, p->x, p->view->config, s, p->event.event.id,
              p->event.deliveries[p->awaited].id);
    p->is_waiting = true;
}

static void answer(struct pending *p, const struct commit_ticket *t)
{
    if (p->is_waiting || p->is_answered || p->is_part)
        return;
    if (p->rejected)
        http_reply_error(p->x, verdict_status(p->rejected), verdict_word(p->rejected),
                         p->event.event.verdict_text);
    else if (t->err != ERR_OK)
        ingest_answer_refused(p->x);
    else
        answer_stored(p);
}

/* One that was answered before it was stored. */
static void pending_free(struct ingest *in, struct pending *p, const struct commit_ticket *t)
{
    uint64_t held = 0;
    char id[ID_TEXT_MAX];
    if (t->err != ERR_OK && log_rate("lost", &held))
        log_event(LOG_ERROR, "an event that was answered before it was stored is lost",
                  LOG_F("event", id_format("evt", p->event.event.id, id)),
                  LOG_F("source", p->event.event.source), LOG_I("held", held));
    struct arena own = p->own; /* p lies in it */
    in->answered_bytes -= own.used;
    arena_release(&own);
}

static void round_committed(struct commit_ticket *t)
{
    struct round *r = CONTAINER_OF(t, struct round, ticket);
    struct ingest *in = r->ingest;
    struct dispatch_offers offers;
    int64_t now_ns = clock_mono_ns(in->core->clock);
    dispatch_offers_init(&offers, in->core);
    for (struct pending *p = r->first; p; p = p->next) {
        wait_if_asked(in, p, t);
        follow_commit(in, p, t, &offers, now_ns);
    }
    /* Lanes hear of an event before its sender does: what is sent after an answer comes after. */
    dispatch_offers_send(&offers);
    for (struct pending *p = r->first, *next; p; p = next) {
        next = p->next; /* p ends with its exchange, which ends with its answer */
        struct ingest_view *view = p->view;
        bool is_left = p->is_answered;
        answer(p, t);
        if (is_left)
            pending_free(in, p, t);
        ingest_view_put(view);
    }
    in->rounds_out--;
    r->next_free = in->free_rounds;
    in->free_rounds = r;
}

/* --- before the commit ----------------------------------------------------------------------- */

/* Refused requests are kept as evidence, but a flood of them may not buy a commit each. */
static bool may_keep_rejected(struct ingest *in, int64_t now_ms)
{
    if (now_ms / 1000 != in->rejected_second) {
        in->rejected_second = now_ms / 1000;
        in->rejected_kept = 0;
    }
    return in->rejected_kept++ < REJECTED_A_SECOND_MAX;
}

static void join_round(struct ingest *in, struct pending *p)
{
    struct round *r = round_current(in);
    p->next = NULL;
    p->view->refs++;
    *r->last = p;
    r->last = &p->next;
}

static struct pending *pending_new(struct http_exchange *x, struct ingest_view *view, size_t source)
{
    struct pending *p = ARENA_NEW(x->arena, struct pending);
    if (!p) {
        http_reply_error(x, 413, "too_large", STR("The request needs more memory than allowed."));
        return NULL;
    }
    p->x = x;
    p->view = view;
    p->source = source;
    p->received_mono_ns = x->req.received_mono_ns;
    return p;
}

static void reject(struct ingest *in, struct http_exchange *x, struct ingest_view *view,
                   size_t source, const struct verdict *v)
{
    const struct source_config *s = view->config->sources[source];
    struct event e;
    arrived_event(in->core, &e, &x->req, s, view->verifiers[source], v);
    trace_tell_request(in->core->tracer, &e, s->path, verdict_status(v->code), false,
                       (clock_mono_ns(in->core->clock) - x->req.received_mono_ns) / 1000);
    if (v->code == VERDICT_KEY_PENDING) {
        /* Nothing is known against it: it is to come again when the key is here. */
        http_reply_retry(x, 503, verdict_word(v->code), str_from_cstr(v->text), RETRY_AFTER_S);
        return;
    }
    atomic_fetch_add_explicit(&view->stats[source]->refused[v->code], 1, memory_order_relaxed);
    tell_event(in, &e, "rejected", 0);
    struct commit_ticket *t = &round_current(in)->ticket;
    if (!s->keep_rejected || t->rejection_count == COMMIT_REJECTIONS_MAX ||
        !may_keep_rejected(in, e.received_ms)) {
        http_reply_error(x, verdict_status(v->code), verdict_word(v->code), e.verdict_text);
        return;
    }
    struct pending *p = pending_new(x, view, source);
    if (!p)
        return;
    p->rejected = v->code;
    str said = verifier_reason(view->verifiers[source], &x->req, x->req.received_ms, v);
    if (said.p)
        e.verdict_text = said;
    p->event.event = e;
    t->rejections[t->rejection_count++] = (struct rejection){
        .id = e.id,
        .received_ms = e.received_ms,
        .source = e.source,
        .verdict = e.verdict,
        .verdict_text = e.verdict_text,
        .method = e.method,
        .target = e.target,
        .peer = e.peer,
        .head = e.head,
        .body = str_slice(e.body, 0, REJECTED_BODY_MAX),
    };
    join_round(in, p);
}

/* The first that runs a command, or the first of all. */
static size_t awaited_delivery(const struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].to->action && plan->items[i].to->action->runs_command)
            return i;
    return 0;
}

/* Of `ack: verified`: answers now and goes on with a copy that owns its memory. What would take too
 * much of it waits for the commit like any other; then p is returned as it is. */
static struct pending *answer_early(struct ingest *in, struct pending *p)
{
    struct arena own;
    const struct new_event *from = &p->event;
    size_t n = from->delivery_count;
    arena_init(&own, 64u << 20);
    struct pending *q = ARENA_NEW(&own, struct pending);
    struct new_delivery *d = ARENA_ARRAY(&own, struct new_delivery, n + 1);
    struct gate **gates = ARENA_ARRAY(&own, struct gate *, n + 1);
    if (!q || !d || !gates)
        goto wait;
    *q = *p;
    str *const strings[] = {
        &q->event.event.type,   &q->event.event.dedupe_key, &q->event.event.verdict_text,
        &q->event.event.method, &q->event.event.target,     &q->event.event.peer,
        &q->event.event.head,   &q->event.event.body,       &q->event.event.trace};
    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        *strings[i] = arena_str(&own, *strings[i]);
    memcpy(d, from->deliveries, n * sizeof(*d)); /* their names are the configuration's */
    memcpy(gates, p->gates, n * sizeof(struct gate *));
    if (!arena_ok(&own) || in->answered_bytes + own.used > ANSWERED_BYTES_MAX)
        goto wait;
    q->event.deliveries = d;
    q->gates = gates;
    q->is_answered = true;
    q->x = NULL;
    q->own = own;
    in->answered_bytes += own.used;
    answer_stored(p);
    return q;
wait:
    arena_release(&own);
    return p;
}

/* The event of a request, and what comes of it. */
static void plan_event(struct ingest *in, struct pending *p, struct http_request *req,
                       const struct verdict *v, struct plan *plan)
{
    const struct source_config *s = p->view->config->sources[p->source];
    struct router_match place;
    arrived_event(in->core, &p->event.event, req, s, p->view->verifiers[p->source], v);
    p->event.dedupe_window_ms = p->event.event.dedupe_key.n ? s->dedupe_window_ms : 0;
    struct facts facts = {.request = req, .event_type = p->event.event.type, .source = s->name};
    if (s->has_params) {
        router_find(p->view->router, req->method, req->path, req->arena, &place);
        facts.place = &place;
    }
    plan_make(p->view->config, s, &facts, &in->trace, plan);
    p->event.event.trace = plan->trace.p ? plan->trace : STR("");
}

static const str too_many_deliveries = {"The event has more deliveries than memory.", 42};

static void accept_one(struct ingest *in, struct http_exchange *x, struct ingest_view *view,
                       size_t source, const struct verdict *v)
{
    const struct source_config *s = view->config->sources[source];
    struct pending *p = pending_new(x, view, source);
    if (!p)
        return;
    struct plan plan;
    plan_event(in, p, &x->req, v, &plan);
    if (view->config->durability == DURABILITY_NONE && plan.count == 0) {
        answer_stored(p);
        return;
    }
    if (!planned_enter(in->core, &plan, view->gates, x->arena, &p->event, &p->gates)) {
        http_reply_error(x, 413, "too_large", too_many_deliveries);
        return;
    }
    if (s->ack == ACK_DONE)
        p->awaited = awaited_delivery(&plan);
    if (s->ack == ACK_VERIFIED)
        p = answer_early(in, p);
    commit_ticket_add_event(&round_current(in)->ticket, &p->event);
    join_round(in, p);
}

/* Every event of the batch is one of its own, and all are in one commit: the answer, which is
 * given after it, holds for all. Nothing joins the round before everything fits. */
static void accept_batch(struct ingest *in, struct http_exchange *x, struct ingest_view *view,
                         size_t source, const struct verdict *v)
{
    struct cloudevent_item *items;
    size_t count, made = 0;
    bool whole = cloudevent_split(&x->req, &items, &count);
    struct pending *all = whole ? ARENA_ARRAY(x->arena, struct pending, count) : NULL;
    for (; all && made < count; made++) {
        struct verdict named = *v;
        struct plan plan;
        struct pending *p = &all[made];
        *p = (struct pending){.x = x, .view = view, .source = source, .is_part = true};
        p->received_mono_ns = x->req.received_mono_ns;
        named.delivery_id = named.event_type = STR_NONE;
        arrived_name(&named, x->arena, &items[made].event);
        plan_event(in, p, &items[made].request, &named, &plan);
        if (!planned_enter(in->core, &plan, view->gates, x->arena, &p->event, &p->gates))
            break;
    }
    for (size_t i = 0; i < count; i++)
        http_request_release(&items[i].request);
    if (!all || made < count) {
        for (size_t i = 0; i < made; i++)
            planned_leave(&all[i].event, all[i].gates);
        http_reply_error(x, 413, "too_large", too_many_deliveries);
        return;
    }
    struct pending *last = &all[count - 1];
    last->is_part = false;
    last->batch = all;
    last->batch_count = count;
    for (size_t i = 0; i < count; i++) {
        commit_ticket_add_event(&round_current(in)->ticket, &all[i].event);
        join_round(in, &all[i]);
    }
}

static void accept(struct ingest *in, struct http_exchange *x, struct ingest_view *view,
                   size_t source, const struct verdict *v)
{
    struct verdict named = *v;
    struct cloudevent ce;
    switch (cloudevent_read(&x->req, &ce)) {
    case CLOUDEVENT_TOO_MANY:
        http_reply_error(x, 413, "batch_too_long",
                         STR("A batch has at most 256 events; send it in parts."));
        return;
    case CLOUDEVENT_BATCH:
        accept_batch(in, x, view, source, v);
        return;
    case CLOUDEVENT_BINARY:
    case CLOUDEVENT_STRUCTURED:
        arrived_name(&named, x->arena, &ce);
        break;
    case CLOUDEVENT_NONE:
        break;
    }
    accept_one(in, x, view, source, &named);
}

static bool wants_stream(const struct ingest *in, const struct source_config *s,
                         const struct http_request *req)
{
    str accept = http_field_get(&req->fields, STR("Accept"));
    return s->channel && in->core->channel && str_eq(req->method, STR("GET")) && accept.n &&
           str_find_str(accept, STR("text/event-stream")) < accept.n;
}

void ingest_request(struct ingest *in, struct http_exchange *x, size_t source)
{
    struct ingest_view *view = view_now(in);
    const struct source_config *s = view->config->sources[source];
    struct verifier *verifier = view->verifiers[source];
    struct greeting greeting = {0};
    struct verdict verdict = {0};
    if (wants_stream(in, s, &x->req)) {
        in->core->channel(in->core, x, s->name, in->loop);
        return;
    }
    if (ingest_answer_hub(in->core, x, s))
        return;
    if (http_field_get(&x->req.fields, STR("Content-Encoding")).n) {
        http_reply_error(x, 415, "content_encoding",
                         STR("Send the body as it is: Content-Encoding is not accepted here."));
        return;
    }
    if (verifier_greet(verifier, &x->req, NULL, &greeting)) {
        ingest_greet(in->core, x, s, &greeting);
        return;
    }
    verifier_check(verifier, &x->req, x->req.received_ms, &verdict);
    if (verdict.code != VERDICT_VERIFIED && verdict.code != VERDICT_UNVERIFIED) {
        if (ingest_takes_method(s, x->req.method))
            reject(in, x, view, source, &verdict);
        else
            ingest_refuse_method(x, s);
        return;
    }
    struct secret_use *use =
        verdict.secret_index < 0
            ? NULL
            : view->uses[source * VERIFY_SECRETS_MAX + (size_t)verdict.secret_index];
    if (use)
        atomic_store_explicit(&use->last_used_ms, x->req.received_ms, memory_order_relaxed);
    if (verifier_greet(verifier, &x->req, &verdict, &greeting))
        ingest_greet(in->core, x, s, &greeting);
    else if (ingest_takes_method(s, x->req.method))
        accept(in, x, view, source, &verdict);
    else
        ingest_refuse_method(x, s);
}

/* --- life cycle ------------------------------------------------------------------------------ */

struct ingest *ingest_new(struct engine_core *core, struct loop *loop)
{
    struct ingest *in = xcalloc(1, sizeof(*in));
    in->core = core;
    in->loop = loop;
    in->hook.fn = turn_end;
    done_init(&in->waits, core, loop);
    buf_init(&in->trace, TRACE_MAX);
    loop_at_turn_end(loop, &in->hook);
    return in;
}

void ingest_free(struct ingest *in)
{
    if (!in)
        return;
    assert(in->rounds_out == 0);
    done_release(&in->waits);
    loop_hook_remove(in->loop, &in->hook);
    ingest_view_put(in->view);
    free(in->current);
    for (struct round *r = in->free_rounds, *next; r; r = next) {
        next = r->next_free;
        free(r);
    }
    buf_release(&in->trace);
    free(in);
}
