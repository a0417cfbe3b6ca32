/* send_stats.c -- statistics of an organisation: /api/v1/stats/usage. Each is a counting job
 * (engine/tally.h), whose answer `background-task` gives when it has ended. */
#include "api/send.h"

#include "engine/recovery.h"
#include "engine/tally.h"

#define APPLICATIONS_MAX 1000 /* that are named */

struct named { /* the applications of a request */
    bool all;
    str ids[APPLICATIONS_MAX], unresolved[APPLICATIONS_MAX];
    size_t count, unresolved_count;
};

static void resolve(struct send_call *s, const struct json *list, struct named *out)
{
    struct json_iter it = {0};
    out->all = !list || json_kind_of(list) != JSON_ARRAY;
    while (!out->all && json_next(list, &it)) {
        struct application app;
        str given = json_str(it.value);
        if (directory_application(send_api(s)->core->directory, s->org, given, s->a, &app))
            out->ids[out->count++] = app.id;
        else
            out->unresolved[out->unresolved_count++] = given;
    }
}

static void write_texts(struct json_writer *w, const char *key, const str *v, size_t count)
{
    json_key(w, key);
    json_open(w, '[');
    for (size_t i = 0; i < count; i++)
        json_string(w, v[i]);
    json_close(w, ']');
}

static str make_doc(struct send_call *s, const char *task, int64_t since_ms, int64_t until_ms,
                    const struct named *n)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, OBJECT_DOC_MAX);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    json_pair(&w, "task", str_from_cstr(task));
    json_pair(&w, "status", STR("running"));
    json_pair(&w, "endpoint", STR(""));
    json_pair_int(&w, "since", since_ms);
    json_pair_int(&w, "until", until_ms);
    json_pair_int(&w, "cursor", 0);
    json_pair_int(&w, "moved", 0);
    if (n && !n->all)
        write_texts(&w, "applications", n->ids, n->count);
    json_close(&w, '}');
    str doc = arena_str(s->a, buf_str(&b));
    buf_release(&b);
    return doc;
}

static void write_unresolved(struct send_call *s, const void *arg)
{
    const struct named *n = arg;
    write_texts(send_json(s), "unresolvedAppIds", n->unresolved, n->unresolved_count);
}

void send_stats_usage(struct send_call *s)
{
    int64_t since_ms = 0, until_ms = 0;
    struct named *n = ARENA_NEW(s->a, struct named);
    (void)clock_parse(json_str(json_get(s->body, STR("since"))), &since_ms);
    (void)clock_parse(json_str(json_get(s->body, STR("until"))), &until_ms);
    if (!n) {
        send_failed(s, ERR_FULL, NULL);
        return;
    }
    if (until_ms < since_ms) {
        send_fault(s, STR("body\0until\0"), "value_error", "until is before since");
        return;
    }
    resolve(s, json_get(s->body, STR("appIds")), n);
    send_task_begin(s, s->org, make_doc(s, TALLY_USAGE, since_ms, until_ms, n), write_unresolved,
                    n);
}

void send_stats_types(struct send_call *s)
{
    send_task_begin(s, s->org, make_doc(s, TALLY_TYPES, 0, 0, NULL), NULL, NULL);
}
