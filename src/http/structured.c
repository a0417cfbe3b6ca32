/* structured.c -- the parsing and serialising algorithms of RFC 9651 sections 4.1 and 4.2, as they
 * stand there. */
#include "http/structured.h"

#include "base/codec.h"

#define DIGITS_MAX 15       /* of an integer */
#define WHOLE_DIGITS_MAX 12 /* of a decimal, before its point */
#define FRACTION_DIGITS_MAX 3

struct reader {
    struct arena *arena;
    const char *p, *end;
    const char *wrong; /* NULL as long as nothing is */
    bool doubled;
};

static bool refuse(struct reader *r, const char *what)
{
    if (!r->wrong)
        r->wrong = what;
    return false;
}

static bool at(const struct reader *r, char c)
{
    return r->p < r->end && *r->p == c;
}

static bool take(struct reader *r, char c)
{
    if (!at(r, c))
        return false;
    r->p++;
    return true;
}

static void skip(struct reader *r, bool tabs)
{
    while (at(r, ' ') || (tabs && at(r, '\t')))
        r->p++;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool read_key(struct reader *r, str *out)
{
    const char *from = r->p;
    if (r->p == r->end || (!is_lower(*r->p) && *r->p != '*'))
        return refuse(r, "a key must begin with a small letter");
    while (r->p < r->end &&
           (is_lower(*r->p) || is_digit(*r->p) || memchr("_-.*", *r->p, 4) != NULL))
        r->p++;
    *out = str_of(from, (size_t)(r->p - from));
    return true;
}

/* --- bare items ------------------------------------------------------------------------------ */

/* Digits to their canonical form: no zeros in front, none at a fraction's end but one. */
static void canonical_number(struct reader *r, struct sf_param *out, const char *from, bool minus)
{
    const char *to = r->p;
    const char *point = memchr(from, '.', (size_t)(to - from));
    while (from < to - 1 && *from == '0' && is_digit(from[1]))
        from++;
    while (point && to > point + 2 && to[-1] == '0')
        to--;
    bool is_zero = true;
    for (const char *c = from; c < to; c++)
        is_zero = is_zero && (*c == '0' || *c == '.');
    out->text = arena_printf(r->arena, "%s" STR_FMT, minus && !is_zero ? "-" : "",
                             STR_ARG(str_of(from, (size_t)(to - from))));
}

static bool read_number(struct reader *r, struct sf_param *out)
{
    bool minus = take(r, '-');
    const char *from = r->p;
    size_t whole = 0, fraction = 0;
    for (; r->p < r->end && is_digit(*r->p); r->p++)
        whole++;
    if (!whole || whole > DIGITS_MAX)
        return refuse(r, "a number has 1 to 15 digits");
    out->kind = SF_INTEGER;
    if (whole <= WHOLE_DIGITS_MAX && take(r, '.')) {
        out->kind = SF_DECIMAL;
        for (; r->p < r->end && is_digit(*r->p); r->p++)
            fraction++;
        if (!fraction || fraction > FRACTION_DIGITS_MAX)
            return refuse(r, "a fraction has 1 to 3 digits");
    }
    canonical_number(r, out, from, minus);
    if (out->kind == SF_INTEGER && out->text.p && !str_to_i64(out->text, &out->integer))
        return refuse(r, "a number is too large");
    return true;
}

static bool read_date(struct reader *r, struct sf_param *out)
{
    r->p++;
    if (!read_number(r, out))
        return false;
    if (out->kind != SF_INTEGER)
        return refuse(r, "a date has no fraction");
    out->kind = SF_DATE;
    return true;
}

static bool read_string(struct reader *r, struct sf_param *out)
{
    const char *from = ++r->p;
    while (r->p < r->end && *r->p != '"')
        r->p += *r->p == '\\' && r->p + 1 < r->end ? 2 : 1;
    if (r->p == r->end)
        return refuse(r, "a string has no end");
    char *text = arena_alloc(r->arena, (size_t)(r->p - from) + 1);
    size_t n = 0;
    for (const char *c = from; text && c < r->p; c++) {
        if (*c == '\\' && *++c != '"' && *c != '\\')
            return refuse(r, "a backslash stands before a quote or a backslash alone");
        if (*c < ' ' || *c > '~')
            return refuse(r, "a string holds printable ASCII alone");
        text[n++] = *c;
    }
    r->p++;
    out->kind = SF_STRING;
    out->text = str_of(text, n);
    return true;
}

static bool read_token(struct reader *r, struct sf_param *out)
{
    const char *from = r->p;
    while (r->p < r->end &&
           (is_alpha(*r->p) || is_digit(*r->p) || memchr("!#$%&'*+-.^_`|~:/", *r->p, 17) != NULL))
        r->p++;
    out->kind = SF_TOKEN;
    out->text = str_of(from, (size_t)(r->p - from));
    return true;
}

static bool read_bytes(struct reader *r, struct sf_param *out)
{
    const char *from = ++r->p;
    while (r->p < r->end && *r->p != ':')
        r->p++;
    if (r->p == r->end)
        return refuse(r, "bytes have no closing colon");
    str text = str_of(from, (size_t)(r->p++ - from));
    uint8_t *bytes = arena_alloc(r->arena, text.n + 1);
    size_t n = 0;
    if (bytes && !base64_decode(text, bytes, text.n + 1, &n))
        return refuse(r, "bytes are not base64");
    out->kind = SF_BYTES;
    out->text = str_of((const char *)bytes, n);
    return true;
}

static bool read_bare(struct reader *r, struct sf_param *out)
{
    if (r->p == r->end)
        return refuse(r, "a value is missing");
    char c = *r->p;
    if (c == '-' || is_digit(c))
        return read_number(r, out);
    if (c == '"')
        return read_string(r, out);
    if (c == '*' || is_alpha(c))
        return read_token(r, out);
    if (c == ':')
        return read_bytes(r, out);
    if (c == '@')
        return read_date(r, out);
    if (c != '?')
        return refuse(r, "a value begins in a way that is not known");
    r->p++;
    out->kind = SF_BOOLEAN;
    out->text = at(r, '1') ? STR("1") : STR("0");
    return take(r, '1') || take(r, '0') || refuse(r, "a boolean is ?0 or ?1");
}

/* --- items, lists, dictionaries -------------------------------------------------------------- */

static bool read_params(struct reader *r, struct sf_item *item)
{
    struct sf_param room[SF_PARAMS_MAX];
    size_t n = 0;
    while (take(r, ';')) {
        skip(r, false);
        if (n == SF_PARAMS_MAX)
            return refuse(r, "there are over 16 parameters");
        struct sf_param *p = &room[n];
        *p = (struct sf_param){.kind = SF_BOOLEAN, .text = STR("1")};
        if (!read_key(r, &p->key) || (take(r, '=') && !read_bare(r, p)))
            return false;
        for (size_t i = 0; i < n; i++)
            if (str_eq(room[i].key, p->key)) {
                r->doubled = true;
                return refuse(r, "a parameter is there twice");
            }
        n++;
    }
    item->params = ARENA_ARRAY(r->arena, struct sf_param, n + 1);
    if (item->params)
        memcpy(item->params, room, n * sizeof(*room));
    item->param_count = item->params ? n : 0;
    return true;
}

static bool read_plain_item(struct reader *r, struct sf_item *out)
{
    *out = (struct sf_item){.items = NULL};
    return read_bare(r, &out->bare) && read_params(r, out);
}

static bool read_inner_list(struct reader *r, struct sf_item *out)
{
    struct sf_item room[SF_ITEMS_MAX];
    size_t n = 0;
    *out = (struct sf_item){.bare = {.kind = SF_INNER_LIST}};
    r->p++;
    for (;;) {
        skip(r, false);
        if (take(r, ')'))
            break;
        if (n == SF_ITEMS_MAX)
            return refuse(r, "an inner list has over 64 items");
        if (!read_plain_item(r, &room[n++]))
            return false;
        if (!at(r, ' ') && !at(r, ')'))
            return refuse(r, "an inner list has no closing parenthesis");
    }
    out->items = ARENA_ARRAY(r->arena, struct sf_item, n + 1);
    if (out->items)
        memcpy(out->items, room, n * sizeof(*room));
    out->item_count = out->items ? n : 0;
    return read_params(r, out);
}

static bool read_item(struct reader *r, struct sf_item *out)
{
    return at(r, '(') ? read_inner_list(r, out) : read_plain_item(r, out);
}

static bool read_member(struct reader *r, bool keyed, struct sf_member *m)
{
    m->key = STR("");
    if (!keyed)
        return read_item(r, &m->item);
    if (!read_key(r, &m->key))
        return false;
    if (take(r, '='))
        return read_item(r, &m->item);
    m->item = (struct sf_item){.bare = {.kind = SF_BOOLEAN, .text = STR("1")}};
    return read_params(r, &m->item);
}

static const char *read_members(struct reader *r, bool keyed, struct sf_member **out, size_t *count)
{
    struct sf_member room[SF_MEMBERS_MAX];
    size_t n = 0;
    *count = 0;
    skip(r, false);
    while (r->p < r->end) {
        if (n == SF_MEMBERS_MAX)
            return "it has over 32 members";
        if (!read_member(r, keyed, &room[n]))
            return r->wrong;
        if (keyed && sf_get(room, n, room[n].key)) {
            r->doubled = true;
            return "a name is there twice";
        }
        n++;
        skip(r, true);
        if (r->p == r->end)
            break;
        if (!take(r, ','))
            return "a comma is missing between two members";
        skip(r, true);
        if (r->p == r->end)
            return "it ends with a comma";
    }
    *out = ARENA_ARRAY(r->arena, struct sf_member, n + 1);
    if (!*out || !arena_ok(r->arena))
        return "it is too long";
    memcpy(*out, room, n * sizeof(*room));
    *count = n;
    return NULL;
}

static struct reader reader_of(struct arena *a, str text)
{
    while (text.n && text.p[text.n - 1] == ' ')
        text.n--;
    const char *p = text.p ? text.p : "";
    return (struct reader){.arena = a, .p = p, .end = p + text.n};
}

const char *sf_dictionary(struct arena *a, str text, struct sf_member **out, size_t *count,
                          bool *doubled)
{
    struct reader r = reader_of(a, text);
    const char *wrong = read_members(&r, true, out, count);
    *doubled = r.doubled;
    return wrong;
}

const char *sf_list(struct arena *a, str text, struct sf_member **out, size_t *count)
{
    struct reader r = reader_of(a, text);
    return read_members(&r, false, out, count);
}

const char *sf_one_item(struct arena *a, str text, struct sf_item *out)
{
    struct reader r = reader_of(a, text);
    skip(&r, false);
    if (!read_plain_item(&r, out))
        return r.wrong;
    if (r.p != r.end)
        return "something stands behind it";
    return arena_ok(a) ? NULL : "it is too long";
}

const struct sf_item *sf_get(const struct sf_member *members, size_t count, str key)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(members[i].key, key))
            return &members[i].item;
    return NULL;
}

