/* send_message_test.c -- messages on the wire: what is made of one, which request is taken for a
 * repeat, how a payload ends, what a list chooses, who may see it, and where a 422 says the fault
 * is. */
#include "desk.h"

#include "base/ksuid.h"
#include "engine/app_message.h"
#include "verify/jwt.h"

#define CONFIG                                                                                     \
    STAGE_SOURCE "admin: { listen: \"127.0.0.1:0\" }\n"                                            \
                 "destinations:\n  one: { handler: { index: 0 } }\n"                               \
                 "routes:\n  - { from: app, to: [one] }\n"
#define HOUR_MS (3600 * INT64_C(1000))
#define DAY_MS (24 * HOUR_MS)
#define OTHER_ORG "org_25SVqQSCVpGZh5SmuV0A7X0E3rw"
#define MSG "/api/v1/app/a/msg"

/* --- asking ----------------------------------------------------------------------------------- */

static const struct json *ask(struct desk *d, const char *method, const char *target,
                              const char *fields, const char *body)
{
    char head[1024];
    snprintf(head, sizeof(head), "%s%sContent-Type: application/json\r\n",
             strstr(fields, "Authorization:") ? "" : AUTHORIZED, fields);
    ask_with(d, method, target, head, body);
    return json_root(d->doc);
}

static const struct json *make(struct desk *d, const char *target, const char *body)
{
    const struct json *v = ask(d, "POST", target, "", body);
    if (d->status / 100 != 2)
        FAIL("POST %s %s: %d %s", target, body, d->status, d->body);
    return v;
}

static void open_desk(struct desk *d)
{
    desk_open_with(d, CONFIG);
    make(d, "/api/v1/app", "{\"name\":\"A\",\"uid\":\"a\"}");
    make(d, "/api/v1/app", "{\"name\":\"B\",\"uid\":\"b\"}");
}

/* Of the answer to a POST; valid until the next but seven. */
static const char *id_of(const struct json *v)
{
    static char kept[8][64];
    static int next;
    char *out = kept[next++ % 8];
    snprintf(out, sizeof(kept[0]), STR_FMT, STR_ARG(at(v, "id")));
    EXPECT(strlen(out) > 4);
    return out;
}

static const char *send_one(struct desk *d, const char *body)
{
    return id_of(make(d, MSG, body));
}

static const char *path(const char *format, const char *id)
{
    static char out[8][256];
    static int next;
    char *p = out[next++ % 8];
    int n = snprintf(p, sizeof(out[0]), "/api/v1/app/");
    const char *mark = strchr(format, '*');
    snprintf(p + n, sizeof(out[0]) - (size_t)n, "%.*s%s%s", (int)(mark - format), format, id,
             mark + 1);
    return p;
}

static void expect_code(struct desk *d, int status, const char *code)
{
    if (d->status != status)
        FAIL("%d instead of %d: %s", d->status, status, d->body);
    EXPECT_EQ_STR(at(json_root(d->doc), "code"), str_from_cstr(code));
    EXPECT(at(json_root(d->doc), "detail").n > 3);
}

static uint64_t messages(struct desk *d)
{
    return stage_counts(&d->stage).events;
}

/* --- making ----------------------------------------------------------------------------------- */

