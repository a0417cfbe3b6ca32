/* hub.c -- /api/v1/hub: the WebSub hub, its topics and who is subscribed to them. The subscriptions
 * themselves are endpoints of the application "websub". */
#include "api/call.h"

#include "engine/directory.h"
#include "engine/hub_job.h"
#include "engine/hub_request.h"
#include "engine/subscription.h"

#define JOBS_SHOWN_MAX 1000

static enum err count_jobs(struct api_call *c, size_t *count, struct reason *why)
{
    struct object_filter f = {
        .kind = STR(HUB_JOB_KIND), .any_parent = true, .limit = JOBS_SHOWN_MAX};
    struct object_list list = {0};
    enum err err = store_objects(c->api->reader, &f, c->x->arena, &list, why);
    *count = list.count;
    return err;
}

/* By the topic's place in the configuration; behind the last, of endpoints that are of no topic. */
static size_t *count_subscriptions(struct api_call *c, const struct hub_config *h)
{
    struct directory *d = c->api->core->directory;
    size_t *counts = ARENA_ARRAY(c->x->arena, size_t, h->topic_count + 1);
    struct application app;
    struct endpoint **all;
    size_t count = 0;
    if (!counts ||
        !directory_application(d, STR(DEFAULT_ORG), STR(HUB_APPLICATION), c->x->arena, &app) ||
        !directory_endpoints(d, app.id, c->x->arena, &all, &count))
        return counts;
    for (size_t i = 0; i < count; i++) {
        const struct hub_topic *t = hub_topic_find(h, all[i]->topic);
        counts[t ? (size_t)(t - h->topics) : h->topic_count]++;
        endpoint_unref(all[i]);
    }
    return counts;
}

static void write_hub(struct api_call *c, const struct hub_config *h, const size_t *counts,
                      size_t jobs)
{
    json_open(&c->json, '{');
    json_pair(&c->json, "url", h->url);
    json_pair(&c->json, "application", STR(HUB_APPLICATION));
    json_pair_int(&c->json, "max_subscriptions", h->subscriptions_max);
    json_pair_int(&c->json, "jobs", (int64_t)jobs);
    json_key(&c->json, "topics");
    json_open(&c->json, '[');
    for (size_t i = 0; i < h->topic_count; i++) {
        json_open(&c->json, '{');
        json_pair(&c->json, "name", h->topics[i].name);
        json_pair(&c->json, "url", h->topics[i].url);
        json_pair_int(&c->json, "subscriptions", counts ? (int64_t)counts[i] : 0);
        json_close(&c->json, '}');
    }
    json_close(&c->json, ']');
    json_close(&c->json, '}');
    api_send(c, 200);
}

void api_hub(struct api_call *c)
{
    struct reason why = {0};
    struct config *config = engine_config(c->api->options.engine);
    size_t jobs = 0;
    enum err err = config->hub.is_set ? count_jobs(c, &jobs, &why)
                                      : fail(&why, ERR_NOT_FOUND, "the configuration has no hub");
    if (err == ERR_OK)
        write_hub(c, &config->hub, count_subscriptions(c, &config->hub), jobs);
    else
        api_fail(c, err, &why);
    config_unref(config);
}
