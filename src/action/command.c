/* command.c -- one attempt's argv and environment out of a checked command. What an event's
 * sender wrote stays one element each, can't become an option, and can't break a line. */
#include "action/command.h"

#include "base/codec.h"
#include "base/id.h"
#include "action/event_refs.h"
#include "action/event_text.h"

#include <inttypes.h>

#define VALUE_BYTES_MAX 131071u /* the kernel's limit for one string, less its NUL */
#define SHOWN_BYTES_MAX 4096u

static str format_id(struct arena *a, const char *prefix, uint64_t id)
{
    char text[ID_TEXT_MAX];
    return arena_str(a, id_format(prefix, id, text));
}

static str resolve(const struct template_part *ref, struct arena *a, void *arg)
{
    return event_ref_resolve(ref, (struct event_refs *)arg, a);
}

/* ERR_DENIED for the bytes that an argument or variable may not hold. */
static enum err check_bytes(str value, const char *what, struct reason *why)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\0' || c == '\n' || c == '\r')
            return fail(why, ERR_DENIED, "the value for %s holds a %s, which is refused", what,
                        c == '\0' ? "NUL byte" : "line break");
    }
    return ERR_OK;
}

/* The expansion in the arena, NUL-terminated, after `prefix`. */
static enum err expand(const struct template *t, const char *prefix, struct event_refs *f,
                       struct arena *a, const char *what, str *out, struct reason *why)
{
    struct buf b;
    buf_init(&b, VALUE_BYTES_MAX);
    buf_str_append(&b, str_from_cstr(prefix));
    struct reason inner = {.text = ""};
    enum err e = template_expand(t, &b, a, resolve, NULL, f, &inner);
    if (e != ERR_OK)
        (void)fail(why, e, "the value for %s: %s", what, inner.text);
    if (e == ERR_OK && !buf_ok(&b))
        e = fail(why, ERR_LIMIT, "the value for %s is too long", what);
    if (e == ERR_OK && !template_is_constant(t))
        e = check_bytes(buf_str(&b), what, why);
    if (e == ERR_OK) {
        *out = str_of(arena_cstr(a, buf_str(&b)), b.len);
        if (!out->p)
            e = fail(why, ERR_LIMIT, "the value for %s is too long", what);
    }
    buf_release(&b);
    return e;
}

/* An element that begins with a reference must not become an option of the program. */
static bool may_become_option(const struct command *c, size_t index)
{
    const struct template *t = &c->args[index].value;
    return index < c->guard && t->count > 0 && t->parts[0].kind == TEMPLATE_REF;
}

static enum err build_argv(const struct command *c, struct event_refs *f, struct arena *a,
                           const char **argv, struct reason *why)
{
    argv[0] = c->program;
    for (size_t i = 0; i < c->arg_count; i++) {
        char what[32];
        (void)snprintf(what, sizeof(what), "argument %zu", i + 1);
        str value;
        enum err e = expand(&c->args[i].value, "", f, a, what, &value, why);
        if (e != ERR_OK)
            return e;
        if (value.n > 0 && value.p[0] == '-' && may_become_option(c, i))
            return fail(why, ERR_DENIED,
                        "the value for argument %zu begins with '-' and would be read as an "
                        "option; put a \"--\" before it in the command if the program knows that",
                        i + 1);
        argv[i + 1] = value.p;
    }
    return ERR_OK;
}

static const char *variable(struct arena *a, const char *name, str value, struct reason *why)
{
    if (check_bytes(value, name, why) != ERR_OK)
        return NULL;
    str s = arena_printf(a, "%s=" STR_FMT "%c", name, STR_ARG(value), '\0');
    if (!s.p)
        (void)fail(why, ERR_LIMIT, "the value for %s is too long", name);
    return s.p;
}

#define EVENT_VARIABLES 11
#define ALWAYS_THERE 9 /* the rest when the event is in a trace */

/* Returns how many it wrote; 0 with a reason. */
static size_t event_variables(const struct task *t, struct arena *a, const char **out,
                              struct reason *why)
{
    const struct event *e = t->event;
    const struct delivery *d = t->delivery;
    char at[CLOCK_TEXT_MAX];
    const struct {
        const char *name;
        str value;
    } all[EVENT_VARIABLES] = {
        {"GAFF_EVENT_ID", format_id(a, "evt", e->id)},
        {"GAFF_DELIVERY_ID", format_id(a, "dlv", d->id)},
        {"GAFF_ATTEMPT", arena_printf(a, "%" PRIu32, t->delivery->attempts + 1)},
        {"GAFF_SOURCE", e->source},
        {"GAFF_EVENT_TYPE", e->type},
        {"GAFF_CONTENT_TYPE", event_field(e, STR("Content-Type"))},
        {"GAFF_RECEIVED", clock_format(e->received_ms, at)},
        {"GAFF_ROUTE", d->route},
        {"GAFF_DESTINATION", d->destination},
        /* As other programs that start programs name them. */
        {"TRACEPARENT", t->traceparent},
        {"TRACESTATE", t->tracestate},
    };
    size_t count = 0;
    for (size_t i = 0; i < EVENT_VARIABLES; i++) {
        if (i >= ALWAYS_THERE && !all[i].value.n)
            continue;
        out[count] = variable(a, all[i].name, all[i].value, why);
        if (!out[count++])
            return 0;
    }
    return count;
}

