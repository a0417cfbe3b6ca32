/* targets_fixture_test.c -- every file of presets/targets against its own fixtures: the request it
 * makes of a configuration and an event, byte for byte, and what each answer comes to. Offline. A
 * target without fixtures, or without an answer of each outcome, fails. */
#include "unit.h"

#include "base/log.h"
#include "action/action_target.h"
#include "http/url.h"

#define NOW_MS 1763929451042 /* 2025-11-23T20:24:11.042Z */

struct bench {
    struct arena arena; /* of one fixture */
    struct target_table *targets;
    const struct target *target;
    struct problems problems;
    struct event event;
    struct delivery delivery;
    struct task task;
    const char *what; /* "slack: with a title", for messages */
    int missing;      /* fixtures without a request, whose request was printed */
};

static void bench_open(struct bench *b)
{
    *b = (struct bench){0};
    arena_init(&b->arena, 8u << 20);
    b->targets = target_table_new(NULL);
}

static void bench_close(struct bench *b)
{
    arena_release(&b->arena);
    target_table_free(b->targets);
    problems_release(&b->problems);
}

static void fail_with_problems(struct bench *b)
{
    for (size_t i = 0; i < b->problems.count; i++)
        fprintf(stderr, "%s\n", b->problems.v[i].text);
    FAIL("%s: %s", b->what, b->problems.count ? b->problems.v[0].text : "unreadable");
}

static str text_of(const struct yaml *map, const char *key, const char *otherwise)
{
    const struct yaml *node = yaml_get(map, str_from_cstr(key));
    return node && node->kind == YAML_SCALAR ? node->scalar : str_from_cstr(otherwise);
}

static const char default_body[] =
    "{\"ref\":\"refs/heads/main\",\"after\":\"9f2c1e7\",\"compare\":"
    "\"https://github.com/octo/app/compare/1...2\",\"pusher\":{\"name\":\"mona\"},"
    "\"repository\":{\"full_name\":\"octo/app\"},\"head_commit\":{\"message\":"
    "\"Say \\\"hi\\\" & <bye>\"}}";

static void set_event(struct bench *b, const struct yaml *event, const char *body)
{
    b->event =
        (struct event){.id = 0x1234567890abcd,
                       .received_ms = NOW_MS,
                       .source = text_of(event, "source", "github"),
                       .provider = text_of(event, "provider", "github"),
                       .type = text_of(event, "type", "push"),
                       .verdict = STR("verified"),
                       .target = STR("/in/github"),
                       .head = text_of(event, "head", "Content-Type: application/json\r\n"),
                       .body = body ? str_from_cstr(body) : text_of(event, "body", default_body)};
    b->delivery =
        (struct delivery){.id = 0x2234567890abcd, .event_id = b->event.id, .destination = STR("d")};
    b->task = (struct task){
        .event = &b->event, .delivery = &b->delivery, .arena = &b->arena, .now_ms = NOW_MS};
}

/* The last one, so that a file with several fixtures can be read again and again. */
static struct action_config *configure(struct bench *b, const struct yaml *fixture)
{
    struct action_config *c =
        action_target_read(b->target, &b->arena, yaml_get(fixture, STR("config")), &b->problems);
    if (!c || b->problems.errors)
        fail_with_problems(b);
    return c;
}

static str compact(struct bench *b, str json)
{
    struct reason why = {.text = ""};
    struct json_doc *doc = json_parse(json, &why);
    struct buf out;
    struct json_writer w;
    if (!doc)
        FAIL("%s: no JSON (%s): " STR_FMT, b->what, why.text, STR_ARG(json));
    buf_init(&out, 1u << 20);
    json_writer_init(&w, &out);
    json_value(&w, json_root(doc));
    str s = arena_str(&b->arena, buf_str(&out));
    buf_release(&out);
    json_doc_free(doc);
    return s;
}

