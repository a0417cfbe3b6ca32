/* form_fuzz.c -- form bodies: a line with the name asked for, a line with the Content-Type, then
 * the body. What is found must lie in the body or the arena, and be the same when asked again. */
#include "http/form.h"
#include "http/message.h"

static bool lies_in(str s, str whole)
{
    return s.p >= whole.p && s.p + s.n <= whole.p + whole.n;
}

static void check_multipart(str body, str type, str name)
{
    str boundary = media_param(type, STR("boundary"));
    str value = form_multipart_get(body, boundary, name);
    if (!value.p)
        return;
    assert(lies_in(value, body) && boundary.n > 0 && boundary.n <= FORM_BOUNDARY_MAX);
    char delimiter[FORM_BOUNDARY_MAX + 4] = "\r\n--";
    memcpy(delimiter + 4, boundary.p, boundary.n);
    assert(str_find_str(value, str_of(delimiter, boundary.n + 4)) == value.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    str rest = str_of((const char *)data, n);
    str name = str_cut(&rest, '\n');
    str type = rest.p ? str_cut(&rest, '\n') : STR_NONE;
    if (!rest.p)
        return 0;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct http_field field = {STR("Content-Type"), type};
    struct http_request r = {.fields = {&field, 1}, .body = rest, .query = rest, .arena = &arena};
    str form = http_request_form(&r, name), query = http_request_query(&r, name);
    str again = http_request_form(&r, name);
    assert((form.p != NULL) == (again.p != NULL));
    if (form.p)
        assert(str_eq(form, again));
    assert(!query.p || query.n <= rest.n);
    check_multipart(rest, type, name);
    (void)http_request_json(&r);
    http_request_release(&r);
    arena_release(&arena);
    return 0;
}
