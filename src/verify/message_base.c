/* message_base.c -- component by component as section 2 of RFC 9421 has it.
 *
 * The URL is the configured public one before what Host says: behind a proxy only that is what the
 * sender signed, and Host is the sender's word. */
#include "verify/message_base.h"

#include "base/codec.h"
#include "verify/content_digest.h"

#define COMPONENT_MAX 512

/* --- the URL --------------------------------------------------------------------------------- */

struct message_url {
    str scheme, authority, path, query; /* query: with its '?', or empty */
};

static str lower(struct arena *a, str in)
{
    char *out = arena_alloc(a, in.n + 1);
    for (size_t i = 0; out && i < in.n; i++)
        out[i] = in.p[i] >= 'A' && in.p[i] <= 'Z' ? (char)(in.p[i] + 32) : in.p[i];
    return str_of(out, in.n);
}

/* RFC 9110 section 4.2.3: the host in small letters, the usual port left out, no path is "/". */
static bool url_of(struct view *w, struct message_url *u)
{
    const struct http_request *req = w->req;
    str base = w->public_url;
    if (str_is_empty(base)) {
        if (str_is_empty(req->host))
            return false;
        base = arena_printf(w->arena, "%s://" STR_FMT, req->tls ? "https" : "http",
                            STR_ARG(req->host));
    }
    size_t colon = str_find_str(base, STR("://"));
    str rest = str_slice(base, colon + 3, base.n);
    size_t slash = str_find(rest, '/');
    u->scheme = lower(w->arena, str_slice(base, 0, colon));
    u->authority = lower(w->arena, str_slice(rest, 0, slash));
    str usual = str_eq(u->scheme, STR("https")) ? STR(":443") : STR(":80");
    if (str_ends(u->authority, usual))
        u->authority.n -= usual.n;
    u->path = req->path;
    if (slash < rest.n)
        u->path = arena_printf(w->arena, STR_FMT STR_FMT, STR_ARG(str_slice(rest, slash, rest.n)),
                               STR_ARG(req->path));
    if (str_is_empty(u->path))
        u->path = STR("/");
    u->query = str_slice(req->target, str_find(req->target, '?'), req->target.n);
    return u->scheme.p && u->authority.n > 0;
}

/* The form-urlencoded set of the URL standard; a blank becomes %20. */
static bool is_plain(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("*-._", c));
}

/* Of a query, the one parameter whose name is written so again. */
static void query_param(struct view *w, str query, str name, str *out, const char **wrong)
{
    str rest = str_slice(query, 1, query.n);
    bool found = false;
    *out = STR_NONE;
    *wrong = "is not in the query";
    while (rest.n) {
        str value = str_cut(&rest, '&');
        str key = percent_decode(w->arena, str_cut(&value, '='), true);
        if (!key.p || !str_eq(percent_encode_but(w->arena, key, is_plain), name))
            continue;
        if (found) {
            *wrong = "is in the query more than once";
            *out = STR_NONE;
            return;
        }
        value = percent_decode(w->arena, value.p ? value : STR(""), true);
        if (!value.p)
            return;
        *out = percent_encode_but(w->arena, value, is_plain);
        found = true;
    }
}

/* --- components ------------------------------------------------------------------------------ */

static enum err refuse(struct reason *why, const struct sf_item *c, const char *what)
{
    return fail(why, ERR_INVALID, "the covered component \"" STR_FMT "\" %s",
                STR_ARG(str_slice(c->bare.text, 0, 80)), what);
}

static enum err derived_value(struct view *w, const struct sf_item *c, str *out, struct reason *why)
{
    const struct sf_param *name = sf_param_get(c, STR("name"));
    str id = c->bare.text;
    struct message_url u;
    const char *wrong = "is not known for a request";
    bool is_param = str_eq(id, STR("@query-param"));
    if (c->param_count != (is_param ? 1u : 0u) || (is_param && (!name || name->kind != SF_STRING)))
        return refuse(why, c, "has parameters that do not belong there");
    if (str_eq(id, STR("@method"))) {
        *out = w->req->method;
        return ERR_OK;
    }
    if (!url_of(w, &u))
        return refuse(why, c, "needs the URL: there is neither Host nor public_url");
    *out = STR_NONE;
    if (str_eq(id, STR("@target-uri")))
        *out = arena_printf(w->arena, STR_FMT "://" STR_FMT STR_FMT STR_FMT, STR_ARG(u.scheme),
                            STR_ARG(u.authority), STR_ARG(u.path), STR_ARG(u.query));
    else if (str_eq(id, STR("@authority")))
        *out = u.authority;
    else if (str_eq(id, STR("@scheme")))
        *out = u.scheme;
    else if (str_eq(id, STR("@path")))
        *out = u.path;
    else if (str_eq(id, STR("@query")))
        *out = u.query.n ? u.query : STR("?");
    else if (str_eq(id, STR("@request-target")) && !str_starts(w->req->target, STR("/")))
        *out = w->req->target;
    else if (str_eq(id, STR("@request-target")))
        *out = arena_printf(w->arena, STR_FMT STR_FMT, STR_ARG(u.path), STR_ARG(u.query));
    else if (is_param)
        query_param(w, u.query, name->text, out, &wrong);
    return out->p ? ERR_OK : refuse(why, c, wrong);
}

