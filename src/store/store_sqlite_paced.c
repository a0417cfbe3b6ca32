/* store_sqlite_paced.c -- a shim over SQLite's default VFS. Every call goes through to it; a write
 * is counted, and a sync begins with what is still to be written back. */
#include "store/store_sqlite_paced.h"

#ifdef __linux__

#include "base/compiler.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

struct paced_file {
    sqlite3_file base;
    int fd; /* its own, so that an error it meets is still SQLite's to find; -1: not paced */
    sqlite3_int64 from, to; /* written since the last piece lies in there */
    unsigned bytes;         /* of it */
};

static sqlite3_vfs *real; /* the default one when ours was made */
static sqlite3_vfs paced;
static const char *paced_name;

/* The default VFS's file lies behind ours. */
static sqlite3_file *inner(sqlite3_file *f)
{
    return (sqlite3_file *)(void *)((struct paced_file *)(void *)f + 1);
}

/* Waits for the piece, or the next ones would pile up before the disk all the same. What fails
 * here fails at the sync again. */
static void write_back(struct paced_file *f)
{
    if (f->bytes > 0)
        (void)sync_file_range(f->fd, f->from, f->to - f->from,
                              SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                  SYNC_FILE_RANGE_WAIT_AFTER);
    f->bytes = 0;
}

static int paced_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
    struct paced_file *f = (struct paced_file *)(void *)file;
    int rc = inner(file)->pMethods->xWrite(inner(file), p, n, at);
    if (rc != SQLITE_OK || f->fd < 0)
        return rc;
    if (f->bytes == 0) {
        f->from = at;
        f->to = at + n;
    }
    f->from = at < f->from ? at : f->from;
    f->to = at + n > f->to ? at + n : f->to;
    f->bytes += (unsigned)n;
    if (f->bytes >= PACED_BYTES)
        write_back(f);
    return rc;
}

static int paced_sync(sqlite3_file *file, int flags)
{
    write_back((struct paced_file *)(void *)file);
    return inner(file)->pMethods->xSync(inner(file), flags);
}

static int paced_close(sqlite3_file *file)
{
    struct paced_file *f = (struct paced_file *)(void *)file;
    int rc = inner(file)->pMethods->xClose(inner(file));
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    return rc;
}

/* --- what goes through as it is --------------------------------------------------------------- */

static int through_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return inner(f)->pMethods->xRead(inner(f), p, n, at);
}

static int through_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return inner(f)->pMethods->xTruncate(inner(f), size);
}

static int through_file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return inner(f)->pMethods->xFileSize(inner(f), size);
}

static int through_lock(sqlite3_file *f, int level)
{
    return inner(f)->pMethods->xLock(inner(f), level);
}

static int through_unlock(sqlite3_file *f, int level)
{
    return inner(f)->pMethods->xUnlock(inner(f), level);
}

static int through_check_reserved_lock(sqlite3_file *f, int *is)
{
    return inner(f)->pMethods->xCheckReservedLock(inner(f), is);
}

static int through_file_control(sqlite3_file *f, int op, void *arg)
{
    return inner(f)->pMethods->xFileControl(inner(f), op, arg);
}

static int through_sector_size(sqlite3_file *f)
{
    return inner(f)->pMethods->xSectorSize(inner(f));
}

static int through_device_characteristics(sqlite3_file *f)
{
    return inner(f)->pMethods->xDeviceCharacteristics(inner(f));
}

static int through_shm_map(sqlite3_file *f, int region, int n, int extend, void volatile **p)
{
    return inner(f)->pMethods->xShmMap(inner(f), region, n, extend, p);
}

static int through_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return inner(f)->pMethods->xShmLock(inner(f), offset, n, flags);
}

static void through_shm_barrier(sqlite3_file *f)
{
    inner(f)->pMethods->xShmBarrier(inner(f));
}

static int through_shm_unmap(sqlite3_file *f, int remove)
{
    return inner(f)->pMethods->xShmUnmap(inner(f), remove);
}

/* Version 2: without memory mapping of the file, which the store does not use. */
static const sqlite3_io_methods paced_methods = {.iVersion = 2,
                                                 .xClose = paced_close,
                                                 .xRead = through_read,
                                                 .xWrite = paced_write,
                                                 .xTruncate = through_truncate,
                                                 .xSync = paced_sync,
                                                 .xFileSize = through_file_size,
                                                 .xLock = through_lock,
                                                 .xUnlock = through_unlock,
                                                 .xCheckReservedLock = through_check_reserved_lock,
                                                 .xFileControl = through_file_control,
                                                 .xSectorSize = through_sector_size,
                                                 .xDeviceCharacteristics =
                                                     through_device_characteristics,
                                                 .xShmMap = through_shm_map,
                                                 .xShmLock = through_shm_lock,
                                                 .xShmBarrier = through_shm_barrier,
                                                 .xShmUnmap = through_shm_unmap};

static int paced_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct paced_file *f = (struct paced_file *)(void *)file;
    UNUSED(vfs);
    *f = (struct paced_file){.fd = -1};
    inner(file)->pMethods = NULL;
    int rc = real->xOpen(real, name, inner(file), flags, out);
    /* After a failure SQLite closes what has methods. */
    if (inner(file)->pMethods)
        file->pMethods = &paced_methods;
    if (rc == SQLITE_OK && name && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
        f->fd = open(name, O_WRONLY | O_CLOEXEC);
    return rc;
}

static void make_vfs(void)
{
    real = sqlite3_vfs_find(NULL);
    if (!real)
        return;
    paced = *real;
    paced.pNext = NULL;
    paced.zName = "gaff-paced";
    paced.szOsFile += (int)sizeof(struct paced_file);
    paced.xOpen = paced_open;
    if (sqlite3_vfs_register(&paced, 0) == SQLITE_OK)
        paced_name = paced.zName;
}

const char *sqlite_paced_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_vfs);
    return paced_name;
}

#else

const char *sqlite_paced_vfs(void)
{
    return NULL;
}

#endif
