/* emit.c -- events of the application itself: source "app", planned and committed like any other,
 * by the caller's own thread. */
#include "base/log.h"
#include "engine/app_message.h"
#include "engine/planned.h"
#include "engine/trace_tell.h"
#include "verify/sign.h"

#define EMIT_ARENA_MAX (40u << 20)
#define EMIT_BODY_MAX (25u << 20)
#define TRACE_MAX 8192

static void fill(struct new_event *e, struct engine_core *core, const struct emission *what)
{
    str json = what->json;
    e->event = (struct event){
        .id = id_next(&core->ids),
        .received_ms = clock_wall_ms(core->clock),
        .source = what->application.n ? what->application : what->source,
        .provider = STR(""),
        .type = what->type,
        .dedupe_key = what->key,
        .verdict = STR("verified"),
        .verdict_text = what->verdict_text,
        .method = STR("POST"),
        .target = STR("/"),
        .peer = STR("local"),
        .head = STR("Content-Type: application/json\r\n"),
        .body = json,
        .flags = what->application.n ? EVENT_LISTED : 0,
    };
    str_fingerprint(json, e->event.body_hash);
}

/* Gates by destination index, in the arena; NULL without memory. */
static struct gate **all_gates(struct engine_core *core, const struct config *c, struct arena *a)
{
    struct gate **g = ARENA_ARRAY(a, struct gate *, c->destination_count + 1);
    for (size_t i = 0; g && i < c->destination_count; i++)
        g[i] = registry_gate(core->registry, c->destinations[i]->name);
    return g;
}

/* Routes from the source, and then the application's endpoints. */
static bool enter(struct new_event *e, struct engine_core *core, struct config *c,
                  const struct emission *what, struct arena *a, struct gate ***gates)
{
    struct http_field type_field = {STR("Content-Type"), STR("application/json")};
    struct http_request request = {.method = e->event.method,
                                   .target = e->event.target,
                                   .path = e->event.target,
                                   .fields = {&type_field, 1},
                                   .body = e->event.body,
                                   .arena = a};
    struct facts facts = {.request = &request, .event_type = e->event.type, .source = what->source};
    const struct source_config *source = map_get(&c->sources_by_name, what->source);
    struct plan made = {
        .trace = what->application.n ? STR("") : STR("the configuration has no such source\n")};
    struct buf scratch;
    buf_init(&scratch, TRACE_MAX);
    if (source)
        plan_make(c, source, &facts, &scratch, &made);
    if (source && e->event.dedupe_key.n)
        e->dedupe_window_ms = source->dedupe_window_ms;
    buf_release(&scratch);
    http_request_release(&request);
    e->event.trace = made.trace;
    struct gate **by_index = all_gates(core, c, a);
    if (!by_index || !planned_enter(core, &made, by_index, a, e, gates))
        return false;
    const struct app_message m = {
        .application = what->application, .event_type = what->type, .payload = what->json};
    if (!what->application.n || app_message_add(core, &m, a, e, gates))
        return true;
    planned_leave(e, *gates);
    return false;
}

static enum err commit(struct engine_core *core, struct new_event *e, struct gate **gates,
                       struct reason *why)
{
    struct dispatch_offers offers;
    struct commit_ticket *ticket = xcalloc(1, sizeof(*ticket));
    int64_t began_ns = clock_mono_ns(core->clock);
    commit_ticket_init(ticket, NULL, NULL);
    commit_ticket_add_event(ticket, e);
    enum err err = committer_commit(core->committer, ticket, why);
    free(ticket);
    if (err != ERR_OK) {
        planned_leave(e, gates);
        return err;
    }
    if (e->duplicate_of) {
        planned_leave(e, gates);
        return ERR_OK;
    }
    trace_tell_published(core->tracer, &e->event, (clock_mono_ns(core->clock) - began_ns) / 1000);
    dispatch_offers_init(&offers, core);
    planned_offer(&offers, e, gates);
    dispatch_offers_send(&offers);
    METRIC_ADD(&core->metrics, events_accepted, 1);
    METRIC_ADD(&core->metrics, event_bytes, e->event.body.n);
    return ERR_OK;
}

enum err engine_emit_as(struct engine *e, const struct emission *what, uint64_t *id,
                        struct reason *why)
{
    struct engine_core *core = engine_core(e);
    if (what->json.n > EMIT_BODY_MAX)
        return fail(why, ERR_LIMIT, "an event's body may have at most %u bytes", EMIT_BODY_MAX);
    struct json_doc *doc = json_parse(what->json, why);
    if (!doc)
        return ERR_INVALID;
    json_doc_free(doc);
    struct arena a;
    struct gate **gates = NULL;
    struct new_event event = {0};
    struct config *c = engine_config(e);
    arena_init(&a, EMIT_ARENA_MAX);
    fill(&event, core, what);
    enum err err = enter(&event, core, c, what, &a, &gates)
                       ? commit(core, &event, gates, why)
                       : fail(why, ERR_LIMIT, "the event has more deliveries than memory");
    if (err == ERR_OK)
        *id = event.event.id;
    arena_release(&a);
    config_unref(c);
    return err;
}

enum err engine_emit(struct engine *e, str application, str type, str json, uint64_t *id,
                     struct reason *why)
{
    const struct emission what = {.source = STR("app"),
                                  .type = type,
                                  .json = json,
                                  .application = application,
                                  .key = STR(""),
                                  .verdict_text = STR("emitted by the application itself")};
    return engine_emit_as(e, &what, id, why);
}