void test_send_message_is_what_was_sent(void)
{
    struct desk d;
    open_desk(&d);
    /* The payload byte for byte, whatever a parser would make of it. */
    const struct json *v =
        make(&d, MSG,
             "{\"eventType\":\"user.made\",\"eventId\":\"e-1\",\"channels\":[\"c1\",\"c2\"],"
             "\"tags\":[\"t\"],\"payload\": {\"n\": 1.50,  \"s\":\"\\u00fc\",\"n\":2}}");
    EXPECT_EQ_INT(d.status, 202);
    EXPECT_HAS(d.body, "\"payload\":{\"n\": 1.50,  \"s\":\"\\u00fc\",\"n\":2}");
    const char *id = id_of(v);
    EXPECT(strncmp(id, "msg_", 4) == 0);
    EXPECT_STR(at(v, "eventType"), "user.made");
    EXPECT_STR(at(v, "eventId"), "e-1");
    EXPECT_STR(at(v, "channels.0"), "c1");
    EXPECT_STR(at(v, "channels.1"), "c2");
    EXPECT_EQ_INT(json_len(json_path(v, STR("channels"))), 2);
    EXPECT_STR(at(v, "tags.0"), "t");
    int64_t at_ms;
    EXPECT(clock_parse(at(v, "timestamp"), &at_ms));
    EXPECT_EQ_INT(at_ms, stage_clock_now(&d.stage.clock));
    char *made = strdup(d.body);
    ask(&d, "GET", path("a/msg/*", id), "", "");
    EXPECT_EQ_INT(d.status, 200);
    EXPECT_CSTR(d.body, made);
    ask(&d, "GET", path("a/msg/*", "e-1"), "", ""); /* by its eventId as well */
    EXPECT_EQ_INT(d.status, 200);
    EXPECT_CSTR(d.body, made);
    free(made);
    v = ask(&d, "GET", path("a/msg/*?with_content=false", id), "", "");
    EXPECT_HAS(d.body, "\"payload\":{}");
    EXPECT_STR(at(v, "eventId"), "e-1");
    desk_close(&d);
}

void test_send_message_without_more_has_nothing_else(void)
{
    struct desk d;
    open_desk(&d);
    make(&d, MSG "?with_content=false", "{\"eventType\":\"x\",\"data\":{\"old\":true}}");
    EXPECT_HAS(d.body, "\"eventId\":null");
    EXPECT_HAS(d.body, "\"channels\":null");
    EXPECT_HAS(d.body, "\"tags\":null");
    EXPECT_HAS(d.body, "\"payload\":{}");
    EXPECT(!strstr(d.body, "deliverAt"));
    const char *id = id_of(json_root(d.doc));
    ask(&d, "GET", path("a/msg/*", id), "", "");
    EXPECT_HAS(d.body, "\"payload\":{\"old\":true}"); /* the older name of payload */
    desk_close(&d);
}

void test_send_message_that_is_raw_is_shown_as_a_text(void)
{
    struct desk d;
    open_desk(&d);
    const struct json *v = make(&d, MSG,
                                "{\"eventType\":\"x\",\"payload\":{},\"transformationsParams\":"
                                "{\"rawPayload\":\"a,b\\n1,2\",\"headers\":"
                                "{\"content-type\":\"text/csv\"}}}");
    EXPECT_STR(at(v, "payload"), "a,b\n1,2");
    desk_close(&d);
}

void test_send_message_makes_its_application_when_it_says_so(void)
{
    struct desk d;
    open_desk(&d);
    static const char body[] = "{\"eventType\":\"x\",\"payload\":{},"
                               "\"application\":{\"name\":\"New\",\"uid\":\"new\"}}";
    make(&d, "/api/v1/app/new/msg", body);
    ask(&d, "GET", "/api/v1/app/new", "", "");
    EXPECT_EQ_INT(d.status, 200);
    EXPECT_STR(at(json_root(d.doc), "name"), "New");
    make(&d, "/api/v1/app/new/msg", body); /* it is there by now */
    EXPECT_EQ_UINT(messages(&d), 2);
    ask(&d, "POST", "/api/v1/app/nobody/msg", "", "{\"eventType\":\"x\",\"payload\":{}}");
    expect_code(&d, 404, "not_found");
    EXPECT_EQ_UINT(messages(&d), 2);
    desk_close(&d);
}

void test_send_message_says_when_it_is_due(void)
{
    struct desk d;
    open_desk(&d);
    make(&d, "/api/v1/app/a/endpoint", "{\"url\":\"http://127.0.0.1:9/\",\"uid\":\"e\"}");
    send_one(&d, "{\"eventType\":\"x\",\"payload\":{},\"deliverAt\":\"2030-01-01T00:00:00Z\"}");
    int64_t due_ms;
    EXPECT(clock_parse(at(json_root(d.doc), "deliverAt"), &due_ms));
    struct delivery_filter f = {.state = -1, .limit = 10};
    struct delivery_list l;
    struct reason why;
    struct arena a;
    arena_init(&a, 1u << 20);
    EXPECT_OK(store_deliveries(d.stage.reader, &f, &a, &l, &why), why);
    EXPECT_EQ_UINT(l.count, 1);
    EXPECT_EQ_INT(l.v[0].next_ms, due_ms);
    EXPECT_EQ_INT(due_ms, INT64_C(1893456000000));
    arena_release(&a);
    desk_close(&d);
}

