/* config_fuzz.c -- any text as gaff.yaml: it is accepted and can be described, or refused with at
 * least one problem, each with a text that is safe for a terminal. */
#include "engine/config.h"

static bool is_yaml(str text)
{
    struct arena a;
    arena_init(&a, 64u << 20);
    bool ok = yaml_parse(&a, STR("fuzz"), text, NULL) != NULL;
    arena_release(&a);
    return ok;
}

static void check_problems(const struct problems *p, bool refused)
{
    assert(refused == (p->errors > 0));
    for (size_t i = 0; i < p->count; i++) {
        const char *text = p->v[i].text;
        size_t n = strnlen(text, sizeof(p->v[i].text));
        assert(n > 0 && n < sizeof(p->v[i].text));
        for (size_t k = 0; k < n; k++)
            assert((unsigned char)text[k] >= ' ' && text[k] != 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_of((const char *)data, size);
    /* The presets are compiled for every snapshot: not for what the YAML reader refuses. */
    if (size > 65536 || !is_yaml(text))
        return 0;
    struct problems problems = {0};
    struct config *c = config_load("/nonexistent/gaff.yaml", &text, &problems);
    check_problems(&problems, c == NULL);
    if (c) {
        struct buf out;
        buf_init(&out, 8u << 20);
        config_describe(c, &out);
        buf_release(&out);
    }
    config_unref(c);
    problems_release(&problems);
    return 0;
}
