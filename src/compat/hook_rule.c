/* hook_rule.c -- and, or, not; and what a match can be. */
#include "compat/hook_rule.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/secret.h"
#include "compat/hook_log.h"
#include "http/address.h"
#include "verify/crypto.h"

#define SCALR_TOLERANCE_MS INT64_C(300000)

struct evaluation {
    const struct hook_request *request;
    bool soft;
    int64_t now_ms;
    struct reason *why;
};

static struct rule_answer answer(bool yes)
{
    return (struct rule_answer){yes, RULE_FINE};
}

static struct rule_answer wrong(struct evaluation *e, enum rule_error error, const char *text)
{
    fail(e->why, ERR_INVALID, "%s", text);
    return (struct rule_answer){false, error};
}

/* --- signatures ------------------------------------------------------------------------------ */

static str hmac_hex(enum digest d, str secret, const str *parts, size_t count,
                    char out[2 * DIGEST_BYTES_MAX])
{
    uint8_t bytes[DIGEST_BYTES_MAX];
    struct mac *mac = mac_new(d, secret);
    mac_begin(mac);
    for (size_t i = 0; i < count; i++)
        mac_add(mac, parts[i]);
    mac_end(mac, bytes);
    mac_free(mac);
    hex_encode(bytes, digest_bytes(d), out);
    return str_of(out, 2 * digest_bytes(d));
}

static bool same(str a, str b)
{
    return secret_equal(a.p, a.n, b.p, b.n);
}

/* Without a comma the prefix may be there; of a list only parts with the prefix count. */
static bool signature_matches(str given, str prefix, str expected)
{
    bool is_list = str_find(given, ',') < given.n;
    if (!is_list)
        return same(str_starts(given, prefix) ? str_slice(given, prefix.n, given.n) : given,
                    expected);
    while (given.p) {
        str part = str_cut(&given, ',');
        if (str_starts(part, prefix) && same(str_slice(part, prefix.n, part.n), expected))
            return true;
    }
    return false;
}

static struct rule_answer check_hmac(struct evaluation *e, const struct hook_rule *r, str given,
                                     enum digest d, const char *prefix)
{
    char hex[2 * DIGEST_BYTES_MAX];
    if (!r->secret.n)
        return wrong(e, RULE_OTHER, "signature validation secret can not be empty");
    str expected = hmac_hex(d, r->secret, &e->request->body, 1, hex);
    if (signature_matches(given, str_from_cstr(prefix), expected))
        return answer(true);
    return wrong(e, RULE_SIGNATURE,
                 e->request->body.n ? "invalid payload signature"
                                    : "invalid payload signature on an empty payload");
}

/* "Fri 08 Sep 2017 11:24:32 UTC", in UTC whatever the zone's name is. */
static bool scalr_date(str text, int64_t *wall_ms)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    str word[6];
    size_t n = 0;
    str rest = text;
    while (rest.p && n < ARRAY_LEN(word))
        word[n++] = str_cut(&rest, ' ');
    if (n < ARRAY_LEN(word) || rest.p || word[5].n < 3 || word[5].n > 5)
        return false;
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(days); i++)
        known = known || str_eq(word[0], str_from_cstr(days[i]));
    char http[64];
    (void)snprintf(http, sizeof(http),
                   STR_FMT ", " STR_FMT " " STR_FMT " " STR_FMT " " STR_FMT " GMT",
                   STR_ARG(str_slice(word[0], 0, 3)), STR_ARG(str_slice(word[1], 0, 2)),
                   STR_ARG(str_slice(word[2], 0, 3)), STR_ARG(str_slice(word[3], 0, 4)),
                   STR_ARG(str_slice(word[4], 0, 8)));
    return known && word[1].n == 2 && word[2].n == 3 && word[3].n == 4 && word[4].n == 8 &&
           clock_http_parse(str_from_cstr(http), wall_ms);
}

