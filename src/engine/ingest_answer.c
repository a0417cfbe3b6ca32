/* ingest_answer.c -- answers to senders. */
#include "engine/ingest_answer.h"

#include "base/id.h"

#define RETRY_AFTER_S 5
#define ANSWER_MAX 256

static uint64_t stored_id(const struct new_event *e)
{
    return e->duplicate_of ? e->duplicate_of : e->event.id;
}

/* What the source's configuration or its provider wants to be said; false: nothing particular. */
static bool answer_as_wished(struct http_exchange *x, const struct source_config *s,
                             const struct verifier *verifier, str event_id)
{
    struct http_field fields[18] = {{STR("gaff-event-id"), event_id}};
    struct greeting wish = {0};
    size_t count = 1;
    if (s->respond_set) {
        for (size_t i = 0; i < s->respond_field_count && count < ARRAY_LEN(fields); i++)
            fields[count++] = s->respond_fields[i];
        http_reply(x, s->respond_status, fields, count, s->respond_body);
        return true;
    }
    verifier_answer(verifier, &wish);
    if (!wish.status)
        return false;
    if (wish.content_type.n)
        fields[count++] = (struct http_field){STR("Content-Type"), wish.content_type};
    http_reply(x, wish.status, fields, count, wish.body);
    return true;
}

void ingest_answer_stored(struct http_exchange *x, const struct source_config *s,
                          const struct verifier *verifier, const struct new_event *e)
{
    char id[ID_TEXT_MAX], text[ANSWER_MAX];
    str event_id = id_format("evt", stored_id(e), id);
    if (answer_as_wished(x, s, verifier, event_id))
        return;
    struct http_field fields[] = {{STR("gaff-event-id"), event_id},
                                  {STR("Content-Type"), STR("application/json")}};
    int n = snprintf(text, sizeof(text), "{\"id\":\"" STR_FMT "\"%s}\n", STR_ARG(event_id),
                     e->duplicate_of ? ",\"duplicate\":true" : "");
    http_reply(x, 200, fields, ARRAY_LEN(fields), str_of(text, (size_t)n));
}

void ingest_answer_list_begin(struct ingest_answer_list *l, size_t count)
{
    *l = (struct ingest_answer_list){0};
    buf_init(&l->text, 64 * count + ANSWER_MAX);
    json_writer_init(&l->w, &l->text);
    json_open(&l->w, '{');
    json_key(&l->w, "ids");
    json_open(&l->w, '[');
}

void ingest_answer_list_add(struct ingest_answer_list *l, const struct new_event *e)
{
    char id[ID_TEXT_MAX];
    l->last_id = stored_id(e);
    l->duplicates += e->duplicate_of != 0;
    json_string(&l->w, id_format("evt", l->last_id, id));
}

void ingest_answer_list_end(struct ingest_answer_list *l, struct http_exchange *x,
                            const struct source_config *s, const struct verifier *verifier)
{
    char id[ID_TEXT_MAX];
    struct http_field type = {STR("Content-Type"), STR("application/json")};
    json_close(&l->w, ']');
    json_pair_int(&l->w, "duplicates", l->duplicates);
    json_close(&l->w, '}');
    buf_char(&l->text, '\n');
    if (!answer_as_wished(x, s, verifier, id_format("evt", l->last_id, id)))
        http_reply(x, 200, &type, 1, buf_str(&l->text));
    buf_release(&l->text);
}

/* The store's own words may name paths: they are for the log, not for the sender. */
void ingest_answer_refused(struct http_exchange *x)
{
    http_reply_retry(x, 503, "store_unavailable",
                     STR("The event could not be stored; nothing was accepted. Send it again."),
                     RETRY_AFTER_S);
}

void ingest_refuse_method(struct http_exchange *x, const struct source_config *s)
{
    struct buf list;
    buf_init(&list, 256);
    for (size_t i = 0; i < s->method_count; i++)
        buf_printf(&list, "%s" STR_FMT, i ? ", " : "", STR_ARG(s->methods[i]));
    struct http_field fields[] = {{STR("Allow"), arena_str(x->arena, buf_str(&list))},
                                  {STR("Content-Type"), STR("application/json")}};
    buf_release(&list);
    http_reply(x, 405, fields, 2,
               STR("{\"error\":{\"code\":\"method_not_allowed\",\"message\":\"This is no "
                   "handshake of the provider, and events come by the methods of Allow.\"}}\n"));
}
