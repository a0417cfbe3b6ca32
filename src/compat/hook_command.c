/* hook_command.c -- from a hook and a request to something the runner can start. The environment
 * is the daemon's own plus the hook's entries; a later entry of a name replaces an earlier one. */
#include "compat/hook_command.h"

#include "base/codec.h"
#include "base/map.h"
#include "base/rand.h"
#include "compat/go_path.h"
#include "compat/hook_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGUMENT_BYTES_MAX 131071u /* of one argument or variable; the kernel's own limit */
#define NAME_TRIES 1000

extern char **environ;

/* --- the program ----------------------------------------------------------------------------- */

/* NULL, or why the file cannot be executed. */
static const char *not_executable(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return strerror(errno);
    if (S_ISDIR(st.st_mode) || !(st.st_mode & 0111))
        return "permission denied";
    return NULL;
}

static void lower_first(char *text)
{
    if (text[0] >= 'A' && text[0] <= 'Z')
        text[0] = (char)(text[0] + 32);
}

static const char *refuse(struct hook_command *c, str name, const char *why)
{
    char reason[128];
    (void)snprintf(reason, sizeof(reason), "%s", why);
    lower_first(reason);
    (void)snprintf(c->error, sizeof(c->error), "exec: \"%.*s\": %s",
                   (int)(name.n > 300 ? 300 : name.n), name.p, reason);
    return NULL;
}

static const char *look_path(struct hook_command *c, struct arena *a, str name)
{
    const char *path = arena_cstr(a, name);
    if (str_find(name, '/') < name.n) {
        const char *why = path ? not_executable(path) : "out of memory";
        return why ? refuse(c, name, why) : path;
    }
    const char *directories = getenv("PATH");
    str rest = directories ? str_from_cstr(directories) : STR_NONE;
    while (rest.p && name.n) {
        str directory = str_cut(&rest, ':');
        if (!str_starts(directory, STR("/")))
            continue; /* never what lies in the working directory by chance */
        path = arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(directory), STR_ARG(name)).p;
        if (path && !not_executable(path))
            return path;
    }
    return refuse(c, name, "executable file not found in $PATH");
}

static void find_program(struct hook_command *c, const struct hook *h, const struct hook_request *q)
{
    str name = h->execute_command;
    if (!str_starts(name, STR("/")) && h->working_directory.n)
        name = path_join(q->arena, h->working_directory, name);
    c->program = look_path(c, q->arena, name);
    if (c->program)
        return;
    hook_log(q->id, "error in %s", c->error);
    str words = h->execute_command;
    if (str_find(words, ' ') < words.n) {
        words = str_trim(words);
        str first = str_slice(words, 0, str_find(words, ' '));
        hook_log(q->id, "use 'pass-arguments-to-command' to specify args for '" STR_FMT "'",
                 STR_ARG(first));
    }
}

/* --- values ---------------------------------------------------------------------------------- */

/* False when missing; logs it. */
static bool get(const struct hook_request *q, const struct hook_argument *a, const char *what,
                str *out)
{
    struct reason why = {0};
    char text[128];
    if (hook_argument_get(q, a, out, &why) == HOOK_VALUE)
        return true;
    (void)snprintf(text, sizeof(text),
                   "error extracting command arguments%s: couldn't retrieve argument for", what);
    hook_log_argument(q->id, text, a);
    return false;
}

static const char *as_cstr(struct hook_command *c, struct arena *a, str s)
{
    if (str_find(s, '\0') < s.n)
        (void)snprintf(c->error, sizeof(c->error), "fork/exec %s: invalid argument", c->program);
    else if (s.n > ARGUMENT_BYTES_MAX)
        (void)snprintf(c->error, sizeof(c->error), "fork/exec %s: argument list too long",
                       c->program);
    return arena_cstr(a, s);
}

static void build_argv(struct hook_command *c, const struct hook *h, const struct hook_request *q)
{
    c->argv = ARENA_ARRAY(q->arena, const char *, h->arguments.count + 2);
    if (!c->argv)
        return;
    c->argv[0] = as_cstr(c, q->arena, h->execute_command);
    for (size_t i = 0; i < h->arguments.count; i++) {
        str value = STR("");
        if (!get(q, &h->arguments.v[i], "", &value))
            value = STR("");
        c->argv[i + 1] = as_cstr(c, q->arena, value);
    }
}

