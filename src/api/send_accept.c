/* send_accept.c -- accepting messages, the hot path: what arrives during one turn of the loop is
 * planned at once and committed together at the turn's end; each is answered when its commit is on
 * disk. */
#include "api/send.h"

#include "base/log.h"

#define MESSAGE_ARENA_MAX (64u << 20) /* of the deliveries of one message */
#define ANSWER_MAX (64u << 20)
#define DAY_MS (24 * 3600 * INT64_C(1000))

struct waiting { /* in its exchange's arena, but for the plan */
    struct waiting *next;
    struct http_exchange *x;
    struct send_call call;
    struct api_call frame;
    struct app_message_plan plan;
    struct arena arena; /* of the plan */
    bool with_content, key_is_bound;
};

struct send_round {
    struct commit_ticket ticket;
    struct api *api;
    struct waiting *first, **last;
    struct send_round *next_free;
};

/* --- reading ---------------------------------------------------------------------------------- */

/* The application named by the path; with `application` in the body it is made when missing. */
static bool find_application(struct send_call *s)
{
    struct directory *d = send_api(s)->core->directory;
    str name = send_path(s, "app_id");
    if (directory_application(d, s->org, name, s->a, &s->app))
        return true;
    const struct json *given = json_get(s->body, STR("application"));
    str uid = json_str(json_get(given, STR("uid")));
    if (!given || json_kind_of(given) == JSON_NULL) {
        send_not_found(s, "Application");
        return false;
    }
    if (!uid.n || !str_eq(uid, name)) {
        send_fault(s, STR("body\0application\0uid\0"),
                   uid.n ? "application_uid_mismatch" : "application_uid_missing",
                   uid.n ? "Application UID in the path and body must match"
                         : "Application UID not set in body");
        return false;
    }
    return send_app_make(s, given) && directory_application(d, s->org, uid, s->a, &s->app);
}

/* The parsed body ends with this call, the message with its commit. */
static str kept_text(struct send_call *s, const struct json *v)
{
    str text = json_str(v);
    return text.p ? arena_str(s->a, text) : STR_NONE;
}

static bool read_payload(struct send_call *s, struct app_message *m)
{
    const struct json *raw = json_path(s->body, STR("transformationsParams.rawPayload"));
    const char *name = json_get(s->body, STR("payload")) ? "payload" : "data";
    const struct json *payload = json_get(s->body, str_from_cstr(name));
    if (!payload && !raw) {
        send_fault(s, STR("body\0payload\0"), "value_error.jsondecode", "missing field `payload`");
        return false;
    }
    if (payload && json_kind_of(payload) != JSON_OBJECT) {
        send_fault(s, STR("body\0payload\0"), "value_error", "Payload must be an object.");
        return false;
    }
    const struct json *headers = json_path(s->body, STR("transformationsParams.headers"));
    m->content_type = json_str(json_get(headers, STR("content-type")));
    m->payload = raw && json_kind_of(raw) == JSON_STRING
                     ? kept_text(s, raw)
                     : wire_member_text(s->c->x->req.body, str_from_cstr(name));
    return true;
}

static size_t read_words(const struct json *list, str *out, size_t max)
{
    struct json_iter it = {0};
    size_t n = 0;
    while (list && json_kind_of(list) == JSON_ARRAY && n < max && json_next(list, &it))
        out[n++] = json_str(it.value);
    return n;
}

static void read_times(struct send_call *s, struct app_message *m)
{
    int64_t days = 0, hours = 0;
    str at = json_str(json_get(s->body, STR("deliverAt")));
    if (at.p)
        (void)clock_parse(at, &m->deliver_at_ms);
    if (json_i64(json_get(s->body, STR("payloadRetentionHours")), &hours))
        m->expires_ms = s->now_ms + hours * 3600000;
    else if (json_i64(json_get(s->body, STR("payloadRetentionPeriod")), &days))
        m->expires_ms = s->now_ms + days * DAY_MS;
}

