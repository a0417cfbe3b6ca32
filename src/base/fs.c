/* fs.c -- whole files: read with a maximum, written so that a crash leaves the old or the new one.
 *
 * Blocking calls: for start, reload and the command line, never on a loop while it serves. */
#include "base/fs.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 65536

static enum err err_of_errno(void)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    default:
        return ERR_IO;
    }
}

static enum err read_all(int fd, const char *path, struct buf *out, struct reason *why)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_size > 0 && (size_t)st.st_size <= out->max)
        buf_reserve(out, (size_t)st.st_size);
    for (;;) {
        char chunk[READ_BYTES];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(why, err_of_errno(), "cannot read %s", path);
        if (n == 0)
            return ERR_OK;
        buf_append(out, chunk, (size_t)n);
        if (!buf_ok(out))
            return fail(why, ERR_LIMIT, "%s is larger than %zu bytes, the most that is read", path,
                        out->max);
    }
}

enum err fs_read(struct arena *a, const char *path, size_t max, str *out, struct reason *why)
{
    struct buf bytes;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fail_errno(why, err_of_errno(), "cannot open %s", path);
    buf_init(&bytes, max);
    enum err err = read_all(fd, path, &bytes, why);
    close(fd);
    if (err == ERR_OK) {
        *out = arena_str(a, buf_str(&bytes));
        if (!out->p)
            err = fail(why, ERR_LIMIT, "%s does not fit into the memory set aside for it", path);
    }
    buf_release(&bytes);
    return err;
}

static enum err write_all(int fd, const char *path, str bytes, struct reason *why)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(why, err_of_errno(), "cannot write %s", path);
        bytes = str_slice(bytes, (size_t)n, bytes.n);
    }
    return ERR_OK;
}

static enum err fill(int fd, const char *path, str bytes, unsigned mode, struct reason *why)
{
    enum err err = write_all(fd, path, bytes, why);
    if (err != ERR_OK)
        return err;
    if (fchmod(fd, (mode_t)mode) < 0)
        return fail_errno(why, err_of_errno(), "cannot set the mode of %s", path);
    if (fsync(fd) < 0)
        return fail_errno(why, err_of_errno(), "cannot sync %s", path);
    return ERR_OK;
}

enum err fs_write_atomic(const char *path, str bytes, unsigned mode, struct reason *why)
{
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof(temporary))
        return fail(why, ERR_LIMIT, "the path %.64s... is too long", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return fail_errno(why, err_of_errno(), "cannot create a file beside %s", path);
    enum err err = fill(fd, temporary, bytes, mode, why);
    if (close(fd) < 0 && err == ERR_OK)
        err = fail_errno(why, err_of_errno(), "cannot close %s", temporary);
    if (err == ERR_OK && rename(temporary, path) < 0)
        err = fail_errno(why, err_of_errno(), "cannot rename %s to %s", temporary, path);
    if (err != ERR_OK) {
        unlink(temporary);
        return err;
    }
    return fs_sync_parent(path, why);
}

static enum err make_directory(const char *path, struct reason *why)
{
    struct stat st;
    if (mkdir(path, 0700) == 0)
        return ERR_OK;
    if (errno != EEXIST)
        return fail_errno(why, err_of_errno(), "cannot create the directory %s", path);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return ERR_OK;
    return fail(why, ERR_IO, "%s is there already and is no directory", path);
}

enum err fs_mkdirs(const char *path, struct reason *why)
{
    char prefix[PATH_MAX];
    int n = snprintf(prefix, sizeof(prefix), "%s", path);
    if (n <= 0 || (size_t)n >= sizeof(prefix))
        return fail(why, ERR_INVALID, "the path of a directory is empty or too long");
    /* What exists may be unwritable above, so only the missing parents are made. */
    for (char *slash = strchr(prefix + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        enum err err = fs_exists(prefix) ? ERR_OK : make_directory(prefix, why);
        *slash = '/';
        if (err != ERR_OK)
            return err;
    }
    return make_directory(prefix, why);
}

enum err fs_sync_parent(const char *path, struct reason *why)
{
    char copy[PATH_MAX];
    int n = snprintf(copy, sizeof(copy), "%s", path);
    if (n < 0 || (size_t)n >= sizeof(copy))
        return fail(why, ERR_LIMIT, "the path %.64s... is too long", path);
    const char *parent = dirname(copy);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(why, err_of_errno(), "cannot open the directory %s", parent);
    enum err err = ERR_OK;
    if (fsync(fd) < 0)
        err = fail_errno(why, err_of_errno(), "cannot sync the directory %s", parent);
    close(fd);
    return err;
}

bool fs_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}
