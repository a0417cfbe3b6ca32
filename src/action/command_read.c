/* command_read.c -- a command read from the configuration: everything that can be wrong is found
 * at load, with its place. Called by action_exec.c and action_worker.c. */
#include "action/command_parts.h"

#include "action/event_refs.h"

#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- paths ---------------------------------------------------------------------------------- */

const char *command_path(struct arena *a, const struct yaml *node, str path)
{
    if (path.n > 0 && path.p[0] == '/')
        return arena_cstr(a, path);
    while (str_starts(path, STR("./")))
        path = str_slice(path, 2, path.n);
    char here[4096] = "";
    str file = node->file;
    size_t slash = file.n;
    while (slash > 0 && file.p[slash - 1] != '/')
        slash--;
    str directory = str_slice(file, 0, slash);
    bool rooted = directory.n > 0 && directory.p[0] == '/';
    if (!rooted && !getcwd(here, sizeof(here)))
        here[0] = '\0';
    while (str_starts(directory, STR("./")))
        directory = str_slice(directory, 2, directory.n);
    return arena_printf(a, "%s%s" STR_FMT STR_FMT, here, rooted ? "" : "/", STR_ARG(directory),
                        STR_ARG(path))
        .p;
}

static bool is_program(const char *path, bool *there)
{
    struct stat st;
    *there = stat(path, &st) == 0;
    return *there && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

static const char *search_path(struct arena *a, str name)
{
    str rest = STR(COMMAND_PATH);
    while (rest.p) {
        str directory = str_cut(&rest, ':');
        bool there;
        const char *path =
            arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(directory), STR_ARG(name)).p;
        if (path && is_program(path, &there))
            return path;
    }
    return NULL;
}

static const char *find_program(struct arena *a, const struct yaml *node, struct problems *p)
{
    char shown[VALUE_TEXT_MAX];
    str name = node->scalar;
    if (node->kind != YAML_SCALAR || name.n == 0) {
        problem_at(p, node, "the first element of a command is the program, a path or a name");
        return NULL;
    }
    if (str_find(name, '/') == name.n) {
        const char *found = search_path(a, name);
        if (!found)
            problem_at(p, node,
                       "no program %s in %s; for one of your own write its path, like ./%s",
                       value_text(node, shown), COMMAND_PATH, "deploy.sh");
        return found;
    }
    bool there = false;
    const char *path = command_path(a, node, name);
    if (path && is_program(path, &there))
        return path;
    if (there)
        problem_at(p, node, "%s is no executable file; chmod +x it", path);
    else
        problem_at(p, node, "there is no program %s", path ? path : "there");
    return NULL;
}

/* --- templates ------------------------------------------------------------------------------ */

static bool is_known(str name, bool is_filter, void *arg)
{
    enum template_use use = *(const enum template_use *)arg;
    return !is_filter && event_ref_is_known(name) &&
           (use == TEMPLATE_OF_FILE || !str_eq(name, STR("body")));
}

static void check_parts(const struct template *t, const struct yaml *node, enum template_use use,
                        struct problems *p)
{
    if (template_is_constant(t))
        return;
    for (size_t i = 0; i < t->count; i++) {
        const struct template_part *part = &t->parts[i];
        if (part->kind == TEMPLATE_TEXT) {
            if (use == TEMPLATE_OF_WORD && str_find(part->text, '\n') < part->text.n)
                problem_at(p, node, "a value with references may not hold a line break");
        } else {
            struct reason why;
            if (event_ref_check(part, &why) != ERR_OK)
                problem_at(p, node, "%s", why.text);
        }
    }
}

void command_template_read(struct template *t, struct arena *a, const struct yaml *node,
                           enum template_use use, struct problems *p)
{
    struct reason why = {.text = ""};
    if (node->kind != YAML_SCALAR) {
        problem_at(p, node, "text is expected here, not a list or a mapping");
        return;
    }
    str text = node->scalar.p ? node->scalar : STR("");
    if (memchr(text.p, 0, text.n))
        problem_at(p, node, "a NUL byte can't be handed to a command");
    if (use == TEMPLATE_LITERAL) {
        t->parts = ARENA_NEW(a, struct template_part);
        if (t->parts && text.n > 0)
            *t = (struct template){.parts = t->parts, .count = 1};
        if (t->count)
            t->parts[0] = (struct template_part){.kind = TEMPLATE_TEXT, .text = text};
        return;
    }
    if (template_compile(t, a, text, is_known, &use, &why) != ERR_OK) {
        problem_at(p, node, "%s; known here: " EVENT_REFS_TEXT " (the body is on stdin)", why.text);
        *t = (struct template){0};
        return;
    }
    check_parts(t, node, use, p);
}

