/* provider.c -- one provider file: what it says for people, what it takes over from another, its
 * options, and the recipe compiled from it.
 *
 * The recipe is made with the options' initial values; a source that gives options of its own has
 * it compiled again by its verifier. */
#include "verify/scheme.h"

#define ID_BYTES_MAX 64
#define DEADLINE_MAX_MS (24 * 3600 * 1000)

static const char *const verified_by_words[] = {"sdk", "vector", "docs", "third-party", NULL};

static bool is_id(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
              s.p[i] == '-' || s.p[i] == '_'))
            return false;
    return s.n > 0 && s.n <= ID_BYTES_MAX;
}

static void read_options(struct provider *p, struct arena *a, const struct yaml *node,
                         struct problems *problems)
{
    static const char *const known[] = {"default", "example", "about", NULL};
    if (!node)
        return;
    if (node->kind != YAML_MAP) {
        problem_at(problems, node, "expected options as { name: { default: ..., about: ... } }");
        return;
    }
    p->options = ARENA_ARRAY(a, struct provider_option, node->count + 1);
    for (const struct yaml *item = node->first; p->options && item; item = item->next) {
        struct provider_option *o = &p->options[p->option_count++];
        const struct yaml *initial = yaml_get(item, STR("default"));
        const struct yaml *example = yaml_get(item, STR("example"));
        o->about = STR("");
        o->name = item->key;
        o->required = !initial;
        o->initial = STR("");
        p->needs_options = p->needs_options || o->required;
        if (!read_keys(problems, item, known))
            continue;
        if (!initial == !example)
            problem_at(problems, item,
                       "an option has a \"default\", or an \"example\" if a source "
                       "must give it");
        read_str(problems, initial ? initial : example, &o->initial);
        if (!read_str(problems, yaml_get(item, STR("about")), &o->about) || !o->about.n)
            problem_at(problems, item, "\"about\" is missing: what the option is for");
    }
}

/* A source's inline scheme is the content of `verify:` alone; the keys that stand beside `verify`
 * in a file may be in it too. */
static struct yaml *as_file(struct arena *a, const struct yaml *node)
{
    static const char *const beside[] = {"delivery-id", "event-type", "handshake", "answer",
                                         "allow-from"};
    struct yaml *root = yaml_copy(a, node), *verify = yaml_copy(a, node);
    if (!root || !verify)
        return NULL;
    struct yaml **in_root = &root->first, **in_verify = &verify->first, *next;
    verify->key = STR("verify");
    for (struct yaml *item = verify->first; item; item = next) {
        next = item->next;
        item->next = NULL;
        bool is_beside = false;
        for (size_t i = 0; i < ARRAY_LEN(beside); i++)
            is_beside = is_beside || str_eq(item->key, str_from_cstr(beside[i]));
        struct yaml ***tail = is_beside ? &in_root : &in_verify;
        **tail = item;
        *tail = &item->next;
    }
    *in_verify = NULL;
    *in_root = verify;
    verify->next = NULL;
    return root;
}

/* Adds to the file what it does not say itself and the one of Gaff's that it extends does. Not
 * taken over: who it is, and how sure that is. */
static void extend(struct arena *a, struct yaml *file, struct problems *problems)
{
    static const char *const own[] = {"id", "title", "docs", "verified-by", "evidence", "setup"};
    const struct yaml *extends = yaml_get(file, STR("extends"));
    struct yaml **tail = &file->first;
    str id;
    if (!extends || !read_str(problems, extends, &id))
        return;
    const struct yaml *base = provider_embedded_file(a, id);
    if (!base || yaml_get(base, STR("extends"))) {
        problem_at(problems, extends,
                   base ? "\"" STR_FMT "\" extends another provider itself; extend that one"
                        : "\"" STR_FMT "\" is not the id of one of Gaff's own provider files",
                   STR_ARG(id));
        return;
    }
    while (*tail)
        tail = &(*tail)->next;
    for (const struct yaml *item = base->first; item; item = item->next) {
        bool taken = yaml_get(file, item->key) == NULL;
        for (size_t i = 0; i < ARRAY_LEN(own); i++)
            taken = taken && !str_eq(item->key, str_from_cstr(own[i]));
        struct yaml *copy = taken ? yaml_copy(a, item) : NULL;
        if (!copy)
            continue;
        *tail = copy;
        tail = &copy->next;
        file->count++;
    }
}

/* What people need to know and no request shows. */
static void read_facts(struct provider *p, struct arena *a, struct problems *problems)
{
    const struct yaml *setup = yaml_get(p->file, STR("setup"));
    read_str(problems, yaml_get(p->file, STR("docs")), &p->facts.docs);
    read_str(problems, yaml_get(p->file, STR("evidence")), &p->facts.evidence);
    read_str(problems, yaml_get(p->file, STR("retries")), &p->facts.retries);
    read_duration(problems, yaml_get(p->file, STR("deadline")), 1, DEADLINE_MAX_MS,
                  &p->facts.deadline_ms);
    if (setup)
        read_str_list(problems, a, setup, &p->facts.setup, &p->facts.setup_count);
}

