/* report.c -- /metrics: the counters, then what the lanes, sources, front loops and store tell. */
#include "engine/engine.h"

/* A family is written whole before the next begins (Prometheus text format 0.0.4): so the lanes and
 * sources are walked once for each of theirs. */
static void begin(struct buf *out, const char *name, const char *kind, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static const char *label(struct buf *b, const char *key, const char *value)
{
    buf_clear(b);
    buf_printf(b, "%s=\"", key);
    metrics_label(b, str_from_cstr(value));
    buf_char(b, '"');
    return buf_cstr(b);
}

/* --- lanes and sources ------------------------------------------------------------------------ */

struct gate_family {
    const char *name, *kind, *help;
    const char *more; /* further labels: ",outcome=..." */
    int64_t (*value)(struct gate *g);
};

#define GATE_VALUE(member)                                                                         \
    static int64_t gate_##member(struct gate *g)                                                   \
    {                                                                                              \
        return (int64_t)atomic_load(&g->member);                                                   \
    }
GATE_VALUE(succeeded)
GATE_VALUE(failed)
GATE_VALUE(ready)
GATE_VALUE(running)
GATE_VALUE(backlogged)
GATE_VALUE(circuit)

/* A row without help goes on with the family above it. */
static const struct gate_family gate_families[] = {
    {"gaff_attempts_total", "counter", "Attempts at the destination by outcome.",
     ",outcome=\"success\"", gate_succeeded},
    {"gaff_attempts_total", NULL, NULL, ",outcome=\"failure\"", gate_failed},
    {"gaff_lane_ready", "gauge", "Deliveries held in memory that wait for their turn.", "",
     gate_ready},
    {"gaff_lane_running", "gauge", "Attempts under way.", "", gate_running},
    {"gaff_lane_backlogged", "gauge", "1 when more deliveries wait in the store.", "",
     gate_backlogged},
    {"gaff_lane_circuit", "gauge",
     "0: attempts are made; 1: left alone for a while; 2: one attempt asks.", "", gate_circuit},
};

struct source_family {
    const char *name, *help;
    int64_t (*value)(struct source_stats *s);
};

#define SOURCE_VALUE(member)                                                                       \
    static int64_t source_##member(struct source_stats *s)                                         \
    {                                                                                              \
        return atomic_load(&s->member);                                                            \
    }
SOURCE_VALUE(received)
SOURCE_VALUE(rejected)
SOURCE_VALUE(duplicates)

static const struct source_family source_families[] = {
    {"gaff_events_received_total", "Events of the source stored and acknowledged.",
     source_received},
    {"gaff_source_rejected_total", "Requests to the source that were refused.", source_rejected},
    {"gaff_source_duplicates_total", "Repeats of a stored event of the source.", source_duplicates},
};

struct walk { /* NULL family: the histogram */
    struct buf *out, *label;
    const struct gate_family *gate;
    const struct source_family *source;
};

static void gate_line(struct gate *g, void *arg)
{
    struct walk *w = arg;
    if (g->is_endpoint)
        return;
    const char *l = label(w->label, "destination", g->name);
    if (w->gate)
        buf_printf(w->out, "%s{%s%s} %lld\n", w->gate->name, l, w->gate->more,
                   (long long)w->gate->value(g));
    else
        histogram_write(&g->attempt_us, "gaff_attempt_duration_seconds", l, w->out);
}

static void source_line(struct source_stats *s, void *arg)
{
    struct walk *w = arg;
    const char *l = label(w->label, "source", s->name);
    if (w->source)
        buf_printf(w->out, "%s{%s} %lld\n", w->source->name, l, (long long)w->source->value(s));
    else
        histogram_write(&s->ack_us, "gaff_ack_duration_seconds", l, w->out);
}

static void source_lines(struct registry *r, struct walk *w)
{
    for (size_t i = 0; i < ARRAY_LEN(source_families); i++) {
        w->source = &source_families[i];
        begin(w->out, w->source->name, "counter", w->source->help);
        registry_each_source(r, source_line, w);
    }
    w->source = NULL;
    begin(w->out, "gaff_ack_duration_seconds", "histogram",
          "From the whole request to its answer.");
    registry_each_source(r, source_line, w);
}

static void gate_lines(struct registry *r, struct walk *w)
{
    for (size_t i = 0; i < ARRAY_LEN(gate_families); i++) {
        w->gate = &gate_families[i];
        if (w->gate->help)
            begin(w->out, w->gate->name, w->gate->kind, w->gate->help);
        registry_each_gate(r, gate_line, w);
    }
    w->gate = NULL;
    begin(w->out, "gaff_attempt_duration_seconds", "histogram", "How long attempts took.");
    registry_each_gate(r, gate_line, w);
}

/* --- the store and the listeners ---------------------------------------------------------------
 */

static void one(struct buf *out, const char *name, const char *kind, const char *help, uint64_t v)
{
    begin(out, name, kind, help);
    buf_printf(out, "%s %llu\n", name, (unsigned long long)v);
}

static void store_lines(struct engine_core *core, struct store_reader *r, struct buf *out)
{
    struct store_counts c = {0};
    struct reason why = {0};
    if (store_counts_get(r, &c, &why) != ERR_OK)
        return;
    begin(out, "gaff_deliveries", "gauge", "Deliveries in the store by state.");
    for (int s = 0; s < DELIVERY_STATE_COUNT; s++)
        buf_printf(out, "gaff_deliveries{state=\"%s\"} %llu\n",
                   delivery_state_word((enum delivery_state)s), (unsigned long long)c.by_state[s]);
    one(out, "gaff_events", "gauge", "Events in the store.", c.events);
    one(out, "gaff_store_bytes", "gauge", "Size of the store's files.", c.bytes);
    one(out, "gaff_store_lag_bytes", "gauge",
        "Journal not yet applied to the database; durable already.", c.lag);
    int64_t age_ms = c.oldest_pending_ms ? clock_wall_ms(core->clock) - c.oldest_pending_ms : 0;
    begin(out, "gaff_queue_oldest_age_seconds", "gauge", "Age of the oldest pending delivery.");
    buf_printf(out, "gaff_queue_oldest_age_seconds %.3f\n", (double)age_ms / 1e3);
    begin(
        out, "gaff_store_durability", "gauge",
        "Always 1; its labels name the store and where a commit is: volatile, local, replicated.");
    buf_printf(out, "gaff_store_durability{durability=\"%s\",store=\"%s\"} 1\n",
               engine_durability(core->engine), core->store->ops->name);
}

static void http_lines(const struct http_server_counts *c, struct buf *out)
{
    one(out, "gaff_http_connections", "gauge", "Open connections of the webhook listeners.",
        c->connections_open);
    one(out, "gaff_http_requests_total", "counter", "Requests at the webhook listeners.",
        c->requests_total);
    begin(out, "gaff_http_answers_total", "counter", "Answers by class of status.");
    for (size_t i = 1; i < ARRAY_LEN(c->by_class); i++)
        buf_printf(out, "gaff_http_answers_total{code=\"%zuxx\"} %llu\n", i,
                   (unsigned long long)c->by_class[i]);
}

void engine_metrics(struct engine *e, struct store_reader *r, struct buf *out)
{
    struct engine_core *core = engine_core(e);
    metrics_write(&core->metrics, out);
    struct buf label_text;
    buf_init(&label_text, 512);
    struct walk w = {.out = out, .label = &label_text};
    source_lines(core->registry, &w);
    gate_lines(core->registry, &w);
    buf_release(&label_text);
    store_lines(core, r, out);
    struct http_server_counts http = {0};
    engine_http_counts(e, &http);
    http_lines(&http, out);
}