/* --- the environment ------------------------------------------------------------------------- */

struct environment {
    struct hook_command *command;
    struct arena *arena;
    struct map by_name; /* to "NAME=value" */
    struct buf added;   /* for the log */
};

static void put(struct environment *e, str name, str value, bool log)
{
    char *bytes = arena_alloc(e->arena, name.n + 1 + value.n);
    if (!bytes)
        return;
    memcpy(bytes, name.p, name.n);
    bytes[name.n] = '=';
    memcpy(bytes + name.n + 1, value.p, value.n);
    str entry = str_of(bytes, name.n + 1 + value.n);
    /* The name ends at the first '=', wherever that comes from. */
    map_put(&e->by_name, str_slice(entry, 0, str_find(entry, '=')),
            (void *)(uintptr_t)as_cstr(e->command, e->arena, entry));
    if (log && hook_log_on()) {
        buf_str_append(&e->added, e->added.len ? STR(" ") : STR(""));
        buf_str_append(&e->added, entry);
    }
}

static void inherit(struct environment *e)
{
    for (char **v = environ; v && *v; v++) {
        str entry = str_from_cstr(*v);
        size_t eq = str_find(entry, '=');
        if (eq > 0 && eq < entry.n)
            map_put(&e->by_name, str_slice(entry, 0, eq), *v);
    }
}

static str variable_name(struct arena *a, const struct hook_argument *arg, bool upper)
{
    if (arg->envname.n)
        return arg->envname;
    str name = arena_printf(a, "HOOK_" STR_FMT, STR_ARG(arg->name));
    for (size_t i = 0; upper && name.p && i < name.n; i++)
        if (name.p[i] >= 'a' && name.p[i] <= 'z')
            ((char *)(uintptr_t)name.p)[i] -= 'a' - 'A';
    return name;
}

static void finish_environment(struct environment *e)
{
    struct hook_command *c = e->command;
    struct map_entry entry;
    size_t n = 0;
    c->env = ARENA_ARRAY(e->arena, const char *, e->by_name.count + 1);
    for (size_t i = 0; c->env && map_next(&e->by_name, &i, &entry);)
        c->env[n++] = entry.value;
}

/* --- files ----------------------------------------------------------------------------------- */

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* One group of four. Returns how many bytes it held, 0 when it is broken. */
static size_t base64_group(const char four[4], uint8_t out[3])
{
    uint32_t bits = 0;
    size_t digits = 0;
    while (digits < 4 && base64_digit(four[digits]) >= 0)
        bits = bits << 6 | (uint32_t)base64_digit(four[digits++]);
    for (size_t i = digits; i < 4; i++)
        if (four[i] != '=')
            return 0;
    if (digits < 2)
        return 0;
    bits <<= 6 * (4 - digits);
    out[0] = (uint8_t)(bits >> 16);
    out[1] = (uint8_t)(bits >> 8);
    out[2] = (uint8_t)bits;
    return digits - 1;
}

bool base64_decode_prefix(struct arena *a, str text, str *out)
{
    char four[4];
    size_t have = 0, n = 0;
    bool ended = false;
    uint8_t *bytes = arena_alloc(a, text.n + 4);
    *out = STR("");
    if (!bytes)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\r' || text.p[i] == '\n')
            continue;
        if (ended)
            break;
        four[have++] = text.p[i];
        if (have < 4)
            continue;
        size_t got = base64_group(four, bytes + n);
        n += got;
        have = 0;
        if (got == 0) {
            *out = str_of((const char *)bytes, n);
            return false;
        }
        ended = got < 3;
    }
    *out = str_of((const char *)bytes, n);
    return have == 0;
}

