/* jq.c -- libjq by its functions' addresses, found at the first use. The layout of its one value
 * type is the same in 1.6 and 1.7; the header is needed at build alone. */
#include "rule/jq.h"

#include "base/log.h"

#if __has_include(<jq.h>)
#define HAS_JQ 1
#include <jq.h>
#endif

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HAS_JQ

/* Every function of libjq that is called here. */
/* clang-format off */
#define JQ_FUNCTIONS(X) \
    X(jq_init) X(jq_teardown) X(jq_compile) X(jq_set_error_cb) X(jq_start) X(jq_next) \
    X(jq_halted) X(jv_parse_sized) X(jv_get_kind) X(jv_copy) X(jv_free) X(jv_dump_string) \
    X(jv_string_value) X(jv_string_length_bytes) X(jv_invalid_has_msg) X(jv_invalid_get_msg) \
    X(jq_set_attr) X(jv_string) X(jv_array)
/* clang-format on */

static struct {
#define X(name) __typeof__(&(name)) name;
    JQ_FUNCTIONS(X)
#undef X
} lib;

static bool load(struct reason *why)
{
    static void *handle;
    if (handle)
        return true;
    handle = dlopen("libjq.so.1", RTLD_NOW | RTLD_LOCAL);
    bool ok = handle != NULL;
#define X(name) ok = ok && (*(void **)&lib.name = dlsym(handle, #name)) != NULL;
    JQ_FUNCTIONS(X)
#undef X
    if (ok)
        return true;
    if (handle)
        (void)dlclose(handle);
    handle = NULL;
    (void)fail(why, ERR_NOT_FOUND,
               "there is no jq library here: install libjq1 (Debian), jq-libs or jq");
    return false;
}

struct jq_program {
    jq_state *state;
    struct buf said; /* by the compiler */
};

/* A message is a string, or an object around one. */
static void note_error(void *arg, jv message)
{
    struct jq_program *p = arg;
    if (lib.jv_get_kind(message) == JV_KIND_STRING) {
        if (p->said.len)
            buf_str_append(&p->said, STR("; "));
        buf_str_append(&p->said, str_from_cstr(lib.jv_string_value(message)));
    }
    lib.jv_free(message);
}

/* The compiler's words on one line, without what it says of where its text came from. */
static void explain(struct jq_program *p, struct reason *why)
{
    char text[300];
    size_t n = 0;
    str said = buf_str(&p->said);
    size_t end = str_find_str(said, STR(" (Unix shell quoting"));
    if (end == said.n)
        end = str_find(said, '\n');
    said = str_slice(said, str_starts(said, STR("jq: error: ")) ? 11 : 0, end);
    for (size_t i = 0; i < said.n && n + 1 < sizeof(text); i++)
        text[n++] = (unsigned char)said.p[i] < ' ' ? ' ' : said.p[i];
    text[n] = '\0';
    (void)fail(why, ERR_INVALID, "jq does not understand the program: %s", n ? text : "no reason");
}

struct jq_program *jq_program_new(str text, struct reason *why)
{
    if (text.n > JQ_PROGRAM_MAX || str_find(text, '\0') < text.n) {
        (void)fail(why, ERR_LIMIT, "a jq program has at most %u bytes, none of them NUL",
                   JQ_PROGRAM_MAX);
        return NULL;
    }
    if (!load(why))
        return NULL;
    struct jq_program *p = xcalloc(1, sizeof(*p));
    struct buf whole;
    buf_init(&p->said, 4096);
    buf_init(&whole, JQ_PROGRAM_MAX + 256);
    buf_str_append(&whole, STR(". as $event | .data | ("));
    buf_str_append(&whole, text);
    buf_str_append(&whole, STR("\n)")); /* a comment ends with its line */
    p->state = lib.jq_init();
    lib.jq_set_error_cb(p->state, note_error, p);
    /* No modules: there is nowhere to look for them. */
    lib.jq_set_attr(p->state, lib.jv_string("JQ_LIBRARY_PATH"), lib.jv_array());
    bool ok = lib.jq_compile(p->state, buf_cstr(&whole)) != 0;
    buf_release(&whole);
    if (ok)
        return p;
    explain(p, why);
    jq_program_free(p);
    return NULL;
}

void jq_program_free(struct jq_program *p)
{
    if (!p)
        return;
    lib.jq_teardown(&p->state);
    buf_release(&p->said);
    free(p);
}

