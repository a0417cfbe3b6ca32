/* report.c -- /metrics: the counters, then what the lanes, sources, front loops and store tell. */
#include "engine/engine.h"

static void gate_lines(struct gate *g, void *arg)
{
    struct buf *out = arg;
    struct buf label;
    buf_init(&label, 256);
    buf_str_append(&label, STR("destination=\""));
    metrics_label(&label, str_from_cstr(g->name));
    buf_char(&label, '"');
    const char *l = buf_cstr(&label);
    buf_printf(out, "gaff_attempts_total{%s,outcome=\"success\"} %lld\n", l,
               (long long)atomic_load(&g->succeeded));
    buf_printf(out, "gaff_attempts_total{%s,outcome=\"failure\"} %lld\n", l,
               (long long)atomic_load(&g->failed));
    buf_printf(out, "gaff_lane_ready{%s} %d\n", l, atomic_load(&g->ready));
    buf_printf(out, "gaff_lane_running{%s} %d\n", l, atomic_load(&g->running));
    buf_printf(out, "gaff_lane_backlogged{%s} %d\n", l, (int)atomic_load(&g->backlogged));
    histogram_write(&g->attempt_us, "gaff_attempt_duration_seconds", l, out);
    buf_release(&label);
}

static void source_lines(struct source_stats *s, void *arg)
{
    struct buf *out = arg;
    struct buf label;
    buf_init(&label, 256);
    buf_str_append(&label, STR("source=\""));
    metrics_label(&label, str_from_cstr(s->name));
    buf_char(&label, '"');
    const char *l = buf_cstr(&label);
    buf_printf(out, "gaff_events_received_total{%s} %lld\n", l,
               (long long)atomic_load(&s->received));
    buf_printf(out, "gaff_source_rejected_total{%s} %lld\n", l,
               (long long)atomic_load(&s->rejected));
    buf_printf(out, "gaff_source_duplicates_total{%s} %lld\n", l,
               (long long)atomic_load(&s->duplicates));
    histogram_write(&s->ack_us, "gaff_ack_duration_seconds", l, out);
    buf_release(&label);
}

static void store_lines(struct engine_core *core, struct store_reader *r, struct buf *out)
{
    struct store_counts c = {0};
    struct reason why = {0};
    if (store_counts_get(r, &c, &why) != ERR_OK)
        return;
    for (int s = 0; s < DELIVERY_STATE_COUNT; s++)
        buf_printf(out, "gaff_deliveries{state=\"%s\"} %llu\n",
                   delivery_state_word((enum delivery_state)s), (unsigned long long)c.by_state[s]);
    int64_t age_ms = c.oldest_pending_ms ? clock_wall_ms(core->clock) - c.oldest_pending_ms : 0;
    buf_printf(out, "gaff_events %llu\ngaff_store_bytes %llu\ngaff_store_lag_bytes %llu\n",
               (unsigned long long)c.events, (unsigned long long)c.bytes,
               (unsigned long long)c.lag);
    buf_printf(out, "gaff_queue_oldest_age_seconds %.3f\n", (double)age_ms / 1e3);
    buf_printf(out, "gaff_store_durability{durability=\"%s\",store=\"%s\"} 1\n", "local",
               core->store->ops->name);
}

static void http_lines(const struct http_server_counts *c, struct buf *out)
{
    buf_printf(out, "gaff_http_connections %llu\ngaff_http_requests_total %llu\n",
               (unsigned long long)c->connections_open, (unsigned long long)c->requests_total);
    for (size_t i = 1; i < ARRAY_LEN(c->by_class); i++)
        buf_printf(out, "gaff_http_answers_total{code=\"%zuxx\"} %llu\n", i,
                   (unsigned long long)c->by_class[i]);
}

void engine_metrics(struct engine *e, struct store_reader *r, struct buf *out)
{
    struct engine_core *core = engine_core(e);
    metrics_write(&core->metrics, out);
    registry_each_source(core->registry, source_lines, out);
    registry_each_gate(core->registry, gate_lines, out);
    store_lines(core, r, out);
    struct http_server_counts http = {0};
    engine_http_counts(e, &http);
    http_lines(&http, out);
}
