/* send_message.c -- messages: looking at them, and taking their payloads out. */
#include "api/send.h"

/* --- views ------------------------------------------------------------------------------------ */

static void write_list(struct json_writer *w, const char *key, str list, const char *none)
{
    json_key(w, key);
    if (!list.n) {
        json_raw(w, str_from_cstr(none));
        return;
    }
    json_open(w, '[');
    while (list.p)
        json_string(w, str_cut(&list, ','));
    json_close(w, ']');
}

/* The stored text as it is when it is JSON; else as a string. */
static void write_payload(struct send_call *s, const struct event *e, bool with_content)
{
    struct json_writer *w = send_json(s);
    json_key(w, "payload");
    if (app_message_is_expired(e, s->now_ms)) {
        json_raw(w, STR("{\"expired\":true}"));
        return;
    }
    if (!with_content) {
        json_raw(w, STR("{}"));
        return;
    }
    struct json_doc *doc = json_parse(e->body, NULL);
    if (doc)
        json_raw(w, e->body);
    else
        json_string(w, e->body);
    json_doc_free(doc);
}

void send_message_members(struct send_call *s, const struct event *e, bool with_content)
{
    char id[KSUID_TEXT_MAX];
    struct json_writer *w = send_json(s);
    int64_t at = app_message_time(e, STR("gaff-deliver-at"));
    json_pair(w, "id", ksuid_format(MESSAGE_PREFIX, e->id, id));
    json_pair(w, "eventId", e->dedupe_key.n ? e->dedupe_key : STR_NONE);
    json_pair(w, "eventType", e->type);
    write_payload(s, e, with_content);
    write_list(w, "channels", app_message_channels(e), "null");
    write_list(w, "tags", app_message_tags(e), "null");
    if (at)
        send_pair_time(w, "deliverAt", at);
    send_pair_time(w, "timestamp", e->received_ms);
}

void send_message_view(struct send_call *s, const struct event *e, bool with_content)
{
    json_open(send_json(s), '{');
    send_message_members(s, e, with_content);
    json_close(send_json(s), '}');
}

/* --- finding ---------------------------------------------------------------------------------- */

/* Its id, or the eventId it was given: found by a walk over the newest. */
static bool find_by_uid(struct send_call *s, str uid, struct event *out)
{
    struct event_filter f = {.source = s->app.id, .listed = true, .state = -1, .limit = 500};
    struct arena page;
    struct reason why;
    uint64_t id = 0;
    enum err err;
    arena_init(&page, 32u << 20);
    do {
        struct event_list list = {0};
        arena_reset(&page);
        err = store_events(send_api(s)->reader, &f, &page, &list, &why);
        for (size_t i = 0; i < list.count && !id; i++)
            if (str_eq(list.v[i].event.dedupe_key, uid))
                id = list.v[i].event.id;
        f.before = list.next;
    } while (err == ERR_OK && f.before && !id);
    arena_release(&page);
    return id && store_load(send_api(s)->reader, id, 0, s->a, out, &why) == ERR_OK;
}

bool send_find_message(struct send_call *s, struct event *out)
{
    str name = send_path(s, "msg_id");
    struct reason why = {0};
    uint64_t id;
    enum err err = ERR_NOT_FOUND;
    if (ksuid_parse(MESSAGE_PREFIX, name, &id))
        err = store_load(send_api(s)->reader, id, 0, s->a, out, &why);
    else if (wire_is_word(name) && find_by_uid(s, name, out))
        err = ERR_OK;
    if (err == ERR_OK && str_eq(out->source, s->app.id))
        return true;
    if (err == ERR_OK || err == ERR_NOT_FOUND)
        send_not_found(s, "Message");
    else
        send_failed(s, err, &why);
    return false;
}

void send_message_get(struct send_call *s)
{
    struct event e;
    if (!send_find_message(s, &e))
        return;
    send_message_view(s, &e, send_query_true(s, "with_content", true));
    send_ok(s, 200);
}

/* --- the list --------------------------------------------------------------------------------- */

struct choice {
    str types[32], channel, tag;
    size_t type_count;
};

static bool list_has(str list, str wanted)
{
    while (list.p)
        if (str_eq(str_cut(&list, ','), wanted))
            return true;
    return false;
}

bool send_type_is_chosen(const str *types, size_t count, str type)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(types[i], type))
            return true;
    return count == 0;
}

static bool is_chosen(const struct choice *c, const struct event *e)
{
    return send_type_is_chosen(c->types, c->type_count, e->type) &&
           (!c->channel.n || list_has(app_message_channels(e), c->channel)) &&
           (!c->tag.n || list_has(app_message_tags(e), c->tag));
}

