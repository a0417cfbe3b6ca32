/* cloudevent_fuzz.c -- any request as a CloudEvent in one of its three modes: an event has all that
 * is required, each of a batch is what it would have been alone, and no attribute breaks out of its
 * field. Input, ended by NUL bytes: Content-Type, ce-specversion, ce-id, ce-source, ce-type, a
 * further attribute; the rest is the body. */
#include "http/cloudevent.h"

#define FIELDS 6

struct made {
    struct arena arena;
    struct http_field fields[FIELDS];
    struct http_request request;
};

static void make(struct made *m, const struct http_field *fields, size_t count, str body)
{
    arena_init(&m->arena, 8u << 20);
    memcpy(m->fields, fields, count * sizeof(*fields));
    m->request = (struct http_request){.method = STR("POST"),
                                       .target = STR("/in/x"),
                                       .path = STR("/in/x"),
                                       .query = STR(""),
                                       .fields = {m->fields, count},
                                       .body = body,
                                       .arena = &m->arena};
}

static void release(struct made *m)
{
    http_request_release(&m->request);
    arena_release(&m->arena);
}

static void check_event(const struct http_request *req, const struct cloudevent *e)
{
    assert(e->id.n && e->source.n && e->type.n);
    for (size_t i = 0; i < req->fields.count; i++) {
        str value = req->fields.v[i].value;
        assert(req->fields.v[i].name.n && value.p);
        if (!str_starts(req->fields.v[i].name, STR("ce-")))
            continue;
        assert(str_find(value, '\n') == value.n && str_find(value, '\r') == value.n);
    }
}

static void check_batch(struct http_request *req)
{
    struct cloudevent_item *items;
    size_t count = 0;
    if (!cloudevent_split(req, &items, &count))
        return;
    assert(count > 0 && count <= CLOUDEVENTS_BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        str body = items[i].request.body;
        assert(body.p >= req->body.p && body.p + body.n <= req->body.p + req->body.n);
        check_event(&items[i].request, &items[i].event);
        struct made alone;
        struct cloudevent e;
        struct http_field type = {STR("Content-Type"), STR("application/cloudevents+json")};
        make(&alone, &type, 1, body);
        assert(cloudevent_read(&alone.request, &e) == CLOUDEVENT_STRUCTURED);
        assert(str_eq(e.id, items[i].event.id) && str_eq(e.source, items[i].event.source));
        assert(str_eq(e.type, items[i].event.type));
        release(&alone);
        http_request_release(&items[i].request);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[FIELDS] = {"Content-Type", "ce-specversion", "ce-id",
                                              "ce-source",    "ce-type",        "ce-further"};
    struct http_field fields[FIELDS];
    size_t count = 0;
    str rest = str_of((const char *)data, size);
    for (size_t i = 0; i < FIELDS && rest.p; i++) {
        str value = str_trim(str_cut(&rest, '\0'));
        /* As the parser of requests hands them on. */
        if (str_find(value, '\n') < value.n || str_find(value, '\r') < value.n)
            return 0;
        if (value.n)
            fields[count++] = (struct http_field){str_from_cstr(names[i]), value};
    }
    struct made m;
    struct cloudevent e = {0};
    make(&m, fields, count, rest.p ? rest : STR(""));
    enum cloudevent_mode mode = cloudevent_read(&m.request, &e);
    if (mode == CLOUDEVENT_BINARY || mode == CLOUDEVENT_STRUCTURED)
        check_event(&m.request, &e);
    else if (mode == CLOUDEVENT_BATCH)
        check_batch(&m.request);
    release(&m);
    return 0;
}
