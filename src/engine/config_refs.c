/* config_refs.c -- ${env:NAME}, ${file:PATH} and ${cred:NAME} inside the scalars of the tree.
 *
 * They are resolved after parsing, into the one scalar that holds them, so what a reference gives
 * can never become structure; and once, so it can hold no further reference. The written text
 * stays as the scalar's child, which is all that messages show. */
#include "base/fs.h"
#include "engine/config_read.h"

#include <sys/stat.h>

static const char *const kinds[] = {"env", "file", "cred", NULL};
enum reference_kind { REFERENCE_ENV, REFERENCE_FILE, REFERENCE_CRED };

struct reference {
    enum reference_kind kind;
    str name;
};

/* A scalar being expanded. */
struct expansion {
    struct config_reader *reader;
    struct yaml *node;
    struct buf out;
    bool secret; /* stands where secrets stand: permissions of files matter */
};

/* The next reference of s from *at on: its text lies in [from, to). Escapes are skipped. */
static bool find_reference(str s, size_t at, size_t *from, size_t *to)
{
    for (size_t i = at; i + 1 < s.n; i++) {
        if (s.p[i] != '$')
            continue;
        if (s.p[i + 1] == '$' && i + 2 < s.n && s.p[i + 2] == '{') {
            i += 2;
            continue;
        }
        if (s.p[i + 1] == '{') {
            *from = i;
            *to = i + str_find(str_slice(s, i, s.n), '}') + 1;
            return true;
        }
    }
    return false;
}

static bool split_reference(str inner, struct reference *out)
{
    str name = inner;
    str kind = str_cut(&name, ':');
    for (int i = 0; kinds[i]; i++)
        if (str_eq(kind, str_from_cstr(kinds[i])) && name.n) {
            *out = (struct reference){(enum reference_kind)i, name};
            return true;
        }
    return false;
}

static bool is_plain_name(str s, bool file)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9');
        if (!word && !(file && (c == '-' || c == '.')))
            return false;
    }
    return s.n && s.p[0] != '.';
}

/* NULL when no credentials were handed over. */
static char *credential_path(struct arena *a, str name)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    return directory && directory[0] ? config_path(a, directory, name) : NULL;
}

static bool expand_env(struct expansion *e, str name)
{
    struct problems *p = e->reader->problems;
    if (!is_plain_name(name, false)) {
        problem_at(p, e->node, "${env:" STR_FMT "} names no environment variable", STR_ARG(name));
        return false;
    }
    const char *value = getenv(arena_cstr(e->reader->arena, name));
    if (!value) {
        problem_at(p, e->node, "environment variable " STR_FMT " is not set", STR_ARG(name));
        return false;
    }
    buf_str_append(&e->out, str_from_cstr(value));
    return true;
}

static bool expand_file(struct expansion *e, str name, const char *path)
{
    struct problems *p = e->reader->problems;
    struct arena raw;
    struct reason why;
    str text = STR_NONE;
    arena_init(&raw, REFERENCE_BYTES_MAX + 4096);
    bool ok = fs_read(&raw, path, REFERENCE_BYTES_MAX, &text, &why) == ERR_OK;
    if (ok) {
        str kept = text;
        if (str_ends(kept, STR("\n")))
            kept = str_slice(kept, 0, kept.n - (str_ends(kept, STR("\r\n")) ? 2 : 1));
        buf_str_append(&e->out, kept);
        secret_wipe((char *)(uintptr_t)text.p, text.n);
    } else {
        problem_at(p, e->node, "%s", why.text);
    }
    struct stat st;
    if (ok && e->secret && stat(path, &st) == 0 && (st.st_mode & S_IROTH))
        problem_warn(p, e->node, "every user can read the secret in " STR_FMT "; chmod o-r %s",
                     STR_ARG(name), path);
    arena_release(&raw);
    return ok;
}

static bool expand_one(struct expansion *e, str inner)
{
    struct config_reader *r = e->reader;
    struct reference ref;
    if (!split_reference(inner, &ref)) {
        str kind = str_slice(inner, 0, 40);
        problem_at(r->problems, e->node,
                   "unknown reference ${" STR_FMT "}; known are ${env:NAME}, ${file:PATH} and "
                   "${cred:NAME}; write $${ for a literal ${",
                   STR_ARG(kind));
        return false;
    }
    switch (ref.kind) {
    case REFERENCE_ENV:
        return expand_env(e, ref.name);
    case REFERENCE_FILE:
        return expand_file(e, ref.name, config_path(r->arena, r->config->directory, ref.name));
    case REFERENCE_CRED:
        break;
    }
    const char *path = credential_path(r->arena, ref.name);
    if (!is_plain_name(ref.name, true) || !path) {
        problem_at(r->problems, e->node, "${cred:" STR_FMT "}: %s", STR_ARG(ref.name),
                   path ? "the name of a credential has letters, digits, '_', '-' and '.' only"
                        : "$CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with "
                          "LoadCredential=");
        return false;
    }
    /* systemd guards the directory; the modes of what is in it say nothing. */
    e->secret = false;
    return expand_file(e, ref.name, path);
}

