/* multipart.c -- finds boundaries, reads the fields of each part, leaves the content where it is.
 */
#include "compat/multipart.h"

#include "http/form.h"

bool multipart_init(struct multipart *m, str content_type, str body)
{
    str boundary = media_param(content_type, STR("boundary"));
    *m = (struct multipart){.rest = body, .boundary = boundary, .line_end = STR("\r\n")};
    return boundary.p && boundary.n > 0 && boundary.n <= FORM_BOUNDARY_MAX;
}

/* What follows "--boundary" at the front of s; STR_NONE when it does not stand there. */
static str after_delimiter(const struct multipart *m, str s)
{
    if (!str_starts(s, STR("--")) || !str_starts(str_slice(s, 2, s.n), m->boundary))
        return STR_NONE;
    return str_slice(s, 2 + m->boundary.n, s.n);
}

static str skip_blanks(str s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = str_slice(s, 1, s.n);
    return s;
}

enum delimiter { DELIMITER_NONE, DELIMITER_PART, DELIMITER_LAST, DELIMITER_BROKEN };

/* What stands at the front of s, which is the front of a line; *after is behind it. */
static enum delimiter look(struct multipart *m, str s, str *after)
{
    str tail = after_delimiter(m, s);
    if (!tail.p)
        return DELIMITER_NONE;
    if (str_starts(tail, STR("--"))) {
        str end = skip_blanks(str_slice(tail, 2, tail.n));
        *after = end;
        if (!end.n || str_starts(end, m->line_end))
            return DELIMITER_LAST;
        return DELIMITER_NONE;
    }
    tail = skip_blanks(tail);
    if (m->parts == 0 && str_starts(tail, STR("\n")))
        m->line_end = STR("\n");
    if (!str_starts(tail, m->line_end))
        return DELIMITER_NONE;
    *after = str_slice(tail, m->line_end.n, tail.n);
    return DELIMITER_PART;
}

/* Skips what stands before the first boundary, a line at a time. */
static enum delimiter find_first(struct multipart *m, str *after)
{
    str s = m->rest;
    while (s.n) {
        enum delimiter d = look(m, s, after);
        if (d != DELIMITER_NONE)
            return d;
        size_t end = str_find(s, '\n');
        s = str_slice(s, end < s.n ? end + 1 : s.n, s.n);
    }
    return DELIMITER_NONE;
}

/* As look, for the line that ends a content: what begins like a delimiter must be one. */
static enum delimiter look_behind(struct multipart *m, str s, str *after)
{
    str tail = after_delimiter(m, s);
    if (!tail.p || (tail.n && !memchr(" \t\r\n-", tail.p[0], 5)))
        return DELIMITER_NONE;
    enum delimiter d = look(m, s, after);
    return d == DELIMITER_NONE ? DELIMITER_BROKEN : d;
}

/* The content at the front of m->rest up to the line end before the next boundary. */
static enum delimiter find_end(struct multipart *m, str *content, str *after)
{
    str s = m->rest;
    enum delimiter d = look_behind(m, s, after); /* an empty content may have no line end at all */
    if (d != DELIMITER_NONE) {
        *content = str_slice(s, 0, 0);
        return d;
    }
    for (size_t at = 0; at < s.n;) {
        size_t found = at + str_find_str(str_slice(s, at, s.n), m->line_end);
        if (found >= s.n)
            break;
        d = look_behind(m, str_slice(s, found + m->line_end.n, s.n), after);
        if (d != DELIMITER_NONE) {
            *content = str_slice(s, 0, found);
            return d;
        }
        at = found + 1;
    }
    return DELIMITER_NONE;
}

static bool refuse(struct multipart *m, struct reason *why, const char *text)
{
    m->over = true;
    fail(why, ERR_INVALID, "multipart: %s", text);
    return false;
}

/* The last component, as a file name from a client is taken. */
static str base_name(str path)
{
    for (size_t i = path.n; i-- > 0;)
        if (path.p[i] == '/')
            return str_slice(path, i + 1, path.n);
    return path;
}

static bool read_head(struct multipart *m, struct multipart_part *out, struct reason *why)
{
    *out = (struct multipart_part){0};
    str start = m->rest;
    while (m->rest.p) {
        size_t end = str_find(m->rest, '\n');
        if (end == m->rest.n || (size_t)(m->rest.p - start.p) > MULTIPART_HEAD_MAX)
            return refuse(m, why, "a part's head does not end");
        str line = str_trim(str_slice(m->rest, 0, end));
        m->rest = str_slice(m->rest, end + 1, m->rest.n);
        if (!line.n)
            return true;
        size_t colon = str_find(line, ':');
        if (colon == line.n)
            return refuse(m, why, "malformed MIME header line");
        str name = str_slice(line, 0, colon), value = str_trim(str_slice(line, colon + 1, line.n));
        if (str_eq_nocase(name, STR("Content-Type"))) {
            if (!out->content_type.p)
                out->content_type = value;
            out->json = out->json || str_eq(value, STR("application/json"));
        } else if (str_eq_nocase(name, STR("Content-Disposition")) && !out->name.p &&
                   str_eq_nocase(media_type(value), STR("form-data"))) {
            out->name = media_param(value, STR("name"));
            str filename = media_param(value, STR("filename"));
            out->filename = filename.n ? base_name(filename) : STR_NONE;
        }
    }
    return false;
}

bool multipart_next(struct multipart *m, struct multipart_part *out, struct reason *why)
{
    while (!m->over) {
        str after = STR_NONE;
        if (!m->begun) {
            enum delimiter first = find_first(m, &after);
            m->begun = true;
            m->over = first == DELIMITER_LAST;
            if (first == DELIMITER_NONE)
                return refuse(m, why, "NextPart: EOF");
            m->rest = after;
            continue;
        }
        if (++m->parts > MULTIPART_PARTS_MAX)
            return refuse(m, why, "message has too many parts");
        if (!read_head(m, out, why))
            return false;
        enum delimiter end = find_end(m, &out->content, &after);
        if (end == DELIMITER_BROKEN)
            return refuse(m, why, "expecting a new Part");
        if (end == DELIMITER_NONE)
            return refuse(m, why, "NextPart: EOF: the last boundary is missing");
        m->rest = after;
        m->over = end == DELIMITER_LAST;
        if (out->name.n)
            return true;
    }
    return false;
}
