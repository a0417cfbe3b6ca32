/* place.c -- bodies are changed as bytes: what stands around the value stays as it was written. */
#include "verify/place.h"

#include "base/codec.h"
#include "base/json_scan.h"

static enum err no_room(struct reason *why)
{
    return fail(why, ERR_LIMIT, "no room for the signed body");
}

static str splice(struct arena *a, str text, str old, str new)
{
    size_t at = (size_t)(old.p - text.p);
    char *out = arena_alloc(a, text.n - old.n + new.n + 1);
    if (!out)
        return STR_NONE;
    memcpy(out, text.p, at);
    memcpy(out + at, new.p, new.n);
    memcpy(out + at + new.n, old.p + old.n, text.n - at - old.n);
    return str_of(out, text.n - old.n + new.n);
}

static bool is_json(str s)
{
    struct json_doc *d = json_parse(s, NULL);
    json_doc_free(d);
    return d != NULL;
}

/* Where no string stood and the value can be one of JSON it is written so, else as a string. */
static enum err place_json(str path, str value, struct arena *a, str *body, struct reason *why)
{
    str old = json_scan_path(a, *body, path);
    if (!old.p)
        return fail(why, ERR_INVALID,
                    "the body needs a member ." STR_FMT " for the provider's value to go into",
                    STR_ARG(path));
    str new =
        old.p[0] != '"' && is_json(value) ? value : template_filter_builtin(STR("json"), value, a);
    *body = new.p ? splice(a, *body, old, new) : STR_NONE;
    return body->p ? ERR_OK : no_room(why);
}

/* The pair of that name in urlencoded text, its value replaced, or a pair added. */
static str with_pair(struct arena *a, str text, str name, str value)
{
    struct buf out;
    str rest = text;
    bool done = false;
    buf_init(&out, text.n + 3 * (name.n + value.n) + 8);
    while (rest.p && text.n) {
        str one = str_cut(&rest, '&'), pair = one;
        str key = percent_decode(a, str_cut(&pair, '='), true);
        if (out.len)
            buf_char(&out, '&');
        if (!done && key.p && str_eq(key, name)) {
            percent_encode(&out, name);
            buf_char(&out, '=');
            percent_encode(&out, value);
            done = true;
        } else {
            buf_str_append(&out, one);
        }
    }
    if (!done) {
        if (out.len)
            buf_char(&out, '&');
        percent_encode(&out, name);
        buf_char(&out, '=');
        percent_encode(&out, value);
    }
    str made = buf_ok(&out) ? arena_str(a, buf_str(&out)) : STR_NONE;
    buf_release(&out);
    return made;
}

static enum err place_query(str name, str value, struct arena *a, str *url, struct reason *why)
{
    size_t question = str_find(*url, '?');
    str query = with_pair(a, str_slice(*url, question + 1, url->n), name, value);
    *url = query.p ? arena_printf(a, STR_FMT "?" STR_FMT, STR_ARG(str_slice(*url, 0, question)),
                                  STR_ARG(query))
                   : STR_NONE;
    return url->p ? ERR_OK : no_room(why);
}

/* "field.path": the JSON text in a form field is taken out, changed and put back. */
static enum err place_form_json(str arg, str value, struct arena *a, str *body, struct reason *why)
{
    str path = arg, text;
    str name = str_cut(&path, '.');
    if (pair_get(a, *body, name, &text) != PRESENT)
        return fail(why, ERR_INVALID, "the body needs a form field " STR_FMT, STR_ARG(name));
    enum err e = place_json(path.p ? path : STR(""), value, a, &text, why);
    if (e != ERR_OK)
        return e;
    *body = with_pair(a, *body, name, text);
    return body->p ? ERR_OK : no_room(why);
}

enum err value_place(const struct ref *r, str path, str value, struct arena *a, str *body, str *url,
                     struct reason *why)
{
    switch (r->kind) {
    case REF_JSON:
        return place_json(r->arg, value, a, body, why);
    case REF_ITEM: {
        str whole = arena_printf(a, STR_FMT "." STR_FMT, STR_ARG(path), STR_ARG(r->arg));
        return whole.p ? place_json(whole, value, a, body, why) : no_room(why);
    }
    case REF_FORM:
        *body = with_pair(a, *body, r->arg, value);
        return body->p ? ERR_OK : no_room(why);
    case REF_FORM_JSON:
        return place_form_json(r->arg, value, a, body, why);
    case REF_QUERY:
        return place_query(r->arg, value, a, url, why);
    case REF_BODY:
        *body = value;
        return ERR_OK;
    default:
        return fail(why, ERR_INVALID, STR_FMT " is nothing that can be written", STR_ARG(r->label));
    }
}
