/* report.c -- /metrics: the counters, then what the destinations, sources, listeners and the store
 * tell. Labels come from the configuration alone, and what is beyond SERIES_MAX of a kind is summed
 * up as "(other)"; the endpoints of the sending side, of which there may be many thousands, as
 * "(endpoints)". No name of a configuration has brackets. */
#include "engine/engine.h"

#include "base/map.h"

#include <stddef.h>

#define SERIES_MAX 500 /* sources, and destinations, told one by one */
#define ENDPOINTS_NAME "(endpoints)"
#define OTHER_NAME "(other)"
#define QUEUES_ARENA_MAX (64u << 20)

/* --- destinations ----------------------------------------------------------------------------- */

struct gate_row {
    const char *name;
    int64_t delivered, failed, retries, dead, skipped, cancelled;
    int64_t ready, running, circuit;
    struct queue_row queue; /* of the store */
    struct histogram attempt_us, latency_us;
};

struct gate_rows {
    struct gate_row v[SERIES_MAX + 2];
    size_t count;
    struct gate_row *endpoints, *other; /* NULL: there are none */
    struct map by_name;
    bool has_queues; /* the store told */
};

struct gate_family {
    const char *name, *kind, *help; /* no help: it goes on with the family above it */
    const char *more;               /* further labels: ",outcome=..." */
    size_t offset;                  /* of an int64_t or uint64_t in struct gate_row */
};
#define AT(member) offsetof(struct gate_row, member)

static const struct gate_family gate_families[] = {
    {"gaff_deliveries_total", "counter", "Deliveries that ended, by how.", ",outcome=\"delivered\"",
     AT(delivered)},
    {"gaff_deliveries_total", NULL, NULL, ",outcome=\"dead\"", AT(dead)},
    {"gaff_deliveries_total", NULL, NULL, ",outcome=\"skipped\"", AT(skipped)},
    {"gaff_deliveries_total", NULL, NULL, ",outcome=\"cancelled\"", AT(cancelled)},
    {"gaff_attempts_total", "counter", "Attempts by outcome.", ",outcome=\"success\"",
     AT(delivered)},
    {"gaff_attempts_total", NULL, NULL, ",outcome=\"failure\"", AT(failed)},
    {"gaff_retries_total", "counter", "Attempts that were not the first of their delivery.", "",
     AT(retries)},
};

static const struct gate_family circuit_family = {
    "gaff_destination_circuit_state", "gauge",
    "0: attempts are made; 1: left alone for a while; 2: one attempt asks.", "", AT(circuit)};

static const struct gate_family queue_families[] = {
    {"gaff_queue_depth", "gauge",
     "Deliveries that wait for their turn in memory, wait in the store, or are being attempted.",
     ",state=\"ready\"", AT(ready)},
    {"gaff_queue_depth", NULL, NULL, ",state=\"scheduled\"", AT(queue.pending)},
    {"gaff_queue_depth", NULL, NULL, ",state=\"inflight\"", AT(running)},
    {"gaff_dead_letters", "gauge", "Dead letters in the store.", "", AT(queue.dead)},
};

