/* message_fuzz.c -- any Signature-Input, Signature and Content-Digest through HTTP message
 * signatures (RFC 9421), and through the reading and writing of structured fields alone.
 *
 * Input: parts that end with a NUL byte: the body, the request target, Signature-Input, Signature,
 * Content-Digest, a second line of Signature-Input, another field. */
#include "base/log.h"
#include "http/structured.h"
#include "verify/explain.h"
#include "verify/verify.h"

#define NOW_MS 1795443390000

static struct provider_table *table; /* whose data the verifiers use */
static struct verifier *verifiers[2];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct verifier *make(const char *id, const char *secret)
{
    struct problems problems = {0};
    str s = str_from_cstr(secret);
    struct verifier *v = verifier_new(
        &(struct verifier_options){.provider = provider_find(table, str_from_cstr(id), NULL),
                                   .secrets = &s,
                                   .secret_count = 1,
                                   .public_url = STR("https://example.org")},
        NULL, &problems);
    if (!v)
        die("no verifier of %s: %s", id, problems.v[0].text);
    problems_release(&problems);
    return v;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    UNUSED(argc);
    UNUSED(argv);
    table = provider_table_new();
    verifiers[0] = make("rfc9421", "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=");
    verifiers[1] = make("rfc9421-hmac", "a secret that is not guessed");
    return 0;
}

/* What is written of a value that was read is read again and written the same. */
static void check_canonical(struct arena *a, str text)
{
    struct sf_member *members;
    size_t count, again;
    bool doubled;
    struct buf first, second;
    if (sf_dictionary(a, text, &members, &count, &doubled))
        return;
    buf_init(&first, 1u << 20);
    buf_init(&second, 1u << 20);
    sf_write_members(&first, members, count);
    const char *wrong = sf_dictionary(a, buf_str(&first), &members, &again, &doubled);
    assert(!wrong && again == count);
    sf_write_members(&second, members, count);
    assert(str_eq(buf_str(&first), buf_str(&second)));
    buf_release(&first);
    buf_release(&second);
}

static str next_part(str *rest)
{
    return rest->p ? str_cut(rest, '\0') : STR("");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"Signature-Input", "Signature", "Content-Digest",
                                        "Signature-Input", "Example-Dict"};
    struct http_field fields[ARRAY_LEN(names)];
    struct arena arena;
    struct verdict verdict;
    struct buf out;
    str rest = str_of((const char *)data, size);
    arena_init(&arena, 8u << 20);
    struct http_request req = {.method = STR("POST"),
                               .host = STR("example.org"),
                               .fields = {fields, 0},
                               .body = next_part(&rest),
                               .peer = STR("203.0.113.9"),
                               .arena = &arena};
    req.target = req.query = next_part(&rest);
    req.path = str_cut(&req.query, '?');
    if (!req.query.p)
        req.query = STR("");
    for (size_t i = 0; i < ARRAY_LEN(names) && rest.p; i++)
        fields[req.fields.count++] =
            (struct http_field){str_from_cstr(names[i]), str_trim(next_part(&rest))};
    for (size_t i = 0; i < ARRAY_LEN(verifiers); i++) {
        verifier_check(verifiers[i], &req, NOW_MS, &verdict);
        /* Nobody finds a signature by trying. */
        assert(verdict.code != VERDICT_VERIFIED);
        assert(memchr(verdict.text, '\0', sizeof(verdict.text)) && verdict.text[0]);
        buf_init(&out, 1u << 20);
        verifier_explain(verifiers[i], &req, NOW_MS, &out);
        buf_release(&out);
    }
    for (size_t i = 0; i < req.fields.count; i++)
        check_canonical(&arena, fields[i].value);
    http_request_release(&req);
    arena_release(&arena);
    return 0;
}
