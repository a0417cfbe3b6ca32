/* gather.c -- the references that stand for many values in one text: all fields of a form in
 * order, all members of a JSON object, the header fields that another field lists.
 *
 * Values are gathered exactly as they were sent; order is by bytes, so that there is one order. */
#include "base/codec.h"
#include "base/json_scan.h"
#include "http/form.h"
#include "verify/reference.h"

#define PAIRS_MAX FORM_FIELDS_MAX
#define NAMES_MAX 64

struct pair {
    str name, value;
};

struct pairs {
    struct pair *v;
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = str_cmp(x->name, y->name);
    return order ? order : str_cmp(x->value, y->value);
}

static bool pairs_add(struct pairs *p, str name, str value)
{
    if (p->count == PAIRS_MAX || !name.p || !value.p)
        return false;
    p->v[p->count++] = (struct pair){name, value};
    return true;
}

static bool pairs_start(struct pairs *p, struct arena *a)
{
    *p = (struct pairs){.v = ARENA_ARRAY(a, struct pair, PAIRS_MAX)};
    return p->v != NULL;
}

static void pairs_sort(struct pairs *p)
{
    if (p->count)
        qsort(p->v, p->count, sizeof(*p->v), by_name);
}

/* True when name is one of a comma-separated list. */
static bool is_listed(str list, str name)
{
    while (list.p)
        if (str_eq(str_cut(&list, ','), name))
            return true;
    return false;
}

/* The fields of an urlencoded body, decoded and sorted, without those that are listed. */
static bool form_pairs(struct view *w, str without, struct pairs *out)
{
    str type = media_type(http_field_get(&w->req->fields, STR("Content-Type")));
    if (!pairs_start(out, w->arena))
        return false;
    if (!str_eq_nocase(type, STR("application/x-www-form-urlencoded")))
        return true;
    str rest = w->req->body;
    while (rest.p) {
        str value = str_cut(&rest, '&');
        if (!value.n)
            continue;
        str name = percent_decode(w->arena, str_cut(&value, '='), true);
        value = value.p ? percent_decode(w->arena, value, true) : STR("");
        if (name.p && is_listed(without, name))
            continue;
        if (!pairs_add(out, name, value))
            return false;
    }
    pairs_sort(out);
    return true;
}

static enum presence finish(struct view *w, struct buf *b, bool ok, str *out)
{
    *out = ok && buf_ok(b) ? arena_str(w->arena, buf_str(b)) : STR_NONE;
    buf_release(b);
    return out->p ? PRESENT : ABSENT;
}

static void write_pairs(struct buf *b, const struct pairs *p, char between)
{
    for (size_t i = 0; i < p->count; i++) {
        if (i)
            buf_char(b, between);
        buf_str_append(b, p->v[i].name);
        buf_char(b, '=');
        buf_str_append(b, p->v[i].value);
    }
}

/* Names and values run together; the same pair sent twice is signed once. */
static void write_run(struct buf *b, const struct pairs *p)
{
    for (size_t i = 0; i < p->count; i++) {
        if (i && by_name(&p->v[i - 1], &p->v[i]) == 0)
            continue;
        buf_str_append(b, p->v[i].name);
        buf_str_append(b, p->v[i].value);
    }
}

static enum presence gather_form(struct view *w, const struct ref *r, str *out)
{
    struct pairs pairs;
    struct buf b;
    bool ok = form_pairs(w, r->arg, &pairs);
    buf_init(&b, w->req->body.n + 2 * PAIRS_MAX);
    if (ok && r->kind == REF_FORM_QUERY)
        write_pairs(&b, &pairs, '&');
    else if (ok)
        write_run(&b, &pairs);
    return finish(w, &b, ok, out);
}

