/* send_task.c -- recovery as durable jobs (engine/recovery.h): started here, looked at and
 * cancelled here. */
#include "api/send.h"

#include "engine/recovery.h"
#include "engine/tally.h"

#define TASK_PREFIX "qtask_"
#define TASK_KEPT_MS (30 * 24 * 3600 * INT64_C(1000))

/* What a counting job has found, when it has found all. */
static void pair_rows(struct json_writer *w, const struct json *root)
{
    str task = json_str(json_get(root, STR("task")));
    const struct json *rows = json_get(root, STR("rows"));
    if (!rows || !str_eq(json_str(json_get(root, STR("status"))), STR("finished")))
        return;
    json_key(w, str_eq(task, STR(TALLY_TYPES)) ? "event_types" : "appStats");
    json_value(w, rows);
}

static void pair_all(struct json_writer *w, const struct object *o)
{
    struct json_doc *doc = json_parse(o->doc, NULL);
    const struct json *root = json_root(doc);
    json_pair(w, "id", o->id);
    json_pair(w, "status", json_str(json_get(root, STR("status"))));
    json_pair(w, "task", json_str(json_get(root, STR("task"))));
    json_key(w, "data");
    json_open(w, '{');
    if (json_str(json_get(root, STR("endpoint"))).n)
        send_pair_or(w, "endpointId", json_get(root, STR("endpoint")), NULL);
    send_pair_or(w, "count", json_get(root, STR("moved")), "0");
    if (str_eq(json_str(json_get(root, STR("task"))), STR("application.purge_content")))
        send_pair_or(w, "messagesPurged", json_get(root, STR("moved")), "0");
    send_pair_or(w, "reason", json_get(root, STR("reason")), NULL);
    pair_rows(w, root);
    json_close(w, '}');
    send_pair_time(w, "updatedAt", o->updated_ms);
    json_doc_free(doc);
}

static void view(struct json_writer *w, const struct object *o)
{
    json_open(w, '{');
    pair_all(w, o);
    json_close(w, '}');
}

/* --- starting --------------------------------------------------------------------------------- */

static str make_doc(struct send_call *s, const char *task, str endpoint, int64_t since_ms,
                    int64_t until_ms)
{
    static const char *const plain[] = {"eventTypes", "channel", "tag", NULL};
    struct buf b;
    struct json_writer w;
    buf_init(&b, 1u << 20);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    json_pair(&w, "task", str_from_cstr(task));
    json_pair(&w, "status", STR("running"));
    json_pair(&w, "endpoint", endpoint);
    json_pair_int(&w, "since", since_ms);
    json_pair_int(&w, "until", until_ms);
    json_pair_int(&w, "cursor", 0);
    json_pair_int(&w, "moved", 0);
    send_doc(&w, plain, NULL, s->body, NULL, false);
    json_close(&w, '}');
    str doc = arena_str(s->a, buf_str(&b));
    buf_release(&b);
    return doc;
}

void send_task_begin(struct send_call *s, str parent, str doc,
                     void (*more)(struct send_call *s, const void *arg), const void *arg)
{
    struct object_change changes[2] = {{.op = OBJECT_PUT,
                                        .object = {.kind = STR(TASK_KIND),
                                                   .id = send_new_id(s, TASK_PREFIX),
                                                   .parent = parent,
                                                   .name = STR(""),
                                                   .created_ms = s->now_ms,
                                                   .updated_ms = s->now_ms,
                                                   .expires_ms = s->now_ms + TASK_KEPT_MS,
                                                   .doc = doc},
                                        .expect = OBJECT_ABSENT}};
    json_open(send_json(s), '{');
    pair_all(send_json(s), &changes[0].object);
    if (more)
        more(s, arg);
    json_close(send_json(s), '}');
    if (!send_commit(s, changes, 1, 202, NULL))
        return;
    recovery_wake(send_api(s)->core->recovery);
    send_ok(s, 202);
}

void send_task_start(struct send_call *s, const char *task, str endpoint, int64_t since_ms,
                     int64_t until_ms)
{
    send_task_begin(s, s->app.id, make_doc(s, task, endpoint, since_ms, until_ms), NULL, NULL);
}

static void start(struct send_call *s, const char *task)
{
    struct object o;
    int64_t since_ms = 0, until_ms = 0;
    if (!send_find_endpoint(s, &o))
        return;
    (void)clock_parse(json_str(json_get(s->body, STR("since"))), &since_ms);
    str until = json_str(json_get(s->body, STR("until")));
    if (!until.p || !clock_parse(until, &until_ms))
        until_ms = s->now_ms + 1;
    if (until_ms < since_ms) {
        send_fault(s, STR("body\0until\0"), "value_error", "until is before since");
        return;
    }
    send_task_start(s, task, o.id, since_ms, until_ms);
}

void send_endpoint_recover(struct send_call *s)
{
    start(s, "endpoint.recover");
}

void send_endpoint_replay(struct send_call *s)
{
    start(s, "endpoint.replay");
}

void send_endpoint_bulk(struct send_call *s)
{
    start(s, "endpoint.bulk-replay");
}

