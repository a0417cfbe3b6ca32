/* scheme_mtls.c -- mutual TLS: the proof is the connection's own. The listener has asked the client
 * for a certificate and verified it up to the authority that is configured there; a source says
 * which of those certificates are its sender's. Without such a pin every customer of that authority
 * could send, so one is needed. */
#include "base/codec.h"
#include "http/tls_peer.h"
#include "verify/scheme.h"

static bool read_pins(struct pins *out, struct arena *a, const struct yaml *node, const char *what,
                      struct problems *p)
{
    if (!node)
        return true;
    if (node->kind == YAML_SCALAR) {
        out->v = ARENA_ARRAY(a, str, 1);
        out->count = out->v && read_str(p, node, &out->v[0]);
    } else if (!read_str_list(p, a, node, &out->v, &out->count)) {
        return false;
    }
    if (out->count > PINS_MAX || !out->count) {
        problem_at(p, node, "expected 1 to %d of \"%s\"", PINS_MAX, what);
        return false;
    }
    for (size_t i = 0; i < out->count; i++) {
        out->v[i] = arena_str(a, out->v[i]);
        if (!out->v[i].n)
            problem_at(p, node, "an empty \"%s\" is nobody's", what);
    }
    return true;
}

/* "AB:CD:..." or hex digits in either case to the form that tls_peer.h has. */
static void normalise_fingerprints(struct pins *pins, struct arena *a, const struct yaml *node,
                                   struct problems *p)
{
    for (size_t i = 0; i < pins->count; i++) {
        uint8_t bytes[TLS_FINGERPRINT_HEX / 2];
        char digits[TLS_FINGERPRINT_HEX];
        size_t n = 0, got = 0;
        str text = pins->v[i];
        for (size_t k = 0; k < text.n && n <= sizeof(digits); k++)
            if (text.p[k] != ':' && n++ < sizeof(digits))
                digits[n - 1] = text.p[k];
        if (n != sizeof(digits) || !hex_decode(str_of(digits, n), bytes, sizeof(bytes), &got)) {
            problem_at(p, node, "expected the SHA-256 fingerprint of a certificate, %d hex digits",
                       TLS_FINGERPRINT_HEX);
            return;
        }
        hex_encode(bytes, got, digits);
        pins->v[i] = arena_str(a, str_of(digits, n));
    }
}

static void check_names(const struct pins *pins, const struct yaml *node, struct problems *p)
{
    static const char *const kinds[] = {"dns:", "uri:", "email:", "ip:"};
    for (size_t i = 0; i < pins->count; i++) {
        bool known = false;
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
            known = known || str_starts(pins->v[i], str_from_cstr(kinds[k]));
        if (!known)
            problem_at(p, node,
                       "expected a name with its kind: dns:a.example.org, uri:..., "
                       "email:... or ip:...");
    }
}

void mtls_compile(struct scheme *s, struct arena *a, const struct yaml *node, struct problems *p)
{
    struct mtls_rule *r = &s->mtls;
    const struct yaml *san = yaml_get(node, STR("san")),
                      *fingerprint = yaml_get(node, STR("fingerprint"));
    bool ok = read_pins(&r->subjects, a, yaml_get(node, STR("subject")), "subject", p) &&
              read_pins(&r->issuers, a, yaml_get(node, STR("issuer")), "issuer", p) &&
              read_pins(&r->names, a, san, "san", p) &&
              read_pins(&r->fingerprints, a, fingerprint, "fingerprint", p);
    if (!ok)
        return;
    check_names(&r->names, san, p);
    normalise_fingerprints(&r->fingerprints, a, fingerprint, p);
    if (!r->subjects.count && !r->issuers.count && !r->names.count && !r->fingerprints.count)
        problem_at(p, node,
                   "scheme mtls needs to know whose certificate counts: subject, san, issuer or "
                   "fingerprint; any that the authority signed would be anybody's");
}

static bool has(const struct pins *pins, str value)
{
    for (size_t i = 0; i < pins->count; i++)
        if (str_eq(pins->v[i], value))
            return true;
    return pins->count == 0;
}

static bool has_name(const struct pins *pins, const struct tls_peer *peer)
{
    for (size_t i = 0; i < peer->name_count; i++)
        for (size_t k = 0; k < pins->count; k++) {
            /* Hosts in either case; what else is named has one spelling. */
            bool host = str_starts(pins->v[k], STR("dns:"));
            if (host ? str_eq_nocase(pins->v[k], peer->names[i])
                     : str_eq(pins->v[k], peer->names[i]))
                return true;
        }
    return pins->count == 0;
}

enum mtls_verdict mtls_judge(const struct scheme *s, const struct tls_peer *peer, int64_t now_ms)
{
    const struct mtls_rule *r = &s->mtls;
    if (!peer)
        return MTLS_NO_CERTIFICATE;
    if (now_ms >= peer->not_after_ms)
        return MTLS_ENDED;
    bool fits = has(&r->subjects, peer->subject) && has(&r->issuers, peer->issuer) &&
                has_name(&r->names, peer) &&
                has(&r->fingerprints, str_from_cstr(peer->fingerprint));
    return fits ? MTLS_FITS : MTLS_OTHER;
}

const struct scheme_ops scheme_mtls = {.word = "mtls"};
