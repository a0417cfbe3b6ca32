/* config.c -- a snapshot's life: loaded whole or not at all, counted, wiped with its last user.
 * The parts are read by config_*.c in the order config_read.h tells. */
#include "engine/config.h"

#include "base/clock.h"
#include "base/fs.h"
#include "engine/config_read.h"

void *config_take(struct config_reader *r, size_t n)
{
    void *p = arena_zalloc(r->arena, n);
    if (!p && r->arena->max - r->arena->used >= n)
        die_of_memory(n);
    if (!p)
        die("the configuration needs more memory than %u bytes", CONFIG_ARENA_MAX);
    return p;
}

bool config_name_valid(str name)
{
    if (!name.n || name.n > CONFIG_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && !(i && (c == '_' || c == '-')))
            return false;
    }
    return true;
}

bool config_name_check(struct config_reader *r, const struct yaml *node, const char *what)
{
    if (config_name_valid(node->key))
        return true;
    problem_at_key(r->problems, node,
                   "\"" STR_FMT "\" cannot be the name of a %s: use a-z, 0-9, '_' and '-', "
                   "beginning with a letter or digit, at most %u bytes",
                   STR_ARG(str_slice(node->key, 0, 60)), what, CONFIG_NAME_MAX);
    return false;
}

bool config_nets_read(struct config_reader *r, const struct yaml *node, struct net **out,
                      size_t *count)
{
    str *texts = NULL;
    size_t n = 0;
    bool ok = true;
    char value[VALUE_TEXT_MAX];
    if (!node || !read_str_list(r->problems, r->arena, node, &texts, &n))
        return !node;
    struct net *v = CONFIG_ARRAY(r, struct net, n);
    const struct yaml *item = node->first;
    for (size_t i = 0; i < n; i++, item = item->next)
        if (!net_parse(texts[i], &v[i])) {
            problem_at(r->problems, item,
                       "expected an address or a range without host bits, as 10.0.0.0/8, found %s",
                       value_text(item, value));
            ok = false;
        }
    if (ok) {
        *out = v;
        *count = n;
    }
    return ok;
}

/* Scheme, host and port and nothing else: it becomes part of a policy that a browser reads. */
static bool is_origin(str s)
{
    str rest = str_starts(s, STR("https://"))  ? str_slice(s, 8, s.n)
               : str_starts(s, STR("http://")) ? str_slice(s, 7, s.n)
                                               : STR("");
    str host = str_cut(&rest, ':');
    uint64_t port = 1;
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '-')
            return false;
    }
    return host.n && host.n < 254 &&
           (!rest.p || (rest.n <= 5 && str_to_u64(rest, &port) && port > 0 && port < 65536));
}

bool config_origins_read(struct config_reader *r, const struct yaml *node, str *out)
{
    str *texts = NULL, all = STR("");
    size_t n = 0;
    bool ok = true;
    char value[VALUE_TEXT_MAX];
    if (!node || !read_str_list(r->problems, r->arena, node, &texts, &n))
        return !node;
    const struct yaml *item = node->first;
    for (size_t i = 0; i < n; i++, item = item->next) {
        if (is_origin(texts[i]) && n <= ORIGINS_MAX) {
            all = arena_printf(r->arena, STR_FMT "%s" STR_FMT, STR_ARG(all), i ? " " : "",
                               STR_ARG(texts[i]));
            continue;
        }
        ok = false;
        if (n > ORIGINS_MAX) {
            problem_at(r->problems, node, "at most %d origins, found %zu", ORIGINS_MAX, n);
            break;
        }
        problem_at(r->problems, item,
                   "expected the origin of a page, as https://app.example.com, found %s",
                   value_text(item, value));
    }
    *out = ok ? all : *out;
    return ok;
}

bool config_fraction_read(struct config_reader *r, const struct yaml *node, double *out)
{
    char text[16], value[VALUE_TEXT_MAX];
    if (!node)
        return true;
    str s = node->kind == YAML_SCALAR ? node->scalar : STR("");
    bool ok = s.n && s.n < sizeof(text) && s.p[0] != '.' && s.p[s.n - 1] != '.';
    for (size_t i = 0, dots = 0; ok && i < s.n; i++) {
        dots += s.p[i] == '.';
        ok = (s.p[i] == '.' || (s.p[i] >= '0' && s.p[i] <= '9')) && dots < 2;
    }
    if (ok) {
        memcpy(text, s.p, s.n);
        text[s.n] = '\0';
        double v = strtod(text, NULL);
        ok = v <= 1;
        if (ok)
            *out = v;
    }
    if (!ok)
        problem_at(r->problems, node, "expected a number from 0 to 1, as 0.1, found %s",
                   node->kind == YAML_SCALAR ? value_text(node, value) : "no scalar");
    return ok;
}

