/* CloudEvents in HTTP: the three modes, what is none of them, and how attributes are written. */
#include "unit.h"

#include "http/cloudevent.h"

struct stage {
    struct arena arena;
    struct http_field fields[12];
    struct http_request req;
    struct cloudevent event;
};

static void begin(struct stage *s, const char *type, const char *body)
{
    *s = (struct stage){0};
    arena_init(&s->arena, 4u << 20);
    s->req = (struct http_request){
        .fields = {s->fields, 0}, .body = str_from_cstr(body), .arena = &s->arena};
    s->fields[s->req.fields.count++] =
        (struct http_field){STR("Content-Type"), str_from_cstr(type)};
}

static void field(struct stage *s, const char *name, const char *value)
{
    s->fields[s->req.fields.count++] =
        (struct http_field){str_from_cstr(name), str_from_cstr(value)};
}

static void end(struct stage *s)
{
    http_request_release(&s->req);
    arena_release(&s->arena);
}

static void begin_binary(struct stage *s)
{
    begin(s, "application/json", "{}");
    field(s, "ce-specversion", "1.0");
    field(s, "CE-Id", "e-1");
    field(s, "ce-source", "/orders");
    field(s, "ce-type", "order.paid");
}

void test_cloudevent_binary_mode_is_read(void)
{
    struct stage s;
    begin_binary(&s);
    EXPECT_EQ_INT(cloudevent_read(&s.req, &s.event), CLOUDEVENT_BINARY);
    EXPECT_EQ_STR(s.event.id, STR("e-1"));
    EXPECT_EQ_STR(s.event.source, STR("/orders"));
    EXPECT_EQ_STR(s.event.type, STR("order.paid"));
    end(&s);
}

/* "Euro € 😀" is the binding's own example. */
void test_cloudevent_header_values_are_decoded_once(void)
{
    static const struct {
        const char *sent, *is; /* NULL: no event */
    } cases[] = {{"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \xe2\x82\xac \xf0\x9f\x98\x80"},
                 {"%e2%82%ac", "\xe2\x82\xac"},
                 {"\"a b\"", "a b"},
                 {"\"a \\\"b\\\\\"", "a \"b\\"},
                 {"%2520", "%20"},
                 {"%41", "A"},
                 {"%C0%A0", NULL},
                 {"%4", NULL},
                 {"", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stage s;
        begin_binary(&s);
        s.fields[4].value = str_from_cstr(cases[i].sent);
        EXPECT_EQ_INT(cloudevent_read(&s.req, &s.event),
                      cases[i].is ? CLOUDEVENT_BINARY : CLOUDEVENT_NONE);
        if (cases[i].is)
            EXPECT_EQ_STR(s.event.type, str_from_cstr(cases[i].is));
        end(&s);
    }
}

void test_cloudevent_binary_needs_every_attribute_once(void)
{
    for (size_t i = 1; i < 5; i++) {
        struct stage s;
        begin_binary(&s);
        struct http_field kept = s.fields[i];
        s.fields[i].name = STR("x-other");
        EXPECT_EQ_INT(cloudevent_read(&s.req, &s.event), CLOUDEVENT_NONE);
        s.fields[i] = kept;
        s.fields[s.req.fields.count++] = kept;
        EXPECT_EQ_INT(cloudevent_read(&s.req, &s.event), CLOUDEVENT_NONE);
        end(&s);
    }
    struct stage s;
    begin_binary(&s);
    s.fields[1].value = STR("0.3");
    EXPECT_EQ_INT(cloudevent_read(&s.req, &s.event), CLOUDEVENT_NONE);
    end(&s);
}

#define EVENT(id) "{\"specversion\":\"1.0\",\"id\":\"" id "\",\"source\":\"/s\",\"type\":\"t\"}"

void test_cloudevent_structured_attributes_become_fields(void)
{
    struct stage s;
    begin(&s, "Application/CloudEvents+JSON; charset=UTF-8",
          "{\"specversion\":\"1.0\",\"id\":\"a b\",\"source\":\"/s\",\"type\":\"t\",\"n\":7,"
          "\"flag\":true,\"none\":null,\"obj\":{},\"Upper\":\"x\",\"datacontenttype\":\"a/b\","
          "\"data\":{\"id\":\"other\"},\"subject\":\"\xe2\x82\xac%\"}");
    field(&s, "CE-Id", "forged");
    field(&s, "ce-extra", "forged");
    field(&s, "X-Kept", "yes");
    EXPECT_EQ_INT(cloudevent_read(&s.req, &s.event), CLOUDEVENT_STRUCTURED);
    EXPECT_EQ_STR(s.event.id, STR("a b"));
    EXPECT_EQ_STR(http_field_get(&s.req.fields, STR("ce-id")), STR("a%20b"));
    EXPECT_EQ_INT(http_field_count(&s.req.fields, STR("ce-id")), 1);
    EXPECT_EQ_STR(http_field_get(&s.req.fields, STR("ce-n")), STR("7"));
    EXPECT_EQ_STR(http_field_get(&s.req.fields, STR("ce-flag")), STR("true"));
    EXPECT_EQ_STR(http_field_get(&s.req.fields, STR("ce-subject")), STR("%E2%82%AC%25"));
    EXPECT_EQ_STR(http_field_get(&s.req.fields, STR("X-Kept")), STR("yes"));
    static const char *const none[] = {
        "ce-extra", "ce-none", "ce-obj", "ce-upper", "ce-Upper", "ce-data", "ce-datacontenttype"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        EXPECT_EQ_INT(http_field_count(&s.req.fields, str_from_cstr(none[i])), 0);
    end(&s);
}

void test_cloudevent_that_lacks_something_is_none(void)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "7",
        "{}",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\"}",
        "{\"specversion\":\"1.0\",\"id\":1,\"source\":\"/s\",\"type\":\"t\"}",
        "{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/s\",\"type\":\"t\"}",
        "{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}",
        "[" EVENT("1") "]"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct stage s;
        begin(&s, "application/cloudevents+json", bodies[i]);
        EXPECT_EQ_INT(cloudevent_read(&s.req, &s.event), CLOUDEVENT_NONE);
        end(&s);
    }
    static const char *const batches[] = {"[]", "{}", "[7]", "[" EVENT("1") ",{}]", EVENT("1")};
    for (size_t i = 0; i < ARRAY_LEN(batches); i++) {
        struct stage s;
        begin(&s, "application/cloudevents-batch+json", batches[i]);
        EXPECT_EQ_INT(cloudevent_read(&s.req, &s.event), CLOUDEVENT_NONE);
        end(&s);
    }
}

