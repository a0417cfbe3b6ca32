/* tally.c -- counting. Deliveries are counted by their messages, so that those of endpoints that
 * are gone count too. */
#include "engine/tally.h"

#include "base/map.h"
#include "engine/endpoint.h"

#define ROWS_MAX (900u << 10) /* of OBJECT_DOC_MAX */
#define STEP_PAGES 8
#define PAGE 500

static int64_t number_of(const struct json *doc, const char *name)
{
    int64_t v = 0;
    json_i64(json_get(doc, str_from_cstr(name)), &v);
    return v;
}

bool tally_read(struct tally *t, str task, str organisation, const struct json *doc)
{
    struct json_iter it = {0};
    const struct json *rows = json_get(doc, STR("rows"));
    str after = json_str(json_get(doc, STR("after")));
    *t = (struct tally){.types = str_eq(task, STR(TALLY_TYPES)),
                        .organisation = organisation,
                        .applications = json_get(doc, STR("applications")),
                        .since_ms = number_of(doc, "since"),
                        .until_ms = number_of(doc, "until"),
                        .cursor = number_of(doc, "cursor"),
                        .here = number_of(doc, "here"),
                        .counted = number_of(doc, "moved")};
    if (!t->types && !str_eq(task, STR(TALLY_USAGE)))
        return false;
    (void)snprintf(t->after, sizeof(t->after), STR_FMT, STR_ARG(after.p ? after : STR("")));
    buf_init(&t->rows, ROWS_MAX);
    while (rows && json_next(rows, &it)) {
        struct json_writer w;
        if (t->rows.len)
            buf_char(&t->rows, ',');
        json_writer_init(&w, &t->rows);
        json_value(&w, it.value);
    }
    return true;
}

void tally_write(const struct tally *t, struct json_writer *w)
{
    json_pair(w, "after", str_from_cstr(t->after));
    json_pair_int(w, "here", t->here);
    json_key(w, "rows");
    json_open(w, '[');
    if (t->rows.len)
        json_raw(w, buf_str(&t->rows));
    json_close(w, ']');
}

void tally_release(struct tally *t)
{
    buf_release(&t->rows);
}

/* --- which is next -----------------------------------------------------------------------------
 */

/* ERR_NOT_FOUND behind the last. */
static enum err next_of_all(struct tally *t, struct store_reader *r, struct arena *a,
                            struct object *out, struct reason *why)
{
    struct object_filter f = {.kind = STR(APPLICATION_KIND),
                              .parent = t->organisation,
                              .after = str_from_cstr(t->after),
                              .limit = 1};
    struct object_list page = {0};
    enum err err = store_objects(r, &f, a, &page, why);
    if (err == ERR_OK && page.count)
        *out = page.v[0];
    return err == ERR_OK && !page.count ? ERR_NOT_FOUND : err;
}

/* One that was deleted meanwhile is passed over. */
static enum err next_of_list(struct tally *t, struct store_reader *r, struct arena *a,
                             struct object *out, struct reason *why)
{
    enum err err = ERR_NOT_FOUND;
    for (;;) {
        struct json_iter it = {0};
        str next = STR_NONE;
        while (json_next(t->applications, &it)) {
            str id = json_str(it.value);
            if (str_cmp(id, str_from_cstr(t->after)) > 0 && (!next.p || str_cmp(id, next) < 0))
                next = id;
        }
        if (!next.p)
            return ERR_NOT_FOUND;
        err = store_object(r, STR(APPLICATION_KIND), next, a, out, why);
        if (err != ERR_NOT_FOUND)
            return err;
        (void)snprintf(t->after, sizeof(t->after), STR_FMT, STR_ARG(next));
    }
}

/* --- one application ---------------------------------------------------------------------------
 */

