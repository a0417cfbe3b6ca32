/* tracer.c -- a bounded queue of spans, each a JSON text already, and a loop of its own that sends
 * them: one request under way at a time, tried again with growing pauses while the collector is
 * away or asks for it, then given up. */
#include "engine/tracer.h"

#include "base/codec.h"
#include "base/json.h"
#include "base/log.h"
#include "engine/metrics.h"

#include <pthread.h>
#include <time.h>

#define SPAN_BYTES_MAX 8192
#define QUEUE_BYTES_MAX (8u << 20)
#define TEXT_MAX 256 /* of one attribute */
#define TRIES_MAX 5
#define PAUSE_FIRST_MS 1000
#define PAUSE_MAX_MS 30000
#define FLUSH_S 3

struct queued {
    struct queued *next;
    size_t n;
    char bytes[];
};

struct tracer {
    const struct clock *clock;
    struct metrics *metrics;
    struct tracer_options options; /* its strings live in the arena */
    struct arena arena;
    pthread_mutex_t lock;
    pthread_cond_t idle;          /* told when nothing is queued or under way, while ending */
    struct queued *first, **last; /* these to `ending` under the lock */
    size_t count, bytes;
    bool woken;   /* something is on its way to be sent: `wake`, `delay` or a request */
    bool hurried; /* `hurry` is posted */
    bool ending;
    struct loop *loop; /* NULL until there is a span */
    struct loop_thread thread;
    struct http_client *client;
    const struct outbound_own *own;
    struct loop_msg wake, hurry;
    /* On the loop's thread: */
    struct loop_timer delay;
    struct http_call call;
    struct http_field fields[TRACER_FIELDS_MAX + 1];
    struct buf body;
    size_t sending; /* spans in the body; 0: no request */
    int tries;
};

/* --- a span as text --------------------------------------------------------------------------- */

void span_text(struct span *s, const char *key, str value)
{
    if (!value.n || s->count == SPAN_ATTRIBUTES_MAX)
        return;
    s->attributes[s->count].key = key;
    s->attributes[s->count++].text = str_slice(value, 0, TEXT_MAX);
}

void span_number(struct span *s, const char *key, int64_t value)
{
    if (s->count == SPAN_ATTRIBUTES_MAX)
        return;
    s->attributes[s->count].key = key;
    s->attributes[s->count].text = STR_NONE;
    s->attributes[s->count++].number = value;
}

static void write_id(struct json_writer *w, const char *key, const uint8_t *bytes, size_t n)
{
    char hex[32];
    hex_encode(bytes, n, hex);
    json_pair(w, key, str_of(hex, 2 * n));
}

/* 64-bit numbers are strings in the JSON of Protocol Buffers. */
static void write_number(struct json_writer *w, const char *key, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)v);
    json_pair(w, key, str_of(text, (size_t)n));
}

