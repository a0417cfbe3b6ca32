/* people.c -- /api/v1/people: who may sign in to the dashboard with a password, and as what. */
#include "api/call.h"
#include "api/password.h"

#define PEOPLE_MAX 1000
#define NAME_BYTES_MAX 64

static void view_person(struct json_writer *w, const struct object *o, const struct json *doc)
{
    char time[CLOCK_TEXT_MAX];
    json_pair(w, "name", o->id);
    json_pair(w, "role", json_str(json_get(doc, STR("role"))));
    json_pair(w, "created", clock_format(o->created_ms, time));
}

void api_people_list(struct api_call *c)
{
    api_list_objects(c, STR("person"), "people", PEOPLE_MAX, view_person);
}

void api_person_put(struct api_call *c)
{
    char hash[PASSWORD_HASH_MAX];
    struct reason why = {0};
    enum role role;
    if (!api_body(c))
        return;
    str name = router_param(&c->match, STR("name"));
    const struct json *body = http_request_json(&c->x->req);
    if (!is_plain_name(name, NAME_BYTES_MAX) ||
        !role_parse(json_str(json_get(body, STR("role"))), &role)) {
        api_bad(c, "bad_parameter",
                "a name is made of a-z, 0-9, - and _ (at most %d); role is viewer, operator or "
                "admin",
                NAME_BYTES_MAX);
        return;
    }
    enum err err = password_hash(json_str(json_get(body, STR("password"))), hash, &why);
    struct buf doc;
    struct json_writer w;
    buf_init(&doc, 4096);
    json_writer_init(&w, &doc);
    json_open(&w, '{');
    json_pair(&w, "role", role_word(role));
    json_pair(&w, "hash", str_from_cstr(hash));
    json_close(&w, '}');
    struct object o = {.kind = STR("person"), .id = name, .doc = buf_str(&doc)};
    if (err == ERR_OK)
        err = object_put(c->api->core, &o, OBJECT_ANY, &why);
    buf_release(&doc);
    /* Whoever was in with the old password or role comes in anew. */
    if (err == ERR_OK)
        err = api_sessions_end(c, name, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    json_open(&c->json, '{');
    json_pair(&c->json, "name", name);
    json_pair(&c->json, "role", role_word(role));
    json_close(&c->json, '}');
    api_send(c, 200);
}

void api_person_delete(struct api_call *c)
{
    struct reason why = {0};
    str name = router_param(&c->match, STR("name"));
    enum err err = api_sessions_end(c, name, &why);
    if (err != ERR_OK)
        api_fail(c, err, &why);
    else
        api_delete_object(c, STR("person"), name);
}
