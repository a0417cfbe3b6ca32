/* scheme_jose.c -- tokens and detached signatures of JOSE: JWT (RFC 7519) whose claims tie it to
 * the request, and JWS (RFC 7515, 7797) over a text that is not in it.
 *
 * The algorithm is the file's choice; the token's own word for it must be among those, and fit
 * the kind of key. Nothing of a token is believed before its signature is right. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "verify/algorithm.h"
#include "verify/public_keys.h"

#define TOKEN_BYTES_MAX 16384
#define CLAIM_BYTES_MAX 8192

static const struct algorithm algorithms[] = {
    {{"HS256", 5}, true, 0, DIGEST_SHA256, 0},
    {{"HS384", 5}, true, 0, DIGEST_SHA384, 0},
    {{"HS512", 5}, true, 0, DIGEST_SHA512, 0},
    {{"RS256", 5}, false, SIGNING_RSA, DIGEST_SHA256, PUBLIC_RSA},
    {{"RS384", 5}, false, SIGNING_RSA, DIGEST_SHA384, PUBLIC_RSA},
    {{"RS512", 5}, false, SIGNING_RSA, DIGEST_SHA512, PUBLIC_RSA},
    {{"PS256", 5}, false, SIGNING_RSA_PSS, DIGEST_SHA256, PUBLIC_RSA},
    {{"PS384", 5}, false, SIGNING_RSA_PSS, DIGEST_SHA384, PUBLIC_RSA},
    {{"PS512", 5}, false, SIGNING_RSA_PSS, DIGEST_SHA512, PUBLIC_RSA},
    {{"ES256", 5}, false, SIGNING_ECDSA_RAW, DIGEST_SHA256, PUBLIC_P256},
    {{"ES384", 5}, false, SIGNING_ECDSA_RAW, DIGEST_SHA384, PUBLIC_P384},
    {{"ES512", 5}, false, SIGNING_ECDSA_RAW, DIGEST_SHA512, PUBLIC_P521},
    {{"EdDSA", 5}, false, SIGNING_ED25519, DIGEST_SHA512, PUBLIC_ED25519},
};

const struct algorithms jose_algorithms = {algorithms, ARRAY_LEN(algorithms),
                                           "HS256, RS256, PS256, ES256 (or 384, 512) or EdDSA",
                                           "RS256"};

static bool prepare(const struct scheme *s, struct key *k, bool for_signing, struct reason *why)
{
    if (s->jose.keyed)
        return true;
    struct public_keys *keys = s->key.has_url && !for_signing
                                   ? public_keys_at_url()
                                   : public_keys_new(s, k, for_signing, why);
    k->state = keys;
    return keys != NULL;
}

static void discard(struct key *k)
{
    public_keys_free(k->state);
}

/* The parts of "header.payload.signature", decoded where that is needed. */
struct token {
    str head64, payload64, signing_input;
    str signature;
    struct json_doc *head;
    str kid;
    size_t algorithm;
    bool payload_is_plain; /* b64: false */
};

static str decode64(struct arena *a, str in)
{
    uint8_t *out = arena_alloc(a, in.n + 1);
    size_t n;
    return out && base64url_decode(in, out, in.n + 1, &n) ? str_of((const char *)out, n) : STR_NONE;
}

static bool is_allowed(const struct scheme *s, size_t algorithm)
{
    return algorithm < ARRAY_LEN(algorithms) && (s->jose.algorithms & 1u << algorithm);
}

/* RFC 7515 section 4.1.11: what is critical and not understood refuses the token. */
static bool judge_critical(const struct json *head, bool detached, bool *plain)
{
    const struct json *crit = json_get(head, STR("crit")), *b64 = json_get(head, STR("b64"));
    struct json_iter it = {0};
    *plain = b64 && json_kind_of(b64) == JSON_BOOL && !json_bool(b64);
    if (*plain && !detached)
        return false;
    if (!crit)
        return !*plain;
    bool names_b64 = false;
    while (json_next(crit, &it)) {
        if (!str_eq(json_str(it.value), STR("b64")))
            return false;
        names_b64 = true;
    }
    return names_b64 || !*plain;
}