static bool read_head(struct provider *p, struct arena *a, bool is_inline,
                      struct problems *problems)
{
    static const char *const known[] = {
        "id",         "title",     "docs",    "verified-by", "evidence", "setup",
        "deadline",   "retries",   "extends", "options",     "verify",   "delivery-id",
        "event-type", "handshake", "answer",  "allow-from",  NULL};
    int by = -1;
    p->id = p->title = STR("");
    p->facts = (struct provider_facts){
        .docs = STR(""), .verified_by = STR(""), .evidence = STR(""), .retries = STR("")};
    if (is_inline) {
        p->title = STR("the sender");
        return true;
    }
    if (!read_keys(problems, p->file, known))
        return false;
    const struct yaml *id = yaml_get(p->file, STR("id")), *title = yaml_get(p->file, STR("title"));
    read_str(problems, id, &p->id);
    read_str(problems, title, &p->title);
    if (read_enum(problems, yaml_get(p->file, STR("verified-by")), verified_by_words, &by) &&
        by >= 0)
        p->facts.verified_by = str_from_cstr(verified_by_words[by]);
    read_facts(p, a, problems);
    if (!is_id(p->id))
        problem_at(problems, id ? id : p->file, "\"id\" must be 1 to %d of a-z, 0-9, - and _",
                   ID_BYTES_MAX);
    const char *cstr = arena_cstr(a, p->id);
    p->id = cstr ? str_from_cstr(cstr) : STR("");
    if (!p->title.n)
        problem_at(problems, p->file, "\"title\" is missing: the service's name for people");
    return true;
}

struct provider *provider_compile(struct arena *a, const struct yaml *file,
                                  struct problems *problems)
{
    size_t errors = problems->errors;
    struct provider *p = ARENA_NEW(a, struct provider);
    bool is_inline = file->kind == YAML_MAP && !yaml_get(file, STR("verify")) &&
                     (yaml_get(file, STR("scheme")) || yaml_get(file, STR("any")));
    struct yaml *own = is_inline ? as_file(a, file) : yaml_copy(a, file);
    if (own && !is_inline)
        extend(a, own, problems);
    if (p)
        p->file = own;
    if (!p || !own) {
        problem_at(problems, file, "the provider files are too large");
        return NULL;
    }
    if (!read_head(p, a, is_inline, problems))
        return NULL;
    read_options(p, a, yaml_get(p->file, STR("options")), problems);
    if (problems->errors == errors) {
        const struct yaml *filled = p->file;
        if (p->option_count)
            filled = options_apply(a, filled, p->options, p->option_count, NULL, NULL, problems);
        p->recipe = filled ? recipe_compile(a, filled, problems) : NULL;
        p->facts.greets = p->recipe && p->recipe->handshake_count > 0;
    }
    return problems->errors == errors ? p : NULL;
}

str provider_id(const struct provider *p)
{
    return p->id;
}

str provider_title(const struct provider *p)
{
    return p->title;
}

const struct provider_facts *provider_facts(const struct provider *p)
{
    return &p->facts;
}

bool provider_needs_secret(const struct provider *p)
{
    return recipe_needs_secret(p->recipe);
}

bool provider_authenticates(const struct provider *p)
{
    const struct scheme_ops *ops = p->recipe->alternatives[0].ops;
    return ops->needs_secret || ops == &scheme_mtls || p->recipe->allow_count > 0;
}

bool provider_needs_certificate(const struct provider *p)
{
    return p->recipe->alternatives[0].ops == &scheme_mtls;
}

static str way_of(struct arena *a, const struct scheme *s)
{
    struct buf b;
    char tolerance[AMOUNT_TEXT_MAX];
    buf_init(&b, 4096);
    if (!s->ops->needs_secret)
        buf_printf(&b, "%s",
                   s->ops == &scheme_ip     ? "the sender's address alone"
                   : s->ops == &scheme_mtls ? "the client's certificate"
                                            : "nothing: anybody may send");
    else
        buf_printf(&b, STR_FMT " in ", STR_ARG(s->what));
    for (size_t i = 0; i < s->signature.from_count; i++)
        buf_printf(&b, "%s" STR_FMT, i ? " or " : "", STR_ARG(s->signature.from[i].label));
    if (s->has_timestamp && s->timestamp.unit != UNIT_NONCE)
        buf_printf(&b, ", within %s", duration_text(s->timestamp.tolerance_ms, tolerance));
    str text = arena_str(a, buf_str(&b));
    buf_release(&b);
    return text;
}

size_t provider_ways(const struct provider *p, struct arena *a, str out[PROVIDER_WAYS_MAX])
{
    size_t count = p->recipe->alternative_count;
    assert(count <= PROVIDER_WAYS_MAX);
    for (size_t i = 0; i < count; i++)
        out[i] = way_of(a, &p->recipe->alternatives[i]);
    return count;
}

const struct provider_option *provider_options(const struct provider *p, size_t *count)
{
    *count = p->option_count;
    return p->options;
}
