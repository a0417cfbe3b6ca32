/* path_fuzz.c -- path lookup and conditions on arbitrary JSON. Input: the kind of test (a byte),
 * the path, the value wanted, and the body, each on a line of its own but the last. */
#include "rule/match.h"

struct input {
    unsigned test;
    str path, wanted, body;
};

static struct yaml scalar(str key, str text)
{
    return (struct yaml){.kind = YAML_SCALAR,
                         .key = key,
                         .scalar = text,
                         .quoted = true,
                         .file = STR("fuzz"),
                         .line = 1,
                         .column = 1};
}

static struct yaml map(str key, struct yaml *only)
{
    return (struct yaml){.kind = YAML_MAP,
                         .key = key,
                         .first = only,
                         .count = 1,
                         .file = STR("fuzz"),
                         .line = 1,
                         .column = 1};
}

/* json: { PATH: { TEST: WANTED } }, under `not` when negated. */
static const struct match *compile(struct arena *a, const struct input *in, bool negated)
{
    static const char *const tests[] = {"equals", "glob",  "prefix", "suffix",   "exists",
                                        "above",  "below", "regex",  "at_least", "at_most"};
    struct problems problems = {0};
    struct yaml value = scalar(str_from_cstr(tests[in->test % ARRAY_LEN(tests)]), in->wanted);
    struct yaml condition = map(in->path, &value);
    struct yaml json = map(STR("json"), &condition);
    struct yaml plain = map(STR_NONE, &json);
    struct yaml not = map(STR("not"), &json);
    struct yaml outer = map(STR_NONE, &not );
    const struct match *m = match_compile(a, negated ? &outer : &plain, &problems);
    assert((m != NULL) == (problems.errors == 0));
    problems_release(&problems);
    return m;
}

static bool eval(struct arena *a, const struct input *in, const struct match *m)
{
    struct http_request r = {.method = STR("POST"), .body = in->body, .arena = a};
    struct facts f = {.request = &r, .event_type = STR("push"), .source = STR("fuzz")};
    struct buf why;
    buf_init(&why, 8192);
    bool yes = match_eval(m, &f, &why);
    assert(yes == (why.len == 0) || !buf_ok(&why));
    assert(yes == match_eval(m, &f, NULL));
    buf_clear(&why);
    match_describe(m, &why);
    buf_release(&why);
    http_request_release(&r);
    return yes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct input in = {.test = data[0]};
    str rest = str_of((const char *)data + 1, size - 1);
    in.path = str_cut(&rest, '\n');
    in.wanted = str_cut(&rest, '\n');
    in.body = rest.p ? rest : STR("");
    struct arena a;
    arena_init(&a, 64u << 20);
    const struct match *plain = compile(&a, &in, false);
    const struct match *negated = compile(&a, &in, true);
    assert(!plain == !negated);
    if (plain) {
        bool yes = eval(&a, &in, plain);
        /* A thing and its contrary never both hold; about a missing field neither does. */
        assert(!(yes && eval(&a, &in, negated)));
    }
    arena_release(&a);
    return 0;
}
