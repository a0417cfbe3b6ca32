/* send_attempt.c -- attempts: of an endpoint, of a message, one, and sending a message again. An
 * attempt's id is ksuid "atmpt_" of the id it was given when it started. */
#include "api/send.h"

#include "base/log.h"

#define ATTEMPT_PREFIX "atmpt_"
#define STATUS_SUCCESS 0
#define STATUS_PENDING 1
#define STATUS_FAIL 2
#define STATUS_SENDING 3
#define STATUS_CANCELED 4

static void write_status(struct json_writer *w, int status)
{
    static const char *const words[] = {"success", "pending", "fail", "sending", "canceled"};
    json_pair_int(w, "status", status);
    json_pair(w, "statusText", str_from_cstr(words[status]));
}

static int status_of_delivery(const struct delivery *d)
{
    switch (d->state) {
    case DELIVERY_DELIVERED:
        return STATUS_SUCCESS;
    case DELIVERY_DEAD:
        return STATUS_FAIL;
    case DELIVERY_SKIPPED:
    case DELIVERY_CANCELLED:
        return STATUS_CANCELED;
    default:
        return d->attempts ? STATUS_SENDING : STATUS_PENDING;
    }
}

/* --- one attempt ------------------------------------------------------------------------------ */

/* The answer's body: what follows the empty line. */
static str answer_body(const struct attempt *x)
{
    size_t at = str_find_str(x->response, STR("\r\n\r\n"));
    if (at < x->response.n)
        return str_slice(x->response, at + 4, x->response.n);
    at = str_find_str(x->response, STR("\n\n"));
    return at < x->response.n ? str_slice(x->response, at + 2, x->response.n) : STR("");
}

static str url_of(struct send_call *s, str endpoint)
{
    struct endpoint *e = directory_endpoint(send_api(s)->core->directory, endpoint);
    str url = e ? arena_str(s->a, e->webhook.url) : STR("");
    endpoint_unref(e);
    return url;
}

static bool was_by_hand(struct send_call *s, const struct attempt *x)
{
    struct delivery_filter f = {.id = x->delivery_id, .event_id = x->event_id, .state = -1};
    struct delivery_list list = {0};
    f.limit = 1;
    return store_deliveries(send_api(s)->reader, &f, s->a, &list, NULL) == ERR_OK && list.count &&
           str_eq(list.v[0].route, STR("resend"));
}

static int status_of_attempt(const struct attempt *x)
{
    if (x->result == ATTEMPT_SKIPPED || x->result == ATTEMPT_CANCELLED)
        return STATUS_CANCELED;
    return x->result == ATTEMPT_SUCCESS ? STATUS_SUCCESS : STATUS_FAIL;
}

/* It ended before anything was sent; then there is nothing that could have been taken out. */
static bool was_not_sent(const struct attempt *x)
{
    static const char *const classes[] = {"filter",  "setup", "store",    "gone",
                                          "invalid", "auth",  "ownership"};
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (str_eq(x->error_class, str_from_cstr(classes[i])))
            return true;
    return false;
}

static void view(struct send_call *s, const struct attempt *x, bool with_content, bool with_msg)
{
    struct json_writer *w = send_json(s);
    char id[KSUID_TEXT_MAX], message[KSUID_TEXT_MAX];
    bool expunged = x->response.n == 0 && x->request.n == 0 && !was_not_sent(x);
    json_open(w, '{');
    json_pair(w, "id", ksuid_format(ATTEMPT_PREFIX, x->id, id));
    json_pair(w, "msgId", ksuid_format(MESSAGE_PREFIX, x->event_id, message));
    json_pair(w, "endpointId", x->destination);
    json_pair(w, "url", url_of(s, x->destination));
    write_status(w, status_of_attempt(x));
    json_pair_int(w, "triggerType", was_by_hand(s, x));
    json_pair(w, "response",
              expunged         ? STR("EXPUNGED")
              : !with_content  ? STR("{}")
              : x->status == 0 ? x->summary
                               : answer_body(x));
    json_pair_int(w, "responseStatusCode", x->status);
    json_pair_int(w, "responseDurationMs", x->duration_us / 1000);
    send_pair_time(w, "timestamp", x->started_ms);
    struct event e;
    if (with_msg && store_load(send_api(s)->reader, x->event_id, 0, s->a, &e, NULL) == ERR_OK) {
        json_key(w, "msg");
        send_message_view(s, &e, with_content);
    }
    json_close(w, '}');
}