/* --- looking ---------------------------------------------------------------------------------- */

/* Of this organisation, or of an application of it; for an application's token, its own. */
static bool is_ours(struct send_call *s, const struct object *o)
{
    struct application app;
    if (!s->token_app.n && str_eq(s->org, o->parent))
        return true;
    return (!s->token_app.n || str_eq(s->token_app, o->parent)) &&
           directory_application(send_api(s)->core->directory, s->org, o->parent, s->a, &app);
}

/* What a list of them is asked for. */
struct choice {
    str status, task;
};

static bool is_chosen(struct send_call *s, const struct choice *c, const struct object *o)
{
    struct json_doc *doc = json_parse(o->doc, NULL);
    const struct json *root = json_root(doc);
    bool fits = is_ours(s, o) &&
                (!c->status.n || str_eq(c->status, json_str(json_get(root, STR("status"))))) &&
                (!c->task.n || str_eq(c->task, json_str(json_get(root, STR("task")))));
    json_doc_free(doc);
    return fits;
}

static enum err gather(struct send_call *s, const struct send_page *p, struct object *out,
                       struct send_rows *rows, struct reason *why)
{
    const struct choice c = {send_query(s, "status"), send_query(s, "task")};
    struct object_list list = {.more = true};
    struct object_filter f = {.kind = STR(TASK_KIND),
                              .any_parent = true,
                              .after = p->iterator,
                              .descending = p->descending != p->back,
                              .limit = SEND_LIMIT_MAX};
    while (list.more && !rows->more) {
        enum err err = store_objects(send_api(s)->reader, &f, s->a, &list, why);
        if (err != ERR_OK)
            return err;
        for (size_t i = 0; i < list.count && !rows->more; i++) {
            if (!is_chosen(s, &c, &list.v[i]))
                continue;
            rows->more = rows->count == p->limit;
            if (!rows->more)
                out[rows->count++] = list.v[i];
        }
        if (list.count)
            f.after = list.v[list.count - 1].id;
    }
    return ERR_OK;
}

static void view_row(struct send_call *s, const struct send_rows *r, const void *row)
{
    UNUSED(r);
    view(send_json(s), row);
}

void send_task_list(struct send_call *s)
{
    struct send_page p;
    struct reason why;
    struct object found[SEND_LIMIT_MAX];
    struct send_rows rows = {
        .v = found, .size = sizeof(found[0]), .view = view_row, .id = send_object_row_id};
    if (!send_page_read(s, true, &p))
        return;
    enum err err = gather(s, &p, found, &rows, &why);
    if (err == ERR_OK)
        send_page_answer(s, &p, &rows);
    else
        send_failed(s, err, &why);
}

static bool find(struct send_call *s, struct object *out)
{
    if (store_object(send_api(s)->reader, STR(TASK_KIND), send_path(s, "task_id"), s->a, out,
                     NULL) == ERR_OK &&
        is_ours(s, out))
        return true;
    send_not_found(s, NULL);
    return false;
}

void send_task_get(struct send_call *s)
{
    struct object o;
    if (!find(s, &o))
        return;
    view(send_json(s), &o);
    send_ok(s, 200);
}

static bool is_running(const struct object *o)
{
    struct json_doc *doc = json_parse(o->doc, NULL);
    bool running = str_eq(json_str(json_get(json_root(doc), STR("status"))), STR("running"));
    json_doc_free(doc);
    return running;
}

static str cancelled_doc(struct send_call *s, const struct object *o)
{
    struct json_doc *doc = json_parse(o->doc, NULL);
    struct json_iter it = {0};
    struct buf b;
    struct json_writer w;
    buf_init(&b, 1u << 20);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    while (json_next(json_root(doc), &it)) {
        if (str_eq(it.key, STR("status")) || str_eq(it.key, STR("reason")))
            continue;
        json_key_str(&w, it.key);
        json_value(&w, it.value);
    }
    json_pair(&w, "status", STR("failed"));
    json_pair(&w, "reason", STR("cancelled"));
    json_close(&w, '}');
    str out = arena_str(s->a, buf_str(&b));
    buf_release(&b);
    json_doc_free(doc);
    return out;
}

/* What was moved stays moved. The runner may note progress between our look and our commit: then
 * we look again. */
void send_task_cancel(struct send_call *s)
{
    struct object o;
    struct reason why = {0};
    enum err err = ERR_CONFLICT;
    for (int tries = 0; err == ERR_CONFLICT && tries < 20; tries++) {
        if (!find(s, &o))
            return;
        if (!is_running(&o))
            break;
        struct object_change c = {.op = OBJECT_PUT, .object = o, .expect = o.version};
        c.object.doc = cancelled_doc(s, &o);
        c.object.updated_ms = s->now_ms;
        struct object_set set = {.changes = &c, .count = 1};
        err = send_commit_plain(send_api(s), &set, &why);
        o = c.object;
    }
    if (err != ERR_OK && is_running(&o)) {
        send_failed(s, err == ERR_CONFLICT ? ERR_FULL : err, &why);
        return;
    }
    view(send_json(s), &o);
    send_ok(s, 200);
}