static void write_attributes(struct json_writer *w, const struct span *s)
{
    json_key(w, "attributes");
    json_open(w, '[');
    for (size_t i = 0; i < s->count; i++) {
        json_open(w, '{');
        json_pair(w, "key", str_from_cstr(s->attributes[i].key));
        json_key(w, "value");
        json_open(w, '{');
        if (s->attributes[i].text.p)
            json_pair(w, "stringValue", s->attributes[i].text);
        else
            write_number(w, "intValue", s->attributes[i].number);
        json_close(w, '}');
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void write_span(struct buf *out, const struct span *s)
{
    static const uint8_t none[8] = {0};
    struct json_writer w;
    json_writer_init(&w, out);
    json_open(&w, '{');
    write_id(&w, "traceId", s->context->trace_id, sizeof(s->context->trace_id));
    write_id(&w, "spanId", s->context->span_id, sizeof(s->context->span_id));
    if (s->state.n)
        json_pair(&w, "traceState", s->state);
    if (memcmp(s->parent->span_id, none, sizeof(none)) != 0)
        write_id(&w, "parentSpanId", s->parent->span_id, sizeof(s->parent->span_id));
    json_pair(&w, "name", str_slice(s->name, 0, TEXT_MAX));
    json_pair_int(&w, "kind", s->kind);
    write_number(&w, "startTimeUnixNano", s->start_ms * 1000000);
    write_number(&w, "endTimeUnixNano", s->start_ms * 1000000 + s->duration_us * 1000);
    write_attributes(&w, s);
    if (s->link) {
        json_key(&w, "links");
        json_open(&w, '[');
        json_open(&w, '{');
        write_id(&w, "traceId", s->link->trace_id, sizeof(s->link->trace_id));
        write_id(&w, "spanId", s->link->span_id, sizeof(s->link->span_id));
        json_close(&w, '}');
        json_close(&w, ']');
    }
    if (s->failed) {
        json_key(&w, "status");
        json_open(&w, '{');
        json_pair_int(&w, "code", 2); /* STATUS_CODE_ERROR */
        json_pair(&w, "message", str_slice(s->failure, 0, TEXT_MAX));
        json_close(&w, '}');
    }
    json_close(&w, '}');
}

/* --- sending, on the loop's thread ------------------------------------------------------------ */

static void send_some(struct tracer *t);

static void give_up(struct tracer *t, const char *why)
{
    uint64_t held = 0;
    METRIC_ADD(t->metrics, spans_dropped, t->sending);
    if (log_rate("spans", &held))
        log_event(LOG_WARN, "the collector of traces did not take spans",
                  LOG_I("spans", t->sending), LOG_F("reason", str_from_cstr(why)),
                  LOG_I("held", held));
    t->sending = 0;
}

static void on_delay(struct loop_timer *timer)
{
    struct tracer *t = CONTAINER_OF(timer, struct tracer, delay);
    if (t->sending)
        http_client_start(t->client, &t->call);
    else
        send_some(t);
}

/* What the collector says it left out of a batch it took. */
static int64_t count_refused(const struct http_answer *answer)
{
    int64_t n = 0;
    struct json_doc *doc = answer->body.n ? json_parse(answer->body, NULL) : NULL;
    const struct json *v = json_path(json_root(doc), STR("partialSuccess.rejectedSpans"));
    if (!json_i64(v, &n)) {
        str text = json_str(v);
        if (!text.p || !str_to_i64(text, &n))
            n = 0;
    }
    json_doc_free(doc);
    return n < 0 ? 0 : n;
}

static bool comes_back(const struct http_answer *a)
{
    if (a->class != HTTP_CALL_OK)
        return a->class != HTTP_CALL_BLOCKED && a->class != HTTP_CALL_INVALID;
    return a->status == 429 || a->status == 502 || a->status == 503 || a->status == 504;
}

static int64_t pause_of(const struct tracer *t, const struct http_answer *a)
{
    uint64_t seconds;
    int64_t ms = (int64_t)PAUSE_FIRST_MS << t->tries;
    if (str_to_u64(http_field_get(&a->fields, STR("Retry-After")), &seconds) && seconds > 0)
        ms = seconds > PAUSE_MAX_MS / 1000 ? PAUSE_MAX_MS : (int64_t)seconds * 1000;
    return ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : ms;
}

static void on_answer(struct http_call *call, const struct http_answer *answer)
{
    struct tracer *t = CONTAINER_OF(call, struct tracer, call);
    char why[320];
    if (answer->class == HTTP_CALL_CANCELLED)
        return;
    if (answer->class == HTTP_CALL_OK && answer->status / 100 == 2) {
        int64_t refused = count_refused(answer);
        if (refused > (int64_t)t->sending)
            refused = (int64_t)t->sending;
        METRIC_ADD(t->metrics, spans_exported, (int64_t)t->sending - refused);
        METRIC_ADD(t->metrics, spans_dropped, refused);
        t->sending = 0;
        send_some(t);
        return;
    }
    pthread_mutex_lock(&t->lock);
    bool again = comes_back(answer) && !t->ending;
    pthread_mutex_unlock(&t->lock);
    if (again && ++t->tries < TRIES_MAX) {
        loop_timer_start(t->loop, &t->delay, pause_of(t, answer), on_delay);
        return;
    }
    if (answer->class == HTTP_CALL_OK)
        snprintf(why, sizeof(why), "it answered HTTP %d", answer->status);
    else
        snprintf(why, sizeof(why), "%s", answer->error);
    give_up(t, why);
    send_some(t);
}

/* Moves a batch from the queue into the body. */
static size_t take_batch(struct tracer *t)
{
    size_t n = 0;
    buf_clear(&t->body);
    buf_printf(&t->body,
               "{\"resourceSpans\":[{\"resource\":{\"attributes\":" STR_FMT
               "},\"scopeSpans\":[{\"scope\":{\"name\":\"gaff\",\"version\":\"%s\"},\"spans\":[",
               STR_ARG(t->options.resource), t->options.version);
    while (t->first && n < t->options.batch_max) {
        struct queued *q = t->first;
        t->first = q->next;
        if (!t->first)
            t->last = &t->first;
        t->count--;
        t->bytes -= q->n;
        if (n++)
            buf_char(&t->body, ',');
        buf_append(&t->body, q->bytes, q->n);
        free(q);
    }
    buf_str_append(&t->body, STR("]}]}]}"));
    return n;
}

/* Until the queue is empty; then the next span begins a new delay. */
static void send_some(struct tracer *t)
{
    pthread_mutex_lock(&t->lock);
    size_t n = take_batch(t);
    if (n == 0) {
        t->woken = false;
        pthread_cond_signal(&t->idle);
    }
    pthread_mutex_unlock(&t->lock);
    if (n == 0)
        return;
    t->sending = n;
    t->tries = 0;
    t->call = (struct http_call){.method = STR("POST"),
                                 .url = t->options.url,
                                 .fields = t->fields,
                                 .field_count = t->options.field_count + 1,
                                 .body = buf_str(&t->body),
                                 .policy = OUTBOUND_PRIVATE,
                                 .timeout_ms = t->options.timeout_ms,
                                 .done = on_answer};
    http_client_start(t->client, &t->call);
}

static void on_wake(struct loop_msg *msg)
{
    struct tracer *t = CONTAINER_OF(msg, struct tracer, wake);
    loop_timer_start(t->loop, &t->delay, t->options.delay_ms, on_delay);
}

/* A batch is full, or the end has come, which also ends the pause between two tries. */
static void on_hurry(struct loop_msg *msg)
{
    struct tracer *t = CONTAINER_OF(msg, struct tracer, hurry);
    pthread_mutex_lock(&t->lock);
    bool now = t->delay.impl && (t->ending || !t->sending);
    t->hurried = false;
    pthread_mutex_unlock(&t->lock);
    if (!now)
        return;
    loop_timer_stop(&t->delay);
    on_delay(&t->delay);
}

/* Under the lock. */
static void hurry(struct tracer *t)
{
    if (!t->hurried)
        loop_post(t->loop, &t->hurry);
    t->hurried = true;
}

/* --- telling, on any thread ------------------------------------------------------------------- */

static void start_loop(struct tracer *t)
{
    struct http_client_options client = {
        .max_in_flight = 1, .own = t->own, .ca_file = t->options.ca_file};
    t->loop = loop_new(t->clock);
    t->client = http_client_new(t->loop, &client);
    loop_thread_start(&t->thread, t->loop, "gaff-traces");
}

void tracer_tell(struct tracer *t, const struct span *s)
{
    char room[SPAN_BYTES_MAX];
    struct buf text = buf_over(room, sizeof(room));
    if (!s->context->sampled)
        return;
    write_span(&text, s);
    struct queued *q = buf_ok(&text) ? malloc(sizeof(*q) + text.len) : NULL;
    if (q) {
        q->next = NULL;
        q->n = text.len;
        memcpy(q->bytes, text.p, text.len);
    }
    pthread_mutex_lock(&t->lock);
    bool room_left = q && t->count < t->options.queue_max &&
                     t->bytes + text.len <= QUEUE_BYTES_MAX && !t->ending;
    if (room_left) {
        *t->last = q;
        t->last = &q->next;
        t->count++;
        t->bytes += q->n;
        if (!t->loop)
            start_loop(t);
        if (!t->woken)
            loop_post(t->loop, &t->wake);
        t->woken = true;
        if (t->count == t->options.batch_max)
            hurry(t);
    }
    pthread_mutex_unlock(&t->lock);
    if (!room_left) {
        METRIC_ADD(t->metrics, spans_dropped, 1);
        free(q);
    }
}

/* --- life cycle ------------------------------------------------------------------------------- */

const struct trace_sampler *tracer_sampler(const struct tracer *t)
{
    return t ? &t->options.sampler : NULL;
}

struct tracer *tracer_new(const struct tracer_options *o, const struct clock *clock,
                          struct metrics *metrics, const struct outbound_own *own)
{
    struct tracer *t = xcalloc(1, sizeof(*t));
    t->clock = clock;
    t->metrics = metrics;
    t->own = own;
    t->options = *o;
    arena_init(&t->arena, 1u << 20);
    t->options.url = arena_str(&t->arena, o->url);
    t->options.resource = arena_str(&t->arena, o->resource);
    t->options.version = arena_cstr(&t->arena, str_from_cstr(o->version));
    t->options.ca_file = o->ca_file ? arena_cstr(&t->arena, str_from_cstr(o->ca_file)) : NULL;
    t->fields[0] = (struct http_field){STR("Content-Type"), STR("application/json")};
    for (size_t i = 0; i < o->field_count; i++)
        t->fields[i + 1] = (struct http_field){arena_str(&t->arena, o->fields[i].name),
                                               arena_str(&t->arena, o->fields[i].value)};
    assert(arena_ok(&t->arena));
    buf_init(&t->body, QUEUE_BYTES_MAX + (1u << 20));
    t->last = &t->first;
    t->wake.fn = on_wake;
    t->hurry.fn = on_hurry;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->idle, NULL);
    return t;
}

static void flush(struct tracer *t)
{
    struct timespec end;
    int64_t at_ms = clock_wall_ms(clock_real()) + FLUSH_S * 1000;
    end.tv_sec = at_ms / 1000;
    end.tv_nsec = at_ms % 1000 * 1000000;
    pthread_mutex_lock(&t->lock);
    t->ending = true;
    hurry(t);
    while (t->woken && pthread_cond_timedwait(&t->idle, &t->lock, &end) == 0) {
    }
    pthread_mutex_unlock(&t->lock);
    loop_stop(t->loop);
    loop_thread_join(&t->thread);
    http_client_free(t->client);
    loop_timer_stop(&t->delay);
    loop_free(t->loop);
}

void tracer_free(struct tracer *t)
{
    if (!t)
        return;
    if (t->loop)
        flush(t);
    for (struct queued *q = t->first, *next; q; q = next) {
        next = q->next;
        free(q);
    }
    buf_release(&t->body);
    arena_release(&t->arena);
    pthread_cond_destroy(&t->idle);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