static enum presence gather_json(struct view *w, const struct ref *r, str *out)
{
    struct pairs pairs;
    struct buf b;
    str key, value;
    if (!http_request_json(w->req) || !pairs_start(&pairs, w->arena))
        return ABSENT;
    str object = json_scan_path(w->arena, w->req->body, r->arg);
    struct json_scan it = json_scan_of(object.p ? object : STR(""));
    if (!it.is_object)
        return ABSENT;
    bool ok = true;
    while (ok && json_scan_next(&it, &key, &value)) {
        key = json_scan_text(w->arena, str_of(key.p - 1, key.n + 2));
        value = str_eq(value, STR("null")) ? STR("") : json_scan_text(w->arena, value);
        ok = pairs_add(&pairs, key, value);
    }
    pairs_sort(&pairs);
    for (size_t i = 1; i < pairs.count; i++)
        if (str_eq(pairs.v[i].name, pairs.v[i - 1].name))
            return DOUBLED;
    buf_init(&b, w->req->body.n + 2 * PAIRS_MAX);
    write_pairs(&b, &pairs, r->kind == REF_JSON_LIST ? ',' : '&');
    return finish(w, &b, ok && !it.failed, out);
}

/* The values of the header fields that a list names; every one must be there once. */
static enum presence gather_headers(struct view *w, str list, char separator, bool with_names,
                                    char between, str *out)
{
    struct buf b;
    enum presence found = PRESENT;
    buf_init(&b, 64u << 10);
    for (size_t n = 0; list.p && found == PRESENT; n++) {
        str name = str_trim(str_cut(&list, separator)), value;
        found = n < NAMES_MAX ? header_get(&w->req->fields, name, &value) : ABSENT;
        if (found != PRESENT)
            break;
        if (n)
            buf_char(&b, between);
        if (with_names) {
            buf_str_append(&b, name);
            buf_char(&b, ':');
        }
        buf_str_append(&b, value);
    }
    enum presence whole = finish(w, &b, found == PRESENT, out);
    return found == PRESENT ? whole : found;
}

static enum presence gather_listed(struct view *w, const struct ref *r, str *out)
{
    str list;
    enum presence found;
    if (r->kind == REF_SIGNED_HEADERS) {
        found = header_get(&w->req->fields, r->arg, &list);
        return found == PRESENT ? gather_headers(w, list, ',', true, ';', out) : found;
    }
    if (!w->field_text.p)
        return ABSENT;
    found = field_get(w->field_text, w->fields, r->arg, &list);
    return found == PRESENT ? gather_headers(w, list, ' ', false, '.', out) : found;
}

/* The lines "Name: value" of the header fields that the JWS lists. */
static enum presence gather_jose(struct view *w, const struct ref *r, str *out)
{
    str list;
    struct buf b;
    enum presence found = json_lookup(w->arena, w->jose, r->arg, &list);
    if (found != PRESENT)
        return found;
    buf_init(&b, 64u << 10);
    for (size_t n = 0; list.p && found == PRESENT; n++) {
        str name = str_trim(str_cut(&list, ',')), value = STR("");
        found = n < NAMES_MAX ? header_get(&w->req->fields, name, &value) : ABSENT;
        buf_printf(&b, STR_FMT ": " STR_FMT "\n", STR_ARG(name), STR_ARG(value));
    }
    enum presence whole = finish(w, &b, found == PRESENT, out);
    return found == PRESENT ? whole : found;
}

/* Every scalar of the body in its order but those of the members that are listed. */
static bool write_leaves(struct buf *b, struct arena *a, str value, str without, unsigned depth)
{
    struct json_scan it = json_scan_of(value);
    str key, item;
    if (depth > JSON_DEPTH_MAX)
        return false;
    if (it.failed) {
        str text = str_eq(value, STR("null")) ? STR("") : json_scan_text(a, value);
        if (text.n && b->len)
            buf_char(b, '/');
        buf_str_append(b, text);
        return text.p != NULL;
    }
    while (json_scan_next(&it, &key, &item))
        if (!key.p || !is_listed(without, key))
            if (!write_leaves(b, a, item, without, depth + 1))
                return false;
    return !it.failed;
}

