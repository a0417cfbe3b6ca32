/* target_fuzz.c -- a target's file, its pattern and its conditions: whatever the bytes, reading
 * ends, reports or gives a target, and judging an answer by it ends too. */
#include "action/target_call.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void judge(const struct target *t, struct arena *a)
{
    static const int statuses[] = {200, 429, 404};
    static struct http_field fields[] = {{{"Retry-After", 11}, {"7", 1}}};
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        const struct http_answer answer = {.class = HTTP_CALL_OK,
                                           .status = statuses[i],
                                           .fields = {fields, 1},
                                           .body = STR("{\"ok\":true,\"id\":[1,{\"a\":null}]}")};
        struct outcome o;
        target_judge(t, &answer, 1763929451042, a, &o);
        assert(o.result <= ATTEMPT_PERMANENT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena a;
    struct problems p = {0};
    struct reason why;
    arena_init(&a, 16u << 20);
    str text = str_of((const char *)bytes, n);
    const struct yaml *file = yaml_parse(&a, STR("fuzz"), text, &why);
    const struct yaml *id = yaml_get(file, STR("id"));
    const struct target *t = file && file->kind == YAML_MAP
                                 ? target_read(&a, file, id ? id->scalar : STR(""), &p)
                                 : NULL;
    assert(!t || p.errors == 0);
    if (t)
        judge(t, &a);
    for (size_t i = 0; t && i < t->field_count; i++)
        (void)target_field_refuses(&t->fields[i], text);
    problems_release(&p);
    arena_release(&a);
    return 0;
}
