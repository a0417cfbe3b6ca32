/* request_fuzz.c -- requests in arbitrary pieces. The first byte seeds how the rest is cut; what
 * comes of it must be what comes of the bytes in one piece. */
#include "http/parse.h"
#include "http/target.h"

#define BYTES_MAX 100000
#define FIELDS_MAX 100

struct outcome {
    int status; /* 0: accepted or incomplete */
    size_t requests, fields, body_n, body_sum;
    bool is_complete;
};

static bool in_range(str s, const char *from, size_t n)
{
    return !s.p || (s.p >= from && s.p + s.n <= from + n);
}

static enum parse_result run_one(struct parse *p, char *at, size_t n, uint32_t *seed,
                                 struct outcome *o, size_t *used)
{
    enum parse_result r = PARSE_MORE;
    for (size_t end = 0; end < n && r == PARSE_MORE; *seed = *seed * 1664525 + 1013904223) {
        end += *seed ? 1 + (*seed >> 16) % 40 : n;
        r = parse_head(p, at, at + (end < n ? end : n));
    }
    if (r != PARSE_DONE)
        return r;
    struct target t;
    assert(p->head_n <= n && (p->http_1_0 || p->host.n > 0) && !(p->chunked && p->content_length));
    assert(in_range(p->method, at, n) && in_range(p->target, at, n));
    for (size_t i = 0; i < p->field_count; i++) {
        str name = p->fields[i].name, value = p->fields[i].value;
        assert(name.n > 0 && in_range(name, at, n) && in_range(value, at, n));
        assert(!memchr(name.p, ' ', name.n) && !memchr(value.p, '\n', value.n));
        assert(!memchr(value.p, '\r', value.n) && !memchr(value.p, '\0', value.n));
    }
    if (!target_parse(p->method, p->target, &t))
        assert(t.path.n > 0 && (t.path.p[0] == '/' || t.path.p[0] == '*'));
    o->fields += p->field_count;
    r = parse_body_begin(p, 65536);
    for (*used = p->head_n; *used < n && r == PARSE_MORE; *seed = *seed * 1664525 + 1013904223) {
        size_t taken, got, piece = *seed ? 1 + (*seed >> 16) % 40 : n - *used;
        piece = piece < n - *used ? piece : n - *used;
        r = parse_body(p, at + *used, piece, &taken, &got);
        assert(taken <= piece && got <= taken);
        for (size_t i = 0; i < got; i++)
            o->body_sum = o->body_sum * 31 + (unsigned char)at[*used + i];
        *used += taken;
        o->body_n += got;
    }
    assert(p->body_n <= 65536);
    return r;
}

static struct outcome run(const uint8_t *data, size_t n, uint32_t seed)
{
    static char bytes[BYTES_MAX];
    static struct http_field fields[FIELDS_MAX];
    struct outcome o = {0};
    memcpy(bytes, data, n);
    for (size_t at = 0; at < n && o.requests < 50; o.requests++) {
        struct parse p;
        size_t used = 0;
        parse_init(&p, &http_limits_default, fields);
        enum parse_result r = run_one(&p, bytes + at, n - at, &seed, &o, &used);
        o.is_complete = r == PARSE_DONE;
        if (r == PARSE_FAILED) {
            assert(p.status >= 400 && p.status <= 505 && p.code && p.text);
            o.status = p.status;
        }
        if (r != PARSE_DONE || !p.keep_alive)
            break;
        assert(used > 0);
        at += used;
    }
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2 || n > BYTES_MAX)
        return 0;
    struct outcome whole = run(data + 1, n - 1, 0), cut = run(data + 1, n - 1, data[0] + 1u);
    assert(whole.requests == cut.requests && (whole.status == 0) == (cut.status == 0));
    assert(whole.is_complete == cut.is_complete);
    if (whole.status == 0)
        assert(whole.fields == cut.fields && whole.body_n == cut.body_n &&
               whole.body_sum == cut.body_sum);
    return 0;
}
