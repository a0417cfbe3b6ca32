/* template_fuzz.c -- any text as a template: it is refused with a reason, or it expands within its
 * bounds. The first byte says which references are absent. */
#include "base/template.h"

#define OUT_BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static str resolve(const struct template_part *ref, struct arena *a, void *arg)
{
    UNUSED(a);
    const uint8_t *absent = arg;
    assert(ref->kind == TEMPLATE_REF && ref->text.n > 0);
    if (ref->text.p[0] == (char)*absent)
        return STR_NONE;
    return ref->arg.p ? ref->arg : ref->text;
}

static bool known(str name, bool is_filter, void *arg)
{
    UNUSED(arg);
    return !is_filter && name.n < 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct template t;
    struct reason why = {.text = ""};
    struct buf out;
    uint8_t absent = size ? data[0] : 0;
    str text = size ? str_of((const char *)data + 1, size - 1) : STR("");
    arena_init(&arena, 16u << 20);
    buf_init(&out, OUT_BYTES_MAX);
    enum err e = template_compile(&t, &arena, text, absent & 1 ? known : NULL, NULL, &why);
    if (e == ERR_OK) {
        bool constant = template_is_constant(&t);
        e = template_expand(&t, &out, &arena, resolve, NULL, &absent, &why);
        assert(!constant || e == ERR_OK);
        assert(buf_str(&out).n <= OUT_BYTES_MAX);
    }
    assert(e == ERR_OK || why.text[0]);
    buf_release(&out);
    arena_release(&arena);
    return 0;
}
