/* config_describe.c -- a snapshot in words: every effective value with the place it came from,
 * secrets masked. The reader is a person who asks what the daemon really uses. */
#include "base/codec.h"
#include "engine/config_read.h"
#include "engine/masking.h"

void config_origin_describe(const struct yaml *node, struct buf *out)
{
    if (node)
        buf_printf(out, "  # " STR_FMT ":%u\n", STR_ARG(node->file), node->line);
    else
        buf_str_append(out, STR("  # default\n"));
}

/* What may be shown of a scalar: as written; a literal where a secret stands is masked. */
static void append_scalar(struct buf *out, const struct yaml *node, bool secret)
{
    if (node->first || !secret) {
        buf_char(out, '"');
        text_escape(out, node->first ? node->first->scalar : node->scalar, 256);
        buf_char(out, '"');
    } else {
        buf_str_append(out, STR("****"));
    }
}

/* A part of the file on one line: { url: "http://...", sign: { secret: **** } }. */
static void append_tree(struct buf *out, const struct yaml *node, const struct target *t,
                        bool secret)
{
    if (node->kind == YAML_SCALAR) {
        append_scalar(out, node, secret || mask_is_credential(node->scalar));
        return;
    }
    bool map = node->kind == YAML_MAP;
    buf_str_append(out, map ? STR("{ ") : STR("["));
    for (const struct yaml *one = node->first; one; one = one->next) {
        if (one != node->first)
            buf_str_append(out, STR(", "));
        if (map)
            buf_printf(out, STR_FMT ": ", STR_ARG(one->key));
        append_tree(out, one, t, secret || (map && mask_is_secret_key(one->key, t)));
    }
    buf_str_append(out, map ? STR(" }") : STR("]"));
}

/* "    key: value  # origin"; value is in text. */
static void line(struct buf *out, const struct yaml *object, const char *key, str text)
{
    buf_printf(out, "    %s: " STR_FMT, key, STR_ARG(text));
    config_origin_describe(yaml_get(object, str_from_cstr(key)), out);
}

static void line_duration(struct buf *out, const struct yaml *object, const char *key, int64_t ms)
{
    char amount[AMOUNT_TEXT_MAX];
    line(out, object, key, str_from_cstr(duration_text(ms, amount)));
}

static void line_bool(struct buf *out, const struct yaml *object, const char *key, bool value)
{
    line(out, object, key, value ? STR("true") : STR("false"));
}

/* As it stands in the file, when it does. t: whose fields may be secrets; NULL: none's. */
static void line_written(struct buf *out, const struct yaml *object, const char *key,
                         const struct target *t)
{
    const struct yaml *node = yaml_get(object, str_from_cstr(key));
    if (!node)
        return;
    buf_printf(out, "    %s: ", key);
    append_tree(out, node, t, mask_is_secret_key(node->key, t));
    config_origin_describe(node, out);
}

static void describe_source(const struct source_config *s, struct buf *out)
{
    const struct yaml *place = s->place;
    struct buf text;
    char amount[AMOUNT_TEXT_MAX];
    buf_init(&text, 4096);
    buf_printf(out, "  " STR_FMT ":", STR_ARG(s->name));
    config_origin_describe(place, out);
    if (yaml_get(place, STR("verify")))
        line_written(out, place, "verify", NULL);
    else
        line(out, place, "provider", s->provider ? provider_id(s->provider) : STR("none"));
    line_written(out, place, "secret", NULL);
    line_written(out, place, "secrets", NULL);
    line(out, place, "path", s->path);
    for (size_t i = 0; i < s->method_count; i++)
        buf_printf(&text, "%s" STR_FMT, i ? ", " : "[", STR_ARG(s->methods[i]));
    buf_char(&text, ']');
    line(out, place, "methods", buf_str(&text));
    if (s->dedupe_window_ms)
        line_duration(out, place, "dedupe", s->dedupe_window_ms);
    else
        line(out, place, "dedupe", STR("off"));
    line(out, place, "body_max", str_from_cstr(size_text(s->body_bytes_max, amount)));
    if (s->verifier.tolerance_ms)
        line_duration(out, place, "tolerance", s->verifier.tolerance_ms);
    line_bool(out, place, "keep_rejected", s->keep_rejected);
    line_bool(out, place, "insecure", s->insecure);
    if (s->channel)
        line_bool(out, place, "channel", true);
    line_written(out, place, "allow_from", NULL);
    line_written(out, place, "options", NULL);
    line_written(out, place, "respond", NULL);
    buf_release(&text);
}

