/* channel.c -- a source's path that is read too, by who knows it: the protocol of smee.io, so that
 * its client takes events of this daemon to a developer's machine. GET with Accept:
 * text/event-stream gives `ready`, `ping` each 15 s, and a message for each event: a JSON object of
 * its header fields, its body parsed, its query and its time.
 *
 * The stream runs on the front loop that its request came to, with a reader of its own. It ends
 * with each new configuration, so that a channel that was closed there is closed. */
#include "api/listen.h"

#include "base/codec.h"
#include "base/id.h"
#include "http/form.h"

#define STREAMS_MAX 64 /* of all channels */
#define PAIRS_MAX 1000
#define DECODE_MAX (64u << 20)

static _Atomic int streams;

/* --- an event as smee tells it -----------------------------------------------------------------
 */

/* "a=1&b=2" as an object; what is not encoded well is left out. */
static void write_pairs(struct json_writer *w, struct arena *a, str text)
{
    json_open(w, '{');
    for (size_t n = 0; text.p && text.n && n < PAIRS_MAX; n++) {
        str value = str_cut(&text, '&'), name = str_cut(&value, '=');
        name = percent_decode(a, name, true);
        value = value.p ? percent_decode(a, value, true) : STR("");
        if (!name.p || !name.n || !value.p)
            continue;
        json_key_str(w, name);
        json_string(w, value);
    }
    json_close(w, '}');
}

static bool is_ours(str name)
{
    static const char *const names[] = {"body", "query", "timestamp"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, str_from_cstr(names[i])))
            return true;
    return false;
}

/* Names in lower case; of a repeated field the first. Returns the Content-Type. */
static str write_fields(struct json_writer *w, struct arena *a, str head)
{
    struct map seen = {0};
    str type = STR("");
    while (head.p && head.n) {
        str value = str_trim(str_cut(&head, '\n')), name = str_cut(&value, ':');
        char *lower = arena_cstr(a, name);
        for (char *c = lower; c && *c; c++)
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
        str key = str_from_cstr(lower);
        if (!key.n || !value.p || is_ours(key) || map_get(&seen, key))
            continue;
        map_put(&seen, key, w);
        json_key_str(w, key);
        json_string(w, str_trim(value));
        if (str_eq(key, STR("content-type")))
            type = str_trim(value);
    }
    map_release(&seen);
    return type;
}

static void write_body(struct json_writer *w, struct arena *a, const struct event *e, str type)
{
    struct json_doc *doc = e->body.n ? json_parse(e->body, NULL) : NULL;
    json_key(w, "body");
    if (doc)
        json_value(w, json_root(doc)); /* on one line */
    else if (str_eq_nocase(media_type(type), STR("application/x-www-form-urlencoded")) ||
             !e->body.n)
        write_pairs(w, a, e->body);
    else
        json_string(w, e->body);
    json_doc_free(doc);
}

static void view(struct json_writer *w, const struct event *e)
{
    struct arena a;
    str query = e->target;
    arena_init(&a, DECODE_MAX);
    str type = write_fields(w, &a, e->head);
    write_body(w, &a, e, type);
    (void)str_cut(&query, '?');
    json_key(w, "query");
    write_pairs(w, &a, query);
    json_pair_int(w, "timestamp", e->received_ms);
    arena_release(&a);
}

/* --- the stream --------------------------------------------------------------------------------
 */

static void gone(struct listener *l)
{
    store_reader_close(l->reader);
    atomic_fetch_sub(&streams, 1);
}

static bool is_over(struct listener *l)
{
    return atomic_load(&l->core->draining) || atomic_load(&l->core->generation) != l->generation;
}

void api_channel(struct engine_core *core, struct http_exchange *x, str source, struct loop *loop)
{
    struct reason why = {0};
    uint64_t last = 0;
    bool room = atomic_fetch_add(&streams, 1) < STREAMS_MAX;
    struct store_reader *reader = room ? store_reader_open(core->store, &why) : NULL;
    if (!reader) {
        atomic_fetch_sub(&streams, 1);
        http_reply_retry(x, 503, "busy", STR("Too many read from channels now."), 5);
        return;
    }
    /* What is no id of ours is as none: the client may have been with another server before. */
    if (!id_parse("evt", http_field_get(&x->req.fields, STR("Last-Event-ID")), &last))
        last = 0;
    struct listener *l = xcalloc(1, sizeof(*l));
    *l = (struct listener){.x = x,
                           .core = core,
                           .reader = reader,
                           .loop = loop,
                           .generation = atomic_load(&core->generation),
                           .view = view,
                           .heartbeat = STR("event: ping\ndata: {}\n\n"),
                           .is_over = is_over,
                           .gone = gone};
    list_init(&l->link);
    snprintf(l->source, sizeof(l->source), STR_FMT, STR_ARG(source));
    listener_begin(l, last);
}
