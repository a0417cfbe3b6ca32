/* objects.c -- lists of stored objects, and their end. */
#include "api/call.h"

void api_list_objects(struct api_call *c, str kind, const char *member, size_t limit,
                      void (*view)(struct json_writer *w, const struct object *o,
                                   const struct json *doc))
{
    struct object_filter f = {.kind = kind, .any_parent = true, .descending = true, .limit = limit};
    struct object_list list = {0};
    struct reason why = {0};
    enum err err = store_objects(c->api->reader, &f, c->x->arena, &list, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    json_open(&c->json, '{');
    json_key(&c->json, member);
    json_open(&c->json, '[');
    for (size_t i = 0; i < list.count; i++) {
        struct json_doc *doc = json_parse(list.v[i].doc, &why);
        json_open(&c->json, '{');
        view(&c->json, &list.v[i], json_root(doc));
        json_close(&c->json, '}');
        json_doc_free(doc);
    }
    json_close(&c->json, ']');
    json_close(&c->json, '}');
    api_send(c, 200);
}

void api_delete_object(struct api_call *c, str kind, str id)
{
    struct reason why = {0};
    enum err err = object_delete(c->api->core, c->api->reader, kind, id, &why);
    if (err != ERR_OK) {
        api_fail(c, err, &why);
        return;
    }
    json_open(&c->json, '{');
    json_pair(&c->json, "deleted", id);
    json_close(&c->json, '}');
    api_send(c, 200);
}
