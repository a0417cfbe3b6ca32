/* inject.c -- loaded before libc (LD_PRELOAD) into the daemon under test: makes writes and syncs of
 * the files below one directory fail as a control page says, and keeps an undo log from which the
 * harness restores what a power cut would have left.
 *
 *   INJECT_DIR      the directory, absolute and without symbolic links
 *   INJECT_CONTROL  a file of one page (struct control), mapped: it may change at any time
 *   INJECT_UNDO     when set: a directory on the same file system for the undo log and for links
 *                   to files that were removed
 *
 * tests/fault/inject.py is the other side of both formats. The entry of the undo log is written
 * before the operation, the mark of a sync after it: what the log calls durable is durable. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KIND_WRITE = 1, KIND_SYNC = 2, KIND_ALLOCATE = 4, KIND_CREATE = 8 };
enum { FILES_JOURNAL = 1, FILES_DATABASE = 2, FILES_OTHER = 4 };
enum { MODE_OFF, MODE_ALL, MODE_NTH, MODE_FROM_NTH, MODE_RANDOM };

struct control {
    _Atomic uint32_t mode, error, kinds, files, permille, torn, sync_delay_us, unused;
    _Atomic uint64_t nth, calls, failed;
};

enum { ENTRY_WRITE = 1, ENTRY_SIZE, ENTRY_CREATE, ENTRY_UNLINK, ENTRY_SYNCED, ENTRY_SYNC_FAILED };

struct entry { /* followed by the path, the old bytes and the new bytes */
    uint32_t type, path_bytes;
    uint64_t seq, offset, old_size, old_bytes, new_bytes;
};

static struct control *control;
static char dir[PATH_MAX], undo_dir[PATH_MAX];
static size_t dir_bytes;
static int undo_fd = -1;
static uint64_t undo_seq;
static pthread_mutex_t undo_lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (!real)                                                                                     \
    real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static ssize_t real_write(int fd, const void *p, size_t n)
{
    REAL(write);
    return real(fd, p, n);
}

static ssize_t real_pwrite(int fd, const void *p, size_t n, off_t at)
{
    REAL(pwrite);
    return real(fd, p, n, at);
}

static int real_open(const char *path, int flags, mode_t mode)
{
    REAL(open);
    return real(path, flags, mode);
}

__attribute__((constructor)) static void begin(void)
{
    const char *where = getenv("INJECT_DIR"), *file = getenv("INJECT_CONTROL");
    const char *undo = getenv("INJECT_UNDO");
    int fd = file ? real_open(file, O_RDWR | O_CLOEXEC, 0) : -1;
    if (!where || fd < 0)
        return;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page == MAP_FAILED)
        return;
    dir_bytes = (size_t)snprintf(dir, sizeof(dir), "%s", where);
    control = page;
    if (!undo)
        return;
    char path[PATH_MAX + 8];
    snprintf(undo_dir, sizeof(undo_dir), "%s", undo);
    snprintf(path, sizeof(path), "%s/log", undo_dir);
    undo_fd = real_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* --- whose file it is ------------------------------------------------------------------------ */

static bool is_inside(const char *path)
{
    return control && strncmp(path, dir, dir_bytes) == 0 &&
           (path[dir_bytes] == '/' || path[dir_bytes] == '\0');
}

/* The path of an open file of the directory; false for all others and for removed ones. */
static bool path_of(int fd, char out[PATH_MAX])
{
    char link[64];
    if (!control)
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, PATH_MAX - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    return is_inside(out) && !strstr(out, " (deleted)") && !strstr(out, "-shm");
}

static uint32_t files_of(const char *path)
{
    size_t n = strlen(path);
    if (n > 3 && strcmp(path + n - 3, ".gj") == 0)
        return FILES_JOURNAL;
    return strstr(path, "gaff.db") ? FILES_DATABASE : FILES_OTHER;
}

/* --- failing --------------------------------------------------------------------------------- */