/* --- life ------------------------------------------------------------------------------------ */

static struct config *new_config(struct config_reader *r, const char *path, struct problems *p)
{
    struct config *c = xcalloc(1, sizeof(*c));
    atomic_init(&c->refs, 1);
    arena_init(&c->arena, CONFIG_ARENA_MAX);
    *r = (struct config_reader){.config = c, .arena = &c->arena, .problems = p};
    c->path = arena_cstr(&c->arena, str_from_cstr(path));
    c->directory = config_directory(&c->arena, path);
    c->loaded_ms = clock_wall_ms(clock_real());
    config_settings_defaults(r);
    return c;
}

struct config *config_ref(struct config *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}

/* Everything that came out of a reference. */
static void wipe_expansions(struct yaml *node)
{
    if (node->kind == YAML_SCALAR) {
        if (node->first && node->scalar.n && node->first->scalar.p != node->scalar.p)
            secret_wipe((char *)(uintptr_t)node->scalar.p, node->scalar.n);
        return;
    }
    for (struct yaml *one = node->first; one; one = one->next)
        wipe_expansions(one);
}

void config_unref(struct config *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    for (size_t i = 0; i < c->source_count; i++) {
        const struct verifier_options *v = &c->sources[i]->verifier;
        for (size_t s = 0; s < v->secret_count; s++)
            secret_wipe((char *)(uintptr_t)v->secrets[s].p, v->secrets[s].n);
    }
    if (c->tree)
        wipe_expansions(c->tree);
    secret_release(&c->admin_token);
    secret_release(&c->secret_key);
    secret_release(&c->sending.jwt_secret);
    provider_table_free(c->providers);
    target_table_free(c->targets);
    map_release(&c->sources_by_name);
    map_release(&c->destinations_by_name);
    map_release(&c->routes_by_name);
    struct arena arena = c->arena;
    free(c);
    arena_release(&arena);
}

/* --- loading --------------------------------------------------------------------------------- */

static bool is_postgres(str url)
{
    return str_starts(url, STR("postgres:")) || str_starts(url, STR("postgresql:"));
}

/* What only means something for a store that several nodes share. */
static void check_shared(struct config_reader *r)
{
    static const char *const keys[] = {"store_read", "store_direct", "require_replicated", "node"};
    struct config *c = r->config;
    for (size_t i = 0; i < ARRAY_LEN(keys) && !is_postgres(c->store); i++)
        if (yaml_get(c->tree, str_from_cstr(keys[i])))
            problem_at(r->problems, yaml_get(c->tree, str_from_cstr(keys[i])),
                       "%s is for a store on PostgreSQL; this one is not", keys[i]);
    const str urls[] = {c->store_read, c->store_direct};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        if (urls[i].n && !is_postgres(urls[i]))
            problem_at(r->problems, yaml_get(c->tree, str_from_cstr(keys[i])),
                       "expected postgres://USER@HOST/DATABASE");
    if (c->node.n > 48)
        problem_at(r->problems, yaml_get(c->tree, STR("node")),
                   "a node's name has at most 48 bytes");
    if (is_postgres(c->store) && c->admin_token.n == 0)
        problem_at(r->problems, yaml_get(c->tree, STR("store")),
                   "a store on PostgreSQL needs admin.token: without a directory there is no place "
                   "for one that is made; write admin: { token: \"${env:GAFF_TOKEN}\" }");
}

/* The store's directory, like every relative path, starts at the file's. */
static void finish_paths(struct config_reader *r)
{
    struct config *c = r->config;
    str scheme = STR("sqlite:");
    if (str_starts(c->store, scheme)) {
        str path = str_slice(c->store, scheme.n, c->store.n);
        if (path.n)
            c->store =
                arena_printf(r->arena, "sqlite:%s", config_path(r->arena, c->directory, path));
        else
            problem_at(r->problems, yaml_get(c->tree, STR("store")),
                       "expected sqlite:DIRECTORY, postgres://USER@HOST/DATABASE or memory:");
    } else if (!str_eq(c->store, STR("memory:")) && !is_postgres(c->store)) {
        char value[VALUE_TEXT_MAX];
        const struct yaml *node = yaml_get(c->tree, STR("store"));
        problem_at(r->problems, node,
                   "expected sqlite:DIRECTORY, postgres://USER@HOST/DATABASE or memory:, found %s",
                   node ? value_text(node, value) : "nothing");
    }
    check_shared(r);
    c->presets = str_from_cstr(config_path(r->arena, c->directory, c->presets));
}

