/* config_settings.c -- the settings of config.def: their defaults, the environment's say, reading
 * them from the tree, showing them. A setting is a scalar at "key" or "group.key". */
#include "base/clock.h"
#include "action/action_webhook.h"
#include "engine/config_read.h"
#include "http/address.h"
#include "store/store.h"

#include <ctype.h>

enum setting_type {
    SETTING_STR,
    SETTING_URL,   /* a str whose password is not shown */
    SETTING_INT,   /* int64_t */
    SETTING_COUNT, /* int */
    SETTING_DURATION,
    SETTING_SIZE,
    SETTING_ENUM,
    SETTING_SECRET,
    SETTING_NETS,
    SETTING_ORIGINS, /* a str: origins of pages, by blanks */
    SETTING_LISTEN
};

static const char *const switch_words[] = {"false", "true", NULL};
static const char *const durability_words[] = {"disk", "none", NULL};
static const char *const log_level_words[] = {"debug", "info", "warn", "error", NULL};
static const char *const log_format_words[] = {"auto", "text", "logfmt", "json", NULL};
static const char *const jwt_algorithm_words[] = {"HS256", "HS384", "HS512",
                                                  "RS256", "EdDSA", NULL};
static const char *const policy_words[] = {"public", "private", NULL};
static const char *const schemes_words[] = {"any", "https", NULL};
static_assert(sizeof(enum durability) == sizeof(int) && sizeof(enum log_level) == sizeof(int) &&
                  sizeof(enum log_format) == sizeof(int),
              "an enum is read as an int");

static const struct setting {
    const char *key;
    enum setting_type type;
    size_t offset; /* in struct config */
    const char *const *words;
    int64_t min, max;
    const char *fallback; /* as written */
    const char *text;
} settings[] = {
#define SETTING(key, type, field, words, min, max, fallback, text)                                 \
    {key, SETTING_##type, offsetof(struct config, field), words, min, max, fallback, text},
#include "engine/config.def"
};

/* Lists of its own kind stand in the file alone: the environment has no form for them. */
static bool is_list(const struct setting *s)
{
    return s->type == SETTING_NETS || s->type == SETTING_ORIGINS;
}

static const struct yaml *find_setting(const struct yaml *tree, const char *key)
{
    str rest = str_from_cstr(key);
    while (tree && rest.p)
        tree = yaml_get(tree, str_cut(&rest, '.'));
    return tree;
}

/* --- reading --------------------------------------------------------------------------------- */

static void read_setting(struct config_reader *r, const struct setting *s, const struct yaml *node)
{
    void *field = (char *)r->config + s->offset;
    int64_t number;
    str text;
    switch (s->type) {
    case SETTING_STR:
    case SETTING_URL:
        read_str(r->problems, node, field);
        break;
    case SETTING_INT:
        read_int(r->problems, node, s->min, s->max, field);
        break;
    case SETTING_COUNT:
        if (node && read_int(r->problems, node, s->min, s->max, &number))
            *(int *)field = (int)number;
        break;
    case SETTING_DURATION:
        read_duration(r->problems, node, s->min, s->max, field);
        break;
    case SETTING_SIZE:
        read_size(r->problems, node, s->min, s->max, field);
        break;
    case SETTING_ENUM:
        read_enum(r->problems, node, s->words, field);
        break;
    case SETTING_SECRET:
        if (node && read_str(r->problems, node, &text)) {
            secret_release(field);
            secret_init(field, text);
        }
        break;
    case SETTING_NETS:
        if (str_eq(str_from_cstr(s->key), STR("trusted_proxies")))
            config_nets_read(r, node, &r->config->trusted_proxies, &r->config->trusted_proxy_count);
        else if (str_eq(str_from_cstr(s->key), STR("outbound.allow")))
            config_nets_read(r, node, &r->config->outbound_allow, &r->config->outbound_allow_count);
        else
            config_nets_read(r, node, &r->config->sending.allow, &r->config->sending.allow_count);
        break;
    case SETTING_ORIGINS:
        config_origins_read(r, node, field);
        break;
    case SETTING_LISTEN:
        if (str_eq(str_from_cstr(s->key), STR("listen")))
            config_listen_read(r, node, &r->config->listen, &r->config->listen_count);
        else
            config_listen_read(r, node, &r->config->admin_listen, &r->config->admin_listen_count);
        break;
    }
}

/* A default goes the way a written value would go. */
static void read_default(struct config_reader *r, const struct setting *s)
{
    if (!s->fallback || s->type == SETTING_SECRET || is_list(s))
        return;
    struct yaml node = {.kind = YAML_SCALAR,
                        .scalar = str_from_cstr(s->fallback),
                        .quoted = true,
                        .file = STR("default of a setting"),
                        .key = str_from_cstr(s->key)};
    read_setting(r, s, &node);
}

void config_settings_defaults(struct config_reader *r)
{
    r->config->limits = http_limits_default;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        read_default(r, &settings[i]);
}

/* Reports unknown keys of the tree's top level (group == "") or of one group. */
static void check_keys(struct config_reader *r, const struct yaml *map, const char *group)
{
    static const char *const others[] = {"sources", "destinations", "routes", "hub"};
    const char *known[ARRAY_LEN(settings) + ARRAY_LEN(others) + 1];
    size_t count = 0;
    str prefix = str_from_cstr(group);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        str rest = str_from_cstr(settings[i].key);
        str first = str_cut(&rest, '.');
        if (!prefix.n)
            known[count] = arena_cstr(r->arena, first);
        else if (rest.p && str_eq(first, prefix))
            known[count] = arena_cstr(r->arena, rest);
        else
            continue;
        if (!count || !str_eq(str_from_cstr(known[count - 1]), str_from_cstr(known[count])))
            count++;
    }
    for (size_t i = 0; !prefix.n && i < ARRAY_LEN(others); i++)
        known[count++] = others[i];
    known[count] = NULL;
    read_keys(r->problems, map, known);
}

