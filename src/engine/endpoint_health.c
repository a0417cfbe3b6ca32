/* endpoint_health.c -- from news to a changed document. The clock of a failing endpoint starts when
 * a message is given up on; it is switched off when that happens again long enough after, and any
 * success between stops the clock. */
#include "engine/endpoint_health.h"

#include "base/log.h"
#include "engine/directory.h"
#include "engine/follow.h"
#include "engine/operational.h"

#define NOTE_ARENA_MAX (16u << 20)

struct change {
    int64_t fail_since_ms; /* 0: taken out */
    bool disable;
    const char *reason;
};

/* False when nothing is to change. */
static bool decide(const struct json *doc, enum endpoint_news news, int64_t now_ms,
                   int64_t disable_after_ms, struct change *out)
{
    int64_t since_ms = 0;
    json_i64(json_get(doc, STR("failSince")), &since_ms);
    *out = (struct change){.fail_since_ms = since_ms};
    if (json_bool(json_get(doc, STR("disabled"))))
        return false;
    if (news == ENDPOINT_GONE) {
        out->disable = true;
        out->reason = "it answered 410 Gone";
        return true;
    }
    if (news == ENDPOINT_WELL) {
        out->fail_since_ms = 0;
        return since_ms != 0;
    }
    if (since_ms == 0) {
        out->fail_since_ms = now_ms;
        return true;
    }
    /* A subscription stays to the end of its lease, whatever is given up on meanwhile. */
    out->disable = disable_after_ms > 0 && now_ms - since_ms >= disable_after_ms &&
                   !json_get(doc, STR("subscription"));
    out->reason = "messages to it were given up on for too long, without a success between";
    return out->disable;
}

static str changed_doc(const struct json *doc, const struct change *c, struct arena *a)
{
    struct buf b;
    struct json_writer w;
    struct json_iter it = {0};
    buf_init(&b, OBJECT_DOC_MAX);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    while (json_next(doc, &it)) {
        if (str_eq(it.key, STR("failSince")) ||
            (c->disable &&
             (str_eq(it.key, STR("disabled")) || str_eq(it.key, STR("disabledReason")))))
            continue;
        json_key_str(&w, it.key);
        json_value(&w, it.value);
    }
    if (c->fail_since_ms)
        json_pair_int(&w, "failSince", c->fail_since_ms);
    if (c->disable) {
        json_pair_bool(&w, "disabled", true);
        json_pair(&w, "disabledReason", str_from_cstr(c->reason));
    }
    json_close(&w, '}');
    str out = buf_ok(&b) ? arena_str(a, buf_str(&b)) : STR_NONE;
    buf_release(&b);
    return out;
}

static bool plan_event(struct engine_core *core, const struct object *o, int64_t since_ms,
                       struct arena *a, struct app_message_plan *plan)
{
    char when[CLOCK_TEXT_MAX];
    str since = clock_format(since_ms ? since_ms : clock_wall_ms(core->clock), when);
    str more =
        arena_printf(a, ",\"failSince\":\"" STR_FMT "\",\"trigger\":\"automatic\"", STR_ARG(since));
    return more.p &&
           operational_plan(core, o->parent, "endpoint.disabled", o->id, o->name, more, a, plan);
}

static void commit(struct engine_core *core, struct object_change *change,
                   struct app_message_plan *plan)
{
    struct reason why = {0};
    struct dispatch_offers offers;
    struct object_set set = {.changes = change, .count = 1};
    struct commit_ticket *ticket = xcalloc(1, sizeof(*ticket));
    commit_ticket_init(ticket, NULL, NULL);
    commit_ticket_add_set(ticket, &set);
    if (plan) {
        plan->event.only_with = &set;
        commit_ticket_add_event(ticket, &plan->event);
    }
    enum err err = committer_commit(core->committer, ticket, &why);
    free(ticket);
    if (plan) {
        dispatch_offers_init(&offers, core);
        app_message_settle(core, plan, err, &offers);
        dispatch_offers_send(&offers);
    }
    /* Somebody changed it meanwhile, or the store failed: the next attempt tells it again. */
    if (err == ERR_OK && set.err == ERR_OK)
        follow_committed(core, &change->object);
}

void endpoint_note(struct engine_core *core, struct store_reader *r, str id,
                   enum endpoint_news news)
{
    struct arena a;
    struct object o;
    struct change change;
    struct app_message_plan plan;
    arena_init(&a, NOTE_ARENA_MAX);
    if (store_object(r, STR(ENDPOINT_KIND), id, &a, &o, NULL) == ERR_OK) {
        struct config *c = engine_config(core->engine);
        int64_t now_ms = clock_wall_ms(core->clock);
        struct json_doc *doc = json_parse(o.doc, NULL);
        struct object_change put = {.op = OBJECT_PUT, .object = o, .expect = o.version};
        put.object.updated_ms = now_ms;
        if (decide(json_root(doc), news, now_ms, c->sending.disable_after_ms, &change)) {
            put.object.doc = changed_doc(json_root(doc), &change, &a);
            bool told = change.disable && plan_event(core, &o, change.fail_since_ms, &a, &plan);
            if (put.object.doc.p)
                commit(core, &put, told ? &plan : NULL);
            if (change.disable)
                log_event(LOG_WARN, "an endpoint was disabled", LOG_F("endpoint", id),
                          LOG_F("reason", str_from_cstr(change.reason)));
        }
        json_doc_free(doc);
        config_unref(c);
    }
    arena_release(&a);
}
