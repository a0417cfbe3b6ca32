/* inject.c -- a test event for a source, and an edited copy of an event: both go through the front
 * door as if their sender had sent them. */
#include "engine/inject.h"
#include "api/call.h"

#define FIELDS_MAX 100

/* The answer of the front door becomes the call's own. */
static void answered(int status, str body, void *arg)
{
    struct http_exchange *x = arg;
    struct http_field type = {STR("Content-Type"), STR("application/json")};
    struct buf out;
    struct json_writer w;
    struct reason why = {0};
    struct json_doc *doc = json_parse(body, &why);
    buf_init(&out, 2u << 20);
    json_writer_init(&w, &out);
    json_open(&w, '{');
    json_pair(&w, "id", json_str(json_get(json_root(doc), STR("id"))));
    json_pair_int(&w, "status", status);
    json_pair(&w, "answer", body);
    json_close(&w, '}');
    http_reply(x, 202, &type, 1, buf_str(&out));
    json_doc_free(doc);
    buf_release(&out);
}

static void inject(struct api_call *c, const struct injection *in)
{
    struct reason why = {0};
    c->status = 202;
    enum err err = engine_inject(c->api->options.engine, in, c->api->loop, answered, c->x, &why);
    if (err != ERR_OK)
        api_fail(c, err, &why);
}

void api_source_test(struct api_call *c)
{
    struct injection in = {.source = router_param(&c->match, STR("name")),
                           .event_type = STR("test"),
                           .body = STR("{\"test\":true,\"message\":\"A test event from Gaff.\"}")};
    if (!api_body(c))
        return;
    const struct json *asked = http_request_json(&c->x->req);
    str body = json_str(json_get(asked, STR("body"))),
        type = json_str(json_get(asked, STR("type")));
    if (body.p)
        in.body = body;
    if (type.p)
        in.event_type = type;
    inject(c, &in);
}

static size_t read_fields(str head, struct http_field fields[FIELDS_MAX])
{
    size_t count = 0;
    while (head.p && head.n && count < FIELDS_MAX) {
        str line = str_cut(&head, '\n');
        str value = str_trim(line);
        str name = str_cut(&value, ':');
        value = value.p ? str_trim(value) : STR("");
        if (name.n && !str_eq(value, STR("[redacted]")))
            fields[count++] = (struct http_field){name, value};
    }
    return count;
}

void api_event_edit(struct api_call *c)
{
    uint64_t id;
    struct arena a;
    struct event e;
    struct reason why = {0};
    struct http_field fields[FIELDS_MAX];
    if (!api_id(c, "id", "evt", &id) || !api_body(c))
        return;
    str body = json_str(json_get(http_request_json(&c->x->req), STR("body")));
    arena_init(&a, 64u << 20);
    enum err err = store_load(c->api->reader, id, 0, &a, &e, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
    } else {
        size_t count = read_fields(e.head, fields);
        struct http_fields given = {fields, count};
        inject(c, &(struct injection){.source = e.source,
                                      .event_type = e.type,
                                      .content_type = http_field_get(&given, STR("Content-Type")),
                                      .body = body.p ? body : e.body,
                                      .fields = fields,
                                      .field_count = count});
    }
    arena_release(&a);
}
