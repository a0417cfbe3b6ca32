/* gaff_sign.c -- verification and signing alone: no app, no loop, no I/O. */
#include "app/program.h"

#include "base/id.h"
#include "http/target.h"
#include "verify/explain.h"
#include "verify/sign.h"

#define HEADERS_MAX 200
#define OPTIONS_MAX 16
#define ARENA_MAX (64u << 20)

/* One call: what it was given, turned into what verify/ speaks. */
struct alone {
    const gaff_message *message;
    struct provider_table *table;
    const struct provider *provider;
    struct arena arena;
    str secrets[VERIFY_SECRETS_MAX];
    size_t secret_count;
    bool ended; /* some secret was left out */
    str option_keys[OPTIONS_MAX], option_values[OPTIONS_MAX];
    struct http_field fields[HEADERS_MAX];
    struct http_request req;
    str origin; /* "https://example.org" of the URL; empty: none */
    int64_t now;
    struct reason why;
};

static str text_or(const char *text, str other)
{
    return text ? str_from_cstr(text) : other;
}

static enum err choose_secrets(struct alone *c, const gaff_secret *secrets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (secrets[i].not_after && secrets[i].not_after <= c->now) {
            c->ended = true;
            continue;
        }
        if (c->secret_count == VERIFY_SECRETS_MAX)
            return fail(&c->why, ERR_INVALID, "more than %d secrets", VERIFY_SECRETS_MAX);
        c->secrets[c->secret_count++] = text_or(secrets[i].value, STR(""));
    }
    if (c->ended && c->secret_count == 0)
        return fail(&c->why, ERR_INVALID,
                    "every secret given has ended and is not used any more (not_after)");
    return ERR_OK;
}

static enum err copy_fields(struct alone *c)
{
    const gaff_message *m = c->message;
    if (m->header_count > HEADERS_MAX || m->option_count > OPTIONS_MAX)
        return fail(&c->why, ERR_LIMIT, "at most %d header fields and %d options", HEADERS_MAX,
                    OPTIONS_MAX);
    for (size_t i = 0; i < m->header_count; i++) {
        str value = program_slice(m->headers[i].value);
        c->fields[i] = (struct http_field){text_or(m->headers[i].name, STR("")),
                                           value.p ? str_trim(value) : STR("")};
    }
    for (size_t i = 0; i < m->option_count; i++) {
        str value = program_slice(m->options[i].value);
        c->option_keys[i] = text_or(m->options[i].name, STR(""));
        c->option_values[i] = value.p ? value : STR("");
    }
    return ERR_OK;
}

/* The URL cut into its parts. Without one nothing of it is known: what signs it is refused. */
static enum err fill_request(struct alone *c)
{
    const gaff_message *m = c->message;
    str url = text_or(m->url, STR("/")), body = program_slice(m->body);
    struct http_target t;
    c->req = (struct http_request){.method = text_or(m->method, STR("POST")),
                                   .fields = {c->fields, m->header_count},
                                   .body = body.p ? body : STR(""),
                                   .peer = text_or(m->peer, STR("")),
                                   .host = STR(""),
                                   .received_ms = c->now * 1000,
                                   .arena = &c->arena};
    const char *wrong = target_parse(c->req.method, url, &t);
    if (wrong)
        return fail(&c->why, ERR_INVALID, "%s", wrong);
    c->origin = STR("");
    c->req.target = url;
    if (t.authority.p) {
        c->req.host = t.authority;
        c->origin = str_of(url.p, (size_t)(t.authority.p + t.authority.n - url.p));
        c->req.target = str_slice(url, c->origin.n, url.n);
        if (!str_starts(c->req.target, STR("/")))
            c->req.target = arena_printf(&c->arena, "/" STR_FMT, STR_ARG(c->req.target));
    }
    c->req.tls = str_eq_nocase(str_slice(url, 0, 6), STR("https:"));
    c->req.path = t.path;
    c->req.query = t.query;
    return c->req.target.p ? ERR_OK : fail(&c->why, ERR_LIMIT, "the URL is too long");
}

static enum err alone_begin(struct alone *c, const char *provider, const gaff_secret *secrets,
                            size_t secret_count, const gaff_message *message, int64_t now)
{
    const char *nearest = NULL;
    *c = (struct alone){.message = message, .now = now};
    arena_init(&c->arena, ARENA_MAX);
    c->table = provider_table_new();
    c->provider = provider_find(c->table, text_or(provider, STR("")), &nearest);
    if (!c->provider)
        return fail(&c->why, ERR_NOT_FOUND, "there is no provider \"%.60s\"%s%s%s",
                    provider ? provider : "", nearest ? "; did you mean \"" : "",
                    nearest ? nearest : "", nearest ? "\"?" : "");
    if (now < 0 || now > INT64_MAX / 2000)
        return fail(&c->why, ERR_INVALID, "now is no Unix time in seconds");
    enum err e = choose_secrets(c, secrets, secret_count);
    if (e == ERR_OK)
        e = copy_fields(c);
    return e == ERR_OK ? fill_request(c) : e;
}

