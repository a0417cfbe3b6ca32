/* greet.c -- handshakes: a provider that asks, before it sends events, whether somebody is there
 * who knows what he is doing; and the answer it wants for a stored event.
 *
 * A reply repeats what the request held, so it is bounded, never HTML, and goes into no header
 * with a line end in it. */
#include "verify/verifier.h"

#define REPLY_BYTES_MAX 8192

static bool applies(const struct handshake *h, struct view *w)
{
    for (size_t i = 0; i < h->when_count; i++)
        if (!condition_holds(&h->when[i], w))
            return false;
    return h->when_count > 0;
}

static bool fits_header(str value)
{
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < ' ' || value.p[i] == 0x7f)
            return false;
    return true;
}

static bool reply(const struct handshake *h, struct view *w, struct greeting *out)
{
    *out = (struct greeting){.status = h->status, .content_type = h->content_type};
    out->body = pieces_text(&h->body, w, REPLY_BYTES_MAX);
    if (!out->body.p)
        return false;
    if (!h->field_name.n)
        return true;
    out->field.name = h->field_name;
    out->field.value = pieces_text(&h->field_value, w, REPLY_BYTES_MAX);
    return out->field.value.p && fits_header(out->field.value);
}

/* The first secret that an alternative can use: keyed challenges are answered with it. */
static str first_secret(const struct verifier *v)
{
    for (size_t i = 0; i < v->recipe->alternative_count * v->secret_count; i++)
        if (v->keys[i].usable)
            return secret_str(&v->keys[i].bytes);
    return STR_NONE;
}

bool verifier_greet(struct verifier *v, struct http_request *req, const struct verdict *verdict,
                    struct greeting *out)
{
    CHECK_MAGIC(v, VERIFIER_MAGIC);
    if (!v->recipe->handshake_count || (verdict && verdict->code != VERDICT_VERIFIED))
        return false;
    struct view w = {
        .req = req, .arena = req->arena, .public_url = v->public_url, .secret = first_secret(v)};
    for (size_t i = 0; i < v->recipe->handshake_count; i++) {
        const struct handshake *h = &v->recipe->handshakes[i];
        if (h->needs_signature == (verdict != NULL) && applies(h, &w))
            return reply(h, &w, out);
    }
    return false;
}

void verifier_answer(const struct verifier *v, struct greeting *out)
{
    CHECK_MAGIC(v, VERIFIER_MAGIC);
    *out = v->recipe->answer;
}