static bool token_read(struct token *t, const struct scheme *s, struct view *w, str text)
{
    bool detached = s->ops == &scheme_jws;
    *t = (struct token){.head64 = STR_NONE};
    if (text.n > TOKEN_BYTES_MAX)
        return false;
    str rest = text;
    t->head64 = str_cut(&rest, '.');
    t->payload64 = rest.p ? str_cut(&rest, '.') : STR_NONE;
    if (!rest.p || str_find(rest, '.') < rest.n)
        return false;
    t->signing_input = str_slice(text, 0, t->head64.n + 1 + t->payload64.n);
    t->signature = decode64(w->arena, rest);
    str head = decode64(w->arena, t->head64);
    t->head = head.p && t->signature.n ? json_parse(head, NULL) : NULL;
    if (!t->head || (detached && t->payload64.n))
        return false;
    const struct json *root = json_root(t->head);
    t->kid = json_str(json_get(root, STR("kid")));
    t->algorithm = algorithm_find(&jose_algorithms, json_str(json_get(root, STR("alg"))));
    return is_allowed(s, t->algorithm) && judge_critical(root, detached, &t->payload_is_plain);
}

static bool keyed_fits(struct key *k, const struct token *t, str text)
{
    uint8_t right[DIGEST_BYTES_MAX];
    enum digest d = algorithms[t->algorithm].digest;
    struct mac *m = mac_new(d, secret_str(&k->bytes));
    mac_add(m, text);
    mac_end(m, right);
    mac_free(m);
    bool fits = secret_equal(t->signature.p, t->signature.n, (const char *)right, digest_bytes(d));
    secret_wipe(right, sizeof(right));
    return fits;
}

static bool signature_fits(const struct scheme *s, struct key *k, struct view *w,
                           const struct token *t, str text)
{
    const struct public_key *keys[PUBLIC_KEYS_MAX];
    if (k->id.n && t->kid.n && !str_eq(k->id, t->kid))
        return false;
    if (s->jose.keyed)
        return keyed_fits(k, t, text);
    size_t count = public_keys_of(k->state, s, w, t->kid, keys);
    for (size_t i = 0; i < count; i++)
        if (public_key_kind(keys[i]) == algorithms[t->algorithm].kind &&
            public_key_verify(keys[i], algorithms[t->algorithm].how,
                              algorithms[t->algorithm].digest, text, t->signature))
            return true;
    return false;
}

/* --- claims ---------------------------------------------------------------------------------- */

/* NumericDate: seconds, perhaps with a fraction. */
static bool claim_ms(const struct json *claims, const char *name, int64_t *ms)
{
    double seconds;
    if (!json_f64(json_get(claims, str_from_cstr(name)), &seconds) || seconds < 0 ||
        seconds > 253402300799.0)
        return false;
    *ms = (int64_t)(seconds * 1000);
    return true;
}

static bool judge_times(const struct scheme *s, struct view *w, const struct json *claims)
{
    int64_t at, leeway = s->jose.leeway_ms;
    if (json_get(claims, STR("exp")) && (!claim_ms(claims, "exp", &at) || at + leeway <= w->now_ms))
        view_problem(w, PROBLEM_STALE, "the token is right, but it has ended (claim exp)");
    else if (json_get(claims, STR("nbf")) &&
             (!claim_ms(claims, "nbf", &at) || at - leeway > w->now_ms))
        view_problem(w, PROBLEM_STALE, "the token is right, but its time has not come (claim nbf)");
    else if (json_get(claims, STR("iat")) &&
             (!claim_ms(claims, "iat", &at) || at - leeway > w->now_ms))
        view_problem(w, PROBLEM_STALE,
                     "the token is right, but was made in our future (claim iat)");
    else if (s->jose.max_age_ms &&
             (!claim_ms(claims, "iat", &at) || w->now_ms - at > s->jose.max_age_ms + leeway))
        view_problem(w, PROBLEM_STALE, "the token is right, but older than allowed (claim iat)");
    return w->problem == PROBLEM_NONE;
}

static bool claim_is(struct arena *a, const struct json *v, str wanted)
{
    struct json_iter it = {0};
    enum json_kind kind = json_kind_of(v);
    if (kind == JSON_STRING || kind == JSON_NUMBER || kind == JSON_BOOL) {
        str text = json_text(a, v);
        return text.p && secret_equal(text.p, text.n, wanted.p, wanted.n);
    }
    while (kind == JSON_ARRAY && json_next(v, &it))
        if (json_kind_of(it.value) == JSON_STRING && str_eq(json_str(it.value), wanted))
            return true;
    return false;
}