static enum err end_application(struct tally *t, const struct object *app, const struct map *types,
                                bool catches_all, struct reason *why)
{
    struct json_writer w;
    struct map_entry e;
    size_t before = t->rows.len;
    if (t->rows.len)
        buf_char(&t->rows, ',');
    json_writer_init(&w, &t->rows);
    json_open(&w, '{');
    json_pair(&w, "appId", app->id);
    if (t->types) {
        json_key(&w, "explicitlySubscribedEventTypes");
        json_open(&w, '[');
        for (size_t i = 0; map_next(types, &i, &e);)
            json_string(&w, e.key);
        json_close(&w, ']');
        json_pair_bool(&w, "hasCatchAllEndpoint", catches_all);
    } else {
        json_pair(&w, "appUid", app->name.n ? app->name : STR_NONE);
        json_pair_int(&w, "messageDestinations", t->here);
    }
    json_close(&w, '}');
    (void)snprintf(t->after, sizeof(t->after), STR_FMT, STR_ARG(app->id));
    t->cursor = t->here = 0;
    if (buf_ok(&t->rows))
        return ERR_OK;
    t->rows.len = before; /* whole rows alone */
    t->rows.failed = false;
    return fail(why, ERR_LIMIT, "these are more applications than one answer holds");
}

static enum err count_usage(struct tally *t, struct store_reader *r, const struct object *app,
                            struct arena *a, size_t *pages, struct reason *why)
{
    struct event_filter f = {.source = app->id,
                             .listed = true,
                             .state = -1,
                             .since_ms = t->since_ms,
                             .until_ms = t->until_ms,
                             .ascending = true,
                             .limit = PAGE};
    while ((*pages)-- > 0) {
        struct event_list page = {0};
        f.after = (uint64_t)t->cursor;
        enum err err = store_events(r, &f, a, &page, why);
        for (size_t i = 0; err == ERR_OK && i < page.count; i++) {
            for (size_t s = 0; s < DELIVERY_STATE_COUNT; s++) {
                t->here += page.v[i].by_state[s];
                t->counted += page.v[i].by_state[s];
            }
            t->cursor = (int64_t)page.v[i].event.id;
        }
        if (err == ERR_OK && page.next)
            t->cursor = (int64_t)page.next;
        if (err != ERR_OK || page.next == 0)
            return err == ERR_OK ? end_application(t, app, NULL, false, why) : err;
    }
    *pages = 0;
    return ERR_OK;
}

static void note_types(const struct object *endpoint, struct map *types, bool *catches_all)
{
    struct json_doc *doc = json_parse(endpoint->doc, NULL);
    const struct json *list = json_get(json_root(doc), STR("eventTypes"));
    struct json_iter it = {0};
    if (!list || json_kind_of(list) != JSON_ARRAY || json_len(list) == 0)
        *catches_all = true;
    else
        while (json_next(list, &it))
            map_put(types, json_str(it.value), types);
    json_doc_free(doc);
}

static enum err gather_types(struct tally *t, struct store_reader *r, const struct object *app,
                             struct arena *a, struct reason *why)
{
    struct object_filter f = {
        .kind = STR(ENDPOINT_KIND), .parent = app->id, .after = STR(""), .limit = PAGE};
    struct object_list page = {.more = true};
    struct map types = {0};
    bool catches_all = false;
    enum err err = ERR_OK;
    while (err == ERR_OK && page.more) {
        err = store_objects(r, &f, a, &page, why);
        for (size_t i = 0; err == ERR_OK && i < page.count; i++)
            note_types(&page.v[i], &types, &catches_all);
        t->counted += err == ERR_OK ? (int64_t)page.count : 0;
        if (err == ERR_OK && page.count)
            f.after = page.v[page.count - 1].id;
    }
    if (err == ERR_OK)
        err = end_application(t, app, &types, catches_all, why);
    map_release(&types);
    return err;
}

enum err tally_step(struct tally *t, struct store_reader *r, struct arena *a, bool *done,
                    struct reason *why)
{
    enum err err = ERR_OK;
    size_t pages = STEP_PAGES;
    while (err == ERR_OK && pages > 0) {
        struct object app;
        err = t->applications ? next_of_list(t, r, a, &app, why) : next_of_all(t, r, a, &app, why);
        if (err == ERR_NOT_FOUND) {
            *done = true;
            return ERR_OK;
        }
        if (err == ERR_OK && t->types) {
            pages--;
            err = gather_types(t, r, &app, a, why);
        } else if (err == ERR_OK) {
            err = count_usage(t, r, &app, a, &pages, why);
        }
    }
    return err;
}