static void expect_same(struct bench *b, const char *part, str have, str expected)
{
    if (!str_eq(have, expected))
        FAIL("%s: %s\n     is " STR_FMT "\n should " STR_FMT, b->what, part, STR_ARG(have),
             STR_ARG(expected));
}

static void check_headers(struct bench *b, const struct target_request *request,
                          const struct yaml *expected)
{
    const struct http_fields fields = {request->fields, request->field_count};
    for (const struct yaml *one = expected ? expected->first : NULL; one; one = one->next) {
        char part[128];
        (void)snprintf(part, sizeof(part), "header " STR_FMT, STR_ARG(one->key));
        expect_same(b, part, http_field_get(&fields, one->key), one->scalar);
    }
    EXPECT_EQ_INT(request->field_count, expected ? expected->count : 0);
}

static void check_request(struct bench *b, struct action_config *c, const struct yaml *expected)
{
    struct target_request request;
    struct reason why = {.text = ""};
    if (action_target_render(c, &b->task, &request, &why) != ERR_OK)
        FAIL("%s: %s", b->what, why.text);
    if (!expected) {
        fprintf(stderr, "%s\n", b->what);
        fprintf(stderr, "    request:\n      method: " STR_FMT "\n      url: " STR_FMT "\n",
                STR_ARG(request.method), STR_ARG(request.url));
        fprintf(stderr, "      headers:\n");
        for (size_t i = 0; i < request.field_count; i++)
            fprintf(stderr, "        " STR_FMT ": '" STR_FMT "'\n", STR_ARG(request.fields[i].name),
                    STR_ARG(request.fields[i].value));
        fprintf(stderr, "      body: '" STR_FMT "'\n", STR_ARG(request.body));
        b->missing++;
        return;
    }
    expect_same(b, "method", request.method, text_of(expected, "method", "POST"));
    expect_same(b, "url", request.url, text_of(expected, "url", ""));
    check_headers(b, &request, yaml_get(expected, STR("headers")));
    str body = text_of(expected, "body", "");
    bool is_json = body.n > 0 && (body.p[0] == '{' || body.p[0] == '[');
    expect_same(b, "body", is_json ? compact(b, request.body) : request.body,
                is_json ? compact(b, body) : body);
}

static void check_after(struct bench *b, const struct yaml *response, const struct outcome *o)
{
    int64_t after_ms = 0;
    EXPECT(read_duration(&b->problems, yaml_get(response, STR("after")), 0, 86400000, &after_ms));
    EXPECT_EQ_INT(o->not_before_ms, after_ms ? NOW_MS + after_ms : 0);
}

static enum attempt_result check_response(struct bench *b, const struct yaml *response)
{
    static const char *const words[] = {"success", "retry", "permanent", NULL};
    struct http_field fields[10];
    struct http_answer answer = {.class = HTTP_CALL_OK, .fields = {fields, 0}};
    const struct yaml *headers = yaml_get(response, STR("headers"));
    struct outcome o;
    int64_t status = 0;
    int word = -1;
    for (const struct yaml *one = headers ? headers->first : NULL; one; one = one->next)
        fields[answer.fields.count++] = (struct http_field){one->key, one->scalar};
    EXPECT(read_int(&b->problems, yaml_get(response, STR("status")), 100, 599, &status));
    EXPECT(read_enum(&b->problems, yaml_get(response, STR("outcome")), words, &word) && word >= 0);
    answer.status = (int)status;
    answer.body = text_of(response, "body", "");
    target_judge(b->target, &answer, NOW_MS, &b->arena, &o);
    if (o.result != (enum attempt_result)word)
        FAIL("%s: status %d, body " STR_FMT ": is %s, should be %s", b->what, answer.status,
             STR_ARG(answer.body), attempt_result_word(o.result), words[word]);
    check_after(b, response, &o);
    str id = text_of(response, "id", ""), link = text_of(response, "link", "");
    EXPECT(id.n == 0 || str_find_str(o.summary, id) < o.summary.n);
    EXPECT(link.n == 0 || str_find_str(o.summary, link) < o.summary.n);
    return o.result;
}

