/* target_call.c -- rendering and judging by a target's data. */
#include "action/target_call.h"

#include "base/codec.h"
#include "http/url.h"
#include "verify/sigv4.h"

#define BODY_MAX (1u << 20)
#define SECRET_BYTES_MIN 4
#define EXCERPT_BYTES 160
#define FIELD_ROOM (2 + SIGV4_FIELDS_MAX)

/* --- references ------------------------------------------------------------------------------ */

static str field_value(const struct target_values *v, str name)
{
    const struct target *t = v->target;
    const struct target_field *f = target_field_find(t, name);
    if (!f)
        return STR_NONE;
    str given = v->fields[f - t->fields];
    if (!given.p)
        given = f->initial;
    return given.p ? target_field_value(f, given) : STR_NONE;
}

static str severity_value(const struct target_values *v, str scale)
{
    enum severity s = v->message->severity;
    if (!scale.p)
        return str_from_cstr(severity_words[s]);
    for (size_t i = 0; i < v->target->scale_count; i++)
        if (str_eq(v->target->scales[i].name, scale))
            return v->target->scales[i].values[s];
    return STR_NONE;
}

static str resolve(const struct template_part *ref, struct arena *a, void *arg)
{
    const struct target_values *v = (const struct target_values *)arg;
    if (str_eq(ref->text, STR("field")))
        return field_value(v, ref->arg);
    if (str_eq(ref->text, STR("severity")))
        return severity_value(v, ref->arg);
    if (str_eq(ref->text, STR("title")))
        return v->message->title;
    if (str_eq(ref->text, STR("text")))
        return v->message->text;
    if (str_eq(ref->text, STR("link")))
        return v->message->link;
    if (str_eq(ref->text, STR("summary")))
        return message_summary(v->message);
    if (str_eq(ref->text, STR("detail")))
        return v->message->text.n ? v->message->text : v->message->title;
    if (str_eq(ref->text, STR("message")))
        return message_both(v->message, a);
    if (str_eq(ref->text, STR("message_and_link")))
        return message_and_link(v->message, a);
    return event_ref_resolve(ref, v->refs, a);
}

static bool entry(str name, size_t i, str *key, str *value, void *arg)
{
    const struct target_values *v = (const struct target_values *)arg;
    const struct target_field *f = target_field_find(v->target, name);
    const struct target_entries *m = f ? &v->maps[f - v->target->fields] : NULL;
    if (!m || i >= m->count)
        return false;
    *key = m->keys[i];
    *value = m->values[i];
    return true;
}

/* --- rendering ------------------------------------------------------------------------------- */

struct render {
    const struct target_values *v;
    struct shape_values values;
    struct arena *arena;
    struct target_request *out;
    struct reason *why;
};

static enum err text_of(struct render *r, const struct template *t, str *out, bool *absent)
{
    return shape_expand(t, &r->values, r->arena, out, absent, r->why);
}

static enum err render_url(struct render *r)
{
    const struct target *t = r->v->target;
    struct buf b;
    str url = STR(""), base = STR("");
    bool absent;
    buf_init(&b, HTTP_URL_MAX);
    enum err e = text_of(r, &t->url, &url, &absent);
    buf_str_append(&b, url);
    if (e == ERR_OK && t->query) {
        struct buf query;
        buf_init(&query, HTTP_URL_MAX);
        e = shape_write_form(t->query, &r->values, &query, r->arena, r->why);
        if (query.len > 0)
            buf_char(&b, str_find(url, '?') < url.n ? '&' : '?');
        buf_str_append(&b, buf_str(&query));
        buf_release(&query);
    }
    if (e == ERR_OK && t->host_field)
        base = field_value(r->v, t->host_field->name);
    if (e == ERR_OK)
        e = target_judge_url(t, buf_str(&b), base.p ? base : STR(""), r->why);
    r->out->url = arena_str(r->arena, buf_str(&b));
    buf_release(&b);
    return e;
}

static enum err render_body(struct render *r)
{
    const struct target *t = r->v->target;
    struct buf b;
    bool absent;
    r->out->body = STR("");
    if (t->has_text)
        return text_of(r, &t->text, &r->out->body, &absent);
    if (!t->json && !t->form)
        return ERR_OK;
    buf_init(&b, BODY_MAX);
    enum err e = t->json ? shape_write_json(t->json, &r->values, &b, r->arena, r->why)
                         : shape_write_form(t->form, &r->values, &b, r->arena, r->why);
    r->out->body = arena_str(r->arena, buf_str(&b));
    buf_release(&b);
    return e;
}