const struct sf_param *sf_param_get(const struct sf_item *item, str key)
{
    for (size_t i = 0; i < item->param_count; i++)
        if (str_eq(item->params[i].key, key))
            return &item->params[i];
    return NULL;
}

/* --- writing --------------------------------------------------------------------------------- */

bool sf_string_holds(str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < ' ' || text.p[i] > '~')
            return false;
    return true;
}

void sf_write_string(struct buf *out, str text)
{
    assert(sf_string_holds(text));
    buf_char(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\')
            buf_char(out, '\\');
        buf_char(out, text.p[i]);
    }
    buf_char(out, '"');
}

void sf_write_bytes(struct buf *out, str bytes)
{
    buf_char(out, ':');
    char *room = buf_reserve(out, BASE64_LEN(bytes.n) + 1);
    if (room)
        buf_grew(out, base64_encode(bytes.p, bytes.n, room));
    buf_char(out, ':');
}

static void write_bare(struct buf *out, const struct sf_param *p)
{
    switch (p->kind) {
    case SF_STRING:
        sf_write_string(out, p->text);
        break;
    case SF_BYTES:
        sf_write_bytes(out, p->text);
        break;
    case SF_BOOLEAN:
    case SF_DATE:
        buf_char(out, p->kind == SF_DATE ? '@' : '?');
        buf_str_append(out, p->text);
        break;
    default:
        buf_str_append(out, p->text);
    }
}

