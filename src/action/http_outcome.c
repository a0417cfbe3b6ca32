/* The rules that turn an answer into an outcome, and the record of the exchange with its secrets
 * hidden. Pure. Called by action_http.c. */
#include "action/http_outcome.h"

#include "base/json.h"

#include <ctype.h>

#define TOKEN_BYTES_MIN 20

/* --- the outcome ----------------------------------------------------------------------------- */

/* RFC 9110 section 10.2.3: seconds (a fraction is rounded up, as others do) or an HTTP date.
 * 0 when there is none, it is malformed, or it is past. */
int64_t http_retry_after(str text, int64_t now_ms)
{
    if (!text.p || text.n == 0)
        return 0;
    int64_t at_ms;
    uint64_t seconds;
    str fraction = text;
    str whole = str_cut(&fraction, '.');
    if (str_to_u64(whole, &seconds)) {
        uint64_t below;
        if (fraction.p && !str_to_u64(fraction, &below))
            return 0;
        if (seconds > (uint64_t)HTTP_RETRY_AFTER_MAX_MS / 1000)
            seconds = (uint64_t)HTTP_RETRY_AFTER_MAX_MS / 1000;
        at_ms = now_ms + (int64_t)(seconds + (fraction.p && below > 0)) * 1000;
    } else if (!clock_http_parse(text, &at_ms)) {
        return 0;
    }
    if (at_ms > now_ms + HTTP_RETRY_AFTER_MAX_MS)
        at_ms = now_ms + HTTP_RETRY_AFTER_MAX_MS;
    return at_ms > now_ms ? at_ms : 0;
}

static enum attempt_result result_of_status(const struct http_verdicts *v, int status)
{
    uint8_t listed = (size_t)status < ARRAY_LEN(v->by_status) ? v->by_status[status] : 0;
    if (listed)
        return (enum attempt_result)(listed - 1);
    if (status / 100 == 2)
        return ATTEMPT_SUCCESS;
    return status == 410 ? ATTEMPT_PERMANENT : ATTEMPT_RETRY;
}

static enum attempt_result result_of_class(enum http_call_class class)
{
    switch (class) {
    case HTTP_CALL_CANCELLED:
        return ATTEMPT_CANCELLED;
    case HTTP_CALL_BLOCKED:
    case HTTP_CALL_INVALID:
        return ATTEMPT_PERMANENT;
    default:
        return ATTEMPT_RETRY;
    }
}

static const char *remark_on(int status)
{
    if (status / 100 == 3)
        return "; redirects are not followed";
    return status == 410 ? "; the destination wants no more events" : "";
}

static str summary_of(int status, const char *remark, struct arena *a)
{
    char text[128];
    struct buf out = buf_over(text, sizeof(text));
    const char *words = http_status_text(status);
    buf_str_append(&out, STR("HTTP "));
    buf_decimal(&out, (uint64_t)status);
    buf_str_append(&out, words[0] ? STR(" ") : STR(""));
    buf_str_append(&out, str_from_cstr(words));
    buf_str_append(&out, str_from_cstr(remark));
    return arena_str(a, buf_str(&out));
}

void http_outcome_judge(const struct http_verdicts *v, const struct http_answer *answer,
                        int64_t now_ms, struct arena *a, struct outcome *o)
{
    *o = (struct outcome){.status = answer->status, .error_class = ""};
    if (answer->class != HTTP_CALL_OK) {
        o->result = result_of_class(answer->class);
        o->error_class = http_call_class_word(answer->class);
        o->summary = str_from_cstr(answer->error);
        return;
    }
    o->result = result_of_status(v, answer->status);
    const char *remark = "";
    if (o->result != ATTEMPT_SUCCESS) {
        o->error_class = "http";
        o->gone = answer->status == 410 && o->result == ATTEMPT_PERMANENT;
        remark = remark_on(answer->status);
    }
    if (o->result == ATTEMPT_RETRY)
        o->not_before_ms =
            http_retry_after(http_field_get(&answer->fields, STR("Retry-After")), now_ms);
    o->summary = summary_of(answer->status, remark, a);
}

/* --- the record ------------------------------------------------------------------------------ */

/* Asked of each field of each attempt: a byte tells which parts it may begin. Both cases of a
 * letter have the same low five bits. */