/* Fills out with up to limit + 1 events with head and body, in the direction of the walk. */
static enum err gather(struct send_call *s, const struct send_page *p, const struct choice *c,
                       uint64_t cursor, struct event *out, size_t *count, struct reason *why)
{
    struct event_filter f = {.source = s->app.id,
                             .listed = true,
                             .state = -1,
                             .since_ms = p->since_ms ? p->since_ms + 1 : 0,
                             .until_ms = p->until_ms,
                             .ascending = p->back,
                             .limit = p->limit + 1};
    *(p->back ? &f.after : &f.before) = cursor;
    *count = 0;
    for (;;) {
        struct event_list list = {0};
        enum err err = store_events(send_api(s)->reader, &f, s->a, &list, why);
        if (err != ERR_OK)
            return err;
        for (size_t i = 0; i < list.count && *count <= p->limit; i++) {
            struct event e;
            err = store_load(send_api(s)->reader, list.v[i].event.id, 0, s->a, &e, why);
            if (err != ERR_OK && err != ERR_NOT_FOUND)
                return err;
            if (err == ERR_OK && is_chosen(c, &e))
                out[(*count)++] = e;
        }
        if (*count > p->limit || list.next == 0)
            return ERR_OK;
        *(p->back ? &f.after : &f.before) = list.next;
    }
}

static void view_row(struct send_call *s, const struct send_rows *r, const void *row)
{
    send_message_view(s, row, r->with_content);
}

static str row_id(struct send_call *s, const void *row)
{
    char text[KSUID_TEXT_MAX];
    return arena_str(s->a, ksuid_format(MESSAGE_PREFIX, ((const struct event *)row)->id, text));
}

void send_message_list(struct send_call *s)
{
    struct send_page p;
    struct choice c = {0};
    struct reason why = {0};
    uint64_t cursor;
    size_t count = 0;
    if (!send_page_read_newest(s, MESSAGE_PREFIX, &p, &cursor))
        return;
    c.type_count = send_query_list(s, "event_types", c.types, ARRAY_LEN(c.types));
    c.channel = send_query(s, "channel");
    c.tag = send_query(s, "tag");
    struct event *found = ARENA_ARRAY(s->a, struct event, p.limit + 2);
    enum err err = found ? gather(s, &p, &c, cursor, found, &count, &why)
                         : fail(&why, ERR_LIMIT, "too many messages");
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return;
    }
    send_page_answer(s, &p,
                     &(struct send_rows){.v = found,
                                         .size = sizeof(found[0]),
                                         .count = count,
                                         .with_content = send_query_true(s, "with_content", true),
                                         .view = view_row,
                                         .id = row_id});
}

void send_message_expunge(struct send_call *s)
{
    struct event e;
    struct reason why;
    if (!send_find_message(s, &e))
        return;
    enum err err = store_expunge(send_api(s)->core->store, e.id, 0, &why);
    if (err == ERR_INVALID)
        send_error(s, 501, "not_implemented", "%s", why.text);
    else if (err != ERR_OK && err != ERR_NOT_FOUND)
        send_failed(s, err, &why);
    else
        send_empty(s, 204);
}

/* One of the list. False when the store can't take payloads out at all, or fails; answered then. */
static bool expunge_one(struct send_call *s, str name, const char **result)
{
    struct reason why = {0};
    struct event e;
    uint64_t id;
    bool found = ksuid_parse(MESSAGE_PREFIX, name, &id)
                     ? store_load(send_api(s)->reader, id, 0, s->a, &e, &why) == ERR_OK
                     : find_by_uid(s, name, &e);
    *result = "not-found";
    if (!found || !str_eq(e.source, s->app.id))
        return true;
    enum err err = store_expunge(send_api(s)->core->store, e.id, 0, &why);
    *result = "expunged";
    if (err == ERR_INVALID)
        send_error(s, 501, "not_implemented", "%s", why.text);
    else if (err != ERR_OK && err != ERR_NOT_FOUND)
        send_failed(s, err, &why);
    return err == ERR_OK || err == ERR_NOT_FOUND;
}

void send_message_bulk_expunge(struct send_call *s)
{
    struct json_iter it = {0};
    const char *result;
    json_open(send_json(s), '{');
    json_key(send_json(s), "results");
    json_open(send_json(s), '{');
    while (json_next(json_get(s->body, STR("ids")), &it)) {
        str name = json_str(it.value);
        if (!expunge_one(s, name, &result))
            return;
        json_key_str(send_json(s), name);
        json_string(send_json(s), str_from_cstr(result));
    }
    json_close(send_json(s), '}');
    json_close(send_json(s), '}');
    send_ok(s, 200);
}

void send_message_expunge_all(struct send_call *s)
{
    send_task_start(s, "application.purge_content", STR(""), 0, s->now_ms + 1);
}

/* Would anybody be told of such a message? */
void send_message_precheck(struct send_call *s)
{
    str channels[MESSAGE_CHANNELS_MAX];
    struct json_iter it = {0};
    size_t count = 0, endpoints = 0;
    const struct json *list = json_get(s->body, STR("channels"));
    while (list && json_kind_of(list) == JSON_ARRAY && json_next(list, &it) &&
           count < ARRAY_LEN(channels))
        channels[count++] = json_str(it.value);
    struct http_request request = {.body = STR("{}"), .arena = s->a};
    struct facts facts = {.request = &request, .source = s->app.id};
    facts.event_type = json_str(json_get(s->body, STR("eventType")));
    const struct message_facts m = {facts.event_type, channels, count, &facts, s->now_ms};
    struct planned_endpoint *to;
    directory_plan(send_api(s)->core->directory, s->app.id, &m, s->a, &to, &endpoints);
    http_request_release(&request);
    json_open(send_json(s), '{');
    json_pair_bool(send_json(s), "active", endpoints > 0);
    json_close(send_json(s), '}');
    send_ok(s, 200);
}