static enum presence gather_leaves(struct view *w, const struct ref *r, str *out)
{
    struct buf b;
    str value = http_request_json(w->req) ? json_scan_value(w->req->body) : STR_NONE;
    buf_init(&b, 2 * w->req->body.n + 1);
    return finish(w, &b, value.p && write_leaves(&b, w->arena, value, r->arg, 0), out);
}

/* The secret and some query parameters in byte order, run together (WeChat). */
static enum presence gather_sorted(struct view *w, const struct ref *r, str *out)
{
    struct pairs pairs;
    struct buf b;
    str names = r->arg;
    enum presence found = PRESENT;
    if (!pairs_start(&pairs, w->arena) || !w->secret.n)
        return ABSENT;
    bool ok = pairs_add(&pairs, w->secret, STR(""));
    while (names.p && ok && found == PRESENT) {
        str value = STR_NONE;
        found = pair_get(w->arena, w->req->query, str_cut(&names, ','), &value);
        ok = found != PRESENT || pairs_add(&pairs, value, STR(""));
    }
    if (found != PRESENT)
        return found;
    pairs_sort(&pairs);
    buf_init(&b, 64u << 10);
    for (size_t i = 0; i < pairs.count; i++)
        buf_str_append(&b, pairs.v[i].name);
    found = finish(w, &b, ok, out);
    return found;
}

/* PHP's serialize() of the sorted fields (Paddle Classic). */
static enum presence gather_php(struct view *w, const struct ref *r, str *out)
{
    struct pairs pairs;
    struct buf b;
    bool ok = form_pairs(w, r->arg, &pairs);
    buf_init(&b, 4 * w->req->body.n + 64 * PAIRS_MAX);
    buf_printf(&b, "a:%zu:{", pairs.count);
    for (size_t i = 0; ok && i < pairs.count; i++)
        buf_printf(&b, "s:%zu:\"" STR_FMT "\";s:%zu:\"" STR_FMT "\";", pairs.v[i].name.n,
                   STR_ARG(pairs.v[i].name), pairs.v[i].value.n, STR_ARG(pairs.v[i].value));
    buf_char(&b, '}');
    return finish(w, &b, ok, out);
}

/* Plivo's V3: the URL without its query, the query sorted behind '?', and for a POST a dot and
 * the sorted form fields run together. */
static enum presence gather_plivo(struct view *w, str *out)
{
    static const struct ref url_ref = {REF_URL, {"", 0}, {"url", 3}};
    struct pairs query, form;
    struct buf b;
    str url;
    enum presence found = view_get(w, &url_ref, &url);
    if (found != PRESENT || !pairs_start(&query, w->arena))
        return found == PRESENT ? ABSENT : found;
    str rest = w->req->query;
    bool ok = true;
    while (ok && rest.p && rest.n) {
        str value = str_cut(&rest, '&');
        str name = percent_decode(w->arena, str_cut(&value, '='), true);
        value = value.p ? percent_decode(w->arena, value, true) : STR("");
        ok = pairs_add(&query, name, value);
    }
    pairs_sort(&query);
    ok = ok && form_pairs(w, STR(""), &form);
    buf_init(&b, url.n + 2 * (w->req->body.n + w->req->query.n) + 4 * PAIRS_MAX);
    buf_str_append(&b, str_slice(url, 0, str_find(url, '?')));
    bool has_form = ok && form.count > 0;
    if (ok && (query.count || has_form))
        buf_char(&b, '?');
    if (ok)
        write_pairs(&b, &query, '&');
    if (ok && query.count && has_form)
        buf_char(&b, '.');
    if (has_form)
        write_run(&b, &form);
    return finish(w, &b, ok, out);
}

static bool split_pairs(struct arena *a, str text, str without, struct pairs *out)
{
    while (text.p) {
        str value = str_cut(&text, '&');
        if (!value.n)
            continue;
        str name = percent_decode(a, str_cut(&value, '='), true);
        value = value.p ? percent_decode(a, value, true) : STR("");
        if (name.p && str_eq(name, without))
            continue;
        if (!pairs_add(out, name, value))
            return false;
    }
    pairs_sort(out);
    return true;
}

