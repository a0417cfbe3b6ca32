/* emit.c -- events of the application itself: source "app", planned and committed like any other,
 * by the caller's own thread. */
#include "base/log.h"
#include "engine/dispatch.h"
#include "engine/plan.h"
#include "verify/sign.h"

#define EMIT_ARENA_MAX (40u << 20)
#define EMIT_BODY_MAX (25u << 20)

static const struct source_config *app_source(const struct config *c)
{
    return map_get(&c->sources_by_name, STR("app"));
}

static void fill(struct new_event *e, struct engine_core *core, str type, str json)
{
    uint8_t hash[32];
    e->event = (struct event){
        .id = id_next(&core->ids),
        .received_ms = clock_wall_ms(core->clock),
        .source = STR("app"),
        .provider = STR(""),
        .type = type,
        .dedupe_key = STR(""),
        .verdict = STR("verified"),
        .verdict_text = STR("emitted by the application itself"),
        .method = STR("POST"),
        .target = STR("/"),
        .peer = STR("local"),
        .head = STR("Content-Type: application/json\r\n"),
        .body = json,
    };
    sign_sha256(json, hash);
    memcpy(e->event.body_hash, hash, sizeof(e->event.body_hash));
}

static void plan(struct new_event *e, struct engine_core *core, struct config *c, struct arena *a,
                 struct gate **gates)
{
    struct http_field type_field = {STR("Content-Type"), STR("application/json")};
    struct http_request request = {.method = e->event.method,
                                   .target = e->event.target,
                                   .path = e->event.target,
                                   .fields = {&type_field, 1},
                                   .body = e->event.body,
                                   .arena = a};
    struct facts facts = {&request, e->event.type, e->event.source};
    struct plan made = {.trace = STR("the configuration has no source \"app\"\n")};
    struct buf scratch;
    buf_init(&scratch, 4096);
    if (app_source(c))
        plan_make(c, app_source(c), &facts, &scratch, &made);
    buf_release(&scratch);
    struct new_delivery *d = ARENA_ARRAY(a, struct new_delivery, made.count + 1);
    for (size_t i = 0; d && i < made.count; i++) {
        const struct plan_item *item = &made.items[i];
        gates[i] = registry_gate(core->registry, item->to->name);
        d[i] = (struct new_delivery){.id = id_next(&core->ids),
                                     .destination = item->to->name,
                                     .route = item->route->name,
                                     .order_key = item->order_key,
                                     .claimed = gate_enter(gates[i]),
                                     .next_ms = e->event.received_ms};
    }
    e->event.trace = made.trace;
    e->deliveries = d;
    e->delivery_count = d ? made.count : 0;
    http_request_release(&request);
}

static void offer_or_give_back(struct new_event *e, struct engine_core *core, struct gate **gates,
                               bool stored)
{
    struct dispatch_offers offers;
    dispatch_offers_init(&offers, core);
    for (size_t i = 0; i < e->delivery_count; i++) {
        const struct new_delivery *d = &e->deliveries[i];
        struct offer o = {.gate = gates[i],
                          .delivery_id = d->id,
                          .event_id = e->event.id,
                          .locator = e->locator,
                          .order_key = d->order_key,
                          .created_ms = e->event.received_ms,
                          .overflow = !d->claimed};
        offer_set_route(&o, d->route);
        if (stored)
            dispatch_offer(&offers, &o);
        else if (d->claimed)
            gate_leave(gates[i]);
        else
            atomic_fetch_sub(&gates[i]->overflowing, 1);
    }
    dispatch_offers_send(&offers);
}

enum err engine_emit(struct engine *e, str type, str json, uint64_t *id, struct reason *why)
{
    struct engine_core *core = engine_core(e);
    struct json_doc *doc = json.n <= EMIT_BODY_MAX ? json_parse(json, why) : NULL;
    if (json.n > EMIT_BODY_MAX)
        return fail(why, ERR_LIMIT, "an event's body may have at most %u bytes", EMIT_BODY_MAX);
    if (!doc)
        return ERR_INVALID;
    json_doc_free(doc);
    struct arena a;
    struct gate *gates[PLAN_DELIVERIES_MAX] = {0};
    struct new_event event = {0};
    struct commit_ticket *ticket = xcalloc(1, sizeof(*ticket));
    struct config *c = engine_config(e);
    arena_init(&a, EMIT_ARENA_MAX);
    fill(&event, core, type, json);
    plan(&event, core, c, &a, gates);
    commit_ticket_init(ticket, NULL, NULL);
    commit_ticket_add_event(ticket, &event);
    enum err err = committer_commit(core->committer, ticket, why);
    offer_or_give_back(&event, core, gates, err == ERR_OK);
    if (err == ERR_OK) {
        METRIC_ADD(&core->metrics, events_accepted, 1);
        METRIC_ADD(&core->metrics, event_bytes, json.n);
        *id = event.event.id;
    }
    arena_release(&a);
    config_unref(c);
    free(ticket);
    return err;
}