static struct rule_answer check_scalr(struct evaluation *e, const struct hook_rule *r)
{
    char hex[2 * DIGEST_BYTES_MAX];
    int64_t at_ms;
    const struct value *given = value_get(&e->request->headers, STR("X-Signature"));
    const struct value *date = value_get(&e->request->headers, STR("Date"));
    if (!given || !date)
        return answer(false);
    if (given->kind != VALUE_STRING || date->kind != VALUE_STRING)
        return (struct rule_answer){false, RULE_PANIC};
    if (!r->secret.n)
        return wrong(e, RULE_OTHER, "signature validation signing key can not be empty");
    str parts[] = {e->request->body, date->text};
    if (!same(given->text, hmac_hex(DIGEST_SHA1, r->secret, parts, 2, hex)))
        return wrong(e, RULE_SIGNATURE, "invalid payload signature");
    if (!scalr_date(date->text, &at_ms))
        return wrong(e, RULE_OTHER,
                     "the Date header is not of the form Mon 02 Jan 2006 15:04:05 UTC");
    int64_t apart = e->now_ms - at_ms;
    if (apart > SCALR_TOLERANCE_MS || apart < -SCALR_TOLERANCE_MS)
        return wrong(e, RULE_SIGNATURE, "invalid payload signature: outdated");
    return answer(true);
}

/* --- addresses ------------------------------------------------------------------------------- */

/* The address without its port. */
static str peer_of(str remote)
{
    size_t at = remote.n;
    bool one_colon = str_find(remote, ':') < remote.n;
    if (str_starts(remote, STR("[")))
        return str_slice(remote, 1, str_find(remote, ']'));
    if (!one_colon)
        return remote;
    while (at > 0 && remote.p[at - 1] != ':')
        at--;
    str host = str_slice(remote, 0, at - 1);
    return str_find(host, ':') < host.n ? remote : host; /* an IPv6 address without a port */
}

static bool is_v4(const struct address *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(a->bytes, mapped, sizeof(mapped)) == 0;
}

/* Host bits may be set; a bare address gets /32, an IPv6 one too. */
static bool range_parse(str text, struct net *out)
{
    size_t slash = str_find(text, '/');
    uint64_t bits = 32;
    str host = str_slice(text, 0, slash);
    if (!address_parse(host, &out->base))
        return false;
    bool v4 = str_find(host, ':') == host.n;
    if (slash < text.n && (!str_to_u64(str_slice(text, slash + 1, text.n), &bits) ||
                           text.n - slash - 1 > 3 || bits > (v4 ? 32u : 128u)))
        return false;
    out->prefix = (unsigned)bits + (v4 ? 96 : 0);
    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = out->prefix > 8 * i ? out->prefix - 8 * i : 0;
        out->base.bytes[i] &= kept >= 8 ? 0xff : (uint8_t)(0xff00u >> kept);
    }
    return true;
}

static struct rule_answer check_address(struct evaluation *e, const struct hook_rule *r)
{
    struct address peer;
    if (!address_parse(peer_of(e->request->remote_address), &peer))
        return wrong(e, RULE_OTHER, "invalid IP address found in remote address");
    str rest = r->ip_range;
    while (rest.p) {
        struct net net;
        size_t n = 0;
        while (n < rest.n && !strchr(" \t\r\n\v\f", rest.p[n]))
            n++;
        str word = str_slice(rest, 0, n);
        rest = n < rest.n ? str_slice(rest, n + 1, rest.n) : STR_NONE;
        if (!word.n)
            continue;
        if (!range_parse(word, &net))
            return wrong(e, RULE_OTHER, "invalid CIDR address in ip-range");
        bool same_family = is_v4(&peer) == (str_find(word, ':') == word.n);
        if (same_family && net_contains(&net, &peer))
            return answer(true);
    }
    return answer(false);
}

/* --- match ----------------------------------------------------------------------------------- */

