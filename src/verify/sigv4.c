/* sigv4.c -- the canonical request, the string to sign and the derived key of Signature Version 4,
 * in the words of its documentation. */
#include "verify/sigv4.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/secret.h"
#include "verify/crypto.h"
#include "verify/sign.h"

#define CANONICAL_MAX 65536u
#define SIGNED_MAX 24
#define PAIRS_MAX 64

struct parts {
    str host, path, query;
};

static bool split_url(str url, struct parts *out)
{
    size_t scheme = str_find_str(url, STR("://"));
    if (scheme == url.n)
        return false;
    str rest = str_slice(url, scheme + 3, url.n);
    size_t end = 0;
    while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?')
        end++;
    out->host = str_slice(rest, 0, end);
    rest = str_slice(rest, end, rest.n);
    size_t question = str_find(rest, '?');
    out->path = question ? str_slice(rest, 0, question) : STR("/");
    out->query = str_slice(rest, question + 1, rest.n);
    return out->host.n > 0;
}

static int compare_strs(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

/* Each segment is encoded once more: all services but S3 ask for that. */
static void write_path(struct buf *out, str path)
{
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] == '/')
            buf_char(out, '/');
        else
            percent_encode(out, str_slice(path, i, i + 1));
    }
}

static bool write_query(struct buf *out, str query)
{
    str pairs[PAIRS_MAX];
    size_t count = 0;
    while (query.p && query.n > 0) {
        if (count == PAIRS_MAX)
            return false;
        pairs[count++] = str_cut(&query, '&');
    }
    qsort(pairs, count, sizeof(*pairs), compare_strs);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_char(out, '&');
        buf_str_append(out, pairs[i]);
        if (str_find(pairs[i], '=') == pairs[i].n)
            buf_char(out, '=');
    }
    return true;
}

static int compare_fields(const void *a, const void *b)
{
    return str_cmp(((const struct http_field *)a)->name, ((const struct http_field *)b)->name);
}

static str lower(struct arena *a, str name)
{
    char *out = arena_cstr(a, name);
    for (size_t i = 0; out && i < name.n; i++)
        if (out[i] >= 'A' && out[i] <= 'Z')
            out[i] = (char)(out[i] | 0x20);
    return str_from_cstr(out);
}

/* The fields that are signed, by name in lower case, sorted. */
static size_t signed_fields(const struct sigv4_input *in, str host, str date, struct arena *a,
                            struct http_field out[SIGNED_MAX])
{
    size_t n = 0;
    out[n++] = (struct http_field){STR("host"), host};
    out[n++] = (struct http_field){STR("x-amz-date"), date};
    if (in->session.n)
        out[n++] = (struct http_field){STR("x-amz-security-token"), in->session};
    for (size_t i = 0; i < in->field_count && n < SIGNED_MAX; i++) {
        str name = lower(a, in->fields[i].name);
        if (str_eq(name, STR("content-type")) || str_starts(name, STR("x-amz-")))
            out[n++] = (struct http_field){name, str_trim(in->fields[i].value)};
    }
    qsort(out, n, sizeof(*out), compare_fields);
    return n;
}

static void write_hash(struct buf *out, str text)
{
    uint8_t hash[DIGEST_BYTES_MAX];
    char hex[64];
    digest_of(DIGEST_SHA256, text, hash);
    hex_encode(hash, sizeof(hex) / 2, hex);
    buf_append(out, hex, sizeof(hex));
}

static void derive(const struct sigv4_input *in, str day, uint8_t key[32], struct arena *a)
{
    str first = arena_printf(a, "AWS4" STR_FMT, STR_ARG(in->secret));
    const str steps[] = {in->region, in->service, STR("aws4_request")};
    sign_hmac_sha256(first, day, key);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        uint8_t next[32];
        sign_hmac_sha256(str_of((const char *)key, 32), steps[i], next);
        memcpy(key, next, 32);
    }
    if (first.p)
        secret_wipe((char *)(uintptr_t)first.p, first.n);
}

