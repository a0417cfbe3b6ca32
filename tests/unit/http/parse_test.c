/* Request framing: raw bytes and what must come of them, each with the section it stands on.
 * "RFC 9112 2.2" is section 2.2 of RFC 9112. Every case is fed whole, byte by byte and in pieces
 * of seven bytes; the outcome must not differ.
 *
 * An outcome reads "POST /a [body]; GET /b []": the requests found, in order. After one that ends
 * the connection stands " close"; a number is the status of a refusal; "..." means that more bytes
 * are awaited. */
#include "http/parse.h"
#include "http/target.h"
#include "unit.h"

#define FIELDS_MAX 100

struct seen {
    struct http_limits limits;
    struct http_field fields[FIELDS_MAX];
    char bytes[65536], body[65536], outcome[65536];
    size_t outcome_n;
};

static void note(struct seen *s, str text)
{
    if (s->outcome_n + text.n < sizeof(s->outcome)) {
        memcpy(s->outcome + s->outcome_n, text.p, text.n);
        s->outcome_n += text.n;
    }
}

static void note_status(struct seen *s, int status)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", status);
    note(s, str_of(text, (size_t)n));
}

/* Feeds one head from bytes[at..n) in steps. */
static enum parse_result feed_head(struct parse *p, const char *from, size_t n, size_t step)
{
    enum parse_result r = PARSE_MORE;
    for (size_t end = 0; end < n && r == PARSE_MORE;) {
        end = end + step < n ? end + step : n;
        r = parse_head(p, from, from + end);
    }
    return r;
}

static enum parse_result feed_body(struct seen *s, struct parse *p, char *from, size_t n,
                                   size_t step, size_t *body_n, size_t *used)
{
    enum parse_result r = PARSE_MORE;
    *body_n = *used = 0;
    while (*used < n && r == PARSE_MORE) {
        size_t taken = 0, got = 0, piece = n - *used < step ? n - *used : step;
        r = parse_body(p, from + *used, piece, &taken, &got);
        EXPECT(taken <= piece && got <= taken);
        EXPECT(r == PARSE_DONE || taken == piece);
        memcpy(s->body + *body_n, from + *used, got);
        *body_n += got;
        *used += taken;
    }
    return r;
}

/* One request from the front of `rest`; false when there is nothing more to look at. */
static bool run_request(struct seen *s, str *rest, size_t step)
{
    struct parse p;
    struct http_target target;
    parse_init(&p, &s->limits, s->fields);
    enum parse_result r = feed_head(&p, rest->p, rest->n, step);
    const char *wrong = r == PARSE_DONE ? target_parse(p.method, p.target, &target) : NULL;
    if (wrong) {
        note_status(s, str_eq(p.method, STR("CONNECT")) ? 501 : 400);
        return false;
    }
    size_t body_n = 0, used = 0;
    if (r == PARSE_DONE)
        r = parse_body_begin(&p, s->limits.body_bytes_max);
    if (r == PARSE_MORE && p.head_n)
        r = feed_body(s, &p, (char *)(uintptr_t)rest->p + p.head_n, rest->n - p.head_n, step,
                      &body_n, &used);
    if (r == PARSE_MORE) {
        note(s, STR("..."));
        return false;
    }
    if (r == PARSE_FAILED) {
        EXPECT(p.status >= 400 && p.code && p.text);
        note_status(s, p.status);
        return false;
    }
    note(s, p.method);
    note(s, STR(" "));
    note(s, p.target);
    note(s, STR(" ["));
    note(s, str_of(s->body, body_n));
    note(s, p.keep_alive ? STR("]") : STR("] close"));
    *rest = str_slice(*rest, p.head_n + used, rest->n);
    return p.keep_alive && rest->n > 0;
}

static struct seen *run(const struct http_limits *limits, str raw, size_t step)
{
    static struct seen s;
    EXPECT(raw.n <= sizeof(s.bytes));
    s.limits = *limits;
    s.outcome_n = 0;
    memcpy(s.bytes, raw.p, raw.n);
    str rest = str_of(s.bytes, raw.n);
    while (run_request(&s, &rest, step))
        note(&s, STR("; "));
    return &s;
}

struct parse_case {
    const char *where, *why;
    str raw;
    const char *outcome;
};

static void expect_cases(const struct parse_case *cases, size_t count)
{
    static const size_t steps[] = {SIZE_MAX / 2, 1, 7};
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
            const struct parse_case *c = &cases[i];
            struct seen *s = run(&http_limits_default, c->raw, steps[k]);
            if (!str_eq(str_of(s->outcome, s->outcome_n), str_from_cstr(c->outcome)))
                FAIL("case %zu (%s: %s), step %zu: got \"%.*s\", expected \"%s\"", i, c->where,
                     c->why, steps[k], (int)s->outcome_n, s->outcome, c->outcome);
        }
    }
}

