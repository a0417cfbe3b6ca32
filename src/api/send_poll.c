/* send_poll.c -- messages fetched instead of sent: /api/v1/app/{app_id}/poller. A sink is an
 * endpoint whose filters choose; a consumer's place is kept here, and moves when the answer before
 * is given back: what was not confirmed comes again. */
#include "api/send.h"

#include "base/codec.h"
#include "engine/plan.h"
#include "verify/crypto.h"

#define CONSUMER_KIND "consumer"
#define POLL_DEFAULT 50
#define SCAN_PAGES_MAX 20
#define ANSWER_BYTES (8u << 20) /* from there on no further message is added */
#define EVENT_ARENA_MAX (96u << 20)
/* Ids are given before the commit: what is younger may still get a neighbour before it. */
#define SETTLED_MS 1000

struct poll {
    const struct endpoint *sink;
    str type, channel;
    int64_t after_ms;
    size_t limit;
    uint64_t cursor; /* the last event that was looked at */
    bool full, done;
};

static bool has_word(str list, str wanted)
{
    while (list.p && list.n)
        if (str_eq(str_cut(&list, ','), wanted))
            return true;
    return false;
}

static bool is_wanted(const struct poll *p, const struct event *e, struct arena *a)
{
    str channels[MESSAGE_CHANNELS_MAX], list = app_message_channels(e);
    size_t count = 0;
    if ((p->type.n && !str_eq(p->type, e->type)) || (p->channel.n && !has_word(list, p->channel)))
        return false;
    while (list.p && list.n && count < ARRAY_LEN(channels))
        channels[count++] = str_cut(&list, ',');
    struct http_request request = {.body = e->body, .arena = a};
    struct facts facts = {.request = &request, .event_type = e->type, .source = e->source};
    const struct message_facts m = {e->type, channels, count, &facts, 0};
    bool wanted = endpoint_fits(p->sink, &m);
    http_request_release(&request);
    return wanted;
}

/* Writes one event when it is wanted, and moves the cursor behind it. */
static enum err poll_event(struct send_call *s, struct poll *p, uint64_t id, size_t *written,
                           struct reason *why)
{
    struct arena a;
    struct event e;
    arena_init(&a, EVENT_ARENA_MAX);
    enum err err = store_load(send_api(s)->reader, id, 0, &a, &e, why);
    if (err == ERR_OK && is_wanted(p, &e, &a)) {
        send_message_view(s, &e, true);
        ++*written;
    }
    arena_release(&a);
    if (err != ERR_OK && err != ERR_NOT_FOUND) /* or purged meanwhile */
        return err;
    p->cursor = id;
    return ERR_OK;
}

/* One page of events behind the cursor; *written counts up to the limit. */
static enum err poll_page(struct send_call *s, struct poll *p, size_t *written, struct reason *why)
{
    struct event_filter f = {.source = s->app.id,
                             .listed = true,
                             .state = -1,
                             .since_ms = p->after_ms,
                             .until_ms = s->now_ms - SETTLED_MS,
                             .ascending = true,
                             .after = p->cursor,
                             .limit = SEND_LIMIT_MAX};
    struct event_list page = {0};
    enum err err = store_events(send_api(s)->reader, &f, s->a, &page, why);
    for (size_t i = 0; err == ERR_OK && i < page.count; i++) {
        if (*written == p->limit || s->c->body.len > ANSWER_BYTES) {
            p->full = true;
            return ERR_OK;
        }
        err = poll_event(s, p, page.v[i].event.id, written, why);
    }
    if (err == ERR_OK && page.next)
        p->cursor = page.next;
    p->done = err == ERR_OK && page.next == 0;
    return err;
}

static void answer(struct send_call *s, struct poll *p)
{
    struct json_writer *w = send_json(s);
    struct reason why = {0};
    char iterator[KSUID_TEXT_MAX];
    size_t written = 0;
    enum err err = ERR_OK;
    json_open(w, '{');
    json_key(w, "data");
    json_open(w, '[');
    for (int i = 0; i < SCAN_PAGES_MAX && err == ERR_OK && !p->done && !p->full; i++)
        err = poll_page(s, p, &written, &why);
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return;
    }
    json_close(w, ']');
    json_pair(w, "iterator", ksuid_format(MESSAGE_PREFIX, p->cursor, iterator));
    json_pair_bool(w, "done", p->done);
    json_close(w, '}');
    send_ok(s, 200);
}