/* "2025-11-23T20:24:11.042Z" -> "20251123T202411Z". */
static str amz_date(int64_t now_ms, struct arena *a)
{
    char text[CLOCK_TEXT_MAX], out[17];
    size_t n = 0;
    (void)clock_format(now_ms, text);
    for (size_t i = 0; text[i] && text[i] != '.' && n < 15; i++)
        if (text[i] != '-' && text[i] != ':')
            out[n++] = text[i];
    out[n++] = 'Z';
    return arena_str(a, str_of(out, n));
}

static str names_of(const struct http_field *v, size_t n, struct arena *a)
{
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s" STR_FMT, i ? ";" : "", STR_ARG(v[i].name));
    str out = buf_ok(&b) ? arena_str(a, buf_str(&b)) : STR_NONE;
    buf_release(&b);
    return out;
}

static bool write_canonical(struct buf *out, const struct sigv4_input *in,
                            const struct parts *parts, const struct http_field *v, size_t n,
                            str names)
{
    buf_str_append(out, in->method);
    buf_char(out, '\n');
    write_path(out, parts->path);
    buf_char(out, '\n');
    if (!write_query(out, parts->query))
        return false;
    buf_char(out, '\n');
    for (size_t i = 0; i < n; i++)
        buf_printf(out, STR_FMT ":" STR_FMT "\n", STR_ARG(v[i].name), STR_ARG(v[i].value));
    buf_char(out, '\n');
    buf_str_append(out, names);
    buf_char(out, '\n');
    write_hash(out, in->body);
    return buf_ok(out);
}

static str sign(const struct sigv4_input *in, str canonical, str date, str scope, struct arena *a)
{
    struct buf b;
    uint8_t key[32], mac[32];
    char hex[64];
    buf_init(&b, 1024);
    buf_printf(&b, "AWS4-HMAC-SHA256\n" STR_FMT "\n" STR_FMT "\n", STR_ARG(date), STR_ARG(scope));
    write_hash(&b, canonical);
    derive(in, str_slice(date, 0, 8), key, a);
    sign_hmac_sha256(str_of((const char *)key, sizeof(key)), buf_str(&b), mac);
    secret_wipe(key, sizeof(key));
    hex_encode(mac, sizeof(mac), hex);
    bool ok = buf_ok(&b);
    buf_release(&b);
    return ok ? arena_str(a, str_of(hex, sizeof(hex))) : STR_NONE;
}

enum err sigv4_sign(const struct sigv4_input *in, struct arena *a,
                    struct http_field out[SIGV4_FIELDS_MAX], size_t *count, struct reason *why)
{
    struct parts parts;
    struct http_field v[SIGNED_MAX];
    struct buf canonical;
    *count = 0;
    if (!split_url(in->url, &parts))
        return fail(why, ERR_INVALID, "the URL has no host to sign");
    str date = amz_date(in->now_ms, a);
    size_t n = signed_fields(in, parts.host, date, a, v);
    str names = names_of(v, n, a);
    str scope =
        arena_printf(a, STR_FMT "/" STR_FMT "/" STR_FMT "/aws4_request",
                     STR_ARG(str_slice(date, 0, 8)), STR_ARG(in->region), STR_ARG(in->service));
    buf_init(&canonical, CANONICAL_MAX);
    bool ok = write_canonical(&canonical, in, &parts, v, n, names);
    str signature = ok ? sign(in, buf_str(&canonical), date, scope, a) : STR_NONE;
    buf_release(&canonical);
    out[(*count)++] = (struct http_field){STR("X-Amz-Date"), date};
    if (in->session.n)
        out[(*count)++] = (struct http_field){STR("X-Amz-Security-Token"), in->session};
    str value = arena_printf(a,
                             "AWS4-HMAC-SHA256 Credential=" STR_FMT "/" STR_FMT
                             ", SignedHeaders=" STR_FMT ", Signature=" STR_FMT,
                             STR_ARG(in->key), STR_ARG(scope), STR_ARG(names), STR_ARG(signature));
    out[(*count)++] = (struct http_field){STR("Authorization"), value};
    if (!signature.p || !arena_ok(a))
        return fail(why, ERR_LIMIT, "the request is too large to be signed");
    return ERR_OK;
}
