/* send_page.c -- lists, a page at a time: what is asked for, and the answer. A list goes forth by
 * `iterator` and back by one with a minus before it; rows are read in the direction of the walk and
 * shown in the list's own. */
#include "api/send.h"

static bool read_bound(struct send_call *s, const char *name, int64_t *ms)
{
    str text = send_query(s, name);
    if (!text.p || text.n == 0 || clock_parse(text, ms))
        return true;
    send_error(s, 400, "generic_error", "%s must be a time as 2026-11-23T20:24:11Z", name);
    return false;
}

bool send_page_read(struct send_call *s, bool descending, struct send_page *p)
{
    *p = (struct send_page){.limit = SEND_LIMIT_DEFAULT, .descending = descending};
    str limit = send_query(s, "limit"), iterator = send_query(s, "iterator");
    str order = send_query(s, "order");
    uint64_t n = SEND_LIMIT_DEFAULT;
    if (limit.p && limit.n && !str_to_u64(limit, &n)) {
        send_error(s, 400, "generic_error", "limit must be a number");
        return false;
    }
    if (n < 1 || n > SEND_LIMIT_MAX) {
        send_fault(s, STR("query\0limit\0"), "value_error",
                   n < 1 ? "Given limit must be at least 1" : "Given limit must not exceed 250");
        return false;
    }
    p->limit = (size_t)n;
    if (str_eq(order, STR("ascending")) || str_eq(order, STR("descending")))
        p->descending = order.p[0] == 'd';
    p->back = iterator.p && str_starts(iterator, STR("-"));
    p->iterator = iterator.p ? str_slice(iterator, p->back, iterator.n) : STR("");
    return read_bound(s, "after", &p->since_ms) && read_bound(s, "before", &p->until_ms);
}

bool send_cursor(struct send_call *s, const char *prefix, str iterator, uint64_t *out)
{
    *out = 0;
    if (!iterator.n || ksuid_parse(prefix, iterator, out))
        return true;
    send_fault(s, STR("query\0iterator\0"), "value_error", "iterator is none of this list");
    return false;
}

bool send_page_read_newest(struct send_call *s, const char *prefix, struct send_page *p,
                           uint64_t *cursor)
{
    if (!send_page_read(s, true, p) || !send_cursor(s, prefix, p->iterator, cursor))
        return false;
    /* After alone is read oldest first, and shown newest first. */
    if (p->since_ms && !p->until_ms && !p->iterator.n)
        p->back = true;
    return true;
}

static const void *row_at(const struct send_rows *r, size_t i)
{
    return (const char *)r->v + i * r->size;
}

void send_page_answer(struct send_call *s, const struct send_page *p, const struct send_rows *r)
{
    struct json_writer *w = send_json(s);
    str first = STR(""), last = STR("");
    size_t count = r->count < p->limit ? r->count : p->limit;
    json_open(w, '{');
    json_key(w, "data");
    json_open(w, '[');
    for (size_t i = 0; i < count; i++)
        r->view(s, r, row_at(r, p->back ? count - 1 - i : i));
    json_close(w, ']');
    if (count) {
        first = r->id(s, row_at(r, p->back ? count - 1 : 0));
        last = r->id(s, row_at(r, p->back ? 0 : count - 1));
    }
    json_pair(w, "iterator", last.n ? last : STR_NONE);
    if (first.n)
        json_pair(w, "prevIterator", arena_printf(s->a, "-" STR_FMT, STR_ARG(first)));
    json_pair_bool(w, "done", !r->more && r->count <= p->limit);
    json_close(w, '}');
    send_ok(s, 200);
}

str send_object_row_id(struct send_call *s, const void *row)
{
    UNUSED(s);
    return ((const struct object *)row)->id;
}

void send_objects_answer(struct send_call *s, const struct send_page *p, const char *kind,
                         str parent,
                         void (*view)(struct send_call *s, const struct send_rows *r,
                                      const void *row))
{
    struct object_list list;
    struct reason why;
    struct object_filter f = {.kind = str_from_cstr(kind),
                              .parent = parent,
                              .after = p->iterator,
                              .descending = p->descending != p->back,
                              .limit = p->limit};
    enum err err = store_objects(send_api(s)->reader, &f, s->a, &list, &why);
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return;
    }
    send_page_answer(s, p,
                     &(struct send_rows){.v = list.v,
                                         .size = sizeof(list.v[0]),
                                         .count = list.count,
                                         .more = list.more,
                                         .view = view,
                                         .id = send_object_row_id});
}