/* ;bs: every line as bytes of its own, so that no joining can be misread. */
static str wrapped_lines(struct view *w, str name)
{
    struct buf out;
    buf_init(&out, MESSAGE_BASE_MAX);
    for (size_t i = 0; i < w->req->fields.count; i++) {
        const struct http_field *f = &w->req->fields.v[i];
        if (!str_eq_nocase(f->name, name))
            continue;
        buf_str_append(&out, out.len ? STR(", ") : STR(""));
        sf_write_bytes(&out, f->value);
    }
    str text = buf_ok(&out) ? arena_str(w->arena, buf_str(&out)) : STR_NONE;
    buf_release(&out);
    return text;
}

/* ;key and ;sf: the field read and written anew. Only fields that are known to be dictionaries are
 * taken apart whole. */
static str strict_value(struct view *w, const struct sf_item *c, str value, const char **wrong)
{
    static const str dictionaries[] = {{"content-digest", 14}, {"repr-digest", 11},
                                       {"signature", 9},       {"signature-input", 15},
                                       {"priority", 8},        {"want-content-digest", 19}};
    const struct sf_param *key = sf_param_get(c, STR("key"));
    struct sf_member *members;
    size_t count;
    struct buf out;
    bool doubled, is_known = key && key->kind == SF_STRING;
    for (size_t i = 0; !key && i < ARRAY_LEN(dictionaries); i++)
        is_known = is_known || str_eq(c->bare.text, dictionaries[i]);
    *wrong = "has a parameter that cannot be applied to this field";
    if (!is_known || sf_dictionary(w->arena, value, &members, &count, &doubled))
        return STR_NONE;
    const struct sf_item *member = key ? sf_get(members, count, key->text) : NULL;
    *wrong = "names a member that the field does not have";
    if (key && !member)
        return STR_NONE;
    buf_init(&out, MESSAGE_BASE_MAX);
    if (key)
        sf_write_item(&out, member);
    else
        sf_write_members(&out, members, count);
    str text = buf_ok(&out) ? arena_str(w->arena, buf_str(&out)) : STR_NONE;
    buf_release(&out);
    return text;
}

static bool is_flag(const struct sf_param *p, const char *name)
{
    return str_eq(p->key, str_from_cstr(name)) && p->kind == SF_BOOLEAN &&
           str_eq(p->text, STR("1"));
}

static enum err field_value(struct view *w, const struct sf_item *c, str *out, struct reason *why)
{
    bool wraps = false, strict = false;
    const char *wrong = "is too long";
    for (size_t i = 0; i < c->param_count; i++) {
        const struct sf_param *p = &c->params[i];
        wraps = wraps || is_flag(p, "bs");
        strict = strict || is_flag(p, "sf") || str_eq(p->key, STR("key"));
        if (!is_flag(p, "bs") && !is_flag(p, "sf") && !str_eq(p->key, STR("key")))
            return refuse(why, c,
                          is_flag(p, "tr") ? "is of a trailer, which is not kept"
                                           : "has a parameter that is not for requests");
    }
    if (wraps && strict)
        return refuse(why, c, "has parameters that exclude each other");
    if (!field_lines_join(w->arena, &w->req->fields, c->bare.text, out))
        return refuse(why, c, "is not in the request");
    if (wraps)
        *out = wrapped_lines(w, c->bare.text);
    else if (strict && out->p)
        *out = strict_value(w, c, *out, &wrong);
    return out->p ? ERR_OK : refuse(why, c, wrong);
}