static bool name_carries_secret(str name)
{
    static const str parts[] = {{"auth", 4},        {"apikey", 6},  {"token", 5},  {"secret", 6},
                                {"signature", 9},   {"session", 7}, {"cookie", 6}, {"passw", 5},
                                {"credential", 10}, {"-key", 4},    {"_key", 4}};
    static const uint16_t begun_by[32] = {
        ['a' & 31] = 0x003, ['t' & 31] = 0x004, ['s' & 31] = 0x038, ['c' & 31] = 0x140,
        ['p' & 31] = 0x080, ['-' & 31] = 0x200, ['_' & 31] = 0x400};
    for (size_t at = 0; at < name.n; at++)
        for (unsigned some = begun_by[name.p[at] & 31], i = 0; some >> i; i++)
            if (some >> i & 1 && parts[i].n <= name.n - at &&
                str_eq_nocase(str_of(name.p + at, parts[i].n), parts[i]))
                return true;
    return false;
}

/* Long and of letters and digits: an id or a key, and nobody can tell which. */
static bool looks_like_token(str segment)
{
    bool has_digit = false, has_letter = false;
    for (size_t i = 0; i < segment.n; i++) {
        has_digit = has_digit || isdigit((unsigned char)segment.p[i]);
        has_letter = has_letter || isalpha((unsigned char)segment.p[i]);
    }
    return segment.n >= TOKEN_BYTES_MIN && has_digit && has_letter;
}

static void record_url(struct buf *out, str url)
{
    size_t fragment = str_find(url, '#');
    url = str_slice(url, 0, fragment);
    size_t query = str_find(url, '?');
    size_t scheme = str_find_str(url, STR("://"));
    size_t path = scheme + 3 < query ? scheme + 3 : query;
    path += str_find(str_slice(url, path, query), '/');
    buf_str_append(out, str_slice(url, 0, path));
    str rest = str_slice(url, path, query);
    if (rest.n > 0)
        (void)str_cut(&rest, '/'); /* nothing stands before the first */
    else
        rest = STR_NONE;
    while (rest.p) {
        str segment = str_cut(&rest, '/');
        buf_char(out, '/');
        buf_str_append(out, looks_like_token(segment) ? STR("[hidden]") : segment);
    }
    if (query < url.n)
        buf_str_append(out, STR("?[hidden]"));
}

static void record_field(struct buf *out, str name, str value)
{
    buf_str_append(out, name);
    buf_append(out, ": ", 2);
    buf_str_append(out, name_carries_secret(name) ? STR("[hidden]") : value);
    buf_append(out, "\r\n", 2);
}

void http_record_request(struct buf *out, const struct http_call *call)
{
    buf_str_append(out, call->method);
    buf_char(out, ' ');
    record_url(out, call->url);
    buf_str_append(out, STR(" HTTP/1.1\r\n"));
    for (size_t i = 0; i < call->field_count; i++)
        record_field(out, call->fields[i].name, call->fields[i].value);
}

void http_record_response(struct buf *out, const struct http_answer *answer)
{
    if (answer->head.n == 0)
        return;
    if (!http_field_get(&answer->fields, STR("Set-Cookie")).p) {
        buf_str_append(out, answer->head);
    } else {
        buf_str_append(out, str_slice(answer->head, 0, str_find(answer->head, '\n') + 1));
        for (size_t i = 0; i < answer->fields.count; i++)
            record_field(out, answer->fields.v[i].name, answer->fields.v[i].value);
    }
    buf_append(out, "\r\n", 2);
    buf_str_append(out, answer->body);
    if (answer->body_truncated)
        buf_str_append(out, STR("\n[cut here]\n"));
}

void http_record_timing(struct buf *out, const struct http_answer *answer)
{
    const struct http_timing *t = &answer->timing;
    const struct {
        const char *name;
        int64_t us;
    } phases[] = {{"dns_us", t->dns},   {"connect_us", t->connect},       {"tls_us", t->tls},
                  {"send_us", t->send}, {"first_byte_us", t->first_byte}, {"total_us", t->total}};
    struct json_writer w;
    json_writer_init(&w, out);
    json_open(&w, '{');
    for (size_t i = 0; i < ARRAY_LEN(phases); i++)
        if (phases[i].us >= 0)
            json_pair_int(&w, phases[i].name, phases[i].us);
    json_pair_bool(&w, "reused", answer->reused);
    json_close(&w, '}');
}
