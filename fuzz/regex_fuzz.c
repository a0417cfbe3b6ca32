/* regex_fuzz.c -- patterns: as PCRE2 has them, and in RE2's syntax rewritten for it. A pattern is
 * refused with a reason or it searches any bytes to an end, the same each time. Input: the pattern
 * on a line of its own, then the subject. */
#include "rule/re2.h"
#include "rule/regex.h"

static void search(struct arena *a, str pattern, str subject)
{
    struct reason why = {.text = ""};
    const struct regex *r = regex_compile(a, pattern, &why);
    assert(r || why.text[0]);
    if (!r)
        return;
    enum regex_verdict v = regex_search(r, subject);
    assert(v == REGEX_NO || v == REGEX_YES || v == REGEX_UNDECIDED);
    assert(v == regex_search(r, subject));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str subject = str_of((const char *)data, size);
    str pattern = str_cut(&subject, '\n');
    struct reason why = {.text = ""};
    struct arena a;
    struct buf out;
    if (!subject.p)
        subject = STR("");
    arena_init(&a, 4u << 20);
    buf_init(&out, 1u << 20);
    search(&a, pattern, subject);
    if (re2_translate(pattern, &out, &why)) {
        if (buf_ok(&out))
            search(&a, buf_str(&out), subject);
    } else {
        assert(why.text[0]);
    }
    buf_release(&out);
    arena_release(&a);
    return 0;
}
