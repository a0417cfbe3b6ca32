/* ingest_view.c -- made anew for each configuration, at the first request that sees it. */
#include "engine/ingest_view.h"

#include "engine/keyring.h"
#include "engine/secret_book.h"

void ingest_view_put(struct ingest_view *v)
{
    if (!v || --v->refs > 0)
        return;
    for (size_t i = 0; i < v->config->source_count; i++)
        verifier_free(v->verifiers[i]);
    router_free(v->router);
    config_unref(v->config);
    free(v->verifiers);
    free(v->stats);
    free(v->uses);
    free(v->gates);
    free(v);
}

/* The configured secrets, or else the one that the provider gave. */
static struct verifier *make_verifier(struct ingest_view *v, struct engine_core *core, size_t index,
                                      struct problems *problems)
{
    const struct source_config *s = v->config->sources[index];
    struct verifier_options options = s->verifier;
    struct secret learned = {0};
    str one;
    options.keys = core->keyring ? keyring_source(core->keyring) : NULL;
    if (options.may_learn && core->secrets &&
        secret_book_learned(core->secrets, s->name, &learned)) {
        one = secret_str(&learned);
        options.secrets = &one;
        options.secret_count = 1;
    }
    for (size_t i = 0; core->secrets && i < options.secret_count; i++)
        v->uses[index * VERIFY_SECRETS_MAX + i] =
            secret_book_use(core->secrets, s->name, options.secrets[i]);
    struct verifier *verifier = verifier_new(&options, s->place, problems);
    if (!verifier && learned.n) {
        /* What was learned is no key of this provider: everything is refused, as before. */
        options.secret_count = 0;
        verifier = verifier_new(&options, s->place, problems);
    }
    secret_release(&learned);
    return verifier;
}

static void view_add_route(struct ingest_view *v, const struct source_config *s, size_t index,
                           str method)
{
    struct buf pattern;
    struct reason why = {0};
    buf_init(&pattern, 4096);
    buf_printf(&pattern, STR_FMT " " STR_FMT, STR_ARG(method), STR_ARG(s->path));
    /* The loader put all sources into such a router before it let the configuration in. */
    if (router_add(v->router, buf_str(&pattern), (void *)(uintptr_t)(index + 1), &why) != ERR_OK)
        die_of_memory(0);
    buf_release(&pattern);
}

/* By which methods a provider may greet, beside those that events come by. */
static const str greeting_methods[] = {{"GET", 3}, {"HEAD", 4}, {"OPTIONS", 7}, {"POST", 4}};

bool ingest_takes_method(const struct source_config *s, str method)
{
    for (size_t i = 0; i < s->method_count; i++)
        if (str_eq(s->methods[i], method))
            return true;
    return false;
}

static void view_add_source(struct ingest_view *v, struct engine_core *core, size_t index)
{
    const struct source_config *s = v->config->sources[index];
    struct problems problems = {0};
    v->stats[index] = registry_source(core->registry, s->name);
    v->verifiers[index] = make_verifier(v, core, index, &problems);
    /* The loader made the same verifier before it let the configuration in. */
    if (!v->verifiers[index])
        die_of_memory(0);
    problems_release(&problems);
    for (size_t i = 0; i < s->method_count; i++)
        view_add_route(v, s, index, s->methods[i]);
    /* A hub also asks about the topic that was taken out (ingest_answer_hub). */
    bool is_read = (s->channel || s->subscribe.possible) && !ingest_takes_method(s, STR("GET"));
    if (is_read)
        view_add_route(v, s, index, STR("GET"));
    for (size_t i = 0; i < ARRAY_LEN(greeting_methods); i++)
        if (!ingest_takes_method(s, greeting_methods[i]) &&
            !(is_read && str_eq(greeting_methods[i], STR("GET"))) &&
            verifier_greets_by(v->verifiers[index], greeting_methods[i]))
            view_add_route(v, s, index, greeting_methods[i]);
}

struct ingest_view *ingest_view_new(struct engine_core *core)
{
    struct ingest_view *v = xcalloc(1, sizeof(*v));
    v->refs = 1;
    v->generation = atomic_load(&core->generation);
    v->config = engine_config(core->engine);
    v->router = router_new();
    v->verifiers = xcalloc(v->config->source_count + 1, sizeof(struct verifier *));
    v->stats = xcalloc(v->config->source_count + 1, sizeof(struct source_stats *));
    v->uses =
        xcalloc(v->config->source_count * VERIFY_SECRETS_MAX + 1, sizeof(struct secret_use *));
    v->gates = xcalloc(v->config->destination_count + 1, sizeof(struct gate *));
    for (size_t i = 0; i < v->config->source_count; i++)
        view_add_source(v, core, i);
    for (size_t i = 0; i < v->config->destination_count; i++)
        v->gates[i] = registry_gate(core->registry, v->config->destinations[i]->name);
    return v;
}
