/* schedule.c -- one loop looks at the clock: at the next moment that is due, and at least every few
 * seconds, since the configuration may change and the clock may be set. An event's dedupe key is
 * its moment: nodes that share a store send it once. */
#include "engine/schedule.h"

#include "base/log.h"

#define LOOK_MS 5000
#define MISSED_MS 60000 /* later than that it was missed, and catch_up decides */
#define CATCH_UP_MAX 1000

struct entry {
    const struct source_config *source;
    int64_t next_ms; /* 0: never */
};

struct schedule {
    struct engine_core *core;
    struct loop *loop;
    struct loop_thread thread;
    struct loop_timer timer;
    struct config *config;
    uint64_t generation;
    struct entry *entries;
    size_t count;
    bool started;
};

/* The moment of the newest event of this source; 0 when there is none. */
static int64_t last_moment(struct schedule *s, str source)
{
    struct reason why = {0};
    struct arena a;
    struct event_list list = {0};
    int64_t last_ms = 0;
    struct event_filter f = {.source = source, .state = -1, .limit = 1};
    struct store_reader *r = store_reader_open(s->core->store, &why);
    arena_init(&a, 1u << 20);
    if (!r || store_events(r, &f, &a, &list, &why) != ERR_OK)
        log_event(LOG_WARN, "cannot tell when a cron source sent last", LOG_F("source", source),
                  LOG_F("reason", str_from_cstr(why.text)));
    if (list.count && !clock_parse(list.v[0].event.dedupe_key, &last_ms))
        last_ms = 0;
    arena_release(&a);
    store_reader_close(r);
    return last_ms;
}

static void follow_config(struct schedule *s)
{
    uint64_t now = atomic_load(&s->core->generation);
    if (s->config && s->generation == now)
        return;
    config_unref(s->config);
    free(s->entries);
    s->generation = now;
    s->config = engine_config(s->core->engine);
    s->entries = xcalloc(s->config->source_count + 1, sizeof(*s->entries));
    s->count = 0;
    int64_t now_ms = clock_wall_ms(s->core->clock);
    for (size_t i = 0; i < s->config->source_count; i++) {
        const struct source_config *source = s->config->sources[i];
        if (!source->cron)
            continue;
        int64_t last_ms = source->catch_up == CATCH_UP_NONE ? 0 : last_moment(s, source->name);
        s->entries[s->count++] = (struct entry){
            source, cron_next(source->cron, source->zone, last_ms ? last_ms : now_ms)};
    }
}

static void send(struct schedule *s, const struct source_config *source, int64_t at_ms)
{
    char at[CLOCK_TEXT_MAX];
    struct buf body;
    struct json_writer w;
    struct reason why = {0};
    uint64_t id = 0;
    str when = clock_format(at_ms, at);
    buf_init(&body, 1u << 20);
    json_writer_init(&w, &body);
    json_open(&w, '{');
    json_pair(&w, "scheduled", when);
    if (source->cron_data.p) {
        json_key(&w, "data");
        json_raw(&w, source->cron_data);
    }
    json_close(&w, '}');
    struct emission e = {.source = source->name,
                         .type = STR("cron"),
                         .json = buf_str(&body),
                         .key = when,
                         .verdict_text = STR("made by the schedule of its source")};
    if (engine_emit_as(s->core->engine, &e, &id, &why) != ERR_OK)
        log_event(LOG_ERROR, "a scheduled event could not be stored", LOG_F("source", source->name),
                  LOG_F("scheduled", when), LOG_F("reason", str_from_cstr(why.text)));
    buf_release(&body);
}

static void send_due(struct schedule *s, struct entry *e, int64_t now_ms)
{
    const struct source_config *source = e->source;
    for (int i = 0; e->next_ms && e->next_ms <= now_ms && i < CATCH_UP_MAX; i++) {
        int64_t at_ms = e->next_ms;
        e->next_ms = cron_next(source->cron, source->zone, at_ms);
        bool missed = now_ms - at_ms > MISSED_MS;
        bool newest = !e->next_ms || e->next_ms > now_ms;
        if (!missed || source->catch_up == CATCH_UP_ALL ||
            (source->catch_up == CATCH_UP_LATEST && newest))
            send(s, source, at_ms);
    }
}

static void look(struct loop_timer *t)
{
    struct schedule *s = CONTAINER_OF(t, struct schedule, timer);
    int64_t now_ms = clock_wall_ms(s->core->clock), wait_ms = LOOK_MS;
    if (!atomic_load(&s->core->draining)) {
        follow_config(s);
        for (size_t i = 0; i < s->count; i++) {
            struct entry *e = &s->entries[i];
            send_due(s, e, now_ms);
            if (e->next_ms && e->next_ms - now_ms < wait_ms)
                wait_ms = e->next_ms > now_ms ? e->next_ms - now_ms : 0;
        }
    }
    loop_timer_start(s->loop, &s->timer, wait_ms, look);
}

struct schedule *schedule_new(struct engine_core *core)
{
    struct schedule *s = xcalloc(1, sizeof(*s));
    s->core = core;
    s->loop = loop_new(core->clock);
    return s;
}

void schedule_start(struct schedule *s)
{
    loop_timer_start(s->loop, &s->timer, 0, look);
    s->started = true;
    loop_thread_start(&s->thread, s->loop, "gaff-schedule");
}

void schedule_free(struct schedule *s)
{
    if (!s)
        return;
    if (s->started) {
        loop_stop(s->loop);
        loop_thread_join(&s->thread);
    }
    loop_timer_stop(&s->timer);
    loop_free(s->loop);
    config_unref(s->config);
    free(s->entries);
    free(s);
}
