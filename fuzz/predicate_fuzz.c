/* predicate_fuzz.c -- conditions over what a service answered: refused with a reason, or total on
 * any answer and the same when asked again. Input: the condition on a line of its own, a header
 * field's value on another, then the answer's body. */
#include "rule/predicate.h"

static bool ask(const struct predicate *p, int status, str field, str body, struct arena *a,
                str *text)
{
    struct http_field v[] = {{STR("Retry-After"), field}};
    const struct http_fields fields = {v, 1};
    struct answer_view view = {.status = status, .fields = &fields, .body = body};
    bool yes = predicate_holds(p, &view);
    str said = predicate_text(p, &view, a);
    *text = said.p ? arena_str(a, said) : STR_NONE;
    answer_view_release(&view);
    return yes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 404, 429, 0};
    struct reason why = {.text = ""};
    struct arena a;
    str rest = str_of((const char *)data, size);
    str condition = str_cut(&rest, '\n');
    str field = rest.p ? str_cut(&rest, '\n') : STR("");
    str body = rest.p ? rest : STR("");
    arena_init(&a, 16u << 20);
    struct predicate *p = predicate_compile(&a, condition, &why);
    assert(p || why.text[0]);
    for (size_t i = 0; p && i < ARRAY_LEN(statuses); i++) {
        str one, other;
        bool yes = ask(p, statuses[i], field, body, &a, &one);
        assert(yes == ask(p, statuses[i], field, body, &a, &other));
        assert(!one.p == !other.p && (!one.p || str_eq(one, other)));
        assert(!yes || !one.p); /* what is true has no text */
    }
    arena_release(&a);
    return 0;
}
