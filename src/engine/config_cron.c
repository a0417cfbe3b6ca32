/* config_cron.c -- a source that is a schedule:
 *
 *   nightly: { cron: "0 3 * * *", timezone: Europe/Berlin, catch_up: latest, data: '{"full":true}'
 * }
 */
#include "engine/config_read.h"

static const char *const cron_keys[] = {"cron", "timezone", "catch_up", "data", NULL};

bool config_cron_read(struct config_reader *r, const struct yaml *node,
                      struct source_config *source)
{
    static const char *const words[] = {"none", "latest", "all", NULL};
    const struct yaml *cron = yaml_get(node, STR("cron")), *data = yaml_get(node, STR("data"));
    struct reason why = {.text = ""};
    str text, zone = STR("UTC");
    int catch_up = CATCH_UP_LATEST;
    if (!cron)
        return false;
    read_keys(r->problems, node, cron_keys);
    struct cron *parsed = CONFIG_NEW(r, struct cron);
    if (read_str(r->problems, cron, &text) && cron_parse(text, parsed, &why) != ERR_OK)
        problem_at(r->problems, cron, "%s", why.text);
    const struct yaml *zone_node = yaml_get(node, STR("timezone"));
    if (read_str(r->problems, zone_node, &zone)) {
        source->zone = zone_load(r->arena, zone, &why);
        if (!source->zone)
            problem_at(r->problems, zone_node ? zone_node : cron, "%s", why.text);
    }
    read_enum(r->problems, yaml_get(node, STR("catch_up")), words, &catch_up);
    source->catch_up = (enum catch_up)catch_up;
    source->cron_data = STR_NONE;
    if (data && read_str(r->problems, data, &source->cron_data)) {
        struct json_doc *doc = json_parse(source->cron_data, &why);
        if (!doc)
            problem_at(r->problems, data, "data must be JSON: %s", why.text);
        json_doc_free(doc);
    }
    source->cron = parsed;
    if (source->zone && parsed->minutes && !cron_next(parsed, source->zone, r->config->loaded_ms))
        problem_at(r->problems, cron, "this moment never comes");
    const char *nearest = NULL;
    source->provider = provider_find(r->config->providers, STR("none"), &nearest);
    source->verifier.provider = source->provider;
    source->dedupe_window_ms = INT64_C(86400000);
    source->path = STR("/");
    return true;
}
