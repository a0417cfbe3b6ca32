/* sign.c -- the provider data read the other way: makes what verify.c would accept. The signed
 * text is looked up in a request made of the input, by the same code that looks it up in a real
 * one. */
#include "verify/sign.h"

#include "base/clock.h"
#include "base/json_scan.h"
#include "verify/outgoing.h"
#include "verify/place.h"
#include "verify/scheme.h"

#define RECIPE_BYTES_MAX (4u << 20)

struct signing {
    const struct provider *provider;
    const struct scheme *s;
    const struct signature_input *in;
    struct arena *a;
    struct http_field *out;
    size_t count;
    str body, url; /* as they are to be sent */
    str item;      /* the path of the item at hand */
    bool whole;    /* body and URL may be written into */
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

/* What is sent beside, and what was added so far. */
static struct http_fields all_fields(const struct signing *g)
{
    size_t count = g->in->fields.count + g->count;
    struct http_field *v = ARENA_ARRAY(g->a, struct http_field, count + 1);
    if (!v)
        return (struct http_fields){0};
    for (size_t i = 0; i < g->in->fields.count; i++)
        v[i] = g->in->fields.v[i];
    for (size_t i = 0; i < g->count; i++)
        v[g->in->fields.count + i] = g->out[i];
    return (struct http_fields){v, count};
}

/* The request as it will be sent. */
static void make_request(struct http_request *req, struct view *w, const struct signing *g)
{
    const struct outgoing o = {.method = g->in->method,
                               .url = g->url,
                               .body = g->body,
                               .fields = all_fields(g),
                               .now_ms = g->in->now_ms};
    outgoing_view(&o, g->a, req, w);
    w->id = g->in->id;
}

/* Writes a value to where the verifier will read it. */
static enum err put(struct signing *g, const struct ref *r, str value)
{
    if (r->kind == REF_HEADER)
        return add_field(g, r->arg, value) ? ERR_OK
                                           : fail(g->why, ERR_LIMIT, "no room for the headers");
    return value_place(r, g->item, value, g->a, &g->body, &g->url, g->why);
}

static enum err write_id(struct signing *g)
{
    const struct scheme *s = g->s;
    if (!s->has_id)
        return ERR_OK;
    if (str_is_empty(g->in->id) || str_find(g->in->id, '.') < g->in->id.n)
        return fail(g->why, ERR_INVALID, STR_FMT " signs a message id: one without a dot is needed",
                    STR_ARG(g->provider->title));
    return put(g, &s->id, g->in->id);
}

/* A time inside of what is to be signed stays what it is. */
static enum err keep_timestamp(struct signing *g, str *ts)
{
    struct http_request req;
    struct view w;
    make_request(&req, &w, g);
    bool found = view_get(&w, &g->s->timestamp.from, ts) == PRESENT;
    *ts = found ? arena_str(g->a, *ts) : STR_NONE;
    http_request_release(&req);
    return found
               ? ERR_OK
               : fail(g->why, ERR_INVALID, STR_FMT " is signed and is not in what is to be signed",
                      STR_ARG(g->s->timestamp.from.label));
}

static enum err write_timestamp(struct signing *g, str *ts, str *ts_field)
{
    const struct timestamp_rule *t = &g->s->timestamp;
    *ts_field = STR("");
    *ts = STR_NONE;
    if (!g->s->has_timestamp)
        return ERR_OK;
    *ts = timestamp_text(g->a, t->unit, g->in->now_ms);
    if (t->from.kind == REF_JOSE)
        return ERR_OK; /* the scheme writes its header */
    if (t->from.kind == REF_FIELD) {
        *ts_field = t->from.arg;
        return ERR_OK;
    }
    if (t->from.kind != REF_HEADER && !g->whole)
        return keep_timestamp(g, ts);
    return put(g, &t->from, *ts);
}

/* What an alternative asks of a request before it counts, as far as headers go. */
static enum err write_conditions(struct signing *g)
{
    for (size_t i = 0; i < g->s->when_count; i++) {
        const struct condition *c = &g->s->when[i];
        if (c->ref.kind == REF_HEADER && c->equals.n && !add_field(g, c->ref.arg, c->equals))
            return fail(g->why, ERR_LIMIT, "no room for the headers");
    }
    return ERR_OK;
}

static str wrapped(struct signing *g, str value)
{
    const struct signature_rule *r = &g->s->signature;
    if (!r->unwrap || !value.p)
        return value;
    if (r->member.n)
        value = arena_printf(g->a, "{\"" STR_FMT "\":\"" STR_FMT "\"}", STR_ARG(r->member),
                             STR_ARG(value));
    return value.p ? template_filter_builtin(STR("base64"), value, g->a) : STR_NONE;
}

/* The signature over what the request holds by now. */
static enum err make_signature(struct signing *g, struct key *k, str ts, str ts_field, str *out)
{
    const struct scheme *s = g->s;
    uint8_t scratch[DIGEST_BYTES_MAX];
    struct http_request req;
    struct view w;
    make_request(&req, &w, g);
    w.ts = ts;
    w.secret = secret_str(&k->bytes);
    if (s->has_each)
        UNUSED(json_walk(g->a, http_request_json(&req), g->item, &w.item));
    w.text = s->has_text ? pieces_text(&s->text, &w, 65536) : STR_NONE;
    str signature = s->ops->sign ? s->ops->sign(s, k, &w) : s->ops->compute(s, k, &w, scratch);
    enum err e = ERR_OK;
    if (!signature.p && w.missing)
        e = fail(g->why, ERR_INVALID,
                 STR_FMT " is part of the signed text and is not in what is to be signed",
                 STR_ARG(w.missing->label));
    else if (signature.p)
        *out = wrapped(g, signature_write(&s->signature, g->a, signature, ts_field, ts));
    secret_wipe(scratch, sizeof(scratch));
    http_request_release(&req);
    if (e == ERR_OK && (!signature.p || !out->p))
        e = fail(g->why, ERR_LIMIT, "no room for the signature");
    return e;
}

static enum err write_fields(struct signing *g, struct key *k)
{
    struct http_request req;
    struct view w;
    struct http_field made[MESSAGE_FIELDS];
    make_request(&req, &w, g);
    enum err e = g->s->ops->sign_fields(g->s, k, &w, made, g->why);
    http_request_release(&req);
    for (size_t i = 0; e == ERR_OK && i < MESSAGE_FIELDS; i++)
        if (made[i].name.p && !add_field(g, made[i].name, made[i].value))
            e = fail(g->why, ERR_LIMIT, "no room for the headers");
    return e;
}

static enum err write_one(struct signing *g, struct key *k)
{
    str ts, ts_field, value = STR_NONE;
    enum err e = write_conditions(g);
    if (e == ERR_OK)
        e = write_id(g);
    if (e == ERR_OK)
        e = write_timestamp(g, &ts, &ts_field);
    if (e == ERR_OK && g->s->ops->sign_fields)
        return write_fields(g, k);
    if (e == ERR_OK && !g->s->ops->compute && !g->s->ops->sign)
        e = fail(g->why, ERR_INVALID,
                 STR_FMT " cannot be signed for: the scheme can only be verified",
                 STR_ARG(g->provider->title));
    if (e == ERR_OK)
        e = make_signature(g, k, ts, ts_field, &value);
    return e == ERR_OK ? put(g, &g->s->signature.from[0], value) : e;
}

/* Every item of `each` gets its own signature. */
static enum err write_signature(struct signing *g, struct key *k)
{
    if (!g->s->has_each)
        return write_one(g, k);
    str list = json_scan_path(g->a, g->body, g->s->each), key, value;
    struct json_scan it = json_scan_of(list.p ? list : STR(""));
    size_t count = 0;
    while (json_scan_next(&it, &key, &value))
        count++;
    if (!count)
        return fail(g->why, ERR_INVALID, "the body has no list with items at ." STR_FMT,
                    STR_ARG(g->s->each));
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        g->item = arena_printf(g->a, STR_FMT ".%zu", STR_ARG(g->s->each), i);
        e = g->item.p ? write_one(g, k) : fail(g->why, ERR_LIMIT, "no room for the items");
    }
    return e;
}

