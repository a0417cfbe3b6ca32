/* command_bounds.c -- what a command may take and touch: `limits:` and `sandbox:`, and the payload
 * fields it finds as files. Called by command_read.c and command.c. */
#include "action/command_parts.h"

#include "action/event_refs.h"

#include <sys/stat.h>

#define FILE_BYTES_MAX (32u << 20)

void command_limits_read(struct command *c, const struct yaml *node, struct problems *p)
{
    static const char *const keys[] = {"memory",    "cpu",       "open_files",
                                       "processes", "file_size", NULL};
    struct run_limits *l = &c->limits;
    int64_t cpu_ms = 0;
    if (!node || !read_keys(p, node, keys))
        return;
    read_size(p, yaml_get(node, STR("memory")), 1 << 20, INT64_MAX / 2, &l->memory_bytes);
    read_duration(p, yaml_get(node, STR("cpu")), 1000, 7 * 86400000ll, &cpu_ms);
    read_int(p, yaml_get(node, STR("open_files")), 8, 1 << 20, &l->open_files);
    read_int(p, yaml_get(node, STR("processes")), 1, 1 << 20, &l->processes);
    read_size(p, yaml_get(node, STR("file_size")), 1, INT64_MAX / 2, &l->file_bytes);
    l->cpu_s = (cpu_ms + 999) / 1000;
    const struct yaml *processes = yaml_get(node, STR("processes"));
    if (processes && !c->user && geteuid() == 0)
        problem_warn(p, processes,
                     "the kernel counts the processes of a user, and root's are not limited: give "
                     "the command a user: of its own");
}

static const char *const *read_paths(struct arena *a, const struct yaml *node, struct problems *p)
{
    str *paths = NULL;
    size_t count = 0;
    if (node && !read_str_list(p, a, node, &paths, &count))
        count = 0;
    const char **out = ARENA_ARRAY(a, const char *, count + 1);
    const struct yaml *place = node ? node->first : NULL;
    for (size_t i = 0; out && i < count; i++, place = place->next) {
        struct stat st;
        out[i] = command_path(a, place, paths[i]);
        if (!out[i] || stat(out[i], &st) < 0)
            problem_warn(p, place, "there is no %s: nothing is allowed by it",
                         out[i] ? out[i] : "such path");
    }
    return out;
}

void command_sandbox_read(struct command *c, struct arena *a, const struct yaml *node,
                          struct problems *p)
{
    static const char *const keys[] = {"read", "write", "network", NULL};
    bool on = true, network = true;
    if (!node)
        return;
    if (node->kind == YAML_SCALAR ? !read_bool(p, node, &on) : !read_keys(p, node, keys))
        return;
    if (!on)
        return;
    struct sandbox_rules *rules = ARENA_NEW(a, struct sandbox_rules);
    if (!rules)
        return;
    bool detailed = node->kind == YAML_MAP;
    rules->read = read_paths(a, detailed ? yaml_get(node, STR("read")) : NULL, p);
    rules->write = read_paths(a, detailed ? yaml_get(node, STR("write")) : NULL, p);
    read_bool(p, detailed ? yaml_get(node, STR("network")) : NULL, &network);
    rules->network = network;
    if (sandbox_missing())
        problem_warn(p, node, "%s; a command with a sandbox is refused here", sandbox_missing());
    if (rules->read && rules->write)
        c->sandbox = rules;
}

void command_files_read(struct command *c, struct arena *a, const struct yaml *node,
                        struct problems *p)
{
    if (!node)
        return;
    if (node->kind != YAML_MAP || node->count > RUNNER_FILES_MAX) {
        problem_at(p, node,
                   "files must be a mapping of at most %d names of variables to what the file "
                   "holds, as { CHANGES: \"{{ .commits }}\" }",
                   RUNNER_FILES_MAX);
        return;
    }
    c->files = ARENA_ARRAY(a, struct command_variable, node->count + 1);
    for (const struct yaml *one = node->first; c->files && one; one = one->next) {
        struct command_variable *v = &c->files[c->file_count++];
        command_name_check(c, one, p);
        v->name = arena_cstr(a, one->key);
        command_template_read(&v->value, a, one, TEMPLATE_OF_FILE, p);
        c->references = c->references || !template_is_constant(&v->value);
    }
}

static str resolve(const struct template_part *ref, struct arena *a, void *arg)
{
    return event_ref_resolve(ref, (struct event_refs *)arg, a);
}

enum err command_files_build(const struct command *c, const struct task *t, struct arena *a,
                             str *out, struct reason *why)
{
    struct event_refs refs = {.task = t};
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < c->file_count; i++) {
        struct buf b;
        struct reason inner = {.text = ""};
        buf_init(&b, FILE_BYTES_MAX);
        e = template_expand(&c->files[i].value, &b, a, resolve, NULL, &refs, &inner);
        if (e != ERR_OK)
            (void)fail(why, e, "the file %s: %s", c->files[i].name, inner.text);
        out[i] = arena_str(a, buf_str(&b));
        if (e == ERR_OK && (!buf_ok(&b) || !out[i].p))
            e = fail(why, ERR_LIMIT, "the file %s is too large", c->files[i].name);
        buf_release(&b);
    }
    event_refs_release(&refs);
    return e;
}
