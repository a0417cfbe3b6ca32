/* gather_fuzz.c -- the texts that are signed, gathered from any request: each reference that stands
 * for many values and each filter. What is gathered twice is the same, and is bounded. Input, ended
 * by NUL bytes: a byte that picks the text, a header's value, a signature header's, the query, the
 * Content-Type; the rest is the body. */
#include "base/log.h"
#include "verify/scheme.h"

static const char *const texts[] = {
    "{{ form-pairs? }}|{{ form-query? }}|{{ form-query:a,b? }}|{{ form-php:a? }}|{{ form:a? }}",
    "{{ json-query? }}|{{ json-query:a? }}|{{ json-list:a? }}|{{ json-leaves:a? }}|{{ raw:a? }}",
    "{{ .a? }}|{{ .a.0.b? }}|{{ .a\\.b? }}|{{ raw:a.b? }}|{{ form-json:a.b? }}",
    "{{ signed-headers:X-List? }}|{{ field-headers:h? }}|{{ field:t? }}|{{ header:X-List? }}",
    "{{ url? }}|{{ url-port? }}|{{ target }}|{{ query-string? }}|{{ query:a? }}|{{ plivo? }}",
    "{{ sorted-query:a,b? }}|{{ secret }}|{{ ts? }}|{{ id? }}|{{ method }}|{{ path }}",
    "{{ body | json-compact }}|{{ body | json-sorted }}",
    "{{ body | json-string }}|{{ body | escape-colons | reverse }}|{{ body | crc32 }}",
    "{{ body | paytm-values }}|{{ target | connect-request | sha256 | hex }}",
    "{{ query-string | url-decode }}|{{ url? | hubspot-url }}|{{ body | sha1 | base64url }}",
};
static struct pieces pieces[ARRAY_LEN(texts)];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct arena a;
    UNUSED(argc);
    UNUSED(argv);
    arena_init(&a, 1u << 20);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct problems p = {0};
        struct yaml node = {.kind = YAML_SCALAR, .scalar = str_from_cstr(texts[i]), .quoted = true};
        if (!pieces_compile(&pieces[i], &a, &node, ~0u, &p))
            die("%s: %s", texts[i], p.count ? p.v[0].text : "?");
    }
    return 0;
}

static void to_buf(void *arg, str part)
{
    buf_str_append(arg, part);
}

static bool gather(const struct pieces *p, const struct http_request *from, str signature,
                   struct arena *a, struct buf *out)
{
    struct http_request req = *from;
    struct view w = {.req = &req,
                     .arena = a,
                     .public_url = STR("https://hooks.example.org"),
                     .secret = STR("secret"),
                     .ts = STR("1"),
                     .id = STR("2"),
                     .field_text = signature,
                     .fields = {',', '='}};
    req.arena = a;
    bool ok = pieces_feed(p, &w, to_buf, out);
    http_request_release(&req);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a, b;
    struct buf one, two;
    if (!size || size > 65536)
        return 0;
    const struct pieces *p = &pieces[data[0] % ARRAY_LEN(texts)];
    str rest = str_of((const char *)data + 1, size - 1), parts[4];
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        parts[i] = rest.p ? str_cut(&rest, '\0') : STR("");
    arena_init(&a, 32u << 20);
    arena_init(&b, 32u << 20);
    str target = arena_printf(&a, "/in/x?" STR_FMT, STR_ARG(parts[2]));
    struct http_field fields[] = {
        {STR("X-List"), parts[0]}, {STR("S"), parts[1]}, {STR("Content-Type"), parts[3]}};
    struct http_request req = {.method = STR("POST"),
                               .target = target,
                               .path = STR("/in/x"),
                               .query = parts[2],
                               .host = STR("example.org"),
                               .fields = {fields, ARRAY_LEN(fields)},
                               .body = rest.p ? rest : STR("")};
    buf_init(&one, 16u << 20);
    buf_init(&two, 16u << 20);
    bool able = gather(p, &req, parts[1], &a, &one);
    assert(gather(p, &req, parts[1], &b, &two) == able);
    assert(!able || (buf_ok(&one) && str_eq(buf_str(&one), buf_str(&two))));
    buf_release(&one);
    buf_release(&two);
    arena_release(&a);
    arena_release(&b);
    return 0;
}
