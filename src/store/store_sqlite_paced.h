/* store_sqlite_paced.h -- SQLite's own files, written back in small pieces while they are written.
 *
 * A sync of some MiB puts all of it before the disk at once, and a journal that shares the disk
 * waits behind it. Here every PACED_BYTES that are written go out before the next are, so that
 * little is left for the sync. Only the time of writing changes: what SQLite syncs, and when, and
 * what it is told of errors, stays its own. */
#ifndef GAFF_STORE_STORE_SQLITE_PACED_H
#define GAFF_STORE_STORE_SQLITE_PACED_H

#define PACED_BYTES (128u << 10)

/* The name for sqlite3_open_v2; NULL: the system's own, where pieces can't be written back. Any
 * thread; the first call registers it. A connection that uses it is the last of its process to
 * close the file: it has a descriptor of its own, and closing one gives up the process's locks. */
const char *sqlite_paced_vfs(void);

#endif