static void append_string(struct buf *out, jv s)
{
    int n = lib.jv_string_length_bytes(lib.jv_copy(s));
    buf_append(out, lib.jv_string_value(s), (size_t)n);
    lib.jv_free(s);
}

/* Of an invalid value: an error with its message, or the end. Takes it over. */
static enum jq_result end_of(struct jq_program *p, jv v, struct buf *out)
{
    if (!lib.jv_invalid_has_msg(lib.jv_copy(v))) {
        lib.jv_free(v);
        if (!lib.jq_halted(p->state))
            return JQ_NOTHING;
        buf_str_append(out, STR("the program says halt"));
        return JQ_ERROR;
    }
    jv message = lib.jv_invalid_get_msg(v);
    append_string(out, lib.jv_get_kind(message) == JV_KIND_STRING ? message
                                                                  : lib.jv_dump_string(message, 0));
    return JQ_ERROR;
}

enum jq_result jq_program_run(struct jq_program *p, str event, struct buf *out)
{
    jv input = lib.jv_parse_sized(event.p, (int)event.n);
    if (lib.jv_get_kind(input) == JV_KIND_INVALID)
        return end_of(p, input, out) == JQ_ERROR ? JQ_ERROR : JQ_NOTHING;
    lib.jq_start(p->state, input, 0);
    jv v = lib.jq_next(p->state);
    switch (lib.jv_get_kind(v)) {
    case JV_KIND_INVALID:
        return end_of(p, v, out);
    case JV_KIND_NULL:
    case JV_KIND_FALSE:
        append_string(out, lib.jv_dump_string(v, 0));
        return JQ_FALSE;
    case JV_KIND_STRING:
        append_string(out, v);
        return JQ_TEXT;
    case JV_KIND_TRUE:
    case JV_KIND_NUMBER:
    case JV_KIND_ARRAY:
    case JV_KIND_OBJECT:
        break;
    }
    append_string(out, lib.jv_dump_string(v, 0));
    return JQ_VALUE;
}

#else /* built without jq.h */

struct jq_program *jq_program_new(str text, struct reason *why)
{
    UNUSED(text);
    (void)fail(why, ERR_NOT_FOUND, "this gaff was built without jq (libjq-dev)");
    return NULL;
}

void jq_program_free(struct jq_program *p)
{
    UNUSED(p);
}

enum jq_result jq_program_run(struct jq_program *p, str event, struct buf *out)
{
    UNUSED(p);
    UNUSED(event);
    UNUSED(out);
    return JQ_ERROR;
}

#endif

/* --- checking --------------------------------------------------------------------------------- */

static bool has_one_thread(void)
{
    size_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *e; tasks && (e = readdir(tasks)) != NULL;)
        count += e->d_name[0] != '.';
    if (tasks)
        (void)closedir(tasks);
    return count == 1;
}

static _Noreturn void check_in_child(str text, int out)
{
    struct reason why = {.text = ""};
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their shadow is larger */
    (void)setrlimit(RLIMIT_AS, &(struct rlimit){512u << 20, 512u << 20});
#endif
    (void)setrlimit(RLIMIT_CPU, &(struct rlimit){2, 2});
    struct jq_program *p = jq_program_new(text, &why);
    if (!p && write(out, why.text, strlen(why.text)) < 0)
        _exit(3);
    _exit(p ? 0 : why.code == ERR_NOT_FOUND ? 2 : 1);
}

enum err jq_program_check(str text, bool *missing, struct reason *why)
{
    int ends[2], status = 0;
    *missing = false;
    if (!has_one_thread() || pipe2(ends, O_CLOEXEC) < 0)
        return ERR_OK;
    pid_t pid = fork();
    if (pid == 0)
        check_in_child(text, ends[1]);
    (void)close(ends[1]);
    char said[REASON_TEXT_MAX] = "";
    size_t n = 0;
    ssize_t got = 0;
    while (
        pid > 0 && n + 1 < sizeof(said) &&
        ((got = read(ends[0], said + n, sizeof(said) - 1 - n)) > 0 || (got < 0 && errno == EINTR)))
        n += got > 0 ? (size_t)got : 0;
    said[n] = '\0';
    (void)close(ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (pid < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return ERR_OK;
    *missing = WIFEXITED(status) && WEXITSTATUS(status) == 2;
    if (!WIFEXITED(status))
        return fail(why, ERR_INVALID, "jq takes too much time or memory to compile the program");
    (void)fail(why, ERR_INVALID, "%s", said);
    return *missing ? ERR_OK : ERR_INVALID;
}
