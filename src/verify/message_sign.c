/* message_sign.c -- Signature-Input is written first and then read back by the code that reads a
 * sender's, so that what is signed is what a receiver will make of it. */
#include "verify/message_sign.h"

#include "verify/content_digest.h"
#include "verify/message_base.h"
#include "verify/outgoing.h"

#define COVERED_FIELDS_MAX 32
#define INPUT_MAX (MESSAGE_SIGNERS_MAX * 4096u)

static void write_name(struct buf *out, str name)
{
    buf_str_append(out, STR(" \""));
    for (size_t i = 0; i < name.n; i++)
        buf_char(out, name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 32) : name.p[i]);
    buf_char(out, '"');
}

/* sig1=("@method" ...);created=...;keyid="...";alg="...";tag="...", sig2=... */
static void write_input(struct buf *out, const struct message_to_sign *m)
{
    for (size_t k = 0; k < m->signer_count; k++) {
        const struct message_signer *s = &m->signers[k];
        buf_printf(out, "%ssig%zu=(\"@method\" \"@target-uri\"", k ? ", " : "", k + 1);
        for (size_t i = 0; i < m->given.count; i++)
            write_name(out, m->given.v[i].name);
        buf_printf(out, " \"content-digest\");created=%lld;keyid=", (long long)(m->now_ms / 1000));
        sf_write_string(out, s->keyid);
        buf_printf(out, ";alg=\"%s\";tag=", s->pair ? "ed25519" : "hmac-sha256");
        sf_write_string(out, m->tag);
    }
}

static str signature_of(const struct message_signer *s, struct arena *a, str base)
{
    uint8_t bytes[DIGEST_BYTES_MAX];
    static_assert(ED25519_SIGNATURE_BYTES <= DIGEST_BYTES_MAX, "both fit");
    size_t n = digest_bytes(DIGEST_SHA256);
    if (s->pair) {
        ed25519_sign(s->pair, base, bytes);
        n = ED25519_SIGNATURE_BYTES;
    } else {
        mac_begin(s->mac);
        mac_add(s->mac, base);
        mac_end(s->mac, bytes);
    }
    return arena_str(a, str_of((const char *)bytes, n));
}

/* The request as it will be, its digest in it. */
static bool prepare(const struct message_to_sign *m, struct arena *a, struct outgoing *o,
                    struct http_field *digest)
{
    struct http_field *all = ARENA_ARRAY(a, struct http_field, m->given.count + 1);
    str body = m->body.p ? m->body : STR("");
    *digest = (struct http_field){STR("Content-Digest"), content_digest_make(a, body)};
    if (!all || !digest->value.p)
        return false;
    for (size_t i = 0; i < m->given.count; i++)
        all[i] = m->given.v[i];
    all[m->given.count] = *digest;
    *o = (struct outgoing){.method = m->method,
                           .url = m->url,
                           .body = body,
                           .fields = {all, m->given.count + 1},
                           .now_ms = m->now_ms};
    return true;
}

static enum err write_signatures(const struct message_to_sign *m, struct view *w,
                                 const struct sf_member *inputs, struct buf *out,
                                 struct reason *why)
{
    struct buf base;
    enum err e = ERR_OK;
    buf_init(&base, MESSAGE_BASE_MAX);
    for (size_t k = 0; e == ERR_OK && k < m->signer_count; k++) {
        buf_clear(&base);
        e = message_base_write(&base, w, &inputs[k].item, why);
        if (e != ERR_OK)
            break;
        str signature = signature_of(&m->signers[k], w->arena, buf_str(&base));
        if (!signature.p)
            e = fail(why, ERR_LIMIT, "no room for the signatures");
        buf_printf(out, "%ssig%zu=", k ? ", " : "", k + 1);
        sf_write_bytes(out, signature);
    }
    buf_release(&base);
    return e;
}

enum err message_sign(const struct message_to_sign *m, struct arena *a,
                      struct http_field out[MESSAGE_SIGN_FIELDS], struct reason *why)
{
    struct outgoing o;
    struct http_request req;
    struct view w;
    struct buf text;
    struct sf_member *inputs = NULL;
    size_t count = 0;
    bool doubled;
    assert(m->signer_count && m->signer_count <= MESSAGE_SIGNERS_MAX);
    if (m->given.count > COVERED_FIELDS_MAX || !prepare(m, a, &o, &out[0]))
        return fail(why, ERR_LIMIT, "no room for what is to be signed");
    outgoing_view(&o, a, &req, &w);
    buf_init(&text, INPUT_MAX);
    write_input(&text, m);
    out[1] = (struct http_field){STR("Signature-Input"),
                                 buf_ok(&text) ? arena_str(a, buf_str(&text)) : STR_NONE};
    enum err e = ERR_OK;
    if (!out[1].value.p || sf_dictionary(a, out[1].value, &inputs, &count, &doubled))
        e = fail(why, ERR_INVALID, "what is to be covered cannot be written as RFC 9421 wants");
    assert(e != ERR_OK || count == m->signer_count);
    buf_clear(&text);
    if (e == ERR_OK)
        e = write_signatures(m, &w, inputs, &text, why);
    out[2] = (struct http_field){STR("Signature"),
                                 buf_ok(&text) ? arena_str(a, buf_str(&text)) : STR_NONE};
    if (e == ERR_OK && !out[2].value.p)
        e = fail(why, ERR_LIMIT, "no room for the signatures");
    buf_release(&text);
    http_request_release(&req);
    return e;
}