static bool is_true(const struct sf_param *p)
{
    return p->kind == SF_BOOLEAN && str_eq(p->text, STR("1"));
}

static void write_params(struct buf *out, const struct sf_item *item)
{
    for (size_t i = 0; i < item->param_count; i++) {
        buf_char(out, ';');
        buf_str_append(out, item->params[i].key);
        if (is_true(&item->params[i]))
            continue;
        buf_char(out, '=');
        write_bare(out, &item->params[i]);
    }
}

void sf_write_item(struct buf *out, const struct sf_item *item)
{
    if (item->bare.kind != SF_INNER_LIST) {
        write_bare(out, &item->bare);
        write_params(out, item);
        return;
    }
    buf_char(out, '(');
    for (size_t i = 0; i < item->item_count; i++) {
        if (i)
            buf_char(out, ' ');
        write_bare(out, &item->items[i].bare);
        write_params(out, &item->items[i]);
    }
    buf_char(out, ')');
    write_params(out, item);
}

void sf_write_members(struct buf *out, const struct sf_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct sf_member *m = &members[i];
        buf_str_append(out, i ? STR(", ") : STR(""));
        buf_str_append(out, m->key);
        if (m->key.n && is_true(&m->item.bare)) {
            write_params(out, &m->item);
            continue;
        }
        buf_str_append(out, m->key.n ? STR("=") : STR(""));
        sf_write_item(out, &m->item);
    }
}