static bool should_fail(uint32_t kind, const char *path)
{
    uint32_t mode = atomic_load(&control->mode);
    if (!(atomic_load(&control->kinds) & kind) || !(atomic_load(&control->files) & files_of(path)))
        return false;
    uint64_t call = atomic_fetch_add(&control->calls, 1) + 1, nth = atomic_load(&control->nth);
    bool fails =
        mode == MODE_ALL || (mode == MODE_NTH && call == nth) ||
        (mode == MODE_FROM_NTH && call >= nth) ||
        (mode == MODE_RANDOM && (uint64_t)random() % 1000 < atomic_load(&control->permille));
    if (fails) {
        atomic_fetch_add(&control->failed, 1);
        errno = (int)atomic_load(&control->error);
    }
    return fails;
}

/* --- the undo log ---------------------------------------------------------------------------- */

static void put(const void *p, size_t n)
{
    const char *at = p;
    while (n > 0) {
        ssize_t done = real_write(undo_fd, at, n);
        if (done <= 0)
            abort(); /* an undo log with a hole would prove nothing */
        at += done;
        n -= (size_t)done;
    }
}

/* undo_lock is held. */
static uint64_t put_entry(struct entry e, const char *path, const void *old, const void *new)
{
    e.seq = ++undo_seq;
    e.path_bytes = (uint32_t)strlen(path);
    put(&e, sizeof(e));
    put(path, e.path_bytes);
    put(old, e.old_bytes);
    put(new, e.new_bytes);
    return e.seq;
}

static uint64_t size_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static ssize_t logged_write(int fd, const char *path, const void *p, size_t n, off_t at)
{
    pthread_mutex_lock(&undo_lock);
    char *old = malloc(n + 1);
    /* By a descriptor of its own: the daemon's may be for direct writes of whole pages alone. */
    int from = real_open(path, O_RDONLY | O_CLOEXEC, 0);
    ssize_t was = old && from >= 0 ? pread(from, old, n, at) : -1;
    if (was < 0)
        abort();
    close(from);
    put_entry((struct entry){.type = ENTRY_WRITE,
                             .offset = (uint64_t)at,
                             .old_size = size_of(fd),
                             .old_bytes = (uint64_t)was,
                             .new_bytes = n},
              path, old, p);
    ssize_t done = real_pwrite(fd, p, n, at);
    int error = errno;
    free(old);
    pthread_mutex_unlock(&undo_lock);
    errno = error;
    return done;
}

/* Before the size becomes `size`; what would be cut off is kept. */
static void log_size(int fd, const char *path, uint64_t size)
{
    uint64_t was = size_of(fd);
    size_t cut = was > size ? (size_t)(was - size) : 0;
    char *old = malloc(cut + 1);
    if (!old || pread(fd, old, cut, (off_t)size) != (ssize_t)cut)
        abort();
    put_entry((struct entry){.type = ENTRY_SIZE, .offset = size, .old_size = was, .old_bytes = cut},
              path, old, "");
    free(old);
}

/* --- what the daemon calls ------------------------------------------------------------------- */