static struct rule_answer check_regex(struct evaluation *e, const struct hook_rule *r, str given)
{
    if (!r->compiled)
        return wrong(e, RULE_OTHER, r->bad_regex);
    enum regex_verdict verdict = regex_search(r->compiled, given);
    if (verdict == REGEX_UNDECIDED)
        return wrong(e, RULE_OTHER, "the pattern takes too many steps on this text");
    return answer(verdict == REGEX_YES);
}

static struct rule_answer check_given(struct evaluation *e, const struct hook_rule *r, str given)
{
    static const struct {
        const char *type, *deprecated;
        enum digest digest;
        const char *prefix;
    } macs[] = {{"payload-hmac-sha1", "payload-hash-sha1", DIGEST_SHA1, "sha1="},
                {"payload-hmac-sha256", "payload-hash-sha256", DIGEST_SHA256, "sha256="},
                {"payload-hmac-sha512", "payload-hash-sha512", DIGEST_SHA512, "sha512="}};
    if (str_eq(r->type, STR("value")))
        return answer(same(given, r->value));
    if (str_eq(r->type, STR("regex")))
        return check_regex(e, r, given);
    for (size_t i = 0; i < ARRAY_LEN(macs); i++) {
        bool is_old = str_eq(r->type, str_from_cstr(macs[i].deprecated));
        if (is_old)
            hook_log(STR(""), "warn: use of deprecated option %s; use %s instead",
                     macs[i].deprecated, macs[i].type);
        if (is_old || str_eq(r->type, str_from_cstr(macs[i].type)))
            return check_hmac(e, r, given, macs[i].digest, macs[i].prefix);
    }
    return answer(false);
}

static struct rule_answer check_match(struct evaluation *e, const struct hook_rule *r)
{
    str given;
    if (str_eq(r->type, STR("ip-whitelist")))
        return check_address(e, r);
    if (str_eq(r->type, STR("scalr-signature")))
        return check_scalr(e, r);
    switch (hook_argument_get(e->request, &r->parameter, &given, e->why)) {
    case HOOK_VALUE:
        return check_given(e, r, given);
    case HOOK_VALUE_MISSING:
        return (struct rule_answer){false, RULE_MISSING};
    case HOOK_VALUE_PANIC:
        return (struct rule_answer){false, RULE_PANIC};
    case HOOK_VALUE_WRONG:
        break;
    }
    return (struct rule_answer){false, RULE_OTHER};
}

/* --- and, or, not ---------------------------------------------------------------------------- */

static struct rule_answer evaluate(struct evaluation *e, const struct hook_rule *r);

static struct rule_answer evaluate_and(struct evaluation *e, const struct hook_rule *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct rule_answer a = evaluate(e, &r->rules[i]);
        if (a.error != RULE_FINE)
            return (struct rule_answer){false, a.error};
        if (!a.yes)
            return a;
    }
    return answer(true);
}

static struct rule_answer evaluate_or(struct evaluation *e, const struct hook_rule *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct rule_answer a = evaluate(e, &r->rules[i]);
        bool forgiven = a.error == RULE_FINE || a.error == RULE_MISSING ||
                        (a.error == RULE_SIGNATURE && e->soft);
        if (!forgiven)
            return (struct rule_answer){false, a.error};
        if (a.yes)
            return answer(true);
    }
    return answer(false);
}

static struct rule_answer evaluate(struct evaluation *e, const struct hook_rule *r)
{
    struct rule_answer a = answer(false);
    switch (r->kind) {
    case HOOK_RULE_AND:
        return evaluate_and(e, r);
    case HOOK_RULE_OR:
        return evaluate_or(e, r);
    case HOOK_RULE_NOT:
        a = evaluate(e, &r->rules[0]);
        a.yes = !a.yes;
        return a;
    case HOOK_RULE_MATCH:
        return check_match(e, r);
    case HOOK_RULE_NONE:
        break;
    }
    return a;
}

struct rule_answer hook_rule_holds(const struct hook_rule *rule, const struct hook_request *q,
                                   bool soft, int64_t now_ms, struct reason *why)
{
    struct evaluation e = {q, soft, now_ms, why};
    return evaluate(&e, rule);
}
