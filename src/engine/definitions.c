/* definitions.c -- the objects of three kinds as one text, for the reader that checks files. */
#include "engine/definitions.h"

#include "base/json.h"

const char *const definition_kinds[] = {"sources", "destinations", "routes"};
const char *const definition_objects[] = {"defined-source", "defined-destination", "defined-route"};

bool definition_kind_parse(str word, enum definition_kind *out)
{
    for (int k = 0; k < DEFINITION_KINDS; k++)
        if (str_eq(word, str_from_cstr(definition_kinds[k]))) {
            *out = (enum definition_kind)k;
            return true;
        }
    return false;
}

/* Routes are a list in the file; there the name is a member. */
static void write_one(struct json_writer *w, enum definition_kind kind, str name, str doc)
{
    if (kind != DEFINITION_ROUTE) {
        json_key_str(w, name);
        json_raw(w, doc);
        return;
    }
    struct reason why = {0};
    struct json_doc *parsed = json_parse(doc, &why);
    struct json_iter it = {0};
    json_open(w, '{');
    json_pair(w, "name", name);
    while (json_next(json_root(parsed), &it)) {
        json_key_str(w, it.key);
        json_value(w, it.value);
    }
    json_close(w, '}');
    json_doc_free(parsed);
}

static enum err write_kind(struct json_writer *w, struct store_reader *r, enum definition_kind kind,
                           const struct definition_change *change, size_t *count,
                           struct reason *why)
{
    struct arena a;
    struct object_list list = {0};
    struct object_filter f = {.kind = str_from_cstr(definition_objects[kind]),
                              .any_parent = true,
                              .limit = DEFINITIONS_MAX};
    arena_init(&a, 2 * DEFINITIONS_BYTES_MAX);
    enum err err = store_objects(r, &f, &a, &list, why);
    char open = kind == DEFINITION_ROUTE ? '[' : '{', close = kind == DEFINITION_ROUTE ? ']' : '}';
    json_key(w, definition_kinds[kind]);
    json_open(w, open);
    for (size_t i = 0; err == ERR_OK && i < list.count; i++) {
        const struct object *o = &list.v[i];
        if (change && change->kind == kind && str_eq(change->name, o->id))
            continue;
        write_one(w, kind, o->id, o->doc);
        ++*count;
    }
    if (change && change->kind == kind && change->doc.p) {
        write_one(w, kind, change->name, change->doc);
        ++*count;
    }
    json_close(w, close);
    arena_release(&a);
    return err;
}

enum err definitions_text(struct store_reader *r, const struct definition_change *change,
                          struct buf *out, struct reason *why)
{
    struct buf text;
    struct json_writer w;
    size_t count = 0;
    enum err err = ERR_OK;
    buf_init(&text, DEFINITIONS_BYTES_MAX);
    json_writer_init(&w, &text);
    json_open(&w, '{');
    for (int k = 0; err == ERR_OK && k < DEFINITION_KINDS; k++)
        err = write_kind(&w, r, (enum definition_kind)k, change, &count, why);
    json_close(&w, '}');
    if (err == ERR_OK && !buf_ok(&text))
        err = fail(why, ERR_LIMIT, "what is defined at run time is over %u bytes",
                   DEFINITIONS_BYTES_MAX);
    if (err == ERR_OK && count)
        buf_str_append(out, buf_str(&text));
    buf_release(&text);
    return err;
}

/* Routes are a list, whose items are known by their names. */
static bool find_place(const struct yaml *node, unsigned line, unsigned column, struct buf *path)
{
    size_t before = path->len;
    if ((node->line == line && node->column == column) ||
        (node->key_line == line && node->key_column == column && line))
        return true;
    size_t index = 0;
    for (const struct yaml *one = node->first; one; one = one->next, index++) {
        const struct yaml *name = yaml_get(one, STR("name"));
        if (node->kind == YAML_MAP)
            buf_printf(path, "%s" STR_FMT, before ? "." : "", STR_ARG(one->key));
        else if (name && str_eq(buf_str(path), STR("routes")))
            buf_printf(path, "." STR_FMT, STR_ARG(name->scalar));
        else
            buf_printf(path, "[%zu]", index);
        if (find_place(one, line, column, path))
            return true;
        path->len = before;
    }
    return false;
}

void definitions_place(str text, unsigned line, unsigned column, struct buf *out)
{
    struct arena a;
    struct buf path;
    struct reason why = {0};
    arena_init(&a, 16 * DEFINITIONS_BYTES_MAX);
    buf_init(&path, DEFINITIONS_BYTES_MAX);
    const struct yaml *tree = line ? yaml_parse(&a, STR(""), text, &why) : NULL;
    if (tree && find_place(tree, line, column, &path))
        buf_str_append(out, buf_str(&path));
    buf_release(&path);
    arena_release(&a);
}

static bool has_reference(const struct json *v)
{
    struct json_iter it = {0};
    if (json_kind_of(v) == JSON_STRING)
        return str_find_str(json_str(v), STR("${")) < json_str(v).n;
    while (json_next(v, &it))
        if (has_reference(it.value))
            return true;
    return false;
}

const char *definition_refusal(enum definition_kind kind, const struct json *doc)
{
    if (json_kind_of(doc) != JSON_OBJECT)
        return "a definition is a JSON object of what would stand under its name in gaff.yaml";
    if (has_reference(doc))
        return "${...} names the daemon's environment and files: it is for the configuration file";
    if (kind == DEFINITION_DESTINATION &&
        (json_get(doc, STR("exec")) || json_get(doc, STR("worker"))))
        return "commands are defined in the configuration file, by who may run them there";
    return NULL;
}
