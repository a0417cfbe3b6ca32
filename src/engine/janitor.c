/* janitor.c -- deletes what retention no longer wants, in small steps with pauses between them so
 * that the store's writer is never held for long; writes down when secrets were used and how the
 * store grows. */
#include "engine/janitor.h"

#include "base/log.h"
#include "engine/growth.h"
#include "engine/secret_book.h"

#define ROUND_MS 60000
#define STEP_PAUSE_MS 20
#define STEP_EVENTS 500
#define DAY_MS (24 * 3600 * (int64_t)1000)

struct janitor {
    struct engine_core *core;
    struct loop *loop;
    struct loop_thread thread;
    bool started;
    struct loop_timer timer;
    int64_t warned_ms;           /* of idle secrets */
    struct store_reader *reader; /* opened with the first look at the growth */
};

/* A rotation that was forgotten half-way: one of several secrets that nobody signs with. */
static void care_for_secrets(struct janitor *j, const struct config *c)
{
    int64_t now_ms = clock_wall_ms(j->core->clock);
    secret_book_save(j->core->secrets);
    if (now_ms - j->warned_ms < DAY_MS)
        return;
    j->warned_ms = now_ms;
    for (size_t i = 0; i < c->source_count; i++) {
        const struct source_config *s = c->sources[i];
        for (size_t k = 0; s->verifier.secret_count > 1 && k < s->verifier.secret_count; k++) {
            const struct secret_use *u =
                secret_book_use(j->core->secrets, s->name, s->verifier.secrets[k]);
            if (u && secret_is_idle(u, now_ms))
                log_event(LOG_WARN,
                          "a secret was not used for a week: take it out when the "
                          "sender has stopped signing with it",
                          LOG_F("source", s->name),
                          LOG_F("fingerprint", str_from_cstr(u->fingerprint)));
        }
    }
}

static void note_growth(struct janitor *j)
{
    struct reason why = {0};
    if (!j->reader)
        j->reader = store_reader_open(j->core->store, &why);
    if (j->reader && growth_note(j->core, j->reader, &why) != ERR_OK)
        log_event(LOG_WARN, "the size of the store could not be noted",
                  LOG_F("reason", str_from_cstr(why.text)));
}

static void tick(struct loop_timer *t)
{
    struct janitor *j = CONTAINER_OF(t, struct janitor, timer);
    struct config *c = engine_config(j->core->engine);
    struct retention keep = {c->retention_age_ms, c->retention_bytes, STEP_EVENTS};
    struct reason why = {0};
    uint64_t deleted = 0;
    care_for_secrets(j, c);
    note_growth(j);
    config_unref(c);
    if (store_purge(j->core->store, &keep, clock_wall_ms(j->core->clock), &deleted, &why) !=
        ERR_OK) {
        METRIC_ADD(&j->core->metrics, purge_errors, 1);
        log_event(LOG_WARN, "retention could not delete", LOG_F("reason", str_from_cstr(why.text)));
    }
    METRIC_ADD(&j->core->metrics, purged, deleted);
    loop_timer_start(j->loop, &j->timer, deleted == STEP_EVENTS ? STEP_PAUSE_MS : ROUND_MS, tick);
}

struct janitor *janitor_new(struct engine_core *core)
{
    struct janitor *j = xcalloc(1, sizeof(*j));
    j->core = core;
    j->loop = loop_new(core->clock);
    return j;
}

void janitor_start(struct janitor *j)
{
    loop_timer_start(j->loop, &j->timer, ROUND_MS, tick);
    j->started = true;
    loop_thread_start(&j->thread, j->loop, "gaff-janitor");
}

void janitor_free(struct janitor *j)
{
    if (!j)
        return;
    if (j->started) {
        loop_stop(j->loop);
        loop_thread_join(&j->thread);
    }
    loop_timer_stop(&j->timer);
    store_reader_close(j->reader);
    loop_free(j->loop);
    free(j);
}
