/* store_sqlite_space.c -- space that is kept back for the database: a file of its own, given up
 * when the disk is full. What was acknowledged is then applied and delivered on that space, and
 * new events are refused until the disk has room for the file again. Without it a disk that Gaff
 * itself filled would stay as it is: the database could not be told of outcomes, nothing would
 * finish, and nothing would ever be let go. */
#include "store/store_sqlite.h"

#include "base/fs.h"
#include "base/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The write-ahead log up to its checkpoint, a transaction, and as much in the database itself. */
#define RESERVE_BYTES (16u << 20)

static char *reserve_path(const char *dir)
{
    size_t n = strlen(dir) + sizeof("/reserve");
    char *path = xmalloc(n);
    snprintf(path, n, "%s/reserve", dir);
    return path;
}

static bool make_reserve(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool good = (fstat(fd, &st) == 0 && st.st_size == (off_t)RESERVE_BYTES) ||
                (posix_fallocate(fd, 0, RESERVE_BYTES) == 0 && fsync(fd) == 0);
    close(fd);
    if (!good)
        unlink(path);
    return good;
}

void space_keep(struct sqlite_store *s)
{
    char *path = reserve_path(s->dir);
    bool was_short = atomic_load(&s->is_short), good = make_reserve(path);
    free(path);
    atomic_store(&s->is_short, !good);
    if (good && was_short)
        log_event(LOG_INFO, "there is room on the disk again; events are taken");
    if (!good && !was_short)
        log_event(LOG_ERROR,
                  "no room on the disk: what was accepted is finished, new events are refused",
                  LOG_F("path", str_from_cstr(s->dir)), LOG_I("needed_bytes", RESERVE_BYTES));
}

void space_spend(struct sqlite_store *s)
{
    if (!atomic_exchange(&s->is_short, true))
        log_event(LOG_ERROR,
                  "the disk is full: what was accepted is finished on the space that was kept "
                  "back, new events are refused",
                  LOG_F("path", str_from_cstr(s->dir)));
    space_give_up(s->dir);
    journal_shrink(s->journal);
}

bool space_give_up(const char *dir)
{
    char *path = reserve_path(dir);
    bool gone = unlink(path) == 0;
    free(path);
    return gone;
}