/* --- lists ------------------------------------------------------------------------------------ */

struct choice {
    struct attempt_filter f;
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

static bool is_chosen(struct send_call *s, const struct choice *c, const struct attempt *x)
{
    struct event e;
    if (!send_type_is_chosen(c->types, c->type_count, x->event_type))
        return false;
    if (!c->channel.n && !c->tag.n)
        return true;
    return store_load(send_api(s)->reader, x->event_id, 0, s->a, &e, NULL) == ERR_OK &&
           (!c->channel.n || list_has(app_message_channels(&e), c->channel)) &&
           (!c->tag.n || list_has(app_message_tags(&e), c->tag));
}

/* status and status_code_class as the filter has them. */
static bool read_choice(struct send_call *s, struct choice *c)
{
    str status = send_query(s, "status"), class = send_query(s, "status_code_class");
    uint64_t n;
    c->f.result = ATTEMPTS_ANY;
    c->type_count = send_query_list(s, "event_types", c->types, ARRAY_LEN(c->types));
    c->channel = send_query(s, "channel");
    c->tag = send_query(s, "tag");
    if (status.p && status.n) {
        if (!str_to_u64(status, &n) || n > STATUS_CANCELED) {
            send_error(s, 400, "generic_error", "status must be 0, 1, 2, 3 or 4");
            return false;
        }
        c->f.result = n == STATUS_SUCCESS    ? ATTEMPT_SUCCESS
                      : n == STATUS_FAIL     ? ATTEMPTS_FAILED
                      : n == STATUS_CANCELED ? ATTEMPTS_ENDED
                                             : ATTEMPT_LOST;
    }
    if (class.p && class.n) {
        if (!str_to_u64(class, &n) || n > 500 || n % 100) {
            send_error(s, 400, "generic_error",
                       "status_code_class must be 0, 100, 200, 300, 400 or 500");
            return false;
        }
        c->f.status_min = n ? (int)n : -1;
        c->f.status_max = (int)n + 99;
    }
    return true;
}

static enum err gather(struct send_call *s, const struct send_page *p, struct choice *c,
                       struct attempt *out, size_t *count, struct reason *why)
{
    *count = 0;
    c->f.limit = p->limit + 1;
    c->f.ascending = p->back;
    for (;;) {
        struct attempt_log list = {0};
        enum err err = store_attempt_log(send_api(s)->reader, &c->f, s->a, &list, why);
        if (err != ERR_OK)
            return err;
        for (size_t i = 0; i < list.count && *count <= p->limit; i++)
            if (is_chosen(s, c, &list.v[i]))
                out[(*count)++] = list.v[i];
        if (*count > p->limit || list.next == 0)
            return ERR_OK;
        *(p->back ? &c->f.after : &c->f.before) = list.next;
    }
}

static void bound_by_time(const struct send_page *p, uint64_t cursor, struct attempt_filter *f)
{
    *(p->back ? &f->after : &f->before) = cursor;
    uint64_t since = p->since_ms ? id_before(p->since_ms + 1) : 0;
    uint64_t until = p->until_ms ? id_floor(p->until_ms) : 0;
    if (since > f->after)
        f->after = since;
    if (until && (!f->before || until < f->before))
        f->before = until;
}

static void view_row(struct send_call *s, const struct send_rows *r, const void *row)
{
    view(s, row, r->with_content, r->with_msg);
}

static str row_id(struct send_call *s, const void *row)
{
    char text[KSUID_TEXT_MAX];
    return arena_str(s->a, ksuid_format(ATTEMPT_PREFIX, ((const struct attempt *)row)->id, text));
}

static void list(struct send_call *s, struct choice *c)
{
    struct send_page p;
    struct reason why = {0};
    uint64_t cursor;
    size_t count = 0;
    if (!read_choice(s, c) || !send_page_read_newest(s, ATTEMPT_PREFIX, &p, &cursor))
        return;
    bound_by_time(&p, cursor, &c->f);
    struct attempt *found = ARENA_ARRAY(s->a, struct attempt, p.limit + 2);
    enum err err =
        found ? gather(s, &p, c, found, &count, &why) : fail(&why, ERR_LIMIT, "too many attempts");
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return;
    }
    send_page_answer(s, &p,
                     &(struct send_rows){.v = found,
                                         .size = sizeof(found[0]),
                                         .count = count,
                                         .with_content = send_query_true(s, "with_content", true),
                                         .with_msg = send_query_true(s, "with_msg", false),
                                         .view = view_row,
                                         .id = row_id});
}