#define H "Host: a.example\r\n"
#define POST "POST /p HTTP/1.1\r\n" H
#define GET_NEXT "GET /next HTTP/1.1\r\n" H "\r\n"
#define CASE(where, why, raw, outcome)                                                             \
    {                                                                                              \
        (where), (why), {(raw), sizeof(raw) - 1}, (outcome)                                        \
    }

void test_parse_request_lines(void)
{
    static const struct parse_case cases[] = {
        CASE("RFC 9112 3", "plain GET", "GET / HTTP/1.1\r\n" H "\r\n", "GET / []"),
        CASE("RFC 9112 3", "query kept as received", "GET /a?b=%20&c HTTP/1.1\r\n" H "\r\n",
             "GET /a?b=%20&c []"),
        CASE("RFC 9110 9.1", "DELETE", "DELETE /a HTTP/1.1\r\n" H "\r\n", "DELETE /a []"),
        CASE("RFC 9110 9.1", "PATCH", "PATCH /a HTTP/1.1\r\n" H "\r\n", "PATCH /a []"),
        CASE("RFC 9110 9.1", "methods are case-sensitive", "get / HTTP/1.1\r\n" H "\r\n", "501"),
        CASE("RFC 9110 9.1", "unknown method", "BREW /pot HTTP/1.1\r\n" H "\r\n", "501"),
        CASE("RFC 9110 9.3.6", "CONNECT is for proxies",
             "CONNECT a.example:443 HTTP/1.1\r\n" H "\r\n", "501"),
        CASE("RFC 9112 3", "method of another protocol", "DESCRIBE /a HTTP/1.1\r\n" H "\r\n",
             "400"),
        CASE("RFC 9112 2.2", "one empty line before", "\r\nGET / HTTP/1.1\r\n" H "\r\n",
             "GET / []"),
        CASE("RFC 9112 2.2", "bare LF before", "\nGET / HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 2.2", "bare CR before", "\rGET / HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 2.2", "LF CR before", "\n\rGET / HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3", "blank before the method", " GET / HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3", "two blanks after the method", "GET  / HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3", "tab after the method", "GET\t/ HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3", "two blanks before the version", "GET /  HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3", "tab before the version", "GET /\tHTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3", "blank after the version", "GET / HTTP/1.1 \r\n" H "\r\n", "400"),
        CASE("RFC 9112 3", "no target", "GET HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3", "more words", "GET / x HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 2.2", "line ends with LF", "GET / HTTP/1.1\n" H "\r\n", "400"),
        CASE("RFC 9112 2.2", "line ends with CR", "GET / HTTP/1.1\rHost: a\r\n\r\n", "400"),
        CASE("RFC 9112 2.3", "HTTP/0.9", "GET /\r\n\r\n", "505"),
        CASE("RFC 9112 2.3", "HTTP/0.9 with a field", "GET /\r\n" H "\r\n", "505"),
        CASE("RFC 9112 2.3", "version 0.9", "GET / HTTP/0.9\r\n" H "\r\n", "505"),
        CASE("RFC 9112 2.3", "version 1.2", "GET / HTTP/1.2\r\n" H "\r\n", "505"),
        CASE("RFC 9112 2.3", "version 2.0", "GET / HTTP/2.0\r\n" H "\r\n", "505"),
        CASE("RFC 9112 2.3", "no minor version", "GET / HTTP/1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 2.3", "two-digit version", "GET / HTTP/1.10\r\n" H "\r\n", "400"),
        CASE("RFC 9112 2.3", "lower-case name", "GET / http/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 2.3", "other protocol", "GET / ICE/1.0\r\n" H "\r\n", "400"),
        CASE("RFC 9113 3.4", "HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
        CASE("RFC 8446 5.1", "a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"),
        CASE("RFC 9112 9.3", "HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n", "GET / [] close"),
        CASE("RFC 9112 C.2.2", "HTTP/1.0 with keep-alive",
             "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET_NEXT, "GET / []; GET /next []"),
        CASE("RFC 9112 9.6", "Connection: close",
             "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", "GET / [] close"),
        CASE("RFC 9112 9.6", "close among others",
             "GET / HTTP/1.1\r\n" H "Connection: x, CLOSE\r\n\r\n", "GET / [] close"),
        CASE("RFC 9110 7.8", "an upgrade is not taken",
             "GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n" GET_NEXT,
             "GET / []; GET /next []"),
    };
    expect_cases(cases, ARRAY_LEN(cases));
}

void test_parse_targets(void)
{
    static const struct parse_case cases[] = {
        CASE("RFC 9112 3.2.2", "absolute form", "GET http://b.example/x?y HTTP/1.1\r\n" H "\r\n",
             "GET http://b.example/x?y []"),
        CASE("RFC 9112 3.2.2", "another scheme", "GET ftp://b.example/ HTTP/1.1\r\n" H "\r\n",
             "400"),
        CASE("RFC 9110 4.2.4", "user information", "GET http://u@b.example/ HTTP/1.1\r\n" H "\r\n",
             "400"),
        CASE("RFC 9112 3.2.2", "no authority", "GET http:///x HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3.2.3", "authority form", "GET b.example:80 HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3.2.4", "asterisk form", "OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS * []"),
        CASE("RFC 9112 3.2.4", "asterisk is for OPTIONS", "GET * HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3.2.4", "asterisk and more", "OPTIONS *x HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3.2", "fragment", "GET /a#b HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3.2", "fragment in the query", "GET /a?b#c HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 3986 3.3", "backslash", "GET /a\\b HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 3986 3.3", "raw bytes over 0x7f", "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 3986 3.4", "raw bytes in the query", "GET /?\xff HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 3986 2.1", "broken percent", "GET /%zz HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 3986 2.1", "short percent", "GET /%4 HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 3986 7.3", "encoded NUL", "GET /a%00b HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 3986 3.4", "braces in the query", "GET /?q={a|b} HTTP/1.1\r\n" H "\r\n",
             "GET /?q={a|b} []"),
        CASE("RFC 3986 3.3", "dots stay as they are", "GET /a/../b HTTP/1.1\r\n" H "\r\n",
             "GET /a/../b []"),
        CASE("RFC 9112 3.2", "NUL in the target", "GET /a\0b HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3.2", "DEL in the target", "GET /a\x7f HTTP/1.1\r\n" H "\r\n", "400"),
        CASE("RFC 9112 3.2", "CR in the target", "GET /a\rb HTTP/1.1\r\n" H "\r\n", "400"),
    };
    expect_cases(cases, ARRAY_LEN(cases));
}

#define GET11 "GET / HTTP/1.1\r\n"

void test_parse_hosts(void)
{
    static const struct parse_case cases[] = {
        CASE("RFC 9112 3.2", "missing", GET11 "\r\n", "400"),
        CASE("RFC 9112 3.2", "missing in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "GET / [] close"),
        CASE("RFC 9112 3.2", "twice", GET11 "Host: a\r\nHost: b\r\n\r\n", "400"),
        CASE("RFC 9112 3.2", "twice the same", GET11 H H "\r\n", "400"),
        CASE("RFC 9112 3.2", "twice in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
             "400"),
        CASE("RFC 9112 3.2", "twice, other letter case", GET11 "Host: a\r\nhOST: b\r\n\r\n", "400"),
        CASE("RFC 9110 4.2.1", "empty", GET11 "Host:\r\n\r\n", "400"),
        CASE("RFC 9110 7.2", "with a port", GET11 "Host: a.example:8080\r\n\r\n", "GET / []"),
        CASE("RFC 9110 7.2", "empty port", GET11 "Host: a.example:\r\n\r\n", "GET / []"),
        CASE("RFC 9110 7.2", "port of letters", GET11 "Host: a:b\r\n\r\n", "400"),
        CASE("RFC 9110 7.2", "port too large", GET11 "Host: a:65536\r\n\r\n", "400"),
        CASE("RFC 9110 7.2", "a list", GET11 "Host: a, b\r\n\r\n", "400"),
        CASE("RFC 9110 7.2", "a path", GET11 "Host: a/b\r\n\r\n", "400"),
        CASE("RFC 9110 7.2", "user information", GET11 "Host: u@a\r\n\r\n", "400"),
        CASE("RFC 9110 7.2", "a blank inside", GET11 "Host: a b\r\n\r\n", "400"),
        CASE("RFC 3986 3.2.2", "IPv6", GET11 "Host: [2001:db8::1]:80\r\n\r\n", "GET / []"),
        CASE("RFC 3986 3.2.2", "IPv6 not closed", GET11 "Host: [::1\r\n\r\n", "400"),
        CASE("RFC 3986 3.2.2", "IPv6 and more", GET11 "Host: [::1]x\r\n\r\n", "400"),
        CASE("RFC 9110 7.2", "markup", GET11 "Host: <script>\r\n\r\n", "400"),
    };
    expect_cases(cases, ARRAY_LEN(cases));
}

void test_parse_fields(void)
{
    static const struct parse_case cases[] = {
        CASE("RFC 9112 5.1", "blank before the colon", GET11 "Host : a\r\n\r\n", "400"),
        CASE("RFC 9112 5.1", "tab before the colon", GET11 "Host\t: a\r\n\r\n", "400"),
        CASE("RFC 9112 5", "no colon", GET11 H "nonsense\r\n\r\n", "400"),
        CASE("RFC 9110 5.1", "empty name", GET11 H ": x\r\n\r\n", "400"),
        CASE("RFC 9110 5.1", "NUL in a name", GET11 H "A\0B: x\r\n\r\n", "400"),
        CASE("RFC 9110 5.1", "control byte in a name", GET11 H "A\x01: x\r\n\r\n", "400"),
        CASE("RFC 9110 5.1", "byte over 0x7f in a name", GET11 H "\xc3\xa4: x\r\n\r\n", "400"),
        CASE("RFC 9110 5.1", "parenthesis in a name", GET11 H "A(b): x\r\n\r\n", "400"),
        CASE("RFC 9110 5.6.2", "all punctuation of tokens", GET11 H "!#$%&'*+-.^_`|~: x\r\n\r\n",
             "GET / []"),
        CASE("RFC 9110 5.5", "NUL in a value", GET11 H "A: x\0y\r\n\r\n", "400"),
        CASE("RFC 9110 5.5", "NUL ends a value", GET11 H "A: x\0\r\n\r\n", "400"),
        CASE("RFC 9110 5.5", "control byte in a value", GET11 H "A: x\x01y\r\n\r\n", "400"),
        CASE("RFC 9110 5.5", "DEL in a value", GET11 H "A: x\x7f\r\n\r\n", "400"),
        CASE("RFC 9110 5.5", "tab in a value", GET11 H "A: x\ty\r\n\r\n", "GET / []"),
        CASE("RFC 9110 5.5", "bytes over 0x7f in a value", GET11 H "A: \xc3\xa4\xff\r\n\r\n",
             "GET / []"),
        CASE("RFC 9110 5.5", "empty value", GET11 H "A:\r\nB: \t \r\n\r\n", "GET / []"),
        CASE("RFC 9112 2.2", "bare CR in a value", GET11 H "A: x\ry\r\n\r\n", "400"),
        CASE("RFC 9112 2.2", "bare LF ends a field", GET11 H "A: x\nB: y\r\n\r\n", "400"),
        CASE("RFC 9112 2.2", "bare LF ends the head", GET11 H "A: x\r\n\n", "400"),
        CASE("RFC 9112 2.2", "CR CR LF", GET11 H "A: x\r\r\n\r\n", "400"),
        CASE("RFC 9112 2.2", "bare CR for the empty line", GET11 H "A: x\r\n\rGET", "400"),
        CASE("RFC 9112 5.2", "obs-fold with a blank", GET11 H "A: x\r\n y\r\n\r\n", "400"),
        CASE("RFC 9112 5.2", "obs-fold with a tab", GET11 H "A: x\r\n\ty\r\n\r\n", "400"),
        CASE("RFC 9112 2.2", "blank before the first field", GET11 " " H "\r\n", "400"),
        CASE("RFC 9112 2.2", "line of blanks", GET11 H " \r\n\r\n", "400"),
        CASE("RFC 9110 10.1.1", "other expectation", POST "Expect: tea\r\n\r\n", "417"),
        CASE("RFC 9110 10.1.1", "expectation in HTTP/1.0 is ignored",
             "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", "GET / [] close"),
        CASE("RFC 9112 2.1", "incomplete head", GET11 H "A: x\r\n", "..."),
        CASE("RFC 9112 2.1", "incomplete line", "GET /", "..."),
    };
    expect_cases(cases, ARRAY_LEN(cases));
}

void test_parse_content_lengths(void)
{
    static const struct parse_case cases[] = {
        CASE("RFC 9112 6.2", "a body", POST "Content-Length: 5\r\n\r\nhello" GET_NEXT,
             "POST /p [hello]; GET /next []"),
        CASE("RFC 9112 6.2", "zero", POST "Content-Length: 0\r\n\r\n" GET_NEXT,
             "POST /p []; GET /next []"),
        CASE("RFC 9112 6.3", "none", POST "\r\n" GET_NEXT, "POST /p []; GET /next []"),
        CASE("RFC 9112 6.2", "GET with a body", GET11 H "Content-Length: 1\r\n\r\nx", "GET / [x]"),
        CASE("RFC 9112 6.2", "leading zeros", POST "Content-Length: 005\r\n\r\nhello",
             "POST /p [hello]"),
        CASE("RFC 9112 6.2", "incomplete", POST "Content-Length: 6\r\n\r\nhello", "..."),
        CASE("RFC 9112 6.3", "twice, differing",
             POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "400"),
        CASE("RFC 9112 6.3", "twice the same",
             POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400"),
        CASE("RFC 9112 6.3", "a list", POST "Content-Length: 5, 5\r\n\r\nhello", "400"),
        CASE("RFC 9112 6.3", "a differing list", POST "Content-Length: 5, 6\r\n\r\nhello", "400"),
        CASE("RFC 9112 6.2", "plus", POST "Content-Length: +5\r\n\r\nhello", "400"),
        CASE("RFC 9112 6.2", "minus", POST "Content-Length: -5\r\n\r\nhello", "400"),
        CASE("RFC 9112 6.2", "minus zero", POST "Content-Length: -0\r\n\r\n", "400"),
        CASE("RFC 9112 6.2", "hex", POST "Content-Length: 0x5\r\n\r\nhello", "400"),
        CASE("RFC 9112 6.2", "underscore", POST "Content-Length: 1_0\r\n\r\nhellohello", "400"),
        CASE("RFC 9112 6.2", "blank inside", POST "Content-Length: 1 0\r\n\r\nhellohello", "400"),
        CASE("RFC 9112 6.2", "fraction", POST "Content-Length: 5.0\r\n\r\nhello", "400"),
        CASE("RFC 9112 6.2", "exponent", POST "Content-Length: 5e0\r\n\r\nhello", "400"),
        CASE("RFC 9112 6.2", "quoted", POST "Content-Length: \"5\"\r\n\r\nhello", "400"),
        CASE("RFC 9112 6.2", "empty", POST "Content-Length:\r\n\r\n", "400"),
        CASE("RFC 9112 6.2", "2^63", POST "Content-Length: 9223372036854775808\r\n\r\n", "400"),
        CASE("RFC 9112 6.2", "2^64", POST "Content-Length: 18446744073709551616\r\n\r\n", "400"),
        CASE("RFC 9112 6.2", "2^64 and 5", POST "Content-Length: 18446744073709551621\r\n\r\n",
             "400"),
        CASE("RFC 9110 15.5.14", "2^63-1 is too large",
             POST "Content-Length: 9223372036854775807\r\n\r\n", "413"),
        CASE("RFC 9110 15.5.14", "over the limit", POST "Content-Length: 1048577\r\n\r\n", "413"),
        CASE("RFC 9112 6.2", "blanks around", POST "Content-Length: \t5 \r\n\r\nhello",
             "POST /p [hello]"),
        CASE("RFC 9112 6.2", "tab behind: llhttp is stricter than the grammar here",
             POST "Content-Length: 5\t\r\n\r\nhello", "400"),
    };
    expect_cases(cases, ARRAY_LEN(cases));
}

#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

void test_parse_transfer_encodings(void)
{
    static const struct parse_case cases[] = {
        CASE("RFC 9112 6.1", "chunked", CHUNKED "5\r\nhello\r\n0\r\n\r\n" GET_NEXT,
             "POST /p [hello]; GET /next []"),
        CASE("RFC 9112 7", "any letter case",
             POST "transfer-encoding: ChUnKeD\r\n\r\n1\r\nx\r\n0\r\n\r\n", "POST /p [x]"),
        CASE("RFC 9112 6.1", "with Content-Length",
             POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 6.1", "with Content-Length behind",
             POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 6.1", "with a Content-Length of 0",
             POST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 6.1", "twice",
             POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             "400"),
        CASE("RFC 9112 6.1", "a list", POST "Transfer-Encoding: chunked, chunked\r\n\r\n", "400"),
        CASE("RFC 9112 6.1", "gzip before", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "400"),
        CASE("RFC 9112 6.1", "gzip after", POST "Transfer-Encoding: chunked, gzip\r\n\r\n", "400"),
        CASE("RFC 9112 6.1", "gzip alone", POST "Transfer-Encoding: gzip\r\n\r\n", "400"),
        CASE("RFC 9112 6.1", "identity", POST "Transfer-Encoding: identity\r\n\r\n", "400"),
        CASE("RFC 9112 6.1", "two fields",
             POST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        CASE("RFC 9112 6.1", "two fields, chunked first",
             POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", "400"),
        CASE("RFC 9112 6.1", "empty", POST "Transfer-Encoding:\r\n\r\n", "400"),
        CASE("RFC 9112 7", "prefix", POST "Transfer-Encoding: xchunked\r\n\r\n", "400"),
        CASE("RFC 9112 7", "suffix", POST "Transfer-Encoding: chunkedx\r\n\r\n", "400"),
        CASE("RFC 9112 7", "parameter", POST "Transfer-Encoding: chunked;q=1\r\n\r\n", "400"),
        CASE("RFC 9112 7", "quoted", POST "Transfer-Encoding: \"chunked\"\r\n\r\n", "400"),
        CASE("RFC 9112 7", "vertical tab",
             POST "Transfer-Encoding: \x0b"
                  "chunked\r\n\r\n",
             "400"),
        CASE("RFC 9112 6.1", "leading comma", POST "Transfer-Encoding: ,chunked\r\n\r\n", "400"),
        CASE("RFC 9112 5.2", "folded", POST "Transfer-Encoding:\r\n chunked\r\n\r\n", "400"),
        CASE("RFC 9112 5.1", "blank before the colon",
             POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 6.1", "in HTTP/1.0",
             "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        CASE("RFC 9110 5.6.2", "underscore is another field",
             POST "Transfer_Encoding: chunked\r\nContent-Length: 1\r\n\r\nx", "POST /p [x]"),
    };
    expect_cases(cases, ARRAY_LEN(cases));
}

void test_parse_chunks(void)
{
    static const struct parse_case cases[] = {
        CASE("RFC 9112 7.1", "several", CHUNKED "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
             "POST /p [abc0123456789]"),
        CASE("RFC 9112 7.1", "lower-case hex", CHUNKED "a\r\n0123456789\r\n0\r\n\r\n",
             "POST /p [0123456789]"),
        CASE("RFC 9112 7.1", "leading zeros", CHUNKED "0000000000000001\r\nx\r\n000\r\n\r\n",
             "POST /p [x]"),
        CASE("RFC 9112 7.1", "17 digits", CHUNKED "00000000000000001\r\nx\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "17 zeros at the end", CHUNKED "1\r\nx\r\n00000000000000000\r\n\r\n",
             "400"),
        CASE("RFC 9112 7.1", "17 digits and an extension",
             CHUNKED "00000000000000001;a\r\nx\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "overflow", CHUNKED "10000000000000000\r\nx", "400"),
        CASE("RFC 9112 7.1", "2^64-1 is too large", CHUNKED "ffffffffffffffff\r\nx", "413"),
        CASE("RFC 9112 7.1", "over the limit", CHUNKED "100001\r\nx", "413"),
        CASE("RFC 9112 7.1", "0x", CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "plus", CHUNKED "+5\r\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "minus", CHUNKED "-5\r\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "underscore", CHUNKED "1_0\r\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "blank before", CHUNKED " 5\r\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "blank behind", CHUNKED "5 \r\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "tab behind", CHUNKED "5\t\r\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "not hex", CHUNKED "g\r\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "no size", CHUNKED "\r\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "LF ends the size", CHUNKED "5\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "CR ends the size", CHUNKED "5\rhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "LF ends the data", CHUNKED "5\r\nhello\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "CR ends the data", CHUNKED "5\r\nhello\r0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "data too long", CHUNKED "5\r\nhello!\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "data too short", CHUNKED "5\r\nhell\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "nothing ends the data", CHUNKED "5\r\nhello0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1", "LF ends the last line", CHUNKED "0\n\r\n", "400"),
        CASE("RFC 9112 7.1", "LF for the empty line", CHUNKED "0\r\n\n", "400"),
        CASE("RFC 9112 7.1", "incomplete end", CHUNKED "5\r\nhello\r\n0\r\n", "..."),
        CASE("RFC 9112 7.1.1", "extension", CHUNKED "5;a=b\r\nhello\r\n0\r\n\r\n",
             "POST /p [hello]"),
        CASE("RFC 9112 7.1.1", "quoted extension", CHUNKED "5;a=\"b c\"\r\nhello\r\n0\r\n\r\n",
             "POST /p [hello]"),
        CASE("RFC 9112 7.1.1", "extension of the last chunk", CHUNKED "0;a\r\n\r\n", "POST /p []"),
        CASE("RFC 9112 7.1.1", "LF in an extension", CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1.1", "CR in an extension", CHUNKED "5;a\rb\r\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1.1", "NUL in an extension", CHUNKED "5;a\0\r\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1.1", "LF in a quoted extension",
             CHUNKED "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", "400"),
        CASE("RFC 9112 7.1.2", "trailers", CHUNKED "0\r\nA: b\r\n\r\n", "400"),
        CASE("RFC 9112 7.1.2", "framing in trailers", CHUNKED "0\r\nContent-Length: 5\r\n\r\nhello",
             "400"),
        CASE("RFC 9112 7.1.2", "trailer without a name", CHUNKED "0\r\n: b\r\n\r\n", "400"),
    };
    expect_cases(cases, ARRAY_LEN(cases));
}

/* Pairs in which two readers could disagree on where the next request begins: the second request
 * must never be found. */
void test_parse_smuggling(void)
{
    static const struct parse_case cases[] = {
        CASE("RFC 9112 11.2", "CL.TE",
             POST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" GET_NEXT,
             "400"),
        CASE("RFC 9112 11.2", "TE.CL",
             POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n" GET_NEXT, "400"),
        CASE("RFC 9112 11.2", "TE.TE by a blank",
             POST "Transfer-Encoding: chunked\r\nTransfer-Encoding : x\r\n\r\n0\r\n\r\n" GET_NEXT,
             "400"),
        CASE("RFC 9112 11.2", "CL.0 is framed by its length",
             POST "Content-Length: 39\r\n\r\n" GET_NEXT, "POST /p [" GET_NEXT "]"),
        CASE("RFC 9112 11.2", "field hidden behind a bare CR",
             POST "X: a\rContent-Length: 5\r\n\r\n" GET_NEXT, "400"),
        CASE("RFC 9112 11.2", "field hidden behind NUL",
             POST "X: a\0\r\nContent-Length: 5\r\n\r\nhello", "400"),
        CASE("RFC 9112 11.2", "chunk extension with a bare LF",
             CHUNKED "2;\nxx\r\n4c\r\n0\r\n\r\n" GET_NEXT, "400"),
        CASE("RFC 9112 11.2", "request line in a header value",
             GET11 H "X: \nGET /next HTTP/1.1\r\n\r\n", "400"),
        CASE("RFC 9112 9.3.2", "three in a row",
             GET11 H "\r\n" GET_NEXT CHUNKED "1\r\nx\r\n0\r\n\r\n" GET_NEXT,
             "GET / []; GET /next []; POST /p [x]; GET /next []"),
        CASE("RFC 9112 9.3.2", "nothing behind a close",
             GET11 H "Connection: close\r\n\r\n" GET_NEXT, "GET / [] close"),
        CASE("RFC 9112 9.3.2", "nonsense behind a request", GET11 H "\r\n\x01\x02",
             "GET / []; 400"),
    };
    expect_cases(cases, ARRAY_LEN(cases));
}

void test_parse_cve_2023_47627_lenient_chunk_sizes(void)
{
    static const struct parse_case cases[] = {
        CASE("CVE-2023-47627", "sign", CHUNKED "+1\r\nx\r\n0\r\n\r\n", "400"),
        CASE("CVE-2023-47627", "prefix", CHUNKED "0x1\r\nx\r\n0\r\n\r\n", "400"),
        CASE("CVE-2023-47627", "underscore", CHUNKED "0_1\r\nx\r\n0\r\n\r\n", "400"),
        CASE("CVE-2023-47627", "blanks", CHUNKED " 1 \r\nx\r\n0\r\n\r\n", "400"),
        CASE("CVE-2023-47627", "digits of another script", CHUNKED "\xd9\xa1\r\nx\r\n0\r\n\r\n",
             "400"),
    };
    expect_cases(cases, ARRAY_LEN(cases));
}

void test_parse_cve_2023_40518_space_in_field_names(void)
{
    static const struct parse_case cases[] = {
        CASE("CVE-2023-40518", "inside", GET11 H "A b: x\r\n\r\n", "400"),
        CASE("CVE-2023-40518", "behind", POST "Content-Length : 5\r\n\r\nhello", "400"),
        CASE("CVE-2023-40518", "before", GET11 H " A: x\r\n\r\n", "400"),
        CASE("CVE-2023-40518", "a tab", GET11 H "A\tb: x\r\n\r\n", "400"),
    };
    expect_cases(cases, ARRAY_LEN(cases));
}

void test_parse_cve_2024_27982_obs_fold_in_framing_fields(void)
{
    static const struct parse_case cases[] = {
        CASE("CVE-2024-27982", "first field", GET11 " Host: a\r\n\r\n", "400"),
        CASE("CVE-2024-27982", "first field is the length",
             "POST / HTTP/1.1\r\n Content-Length: 5\r\n" H "\r\nhello", "400"),
        CASE("CVE-2024-27982", "Host", GET11 "Host:\r\n a\r\n\r\n", "400"),
        CASE("CVE-2024-27982", "Content-Length", POST "Content-Length: 5\r\n 0\r\n\r\n", "400"),
        CASE("CVE-2024-27982", "Transfer-Encoding",
             POST "Transfer-Encoding: chunked\r\n , x\r\n\r\n", "400"),
        CASE("CVE-2024-27982", "Connection", GET11 H "Connection: x\r\n\tclose\r\n\r\n", "400"),
        CASE("CVE-2024-27982", "Expect", POST "Expect:\r\n\t100-continue\r\n\r\n", "400"),
    };
    expect_cases(cases, ARRAY_LEN(cases));
}

/* Which bytes may stand where, for every byte there is. */
void test_parse_every_byte_in_names_and_values(void)
{
    for (unsigned b = 0; b < 256; b++) {
        char raw[64];
        int n = snprintf(raw, sizeof(raw), GET11 H "A?B: v\r\n\r\n");
        *strchr(raw, '?') = (char)b;
        struct seen *s = run(&http_limits_default, str_of(raw, (size_t)n), 64);
        bool is_token = b && (strchr("!#$%&'*+-.^_`|~", (int)b) || (b >= '0' && b <= '9') ||
                              (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || b == ':');
        if (str_eq(str_of(s->outcome, s->outcome_n), STR("GET / []")) != is_token)
            FAIL("byte 0x%02x in a field name: \"%.*s\"", b, (int)s->outcome_n, s->outcome);
        n = snprintf(raw, sizeof(raw), GET11 H "A: v?w\r\n\r\n");
        *strchr(raw, '?') = (char)b;
        s = run(&http_limits_default, str_of(raw, (size_t)n), 64);
        bool is_text = b == '\t' || (b >= ' ' && b != 0x7f);
        if (str_eq(str_of(s->outcome, s->outcome_n), STR("GET / []")) != is_text)
            FAIL("byte 0x%02x in a field value: \"%.*s\"", b, (int)s->outcome_n, s->outcome);
    }
}

void test_parse_trims_values_and_keeps_names(void)
{
    static struct seen s;
    struct parse p;
    char raw[] = GET11 H "X-Case:  \t a b \t \r\nEmpty:\r\n\r\n";
    parse_init(&p, &http_limits_default, s.fields);
    EXPECT_EQ_INT(parse_head(&p, raw, raw + sizeof(raw) - 1), PARSE_DONE);
    EXPECT_EQ_UINT(p.field_count, 3);
    EXPECT_STR(p.fields[1].name, "X-Case");
    EXPECT_STR(p.fields[1].value, "a b");
    EXPECT_STR(p.fields[2].name, "Empty");
    EXPECT_STR(p.fields[2].value, "");
    EXPECT_STR(p.host, "a.example");
}

void test_parse_head_may_move_between_reads(void)
{
    static struct seen s;
    struct parse p;
    char first[] = "POST /moved?x=1 HTTP/1.1\r\nHost: a.exa", second[256] = "";
    parse_init(&p, &http_limits_default, s.fields);
    EXPECT_EQ_INT(parse_head(&p, first, first + sizeof(first) - 1), PARSE_MORE);
    memcpy(second, first, sizeof(first));
    parse_head_moved(&p, second);
    memset(first, '!', sizeof(first));
    int n = snprintf(second + sizeof(first) - 1, 64, "mple\r\nExpect: 100-continue\r\n\r\n");
    const char *end = second + sizeof(first) - 1 + n;
    EXPECT_EQ_INT(parse_head(&p, second, end), PARSE_DONE);
    EXPECT_STR(p.method, "POST");
    EXPECT_STR(p.target, "/moved?x=1");
    EXPECT_STR(p.host, "a.example");
    EXPECT(p.expect_continue);
    EXPECT_EQ_UINT(p.head_n, (size_t)(end - second));
}

static void expect_limit(const struct http_limits *limits, const char *raw, size_t n,
                         const char *outcome)
{
    static const size_t steps[] = {65536, 100};
    for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
        struct seen *s = run(limits, str_of(raw, n), steps[k]);
        if (!str_eq(str_of(s->outcome, s->outcome_n), str_from_cstr(outcome)))
            FAIL("%zu bytes, step %zu: got \"%.*s\", expected \"%s\"", n, steps[k],
                 (int)(s->outcome_n < 100 ? s->outcome_n : 100), s->outcome, outcome);
    }
}

void test_parse_limits_are_exact(void)
{
    struct http_limits l = http_limits_default;
    l.request_line_max = (int64_t)sizeof("GET /ab HTTP/1.1\r\n") - 1;
    expect_limit(&l, "GET /ab HTTP/1.1\r\n" H "\r\n", 18 + 17 + 2, "GET /ab []");
    expect_limit(&l, "GET /abc HTTP/1.1\r\n" H "\r\n", 19 + 17 + 2, "414");
    l = http_limits_default;
    l.header_bytes_max = 17 + 2;
    expect_limit(&l, GET11 H "\r\n", 16 + 17 + 2, "GET / []");
    expect_limit(&l, GET11 "Host:  a.example\r\n\r\n", 16 + 18 + 2, "431");
    l = http_limits_default;
    l.header_count_max = 2;
    expect_limit(&l, GET11 H "A:\r\n\r\n", 16 + 17 + 4 + 2, "GET / []");
    expect_limit(&l, GET11 H "A:\r\nB:\r\n\r\n", 16 + 17 + 8 + 2, "431");
    l = http_limits_default;
    l.body_bytes_max = 4;
    expect_limit(&l, POST "Content-Length: 4\r\n\r\nbody", 18 + 17 + 21 + 4, "POST /p [body]");
    expect_limit(&l, POST "Content-Length: 5\r\n\r\nbody!", 18 + 17 + 21 + 5, "413");
    static const char two[] = CHUNKED "2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n";
    static const char three[] = CHUNKED "2\r\nbo\r\n2\r\ndy\r\n1\r\n!\r\n0\r\n\r\n";
    expect_limit(&l, two, sizeof(two) - 1, "POST /p [body]");
    expect_limit(&l, three, sizeof(three) - 1, "413");
}

/* Nothing may be awaited without end: these never complete, and are refused when they pass the
 * limit rather than kept. */
void test_parse_endless_input_is_refused(void)
{
    static char raw[65536];
    static const struct {
        const char *head;
        char fill;
        const char *outcome;
    } cases[] = {
        {"GET /", 'a', "414"},        {"GET /?", 'a', "414"}, {GET11 H "A: ", 'a', "431"},
        {GET11 H "A:", ' ', "431"},   {GET11 H, 'A', "431"},  {CHUNKED "1;", 'a', "400"},
        {CHUNKED "1;a=", 'a', "400"}, {CHUNKED, '0', "400"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        memset(raw, cases[i].fill, sizeof(raw));
        memcpy(raw, cases[i].head, strlen(cases[i].head));
        expect_limit(&http_limits_default, raw, sizeof(raw), cases[i].outcome);
    }
}

void test_parse_chunk_extensions_are_capped_in_all(void)
{
    struct http_limits l = http_limits_default;
    l.chunk_extension_max = 8; /* ";abc" counts as four */
    static const char two[] = CHUNKED "1;abc\r\nx\r\n1;abc\r\ny\r\n0\r\n\r\n";
    static const char three[] = CHUNKED "1;abc\r\nx\r\n1;abc\r\ny\r\n0;a\r\n\r\n";
    expect_limit(&l, two, sizeof(two) - 1, "POST /p [xy]");
    expect_limit(&l, three, sizeof(three) - 1, "400");
}
