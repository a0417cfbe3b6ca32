/* configuration.c -- /api/v1/config: what is in force, where each value comes from, and what a
 * reload would change. Secrets are masked by config_describe. */
#include "api/call.h"

#include "base/map.h"
#include "engine/definitions.h"

#define DESCRIPTION_MAX (8u << 20)

void api_config(struct api_call *c)
{
    struct config *config = engine_config(c->api->options.engine);
    char loaded[CLOCK_TEXT_MAX];
    struct buf text;
    buf_init(&text, DESCRIPTION_MAX);
    config_describe(config, &text);
    json_open(&c->json, '{');
    json_pair(&c->json, "path", str_from_cstr(config->path));
    json_pair(&c->json, "loaded", clock_format(config->loaded_ms, loaded));
    json_pair(&c->json, "text", buf_str(&text));
    json_close(&c->json, '}');
    api_send(c, 200);
    buf_release(&text);
    config_unref(config);
}

static void collect_lines(str text, struct map *lines)
{
    while (text.p && text.n) {
        str line = str_cut(&text, '\n');
        if (line.n)
            map_put(lines, line, lines);
    }
}

/* The lines of `text` that `other` has not, each with a sign before it. */
static void write_missing(struct json_writer *w, str text, const struct map *other, char sign)
{
    struct buf line;
    buf_init(&line, DESCRIPTION_MAX);
    while (text.p && text.n) {
        str one = str_cut(&text, '\n');
        if (one.n == 0 || map_get(other, one))
            continue;
        buf_clear(&line);
        buf_printf(&line, "%c " STR_FMT, sign, STR_ARG(one));
        json_string(w, buf_str(&line));
    }
    buf_release(&line);
}

static void write_difference(struct json_writer *w, const struct config *old,
                             const struct config *fresh)
{
    struct buf before, after;
    struct map had = {0}, has = {0};
    buf_init(&before, DESCRIPTION_MAX);
    buf_init(&after, DESCRIPTION_MAX);
    config_describe(old, &before);
    config_describe(fresh, &after);
    collect_lines(buf_str(&before), &had);
    collect_lines(buf_str(&after), &has);
    write_missing(w, buf_str(&before), &has, '-');
    write_missing(w, buf_str(&after), &had, '+');
    map_release(&had);
    map_release(&has);
    buf_release(&before);
    buf_release(&after);
}

/* What a reload would load now; NULL with problems. */
static struct config *load_again(struct api_call *c, struct problems *problems, struct reason *why)
{
    const struct api_options *o = &c->api->options;
    struct config *fresh = NULL;
    struct buf text;
    buf_init(&text, DEFINITIONS_BYTES_MAX);
    if (definitions_text(c->api->reader, NULL, &text, why) == ERR_OK)
        fresh = o->load(buf_str(&text), problems, o->arg);
    buf_release(&text);
    return fresh;
}

void api_config_difference(struct api_call *c)
{
    struct problems problems = {0};
    struct reason why = {0};
    if (!c->api->options.load) {
        http_reply_error(c->x, 501, "no_file", STR("This instance has no configuration file."));
        return;
    }
    struct config *old = engine_config(c->api->options.engine);
    struct config *fresh = load_again(c, &problems, &why);
    json_open(&c->json, '{');
    json_key(&c->json, "problems");
    json_open(&c->json, '[');
    for (size_t i = 0; !fresh && i < problems.count; i++)
        json_string(&c->json, str_from_cstr(problems.v[i].text));
    if (why.text[0])
        json_string(&c->json, str_from_cstr(why.text));
    json_close(&c->json, ']');
    json_key(&c->json, "lines");
    json_open(&c->json, '[');
    if (fresh)
        write_difference(&c->json, old, fresh);
    json_close(&c->json, ']');
    json_close(&c->json, '}');
    api_send(c, 200);
    problems_release(&problems);
    config_unref(fresh);
    config_unref(old);
}
