/* gaff_sign.c -- verification and signing alone: no app, no loop, no I/O. */
#include "app/program.h"

#include "base/id.h"
#include "verify/sign.h"

#define HEADERS_ASKED_MAX 16
#define SIGN_ARENA_MAX (64u << 20)

static void copy_why(char why[256], const char *text)
{
    if (why)
        snprintf(why, 256, "%.255s", text);
}

/* Only the headers that signatures are found in are asked for. */
static size_t ask_headers(const struct provider *p, struct arena *a, gaff_header_fn *header,
                          void *arg, struct http_field *out, size_t max)
{
    size_t count = 0;
    str name;
    for (size_t i = 0; (name = provider_header(p, i)).p && count < max; i++) {
        struct http_fields asked = {out, count};
        char *text = arena_cstr(a, name);
        if (http_field_count(&asked, name) || !text)
            continue;
        gaff_str value = header(text, arg);
        if (value.ptr)
            out[count++] = (struct http_field){name, program_slice(value)};
    }
    return count;
}

static gaff_err judge(const struct provider *p, const char *secret, struct http_request *req,
                      int64_t now, char why[256])
{
    struct problems problems = {0};
    struct verdict v = {0};
    str one = str_from_cstr(secret ? secret : "");
    struct verifier_options o = {.provider = p, .secrets = &one, .secret_count = one.n ? 1 : 0};
    struct verifier *verifier = verifier_new(&o, NULL, &problems);
    if (!verifier) {
        copy_why(why, problems.count ? problems.v[0].text : "the secret cannot be used");
        problems_release(&problems);
        return GAFF_INVALID;
    }
    verifier_check(verifier, req, now * 1000, &v);
    verifier_free(verifier);
    problems_release(&problems);
    copy_why(why, v.text);
    if (v.code == VERDICT_VERIFIED)
        return GAFF_OK;
    return v.code == VERDICT_STALE ? GAFF_STALE : GAFF_UNAUTHORIZED;
}

gaff_err gaff_verify(const char *provider, const char *secret, gaff_str body, int64_t now,
                     gaff_header_fn *header, void *arg, char why[256])
{
    struct provider_table *t = provider_table_new();
    const char *nearest = NULL;
    const struct provider *p = provider_find(t, str_from_cstr(provider), &nearest);
    struct http_field fields[HEADERS_ASKED_MAX];
    struct arena a;
    gaff_err err = GAFF_UNKNOWN;
    arena_init(&a, SIGN_ARENA_MAX);
    if (!p)
        copy_why(why, "there is no such provider");
    else {
        struct http_request req = {.method = STR("POST"),
                                   .target = STR("/"),
                                   .path = STR("/"),
                                   .query = STR(""),
                                   .body = program_slice(body),
                                   .arena = &a};
        req.fields = (struct http_fields){
            fields, ask_headers(p, &a, header, arg, fields, HEADERS_ASKED_MAX)};
        err = judge(p, secret, &req, now, why);
        http_request_release(&req);
    }
    arena_release(&a);
    provider_table_free(t);
    return err;
}

static gaff_err write_headers(const struct http_field *fields, size_t count, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        int n = snprintf(out + used, size - used, STR_FMT ": " STR_FMT "\r\n",
                         STR_ARG(fields[i].name), STR_ARG(fields[i].value));
        if (n < 0 || (size_t)n >= size - used)
            return GAFF_LIMIT;
        used += (size_t)n;
    }
    return GAFF_OK;
}

gaff_err gaff_sign(const char *provider, const char *secret, const char *id, gaff_str body,
                   int64_t now, char *out, size_t out_size)
{
    struct provider_table *t = provider_table_new();
    const char *nearest = NULL;
    const struct provider *p = provider_find(t, str_from_cstr(provider), &nearest);
    struct http_field fields[SIGN_FIELDS_MAX];
    struct id_source ids;
    struct reason why = {0};
    struct arena a;
    char made[ID_TEXT_MAX];
    size_t count = 0;
    gaff_err err = GAFF_UNKNOWN;
    arena_init(&a, SIGN_ARENA_MAX);
    id_source_init(&ids, clock_real(), 0);
    struct signature_input in = {.method = STR("POST"),
                                 .url = STR("/"),
                                 .id =
                                     id ? str_from_cstr(id) : id_format("msg", id_next(&ids), made),
                                 .now_ms = now * 1000,
                                 .body = program_slice(body)};
    if (out_size)
        out[0] = 0;
    if (p)
        err = program_err(
            sign_request(p, str_from_cstr(secret ? secret : ""), &in, &a, fields, &count, &why));
    if (err == GAFF_OK)
        err = write_headers(fields, count, out, out_size);
    arena_release(&a);
    provider_table_free(t);
    return err;
}