static bool read_message(struct send_call *s, struct app_message *m)
{
    str key = http_field_get(&s->c->x->req.fields, STR("idempotency-key"));
    *m = (struct app_message){
        .application = s->app.id,
        .event_type = kept_text(s, json_get(s->body, STR("eventType"))),
        .event_id = kept_text(s, json_get(s->body, STR("eventId"))),
        .peer = s->c->x->req.peer,
        .traceparent = http_field_get(&s->c->x->req.fields, STR("traceparent")),
        .tracestate = http_field_get(&s->c->x->req.fields, STR("tracestate"))};
    if (!read_payload(s, m))
        return false;
    m->channel_count =
        read_words(json_get(s->body, STR("channels")), m->channels, MESSAGE_CHANNELS_MAX);
    m->tag_count = read_words(json_get(s->body, STR("tags")), m->tags, MESSAGE_TAGS_MAX);
    read_times(s, m);
    if (key.n) {
        m->idempotency_scope = arena_printf(s->a, "\1idempotency\1" STR_FMT "\1" STR_FMT,
                                            STR_ARG(s->caller), STR_ARG(s->c->x->req.target));
        m->idempotency_key = key;
        m->idempotency_window_ms = SEND_IDEMPOTENCY_MS;
        str_fingerprint(s->c->x->req.body, m->fingerprint);
    }
    return true;
}

/* --- against the schema of its type ----------------------------------------------------------- */

static void add_fault(str place, const char *text, void *arg)
{
    char loc[1200] = "body\0payload";
    size_t n = sizeof("body\0payload");
    if (place.n <= sizeof(loc) - n) {
        memcpy(loc + n, place.p ? place.p : "", place.n);
        n += place.n;
    }
    wire_fault(arg, str_of(loc, n), "value_error", "%s", text);
}

/* What can't be decided is not accepted. */
static bool judge(struct send_call *s, const struct event_type *t, const struct json *payload)
{
    struct wire_faults f;
    struct reason why = {.text = "the schema of this event type can't be applied"};
    wire_faults_init(&f);
    if (!payload)
        why = (struct reason){.text = "the payload is no JSON, which its type asks for"};
    enum err err = t->schema && payload ? json_schema_check(t->schema, payload, add_fault, &f, &why)
                                        : ERR_INVALID;
    if (err != ERR_OK && (f.count == 0 || err == ERR_LIMIT))
        wire_fault(&f, STR("body\0payload\0"), "value_error", "%s", why.text);
    if (err != ERR_OK)
        send_unprocessable(s, &f);
    wire_faults_release(&f);
    return err == ERR_OK;
}

/* Answered 422 with every place that is wrong when its type asks for validation. */
static bool fits_its_type(struct send_call *s, const struct app_message *m)
{
    struct event_type *t =
        directory_event_type(send_api(s)->core->directory, s->org, m->event_type);
    if (!t)
        return true;
    struct json_doc *doc = json_parse(m->payload, NULL);
    bool good = judge(s, t, json_root(doc));
    json_doc_free(doc);
    event_type_unref(t);
    return good;
}

static void submit(struct send_call *s, struct waiting *wait)
{
    struct send_state *state = send_api(s)->send;
    struct send_round *r = state->current;
    wait->x = s->c->x;
    wait->call = *s;
    wait->frame = *s->c;
    wait->with_content = send_query_true(s, "with_content", true);
    wait->key_is_bound =
        !str_starts(http_field_get(&s->c->x->req.fields, STR("idempotency-key")), STR("auto_"));
    *r->last = wait;
    r->last = &wait->next;
    commit_ticket_add_event(&r->ticket, &wait->plan.event);
}

void send_message_create(struct send_call *s)
{
    struct app_message m;
    struct reason why = {0};
    struct engine_core *core = send_api(s)->core;
    struct waiting *wait = ARENA_NEW(s->a, struct waiting);
    if (send_api(s)->is_closing || atomic_load(&core->draining)) {
        http_reply_retry(s->c->x, 503, "draining", STR("The server is stopping."), 1);
        return;
    }
    if (!find_application(s))
        return;
    if (!wait || !read_message(s, &m) || !fits_its_type(s, &m) || !send_quota_take(s))
        return;
    arena_init(&wait->arena, MESSAGE_ARENA_MAX);
    enum err err = app_message_plan(core, &m, &wait->arena, &wait->plan, &why);
    if (err != ERR_OK) {
        arena_release(&wait->arena);
        send_failed(s, err, &why);
        return;
    }
    wait->plan.counted = true;
    submit(s, wait);
}