/* Creates <directory>/<name><digits>. -1 with errno. */
static int create_temporary(struct arena *a, str directory, str name, const char **path)
{
    struct rng rng;
    rng_init(&rng, 0);
    for (int i = 0; i < NAME_TRIES; i++) {
        str full = arena_printf(a, STR_FMT "/" STR_FMT "%u", STR_ARG(directory), STR_ARG(name),
                                (unsigned)rng_below(&rng, UINT32_MAX));
        *path = full.p;
        int fd =
            full.p ? open(full.p, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

static bool write_all(int fd, str bytes)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = str_slice(bytes, (size_t)n, bytes.n);
    }
    return true;
}

static void pass_file(struct environment *e, const struct hook *h, const struct hook_request *q,
                      const struct hook_argument *arg)
{
    str value, name = variable_name(q->arena, arg, true);
    const char *path = NULL;
    const char *temporary = getenv("TMPDIR");
    if (!get(q, arg, " for file", &value))
        return;
    if (arg->base64decode && !base64_decode_prefix(q->arena, value, &value))
        hook_log(q->id, "error decoding string [illegal base64 data]");
    str directory = h->working_directory.n      ? h->working_directory
                    : temporary && temporary[0] ? str_from_cstr(temporary)
                                                : STR("/tmp");
    errno = EINVAL;
    int fd = name.p && str_find(name, '/') == name.n
                 ? create_temporary(q->arena, directory, name, &path)
                 : -1;
    if (fd < 0) {
        hook_log(q->id, "error creating temp file [%s]", strerror(errno));
        return;
    }
    hook_log(q->id, "writing env " STR_FMT " file %s", STR_ARG(name), path);
    if (!write_all(fd, value))
        hook_log(q->id, "error writing file %s [%s]", path, strerror(errno));
    (void)close(fd);
    e->command->files[e->command->file_count++] = path;
    put(e, name, str_from_cstr(path), true);
}

void hook_command_clean(const struct hook_command *c, str id)
{
    for (size_t i = 0; i < c->file_count; i++) {
        hook_log(id, "removing file %s", c->files[i]);
        if (unlink(c->files[i]) != 0)
            hook_log(id, "error removing file %s [%s]", c->files[i], strerror(errno));
    }
}

/* --- the whole ------------------------------------------------------------------------------- */

static void log_command(const struct hook_command *c, const struct hook *h,
                        const struct hook_request *q, const struct buf *added)
{
    struct buf argv;
    if (!hook_log_on())
        return;
    buf_init(&argv, HOOK_LOG_LINE_MAX);
    for (size_t i = 0; c->argv && c->argv[i]; i++) {
        buf_str_append(&argv, i ? STR(" \"") : STR("\""));
        for (const char *p = c->argv[i]; *p; p++) {
            if (*p == '"' || *p == '\\')
                buf_char(&argv, '\\');
            buf_char(&argv, *p);
        }
        buf_char(&argv, '"');
    }
    hook_log(q->id,
             "executing " STR_FMT " (%s) with arguments [%s] and environment [" STR_FMT
             "] using " STR_FMT " as cwd",
             STR_ARG(h->execute_command), c->program, buf_cstr(&argv), STR_ARG(buf_str(added)),
             STR_ARG(h->working_directory));
    buf_release(&argv);
}

void hook_command_build(struct hook_command *c, const struct hook *h, const struct hook_request *q)
{
    *c = (struct hook_command){0};
    find_program(c, h, q);
    if (!c->program)
        return;
    struct environment e = {.command = c, .arena = q->arena};
    buf_init(&e.added, HOOK_LOG_LINE_MAX);
    build_argv(c, h, q);
    inherit(&e);
    for (size_t i = 0; i < h->environment.count; i++) {
        str value;
        if (get(q, &h->environment.v[i], " for environment", &value))
            put(&e, variable_name(q->arena, &h->environment.v[i], false), value, true);
    }
    c->files = ARENA_ARRAY(q->arena, const char *, h->files.count + 1);
    for (size_t i = 0; c->files && i < h->files.count; i++)
        pass_file(&e, h, q, &h->files.v[i]);
    finish_environment(&e);
    if (h->working_directory.n)
        c->cwd = as_cstr(c, q->arena, h->working_directory);
    log_command(c, h, q, &e.added);
    map_release(&e.by_name);
    buf_release(&e.added);
    if (!arena_ok(q->arena) && !c->error[0])
        (void)snprintf(c->error, sizeof(c->error), "fork/exec %s: out of memory", c->program);
    if (c->error[0])
        c->program = NULL;
}
