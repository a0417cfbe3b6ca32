/* send_event.c -- messages of our own making: the example of an event type to one endpoint, and
 * operational events to who listens to an organisation's. */
#include "api/send.h"

void send_operational(struct send_call *s, const char *type, const struct object *endpoint,
                      str more)
{
    struct app_message_plan *plan = ARENA_NEW(s->a, struct app_message_plan);
    if (plan && s->also_count < ARRAY_LEN(s->also) &&
        operational_plan(send_api(s)->core, s->app.id, type, endpoint->id, endpoint->name, more,
                         s->a, plan))
        s->also[s->also_count++] = plan;
}

/* --- examples --------------------------------------------------------------------------------- */

/* An example of a schema: its own, its first, or one made of its properties'. False: none. */
static bool write_example(struct json_writer *w, const struct json *schema, int depth)
{
    const struct json *own = json_get(schema, STR("example"));
    const struct json *examples = json_get(schema, STR("examples"));
    const struct json *properties = json_get(schema, STR("properties"));
    if (!own)
        own = json_get(schema, STR("const"));
    if (!own && examples && json_kind_of(examples) == JSON_ARRAY)
        own = json_at(examples, 0);
    if (!own && json_kind_of(json_get(schema, STR("enum"))) == JSON_ARRAY)
        own = json_at(json_get(schema, STR("enum")), 0);
    if (!own)
        own = json_get(schema, STR("default"));
    if (own) {
        json_value(w, own);
        return true;
    }
    str type = json_str(json_get(schema, STR("type")));
    if (properties && json_kind_of(properties) == JSON_OBJECT && depth < 8) {
        struct json_iter it = {0};
        json_open(w, '{');
        while (json_next(properties, &it)) {
            json_key_str(w, it.key);
            if (!write_example(w, it.value, depth + 1))
                json_null(w);
        }
        json_close(w, '}');
        return true;
    }
    if (str_eq(type, STR("string")))
        json_string(w, STR("string"));
    else if (str_eq(type, STR("integer")) || str_eq(type, STR("number")))
        json_integer(w, 0);
    else if (str_eq(type, STR("boolean")))
        json_boolean(w, true);
    else if (str_eq(type, STR("array")))
        json_raw(w, STR("[]"));
    else
        return false;
    return true;
}

/* The payload of the example; STR_NONE, and answered, when there is none. */
static str example_of(struct send_call *s, str type)
{
    struct object o;
    if (str_eq(type, STR("svix.ping")) || str_eq(type, STR("gaff.ping")))
        return STR("{\"success\": true}");
    if (!send_type_load(s, type, &o)) {
        send_not_found(s, NULL);
        return STR_NONE;
    }
    struct json_doc *doc = json_parse(o.doc, NULL);
    const struct json *schemas = json_get(json_root(doc), STR("schemas")), *last = NULL;
    struct json_iter it = {0};
    while (schemas && json_kind_of(schemas) == JSON_OBJECT && json_next(schemas, &it))
        last = it.value;
    struct buf b;
    struct json_writer w;
    buf_init(&b, 1u << 20);
    json_writer_init(&w, &b);
    bool made = last && write_example(&w, last, 0) && buf_ok(&b) && b.len && b.p[0] == '{';
    str payload = made ? arena_str(s->a, buf_str(&b)) : STR_NONE;
    buf_release(&b);
    json_doc_free(doc);
    if (!made)
        send_error(s, 400, "invalid_scheme",
                   "Unable to generate example message from event-type schema");
    return payload;
}

void send_endpoint_example(struct send_call *s)
{
    struct object o;
    struct reason why = {0};
    struct app_message_plan plan;
    if (!send_find_endpoint(s, &o))
        return;
    struct app_message m = {.application = s->app.id,
                            .event_type = json_str(json_get(s->body, STR("eventType"))),
                            .only_endpoint = o.id};
    m.payload = example_of(s, m.event_type);
    if (!m.payload.p)
        return;
    enum err err = app_message_plan(send_api(s)->core, &m, s->a, &plan, &why);
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return;
    }
    struct object_change changes[1];
    s->also[s->also_count++] = &plan;
    send_message_view(s, &plan.event.event, false);
    if (send_commit(s, changes, 0, 200, NULL))
        send_ok(s, 200);
}
