/* explain.c -- looks at a request the way its verifier did, and tries the usual accidents: if the
 * signature fits a body without its blanks, somebody printed the JSON anew. */
#include "verify/explain.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/json_scan.h"
#include "verify/verifier.h"

#define BODY_TRIED_MAX (1u << 20)

/* True when the signature is right for this request, whatever its timestamp. */
static bool fits(struct verifier *v, const struct http_request *req, str body, int64_t now_ms)
{
    struct http_request changed = *req;
    struct verdict verdict = {0};
    changed.body = body;
    changed.json_doc = NULL;
    changed.json_tried = false;
    verifier_check(v, &changed, now_ms, &verdict);
    http_request_release(&changed);
    return verdict.code == VERDICT_VERIFIED || verdict.code == VERDICT_STALE;
}

static bool body_fits(struct verifier *v, struct http_request *req, int64_t now_ms, struct buf *b)
{
    return buf_ok(b) && b->len != req->body.n && fits(v, req, buf_str(b), now_ms);
}

static const char *try_bodies(struct verifier *v, struct http_request *req, int64_t now_ms)
{
    struct buf b;
    const char *found = NULL;
    if (req->body.n > BODY_TRIED_MAX)
        return NULL;
    buf_init(&b, 2 * req->body.n + 64);
    json_scan_compact(&b, req->body);
    if (body_fits(v, req, now_ms, &b))
        found = "the JSON without the blanks between its tokens: something printed it anew";
    buf_clear(&b);
    buf_str_append(&b, req->body);
    buf_char(&b, '\n');
    if (!found && body_fits(v, req, now_ms, &b))
        found = "it with a line end behind it: something took that off";
    if (!found && str_ends(req->body, STR("\n")) &&
        fits(v, req, str_slice(req->body, 0, req->body.n - 1), now_ms))
        found = "it without its last line end: something added that";
    buf_clear(&b);
    for (size_t i = 0; i < req->body.n; i++)
        if (req->body.p[i] != '\r')
            buf_char(&b, req->body.p[i]);
    if (!found && body_fits(v, req, now_ms, &b))
        found = "it without carriage returns: something changed its line ends";
    buf_release(&b);
    return found;
}

static bool url_fits(struct verifier *v, struct http_request *req, int64_t now_ms, str url)
{
    str kept = v->public_url;
    v->public_url = url;
    bool good = url.p && fits(v, req, req->body, now_ms);
    v->public_url = kept;
    return good;
}

/* The URL as the other side of a proxy would write it; STR_NONE when none fits. */
static str try_urls(struct verifier *v, struct http_request *req, int64_t now_ms)
{
    static const char *const schemes[] = {"https", "http"};
    str forwarded = http_field_get(&req->fields, STR("X-Forwarded-Host"));
    str host = str_slice(req->host, 0, str_find(req->host, ':'));
    str hosts[] = {req->host, host, forwarded};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        for (size_t k = 0; k < ARRAY_LEN(hosts); k++) {
            if (!hosts[k].n)
                continue;
            str url = arena_printf(req->arena, "%s://" STR_FMT, schemes[i], STR_ARG(hosts[k]));
            if (url_fits(v, req, now_ms, url))
                return url;
        }
    return STR_NONE;
}

static bool signs_url(const struct verifier *v)
{
    for (size_t i = 0; i < v->recipe->alternative_count; i++)
        if (v->recipe->alternatives[i].ops->is_message ||
            v->recipe->alternatives[i].signed_text.mentions &
                (REF_BIT(REF_URL) | REF_BIT(REF_URL_PORT) | REF_BIT(REF_PLIVO)))
            return true;
    return false;
}

void verifier_cause(struct verifier *v, struct http_request *req, int64_t now_ms,
                    const struct verdict *verdict, char out[EXPLAIN_CAUSE_MAX])
{
    out[0] = '\0';
    const struct scheme_ops *ops = v->recipe->alternatives[0].ops;
    if (verdict->code != VERDICT_MISMATCH || !(ops->signs_text || ops->is_message))
        return;
    const char *body = try_bodies(v, req, now_ms);
    str url = !body && signs_url(v) ? try_urls(v, req, now_ms) : STR_NONE;
    if (body)
        snprintf(out, EXPLAIN_CAUSE_MAX,
                 "The secret is right and the body was changed on its way: the signature fits %s.",
                 body);
    else if (url.p)
        snprintf(out, EXPLAIN_CAUSE_MAX,
                 "The secret is right and the URL differs: the signature fits one that begins "
                 "with " STR_FMT "; set public_url to what the provider has.",
                 STR_ARG(str_slice(url, 0, 120)));
    else
        snprintf(out, EXPLAIN_CAUSE_MAX,
                 "None of the usual changes of a body%s fits, so it is most likely another secret.",
                 signs_url(v) ? " or a URL" : "");
}

str verifier_reason(struct verifier *v, struct http_request *req, int64_t now_ms,
                    const struct verdict *verdict)
{
    char cause[EXPLAIN_CAUSE_MAX];
    str sentence = str_from_cstr(verdict->text);
    verifier_cause(v, req, now_ms, verdict, cause);
    return cause[0] ? arena_printf(req->arena, STR_FMT " %s", STR_ARG(sentence), cause)
                    : arena_str(req->arena, sentence);
}

