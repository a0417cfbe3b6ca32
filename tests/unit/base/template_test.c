/* The template notation: what expands to what, and what is refused. */
#include "unit.h"

#include "base/template.h"

static str resolve(const struct template_part *ref, struct arena *a, void *arg)
{
    UNUSED(a);
    UNUSED(arg);
    if (str_eq(ref->text, STR("body")))
        return STR("<b>'x'</b>");
    if (str_eq(ref->text, STR("header")) && str_eq(ref->arg, STR("X-Id")))
        return STR("Seven");
    if (str_eq(ref->text, STR(".")))
        return ref->arg.p ? ref->arg : STR("root");
    return STR_NONE;
}

static str reverse(str name, str in, struct arena *a, void *arg)
{
    UNUSED(arg);
    char *out = arena_alloc(a, in.n + 1);
    for (size_t i = 0; i < in.n; i++)
        out[i] = in.p[in.n - 1 - i];
    return str_eq(name, STR("reverse")) ? str_of(out, in.n) : STR_NONE;
}

static bool known(str name, bool is_filter, void *arg)
{
    UNUSED(arg);
    return is_filter ? str_eq(name, STR("reverse"))
                     : str_eq(name, STR("body")) || str_eq(name, STR("."));
}

static enum err expand(const char *text, size_t max, struct buf *out, struct reason *why)
{
    struct arena a;
    struct template t;
    arena_init(&a, 1u << 16);
    buf_init(out, max);
    enum err e = template_compile(&t, &a, str_from_cstr(text), NULL, NULL, why);
    if (e == ERR_OK)
        e = template_expand(&t, out, &a, resolve, reverse, NULL, why);
    arena_release(&a);
    return e;
}

static void expect_expands(const char *text, const char *expected)
{
    struct buf out;
    struct reason why;
    if (expand(text, 1024, &out, &why) != ERR_OK)
        FAIL("%s: %s", text, why.text);
    EXPECT_EQ_STR(buf_str(&out), str_from_cstr(expected));
    buf_release(&out);
}

static void expect_refuses(const char *text, enum err code, const char *part)
{
    struct buf out;
    struct reason why = {.text = ""};
    enum err e = expand(text, 64, &out, &why);
    if (e != code)
        FAIL("%s: %s, not %s", text, err_name(e), err_name(code));
    EXPECT_HAS(why.text, part);
    buf_release(&out);
}

void test_template_expands_text_and_references(void)
{
    expect_expands("", "");
    expect_expands("plain", "plain");
    expect_expands("{ {x} }} }", "{ {x} }} }");
    expect_expands("{{ header:X-Id }}", "Seven");
    expect_expands("a{{header:X-Id}}b{{\theader:X-Id\n}}c", "aSevenbSevenc");
    expect_expands("{{ .repository.name }}", "repository.name");
    expect_expands("{{ . }}", "root");
    expect_expands("{{ .a\\|b\\ c }}", "a\\|b\\ c");
}

void test_template_writes_literal_braces(void)
{
    expect_expands("{{{{", "{{");
    expect_expands("{{{{ body }}", "{{ body }}");
    expect_expands("a {{{{x}} {{ header:X-Id }} {{{{", "a {{x}} Seven {{");
}

void test_template_takes_absence_as_asked(void)
{
    expect_expands("[{{ header:X-None? }}]", "[]");
    expect_expands("[{{ header:X-None? | json }}]", "[\"\"]");
    expect_refuses("[{{ header:X-None }}]", ERR_NOT_FOUND, "header:X-None");
    expect_expands("{{ .a? }}", "a");
    expect_expands("{{ .a\\? }}", "a\\?");
}

void test_template_applies_filters_in_order(void)
{
    expect_expands("{{ header:X-Id | lower }}", "seven");
    expect_expands("{{ header:X-Id | hex | upper }}", "536576656E");
    expect_expands("{{ header:X-Id | base64 }}", "U2V2ZW4=");
    expect_expands("{{ header:X-Id | base64url }}", "U2V2ZW4");
    expect_expands("{{ body | url }}", "%3Cb%3E%27x%27%3C%2Fb%3E");
    expect_expands("{{ body | json }}", "\"<b>'x'<\\/b>\"");
    expect_expands("{{ body | shell }}", "'<b>'\\''x'\\''</b>'");
}