/* --- repeats ---------------------------------------------------------------------------------- */

void test_send_message_has_an_event_id_of_its_own(void)
{
    static const char body[] = "{\"eventType\":\"x\",\"eventId\":\"once\",\"payload\":{}}";
    struct desk d;
    open_desk(&d);
    make(&d, MSG, body);
    ask(&d, "POST", MSG, "", body);
    expect_code(&d, 409, "conflict");
    make(&d, "/api/v1/app/b/msg", body); /* of each application */
    EXPECT_EQ_UINT(messages(&d), 2);
    stage_clock_advance(&d.stage.clock, MESSAGE_ID_WINDOW_MS + 1);
    make(&d, MSG, body);
    EXPECT_EQ_UINT(messages(&d), 3);
    desk_close(&d);
}

#define KEY "Idempotency-Key: k1\r\n"

void test_send_message_that_is_sent_again_is_the_first(void)
{
    static const char one[] = "{\"eventType\":\"x\",\"payload\":{\"n\":1}}";
    static const char two[] = "{\"eventType\":\"x\",\"payload\":{\"n\":2}}";
    struct desk d;
    open_desk(&d);
    const char *first = id_of(ask(&d, "POST", MSG, KEY, one));
    EXPECT_EQ_INT(d.status, 202);
    const char *again = id_of(ask(&d, "POST", MSG, KEY, one));
    EXPECT_EQ_INT(d.status, 202);
    EXPECT_CSTR(again, first);
    EXPECT_HAS(d.body, "{\"n\":1}");
    EXPECT_EQ_UINT(messages(&d), 1);
    ask(&d, "POST", MSG, KEY, two);
    expect_code(&d, 409, "idempotency_conflict");
    /* A key is of what is asked for: of another application it says nothing. */
    EXPECT(strcmp(id_of(ask(&d, "POST", "/api/v1/app/b/msg", KEY, two)), first) != 0);
    EXPECT_EQ_INT(d.status, 202);
    /* A fault is not kept: the same key put right goes through. */
    ask(&d, "POST", MSG, "Idempotency-Key: k2\r\n", "{\"payload\":{}}");
    EXPECT_EQ_INT(d.status, 422);
    ask(&d, "POST", MSG, "Idempotency-Key: k2\r\n", two);
    EXPECT_EQ_INT(d.status, 202);
    EXPECT_EQ_UINT(messages(&d), 3);
    stage_clock_advance(&d.stage.clock, MESSAGE_REQUEST_WINDOW_MS + 1);
    EXPECT(strcmp(id_of(ask(&d, "POST", MSG, KEY, two)), first) != 0);
    EXPECT_EQ_UINT(messages(&d), 4);
    desk_close(&d);
}

/* The packages make keys of this form by themselves: such a one never tells of another body. */
void test_send_message_with_a_key_that_a_package_made(void)
{
    struct desk d;
    open_desk(&d);
    static const char field[] = "Idempotency-Key: auto_1\r\n";
    const char *first =
        id_of(ask(&d, "POST", MSG, field, "{\"eventType\":\"x\",\"payload\":{\"n\":1}}"));
    const char *again =
        id_of(ask(&d, "POST", MSG, field, "{\"eventType\":\"x\",\"payload\":{\"n\":2}}"));
    EXPECT_EQ_INT(d.status, 202);
    EXPECT_CSTR(again, first);
    EXPECT_EQ_UINT(messages(&d), 1);
    desk_close(&d);
}

/* --- the end of a payload ----------------------------------------------------------------------
 */

#define EXPIRED "\"payload\":{\"expired\":true}"