str gather_form_values(struct arena *a, str form, str without)
{
    struct pairs pairs;
    struct buf b;
    if (!pairs_start(&pairs, a) || !split_pairs(a, form, without, &pairs))
        return STR_NONE;
    buf_init(&b, form.n + PAIRS_MAX);
    for (size_t i = 0; i < pairs.count; i++) {
        bool null = str_eq_nocase(pairs.v[i].value, STR("null"));
        if (i)
            buf_char(&b, '|');
        buf_str_append(&b, null ? STR("") : pairs.v[i].value);
    }
    str out = buf_ok(&b) ? arena_str(a, buf_str(&b)) : STR_NONE;
    buf_release(&b);
    return out;
}

static void write_path(struct buf *b, str path)
{
    if (path.n > 1 && str_ends(path, STR("/")))
        path.n--;
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] == '&')
            buf_str_append(b, STR("%26"));
        else
            buf_char(b, path.p[i]);
}

str gather_connect(struct arena *a, str method, str target)
{
    struct pairs pairs;
    struct buf b;
    str query = target, path = str_cut(&query, '?');
    if (!pairs_start(&pairs, a) || !split_pairs(a, query, STR("jwt"), &pairs))
        return STR_NONE;
    buf_init(&b, 3 * target.n + method.n + 2 * PAIRS_MAX);
    buf_str_append(&b, method);
    buf_char(&b, '&');
    write_path(&b, path);
    for (size_t i = 0; i < pairs.count; i++) {
        bool again = i && str_eq(pairs.v[i].name, pairs.v[i - 1].name);
        buf_char(&b, again ? ',' : '&');
        if (!again) {
            percent_encode(&b, pairs.v[i].name);
            buf_char(&b, '=');
        }
        percent_encode(&b, pairs.v[i].value);
    }
    if (!pairs.count)
        buf_char(&b, '&');
    str out = buf_ok(&b) ? arena_str(a, buf_str(&b)) : STR_NONE;
    buf_release(&b);
    return out;
}

/* "field.path.in.its.json" */
static enum presence gather_form_json(struct view *w, str arg, str *out)
{
    str path = arg, text;
    const struct ref field = {REF_FORM, str_cut(&path, '.'), STR_NONE};
    enum presence found = view_get(w, &field, &text);
    if (found != PRESENT)
        return found;
    struct json_doc *d = json_parse(text, NULL);
    found = d ? json_lookup(w->arena, json_root(d), path.p ? path : STR(""), out) : ABSENT;
    if (found == PRESENT)
        *out = arena_str(w->arena, *out);
    json_doc_free(d);
    return found == PRESENT && !out->p ? ABSENT : found;
}

enum presence gather_get(struct view *w, const struct ref *r, str *out)
{
    switch (r->kind) {
    case REF_FORM_PAIRS:
    case REF_FORM_QUERY:
        return gather_form(w, r, out);
    case REF_JSON_QUERY:
    case REF_JSON_LIST:
        return gather_json(w, r, out);
    case REF_SIGNED_HEADERS:
    case REF_FIELD_HEADERS:
        return gather_listed(w, r, out);
    case REF_JSON_LEAVES:
        return gather_leaves(w, r, out);
    case REF_SORTED_QUERY:
        return gather_sorted(w, r, out);
    case REF_FORM_PHP:
        return gather_php(w, r, out);
    case REF_PLIVO:
        return gather_plivo(w, out);
    case REF_JOSE_HEADERS:
        return gather_jose(w, r, out);
    case REF_FORM_JSON:
        return gather_form_json(w, r->arg, out);
    case REF_RAW:
        *out =
            http_request_json(w->req) ? json_scan_path(w->arena, w->req->body, r->arg) : STR_NONE;
        return out->p ? PRESENT : ABSENT;
    default:
        abort(); /* no kind of reference that gathers */
    }
}