static int64_t get(const _Atomic int64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static struct gate_row *sum_row(struct gate_rows *rows, struct gate_row **row, const char *name)
{
    if (!*row) {
        *row = &rows->v[rows->count++];
        (*row)->name = name;
    }
    return *row;
}

static void add_gate(struct gate *g, void *arg)
{
    struct gate_rows *rows = arg;
    struct gate_row *row;
    size_t sums = (size_t)(rows->endpoints != NULL) + (size_t)(rows->other != NULL);
    if (g->is_endpoint) {
        row = sum_row(rows, &rows->endpoints, ENDPOINTS_NAME);
    } else if (rows->count - sums < SERIES_MAX) {
        row = &rows->v[rows->count++];
        row->name = g->name;
        row->circuit = atomic_load(&g->circuit);
    } else {
        row = sum_row(rows, &rows->other, OTHER_NAME);
    }
    row->delivered += get(&g->succeeded);
    row->failed += get(&g->failed);
    row->retries += get(&g->retries);
    row->dead += get(&g->dead);
    row->skipped += get(&g->skipped);
    row->cancelled += get(&g->cancelled);
    row->ready += atomic_load(&g->ready);
    row->running += atomic_load(&g->running);
    histogram_merge(&row->attempt_us, &g->attempt_us);
    histogram_merge(&row->latency_us, &g->latency_us);
    map_put(&rows->by_name, str_from_cstr(g->name), row);
}

/* What the store has of a destination that nobody knows any more is "(other)" too. */
static void add_queues(struct store_reader *r, struct gate_rows *rows)
{
    struct queue_list list = {0};
    struct reason why = {0};
    struct arena a;
    arena_init(&a, QUEUES_ARENA_MAX);
    rows->has_queues = store_queues(r, &a, &list, &why) == ERR_OK;
    for (size_t i = 0; rows->has_queues && i < list.count; i++) {
        const struct queue_row *from = &list.v[i];
        struct gate_row *row = map_get(&rows->by_name, from->destination);
        if (!row)
            row = sum_row(rows, &rows->other, OTHER_NAME);
        row->queue.pending += from->pending;
        row->queue.dead += from->dead;
        if (from->oldest_ms && (!row->queue.oldest_ms || from->oldest_ms < row->queue.oldest_ms))
            row->queue.oldest_ms = from->oldest_ms;
    }
    arena_release(&a);
}

/* A family is written whole before the next begins (Prometheus text format 0.0.4): so the rows are
 * walked once for each. */
static const char *label(struct buf *b, const char *key, const char *value)
{
    buf_clear(b);
    buf_printf(b, "%s=\"", key);
    metrics_label(b, str_from_cstr(value));
    buf_char(b, '"');
    return buf_cstr(b);
}

static void write_gates(const struct gate_rows *rows, const struct gate_family *f, struct buf *text,
                        struct buf *out)
{
    if (f->help)
        metrics_family(out, f->name, f->kind, f->help);
    for (size_t i = 0; i < rows->count; i++) {
        const struct gate_row *row = &rows->v[i];
        int64_t value;
        if (f == &circuit_family && (row == rows->endpoints || row == rows->other))
            continue; /* each of these has its own */
        memcpy(&value, (const char *)row + f->offset, sizeof(value));
        buf_printf(out, "%s{%s%s} %lld\n", f->name, label(text, "destination", row->name), f->more,
                   (long long)value);
    }
}

static void write_spreads(const struct gate_rows *rows, const char *name, size_t offset,
                          const struct histogram_scale *scale, struct buf *text, struct buf *out)
{
    for (size_t i = 0; i < rows->count; i++)
        metrics_histogram(
            out, name, label(text, "destination", rows->v[i].name),
            (const struct histogram *)(const void *)((const char *)&rows->v[i] + offset), scale);
}

static void write_queues(const struct engine_core *core, const struct gate_rows *rows,
                         struct buf *text, struct buf *out)
{
    int64_t now_ms = clock_wall_ms(core->clock);
    for (size_t i = 0; i < ARRAY_LEN(queue_families); i++)
        write_gates(rows, &queue_families[i], text, out);
    metrics_family(out, "gaff_queue_oldest_age_seconds", "gauge",
                   "Age of the oldest delivery that has not ended.");
    for (size_t i = 0; i < rows->count; i++) {
        int64_t since = rows->v[i].queue.oldest_ms;
        buf_printf(out, "gaff_queue_oldest_age_seconds{%s} %.3f\n",
                   label(text, "destination", rows->v[i].name),
                   since && since < now_ms ? (double)(now_ms - since) / 1e3 : 0.0);
    }
}

static void destination_lines(struct engine_core *core, struct store_reader *r, struct buf *text,
                              struct buf *out)
{
    struct gate_rows *rows = xcalloc(1, sizeof(*rows));
    registry_each_gate(core->registry, add_gate, rows);
    add_queues(r, rows);
    for (size_t i = 0; i < ARRAY_LEN(gate_families); i++)
        write_gates(rows, &gate_families[i], text, out);
    write_gates(rows, &circuit_family, text, out);
    metrics_family(out, "gaff_delivery_duration_seconds", "histogram", "How long attempts took.");
    write_spreads(rows, "gaff_delivery_duration_seconds", AT(attempt_us), &histogram_durations,
                  text, out);
    metrics_family(out, "gaff_delivery_latency_seconds", "histogram",
                   "From the arrival of an event to its delivery, all attempts included.");
    write_spreads(rows, "gaff_delivery_latency_seconds", AT(latency_us), &histogram_latencies, text,
                  out);
    if (rows->has_queues)
        write_queues(core, rows, text, out);
    map_release(&rows->by_name);
    free(rows);
}

/* --- sources ---------------------------------------------------------------------------------- */

struct source_rows {
    const struct source_stats *v[SERIES_MAX];
    size_t count;
    struct source_stats other;
    bool has_other;
};

static void add_source(struct source_stats *s, void *arg)
{
    struct source_rows *rows = arg;
    if (rows->count < SERIES_MAX) {
        rows->v[rows->count++] = s;
        return;
    }
    rows->has_other = true;
    atomic_fetch_add(&rows->other.received, get(&s->received));
    atomic_fetch_add(&rows->other.duplicates, get(&s->duplicates));
    for (size_t i = 0; i < VERDICT_COUNT; i++)
        atomic_fetch_add(&rows->other.refused[i], get(&s->refused[i]));
    histogram_merge(&rows->other.ack_us, &s->ack_us);
}

static const struct source_stats *source_row(const struct source_rows *rows, size_t i)
{
    return i < rows->count ? rows->v[i] : &rows->other;
}

static void write_rejected(const struct source_rows *rows, size_t count, struct buf *text,
                           struct buf *out)
{
    metrics_family(out, "gaff_events_rejected_total", "counter",
                   "Requests to the source that were refused, by what was wrong.");
    for (size_t i = 0; i < count; i++) {
        const struct source_stats *s = source_row(rows, i);
        const char *l = label(text, "source", s->name);
        for (size_t k = 0; k < VERDICT_COUNT; k++)
            if (verdict_status((enum verdict_code)k) != 200)
                buf_printf(out, "gaff_events_rejected_total{%s,reason=\"%s\"} %lld\n", l,
                           verdict_word((enum verdict_code)k), (long long)get(&s->refused[k]));
    }
}

static void source_lines(struct engine_core *core, struct buf *text, struct buf *out)
{
    struct source_rows *rows = xcalloc(1, sizeof(*rows));
    registry_each_source(core->registry, add_source, rows);
    snprintf(rows->other.name, sizeof(rows->other.name), OTHER_NAME);
    size_t count = rows->count + rows->has_other;
    metrics_family(out, "gaff_events_received_total", "counter",
                   "Events of the source stored and acknowledged.");
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "gaff_events_received_total{%s} %lld\n",
                   label(text, "source", source_row(rows, i)->name),
                   (long long)get(&source_row(rows, i)->received));
    metrics_family(out, "gaff_source_duplicates_total", "counter",
                   "Repeats of a stored event of the source.");
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "gaff_source_duplicates_total{%s} %lld\n",
                   label(text, "source", source_row(rows, i)->name),
                   (long long)get(&source_row(rows, i)->duplicates));
    write_rejected(rows, count, text, out);
    metrics_family(out, "gaff_ack_duration_seconds", "histogram",
                   "From the whole request to its answer.");
    for (size_t i = 0; i < count; i++)
        metrics_histogram(out, "gaff_ack_duration_seconds",
                          label(text, "source", source_row(rows, i)->name),
                          &source_row(rows, i)->ack_us, &histogram_durations);
    free(rows);
}

