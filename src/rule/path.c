/* path.c -- compiling and walking JSON paths. The walk visits each value of the document at most
 * once, so a path full of wildcards costs no more than the document is large. Used by match. */
#include "rule/path.h"

/* Reads one part off *rest up to a bare '.'; the unescaped name goes to out (rest.n bytes). */
static enum err read_part(struct path_part *part, str *rest, char *out, struct reason *why)
{
    size_t i = 0, n = 0;
    bool escaped = false;
    while (i < rest->n && rest->p[i] != '.') {
        if (rest->p[i] == '\\') {
            escaped = true;
            if (++i == rest->n)
                return fail(why, ERR_INVALID, "the path ends in a backslash");
        }
        out[n++] = rest->p[i++];
    }
    if (!n)
        return fail(why, ERR_INVALID,
                    "the path has an empty part; write a.b, and a\\.b for a dot "
                    "inside a name");
    part->name = str_of(out, n);
    part->any = !escaped && str_eq(part->name, STR("*"));
    uint64_t index;
    part->index = n <= 9 && str_to_u64(part->name, &index) ? (size_t)index : SIZE_MAX;
    bool more = i < rest->n;
    *rest = more ? str_slice(*rest, i + 1, rest->n) : STR_NONE;
    return ERR_OK;
}

enum err path_compile(struct path *p, struct arena *a, str text, struct reason *why)
{
    *p = (struct path){.text = arena_str(a, text)};
    size_t dots = 0;
    for (size_t i = 0; i < text.n; i++)
        dots += text.p[i] == '.';
    size_t room = dots < PATH_PARTS_MAX ? dots + 1 : PATH_PARTS_MAX;
    p->parts = ARENA_ARRAY(a, struct path_part, room);
    char *names = arena_alloc(a, text.n + 1);
    if (!p->text.p || !p->parts || !names)
        return fail(why, ERR_LIMIT, "the configuration is too large");
    str rest = text;
    do {
        if (p->count == PATH_PARTS_MAX)
            return fail(why, ERR_INVALID, "the path has more than %d parts", PATH_PARTS_MAX);
        struct path_part *part = &p->parts[p->count];
        enum err e = read_part(part, &rest, names, why);
        if (e)
            return e;
        names += part->name.n;
        p->many = p->many || part->any;
        p->count++;
    } while (rest.p);
    return ERR_OK;
}

struct walk {
    const struct path *path;
    path_visit *visit;
    void *arg;
};

static bool walk_from(const struct walk *w, size_t at, const struct json *v)
{
    if (!v)
        return false;
    if (at == w->path->count)
        return w->visit(v, w->arg);
    const struct path_part *part = &w->path->parts[at];
    enum json_kind kind = json_kind_of(v);
    if (kind != JSON_OBJECT && kind != JSON_ARRAY)
        return false;
    if (part->any) {
        struct json_iter it = {0};
        while (json_next(v, &it))
            if (walk_from(w, at + 1, it.value))
                return true;
        return false;
    }
    if (kind == JSON_OBJECT)
        return walk_from(w, at + 1, json_get(v, part->name));
    return part->index != SIZE_MAX && walk_from(w, at + 1, json_at(v, part->index));
}

bool path_walk(const struct path *p, const struct json *root, path_visit *visit, void *arg)
{
    struct walk w = {p, visit, arg};
    return walk_from(&w, 0, root);
}