static void describe_retry(const struct destination_config *d, struct buf *out)
{
    struct buf text;
    char amount[AMOUNT_TEXT_MAX];
    buf_init(&text, 4096);
    buf_printf(&text, "{ schedule: [");
    for (size_t i = 0; i < d->retry.wait_count; i++)
        buf_printf(&text, "%s%s", i ? ", " : "", duration_text(d->retry.waits_ms[i], amount));
    buf_printf(&text, "], jitter: %g }", d->retry.jitter);
    line(out, d->place, "retry", buf_str(&text));
    buf_release(&text);
}

static void describe_destination(const struct destination_config *d, struct buf *out)
{
    char number[64];
    buf_printf(out, "  " STR_FMT ":", STR_ARG(d->name));
    config_origin_describe(d->place, out);
    line_written(out, d->place, d->action->kind->name, action_target_of(d->action));
    snprintf(number, sizeof(number), "%d", d->concurrency);
    line(out, d->place, "concurrency", str_from_cstr(number));
    if (d->rate.count)
        line_written(out, d->place, "rate", NULL);
    line(out, d->place, "order", d->in_order ? STR("fifo") : STR("any"));
    line_written(out, d->place, "order_by", NULL);
    line_duration(out, d->place, "timeout", d->timeout_ms);
    describe_retry(d, out);
}

static void describe_route(const struct route_config *route, struct buf *out)
{
    buf_printf(out, "  - name: " STR_FMT, STR_ARG(route->name));
    config_origin_describe(route->place, out);
    buf_printf(out, "    from: " STR_FMT "\n    match: ", STR_ARG(route->source->name));
    match_describe(route->match, out);
    buf_str_append(out, STR("\n    to: ["));
    for (size_t i = 0; i < route->to_count; i++)
        buf_printf(out, "%s" STR_FMT, i ? ", " : "", STR_ARG(route->to[i]->name));
    buf_printf(out, "]\n    then: %s\n", route->stop ? "stop" : "continue");
}

/* "  key: value  # origin" */
static void hub_line(struct buf *out, const struct yaml *hub, const char *key, str text)
{
    buf_printf(out, "  %s: " STR_FMT, key, STR_ARG(text));
    config_origin_describe(yaml_get(hub, str_from_cstr(key)), out);
}

static void describe_hub(const struct hub_config *h, const struct yaml *node, struct buf *out)
{
    struct buf text;
    char least[AMOUNT_TEXT_MAX], usual[AMOUNT_TEXT_MAX], most[AMOUNT_TEXT_MAX];
    buf_init(&text, 1u << 16);
    buf_str_append(out, STR("hub:\n"));
    hub_line(out, node, "path", h->path);
    for (size_t i = 0; i < h->callback_count; i++)
        buf_printf(&text, "%s\"" STR_FMT "\"", i ? ", " : "[", STR_ARG(h->callbacks[i]));
    buf_char(&text, ']');
    hub_line(out, node, "callbacks", buf_str(&text));
    hub_line(out, node, "publish", str_from_cstr(hub_publish_words[h->publish]));
    if (h->publish_token.n)
        hub_line(out, node, "publish_token", STR("****"));
    buf_clear(&text);
    buf_printf(&text, "{ min: %s, default: %s, max: %s }", duration_text(h->lease_min_ms, least),
               duration_text(h->lease_default_ms, usual), duration_text(h->lease_max_ms, most));
    hub_line(out, node, "lease", buf_str(&text));
    buf_clear(&text);
    buf_printf(&text, "%lld", (long long)h->subscriptions_max);
    hub_line(out, node, "max_subscriptions", buf_str(&text));
    buf_str_append(out, STR("  topics:\n"));
    for (size_t i = 0; i < h->topic_count; i++) {
        buf_printf(out, "    " STR_FMT ": \"" STR_FMT "\"", STR_ARG(h->topics[i].name),
                   STR_ARG(h->topics[i].url));
        config_origin_describe(yaml_get(yaml_get(node, STR("topics")), h->topics[i].name), out);
    }
    buf_release(&text);
}

void config_describe(const struct config *c, struct buf *out)
{
    config_settings_describe(c, out);
    if (c->hub.is_set)
        describe_hub(&c->hub, yaml_get(c->tree, STR("hub")), out);
    if (c->source_count)
        buf_str_append(out, STR("sources:\n"));
    for (size_t i = 0; i < c->source_count; i++)
        describe_source(c->sources[i], out);
    if (c->destination_count)
        buf_str_append(out, STR("destinations:\n"));
    for (size_t i = 0; i < c->destination_count; i++)
        describe_destination(c->destinations[i], out);
    if (c->route_count)
        buf_str_append(out, STR("routes:\n"));
    for (size_t i = 0; i < c->route_count; i++)
        describe_route(c->routes[i], out);
}
