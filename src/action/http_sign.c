/* http_sign.c -- the setting, and its use. */
#include "action/http_sign.h"

#include "base/clock.h"

#define OPTIONS_MAX 16

static void read_options(struct http_sign *s, struct arena *a, const struct yaml *node,
                         struct problems *p)
{
    if (!node)
        return;
    if (node->kind != YAML_MAP || node->count > OPTIONS_MAX) {
        problem_at(p, node, "options must be a mapping of at most %d names to values", OPTIONS_MAX);
        return;
    }
    s->keys = ARENA_ARRAY(a, str, node->count + 1);
    s->values = ARENA_ARRAY(a, str, node->count + 1);
    for (const struct yaml *one = node->first; s->keys && s->values && one; one = one->next) {
        s->keys[s->option_count] = one->key;
        if (read_str(p, one, &s->values[s->option_count]))
            s->option_count++;
    }
}

/* Only where a receiver expects several signatures in one field can two secrets sign. */
static bool takes_several(str provider)
{
    return str_eq(provider, STR("standard-webhooks")) || str_eq(provider, STR("svix"));
}

static void read_previous(struct http_sign *s, const struct yaml *node, struct problems *p)
{
    const struct yaml *previous = yaml_get(node, STR("previous_secret"));
    const struct yaml *until = yaml_get(node, STR("previous_until"));
    s->previous = STR("");
    if (previous && !takes_several(s->provider))
        problem_at(p, previous, "only standard-webhooks and svix can sign with two secrets");
    else if (previous)
        (void)read_str(p, previous, &s->previous);
    else if (until)
        problem_at(p, until, "there is no \"previous_secret\" that it could end");
    if (until && (until->kind != YAML_SCALAR || !clock_parse(until->scalar, &s->previous_until_ms)))
        problem_at(p, until, "expected a time, as 2026-12-31T12:00:00Z");
}

void http_sign_read(struct http_sign *s, struct arena *a, const struct yaml *node,
                    struct problems *p)
{
    static const char *const known[] = {"provider",        "secret",         "options",
                                        "previous_secret", "previous_until", NULL};
    if (!node || !read_keys(p, node, known))
        return;
    const struct yaml *secret = yaml_get(node, STR("secret"));
    s->is_set = true;
    s->provider = STR("standard-webhooks");
    s->secret = STR("");
    (void)read_str(p, yaml_get(node, STR("provider")), &s->provider);
    read_options(s, a, yaml_get(node, STR("options")), p);
    read_previous(s, node, p);
    if (!secret)
        problem_at(p, node, "\"secret\" is missing: nothing can be signed without");
    else if (read_str(p, secret, &s->secret) && s->secret.n == 0)
        problem_at(p, secret, "the secret is empty");
}

/* The same request gives the same fields but for the signature, which becomes a list of two. */
static enum err add_previous(const struct http_sign *s, const struct provider *p,
                             const struct signature_input *in, struct arena *a,
                             struct http_field out[SIGN_FIELDS_MAX], size_t count,
                             struct reason *why)
{
    struct http_field also[SIGN_FIELDS_MAX];
    size_t n = 0;
    enum err e = sign_request(p, s->previous, in, a, also, &n, why);
    if (e != ERR_OK)
        return e;
    assert(n == count);
    for (size_t i = 0; i < count; i++)
        if (!str_eq(out[i].value, also[i].value))
            out[i].value =
                arena_printf(a, STR_FMT " " STR_FMT, STR_ARG(out[i].value), STR_ARG(also[i].value));
    return arena_ok(a) ? ERR_OK : fail(why, ERR_LIMIT, "the signatures are too large");
}

enum err http_sign_request(const struct http_sign *s, const struct provider *p,
                           struct signature_input *in, struct arena *a,
                           struct http_field out[SIGN_FIELDS_MAX], size_t *count,
                           struct reason *why)
{
    in->config_keys = s->keys;
    in->config_values = s->values;
    in->config_count = s->option_count;
    enum err e = sign_request(p, s->secret, in, a, out, count, why);
    if (e != ERR_OK || s->previous.n == 0 ||
        (s->previous_until_ms && in->now_ms >= s->previous_until_ms))
        return e;
    return add_previous(s, p, in, a, out, *count, why);
}

const struct provider *http_sign_provider(const struct http_sign *s, struct provider_table *t,
                                          str method, str url, struct reason *why)
{
    const char *nearest = NULL;
    const struct provider *p = t ? provider_find(t, s->provider, &nearest) : NULL;
    if (!p) {
        (void)fail(why, ERR_NOT_FOUND, "sign: there is no provider \"" STR_FMT "\"%s%s%s",
                   STR_ARG(s->provider), nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                   nearest ? "\"?" : "");
        return NULL;
    }
    struct arena a;
    struct http_field fields[SIGN_FIELDS_MAX];
    size_t count;
    struct signature_input in = {.method = method,
                                 .url = url,
                                 .id = STR("evt_0000000000000"),
                                 .event_type = STR("test"),
                                 .body = STR("{}")};
    arena_init(&a, 1u << 20);
    enum err e = http_sign_request(s, p, &in, &a, fields, &count, why);
    arena_release(&a);
    return e == ERR_OK ? p : NULL;
}
