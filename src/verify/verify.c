/* verify.c -- judges one request: sources read, timestamp read, signatures decoded, compared with
 * what each secret gives, and only then the clock.
 *
 * The path of an accepted request neither allocates nor formats: keys are prepared and the
 * accepting sentences written when the verifier is made. Called by ingest for every request, by
 * the CLI and the library for single ones. */
#include "verify/verify.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/tls_peer.h"
#include "verify/verifier.h"

#define DELIVERY_ID_BYTES_MAX 512
#define EVENT_TYPE_BYTES_MAX 128
#define ASSERT_BYTES_MAX 4096
#define TEXT_BYTES_MAX 65536

static const struct {
    const char *word;
    int status;
} verdicts[] = {
#define X(name, word, status) {word, status},
    VERDICTS(X)
#undef X
};

const char *verdict_word(enum verdict_code c)
{
    assert((size_t)c < ARRAY_LEN(verdicts));
    return verdicts[c].word;
}

int verdict_status(enum verdict_code c)
{
    assert((size_t)c < ARRAY_LEN(verdicts));
    return verdicts[c].status;
}

static void say(struct verdict *out, enum verdict_code code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
static void say(struct verdict *out, enum verdict_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    out->code = code;
    UNUSED(vsnprintf(out->text, sizeof(out->text), fmt, args));
    va_end(args);
}

/* A time without a zone, which the sender means as UTC. */
static bool parse_utc(str text, int64_t *ms)
{
    char room[CLOCK_TEXT_MAX + 16];
    if (text.n + 2 > sizeof(room) || str_find(text, 'Z') < text.n)
        return false;
    memcpy(room, text.p, text.n);
    room[text.n] = 'Z';
    return clock_parse(str_of(room, text.n + 1), ms);
}

bool timestamp_read(str text, enum timestamp_unit unit, int64_t *ms)
{
    /* 2^33 seconds are the year 2242, as milliseconds 1970-04-10: a gap wide enough for auto. */
    const uint64_t seconds_max = 1ull << 33;
    uint64_t n;
    if (unit == UNIT_ISO)
        return clock_parse(text, ms);
    if (unit == UNIT_ISO_UTC)
        return clock_parse(text, ms) || parse_utc(text, ms);
    if (!str_to_u64(text, &n))
        return unit == UNIT_AUTO && clock_parse(text, ms);
    bool seconds = unit == UNIT_S || (unit == UNIT_AUTO && n < seconds_max);
    if (n >= (seconds ? seconds_max : seconds_max * 1000))
        return false;
    *ms = (int64_t)(seconds ? n * 1000 : n);
    return true;
}

/* What one alternative needs while it is judged. */
struct check {
    struct verifier *v;
    const struct scheme *s;
    struct key *keys; /* one a secret */
    struct view *w;
    int64_t now_ms;
    struct verdict *out;
    str label;     /* of the first source that is there */
    size_t length; /* of its value */
};

static bool doubled(struct check *c, const struct ref *r)
{
    say(c->out, VERDICT_DOUBLE_SIGNATURE,
        STR_FMT " was sent more than once: which one counts would be a guess, so none does",
        STR_ARG(r->label));
    return false;
}

/* A value that has to be there and is not the signature: the id, the timestamp. */
static bool read_beside(struct check *c, const struct ref *r, enum verdict_code code, str *out)
{
    enum presence found = view_get(c->w, r, out);
    if (found == DOUBLED)
        return doubled(c, r);
    if (found == PRESENT && out->n > 0)
        return true;
    say(c->out, code, STR_FMT " is %s: " STR_FMT " sends it with every request", STR_ARG(r->label),
        found == PRESENT ? "empty" : "missing", STR_ARG(c->v->provider->title));
    return false;
}

static bool read_timestamp(struct check *c)
{
    static const char *const forms[] = {"a Unix time in seconds",
                                        "a Unix time in milliseconds",
                                        "an RFC 3339 time",
                                        "a time as 2027-01-31T00:00:00",
                                        "a Unix time",
                                        ""};
    const struct timestamp_rule *t = &c->s->timestamp;
    if (!c->s->has_timestamp || t->from.kind == REF_JOSE) /* that is read with the JWS */
        return true;
    if (!read_beside(c, &t->from, VERDICT_BAD_TIMESTAMP, &c->w->ts))
        return false;
    if (t->unit == UNIT_NONCE || timestamp_read(c->w->ts, t->unit, &c->out->timestamp_ms))
        return true;
    say(c->out, VERDICT_BAD_TIMESTAMP, STR_FMT " is not %s", STR_ARG(t->from.label),
        forms[t->unit]);
    return false;
}

/* A message signature is read by its scheme: it may stand on several lines. */
static bool find_message_signature(struct check *c, struct candidates *all)
{
    const struct ref *from = &c->s->signature.from[0];
    const struct http_fields *fields = &c->w->req->fields;
    c->out->code = VERDICT_NO_SIGNATURE;
    if (!http_field_get(fields, from->arg).n && http_field_count(fields, from->arg) < 2)
        return false;
    c->label = from->label;
    all->count = all->offered = 1;
    all->used = 0;
    all->v[0] = STR("");
    return true;
}

/* Decodes what every source that is there offers. False when none is (code NO_SIGNATURE, without
 * a text: another alternative may do) or one is doubled. */
static bool read_sources(struct check *c, struct candidates *all)
{
    const struct signature_rule *r = &c->s->signature;
    if (c->s->ops->is_message)
        return find_message_signature(c, all);
    size_t bytes = c->s->ops->signature_bytes ? c->s->ops->signature_bytes(c->s) : 0;
    all->count = all->offered = all->used = 0;
    for (size_t i = 0; i < r->from_count; i++) {
        str value;
        enum presence found = view_get(c->w, &r->from[i], &value);
        if (found == DOUBLED)
            return doubled(c, &r->from[i]);
        if (found == ABSENT || value.n == 0)
            continue;
        str inner = r->unwrap ? signature_unwrap(r, c->w->arena, value) : value;
        candidates_add(all, r, inner.p ? inner : STR(""), bytes);
        if (c->label.p)
            continue;
        c->label = r->from[i].label;
        c->length = value.n;
        c->w->field_text = value;
        c->w->fields = r->fields;
    }
    c->out->code = VERDICT_NO_SIGNATURE;
    return c->label.p != NULL;
}

static bool judge_form(struct check *c, const struct candidates *all)
{
    const struct signature_rule *r = &c->s->signature;
    if (all->offered > VERIFY_CANDIDATES_MAX) {
        say(c->out, VERDICT_MALFORMED, STR_FMT " holds %zu signatures; at most %d are looked at",
            STR_ARG(c->label), all->offered, VERIFY_CANDIDATES_MAX);
        return false;
    }
    if (all->count > 0)
        return true;
    if (r->fields.assign && all->offered == 0) {
        say(c->out, VERDICT_MALFORMED,
            STR_FMT " has no part \"" STR_FMT "%c...\" in its %zu characters", STR_ARG(c->label),
            STR_ARG(r->pick[0]), r->fields.assign, c->length);
        return false;
    }
    char form[64] = "";
    if (c->s->ops->signature_bytes) {
        size_t bytes = c->s->ops->signature_bytes(c->s);
        UNUSED(snprintf(form, sizeof(form), "%zu %s",
                        r->encoding == ENCODING_HEX ? 2 * bytes : bytes,
                        r->encoding == ENCODING_HEX ? "hex digits" : "bytes in "));
    }
    say(c->out, VERDICT_MALFORMED,
        STR_FMT " is not written as \"" STR_FMT "\" and %s%s%s "
                "(its value has %zu characters): was it cut?",
        STR_ARG(c->label), STR_ARG(r->prefix), form,
        !form[0]                      ? "a value"
        : r->encoding == ENCODING_HEX ? ""
                                      : encoding_words[r->encoding],
        r->fields.assign ? " in each part" : "", c->length);
    return false;
}

/* {{ text }} of the alternative; for a digest the secret may be in it. */
static bool make_text(struct check *c, struct key *k)
{
    if (!c->s->has_text)
        return true;
    c->w->secret = secret_str(&k->bytes);
    c->w->text = pieces_text(&c->s->text, c->w, TEXT_BYTES_MAX);
    return c->w->text.p != NULL;
}

/* Whether one of the candidates is what this key gives. Every candidate is compared. */
static bool key_fits(struct check *c, struct key *k, const struct candidates *all, bool *able)
{
    const struct scheme_ops *ops = c->s->ops;
    uint8_t scratch[DIGEST_BYTES_MAX];
    *able = make_text(c, k);
    if (!*able)
        return false;
    if (ops->check)
        return ops->check(c->s, k, c->w, all, able);
    str right = ops->compute(c->s, k, c->w, scratch);
    *able = right.p != NULL;
    bool fits = false;
    for (size_t i = 0; *able && i < all->count; i++)
        fits |= secret_equal(all->v[i].p, all->v[i].n, right.p, right.n);
    return fits;
}

static void say_unable(struct check *c)
{
    const struct ref *r = c->w->missing;
    if (r && c->w->doubled)
        doubled(c, r);
    else if (r)
        say(c->out, VERDICT_MISSING_INPUT,
            STR_FMT " is part of what " STR_FMT " signs, and is not in the request",
            STR_ARG(r->label), STR_ARG(c->v->provider->title));
    else
        say(c->out, VERDICT_MISSING_INPUT, "the signed text is too long");
}

static void say_mismatch(struct check *c)
{
    static const enum verdict_code codes[] = {[PROBLEM_MISMATCH] = VERDICT_MISMATCH,
                                              [PROBLEM_STALE] = VERDICT_STALE,
                                              [PROBLEM_KEY] = VERDICT_NO_KEY,
                                              [PROBLEM_MALFORMED] = VERDICT_MALFORMED,
                                              [PROBLEM_DOUBLED] = VERDICT_DOUBLE_SIGNATURE,
                                              [PROBLEM_UNCOVERED] = VERDICT_MISSING_INPUT};
    if (c->w->key_pending) {
        say(c->out, VERDICT_KEY_PENDING,
            "the public key of " STR_FMT " is being fetched: send it again in a few seconds",
            STR_ARG(c->v->provider->title));
        return;
    }
    if (c->w->problem != PROBLEM_NONE) {
        say(c->out, codes[c->w->problem], "%s", c->w->problem_text);
        return;
    }
    str text = c->v->refusals[c->s - c->v->recipe->alternatives];
    c->out->code = c->s->ops->is_credential ? VERDICT_BAD_CREDENTIALS : VERDICT_MISMATCH;
    memcpy(c->out->text, text.p, text.n + 1);
}

static bool judge_time(struct check *c)
{
    const struct timestamp_rule *t = &c->s->timestamp;
    if (!c->s->has_timestamp || t->unit == UNIT_NONCE || t->from.kind == REF_JOSE)
        return true;
    int64_t tolerance_ms = c->v->tolerance_ms ? c->v->tolerance_ms : t->tolerance_ms;
    int64_t age_ms = c->now_ms - c->out->timestamp_ms;
    if (age_ms <= tolerance_ms && age_ms >= -tolerance_ms)
        return true;
    int64_t off_ms = age_ms < 0 ? -age_ms : age_ms;
    char off[CLOCK_TEXT_MAX];
    /* Near the limit, rounded figures would seem to contradict the verdict. */
    if (off_ms < 2 * tolerance_ms)
        UNUSED(snprintf(off, sizeof(off), "%lld.%03d s", (long long)(off_ms / 1000),
                        (int)(off_ms % 1000)));
    else
        clock_duration_format(off_ms, off);
    say(c->out, VERDICT_STALE,
        "the signature is right, but " STR_FMT
        " is %s %s this machine's clock (%lld s are allowed): "
        "%s",
        STR_ARG(t->from.label), off, age_ms < 0 ? "ahead of" : "behind",
        (long long)(tolerance_ms / 1000),
        age_ms < 0 ? "is one of the two clocks wrong?"
                   : "was it replayed or held up on its way, or is a clock wrong?");
    return false;
}

/* A key with a name is not tried on a request that names another one. */
static bool is_selected(struct check *c, const struct key *k)
{
    str wanted;
    if (!k->usable)
        return false;
    if (!c->s->key.has_select || !k->id.n || view_get(c->w, &c->s->key.select, &wanted) != PRESENT)
        return true;
    return str_eq(wanted, k->id);
}

/* What the signature does not cover by itself, but something that it covers does. */
static bool judge_asserts(struct check *c)
{
    for (size_t i = 0; i < c->s->assert_count; i++) {
        const struct assertion *a = &c->s->asserts[i];
        str value;
        enum presence found = view_get(c->w, &a->ref, &value);
        str wanted = found == PRESENT ? pieces_text(&a->value, c->w, ASSERT_BYTES_MAX) : STR_NONE;
        if (found == DOUBLED)
            return doubled(c, &a->ref);
        if (wanted.p && secret_equal(value.p, value.n, wanted.p, wanted.n))
            continue;
        say(c->out, found == PRESENT ? VERDICT_MISMATCH : VERDICT_MISSING_INPUT,
            "the signature is right, but " STR_FMT " is %s \"" STR_FMT
            "\": was the body changed on its way?",
            STR_ARG(a->ref.label), found == PRESENT ? "not" : "missing; it should be",
            STR_ARG(str_slice(a->value.source, 0, 100)));
        return false;
    }
    return true;
}

/* One request, or one item of it. */
static void judge(struct check *c)
{
    struct candidates all;
    if (!read_sources(c, &all))
        return;
    if (c->s->has_id && !read_beside(c, &c->s->id, VERDICT_MISSING_INPUT, &c->w->id))
        return;
    if (!read_timestamp(c) || !judge_form(c, &all))
        return;
    size_t i = 0;
    for (; i < c->v->slots; i++) {
        bool able;
        if (!is_selected(c, &c->keys[i]))
            continue;
        if (key_fits(c, &c->keys[i], &all, &able))
            break;
        if (!able) {
            say_unable(c);
            return;
        }
    }
    if (i == c->v->slots) {
        say_mismatch(c);
        return;
    }
    if (!judge_time(c) || !judge_asserts(c))
        return;
    if (c->w->made_ms)
        c->out->timestamp_ms = c->w->made_ms;
    c->out->code = VERDICT_VERIFIED;
    c->out->secret_index = scheme_needs_secret(c->s) ? (int)i : -1;
    memcpy(c->out->text, c->keys[i].accepted.p, c->keys[i].accepted.n + 1);
}

/* Every item proves itself; one that does not refuses them all. */
static void judge_items(struct check *c)
{
    const struct json *list;
    struct json_iter it = {0};
    enum presence found = json_walk(c->w->arena, http_request_json(c->w->req), c->s->each, &list);
    size_t count = found == PRESENT && json_kind_of(list) == JSON_ARRAY ? json_len(list) : 0;
    if (count == 0 || count > ITEMS_MAX) {
        say(c->out, VERDICT_MISSING_INPUT, "the body has no list of 1 to %d items at ." STR_FMT,
            ITEMS_MAX, STR_ARG(c->s->each));
        return;
    }
    while (json_next(list, &it)) {
        c->w->item = it.value;
        c->w->ts = c->w->id = c->w->field_text = c->label = STR_NONE;
        judge(c);
        if (c->out->code != VERDICT_VERIFIED)
            return;
    }
}

static void check_alternative(struct check *c)
{
    for (size_t i = 0; i < c->s->when_count; i++)
        if (!condition_holds(&c->s->when[i], c->w)) {
            c->out->code = VERDICT_NO_SIGNATURE;
            return;
        }
    if (c->s->has_each)
        judge_items(c);
    else
        judge(c);
}

static bool has_usable_key(const struct verifier *v, size_t alternative)
{
    for (size_t i = 0; i < v->slots; i++)
        if (v->keys[alternative * v->slots + i].usable)
            return true;
    return false;
}

/* Names every place where a signature was looked for. */
static void say_no_signature(struct verifier *v, struct view *w, struct verdict *out)
{
    char places[160] = "";
    size_t n = 0;
    const char *state = "missing";
    for (size_t i = 0; i < v->recipe->alternative_count; i++) {
        const struct scheme *s = &v->recipe->alternatives[i];
        for (size_t j = 0; has_usable_key(v, i) && j < s->signature.from_count; j++) {
            str label = s->signature.from[j].label, value;
            if (view_get(w, &s->signature.from[j], &value) == PRESENT)
                state = "empty";
            if (n + label.n + 6 > sizeof(places) || str_find_str(str_of(places, n), label) < n)
                continue;
            int more = snprintf(places + n, sizeof(places) - n, "%s" STR_FMT, n ? " or " : "",
                                STR_ARG(label));
            n += (size_t)more;
        }
    }
    say(out, VERDICT_NO_SIGNATURE, "%s is %s; is a secret set for this webhook at " STR_FMT "?",
        places, state, STR_ARG(v->provider->title));
}

static void check_schemes(struct verifier *v, struct view *w, int64_t now_ms, struct verdict *out)
{
    struct verdict other;
    out->code = VERDICT_NO_SIGNATURE;
    for (size_t i = 0; i < v->recipe->alternative_count; i++) {
        if (!has_usable_key(v, i))
            continue;
        /* A verdict that says more than "nothing was there" is kept if no other accepts. */
        bool first = out->code == VERDICT_NO_SIGNATURE;
        struct verdict *into = first ? out : &other;
        into->timestamp_ms = 0;
        struct check c = {.v = v,
                          .s = &v->recipe->alternatives[i],
                          .w = w,
                          .now_ms = now_ms,
                          .keys = &v->keys[i * v->slots],
                          .out = into,
                          .label = STR_NONE};
        w->ts = w->id = w->field_text = STR_NONE;
        w->item = w->claims = NULL;
        w->missing = NULL;
        w->problem = PROBLEM_NONE;
        w->made_ms = 0;
        w->signed_input = NULL;
        w->key_pending = false;
        check_alternative(&c);
        if (into->code == VERDICT_VERIFIED || into->code == VERDICT_DOUBLE_SIGNATURE ||
            into->code == VERDICT_KEY_PENDING) {
            if (!first) {
                out->code = other.code;
                out->secret_index = other.secret_index;
                out->timestamp_ms = other.timestamp_ms;
                memcpy(out->text, other.text, sizeof(out->text));
            }
            return;
        }
    }
    if (out->code == VERDICT_NO_SIGNATURE)
        say_no_signature(v, w, out);
}

static void check_certificate(const struct verifier *v, const struct http_request *req,
                              int64_t now_ms, struct verdict *out)
{
    const struct tls_peer *peer = req->client;
    switch (mtls_judge(&v->recipe->alternatives[0], peer, now_ms)) {
    case MTLS_FITS:
        say(out, VERDICT_VERIFIED,
            "the client's certificate is one that this source accepts: " STR_FMT
            " (SHA-256 %.16s...)",
            STR_ARG(str_slice(peer->subject, 0, 160)), peer->fingerprint);
        break;
    case MTLS_NO_CERTIFICATE:
        say(out, VERDICT_NO_SIGNATURE,
            "the client showed no certificate; does it come to the listener with client_ca, and "
            "without a proxy that ends TLS before it?");
        break;
    case MTLS_ENDED:
        say(out, VERDICT_STALE, "the client's certificate has ended");
        break;
    case MTLS_OTHER:
        say(out, VERDICT_BAD_CREDENTIALS,
            "the client's certificate is good, but none that this source accepts: " STR_FMT
            " of " STR_FMT,
            STR_ARG(str_slice(peer->subject, 0, 100)), STR_ARG(str_slice(peer->issuer, 0, 100)));
        break;
    }
}

/* The first of the places that has a value of at most max bytes. */
static str first_value(struct view *w, const struct ref *refs, size_t count, size_t max)
{
    for (size_t i = 0; i < count; i++) {
        str value;
        if (view_get(w, &refs[i], &value) == PRESENT && value.n > 0 && value.n <= max)
            return value;
    }
    return STR_NONE;
}

static bool address_allowed(const struct verifier *v, str peer)
{
    struct address a;
    return v->allow_count == 0 ||
           (address_parse(peer, &a) && nets_contain(v->allow_from, v->allow_count, &a));
}

/* What the claims hold ends with the check. */
static str outlive(struct view *w, str value)
{
    return w->claims_doc && value.p ? arena_str(w->arena, value) : value;
}

static void find_names(const struct verifier *v, struct view *w, struct verdict *out)
{
    const struct recipe *r = v->recipe;
    out->delivery_id =
        outlive(w, first_value(w, r->delivery_ids, r->delivery_id_count, DELIVERY_ID_BYTES_MAX));
    out->event_type =
        outlive(w, first_value(w, r->event_types, r->event_type_count, EVENT_TYPE_BYTES_MAX));
}

void verifier_check(struct verifier *v, struct http_request *req, int64_t now_ms,
                    struct verdict *out)
{
    CHECK_MAGIC(v, VERIFIER_MAGIC);
    struct view w;
    const struct scheme_ops *ops = v->recipe->alternatives[0].ops;
    view_init(&w, req, v->public_url, now_ms, v->sources);
    w.tolerance_ms = v->tolerance_ms;
    out->secret_index = -1;
    out->timestamp_ms = 0;
    out->delivery_id = out->event_type = STR_NONE;
    if (!address_allowed(v, req->peer)) {
        say(out, VERDICT_ADDRESS,
            STR_FMT " is not among the addresses this source accepts; behind a "
                    "proxy, is the proxy among the trusted ones?",
            STR_ARG(str_slice(req->peer, 0, ADDRESS_TEXT_MAX)));
        return;
    }
    if (ops == &scheme_none)
        say(out, VERDICT_UNVERIFIED,
            "this source verifies nothing: anybody who knows its URL can "
            "send this");
    else if (ops == &scheme_mtls)
        check_certificate(v, req, now_ms, out);
    else if (ops == &scheme_ip)
        say(out, VERDICT_VERIFIED, "the sender's address is among those this source accepts");
    else
        check_schemes(v, &w, now_ms, out);
    if (out->code == VERDICT_VERIFIED || out->code == VERDICT_UNVERIFIED)
        find_names(v, &w, out);
    json_doc_free(w.claims_doc);
}
