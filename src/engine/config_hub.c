/* config_hub.c -- `hub:` who may subscribe to what, for how long, and who may tell of news. What is
 * not said is not allowed: topics and callbacks must be written, and nobody may publish. */
#include "engine/config_read.h"
#include "engine/websub_words.h"
#include "http/client.h"
#include "http/url.h"

#define DAY_MS INT64_C(86400000)
#define TOPICS_MAX 1000u
#define CALLBACKS_MAX 100u
#define TOKEN_MIN 16

const char *const hub_publish_words[] = {"nobody", "token", "anyone", NULL};

/* It stands in a Link field as it is. */
static bool is_plain(str url)
{
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] > '~' || strchr("<>\"", url.p[i]))
            return false;
    return true;
}

static void read_topic(struct config_reader *r, const struct yaml *node, struct hub_config *h)
{
    struct hub_topic t = {.name = node->key, .url = STR("")};
    struct reason why = {.text = ""};
    size_t errors = r->problems->errors;
    if (!config_name_check(r, node, "topic") || !read_str(r->problems, node, &t.url))
        return;
    if (t.url.n > WEBSUB_URL_MAX || !is_plain(t.url))
        problem_at(r->problems, node,
                   "a topic is a URL of at most %d printable ASCII characters, without \", < and >",
                   WEBSUB_URL_MAX);
    else if (http_url_check(t.url, OUTBOUND_PRIVATE, &why) != ERR_OK)
        problem_at(r->problems, node, "%s", why.text);
    for (size_t i = 0; i < h->topic_count; i++)
        if (str_eq(h->topics[i].url, t.url))
            problem_at(r->problems, node,
                       "the topics \"" STR_FMT "\" and \"" STR_FMT "\" are the same URL",
                       STR_ARG(h->topics[i].name), STR_ARG(t.name));
    if (r->problems->errors == errors)
        h->topics[h->topic_count++] = t;
}

static void read_topics(struct config_reader *r, const struct yaml *hub, struct hub_config *h)
{
    const struct yaml *node = yaml_get(hub, STR("topics"));
    if (!node || node->kind != YAML_MAP || node->count == 0 || node->count > TOPICS_MAX) {
        problem_at(r->problems, node ? node : hub,
                   "topics: expected a mapping of 1 to %u names to URLs, as "
                   "{ news: \"https://blog.example.org/feed\" }",
                   TOPICS_MAX);
        return;
    }
    h->topics = CONFIG_ARRAY(r, struct hub_topic, node->count);
    for (const struct yaml *one = node->first; one; one = one->next)
        read_topic(r, one, h);
}

static void read_callbacks(struct config_reader *r, const struct yaml *hub, struct hub_config *h)
{
    const struct yaml *node = yaml_get(hub, STR("callbacks"));
    if (!node) {
        problem_at(r->problems, hub,
                   "callbacks is missing: the hosts that may subscribe, as [\"*.example.org\"]; "
                   "[\"*\"] is any");
        return;
    }
    if (!read_str_list(r->problems, r->arena, node, &h->callbacks, &h->callback_count))
        return;
    if (h->callback_count == 0 || h->callback_count > CALLBACKS_MAX)
        problem_at(r->problems, node, "expected 1 to %u hosts", CALLBACKS_MAX);
    for (size_t i = 0; i < h->callback_count; i++)
        if (!h->callbacks[i].n || h->callbacks[i].n > HTTP_HOST_MAX ||
            str_find(h->callbacks[i], '/') < h->callbacks[i].n)
            problem_at(r->problems, node,
                       "expected a host, as \"*.example.org\", found \"" STR_FMT "\"",
                       STR_ARG(str_slice(h->callbacks[i], 0, 60)));
}

static void read_publish(struct config_reader *r, const struct yaml *hub, struct hub_config *h)
{
    const struct yaml *token = yaml_get(hub, STR("publish_token"));
    const struct yaml *who = yaml_get(hub, STR("publish"));
    h->publish_token = STR("");
    (void)read_enum(r->problems, who, hub_publish_words, &h->publish);
    if (!read_str(r->problems, token, &h->publish_token))
        return;
    if (!who && token)
        h->publish = HUB_TOKEN;
    if (h->publish == HUB_TOKEN && !token)
        problem_at(r->problems, who, "publish: token needs publish_token");
    else if (h->publish != HUB_TOKEN && token)
        problem_at_key(r->problems, token, "publish_token is for publish: token");
    else if (token && h->publish_token.n < TOKEN_MIN)
        problem_at(r->problems, token,
                   "the token is shorter than %d bytes; make one with: openssl rand -hex 32",
                   TOKEN_MIN);
}

static void read_lease(struct config_reader *r, const struct yaml *hub, struct hub_config *h)
{
    static const char *const known[] = {"min", "default", "max", NULL};
    const struct yaml *node = yaml_get(hub, STR("lease"));
    h->lease_min_ms = 5 * 60000;
    h->lease_default_ms = 10 * DAY_MS;
    h->lease_max_ms = 30 * DAY_MS;
    if (!node || !read_keys(r->problems, node, known))
        return;
    read_duration(r->problems, yaml_get(node, STR("min")), 1000, 366 * DAY_MS, &h->lease_min_ms);
    read_duration(r->problems, yaml_get(node, STR("default")), 1000, 366 * DAY_MS,
                  &h->lease_default_ms);
    read_duration(r->problems, yaml_get(node, STR("max")), 1000, 366 * DAY_MS, &h->lease_max_ms);
    if (h->lease_min_ms > h->lease_default_ms || h->lease_default_ms > h->lease_max_ms)
        problem_at(r->problems, node, "a lease needs min <= default <= max");
}

void config_hub_read(struct config_reader *r, const struct yaml *node)
{
    static const char *const known[] = {"path",  "topics",        "callbacks",         "publish",
                                        "lease", "publish_token", "max_subscriptions", NULL};
    struct hub_config *h = &r->config->hub;
    if (!node || !read_keys(r->problems, node, known))
        return;
    h->is_set = true;
    h->path = STR("/hub");
    h->subscriptions_max = 10000;
    const struct yaml *path = yaml_get(node, STR("path"));
    if (read_str(r->problems, path, &h->path) &&
        (!str_starts(h->path, STR("/")) || !is_plain(h->path) ||
         str_find(h->path, '{') < h->path.n || str_find(h->path, '?') < h->path.n))
        problem_at(r->problems, path, "expected a path, as /hub");
    if (!r->config->public_url.n)
        problem_at(r->problems, node, "hub needs public_url: subscribers are told where it is");
    h->url =
        arena_printf(r->arena, STR_FMT STR_FMT, STR_ARG(r->config->public_url), STR_ARG(h->path));
    r->config->sending.hub_url = h->url;
    (void)read_int(r->problems, yaml_get(node, STR("max_subscriptions")), 1, 1000000,
                   &h->subscriptions_max);
    read_topics(r, node, h);
    read_callbacks(r, node, h);
    read_publish(r, node, h);
    read_lease(r, node, h);
}
