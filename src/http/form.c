/* Form fields, looked up without building a table: forms of webhooks are small and asked for one
 * or two names. A name that occurs twice gives its first value. The caller has chosen the reader
 * by the declared media type. Called by message.c. */
#include "http/form.h"

#include "base/codec.h"

str form_urlencoded_get(struct arena *a, str text, str name)
{
    str rest = text;
    for (size_t i = 0; rest.p && i < FORM_FIELDS_MAX; i++) {
        str pair = str_cut(&rest, '&');
        size_t sign = str_find(pair, '=');
        str key = str_slice(pair, 0, sign);
        /* A key as long as the name or longer can match, a shorter one cannot. */
        if (key.n < name.n || (key.n == 0 && pair.n == 0))
            continue;
        if (!str_eq(key, name)) {
            key = percent_decode(a, key, true);
            if (!key.p || !str_eq(key, name))
                continue;
        }
        return percent_decode(a, str_slice(pair, sign + 1, pair.n), true);
    }
    return STR_NONE;
}

/* --- parameters of a field ------------------------------------------------------------------ */

static str trim_blanks(str s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = str_slice(s, 1, s.n);
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

str media_type(str content_type)
{
    if (!content_type.p)
        return STR_NONE;
    return trim_blanks(str_slice(content_type, 0, str_find(content_type, ';')));
}

/* Cuts the next ';' parameter off *rest, minding quotes. */
static str next_param(str *rest)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < rest->n; i++) {
        char c = rest->p[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == ';' && !quoted)
            break;
    }
    str param = trim_blanks(str_slice(*rest, 0, i));
    *rest = i < rest->n ? str_slice(*rest, i + 1, rest->n) : STR_NONE;
    return param;
}

str media_param(str field, str name)
{
    str rest = field;
    if (!rest.p)
        return STR_NONE;
    next_param(&rest);
    while (rest.p) {
        str param = next_param(&rest);
        size_t sign = str_find(param, '=');
        if (sign == param.n || !str_eq_nocase(str_slice(param, 0, sign), name))
            continue;
        str value = str_slice(param, sign + 1, param.n);
        if (value.n == 0 || value.p[0] != '"')
            return value;
        if (value.n < 2 || value.p[value.n - 1] != '"')
            return STR_NONE;
        value = str_slice(value, 1, value.n - 1);
        bool is_plain = str_find(value, '\\') == value.n && str_find(value, '"') == value.n;
        return is_plain ? value : STR_NONE;
    }
    return STR_NONE;
}

/* --- multipart ------------------------------------------------------------------------------ */

struct multipart {
    str rest;                              /* behind the last delimiter line */
    char delimiter[FORM_BOUNDARY_MAX + 4]; /* "\r\n--boundary" */
    size_t delimiter_n;
};

/* Takes the rest of a delimiter line. False at the closing delimiter or when it is malformed. */
static bool skip_delimiter_line(str *rest)
{
    size_t i = 0;
    while (i < rest->n && (rest->p[i] == ' ' || rest->p[i] == '\t'))
        i++;
    if (rest->n - i < 2 || rest->p[i] != '\r' || rest->p[i + 1] != '\n')
        return false;
    *rest = str_slice(*rest, i + 2, rest->n);
    return true;
}

static bool open_multipart(struct multipart *m, str body, str boundary)
{
    if (!boundary.p || boundary.n == 0 || boundary.n > FORM_BOUNDARY_MAX || !body.p)
        return false;
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary.p, boundary.n);
    m->delimiter_n = boundary.n + 4;
    str first = str_of(m->delimiter + 2, m->delimiter_n - 2);
    if (str_starts(body, first)) {
        m->rest = str_slice(body, first.n, body.n);
    } else {
        str delimiter = str_of(m->delimiter, m->delimiter_n);
        size_t at = str_find_str(body, delimiter); /* behind a preamble */
        if (at == body.n)
            return false;
        m->rest = str_slice(body, at + delimiter.n, body.n);
    }
    return true;
}

/* The next part's fields and content; false when there is none or it is malformed. */
static bool next_part(struct multipart *m, str *head, str *content)
{
    if (!skip_delimiter_line(&m->rest))
        return false;
    str look = str_slice(m->rest, 0, FORM_PART_HEAD_MAX);
    size_t blank = str_find_str(look, STR("\r\n\r\n"));
    if (str_starts(look, STR("\r\n"))) {
        *head = str_slice(look, 0, 0);
        m->rest = str_slice(m->rest, 2, m->rest.n);
    } else if (blank < look.n) {
        *head = str_slice(look, 0, blank);
        m->rest = str_slice(m->rest, blank + 4, m->rest.n);
    } else {
        return false;
    }
    size_t end = str_find_str(m->rest, str_of(m->delimiter, m->delimiter_n));
    if (end == m->rest.n)
        return false;
    *content = str_slice(m->rest, 0, end);
    m->rest = str_slice(m->rest, end + m->delimiter_n, m->rest.n);
    return true;
}

static str part_name(str head)
{
    str rest = head;
    while (rest.p && rest.n > 0) {
        size_t end = str_find_str(rest, STR("\r\n"));
        str line = str_slice(rest, 0, end);
        rest = end < rest.n ? str_slice(rest, end + 2, rest.n) : STR_NONE;
        size_t colon = str_find(line, ':');
        if (!str_eq_nocase(str_slice(line, 0, colon), STR("Content-Disposition")))
            continue;
        str value = trim_blanks(str_slice(line, colon + 1, line.n));
        if (!str_eq_nocase(media_type(value), STR("form-data")))
            return STR_NONE;
        return media_param(value, STR("name"));
    }
    return STR_NONE;
}

str form_multipart_get(str body, str boundary, str name)
{
    struct multipart m;
    if (!open_multipart(&m, body, boundary))
        return STR_NONE;
    str head, content;
    for (size_t i = 0; i < FORM_PARTS_MAX && next_part(&m, &head, &content); i++) {
        str found = part_name(head);
        if (found.p && str_eq(found, name))
            return content;
    }
    return STR_NONE;
}