/* Literal text with $${ made ${. */
static void append_literal(struct buf *out, str s)
{
    for (size_t at; (at = str_find_str(s, STR("$${"))) < s.n;) {
        buf_str_append(out, str_slice(s, 0, at));
        buf_str_append(out, STR("${"));
        s = str_slice(s, at + 3, s.n);
    }
    buf_str_append(out, s);
}

/* Also after a failure the written text is marked as one that had references. */
static void keep_expansion(struct expansion *e, bool ok)
{
    struct config_reader *r = e->reader;
    r->expanded_bytes += e->out.len;
    if (!buf_ok(&e->out) || r->expanded_bytes > REFERENCE_TOTAL_MAX) {
        problem_at(r->problems, e->node, "references give more text than %u bytes",
                   REFERENCE_TOTAL_MAX);
        ok = false;
    }
    struct yaml *written = CONFIG_NEW(r, struct yaml);
    *written = *e->node;
    written->next = NULL;
    e->node->first = written;
    if (!ok)
        return;
    e->node->scalar = arena_str(r->arena, buf_str(&e->out));
    e->node->quoted = true; /* empty is a value here */
}

static void expand_scalar(struct config_reader *r, struct yaml *node, bool secret)
{
    str s = node->scalar;
    /* What the environment set is literal already. */
    if (node->first || str_find_str(s, STR("${")) == s.n)
        return;
    struct expansion e = {.reader = r, .node = node, .secret = secret};
    buf_init(&e.out, REFERENCE_TOTAL_MAX);
    size_t at = 0, from = 0, to = 0;
    bool ok = true;
    while (find_reference(s, at, &from, &to)) {
        append_literal(&e.out, str_slice(s, at, from));
        if (to > s.n) {
            problem_at(r->problems, node, "a ${ has no closing }; write $${ for a literal ${");
            ok = false;
            at = s.n;
            break;
        }
        ok = expand_one(&e, str_slice(s, from + 2, to - 1)) && ok;
        at = to;
    }
    append_literal(&e.out, str_slice(s, at, s.n));
    keep_expansion(&e, ok);
    if (e.out.p)
        secret_wipe(e.out.p, e.out.len);
    buf_release(&e.out);
}

static bool is_secret_key(str key)
{
    static const str words[] = {{"secret", 6}, {"token", 5}, {"password", 8}, {"sign", 4}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_find_str(key, words[i]) < key.n)
            return true;
    return false;
}

static void resolve(struct config_reader *r, struct yaml *node, bool secret)
{
    secret = secret || is_secret_key(node->key);
    if (node->kind == YAML_SCALAR)
        expand_scalar(r, node, secret);
    else
        for (struct yaml *one = node->first; one; one = one->next)
            resolve(r, one, secret);
}

void config_refs_resolve(struct config_reader *r, struct yaml *node)
{
    resolve(r, node, false);
}

bool config_text_resolve(struct config *c, str text, struct arena *a, str *out, struct reason *why)
{
    struct problems problems = {0};
    struct config_reader r = {.config = c, .arena = a, .problems = &problems};
    struct yaml node = {.kind = YAML_SCALAR, .scalar = text, .file = STR("program"), .line = 1};
    expand_scalar(&r, &node, true);
    bool good = true;
    for (size_t i = 0; good && i < problems.count; i++) {
        good = problems.v[i].warning;
        if (!good)
            (void)fail(why, ERR_INVALID, "%s", problems.v[i].text);
    }
    *out = node.scalar;
    problems_release(&problems);
    return good;
}

void config_refs_files(struct arena *a, const char *directory, str text,
                       void (*fn)(const char *path, void *arg), void *arg)
{
    size_t at = 0, from = 0, to = 0;
    struct reference ref;
    while (find_reference(text, at, &from, &to) && to <= text.n) {
        at = to;
        if (!split_reference(str_slice(text, from + 2, to - 1), &ref))
            continue;
        if (ref.kind == REFERENCE_FILE)
            fn(config_path(a, directory, ref.name), arg);
        else if (ref.kind == REFERENCE_CRED)
            fn(credential_path(a, ref.name), arg);
    }
}
