/* send_app.c -- applications: /api/v1/app. */
#include "api/send.h"

#include "engine/hub.h"
#include "engine/subscription.h"

#define PAGE_ARENA_MAX (64u << 20)

static const char *const limits[] = {"messageLimit", "messageLimitPeriod", "pendingLimit", NULL};
static const char uid_taken[] = "An application with that id or uid already exists";

static void view(struct json_writer *w, const struct object *o)
{
    struct json_doc *doc = json_parse(o->doc, NULL);
    const struct json *root = json_root(doc);
    const struct json *rate = json_get(root, STR("throttleRate"));
    json_open(w, '{');
    json_pair(w, "id", o->id);
    if (o->name.n)
        json_pair(w, "uid", o->name);
    send_pair_or(w, "name", json_get(root, STR("name")), "\"\"");
    send_pair_or(w, "metadata", json_get(root, STR("metadata")), "{}");
    send_pair_or(w, "throttleRate", rate, "null");
    send_pair_or(w, "rateLimit", rate, NULL);
    for (size_t i = 0; limits[i]; i++)
        send_pair_or(w, limits[i], json_get(root, str_from_cstr(limits[i])), NULL);
    send_pair_time(w, "createdAt", o->created_ms);
    send_pair_time(w, "updatedAt", o->updated_ms);
    json_close(w, '}');
    json_doc_free(doc);
}

static void view_row(struct send_call *s, const struct send_rows *r, const void *row)
{
    UNUSED(r);
    view(send_json(s), row);
}

void send_app_list(struct send_call *s)
{
    struct send_page p;
    if (send_page_read(s, false, &p))
        send_objects_answer(s, &p, APPLICATION_KIND, s->org, view_row);
}

/* throttleRate goes before the older rateLimit. */
static str make_doc(struct send_call *s, const struct json *old, bool keep)
{
    struct buf b;
    struct json_writer w;
    const struct json *body = s->body;
    buf_init(&b, OBJECT_DOC_MAX);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    static const char *const plain[] = {"name", "metadata", NULL};
    send_doc(&w, plain, NULL, body, old, keep);
    send_doc(&w, limits, NULL, body, old, keep);
    const struct json *rate = json_get(body, STR("throttleRate"));
    if (!rate)
        rate = json_get(body, STR("rateLimit"));
    if (!rate && keep)
        rate = json_get(old, STR("throttleRate"));
    if (rate && json_kind_of(rate) != JSON_NULL) {
        json_key(&w, "throttleRate");
        json_value(&w, rate);
    }
    json_close(&w, '}');
    str doc = arena_str(s->a, buf_str(&b));
    buf_release(&b);
    return doc;
}

/* The uid after the request: absent keeps (PATCH) or clears (PUT), null clears. */
static str next_uid(struct send_call *s, str old, bool keep)
{
    const struct json *v = json_get(s->body, STR("uid"));
    return v ? (json_str(v).p ? json_str(v) : STR("")) : keep ? old : STR("");
}

static void write(struct send_call *s, const struct object *old, bool keep, int status)
{
    struct json_doc *doc = old ? json_parse(old->doc, NULL) : NULL;
    struct object_change changes[2] = {
        {.op = OBJECT_PUT,
         .object = {.kind = STR(APPLICATION_KIND),
                    .id = old ? old->id : send_new_id(s, "app_"),
                    .parent = s->org,
                    .name = next_uid(s, old ? old->name : STR(""), keep),
                    .created_ms = old ? old->created_ms : s->now_ms,
                    .updated_ms = s->now_ms,
                    .doc = make_doc(s, json_root(doc), keep)},
         .expect = old ? old->version : OBJECT_ABSENT}};
    json_doc_free(doc);
    view(send_json(s), &changes[0].object);
    if (send_commit(s, changes, 1, status, uid_taken))
        send_ok(s, status);
}

bool send_app_make(struct send_call *s, const struct json *given)
{
    struct reason why = {0};
    struct send_call own = *s;
    own.body = given;
    struct object_change change = {.op = OBJECT_PUT,
                                   .object = {.kind = STR(APPLICATION_KIND),
                                              .id = send_new_id(s, "app_"),
                                              .parent = s->org,
                                              .name = json_str(json_get(given, STR("uid"))),
                                              .created_ms = s->now_ms,
                                              .updated_ms = s->now_ms,
                                              .doc = make_doc(&own, NULL, false)},
                                   .expect = OBJECT_ABSENT};
    struct object_set set = {.changes = &change, .count = 1};
    enum err err = send_commit_plain(send_api(s), &set, &why);
    if (err == ERR_OK || err == ERR_CONFLICT)
        return true; /* somebody else made it meanwhile */
    send_failed(s, err, &why);
    return false;
}

