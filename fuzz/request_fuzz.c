/* request_fuzz.c -- requests in arbitrary pieces. The first byte seeds how the rest is cut; what
 * comes of it must be what comes of the bytes in one piece. */
#include "http/parse.h"
#include "http/target.h"

#define BYTES_MAX 100000

struct outcome {
    bool is_refused, is_complete;
    size_t requests, fields, body_n, body_sum;
};

/* The length of the next piece: all that is left with seed 0. */
static size_t piece_of(uint32_t *seed, size_t left)
{
    size_t n = *seed ? 1 + (*seed >> 16) % 40 : left;
    *seed = *seed * 1664525 + (*seed ? 1013904223 : 0);
    return n < left ? n : left;
}

static void check_head(const struct parse *p, size_t n)
{
    struct http_target t;
    assert(p->head_n <= n && (p->http_1_0 || p->host.n > 0) && !(p->chunked && p->content_length));
    for (size_t i = 0; i < p->field_count; i++) {
        str name = p->fields[i].name, value = p->fields[i].value;
        assert(name.n > 0 && name.p > p->method.p && value.p + value.n < p->start + p->head_n);
        assert(str_find(name, ' ') == name.n && str_find(value, '\n') == value.n);
        assert(str_find(value, '\r') == value.n && str_find(value, '\0') == value.n);
    }
    if (!target_parse(p->method, p->target, &t))
        assert(t.path.n > 0 && (t.path.p[0] == '/' || t.path.p[0] == '*'));
}

static enum parse_result run_one(struct parse *p, char *at, size_t n, uint32_t *seed,
                                 struct outcome *o, size_t *used)
{
    enum parse_result r = PARSE_MORE;
    for (size_t end = 0; end < n && r == PARSE_MORE;)
        r = parse_head(p, at, at + (end += piece_of(seed, n - end)));
    if (r != PARSE_DONE)
        return r;
    check_head(p, n);
    o->fields += p->field_count;
    r = parse_body_begin(p, 65536);
    for (*used = p->head_n; *used < n && r == PARSE_MORE;) {
        size_t taken, got, piece = piece_of(seed, n - *used);
        r = parse_body(p, at + *used, piece, &taken, &got);
        assert(taken <= piece && got <= taken && p->body_n <= 65536);
        for (size_t i = 0; i < got; i++)
            o->body_sum = o->body_sum * 31 + (unsigned char)at[*used + i];
        *used += taken;
        o->body_n += got;
    }
    return r;
}

static struct outcome run(const uint8_t *data, size_t n, uint32_t seed)
{
    static char bytes[BYTES_MAX];
    static struct http_field fields[100];
    struct outcome o = {0};
    memcpy(bytes, data, n);
    for (size_t at = 0, used = 0; at < n && o.requests < 50; o.requests++, at += used) {
        struct parse p;
        parse_init(&p, &http_limits_default, fields);
        enum parse_result r = run_one(&p, bytes + at, n - at, &seed, &o, &used);
        o.is_complete = r == PARSE_DONE;
        o.is_refused = r == PARSE_FAILED;
        assert(!o.is_refused || (p.status >= 400 && p.status <= 505 && p.code && p.text));
        if (!o.is_complete || !p.keep_alive)
            break;
        assert(used > 0);
    }
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2 || n > BYTES_MAX)
        return 0;
    struct outcome a = run(data + 1, n - 1, 0), b = run(data + 1, n - 1, data[0] + 1u);
    assert(a.requests == b.requests && a.is_refused == b.is_refused);
    assert(a.is_complete == b.is_complete);
    assert(a.is_refused || (a.fields == b.fields && a.body_n == b.body_n));
    assert(a.is_refused || a.body_sum == b.body_sum);
    return 0;
}