static const struct yaml *fixtures_of(struct bench *b, const char *id)
{
    b->what = id;
    b->target = target_find(b->targets, str_from_cstr(id), &b->problems);
    if (!b->target || b->problems.errors)
        fail_with_problems(b);
    const struct yaml *list = yaml_get(b->target->file, STR("fixtures"));
    if (!list || list->kind != YAML_LIST || list->count == 0)
        FAIL("%s: a target needs fixtures", id);
    return list;
}

static void check_target(struct bench *b, const char *id)
{
    static const char *const keys[] = {"name", "config", "event", "request", "responses", NULL};
    bool seen[3] = {false};
    const struct yaml *list = fixtures_of(b, id);
    if (!b->target->docs.n && b->target->kind != TARGET_QUEUE)
        FAIL("%s: docs is missing", id);
    for (const struct yaml *one = list->first; one; one = one->next) {
        char what[256];
        arena_reset(&b->arena);
        (void)snprintf(what, sizeof(what), "%s: " STR_FMT, id,
                       STR_ARG(text_of(one, "name", "fixture")));
        b->what = what;
        if (!read_keys(&b->problems, one, keys))
            fail_with_problems(b);
        set_event(b, yaml_get(one, STR("event")), NULL);
        check_request(b, configure(b, one), yaml_get(one, STR("request")));
        const struct yaml *responses = yaml_get(one, STR("responses"));
        for (const struct yaml *r = responses ? responses->first : NULL; r; r = r->next)
            seen[check_response(b, r)] = true;
    }
    if (!seen[ATTEMPT_SUCCESS] || !seen[ATTEMPT_PERMANENT])
        FAIL("%s: no answer that is success, or none that is permanent", id);
    if (!seen[ATTEMPT_RETRY] && (b->target->repeatable || b->target->retryable))
        FAIL("%s: no answer that is tried again", id);
}

void test_targets_fixture_requests_and_answers(void)
{
    struct bench b;
    bench_open(&b);
    for (size_t i = 0; i < target_count(b.targets); i++)
        check_target(&b, target_id_at(b.targets, i));
    EXPECT_EQ_INT(b.missing, 0);
    bench_close(&b);
}

/* --- what a payload may not do --------------------------------------------------------------- */

static const char *const hostile[] = {
    "x\\\",\\\"admin\\\":true,\\\"y\\\":\\\"", "a&b=c&token=1#?/../..//%2e%2e/",
    "line\\r\\nX-Injected: 1\\r\\n\\r\\nbody", "</script>{{ field:token }}{{{{ ${env:HOME}",
    "\\u0000nul \\u202e turned <!channel> @everyone"};

/* The shape of a JSON text: its structure and member names without its values. */
static void write_outline(struct buf *out, const struct json *v)
{
    struct json_iter it = {0};
    switch (json_kind_of(v)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        buf_char(out, json_kind_of(v) == JSON_OBJECT ? '{' : '[');
        while (json_next(v, &it)) {
            buf_str_append(out, it.key.p ? it.key : STR(""));
            write_outline(out, it.value);
        }
        buf_char(out, '.');
        break;
    default:
        buf_char(out, ',');
    }
}

static str outline(struct bench *b, const struct target_request *r)
{
    struct buf out;
    buf_init(&out, 1u << 20);
    if (r->body.n && (r->body.p[0] == '{' || r->body.p[0] == '[')) {
        struct json_doc *doc = json_parse(r->body, NULL);
        if (!doc)
            FAIL("%s: no JSON any more: " STR_FMT, b->what, STR_ARG(r->body));
        write_outline(&out, json_root(doc));
        json_doc_free(doc);
    } else if (b->target->form) {
        str rest = r->body;
        while (rest.p) {
            str pair = str_cut(&rest, '&');
            buf_str_append(&out, str_cut(&pair, '='));
            buf_char(&out, '&');
        }
    }
    size_t question = str_find(r->url, '?');
    str path = str_slice(r->url, 0, question);
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] == '/')
            buf_char(&out, '/');
    buf_printf(&out, "|%zu", r->field_count);
    str s = arena_str(&b->arena, buf_str(&out));
    buf_release(&out);
    return s;
}

