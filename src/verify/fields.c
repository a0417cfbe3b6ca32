/* fields.c -- which header fields a provider's signature lives in: to ask a foreign server for
 * just those, and to keep those that are credentials themselves out of what is stored. */
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