/* The sink and what the query says; unref p->sink. False and answered. */
static bool read_poll(struct send_call *s, struct poll *p)
{
    str limit = send_query(s, "limit"), after = send_query(s, "after");
    str iterator = send_query(s, "iterator");
    uint64_t n = POLL_DEFAULT;
    *p = (struct poll){.type = send_query(s, "event_type"), .channel = send_query(s, "channel")};
    if (limit.n && (!str_to_u64(limit, &n) || n < 1 || n > SEND_LIMIT_MAX)) {
        send_fault(s, STR("query\0limit\0"), "value_error", "limit must be a number from 1 to 250");
        return false;
    }
    if (after.n && !clock_parse(after, &p->after_ms)) {
        send_error(s, 400, "generic_error", "after must be a time as 2026-11-23T20:24:11Z");
        return false;
    }
    p->limit = (size_t)n;
    if (!send_cursor(s, MESSAGE_PREFIX, iterator, &p->cursor))
        return false;
    p->sink =
        directory_find_endpoint(send_api(s)->core->directory, s->app.id, send_path(s, "sink_id"));
    if (!p->sink)
        send_not_found(s, "Sink");
    return p->sink != NULL;
}

static void poll_end(struct poll *p)
{
    endpoint_unref((struct endpoint *)(uintptr_t)p->sink);
}

void send_poll(struct send_call *s)
{
    struct poll p;
    if (!read_poll(s, &p))
        return;
    answer(s, &p);
    poll_end(&p);
}

/* --- consumers -------------------------------------------------------------------------------- */

static str consumer_id(struct send_call *s, const struct poll *p)
{
    uint8_t digest[DIGEST_BYTES_MAX];
    char hex[64];
    str name = send_path(s, "consumer_id");
    if (!wire_is_word(name) || name.n > 256) {
        send_fault(s, STR("path\0consumer_id\0"), "value_error",
                   "a consumer's name has letters, digits, '-', '_' and '.', at most 256");
        return STR_NONE;
    }
    digest_of(DIGEST_SHA256,
              arena_printf(s->a, STR_FMT "\n" STR_FMT, STR_ARG(p->sink->id), STR_ARG(name)),
              digest);
    hex_encode(digest, 32, hex);
    return arena_str(s->a, str_of(hex, sizeof(hex)));
}

/* Where the consumer is. False when it was never here. */
static bool read_place(struct send_call *s, str id, struct object *o, uint64_t *cursor)
{
    int64_t v = 0;
    if (store_object(send_api(s)->reader, STR(CONSUMER_KIND), id, s->a, o, NULL) != ERR_OK)
        return false;
    struct json_doc *doc = json_parse(o->doc, NULL);
    json_i64(json_get(json_root(doc), STR("cursor")), &v);
    json_doc_free(doc);
    *cursor = (uint64_t)v;
    return true;
}

/* False and answered. Two who move one consumer at once: the later one wins. */
static bool keep_place(struct send_call *s, const struct poll *p, str id, const struct object *old)
{
    struct reason why = {0};
    struct object_change c = {
        .op = OBJECT_PUT,
        .object = {.kind = STR(CONSUMER_KIND),
                   .id = id,
                   .parent = p->sink->id,
                   .name = STR(""),
                   .created_ms = old ? old->created_ms : s->now_ms,
                   .updated_ms = s->now_ms,
                   .doc = arena_printf(s->a, "{\"cursor\":%llu}", (unsigned long long)p->cursor)},
        .expect = OBJECT_ANY};
    struct object_set set = {.changes = &c, .count = 1};
    enum err err = send_commit_plain(send_api(s), &set, &why);
    if (err != ERR_OK)
        send_failed(s, err, &why);
    return err == ERR_OK;
}

void send_poll_consumer(struct send_call *s)
{
    struct poll p;
    struct object o;
    uint64_t kept = 0;
    if (!read_poll(s, &p))
        return;
    str id = consumer_id(s, &p);
    bool known = id.p && read_place(s, id, &o, &kept);
    bool confirms = send_query(s, "iterator").n > 0;
    if (!confirms)
        p.cursor = kept;
    if (id.p &&
        (!confirms || (known && kept == p.cursor) || keep_place(s, &p, id, known ? &o : NULL)))
        answer(s, &p);
    poll_end(&p);
}

void send_poll_seek(struct send_call *s)
{
    struct poll p;
    struct object o;
    uint64_t kept;
    int64_t after_ms = 0;
    char iterator[KSUID_TEXT_MAX];
    if (!read_poll(s, &p))
        return;
    (void)clock_parse(json_str(json_get(s->body, STR("after"))), &after_ms);
    str id = consumer_id(s, &p);
    bool known = id.p && read_place(s, id, &o, &kept);
    p.cursor = id_before(after_ms + 1);
    if (id.p && keep_place(s, &p, id, known ? &o : NULL)) {
        json_open(send_json(s), '{');
        json_pair(send_json(s), "iterator", ksuid_format(MESSAGE_PREFIX, p.cursor, iterator));
        json_close(send_json(s), '}');
        send_ok(s, 200);
    }
    poll_end(&p);
}