/* --- what was compared -------------------------------------------------------------------------
 */

static void explain_sources(const struct scheme *s, struct view *w, struct buf *out)
{
    for (size_t i = 0; i < s->signature.from_count; i++) {
        str value;
        enum presence found = view_get(w, &s->signature.from[i], &value);
        buf_printf(out, "  signature    " STR_FMT ": ", STR_ARG(s->signature.from[i].label));
        if (found == PRESENT)
            buf_printf(out, "%zu characters%s\n", value.n, value.n ? "" : ", so none");
        else
            buf_printf(out, "%s\n", found == DOUBLED ? "there twice" : "missing");
        if (found == PRESENT && !w->field_text.p) {
            w->field_text = value;
            w->fields = s->signature.fields;
        }
    }
}

static void explain_time(const struct verifier *v, const struct scheme *s, struct view *w,
                         int64_t now_ms, struct buf *out)
{
    int64_t at, tolerance_ms = v->tolerance_ms ? v->tolerance_ms : s->timestamp.tolerance_ms;
    char off[CLOCK_TEXT_MAX];
    if (!s->has_timestamp || s->timestamp.from.kind == REF_JOSE)
        return;
    if (view_get(w, &s->timestamp.from, &w->ts) != PRESENT) {
        buf_printf(out, "  timestamp    " STR_FMT ": missing\n", STR_ARG(s->timestamp.from.label));
        return;
    }
    buf_printf(out, "  timestamp    " STR_FMT ": ", STR_ARG(s->timestamp.from.label));
    text_escape(out, w->ts, 64);
    if (s->timestamp.unit != UNIT_NONCE && timestamp_read(w->ts, s->timestamp.unit, &at)) {
        clock_duration_format(at > now_ms ? at - now_ms : now_ms - at, off);
        buf_printf(out, ", %s %s; %lld s are allowed", off,
                   at > now_ms ? "ahead of this clock" : "ago", (long long)(tolerance_ms / 1000));
    }
    buf_char(out, '\n');
}

static void to_buf(void *arg, str part)
{
    buf_str_append(arg, part);
}

/* The signed text with the secret's place marked. */
static void explain_text(const struct scheme *s, struct view *w, struct buf *out)
{
    struct buf text;
    buf_init(&text, 2 * w->req->body.n + (64u << 10));
    w->secret = STR("[secret]");
    w->text = s->has_text ? pieces_text(&s->text, w, 65536) : STR_NONE;
    w->missing = NULL;
    if (!pieces_feed(&s->signed_text, w, to_buf, &text) || !buf_ok(&text)) {
        buf_printf(out, "  signed text  cannot be made: " STR_FMT " is missing\n",
                   STR_ARG(w->missing ? w->missing->label : STR("a part of it")));
    } else {
        buf_printf(out, "  signed text  %zu bytes of ", text.len);
        text_escape(out, s->signed_text.source, 160);
        buf_printf(out, "\n               \"");
        text_escape(out, buf_str(&text), EXPLAIN_TEXT_MAX);
        buf_printf(out, "\"\n");
    }
    buf_release(&text);
}

static void explain_keys(const struct verifier *v, size_t alternative, struct buf *out)
{
    size_t usable = 0;
    for (size_t i = 0; i < v->slots; i++) {
        const struct key *k = &v->keys[alternative * v->slots + i];
        usable += k->usable;
        if (k->usable && k->id.n)
            buf_printf(out, "  key %zu        named " STR_FMT "\n", i + 1, STR_ARG(k->id));
    }
    buf_printf(out, "  keys         %zu tried\n", usable);
}

void verifier_explain(struct verifier *v, struct http_request *req, int64_t now_ms, struct buf *out)
{
    for (size_t i = 0; v->keys && i < v->recipe->alternative_count; i++) {
        const struct scheme *s = &v->recipe->alternatives[i];
        struct view w;
        bool applies = true;
        view_init(&w, req, v->public_url, now_ms, v->sources);
        for (size_t k = 0; k < s->when_count; k++)
            applies = applies && condition_holds(&s->when[k], &w);
        buf_printf(out, "way %zu of %zu: " STR_FMT "%s\n", i + 1, v->recipe->alternative_count,
                   STR_ARG(s->what), applies ? "" : " (not for a request like this)");
        if (!applies)
            continue;
        if (s->ops->explain) {
            s->ops->explain(s, &w, out);
            explain_keys(v, i, out);
            continue;
        }
        explain_sources(s, &w, out);
        explain_time(v, s, &w, now_ms, out);
        if (s->has_id && view_get(&w, &s->id, &w.id) != PRESENT)
            buf_printf(out, "  id           " STR_FMT ": missing\n", STR_ARG(s->id.label));
        if (s->ops->signs_text && !s->has_each && !s->ops->is_jose)
            explain_text(s, &w, out);
        explain_keys(v, i, out);
    }
}
