/* migration.c -- /api/v1/migration: moving to another store while events are taken. */
#include "api/call.h"

#include "engine/migration.h"

static void pair_sum(struct json_writer *w, const char *key, const struct copy_sum *s)
{
    char hash[17];
    snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)s->hash);
    json_key(w, key);
    json_open(w, '{');
    json_pair_int(w, "events", (int64_t)s->events);
    json_pair_int(w, "deliveries", (int64_t)s->deliveries);
    json_pair_int(w, "attempts", (int64_t)s->attempts);
    json_pair_int(w, "keys", (int64_t)s->keys);
    json_pair(w, "hash", str_from_cstr(hash));
    json_close(w, '}');
}

static void answer(struct api_call *c, int status)
{
    struct migration_view v;
    migration_look(c->api->core->migration, &v);
    struct json_writer *w = &c->json;
    const struct copy_progress *p = &v.progress;
    json_open(w, '{');
    json_pair(w, "state", str_from_cstr(migration_state_word(v.state)));
    if (v.to[0])
        json_pair(w, "to", str_from_cstr(v.to));
    if (v.reason[0])
        json_pair(w, "reason", str_from_cstr(v.reason));
    json_pair_int(w, "events", (int64_t)p->events_all);
    json_pair_int(w, "copied", (int64_t)p->events);
    json_pair_int(w, "mended", (int64_t)p->mended);
    json_pair_int(w, "objects", (int64_t)p->objects);
    json_pair_int(w, "compared", (int64_t)p->compared);
    json_pair_int(w, "only_there", (int64_t)p->extra);
    pair_sum(w, "here", &p->from);
    pair_sum(w, "there", &p->to);
    json_close(w, '}');
    api_send(c, status);
}

void api_migration_get(struct api_call *c)
{
    answer(c, 200);
}

void api_migration_begin(struct api_call *c)
{
    struct reason why = {0};
    str to = json_str(json_get(http_request_json(&c->x->req), STR("to")));
    enum err err = migration_begin(c->api->core->migration, to, &why);
    if (err != ERR_OK)
        api_fail(c, err, &why);
    else
        answer(c, 202);
}

void api_migration_stop(struct api_call *c)
{
    migration_stop(c->api->core->migration);
    answer(c, 200);
}

void api_migration_end(struct api_call *c)
{
    struct api_options *o = &c->api->options;
    struct reason why = {0};
    if (!o->move_over) {
        http_reply_error(c->x, 501, "no_file", STR("This instance has no configuration file."));
        return;
    }
    enum err err = o->move_over(&why, o->arg);
    if (err != ERR_OK)
        api_fail(c, err, &why);
    else
        answer(c, 202);
}