static bool names_variable(const char *pair, const char *name)
{
    size_t n = strlen(name);
    return strncmp(pair, name, n) == 0 && pair[n] == '=';
}

static bool is_overridden(const struct command *c, const char *pair)
{
    for (size_t i = 0; i < c->env_count; i++)
        if (names_variable(pair, c->env[i].name))
            return true;
    return false;
}

static enum err build_env(const struct command *c, struct event_refs *f, struct arena *a,
                          const char **env, struct reason *why)
{
    size_t n = 0;
    for (size_t i = 0; c->fixed_env[i]; i++)
        if (!is_overridden(c, c->fixed_env[i]))
            env[n++] = c->fixed_env[i];
    if (f->task) {
        size_t added = event_variables(f->task, a, env + n, why);
        if (added == 0)
            return why->code;
        n += added;
    }
    for (size_t i = 0; i < c->env_count; i++) {
        char prefix[256];
        (void)snprintf(prefix, sizeof(prefix), "%s=", c->env[i].name);
        str value;
        enum err e = expand(&c->env[i].value, prefix, f, a, c->env[i].name, &value, why);
        if (e != ERR_OK)
            return e;
        env[n++] = value.p;
    }
    for (size_t i = 0; i < c->file_count; i++) {
        env[n] = arena_printf(a, "%s=/dev/fd/%zu%c", c->files[i].name, 3 + i, '\0').p;
        if (!env[n++])
            return fail(why, ERR_LIMIT, "no room for the environment of the command");
    }
    env[n] = NULL;
    return ERR_OK;
}

enum err command_build(const struct command *c, const struct task *t, struct arena *a,
                       const char *const **argv, const char *const **env, struct reason *why)
{
    assert(t || !c->references);
    size_t fixed = 0;
    while (c->fixed_env[fixed])
        fixed++;
    const char **v = ARENA_ARRAY(a, const char *, c->arg_count + 2);
    const char **e =
        ARENA_ARRAY(a, const char *, fixed + EVENT_VARIABLES + c->env_count + c->file_count + 1);
    if (!v || !e)
        return fail(why, ERR_LIMIT, "no room for the arguments of the command");
    struct event_refs f = {.task = t};
    enum err err = build_argv(c, &f, a, v, why);
    if (err == ERR_OK)
        err = build_env(c, &f, a, e, why);
    event_refs_release(&f);
    *argv = v;
    *env = e;
    return err;
}

static bool needs_quotes(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("_-./:=@%+,", c) != NULL;
        if (!plain || c == '\0')
            return true;
    }
    return s.n == 0;
}

static void show_element(struct buf *out, str s)
{
    if (!needs_quotes(s)) {
        text_escape(out, s, SHOWN_BYTES_MAX);
        return;
    }
    buf_char(out, '\'');
    while (s.p) {
        str part = str_cut(&s, '\'');
        text_escape(out, part, SHOWN_BYTES_MAX);
        if (s.p)
            buf_str_append(out, STR("'\\''"));
    }
    buf_char(out, '\'');
}

str command_show(const struct command *c, const char *const *argv, struct arena *a)
{
    struct buf b;
    buf_init(&b, 8 * SHOWN_BYTES_MAX);
    for (size_t i = 0; argv[i] && b.len < SHOWN_BYTES_MAX && buf_ok(&b); i++) {
        bool hidden = i > 0 && c->args[i - 1].hidden;
        if (i > 0)
            buf_char(&b, ' ');
        show_element(&b, hidden ? c->args[i - 1].shown : str_from_cstr(argv[i]));
    }
    bool cut = b.len > SHOWN_BYTES_MAX || !buf_ok(&b);
    str all = str_slice(buf_str(&b), 0, SHOWN_BYTES_MAX);
    str shown = arena_printf(a, STR_FMT "%s", STR_ARG(all), cut ? " ..." : "");
    buf_release(&b);
    return shown.p ? shown : STR("");
}