static bool judge_claims(const struct scheme *s, struct view *w, const struct json *claims)
{
    for (size_t i = 0; i < s->jose.claim_count; i++) {
        const struct claim_rule *rule = &s->jose.claims[i];
        const struct json *v;
        enum presence found = json_walk(w->arena, claims, rule->name, &v);
        str wanted = STR_NONE;
        if (found == PRESENT && rule->any)
            continue;
        if (found == PRESENT)
            wanted = pieces_text(&rule->value, w, CLAIM_BYTES_MAX);
        if (wanted.p && claim_is(w->arena, v, wanted))
            continue;
        view_problem(w, PROBLEM_MISMATCH,
                     "the token is right, but its claim " STR_FMT " is %s \"" STR_FMT "\"",
                     STR_ARG(rule->name), found == PRESENT ? "not" : "missing; it should be",
                     STR_ARG(str_slice(rule->value.source, 0, 80)));
        return false;
    }
    return true;
}

/* On success the claims stay in the view. */
static bool judge_token(const struct scheme *s, struct view *w, const struct token *t)
{
    str payload = decode64(w->arena, t->payload64);
    struct json_doc *d = payload.p ? json_parse(payload, NULL) : NULL;
    const struct json *claims = d ? json_root(d) : NULL;
    if (json_kind_of(claims) != JSON_OBJECT)
        view_problem(w, PROBLEM_MISMATCH, "the token's payload is no JSON object");
    else if (judge_times(s, w, claims) && judge_claims(s, w, claims)) {
        json_doc_free(w->claims_doc);
        w->claims_doc = d;
        w->claims = claims;
        return true;
    }
    json_doc_free(d);
    return false;
}

static bool check_jwt(const struct scheme *s, struct key *k, struct view *w,
                      const struct candidates *c, bool *able)
{
    bool good = false;
    *able = true;
    for (size_t i = 0; !good && i < c->count; i++) {
        struct token t;
        good = token_read(&t, s, w, c->v[i]) && signature_fits(s, k, w, &t, t.signing_input) &&
               judge_token(s, w, &t);
        json_doc_free(t.head);
    }
    *able = !w->missing;
    return good;
}

/* --- detached -------------------------------------------------------------------------------- */

static bool detached_fits(const struct scheme *s, struct key *k, struct view *w,
                          const struct token *t, str payload)
{
    struct buf text;
    buf_init(&text, t->head64.n + 2 * payload.n + 8);
    buf_str_append(&text, t->head64);
    buf_char(&text, '.');
    if (t->payload_is_plain) {
        buf_str_append(&text, payload);
    } else {
        char *room = buf_reserve(&text, BASE64_LEN(payload.n) + 1);
        if (room)
            buf_grew(&text, base64url_encode(payload.p, payload.n, room));
    }
    bool good = buf_ok(&text) && signature_fits(s, k, w, t, buf_str(&text));
    buf_release(&text);
    return good;
}

/* The time that the header of the JWS says, which is signed with it. */
static bool judge_head_time(const struct scheme *s, struct view *w)
{
    int64_t at, tolerance_ms = w->tolerance_ms ? w->tolerance_ms : s->timestamp.tolerance_ms;
    str text;
    if (!s->has_timestamp || s->timestamp.from.kind != REF_JOSE)
        return true;
    if (json_lookup(w->arena, w->jose, s->timestamp.from.arg, &text) != PRESENT ||
        !timestamp_read(text, s->timestamp.unit, &at)) {
        view_problem(w, PROBLEM_MISMATCH,
                     "the signature is right, but its header has no time at " STR_FMT,
                     STR_ARG(s->timestamp.from.arg));
        return false;
    }
    w->made_ms = at;
    if (w->now_ms - at <= tolerance_ms && at - w->now_ms <= tolerance_ms)
        return true;
    view_problem(w, PROBLEM_STALE,
                 "the signature is right, but its time (" STR_FMT " in its header) is more than "
                 "%lld s from this machine's clock",
                 STR_ARG(s->timestamp.from.arg), (long long)(tolerance_ms / 1000));
    return false;
}

static bool check_jws(const struct scheme *s, struct key *k, struct view *w,
                      const struct candidates *c, bool *able)
{
    struct buf payload;
    bool good = false;
    *able = true;
    for (size_t i = 0; !good && *able && i < c->count; i++) {
        struct token t;
        if (token_read(&t, s, w, c->v[i])) {
            w->jose = json_root(t.head);
            *able = signed_text_gather(s, w, &payload);
            good = *able && detached_fits(s, k, w, &t, buf_str(&payload)) && judge_head_time(s, w);
            w->jose = NULL;
            buf_release(&payload);
        }
        json_doc_free(t.head);
    }
    if (w->missing && !good)
        *able = false;
    return good;
}

