/* sign.c -- the provider data read the other way: makes what verify.c would accept. The signed
 * text is looked up in a request made of the input, by the same code that looks it up in a real
 * one. */
#include "verify/sign.h"

#include "base/clock.h"
#include "verify/scheme.h"

#define RECIPE_BYTES_MAX (4u << 20)

struct signing {
    const struct provider *provider;
    const struct scheme *s;
    const struct signature_input *in;
    struct arena *a;
    struct http_field *out;
    size_t count;
    struct reason *why;
};

static bool add_field(struct signing *g, str name, str value)
{
    for (size_t i = 0; i < g->count; i++)
        if (str_eq_nocase(g->out[i].name, name))
            return true;
    assert(g->count < SIGN_FIELDS_MAX);
    name = arena_str(g->a, name);
    value = arena_str(g->a, value);
    g->out[g->count++] = (struct http_field){name, value};
    return name.p && value.p;
}

static str timestamp_text(struct arena *a, enum timestamp_unit unit, int64_t now_ms)
{
    char out[CLOCK_TEXT_MAX];
    if (unit == UNIT_ISO || unit == UNIT_ISO_UTC)
        return arena_str(a, clock_format(now_ms, out));
    return arena_printf(a, "%lld", (long long)(unit == UNIT_MS ? now_ms : now_ms / 1000));
}

/* The request as it will be sent: https://host/path?query cut into its parts. */
static void make_request(struct http_request *req, struct view *w, const struct signing *g)
{
    const struct signature_input *in = g->in;
    str url = in->url.p ? in->url : STR("");
    size_t authority = str_find_str(url, STR("://"));
    authority = authority < url.n ? authority + 3 : 0;
    str rest = str_slice(url, authority, url.n);
    size_t slash = authority + str_find(rest, '/');
    str target = slash < url.n ? str_slice(url, slash, url.n) : STR("");
    *req = (struct http_request){.method = in->method.p ? in->method : STR("POST"),
                                 .target = target,
                                 .query = target,
                                 .host = str_slice(url, authority, slash),
                                 .fields = in->fields,
                                 .body = in->body.p ? in->body : STR(""),
                                 .arena = g->a};
    req->path = str_cut(&req->query, '?');
    if (!req->query.p)
        req->query = STR("");
    *w = (struct view){
        .req = req, .arena = g->a, .public_url = str_slice(url, 0, slash), .id = in->id};
}

static enum err write_id(struct signing *g)
{
    const struct scheme *s = g->s;
    if (!s->has_id)
        return ERR_OK;
    if (str_is_empty(g->in->id) || str_find(g->in->id, '.') < g->in->id.n)
        return fail(g->why, ERR_INVALID, STR_FMT " signs a message id: one without a dot is needed",
                    STR_ARG(g->provider->title));
    if (s->id.kind != REF_HEADER)
        return fail(g->why, ERR_INVALID, STR_FMT " cannot be sent as a header",
                    STR_ARG(s->id.label));
    return add_field(g, s->id.arg, g->in->id) ? ERR_OK : ERR_LIMIT;
}

static enum err write_timestamp(struct signing *g, struct view *w, str *ts_field)
{
    const struct timestamp_rule *t = &g->s->timestamp;
    *ts_field = STR("");
    if (!g->s->has_timestamp)
        return ERR_OK;
    w->ts = timestamp_text(g->a, t->unit, g->in->now_ms);
    if (t->from.kind == REF_FIELD) {
        *ts_field = t->from.arg;
        return ERR_OK;
    }
    /* A time inside of what is to be signed stays what it is. */
    if (t->from.kind != REF_HEADER && view_get(w, &t->from, &w->ts) != PRESENT)
        return fail(g->why, ERR_INVALID, STR_FMT " is signed and is not in what is to be signed",
                    STR_ARG(t->from.label));
    if (t->from.kind != REF_HEADER)
        return ERR_OK;
    return add_field(g, t->from.arg, w->ts) ? ERR_OK : ERR_LIMIT;
}

