/* json_scan_fuzz.c -- where the parts of a JSON text stand, beside what the parser makes of it: the
 * same members in the same order with the same values; compacted and sorted texts mean the same.
 * Of what is no JSON, nothing outside is read. */
#include "base/json.h"
#include "base/json_scan.h"

#define DEPTH_MAX 40

/* The scanner's bytes of a value say what the parser says. */
static void compare(struct arena *a, const struct json *v, str bytes, unsigned depth)
{
    enum json_kind kind = json_kind_of(v);
    struct json_scan it = json_scan_of(bytes);
    struct json_iter parsed = {0};
    str key, value;
    size_t count = 0;
    if (kind == JSON_STRING) {
        str text = json_scan_text(a, bytes);
        assert(!arena_ok(a) || (text.p && str_eq(text, json_str(v))));
    }
    if ((kind != JSON_OBJECT && kind != JSON_ARRAY) || depth > DEPTH_MAX)
        return;
    assert(it.is_object == (kind == JSON_OBJECT) && !it.failed);
    while (json_scan_next(&it, &key, &value)) {
        assert(json_next(v, &parsed));
        count++;
        if (key.p) {
            str text = json_scan_text(a, str_of(key.p - 1, key.n + 2));
            assert(!arena_ok(a) || (text.p && str_eq(text, parsed.key)));
        }
        compare(a, parsed.value, value, depth + 1);
    }
    assert(!it.failed && count == json_len(v));
}

static void means_the_same(struct arena *a, const struct json *root, str text)
{
    struct json_doc *d = json_parse(text, NULL);
    assert(d);
    compare(a, root, json_scan_value(text), 0);
    json_doc_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct buf out;
    str rest = str_of((const char *)data, size);
    str path = str_cut(&rest, '\n'), text = rest.p ? rest : STR("");
    arena_init(&a, 16u << 20);
    buf_init(&out, text.n + 1);
    struct json_doc *d = json_parse(text, NULL);
    str value = json_scan_value(text), at = json_scan_path(&a, text, path);
    assert(!value.p || (value.p >= text.p && value.p + value.n <= text.p + text.n));
    assert(!at.p || (at.p >= text.p && at.p + at.n <= text.p + text.n));
    json_scan_compact(&out, text);
    assert(buf_ok(&out) && out.len <= text.n);
    if (d) {
        assert(value.p);
        compare(&a, json_root(d), value, 0);
        means_the_same(&a, json_root(d), buf_str(&out));
    }
    buf_clear(&out);
    if (json_scan_sorted(&out, &a, text) && d && arena_ok(&a)) {
        struct json_doc *sorted = json_parse(buf_str(&out), NULL);
        assert(buf_ok(&out) && sorted && json_len(json_root(sorted)) == json_len(json_root(d)));
        json_doc_free(sorted);
    }
    json_doc_free(d);
    buf_release(&out);
    arena_release(&a);
    return 0;
}