static void answer_repeat(struct send_call *s, const struct waiting *wait)
{
    const struct app_message_plan *p = &wait->plan;
    struct event first;
    struct reason why = {0};
    if (p->event.matched == p->uid_key) {
        send_error(s, 409, "conflict", "A message with this eventId already exists");
        return;
    }
    if (!p->event.same_hash && wait->key_is_bound) {
        send_error(s, 409, "idempotency_conflict",
                   "This idempotency key was used with another body; use a new key for a new "
                   "message.");
        return;
    }
    enum err err = store_load(send_api(s)->reader, p->event.duplicate_of, 0, s->a, &first, &why);
    if (err != ERR_OK) {
        send_failed(s, err == ERR_NOT_FOUND ? ERR_FULL : err, &why);
        return;
    }
    send_message_view(s, &first, wait->with_content);
    send_ok(s, 202);
}

/* wait ends with its exchange, which ends with the answer. */
static void answer(const struct waiting *wait, enum err err, const struct reason *why)
{
    struct api_call frame = wait->frame;
    struct send_call s = wait->call;
    s.c = &frame;
    buf_init(&frame.body, ANSWER_MAX);
    json_writer_init(&frame.json, &frame.body);
    if (err != ERR_OK) {
        send_failed(&s, err, why);
    } else if (wait->plan.event.duplicate_of) {
        answer_repeat(&s, wait);
    } else {
        send_message_view(&s, &wait->plan.event.event, wait->with_content);
        send_ok(&s, 202);
    }
    buf_release(&frame.body);
}

static void round_committed(struct commit_ticket *t)
{
    struct send_round *r = CONTAINER_OF(t, struct send_round, ticket);
    struct api *a = r->api;
    struct dispatch_offers offers;
    dispatch_offers_init(&offers, a->core);
    for (struct waiting *wait = r->first; wait; wait = wait->next)
        app_message_settle(a->core, &wait->plan, t->err, &offers);
    dispatch_offers_send(&offers);
    for (struct waiting *wait = r->first, *next; wait; wait = next) {
        struct arena plan = wait->arena;
        next = wait->next;
        answer(wait, t->err, &t->why);
        arena_release(&plan);
    }
    r->next_free = a->send->free_rounds;
    a->send->free_rounds = r;
    a->send->rounds_out--;
    if (a->is_closing && send_is_quiet(a))
        loop_stop(a->loop);
}

/* --- rounds ----------------------------------------------------------------------------------- */

static struct send_round *round_take(struct api *a)
{
    struct send_round *r = a->send->free_rounds;
    if (r)
        a->send->free_rounds = r->next_free;
    else
        r = xcalloc(1, sizeof(*r));
    r->api = a;
    r->first = NULL;
    r->last = &r->first;
    commit_ticket_init(&r->ticket, a->loop, round_committed);
    return r;
}

static void turn_end(struct loop_hook *hook)
{
    struct send_state *state = CONTAINER_OF(hook, struct send_state, hook);
    struct send_round *r = state->current;
    if (commit_ticket_is_empty(&r->ticket))
        return;
    state->current = round_take(r->api);
    state->rounds_out++;
    committer_submit(r->api->core->committer, &r->ticket, true);
}

bool send_rounds_open(struct api *a)
{
    a->send->current = round_take(a);
    a->send->hook.fn = turn_end;
    loop_at_turn_end(a->loop, &a->send->hook);
    return true;
}

bool send_is_quiet(const struct api *a)
{
    return a->send->rounds_out == 0 && commit_ticket_is_empty(&a->send->current->ticket);
}

void send_rounds_close(struct api *a)
{
    free(a->send->current);
    while (a->send->free_rounds) {
        struct send_round *next = a->send->free_rounds->next_free;
        free(a->send->free_rounds);
        a->send->free_rounds = next;
    }
}
