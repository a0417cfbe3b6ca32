/* directory.c -- two maps under a lock that readers share. An application keeps its endpoints
 * sorted by id, so that the deliveries of a message are in that order too. */
#include "engine/directory.h"

#include "base/log.h"
#include "engine/dispatch.h"
#include "engine/plan.h"

#include <pthread.h>

#define LOAD_PAGE 500
#define LOAD_ARENA_MAX (600u << 20)

struct app {
    char *text; /* of the slices */
    struct application a;
    struct allowance *allowance;
    struct endpoint **endpoints;
    size_t count, cap;
};

struct directory {
    struct engine_core *core;
    pthread_rwlock_t lock;
    struct map apps, apps_by_uid; /* by id; by org 0 uid */
    struct map endpoints;         /* by id */
    struct map allowances;        /* by application; what was counted outlives a new reading */
    struct map types;             /* by id, of those that are checked */
};

/* --- applications ----------------------------------------------------------------------------- */

static str uid_key(struct buf *b, str org, str uid)
{
    buf_clear(b);
    buf_str_append(b, org);
    buf_char(b, '\0');
    buf_str_append(b, uid);
    return buf_str(b);
}

static void change_uid(struct directory *d, const struct app *app, bool put)
{
    struct buf key;
    if (!app->a.uid.n)
        return;
    buf_init(&key, 1024);
    str k = uid_key(&key, app->a.org, app->a.uid);
    if (put)
        map_put(&d->apps_by_uid, k, (void *)(uintptr_t)app);
    else
        map_remove(&d->apps_by_uid, k);
    buf_release(&key);
}

static str keep(char **p, str s)
{
    char *to = *p;
    if (s.n)
        memcpy(to, s.p, s.n);
    *p += s.n;
    return str_of(to, s.n);
}

static void fill_app(struct app *app, const struct object *o)
{
    struct json_doc *doc = json_parse(o->doc, NULL);
    const struct json *root = json_root(doc);
    str name = json_str(json_get(root, STR("name")));
    free(app->text);
    char *p = app->text = xmalloc(o->id.n + o->parent.n + o->name.n + name.n + 1);
    app->a.id = keep(&p, o->id);
    app->a.org = keep(&p, o->parent);
    app->a.uid = keep(&p, o->name);
    app->a.name = keep(&p, name);
    const struct allowance_limits limits = allowance_limits_read(root);
    allowance_set(app->allowance, &limits);
    json_doc_free(doc);
}

static void free_app(struct app *app)
{
    if (!app)
        return;
    free(app->text);
    allowance_unref(app->allowance);
    free(app->endpoints);
    free(app);
}

static struct app *new_app(struct directory *d, str id)
{
    struct app *app = xcalloc(1, sizeof(*app));
    struct allowance *a = map_get(&d->allowances, id);
    if (!a)
        map_put(&d->allowances, id, a = allowance_new(d->core->store->shared));
    app->allowance = allowance_ref(a);
    return app;
}

/* The lock is held for writing, here and below. */
static void put_app(struct directory *d, const struct object *o)
{
    struct app *app = map_get(&d->apps, o->id);
    if (app)
        change_uid(d, app, false);
    else
        app = new_app(d, o->id);
    fill_app(app, o);
    map_put(&d->apps, app->a.id, app);
    change_uid(d, app, true);
}

static void drop_app(struct directory *d, str id)
{
    struct app *app = map_remove(&d->apps, id);
    if (!app)
        return;
    change_uid(d, app, false);
    allowance_unref(map_remove(&d->allowances, id));
    for (size_t i = 0; i < app->count; i++) {
        map_remove(&d->endpoints, app->endpoints[i]->id);
        endpoint_unref(app->endpoints[i]);
    }
    free_app(app);
}

/* --- endpoints -------------------------------------------------------------------------------- */

