/* audit.c -- /api/v1/audit: who asked for which change, and what was answered. Written for every
 * request that changes something, also for refused ones; never what was in it. */
#include "api/call.h"

#include "base/id.h"
#include "base/log.h"

#define KEPT_MS (90 * 24 * 3600 * INT64_C(1000))
#define ROWS_MAX 500

void api_audit(struct api_call *c, str what)
{
    char id[ID_TEXT_MAX];
    struct reason why = {0};
    struct buf doc;
    struct json_writer w;
    buf_init(&doc, 4096);
    json_writer_init(&w, &doc);
    json_open(&w, '{');
    json_pair(&w, "who", str_from_cstr(c->caller));
    json_pair(&w, "what", what);
    json_pair_int(&w, "status", c->status);
    json_close(&w, '}');
    struct object o = {.kind = STR("audit"),
                       .id = id_format("aud", id_next(&c->api->core->ids), id),
                       .expires_ms = clock_wall_ms(c->api->core->clock) + KEPT_MS,
                       .doc = buf_str(&doc)};
    if (object_put(c->api->core, &o, OBJECT_ANY, &why) != ERR_OK)
        log_event(LOG_WARN, "no audit entry", LOG_F("reason", str_from_cstr(why.text)));
    buf_release(&doc);
}

static void view_entry(struct json_writer *w, const struct object *o, const struct json *doc)
{
    char time[CLOCK_TEXT_MAX];
    json_pair(w, "time", clock_format(o->created_ms, time));
    json_pair(w, "who", json_str(json_get(doc, STR("who"))));
    json_pair(w, "what", json_str(json_get(doc, STR("what"))));
    int64_t status = 0;
    json_i64(json_get(doc, STR("status")), &status);
    json_pair_int(w, "status", status);
}

void api_audit_list(struct api_call *c)
{
    api_list_objects(c, STR("audit"), "entries", ROWS_MAX, view_entry);
}