void test_send_message_keeps_its_payload_as_long_as_it_says(void)
{
    static const struct {
        const char *more;
        int64_t kept_ms;
    } rows[] = {{"\"payloadRetentionHours\":1", HOUR_MS},
                {"\"payloadRetentionPeriod\":5", 5 * DAY_MS},
                {"\"payloadRetentionHours\":2,\"payloadRetentionPeriod\":90", 2 * HOUR_MS}};
    struct desk d;
    char body[200];
    open_desk(&d);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(body, sizeof(body), "{\"eventType\":\"x\",\"payload\":{\"p\":1},%s}",
                 rows[i].more);
        const char *id = send_one(&d, body);
        stage_clock_advance(&d.stage.clock, rows[i].kept_ms - 1);
        ask(&d, "GET", path("a/msg/*", id), "", "");
        EXPECT_HAS(d.body, "\"payload\":{\"p\":1}");
        stage_clock_advance(&d.stage.clock, 1);
        ask(&d, "GET", path("a/msg/*", id), "", "");
        EXPECT_EQ_INT(d.status, 200);
        EXPECT_HAS(d.body, EXPIRED);
        ask(&d, "GET", MSG "?limit=1", "", "");
        EXPECT_HAS(d.body, EXPIRED);
        EXPECT(!strstr(d.body, "\"p\":1"));
    }
    desk_close(&d);
}

static size_t body_bytes(struct desk *d, const char *id)
{
    struct event e;
    struct reason why;
    struct arena a;
    uint64_t number;
    arena_init(&a, 1u << 20);
    EXPECT(ksuid_parse(MESSAGE_PREFIX, str_from_cstr(id), &number));
    EXPECT_OK(store_load(d->stage.reader, number, 0, &a, &e, &why), why);
    arena_release(&a);
    return e.body.n;
}

void test_send_message_loses_its_content_when_it_is_told_to(void)
{
    struct desk d;
    open_desk(&d);
    const char *id = send_one(&d, "{\"eventType\":\"x\",\"eventId\":\"u1\",\"payload\":{\"p\":1}}");
    const char *other = send_one(&d, "{\"eventType\":\"x\",\"payload\":{\"p\":2}}");
    for (int i = 0; i < 2; i++) { /* and once more is no fault */
        ask(&d, "DELETE", path("a/msg/*/content", id), "", "");
        EXPECT_EQ_INT(d.status, 204);
        EXPECT_CSTR(d.body, "");
    }
    EXPECT_EQ_UINT(body_bytes(&d, id), 0);
    EXPECT_EQ_UINT(body_bytes(&d, other), 7);
    ask(&d, "GET", path("a/msg/*", id), "", "");
    EXPECT_HAS(d.body, EXPIRED);
    EXPECT_STR(at(json_root(d.doc), "eventId"), "u1");
    ask(&d, "DELETE", path("a/msg/*/content", "msg_none"), "", "");
    expect_code(&d, 404, "not_found");
    ask(&d, "DELETE", path("b/msg/*/content", other), "", "");
    expect_code(&d, 404, "not_found");
    EXPECT_EQ_UINT(body_bytes(&d, other), 7);
    desk_close(&d);
}

void test_send_message_contents_of_many_end_together(void)
{
    struct desk d;
    char body[300];
    open_desk(&d);
    const char *mine = send_one(&d, "{\"eventType\":\"x\",\"payload\":{\"p\":1}}");
    const char *named =
        send_one(&d, "{\"eventType\":\"x\",\"eventId\":\"u1\",\"payload\":{\"p\":1}}");
    const char *kept = send_one(&d, "{\"eventType\":\"x\",\"payload\":{\"p\":1}}");
    const char *theirs =
        id_of(make(&d, "/api/v1/app/b/msg", "{\"eventType\":\"x\",\"payload\":{\"p\":1}}"));
    snprintf(body, sizeof(body), "{\"ids\":[\"%s\",\"u1\",\"%s\",\"no-such\"]}", mine, theirs);
    const struct json *v = json_path(make(&d, MSG "/bulk-expunge", body), STR("results"));
    EXPECT_EQ_STR(json_str(json_get(v, str_from_cstr(mine))), STR("expunged"));
    EXPECT_EQ_STR(json_str(json_get(v, STR("u1"))), STR("expunged"));
    EXPECT_EQ_STR(json_str(json_get(v, str_from_cstr(theirs))), STR("not-found"));
    EXPECT_EQ_STR(json_str(json_get(v, STR("no-such"))), STR("not-found"));
    EXPECT_EQ_UINT(body_bytes(&d, mine) + body_bytes(&d, named), 0);
    EXPECT_EQ_UINT(body_bytes(&d, kept), 7);
    EXPECT_EQ_UINT(body_bytes(&d, theirs), 7);
    desk_close(&d);
}

