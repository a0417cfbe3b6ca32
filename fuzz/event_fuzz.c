/* event_fuzz.c -- a stored event as commands, workers and log files are told it: one line of JSON
 * whatever a sender wrote, each field once, nothing of what carries credentials. Input, ended by
 * NUL bytes: the request target, the head's lines; the rest is the body. */
#include "action/event_text.h"

#include "base/codec.h"

static void check_body(const struct json *root, const struct event *e, bool as_data)
{
    str text = json_str(json_get(root, STR("body")));
    if (json_get(root, STR("data"))) {
        struct json_doc *doc = json_parse(e->body, NULL);
        assert(as_data && doc);
        json_doc_free(doc);
    } else if (text.p) {
        assert(utf8_valid(e->body) && str_eq(text, e->body));
    } else {
        assert(!utf8_valid(e->body) && json_str(json_get(root, STR("body_base64"))).n > 0);
    }
}

static void check_headers(const struct json *headers, const struct event *e, bool hidden)
{
    struct json_iter it = {0}, other;
    while (json_next(headers, &it)) {
        /* Cut, or with bytes that were no UTF-8: not what the sender's name is. */
        if (it.key.n >= 256 || str_find_str(it.key, STR("\xef\xbf\xbd")) < it.key.n)
            continue;
        assert(event_field(e, it.key).p);
        other = it;
        while (json_next(headers, &other))
            assert(!str_eq(it.key, other.key));
        if (hidden && str_find_str(it.key, STR("authorization")) < it.key.n)
            assert(str_eq(json_str(it.value), STR("[hidden]")));
    }
}

static void write(const struct event *e, bool hidden, bool as_data)
{
    struct buf out;
    struct json_writer w;
    struct reason why = {.text = ""};
    buf_init(&out, event_text_max(e));
    json_writer_init(&w, &out);
    json_open(&w, '{');
    event_write_origin(&w, e);
    event_write_headers(&w, e, hidden);
    event_write_body(&w, e, as_data);
    json_close(&w, '}');
    str text = buf_str(&out);
    assert(buf_ok(&out) && str_find(text, '\n') == text.n && str_find(text, '\r') == text.n);
    struct json_doc *doc = json_parse(text, &why);
    assert(doc || str_find_str(str_from_cstr(why.text), STR("deep")) < sizeof(why.text));
    if (doc) {
        check_body(json_root(doc), e, as_data);
        check_headers(json_get(json_root(doc), STR("headers")), e, hidden);
    }
    json_doc_free(doc);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    str rest = str_of((const char *)data, size);
    if (size > 32768)
        return 0;
    struct event e = {.source = STR("in"), .type = STR("push"), .received_ms = 1763929451042};
    e.target = str_cut(&rest, '\0');
    e.head = rest.p ? str_cut(&rest, '\0') : STR("");
    e.body = rest.p ? rest : STR("");
    arena_init(&a, 1u << 20);
    str value = event_query(&e, &a, STR("a"));
    assert(!value.p || value.n <= e.target.n);
    for (unsigned i = 0; i < 4; i++)
        write(&e, i & 1, i & 2);
    arena_release(&a);
    return 0;
}
