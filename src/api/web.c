/* web.c -- the dashboard and the subscribers' portal, from memory: the pages at / and /portal and
 * what they ask for under /assets/. The files were compressed at build time and are sent so; the
 * names of scripts and styles change with their content. */
#include "api/call.h"

#include "base/embed.h"

#include <string.h>

/* Nothing but our own files, and no string is ever made into markup or a script. Ends before the
 * pages that may hold it in a frame. */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "                \
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; "                                  \
    "require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors "

static const struct embedded *find(const struct api *a, str name, const char *suffix)
{
    for (size_t i = 0; i < a->options.asset_count; i++) {
        const struct embedded *f = &a->options.assets[i];
        const char *rest = f->name + strlen("web/");
        if (strncmp(rest, name.p, name.n) == 0 && strcmp(rest + name.n, suffix) == 0)
            return f;
    }
    return NULL;
}

static bool takes(const struct http_request *req, str coding)
{
    str rest = http_field_get(&req->fields, STR("Accept-Encoding"));
    while (rest.p && rest.n) {
        str item = str_trim(str_cut(&rest, ','));
        str name = str_trim(str_cut(&item, ';'));
        if (str_eq_nocase(name, coding))
            return !item.p || !str_eq(str_trim(item), STR("q=0"));
    }
    return false;
}

static str type_of(str name)
{
    if (str_ends(name, STR(".js")))
        return STR("text/javascript; charset=utf-8");
    if (str_ends(name, STR(".css")))
        return STR("text/css; charset=utf-8");
    if (str_ends(name, STR(".html")))
        return STR("text/html; charset=utf-8");
    return STR("text/plain; charset=utf-8");
}

static void send_file(struct api_call *c, str name, str keep, str policy)
{
    const struct http_request *req = &c->x->req;
    const struct embedded *br = find(c->api, name, ".br"), *gz = find(c->api, name, ".gz");
    const struct embedded *f = br && takes(req, STR("br")) ? br : gz;
    if (!f) {
        http_reply_error(c->x, 404, "not_found", STR("The dashboard has no such file."));
        return;
    }
    if (f == gz && !takes(req, STR("gzip"))) {
        http_reply_error(c->x, 406, "compressed",
                         STR("The dashboard is sent compressed only; with curl: --compressed."));
        return;
    }
    struct http_field fields[] = {
        {STR("Content-Type"), type_of(name)},
        {STR("Content-Encoding"), f == br ? STR("br") : STR("gzip")},
        {STR("Vary"), STR("Accept-Encoding")},
        {STR("Cache-Control"), keep},
        {STR("Content-Security-Policy"), policy},
        {STR("X-Content-Type-Options"), STR("nosniff")},
        {STR("Referrer-Policy"), STR("no-referrer")},
        {STR("Cross-Origin-Opener-Policy"), STR("same-origin")},
        {STR("Cross-Origin-Resource-Policy"), STR("same-origin")},
    };
    http_reply(c->x, 200, fields, ARRAY_LEN(fields), str_of(f->bytes, f->n));
}

static void send_page(struct api_call *c, str name, str policy)
{
    if (c->api->options.asset_count == 0) {
        http_reply_error(c->x, 404, "no_dashboard",
                         STR("This build has no pages: Node.js was not there when it was made. "
                             "Everything they show is in the API and the command line."));
        return;
    }
    send_file(c, name, STR("no-cache"), policy);
}

void api_page(struct api_call *c)
{
    send_page(c, STR("index.html"), STR(POLICY "'none'"));
}

/* The dashboard never stands in a frame; the portal does where the configuration says so. */
void api_portal(struct api_call *c)
{
    struct config *config = engine_config(c->api->options.engine);
    str origins = config->portal_origins;
    str policy = arena_printf(c->x->arena, "%s" STR_FMT, POLICY,
                              STR_ARG(origins.n ? origins : STR("'none'")));
    config_unref(config);
    send_page(c, STR("portal.html"), policy);
}

void api_asset(struct api_call *c)
{
    str name = router_param(&c->match, STR("file"));
    bool hashed = str_ends(name, STR(".js")) || str_ends(name, STR(".css"));
    send_file(c, name, hashed ? STR("public, max-age=31536000, immutable") : STR("no-cache"),
              STR(POLICY "'none'"));
}
