/* hub.c -- /api/v1/hub: the WebSub hub, its topics and who is subscribed to them. The subscriptions
 * themselves are endpoints of the application "websub". */
#include "api/call.h"

#include "engine/hub_metrics.h"
#include "engine/subscription.h"

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
    enum err err = config->hub.is_set ? hub_jobs_waiting(c->api->reader, &jobs, &why)
                                      : fail(&why, ERR_NOT_FOUND, "the configuration has no hub");
    if (err == ERR_OK)
        write_hub(c, &config->hub, hub_subscriptions(c->api->core, &config->hub, c->x->arena),
                  jobs);
    else
        api_fail(c, err, &why);
    config_unref(config);
}
