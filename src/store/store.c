/* store.c -- from a url to a store. */
#include "store/store.h"

#include "base/log.h"
#include "store/store_memory.h"
#include "store/store_sqlite.h"

struct store *store_open(str url, const struct clock *clock, struct reason *why)
{
    if (str_starts(url, STR("memory:")))
        return store_memory_open(str_slice(url, 7, url.n), clock, why);
    str dir = str_starts(url, STR("sqlite:")) ? str_slice(url, 7, url.n) : STR_NONE;
    if (dir.n == 0 || str_find(dir, '\0') != dir.n) {
        fail(why, ERR_INVALID, "\"" STR_FMT "\" is no store: write memory: or sqlite:DIRECTORY",
             STR_ARG(url));
        return NULL;
    }
    char *path = xmalloc(dir.n + 1);
    memcpy(path, dir.p, dir.n);
    path[dir.n] = '\0';
    struct store *s = store_sqlite_open(path, clock, NULL, why);
    free(path);
    return s;
}
