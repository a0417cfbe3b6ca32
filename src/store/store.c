/* store.c -- from a url to a store. */
#include "store/store.h"

#include "base/log.h"
#include "store/store_memory.h"
#include "store/store_postgres.h"
#include "store/store_sqlite.h"

const char *store_durability_word(enum store_durability d)
{
    static const char *const words[] = {"volatile", "local", "replicated"};
    assert((size_t)d < ARRAY_LEN(words));
    return words[d];
}

str store_url_shown(str url, struct arena *a)
{
    if (!str_starts(url, STR("postgres")))
        return url;
    size_t scheme = str_find_str(url, STR("://"));
    if (scheme == url.n)
        return STR("postgres:");
    str rest = str_slice(url, scheme + 3, url.n);
    for (size_t at = str_find(rest, '@'); at < rest.n; at = str_find(rest, '@'))
        rest = str_slice(rest, at + 1, rest.n);
    rest = str_slice(rest, 0, str_find(rest, '?'));
    return arena_printf(a, "postgres://" STR_FMT, STR_ARG(rest));
}

static struct store *open_sqlite(str dir, const struct clock *clock, struct reason *why)
{
    char *path = xmalloc(dir.n + 1);
    memcpy(path, dir.p, dir.n);
    path[dir.n] = '\0';
    struct store *s = store_sqlite_open(path, clock, NULL, why);
    free(path);
    return s;
}

/* A store with one owner process. */
static struct store *alone(struct store *s, enum store_durability durability)
{
    if (!s)
        return NULL;
    atomic_store(&s->durability, (int)durability);
    return s;
}

static bool is_postgres(str url)
{
    return str_starts(url, STR("postgres:")) || str_starts(url, STR("postgresql:"));
}

enum err store_inspect(str url, store_tell_fn *tell, void *arg, struct reason *why)
{
    return is_postgres(url) ? store_postgres_inspect(url, tell, arg, why) : ERR_OK;
}

struct store *store_open_with(str url, const struct store_options *o, const struct clock *clock,
                              struct reason *why)
{
    if (str_find(url, '\0') != url.n)
        url = STR("");
    if (str_starts(url, STR("memory:")))
        return alone(store_memory_open(str_slice(url, 7, url.n), clock, why), STORE_VOLATILE);
    if (is_postgres(url))
        return store_postgres_open(url, o, clock, why);
    if (str_starts(url, STR("sqlite:")) && url.n > 7)
        return alone(open_sqlite(str_slice(url, 7, url.n), clock, why), STORE_LOCAL);
    fail(why, ERR_INVALID,
         "\"" STR_FMT "\" is no store: write memory:, sqlite:DIRECTORY or "
         "postgres://USER@HOST/DATABASE",
         STR_ARG(url));
    return NULL;
}
