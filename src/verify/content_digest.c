/* content_digest.c -- what a body is compared with, and how that is written. */
#include "verify/content_digest.h"

#include "base/secret.h"
#include "http/structured.h"
#include "verify/crypto.h"

static const struct {
    str name;
    enum digest digest;
} known[] = {{{"sha-256", 7}, DIGEST_SHA256}, {{"sha-512", 7}, DIGEST_SHA512}};

bool field_lines_join(struct arena *a, const struct http_fields *fields, str name, str *out)
{
    size_t lines = 0, bytes = 0, n = 0;
    *out = STR_NONE;
    for (size_t i = 0; i < fields->count; i++)
        if (str_eq_nocase(fields->v[i].name, name)) {
            *out = fields->v[i].value;
            bytes += out->n + 2;
            lines++;
        }
    if (lines < 2)
        return lines == 1;
    char *text = arena_alloc(a, bytes);
    for (size_t i = 0; text && i < fields->count; i++) {
        str value = fields->v[i].value;
        if (!str_eq_nocase(fields->v[i].name, name))
            continue;
        memcpy(text + n, ", ", n ? 2 : 0);
        n += n ? 2 : 0;
        memcpy(text + n, value.p ? value.p : "", value.n);
        n += value.n;
    }
    *out = str_of(text, n);
    return true;
}

static bool is_of(enum digest d, str body, str digest)
{
    uint8_t right[DIGEST_BYTES_MAX];
    digest_of(d, body, right);
    return secret_equal(digest.p, digest.n, right, digest_bytes(d));
}

enum digest_state content_digest_check(struct arena *a, const struct http_fields *fields, str body)
{
    str text;
    struct sf_member *members;
    size_t count;
    bool doubled, found = false;
    if (!field_lines_join(a, fields, STR("Content-Digest"), &text))
        return DIGEST_MISSING;
    if (sf_dictionary(a, text, &members, &count, &doubled))
        return DIGEST_MALFORMED;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        const struct sf_item *one = sf_get(members, count, known[i].name);
        if (one && one->bare.kind != SF_BYTES)
            return DIGEST_MALFORMED;
        if (one && !is_of(known[i].digest, body, one->bare.text))
            return DIGEST_DIFFERS;
        found = found || one;
    }
    return found ? DIGEST_MATCHES : DIGEST_MISSING;
}

str content_digest_make(struct arena *a, str body)
{
    uint8_t digest[DIGEST_BYTES_MAX];
    struct buf out;
    digest_of(DIGEST_SHA256, body, digest);
    buf_init(&out, 256);
    buf_str_append(&out, STR("sha-256="));
    sf_write_bytes(&out, str_of((const char *)digest, digest_bytes(DIGEST_SHA256)));
    str text = arena_str(a, buf_str(&out));
    buf_release(&out);
    return text;
}
