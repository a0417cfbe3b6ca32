/* subscriber.c -- compares what is stored with what the program says, and writes the difference.
 * Several processes of one program may start at once on a shared store: who loses a race looks
 * again. */
#include "engine/subscriber.h"

#include "base/codec.h"
#include "base/ksuid.h"
#include "base/log.h"
#include "engine/follow.h"
#include "engine/objects.h"

#define UID_PREFIX "program-"
#define TRIES_MAX 8
#define ENDPOINTS_MAX 1000
#define SUBSCRIBER_ARENA_MAX (64u << 20)

struct work {
    struct engine_core *core;
    struct store_reader *reader;
    struct arena arena;
    str application;
    struct reason *why;
};

static str uid_of(struct work *w, const struct subscriber *s)
{
    uint8_t bytes[16];
    char hex[32];
    str text = arena_printf(&w->arena, STR_FMT "\n" STR_FMT, STR_ARG(s->events), STR_ARG(s->url));
    str_fingerprint(text, bytes);
    hex_encode(bytes, sizeof(bytes), hex);
    return arena_printf(&w->arena, UID_PREFIX "%.32s", hex);
}

static str new_id(struct work *w, const char *prefix)
{
    char text[KSUID_TEXT_MAX];
    return arena_str(&w->arena, ksuid_format(prefix, id_next(&w->core->ids), text));
}

/* Where a program sends its own events is its own choice, as a destination of the configuration
 * is; the public policy is for what strangers write. */
static str doc_of(struct work *w, const struct subscriber *s)
{
    struct buf b;
    struct json_writer j;
    buf_init(&b, OBJECT_DOC_MAX);
    json_writer_init(&j, &b);
    json_open(&j, '{');
    json_pair(&j, "url", s->url);
    json_pair(&j, "description", STR("named by the program"));
    json_pair_bool(&j, "trusted", true);
    json_key(&j, "match");
    json_open(&j, '{');
    json_key(&j, "event");
    json_open(&j, '{');
    json_pair(&j, "glob", s->events);
    json_close(&j, '}');
    json_close(&j, '}');
    json_key(&j, "secrets");
    json_open(&j, '[');
    json_open(&j, '{');
    json_pair(&j, "key", s->secret);
    json_close(&j, '}');
    json_close(&j, ']');
    json_close(&j, '}');
    str doc = buf_ok(&b) ? arena_str(&w->arena, buf_str(&b)) : STR_NONE;
    if (b.p)
        secret_wipe(b.p, b.len);
    buf_release(&b);
    return doc;
}

static enum err put(struct work *w, struct object *o, uint64_t expect)
{
    enum err err = object_put(w->core, o, expect, w->why);
    if (err == ERR_OK)
        follow_committed(w->core, o);
    return err;
}

static enum err find_application(struct work *w, bool make)
{
    struct object o;
    enum err err = store_object_named(w->reader, STR(APPLICATION_KIND), STR(DEFAULT_ORG),
                                      STR(PROGRAM_APPLICATION), &w->arena, &o, w->why);
    if (err == ERR_NOT_FOUND && make) {
        o = (struct object){.kind = STR(APPLICATION_KIND),
                            .id = new_id(w, "app_"),
                            .parent = STR(DEFAULT_ORG),
                            .name = STR(PROGRAM_APPLICATION),
                            .doc = STR("{\"name\":\"The program itself\"}")};
        err = put(w, &o, OBJECT_ABSENT);
    }
    w->application = err == ERR_OK ? o.id : STR("");
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err put_endpoint(struct work *w, const struct subscriber *s)
{
    struct object o;
    str uid = uid_of(w, s), doc = doc_of(w, s);
    if (!doc.p)
        return fail(w->why, ERR_LIMIT, "a subscriber's URL is too long");
    enum err err = store_object_named(w->reader, STR(ENDPOINT_KIND), w->application, uid, &w->arena,
                                      &o, w->why);
    if (err == ERR_OK && str_eq(o.doc, doc))
        return ERR_OK;
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    bool there = err == ERR_OK;
    struct object changed = {.kind = STR(ENDPOINT_KIND),
                             .id = there ? o.id : new_id(w, "ep_"),
                             .parent = w->application,
                             .name = uid,
                             .doc = doc};
    struct config *c = engine_config(w->core->engine);
    struct endpoint *e = endpoint_new(&changed, &c->sending, w->why);
    config_unref(c);
    if (!e)
        return ERR_INVALID;
    endpoint_unref(e);
    return put(w, &changed, there ? o.version : OBJECT_ABSENT);
}

static enum err drop_endpoint(struct work *w, struct object *o)
{
    uint64_t moved;
    struct delivery_filter f = {.destination = o->id, .state = DELIVERY_PENDING, .listed = true};
    enum err err = object_delete(w->core, w->reader, o->kind, o->id, w->why);
    if (err != ERR_OK)
        return err;
    o->deleted = true;
    follow_committed(w->core, o);
    return store_move(w->core->store, STORE_CANCEL, &f, clock_wall_ms(w->core->clock), &moved,
                      w->why);
}

static enum err drop_others(struct work *w, const struct subscriber *v, size_t count)
{
    struct object_filter f = {
        .kind = STR(ENDPOINT_KIND), .parent = w->application, .limit = ENDPOINTS_MAX};
    struct object_list list = {0};
    enum err err = store_objects(w->reader, &f, &w->arena, &list, w->why);
    for (size_t i = 0; err == ERR_OK && i < list.count; i++) {
        bool ours = str_starts(list.v[i].name, STR(UID_PREFIX)), wanted = false;
        for (size_t k = 0; k < count && !wanted; k++)
            wanted = str_eq(uid_of(w, &v[k]), list.v[i].name);
        if (ours && !wanted)
            err = drop_endpoint(w, &list.v[i]);
    }
    return err;
}

static enum err set_once(struct work *w, const struct subscriber *v, size_t count)
{
    enum err err = find_application(w, count > 0);
    if (err != ERR_OK || !w->application.n)
        return err;
    for (size_t i = 0; err == ERR_OK && i < count; i++)
        err = put_endpoint(w, &v[i]);
    return err == ERR_OK ? drop_others(w, v, count) : err;
}

enum err subscribers_set(struct engine_core *core, const struct subscriber *v, size_t count,
                         char *application, struct reason *why)
{
    struct work w = {.core = core, .application = STR(""), .why = why};
    enum err err = ERR_CONFLICT;
    application[0] = 0;
    w.reader = store_reader_open(core->store, why);
    if (!w.reader)
        return ERR_IO;
    arena_init(&w.arena, SUBSCRIBER_ARENA_MAX);
    for (int i = 0; err == ERR_CONFLICT && i < TRIES_MAX; i++) {
        arena_reset(&w.arena);
        err = set_once(&w, v, count);
    }
    if (err == ERR_OK)
        snprintf(application, OBJECT_ID_MAX, STR_FMT, STR_ARG(w.application));
    arena_release(&w.arena);
    store_reader_close(w.reader);
    return err;
}