/* --- the store, the listeners, what goes out -------------------------------------------------- */

static void one(struct buf *out, const char *name, const char *kind, const char *help, uint64_t v)
{
    metrics_family(out, name, kind, help);
    buf_printf(out, "%s %llu\n", name, (unsigned long long)v);
}

static void store_lines(struct engine_core *core, struct store_reader *r, struct buf *out)
{
    struct store_counts c = {0};
    struct reason why = {0};
    if (store_counts_get(r, &c, &why) != ERR_OK)
        return;
    metrics_family(out, "gaff_stored_deliveries", "gauge", "Deliveries in the store by state.");
    for (int s = 0; s < DELIVERY_STATE_COUNT; s++)
        buf_printf(out, "gaff_stored_deliveries{state=\"%s\"} %llu\n",
                   delivery_state_word((enum delivery_state)s), (unsigned long long)c.by_state[s]);
    one(out, "gaff_stored_events", "gauge", "Events in the store.", c.events);
    one(out, "gaff_store_bytes", "gauge", "Size of the store's files.", c.bytes);
    one(out, "gaff_store_lag_bytes", "gauge",
        "Journal not yet applied to the database; durable already.", c.lag);
    metrics_family(
        out, "gaff_store_durability", "gauge",
        "Always 1; its labels name the store and where a commit is: volatile, local, replicated.");
    buf_printf(out, "gaff_store_durability{durability=\"%s\",store=\"%s\"} 1\n",
               engine_durability(core->engine), core->store->ops->name);
}