static gaff_err alone_end(struct alone *c, enum err e, char *why)
{
    if (why && e != ERR_OK)
        snprintf(why, GAFF_WHY_MAX, "%s", c->why.text);
    http_request_release(&c->req);
    provider_table_free(c->table);
    arena_release(&c->arena);
    return program_err(e);
}

/* --- verifying ------------------------------------------------------------------------------- */

static enum key_state fetch_key(void *arg, const struct key_wish *wish, struct arena *a, str *doc,
                                uint64_t *version)
{
    const gaff_message *m = arg;
    const char *url = arena_cstr(a, wish->url);
    gaff_str found = {NULL, 0};
    if (m->fetch && url && !wish->not_inside)
        found = m->fetch(url, m->fetch_arg);
    *doc = program_slice(found);
    *version = 1;
    return found.ptr ? KEY_HERE : KEY_REFUSED;
}

static gaff_err judge(struct alone *c, char *why)
{
    struct problems problems = {0};
    struct verdict v = {0};
    struct key_source keys = {fetch_key, (void *)(uintptr_t)c->message};
    struct verifier_options o = {.provider = c->provider,
                                 .secrets = c->secrets,
                                 .secret_count = c->secret_count,
                                 .public_url = c->origin,
                                 .keys = &keys,
                                 .config_keys = c->option_keys,
                                 .config_values = c->option_values,
                                 .config_count = c->message->option_count};
    struct verifier *verifier = verifier_new(&o, NULL, &problems);
    if (!verifier) {
        enum err e = fail(&c->why, ERR_INVALID, "%s",
                          problems.count ? problems.v[0].text : "no verifier can be made");
        problems_release(&problems);
        return alone_end(c, e, why);
    }
    verifier_check(verifier, &c->req, c->req.received_ms, &v);
    if (why) {
        str said = verifier_reason(verifier, &c->req, c->req.received_ms, &v);
        snprintf(why, GAFF_WHY_MAX, STR_FMT, STR_ARG(said));
    }
    verifier_free(verifier);
    problems_release(&problems);
    UNUSED(alone_end(c, ERR_OK, NULL));
    if (v.code == VERDICT_VERIFIED)
        return GAFF_OK;
    return v.code == VERDICT_STALE ? GAFF_STALE : GAFF_UNAUTHORIZED;
}

gaff_err gaff_verify(const char *provider, const gaff_secret *secrets, size_t secret_count,
                     const gaff_message *message, int64_t now, char why[GAFF_WHY_MAX])
{
    struct alone c;
    enum err e = alone_begin(&c, provider, secrets, secret_count, message, now);
    return e == ERR_OK ? judge(&c, why) : alone_end(&c, e, why);
}

/* --- signing --------------------------------------------------------------------------------- */

static enum err write_headers(const struct http_field *fields, size_t count, char *out, size_t size,
                              struct reason *why)
{
    size_t used = 0;
    if (size)
        out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        int n = snprintf(out + used, size - used, STR_FMT ": " STR_FMT "\r\n",
                         STR_ARG(fields[i].name), STR_ARG(fields[i].value));
        if (n < 0 || (size_t)n >= size - used)
            return fail(why, ERR_LIMIT, "the header lines do not fit into %zu bytes", size);
        used += (size_t)n;
    }
    return ERR_OK;
}

gaff_err gaff_sign(const char *provider, const gaff_secret *secrets, size_t secret_count,
                   const gaff_message *message, int64_t now, char *out, size_t out_size,
                   char why[GAFF_WHY_MAX])
{
    struct alone c;
    struct http_field fields[SIGN_FIELDS_MAX];
    struct id_source ids;
    char made[ID_TEXT_MAX];
    size_t count = 0;
    enum err e = alone_begin(&c, provider, secrets, secret_count, message, now);
    if (out_size)
        out[0] = '\0';
    if (e != ERR_OK)
        return alone_end(&c, e, why);
    id_source_init(&ids, clock_real(), 0);
    struct signature_input in = {
        .method = c.req.method,
        .url = text_or(message->url, STR("/")),
        .id = text_or(message->id, id_format("msg", id_next(&ids), made)),
        .event_type = text_or(message->event_type, STR_NONE),
        .now_ms = c.req.received_ms,
        .body = c.req.body,
        .fields = c.req.fields,
        .config_keys = c.option_keys,
        .config_values = c.option_values,
        .config_count = message->option_count,
    };
    e = sign_request(c.provider, c.secret_count ? c.secrets[0] : STR(""), &in, &c.arena, fields,
                     &count, &c.why);
    if (e == ERR_OK)
        e = write_headers(fields, count, out, out_size, &c.why);
    return alone_end(&c, e, why);
}