void test_send_message_contents_of_all_end_by_a_job(void)
{
    struct desk d;
    const char *ids[3];
    open_desk(&d);
    const char *theirs =
        id_of(make(&d, "/api/v1/app/b/msg", "{\"eventType\":\"x\",\"payload\":{\"p\":1}}"));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = send_one(&d, "{\"eventType\":\"x\",\"payload\":{\"p\":1}}");
    const struct json *v = make(&d, MSG "/expunge-all-contents", "");
    EXPECT_EQ_INT(d.status, 202);
    EXPECT_STR(at(v, "task"), "application.purge_content");
    EXPECT_STR(at(v, "status"), "running");
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        STAGE_UNTIL(body_bytes(&d, ids[i]) == 0);
    EXPECT_EQ_UINT(body_bytes(&d, theirs), 7);
    EXPECT_EQ_UINT(messages(&d), 4); /* what they were stays */
    desk_close(&d);
}

/* --- lists ------------------------------------------------------------------------------------ */

/* The eventIds of a page, "c b a"; valid until the next. */
static const char *listed(struct desk *d, const char *query)
{
    static char out[512];
    char target[512];
    size_t n = 0;
    snprintf(target, sizeof(target), MSG "%s", query);
    const struct json *data = json_path(ask(d, "GET", target, "", ""), STR("data"));
    if (d->status != 200)
        FAIL("%s: %d %s", query, d->status, d->body);
    out[0] = '\0';
    for (size_t i = 0; i < json_len(data); i++)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%s" STR_FMT, i ? " " : "",
                              STR_ARG(at(json_at(data, i), "eventId")));
    return out;
}

/* Six messages, a minute apart from STAGE_START_MS on. */
static void send_six(struct desk *d)
{
    static const char *const more[] = {"\"x\"",
                                       "\"y\",\"channels\":[\"one\",\"two\"]",
                                       "\"x\",\"tags\":[\"red\"]",
                                       "\"z\",\"channels\":[\"two\"],\"tags\":[\"blue\",\"red\"]",
                                       "\"x.y\"",
                                       "\"y\",\"channels\":[\"one\"]"};
    char body[200];
    for (int i = 0; i < (int)ARRAY_LEN(more); i++) {
        snprintf(body, sizeof(body), "{\"eventId\":\"%c\",\"payload\":{\"p\":1},\"eventType\":%s}",
                 'a' + i, more[i]);
        make(d, MSG, body);
        stage_clock_advance(&d->stage.clock, 60000);
    }
    make(d, "/api/v1/app/b/msg", "{\"eventId\":\"other\",\"payload\":{},\"eventType\":\"x\"}");
}

void test_send_message_lists_choose(void)
{
    static const struct {
        const char *query, *found;
    } rows[] = {
        {"", "f e d c b a"},
        {"?event_types=x", "c a"},
        {"?event_types=x&event_types=z", "d c a"},
        {"?event_types=x,y", "f c b a"},
        {"?event_types=none", ""},
        {"?channel=two", "d b"},
        {"?channel=tw", ""},
        {"?tag=red", "d c"},
        {"?tag=red&channel=two", "d"},
        {"?tag=red&event_types=x", "c"},
        /* 2025-11-24T16:00:00Z is STAGE_START_MS; both bounds are exclusive. */
        {"?before=2025-11-24T16:02:00Z", "b a"},
        {"?after=2025-11-24T16:03:00Z", "f e"},
        {"?after=2025-11-24T16:01:00Z&before=2025-11-24T16:04:00Z", "d c"},
        {"?limit=2", "f e"},
    };
    struct desk d;
    open_desk(&d);
    EXPECT_CSTR(listed(&d, ""), "");
    send_six(&d);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *found = listed(&d, rows[i].query);
        if (strcmp(found, rows[i].found) != 0)
            FAIL("%s: \"%s\" instead of \"%s\"", rows[i].query, found, rows[i].found);
    }
    listed(&d, "?limit=1");
    EXPECT_HAS(d.body, "\"payload\":{\"p\":1}");
    listed(&d, "?limit=1&with_content=false");
    EXPECT_HAS(d.body, "\"payload\":{}");
    desk_close(&d);
}

