/* scheme_rfc9421.c -- HTTP message signatures (RFC 9421): the sender lists the parts of the request
 * that it signs, so what a signature proves depends on that list. Hence a list of what must be on
 * it, and a body only ever counts as signed through its Content-Digest (RFC 9530).
 *
 * The algorithm follows from the kind of key that is configured; the request's own word for it is
 * compared and decides nothing. */
#include "base/codec.h"
#include "base/log.h"
#include "verify/algorithm.h"
#include "verify/content_digest.h"
#include "verify/message_base.h"
#include "verify/public_keys.h"

#define SIGNATURES_MAX 8 /* of one request that are looked at */
#define LABEL "sig1"

static const struct algorithm algorithms[] = {
    {{"ed25519", 7}, false, SIGNING_ED25519, DIGEST_SHA512, PUBLIC_ED25519},
    {{"ecdsa-p256-sha256", 17}, false, SIGNING_ECDSA_RAW, DIGEST_SHA256, PUBLIC_P256},
    {{"ecdsa-p384-sha384", 17}, false, SIGNING_ECDSA_RAW, DIGEST_SHA384, PUBLIC_P384},
    /* The RFC wants a salt of 64 bytes; Node.js, unless told, signs with the longest that fits. */
    {{"rsa-pss-sha512", 14}, false, SIGNING_RSA_PSS_ANY_SALT, DIGEST_SHA512, PUBLIC_RSA},
    {{"rsa-v1_5-sha256", 15}, false, SIGNING_RSA, DIGEST_SHA256, PUBLIC_RSA},
    {{"hmac-sha256", 11}, true, 0, DIGEST_SHA256, 0},
};

const struct algorithms message_algorithms = {
    algorithms, ARRAY_LEN(algorithms),
    "ed25519, ecdsa-p256-sha256, ecdsa-p384-sha384, rsa-pss-sha512, "
    "rsa-v1_5-sha256 or hmac-sha256",
    "ed25519"};

/* --- keys ------------------------------------------------------------------------------------ */

struct message_key { /* one of them */
    struct mac *mac;
    struct public_keys *keys;
};

static bool prepare(const struct scheme *s, struct key *k, bool for_signing, struct reason *why)
{
    struct message_key *made = xcalloc(1, sizeof(*made));
    k->state = made;
    if (s->message.keyed)
        made->mac = mac_new(DIGEST_SHA256, secret_str(&k->bytes));
    else
        made->keys = s->key.has_url && !for_signing ? public_keys_at_url()
                                                    : public_keys_new(s, k, for_signing, why);
    return made->mac || made->keys;
}

static void discard(struct key *k)
{
    struct message_key *made = k->state;
    mac_free(made->mac);
    public_keys_free(made->keys);
    free(made);
}

static struct message_key *key_of(struct key *k)
{
    return k->state;
}

/* The MAC of the text, compared as a whole. */
static bool mac_fits(struct mac *m, str text, str signature)
{
    uint8_t right[DIGEST_BYTES_MAX];
    mac_begin(m);
    mac_add(m, text);
    mac_end(m, right);
    bool fits = secret_equal(signature.p, signature.n, right, 32);
    secret_wipe(right, sizeof(right));
    return fits;
}

/* --- what a request offers ------------------------------------------------------------------- */

struct offers {
    struct sf_member *signatures, *inputs;
    size_t signature_count, input_count;
};

static bool read_dictionary(struct view *w, str name, struct sf_member **out, size_t *count)
{
    str text;
    bool doubled;
    if (!field_lines_join(w->arena, &w->req->fields, name, &text) || !text.n) {
        view_problem(w, PROBLEM_MALFORMED, STR_FMT " is missing or empty", STR_ARG(name));
        return false;
    }
    const char *wrong = sf_dictionary(w->arena, text, out, count, &doubled);
    if (!wrong)
        return true;
    view_problem(w, doubled ? PROBLEM_DOUBLED : PROBLEM_MALFORMED,
                 STR_FMT " is no dictionary as RFC 9421 wants: %s", STR_ARG(name), wrong);
    return false;
}