/* --- interpreters --------------------------------------------------------------------------- */

static str base_name(str path)
{
    while (path.p) {
        str part = str_cut(&path, '/');
        if (!path.p)
            return part;
    }
    return STR("");
}

/* The option after which the named program takes code, or 0. */
static char code_option(str program, bool *shell)
{
    static const char *const shells[] = {"sh", "bash", "dash", "zsh", "ksh", "ash", "fish"};
    str name = base_name(program);
    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        *shell = str_eq(name, str_from_cstr(shells[i]));
        if (*shell)
            return 'c';
    }
    if (str_starts(name, STR("python")))
        return 'c';
    if (str_starts(name, STR("perl")) || str_eq(name, STR("ruby")) || str_eq(name, STR("node")))
        return 'e';
    return str_starts(name, STR("php")) ? 'r' : 0;
}

static bool is_option_with(str s, char letter)
{
    return s.n >= 2 && s.p[0] == '-' && s.p[1] != '-' && str_find(s, letter) < s.n;
}

static bool every_value_is_quoted(const struct template *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct template_part *part = &t->parts[i];
        if (part->kind == TEMPLATE_REF &&
            (part->filter_count == 0 ||
             !str_eq(part->filters[part->filter_count - 1], STR("shell"))))
            return false;
    }
    return true;
}

/* `sh -c "echo {{ .x }}"` would let the sender of an event write the script. */
static void check_interpreters(const struct command *c, const struct yaml *list, struct problems *p)
{
    char option = 0;
    bool code_next = false, shell = false;
    size_t i = 0;
    for (const struct yaml *node = list->first; node; node = node->next, i++) {
        const struct template *t = i > 0 ? &c->args[i - 1].value : NULL;
        bool constant = !t || template_is_constant(t);
        if (code_next && !constant && !(shell && every_value_is_quoted(t)))
            problem_at(p, node,
                       "a reference inside a script would let the sender of an event run "
                       "commands; hand it over as an argument of its own, which the script reads "
                       "as \"$1\"");
        code_next = false;
        if (!constant)
            continue;
        bool is_shell = false;
        char found = code_option(node->scalar, &is_shell);
        if (found) {
            option = found;
            shell = is_shell;
        } else {
            code_next = option && is_option_with(node->scalar, option);
        }
    }
}

/* --- the members ---------------------------------------------------------------------------- */

static void read_argv(struct command *c, struct arena *a, const struct yaml *node,
                      enum template_use use, struct problems *p)
{
    if (!node || node->kind != YAML_LIST || node->count == 0) {
        problem_at(p, node,
                   "command must be a list, the program and its arguments: [./deploy.sh, arg]; "
                   "there is no shell between");
        return;
    }
    c->program = find_program(a, node->first, p);
    c->args = ARENA_ARRAY(a, struct command_argument, node->count);
    if (!c->args)
        return;
    c->arg_count = node->count - 1;
    c->guard = c->arg_count;
    size_t i = 0;
    for (const struct yaml *one = node->first->next; one; one = one->next, i++) {
        struct command_argument *arg = &c->args[i];
        command_template_read(&arg->value, a, one, use, p);
        arg->hidden = one->first != NULL;
        arg->shown = one->first ? one->first->scalar : one->scalar;
        if (!template_is_constant(&arg->value))
            c->references = true;
        else if (c->guard == c->arg_count && str_eq(one->scalar, STR("--")))
            c->guard = i;
    }
    check_interpreters(c, node, p);
}

static bool is_variable_name(str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.n > 0 && name.n < 200;
}

void command_name_check(const struct command *c, const struct yaml *node, struct problems *p)
{
    if (!is_variable_name(node->key))
        problem_at_key(p, node, "no name for an environment variable");
    else if (str_starts(node->key, STR("GAFF_")))
        problem_at_key(p, node, "names that begin with GAFF_ are set by gaff itself");
    for (size_t i = 0; i < c->env_count; i++)
        if (c->env[i].name && str_eq(node->key, str_from_cstr(c->env[i].name)))
            problem_at_key(p, node, "the variable is set already, under env");
}

