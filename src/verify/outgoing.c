/* outgoing.c -- https://host/path?query cut into its parts. */
#include "verify/outgoing.h"

void outgoing_view(const struct outgoing *o, struct arena *a, struct http_request *req,
                   struct view *w)
{
    str url = str_slice(o->url, 0, str_find(o->url, '#'));
    size_t authority = str_find_str(url, STR("://"));
    authority = authority < url.n ? authority + 3 : 0;
    str rest = str_slice(url, authority, url.n);
    size_t host = str_find(str_slice(rest, 0, str_find(rest, '/')), '?');
    size_t slash = authority + host;
    str target = slash < url.n ? str_slice(url, slash, url.n) : STR("");
    *req = (struct http_request){.method = o->method.p ? o->method : STR("POST"),
                                 .target = target,
                                 .query = target,
                                 .host = str_slice(url, authority, slash),
                                 .fields = o->fields,
                                 .body = o->body,
                                 .arena = a};
    req->path = str_cut(&req->query, '?');
    if (!req->query.p)
        req->query = STR("");
    view_init(w, req, str_slice(url, 0, slash), o->now_ms, NULL);
}