static ssize_t write_at(int fd, const char *path, const void *p, size_t n, off_t at)
{
    if (should_fail(KIND_WRITE, path)) {
        int error = errno;
        if (atomic_load(&control->torn) && n > 1 && undo_fd < 0)
            (void)!real_pwrite(fd, p, n / 2, at);
        errno = error;
        return -1;
    }
    return undo_fd >= 0 ? logged_write(fd, path, p, n, at) : real_pwrite(fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    char path[PATH_MAX];
    return path_of(fd, path) ? write_at(fd, path, p, n, at) : real_pwrite(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return pwrite(fd, p, n, at);
}

ssize_t write(int fd, const void *p, size_t n)
{
    char path[PATH_MAX];
    struct stat st;
    if (!path_of(fd, path) || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return real_write(fd, p, n);
    off_t at = fcntl(fd, F_GETFL) & O_APPEND ? st.st_size : lseek(fd, 0, SEEK_CUR);
    ssize_t done = write_at(fd, path, p, n, at);
    if (done > 0)
        lseek(fd, at + done, SEEK_SET);
    return done;
}

static int sync_file(int fd, int (*real)(int fd))
{
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return real(fd);
    uint32_t delay_us = atomic_load(&control->sync_delay_us);
    if (delay_us)
        usleep(delay_us);
    pthread_mutex_lock(&undo_lock);
    uint64_t upto = undo_seq;
    pthread_mutex_unlock(&undo_lock);
    bool fails = should_fail(KIND_SYNC, path);
    int error = errno;
    int rc = fails ? -1 : real(fd);
    if (undo_fd >= 0) {
        pthread_mutex_lock(&undo_lock);
        put_entry(
            (struct entry){.type = rc == 0 ? ENTRY_SYNCED : ENTRY_SYNC_FAILED, .offset = upto},
            path, "", "");
        pthread_mutex_unlock(&undo_lock);
    }
    if (fails)
        errno = error;
    return rc;
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return sync_file(fd, real);
}

int fsync(int fd)
{
    REAL(fsync);
    return sync_file(fd, real);
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate);
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return real(fd, size);
    if (should_fail(KIND_ALLOCATE, path))
        return -1;
    if (undo_fd < 0)
        return real(fd, size);
    pthread_mutex_lock(&undo_lock);
    log_size(fd, path, (uint64_t)size);
    int rc = real(fd, size);
    pthread_mutex_unlock(&undo_lock);
    return rc;
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

/* Answers as posix_fallocate does: the error's number. */
static int allocate(int fd, off_t at, off_t n, int (*real)(int fd, off_t at, off_t n))
{
    char path[PATH_MAX];
    if (!path_of(fd, path))
        return real(fd, at, n);
    if (should_fail(KIND_ALLOCATE, path))
        return errno;
    if (undo_fd < 0)
        return real(fd, at, n);
    pthread_mutex_lock(&undo_lock);
    uint64_t was = size_of(fd), end = (uint64_t)(at + n);
    log_size(fd, path, end > was ? end : was);
    int rc = real(fd, at, n);
    pthread_mutex_unlock(&undo_lock);
    return rc;
}

int posix_fallocate(int fd, off_t at, off_t n)
{
    REAL(posix_fallocate);
    return allocate(fd, at, n, real);
}

int posix_fallocate64(int fd, off_t at, off_t n)
{
    REAL(posix_fallocate64);
    return allocate(fd, at, n, real);
}

static int open_file(const char *path, int flags, mode_t mode)
{
    char whole[PATH_MAX * 2], folder[PATH_MAX];
    if (!control || !(flags & O_CREAT) || access(path, F_OK) == 0)
        return real_open(path, flags, mode);
    if (path[0] == '/' || !getcwd(folder, sizeof(folder)))
        snprintf(whole, sizeof(whole), "%s", path);
    else
        snprintf(whole, sizeof(whole), "%s/%s", folder, path);
    if (!is_inside(whole))
        return real_open(path, flags, mode);
    if (should_fail(KIND_CREATE, whole))
        return -1;
    if (undo_fd < 0 || strstr(whole, "-shm"))
        return real_open(path, flags, mode);
    pthread_mutex_lock(&undo_lock);
    put_entry((struct entry){.type = ENTRY_CREATE}, whole, "", "");
    int fd = real_open(path, flags, mode);
    int error = errno;
    pthread_mutex_unlock(&undo_lock);
    errno = error;
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_file(path, flags, mode);
}

int unlink(const char *path)
{
    REAL(unlink);
    char whole[PATH_MAX * 2], folder[PATH_MAX], kept[PATH_MAX + 32];
    if (undo_fd < 0)
        return real(path);
    if (path[0] == '/' || !getcwd(folder, sizeof(folder)))
        snprintf(whole, sizeof(whole), "%s", path);
    else
        snprintf(whole, sizeof(whole), "%s/%s", folder, path);
    if (!is_inside(whole) || strstr(whole, "-shm") || access(path, F_OK) != 0)
        return real(path);
    pthread_mutex_lock(&undo_lock);
    snprintf(kept, sizeof(kept), "%s/%llu", undo_dir, (unsigned long long)undo_seq + 1);
    if (link(path, kept) != 0)
        abort();
    put_entry((struct entry){.type = ENTRY_UNLINK}, whole, "", "");
    int rc = real(path);
    pthread_mutex_unlock(&undo_lock);
    return rc;
}