void config_settings_read(struct config_reader *r)
{
    static const char *const groups[] = {"admin",  "retention", "sending",
                                         "portal", "log",       "limits"};
    const struct yaml *tree = r->config->tree;
    check_keys(r, tree, "");
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        check_keys(r, yaml_get(tree, str_from_cstr(groups[i])), groups[i]);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        read_setting(r, &settings[i], find_setting(tree, settings[i].key));
}

/* --- the environment ------------------------------------------------------------------------- */

/* "log.level" -> "GAFF_LOG__LEVEL" */
static const char *environment_name(const struct setting *s, char *out, size_t n)
{
    size_t at = 0;
    const char *prefix = "GAFF_";
    while (*prefix)
        out[at++] = *prefix++;
    for (const char *c = s->key; *c; c++) {
        assert(at + 3 < n);
        if (*c == '.')
            out[at++] = '_';
        out[at++] = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
    }
    out[at] = '\0';
    return out;
}

static void put_override(struct config_reader *r, const struct setting *s, const char *name,
                         const char *value)
{
    str rest = str_from_cstr(s->key);
    struct yaml *map = r->config->tree;
    str key = str_cut(&rest, '.');
    if (rest.p) {
        struct yaml *group = (struct yaml *)(uintptr_t)yaml_get(map, key);
        if (!group) {
            group = CONFIG_NEW(r, struct yaml);
            *group = (struct yaml){.kind = YAML_MAP, .key = key, .file = map->file};
            yaml_put(map, group);
        }
        if (group->kind != YAML_MAP)
            return; /* reported when it is read */
        map = group;
        key = rest;
    }
    struct yaml *node = CONFIG_NEW(r, struct yaml);
    *node = (struct yaml){.kind = YAML_SCALAR,
                          .scalar = arena_str(r->arena, str_from_cstr(value)),
                          .quoted = true,
                          .key = key,
                          .file = arena_printf(r->arena, "environment %s", name),
                          .line = 1,
                          .column = 1,
                          .key_line = 1,
                          .key_column = 1};
    /* Messages show where it came from, and show it as a reference would be shown. */
    node->first = CONFIG_NEW(r, struct yaml);
    *node->first = *node;
    node->first->first = NULL;
    node->first->scalar = arena_printf(r->arena, "${env:%s}", name);
    yaml_put(map, node);
}

void config_settings_environment(struct config_reader *r)
{
    char name[64];
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const struct setting *s = &settings[i];
        const char *value = getenv(environment_name(s, name, sizeof(name)));
        if (value && value[0] && !is_list(s))
            put_override(r, s, name, value);
    }
}

/* --- showing --------------------------------------------------------------------------------- */

static void append_listen(struct buf *out, const struct listen_config *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%s%s%s", i ? ", " : "[", v[i].address, v[i].tls_cert ? " (tls)" : "",
                   v[i].proxy_protocol ? " (proxy protocol)" : "");
    buf_char(out, ']');
}