static bool read_offers(struct view *w, struct offers *o)
{
    if (!read_dictionary(w, STR("Signature"), &o->signatures, &o->signature_count) ||
        !read_dictionary(w, STR("Signature-Input"), &o->inputs, &o->input_count))
        return false;
    if (o->signature_count <= SIGNATURES_MAX)
        return true;
    view_problem(w, PROBLEM_MALFORMED, "there are %zu signatures; at most %d are looked at",
                 o->signature_count, SIGNATURES_MAX);
    return false;
}

/* A text parameter; STR_NONE when absent, false when it is of another type. */
static bool param_text(const struct sf_item *input, const char *name, str *out)
{
    const struct sf_param *p = sf_param_get(input, str_from_cstr(name));
    *out = p ? p->text : STR_NONE;
    return !p || p->kind == SF_STRING;
}

static bool param_seconds(const struct sf_item *input, const char *name, int64_t *out)
{
    const struct sf_param *p = sf_param_get(input, str_from_cstr(name));
    *out = p ? p->integer : -1;
    return !p || (p->kind == SF_INTEGER && p->integer >= 0);
}

/* One signature with what is said about it. */
struct offer {
    str label, signature, keyid, alg, tag;
    const struct sf_item *input;
    int64_t created_s, expires_s; /* -1: not said */
};

static bool read_offer(struct view *w, const struct offers *o, size_t i, struct offer *out)
{
    str nonce;
    const struct sf_member *m = &o->signatures[i];
    *out = (struct offer){.label = m->key,
                          .signature = m->item.bare.text,
                          .input = sf_get(o->inputs, o->input_count, m->key)};
    if (!out->input || out->input->bare.kind != SF_INNER_LIST || m->item.bare.kind != SF_BYTES) {
        view_problem(w, PROBLEM_MALFORMED, "the signature named " STR_FMT " %s",
                     STR_ARG(str_slice(m->key, 0, 40)),
                     !out->input ? "is not described in Signature-Input"
                                 : "or its list of covered components is not of the right type");
        return false;
    }
    if (param_text(out->input, "keyid", &out->keyid) && param_text(out->input, "alg", &out->alg) &&
        param_text(out->input, "tag", &out->tag) && param_text(out->input, "nonce", &nonce) &&
        param_seconds(out->input, "created", &out->created_s) &&
        param_seconds(out->input, "expires", &out->expires_s))
        return true;
    view_problem(w, PROBLEM_MALFORMED,
                 "a parameter of the signature named " STR_FMT " is not of the right type",
                 STR_ARG(str_slice(m->key, 0, 40)));
    return false;
}

/* --- judging --------------------------------------------------------------------------------- */

/* What a signature must cover to prove anything here. */
static bool judge_coverage(const struct scheme *s, struct view *w, const struct sf_item *input)
{
    const struct message_rule *r = &s->message;
    bool has_body = w->req->body.n > 0;
    for (size_t i = 0; i < r->component_count; i++)
        if (!message_covers(input, r->components[i])) {
            view_problem(w, PROBLEM_UNCOVERED,
                         "the signature does not cover " STR_FMT ", which this source asks for",
                         STR_ARG(str_slice(r->components[i], 0, 80)));
            return false;
        }
    if (!r->component_count && !message_covers(input, STR("\"@method\""))) {
        view_problem(w, PROBLEM_UNCOVERED, "the signature does not cover \"@method\"");
        return false;
    }
    if (!r->component_count && !message_covers_url(w, input)) {
        view_problem(w, PROBLEM_UNCOVERED,
                     "the signature does not cover the whole URL: \"@target-uri\", or "
                     "\"@authority\" with \"@path\" and \"@query\"");
        return false;
    }
    if (has_body && !r->body_unsigned && !message_covers(input, STR("\"content-digest\""))) {
        view_problem(w, PROBLEM_UNCOVERED,
                     "the signature does not cover \"content-digest\", so the body is anybody's");
        return false;
    }
    return true;
}

static bool judge_digest(struct view *w, const struct sf_item *input)
{
    if (!message_covers(input, STR("\"content-digest\"")))
        return true;
    str body = w->req->body.p ? w->req->body : STR("");
    switch (content_digest_check(w->arena, &w->req->fields, body)) {
    case DIGEST_MATCHES:
        return true;
    case DIGEST_DIFFERS:
        view_problem(w, PROBLEM_MISMATCH,
                     "Content-Digest is not that of the body: was the body changed on its way?");
        return false;
    case DIGEST_MISSING:
        view_problem(w, PROBLEM_UNCOVERED, "Content-Digest has neither sha-256 nor sha-512");
        return false;
    case DIGEST_MALFORMED:
        break;
    }
    view_problem(w, PROBLEM_MALFORMED, "Content-Digest is not written as RFC 9530 wants");
    return false;
}