static size_t place_of(const struct app *app, str id)
{
    size_t low = 0, high = app->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (str_cmp(app->endpoints[mid]->id, id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void drop_endpoint(struct directory *d, str id)
{
    struct endpoint *e = map_remove(&d->endpoints, id);
    struct app *app = e ? map_get(&d->apps, e->application) : NULL;
    if (app) {
        size_t at = place_of(app, id);
        memmove(app->endpoints + at, app->endpoints + at + 1,
                (app->count - at - 1) * sizeof(struct endpoint *));
        app->count--;
    }
    endpoint_unref(e);
}

static void put_endpoint(struct directory *d, const struct object *o,
                         const struct sending_config *settings, bool waiting)
{
    struct reason why;
    struct endpoint *e = endpoint_new(o, settings, &why);
    drop_endpoint(d, o->id);
    if (!e) {
        log_event(LOG_ERROR, "an endpoint cannot be used", LOG_F("endpoint", o->id),
                  LOG_F("reason", str_from_cstr(why.text)));
        return;
    }
    struct app *app = map_get(&d->apps, e->application);
    if (!app) { /* deleted meanwhile */
        endpoint_unref(e);
        return;
    }
    e->allowance = allowance_ref(app->allowance);
    e->gate = registry_endpoint_gate(d->core->registry, e->id, waiting);
    if (app->count == app->cap) {
        app->cap = app->cap ? app->cap * 2 : 4;
        app->endpoints = xrealloc(app->endpoints, app->cap * sizeof(*app->endpoints));
    }
    size_t at = place_of(app, e->id);
    memmove(app->endpoints + at + 1, app->endpoints + at,
            (app->count - at) * sizeof(struct endpoint *));
    app->endpoints[at] = e;
    app->count++;
    map_put(&d->endpoints, e->id, e);
}

/* --- event types ------------------------------------------------------------------------------ */

static void put_type(struct directory *d, const struct object *o)
{
    event_type_unref(map_remove(&d->types, o->id));
    struct event_type *t = o->deleted ? NULL : event_type_new(o);
    if (t)
        map_put(&d->types, o->id, t);
}

/* --- changes ---------------------------------------------------------------------------------- */

/* Lanes that have work of it follow; the others will meet the new one when they are made. */
static void tell_lane(struct directory *d, str id)
{
    struct gate *g = registry_find_gate(d->core->registry, id);
    if (g && d->core->dispatchers[g->loop])
        dispatcher_endpoint_changed(d->core->dispatchers[g->loop], g);
}

void directory_apply(struct directory *d, const struct object *o)
{
    bool is_app = str_eq(o->kind, STR(APPLICATION_KIND));
    bool is_type = str_eq(o->kind, STR(EVENT_TYPE_KIND));
    if (!is_app && !is_type && !str_eq(o->kind, STR(ENDPOINT_KIND)))
        return;
    struct config *c = engine_config(d->core->engine);
    pthread_rwlock_wrlock(&d->lock);
    if (is_type)
        put_type(d, o);
    else if (is_app && o->deleted)
        drop_app(d, o->id);
    else if (is_app)
        put_app(d, o);
    else if (o->deleted)
        drop_endpoint(d, o->id);
    else
        /* On a shared store another node may have its lane: a newcomer waits until this one has. */
        put_endpoint(d, o, &c->sending, o->version > 1 || d->core->store->shared);
    pthread_rwlock_unlock(&d->lock);
    config_unref(c);
    if (!is_app && !is_type)
        tell_lane(d, o->id);
}

static void clear(struct directory *d)
{
    struct map_entry e;
    for (size_t i = 0; map_next(&d->endpoints, &i, &e);)
        endpoint_unref(e.value);
    for (size_t i = 0; map_next(&d->apps, &i, &e);)
        free_app(e.value);
    for (size_t i = 0; map_next(&d->types, &i, &e);)
        event_type_unref(e.value);
    map_release(&d->types);
    map_release(&d->endpoints);
    map_release(&d->apps);
    map_release(&d->apps_by_uid);
    d->endpoints = d->apps = d->apps_by_uid = d->types = (struct map){0};
}

struct loading {
    struct directory *d;
    const struct sending_config *settings;
    struct map waiting; /* ids of those with deliveries in the store */
};

static void load_one(struct loading *l, const struct object *o)
{
    if (str_eq(o->kind, STR(APPLICATION_KIND)))
        put_app(l->d, o);
    else if (str_eq(o->kind, STR(EVENT_TYPE_KIND)))
        put_type(l->d, o);
    else
        put_endpoint(l->d, o, l->settings,
                     map_get(&l->waiting, o->id) != NULL || l->d->core->store->shared);
}

static enum err load_kind(struct loading *l, struct store_reader *r, const char *kind,
                          struct reason *why)
{
    struct object_filter f = {.kind = str_from_cstr(kind), .any_parent = true, .limit = LOAD_PAGE};
    char after[OBJECT_ID_MAX];
    struct object_list page = {.more = true};
    struct arena a;
    enum err err = ERR_OK;
    arena_init(&a, LOAD_ARENA_MAX);
    while (err == ERR_OK && page.more) {
        arena_reset(&a);
        err = store_objects(r, &f, &a, &page, why);
        for (size_t i = 0; err == ERR_OK && i < page.count; i++)
            load_one(l, &page.v[i]);
        if (err == ERR_OK && page.more) {
            str last = page.v[page.count - 1].id;
            memcpy(after, last.p, last.n);
            f.after = str_of(after, last.n);
        }
    }
    arena_release(&a);
    return err;
}

enum err directory_load(struct directory *d, struct reason *why)
{
    if (!d->core->store->ops->objects)
        return ERR_OK; /* a store that keeps no objects yet has none */
    struct store_reader *r = store_reader_open(d->core->store, why);
    if (!r)
        return ERR_IO;
    struct config *c = engine_config(d->core->engine);
    struct loading l = {.d = d, .settings = &c->sending};
    struct arena a;
    str *names = NULL;
    size_t count = 0;
    arena_init(&a, LOAD_ARENA_MAX);
    enum err err = store_pending_destinations(r, &a, &names, &count, why);
    for (size_t i = 0; err == ERR_OK && i < count; i++)
        map_put(&l.waiting, names[i], d);
    pthread_rwlock_wrlock(&d->lock);
    clear(d);
    if (err == ERR_OK)
        err = load_kind(&l, r, APPLICATION_KIND, why);
    if (err == ERR_OK)
        err = load_kind(&l, r, ENDPOINT_KIND, why);
    if (err == ERR_OK)
        err = load_kind(&l, r, EVENT_TYPE_KIND, why);
    pthread_rwlock_unlock(&d->lock);
    map_release(&l.waiting);
    arena_release(&a);
    config_unref(c);
    store_reader_close(r);
    return err;
}

/* --- asking ----------------------------------------------------------------------------------- */

static struct app *find_app(struct directory *d, str org, str id_or_uid)
{
    struct app *app = map_get(&d->apps, id_or_uid);
    if (app && str_eq(app->a.org, org))
        return app;
    struct buf key;
    buf_init(&key, 1024);
    app = map_get(&d->apps_by_uid, uid_key(&key, org, id_or_uid));
    buf_release(&key);
    return app;
}

/* The lock is held. */
static bool copy_app(const struct app *app, struct arena *a, struct application *out)
{
    if (app)
        *out = (struct application){.id = arena_str(a, app->a.id),
                                    .org = arena_str(a, app->a.org),
                                    .uid = arena_str(a, app->a.uid),
                                    .name = arena_str(a, app->a.name),
                                    .endpoints = app->count};
    return app && arena_ok(a);
}

bool directory_application(struct directory *d, str org, str id_or_uid, struct arena *a,
                           struct application *out)
{
    pthread_rwlock_rdlock(&d->lock);
    bool found = copy_app(find_app(d, org, id_or_uid), a, out);
    pthread_rwlock_unlock(&d->lock);
    return found;
}

bool directory_application_by_id(struct directory *d, str id, struct arena *a,
                                 struct application *out)
{
    pthread_rwlock_rdlock(&d->lock);
    bool found = copy_app(map_get(&d->apps, id), a, out);
    pthread_rwlock_unlock(&d->lock);
    return found;
}

struct allowance *directory_allowance(struct directory *d, str application)
{
    pthread_rwlock_rdlock(&d->lock);
    const struct app *app = map_get(&d->apps, application);
    struct allowance *a = app ? allowance_ref(app->allowance) : NULL;
    pthread_rwlock_unlock(&d->lock);
    return a;
}

struct endpoint *directory_endpoint(struct directory *d, str id)
{
    pthread_rwlock_rdlock(&d->lock);
    struct endpoint *e = map_get(&d->endpoints, id);
    if (e)
        endpoint_ref(e);
    pthread_rwlock_unlock(&d->lock);
    return e;
}

struct endpoint *directory_find_endpoint(struct directory *d, str application, str id_or_uid)
{
    pthread_rwlock_rdlock(&d->lock);
    const struct app *app = map_get(&d->apps, application);
    struct endpoint *e = app ? map_get(&d->endpoints, id_or_uid) : NULL;
    if (e && !str_eq(e->application, application))
        e = NULL;
    for (size_t i = 0; app && !e && id_or_uid.n && i < app->count; i++)
        if (str_eq(app->endpoints[i]->uid, id_or_uid))
            e = app->endpoints[i];
    if (e)
        endpoint_ref(e);
    pthread_rwlock_unlock(&d->lock);
    return e;
}

bool directory_endpoints(struct directory *d, str application, struct arena *a,
                         struct endpoint ***out, size_t *count)
{
    *count = 0;
    pthread_rwlock_rdlock(&d->lock);
    const struct app *app = map_get(&d->apps, application);
    *out = ARENA_ARRAY(a, struct endpoint *, (app ? app->count : 0) + 1);
    for (size_t i = 0; *out && app && i < app->count; i++)
        (*out)[(*count)++] = endpoint_ref(app->endpoints[i]);
    pthread_rwlock_unlock(&d->lock);
    return *out != NULL;
}

bool directory_plan(struct directory *d, str application, const struct message_facts *m,
                    struct arena *a, struct planned_endpoint **out, size_t *count)
{
    *count = 0;
    pthread_rwlock_rdlock(&d->lock);
    const struct app *app = map_get(&d->apps, application);
    *out = ARENA_ARRAY(a, struct planned_endpoint, (app ? app->count : 0) + 1);
    for (size_t i = 0; *out && app && i < app->count; i++) {
        struct endpoint *e = app->endpoints[i];
        if (endpoint_wants(e, m))
            (*out)[(*count)++] =
                (struct planned_endpoint){e->gate, plan_order_key(&e->destination, m->facts)};
    }
    pthread_rwlock_unlock(&d->lock);
    return *out != NULL;
}

struct event_type *directory_event_type(struct directory *d, str org, str name)
{
    struct buf id;
    buf_init(&id, 1024);
    buf_printf(&id, STR_FMT "/" STR_FMT, STR_ARG(org), STR_ARG(name));
    pthread_rwlock_rdlock(&d->lock);
    struct event_type *t = map_get(&d->types, buf_str(&id));
    if (t)
        event_type_ref(t);
    pthread_rwlock_unlock(&d->lock);
    buf_release(&id);
    return t;
}

size_t directory_count(struct directory *d)
{
    pthread_rwlock_rdlock(&d->lock);
    size_t count = d->endpoints.count;
    pthread_rwlock_unlock(&d->lock);
    return count;
}

/* --- life ------------------------------------------------------------------------------------- */

struct directory *directory_new(struct engine_core *core)
{
    struct directory *d = xcalloc(1, sizeof(*d));
    d->core = core;
    pthread_rwlock_init(&d->lock, NULL);
    return d;
}

void directory_free(struct directory *d)
{
    if (!d)
        return;
    clear(d);
    struct map_entry e;
    for (size_t i = 0; map_next(&d->allowances, &i, &e);)
        allowance_unref(e.value);
    map_release(&d->allowances);
    pthread_rwlock_destroy(&d->lock);
    free(d);
}
