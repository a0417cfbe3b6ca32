/* payload_fuzz.c -- bodies as hooks decode them: a line with the Content-Type, then the body, read
 * as JSON, a form, XML or multipart. Values must be text again; JSON made of them must be JSON that
 * says the same. */
#include "compat/hook_request.h"

static void check_text(const struct hook_request *q)
{
    struct reason why = {0};
    struct value again;
    str text = value_to_text(q->arena, &q->payload);
    if (q->payload.kind != VALUE_MAP || !text.p)
        return;
    struct json_doc *doc = json_parse_first(text, &why);
    assert(doc);
    if (value_from_json(q->arena, json_root(doc), &again)) {
        str same = value_to_text(q->arena, &again);
        /* Keys that differ in broken bytes alone look the same as text. */
        bool broken = str_find_str(text, STR("\\ufffd")) < text.n ||
                      str_find_str(text, STR("\xef\xbf\xbd")) < text.n;
        assert(!same.p || broken || str_eq(same, text));
    }
    json_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    str rest = str_of((const char *)data, n);
    str type = str_cut(&rest, '\n');
    if (!rest.p || n > 65536)
        return 0;
    struct hook_argument wanted = {.source = STR("payload"), .name = STR("f"), .envname = STR("")};
    struct hook h = {.content_type = STR(""), .json_parameters = {&wanted, 1}};
    struct http_field field = {STR("Content-Type"), type};
    struct http_request r = {.method = STR("POST"),
                             .peer = STR("::1"),
                             .peer_port = 9,
                             .query = STR(""),
                             .body = rest,
                             .fields = {&field, 1}};
    struct arena a;
    struct hook_request q;
    arena_init(&a, 64u << 20);
    if (hook_request_decode(&q, &a, STR(""), &r, &h) == HOOK_DECODED)
        check_text(&q);
    arena_release(&a);
    return 0;
}