/* The algorithms that the file allows and the request does not contradict. */
static unsigned allowed_algorithms(const struct scheme *s, struct view *w, const struct offer *o)
{
    unsigned allowed = 0;
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if ((s->message.algorithms & 1u << i) && (!o->alg.p || str_eq(o->alg, algorithms[i].word)))
            allowed |= 1u << i;
    if (!allowed)
        view_problem(w, PROBLEM_MISMATCH,
                     "the request says that it is signed with \"" STR_FMT
                     "\", which is not what this source takes",
                     STR_ARG(str_slice(o->alg, 0, 40)));
    return allowed;
}

static bool signature_fits(const struct scheme *s, struct key *k, struct view *w,
                           const struct offer *o, str base)
{
    const struct public_key *keys[PUBLIC_KEYS_MAX];
    unsigned allowed = allowed_algorithms(s, w, o);
    if (!allowed)
        return false;
    if (s->message.keyed)
        return mac_fits(key_of(k)->mac, base, o->signature);
    size_t count = public_keys_of(key_of(k)->keys, s, w, o->keyid, keys);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < ARRAY_LEN(algorithms); j++)
            if ((allowed & 1u << j) && public_key_kind(keys[i]) == algorithms[j].kind &&
                public_key_verify(keys[i], algorithms[j].how, algorithms[j].digest, base,
                                  o->signature))
                return true;
    return false;
}

static bool judge_times(const struct scheme *s, struct view *w, const struct offer *o)
{
    int64_t tolerance_ms = w->tolerance_ms ? w->tolerance_ms : s->timestamp.tolerance_ms;
    w->made_ms = o->created_s * 1000;
    int64_t age_ms = w->now_ms - w->made_ms;
    if (age_ms > tolerance_ms || age_ms < -tolerance_ms)
        view_problem(w, PROBLEM_STALE,
                     "the signature is right, but was made %lld s %s this machine's clock "
                     "(%lld s are allowed)",
                     (long long)((age_ms < 0 ? -age_ms : age_ms) / 1000),
                     age_ms < 0 ? "ahead of" : "behind", (long long)(tolerance_ms / 1000));
    else if (o->expires_s >= 0 && w->now_ms >= o->expires_s * 1000)
        view_problem(w, PROBLEM_STALE, "the signature is right, but it has expired");
    else
        return true;
    return false;
}

static bool offer_fits(const struct scheme *s, struct key *k, struct view *w, const struct offer *o)
{
    struct reason why = {.text = ""};
    struct buf base;
    bool good = false;
    if (o->created_s < 0) {
        view_problem(w, PROBLEM_UNCOVERED,
                     "the signature does not say when it was made (parameter created)");
        return false;
    }
    if (!judge_coverage(s, w, o->input) || !judge_digest(w, o->input))
        return false;
    buf_init(&base, MESSAGE_BASE_MAX);
    if (message_base_write(&base, w, o->input, &why) != ERR_OK)
        view_problem(w, PROBLEM_UNCOVERED, "%s", why.text);
    else
        good = signature_fits(s, k, w, o, buf_str(&base));
    buf_release(&base);
    return good && judge_times(s, w, o);
}

/* False for what another receiver, or another key, is meant by. */
static bool is_for_us(const struct scheme *s, const struct key *k, const struct offer *o)
{
    if (s->message.tag.n && !str_eq(o->tag, s->message.tag))
        return false;
    if (s->message.keyid.n && !str_eq(o->keyid, s->message.keyid))
        return false;
    return !k->id.n || !o->keyid.p || str_eq(k->id, o->keyid);
}

