/* providers.c -- /api/v1/providers: the senders that are known, for who chooses one. */
#include "api/call.h"

static void view_provider(struct json_writer *w, const struct provider *p)
{
    const struct provider_facts *facts = provider_facts(p);
    json_open(w, '{');
    json_pair(w, "id", provider_id(p));
    json_pair(w, "title", provider_title(p));
    json_pair(w, "docs", facts->docs);
    json_pair(w, "verified_by", facts->verified_by);
    json_pair_bool(w, "needs_secret", provider_needs_secret(p));
    json_pair_bool(w, "authenticates", provider_authenticates(p));
    json_key(w, "setup");
    json_open(w, '[');
    for (size_t i = 0; i < facts->setup_count; i++)
        json_string(w, facts->setup[i]);
    json_close(w, ']');
    json_close(w, '}');
}

void api_providers(struct api_call *c)
{
    struct config *config = engine_config(c->api->options.engine);
    str *ids;
    size_t count = provider_ids(config->providers, c->x->arena, &ids);
    json_open(&c->json, '{');
    json_key(&c->json, "providers");
    json_open(&c->json, '[');
    for (size_t i = 0; i < count; i++) {
        const struct provider *p = provider_find(config->providers, ids[i], NULL);
        if (p) /* a file of the user's own may be broken; `gaff check` says so */
            view_provider(&c->json, p);
    }
    json_close(&c->json, ']');
    json_close(&c->json, '}');
    api_send(c, 200);
    config_unref(config);
}