static void add(struct render *r, str name, str value)
{
    r->out->fields[r->out->field_count++] = (struct http_field){name, value};
}

static enum err render_headers(struct render *r)
{
    const struct target *t = r->v->target;
    bool has_type = false;
    for (size_t i = 0; i < t->header_count; i++) {
        str value;
        bool absent;
        enum err e = text_of(r, &t->headers[i].value, &value, &absent);
        if (e != ERR_OK)
            return e;
        if (absent)
            continue;
        has_type = has_type || str_eq_nocase(t->headers[i].name, STR("Content-Type"));
        add(r, t->headers[i].name, value);
        if (http_field_check(&r->out->fields[r->out->field_count - 1], r->why) != ERR_OK)
            return ERR_DENIED;
    }
    str type = t->json       ? STR("application/json")
               : t->form     ? STR("application/x-www-form-urlencoded")
               : t->has_text ? STR("text/plain; charset=utf-8")
                             : STR_NONE;
    if (type.p && !has_type)
        add(r, STR("Content-Type"), type);
    return ERR_OK;
}

static enum err add_sigv4(struct render *r, const str parts[5])
{
    struct target_request *out = r->out;
    struct http_field fields[SIGV4_FIELDS_MAX];
    size_t count;
    const struct sigv4_input in = {.method = out->method,
                                   .url = out->url,
                                   .body = out->body,
                                   .service = parts[0],
                                   .region = parts[1],
                                   .key = parts[2],
                                   .secret = parts[3],
                                   .session = parts[4],
                                   .fields = out->fields,
                                   .field_count = out->field_count,
                                   .now_ms = r->v->now_ms};
    enum err e = sigv4_sign(&in, r->arena, fields, &count, r->why);
    for (size_t i = 0; e == ERR_OK && i < count; i++)
        add(r, fields[i].name, fields[i].value);
    return e;
}

