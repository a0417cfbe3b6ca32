/* settle_news.c -- what an outcome tells beyond its delivery: to the health of its endpoint, and to
 * who operates, in the same commit as the outcome. */
#include "engine/lane.h"

#include "base/ksuid.h"
#include "engine/endpoint.h"
#include "engine/operational.h"
#include "engine/recovery.h"

static void tell_health(struct flight *f, const struct outcome *o)
{
    struct recovery *r = f->lane->ctx->core->recovery;
    const struct endpoint *e = f->by->endpoint;
    if (o->gone)
        recovery_note(r, e->id, ENDPOINT_GONE);
    else if (f->settlement.state == DELIVERY_DEAD)
        recovery_note(r, e->id, ENDPOINT_EXHAUSTED);
    else if (f->settlement.state == DELIVERY_DELIVERED && e->fail_since_ms)
        recovery_note(r, e->id, ENDPOINT_WELL);
}

/* NULL: nothing to tell. */
static const char *news_of(const struct settlement *s)
{
    uint32_t number = s->attempt.number;
    if (s->state == DELIVERY_DEAD)
        return "message.attempt.exhausted";
    if (s->state == DELIVERY_PENDING && number == OPERATIONAL_FAILING_AT)
        return "message.attempt.failing";
    if (s->state == DELIVERY_DELIVERED && number > OPERATIONAL_FAILING_AT)
        return "message.attempt.recovered";
    return NULL;
}

static str attempt_text(struct flight *f)
{
    const struct attempt *a = &f->settlement.attempt;
    char message[KSUID_TEXT_MAX], attempt[KSUID_TEXT_MAX], when[CLOCK_TEXT_MAX];
    char room[2048];
    struct buf b = buf_over(room, sizeof(room));
    struct json_writer w;
    json_writer_init(&w, &b);
    json_open(&w, '{');
    json_pair(&w, "msgId", ksuid_format(MESSAGE_PREFIX, f->delivery.event_id, message));
    json_pair(&w, "msgEventId", f->event.dedupe_key.n ? f->event.dedupe_key : STR_NONE);
    json_key(&w, "lastAttempt");
    json_open(&w, '{');
    json_pair(&w, "id", ksuid_format("atmpt_", a->id, attempt));
    json_pair_int(&w, "responseStatusCode", a->status);
    json_pair(&w, "timestamp", clock_format(a->started_ms, when));
    json_close(&w, '}');
    json_close(&w, '}');
    str text = buf_ok(&b) ? buf_str(&b) : STR_NONE;
    /* Without its braces: members of another object. */
    return text.p ? arena_printf(&f->arena, "," STR_FMT, STR_ARG(str_slice(text, 1, text.n - 1)))
                  : STR_NONE;
}

void settle_tell_news(struct flight *f, const struct outcome *o)
{
    const struct endpoint *e = f->by->endpoint;
    if (!e)
        return;
    tell_health(f, o);
    const char *type = f->settlement.attempt.number ? news_of(&f->settlement) : NULL;
    if (!type)
        return;
    str more = attempt_text(f);
    struct app_message_plan *plan = ARENA_NEW(&f->arena, struct app_message_plan);
    if (!more.p || !plan ||
        !operational_plan(f->lane->ctx->core, e->application, type, e->id, e->uid, more, &f->arena,
                          plan))
        return;
    f->news = plan;
    commit_ticket_add_event(f->lane->ctx->outcomes, &plan->event);
}
