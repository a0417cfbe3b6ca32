/* go_path.c -- lexical only: no file system, no links. */
#include "compat/go_path.h"

/* Cuts the last element off out[0..n), not below least. */
static size_t drop_last(const char *out, size_t n, size_t least)
{
    while (n > least && out[n - 1] != '/')
        n--;
    return n > least ? n - 1 : least;
}

str path_clean(struct arena *a, str path)
{
    bool rooted = str_starts(path, STR("/"));
    char *out = arena_alloc(a, path.n + 2);
    if (!out)
        return STR_NONE;
    size_t n = 0, least = 0; /* least: what ".." can't remove */
    if (rooted)
        out[n++] = '/', least = 1;
    str rest = path;
    while (rest.p) {
        str part = str_cut(&rest, '/');
        bool up = str_eq(part, STR(".."));
        if (!part.n || str_eq(part, STR(".")))
            continue;
        if (up && n > least) {
            n = drop_last(out, n, least);
            continue;
        }
        if (up && rooted)
            continue;
        if (n > (rooted ? 1u : 0u))
            out[n++] = '/';
        memcpy(out + n, part.p, part.n);
        n += part.n;
        if (up)
            least = n;
    }
    if (n == 0)
        out[n++] = '.';
    return str_of(out, n);
}

str path_join(struct arena *a, str directory, str name)
{
    if (!directory.n || !name.n)
        return path_clean(a, directory.n ? directory : name);
    str joined = arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(directory), STR_ARG(name));
    return joined.p ? path_clean(a, joined) : STR_NONE;
}

void path_escape(struct buf *out, str path)
{
    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                     (c && strchr("-_.~$&+,/:;=@", c));
        if (plain)
            buf_char(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned char)c);
    }
}