static void outbound_lines(const struct http_client_counts *c, struct buf *out)
{
    metrics_family(out, "gaff_outbound_connections_total", "counter",
                   "Requests sent on a new connection, and on one that was kept.");
    buf_printf(out,
               "gaff_outbound_connections_total{reused=\"false\"} %llu\n"
               "gaff_outbound_connections_total{reused=\"true\"} %llu\n",
               (unsigned long long)atomic_load(&c->opened),
               (unsigned long long)atomic_load(&c->reused));
    metrics_family(out, "gaff_outbound_blocked_total", "counter",
                   "Requests that were not sent: the outbound policy refuses such an address.");
    for (int i = 0; i < OUTBOUND_BLOCK_COUNT; i++)
        buf_printf(out, "gaff_outbound_blocked_total{reason=\"%s\"} %llu\n",
                   outbound_block_word((enum outbound_block)i),
                   (unsigned long long)atomic_load(&c->blocked[i]));
}

static void http_lines(const struct http_server_counts *const *c, struct buf *out)
{
    static const char *const names[] = {"webhooks", "admin"};
    metrics_family(out, "gaff_http_requests_total", "counter",
                   "Requests that were answered, by listener and class of status.");
    for (size_t l = 0; l < ARRAY_LEN(names); l++)
        for (size_t i = 1; i < ARRAY_LEN(c[l]->by_class); i++)
            buf_printf(out, "gaff_http_requests_total{listener=\"%s\",code=\"%zuxx\"} %llu\n",
                       names[l], i, (unsigned long long)c[l]->by_class[i]);
    metrics_family(out, "gaff_http_connections", "gauge",
                   "Open connections: a request is under way, or none is.");
    for (size_t l = 0; l < ARRAY_LEN(names); l++) {
        uint64_t open = c[l]->connections_open, active = c[l]->connections_active;
        buf_printf(out,
                   "gaff_http_connections{listener=\"%s\",state=\"active\"} %llu\n"
                   "gaff_http_connections{listener=\"%s\",state=\"idle\"} %llu\n",
                   names[l], (unsigned long long)active, names[l],
                   (unsigned long long)(open > active ? open - active : 0));
    }
    metrics_family(out, "gaff_http_request_duration_seconds", "histogram",
                   "From the head of a request to its answer.");
    metrics_histogram(out, "gaff_http_request_duration_seconds", "listener=\"webhooks\"",
                      &c[0]->answer_us, &histogram_durations);
    metrics_histogram(out, "gaff_http_request_duration_seconds", "listener=\"admin\"",
                      &c[1]->answer_us, &histogram_durations);
}

void engine_metrics(struct engine *e, struct store_reader *r,
                    const struct http_server_counts *admin, struct buf *out)
{
    struct engine_core *core = engine_core(e);
    metrics_write(&core->metrics, out);
    struct buf text;
    buf_init(&text, 512);
    source_lines(core, &text, out);
    destination_lines(core, r, &text, out);
    buf_release(&text);
    action_metrics_write(&core->actions, out);
    store_lines(core, r, out);
    hub_metrics_write(core, r, out);
    outbound_lines(&core->outbound, out);
    struct http_server_counts webhooks = {0};
    engine_http_counts(e, &webhooks);
    http_lines((const struct http_server_counts *const[]){&webhooks, admin}, out);
}
