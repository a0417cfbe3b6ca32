/* app_message.c -- from what was asked to an event with its deliveries. Pure but for the gates,
 * which are entered as for any event (planned.h). */
#include "engine/app_message.h"

#include "base/log.h"
#include "action/event_text.h"
#include "engine/planned.h"
#include "engine/trace_tell.h"

#define HEAD_MAX 8192

/* --- the event -------------------------------------------------------------------------------- */

static void add_list(struct buf *head, const char *name, const str *v, size_t count)
{
    if (!count)
        return;
    buf_printf(head, "%s: ", name);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_char(head, ',');
        buf_str_append(head, v[i]);
    }
    buf_str_append(head, STR("\r\n"));
}

/* Only what is well formed becomes a line of the head. */
static void add_trace(struct buf *head, const struct app_message *m)
{
    struct trace_context c;
    char room[TRACESTATE_MAX + 1], text[TRACEPARENT_MAX];
    struct buf state = buf_over(room, sizeof(room));
    size_t members = 0;
    if (!m->traceparent.n || !traceparent_parse(m->traceparent, &c))
        return;
    buf_printf(head, "traceparent: " STR_FMT "\r\n", STR_ARG(traceparent_format(&c, text)));
    if (m->tracestate.n && tracestate_add(&state, &members, m->tracestate))
        buf_printf(head, "tracestate: " STR_FMT "\r\n", STR_ARG(buf_str(&state)));
}

static str make_head(const struct app_message *m, struct arena *a)
{
    char room[HEAD_MAX];
    struct buf head = buf_over(room, sizeof(room));
    buf_printf(&head, "Content-Type: " STR_FMT "\r\n",
               STR_ARG(m->content_type.n ? m->content_type : STR("application/json")));
    add_list(&head, "gaff-channels", m->channels, m->channel_count);
    add_list(&head, "gaff-tags", m->tags, m->tag_count);
    if (m->deliver_at_ms)
        buf_printf(&head, "gaff-deliver-at: %lld\r\n", (long long)m->deliver_at_ms);
    if (m->expires_ms)
        buf_printf(&head, "gaff-expires: %lld\r\n", (long long)m->expires_ms);
    add_trace(&head, m);
    return buf_ok(&head) ? arena_str(a, buf_str(&head)) : STR_NONE;
}

static void fill_event(struct engine_core *core, const struct app_message *m, struct arena *a,
                       struct event *e)
{
    *e = (struct event){.id = id_next(&core->ids),
                        .received_ms = clock_wall_ms(core->clock),
                        .source = m->application,
                        .provider = STR(""),
                        .type = m->event_type,
                        .dedupe_key = m->event_id.p ? m->event_id : STR(""),
                        .verdict = STR("verified"),
                        .verdict_text = STR("accepted by the API"),
                        .method = STR("POST"),
                        .target = STR("/"),
                        .peer = m->peer.p ? m->peer : STR(""),
                        .head = make_head(m, a),
                        .body = m->payload,
                        .trace = STR(""),
                        .flags = EVENT_LISTED};
    str_fingerprint(m->payload, e->body_hash);
}

static void add_keys(struct app_message_plan *p, const struct app_message *m, struct arena *a)
{
    size_t n = 0;
    if (m->idempotency_key.n) {
        struct event_key *k = &p->keys[n++];
        *k = (struct event_key){.scope = m->idempotency_scope,
                                .key = m->idempotency_key,
                                .window_ms = m->idempotency_window_ms};
        memcpy(k->hash, m->fingerprint, sizeof(k->hash));
        p->idempotency_key = n;
    }
    if (m->event_id.n) {
        p->keys[n++] = (struct event_key){
            .scope = arena_printf(a, MESSAGE_ID_SCOPE STR_FMT, STR_ARG(m->application)),
            .key = m->event_id,
            .window_ms = MESSAGE_ID_WINDOW_MS};
        p->uid_key = n;
    }
    p->event.keys = p->keys;
    p->event.key_count = n;
}

/* --- who is told ------------------------------------------------------------------------------ */