static void check_address(struct config_reader *r, const struct yaml *node, str url)
{
    bool http = str_starts(url, STR("http://")) || str_starts(url, STR("https://"));
    if (url.n && (!http || str_ends(url, STR("/"))))
        problem_at(r->problems, node,
                   "expected an address without a slash at the end, as https://hooks.example.org");
}

static void check_settings(struct config_reader *r)
{
    struct config *c = r->config;
    const struct yaml *admin = yaml_get(c->tree, STR("admin"));
    const struct yaml *token = yaml_get(admin, STR("token"));
    check_address(r, yaml_get(c->tree, STR("public_url")), c->public_url);
    check_address(r, yaml_get(yaml_get(c->tree, STR("portal")), STR("url")), c->portal_url);
    if (c->durability == DURABILITY_NONE)
        problem_warn(r->problems, yaml_get(c->tree, STR("durability")),
                     "durability: none answers before anything is kept; events are lost when the "
                     "daemon ends or a destination fails");
    if (c->admin_token.n && c->admin_token.n < 8)
        problem_warn(r->problems, token,
                     "the token is shorter than 8 bytes; make one with: openssl rand -hex 32");
    if (c->admin_token.n && token && !token->first)
        problem_warn(r->problems, token,
                     "the token stands in the file itself; write \"${env:GAFF_TOKEN}\" or "
                     "\"${file:token}\" to keep it out of copies and commits");
    if (!c->admin_token.n && token && (token->quoted || token->scalar.n))
        problem_at(r->problems, token, "the token is empty; leave it out to have one made");
    const struct yaml *listen = yaml_get(admin, STR("listen"));
    config_listen_check_admin(r, listen ? listen : admin);
}

/* The default directory need not be there; one that was named must. */
static void read_presets(struct config_reader *r)
{
    struct config *c = r->config;
    const char *directory = arena_cstr(r->arena, c->presets);
    c->providers = provider_table_new();
    c->targets = target_table_new(directory);
    if (fs_exists(directory))
        provider_table_add_dir(c->providers, directory, r->problems);
    else if (yaml_get(c->tree, STR("presets")))
        problem_at(r->problems, yaml_get(c->tree, STR("presets")), "there is no directory %s",
                   directory);
}

static void read_parts(struct config_reader *r)
{
    struct config *c = r->config;
    config_settings_environment(r);
    config_refs_resolve(r, c->tree);
    config_settings_read(r);
    finish_paths(r);
    check_settings(r);
    read_presets(r);
    config_sources_read(r, yaml_get(c->tree, STR("sources")));
    config_destinations_read(r, yaml_get(c->tree, STR("destinations")));
    config_routes_read(r, yaml_get(c->tree, STR("routes")));
    config_hub_read(r, yaml_get(c->tree, STR("hub")));
    config_check(r);
}

struct config *config_load(const char *path, const str *text, struct problems *p)
{
    struct config_reader r;
    size_t errors = p->errors;
    struct config *c = new_config(&r, path, p);
    c->tree = config_files_read(&r, text);
    if (c->tree && arena_ok(&c->arena))
        read_parts(&r);
    problems_sort(p);
    if (p->errors == errors)
        return c;
    config_unref(c);
    return NULL;
}

struct config *config_load_over(const char *path, str over, const char *origin, struct problems *p)
{
    struct config_reader r;
    size_t errors = p->errors;
    struct config *c = new_config(&r, path ? path : "gaff.yaml", p);
    if (path) {
        c->tree = config_files_read(&r, NULL);
    } else {
        c->tree = CONFIG_NEW(&r, struct yaml);
        *c->tree =
            (struct yaml){.kind = YAML_MAP, .file = str_from_cstr(origin), .line = 1, .column = 1};
    }
    if (c->tree)
        config_files_lay_over(&r, c->tree, over, origin);
    if (c->tree && p->errors == errors)
        read_parts(&r);
    problems_sort(p);
    if (p->errors == errors)
        return c;
    config_unref(c);
    return NULL;
}

struct config *config_new_default(void)
{
    struct config_reader r;
    struct problems p = {0};
    struct config *c = new_config(&r, "gaff.yaml", &p);
    c->tree = CONFIG_NEW(&r, struct yaml);
    *c->tree = (struct yaml){.kind = YAML_MAP, .file = STR("gaff.yaml"), .line = 1, .column = 1};
    c->providers = provider_table_new();
    c->targets = target_table_new(NULL);
    finish_paths(&r);
    assert(p.errors == 0);
    problems_release(&p);
    return c;
}