void send_attempts_of_endpoint(struct send_call *s)
{
    struct object o;
    struct choice c = {0};
    if (!send_find_endpoint(s, &o))
        return;
    c.f.destination = o.id;
    list(s, &c);
}

void send_attempts_of_message(struct send_call *s)
{
    struct event e;
    struct object o;
    struct choice c = {0};
    str endpoint = send_query(s, "endpoint_id");
    if (!endpoint.p || !endpoint.n)
        endpoint = send_path(s, "endpoint_id");
    if (!send_find_message(s, &e))
        return;
    c.f.event_id = e.id;
    if (endpoint.p && endpoint.n) {
        if (!send_find(s, ENDPOINT_KIND, s->app.id, endpoint, &o))
            return;
        c.f.destination = o.id;
    }
    list(s, &c);
}

static bool find(struct send_call *s, struct attempt *out)
{
    struct event e;
    struct attempt_log found = {0};
    struct reason why = {0};
    struct attempt_filter f = {.result = ATTEMPTS_ANY, .limit = 1};
    if (!send_find_message(s, &e))
        return false;
    f.event_id = e.id;
    enum err err = ksuid_parse(ATTEMPT_PREFIX, send_path(s, "attempt_id"), &f.id)
                       ? store_attempt_log(send_api(s)->reader, &f, s->a, &found, &why)
                       : ERR_OK;
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return false;
    }
    if (found.count == 0) {
        send_not_found(s, "Message attempt");
        return false;
    }
    *out = found.v[0];
    return true;
}

void send_attempt_get(struct send_call *s)
{
    struct attempt x;
    if (!find(s, &x))
        return;
    view(s, &x, send_query_true(s, "with_content", true), send_query_true(s, "with_msg", false));
    send_ok(s, 200);
}

void send_attempt_expunge(struct send_call *s)
{
    struct attempt x;
    struct reason why;
    if (!find(s, &x))
        return;
    enum err err = store_expunge(send_api(s)->core->store, x.delivery_id, x.number, &why);
    if (err == ERR_INVALID)
        send_error(s, 501, "not_implemented", "%s", why.text);
    else if (err != ERR_OK && err != ERR_NOT_FOUND)
        send_failed(s, err, &why);
    else
        send_empty(s, 204);
}

/* --- the messages of an endpoint, the endpoints of a message ---------------------------------- */

/* Where the walk over the endpoint's deliveries goes on: those of the message the page ended at. */
static uint64_t delivery_cursor(struct send_call *s, uint64_t event_id, str endpoint, bool back)
{
    struct delivery_filter f = {.event_id = event_id, .state = -1, .limit = 1000};
    struct delivery_list list = {0};
    uint64_t cursor = 0;
    if (store_deliveries(send_api(s)->reader, &f, s->a, &list, NULL) != ERR_OK)
        return event_id;
    for (size_t i = 0; i < list.count; i++)
        if (str_eq(list.v[i].destination, endpoint) &&
            (!cursor || (back ? list.v[i].id > cursor : list.v[i].id < cursor)))
            cursor = list.v[i].id;
    return cursor ? cursor : event_id;
}

struct told { /* a message the endpoint was, or is to be, told of */
    struct event event;
    struct delivery delivery; /* the latest of it */
};

static bool is_in(const struct told *v, size_t count, uint64_t event_id)
{
    for (size_t i = 0; i < count; i++)
        if (v[i].event.id == event_id)
            return true;
    return false;
}