static void append_list(struct buf *out, const struct yaml *node)
{
    buf_char(out, '[');
    for (const struct yaml *one = node ? node->first : NULL; one; one = one->next)
        buf_printf(out, "%s" STR_FMT, one == node->first ? "" : ", ", STR_ARG(one->scalar));
    buf_char(out, ']');
}

static void append_url(struct buf *out, str url)
{
    struct arena a;
    arena_init(&a, 4096);
    str shown = store_url_shown(url, &a);
    buf_printf(out, "\"" STR_FMT "\"", STR_ARG(shown));
    arena_release(&a);
}

static void append_value(struct buf *out, const struct config *c, const struct setting *s)
{
    const void *field = (const char *)c + s->offset;
    char amount[AMOUNT_TEXT_MAX];
    switch (s->type) {
    case SETTING_STR:
        buf_printf(out, "\"" STR_FMT "\"", STR_ARG(*(const str *)field));
        break;
    case SETTING_URL:
        append_url(out, *(const str *)field);
        break;
    case SETTING_INT:
        buf_printf(out, "%lld", (long long)*(const int64_t *)field);
        break;
    case SETTING_COUNT:
        buf_printf(out, "%d", *(const int *)field);
        break;
    case SETTING_DURATION:
        buf_printf(out, "%s", duration_text(*(const int64_t *)field, amount));
        break;
    case SETTING_SIZE:
        buf_printf(out, "%s", size_text(*(const int64_t *)field, amount));
        break;
    case SETTING_ENUM:
        buf_printf(out, "%s", s->words[*(const int *)field]);
        break;
    case SETTING_SECRET:
        buf_printf(out, "%s", ((const struct secret *)field)->n ? "****" : "\"\"");
        break;
    case SETTING_NETS:
    case SETTING_ORIGINS:
        append_list(out, find_setting(c->tree, s->key));
        break;
    case SETTING_LISTEN:
        if (str_eq(str_from_cstr(s->key), STR("listen")))
            append_listen(out, c->listen, c->listen_count);
        else
            append_listen(out, c->admin_listen, c->admin_listen_count);
        break;
    }
}

void config_settings_describe(const struct config *c, struct buf *out)
{
    str group = STR("");
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        str key = str_from_cstr(settings[i].key);
        str first = str_cut(&key, '.');
        bool grouped = key.p != NULL;
        if (grouped && !str_eq(first, group))
            buf_printf(out, STR_FMT ":\n", STR_ARG(first));
        group = grouped ? first : STR("");
        buf_printf(out, "%s" STR_FMT ": ", grouped ? "  " : "", STR_ARG(grouped ? key : first));
        append_value(out, c, &settings[i]);
        config_origin_describe(find_setting(c->tree, settings[i].key), out);
    }
}

/* The default as it would be written. */
static void append_default(struct buf *out, const struct config *c, const struct setting *s)
{
    if (s->fallback)
        buf_printf(out, "%s", s->fallback[0] ? s->fallback : "none");
    else
        append_value(out, c, s);
}

void config_settings_reference(struct buf *out)
{
    static const char *const types[] = {
        [SETTING_STR] = "string",
        [SETTING_URL] = "string",
        [SETTING_INT] = "integer",
        [SETTING_COUNT] = "integer",
        [SETTING_DURATION] = "duration",
        [SETTING_SIZE] = "size",
        [SETTING_ENUM] = "",
        [SETTING_SECRET] = "string",
        [SETTING_NETS] = "list of networks",
        [SETTING_ORIGINS] = "list of origins",
        [SETTING_LISTEN] = "address or list",
    };
    struct config *c = config_new_default();
    char name[64];
    buf_str_append(out, STR("| key | type | default | environment | what it is |\n"
                            "|---|---|---|---|---|\n"));
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const struct setting *s = &settings[i];
        buf_printf(out, "| `%s` | %s", s->key, types[s->type]);
        for (size_t w = 0; s->words && s->words[w]; w++)
            buf_printf(out, "%s`%s`", w ? ", " : "", s->words[w]);
        buf_str_append(out, STR(" | "));
        append_default(out, c, s);
        buf_printf(out, " | %s%s%s | %s |\n", is_list(s) ? "" : "`",
                   is_list(s) ? "" : environment_name(s, name, sizeof(name)), is_list(s) ? "" : "`",
                   s->text);
    }
    config_unref(c);
}
