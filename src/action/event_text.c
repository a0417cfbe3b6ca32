/* event_text.c -- events rendered for those who act on them. Pure: event in, text out. */
#include "action/event_text.h"

#include "base/codec.h"
#include "base/log.h"

bool event_next_field(str *head, str *name, str *value)
{
    while (head->p && head->n > 0) {
        str line = str_trim(str_cut(head, '\n'));
        size_t colon = str_find(line, ':');
        if (colon == 0 || colon == line.n)
            continue;
        *name = str_slice(line, 0, colon);
        *value = str_trim(str_slice(line, colon + 1, line.n));
        return true;
    }
    return false;
}

str event_field(const struct event *e, str name)
{
    str head = e->head, n, value;
    while (event_next_field(&head, &n, &value))
        if (str_eq_nocase(n, name))
            return value;
    return STR_NONE;
}

str event_query(const struct event *e, struct arena *a, str name)
{
    str rest = e->target;
    (void)str_cut(&rest, '?');
    while (rest.p) {
        str value = str_cut(&rest, '&');
        bool bare = str_find(value, '=') == value.n;
        str key = percent_decode(a, str_cut(&value, '='), true);
        if (key.p && str_eq(key, name))
            return bare ? STR("") : percent_decode(a, value, true);
    }
    return STR_NONE;
}

void event_write_origin(struct json_writer *w, const struct event *e)
{
    char at[CLOCK_TEXT_MAX];
    json_pair(w, "source", e->source.p ? e->source : STR(""));
    json_pair(w, "type", e->type.p ? e->type : STR(""));
    json_pair(w, "received", clock_format(e->received_ms, at));
}

#define NAME_MAX_BYTES 256

static str lower(str name, char out[NAME_MAX_BYTES])
{
    size_t n = name.n < NAME_MAX_BYTES ? name.n : NAME_MAX_BYTES;
    for (size_t i = 0; i < n; i++)
        out[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] | 0x20) : name.p[i];
    return str_of(out, n);
}

static bool carries_secret(str lower_name)
{
    static const char *const parts[] = {"authorization", "cookie", "token",   "secret",
                                        "signature",     "apikey", "api-key", "password"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (str_find_str(lower_name, str_from_cstr(parts[i])) < lower_name.n)
            return true;
    return false;
}

static bool came_before(str head, const char *line, str name)
{
    str n, value;
    while (event_next_field(&head, &n, &value) && n.p < line)
        if (str_eq_nocase(n, name))
            return true;
    return false;
}

/* The values of all fields of that name from `head` on; owned by the caller. */
static str join_values(str head, str name, str first)
{
    size_t room = head.n + first.n + 2;
    char *out = (char *)xmalloc(room);
    size_t len = first.n;
    memcpy(out, first.p, first.n);
    str n, value;
    while (event_next_field(&head, &n, &value)) {
        if (!str_eq_nocase(n, name))
            continue;
        memcpy(out + len, ", ", 2);
        memcpy(out + len + 2, value.p, value.n);
        len += 2 + value.n;
    }
    return str_of(out, len);
}

static bool comes_again(str head, str name)
{
    str n, value;
    while (event_next_field(&head, &n, &value))
        if (n.n == name.n && str_eq_nocase(n, name))
            return true;
    return false;
}

void event_write_headers(struct json_writer *w, const struct event *e, bool hide_secrets)
{
    char room[NAME_MAX_BYTES];
    json_key(w, "headers");
    json_open(w, '{');
    str rest = e->head, name, value;
    uint64_t seen = 0; /* a bit for each length and first letter: most names are the only ones */
    while (event_next_field(&rest, &name, &value)) {
        str key = lower(name, room);
        uint64_t bit = 1ull << ((key.n * 31 + ((unsigned char)name.p[0] | 0x20u)) % 64);
        if ((seen & bit) && came_before(e->head, name.p, name))
            continue;
        seen |= bit;
        json_key_str(w, key);
        if (hide_secrets && carries_secret(key)) {
            json_string(w, STR("[hidden]"));
        } else if (comes_again(rest, name)) {
            str joined = join_values(rest, name, value);
            json_string(w, joined);
            free((void *)(uintptr_t)joined.p);
        } else {
            json_string(w, value);
        }
    }
    json_close(w, '}');
}

/* A line break in JSON text stands between tokens only, where a blank means the same. */
static void write_json_on_one_line(struct json_writer *w, str body)
{
    size_t start = w->out->len;
    json_raw(w, body);
    if (!buf_ok(w->out))
        return;
    for (size_t i = start; i < w->out->len; i++)
        if (w->out->p[i] == '\n' || w->out->p[i] == '\r')
            w->out->p[i] = ' ';
}

void event_write_body(struct json_writer *w, const struct event *e, bool as_data)
{
    str body = e->body.p ? e->body : STR("");
    if (as_data && body.n > 0) {
        struct reason why;
        struct json_doc *doc = json_parse(body, &why);
        if (doc) {
            json_doc_free(doc);
            json_key(w, "data");
            write_json_on_one_line(w, body);
            return;
        }
    }
    if (utf8_valid(body)) {
        json_pair(w, "body", body);
        return;
    }
    char *text = (char *)xmalloc(BASE64_LEN(body.n) + 1);
    size_t n = base64_encode(body.p, body.n, text);
    json_pair(w, "body_base64", str_of(text, n));
    free(text);
}

size_t event_text_max(const struct event *e)
{
    /* Each byte of text may become \u00XX. */
    return 4096 + 6 * (e->body.n + e->head.n + e->source.n + e->type.n);
}