static enum err gather_told(struct send_call *s, const struct send_page *p, struct choice *c,
                            struct delivery_filter *f, int status, struct told *out, size_t *count,
                            struct reason *why)
{
    *count = 0;
    for (;;) {
        struct delivery_list found = {0};
        enum err err = store_deliveries(send_api(s)->reader, f, s->a, &found, why);
        if (err != ERR_OK)
            return err;
        for (size_t i = 0; i < found.count && *count <= p->limit; i++) {
            const struct delivery *d = &found.v[i];
            struct told *t = &out[*count];
            if (is_in(out, *count, d->event_id) ||
                (status >= 0 && status_of_delivery(d) != status) ||
                store_load(send_api(s)->reader, d->event_id, 0, s->a, &t->event, why) != ERR_OK)
                continue;
            t->delivery = *d;
            bool fits = send_type_is_chosen(c->types, c->type_count, t->event.type) &&
                        (!c->channel.n || list_has(app_message_channels(&t->event), c->channel)) &&
                        (!c->tag.n || list_has(app_message_tags(&t->event), c->tag));
            *count += fits;
        }
        if (*count > p->limit || found.next == 0)
            return ERR_OK;
        *(p->back ? &f->after : &f->before) = found.next;
    }
}

static void view_told(struct send_call *s, const struct send_rows *r, const void *row)
{
    const struct told *t = row;
    struct json_writer *w = send_json(s);
    json_open(w, '{');
    send_message_members(s, &t->event, r->with_content);
    write_status(w, status_of_delivery(&t->delivery));
    if (t->delivery.state == DELIVERY_PENDING)
        send_pair_time(w, "nextAttempt", t->delivery.next_ms);
    json_close(w, '}');
}

static str told_row_id(struct send_call *s, const void *row)
{
    char text[KSUID_TEXT_MAX];
    const struct told *t = row;
    return arena_str(s->a, ksuid_format(MESSAGE_PREFIX, t->event.id, text));
}

void send_endpoint_messages(struct send_call *s)
{
    struct send_page p;
    struct object o;
    struct choice c = {0};
    struct reason why = {0};
    uint64_t cursor, status = UINT64_MAX;
    size_t count = 0;
    str wanted = send_query(s, "status");
    if (!send_find_endpoint(s, &o) || !send_page_read_newest(s, MESSAGE_PREFIX, &p, &cursor))
        return;
    if (wanted.p && wanted.n && (!str_to_u64(wanted, &status) || status > STATUS_CANCELED)) {
        send_error(s, 400, "generic_error", "status must be 0, 1, 2, 3 or 4");
        return;
    }
    c.type_count = send_query_list(s, "event_types", c.types, ARRAY_LEN(c.types));
    c.channel = send_query(s, "channel");
    c.tag = send_query(s, "tag");
    struct delivery_filter f = {.destination = o.id,
                                .listed = true,
                                .state = -1,
                                .since_ms = p.since_ms ? p.since_ms + 1 : 0,
                                .until_ms = p.until_ms,
                                .ascending = p.back,
                                .limit = p.limit + 1};
    if (cursor)
        *(p.back ? &f.after : &f.before) = delivery_cursor(s, cursor, o.id, p.back);
    struct told *found = ARENA_ARRAY(s->a, struct told, p.limit + 2);
    enum err err = found ? gather_told(s, &p, &c, &f, (int)(int64_t)status, found, &count, &why)
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
                                         .view = view_told,
                                         .id = told_row_id});
}

static int by_destination(const void *a, const void *b)
{
    const struct delivery *x = a, *y = b;
    int order = str_cmp(x->destination, y->destination);
    return order ? order : x->id < y->id ? -1 : x->id > y->id;
}

/* All deliveries of a message, the latest of each endpoint, by the endpoint's id. */
static enum err all_deliveries(struct send_call *s, uint64_t event_id, struct delivery **out,
                               size_t *count, struct reason *why)
{
    struct delivery_filter f = {.event_id = event_id, .state = -1, .limit = 1000};
    size_t cap = 0, n = 0;
    *out = NULL;
    do {
        struct delivery_list page = {0};
        enum err err = store_deliveries(send_api(s)->reader, &f, s->a, &page, why);
        if (err != ERR_OK)
            return err;
        if (n + page.count > cap) {
            cap = 2 * (n + page.count);
            struct delivery *v = ARENA_ARRAY(s->a, struct delivery, cap);
            if (!v)
                return fail(why, ERR_LIMIT, "the message has more endpoints than memory");
            if (n)
                memcpy(v, *out, n * sizeof(*v));
            *out = v;
        }
        if (page.count)
            memcpy(*out + n, page.v, page.count * sizeof(**out));
        n += page.count;
        f.before = page.next;
    } while (f.before);
    if (n)
        qsort(*out, n, sizeof(**out), by_destination);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (i + 1 == n || !str_eq((*out)[i].destination, (*out)[i + 1].destination))
            (*out)[kept++] = (*out)[i];
    *count = kept;
    return ERR_OK;
}