static bool is_component_name(str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool at = c == '@' && i == 0;
        if (!at && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
            !memchr("!#$%&'*+-.^_`|~", c, 15))
            return false;
    }
    return name.n > 0;
}

static bool has_line_end(str value)
{
    return str_find(value, '\n') < value.n || str_find(value, '\r') < value.n;
}

static enum err write_component(struct buf *out, struct view *w, const struct sf_item *c,
                                struct reason *why)
{
    str value = STR_NONE;
    if (c->bare.kind != SF_STRING || !is_component_name(c->bare.text))
        return fail(why, ERR_INVALID, "a covered component is no quoted name in small letters");
    enum err e = c->bare.text.p[0] == '@' ? derived_value(w, c, &value, why)
                                          : field_value(w, c, &value, why);
    if (e == ERR_OK && has_line_end(value))
        e = refuse(why, c, "has a line end in its value");
    if (e != ERR_OK)
        return e;
    sf_write_item(out, c);
    buf_str_append(out, STR(": "));
    buf_str_append(out, value);
    buf_char(out, '\n');
    return ERR_OK;
}

/* The order of the parameters does not tell two components apart. */
static bool same_component(const struct sf_item *x, const struct sf_item *y)
{
    if (!str_eq(x->bare.text, y->bare.text) || x->param_count != y->param_count)
        return false;
    for (size_t i = 0; i < x->param_count; i++) {
        const struct sf_param *other = sf_param_get(y, x->params[i].key);
        if (!other || other->kind != x->params[i].kind || !str_eq(other->text, x->params[i].text))
            return false;
    }
    return true;
}

enum err message_base_write(struct buf *out, struct view *w, const struct sf_item *input,
                            struct reason *why)
{
    for (size_t i = 0; i < input->item_count; i++) {
        for (size_t j = 0; j < i; j++)
            if (same_component(&input->items[i], &input->items[j]))
                return refuse(why, &input->items[i], "is listed twice");
        enum err e = write_component(out, w, &input->items[i], why);
        if (e != ERR_OK)
            return e;
    }
    buf_str_append(out, STR("\"@signature-params\": "));
    sf_write_item(out, input);
    return buf_ok(out) && arena_ok(w->arena)
               ? ERR_OK
               : fail(why, ERR_LIMIT, "what is signed is over %u bytes", MESSAGE_BASE_MAX);
}

/* --- coverage -------------------------------------------------------------------------------- */

static str canonical(const struct sf_item *c, char room[COMPONENT_MAX])
{
    struct buf out = buf_over(room, COMPONENT_MAX);
    sf_write_item(&out, c);
    return buf_ok(&out) ? buf_str(&out) : STR("");
}

str message_component(struct arena *a, str text)
{
    struct sf_item item;
    char room[COMPONENT_MAX];
    size_t end = str_find(text, ';');
    str quoted = arena_printf(a, "\"" STR_FMT "\"" STR_FMT, STR_ARG(str_slice(text, 0, end)),
                              STR_ARG(str_slice(text, end, text.n)));
    if (!quoted.p || sf_one_item(a, quoted, &item) || item.bare.kind != SF_STRING ||
        !is_component_name(item.bare.text))
        return STR_NONE;
    str c = canonical(&item, room);
    return c.n ? arena_str(a, c) : STR_NONE;
}

bool message_covers(const struct sf_item *input, str component)
{
    char room[COMPONENT_MAX];
    for (size_t i = 0; i < input->item_count; i++) {
        const struct sf_item *c = &input->items[i];
        struct sf_item whole = {.bare = c->bare};
        if (c->bare.kind != SF_STRING)
            continue;
        /* The same value, written strictly or wrapped, is the whole field as well. */
        if (c->param_count == 1 && (is_flag(&c->params[0], "sf") || is_flag(&c->params[0], "bs")))
            c = &whole;
        if (str_eq(canonical(c, room), component))
            return true;
    }
    return false;
}

bool message_covers_url(struct view *w, const struct sf_item *input)
{
    bool has_query = str_find(w->req->target, '?') < w->req->target.n;
    if (message_covers(input, STR("\"@target-uri\"")))
        return true;
    return message_covers(input, STR("\"@authority\"")) &&
           (message_covers(input, STR("\"@request-target\"")) ||
            (message_covers(input, STR("\"@path\"")) &&
             (!has_query || message_covers(input, STR("\"@query\"")))));
}