void test_cloudevent_batch_is_split_byte_for_byte(void)
{
    struct stage s;
    struct cloudevent_item *items;
    size_t count;
    begin(&s, "application/cloudevents-batch+json; charset=utf-8",
          " [ " EVENT("1") " ,\n{\"specversion\":\"1.0\", \"id\":\"2\",\"source\":\"/s\","
                           "\"type\":\"u\", \"data\":[ 1, 2 ]} ] ");
    field(&s, "X-Kept", "yes");
    EXPECT_EQ_INT(cloudevent_read(&s.req, &s.event), CLOUDEVENT_BATCH);
    EXPECT(cloudevent_split(&s.req, &items, &count));
    EXPECT_EQ_INT(count, 2);
    EXPECT_EQ_STR(items[0].request.body, STR(EVENT("1")));
    EXPECT_EQ_STR(items[1].request.body,
                  STR("{\"specversion\":\"1.0\", \"id\":\"2\",\"source\":\"/s\","
                      "\"type\":\"u\", \"data\":[ 1, 2 ]}"));
    EXPECT_EQ_STR(items[1].event.id, STR("2"));
    EXPECT_EQ_STR(http_field_get(&items[1].request.fields, STR("ce-type")), STR("u"));
    EXPECT_EQ_STR(http_field_get(&items[0].request.fields, STR("content-type")),
                  STR("application/cloudevents+json"));
    EXPECT_EQ_STR(http_field_get(&items[0].request.fields, STR("x-kept")), STR("yes"));
    EXPECT_EQ_STR(json_str(json_get(http_request_json(&items[0].request), STR("id"))), STR("1"));
    for (size_t i = 0; i < count; i++)
        http_request_release(&items[i].request);
    end(&s);
}

void test_cloudevent_batch_is_bounded(void)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    buf_char(&b, '[');
    for (int i = 0; i < CLOUDEVENTS_BATCH_MAX; i++)
        buf_printf(&b, "%s" EVENT("%d"), i ? "," : "", i);
    struct stage s;
    buf_char(&b, ']');
    begin(&s, "application/cloudevents-batch+json", buf_cstr(&b));
    EXPECT_EQ_INT(cloudevent_read(&s.req, &s.event), CLOUDEVENT_BATCH);
    end(&s);
    b.len--;
    buf_printf(&b, "," EVENT("x") "]");
    begin(&s, "application/cloudevents-batch+json", buf_cstr(&b));
    EXPECT_EQ_INT(cloudevent_read(&s.req, &s.event), CLOUDEVENT_TOO_MANY);
    end(&s);
    buf_release(&b);
}
