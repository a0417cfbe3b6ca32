/* greet.c -- handshakes: a provider that asks, before it sends events, whether somebody is there
 * who knows what he is doing; and the answer it wants for a stored event.
 *
 * A reply repeats what the request held, so it is bounded, never HTML, and goes into no header
 * with a line end in it. */
#include "verify/verifier.h"

#define REPLY_BYTES_MAX 8192
#define KEYED_WORD_MAX 256
#define LEARNED_BYTES_MIN 8
#define LEARNED_BYTES_MAX 512

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

static bool gives_no_signature(const struct handshake *h, struct view *w)
{
    if (h->proof == GREET_SIGNED)
        return true;
    bool safe = keyed_are_words(&h->body, w) && keyed_are_words(&h->text, w);
    for (size_t i = 0; i < h->field_count; i++)
        safe = safe && keyed_are_words(&h->field_values[i], w);
    return safe;
}

static bool reply_fields(const struct handshake *h, struct view *w, struct greeting *out)
{
    for (size_t i = 0; i < h->field_count; i++) {
        str value = pieces_text(&h->field_values[i], w, REPLY_BYTES_MAX);
        if (!value.p || !fits_header(value))
            return false;
        out->fields[out->field_count++] = (struct http_field){h->field_names[i], value};
    }
    return true;
}

/* The URL that confirms, if it may be asked. */
static bool find_fetch(const struct handshake *h, struct view *w, struct greeting *out)
{
    return !h->fetches || (view_get(w, &h->fetch, &out->fetch_url) == PRESENT &&
                           key_url_is_allowed(h->hosts, h->host_count, out->fetch_url));
}

/* A secret is learned once: whoever asks later must give the one that is known. */
static bool find_learned(const struct verifier *v, const struct handshake *h, struct view *w,
                         struct greeting *out)
{
    str value;
    if (!h->learns)
        return true;
    if (view_get(w, &h->learn, &value) != PRESENT || value.n < LEARNED_BYTES_MIN ||
        value.n > LEARNED_BYTES_MAX || !fits_header(value))
        return false;
    if (v->may_learn)
        out->learn = value;
    return v->may_learn || secret_equal(value.p, value.n, w->secret.p, w->secret.n);
}

static bool reply(const struct verifier *v, const struct handshake *h, struct view *w,
                  struct greeting *out)
{
    if (!gives_no_signature(h, w))
        return false;
    *out = (struct greeting){.status = h->status, .content_type = h->content_type};
    w->text = h->has_text ? pieces_text(&h->text, w, REPLY_BYTES_MAX) : STR_NONE;
    out->body = pieces_text(&h->body, w, REPLY_BYTES_MAX);
    return out->body.p && reply_fields(h, w, out) && find_fetch(h, w, out) &&
           find_learned(v, h, w, out);
}

/* True when the request carries what could be a signature. */
static bool has_signature(const struct verifier *v, struct view *w)
{
    for (size_t i = 0; i < v->recipe->alternative_count; i++) {
        const struct signature_rule *r = &v->recipe->alternatives[i].signature;
        str value;
        for (size_t j = 0; j < r->from_count; j++)
            if (view_get(w, &r->from[j], &value) != ABSENT)
                return true;
    }
    return false;
}

static bool is_time_for(const struct verifier *v, const struct handshake *h,
                        const struct verdict *verdict, struct view *w)
{
    if (h->proof == GREET_IF_PRESENT)
        return (verdict != NULL) == has_signature(v, w);
    return (h->proof == GREET_SIGNED) == (verdict != NULL);
}

/* The first secret that an alternative can use: keyed challenges are answered with it. */
static str first_secret(const struct verifier *v)
{
    for (size_t i = 0; v->keys && i < v->recipe->alternative_count * v->slots; i++)
        if (v->keys[i].usable && v->keys[i].bytes.n)
            return secret_str(&v->keys[i].bytes);
    return STR_NONE;
}

bool verifier_greet(struct verifier *v, struct http_request *req, const struct verdict *verdict,
                    struct greeting *out)
{
    CHECK_MAGIC(v, VERIFIER_MAGIC);
    if (!v->recipe->handshake_count || (verdict && verdict->code != VERDICT_VERIFIED))
        return false;
    struct view w;
    view_init(&w, req, v->public_url, 0, NULL);
    w.secret = first_secret(v);
    for (size_t i = 0; i < v->recipe->handshake_count; i++) {
        const struct handshake *h = &v->recipe->handshakes[i];
        if (applies(h, &w) && is_time_for(v, h, verdict, &w) && reply(v, h, &w, out))
            return true;
    }
    return false;
}

bool verifier_greets_by(const struct verifier *v, str method)
{
    CHECK_MAGIC(v, VERIFIER_MAGIC);
    return recipe_greets_by(v->recipe, method);
}

void verifier_answer(const struct verifier *v, struct greeting *out)
{
    CHECK_MAGIC(v, VERIFIER_MAGIC);
    *out = v->recipe->answer;
}
