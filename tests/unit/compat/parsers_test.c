/* XML, multipart, templates, paths, sniffing, base64: small readers. */
#include "compat/go_path.h"
#include "compat/go_template.h"
#include "compat/hook_command.h"
#include "compat/multipart.h"
#include "compat/sniff.h"
#include "compat/xml.h"
#include "unit.h"

static str xml(struct arena *a, const char *text)
{
    struct value v;
    struct reason why = {0};
    enum err err = xml_parse(a, str_from_cstr(text), &v, &why);
    if (err == ERR_NOT_FOUND)
        SKIP("%s", why.text);
    return err == ERR_OK ? value_to_text(a, &v) : STR_NONE;
}

void test_xml_follows_the_conventions_of_maps(void)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    EXPECT_STR(xml(&a, "<a/>"), "{\"a\":\"\"}");
    EXPECT_STR(xml(&a, "<a> t </a>"), "{\"a\":\"t\"}");
    EXPECT_STR(xml(&a, "<n:a id='1'>t</n:a>"), "{\"a\":{\"#text\":\"t\",\"-id\":\"1\"}}");
    EXPECT_STR(xml(&a, "<a><b>1</b><c/><b>2</b></a>"), "{\"a\":{\"b\":[\"1\",\"2\"],\"c\":\"\"}}");
    EXPECT_STR(xml(&a, "<a>t<b/></a>"), "{\"a\":\"t\"}");
    EXPECT_STR(xml(&a, "<a/>garbage <"), "{\"a\":\"\"}");
    EXPECT_NONE(xml(&a, "<a><b></a>"));
    EXPECT_NONE(xml(&a, "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"));
    arena_release(&a);
}

void test_xml_depth_is_bounded(void)
{
    struct arena a;
    struct buf text;
    arena_init(&a, 16u << 20);
    buf_init(&text, 1u << 20);
    for (int i = 0; i < 600; i++)
        buf_str_append(&text, STR("<a>"));
    for (int i = 0; i < 600; i++)
        buf_str_append(&text, STR("</a>"));
    EXPECT_NONE(xml(&a, buf_cstr(&text)));
    buf_release(&text);
    arena_release(&a);
}

void test_multipart_gives_named_parts_in_order(void)
{
    struct multipart m;
    struct multipart_part p;
    struct reason why = {.code = ERR_OK};
    str body = STR("pre\r\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
                   "--b\r\nX: y\r\n\r\nunnamed\r\n"
                   "--b\r\nContent-Disposition: form-data; name=f; filename=\"d/x.json\"\r\n"
                   "Content-Type: application/json\r\n\r\n{}\r\n--b--\r\n");
    EXPECT(multipart_init(&m, STR("multipart/form-data; boundary=b"), body));
    EXPECT(multipart_next(&m, &p, &why));
    EXPECT_STR(p.name, "a");
    EXPECT_STR(p.content, "1");
    EXPECT(multipart_next(&m, &p, &why));
    EXPECT_STR(p.filename, "x.json");
    EXPECT(p.json);
    EXPECT(!multipart_next(&m, &p, &why));
    EXPECT_EQ_INT(why.code, ERR_OK);
}

void test_multipart_without_its_end_is_refused(void)
{
    struct multipart m;
    struct multipart_part p;
    struct reason why = {.code = ERR_OK};
    EXPECT(multipart_init(&m, STR("multipart/form-data; boundary=b"),
                          STR("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n")));
    EXPECT(!multipart_next(&m, &p, &why));
    EXPECT_EQ_INT(why.code, ERR_INVALID);
    EXPECT(!multipart_init(&m, STR("multipart/form-data"), STR("")));
}

static str expand(struct arena *a, const char *text, struct reason *why)
{
    struct buf out;
    buf_init(&out, 65536);
    enum err err = go_template_expand(a, STR("hooks.json"), str_from_cstr(text), &out, why);
    str s = err == ERR_OK ? arena_str(a, buf_str(&out)) : STR_NONE;
    buf_release(&out);
    return s;
}

void test_go_template_expands(void)
{
    struct arena a;
    struct reason why = {0};
    arena_init(&a, 1u << 20);
    setenv("GO_X", "it's <\"x\">", 1);
    EXPECT_STR(expand(&a, "a{{ getenv \"GO_X\" | js }}b", &why),
               "ait\\'s \\u003C\\\"x\\\"\\u003Eb");
    EXPECT_STR(expand(&a, "{{ if getenv \"NONE\" }}1{{ else if true }}2{{ else }}3{{ end }}", &why),
               "2");
    EXPECT_STR(expand(&a, "x {{- /* note */ -}} y", &why), "xy");
    EXPECT_STR(expand(&a, "{{ $v := `}}` }}{{ printf \"%s-%d\" $v 5 }}", &why), "}}-5");
    arena_release(&a);
}

void test_go_template_names_the_line_of_a_mistake(void)
{
    struct arena a;
    struct reason why = {0};
    arena_init(&a, 1u << 20);
    EXPECT_NONE(expand(&a, "one\ntwo {{ exec \"x\" }}", &why));
    EXPECT_HAS(why.text, "template: hooks.json:2: function not defined");
    why = (struct reason){0};
    EXPECT_NONE(expand(&a, "{{ if false }}{{ nope }}{{ end }}", &why));
    EXPECT_HAS(why.text, "nope");
    EXPECT_NONE(expand(&a, "{{ if true }}", &why));
    arena_release(&a);
}

void test_path_clean_is_lexical(void)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    EXPECT_STR(path_clean(&a, STR("/a//b/./c/../d")), "/a/b/d");
    EXPECT_STR(path_clean(&a, STR("/../..")), "/");
    EXPECT_STR(path_clean(&a, STR("../a/..")), "..");
    EXPECT_STR(path_clean(&a, STR("")), ".");
    EXPECT_STR(path_join(&a, STR("/srv/"), STR("./run")), "/srv/run");
    arena_release(&a);
}

void test_sniff_knows_types_by_their_first_bytes(void)
{
    EXPECT_STR(content_sniff(STR(" <html>")), "text/html; charset=utf-8");
    EXPECT_STR(content_sniff(STR("<htmlx>")), "text/plain; charset=utf-8");
    EXPECT_STR(content_sniff(STR("{\"a\":1}")), "text/plain; charset=utf-8");
    EXPECT_STR(content_sniff(STR("\x89PNG\r\n\x1a\n")), "image/png");
    EXPECT_STR(content_sniff(STR("a\0b")), "application/octet-stream");
}

void test_base64_gives_what_came_before_the_break(void)
{
    struct arena a;
    str out;
    arena_init(&a, 1u << 20);
    EXPECT(base64_decode_prefix(&a, STR("aGVs\nbG8="), &out));
    EXPECT_STR(out, "hello");
    EXPECT(!base64_decode_prefix(&a, STR("aGVs!!!!"), &out));
    EXPECT_STR(out, "hel");
    EXPECT(!base64_decode_prefix(&a, STR("aGVsbG8"), &out));
    EXPECT_STR(out, "hel");
    arena_release(&a);
}