/* False when what is to be signed is of another kind than the alternative is for. */
static bool suits(struct signing *g)
{
    struct http_request req;
    struct view w;
    bool suitable = true;
    make_request(&req, &w, g);
    for (size_t i = 0; i < g->s->when_count; i++)
        if (g->s->when[i].ref.kind != REF_HEADER && !condition_holds(&g->s->when[i], &w))
            suitable = false;
    http_request_release(&req);
    return suitable;
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
    struct reason unfit = {.text = "none of its schemes is for a request like this"};
    bool fits = !r->alternatives[0].ops->needs_secret;
    enum err e = ERR_OK;
    for (size_t i = 0; !fits && i < r->alternative_count; i++) {
        struct key k = {0};
        g->s = &r->alternatives[i];
        fits = !str_is_empty(secret) && suits(g) &&
               key_prepare(&k, g->s, secret, true, i == 0 ? &unfit : NULL);
        if (fits)
            e = write_signature(g, &k);
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

/* A new id where the provider has it in the body, so that the event is no repeat of another. */
static void write_delivery_id(struct signing *g, const struct recipe *r)
{
    struct reason unplaced;
    const struct ref *ref = &r->delivery_ids[0];
    bool in_body = r->delivery_id_count && (ref->kind == REF_JSON || ref->kind == REF_FORM);
    str body = g->body;
    if (in_body && !str_is_empty(g->in->id) &&
        value_place(ref, STR(""), g->in->id, g->a, &body, &g->url, &unplaced) == ERR_OK)
        g->body = body;
}

static enum err sign_any(const struct provider *p, str secret, const struct signature_input *in,
                         bool whole, struct arena *a, struct signed_request *out,
                         struct reason *why)
{
    assert(p->recipe);
    struct arena own;
    const struct recipe *recipe;
    struct signing g = {.provider = p,
                        .in = in,
                        .a = a,
                        .out = out->fields,
                        .body = in->body.p ? in->body : STR(""),
                        .url = in->url.p ? in->url : STR(""),
                        .whole = whole,
                        .why = why};
    arena_init(&own, RECIPE_BYTES_MAX);
    enum err e = load_recipe(p, in, &own, &recipe, why);
    if (e == ERR_OK && whole)
        write_delivery_id(&g, recipe);
    if (e == ERR_OK)
        e = sign_by(&g, recipe, secret);
    out->count = e == ERR_OK ? g.count : 0;
    out->body = g.body;
    out->url = g.url;
    arena_release(&own);
    return e;
}

enum err sign_whole(const struct provider *p, str secret, const struct signature_input *in,
                    struct arena *a, struct signed_request *out, struct reason *why)
{
    return sign_any(p, secret, in, true, a, out, why);
}

enum err sign_request(const struct provider *p, str secret, const struct signature_input *in,
                      struct arena *a, struct http_field out[SIGN_FIELDS_MAX], size_t *count,
                      struct reason *why)
{
    struct signed_request whole;
    enum err e = sign_any(p, secret, in, false, a, &whole, why);
    *count = 0;
    if (e == ERR_OK && (!str_eq(whole.body, in->body.p ? in->body : STR("")) ||
                        !str_eq(whole.url, in->url.p ? in->url : STR(""))))
        e = fail(why, ERR_INVALID,
                 STR_FMT " cannot be signed for here: the signature is not in a header",
                 STR_ARG(p->title));
    if (e != ERR_OK)
        return e;
    memcpy(out, whole.fields, whole.count * sizeof(*out));
    *count = whole.count;
    return ERR_OK;
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