void test_template_filters_for_messages(void)
{
    expect_expands("{{ body | html }}", "&lt;b&gt;'x'&lt;/b&gt;");
    expect_expands("{{ .a\x01z | line }}", "a z");
    expect_expands("{{ .12345 | trunc:5 }}", "12345");
    expect_expands("{{ .12345 | trunc:3 }}", "12\xe2\x80\xa6");
    expect_expands("{{ .\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f | trunc:2 }}", "\xc3\xa4\xe2\x80\xa6");
    expect_expands("{{ .{\"a\":[1,2]} | json_value }}", "{\"a\":[1,2]}");
    expect_expands("{{ .17 | json_value }}", "17");
    expect_expands("{{ .17\",\"b\":\"2 | json_value }}", "\"17\\\",\\\"b\\\":\\\"2\"");
    expect_expands("{{ .a/b&c | path }}", "a/b%26c");
    expect_expands("{{ .refs/heads/fix/x | branch }}", "fix/x");
    expect_expands("{{ .refs/tags/v1 | branch }}", "v1");
    expect_expands("{{ .main | branch }}", "main");
    expect_refuses("{{ body | trunc }}", ERR_INVALID, "unknown filter \"trunc\"");
    expect_refuses("{{ body | trunc:x }}", ERR_INVALID, "unknown filter \"trunc:x\"");
    expect_refuses("{{ body | json:1 }}", ERR_INVALID, "unknown filter \"json:1\"");
}

void test_template_refuses_what_it_cannot_read(void)
{
    expect_refuses("{{ body", ERR_INVALID, "without }}");
    expect_refuses("{{ }}", ERR_INVALID, "empty reference");
    expect_refuses("{{ ? }}", ERR_INVALID, "no reference");
    expect_refuses("{{ header: }}", ERR_INVALID, "after the colon");
    expect_refuses("{{ bo!dy }}", ERR_INVALID, "no reference");
    expect_refuses("{{ body more }}", ERR_INVALID, "unexpected \"more\"");
    expect_refuses("{{ body | }}", ERR_INVALID, "filter's name is missing");
    expect_refuses("{{ body | nonsense }}", ERR_INVALID, "nonsense");
    expect_refuses("{{ body|hex|hex|hex|hex|hex }}", ERR_INVALID, "more than 4 filters");
}

void test_template_stops_at_the_buffer_s_end(void)
{
    expect_refuses("{{ body }}{{ body }}{{ body }}{{ body }}{{ body }}{{ body }}{{ body }}",
                   ERR_LIMIT, "64 bytes");
}

void test_template_asks_what_is_known(void)
{
    struct arena a;
    struct template t;
    struct reason why;
    struct buf out;
    arena_init(&a, 4096);
    buf_init(&out, 64);
    EXPECT_OK(template_compile(&t, &a, STR("{{ .abc|upper|reverse }}"), known, NULL, &why), why);
    EXPECT_OK(template_expand(&t, &out, &a, resolve, reverse, NULL, &why), why);
    EXPECT_STR(buf_str(&out), "CBA");
    EXPECT(template_expand(&t, &out, &a, resolve, NULL, NULL, &why) == ERR_INVALID);
    buf_release(&out);
    EXPECT(template_compile(&t, &a, STR("{{ bdy }}"), known, NULL, &why) == ERR_INVALID);
    EXPECT_HAS(why.text, "unknown reference {{ bdy }}");
    EXPECT(template_compile(&t, &a, STR("{{ body | rev }}"), known, NULL, &why) == ERR_INVALID);
    EXPECT_HAS(why.text, "unknown filter \"rev\"");
    arena_release(&a);
}

void test_template_outlives_its_text(void)
{
    struct arena a;
    struct template t;
    struct reason why;
    struct buf out;
    char text[] = "x{{ header:X-Id | lower }}";
    arena_init(&a, 4096);
    buf_init(&out, 64);
    EXPECT_OK(template_compile(&t, &a, str_from_cstr(text), NULL, NULL, &why), why);
    memset(text, '#', sizeof(text));
    EXPECT_OK(template_expand(&t, &out, &a, resolve, NULL, NULL, &why), why);
    EXPECT_STR(buf_str(&out), "xseven");
    buf_release(&out);
    arena_release(&a);
}

void test_template_tells_what_it_holds(void)
{
    struct arena a;
    struct template t;
    struct reason why;
    arena_init(&a, 4096);
    EXPECT_OK(template_compile(&t, &a, STR("only text {{{{"), NULL, NULL, &why), why);
    EXPECT(template_is_constant(&t));
    EXPECT_OK(template_compile(&t, &a, STR("{{ ts }}.{{ .body }}"), NULL, NULL, &why), why);
    EXPECT(!template_is_constant(&t));
    EXPECT(template_mentions(&t, STR("ts")));
    EXPECT(template_mentions(&t, STR(".")));
    EXPECT(!template_mentions(&t, STR("body")));
    arena_release(&a);
}

void test_template_is_bounded(void)
{
    static char text[TEMPLATE_BYTES_MAX + 2];
    struct arena a;
    struct template t;
    struct reason why;
    memset(text, 'x', sizeof(text) - 1);
    arena_init(&a, 4u << 20);
    EXPECT(template_compile(&t, &a, str_from_cstr(text), NULL, NULL, &why) == ERR_LIMIT);
    memset(text, '{', TEMPLATE_BYTES_MAX);
    text[TEMPLATE_BYTES_MAX] = '\0';
    struct arena small;
    arena_init(&small, 4096);
    EXPECT(template_compile(&t, &small, str_from_cstr(text), NULL, NULL, &why) == ERR_LIMIT);
    arena_release(&small);
    arena_release(&a);
}
