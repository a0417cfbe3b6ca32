/* Reading a request: header fields, and what is parsed out of query and body when first asked
 * for. Which reader a body gets is decided by its declared type alone. Used by verification,
 * rules and handlers, on exchanges as well as on requests read back from the store. */
#include "http/message.h"

#include "http/form.h"

str http_field_get(const struct http_fields *f, str name)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->v[i].name.n == name.n && str_eq_nocase(f->v[i].name, name))
            return f->v[i].value;
    return STR_NONE;
}

size_t http_field_count(const struct http_fields *f, str name)
{
    size_t count = 0;
    for (size_t i = 0; i < f->count; i++)
        count += f->v[i].name.n == name.n && str_eq_nocase(f->v[i].name, name);
    return count;
}

/* The declared type when it was declared once; two of them could be read two ways. */
static str declared_type(const struct http_request *r, str *whole)
{
    if (http_field_count(&r->fields, STR("Content-Type")) != 1)
        return STR_NONE;
    *whole = http_field_get(&r->fields, STR("Content-Type"));
    return media_type(*whole);
}

const struct json *http_request_json(struct http_request *r)
{
    if (!r->json_tried) {
        r->json_tried = true;
        str whole, type = declared_type(r, &whole);
        bool is_form = type.p && (str_eq_nocase(type, STR("application/x-www-form-urlencoded")) ||
                                  str_eq_nocase(type, STR("multipart/form-data")));
        if (r->body.n > 0 && !is_form)
            r->json_doc = json_parse(r->body, NULL);
    }
    return r->json_doc ? json_root(r->json_doc) : NULL;
}

str http_request_query(struct http_request *r, str name)
{
    if (!r->query.p || !r->arena)
        return STR_NONE;
    return form_urlencoded_get(r->arena, r->query, name);
}

str http_request_form(struct http_request *r, str name)
{
    str whole, type = declared_type(r, &whole);
    if (!type.p || !r->body.p || !r->arena)
        return STR_NONE;
    if (str_eq_nocase(type, STR("application/x-www-form-urlencoded")))
        return form_urlencoded_get(r->arena, r->body, name);
    if (str_eq_nocase(type, STR("multipart/form-data")))
        return form_multipart_get(r->body, media_param(whole, STR("boundary")), name);
    return STR_NONE;
}

void http_request_release(struct http_request *r)
{
    json_doc_free(r->json_doc);
    r->json_doc = NULL;
    r->json_tried = false;
}

/* RFC 9110 section 15, and 421, 425, 428, 429, 431, 451, 507, 508, 511 from the IANA registry. */
const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } table[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {203, "Non-Authoritative Information"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {207, "Multi-Status"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {424, "Failed Dependency"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
        {508, "Loop Detected"},
        {511, "Network Authentication Required"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].status == status)
            return table[i].text;
    return "";
}
