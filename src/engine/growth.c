/* growth.c -- one object of the store holds the samples, so that they outlive a restart. */
#include "engine/growth.h"

#include "base/json.h"
#include "engine/objects.h"

#define GROWTH_KIND "growth"
#define GROWTH_ID "store"
#define DAY_MS (24 * 3600 * INT64_C(1000))
#define DOC_MAX 16384 /* of GROWTH_SAMPLES pairs */

static void read_samples(const struct json *list, struct growth *out)
{
    struct json_iter it = {0};
    while (list && out->count < GROWTH_SAMPLES && json_next(list, &it)) {
        struct growth_sample *s = &out->v[out->count];
        if (json_i64(json_at(it.value, 0), &s->at_ms) && json_i64(json_at(it.value, 1), &s->bytes))
            out->count++;
    }
}

enum err growth_load(struct store_reader *r, struct growth *out, struct reason *why)
{
    struct arena a;
    struct object o;
    *out = (struct growth){0};
    arena_init(&a, 4 * DOC_MAX);
    enum err err = store_object(r, STR(GROWTH_KIND), STR(GROWTH_ID), &a, &o, why);
    if (err == ERR_OK) {
        struct json_doc *doc = json_parse(o.doc, why);
        read_samples(json_get(json_root(doc), STR("samples")), out);
        json_doc_free(doc);
    }
    arena_release(&a);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static void write_samples(const struct growth *g, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_open(&w, '{');
    json_key(&w, "samples");
    json_open(&w, '[');
    for (size_t i = 0; i < g->count; i++) {
        json_open(&w, '[');
        json_integer(&w, g->v[i].at_ms);
        json_integer(&w, g->v[i].bytes);
        json_close(&w, ']');
    }
    json_close(&w, ']');
    json_close(&w, '}');
}

enum err growth_note(struct engine_core *core, struct store_reader *r, struct reason *why)
{
    struct growth g;
    struct store_counts counts;
    struct buf doc;
    int64_t now_ms = clock_wall_ms(core->clock);
    enum err err = growth_load(r, &g, why);
    if (err != ERR_OK || (g.count && now_ms - g.v[g.count - 1].at_ms < GROWTH_STEP_MS))
        return err;
    if ((err = store_counts_get(r, &counts, why)) != ERR_OK)
        return err;
    if (g.count == GROWTH_SAMPLES)
        memmove(g.v, g.v + 1, --g.count * sizeof(g.v[0]));
    g.v[g.count++] = (struct growth_sample){now_ms, (int64_t)counts.bytes};
    buf_init(&doc, DOC_MAX);
    write_samples(&g, &doc);
    struct object o = {.kind = STR(GROWTH_KIND), .id = STR(GROWTH_ID), .doc = buf_str(&doc)};
    err = buf_ok(&doc) ? object_put(core, &o, OBJECT_ANY, why) : ERR_LIMIT;
    buf_release(&doc);
    return err;
}

struct growth_outlook growth_look(const struct growth *g, const struct growth_now *now)
{
    struct growth_outlook o = {.full_in_days = -1};
    int64_t span_ms = g->count ? now->at_ms - g->v[0].at_ms : 0;
    if (span_ms < GROWTH_SPAN_MS)
        return o;
    o.is_known = true;
    o.per_day = (int64_t)((double)(now->bytes - g->v[0].bytes) * (double)DAY_MS / (double)span_ms);
    if (o.per_day <= 0)
        return o;
    int64_t left_ms = now->oldest_ms ? now->age_ms - (now->at_ms - now->oldest_ms) : now->age_ms;
    if (now->age_ms && left_ms > 0)
        o.levels_at = now->bytes + (int64_t)((double)o.per_day * (double)left_ms / (double)DAY_MS);
    if (now->size && (!o.levels_at || now->size < o.levels_at))
        o.levels_at = now->size;
    if (now->free && (!o.levels_at || o.levels_at - now->bytes > now->free))
        o.full_in_days = now->free / o.per_day;
    return o;
}
