/* verifier.c -- makes a source's verifier: options put in, secrets decoded and worked into keys,
 * and everything refused that would leave a request unverified without anybody noticing. */
#include "verify/verifier.h"

#include "base/log.h"

#define OWN_BYTES_MAX (4u << 20)

static bool load_recipe(struct verifier *v, const struct verifier_options *o,
                        const struct yaml *place, struct problems *p)
{
    struct option_values given = {o->config_keys, o->config_values, o->config_count};
    v->recipe = o->provider->recipe;
    if (!o->config_count && !o->provider->needs_options)
        return true;
    const struct yaml *file = options_apply(&v->own, o->provider->file, o->provider->options,
                                            o->provider->option_count, &given, place, p);
    v->recipe = file ? recipe_compile(&v->own, file, p) : NULL;
    return v->recipe != NULL;
}

/* "X-Signature or X-Signature-2": where an alternative's signature may be. */
static void write_places(struct buf *out, const struct scheme *s)
{
    for (size_t i = 0; i < s->signature.from_count; i++)
        buf_printf(out, "%s" STR_FMT, i ? " or " : "", STR_ARG(s->signature.from[i].label));
}

/* NUL-terminated, and short enough for a verdict. */
static str keep_text(struct arena *a, const struct buf *b)
{
    str text = str_slice(buf_str(b), 0, sizeof(((struct verdict *)0)->text) - 1);
    char *copy = arena_alloc(a, text.n + 1);
    if (!copy)
        die_of_memory(0);
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return str_of(copy, text.n);
}

static str describe_refusal(struct verifier *v, const struct scheme *s)
{
    struct buf b;
    bool own = !scheme_needs_secret(s);
    bool signs_url = s->ops->is_message || (s->signed_text.mentions & REF_BIT(REF_URL));
    char secrets[48] = "the secret";
    str title = v->provider->title;
    buf_init(&b, 4096);
    if (v->secret_count > 1)
        UNUSED(snprintf(secrets, sizeof(secrets), "any of %zu secrets", v->secret_count));
    write_places(&b, s);
    if (s->ops->is_credential)
        buf_printf(&b, " does not hold %s; is it the one set at " STR_FMT "?", secrets,
                   STR_ARG(title));
    else if (own || scheme_has_public_key(s) || s->ops->is_jose)
        buf_printf(&b,
                   " does not match " STR_FMT " under %s; did " STR_FMT
                   " send this, and does a proxy change the body%s?",
                   STR_ARG(s->what), own ? "the sender's public key" : secrets, STR_ARG(title),
                   signs_url ? " or the URL (public_url must be the one registered there)" : "");
    else
        buf_printf(&b,
                   " does not match " STR_FMT " under %s; is the secret the one set at " STR_FMT
                   ", and does a proxy change the body%s?",
                   STR_ARG(s->what), secrets, STR_ARG(title),
                   signs_url ? " or the URL (public_url must be the one registered there)" : "");
    str text = keep_text(&v->own, &b);
    buf_release(&b);
    return text;
}

static str describe_acceptance(struct verifier *v, const struct scheme *s, size_t index)
{
    struct buf b;
    buf_init(&b, 4096);
    write_places(&b, s);
    buf_printf(&b, " %s " STR_FMT, s->ops->is_credential ? "holds" : "matches", STR_ARG(s->what));
    if (v->secret_count > 1 && scheme_needs_secret(s))
        buf_printf(&b, " under secret %zu of %zu", index + 1, v->secret_count);
    str text = keep_text(&v->own, &b);
    buf_release(&b);
    return text;
}

/* Makes the key of every alternative that this secret fits; false when it fits none: *why is
 * then that of the first, which is the provider's usual one. */
static bool load_secret(struct verifier *v, str secret, size_t index, struct reason *why)
{
    bool fits = false;
    for (size_t i = 0; i < v->recipe->alternative_count; i++) {
        const struct scheme *s = &v->recipe->alternatives[i];
        struct key *k = &v->keys[i * v->slots + index];
        if (!scheme_needs_secret(s) || !key_prepare(k, s, secret, false, why->text[0] ? NULL : why))
            continue;
        fits = true;
        k->accepted = describe_acceptance(v, s, index);
        k->id = v->secret_ids ? v->secret_ids[index] : STR_NONE;
    }
    return fits;
}

/* The provider's own keys, which its file holds or names the place of. */
static void load_own_keys(struct verifier *v, size_t alternative, const struct yaml *place,
                          struct problems *p)
{
    const struct scheme *s = &v->recipe->alternatives[alternative];
    struct key *keys = &v->keys[alternative * v->slots];
    for (size_t i = 0; i < s->key.pinned_count; i++) {
        struct reason why = {.text = ""};
        if (!key_prepare(&keys[i], s, s->key.pinned[i], false, &why))
            problem_at(p, place, "the key %zu of " STR_FMT " cannot be used: %s", i + 1,
                       STR_ARG(v->provider->title), why.text);
        keys[i].accepted = describe_acceptance(v, s, i);
    }
    if (s->key.has_url) {
        struct key *at_url = &keys[s->key.pinned_count];
        at_url->usable = s->ops->prepare(s, at_url, false, NULL);
        at_url->accepted = describe_acceptance(v, s, s->key.pinned_count);
    }
}

