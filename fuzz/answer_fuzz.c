/* answer_fuzz.c -- what a destination answers, judged and recorded: a wait within its bounds, a
 * verdict that fits the status, no cookie in the record. Input: a byte for the status, Retry-After
 * on a line of its own, then the fields as lines; an empty line ends them; the rest is the body. */
#include "action/event_text.h"
#include "action/http_outcome.h"
#include "http/client.h"

#define NOW_MS 1763929451042
#define FIELDS_MAX 32
#define COOKIE "c00kie-of-40-bytes-that-nobody-else-has!"

static const int statuses[] = {200, 204, 301, 400, 404, 410, 429, 500, 503, 599};

static void check_record(const struct http_answer *answer)
{
    struct buf out;
    buf_init(&out, 4u << 20);
    http_record_response(&out, answer);
    str text = buf_str(&out), cookie = STR(COOKIE);
    assert(!buf_ok(&out) || str_ends(text, answer->body));
    assert(str_find_str(text, cookie) == text.n);
    buf_clear(&out);
    http_record_timing(&out, answer);
    struct json_doc *doc = json_parse(buf_str(&out), NULL);
    assert(doc);
    json_doc_free(doc);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http_verdicts none;
    struct http_field fields[FIELDS_MAX + 2];
    struct outcome o;
    struct arena a;
    if (size < 2 || size > 65536 || memmem(data, size, COOKIE, strlen(COOKIE)))
        return 0;
    str rest = str_of((const char *)data + 1, size - 1);
    str wait = str_trim(str_cut(&rest, '\n'));
    size_t count = 0;
    fields[count++] = (struct http_field){STR("Retry-After"), wait};
    fields[count++] = (struct http_field){STR("Set-Cookie"), STR(COOKIE)};
    str head = STR("HTTP/1.1 200 OK\r\n"), name, value;
    str lines = rest.p ? str_slice(rest, 0, str_find_str(rest, STR("\n\n"))) : STR("");
    while (count < ARRAY_LEN(fields) && event_next_field(&lines, &name, &value))
        fields[count++] = (struct http_field){name, value};
    arena_init(&a, 4u << 20);
    struct http_answer answer = {.class = HTTP_CALL_OK,
                                 .status = statuses[data[0] % ARRAY_LEN(statuses)],
                                 .head = head,
                                 .fields = {fields, count},
                                 .body = rest.p ? rest : STR("")};
    int64_t at_ms = http_retry_after(wait, NOW_MS);
    assert(at_ms == 0 || (at_ms > NOW_MS && at_ms <= NOW_MS + HTTP_RETRY_AFTER_MAX_MS));
    http_outcome_judge(&none, &answer, NOW_MS, &a, &o);
    assert((o.result == ATTEMPT_SUCCESS) == (answer.status / 100 == 2));
    assert(o.gone == (answer.status == 410) && o.status == answer.status);
    assert(o.not_before_ms == 0 || (o.result == ATTEMPT_RETRY && o.not_before_ms == at_ms));
    assert(o.result == ATTEMPT_SUCCESS || o.summary.n > 0);
    check_record(&answer);
    arena_release(&a);
    return 0;
}
