/* scheme_token.c -- the secret itself is sent: in a header of its own (token), as a bearer token
 * (RFC 6750), or as user:password (basic, RFC 7617). It proves who, but not what: the body could
 * be changed on the way by whoever can read it. */
#include "verify/scheme.h"

/* What a header cannot carry can never match: refused here instead of failing for ever. */
static bool prepare(const struct scheme *s, struct key *k, bool for_signing, struct reason *why)
{
    UNUSED(for_signing);
    str secret = secret_str(&k->bytes);
    if (str_trim(secret).n != secret.n) {
        UNUSED(fail(why, ERR_INVALID,
                    "it begins or ends with a blank or a line end, which no "
                    "header can carry"));
        return false;
    }
    for (size_t i = 0; s->signature.encoding == ENCODING_RAW && i < secret.n; i++)
        if ((unsigned char)secret.p[i] < ' ' || secret.p[i] == 0x7f) {
            UNUSED(fail(why, ERR_INVALID, "it has a control character, which no header can carry"));
            return false;
        }
    if (s->ops == &scheme_basic && str_find(secret, ':') == secret.n) {
        UNUSED(fail(why, ERR_INVALID, "it must be written user:password"));
        return false;
    }
    return true;
}

static str compute(const struct scheme *s, struct key *k, struct view *w,
                   uint8_t scratch[DIGEST_BYTES_MAX])
{
    UNUSED(s);
    UNUSED(w);
    UNUSED(scratch);
    return secret_str(&k->bytes);
}

const struct scheme_ops scheme_token = {
    .word = "token",
    .needs_secret = true,
    .is_credential = true,
    .prepare = prepare,
    .compute = compute,
};

const struct scheme_ops scheme_basic = {
    .word = "basic",
    .needs_secret = true,
    .is_credential = true,
    .credential = "Basic ",
    .credential_encoding = ENCODING_BASE64,
    .secret_form = "user:password",
    .prepare = prepare,
    .compute = compute,
};

const struct scheme_ops scheme_bearer = {
    .word = "bearer",
    .needs_secret = true,
    .is_credential = true,
    .credential = "Bearer ",
    .credential_encoding = ENCODING_RAW,
    .prepare = prepare,
    .compute = compute,
};