static enum err write_signature(struct signing *g, struct key *k, struct view *w)
{
    const struct scheme *s = g->s;
    const struct ref *from = &s->signature.from[0];
    uint8_t scratch[DIGEST_BYTES_MAX];
    str ts_field;
    enum err e = write_id(g);
    if (e == ERR_OK)
        e = write_timestamp(g, w, &ts_field);
    if (e != ERR_OK)
        return e;
    if (from->kind != REF_HEADER || (!s->ops->compute && !s->ops->sign))
        return fail(g->why, ERR_INVALID, STR_FMT " cannot be signed for: %s",
                    STR_ARG(g->provider->title),
                    from->kind == REF_HEADER ? "the scheme can only be verified"
                                             : "the signature is not in a header");
    str signature = s->ops->sign ? s->ops->sign(s, k, w) : s->ops->compute(s, k, w, scratch);
    if (!signature.p && w->missing)
        return fail(g->why, ERR_INVALID,
                    STR_FMT " is part of the signed text and is not in what is "
                            "to be signed",
                    STR_ARG(w->missing->label));
    str value =
        signature.p ? signature_write(&s->signature, g->a, signature, ts_field, w->ts) : STR_NONE;
    secret_wipe(scratch, sizeof(scratch));
    if (!value.p || !add_field(g, from->arg, value))
        return fail(g->why, ERR_LIMIT, "no room for the signature");
    return ERR_OK;
}

/* What the provider sends beside the signature, as far as it goes into headers. */
static enum err write_beside(struct signing *g, const struct recipe *r)
{
    bool ok = true;
    if (r->delivery_id_count && r->delivery_ids[0].kind == REF_HEADER && !str_is_empty(g->in->id))
        ok = add_field(g, r->delivery_ids[0].arg, g->in->id);
    if (ok && r->event_type_count && r->event_types[0].kind == REF_HEADER &&
        !str_is_empty(g->in->event_type))
        ok = add_field(g, r->event_types[0].arg, g->in->event_type);
    return ok ? ERR_OK : fail(g->why, ERR_LIMIT, "no room for the header fields");
}

static enum err sign_by(struct signing *g, const struct recipe *r, str secret)
{
    struct reason unfit = {.text = ""};
    bool fits = !recipe_needs_secret(r);
    enum err e = ERR_OK;
    for (size_t i = 0; !fits && i < r->alternative_count; i++) {
        struct key k = {0};
        struct view w;
        struct http_request req;
        g->s = &r->alternatives[i];
        fits = !str_is_empty(secret) && key_prepare(&k, g->s, secret, true, i == 0 ? &unfit : NULL);
        if (fits) {
            make_request(&req, &w, g);
            e = write_signature(g, &k, &w);
            http_request_release(&req);
        }
        key_release(g->s, &k);
    }
    if (!fits)
        return fail(g->why, ERR_INVALID, "this secret cannot be one of " STR_FMT ": %s",
                    STR_ARG(g->provider->title), str_is_empty(secret) ? "it is empty" : unfit.text);
    return e == ERR_OK ? write_beside(g, r) : e;
}

/* The recipe with the options of the input; *own is to be released in any case. */
static enum err load_recipe(const struct provider *p, const struct signature_input *in,
                            struct arena *own, const struct recipe **out, struct reason *why)
{
    struct option_values given = {in->config_keys, in->config_values, in->config_count};
    struct problems problems = {0};
    *out = p->recipe;
    if (!in->config_count && !p->needs_options)
        return ERR_OK;
    const struct yaml *file =
        options_apply(own, p->file, p->options, p->option_count, &given, NULL, &problems);
    *out = file ? recipe_compile(own, file, &problems) : NULL;
    enum err e = ERR_OK;
    if (!*out)
        e = fail(why, ERR_INVALID, "%s",
                 problems.count ? problems.v[0].text : "the options are wrong");
    problems_release(&problems);
    return e;
}

enum err sign_request(const struct provider *p, str secret, const struct signature_input *in,
                      struct arena *a, struct http_field out[SIGN_FIELDS_MAX], size_t *count,
                      struct reason *why)
{
    assert(p->recipe);
    struct arena own;
    const struct recipe *recipe;
    struct signing g = {.provider = p, .in = in, .a = a, .out = out, .why = why};
    arena_init(&own, RECIPE_BYTES_MAX);
    enum err e = load_recipe(p, in, &own, &recipe, why);
    if (e == ERR_OK)
        e = sign_by(&g, recipe, secret);
    *count = e == ERR_OK ? g.count : 0;
    arena_release(&own);
    return e;
}

void sign_hmac_sha256(str key, str text, uint8_t out[32])
{
    uint8_t digest[DIGEST_BYTES_MAX];
    struct mac *m = mac_new(DIGEST_SHA256, key);
    mac_add(m, text);
    mac_end(m, digest);
    mac_free(m);
    memcpy(out, digest, 32);
}