static bool check(const struct scheme *s, struct key *k, struct view *w, const struct candidates *c,
                  bool *able)
{
    struct offers all;
    UNUSED(c);
    *able = true;
    if (!read_offers(w, &all))
        return false;
    size_t considered = 0;
    for (size_t i = 0; i < all.signature_count; i++) {
        struct offer o;
        if (!read_offer(w, &all, i, &o) || !is_for_us(s, k, &o))
            continue;
        considered++;
        if (offer_fits(s, k, w, &o)) {
            w->signed_input = o.input;
            return true;
        }
    }
    if (!considered && (s->message.tag.n || s->message.keyid.n))
        view_problem(w, PROBLEM_MISMATCH,
                     "no signature of the request has the key name or tag that this source asks "
                     "for (" STR_FMT "%s" STR_FMT ")",
                     STR_ARG(s->message.keyid), s->message.keyid.n && s->message.tag.n ? ", " : "",
                     STR_ARG(s->message.tag));
    return false;
}

/* --- explaining ------------------------------------------------------------------------------ */

static void explain(const struct scheme *s, struct view *w, struct buf *out)
{
    struct offers all;
    UNUSED(s);
    if (!read_offers(w, &all)) {
        buf_printf(out, "  signatures   %s\n", w->problem_text);
        return;
    }
    for (size_t i = 0; i < all.signature_count; i++) {
        struct offer o;
        struct reason why = {.text = ""};
        struct buf base;
        if (!read_offer(w, &all, i, &o))
            continue;
        buf_init(&base, MESSAGE_BASE_MAX);
        buf_printf(out, "  signature    " STR_FMT ": %zu bytes, key ", STR_ARG(o.label),
                   o.signature.n);
        text_escape(out, o.keyid.p ? o.keyid : STR("not named"), 80);
        if (o.created_s >= 0)
            buf_printf(out, ", made %lld s ago", (long long)(w->now_ms / 1000 - o.created_s));
        if (message_base_write(&base, w, o.input, &why) == ERR_OK) {
            buf_printf(out, "\n  signed text  %zu bytes\n               \"", base.len);
            text_escape(out, buf_str(&base), 2048);
            buf_printf(out, "\"\n");
        } else {
            buf_printf(out, "\n  signed text  cannot be made: ");
            text_escape(out, str_from_cstr(why.text), sizeof(why.text));
            buf_char(out, '\n');
        }
        buf_release(&base);
    }
}

/* --- signing --------------------------------------------------------------------------------- */

static size_t algorithm_of(const struct scheme *s, struct key *k, struct view *w,
                           const struct public_key **key)
{
    const struct public_key *keys[PUBLIC_KEYS_MAX] = {NULL};
    if (!s->message.keyed && public_keys_of(key_of(k)->keys, s, w, STR_NONE, keys) != 1)
        return ARRAY_LEN(algorithms);
    *key = keys[0];
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if ((s->message.algorithms & 1u << i) &&
            (s->message.keyed || public_key_kind(*key) == algorithms[i].kind))
            return i;
    return ARRAY_LEN(algorithms);
}

static void write_covered(struct buf *out, const struct scheme *s, const struct http_request *req)
{
    const struct message_rule *r = &s->message;
    bool digest = req->body.n > 0 && !r->body_unsigned;
    buf_char(out, '(');
    for (size_t i = 0; i < r->component_count; i++) {
        buf_printf(out, "%s" STR_FMT, i ? " " : "", STR_ARG(r->components[i]));
        digest = digest && !str_eq(r->components[i], STR("\"content-digest\""));
    }
    if (!r->component_count)
        buf_str_append(out, STR("\"@method\" \"@target-uri\""));
    if (!r->component_count && http_field_count(&req->fields, STR("Content-Type")) == 1)
        buf_str_append(out, STR(" \"content-type\""));
    buf_str_append(out, digest ? STR(" \"content-digest\")") : STR(")"));
}

/* The member of Signature-Input: what is covered and with which parameters. */
static void write_input(struct buf *out, const struct scheme *s, struct view *w, size_t algorithm)
{
    const struct message_rule *r = &s->message;
    write_covered(out, s, w->req);
    buf_printf(out, ";created=%lld", (long long)(w->now_ms / 1000));
    if (r->keyid.n) {
        buf_str_append(out, STR(";keyid="));
        sf_write_string(out, r->keyid);
    }
    buf_printf(out, ";alg=\"" STR_FMT "\"", STR_ARG(algorithms[algorithm].word));
    if (r->tag.n) {
        buf_str_append(out, STR(";tag="));
        sf_write_string(out, r->tag);
    }
}

