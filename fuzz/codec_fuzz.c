/* codec_fuzz.c -- encodings, ids and times: what is read is written as one text that reads the
 * same; what was encoded is decoded to its bytes; escaped text is safe for a terminal. */
#include "base/clock.h"
#include "base/codec.h"
#include "base/id.h"
#include "base/ksuid.h"

#define BYTES_MAX 4096

static void check_bytes(str s)
{
    char text[2 * BYTES_MAX];
    uint8_t back[BYTES_MAX];
    size_t n;
    hex_encode(s.p, s.n, text);
    assert(hex_decode(str_of(text, 2 * s.n), back, sizeof(back), &n));
    assert(n == s.n && memcmp(back, s.p, n) == 0);
    assert(base64_decode(str_of(text, base64_encode(s.p, s.n, text)), back, sizeof(back), &n));
    assert(n == s.n && memcmp(back, s.p, n) == 0);
    size_t length = base64url_encode(s.p, s.n, text);
    assert(base64url_decode(str_of(text, length), back, sizeof(back), &n));
    assert(n == s.n && memcmp(back, s.p, n) == 0);
}

/* Of each value there is one text, but for padding. */
static void check_text(str s)
{
    uint8_t bytes[BYTES_MAX];
    char again[2 * BYTES_MAX];
    size_t n, unpadded = s.n;
    while (unpadded && s.p[unpadded - 1] == '=')
        unpadded--;
    if (base64_decode(s, bytes, sizeof(bytes), &n)) {
        assert(base64_encode(bytes, n, again) >= unpadded && memcmp(again, s.p, unpadded) == 0);
        assert(unpadded == s.n || s.n % 4 == 0);
    }
    if (base64url_decode(s, bytes, sizeof(bytes), &n))
        assert(base64url_encode(bytes, n, again) == unpadded && memcmp(again, s.p, unpadded) == 0);
    if (hex_decode(s, bytes, sizeof(bytes), &n)) {
        hex_encode(bytes, n, again);
        assert(str_eq_nocase(str_of(again, 2 * n), s));
    }
}

static void check_percent(struct arena *a, str s)
{
    struct buf out;
    buf_init(&out, 3 * BYTES_MAX + 1);
    percent_encode(&out, s);
    str back = percent_decode(a, buf_str(&out), false);
    assert(buf_ok(&out) && back.p && str_eq(back, s));
    str plain = percent_decode(a, s, false), form = percent_decode(a, s, true);
    assert(!plain.p == !form.p && (!plain.p || (plain.n <= s.n && plain.n == form.n)));
    buf_release(&out);
}

static void check_escaped(str s)
{
    struct buf out;
    uint32_t c;
    buf_init(&out, 8 * BYTES_MAX);
    text_escape(&out, s, BYTES_MAX);
    str rest = buf_str(&out);
    assert(buf_ok(&out) && utf8_valid(rest));
    for (size_t n; rest.n; rest = str_slice(rest, n, rest.n)) {
        n = utf8_decode(rest, &c);
        assert(n > 0 && !text_is_unsafe(c));
    }
    size_t whole = 0;
    for (size_t n; whole < s.n && (n = utf8_decode(str_slice(s, whole, s.n), &c)) > 0;)
        whole += n;
    assert((whole == s.n) == utf8_valid(s));
    buf_release(&out);
}

static void check_ids(str s)
{
    char room[KSUID_TEXT_MAX], small[ID_TEXT_MAX];
    uint64_t id, again;
    if (ksuid_parse("msg_", s, &id)) {
        assert(ksuid_is_form("msg_", s));
        assert(str_eq(ksuid_format("msg_", id, room), s));
    }
    if (id_parse("evt", s, &id)) {
        assert(id_parse("evt", id_format("evt", id, small), &again) && id == again);
        assert(!id_parse("dlv", id_format("evt", id, small), &again));
    }
}

static void check_times(str s)
{
    char room[CLOCK_TEXT_MAX];
    int64_t ms, again;
    if (clock_parse(s, &ms)) {
        str text = clock_format(ms, room);
        assert(clock_parse(text, &again) && ms == again);
    }
    if (clock_http_parse(s, &ms)) {
        assert(clock_http_parse(clock_http_format(ms, room), &again) && ms == again);
    }
    if (clock_duration_parse(s, &ms))
        assert(ms >= 0 && clock_duration_format(ms, room).n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    str s = str_of((const char *)data, size);
    if (size == 0 || size > BYTES_MAX)
        return 0;
    arena_init(&a, 1u << 20);
    check_bytes(s);
    check_text(s);
    check_percent(&a, s);
    check_escaped(s);
    check_ids(s);
    check_times(s);
    arena_release(&a);
    return 0;
}