static bool find_endpoints(struct engine_core *core, const struct app_message *m, struct arena *a,
                           struct planned_endpoint **out, size_t *count)
{
    struct http_field type = {STR("Content-Type"), STR("application/json")};
    struct http_request request = {.method = STR("POST"),
                                   .target = STR("/"),
                                   .path = STR("/"),
                                   .fields = {&type, 1},
                                   .body = m->payload,
                                   .arena = a};
    struct facts facts = {
        .request = &request, .event_type = m->event_type, .source = m->application};
    const struct message_facts what = {.event_type = m->event_type,
                                       .channels = m->channels,
                                       .channel_count = m->channel_count,
                                       .facts = &facts,
                                       .now_ms = clock_wall_ms(core->clock)};
    bool good;
    if (m->only_endpoint.n) {
        struct endpoint *e = directory_endpoint(core->directory, m->only_endpoint);
        *out = ARENA_ARRAY(a, struct planned_endpoint, 1);
        *count = e && !e->polled && *out ? 1 : 0;
        if (*count)
            (*out)[0] = (struct planned_endpoint){e->gate, plan_order_key(&e->destination, &facts)};
        endpoint_unref(e);
        good = *out != NULL;
    } else {
        good = directory_plan(core->directory, m->application, &what, a, out, count);
    }
    http_request_release(&request);
    return good;
}

/* Behind what the event has already. */
static bool enter(struct engine_core *core, const struct app_message *m,
                  const struct planned_endpoint *to, size_t count, struct arena *a,
                  struct new_event *e, struct gate ***all)
{
    size_t had = e->delivery_count;
    struct new_delivery *d = ARENA_ARRAY(a, struct new_delivery, had + count + 1);
    struct gate **gates = ARENA_ARRAY(a, struct gate *, had + count + 1);
    if (!d || !gates)
        return false;
    if (had) {
        memcpy(d, e->deliveries, had * sizeof(*d));
        memcpy(gates, *all, had * sizeof(*gates));
    }
    bool later = m->deliver_at_ms > e->event.received_ms;
    for (size_t i = had; i < had + count; i++) {
        const struct planned_endpoint *one = &to[i - had];
        gates[i] = one->gate;
        if (later)
            gate_pass_by(gates[i]);
        d[i] = (struct new_delivery){.id = id_next(&core->ids),
                                     .destination = str_from_cstr(gates[i]->name),
                                     .route = STR("endpoint"),
                                     .order_key = one->order_key,
                                     .claimed = !later && gate_enter(gates[i]),
                                     .listed = true,
                                     .next_ms = later ? m->deliver_at_ms : e->event.received_ms};
    }
    e->deliveries = d;
    e->delivery_count = had + count;
    *all = gates;
    return true;
}

bool app_message_add(struct engine_core *core, const struct app_message *m, struct arena *a,
                     struct new_event *e, struct gate ***gates)
{
    struct planned_endpoint *to;
    size_t count;
    return find_endpoints(core, m, a, &to, &count) && enter(core, m, to, count, a, e, gates);
}

enum err app_message_plan(struct engine_core *core, const struct app_message *m, struct arena *a,
                          struct app_message_plan *out, struct reason *why)
{
    *out = (struct app_message_plan){0};
    fill_event(core, m, a, &out->event.event);
    add_keys(out, m, a);
    if (!out->event.event.head.p || !arena_ok(a) ||
        !app_message_add(core, m, a, &out->event, &out->gates))
        return fail(why, ERR_LIMIT, "the message has more endpoints than memory");
    out->allowance = directory_allowance(core->directory, m->application);
    return ERR_OK;
}

bool app_message_settle(struct engine_core *core, struct app_message_plan *p, enum err err,
                        struct dispatch_offers *offers)
{
    struct metrics *m = &core->metrics;
    bool stored = err == ERR_OK && new_event_is_stored(&p->event);
    if (p->allowance && stored)
        allowance_move(p->allowance, (int64_t)p->event.delivery_count);
    if (p->allowance && p->counted)
        allowance_settle(p->allowance, stored);
    allowance_unref(p->allowance);
    if (!stored) {
        planned_leave(&p->event, p->gates);
        if (err != ERR_OK)
            METRIC_ADD(m, events_refused, 1);
        else
            METRIC_ADD(m, events_duplicate, 1);
        return false;
    }
    METRIC_ADD(m, events_accepted, 1);
    METRIC_ADD(m, event_bytes, p->event.event.body.n);
    trace_tell_published(core->tracer, &p->event.event, 0);
    planned_offer(offers, &p->event, p->gates);
    return true;
}

/* --- reading back ----------------------------------------------------------------------------- */

str app_message_channels(const struct event *e)
{
    return event_field(e, STR("gaff-channels"));
}

str app_message_tags(const struct event *e)
{
    return event_field(e, STR("gaff-tags"));
}

int64_t app_message_time(const struct event *e, str field)
{
    int64_t ms;
    return str_to_i64(event_field(e, field), &ms) ? ms : 0;
}

bool app_message_is_expired(const struct event *e, int64_t now_ms)
{
    int64_t at = app_message_time(e, STR("gaff-expires"));
    return (at > 0 && now_ms >= at) || (e->flags & EVENT_EXPUNGED);
}
