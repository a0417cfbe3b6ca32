/* gotemplate_fuzz.c -- -template files: any text. Without an action it comes back as it was;
 * otherwise expansion ends, within its maximum, or says what is wrong with a line. */
#include "compat/go_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    str text = str_of((const char *)data, n);
    struct reason why = {0};
    struct arena a;
    struct buf out;
    /* Functions that read files are for the unit tests: a fuzzer must not open what it finds. */
    if (n > 65536 || str_find_str(text, STR("cat")) < n ||
        str_find_str(text, STR("credential")) < n)
        return 0;
    arena_init(&a, 64u << 20);
    buf_init(&out, 1u << 20);
    enum err err = go_template_expand(&a, STR("f"), text, &out, &why);
    assert((err == ERR_OK) == !why.text[0]);
    if (err == ERR_OK && str_find_str(text, STR("{{")) == n)
        assert(str_eq(buf_str(&out), text));
    buf_release(&out);
    arena_release(&a);
    return 0;
}