static const char *push_of(struct bench *b, const char *text)
{
    return arena_printf(&b->arena,
                        "{\"ref\":\"%s\",\"after\":\"%s\",\"compare\":\"https://x.org/1\","
                        "\"pusher\":{\"name\":\"%s\"},\"repository\":{\"full_name\":\"%s\"},"
                        "\"head_commit\":{\"message\":\"%s\"}}",
                        text, text, text, text, text)
        .p;
}

static void expect_contained(struct bench *b, struct action_config *c, const char *text)
{
    struct target_request plain, other;
    struct reason why = {.text = ""};
    set_event(b, NULL, push_of(b, "plain"));
    if (action_target_render(c, &b->task, &plain, &why) != ERR_OK)
        return; /* a pattern of a field refuses the word */
    str expected = outline(b, &plain);
    set_event(b, NULL, push_of(b, text));
    if (action_target_render(c, &b->task, &other, &why) != ERR_OK) {
        EXPECT(why.text[0] != '\0'); /* refused: nothing is sent */
        return;
    }
    expect_same(b, "outline", outline(b, &other), expected);
    for (size_t i = 0; i < other.field_count; i++)
        EXPECT_OK(http_field_check(&other.fields[i], &why), why);
    struct http_url u;
    EXPECT_OK(http_url_parse(other.url, &u, &why), why);
    http_url_release(&u);
}

void test_targets_fixture_payloads_stay_in_their_place(void)
{
    struct bench b;
    bench_open(&b);
    for (size_t i = 0; i < target_count(b.targets); i++) {
        const struct yaml *list = fixtures_of(&b, target_id_at(b.targets, i));
        for (const struct yaml *one = list->first; one; one = one->next)
            for (size_t k = 0; k < ARRAY_LEN(hostile); k++) {
                arena_reset(&b.arena);
                set_event(&b, NULL, NULL);
                expect_contained(&b, configure(&b, one), hostile[k]);
            }
    }
    bench_close(&b);
}

/* The secrets of every fixture, and what the records of its attempt show of them. */
void test_targets_fixture_secrets_are_hidden(void)
{
    struct bench b;
    bench_open(&b);
    for (size_t i = 0; i < target_count(b.targets); i++) {
        const struct yaml *list = fixtures_of(&b, target_id_at(b.targets, i));
        for (const struct yaml *one = list->first; one; one = one->next) {
            const struct yaml *config = yaml_get(one, STR("config"));
            const struct target *t = b.target;
            str *values = ARENA_ARRAY(&b.arena, str, t->field_count + 1);
            struct buf text;
            buf_init(&text, 1u << 20);
            for (size_t f = 0; f < t->field_count; f++) {
                const struct yaml *node = yaml_get(config, t->fields[f].name);
                values[f] = node && node->kind == YAML_SCALAR ? node->scalar : STR_NONE;
                if (t->fields[f].secret)
                    buf_printf(&text, "<" STR_FMT ">", STR_ARG(values[f]));
            }
            target_redact(t, values, &text);
            for (size_t f = 0; f < t->field_count; f++)
                if (t->fields[f].secret && values[f].n &&
                    str_find_str(buf_str(&text), values[f]) < text.len)
                    FAIL("%s shows " STR_FMT ": " STR_FMT, b.what, STR_ARG(t->fields[f].name),
                         STR_ARG(buf_str(&text)));
            buf_release(&text);
        }
    }
    bench_close(&b);
}