static str made_signature(struct key *k, const struct public_key *key, size_t algorithm,
                          struct arena *a, str base)
{
    uint8_t *bytes = arena_alloc(a, PUBLIC_SIGNATURE_MAX);
    size_t n = 32;
    if (!bytes)
        return STR_NONE;
    if (algorithms[algorithm].keyed) {
        mac_begin(key_of(k)->mac);
        mac_add(key_of(k)->mac, base);
        mac_end(key_of(k)->mac, bytes);
    } else {
        n = public_key_sign(key, algorithms[algorithm].how, algorithms[algorithm].digest, base,
                            bytes);
    }
    return n ? str_of((const char *)bytes, n) : STR_NONE;
}

/* The request as it will be once its digest is in it. */
static bool add_digest(struct view *w, struct http_field *digest)
{
    struct http_fields *f = &w->req->fields;
    if (http_field_count(f, STR("Content-Digest")) > 0)
        return true;
    struct http_field *all = ARENA_ARRAY(w->arena, struct http_field, f->count + 1);
    digest->value = content_digest_make(w->arena, w->req->body.p ? w->req->body : STR(""));
    if (!all || !digest->value.p)
        return false;
    digest->name = STR("Content-Digest");
    for (size_t i = 0; i < f->count; i++)
        all[i] = f->v[i];
    all[f->count] = *digest;
    *f = (struct http_fields){all, f->count + 1};
    return true;
}

/* The member of Signature-Input by the same code that reads a sender's. */
static enum err make_input(struct view *w, const struct scheme *s, size_t algorithm, str *value,
                           struct sf_item *input, struct reason *why)
{
    struct buf text;
    struct sf_member *members;
    size_t count;
    bool doubled;
    buf_init(&text, MESSAGE_BASE_MAX);
    buf_str_append(&text, STR(LABEL "="));
    write_input(&text, s, w, algorithm);
    *value = buf_ok(&text) ? arena_str(w->arena, buf_str(&text)) : STR_NONE;
    buf_release(&text);
    if (!value->p || sf_dictionary(w->arena, *value, &members, &count, &doubled))
        return fail(why, ERR_LIMIT, "what is to be covered is too long");
    *input = members[0].item;
    return ERR_OK;
}

static enum err make_signature(struct key *k, const struct public_key *key, size_t algorithm,
                               struct view *w, const struct sf_item *input, str *value,
                               struct reason *why)
{
    struct buf base, text;
    buf_init(&base, MESSAGE_BASE_MAX);
    buf_init(&text, MESSAGE_BASE_MAX);
    enum err e = message_base_write(&base, w, input, why);
    if (e == ERR_OK) {
        str signature = made_signature(k, key, algorithm, w->arena, buf_str(&base));
        buf_str_append(&text, STR(LABEL "="));
        sf_write_bytes(&text, signature);
        *value = arena_str(w->arena, buf_str(&text));
        if (!signature.p || !value->p)
            e = fail(why, ERR_INVALID, "the key cannot sign");
    }
    buf_release(&base);
    buf_release(&text);
    return e;
}

static enum err sign_fields(const struct scheme *s, struct key *k, struct view *w,
                            struct http_field out[MESSAGE_FIELDS], struct reason *why)
{
    const struct public_key *key = NULL;
    struct sf_item input;
    size_t algorithm = algorithm_of(s, k, w, &key);
    if (algorithm == ARRAY_LEN(algorithms))
        return fail(why, ERR_INVALID, "the key is of no kind that this scheme signs with");
    out[0] = (struct http_field){STR("Signature-Input"), STR_NONE};
    out[1] = (struct http_field){STR("Signature"), STR_NONE};
    out[2] = (struct http_field){STR_NONE, STR_NONE};
    enum err e = make_input(w, s, algorithm, &out[0].value, &input, why);
    if (e == ERR_OK && message_covers(&input, STR("\"content-digest\"")) && !add_digest(w, &out[2]))
        e = fail(why, ERR_LIMIT, "no room for the digest");
    return e == ERR_OK ? make_signature(k, key, algorithm, w, &input, &out[1].value, why) : e;
}

const struct scheme_ops scheme_rfc9421 = {
    .word = "rfc9421",
    .needs_secret = true,
    .is_message = true,
    .secret_form = "the sender's public key, or the shared secret",
    .prepare = prepare,
    .discard = discard,
    .check = check,
    .explain = explain,
    .sign_fields = sign_fields,
};