void test_send_message_pages_go_forth_and_back(void)
{
    static const char *const forth[] = {"f e d c", "b a"};
    struct desk d;
    char query[200] = "?limit=4";
    open_desk(&d);
    send_six(&d);
    for (size_t i = 0; i < ARRAY_LEN(forth); i++) {
        EXPECT_CSTR(listed(&d, query), forth[i]);
        EXPECT(json_bool(json_path(json_root(d.doc), STR("done"))) == (i == 1));
        snprintf(query, sizeof(query), "?limit=4&iterator=" STR_FMT,
                 STR_ARG(at(json_root(d.doc), "iterator")));
    }
    snprintf(query, sizeof(query), "?limit=4&iterator=" STR_FMT,
             STR_ARG(at(json_root(d.doc), "prevIterator")));
    EXPECT_CSTR(listed(&d, query), forth[0]);
    /* What is chosen from fills its page. */
    EXPECT_CSTR(listed(&d, "?limit=1&tag=red"), "d");
    snprintf(query, sizeof(query), "?limit=1&tag=red&iterator=" STR_FMT,
             STR_ARG(at(json_root(d.doc), "iterator")));
    EXPECT_CSTR(listed(&d, query), "c");
    EXPECT(json_bool(json_path(json_root(d.doc), STR("done"))));
    desk_close(&d);
}

/* --- would it be sent? -------------------------------------------------------------------------
 */

static bool active(struct desk *d, const char *body)
{
    const struct json *v = make(d, MSG "/precheck/active", body);
    EXPECT_EQ_INT(d->status, 200);
    const struct json *is = json_path(v, STR("active"));
    EXPECT(is && json_kind_of(is) == JSON_BOOL);
    return json_bool(is);
}

void test_send_message_precheck_tells_whether_anybody_would_be_told(void)
{
    struct desk d;
    open_desk(&d);
    EXPECT(!active(&d, "{\"eventType\":\"x\"}"));
    make(&d, "/api/v1/event-type", "{\"name\":\"x\",\"description\":\"\"}");
    make(&d, "/api/v1/app/a/endpoint",
         "{\"url\":\"http://127.0.0.1:9/\",\"uid\":\"e\","
         "\"eventTypes\":[\"x\"],\"channels\":[\"one\"]}");
    EXPECT(active(&d, "{\"eventType\":\"x\",\"channels\":[\"two\",\"one\"]}"));
    EXPECT(!active(&d, "{\"eventType\":\"x\",\"channels\":[\"two\"]}"));
    EXPECT(!active(&d, "{\"eventType\":\"y\",\"channels\":[\"one\"]}"));
    EXPECT_EQ_UINT(messages(&d), 0); /* nothing was sent */
    ask(&d, "PATCH", "/api/v1/app/a/endpoint/e", "", "{\"disabled\":true}");
    EXPECT_EQ_INT(d.status, 200);
    EXPECT(!active(&d, "{\"eventType\":\"x\",\"channels\":[\"one\"]}"));
    ask(&d, "POST", MSG "/precheck/active", "", "{}");
    EXPECT_EQ_INT(d.status, 422);
    desk_close(&d);
}

/* --- what is refused ---------------------------------------------------------------------------
 */

