/* hub_metrics.c -- counters begin with the process; subscriptions are the directory's and jobs the
 * store's, so that of several nodes each tells of all. */
#include "engine/hub_metrics.h"

#include "engine/directory.h"
#include "engine/engine.h"
#include "engine/hub_request.h"
#include "engine/subscription.h"

#define PAGE_ARENA_MAX (64u << 20)

enum err hub_jobs_waiting(struct store_reader *r, size_t *count, struct reason *why)
{
    struct object_filter f = {
        .kind = STR(HUB_JOB_KIND), .any_parent = true, .limit = HUB_JOBS_SHOWN_MAX};
    struct object_list list = {0};
    struct arena a;
    arena_init(&a, PAGE_ARENA_MAX);
    enum err err = store_objects(r, &f, &a, &list, why);
    *count = list.count;
    arena_release(&a);
    return err;
}

size_t *hub_subscriptions(struct engine_core *core, const struct hub_config *h, struct arena *a)
{
    size_t *counts = ARENA_ARRAY(a, size_t, h->topic_count + 1);
    struct application app;
    struct endpoint **all;
    size_t count = 0;
    if (!counts ||
        !directory_application(core->directory, STR(DEFAULT_ORG), STR(HUB_APPLICATION), a, &app) ||
        !directory_endpoints(core->directory, app.id, a, &all, &count))
        return counts;
    for (size_t i = 0; i < count; i++) {
        const struct hub_topic *t = hub_topic_find(h, all[i]->topic);
        counts[t ? (size_t)(t - h->topics) : h->topic_count]++;
        endpoint_unref(all[i]);
    }
    return counts;
}

static void counter_lines(const struct hub_counts *c, struct buf *out)
{
    static const char *const answers[] = {
#define X(name, word) word,
        HUB_ANSWERS(X)
#undef X
    };
    static const char *const outcomes[] = {
#define X(name, word) word,
        HUB_OUTCOMES(X)
#undef X
    };
    metrics_family(out, "gaff_hub_requests_total", "counter",
                   "Requests to the WebSub hub: accepted (202), refused (4xx), busy (503).");
    for (size_t i = 0; i < HUB_ANSWER_COUNT; i++)
        buf_printf(out, "gaff_hub_requests_total{answer=\"%s\"} %llu\n", answers[i],
                   (unsigned long long)atomic_load(&c->requests[i]));
    metrics_family(out, "gaff_hub_jobs_total", "counter",
                   "What the hub was asked for, by how it ended: done, refused (by a callback, a "
                   "topic or a rule), failed (no answer in all tries).");
    for (size_t mode = 0; mode < ARRAY_LEN(c->jobs); mode++)
        for (size_t i = 0; i < HUB_OUTCOME_COUNT; i++)
            buf_printf(out, "gaff_hub_jobs_total{mode=\"%s\",outcome=\"%s\"} %llu\n",
                       hub_mode_words[mode], outcomes[i],
                       (unsigned long long)atomic_load(&c->jobs[mode][i]));
    metrics_family(out, "gaff_hub_leases_ended_total", "counter",
                   "Subscriptions of the hub that ended because nobody renewed them.");
    buf_printf(out, "gaff_hub_leases_ended_total %llu\n",
               (unsigned long long)atomic_load(&c->leases_ended));
}

static void subscription_lines(struct engine_core *core, struct buf *out)
{
    struct config *c = engine_config(core->engine);
    struct arena a;
    arena_init(&a, PAGE_ARENA_MAX);
    const size_t *counts = hub_subscriptions(core, &c->hub, &a);
    metrics_family(out, "gaff_hub_subscriptions", "gauge",
                   "Subscriptions of the hub, by the name of their topic.");
    for (size_t i = 0; counts && i < c->hub.topic_count; i++) {
        buf_str_append(out, STR("gaff_hub_subscriptions{topic=\""));
        metrics_label(out, c->hub.topics[i].name);
        buf_printf(out, "\"} %zu\n", counts[i]);
    }
    arena_release(&a);
    config_unref(c);
}

void hub_metrics_write(struct engine_core *core, struct store_reader *r, struct buf *out)
{
    struct reason ignored;
    size_t jobs;
    counter_lines(&core->hub_counts, out);
    subscription_lines(core, out);
    if (hub_jobs_waiting(r, &jobs, &ignored) != ERR_OK)
        return;
    metrics_family(
        out, "gaff_hub_jobs_waiting", "gauge",
        "Jobs of the hub without an outcome yet, in the store; 1000 at most are counted.");
    buf_printf(out, "gaff_hub_jobs_waiting %zu\n", jobs);
}