static enum err render_auth(struct render *r)
{
    const struct target *t = r->v->target;
    str parts[5] = {{"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}};
    bool absent;
    for (size_t i = 0; i < ARRAY_LEN(parts) && t->auth != AUTH_NONE; i++) {
        enum err e = text_of(r, &t->auth_parts[i], &parts[i], &absent);
        if (e != ERR_OK)
            return e;
        if (absent && i == 0)
            return ERR_OK; /* an optional token that was not given */
    }
    if (t->auth == AUTH_SIGV4)
        return add_sigv4(r, parts);
    if (t->auth == AUTH_BEARER)
        add(r, STR("Authorization"), arena_printf(r->arena, "Bearer " STR_FMT, STR_ARG(parts[0])));
    if (t->auth == AUTH_BASIC) {
        str pair =
            arena_printf(r->arena, STR_FMT ":" STR_FMT, STR_ARG(parts[0]), STR_ARG(parts[1]));
        str code = template_filter_builtin(STR("base64"), pair, r->arena);
        add(r, STR("Authorization"), arena_printf(r->arena, "Basic " STR_FMT, STR_ARG(code)));
    }
    return ERR_OK;
}

static enum err check_fields(const struct target_values *v, struct reason *why)
{
    for (size_t i = 0; i < v->target->field_count; i++) {
        const struct target_field *f = &v->target->fields[i];
        const char *wrong = v->fields[i].p ? target_field_refuses(f, v->fields[i]) : NULL;
        if (wrong)
            return fail(why, ERR_DENIED, "the value of " STR_FMT " %s", STR_ARG(f->name), wrong);
    }
    return ERR_OK;
}

enum err target_render(const struct target_values *v, struct arena *a, struct target_request *out,
                       struct reason *why)
{
    const struct target *t = v->target;
    struct render r = {.v = v, .arena = a, .out = out, .why = why};
    r.values = (struct shape_values){resolve, entry, (void *)(uintptr_t)v};
    *out = (struct target_request){.method = t->method};
    out->fields = ARENA_ARRAY(a, struct http_field, t->header_count + FIELD_ROOM);
    if (!out->fields)
        return fail(why, ERR_LIMIT, "the request is too large");
    enum err e = check_fields(v, why);
    if (e == ERR_OK)
        e = render_url(&r);
    if (e == ERR_OK)
        e = render_body(&r);
    if (e == ERR_OK)
        e = render_headers(&r);
    if (e == ERR_OK)
        e = render_auth(&r);
    if (e == ERR_OK && !arena_ok(a))
        e = fail(why, ERR_LIMIT, "the request is too large");
    return e;
}

/* --- judging --------------------------------------------------------------------------------- */

static void judge_failure(const struct target *t, const struct http_answer *answer, int64_t now_ms,
                          struct arena *a, struct outcome *o)
{
    static const struct http_verdicts none = {{0}};
    http_outcome_judge(&none, answer, now_ms, a, o);
    if (t->repeatable || o->result != ATTEMPT_RETRY || answer->timing.send < 0)
        return;
    o->result = ATTEMPT_PERMANENT;
    o->summary = arena_printf(a,
                              STR_FMT "; it may have arrived, and a second request would do it "
                                      "twice: not tried again",
                              STR_ARG(o->summary));
}

/* The answer's own words, on one line. */
static str excerpt(str body, struct arena *a)
{
    str line = template_filter_builtin(STR("line"), str_slice(body, 0, 4 * EXCERPT_BYTES), a);
    return utf8_valid(line) ? template_filter_builtin(STR("trunc:160"), line, a) : STR("");
}

static void summarize(const struct target *t, const struct http_answer *answer,
                      struct answer_view *view, struct arena *a, struct outcome *o)
{
    str id = predicate_text(t->result_id, view, a), link = predicate_text(t->result_link, view, a);
    const char *text = http_status_text(answer->status);
    bool ok = o->result == ATTEMPT_SUCCESS;
    str words = ok ? STR("") : excerpt(answer->body, a);
    o->summary = arena_printf(a, "HTTP %d%s%s%s" STR_FMT "%s" STR_FMT "%s" STR_FMT "%s",
                              answer->status, text[0] ? " " : "", text, words.n ? ": " : "",
                              STR_ARG(words), ok && id.n ? "; id " : "", STR_ARG(ok ? id : STR("")),
                              ok && link.n ? "; " : "", STR_ARG(ok ? link : STR("")),
                              o->result == ATTEMPT_PERMANENT ? "; not tried again" : "");
}

void target_judge(const struct target *t, const struct http_answer *answer, int64_t now_ms,
                  struct arena *a, struct outcome *o)
{
    if (answer->class != HTTP_CALL_OK) {
        judge_failure(t, answer, now_ms, a, o);
        return;
    }
    struct answer_view view = {
        .status = answer->status, .fields = &answer->fields, .body = answer->body};
    *o = (struct outcome){.status = answer->status, .error_class = "http"};
    if (predicate_holds(t->success, &view)) {
        o->result = ATTEMPT_SUCCESS;
        o->error_class = "";
    } else if (predicate_holds(t->permanent, &view)) {
        o->result = ATTEMPT_PERMANENT;
    } else if (t->repeatable || predicate_holds(t->retryable, &view)) {
        o->result = ATTEMPT_RETRY;
        o->not_before_ms = http_retry_after(predicate_text(t->retry_after, &view, a), now_ms);
    } else {
        o->result = ATTEMPT_PERMANENT;
    }
    summarize(t, answer, &view, a, o);
    answer_view_release(&view);
}

/* --- hiding ---------------------------------------------------------------------------------- */

static void hide(struct buf *text, str secret)
{
    static const str shown = {"[hidden]", 8};
    struct buf out;
    str rest = buf_str(text);
    size_t at = str_find_str(rest, secret);
    if (secret.n < SECRET_BYTES_MIN || at == rest.n)
        return;
    buf_init(&out, text->max);
    while (at < rest.n) {
        buf_str_append(&out, str_slice(rest, 0, at));
        buf_str_append(&out, shown);
        rest = str_slice(rest, at + secret.n, rest.n);
        at = str_find_str(rest, secret);
    }
    buf_str_append(&out, rest);
    buf_release(text);
    *text = out;
}

str target_shown_url(const struct target *t, str url, struct arena *a)
{
    bool secret = false;
    for (size_t i = 0; i < t->field_count; i++)
        secret = secret || (t->fields[i].secret && t->fields[i].is_url);
    size_t host = str_find_str(url, STR("://")) + 3;
    size_t path = host + str_find(str_slice(url, host, url.n), '/');
    if (!secret)
        return url;
    return arena_printf(a, STR_FMT "/[hidden]", STR_ARG(str_slice(url, 0, path)));
}

void target_redact(const struct target *t, const str *fields, struct buf *text)
{
    for (size_t i = 0; i < t->field_count; i++) {
        if (!t->fields[i].secret || !fields[i].p)
            continue;
        struct buf escaped;
        buf_init(&escaped, 3 * fields[i].n + 1);
        percent_encode(&escaped, fields[i]);
        hide(text, fields[i]);
        hide(text, buf_str(&escaped));
        buf_release(&escaped);
    }
}