/* "body.payload body.tags.[1]": the places of the faults of the last answer. */
static const char *places(struct desk *d)
{
    static char out[512];
    size_t n = 0;
    struct json_iter it = {0};
    out[0] = '\0';
    EXPECT_EQ_INT(d->status, 422);
    while (json_next(json_path(json_root(d->doc), STR("detail")), &it)) {
        struct json_iter part = {0};
        EXPECT(json_str(json_get(it.value, STR("msg"))).n > 3);
        EXPECT(str_starts(json_str(json_get(it.value, STR("type"))), STR("value_error")) ||
               str_starts(json_str(json_get(it.value, STR("type"))), STR("application_uid")));
        const char *between = n ? " " : "";
        for (; json_next(json_get(it.value, STR("loc")), &part); between = ".")
            n += (size_t)snprintf(out + n, sizeof(out) - n, "%s" STR_FMT, between,
                                  STR_ARG(json_str(part.value)));
    }
    return out;
}

void test_send_message_that_is_wrong_says_where(void)
{
#define GOOD "\"eventType\":\"x\",\"payload\":{}"
    static const struct {
        const char *body, *places;
    } rows[] = {
        {"no JSON", "body"},
        {"[]", "body"},
        {"{\"payload\":{}}", "body.eventType"},
        {"{\"eventType\":\"\",\"payload\":{}}", "body.eventType"},
        {"{\"eventType\":\"a b\",\"payload\":{}}", "body.eventType"},
        {"{\"eventType\":\"x\"}", "body.payload"},
        {"{\"eventType\":\"x\",\"payload\":\"text\"}", "body.payload"},
        {"{\"eventType\":\"x\",\"payload\":[]}", "body.payload"},
        {"{" GOOD ",\"eventId\":\"a b\"}", "body.eventId"},
        {"{" GOOD ",\"eventId\":5}", "body.eventId"},
        {"{" GOOD ",\"channels\":[]}", "body.channels"},
        {"{" GOOD ",\"channels\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"]}", "body.channels"},
        {"{" GOOD ",\"channels\":[\"a\",\"b c\"]}", "body.channels.[1]"},
        {"{" GOOD ",\"tags\":[\"a\",\"a,b\"]}", "body.tags.[1]"},
        {"{" GOOD ",\"payloadRetentionPeriod\":4}", "body.payloadRetentionPeriod"},
        {"{" GOOD ",\"payloadRetentionPeriod\":91}", "body.payloadRetentionPeriod"},
        {"{" GOOD ",\"payloadRetentionHours\":0}", "body.payloadRetentionHours"},
        {"{" GOOD ",\"deliverAt\":\"soon\"}", "body.deliverAt"},
        {"{\"eventType\":5,\"payload\":{},\"tags\":\"t\"}", "body.eventType body.tags"},
    };
    struct desk d;
    open_desk(&d);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(&d, "POST", MSG, "", rows[i].body);
        const char *found = d.status == 422 ? places(&d) : d.body;
        if (strcmp(found, rows[i].places) != 0)
            FAIL("%s: \"%s\" instead of \"%s\"", rows[i].body, found, rows[i].places);
    }
    ask(&d, "POST", "/api/v1/app/new/msg", "", "{" GOOD ",\"application\":{\"name\":\"n\"}}");
    EXPECT_CSTR(places(&d), "body.application.uid");
    ask(&d, "POST", "/api/v1/app/new/msg", "",
        "{" GOOD ",\"application\":{\"name\":\"n\",\"uid\":\"old\"}}");
    EXPECT_CSTR(places(&d), "body.application.uid");
    ask(&d, "GET", MSG "?limit=0", "", "");
    EXPECT_CSTR(places(&d), "query.limit");
    ask(&d, "GET", MSG "?limit=251", "", "");
    EXPECT_CSTR(places(&d), "query.limit");
    ask(&d, "GET", MSG "?iterator=ep_1", "", "");
    EXPECT_CSTR(places(&d), "query.iterator");
    ask(&d, "GET", MSG "?before=yesterday", "", "");
    expect_code(&d, 400, "generic_error");
    EXPECT_EQ_UINT(messages(&d), 0);
    desk_close(&d);
#undef GOOD
}

