/* bus_read.c -- the settings that queues and email share. */
#include "action/bus.h"

#include <sys/stat.h>

static bool is_known(str name, bool is_filter, void *arg)
{
    UNUSED(arg);
    return !is_filter && event_ref_is_known(name);
}

static bool compile(struct arena *a, const struct yaml *node, str text, struct template *out,
                    struct problems *p)
{
    struct reason why;
    enum err e = template_compile(out, a, text, is_known, NULL, &why);
    if (e != ERR_OK)
        problem_at(p, node, "%s; known here: " EVENT_REFS_TEXT ", body", why.text);
    for (size_t i = 0; e == ERR_OK && i < out->count; i++)
        if (out->parts[i].kind == TEMPLATE_REF && event_ref_check(&out->parts[i], &why) != ERR_OK)
            problem_at(p, node, "%s", why.text);
    return e == ERR_OK;
}

bool bus_template(struct arena *a, const struct yaml *node, struct template *out,
                  struct problems *p)
{
    str text;
    return read_str(p, node, &text) && compile(a, node, text, out, p);
}

void bus_read_part(struct bus_config *c, struct arena *a, const struct yaml *node, const char *key,
                   const char *otherwise, struct problems *p)
{
    const struct yaml *one = yaml_get(node, str_from_cstr(key));
    assert(c->part_count < BUS_PARTS_MAX);
    struct template *out = &c->parts[c->part_count++];
    if (one)
        (void)bus_template(a, one, out, p);
    else if (otherwise)
        (void)compile(a, node, str_from_cstr(otherwise), out, p);
    else
        problem_at(p, node, "\"%s\" is missing", key);
}

void bus_read_message(struct bus_config *c, struct arena *a, const struct yaml *node,
                      const char *otherwise, struct problems *p)
{
    const struct yaml *one = yaml_get(node, STR("message"));
    if (one)
        (void)bus_template(a, one, &c->message, p);
    else
        (void)compile(a, node, str_from_cstr(otherwise), &c->message, p);
}

/* "host", "host:port", "[::1]:port". */
static bool split_server(str text, str *host, uint64_t *port)
{
    *host = text;
    if (str_starts(text, STR("["))) {
        size_t close = str_find(text, ']');
        *host = str_slice(text, 1, close);
        str rest = str_slice(text, close + 1, text.n);
        return close < text.n &&
               (rest.n == 0 || (rest.p[0] == ':' && str_to_u64(str_slice(rest, 1, rest.n), port)));
    }
    size_t colon = str_find(text, ':');
    *host = str_slice(text, 0, colon);
    return host->n > 0 && (colon == text.n || str_to_u64(str_slice(text, colon + 1, text.n), port));
}

static void read_server(struct bus_config *c, struct arena *a, const struct yaml *node,
                        uint16_t default_port, struct problems *p)
{
    const struct yaml *server = yaml_get(node, STR("server"));
    str text = STR(""), host;
    uint64_t port = default_port;
    if (!server)
        problem_at(p, node, "\"server\" is missing: the host, as localhost:%u", default_port);
    if (!server || !read_str(p, server, &text))
        return;
    c->server = arena_cstr(a, text);
    c->host = "";
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= 0x20 || strchr("/@?#\\\"'", text.p[i])) {
            problem_at(p, server, "expected host:port, without a scheme, user or path");
            return;
        }
    if (default_port == 0)
        return;
    if (!split_server(text, &host, &port) || port == 0 || port > 65535) {
        problem_at(p, server, "expected host:port");
        return;
    }
    c->host = arena_cstr(a, host);
    c->port = (uint16_t)port;
}

static const char *read_text(struct arena *a, const struct yaml *node, const char *key,
                             struct problems *p)
{
    const struct yaml *one = yaml_get(node, str_from_cstr(key));
    str text = STR_NONE;
    if (!one || !read_str(p, one, &text))
        return NULL;
    if (memchr(text.p, 0, text.n))
        problem_at(p, one, "\"%s\" holds a NUL byte", key);
    return arena_cstr(a, text);
}

void bus_read_tls(struct bus_config *c, const struct yaml *node, struct problems *p)
{
    (void)read_bool(p, yaml_get(node, STR("tls")), &c->tls);
}

void bus_read(struct bus_config *c, struct arena *a, const struct yaml *node, uint16_t port,
              struct problems *p)
{
    static const char *const policies[] = {"private", "public", NULL};
    int policy = 0;
    struct stat st;
    (void)read_enum(p, yaml_get(node, STR("policy")), policies, &policy);
    c->policy = policy == 0 ? OUTBOUND_PRIVATE : OUTBOUND_PUBLIC;
    c->user = read_text(a, node, "user", p);
    c->password = read_text(a, node, "password", p);
    c->ca_file = read_text(a, node, "ca_file", p);
    if (c->ca_file && stat(c->ca_file, &st) < 0)
        problem_at(p, yaml_get(node, STR("ca_file")), "there is no file %s", c->ca_file);
    read_server(c, a, node, port, p);
    c->base.timeout_ms = 15000;
    c->base.default_concurrency = 64;
    c->base.data = c;
}