static void make_slots(struct verifier *v, size_t secret_count)
{
    v->slots = secret_count;
    for (size_t i = 0; i < v->recipe->alternative_count; i++) {
        const struct key_rule *k = &v->recipe->alternatives[i].key;
        size_t own = k->pinned_count + k->has_url;
        if (own > v->slots)
            v->slots = own;
    }
    v->keys = xcalloc(v->recipe->alternative_count * v->slots + 1, sizeof(*v->keys));
    v->refusals = xcalloc(v->recipe->alternative_count, sizeof(*v->refusals));
}

static void load_secrets(struct verifier *v, const struct verifier_options *o,
                         const struct yaml *place, struct problems *p)
{
    str title = v->provider->title;
    const char *form = v->recipe->alternatives[0].ops->secret_form;
    if (!recipe_needs_secret(v->recipe)) {
        if (o->secret_count)
            problem_at(p, place,
                       "scheme %s uses no secret here; a secret given would protect nothing",
                       v->recipe->alternatives[0].ops->word);
    } else if (!o->secret_count && o->may_learn && provider_learns(v->provider)) {
        v->may_learn = true;
    } else if (!o->secret_count || o->secret_count > VERIFY_SECRETS_MAX) {
        problem_at(p, place, "1 to %d secrets are needed to verify " STR_FMT " (%s)",
                   VERIFY_SECRETS_MAX, STR_ARG(title), form ? form : "as set there");
        return;
    } else {
        v->secret_count = o->secret_count;
    }
    make_slots(v, v->secret_count);
    if (o->secret_ids) {
        str *ids = v->secret_ids = ARENA_ARRAY(&v->own, str, v->secret_count + 1);
        for (size_t i = 0; ids && i < v->secret_count; i++)
            ids[i] = arena_str(&v->own, o->secret_ids[i]);
    }
    for (size_t i = 0; i < v->recipe->alternative_count; i++)
        v->refusals[i] = describe_refusal(v, &v->recipe->alternatives[i]);
    for (size_t i = 0; i < v->recipe->alternative_count; i++)
        load_own_keys(v, i, place, p);
    for (size_t i = 0; i < v->secret_count; i++) {
        struct reason why = {.text = ""};
        if (str_is_empty(o->secrets[i]))
            problem_at(p, place, "secret %zu is empty: everybody would know it", i + 1);
        else if (!load_secret(v, o->secrets[i], i, &why))
            problem_at(p, place, "secret %zu cannot be one of " STR_FMT ": %s", i + 1,
                       STR_ARG(title), why.text);
        else if (str_trim(o->secrets[i]).n != o->secrets[i].n)
            problem_warn(p, place,
                         "secret %zu begins or ends with a blank or a line end; is that "
                         "part of it?",
                         i + 1);
    }
}

static void load_addresses(struct verifier *v, const struct verifier_options *o,
                           const struct yaml *place, struct problems *p)
{
    v->allow_from = v->recipe->allow_from;
    v->allow_count = v->recipe->allow_count;
    if (o->allow_count) {
        struct net *copy = arena_alloc(&v->own, o->allow_count * sizeof(*copy));
        if (!copy)
            die("a source with %zu address ranges", o->allow_count);
        memcpy(copy, o->allow_from, o->allow_count * sizeof(*copy));
        v->allow_from = copy;
        v->allow_count = o->allow_count;
    }
    if (v->recipe->alternatives[0].ops == &scheme_ip && !v->allow_count)
        problem_at(p, place, "scheme ip needs the addresses to accept: allow_from");
}

struct verifier *verifier_new(const struct verifier_options *o, const struct yaml *place,
                              struct problems *p)
{
    assert(o->provider && o->provider->recipe);
    size_t errors = p->errors;
    struct verifier *v = xcalloc(1, sizeof(*v));
    v->magic = VERIFIER_MAGIC;
    v->provider = o->provider;
    arena_init(&v->own, OWN_BYTES_MAX);
    if (load_recipe(v, o, place, p)) {
        load_secrets(v, o, place, p);
        load_addresses(v, o, place, p);
    }
    str url = o->public_url.p ? o->public_url : STR("");
    if (str_ends(url, STR("/")))
        url.n--;
    v->public_url = arena_str(&v->own, url);
    v->tolerance_ms = o->tolerance_ms;
    v->sources = o->keys;
    if (p->errors == errors)
        return v;
    verifier_free(v);
    return NULL;
}

void verifier_free(struct verifier *v)
{
    if (!v)
        return;
    CHECK_MAGIC(v, VERIFIER_MAGIC);
    for (size_t i = 0; v->keys && i < v->recipe->alternative_count; i++)
        for (size_t j = 0; j < v->slots; j++)
            key_release(&v->recipe->alternatives[i], &v->keys[i * v->slots + j]);
    free(v->keys);
    free(v->refusals);
    arena_release(&v->own);
    v->magic = 0;
    free(v);
}