/* A token of an organisation, or of one of its applications. */
static const char *token_of(struct desk *d, const char *claims)
{
    static char field[1024];
    struct reason why = {0};
    struct buf b, token;
    struct jwt_key *key = jwt_key_new(JWT_KIND_HS256, STR(JWT_SECRET), &why);
    long long now_s = stage_clock_now(&d->stage.clock) / 1000;
    EXPECT(key);
    buf_init(&b, 1024);
    buf_init(&token, 1024);
    buf_printf(&b, "{%s,\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld}", claims, now_s, now_s,
               now_s + 3600);
    EXPECT_OK(jwt_sign(key, buf_str(&b), &token, &why), why);
    snprintf(field, sizeof(field), "Authorization: Bearer " STR_FMT "\r\n",
             STR_ARG(buf_str(&token)));
    buf_release(&b);
    buf_release(&token);
    jwt_key_free(key);
    return field;
}

void test_send_message_of_others_is_not_there(void)
{
    struct desk d;
    open_desk(&d);
    const char *id = send_one(&d, "{\"eventType\":\"x\",\"eventId\":\"u\",\"payload\":{}}");
    /* Of another application of the same organisation. */
    ask(&d, "GET", path("b/msg/*", id), "", "");
    expect_code(&d, 404, "not_found");
    ask(&d, "GET", path("b/msg/*", "u"), "", "");
    expect_code(&d, 404, "not_found");
    /* Of another organisation, which does not see the application either, by whatever name. */
    const char *theirs = token_of(&d, "\"sub\":\"" OTHER_ORG "\"");
    ask(&d, "GET", path("a/msg/*", id), theirs, "");
    expect_code(&d, 404, "not_found");
    ask(&d, "GET", MSG, theirs, "");
    expect_code(&d, 404, "not_found");
    ask(&d, "POST", MSG, theirs, "{\"eventType\":\"x\",\"payload\":{}}");
    expect_code(&d, 404, "not_found");
    ask(&d, "DELETE", path("a/msg/*/content", id), theirs, "");
    expect_code(&d, 404, "not_found");
    ask(&d, "POST", MSG "/precheck/active", theirs, "{\"eventType\":\"x\"}");
    expect_code(&d, 404, "not_found");
    /* Its own of the same uid is another one. */
    ask(&d, "POST", "/api/v1/app", theirs, "{\"name\":\"Theirs\",\"uid\":\"a\"}");
    EXPECT_EQ_INT(d.status, 201);
    ask(&d, "GET", MSG, theirs, "");
    EXPECT_EQ_INT(d.status, 200);
    EXPECT_EQ_UINT(json_len(json_path(json_root(d.doc), STR("data"))), 0);
    ask(&d, "GET", path("a/msg/*", id), theirs, "");
    expect_code(&d, 404, "not_found");
    ask(&d, "GET", path("a/msg/*", id), "", "");
    EXPECT_EQ_INT(d.status, 200);
    EXPECT_EQ_UINT(messages(&d), 1);
    desk_close(&d);
}

void test_send_message_is_read_by_its_application_and_made_by_its_organisation(void)
{
    struct desk d;
    char claims[300], a[64];
    open_desk(&d);
    const char *id = send_one(&d, "{\"eventType\":\"x\",\"payload\":{}}");
    snprintf(a, sizeof(a), "%s", id_of(ask(&d, "GET", "/api/v1/app/a", "", "")));
    snprintf(claims, sizeof(claims), "\"sub\":\"%s\",\"org\":\"" DEFAULT_ORG "\"", a);
    const char *app = token_of(&d, claims);
    ask(&d, "GET", path("a/msg/*", id), app, "");
    EXPECT_EQ_INT(d.status, 200);
    ask(&d, "GET", MSG, app, "");
    EXPECT_EQ_INT(d.status, 200);
    ask(&d, "GET", "/api/v1/app/b/msg", app, "");
    expect_code(&d, 404, "not_found");
    ask(&d, "POST", MSG, app, "{\"eventType\":\"x\",\"payload\":{}}");
    EXPECT_EQ_INT(d.status, 403);
    ask(&d, "DELETE", path("a/msg/*/content", id), app, "");
    EXPECT_EQ_INT(d.status, 403);
    ask(&d, "GET", MSG, "Authorization: Bearer nonsense\r\n", "");
    EXPECT_EQ_INT(d.status, 401);
    EXPECT_EQ_UINT(messages(&d), 1);
    desk_close(&d);
}
