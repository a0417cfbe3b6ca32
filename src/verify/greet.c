/* greet.c -- handshakes: a provider that asks, before it sends events, whether somebody is there
 * who knows what he is doing; and the answer it wants for a stored event.
 *
 * A reply repeats what the request held, so it is bounded, never HTML, and goes into no header
 * with a line end in it. */
#include "verify/verifier.h"

#define REPLY_BYTES_MAX 8192
#define KEYED_WORD_MAX 256

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

/* Whether the keyed values of an answer give away no signature: whoever has not signed may have the
 * secret applied to a word, never to what could be the body of an event (X and LinkedIn ask for
 * just that, with the key that signs their events). */
static bool keyed_are_words(const struct pieces *t, struct view *w)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-._=+/";
    for (size_t i = 0; i < t->count; i++) {
        bool keyed = false;
        for (size_t j = 0; j < t->v[i].filter_count; j++)
            keyed = keyed || str_starts(t->v[i].filters[j], STR("hmac-"));
        str value;
        if (!keyed)
            continue;
        if (view_get(w, &t->v[i].ref, &value) != PRESENT || value.n > KEYED_WORD_MAX)
            return false;
        for (size_t k = 0; k < value.n; k++)
            if (!memchr(plain, value.p[k], sizeof(plain) - 1))
                return false;
    }
    return true;
}

static bool reply(const struct handshake *h, struct view *w, struct greeting *out)
{
    if (!h->needs_signature &&
        !(keyed_are_words(&h->body, w) && keyed_are_words(&h->field_value, w)))
        return false;
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