static void create_once(struct send_call *s)
{
    struct object there;
    struct reason why = {0};
    enum err err = s->sought.n ? store_object_named(send_api(s)->reader, STR(APPLICATION_KIND),
                                                    s->org, s->sought, s->a, &there, &why)
                               : ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND) {
        write(s, NULL, false, 201);
    } else if (err != ERR_OK) {
        send_failed(s, err, &why);
    } else {
        view(send_json(s), &there);
        send_ok(s, 200);
    }
}

void send_app_create(struct send_call *s)
{
    str uid = json_str(json_get(s->body, STR("uid")));
    if (uid.n && send_query_true(s, "get_if_exists", false))
        s->sought = uid;
    send_look_again(s, create_once);
}

static bool load(struct send_call *s, struct object *out)
{
    return send_find(s, APPLICATION_KIND, s->org, s->app.id, out);
}

void send_app_get(struct send_call *s)
{
    struct object o;
    if (!load(s, &o))
        return;
    view(send_json(s), &o);
    send_ok(s, 200);
}

/* In the store, not in the directory: another node may have made it this moment. */
static void put_once(struct send_call *s)
{
    struct object o;
    struct reason why = {0};
    enum err err = send_look(s, APPLICATION_KIND, s->org, s->sought, &o, &why);
    if (err == ERR_OK)
        write(s, &o, false, 200);
    else if (err == ERR_NOT_FOUND)
        write(s, NULL, false, 201);
    else
        send_failed(s, err, &why);
}

static void patch_once(struct send_call *s)
{
    struct object o;
    if (load(s, &o))
        write(s, &o, true, 200);
}

void send_app_put(struct send_call *s)
{
    s->sought = send_path(s, "app_id");
    send_look_again(s, put_once);
}

void send_app_patch(struct send_call *s)
{
    send_look_again(s, patch_once);
}

/* A page of endpoints that go, and the jobs that tell those who were subscribed by them
 * (WebSub 5.2: a subscription may be denied at any time, and is told then). */
static enum err delete_page(struct send_call *s, const struct object_list *list, struct arena *a,
                            struct reason *why)
{
    struct hub *hub = send_api(s)->core->hub;
    struct object_change *changes = ARENA_ARRAY(a, struct object_change, 2 * list->count + 1);
    struct object_set set = {.changes = changes, .count = list->count};
    struct hub_job denial;
    if (!changes)
        return fail(why, ERR_LIMIT, "the endpoints are too large for one request");
    for (size_t i = 0; i < list->count; i++) {
        changes[i] = (struct object_change){.op = OBJECT_DELETE, .object = list->v[i]};
        if (subscription_denial(list->v[i].doc, s->now_ms, HUB_ENDED_BY_HAND, a, &denial) &&
            hub_job_change(hub, &denial, a, &changes[set.count]))
            set.count++;
    }
    enum err err = list->count ? send_commit_plain(send_api(s), &set, why) : ERR_OK;
    for (size_t i = list->count; err == ERR_OK && i < set.count; i++)
        hub_told(hub, &changes[i].object);
    for (size_t i = 0; err == ERR_OK && i < list->count; i++)
        send_cancel_deliveries(s, list->v[i].id);
    return err;
}

/* Its endpoints go with it, in steps of their own; what waits for them is cancelled. */
static bool delete_endpoints(struct send_call *s)
{
    struct object_filter f = {.kind = STR(ENDPOINT_KIND), .parent = s->app.id, .limit = 200};
    struct object_list list = {.more = true};
    struct reason why;
    struct arena a;
    enum err err = ERR_OK;
    arena_init(&a, PAGE_ARENA_MAX);
    while (err == ERR_OK && list.more) {
        arena_reset(&a);
        err = store_objects(send_api(s)->reader, &f, &a, &list, &why);
        if (err == ERR_OK)
            err = delete_page(s, &list, &a, &why);
    }
    arena_release(&a);
    if (err != ERR_OK)
        send_failed(s, err, &why);
    return err == ERR_OK;
}

/* As it was when its endpoints were looked through: where one was made together with a change of it
 * (hub_errand.c), all of them are looked through again. */
static void delete_once(struct send_call *s)
{
    struct object o;
    if (!load(s, &o) || !delete_endpoints(s))
        return;
    struct object_change changes[2] = {{.op = OBJECT_DELETE, .object = o, .expect = o.version}};
    if (send_commit(s, changes, 1, 204, NULL))
        send_empty(s, 204);
}

void send_app_delete(struct send_call *s)
{
    send_look_again(s, delete_once);
}
