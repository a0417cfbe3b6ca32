/* fields.c -- which header fields a provider's signature lives in, and what of a request is a
 * credential itself, in a header or in the URL, and must be kept out of what is stored. */
#include "base/codec.h"
#include "verify/verifier.h"

/* The n-th header among refs; *n counts down to it. */
static const struct ref *pick(const struct ref *refs, size_t count, size_t *n)
{
    for (size_t i = 0; i < count; i++) {
        if (refs[i].kind != REF_HEADER)
            continue;
        if (*n == 0)
            return &refs[i];
        --*n;
    }
    return NULL;
}

static const struct ref *pick_piece(const struct pieces *p, size_t *n)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct ref *found = p->v[i].is_ref ? pick(&p->v[i].ref, 1, n) : NULL;
        if (found)
            return found;
    }
    return NULL;
}

static const struct ref *pick_of_scheme(const struct scheme *s, size_t *n)
{
    const struct ref *found = pick(s->signature.from, s->signature.from_count, n);
    if (!found && s->has_timestamp)
        found = pick(&s->timestamp.from, 1, n);
    if (!found && s->has_id)
        found = pick(&s->id, 1, n);
    return found ? found : pick_piece(&s->signed_text, n);
}

str provider_header(const struct provider *p, size_t index)
{
    const struct recipe *r = p->recipe;
    for (size_t i = 0; i < r->alternative_count; i++) {
        const struct ref *found = pick_of_scheme(&r->alternatives[i], &index);
        if (found)
            return found->arg;
    }
    return STR_NONE;
}

bool verifier_hides(const struct verifier *v, str header)
{
    for (size_t i = 0; i < v->recipe->alternative_count; i++) {
        const struct scheme *s = &v->recipe->alternatives[i];
        const struct ref *from = s->signature.from;
        for (size_t k = 0; s->ops->is_credential && k < s->signature.from_count; k++)
            if (from[k].kind == REF_HEADER && str_eq_nocase(from[k].arg, header))
                return true;
    }
    return false;
}

/* A token proves by itself whoever holds it, as long as it lasts. name: STR_NONE for any. */
static bool hides_parameter(const struct verifier *v, str name)
{
    for (size_t i = 0; i < v->recipe->alternative_count; i++) {
        const struct scheme *s = &v->recipe->alternatives[i];
        const struct ref *from = s->signature.from;
        bool is_secret = s->ops->is_credential || s->ops->is_jose;
        for (size_t k = 0; is_secret && k < s->signature.from_count; k++)
            if (from[k].kind == REF_QUERY && (!name.p || str_eq(from[k].arg, name)))
                return true;
    }
    return false;
}

str verifier_shown_target(const struct verifier *v, struct arena *a, str target)
{
    size_t mark = str_find(target, '?');
    str rest = str_slice(target, mark + 1, target.n);
    struct buf out;
    if (mark == target.n || !hides_parameter(v, STR_NONE))
        return target;
    buf_init(&out, 12 * target.n + 16);
    buf_str_append(&out, str_slice(target, 0, mark));
    for (char between = '?'; rest.p; between = '&') {
        str value = str_cut(&rest, '&');
        str name = str_cut(&value, '=');
        buf_char(&out, between);
        buf_str_append(&out, name);
        if (!value.p)
            continue;
        str plain = percent_decode(a, name, true);
        buf_char(&out, '=');
        /* A name that cannot be decoded is nobody's. */
        buf_str_append(&out, plain.p && hides_parameter(v, plain) ? STR("[redacted]") : value);
    }
    str shown = arena_str(a, buf_str(&out));
    buf_release(&out);
    return shown;
}