/* --- making them --------------------------------------------------------------------------------
 */

static size_t first_algorithm(const struct scheme *s)
{
    size_t i = 0;
    while (!(s->jose.algorithms & 1u << i))
        i++;
    return i;
}

/* head64.payload64.signature64; with_payload false leaves the middle empty. */
static str compact(const struct scheme *s, struct key *k, struct view *w, str payload,
                   bool with_payload)
{
    size_t algorithm = first_algorithm(s);
    uint8_t bytes[PUBLIC_SIGNATURE_MAX];
    size_t n = 0;
    str b64 = STR("base64url");
    str time = STR("");
    if (s->has_timestamp && s->timestamp.from.kind == REF_JOSE)
        time = arena_printf(w->arena, ",\"" STR_FMT "\":" STR_FMT, STR_ARG(s->timestamp.from.arg),
                            STR_ARG(w->ts));
    str head = arena_printf(w->arena, "{\"alg\":\"" STR_FMT "\",\"typ\":\"JWT\"" STR_FMT "}",
                            STR_ARG(algorithms[algorithm].word), STR_ARG(time));
    str head64 = template_filter_builtin(b64, head, w->arena);
    str payload64 = template_filter_builtin(b64, payload, w->arena);
    str input = arena_printf(w->arena, STR_FMT "." STR_FMT, STR_ARG(head64), STR_ARG(payload64));
    if (!input.p)
        return STR_NONE;
    if (s->jose.keyed) {
        struct mac *m = mac_new(algorithms[algorithm].digest, secret_str(&k->bytes));
        mac_add(m, input);
        mac_end(m, bytes);
        mac_free(m);
        n = digest_bytes(algorithms[algorithm].digest);
    } else {
        const struct public_key *keys[PUBLIC_KEYS_MAX];
        if (public_keys_of(k->state, s, w, STR_NONE, keys) == 1)
            n = public_key_sign(keys[0], algorithms[algorithm].how, algorithms[algorithm].digest,
                                input, bytes);
    }
    str signature64 = template_filter_builtin(b64, str_of((const char *)bytes, n), w->arena);
    if (!n || !signature64.p)
        return STR_NONE;
    return arena_printf(w->arena, STR_FMT "." STR_FMT "." STR_FMT, STR_ARG(head64),
                        STR_ARG(with_payload ? payload64 : STR("")), STR_ARG(signature64));
}

/* The claims that the file asks for, and the usual times. */
static str sign_jwt(const struct scheme *s, struct key *k, struct view *w)
{
    struct buf out;
    struct json_writer json;
    buf_init(&out, TOKEN_BYTES_MAX);
    json_writer_init(&json, &out);
    json_open(&json, '{');
    json_pair_int(&json, "iat", w->now_ms / 1000);
    json_pair_int(&json, "exp", w->now_ms / 1000 + 300);
    bool ok = true;
    for (size_t i = 0; ok && i < s->jose.claim_count; i++) {
        const struct claim_rule *rule = &s->jose.claims[i];
        str value = rule->any ? w->id : pieces_text(&rule->value, w, CLAIM_BYTES_MAX);
        if (rule->any && (str_eq(rule->name, STR("iat")) || str_eq(rule->name, STR("exp"))))
            continue;
        ok = rule->any || value.p;
        json_key_str(&json, rule->name);
        json_string(&json, value.p ? value : STR("-"));
    }
    json_close(&json, '}');
    str token = ok && buf_ok(&out) ? compact(s, k, w, buf_str(&out), true) : STR_NONE;
    buf_release(&out);
    return token;
}

static str sign_jws(const struct scheme *s, struct key *k, struct view *w)
{
    struct buf payload;
    str token = STR_NONE;
    if (signed_text_gather(s, w, &payload))
        token = compact(s, k, w, buf_str(&payload), false);
    buf_release(&payload);
    return token;
}

const struct scheme_ops scheme_jwt = {
    .word = "jwt",
    .needs_secret = true,
    .is_jose = true,
    .secret_form = "the shared secret or the sender's public key",
    .prepare = prepare,
    .discard = discard,
    .check = check_jwt,
    .sign = sign_jwt,
};

const struct scheme_ops scheme_jws = {
    .word = "jws",
    .needs_secret = true,
    .is_jose = true,
    .signs_text = true,
    .secret_form = "the shared secret or the sender's public key",
    .prepare = prepare,
    .discard = discard,
    .check = check_jws,
    .sign = sign_jws,
};