static void read_env(struct command *c, struct arena *a, const struct yaml *node,
                     enum template_use use, struct problems *p)
{
    if (!node)
        return;
    if (node->kind != YAML_MAP) {
        problem_at(p, node, "env must be a mapping of names to values");
        return;
    }
    c->env = ARENA_ARRAY(a, struct command_variable, node->count + 1);
    for (const struct yaml *one = node->first; c->env && one; one = one->next) {
        command_name_check(c, one, p);
        struct command_variable *v = &c->env[c->env_count++];
        v->name = arena_cstr(a, one->key);
        command_template_read(&v->value, a, one, use, p);
        c->references = c->references || !template_is_constant(&v->value);
    }
}

static const char *home_of(struct command *c, struct arena *a, const struct yaml *user,
                           struct problems *p)
{
    const struct passwd *pw = c->user ? getpwnam(c->user) : getpwuid(geteuid());
    if (!pw && c->user) {
        char *end = NULL;
        unsigned long long id = strtoull(c->user, &end, 10);
        if (end != c->user && *end == '\0' && id < UINT32_MAX)
            pw = getpwuid((uid_t)id);
    }
    if (!pw && c->user)
        problem_at(p, user, "there is no user %s on this machine", c->user);
    else if (c->user && geteuid() != 0 && pw->pw_uid != geteuid())
        problem_warn(p, user,
                     "running as another user takes root or CAP_SETUID and CAP_SETGID, which "
                     "this process may not have");
    const char *home = pw && pw->pw_dir && pw->pw_dir[0] == '/' ? pw->pw_dir : "/";
    return arena_printf(a, "HOME=%s", home).p;
}

static void read_passed(struct command *c, struct arena *a, const struct yaml *node,
                        const char *home, struct problems *p)
{
    str *names = NULL;
    size_t count = 0, n = 0;
    if (!read_str_list(p, a, node, &names, &count))
        count = 0;
    c->fixed_env = ARENA_ARRAY(a, const char *, count + 4);
    if (!c->fixed_env)
        return;
    bool own_path = false, own_home = false, own_lang = false;
    const struct yaml *place = node ? node->first : NULL;
    for (size_t i = 0; i < count; i++, place = place ? place->next : NULL) {
        const char *name = arena_cstr(a, names[i]);
        if (!name || !is_variable_name(names[i])) {
            problem_at(p, place, "no name for an environment variable");
            continue;
        }
        const char *value = getenv(name);
        if (!value) {
            problem_warn(p, place, "%s is not set in gaff's own environment", name);
            continue;
        }
        own_path = own_path || strcmp(name, "PATH") == 0;
        own_home = own_home || strcmp(name, "HOME") == 0;
        own_lang = own_lang || strcmp(name, "LANG") == 0;
        c->fixed_env[n++] = arena_printf(a, "%s=%s", name, value).p;
    }
    if (!own_path)
        c->fixed_env[n++] = "PATH=" COMMAND_PATH;
    if (!own_home)
        c->fixed_env[n++] = home;
    if (!own_lang)
        c->fixed_env[n++] = "LANG=C.UTF-8";
}

static void read_cwd(struct command *c, struct arena *a, const struct yaml *node,
                     struct problems *p)
{
    str text = STR_NONE;
    struct stat st;
    if (!node || !read_str(p, node, &text))
        return;
    c->cwd = command_path(a, node, text);
    if (c->cwd && (stat(c->cwd, &st) < 0 || !S_ISDIR(st.st_mode)))
        problem_at(p, node, "there is no directory %s", c->cwd);
}

bool command_read(struct command *c, struct arena *a, const struct yaml *node, bool allow,
                  struct problems *p)
{
    size_t before = p->errors;
    str user = STR_NONE;
    *c = (struct command){.kill_after_ms = 5000};
    const struct yaml *argv = yaml_get(node, STR("command"));
    enum template_use use = allow ? TEMPLATE_OF_WORD : TEMPLATE_LITERAL;
    read_argv(c, a, argv ? argv : node, use, p);
    read_env(c, a, yaml_get(node, STR("env")), use, p);
    const struct yaml *user_node = yaml_get(node, STR("user"));
    if (read_str(p, user_node, &user) && user.n > 0)
        c->user = arena_cstr(a, user);
    const char *home = home_of(c, a, user_node, p);
    read_passed(c, a, yaml_get(node, STR("pass_env")), home ? home : "HOME=/", p);
    read_cwd(c, a, yaml_get(node, STR("cwd")), p);
    command_limits_read(c, yaml_get(node, STR("limits")), p);
    command_sandbox_read(c, a, yaml_get(node, STR("sandbox")), p);
    (void)read_duration(p, yaml_get(node, STR("kill_after")), 0, 3600000, &c->kill_after_ms);
    return p->errors == before && c->program && c->args && c->fixed_env;
}