static void view_endpoint(struct send_call *s, const struct send_rows *r, const void *row)
{
    const struct delivery *d = row;
    UNUSED(r);
    struct json_writer *w = send_json(s);
    struct object o = {.id = d->destination};
    struct json_doc *doc = NULL;
    /* One that was deleted is still shown, by what is left of it. */
    if (store_object(send_api(s)->reader, STR(ENDPOINT_KIND), d->destination, s->a, &o, NULL) ==
        ERR_OK)
        doc = json_parse(o.doc, NULL);
    if (!o.created_ms)
        o.created_ms = o.updated_ms = d->created_ms;
    json_open(w, '{');
    send_endpoint_view(w, &o, json_root(doc), false);
    write_status(w, status_of_delivery(d));
    if (d->state == DELIVERY_PENDING)
        send_pair_time(w, "nextAttempt", d->next_ms);
    else
        json_pair(w, "nextAttempt", STR_NONE);
    json_close(w, '}');
    json_doc_free(doc);
}

static str endpoint_row_id(struct send_call *s, const void *row)
{
    UNUSED(s);
    return ((const struct delivery *)row)->destination;
}

void send_message_endpoints(struct send_call *s)
{
    struct send_page p;
    struct event e;
    struct delivery *all;
    struct reason why = {0};
    size_t count = 0, from, to;
    if (!send_find_message(s, &e) || !send_page_read(s, false, &p))
        return;
    enum err err = all_deliveries(s, e.id, &all, &count, &why);
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return;
    }
    for (from = 0; !p.back && p.iterator.n && from < count &&
                   str_cmp(all[from].destination, p.iterator) <= 0;)
        from++;
    to = from + p.limit < count ? from + p.limit : count;
    if (p.back) {
        for (to = 0; to < count && str_cmp(all[to].destination, p.iterator) < 0;)
            to++;
        from = to > p.limit ? to - p.limit : 0;
    }
    bool more = p.back ? from > 0 : to < count;
    p.back = false; /* they are in the list's own order here */
    send_page_answer(s, &p,
                     &(struct send_rows){.v = all + from,
                                         .size = sizeof(*all),
                                         .count = to - from,
                                         .more = more,
                                         .view = view_endpoint,
                                         .id = endpoint_row_id});
}

/* --- again ------------------------------------------------------------------------------------ */

void send_resend(struct send_call *s)
{
    struct event e;
    struct object o;
    struct reason why = {0};
    struct engine_core *core = send_api(s)->core;
    if (!send_find_message(s, &e) || !send_find_endpoint(s, &o))
        return;
    if (app_message_is_expired(&e, s->now_ms)) {
        send_error(s, 400, "missing_payload",
                   "Unable to resend message. Payload is missing (probably expired).");
        return;
    }
    struct endpoint *to = directory_endpoint(core->directory, o.id);
    bool disabled = !to || to->disabled;
    struct gate *gate = to ? to->gate : NULL;
    struct allowance *allowance = disabled ? NULL : allowance_ref(to->allowance);
    endpoint_unref(to);
    if (disabled) {
        send_error(s, 400, "endpoint_disabled",
                   "The endpoint is disabled; enable it before a message is sent to it again.");
        return;
    }
    const struct new_delivery d = {.id = id_next(&core->ids),
                                   .destination = o.id,
                                   .route = STR("resend"),
                                   .listed = true,
                                   .next_ms = s->now_ms};
    enum err err = store_add_delivery(core->store, e.id, &d, s->now_ms, &why);
    if (err == ERR_OK)
        allowance_move(allowance, 1);
    allowance_unref(allowance);
    if (err != ERR_OK) {
        send_failed(s, err, &why);
        return;
    }
    atomic_store(&gate->circuit_wish, CIRCUIT_WISH_HURRY);
    atomic_store(&gate->backlogged, true);
    dispatcher_endpoint_changed(core->dispatchers[gate->loop], gate);
    json_open(send_json(s), '{');
    json_close(send_json(s), '}');
    send_ok(s, 202);
}
